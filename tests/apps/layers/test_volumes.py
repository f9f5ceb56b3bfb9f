# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from monai_acdr.apps.layers import Layer, LayerFrame, attach, read_volume, write_volume
from monai_acdr.dicom import TISSUE, SourceFrame
from monai_acdr.handlers import ContourWriter
from monai_acdr.transforms import CheckImage


@pytest.fixture
def frames(exact_coverage: np.ndarray, sources: list[SourceFrame]) -> tuple[LayerFrame, ...]:
    """Different masks on three of the four images."""
    mask = (exact_coverage >= 0.5).astype(np.float32)
    made = [LayerFrame(sources[i].path.stem, None, mask=np.roll(mask, i, axis=1)) for i in (0, 1, 3)]
    return attach(Layer(TISSUE, tuple(made)), sources).frames


def test_a_cine_stack_is_a_volume_in_time(frames: tuple, sources: list[SourceFrame], tmp_path: Path) -> None:
    image = nib.load(write_volume(tmp_path / "a.nii.gz", frames, sources))
    assert image.shape == (80, 60, 2, 2)
    voxels = np.asarray(image.dataobj)
    np.testing.assert_array_equal(voxels[:, :, 0, 1], frames[1].mask.T)
    np.testing.assert_array_equal(voxels[:, :, 1, 1], frames[2].mask.T)
    assert not voxels[:, :, 1, 0].any()
    # Where a voxel lies, from the header of its image: PS3.3 equation C.7.6.2.1-1.
    for column, row, index in ((0, 0, 0), (79, 7, 1), (11, 59, 3)):
        source = sources[index]
        x, y = np.array(source.orientation[:3]), np.array(source.orientation[3:])
        expected = np.array(source.position) + column * 1.7 * x + row * 2.1 * y
        found = image.affine @ [column, row, index // 2, 1]
        np.testing.assert_allclose(found[:3] * [-1, -1, 1], expected, atol=1e-3)


def test_volumes_there_and_back(frames: tuple, sources: list[SourceFrame], tmp_path: Path) -> None:
    path = write_volume(tmp_path / "a.nii", frames, sources)
    (layer,) = read_volume(path, list(reversed(sources[:2])) + sources[2:])
    found = {frame.sop_instance_uid: frame for frame in layer.frames}
    assert len(found) == 4
    # Phases of a slice are taken in the order of the images, which was turned round in the first slice.
    order = {sources[1].key[0]: 0, sources[0].key[0]: 1, sources[3].key[0]: 2}
    for uid, index in order.items():
        np.testing.assert_array_equal(found[uid].mask, frames[index].mask)
    assert not found[sources[2].key[0]].mask.any()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(), (0,), (1, 2), (0, 1, 2)])
def test_axes_may_be_in_any_order(
    frames: tuple, sources: list[SourceFrame], tmp_path: Path, order: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    still = sources[::2]  # one phase
    mine = [frame for frame in frames if frame.source in (0, 2)]
    image = nib.load(write_volume(tmp_path / "a.nii", mine, still))
    voxels, affine = np.asarray(image.dataobj), image.affine.copy()
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (voxels.shape[axis] - 1)
        affine[:3, axis] *= -1
        voxels = np.flip(voxels, axis)
    affine = affine[:, [*order, 3]]
    nib.save(nib.Nifti1Image(np.ascontiguousarray(voxels.transpose(order)), affine), tmp_path / "b.nii")
    (layer,) = read_volume(tmp_path / "b.nii", still)
    np.testing.assert_array_equal(layer.frames[0].mask, frames[0].mask)
    assert not layer.frames[1].mask.any()


def test_the_handlers_files_fit(frames: tuple, sources: list[SourceFrame], tmp_path: Path) -> None:
    mask, source = frames[0].mask, sources[0]
    image = CheckImage()(MetaTensor(torch.zeros(1, 60, 80), affine=source.affine))
    case = {"name": "a", "full_image": image, "pred": torch.rand(1, 5, 2), "pred_mask": torch.from_numpy(mask)[None]}
    ContourWriter(tmp_path, overlay=False).write({**case, "has_spacing": True})
    (layer,) = read_volume(tmp_path / "a.nii.gz", [source])
    np.testing.assert_array_equal(layer.frames[0].mask, mask)
    ours = nib.load(write_volume(tmp_path / "ours.nii.gz", frames[:1], [source]))
    theirs = nib.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(ours.dataobj), np.asarray(theirs.dataobj))
    np.testing.assert_allclose(ours.affine[:3, [0, 1, 3]], theirs.affine[:3, [0, 1, 3]], atol=1e-4)


def test_frames_without_images_are_stacked(exact_coverage: np.ndarray, tmp_path: Path) -> None:
    mask = (exact_coverage >= 0.5).astype(np.float32)
    plain = [LayerFrame(name, (60, 80), mask=mask * value, spacing=(2.1, 1.7)) for name, value in (("a", 1), ("b", 0))]
    path = write_volume(tmp_path / "a.nii", plain, [])
    assert nib.load(path).shape == (80, 60, 2)
    (layer,) = read_volume(path, [])
    assert [frame.name for frame in layer.frames] == ["slice-001", "slice-002"]
    np.testing.assert_array_equal(layer.frames[0].mask, mask)
    assert layer.frames[0].spacing == pytest.approx((2.1, 1.7))


def test_the_affine_is_kept(frames: tuple, sources: list[SourceFrame], tmp_path: Path) -> None:
    path = write_volume(tmp_path / "a.nii", frames, sources)
    (layer,) = read_volume(path, [])
    again = nib.load(write_volume(tmp_path / "b.nii", layer.frames, []))
    np.testing.assert_allclose(again.affine, nib.load(path).affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(again.dataobj), np.asarray(nib.load(path).dataobj))


def test_volumes_of_images_without_a_place(frames: tuple, sources: list[SourceFrame], tmp_path: Path) -> None:
    flat = [replace(sources[0], position=None, spacing=(0.2, 0.2))]
    path = write_volume(tmp_path / "a.nii", frames[:1], flat)
    for images in (flat, sources[:1]):
        (layer,) = read_volume(path, images)
        np.testing.assert_array_equal(layer.frames[0].mask, frames[0].mask)
    with pytest.raises(ValueError, match="frames of its 2 image"):
        read_volume(path, sources[:2])


def test_labels(tmp_path: Path) -> None:
    values = np.zeros((8, 6, 1), dtype=np.uint8)
    values[1:3, 1:3], values[4:7, 2:5] = 2, 7
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii")
    layers = read_volume(tmp_path / "a.nii", [])
    assert [layer.structure.label for layer in layers] == ["label 2", "label 7"]
    assert [int(np.asarray(layer.frames[0].mask).sum()) for layer in layers] == [4, 9]
    nib.save(nib.Nifti1Image((values == 7) * np.float32(255), np.eye(4)), tmp_path / "b.nii")
    (layer,) = read_volume(tmp_path / "b.nii", [])
    assert float(np.asarray(layer.frames[0].mask).sum()) == 9


@pytest.mark.parametrize("values", [[-1.0, 0], [0.5, 3.25]])
def test_images_are_no_masks(tmp_path: Path, values: list[float]) -> None:
    nib.save(nib.Nifti1Image(np.array([[values] * 3], dtype=np.float32), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(ValueError, match="is it an image"):
        read_volume(tmp_path / "a.nii", [])


def test_volumes_of_other_images(frames: tuple, sources: list[SourceFrame], tmp_path: Path) -> None:
    path = write_volume(tmp_path / "a.nii", frames, sources)
    with pytest.raises(ValueError, match="some are elsewhere"):
        read_volume(path, sources[:2])
    with pytest.raises(ValueError, match="it lies elsewhere"):
        read_volume(path, [replace(s, position=tuple(v + 0.4 for v in s.position or ())) for s in sources])
    with pytest.raises(ValueError, match="2 images in each slice"):
        read_volume(path, sources[1:])
    one = write_volume(tmp_path / "b.nii", frames[:1], sources[:1])
    with pytest.raises(ValueError, match="only the images of that phase"):
        read_volume(one, sources[:2])


def test_images_that_make_no_volume(frames: tuple, sources: list[SourceFrame], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 to 2: give the images"):
        write_volume(tmp_path / "a.nii", frames[:2], sources[:3])
    moved = [replace(sources[0], position=tuple(v + d for v in sources[0].position or ())) for d in (0, 5, 11)]
    with pytest.raises(ValueError, match="evenly spaced"):
        write_volume(tmp_path / "a.nii", frames[:1], moved)
    with pytest.raises(ValueError, match="2 sizes"):
        write_volume(tmp_path / "a.nii", [frames[0], replace(frames[1], size=(5, 5))], [])
    assert list(tmp_path.iterdir()) == []
