# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable

import monai.transforms as mt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.data import MetaTensor

from monai_acdr.geometry import circle, is_nested, nest_contours, perimeter, pixel_to_world
from monai_acdr.transforms.contour import (
    ContourToImage,
    ContourToMask,
    ContourToWorld,
    FollowImage,
    LastContour,
    MaskToContour,
    NestContours,
    SelectContour,
    contour_to_mask,
)
from monai_acdr.transforms.roi import RoiCrop

SIZE = (96, 128)


def oblique() -> torch.Tensor:
    """Affine of a plane whose upper 2 x 2 block is singular, anisotropic pixels."""
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, 0] = torch.tensor([0.6, 0.0, 0.8]) * 1.4
    affine[:3, 1] = torch.tensor([0.8, 0.0, -0.6]) * 0.7
    affine[:3, 3] = torch.tensor([-110.0, 25.0, 60.0])
    return affine


def blob() -> torch.Tensor:
    """(1, 64, 2) an asymmetric, off-center outline in the pixels of an image of SIZE."""
    theta = torch.arange(64, dtype=torch.float64) * (2 * math.pi / 64)
    radius = 18 + 5 * torch.cos(3 * theta) + 4 * torch.sin(theta)
    return torch.stack([70 + 1.2 * radius * torch.cos(theta), 45 + 0.8 * radius * torch.sin(theta)], -1)[None]


def drawn() -> MetaTensor:
    meta = {"spatial_shape": SIZE, "original_affine": oblique()}
    return MetaTensor(contour_to_mask(blob(), SIZE), affine=oblique(), meta=meta)


def moments(mask: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Area and centroid of a mask's pixel values."""
    rows, columns = torch.meshgrid(torch.arange(mask.shape[1]), torch.arange(mask.shape[2]), indexing="ij")
    weights = torch.as_tensor(mask)[0].double()
    area = weights.sum()
    return float(area), torch.stack([(weights * columns).sum(), (weights * rows).sum()]) / area


EXACT = {
    "flip 0": mt.Flip(0),
    "flip 1": mt.Flip(1),
    "rand flip": mt.RandFlip(1.0),
    "rotate 90": mt.Rotate90(1),
    "rotate 270": mt.Rotate90(3),
    "rand rotate 90": mt.RandRotate90(1.0),
    "pad": mt.BorderPad((3, 7, 11, 2)),
    "spatial pad": mt.SpatialPad((121, 150)),
    "crop": mt.CenterSpatialCrop((81, 100)),
    "crop or pad": mt.ResizeWithPadOrCrop((80, 141)),
}
RESAMPLED = {
    "zoom in": mt.Zoom(1.3, mode="bilinear"),
    "zoom out": mt.Zoom(0.8, mode="bilinear", keep_size=False),
    "zoom anisotropic": mt.Zoom((1.3, 0.9), mode="bilinear", keep_size=False),
    "resize": mt.Resize((150, 111), mode="bilinear"),
    "rotate": mt.Rotate(0.4),
    "rotate and grow": mt.Rotate(-0.7, keep_size=False),
    "shear": mt.Affine(shear_params=(0.2, 0.1), padding_mode="zeros"),
    "scale": mt.Affine(scale_params=(1.2, 0.9), padding_mode="zeros"),
    "affine": mt.RandAffine(
        1.0, rotate_range=0.5, shear_range=0.1, translate_range=4.0, scale_range=0.2, padding_mode="zeros"
    ),
    "affine to a size": mt.RandAffine(1.0, rotate_range=0.5, spatial_size=(90, 100), padding_mode="zeros"),
}


@pytest.mark.parametrize("transform", EXACT.values(), ids=EXACT)
def test_vertices_follow_exactly(transform: Callable) -> None:
    image = transform(drawn())
    vertices = FollowImage()(MetaTensor(blob(), affine=oblique()), image)
    assert torch.equal(vertices.affine, image.affine)
    mask = contour_to_mask(vertices.as_tensor(), image.shape[1:])
    torch.testing.assert_close(mask, image.as_tensor(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("transform", RESAMPLED.values(), ids=RESAMPLED)
def test_vertices_follow_resampling(transform: Callable) -> None:
    image = transform(drawn())
    image = image[0] if isinstance(image, tuple) else image  # Affine returns its grid, too
    vertices = FollowImage()(MetaTensor(blob(), affine=oblique()), image)
    mask = contour_to_mask(vertices.as_tensor(), image.shape[1:])
    (area, center), (image_area, image_center) = moments(mask), moments(image)
    # Interpolation smears the border, but moves neither the area nor its center.
    assert image_area == pytest.approx(area, rel=0.01)
    torch.testing.assert_close(image_center, center, rtol=0, atol=0.05)
    assert (torch.minimum(mask, image).sum() / torch.maximum(mask, image).sum()).item() > 0.95


@pytest.mark.parametrize("transform", [mt.Flip(0, lazy=True), mt.Rotate(0.4, lazy=True), mt.Rotate90(lazy=True)])
def test_vertices_follow_pending_work(transform: mt.LazyTransform) -> None:
    lazy = transform(drawn())
    assert lazy.pending_operations
    transform.lazy = False
    start = MetaTensor(blob(), affine=oblique())
    torch.testing.assert_close(
        FollowImage()(start, lazy).as_tensor(), FollowImage()(start, transform(drawn())).as_tensor()
    )


@given(st.floats(0.25, 2), st.floats(-7, 7))
def test_vertices_follow_a_crop_and_come_back(scale: float, angle: float) -> None:
    roi = torch.tensor([72.0, 46.0, 64 * scale, 64 * scale, angle], dtype=torch.float64)
    crop = RoiCrop((64, 64), padding_mode="zeros")(drawn(), roi)
    start = MetaTensor(blob(), affine=oblique())
    inside = FollowImage()(start, crop)
    mask = contour_to_mask(inside.as_tensor(), (64, 64))
    blur = max(1.0, 1 / scale)  # a pixel of the image in pixels of the crop
    length = float(perimeter(inside.as_tensor())[0])
    assert float((mask - crop).abs().sum()) < 0.3 * blur * length
    assert float((mask - crop).sum().abs()) < 0.03 * blur * length
    back = ContourToImage()(inside, crop)
    torch.testing.assert_close(back.as_tensor(), blob(), rtol=0, atol=1e-9)
    assert torch.equal(back.affine, oblique())
    single = ContourToImage()(FollowImage()(start.float(), crop), crop)
    torch.testing.assert_close(single.as_tensor(), blob().float(), rtol=0, atol=1e-4)


def test_leading_dimensions_are_kept() -> None:
    crop = RoiCrop((32, 32))(drawn(), torch.tensor([70.0, 45.0, 64.0, 64.0, 0.0], dtype=torch.float64))
    contours = torch.rand(3, 16, 2, dtype=torch.float64) * 32
    image = ContourToImage()(contours, crop)
    torch.testing.assert_close(image.as_tensor(), contours * 2 + torch.tensor([38.0, 13.0]))
    world = ContourToWorld()(contours, crop)
    assert world.shape == (3, 16, 3)
    torch.testing.assert_close(world, pixel_to_world(image.as_tensor(), oblique()))


def test_frames_must_be_known() -> None:
    with pytest.raises(ValueError, match="vertices as a MetaTensor, but got Tensor"):
        FollowImage()(blob(), drawn())
    with pytest.raises(ValueError, match="put CheckImaged after LoadImaged"):
        ContourToImage()(blob(), MetaTensor(torch.zeros(1, 4, 4)))


def test_mask_to_contour() -> None:
    mask = (drawn() >= 0.5).float()
    contour = MaskToContour()(mask)
    assert contour.shape[0] == 1 and contour.shape[2] == 2
    assert torch.equal(contour.affine, mask.affine)
    again = ContourToMask(SIZE, threshold=0.5)(contour)
    assert torch.equal(again.as_tensor(), mask.as_tensor())
    assert torch.equal(again.affine, mask.affine)
    spaced = MaskToContour(num_vertices=20)(torch.cat([mask.as_tensor(), mask.as_tensor().flip(1)]))
    assert spaced.shape == (2, 20, 2)
    edges = (spaced - spaced.roll(1, 1)).norm(dim=-1)
    assert float(edges.max() / edges.min()) < 1.3
    with pytest.raises(ValueError, match="one channel, but got 2: .* `num_vertices`"):
        MaskToContour()(torch.ones(2, 4, 4))
    with pytest.raises(ValueError, match=r"mask \(C, H, W\), but got \(4, 4\)"):
        MaskToContour()(torch.ones(4, 4))


def test_contour_to_mask() -> None:
    contour = circle(torch.tensor([[8.0, 7.0]]), 4.0, 32)
    assert ContourToMask((12, 16))(contour).shape == (1, 12, 16)
    assert ContourToMask((12, 16))(contour, (20, 20)).shape == (1, 20, 20)
    assert ContourToMask((12, 16), threshold=0.5)(contour[0]).unique().tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"a `size` \(H, W\), but got None"):
        ContourToMask()(contour)


def test_selecting() -> None:
    contours = circle(torch.rand(3, 2), torch.tensor([3.0, 2.0, 1.5]), 8)
    assert torch.equal(LastContour()(contours), contours[2:])
    assert torch.equal(SelectContour(0)(contours), contours[:1])
    assert torch.equal(SelectContour(-2)(contours), contours[1:2])
    kept = LastContour()(MetaTensor(contours, affine=oblique()))
    assert torch.equal(kept.affine, oblique())
    shut = torch.cat([contours[:2], contours[2:] * 0.1])
    assert torch.equal(LastContour()(shut), contours[1:2])
    for wrong, index in ((contours, 3), (contours, -4), (contours[None, None], 0)):
        with pytest.raises(ValueError, match=rf"\(T, K, 2\).* with iteration {index}, but got"):
            SelectContour(index)(wrong)


def test_monai_points_are_indices() -> None:
    """MONAI's points are (row, column) indices of pixel centers, to RAS: same shape, other order and origin."""
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, 0], affine[:3, 1] = torch.tensor([0.0, 0.6, 0.8]) * 1.4, torch.tensor([1.0, 0.0, 0.0]) * 0.7
    points = MetaTensor((blob() - 0.5).flip(-1), affine=affine)
    points = torch.cat([points, torch.zeros_like(points[..., :1])], -1)
    moved = mt.ApplyTransformToPoints(affine=affine, invert_affine=False, dtype=torch.float64)(points)
    expected = pixel_to_world(blob(), affine) * torch.tensor([-1.0, -1.0, 1.0])
    torch.testing.assert_close(moved.as_tensor(), expected)


# --- Several structures ---------------------------------------------------------------------------------------------


def test_a_structure_that_is_missing_stays_missing_on_its_way() -> None:
    image = drawn()
    rings = torch.stack([circle(torch.tensor([40.0, 30.0], dtype=torch.float64), radius, 16) for radius in (6.0, 9.0)])
    rings[1] = torch.nan
    moved = FollowImage()(MetaTensor(rings, affine=image.affine), mt.Flip(0)(image))
    assert moved[1].isnan().all() and moved[0].isfinite().all()
    back = ContourToImage()(FollowImage()(MetaTensor(rings, affine=image.affine), image), image)
    torch.testing.assert_close(back.as_tensor(), rings, equal_nan=True)
    for threshold in (None, 0.5):
        masks = ContourToMask((60, 80), threshold)(rings)
        assert masks.shape == (2, 60, 80)
        assert torch.equal(masks[0], ContourToMask((60, 80), threshold)(rings[0])[0])
        assert masks[1].isnan().all()
    assert ContourToMask((6, 8))(rings[1:]).isnan().all()


def test_a_missing_channel_is_traced_as_a_missing_contour() -> None:
    mask = torch.zeros(2, 20, 20)
    mask[0, 5:15, 4:12] = 1
    mask[1] = torch.nan
    traced = MaskToContour(num_vertices=12)(mask)
    assert traced.shape == (2, 12, 2)
    torch.testing.assert_close(traced[0], MaskToContour(num_vertices=12)(mask[:1])[0])
    assert traced[1].isnan().all()
    assert MaskToContour()(mask[1:]).isnan().all()


def test_selecting_of_several_structures() -> None:
    evolution = torch.rand(4, 2, 6, 2)
    assert torch.equal(SelectContour(1)(evolution), evolution[1])
    rings = torch.stack([circle(torch.tensor([30.0, 30.0]), radius, 16) for radius in (5.0, 8.0)])
    last = LastContour()(MetaTensor(rings.expand(3, -1, -1, -1)))
    assert last.shape == (2, 16, 2)
    torch.testing.assert_close(last.as_tensor(), rings)
    with pytest.raises(ValueError, match=r"Expected contours \(T, K, 2\), or \(T, N, K, 2\) of N structures"):
        SelectContour()(torch.rand(1, 3, 2, 6, 2))


def test_nesting_keeps_the_frame() -> None:
    inner, outer = circle(torch.tensor([30.0, 30.0]), 8.0, 16), circle(torch.tensor([33.0, 30.0]), 9.0, 16)
    pair = torch.stack([inner, outer])
    affine = oblique()
    nested = NestContours()(MetaTensor(pair, affine=affine))
    assert isinstance(nested, MetaTensor)
    torch.testing.assert_close(nested.affine, affine.to(nested.affine))
    assert torch.equal(nested.as_tensor(), nest_contours(pair))
    assert torch.equal(NestContours()(pair), nest_contours(pair))
    assert bool(is_nested(nested))
