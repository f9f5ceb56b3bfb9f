# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The coordinate rule and its conversions, against torch's, DICOM's and MONAI's own statements of it."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from torch import Tensor
from torch.nn import functional as F

from monai_acdr import geometry
from monai_acdr.geometry import (
    PIXEL_CENTER,
    centers_to_pixel,
    map_vertices,
    normalized_to_pixel,
    pixel_spacing,
    pixel_to_centers,
    pixel_to_normalized,
    pixel_to_world,
    world_to_pixel,
)

SIZES = st.tuples(st.integers(1, 2048), st.integers(1, 2048))
POINTS = st.lists(st.tuples(st.floats(-500, 2500), st.floats(-500, 2500)), min_size=1, max_size=5)

# ImageOrientationPatient: direction cosines of a row (x grows), then of a column (y grows).
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


def orientation(yaw: float, pitch: float, roll: float) -> tuple[float, ...]:
    """Row and column cosines of a plane turned by three angles."""
    rotations = []
    for axis, angle in enumerate((yaw, pitch, roll)):
        turn = np.eye(3)
        i, j = [k for k in range(3) if k != axis]
        turn[i, i] = turn[j, j] = math.cos(angle)
        turn[i, j], turn[j, i] = -math.sin(angle), math.sin(angle)
        rotations.append(turn)
    matrix = rotations[0] @ rotations[1] @ rotations[2]
    return (*matrix[:, 0], *matrix[:, 1])


def monai_affine(
    cosines: tuple[float, ...],
    position: tuple[float, float, float] = (12.0, -34.0, 56.0),
    spacing: tuple[float, float] = (1.5, 0.75),
    third_column: tuple[float, float, float] = (0.0, 0.0, 1.0),
) -> Tensor:
    """What MONAI's PydicomReader(swap_ij=False) makes: (row, column, slice) to RAS; spacing is (row, column)."""
    affine = np.eye(4)
    affine[:3, 0] = np.array(cosines[3:]) * spacing[0]
    affine[:3, 1] = np.array(cosines[:3]) * spacing[1]
    affine[:3, 2] = third_column
    affine[:3, 3] = position
    return torch.from_numpy(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


ORIENTATIONS = st.one_of(
    st.sampled_from([AXIAL, SAGITTAL, CORONAL]),
    st.builds(orientation, *[st.floats(-math.pi, math.pi)] * 3),
)
AFFINES = st.builds(
    monai_affine,
    ORIENTATIONS,
    st.tuples(*[st.floats(-300, 300)] * 3),
    st.tuples(st.floats(0.05, 5), st.floats(0.05, 5)),
    st.sampled_from([(0.0, 0.0, 1.0), (0.0, 0.0, 0.0), (float("nan"),) * 3, (1.0, 0.0, 0.0)]),
)


def as_points(points: list[tuple[float, float]]) -> Tensor:
    return torch.tensor(points, dtype=torch.float64)


# --- Normalized coordinates -----------------------------------------------------------------------------------------


def test_corners_of_the_image_are_the_corners_of_the_normalized_square() -> None:
    corners = torch.tensor([[0.0, 0.0], [640.0, 0.0], [640.0, 480.0], [320.0, 240.0]])
    expected = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [0.0, 0.0]])
    torch.testing.assert_close(pixel_to_normalized(corners, (480, 640)), expected)


def test_grid_sample_reads_a_pixel_at_its_center() -> None:
    image = torch.arange(12.0, dtype=torch.float64).view(1, 1, 3, 4)
    rows, columns = torch.meshgrid(torch.arange(3.0), torch.arange(4.0), indexing="ij")
    centers = torch.stack([columns, rows], dim=-1).double() + PIXEL_CENTER
    grid = pixel_to_normalized(centers, (3, 4))[None]
    torch.testing.assert_close(F.grid_sample(image, grid, align_corners=False), image)


@given(points=POINTS, size=SIZES)
def test_normalized_and_back(points: list[tuple[float, float]], size: tuple[int, int]) -> None:
    vertices = as_points(points)
    there = pixel_to_normalized(vertices, size)
    torch.testing.assert_close(there, vertices * 2 / torch.tensor([size[1], size[0]]) - 1, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(normalized_to_pixel(there, size), vertices, rtol=0, atol=1e-9)


@given(points=POINTS)
def test_centers_are_half_a_pixel_away(points: list[tuple[float, float]]) -> None:
    vertices = as_points(points)
    assert torch.equal(centers_to_pixel(vertices), vertices + 0.5)
    torch.testing.assert_close(pixel_to_centers(centers_to_pixel(vertices)), vertices, rtol=0, atol=1e-12)


@pytest.mark.parametrize("convert", [pixel_to_normalized, normalized_to_pixel])
def test_normalized_keeps_dtype_and_shape_and_passes_gradients(convert) -> None:  # type: ignore[no-untyped-def]
    single = torch.rand(2, 3, 5, 2)
    assert convert(single, (4, 6)).dtype == torch.float32
    assert convert(single, (4, 6)).shape == single.shape
    assert torch.autograd.gradcheck(lambda v: convert(v, (4, 6)), single.double().requires_grad_())


# --- World ----------------------------------------------------------------------------------------------------------


@given(points=POINTS, cosines=ORIENTATIONS, spacing=st.tuples(st.floats(0.05, 5), st.floats(0.05, 5)))
def test_world_is_dicom_s_equation_of_the_image_plane(
    points: list[tuple[float, float]], cosines: tuple[float, ...], spacing: tuple[float, float]
) -> None:
    """PS3.3 C.7.6.2.1.1: P = S + X dx i + Y dy j with column index i, row index j and the first pixel's center S."""
    position = (12.0, -34.0, 56.0)
    world = pixel_to_world(as_points(points), monai_affine(cosines, position, spacing))
    row_spacing, column_spacing = spacing  # PixelSpacing: the distance between rows comes first
    for (x, y), point in zip(points, world.numpy(), strict=True):
        along_row = np.array(cosines[:3]) * column_spacing * (x - 0.5)
        along_column = np.array(cosines[3:]) * row_spacing * (y - 0.5)
        np.testing.assert_allclose(point, np.array(position) + along_row + along_column, rtol=0, atol=1e-9)


@given(points=POINTS, affine=AFFINES)
def test_pixel_to_world_and_back(points: list[tuple[float, float]], affine: Tensor) -> None:
    vertices = as_points(points)
    torch.testing.assert_close(world_to_pixel(pixel_to_world(vertices, affine), affine), vertices, rtol=0, atol=1e-7)


def test_a_point_beside_the_plane_is_projected_onto_it() -> None:
    cosines = orientation(0.3, -0.7, 1.1)
    affine = monai_affine(cosines)
    vertices = torch.tensor([[3.0, 4.0], [20.5, 7.25]], dtype=torch.float64)
    normal = torch.from_numpy(np.cross(cosines[:3], cosines[3:]))
    torch.testing.assert_close(world_to_pixel(pixel_to_world(vertices, affine) + 9.5 * normal, affine), vertices)


def test_world_accepts_float32_and_integers_and_answers_in_float64() -> None:
    affine = monai_affine(CORONAL)
    for vertices in (torch.tensor([[3.0, 4.0]]), torch.tensor([[3, 4]])):
        assert pixel_to_world(vertices, affine).dtype == torch.float64
        assert world_to_pixel(torch.tensor([[3.0, 4.0, 5.0]]), affine).dtype == torch.float64


def test_a_two_dimensional_affine_lies_in_the_plane_zero() -> None:
    affine = torch.tensor([[2.0, 0.0, 10.0], [0.0, 3.0, 20.0], [0.0, 0.0, 1.0]])  # row, column to the first two axes
    world = pixel_to_world(torch.tensor([[0.5, 0.5], [1.5, 2.5]]), affine)
    torch.testing.assert_close(world, torch.tensor([[-10.0, -20.0, 0.0], [-14.0, -23.0, 0.0]], dtype=torch.float64))


def test_nothing_but_the_plane_of_the_affine_is_read() -> None:
    vertices = torch.rand(5, 2, dtype=torch.float64) * 100
    plain = monai_affine(SAGITTAL)
    for third in [(float("nan"),) * 3, (0.0, 0.0, 0.0), (1e9, -3.0, 2.0)]:
        other = monai_affine(SAGITTAL, third_column=third)
        assert torch.equal(pixel_to_world(vertices, other), pixel_to_world(vertices, plain))
        assert torch.equal(
            world_to_pixel(pixel_to_world(vertices, plain), other),
            world_to_pixel(pixel_to_world(vertices, plain), plain),
        )


@pytest.mark.parametrize("cosines", [AXIAL, SAGITTAL, CORONAL, orientation(0.4, 0.2, -2.0)])
def test_spacing_is_between_rows_first(cosines: tuple[float, ...]) -> None:
    affine = monai_affine(cosines, spacing=(1.5, 0.75))
    torch.testing.assert_close(pixel_spacing(affine), torch.tensor([1.5, 0.75], dtype=torch.float64))


# --- From one image to another --------------------------------------------------------------------------------------


@given(points=POINTS, affine=AFFINES, shift=st.tuples(st.integers(-50, 50), st.integers(-50, 50)))
def test_a_crop_shifts(points: list[tuple[float, float]], affine: Tensor, shift: tuple[int, int]) -> None:
    left, top = shift
    crop = affine.clone()
    crop[:3, 3] = affine[:3, 3] + top * affine[:3, 0] + left * affine[:3, 1]
    expected = as_points(points) - as_points([shift])
    torch.testing.assert_close(map_vertices(as_points(points), affine, crop), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("cosines", [AXIAL, SAGITTAL, CORONAL, orientation(math.pi / 2 - 1e-9, 0.3, 0.0)])
def test_a_flip_a_rotation_and_a_zoom_by_hand(cosines: tuple[float, ...]) -> None:
    """Also for planes whose upper left 2 x 2 block is singular, or all but singular."""
    height, width = 40, 30
    affine = monai_affine(cosines, third_column=(float("nan"),) * 3)
    vertices = torch.tensor([[3.0, 4.0], [20.5, 7.25], [0.0, 0.0]], dtype=torch.float64)
    x, y = vertices.unbind(-1)

    flipped = affine.clone()  # left to right: column 0 is where the last one was
    flipped[:3, 1], flipped[:3, 3] = -affine[:3, 1], affine[:3, 3] + (width - 1) * affine[:3, 1]
    expected = torch.stack([width - x, y], dim=-1)
    torch.testing.assert_close(map_vertices(vertices, affine, flipped), expected, rtol=0, atol=1e-9)

    turned = affine.clone()  # numpy.rot90 of the array: new rows are old columns, from the last to the first
    turned[:3, 0], turned[:3, 1] = -affine[:3, 1], affine[:3, 0]
    turned[:3, 3] = affine[:3, 3] + (width - 1) * affine[:3, 1]
    expected = torch.stack([y, width - x], dim=-1)
    torch.testing.assert_close(map_vertices(vertices, affine, turned), expected, rtol=0, atol=1e-9)

    finer = affine.clone()  # twice the pixels; outer corners stay, so the first center moves by a quarter pixel
    finer[:3, :2] /= 2
    finer[:3, 3] = affine[:3, 3] - 0.25 * (affine[:3, 0] + affine[:3, 1])
    torch.testing.assert_close(map_vertices(vertices, affine, finer), 2 * vertices, rtol=0, atol=1e-9)
    assert height > width


@given(points=POINTS, affine=AFFINES, spacing=st.tuples(st.floats(0.05, 5), st.floats(0.05, 5)))
def test_map_and_back(points: list[tuple[float, float]], affine: Tensor, spacing: tuple[float, float]) -> None:
    vertices = as_points(points)
    other = affine.clone()
    other[:3, :2] *= torch.tensor(spacing, dtype=torch.float64)
    mapped = map_vertices(vertices, affine, other)
    torch.testing.assert_close(map_vertices(mapped, other, affine), vertices, rtol=0, atol=1e-6)
    torch.testing.assert_close(pixel_to_world(mapped, other), pixel_to_world(vertices, affine), rtol=0, atol=1e-6)


def test_map_keeps_dtype_and_batch_and_passes_gradients() -> None:
    source, target = monai_affine(SAGITTAL), monai_affine(SAGITTAL, position=(12.0, 3.0, 4.0), spacing=(1.0, 1.0))
    vertices = torch.rand(2, 3, 5, 2)
    assert map_vertices(vertices, source, target).dtype == torch.float32
    assert map_vertices(vertices, source.float(), target).shape == vertices.shape
    assert torch.autograd.gradcheck(lambda v: map_vertices(v, source, target), vertices[0].double().requires_grad_())


@pytest.mark.parametrize("columns", [[[1.0, 2.0, 3.0]] * 2, [[0.0] * 3, [1.0, 0.0, 0.0]], [[float("nan")] * 3] * 2])
def test_planes_that_are_none(columns: list[list[float]]) -> None:
    affine = monai_affine(AXIAL)
    affine[:3, :2] = torch.tensor(columns, dtype=torch.float64).T
    message = r"Expected `affine` to have two independent, finite in-plane directions.*ImageOrientationPatient"
    with pytest.raises(ValueError, match=message):
        world_to_pixel(torch.zeros(1, 3), affine)
    with pytest.raises(ValueError, match=message):
        map_vertices(torch.zeros(1, 2), monai_affine(AXIAL), affine)


def test_affines_of_a_wrong_shape() -> None:
    with pytest.raises(ValueError, match=r"Expected `affine` to be \(4, 4\), or \(3, 3\).*but got \(2, 3\)"):
        pixel_to_world(torch.zeros(1, 2), torch.zeros(2, 3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_lifted_before_anything_is_computed(dtype: torch.dtype) -> None:
    vertices = (torch.rand(3, 9, 2) * 4096).to(dtype)
    single = vertices.float()
    affine = torch.eye(4, dtype=torch.float64)
    moved = affine.clone()
    moved[0, 3] = 0.25
    functions = {
        "pixel_to_normalized": lambda v: geometry.pixel_to_normalized(v, (4096, 3000)),
        "normalized_to_pixel": lambda v: geometry.normalized_to_pixel(v, (4096, 3000)),
        "centers_to_pixel": geometry.centers_to_pixel,
        "pixel_to_centers": geometry.pixel_to_centers,
        "map_vertices": lambda v: geometry.map_vertices(v, affine, moved),
        "ellipse": lambda v: geometry.ellipse(v, v, 7),
        "circle": lambda v: geometry.circle(v, 3.5, 7),
        "signed_area": geometry.signed_area,
        "perimeter": geometry.perimeter,
        "centroid": geometry.centroid,
        "bounding_box": geometry.bounding_box,
        "resample": lambda v: geometry.resample(v, 12),
        "settle_contours": lambda v: geometry.settle_contours(v).contours,
        "cut_loops": lambda v: geometry.cut_loops(v[0]),
    }
    for name, function in functions.items():
        argument = vertices / 4096 if name == "normalized_to_pixel" else vertices
        expected = function(argument.float() if name == "normalized_to_pixel" else single)
        result = function(argument)
        assert result.dtype == torch.float32, name
        assert torch.equal(result, expected), name
