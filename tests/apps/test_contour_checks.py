# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contrast of regions, contours outside of their image, areas and volumes that cannot be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from monai_acdr.apps.inputs import Frame, make_image
from monai_acdr.apps.measurements import (
    MIN_CONTRAST,
    contour_findings,
    no_contrast_finding,
    outside_share,
    region_contrast,
    volume_findings,
)
from monai_acdr.dicom import LV_ENDOCARDIUM
from monai_acdr.measures import ContourArea, measure_shape, ventricle_volumes
from monai_acdr.transforms import roi_about_center

SIZE = (100, 120)

LV = [LV_ENDOCARDIUM]


def frame(pixels: np.ndarray | None = None, spacing: tuple[float, float] | None = (1.0, 1.0)) -> Frame:
    return Frame("x", make_image(np.zeros(SIZE) if pixels is None else pixels, torch.eye(4)), spacing)


def circle(x: float, y: float, radius: float) -> np.ndarray:
    angles = np.arange(64) * 2 * np.pi / 64
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


def contrast(pixels: np.ndarray, side: float = 60) -> float:
    return region_contrast(frame(pixels).image.as_tensor(), roi_about_center(pixels.shape, side))


def test_contrast_is_the_range_of_the_region_in_that_of_the_image() -> None:
    ramp = np.tile(np.arange(120.0), (100, 1))
    # columns 30 to 89 of 0 to 119, less 2 % at either end
    assert contrast(ramp) == pytest.approx(0.96 * 59 / 119, abs=0.01)
    assert contrast(ramp * 1e-3 + 7) == pytest.approx(contrast(ramp), rel=1e-3)
    assert contrast(np.tile(np.arange(3000.0), (2400, 1)), side=1500) == pytest.approx(0.96 / 2, abs=0.01)


def test_constant_regions_have_none() -> None:
    assert contrast(np.zeros(SIZE)) == 0
    assert contrast(np.full(SIZE, 1e6)) == 0
    few = np.zeros(SIZE)
    few[50, 50:60] = 1000  # dead pixels are not contrast
    assert contrast(few) == 0
    beside = np.zeros(SIZE)
    beside[:, :20] = 1000
    beside[20:80, 30:90] = np.random.default_rng(0).random((60, 60))  # noise of the background
    assert 0 < contrast(beside) < MIN_CONTRAST


def test_contours_outside_of_their_image() -> None:
    for x, share in ((0, 50), (-30, 100), (120, 50)):
        (finding,) = contour_findings([frame(spacing=None)], [circle(x, 50, 20)[None]], [[None]], LV)
        assert finding.kind == "contour_outside"
        assert finding.text == f"frame x: {share} % of the contour's area: lie outside of the image"
    for x in (50, 19.5, 20):  # 1 % and nothing
        assert contour_findings([frame()], [circle(x, 50, 20)[None]], [[None]], LV) == []
    assert contour_findings([frame()], [None], [[None]], LV) == []


def test_the_size_that_a_document_gives_its_image_asks_for_no_memory() -> None:
    """Only the part of the image under the contour is drawn: 17 GB for the whole one."""
    vertices = np.array([[-1.0, 10.0], [9.0, 10.0], [9.0, 20.0], [-1.0, 20.0]])
    assert outside_share(vertices, (2**16, 2**16)) == pytest.approx(0.1)
    assert outside_share(vertices - 50, (2**16, 2**16)) == 1
    with pytest.raises(ValueError, match="a contour covers to need at most"):
        outside_share(vertices * 6000, (2**16, 2**16))


def test_many_frames_are_one_finding() -> None:
    (finding,) = contour_findings([frame()] * 7, [circle(0, 50, 20)[None]] * 7, [[None]] * 7, LV)
    assert finding.text.count("frame x: 50 %") == 3
    assert finding.text.endswith("and 4 more: lie outside of the image")
    assert no_contrast_finding([]) == []
    (finding,) = no_contrast_finding(["a", "b"])
    assert finding.text == "frame a; frame b: no contrast in the region of interest"


def test_areas_that_cannot_be() -> None:
    vertices = circle(50, 50, 20)
    shape = measure_shape(vertices, (1.0, 1.0))
    assert contour_findings([frame()], [vertices[None]], [[shape]], LV) == []
    (finding,) = contour_findings([frame()], [vertices[None]], [[replace(shape, area_mm2=12_001.0)]], LV)
    assert "an area of 1.2e+04 mm2, the image has 1.2e+04 mm2" in finding.text
    (finding,) = contour_findings([frame()], [vertices[None]], [[replace(shape, area_mm2=1300.0)]], LV)
    assert finding.text == "frame x: an area of 1300 mm2, its diameter allows 1257 mm2"


@pytest.mark.parametrize(
    ("diastole", "systole", "words"),
    [
        (1500, 700, []),
        (60, 30, ["end-diastolic volume 4.8 mL, in hearts 10 to 700 mL"]),
        (12_000, 6000, ["end-diastolic volume 960 mL"]),
        (1500, 1490, ["ejection fraction 0.6667 %, in hearts 5 to 95 %"]),
        (1500, 15, ["ejection fraction 99 %"]),
    ],
)
def test_volumes_that_no_heart_has(diastole: float, systole: float, words: list[str]) -> None:
    areas = [ContourArea(8.0 * z, t, a) for z in range(10) for t, a in enumerate((diastole, systole))]
    volumes = ventricle_volumes(areas)
    findings = volume_findings(volumes.end_diastolic_volume_ml, volumes.ejection_fraction_percent)
    assert [finding.kind for finding in findings] == ["implausible_volume"] * len(words)
    for finding, start in zip(findings, words, strict=True):
        assert finding.text.startswith(start)
