# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Bad input: an error that names the file and the next step, or a skip that the report counts; nothing half written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from PIL import Image

from monai_acdr.data import sunnybrook_quality_report

Failure = Callable[..., str]
FRAME = "dicoms/SYN0000003/1.dcm"
CONTOUR = "contourfiles/SYN-03/i-contours/IM-0001-0001-icontour-manual.txt"


def files(folder: Path) -> list[str]:
    """Files and folders below `folder`, hidden ones too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) if folder.exists() else []


def edit_dicom(path: Path, change: Callable[[pydicom.Dataset], Any]) -> None:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)


@pytest.mark.parametrize("config", ["train", "evaluate", "infer"])
def test_absent_and_empty_and_unknown_folder(
    sunnybrook: Any, trained: Path, tmp_path: Path, failure: Failure, config: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "unknown").mkdir()
    (tmp_path / "unknown" / "thesis.txt").write_text("mine")
    expected = {
        "absent": ("Expected an image or a folder", "Expected the folder of a data set"),
        "empty": ("check the folder and `pattern`", "the folder is empty: unpack the archives there"),
        "unknown": ("left out: {'not_an_image': 1}", "These were looked for:"),
    }
    for name, messages in expected.items():
        rest = () if config == "train" else (trained / "model.pt",)
        text = failure(getattr(sunnybrook, config), tmp_path / name, tmp_path / "out", *rest)
        assert messages[config != "infer"] in text
        assert str(tmp_path / name) in text
    assert files(tmp_path / "out") == []


def _write(text: str) -> Callable[[Path], None]:
    return lambda root: (root / CONTOUR).write_text(text) and None


def _dicom(change: Callable[[pydicom.Dataset], Any]) -> Callable[[Path], None]:
    return lambda root: edit_dicom(root / FRAME, change)


def _cut(root: Path) -> None:
    (root / FRAME).write_bytes((root / FRAME).read_bytes()[:3000])


SPOILED: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "contour with text": (_write("x y\n1 2\n3 4\n"), "invalid_contour", "line 1: remove headers and text"),
    "contour of 2 points": (_write("1 2\n3 4\n"), "invalid_contour", "at least 3 different points"),
    "contour with NaN": (_write("1 2\n3 4\nnan 5\n"), "invalid_contour", "line 3: remove that point"),
    "contour outside": (_write("900 900\n950 900\n900 950\n"), "empty_mask", "lies outside the image"),
    "frame missing": (lambda root: (root / FRAME).unlink(), "contour_without_frame", "no image of frame 1"),
    "no spacing": (_dicom(lambda dataset: dataset.__delitem__("PixelSpacing")), "no_pixel_spacing", ""),
    "no pixels": (_dicom(lambda dataset: dataset.__delitem__("PixelData")), "invalid_image", "has no PixelData"),
    "truncated": (_cut, "invalid_image", "the file is truncated; copy it again"),
    "not an image": (lambda root: (root / FRAME).write_text("mine"), "invalid_image", "is neither: convert it"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_bad_frame_is_skipped_and_counted(
    sunnybrook: Any, own_studies: Path, trained: Path, tmp_path: Path, name: str
) -> None:
    spoil, kind, detail = SPOILED[name]
    spoil(own_studies)
    figures = sunnybrook.evaluate(own_studies, tmp_path / "out", trained / "model.pt")
    assert figures["num_cases"] == 3
    assert figures["metadata"]["findings"] == {kind: 1}
    (finding,) = sunnybrook_quality_report(own_studies, check_pixels=False).findings
    assert finding.kind == kind
    assert finding.subject in (CONTOUR, FRAME, "SYN-03-IM-0001-0001")
    assert detail in finding.text


def test_no_frame_left(sunnybrook: Any, own_studies: Path, trained: Path, tmp_path: Path, failure: Failure) -> None:
    for path in (own_studies / "dicoms" / "SYN0000003").iterdir():
        path.write_text("mine")
    text = failure(sunnybrook.evaluate, own_studies, tmp_path / "out", trained / "model.pt")
    assert f"Expected frames of the group 'online' in {own_studies}" in text
    assert "[4] invalid_image" in text
    assert text.endswith("or repair the files above.")
    assert files(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [(lambda mask: mask[:80], "mask_size"), (lambda mask: 0 * mask, "empty_mask"), (lambda mask: None, "invalid_mask")],
)
def test_a_bad_mask_is_skipped_and_counted(
    sunnybrook: Any, png_set: Path, trained: Path, tmp_path: Path, change: Callable[[np.ndarray], Any], kind: str
) -> None:
    path = png_set / "validation" / "endo_masks" / "SC-N-05-IM-0001-0007.png"
    mask = change(np.asarray(Image.open(path)))
    path.write_bytes(path.read_bytes()[:60]) if mask is None else Image.fromarray(mask).save(path)
    figures = sunnybrook.evaluate(png_set, tmp_path / "out", trained / "model.pt", group="validation")
    assert (figures["num_cases"], figures["metadata"]["findings"]) == (1, {kind: 1})


@pytest.mark.parametrize(("slope", "reason"), [("nan", "RescaleSlope to be a number"), ("1e38", "slope 1e+38")])
def test_values_that_would_not_be_finite(
    sunnybrook: Any,
    own_studies: Path,
    trained: Path,
    tmp_path: Path,
    failure: Failure,
    monkeypatch: pytest.MonkeyPatch,
    slope: str,
    reason: str,
) -> None:
    """Stored values are integers, but a rescale slope can be anything."""

    def spoil(dataset: pydicom.Dataset) -> None:
        dataset.add_new("RescaleIntercept", "DS", "0")
        dataset.add_new("RescaleSlope", "DS", slope)

    monkeypatch.setattr(pydicom.config.settings, "_writing_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
    edit_dicom(own_studies / FRAME, spoil)
    for function, output in ((sunnybrook.evaluate, "evaluation"), (sunnybrook.infer, "inference")):
        text = failure(function, own_studies, tmp_path / output, trained / "model.pt", group="online")
        assert reason in text
        assert files(tmp_path / output) == []
    text = failure(sunnybrook.train, own_studies, tmp_path / "train", train_group="online")
    assert reason in text
    assert [name for name in files(tmp_path / "train") if "tensorboard" not in name] == []


def test_roi(sunnybrook: Any, studies: Path, trained: Path, tmp_path: Path, failure: Failure) -> None:
    places = (studies, tmp_path / "out", trained / "model.pt")
    text = failure(sunnybrook.infer, *places, roi="box", roi_box=[900, 900, 950, 950])
    assert "Expected a ROI that meets the image, but got center (925, 925)" in text
    assert "for an image of 96 x 104 (H x W): give it in (x, y) = (column, row) pixels" in text
    assert 'add --roi_box "[x0, y0, x1, y1]" in pixels' in failure(sunnybrook.infer, *places, roi="box")
    assert "x0 < x1 and y0 < y1" in failure(sunnybrook.infer, *places, roi="box", roi_box=[5, 5, 5, 9])
    assert "one of ('center', 'label', 'box'), but got 'middle'" in failure(sunnybrook.infer, *places, roi="middle")
    assert files(tmp_path / "out") == []


def test_group_and_exclude(sunnybrook: Any, studies: Path, trained: Path, tmp_path: Path, failure: Failure) -> None:
    places = (studies, tmp_path / "out", trained / "model.pt")
    assert "('training', 'validation', 'online')" in failure(sunnybrook.evaluate, *places, group="nobody")
    text = failure(sunnybrook.infer, *places, group="online", exclude=["SYN-99"])
    assert "Expected `exclude` to name patients of the data set, but got ['SYN-99']" in text
    assert files(tmp_path / "out") == []


@pytest.mark.parametrize("config", ["evaluate", "infer"])
def test_checkpoint(
    sunnybrook: Any, studies: Path, trained: Path, tmp_path: Path, failure: Failure, config: str
) -> None:
    function, places = getattr(sunnybrook, config), (studies, tmp_path / "out")
    path = tmp_path / "model.pt"
    assert failure(function, *places, path).startswith(f"Expected a checkpoint, but {path} does not exist: train first")
    for content in (b"", b"mine", (trained / "model.pt").read_bytes()[:5000]):
        path.write_bytes(content)
        text = failure(function, *places, path)
        assert text.startswith(f"Expected a checkpoint of tensors in {path}, but it cannot be read")
        assert text.endswith("copy or train it again.")
        assert "weights_only` set to `False" not in text  # torch's own advice would run code of the file
    torch.save([1, 2], path)
    assert f"Expected a dictionary in checkpoint {path}" in failure(function, *places, path)
    text = failure(function, *places, trained / "model.pt", **{"network_def#displacement_net#channels": [4, 8, 16]})
    assert f"in {trained / 'model.pt'}, but it is a checkpoint of another architecture" in text
    assert "Use the network_def that it was trained with" in text
    assert files(tmp_path / "out") == []


@pytest.mark.parametrize("config", ["evaluate", "infer"])
def test_a_full_disk_leaves_whole_files_only(
    sunnybrook: Any,
    studies: Path,
    trained: Path,
    tmp_path: Path,
    failure: Failure,
    monkeypatch: pytest.MonkeyPatch,
    config: str,
) -> None:
    """The first file fits, the second does not."""
    calls: list[int] = []

    def full_after_the_first_file(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 1:
            raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full_after_the_first_file)
    text = failure(getattr(sunnybrook, config), studies, tmp_path / "out", trained / "model.pt", group="online")
    name = {"evaluate": "metrics.json", "infer": "SYN-03-IM-0001-0001.nii.gz"}[config]
    assert f"No space left on device: '{tmp_path / 'out' / name}': free space" in text
    if config == "evaluate":
        assert files(tmp_path / "out") == []  # both files or none
        return
    (written,) = files(tmp_path / "out")
    assert json.loads((tmp_path / "out" / written).read_text())["frames"][0]["name"] == "SYN-03-IM-0001-0001"
