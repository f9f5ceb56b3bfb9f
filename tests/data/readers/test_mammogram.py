# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The mammogram reader, alone and within MONAI's LoadImage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from monai.data import PILReader
from monai.data.utils import list_data_collate
from monai.transforms import Compose, EnsureChannelFirstd, LoadImage, LoadImaged
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian

from monai_acdr.data.readers import MammogramReader, read_mammogram
from monai_acdr.geometry import pixel_spacing
from monai_acdr.read_budget import read_budget

Write = Callable[..., Path]


def test_reads_rows_first_with_spacing_and_no_identity(tmp_path: Path, write_mammogram: Write) -> None:
    elements = {"ImageLaterality": "R", "ViewPosition": "MLO", "BreastImplantPresent": "YES"}
    path = write_mammogram(tmp_path / "a", PresentationIntentType="FOR PROCESSING", **elements)
    array, meta = read_mammogram(path)
    assert array.dtype == np.float32
    assert np.array_equal(array, np.arange(24).reshape(4, 6))
    assert np.allclose(meta["affine"], np.diag([0.07, 0.08, 1, 1]))
    assert pixel_spacing(torch.from_numpy(meta["affine"])).tolist() == pytest.approx([0.07, 0.08])
    assert (meta["laterality"], meta["view"], meta["breast_implant_present"]) == ("R", "MLO", "YES")
    assert meta["presentation_intent_type"] == "FOR PROCESSING"
    assert meta["spatial_shape"].tolist() == [4, 6]
    assert "secret" not in str(meta).lower()


def test_monochrome1_is_inverted_within_the_stored_bits(tmp_path: Path, write_mammogram: Write) -> None:
    pixels = np.array([[0, 100], [16383, 5]], dtype="<u2")
    array, meta = read_mammogram(write_mammogram(tmp_path / "a", pixels, PhotometricInterpretation="MONOCHROME1"))
    assert array.tolist() == [[16383, 16283], [0, 16378]]
    assert meta["photometric_interpretation"] == "MONOCHROME1"


def test_works_in_a_pipeline_beside_another_reader_and_collates(tmp_path: Path, write_mammogram: Write) -> None:
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "b.png")
    files = [write_mammogram(tmp_path / f"{name}.dcm", ImageLaterality=name) for name in "LR"]
    load = Compose(
        [
            LoadImaged("image", reader=[PILReader(reverse_indexing=False), MammogramReader()]),
            EnsureChannelFirstd("image"),
        ]
    )
    batch = list_data_collate([load({"image": str(file)}) for file in files])["image"]
    assert batch.shape == (2, 1, 4, 6)
    assert batch.meta["laterality"] == ["L", "R"]
    assert batch.affine[0, 1, 1] == pytest.approx(0.08)
    assert load({"image": str(tmp_path / "b.png")})["image"].shape == (1, 4, 6)


def test_chosen_by_content(tmp_path: Path, write_mammogram: Write) -> None:
    path = write_mammogram(tmp_path / "no_suffix")
    (tmp_path / "fake.dcm").write_bytes(b"nothing")
    reader = MammogramReader()
    assert reader.verify_suffix(path)
    assert not reader.verify_suffix(tmp_path / "fake.dcm")
    assert not reader.verify_suffix([path, tmp_path / "absent"])


def test_missing_spacing_is_asked_for(tmp_path: Path, write_mammogram: Write) -> None:
    path = write_mammogram(tmp_path / "a", ImagerPixelSpacing=None)
    with pytest.raises(ValueError, match=r"a has neither.*pass spacing="):
        read_mammogram(path)
    array, meta = read_mammogram(path, spacing="allow")
    assert not meta["has_spacing"]
    assert np.isnan(meta["spacing"]).all()
    assert read_mammogram(path, spacing=(0.05, 0.06))[1]["spacing"].tolist() == [0.05, 0.06]
    assert LoadImage(reader=MammogramReader(spacing=0.05))(path).affine[0, 0] == pytest.approx(0.05)


def test_a_file_without_preamble_is_read(tmp_path: Path, mammogram: Callable[..., Any]) -> None:
    written = tmp_path / "full"
    dataset = mammogram()
    dataset.save_as(str(written))
    data = written.read_bytes()
    (tmp_path / "bare").write_bytes(data[132:])  # group 0002 stays
    assert read_mammogram(tmp_path / "bare")[0].shape == (4, 6)


@pytest.mark.parametrize("options", [{"voi": "best"}, {"spacing": (0.1, -1)}, {"voi": "lut", "modality": False}])
def test_arguments_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        MammogramReader(**options)


def test_unusable_files_are_named(tmp_path: Path, write_mammogram: Write) -> None:
    good = write_mammogram(tmp_path / "good.dcm")
    with pytest.raises(FileNotFoundError, match=r"absent\.dcm does not exist"):
        read_mammogram(tmp_path / "absent.dcm")
    (tmp_path / "text.dcm").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.dcm is not one"):
        read_mammogram(tmp_path / "text.dcm")
    with pytest.raises(ValueError, match="one mammogram, but got 2 files"):
        MammogramReader().read([good, good])
    (tmp_path / "cut.dcm").write_bytes(good.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"cut\.dcm.*truncated"):
        read_mammogram(tmp_path / "cut.dcm")
    data = good.read_bytes()
    (tmp_path / "garbage.dcm").write_bytes(data[:400] + bytes(range(256)) * 3)
    with pytest.raises(ValueError, match=r"garbage\.dcm"):
        read_mammogram(tmp_path / "garbage.dcm")
    with read_budget(100 / 2**20), pytest.raises(ValueError, match=r"good\.dcm to need at most"):
        read_mammogram(good)


def test_deflated_reads_the_same(tmp_path: Path, write_mammogram: Write) -> None:
    path = write_mammogram(tmp_path / "a.dcm")
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(str(tmp_path / "b.dcm"))
    assert np.array_equal(read_mammogram(tmp_path / "b.dcm")[0], read_mammogram(path)[0])
