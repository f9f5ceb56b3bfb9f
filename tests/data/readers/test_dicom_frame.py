# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The reader of the heart bundle: MONAI's pixels and affine for ordinary MR, those of `segment` for all others."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from monai.data import PydicomReader
from monai.transforms import Compose

from monai_acdr.apps.inputs import read_inputs
from monai_acdr.data import DicomFrameReader, LoadImage, LoadImaged
from monai_acdr.data.frame_checks import load_gray
from monai_acdr.data.phantoms import write_short_axis_studies


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = write_short_axis_studies(tmp_path_factory.mktemp("reader") / "data", 1, 2, 2, (100, 112))
    return sorted(folder.rglob("*.dcm"))


def changed(source: Path, path: Path, **values: Any) -> Path:
    dataset = pydicom.dcmread(source)
    for keyword, value in values.items():
        if keyword == "PixelPaddingValue":
            dataset.add_new(keyword, "SS", value)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(str(path))
    return path


def test_ordinary_mr_reads_as_before(study: list[Path], tmp_path: Path) -> None:
    rescaled = changed(study[0], tmp_path / "a.dcm", RescaleSlope=2, RescaleIntercept=-5)
    for path in (*study, rescaled):
        ours = LoadImage(reader=DicomFrameReader(), image_only=True)(path)
        theirs = LoadImage(reader=PydicomReader(swap_ij=False), image_only=True)(path)
        assert torch.equal(ours.as_tensor(), theirs.as_tensor())
        torch.testing.assert_close(ours.affine, theirs.affine)
        assert tuple(ours.meta["spatial_shape"]) == tuple(theirs.meta["spatial_shape"])


@pytest.mark.parametrize("kind", ["MONOCHROME1", "rescaled", "padded"])
def test_one_file_has_the_same_pixels_everywhere(study: list[Path], tmp_path: Path, kind: str) -> None:
    values: dict[str, Any] = {
        "MONOCHROME1": {"PhotometricInterpretation": "MONOCHROME1"},
        "rescaled": {"RescaleSlope": "0.5", "RescaleIntercept": "3"},
        "padded": {"PixelPaddingValue": int(pydicom.dcmread(study[0]).pixel_array.max())},
    }[kind]
    path = changed(study[0], tmp_path / "a.dcm", **values)
    expected = load_gray(path).numpy()
    assert not np.array_equal(expected, load_gray(study[0]).numpy())
    assert np.array_equal(read_inputs(path).frames[0].image[0].numpy(), expected)
    assert np.array_equal(LoadImage(reader=DicomFrameReader(), image_only=True)(path).numpy(), expected)


def test_nothing_of_the_patient_is_kept(study: list[Path]) -> None:
    image = Compose([LoadImage(reader=DicomFrameReader(), image_only=True)])(study[0])
    assert "Synthetic" not in repr(image.meta) and "SYN0000001" not in repr(image.meta).replace(str(study[0]), "")


def test_refused(study: list[Path], tmp_path: Path) -> None:
    reader = DicomFrameReader()
    assert reader.verify_suffix(study[0])
    (tmp_path / "text.dcm").write_text("hello")
    assert not reader.verify_suffix(tmp_path / "text.dcm")
    with pytest.raises(ValueError, match=r"text\.dcm is not one"):
        reader.read(tmp_path / "text.dcm")
    with pytest.raises(FileNotFoundError, match=r"absent\.dcm does not exist"):
        reader.read(tmp_path / "absent.dcm")
    with pytest.raises(ValueError, match="one image, but got 4 files"):
        reader.read(study)
    phase = changed(study[0], tmp_path / "p.dcm", ImageType=["ORIGINAL", "PRIMARY", "P", "ND"])
    with pytest.raises(ValueError, match=r"anatomy, but .*p\.dcm is a phase image"):
        reader.get_data(reader.read(phase))
    color = changed(study[0], tmp_path / "c.dcm", PhotometricInterpretation="RGB", SamplesPerPixel=3)
    with pytest.raises(ValueError, match=r"gray image, .*c\.dcm is RGB"):
        reader.get_data(reader.read(color))
    stack = changed(study[0], tmp_path / "s.dcm", NumberOfFrames=2)
    with pytest.raises(ValueError, match=r"s\.dcm has 2 frames"):
        reader.get_data(reader.read(stack))


@pytest.mark.parametrize("load", [lambda: LoadImage(reader=DicomFrameReader()), lambda: LoadImaged("image")])
def test_only_messages_about_a_decoder_that_is_not_used_are_dropped(
    load: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plugin = pytest.importorskip("monai.data.nvimgcodec_pydicom_plugin", reason="this MONAI has no such decoder")
    logger = logging.getLogger("monai.data.nvimgcodec_pydicom_plugin")
    caplog.set_level(logging.WARNING, logger.name)  # the command line, run by another test, sets another
    monkeypatch.setattr(logger, "disabled", False)  # and a bundle's logging.conf disables it

    def register() -> bool:
        logger.warning("nvImageCodec is not available; skipping")
        logger.warning("something else")
        warnings.warn("of another kind", UserWarning, stacklevel=1)
        return False

    monkeypatch.setattr(plugin, "register_as_decoder_plugin", register)
    with pytest.warns(UserWarning) as seen:
        load()
    assert [str(warning.message) for warning in seen] == ["of another kind"]
    assert caplog.messages == ["something else"]
    logger.warning("nvImageCodec is not available; later")  # the filter is gone
    assert len(caplog.messages) == 2
