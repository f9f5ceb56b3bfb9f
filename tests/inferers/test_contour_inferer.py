# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import NormalizeIntensityd
from torch import Tensor, nn

from monai_acdr.geometry import is_nested, is_simple, nest_contours, signed_area
from monai_acdr.inferers import ContourInferer
from monai_acdr.networks.blocks import CenteredCircle
from monai_acdr.networks.nets import ActiveContourNet, DisplacementEnsemble
from monai_acdr.transforms import AlignLaterality, CheckImage, RoiCropd, roi_from_box


class Shift(nn.Module):
    """The same displacement everywhere: half an image to the right, a quarter down, split over T steps."""

    def __init__(self, x: float = 0.5, y: float = 0.25) -> None:
        super().__init__()
        self.shift = torch.tensor([x, y])

    def forward(self, image: Tensor) -> Tensor:
        return self.shift[None, :, None, None].expand(len(image), 2, 8, 8)


def make_inferer(num_iterations: int = 2, batch_size: int = 32, net: nn.Module | None = None) -> ContourInferer:
    network = ActiveContourNet(net or Shift(), CenteredCircle(16, 0.25), num_iterations, clamp=False, bound=None)
    crop = [RoiCropd("image", "roi", (32, 32)), NormalizeIntensityd("image")]
    return ContourInferer(network.eval(), crop, batch_size)


def make_image(height: int, width: int, seed: int = 0) -> MetaTensor:
    pixels = torch.rand(1, height, width, generator=torch.Generator().manual_seed(seed))
    image = MetaTensor(pixels, affine=torch.eye(4), meta={"spatial_shape": [height, width]})
    image.meta["original_affine"] = torch.eye(4)
    return CheckImage()(image)


def test_contours_come_back_in_image_pixels() -> None:
    box = (10.0, 20.0, 50.0, 40.0)  # 40 wide, 20 high: a crop pixel is 1.25 x 0.625
    (contours,) = make_inferer()([make_image(70, 90)], [roi_from_box(box)])
    assert contours.shape == (3, 16, 2)
    assert contours.dtype == torch.float64
    middle = contours.mean(dim=1)
    torch.testing.assert_close(middle[0], torch.tensor([30.0, 30.0], dtype=torch.float64), atol=1e-4, rtol=0)
    # in half image sizes: 0.5 is a quarter of the ROI's width, 0.25 an eighth of its height, each step
    torch.testing.assert_close(middle[2] - middle[0], torch.tensor([20.0, 5.0], dtype=torch.float64), atol=1e-4, rtol=0)
    radii = (contours[0] - middle[0]).abs().amax(0)
    torch.testing.assert_close(radii, torch.tensor([5.0, 2.5], dtype=torch.float64), atol=1e-4, rtol=0)


def test_flipped_images_give_contours_of_their_file() -> None:
    image = make_image(64, 64)
    flipped = AlignLaterality("L")(image, "R")
    (contours,) = make_inferer()([flipped], [roi_from_box((8, 8, 40, 40))])
    # middle of the ROI at x = 24 of the flipped image is x = 40 of the file, and right becomes left
    torch.testing.assert_close(contours[0].mean(0), torch.tensor([40.0, 24.0], dtype=torch.float64), atol=1e-4, rtol=0)
    assert contours[-1, :, 0].mean() < 40


def test_batches_do_not_matter() -> None:
    images = [make_image(40 + i, 50, i) for i in range(5)]
    rois = [roi_from_box((5, 5, 25 + i, 30)) for i in range(5)]
    whole, pieces = make_inferer()(images, rois), make_inferer(batch_size=2)(images, rois)
    for one, other in zip(whole, pieces, strict=True):
        torch.testing.assert_close(one, other)


def test_refused() -> None:
    with pytest.raises(ValueError, match="1 images and 0 ROIs"):
        make_inferer()([make_image(8, 8)], [])
    with pytest.raises(ValueError, match="meets the image"):
        make_inferer()([make_image(8, 8)], [roi_from_box((20, 20, 30, 30))])
    with pytest.raises(ValueError, match="batch_size"):
        make_inferer(batch_size=0)
    broken = make_image(40, 40)
    broken[:] = float("nan")
    inferer = make_inferer()
    inferer.network.displacement_net = nn.Conv2d(1, 2, 1)
    with pytest.raises(ValueError, match="NaN or infinity"):
        inferer([broken], [roi_from_box((5, 5, 30, 30))])


SHIFTS = [(0.1, 0.0), (-0.05, 0.2), (0.0, 0.05)]


def make_ensemble(batch_size: int = 32) -> ContourInferer:
    return make_inferer(1, batch_size, DisplacementEnsemble(Shift(*shift) for shift in SHIFTS))


@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_spread_is_in_pixels_of_the_file(angle: float) -> None:
    """A turned ROI whose pixels are not square: moves in the file, across the normal of an ellipse in the file."""
    width, height = 40.0, 20.0
    roi = torch.tensor([30.0, 30.0, width, height, angle], dtype=torch.float64)
    ((contours, spread, repairs),) = make_ensemble().outline([make_image(70, 90)], [roi])
    assert spread is not None and repairs == ((),)
    (plain,) = make_ensemble()([make_image(70, 90)], [roi])
    torch.testing.assert_close(contours, plain)
    assert (spread.shape, spread.dtype) == ((16,), torch.float64)
    vertices = contours[-1].numpy()
    chord = np.roll(vertices, -1, 0) - np.roll(vertices, 1, 0)
    normal = np.stack([chord[:, 1], -chord[:, 0]], 1) / np.linalg.norm(chord, axis=1, keepdims=True)
    moves = []
    for x, y in SHIFTS:  # each member alone, mapped to the file by the inferer of a single network
        (alone,) = make_inferer(1, net=Shift(x, y))([make_image(70, 90)], [roi])
        moves.append((alone[1] - alone[0]).mean(0).numpy())
    if angle == 0:
        np.testing.assert_allclose(moves, [(x * width / 2, y * height / 2) for x, y in SHIFTS], atol=1e-4)
    np.testing.assert_allclose(spread.numpy(), (np.array(moves) @ normal.T).std(axis=0, ddof=1), atol=1e-4)
    assert spread.max() > 1


def test_spread_of_a_flipped_image_is_that_of_its_file() -> None:
    image = AlignLaterality("L")(make_image(64, 64), "R")
    ((contours, spread, _),) = make_ensemble().outline([image], [roi_from_box((8, 8, 40, 40))])
    across = (contours[-1] - contours[-1].mean(0)) / 4  # a circle of radius 4
    expected = torch.tensor([(-16 * x, 16 * y) for x, y in SHIFTS], dtype=torch.float64) @ across.T
    torch.testing.assert_close(spread, expected.std(0), atol=1e-3, rtol=0)


def test_spread_in_batches() -> None:
    images = [make_image(40 + i, 50, i) for i in range(5)]
    rois = [roi_from_box((5, 5, 25 + i, 30)) for i in range(5)]
    whole, pieces = make_ensemble().outline(images, rois), make_ensemble(2).outline(images, rois)
    for one, other in zip(whole, pieces, strict=True):
        torch.testing.assert_close((one.contours, one.spread), (other.contours, other.spread))


def test_spread_needs_an_ensemble() -> None:
    (alone,) = make_inferer().outline([make_image(40, 40)], [roi_from_box((5, 5, 30, 30))])
    assert alone.spread is None
    with pytest.raises(ValueError, match="1 images and 0 ROIs"):
        make_ensemble().outline([make_image(40, 40)], [])
    broken = make_inferer(1, net=DisplacementEnsemble([Shift(), Shift(float("nan"))]))
    with pytest.raises(ValueError, match="NaN or infinity"):
        broken.outline([make_image(40, 40)], [roi_from_box((5, 5, 30, 30))])


class TwoShifts(nn.Module):
    """Two structures that move apart, so that the outer one leaves the inner one behind."""

    def __init__(self, inner: float = 0.0, outer: float = 0.2) -> None:
        super().__init__()
        self.shift = torch.tensor([inner, 0.0, outer, outer / 2])

    def forward(self, image: Tensor) -> Tensor:
        return self.shift[None, :, None, None].expand(len(image), 4, 8, 8)


def two_structures(net: nn.Module, nested: bool = False) -> ContourInferer:
    network = ActiveContourNet(net, CenteredCircle(16, (0.25, 0.35)), 2, clamp=False, bound=None)
    return ContourInferer(network.eval(), [RoiCropd("image", "roi", (32, 32))], batch_size=2, nested=nested)


def test_several_structures_come_back_in_image_pixels() -> None:
    box = (10.0, 20.0, 50.0, 40.0)
    (contours,) = two_structures(TwoShifts())([make_image(70, 90)], [roi_from_box(box)])
    assert (contours.shape, contours.dtype) == ((3, 2, 16, 2), torch.float64)
    middle = contours.mean(dim=2)
    expected = [[[30.0, 30.0]] * 2, [[30.0, 30.0], [34.0, 31.0]], [[30.0, 30.0], [38.0, 32.0]]]
    torch.testing.assert_close(middle, torch.tensor(expected, dtype=torch.float64), atol=1e-4, rtol=0)


@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_nested_results_are_nested_in_pixels_of_the_file(angle: float) -> None:
    images = [make_image(70, 90, seed) for seed in range(3)]
    rois = [torch.tensor([30.0 + i, 30.0, 40.0, 40.0, angle], dtype=torch.float64) for i in range(3)]
    plain, nested = two_structures(TwoShifts())(images, rois), two_structures(TwoShifts(), nested=True)(images, rois)
    for loose, repaired in zip(plain, nested, strict=True):
        assert not bool(is_nested(loose[-1]))
        assert bool(is_nested(repaired[-1]))
        assert torch.equal(repaired[:-1], loose[:-1])
        assert torch.equal(repaired[-1], nest_contours(loose[-1]))
    assert {each.repairs for each in two_structures(TwoShifts(), nested=True).outline(images, rois)} == {
        ((), ("nesting",))
    }
    apart = two_structures(TwoShifts(0.0, 0.0), nested=True)(images, rois)
    for one, other in zip(apart, two_structures(TwoShifts(0.0, 0.0))(images, rois), strict=True):
        assert torch.equal(one, other)  # nothing to repair


def test_spread_of_several_structures() -> None:
    ensemble = DisplacementEnsemble([TwoShifts(0.0, 0.1), TwoShifts(0.0, 0.2), TwoShifts(0.0, 0.3)])
    inferer = two_structures(ensemble, nested=True)
    ((contours, spread, _),) = inferer.outline([make_image(70, 90)], [roi_from_box((10, 10, 50, 50))])
    assert (contours.shape, spread.shape) == ((3, 2, 16, 2), (2, 16))
    assert bool(is_nested(contours[-1]))
    assert spread[0].abs().max() < 1e-4 < 1 < spread[1].max()


def test_one_structure_cannot_be_nested_and_is_left_as_it_is() -> None:
    images, rois = [make_image(60, 80)], [roi_from_box((10, 10, 50, 50))]
    inferer = make_inferer()
    expected = inferer(images, rois)
    inferer.nested = True
    assert torch.equal(inferer(images, rois)[0], expected[0])


class Folding(nn.Module):
    """Three structures: one contracts to its middle in the last steps, one stays, one is folded over itself."""

    def forward(self, image: Tensor) -> Tensor:
        y, x = torch.meshgrid(*[(torch.arange(32) + 0.5) / 16 - 1] * 2, indexing="ij")
        place = torch.stack([x, y])
        fold = torch.zeros_like(place)
        fold[0, :4, 12:16], fold[0, :4, 16:20] = 0.15, -0.15  # neighbors at the top change places
        return torch.cat([-0.95 * place, torch.zeros_like(place), fold])[None].expand(len(image), -1, -1, -1)


def test_repairs_are_told() -> None:
    """Against the same network without repairs."""
    network = ActiveContourNet(Folding(), CenteredCircle(32, (0.3, 0.5, 0.9)), 2, clamp=False, bound=None)
    inferer = ContourInferer(network.eval(), [RoiCropd("image", "roi", (32, 32))])
    images, rois = [make_image(40, 40, seed) for seed in range(2)], [roi_from_box((4, 4, 36, 36))] * 2
    for found in inferer.outline(images, rois):
        assert found.repairs == (("collapse",), (), ("self_intersection",))
        contracted, still, folded = found.contours[-1]
        assert torch.equal(contracted, found.contours[-2, 0]) and torch.equal(still, found.contours[0, 1])
        assert bool(is_simple(folded))
    raw = network(torch.zeros(1, 1, 32, 32))[0, -1]
    assert float(signed_area(raw[0]).abs()) < 0.01 < float(signed_area(contracted).abs())
    assert not bool(is_simple(raw[2]))
