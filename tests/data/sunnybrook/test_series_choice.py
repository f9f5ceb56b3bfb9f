# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monai_acdr.data import QualityReport, sunnybrook_data_list
from monai_acdr.data.sunnybrook.pairing import choose_series

Writer = Callable[..., Path]


def test_series_that_holds_the_contours(miccai_tree: Path, write_dicom: Writer) -> None:
    for frame in (4, 5, 6):
        write_dicom(miccai_tree / "challenge_training" / "SC-HF-I-1" / f"IM-0003-{frame:04d}.dcm")
    report = QualityReport()
    items = sunnybrook_data_list(miccai_tree, "training", report=report)
    assert all("IM-0004" in item["image"] for item in items)
    assert "IM-0004, it holds 2 contoured frames" in report.of("several_series")[0].text


def test_series_that_fits_the_contours(miccai_tree: Path, write_dicom: Writer, make_heart: Callable) -> None:
    """As SC-N-6, whose tables name 0984 and 0981: both series hold the frames, the hearts lie elsewhere in one."""
    folder = miccai_tree / "challenge_training" / "SC-HF-I-1"
    for frame in (2, 4):
        write_dicom(folder / f"IM-0003-{frame:04d}.dcm", pixels=make_heart((50.0, 30.0)))
    report = QualityReport()
    items = sunnybrook_data_list(miccai_tree, "training", report=report)
    assert all("IM-0004" in item["image"] for item in items)
    assert "fits them best" in report.of("several_series")[0].text
    for path in folder.glob("IM-0003-*"):
        path.write_bytes(path.read_bytes()[:900])
    assert sunnybrook_data_list(miccai_tree, "training") == items


def test_without_any_match_the_longest_series_comes_back() -> None:
    report = QualityReport()
    series = {"a": {1: Path("1")}, "b": {2: Path("2"), 3: Path("3")}}
    assert choose_series(series, {9: Path("9")}, "p", report) == series["b"]
    assert choose_series({}, {9: Path("9")}, "p", report) == {}
    assert not report.findings
