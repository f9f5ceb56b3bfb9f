# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Equations 2 and 3: one step of the contour through the field."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_acdr.networks.blocks import evolve_contour, sample_displacement


def linear_field(height: int, width: int, slope: float = 0.01, dtype: torch.dtype = torch.float64) -> Tensor:
    """(1, 2, h, w) field with the values x -> slope * (column center), y -> 2 * slope * (row center)."""
    columns, rows = torch.arange(width, dtype=dtype) + 0.5, torch.arange(height, dtype=dtype) + 0.5
    field = torch.stack([columns[None].expand(height, width), 2 * rows[:, None].expand(height, width)])
    return slope * field[None]


def bilinear(field: np.ndarray, x: float, y: float) -> float:
    """A field (H, W), sampled at pixel centers, at one point in pixels; edge values continue."""
    height, width = field.shape
    column, row = np.clip(x - 0.5, 0, width - 1), np.clip(y - 0.5, 0, height - 1)
    left, top = min(int(column), max(width - 2, 0)), min(int(row), max(height - 2, 0))
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    a, b = column - left, row - top
    upper = (1 - a) * field[top, left] + a * field[top, right]
    return float((1 - b) * upper + b * ((1 - a) * field[bottom, left] + a * field[bottom, right]))


def test_sampling_is_bilinear_between_pixel_centers() -> None:
    field = torch.randn(2, 2, 5, 7, dtype=torch.float64)
    vertices = torch.rand(2, 9, 2, dtype=torch.float64) * torch.tensor([9.0, 7.0]) - 1  # some beyond the border
    sampled = sample_displacement(field, vertices, (5, 7))
    assert sampled.shape == (2, 9, 2)
    for b in range(2):
        for k in range(9):
            x, y = vertices[b, k].tolist()
            expected = [bilinear(field[b, channel].numpy(), x, y) for channel in range(2)]
            assert sampled[b, k].tolist() == pytest.approx(expected, abs=1e-12)


def test_a_field_of_another_resolution_covers_the_same_image() -> None:
    field = torch.randn(1, 2, 4, 3, dtype=torch.float64)
    vertices = torch.rand(1, 8, 2, dtype=torch.float64) * torch.tensor([30.0, 16.0])
    sampled = sample_displacement(field, vertices, (16, 30))
    in_field_pixels = vertices * torch.tensor([3 / 30, 4 / 16], dtype=torch.float64)
    torch.testing.assert_close(sampled, sample_displacement(field, in_field_pixels, (4, 3)))


def test_a_constant_field_shifts_by_half_image_sizes_with_x_first() -> None:
    field = torch.tensor([0.25, -0.5]).view(1, 2, 1, 1).expand(2, 2, 6, 10)
    vertices = torch.tensor([[[3.0, 4.0], [5.0, 2.5]]]).expand(2, -1, -1)
    moved = evolve_contour(vertices, field, (6, 10), clamp=False)
    torch.testing.assert_close(moved, vertices + torch.tensor([0.25 * 10 / 2, -0.5 * 6 / 2]))


def test_a_linear_field_by_hand() -> None:
    vertices = torch.tensor([[[2.0, 3.0], [7.5, 4.25]]], dtype=torch.float64)
    moved = evolve_contour(vertices, linear_field(8, 10), (8, 10))
    expected = [[2 + 0.02 * 5, 3 + 0.06 * 4], [7.5 + 0.075 * 5, 4.25 + 0.085 * 4]]
    torch.testing.assert_close(moved[0], torch.tensor(expected, dtype=torch.float64))


def test_clamp_keeps_the_contour_in_the_image_and_can_be_left_out() -> None:
    field = torch.tensor([1.0, -1.0]).view(1, 2, 1, 1)
    vertices = torch.tensor([[[8.0, 1.0], [2.0, 5.0]]], requires_grad=True)
    clamped = evolve_contour(vertices, field, (6, 10))
    torch.testing.assert_close(clamped, torch.tensor([[[10.0, 0.0], [7.0, 2.0]]]))
    free = evolve_contour(vertices, field, (6, 10), clamp=False)
    torch.testing.assert_close(free, torch.tensor([[[13.0, -2.0], [7.0, 2.0]]]))
    (gradient,) = torch.autograd.grad(clamped.sum(), vertices)
    torch.testing.assert_close(gradient, torch.tensor([[[0.0, 0.0], [1.0, 1.0]]]))


def test_gradcheck() -> None:
    field = (0.2 * torch.randn(2, 2, 4, 5, dtype=torch.float64)).requires_grad_()
    vertices = (torch.rand(2, 6, 2, dtype=torch.float64) * 4 + 0.3).requires_grad_()
    for clamp in (True, False):
        assert torch.autograd.gradcheck(lambda v, f, c=clamp: evolve_contour(v, f, (8, 9), c), (vertices, field))


def smooth_field(size: tuple[int, int], reach: float = 0.08) -> Tensor:
    """(1, 2, H, W) float64 waves of up to ``reach`` half image sizes, a few periods along each axis."""
    height, width = size
    y, x = torch.meshgrid(torch.arange(0.5, height).double(), torch.arange(0.5, width).double(), indexing="ij")
    waves = [torch.sin(9 * x / width + 4 * y / height), torch.cos(7 * y / height - 3 * x / width)]
    return reach * torch.stack(waves)[None]


@pytest.mark.parametrize(("side", "tolerance"), [(96, 0.05), (512, 0.2), (4096, 1.6)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_field_of_half_precision_moves_vertices_to_where_the_exact_one_does(
    dtype: torch.dtype, side: int, tolerance: float
) -> None:
    field = smooth_field((side, side))
    vertices = torch.rand(1, 64, 2) * side
    exact, moved, half = vertices.double(), vertices, vertices.to(dtype)
    start_error = (half.double() - exact).abs().max()
    for _ in range(3):
        exact = evolve_contour(exact, field, (side, side))
        moved = evolve_contour(moved, field.to(dtype), (side, side))
        half = evolve_contour(half, field.to(dtype), (side, side))
    assert moved.dtype == half.dtype == torch.float32
    assert (exact - vertices).abs().max() > 0.05 * side  # it has moved
    assert (moved - exact).abs().max() < tolerance
    assert (half - exact).abs().max() < tolerance + 2 * start_error  # no more is lost than was at the start


@pytest.mark.parametrize("side", [96, 4096])
def test_float32_vertices_are_exact_to_a_thousandth_of_a_pixel(side: int) -> None:
    field = smooth_field((side, side))
    vertices = torch.rand(1, 64, 2) * side
    exact = evolve_contour(vertices.double(), field, (side, side))
    assert (evolve_contour(vertices, field.float(), (side, side)) - exact).abs().max() < 1e-3
    assert evolve_contour(vertices.double(), field.half(), (side, side)).dtype == torch.float64


def test_a_vertex_on_a_border_has_its_whole_gradient_on_each_side() -> None:
    border = torch.tensor([[[0.0, 0.0], [10.0, 6.0], [0.0, 6.0], [10.0, 0.0], [4.0, 3.0]]], requires_grad=True)
    moved = evolve_contour(border, torch.zeros(1, 2, 6, 10), (6, 10))
    (gradient,) = torch.autograd.grad(moved.sum(), border)
    assert torch.equal(gradient, torch.ones_like(border))


def test_structures_read_two_channels_each() -> None:
    field = torch.randn(2, 6, 5, 7, dtype=torch.float64).to(memory_format=torch.channels_last)
    vertices = torch.rand(2, 3, 4, 2, dtype=torch.float64) * 5
    sampled = sample_displacement(field, vertices, (5, 7))
    moved = evolve_contour(vertices, field, (5, 7), clamp=False)
    assert sampled.shape == moved.shape == (2, 3, 4, 2)
    for b, n, k in np.ndindex(2, 3, 4):
        x, y = vertices[b, n, k].tolist()
        dx, dy = (bilinear(field[b, 2 * n + channel].numpy(), x, y) for channel in range(2))
        assert sampled[b, n, k].tolist() == pytest.approx([dx, dy], abs=1e-12)
        assert moved[b, n, k].tolist() == pytest.approx([x + dx * 7 / 2, y + dy * 5 / 2], abs=1e-12)


@pytest.mark.parametrize(("shape", "channels"), [((2, 5, 2), 4), ((2, 2, 5, 2), 2), ((2, 3, 5, 2), 4)])
def test_a_field_for_another_number_of_structures(shape: tuple[int, ...], channels: int) -> None:
    expected = 2 * shape[1] if len(shape) == 4 else 2
    with pytest.raises(
        ValueError, match=rf"Expected `displacement` to be \(B, {expected}, h, w\).*got \[2, {channels}, 8"
    ):
        evolve_contour(torch.rand(shape), torch.rand(2, channels, 8, 8), (8, 8))


def test_compile_and_script() -> None:
    vertices, field = torch.rand(2, 5, 2) * 8, torch.randn(2, 2, 8, 9)
    expected = evolve_contour(vertices, field, (8, 9), True)
    torch._dynamo.reset()
    compiled = torch.compile(evolve_contour, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(vertices, field, (8, 9), True), expected)
    torch.testing.assert_close(torch.jit.script(evolve_contour)(vertices, field, (8, 9), True), expected)
