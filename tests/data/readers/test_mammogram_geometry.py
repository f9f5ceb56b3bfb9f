# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Spacing, affine, laterality, view and implant from headers of all kinds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monai.data import PydicomReader
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from monai_acdr.data.readers import (
    check_spacing,
    image_affine,
    implant,
    laterality,
    pixel_spacing_of,
    read_mammogram,
    view,
)

Make = Callable[..., Dataset]
PIXEL, IMAGER = [0.05, 0.06], [0.07, 0.08]


def item(**elements: Any) -> Sequence:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return Sequence([dataset])


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"PixelSpacing": PIXEL}, PIXEL),
        ({"ImagerPixelSpacing": IMAGER}, IMAGER),
        ({"ImagerPixelSpacing": IMAGER, "EstimatedRadiographicMagnificationFactor": "2"}, [0.035, 0.04]),
        # A calibrated, or simply different, PixelSpacing is at the breast already.
        ({"PixelSpacing": PIXEL, "ImagerPixelSpacing": IMAGER, "EstimatedRadiographicMagnificationFactor": "2"}, PIXEL),
        (
            {
                "PixelSpacing": IMAGER,
                "ImagerPixelSpacing": IMAGER,
                "EstimatedRadiographicMagnificationFactor": "2",
                "PixelSpacingCalibrationType": "GEOMETRY",
            },
            IMAGER,
        ),
        # A copy of ImagerPixelSpacing is not.
        (
            {"PixelSpacing": IMAGER, "ImagerPixelSpacing": IMAGER, "EstimatedRadiographicMagnificationFactor": "2"},
            [0.035, 0.04],
        ),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": IMAGER}, IMAGER),
        ({"PixelSpacing": "", "ImagerPixelSpacing": IMAGER}, IMAGER),
    ],
)
def test_spacing(mammogram: Make, elements: dict[str, Any], expected: list[float]) -> None:
    found, _ = pixel_spacing_of(mammogram(**{"ImagerPixelSpacing": None, **elements}), "x", None)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("factor", ["0", "0.5", "100"])
def test_an_impossible_magnification_is_ignored(mammogram: Make, factor: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found, source = pixel_spacing_of(mammogram(EstimatedRadiographicMagnificationFactor=factor), "x", None)
    assert found == pytest.approx(IMAGER)
    assert source == "ImagerPixelSpacing"
    assert "EstimatedRadiographicMagnificationFactor" in caplog.text


def test_the_file_wins_over_the_argument(mammogram: Make) -> None:
    assert pixel_spacing_of(mammogram(), "x", (1.0, 1.0))[0] == pytest.approx(IMAGER)


@pytest.mark.parametrize("spacing", [0, -1, (1, 2, 3), "some", (0.1, float("nan"))])
def test_wrong_spacing_is_refused(spacing: Any) -> None:
    with pytest.raises(ValueError, match="Expected `spacing`"):
        check_spacing(spacing)


def test_affine_agrees_with_monai_where_there_is_an_orientation(tmp_path: Path, write_mammogram: Any) -> None:
    elements = {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1], "ImagePositionPatient": [1, 2, 3]}
    path = write_mammogram(tmp_path / "a.dcm", PixelSpacing=PIXEL, **elements)
    reader = PydicomReader(swap_ij=False)
    expected, meta = reader.get_data(reader.read(str(path)))
    array, ours = read_mammogram(path)
    assert np.allclose(ours["affine"], meta["affine"])
    assert np.array_equal(array, expected)


@pytest.mark.parametrize("orientation", [[0] * 6, [1, 0, 0, 1, 0, 0], [1, 0, 0]])
def test_a_nonsensical_orientation_is_ignored(mammogram: Make, orientation: list[float]) -> None:
    dataset = mammogram(ImageOrientationPatient=orientation, ImagePositionPatient=[1, 2, 3])
    assert np.array_equal(image_affine(dataset, (0.1, 0.2)), np.diag([0.1, 0.2, 1, 1]))


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"ImageLaterality": "L", "Laterality": "R"}, "L"),
        ({"Laterality": "R"}, "R"),
        ({"SharedFunctionalGroupsSequence": item(FrameAnatomySequence=item(FrameLaterality="R"))}, "R"),
        ({"ImageLaterality": "B", "Laterality": "L"}, "L"),
        ({"ImageLaterality": ""}, ""),
        ({}, ""),
    ],
)
def test_laterality(mammogram: Make, elements: dict[str, Any], expected: str) -> None:
    assert laterality(mammogram(**elements)) == expected


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"ViewPosition": "CC"}, "CC"),
        ({"ViewCodeSequence": item(CodeValue="399368009")}, "MLO"),
        ({"ViewCodeSequence": item(CodeValue="R-10242")}, "CC"),
        ({"ViewCodeSequence": item(CodeValue="1")}, ""),
        ({"ViewPosition": "MRS DOE"}, ""),
        ({}, ""),
    ],
)
def test_view(mammogram: Make, elements: dict[str, Any], expected: str) -> None:
    assert view(mammogram(**elements)) == expected


def test_view_codes_are_those_of_dicom() -> None:
    from pydicom.sr.codedict import codes

    from monai_acdr.data.readers import _VIEWS

    names = {"CC": "CranioCaudal", "MLO": "MedioLateralObliqueProjection", "ML": "MedioLateralProjection"}
    names |= {"LM": "LateroMedial", "LMO": "LateroMedialOblique", "FB": "CaudoCranial"}
    for abbreviation, name in names.items():
        code = getattr(codes.cid4014, name, None)
        assert code is None or _VIEWS[code.value] == abbreviation


@pytest.mark.parametrize(("value", "expected"), [("YES", "YES"), ("NO", "NO"), ("MAYBE", ""), (None, "")])
def test_implant(mammogram: Make, value: str | None, expected: str) -> None:
    assert implant(mammogram(BreastImplantPresent=value)) == expected


@pytest.mark.parametrize("elements", [{"PixelSpacing": [70, 70]}, {"ImagerPixelSpacing": [0.0007, 0.0007]}])
def test_an_implausible_spacing_is_refused(mammogram: Make, elements: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"0\.01 to 4 mm \(mammograms and radiographs\), but x has .*not plausible"):
        pixel_spacing_of(mammogram(**elements), "x", None)
    with pytest.raises(ValueError, match="but x has 70 x 70 mm"):
        pixel_spacing_of(mammogram(ImagerPixelSpacing=None), "x", (70.0, 70.0))
