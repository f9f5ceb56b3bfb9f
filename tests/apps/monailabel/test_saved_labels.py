# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import gzip
import struct
import tracemalloc
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image

from monai_acdr.apps.monailabel.images import LabelImage, write_nrrd
from monai_acdr.apps.monailabel.saved_labels import (
    check_label,
    frame_masks,
    labels_of_seg,
    raw_label,
    read_label,
    write_seg_of_labels,
)
from monai_acdr.dicom import LV_ENDOCARDIUM, MaskRegion, write_seg
from monai_acdr.read_budget import read_budget


@pytest.fixture()
def labels() -> np.ndarray:
    array = np.zeros((112, 100, 3), np.uint8)
    array[10:20, 30:50, 1] = 1
    array[40:60, 30:50, 2] = 2
    return array


def save(path: Path, labels: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(labels, np.eye(4)), path)
    return path


def test_formats(labels: np.ndarray, tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_label(save(tmp_path / "a.nii.gz", labels.astype(np.float32))), labels)
    np.testing.assert_array_equal(read_label(write_nrrd(tmp_path / "a.nrrd", labels, np.eye(4))), labels)
    Image.fromarray(labels[:, :, 1].T).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_label(tmp_path / "a.png"), labels[:, :, 1])


@pytest.mark.parametrize("value", [0.5, -1, 256, np.nan])
def test_values(value: float, tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", np.full((2, 2, 2), value, np.float32))
    with pytest.raises(ValueError, match="whole numbers from 0 to 255"):
        read_label(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "a.nrrd", "a.png", "a.txt"):
        (tmp_path / name).write_bytes(b"nothing")
        with pytest.raises(ValueError, match="Expected a (label map|NRRD)"):
            read_label(tmp_path / name)


def test_shape(labels: np.ndarray, volume: LabelImage, tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", labels[..., None])  # an axis of one more is none
    np.testing.assert_array_equal(check_label(path, volume), labels)
    for wrong in (labels[:, :, :2], labels.transpose(1, 0, 2)):
        with pytest.raises(ValueError, match=r"Expected a label of the shape of its image, \(112, 100, 3\) voxels"):
            check_label(save(tmp_path / "b.nii.gz", wrong), volume)


def test_voxels_without_a_header(labels: np.ndarray, volume: LabelImage, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(labels.tobytes(order="F"))
    np.testing.assert_array_equal(check_label(raw_label(tmp_path / "a.bin", volume), volume), labels)
    (tmp_path / "a.bin").write_bytes(b"\0" * 10)
    with pytest.raises(ValueError, match="but got 10 bytes"):
        raw_label(tmp_path / "a.bin", volume)


def test_masks(labels: np.ndarray, volume: LabelImage) -> None:
    first, second, third = frame_masks(labels, volume)
    assert first is None and second is not None and second[30:50, 10:20].all() and second.sum() == 200
    assert third is not None and third.sum() == 400
    assert [mask is None for mask in frame_masks(labels, volume, 1)] == [True, False, True]


def test_segmentation(series: LabelImage, tmp_path: Path) -> None:
    labels = np.zeros(series.shape, np.uint8)
    labels[10:20, 30:50, 4], labels[40:60, 30:50, 5] = 1, 2
    names = [{"name": "LV endocardium"}, {"name": "something"}]
    seg = pydicom.dcmread(write_seg_of_labels(tmp_path / "a.dcm", labels, series, [LV_ENDOCARDIUM], names))
    assert [item.SegmentLabel for item in seg.SegmentSequence] == ["LV endocardium", "something"]
    found = {}
    for group, pixels in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
        source = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        found[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber] = (source, int(pixels.sum()))
    np.testing.assert_array_equal(labels_of_seg(tmp_path / "a.dcm", series), labels)
    assert found == {1: (series.sources[4].key[0], 200), 2: (series.sources[5].key[0], 400)}
    with pytest.raises(ValueError, match="but it is empty"):
        write_seg_of_labels(tmp_path / "b.dcm", labels * 0, series, [LV_ENDOCARDIUM])


def test_segmentation_of_other_images(labels: np.ndarray, volume: LabelImage, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expected a DICOM image"):
        write_seg_of_labels(tmp_path / "a.dcm", labels, volume, [LV_ENDOCARDIUM])


def test_segmentations_that_no_label_map_holds(series: LabelImage, tmp_path: Path) -> None:
    """A label map of the first 255 of 256 segments, or without one, would give later labels other meanings."""
    mask = np.zeros(series.sources[0].size, np.float32)
    mask[10:14, 20:30] = 1
    empty = (None,) * (len(series.sources) - 1)
    regions = [MaskRegion(LV_ENDOCARDIUM, (np.roll(mask, shift, 0), *empty)) for shift in (0, 3)]
    path = write_seg(tmp_path / "overlap.dcm", regions, series.sources)
    with pytest.raises(ValueError, match="overlap.dcm segments #1 and #2 overlap in part"):
        labels_of_seg(path, series)
    dataset = pydicom.dcmread(path)
    last = dataset.PerFrameFunctionalGroupsSequence[-1]
    last.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"
    dataset.save_as(path)
    with pytest.raises(ValueError, match=r"all of them readable, in .*overlap.dcm, but .*\(segment #2\)"):
        labels_of_seg(path, series)


def _bomb(path: Path) -> Path:
    """A file of a few kilobytes that claims, and unpacks to, 169 MB."""
    side, number = 13_000, 169_000_000
    if path.name == "a.png":
        chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)), (b"IDAT", _zeros(number + side, 15))]
        parts = [struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks]
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + b"\0\0\0\0IEND\xaeB`\x82")
    elif path.name == "a.nrrd":
        head = f"NRRD0004\ntype: uint8\ndimension: 2\nsizes: {side} {side}\nencoding: gzip\n\n"
        path.write_bytes(head.encode() + _zeros(number, 31))
    else:
        header = nib.Nifti1Header()
        header.set_data_shape((side, side))
        header.set_data_dtype(np.uint8)
        header["vox_offset"], header["magic"] = 352, b"n+1"
        path.write_bytes(gzip.compress(header.binaryblock + bytes(4)) + _zeros(number, 31))
    return path


def _zeros(number: int, wbits: int) -> bytes:
    packer = zlib.compressobj(9, wbits=wbits)
    step = bytes(1 << 20)
    data = b"".join(packer.compress(step) for _ in range(number >> 20))
    return data + packer.compress(bytes(number % (1 << 20))) + packer.flush()


@pytest.mark.parametrize("name", ["a.png", "a.nrrd", "a.nii.gz"])
def test_uploads_are_not_unpacked_beyond_the_budget(name: str, tmp_path: Path) -> None:
    path = _bomb(tmp_path / name)
    assert path.stat().st_size < 500_000
    tracemalloc.start()
    with read_budget(64), pytest.raises(ValueError, match=rf"Expected .*{name} to need at most 64 MiB of memory"):
        read_label(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


def test_voxels_without_a_header_are_counted_before_they_are_read(tmp_path: Path) -> None:
    with open(tmp_path / "a.bin", "wb") as stream:
        stream.truncate(1 << 40)  # a terabyte of nothing
    image = LabelImage(None, (), (4, 3, 2), np.eye(4))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"but got {1 << 40} bytes: does it belong to this image"):
        raw_label(tmp_path / "a.bin", image)


def test_a_palette_holds_labels(tmp_path: Path) -> None:
    picture = Image.frombytes("P", (2, 2), bytes([0, 1, 2, 1]))
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(tmp_path / "a.png")
    assert read_label(tmp_path / "a.png").T.tolist() == [[0, 1], [2, 1]]
