# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Oracles: circles, boxes and given contours."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn

from monai_acdr.geometry import bounding_box, centroid, signed_area
from monai_acdr.networks.blocks import BoxContour, CenteredCircle, GivenContour, contour_from_box

ORACLES: list[tuple[type[nn.Module], dict[str, Any]]] = [
    (CenteredCircle, {"num_vertices": 12}),
    (BoxContour, {"box": (2.0, 3.0, 10.0, 7.0), "num_vertices": 12}),
    (GivenContour, {"vertices": [[1.0, 1.0], [9.0, 1.0], [9.0, 5.0]], "num_vertices": 12}),
]


@pytest.mark.parametrize(("oracle", "settings"), ORACLES)
def test_shapes_dtype_and_one_contour_an_image(oracle: type[nn.Module], settings: dict[str, Any]) -> None:
    module = oracle(**settings)
    vertices = module(torch.rand(3, 2, 16, 24))
    assert vertices.shape == (3, 12, 2)
    assert vertices.dtype == torch.float32
    assert torch.equal(vertices[0], vertices[2])
    assert not list(module.parameters())
    assert not module.state_dict()  # weights do not depend on where a contour starts
    vertices[0].zero_()
    assert module(torch.rand(1, 2, 16, 24)).any()


SEVERAL: list[tuple[type[nn.Module], dict[str, Any]]] = [
    (CenteredCircle, {"num_vertices": 12, "diameter": [0.25, 0.5]}),
    (BoxContour, {"box": [(4.0, 4.0, 8.0, 6.0), (2.0, 3.0, 10.0, 7.0)], "num_vertices": 12}),
    (
        GivenContour,
        {
            "vertices": [[[3.0, 2.0], [8.0, 2.0], [8.0, 4.0]], [[1.0, 1.0], [9.0, 1.0], [9.0, 5.0]]],
            "num_vertices": 12,
        },
    ),
]


@pytest.mark.parametrize(("oracle", "settings"), SEVERAL)
def test_a_contour_for_each_of_several_structures(oracle: type[nn.Module], settings: dict[str, Any]) -> None:
    name = {CenteredCircle: "diameter", BoxContour: "box", GivenContour: "vertices"}[oracle]  # type: ignore[index]
    image = torch.rand(3, 1, 16, 24)
    vertices = oracle(**settings)(image)
    assert vertices.shape == (3, 2, 12, 2)
    for index in range(2):
        alone = oracle(**{**settings, name: settings[name][index]})(image)
        assert torch.equal(vertices[:, index], alone)


def test_a_circle_keeps_its_diameter() -> None:
    assert CenteredCircle(8, 0.3).diameter == 0.3
    assert CenteredCircle(8, (0.3, 0.5)).diameter == [0.3, 0.5]


@pytest.mark.parametrize("diameter", [[], [0.3, 1.2], (0.0, 0.5)])
def test_circles_of_wrong_diameters(diameter: Any) -> None:
    with pytest.raises(
        ValueError, match=r"Expected `diameter` to be a fraction in \(0, 1\].* or several of them, but got"
    ):
        CenteredCircle(diameter=diameter)


def test_contours_for_structures_of_structures() -> None:
    with pytest.raises(
        ValueError, match=r"Expected `box` to be one box of 4 numbers, or N of them, but got \(1, 1, 4\)"
    ):
        BoxContour([[(4.0, 4.0, 8.0, 6.0)]])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"Expected `vertices` to be \(P, 2\) or \(N, P, 2\), but got \(1, 1, 3, 2\)"):
        GivenContour(torch.rand(1, 1, 3, 2))


@pytest.mark.parametrize(("oracle", "settings"), [*ORACLES, *SEVERAL])
def test_script_and_compile(oracle: type[nn.Module], settings: dict[str, Any]) -> None:
    module, image = oracle(**settings), torch.rand(2, 1, 16, 24)
    torch.testing.assert_close(torch.jit.script(module)(image), module(image))
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(module, fullgraph=True, backend="eager")(image), module(image))


def test_the_paper_s_circle_is_16_pixels_wide_in_the_middle_of_64() -> None:
    (vertices,) = CenteredCircle()(torch.rand(1, 1, 64, 64))
    assert vertices.shape == (32, 2)
    radii = torch.linalg.vector_norm(vertices - 32, dim=-1)
    torch.testing.assert_close(radii, torch.full((32,), 8.0))


@pytest.mark.parametrize("size", [(32, 80), (80, 32)])
def test_circle_in_an_image_that_is_not_square(size: tuple[int, int]) -> None:
    (vertices,) = CenteredCircle(8, diameter=0.5)(torch.rand(1, 1, *size))
    torch.testing.assert_close(centroid(vertices), torch.tensor([size[1] / 2, size[0] / 2]))
    x0, y0, x1, y1 = bounding_box(vertices).tolist()
    assert (x1 - x0, y1 - y0) == pytest.approx((16, 16))


@pytest.mark.parametrize("diameter", [0.0, -0.2, 1.01])
def test_circle_of_a_wrong_diameter(diameter: float) -> None:
    with pytest.raises(ValueError, match=rf"Expected `diameter` to be a fraction in \(0, 1\].*but got {diameter}"):
        CenteredCircle(diameter=diameter)


def test_an_ellipse_touches_the_four_sides_of_its_box() -> None:
    boxes = torch.tensor([[2.0, 3.0, 10.0, 7.0], [0.0, 0.0, 5.0, 9.0]])
    vertices = contour_from_box(boxes, 16)
    assert vertices.shape == (2, 16, 2)
    torch.testing.assert_close(bounding_box(vertices), boxes)
    expected = 0.5 * 16 * math.sin(2 * math.pi / 16) * torch.tensor([4 * 2, 2.5 * 4.5])
    torch.testing.assert_close(signed_area(vertices), expected)


def test_a_circle_has_the_smaller_side_as_diameter_and_can_be_scaled() -> None:
    box = torch.tensor([2.0, 3.0, 10.0, 7.0])
    circle = contour_from_box(box, 16, "circle")
    torch.testing.assert_close(bounding_box(circle), torch.tensor([4.0, 3.0, 8.0, 7.0]))
    half = contour_from_box(box, 16, "ellipse", scale=0.5)
    torch.testing.assert_close(bounding_box(half), torch.tensor([4.0, 4.0, 8.0, 6.0]))


def test_box_contour_is_its_function() -> None:
    vertices = BoxContour((2.0, 3.0, 10.0, 7.0), 8, "circle", 0.5)(torch.rand(2, 1, 8, 8))
    torch.testing.assert_close(vertices[1], contour_from_box(torch.tensor([2.0, 3.0, 10.0, 7.0]), 8, "circle", 0.5))


@pytest.mark.parametrize(
    ("box", "shape", "message"),
    [
        ([0.0, 0.0, 4.0, 4.0], "square", "Expected `shape` to be 'ellipse' or 'circle', but got 'square'"),
        ([0.0, 0.0, 4.0], "circle", r"Expected `boxes` to be \(\.\.\., 4\) as .*but got \(3,\)"),
        ([4.0, 0.0, 4.0, 4.0], "circle", r"Expected `boxes` with x0 < x1 and y0 < y1, but got \[4.0, 0.0, 4.0, 4.0\]"),
        ([0.0, 5.0, 4.0, 4.0], "ellipse", "Expected `boxes` with x0 < x1 and y0 < y1"),
        ([0.0, float("nan"), 4.0, 4.0], "ellipse", "Expected `boxes` with x0 < x1 and y0 < y1"),
    ],
)
def test_wrong_boxes(box: list[float], shape: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contour_from_box(torch.tensor(box), 8, shape)


def test_a_given_contour_is_kept_or_resampled() -> None:
    given = [[1.0, 1.0], [9.0, 1.0], [9.0, 5.0], [1.0, 5.0]]
    image = torch.rand(1, 1, 8, 16)
    torch.testing.assert_close(GivenContour(given)(image)[0], torch.tensor(given))
    expected = [[1.0, 1.0], [7.0, 1.0], [9.0, 5.0], [3.0, 5.0]]
    torch.testing.assert_close(GivenContour(torch.tensor(given), 4)(image)[0], torch.tensor(expected))


def test_a_given_contour_of_a_wrong_shape() -> None:
    with pytest.raises(ValueError, match=r"Expected `vertices` to be .*K >= 3, 2\), but got \(2, 2\)"):
        GivenContour([[1.0, 1.0], [9.0, 1.0]])


def test_oracles_move_with_the_module() -> None:
    module = GivenContour([[1.0, 1.0], [9.0, 1.0], [9.0, 5.0]]).to("meta")
    assert module(torch.rand(2, 1, 8, 8, device="meta")).device.type == "meta"
    assert CenteredCircle(5)(torch.rand(2, 1, 8, 8, device="meta")).shape == (2, 5, 2)


def test_half_networks_start_from_exact_contours() -> None:
    given = torch.tensor([[1000.3, 200.7], [1011.1, 203.3], [1005.5, 215.9]])
    for oracle in (GivenContour(given), BoxContour((1000.3, 200.7, 1500.1, 333.3)), CenteredCircle()):
        image = torch.zeros(2, 1, 1501, 2003)
        expected = oracle(image)
        half = copy.deepcopy(oracle).half()(image.half())
        assert half.dtype == torch.float32
        assert torch.equal(half, expected)
