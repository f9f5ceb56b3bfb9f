# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monai_acdr.data import QualityReport, sunnybrook_data_list
from monai_acdr.data.frame_checks import check_label

Writer = Callable[..., Path]


def test_frames_that_cannot_be_used(
    link_tree: Path, write_dicom: Writer, write_circle: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    images = link_tree / "dicoms" / "SCD0000101"
    contours = link_tree / "contourfiles" / "SC-HF-I-1" / "i-contours"
    for frame in (11, 12, 13, 14, 15, 16):
        write_circle(contours / f"IM-0001-{frame:04d}-icontour-manual.txt")
    write_dicom(images / "11.dcm", PixelSpacing=None)
    cut = write_dicom(images / "12.dcm")
    cut.write_bytes(cut.read_bytes()[:-100])
    write_dicom(images / "13.dcm", PixelData=None)
    for frame, text in ((14, "1 2\n3 4\n"), (15, "900 900\n910 900\n910 910\n")):
        write_dicom(images / f"{frame}.dcm")
        (contours / f"IM-0001-{frame:04d}-icontour-manual.txt").write_text(text)
    (contours / "IM-0001-17-icontour-manual-copy.txt").write_text("")
    (link_tree / "contourfiles/SC-HF-I-1/o-contours/IM-0001-0059-ocontour-manual.txt").write_text("")
    report = QualityReport()
    with caplog.at_level(logging.WARNING):
        items = sunnybrook_data_list(link_tree, report=report, structures=("endocardium", "epicardium"))
    assert [item["frame"] for item in items] == [9, 59]
    assert "label_epi" not in items[1]
    assert report.kinds() == {
        "contour_without_frame": 1,
        "empty_mask": 1,
        "invalid_contour": 2,
        "invalid_image": 2,
        "no_pixel_spacing": 1,
        "unknown_contour_name": 1,
    }
    assert report.of("no_pixel_spacing")[0].subject == "dicoms/SCD0000101/11.dcm"
    assert "2 invalid_contour, 2 invalid_image" in caplog.text
    assert "Secret" not in caplog.text + report.summary()
    kept = sunnybrook_data_list(link_tree, spacing="allow")
    assert [(item["frame"], item["has_spacing"]) for item in kept] == [(9, True), (11, False), (59, True)]


def test_png_masks_that_cannot_be_used(png_tree: Path, write_png: Writer, make_heart: Callable) -> None:
    images, masks = png_tree / "training" / "images", png_tree / "training" / "endo_masks"
    pixels = {"02": (8, 8), "03": (64, 72), "04": (64, 72)}
    for number, size in pixels.items():
        write_png(images / f"SC-N-{number}-IM-0001-0001.png", make_heart())
        write_png(masks / f"SC-N-{number}-IM-0001-0001.png", np.full(size, 255 if number == "04" else 0, np.uint8))
    write_png(images / "SC-N-40-IM-0001-0001.png", make_heart())
    write_png(masks / "SC-N-40-IM-0001-0002.png", make_heart())
    write_png(images / "SC-N-40-IM-0001-0003.png", make_heart())
    (masks / "SC-N-40-IM-0001-0003.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    report = QualityReport()
    assert len(sunnybrook_data_list(png_tree, "training", report=report)) == 1
    assert report.kinds() == {
        "contour_without_frame": 1,
        "empty_mask": 1,
        "frame_without_mask": 1,
        "invalid_mask": 2,
        "mask_size": 1,
    }


@pytest.mark.parametrize(("x", "kept"), [(36.0, True), (-5.0, True), (-9.0, False), (81.0, False)])
def test_contours_beside_the_image(tmp_path: Path, write_circle: Writer, x: float, kept: bool) -> None:
    path = write_circle(tmp_path / "c.txt", center=(x, 32.0), radius=8.0)
    report = QualityReport()
    assert check_label(tmp_path, path, (64, 72), report) == kept
    assert report.kinds() == ({} if kept else {"empty_mask": 1})


def test_a_contour_file_cut_off(link_tree: Path, write_circle: Writer, write_dicom: Writer) -> None:
    folder = link_tree / "contourfiles" / "SC-HF-I-1" / "i-contours"
    for frame in (11, 12):
        write_dicom(link_tree / "dicoms" / "SCD0000101" / f"{frame}.dcm")
        path = write_circle(folder / f"IM-0001-{frame:04d}-icontour-manual.txt")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:20]))
    report = QualityReport()
    items = sunnybrook_data_list(link_tree, report=report)
    assert [item["frame"] for item in items] == [9, 11, 59]
    assert [(finding.kind, finding.subject) for finding in report.findings] == [
        ("contour_open", path.relative_to(link_tree).as_posix())
    ]
    path.write_text("10 10\n10 40\n11 40\n12 10\n")  # few points have steps of any length
    assert len(sunnybrook_data_list(link_tree)) == 4


def test_contours_that_are_no_files(link_tree: Path) -> None:
    folder = link_tree / "contourfiles" / "SC-HF-I-1" / "i-contours"
    os.mkfifo(folder / "IM-0001-0021-icontour-manual.txt")
    (folder / "IM-0001-0022-icontour-manual.txt").mkdir()
    (folder / "IM-0001-0023-icontour-manual.txt").symlink_to(os.devnull)
    report = QualityReport()
    assert len(sunnybrook_data_list(link_tree, report=report)) == 2
    assert report.kinds() == {"not_a_file": 3}
