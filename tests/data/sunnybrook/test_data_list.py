# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import pytest

from monai_acdr.data import QualityReport, sunnybrook_data_list


def _names(items: list[dict]) -> list[str]:
    return [item["name"] for item in items]


@pytest.mark.parametrize("spelling", ["SC-HF-I-1", "SC-HF-I-01", "sc-hf-i-01"])
def test_exclude_takes_both_spellings(miccai_tree: Path, spelling: str) -> None:
    report = QualityReport()
    assert _names(sunnybrook_data_list(miccai_tree, exclude=[spelling], report=report)) == ["SC-N-05-IM-0001-0001"]
    assert report.kinds() == {"patient_excluded": 1}


def test_exclude_errors(miccai_tree: Path) -> None:
    with pytest.raises(ValueError, match=r"\['SC-N6'\]: write them as 'SC-N-6'"):
        sunnybrook_data_list(miccai_tree, exclude=["SC-N6"])
    with pytest.raises(ValueError, match="list of patients, but got 'SC-N-6'"):
        sunnybrook_data_list(miccai_tree, exclude="SC-N-6")


def test_displaced_patient_is_kept_with_dicom(miccai_tree: Path) -> None:
    (miccai_tree / "challenge_validation" / "SC-N-5").rename(miccai_tree / "challenge_validation" / "SC-N-6")
    contours = miccai_tree / "Part2" / "ValidationDataContours"
    (contours / "SC-N-05").rename(contours / "SC-N-06")
    assert _names(sunnybrook_data_list(miccai_tree, "validation")) == ["SC-N-06-IM-0001-0001"]


def test_arguments(link_tree: Path) -> None:
    with pytest.raises(ValueError, match="'require' or 'allow', but got 'maybe'"):
        sunnybrook_data_list(link_tree, spacing="maybe")
    with pytest.raises(ValueError, match="`layout` to be one of .* but got 'bids'"):
        sunnybrook_data_list(link_tree, layout="bids")
    with pytest.raises(ValueError, match="Expected a group of"):
        sunnybrook_data_list(link_tree, group="dev")
    with pytest.raises(ValueError, match="frames of the group 'online' .* Patients by group: {'training': 1}"):
        sunnybrook_data_list(link_tree, "online")
    assert sunnybrook_data_list(link_tree, "all") == sunnybrook_data_list(link_tree)
