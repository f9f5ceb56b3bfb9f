# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor

from monai_acdr.geometry import circle, is_nested, signed_area
from monai_acdr.transforms import OffsetContour, OffsetContourd, vertices_in

CENTER = torch.tensor([40.0, 30.0], dtype=torch.float64)
RINGS = torch.stack([circle(CENTER, 10.0, 64), circle(CENTER, 18.0, 64)])


def radii(vertices: torch.Tensor) -> torch.Tensor:
    return (vertices - CENTER).norm(dim=-1).mean(-1)


def test_lengths_are_in_mm() -> None:
    moved = OffsetContour((-0.5, 0.4))(RINGS, (0.5, 0.5))
    torch.testing.assert_close(radii(moved), torch.tensor([9.0, 18.8], dtype=torch.float64))


def test_pixels_that_are_not_square() -> None:
    """Rows 2 mm apart: the circle in pixels is an ellipse in mm, whose sides all move by one length."""
    moved = OffsetContour((1.0,))(RINGS[:1], torch.tensor([2.0, 1.0]))[0]
    assert float(moved[:, 0].max()) == pytest.approx(40 + 10 + 1, abs=1e-6)
    assert float(moved[:, 1].max()) == pytest.approx(30 + 10 + 0.5, abs=1e-6)


def test_nested_contours_stay_nested_and_simple() -> None:
    notch = RINGS[0].clone()
    notch[32] = CENTER + torch.tensor([-2.0, 0.0])  # a spike inwards, which an offset may fold
    pair = torch.stack([notch, RINGS[1]])
    for sizes in ((-2.0, 1.0), (3.0, -3.0), (6.0, -6.0)):
        moved = OffsetContour(sizes)(pair, (1.0, 1.0))
        assert bool(is_nested(moved)) and bool((signed_area(moved) > 0).all()), sizes


def test_many_frames_at_once_are_moved_as_one_by_one() -> None:
    """Bit for bit, among them some whose loops are cut, some that are nested again and some that were not before."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(12, 2, 64, 1, generator=generator, dtype=torch.float64)
    frames = CENTER + (RINGS - CENTER) * (1 + 0.35 * noise * torch.tensor([1.0, -1.0])[:, None, None])
    frames[5] = frames[5].flip(0)
    for sizes in ((-0.5, 0.4), (3.0, -3.0), (2.0, 2.0)):
        move = OffsetContour(sizes)
        assert torch.equal(move(frames, (1.0, 1.5)), torch.stack([move(frame, (1.0, 1.5)) for frame in frames]))
    assert move(frames[:0], (1.0, 1.0)).shape == (0, 2, 64, 2)


def test_items_with_spacing_and_without() -> None:
    affine = torch.diag(torch.tensor([0.5, 0.5, 1.0], dtype=torch.float64))
    image = MetaTensor(torch.zeros(1, 60, 80), affine=affine)
    image.meta |= {"spatial_shape": (60, 80), "original_affine": affine}
    vertices = vertices_in(RINGS, affine)
    item = {"pred": vertices, "image": image, "has_spacing": True}
    moved = OffsetContourd("pred", (-0.5, 0.4))(item)["pred"]
    torch.testing.assert_close(radii(moved.as_tensor()), torch.tensor([9.0, 18.8], dtype=torch.float64))
    assert torch.equal(moved.affine, affine)
    for unchanged in ({**item, "has_spacing": False}, {"pred": vertices, "image": image}):
        assert OffsetContourd("pred", (-0.5, 0.4))(unchanged)["pred"] is vertices
    assert OffsetContourd("pred", None)(item)["pred"] is vertices


def test_refusals() -> None:
    with pytest.raises(ValueError, match="a finite number for each structure"):
        OffsetContour(())
    with pytest.raises(ValueError, match="a finite number for each structure"):
        OffsetContour((1.0, float("nan")))
    with pytest.raises(ValueError, match=r"contours \(1, K, 2\), one for each offset, but got \(2, 64, 2\)"):
        OffsetContour((1.0,))(RINGS, (1.0, 1.0))
    with pytest.raises(ValueError, match="`spacing` to be two positive numbers"):
        OffsetContour((1.0, 1.0))(RINGS, (1.0, 0.0))
