# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monai_acdr.data import sunnybrook_quality_report

Writer = Callable[..., Path]


def test_absent_official_patients(miccai_tree: Path) -> None:
    report = sunnybrook_quality_report(miccai_tree)
    assert report.kinds() == {"group_incomplete": 2}
    assert [finding.subject for finding in report.of("group_incomplete")] == ["training", "validation"]
    assert report.of("group_incomplete")[0].text.startswith("14 of 15 absent: SC-HF-I-2, SC-HF-I-4")
    assert len(sunnybrook_quality_report(miccai_tree, "training").of("group_incomplete")) == 1


def test_other_data_have_no_official_groups(link_tree: Path) -> None:
    (link_tree / "contourfiles" / "SC-HF-I-1").rename(link_tree / "contourfiles" / "phantom")
    (link_tree / "link.csv").write_text("patient_id,original_id\nSCD0000101,phantom\n")
    assert sunnybrook_quality_report(link_tree).findings == []


def test_epicardium_beside_the_endocardium(link_tree: Path, write_circle: Writer) -> None:
    epi = link_tree / "contourfiles" / "SC-HF-I-1" / "o-contours" / "IM-0001-0059-ocontour-manual.txt"
    write_circle(epi, center=(46.0, 32.0), radius=13.0)
    (finding,) = sunnybrook_quality_report(link_tree).of("epicardium_not_around")
    assert finding.subject == "SC-HF-I-01-IM-0001-0059"
    # Two discs of radius 8 and 13 at a distance of 10: the lens formula gives 70 % of the smaller one.
    distance, small, large = 10.0, 8.0, 13.0
    a = np.arccos((distance**2 + small**2 - large**2) / (2 * distance * small))
    b = np.arccos((distance**2 + large**2 - small**2) / (2 * distance * large))
    lens = small**2 * (a - np.sin(2 * a) / 2) + large**2 * (b - np.sin(2 * b) / 2)
    assert finding.text == f"encloses {lens / (np.pi * small**2):.0%} of the endocardium"
    assert not sunnybrook_quality_report(link_tree, check_pixels=False).of("epicardium_not_around")


def test_displaced_masks(png_tree: Path, write_png: Writer, make_heart: Callable, make_disc: Callable) -> None:
    for frame in range(3):
        name = f"SC-N-06-IM-0001-{20 + frame:04d}.png"
        write_png(png_tree / "validation" / "images" / name, make_heart((36.0, 32.0)))
        write_png(png_tree / "validation" / "endo_masks" / name, 255 * make_disc((26.0, 25.0), 8).astype(np.uint8))
    (finding,) = sunnybrook_quality_report(png_tree).of("mask_displaced")
    assert finding.subject == "SC-N-6"
    assert "over 4 frames; shifted by (10, 7) pixels" in finding.text


def test_contour_too_small_for_a_pixel_and_no_spacing(
    link_tree: Path, write_dicom: Writer, write_circle: Writer
) -> None:
    folder = link_tree / "contourfiles" / "SC-HF-I-1" / "i-contours"
    write_circle(folder / "IM-0001-0009-icontour-manual.txt", center=(30.0, 30.0), radius=0.3)
    write_dicom(link_tree / "dicoms" / "SCD0000101" / "59.dcm", PixelSpacing=None)
    report = sunnybrook_quality_report(link_tree)
    assert [finding.subject for finding in report.of("empty_mask")] == ["SC-HF-I-01-IM-0001-0009"]
    assert [finding.subject for finding in report.of("no_pixel_spacing")] == ["SC-HF-I-01-IM-0001-0059"]


def test_pixels_that_cannot_be_decoded(link_tree: Path) -> None:
    path = link_tree / "dicoms" / "SCD0000101" / "59.dcm"
    path.write_bytes(
        path.read_bytes()
        .replace(b"MONOCHROME2 ", b"ODD         ")
        .replace(b"\x28\0\0\1US\2\0\x10", b"\x28\0\0\1US\2\0\7")
    )
    report = sunnybrook_quality_report(link_tree)
    assert "59.dcm is ODD with 1 sample" in report.of("invalid_image")[0].text


@pytest.mark.real_data
@pytest.mark.slow
def test_only_the_known_patient_is_flagged(shared_data: Path) -> None:
    report = sunnybrook_quality_report(shared_data / "sunnybrook_png")
    assert [(finding.kind, finding.subject) for finding in report.findings] == [("mask_displaced", "SC-N-6")]


@pytest.mark.real_data
def test_real_dicom_contours_fit(shared_data: Path) -> None:
    report = sunnybrook_quality_report(shared_data / "sunnybrook_dicom")
    assert report.kinds() == {"group_incomplete": 2, "patient_absent": 1}
