# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from monai_acdr.apps.inputs import load_frames, make_image
from monai_acdr.dicom import gray, read_sources
from monai_acdr.read_budget import read_budget

Edit = Callable[..., Path]


def test_values_and_affine(own_study: Path, edit: Edit) -> None:
    path = edit(sorted(own_study.iterdir())[0], RescaleSlope=2, RescaleIntercept=-5)
    (source,) = read_sources([path])
    (image,) = load_frames([source]).values()
    stored = pydicom.dcmread(path).pixel_array
    np.testing.assert_array_equal(image[0].numpy(), stored.astype(np.float32) * 2 - 5)
    torch.testing.assert_close(image.affine, source.affine)
    assert tuple(image.meta["spatial_shape"]) == (100, 112)


def test_a_multi_frame_object_is_decoded_once(
    study: Path, tmp_path: Path, edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (pydicom.dcmread(path) for path in sorted(study.iterdir())[:2])
    stack = np.stack([first.pixel_array, second.pixel_array])
    groups = []
    for z in (0, 8):
        item, plane = Dataset(), Dataset()
        plane.ImagePositionPatient = [0, 0, z]
        item.PlanePositionSequence = Sequence([plane])
        groups.append(item)
    first.PerFrameFunctionalGroupsSequence = Sequence(groups)
    first.NumberOfFrames, first.PixelData = 2, stack.tobytes()
    first.save_as(str(tmp_path / "multi.dcm"))
    sources = read_sources([tmp_path / "multi.dcm"])
    calls = []
    read = gray.load_dataset
    monkeypatch.setattr(gray, "load_dataset", lambda path, **options: calls.append(path) or read(path, **options))
    told: list[tuple[int, int]] = []
    images = load_frames(sources, lambda *done: told.append(done))
    assert len(calls) == 1
    assert told == [(1, 1)]
    for source in sources:
        np.testing.assert_array_equal(images[source.key][0].numpy(), stack[source.frame - 1].astype(np.float32))


def test_mammograms_are_read_as_such(mammogram: Path) -> None:
    from monai_acdr.data import read_mammogram

    (source,) = read_sources([mammogram])
    (image,) = load_frames([source]).values()
    np.testing.assert_array_equal(image[0].numpy(), read_mammogram(mammogram)[0])


def test_refused(own_study: Path, edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted(own_study.iterdir())
    sources = read_sources(files)
    with read_budget(0.1):
        assert len(load_frames(sources)) == len(sources)  # 16 bits on the disk, 32 in memory
    monkeypatch.setattr("monai_acdr.read_budget.ON_DISK_TIMES", 1)
    with read_budget(0.1), pytest.raises(ValueError, match="the series to need at most"):
        load_frames(sources)
    data = files[0].read_bytes()
    files[0].write_bytes(data[: len(data) // 2])
    (broken,) = read_sources(files[:1])
    with pytest.raises(ValueError, match=r"truncated; copy it again"):
        load_frames([broken])
    told: list[tuple[Path, str]] = []
    images = load_frames([broken, *sources[1:]], unreadable=lambda path, error: told.append((path, str(error))))
    assert [path for path, _ in told] == [files[0]] and "truncated" in told[0][1]
    assert set(images) == {source.key for source in sources[1:]}
    edit(files[1], SamplesPerPixel=3)
    with pytest.raises(ValueError, match=r"3 sample\(s\) per pixel"):
        load_frames(read_sources(files[1:2]))
    with pytest.raises(ValueError, match="NaN or Inf"):
        make_image(np.full((3, 4), np.nan), torch.eye(4))
