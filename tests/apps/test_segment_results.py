# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Parts of the writing that whole runs (test_segment_study.py) do not reach."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid

from monai_acdr.apps import segment
from monai_acdr.apps.inputs import read_inputs
from monai_acdr.apps.segment_results import RESULT_NAMES, SegmentOptions, SegmentReport, check_requested

NOTHING = SegmentOptions(pictures=False)


def test_several_mammograms_get_a_segmentation_each(
    mammogram: Path, tiny_mass: Path, tmp_path: Path, edit: Callable[..., Path]
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    shutil.copy(mammogram, folder / "a.dcm")
    edit(mammogram, to=folder / "b.dcm", SOPInstanceUID=generate_uid(), InstanceNumber=2)
    out = tmp_path / "out"
    segment(folder, out, tiny_mass, "box 40 60 80 90", seg="BINARY", device="cpu")
    files = sorted((out / "seg").iterdir())
    assert [path.name for path in files] == ["a.dcm", "b.dcm"]
    referenced = {
        pydicom.dcmread(path).ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
        for path in files
    }
    assert len(referenced) == 2


def test_names_of_results_have_no_twin() -> None:
    assert len(set(RESULT_NAMES)) == len(RESULT_NAMES)
    assert all(Path(name).name == name for name in RESULT_NAMES)


def test_nothing_is_asked_of_pictures(study: Path) -> None:
    inputs = read_inputs(study)
    check_requested(NOTHING, inputs, store=False)
    with pytest.raises(ValueError, match="Expected a DICOM result to store"):
        check_requested(NOTHING, inputs, store=True)


def asks(**changes: object) -> SegmentOptions:
    return dataclasses.replace(NOTHING, **changes)


@pytest.mark.parametrize(
    "lacking", [("FrameOfReferenceUID",), ("ImagePositionPatient",), ("FrameOfReferenceUID", "PixelSpacing")]
)
def test_without_a_place_one_refusal_names_what_works(
    own_study: Path, tiny_heart: Path, tmp_path: Path, edit: Callable[..., Path], lacking: tuple[str, ...]
) -> None:
    """What the message for each result advises is written without an error."""
    for file in sorted(own_study.iterdir()):
        edit(file, **dict.fromkeys(lacking))
    inputs = read_inputs(own_study)
    with pytest.raises(ValueError, match=rf"12 of 12 frame\(s\).* lack {', '.join(lacking)}: .*use --sr or --mask"):
        check_requested(asks(rtstruct=True), inputs, store=False)
    with pytest.raises(ValueError, match=rf"lacks {', '.join(lacking)}: .*\(--mask, --sr\)"):
        check_requested(asks(seg="BINARY"), inputs, store=False)
    segment(own_study, tmp_path / "out", tiny_heart, "center", sr=True, mask=True, pictures=False, device="cpu")
    assert (tmp_path / "out" / "sr.dcm").exists() and len(list((tmp_path / "out" / "masks").iterdir())) == 12


def test_a_mammogram_has_no_place_but_a_segmentation(mammogram: Path) -> None:
    inputs = read_inputs(mammogram)
    check_requested(asks(seg="BINARY"), inputs, store=False)
    with pytest.raises(ValueError, match="use --seg, --sr or --mask"):
        check_requested(asks(rtstruct=True), inputs, store=False)


@pytest.fixture(scope="module")
def with_thickness(study: Path, tiny_heart: Path, tmp_path_factory: pytest.TempPathFactory) -> SegmentReport:
    out = tmp_path_factory.mktemp("known") / "out"
    return segment(study, out, tiny_heart, "center", seg="BINARY", pictures=False, device="cpu")


@pytest.mark.parametrize("thickness", [None, 0, "abc", -8])
def test_unknown_thickness(
    own_study: Path, tiny_heart: Path, tmp_path: Path, with_thickness: SegmentReport, thickness: object
) -> None:
    """Volumes do not need it, a segmentation states the distance of slices, and the report says so."""
    expected = with_thickness
    assert "no_thickness" not in {finding.kind for finding in expected.findings}
    for file in sorted(own_study.iterdir()):
        dataset = pydicom.dcmread(file)
        del dataset.SliceThickness
        if thickness is not None:
            dataset.add_new("SliceThickness", "LO" if thickness == "abc" else "DS", thickness)
        dataset.save_as(str(file))
    report = segment(own_study, tmp_path / "out", tiny_heart, "center", seg="BINARY", pictures=False, device="cpu")
    assert report.volumes is not None and expected.volumes is not None
    assert report.volumes.end_diastolic_volume_ml == expected.volumes.end_diastolic_volume_ml
    texts = {finding.kind: finding.text for finding in report.findings}
    assert "not known in 12 of 12 frame(s): the segmentation states the distance" in texts["no_thickness"]
    shared = pydicom.dcmread(tmp_path / "out" / "seg.dcm").SharedFunctionalGroupsSequence[0]
    assert shared.PixelMeasuresSequence[0].SliceThickness == shared.PixelMeasuresSequence[0].SpacingBetweenSlices == 10
