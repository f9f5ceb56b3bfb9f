# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Masks of the exact rasterizer against shapely, and the properties that any exact coverage has."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import shapely
import torch
from hypothesis import assume, given
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

from monai_acdr.networks.layers import ExactOptions, rasterize_polygons, rasterizer_options

pytestmark = pytest.mark.usefixtures("backend")

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))
SHIFT = st.integers(-40, 40)


@st.composite
def star_polygons(draw: st.DrawFn) -> np.ndarray:
    """Star-shaped, hence simple: spiky, of either orientation, anywhere about 12 x 12 pixels; often on grid lines."""
    num_vertices = draw(st.integers(4, 12))
    unit = st.floats(0, 1)
    jitter = draw(st.lists(unit, min_size=num_vertices, max_size=num_vertices))
    radii = draw(st.lists(st.floats(0.5, 9), min_size=num_vertices, max_size=num_vertices))
    center = np.array([draw(st.floats(-3, 15)), draw(st.floats(-3, 15))])
    angles = (np.arange(num_vertices) + 0.9 * np.array(jitter)) * 2 * np.pi / num_vertices
    polygon = center + np.array(radii)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _finish(draw, polygon)


@st.composite
def bent_bands(draw: st.DrawFn) -> np.ndarray:
    """A band with ragged sides, bent into a C: simple, far from convex, and not star-shaped."""
    half = draw(st.integers(3, 8))
    inner = draw(st.lists(st.floats(1, 3), min_size=half, max_size=half))
    outer = draw(st.lists(st.floats(3.5, 7), min_size=half, max_size=half))
    angles = np.linspace(0, draw(st.floats(1, 5.5)), half)
    radii, around = np.array(outer + inner[::-1]), np.concatenate([angles, angles[::-1]])
    center = np.array([draw(st.floats(2, 10)), draw(st.floats(2, 10))])
    return _finish(draw, center + radii[:, None] * np.stack([np.cos(around), np.sin(around)], axis=1))


def _finish(draw: st.DrawFn, polygon: np.ndarray) -> np.ndarray:
    snapped = draw(st.sampled_from([0, 1, 2]))
    if snapped:
        polygon = np.round(polygon * snapped) / snapped  # vertices, and then edges, on grid lines
        assume(shapely.Polygon(polygon).is_valid and shapely.Polygon(polygon).area > 0)
    elif not shapely.Polygon(polygon).is_valid:
        assume(False)
    return polygon[::-1].copy() if draw(st.booleans()) else polygon


POLYGONS = st.one_of(star_polygons(), bent_bands())


def render(polygon: np.ndarray | Tensor, size: tuple[int, int], **settings: Any) -> Tensor:
    """(H, W) mask of one polygon (K, 2)."""
    return rasterize_polygons(torch.as_tensor(polygon)[None], size, rasterizer_options(**settings))[0, 0]


# --- Contract: exact area -------------------------------------------------------------------------------------------


@given(polygon=POLYGONS, size=SIZES)
def test_float64_is_the_exact_area_to_1e_12(
    exact_coverage: Callable[..., np.ndarray], polygon: np.ndarray, size: tuple[int, int]
) -> None:
    expected = exact_coverage(polygon, size)
    # shapely's is_ccw has y up: from +x toward +y. Such a contour is wound around negatively.
    sign = -1 if shapely.LinearRing(polygon).is_ccw else 1
    for fill_rule, factor in [("nonzero", 1), ("evenodd", 1), ("signed", sign)]:
        mask = render(polygon, size, fill_rule=fill_rule)
        assert mask.dtype == torch.float64
        assert mask.shape == size
        np.testing.assert_allclose(mask.numpy(), factor * expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("size", "num_vertices"), [((1024, 1024), 64), ((700, 1024), 7), ((64, 48), 32)])
@pytest.mark.parametrize("seed", [0, 1])
def test_float32_is_the_exact_area_to_2e_6_up_to_1024_pixels(
    size: tuple[int, int], num_vertices: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    height, width = size
    angles = (np.arange(num_vertices) + 0.9 * rng.random(num_vertices)) * 2 * np.pi / num_vertices
    radii = min(size) * (0.2 + 0.35 * rng.random(num_vertices))  # some vertices lie outside the frame
    polygon = np.stack([width / 2 + radii * np.cos(angles), height / 2 + radii * np.sin(angles)], 1).astype(np.float32)
    mask = render(polygon, size)
    assert mask.dtype == torch.float32

    exact = shapely.Polygon(polygon.astype(np.float64))
    border = shapely.get_coordinates(shapely.line_interpolate_point(exact.exterior, rng.random(3000), normalized=True))
    columns, rows = np.concatenate([border, rng.random((1000, 2)) * [width, height]]).astype(int).T
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    columns, rows = columns[inside], rows[inside]
    areas = shapely.area(shapely.intersection(exact, shapely.box(columns, rows, columns + 1, rows + 1)))
    np.testing.assert_allclose(mask.numpy()[rows, columns], areas, rtol=0, atol=2e-6)
    # Everywhere else against float64, which the tests above compare with shapely.
    torch.testing.assert_close(mask.double(), render(polygon.astype(np.float64), size), rtol=0, atol=2e-6)


@given(polygon=POLYGONS)
def test_sum_is_the_shoelace_area_inside_the_frame(polygon: np.ndarray) -> None:
    offset = np.floor(polygon.min(0))
    local = polygon - offset
    size = (math.ceil(local[:, 1].max()) + 1, math.ceil(local[:, 0].max()) + 1)
    area = shapely.Polygon(local).area
    assert render(local, size).sum().item() == pytest.approx(area, rel=1e-12)
    assert render(local.astype(np.float32), size).sum().item() == pytest.approx(area, rel=1e-5)


def test_known_values_by_hand() -> None:
    triangle = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]]])
    torch.testing.assert_close(rasterize_polygons(triangle, (2, 3)), torch.tensor([[[[1.0, 0.5, 0], [0.5, 0, 0]]]]))
    square = torch.tensor([[[0.5, 0.25], [2.0, 0.25], [2.0, 1.0], [0.5, 1.0]]])
    torch.testing.assert_close(rasterize_polygons(square, (1, 3)), torch.tensor([[[[0.375, 0.75, 0.0]]]]))


# --- Contract: invariances ------------------------------------------------------------------------------------------


@given(polygon=POLYGONS, size=SIZES, steps=st.integers(1, 11))
def test_equal_under_a_cyclic_shift(polygon: np.ndarray, size: tuple[int, int], steps: int) -> None:
    shifted = np.roll(polygon, steps, axis=0)
    torch.testing.assert_close(render(shifted, size), render(polygon, size), rtol=0, atol=1e-12)


@given(polygon=POLYGONS, size=SIZES)
def test_equal_under_reversal_up_to_the_sign_of_signed(polygon: np.ndarray, size: tuple[int, int]) -> None:
    backwards = polygon[::-1].copy()
    torch.testing.assert_close(render(backwards, size), render(polygon, size), rtol=0, atol=1e-12)
    signed = [render(p, size, fill_rule="signed") for p in (polygon, backwards)]
    torch.testing.assert_close(signed[1], -signed[0], rtol=0, atol=1e-12)


@given(polygon=POLYGONS, size=SIZES, repeats=st.lists(st.integers(1, 3), min_size=16, max_size=16))
def test_equal_under_repeated_vertices(polygon: np.ndarray, size: tuple[int, int], repeats: list[int]) -> None:
    repeated = np.repeat(polygon, repeats[: len(polygon)], axis=0)
    torch.testing.assert_close(render(repeated, size), render(polygon, size), rtol=0, atol=1e-12)


@given(polygon=POLYGONS, size=SIZES, fraction=st.floats(0, 1))
def test_equal_under_subdivision_of_the_edges(polygon: np.ndarray, size: tuple[int, int], fraction: float) -> None:
    between = polygon + fraction * (np.roll(polygon, -1, axis=0) - polygon)
    divided = np.stack([polygon, between], axis=1).reshape(-1, 2)
    torch.testing.assert_close(render(divided, size), render(polygon, size), rtol=0, atol=1e-12)


@pytest.mark.parametrize("differentiate", ["analytic", "autograd"])
@given(polygon=POLYGONS, shift=st.tuples(st.integers(0, 900), st.integers(0, 900)), dyadic=st.booleans())
def test_integer_translation_changes_no_bit_of_a_float32_mask(
    differentiate: str, polygon: np.ndarray, shift: tuple[int, int], dyadic: bool
) -> None:
    local = torch.as_tensor(np.round(polygon * 256) / 256 if dyadic else polygon, dtype=torch.float32) + 16
    offset = torch.tensor(shift, dtype=torch.float32)
    there = local + offset
    here = there - offset  # exact, since `there` has the coarser grid of numbers
    assert torch.equal(here + offset, there)
    size = (48, 48)
    small = render(here, size, differentiate=differentiate)
    large = render(there, (size[0] + shift[1], size[1] + shift[0]), differentiate=differentiate)
    assert torch.equal(large[shift[1] :, shift[0] :], small)
    assert not large[: shift[1]].any()


@given(polygon=POLYGONS, size=SIZES, margin=st.tuples(*[st.integers(0, 8)] * 4))
def test_rendering_big_then_cropping_is_rendering_small(
    polygon: np.ndarray, size: tuple[int, int], margin: tuple[int, int, int, int]
) -> None:
    left, top, right, bottom = margin
    big = render(polygon + [left, top], (size[0] + top + bottom, size[1] + left + right))
    crop = big[top : top + size[0], left : left + size[1]]
    torch.testing.assert_close(crop, render(polygon, size), rtol=0, atol=1e-12)


# --- Contract: self-intersections -----------------------------------------------------------------------------------

BOW_TIE = np.array([[1.1, 1.2], [10.3, 8.4], [10.2, 1.7], [0.9, 9.1]])
PENTAGRAM = np.array([6.1, 5.3]) + 5 * np.stack(
    [np.cos(0.3 + np.arange(5) * 0.8 * np.pi), np.sin(0.3 + np.arange(5) * 0.8 * np.pi)], axis=1
)


@pytest.mark.parametrize(("polygon", "crossings"), [(BOW_TIE, 1), (PENTAGRAM, 5)], ids=["bow-tie", "pentagram"])
def test_self_intersections_are_exact_but_for_a_handful_of_pixels_at_the_crossings(
    winding_areas: Callable[..., dict[int, np.ndarray]], polygon: np.ndarray, crossings: int
) -> None:
    size = (11, 12)
    areas = winding_areas(polygon, size)
    outside = 1 - sum(areas.values())
    present = np.stack([outside > 1e-9, *(area > 1e-9 for area in areas.values())])
    numbers = np.array([0, *areas])[:, None, None]
    spread = np.where(present, numbers, -9).max(0) - np.where(present, numbers, 9).min(0)
    plain = spread <= 1  # at most two neighboring winding numbers, hence no crossing

    for fill_rule, value in [("nonzero", lambda n: n != 0), ("evenodd", lambda n: n % 2)]:
        expected = sum(float(value(number)) * area for number, area in areas.items())
        error = np.abs(render(polygon, size, fill_rule=fill_rule).numpy() - expected)
        assert error[plain].max() <= 1e-12
        assert error.max() <= 0.3
        assert (error > 1e-12).sum() <= 2 * crossings
    signed = render(polygon, size, fill_rule="signed").numpy()
    expected = sum(number * area for number, area in areas.items())
    np.testing.assert_allclose(-signed, expected, rtol=0, atol=1e-12)  # from +x toward +y counts as negative


def test_holes_by_a_second_ring_in_one_polygon(exact_coverage: Callable[..., np.ndarray]) -> None:
    outer = np.array([[1.2, 1.3], [9.4, 1.1], [9.6, 8.7], [1.5, 8.2]])
    inner = np.array([[3.1, 3.2], [6.5, 3.3], [6.2, 6.4], [3.3, 6.1]])
    bridged = np.concatenate([outer, outer[:1], inner, inner[:1]])  # there and back over one bridge
    expected = exact_coverage(outer, (10, 11)) - exact_coverage(inner, (10, 11))
    mask = render(bridged, (10, 11), fill_rule="evenodd")
    np.testing.assert_allclose(mask.numpy(), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(render(bridged, (10, 11)).numpy(), exact_coverage(outer, (10, 11)), rtol=0, atol=1e-12)


# --- Contract: polygons that are none -------------------------------------------------------------------------------

SQUARE = torch.tensor([[1.5, 1.0], [4.0, 1.0], [4.0, 3.5], [1.5, 3.5]])


@pytest.mark.parametrize("differentiate", ["analytic", "autograd"])
@pytest.mark.parametrize("fill_rule", ["nonzero", "evenodd", "signed"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_not_finite_vertices_spoil_only_their_sample(differentiate: str, fill_rule: str, bad: float) -> None:
    vertices = torch.stack([SQUARE, SQUARE, SQUARE + 0.25])
    vertices[1, 2, 0] = bad
    vertices.requires_grad_()
    masks = rasterize_polygons(vertices, (5, 6), ExactOptions(fill_rule=fill_rule, differentiate=differentiate))
    assert masks[1].isnan().all()
    for sample in (0, 2):
        torch.testing.assert_close(masks[sample, 0], render(vertices[sample].detach(), (5, 6), fill_rule=fill_rule))
    masks.square().sum().backward()
    assert vertices.grad is not None
    assert not vertices.grad[1].any()
    alone = vertices.detach()[2:].clone().requires_grad_()
    rasterize_polygons(
        alone, (5, 6), ExactOptions(fill_rule=fill_rule, differentiate=differentiate)
    ).square().sum().backward()
    torch.testing.assert_close(vertices.grad[2:], alone.grad)


@pytest.mark.parametrize("differentiate", ["analytic", "autograd"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("far", [1e9, -1e9, 1e30, -1e30])
def test_huge_coordinates_do_not_crash(differentiate: str, dtype: torch.dtype, far: float) -> None:
    vertices = torch.stack([SQUARE, SQUARE, SQUARE, torch.full_like(SQUARE, far)]).to(dtype)
    vertices[0, 1:3, 0] = far  # a long band to the right or to the left
    vertices[1, 2] = far
    vertices[2, 2:, 1] = far
    vertices.requires_grad_()
    masks = rasterize_polygons(vertices, (5, 6), ExactOptions(differentiate=differentiate))
    masks.square().sum().backward()
    assert vertices.grad is not None
    assert vertices.grad.isfinite().all()
    assert (masks >= 0).all()
    assert (masks <= 1).all()
    across, down = [0, 0.5, 1, 1, 1, 1] if far > 0 else [1, 0.5, 0, 0, 0, 0], [0, 1, 1, 0.5, 0]
    band = torch.outer(torch.tensor(down, dtype=dtype), torch.tensor(across, dtype=dtype))
    torch.testing.assert_close(masks[0, 0], band)
    assert not masks[3].any()


@pytest.mark.parametrize("differentiate", ["analytic", "autograd"])
@pytest.mark.parametrize("fill_rule", ["nonzero", "evenodd", "signed"])
@pytest.mark.parametrize(
    "polygon",
    [
        [[2.3, 1.4]],
        [[2.0, 1.0]],
        [[0.5, 0.7], [4.2, 3.9]],
        [[1.0, 1.0], [1.0, 4.0]],
        [[0.5, 0.5], [1.5, 1.5], [3.0, 3.0], [2.5, 2.5]],
        [[1.0, 2.0], [3.0, 2.0], [5.0, 2.0]],
        [[2.5, 1.5]] * 6,
    ],
    ids=["point", "grid point", "segment", "grid segment", "collinear", "grid collinear", "one point repeated"],
)
def test_degenerate_polygons_have_area_zero_and_finite_gradients(
    polygon: list[list[float]], fill_rule: str, differentiate: str
) -> None:
    vertices = torch.tensor([polygon], dtype=torch.float64, requires_grad=True)
    mask = rasterize_polygons(vertices, (5, 6), ExactOptions(fill_rule=fill_rule, differentiate=differentiate))
    torch.testing.assert_close(mask, torch.zeros_like(mask), rtol=0, atol=1e-15)
    (gradient,) = torch.autograd.grad((mask * torch.rand_like(mask)).sum(), vertices)
    assert gradient.isfinite().all()


def test_the_smallest_numbers_do_not_divide_by_zero() -> None:
    tiny = 5e-324
    square = torch.tensor([[[tiny, 0.0], [2.0, tiny], [2.0, 2.0], [0.0, 2.0]]], dtype=torch.float64, requires_grad=True)
    mask = rasterize_polygons(square, (3, 3))
    torch.testing.assert_close(mask.sum().item(), 4.0)
    mask.sum().backward()
    assert square.grad is not None
    assert square.grad.isfinite().all()


def test_a_batch_of_no_polygons() -> None:
    vertices = torch.zeros(0, 5, 2, requires_grad=True)
    mask = rasterize_polygons(vertices, (4, 6))
    assert mask.shape == (0, 1, 4, 6)
    mask.sum().backward()
    assert vertices.grad is not None
    assert vertices.grad.shape == (0, 5, 2)


# --- Lengths, module, errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("differentiate", ["analytic", "autograd"])
def test_lengths_ignore_what_follows(differentiate: str) -> None:
    padded = torch.rand(3, 7, 2, dtype=torch.float64) * 8
    lengths = torch.tensor([3, 7, 1])
    padded[0, 3:] = float("nan")
    padded.requires_grad_()
    masks = rasterize_polygons(padded, (8, 9), ExactOptions(differentiate=differentiate), lengths=lengths)
    for sample, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(masks[sample, 0], render(padded[sample, :length].detach(), (8, 9)))
    masks.sum().backward()
    assert padded.grad is not None
    assert not padded.grad[0, 3:].any()
    assert padded.grad[0, :3].any()


def test_lengths_give_the_gradient_of_the_polygon_without_padding() -> None:
    padded = (torch.rand(1, 6, 2, dtype=torch.float64) * 8).requires_grad_()
    short = padded.detach()[:, :4].clone().requires_grad_()
    weights = torch.rand(1, 1, 8, 9, dtype=torch.float64)
    (rasterize_polygons(padded, (8, 9), lengths=torch.tensor([4])) * weights).sum().backward()
    (rasterize_polygons(short, (8, 9)) * weights).sum().backward()
    assert padded.grad is not None
    torch.testing.assert_close(padded.grad[:, :4], short.grad)


@pytest.mark.parametrize("method", ["exact", "soft", "mesh"])
def test_vertices_with_metadata_give_plain_masks(method: str) -> None:
    vertices = torch.stack([SQUARE, SQUARE + 1])
    masks = rasterize_polygons(
        MetaTensor(vertices.clone(), meta={"name": "x"}), (6, 7), rasterizer_options(method=method)
    )
    assert type(masks) is Tensor
    assert torch.equal(masks, rasterize_polygons(vertices, (6, 7), rasterizer_options(method=method)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vertices": torch.rand(4, 2)}, r"Expected `vertices` to be \(B, K, 2\) or .*, but got \(4, 2\)"),
        ({"vertices": torch.rand(1, 4, 3)}, r"Expected `vertices` to be .*2\), but got \(1, 4, 3\)"),
        ({"vertices": torch.rand(1, 0, 2)}, r"Expected `vertices` to be .*K >= 1.*but got \(1, 0, 2\)"),
        ({"vertices": torch.ones(1, 4, 2, dtype=torch.int64)}, r"Expected `vertices` to be floating point.*int64"),
        ({"size": (0, 4)}, r"Expected `size` to be a positive \(H, W\), but got \(0, 4\)"),
        ({"size": (4,)}, r"Expected `size` to be a positive \(H, W\), but got \(4,\)"),
        ({"fill_rule": "winding"}, r"Expected `fill_rule` to be one of .*nonzero.*but got 'winding'"),
        ({"differentiate": "numeric"}, r"Expected `differentiate` to be one of .*analytic.*but got 'numeric'"),
        ({"method": "magic"}, r"Expected `method` to be one of .*exact.*but got 'magic'"),
        ({"backend": "magic"}, r"Expected `backend` to be one of .*numba.*but got 'magic'"),
        (
            {"softness": 1.0},
            r"settings of method 'exact' to be among \['fill_rule', .*, but got \['softness'\]",
        ),
        ({"rings": True}, r"Expected `vertices` to be \(B, R, K, 2\) or .*, but got \(2, 4, 2\)"),
        (
            {"method": "soft", "sharpness": 1},
            r"settings of method 'soft' to be .*, but got \['sharpness'\]",
        ),
        (
            {"method": "mesh", "fill_rule": "evenodd"},
            r"settings of method 'mesh' to be .*, but got \['fill_rule'\]",
        ),
        ({"lengths": torch.tensor([3])}, r"Expected `lengths` to be \(2,\) integers, but got \(1,\)"),
        ({"lengths": torch.tensor([3.0, 4.0])}, r"Expected `lengths` to be \(2,\) integers, but got .*float32"),
        ({"lengths": torch.tensor([0, 4])}, r"Expected `lengths` within 1 .. 4, but got \[0, 4\]"),
        ({"lengths": torch.tensor([5, 4])}, r"Expected `lengths` within 1 .. 4, but got \[5, 4\]"),
    ],
)
def test_wrong_arguments(settings: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"vertices": torch.rand(2, 4, 2), "size": (8, 8)}
    with pytest.raises(ValueError, match=message):
        for name in ("vertices", "size", "lengths"):
            if name in settings:
                arguments[name] = settings[name]
        options = rasterizer_options(**{name: value for name, value in settings.items() if name not in arguments})
        rasterize_polygons(**arguments, options=options)


def test_options_of_another_type() -> None:
    with pytest.raises(TypeError, match="Expected `options` to be ExactOptions, .*but got 'soft'.*rasterizer_options"):
        rasterize_polygons(torch.rand(2, 4, 2), (8, 8), "soft")  # type: ignore[arg-type]
