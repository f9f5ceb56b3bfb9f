# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The region about a mass: from its contour or from a box, in an image that may have been flipped."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from monai_acdr.transforms import AlignLateralityd, RoiFromExpertd, vertices_in

AFFINE = torch.diag(torch.tensor([-0.1, -0.1, 1.0, 1.0], dtype=torch.float64))
MASS = torch.tensor([[[30.0, 20.0], [50.0, 24.0], [42.0, 60.0]]], dtype=torch.float64)


def item(**more: Any) -> dict[Any, Any]:
    meta = {"spatial_shape": (100, 80), "original_affine": AFFINE}
    return {"image": MetaTensor(torch.zeros(1, 100, 80), affine=AFFINE, meta=meta), **more}


def test_the_bounding_box_of_the_mass_scaled_about_its_center() -> None:
    roi = RoiFromExpertd("image")(item(reference=vertices_in(MASS, AFFINE)))["roi"]
    torch.testing.assert_close(roi, torch.tensor([40.0, 40.0, 24.0, 48.0, 0.0], dtype=torch.float64))
    square = RoiFromExpertd("image", scale=1.0, square=True)(item(reference=vertices_in(MASS, AFFINE)))["roi"]
    torch.testing.assert_close(square, torch.tensor([40.0, 40.0, 40.0, 40.0, 0.0], dtype=torch.float64))


@pytest.mark.parametrize("as_item", [True, False])
def test_a_box_in_pixels_of_the_file(as_item: bool) -> None:
    box = [30.0, 20.0, 50.0, 60.0]
    transform = RoiFromExpertd("image") if as_item else RoiFromExpertd("image", box=box)
    given = item(box=box) if as_item else item(reference=vertices_in(MASS + 7, AFFINE))
    torch.testing.assert_close(transform(given)["roi"][:4], torch.tensor([40.0, 40, 24, 48], dtype=torch.float64))


@pytest.mark.parametrize("marked", [{"box": [30.0, 20.0, 50.0, 60.0]}, {"reference": vertices_in(MASS, AFFINE)}])
def test_a_flipped_image(marked: dict[str, Any]) -> None:
    flipped = AlignLateralityd("image")(item(laterality="R", **marked))
    roi = RoiFromExpertd("image")(flipped)["roi"]
    torch.testing.assert_close(roi[:4], torch.tensor([80.0 - 40, 40, 24, 48], dtype=torch.float64))


def test_moved_inside() -> None:
    corner = RoiFromExpertd("image", box=[70.0, 0.0, 80.0, 10.0])
    torch.testing.assert_close(corner(item())["roi"][:4], torch.tensor([74.0, 6, 12, 12], dtype=torch.float64))
    free = RoiFromExpertd("image", box=[70.0, 0.0, 80.0, 10.0], inside=False)
    torch.testing.assert_close(free(item())["roi"][:4], torch.tensor([75.0, 5, 12, 12], dtype=torch.float64))


def test_a_fixed_side_about_the_centroid() -> None:
    reference = vertices_in(MASS, AFFINE)
    x, y = MASS[0].mean(0).tolist()  # of a triangle
    roi = RoiFromExpertd("image", side=36, inside=False)(item(reference=reference, has_spacing=True))["roi"]
    torch.testing.assert_close(roi[:4], torch.tensor([x, y, 36, 36], dtype=torch.float64))
    with_room = RoiFromExpertd("image", side=36, room=2, inside=False)(item(reference=reference))["roi"]
    torch.testing.assert_close(with_room[:4], torch.tensor([x, y, 72, 72], dtype=torch.float64))


def test_a_side_in_mm() -> None:
    """AFFINE has pixels of 0.1 mm: 36 pixels of 0.05 mm are 18 of them."""
    marked = {"reference": vertices_in(MASS, AFFINE)}
    region = RoiFromExpertd("image", side=36, pixel_mm=0.05, inside=False)
    assert region(item(has_spacing=True, **marked))["roi"][2:4].tolist() == pytest.approx([18, 18])
    assert region(item(has_spacing=False, **marked))["roi"][2:4].tolist() == [36, 36]
    with pytest.raises(ValueError, match="Expected positive `side` and `room`"):
        RoiFromExpertd("image", side=0)


def test_nothing_marked() -> None:
    with pytest.raises(ValueError, match="Expected a box or a reference contour .* add --roi_box"):
        RoiFromExpertd("image")(item())


@pytest.mark.parametrize("box", [[1, 2, 3], [5, 2, 3, 8], [1, 8, 3, 8]])
def test_boxes_that_are_none(box: list[float]) -> None:
    with pytest.raises(ValueError, match=r"Expected `box` to be \(x0, y0, x1, y1\) with x0 < x1 and y0 < y1"):
        RoiFromExpertd("image", box=box)(item())
