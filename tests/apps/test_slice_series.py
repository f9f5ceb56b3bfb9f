# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Studies of which each slice is a series of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from monai_acdr.apps.cohort.tables import CHECKED_FINDINGS
from monai_acdr.apps.convert_contours import convert
from monai_acdr.apps.documents import read_contour_document
from monai_acdr.apps.inputs import read_inputs
from monai_acdr.apps.review.study import open_study
from monai_acdr.apps.segment_study import segment
from monai_acdr.apps.study_files import choose_series, find_series
from monai_acdr.data.phantoms.short_axis import STUDY_DATE
from monai_acdr.dicom import read_rtstruct, read_seg, read_sources
from monai_acdr.dicom.source import slice_numbers

Edit = Callable[..., Path]
SLICES, PHASES = 3, 4


@pytest.fixture()
def slices(own_study: Path, edit: Edit) -> Path:
    """Series 11 to 13, in the order of their positions, each in a folder whose file names are those of the others."""
    sources = find_series(own_study)[0][0]
    for source, number in zip(sources, slice_numbers(sources), strict=True):
        folder = own_study / f"series-{number}"
        folder.mkdir(exist_ok=True)
        phase = len(list(folder.iterdir()))
        edit(
            source.path,
            to=folder / f"{phase}.dcm",
            SeriesInstanceUID=f"1.2.3.{number}",
            SeriesNumber=11 + number,
            InstanceNumber=phase + 1,
            SequenceName=f"*tfi2d1_{20 + number}",
            AcquisitionTime=f"1000{number:02d}.{phase}",
        )
        source.path.unlink()
    return own_study


def add_series(folder: Path, edit: Edit, name: str, number: int, count: int = PHASES, **values: object) -> None:
    """A copy of the series in `folder`, beside it."""
    (folder.parent / name).mkdir()
    for index, file in enumerate(sorted(folder.iterdir())[:count]):
        uids = {"SOPInstanceUID": f"1.2.4.{number}.{index}", "SeriesInstanceUID": f"1.2.4.{number}"}
        edit(file, to=folder.parent / name / f"{index}.dcm", SeriesNumber=number, **uids, **values)


def measured(study: Path, output: Path, model: Path, **options: object) -> dict:
    segment(study, output, model, "point 56 50", device="cpu", pictures=False, **options)
    return dict(json.loads((output / "report.json").read_text()))


def kinds(report: dict) -> list[str]:
    return [finding["kind"] for finding in report["findings"]]


def test_the_slices_are_one_stack(slices: Path, study: Path, tiny_heart: Path, tmp_path: Path) -> None:
    """Volumes, contours and objects are those of the same frames in one series."""
    alone = measured(study, tmp_path / "one", tiny_heart)
    report = measured(slices, tmp_path / "many", tiny_heart, seg="BINARY", rtstruct=True, sr=True)
    assert report["volumes"] == alone["volumes"] and report["wall"] == alone["wall"]
    assert [f["slice_index"] for f in report["frames"]] == [f["slice_index"] for f in alone["frames"]]
    assert [f["phase"] for f in report["frames"]] == [f["phase"] for f in alone["frames"]]
    (text,) = [f["text"] for f in report["findings"] if f["kind"] == "joined_series"]
    assert text == "3 series of one slice each are one stack: numbers 11, 12, 13"
    assert "joined_series" not in kinds(alone)
    sources = read_inputs(slices).sources
    (inner, _) = read_rtstruct(tmp_path / "many" / "rtstruct.dcm", sources)
    assert sum(len(contours) for contours in inner.contours) == SLICES * PHASES
    files = sorted((tmp_path / "many" / "seg").iterdir())
    assert [file.name for file in files] == ["slice-01.dcm", "slice-02.dcm", "slice-03.dcm"]
    for number, file in enumerate(files):
        own = [source for source in sources if source.header.SeriesNumber == 11 + number]
        (cavity, _) = read_seg(file, own)
        areas = [mask.sum() for mask in cavity.masks if mask is not None]
        assert len(areas) == PHASES and min(areas) > 0
    series = {item.SeriesInstanceUID for item in _evidence(pydicom.dcmread(tmp_path / "many" / "sr.dcm"))}
    assert series == {f"1.2.3.{number}" for number in range(SLICES)}


def test_segmentations_of_the_stack_are_converted(slices: Path, tiny_heart: Path, tmp_path: Path) -> None:
    measured(slices, tmp_path / "out", tiny_heart, seg="BINARY")
    document = tmp_path / "out" / "contours.json"
    with pytest.raises(ValueError, match=r"got several: write one for each series.*convert to a folder with --to seg"):
        convert(document, tmp_path / "seg.dcm", slices)
    report = convert(document, tmp_path / "segs", slices, to="seg")
    assert [file.name for file in report.files] == ["series-11.dcm", "series-12.dcm", "series-13.dcm"]
    assert sorted(report.files) == sorted((tmp_path / "segs").iterdir())
    sources = read_inputs(slices).sources
    for file, own in zip(report.files, sorted((tmp_path / "out" / "seg").iterdir()), strict=True):
        for one, other in zip(read_seg(file, sources), read_seg(own, sources), strict=True):
            assert one.structure == other.structure
            assert all(np.array_equal(a, b) for a, b in zip(one.masks, other.masks, strict=True))
    # A folder of them is one source, of all structures or of one.
    back = convert(tmp_path / "out" / "seg", tmp_path / "back.nii.gz", slices)
    assert back.frames == SLICES * PHASES and back.structures == ("LV endocardium", "LV epicardium")
    convert(document, tmp_path / "direct.nii.gz", slices)
    voxels = [np.asarray(nib.load(tmp_path / name).dataobj) for name in ("back.nii.gz", "direct.nii.gz")]
    assert np.array_equal(*voxels) and set(np.unique(voxels[0])) == {0, 1, 2}
    inner = convert(tmp_path / "segs", tmp_path / "inner.json", slices, structure="LV endocardium")
    assert inner.structures == ("LV endocardium",) and inner.frames == SLICES * PHASES
    with pytest.raises(FileExistsError, match="overwrite"):
        convert(document, tmp_path / "segs", slices, to="seg")
    shutil.copy(tmp_path / "segs" / "series-12.dcm", tmp_path / "segs" / "again.dcm")
    with pytest.raises(ValueError, match=r"'LV endocardium' of '.*' is in several: name one file"):
        convert(tmp_path / "segs", tmp_path / "twice.json", slices)
    # A folder is one run's: neither another's files nor other kinds beside them.
    (tmp_path / "segs" / "again.dcm").unlink()
    for overwrite in (False, True):
        (tmp_path / "segs" / "series-13.dcm").rename(tmp_path / "segs" / "older.dcm")
        with pytest.raises(FileExistsError, match=r"has others, such as older\.dcm: choose another folder"):
            convert(document, tmp_path / "segs", slices, to="seg", overwrite=overwrite)
        (tmp_path / "segs" / "older.dcm").rename(tmp_path / "segs" / "series-13.dcm")
    (tmp_path / "segs" / "series-12.dcm").rename(tmp_path / "segs" / "series-12")
    assert convert(tmp_path / "segs", tmp_path / "any_name.json", slices).frames == SLICES * PHASES
    (tmp_path / "segs" / "readme.txt").write_text("1 2", encoding="utf-8")
    with pytest.raises(ValueError, match=r"has 1 \.txt, 0 \.png, 3 \.dcm: name one file"):
        convert(tmp_path / "segs", tmp_path / "mixed.json", slices)
    with pytest.raises(ValueError, match="an image is given with --images"):
        convert(slices / "series-1", tmp_path / "no.json", slices)


def test_one_empty_slice_does_not_keep_the_others(slices: Path, edit: Edit, tiny_heart: Path, tmp_path: Path) -> None:
    """Nor do numbers that are not in the order of the slices keep a volume from being written."""
    for number, new in ((0, 13), (1, 11), (2, 12)):
        for file in (slices / f"series-{number}").iterdir():
            edit(file, SeriesNumber=new)
    measured(slices, tmp_path / "out", tiny_heart)
    document = tmp_path / "out" / "contours.json"
    convert(document, tmp_path / "all.nii.gz", slices)
    convert(document, tmp_path / "alone.nii.gz")
    assert nib.load(tmp_path / "all.nii.gz").shape == nib.load(tmp_path / "alone.nii.gz").shape
    data = json.loads(document.read_text())
    first = {str(s.key[0]) for s in read_inputs(slices).sources if s.header.SeriesNumber == 11}
    for frame in data["frames"]:
        if frame["sop_instance_uid"] in first:
            for contour in frame["contours"]:
                contour.pop("vertices_mm", None)
                contour["vertices_px"] = [[20.0, 20.0], [20.1, 20.0], [20.1, 20.1]]
                contour.pop("vertex_spread_px", None)
    (tmp_path / "tiny.json").write_text(json.dumps(data))
    report = convert(tmp_path / "tiny.json", tmp_path / "segs", slices, to="seg")
    assert sorted(file.name for file in report.files) == ["series-12.dcm", "series-13.dcm"]
    assert len(report.lost) >= PHASES and "no pixel is covered by half" in report.lost[0]
    partly = convert(tmp_path / "tiny.json", tmp_path / "shares", slices, to="seg", kind="FRACTIONAL")
    assert not any("covered by half" in text for text in partly.lost) and len(partly.files) == 3


def _evidence(report: pydicom.Dataset) -> list[pydicom.Dataset]:
    studies = report.CurrentRequestedProcedureEvidenceSequence
    return [series for study in studies for series in study.ReferencedSeriesSequence]


def test_a_slice_that_was_acquired_again(slices: Path, edit: Edit, tiny_heart: Path, tmp_path: Path) -> None:
    """The later acquisition counts, unless it was broken off; what was left out is named and never replaced."""
    add_series(slices / "series-1", edit, "again", 14, AcquisitionTime="103000")
    add_series(slices / "series-2", edit, "broken", 15, count=3, AcquisitionTime="103100")
    inputs = read_inputs(slices)
    taken = sorted({int(source.header.SeriesNumber) for source in inputs.sources})
    assert taken == [11, 13, 14] and len(inputs.frames) == SLICES * PHASES
    texts = [finding.text for finding in inputs.findings if finding.kind == "repeated_slice"]
    rule = "of which the last complete acquisition was taken"
    assert texts == [
        f"series {own}, {count} frame(s), shows the same slice as series {taken}, {rule}"
        for own, count, taken in ((12, 4, 14), (15, 3, 13))
    ]
    repeated = [entry.file for entry in inputs.skipped if entry.kind == "repeated"]
    assert sorted(repeated) == [*(f"broken/{n}.dcm" for n in range(3)), *(f"series-1/{n}.dcm" for n in range(4))]
    report = measured(slices, tmp_path / "out", tiny_heart)
    assert report["volumes"] is not None and "no_stack" not in kinds(report)
    with pytest.raises(ValueError, match="7 would be left out"):
        measured(slices, tmp_path / "strict", tiny_heart, strict=True)


@pytest.mark.parametrize("count", [1, 2])
def test_an_acquisition_that_was_broken_off_at_once(slices: Path, edit: Edit, count: int) -> None:
    """Too short for a cine, it is of the stack where it agrees otherwise; elsewhere it is a series of its own."""
    add_series(slices / "series-1", edit, "broken", 14, count=count, AcquisitionTime="103000")
    inputs = read_inputs(slices)
    assert sorted({int(source.header.SeriesNumber) for source in inputs.sources}) == [11, 12, 13]
    (text,) = [finding.text for finding in inputs.findings if finding.kind == "repeated_slice"]
    assert text.startswith(f"series 14, {count} frame(s), shows the same slice as series 12")
    for file in (slices / "broken").iterdir():
        edit(file, SliceThickness=3.5)
    with pytest.raises(ValueError, match="got 4 of 4: choose one with --series"):
        read_inputs(slices)


def test_several_acquisitions_that_were_broken_off(slices: Path, edit: Edit) -> None:
    """Each is judged alone: of two slices, and beside a frame at another place."""
    add_series(slices / "series-1", edit, "broken", 14, count=1, AcquisitionTime="103000")
    add_series(slices / "series-2", edit, "again", 15, count=2, AcquisitionTime="103100")
    for requested in (None, "stack", "11-15"):
        inputs = read_inputs(slices, requested)
        assert sorted({int(source.header.SeriesNumber) for source in inputs.sources}) == [11, 12, 13]
        texts = [finding.text for finding in inputs.findings if finding.kind == "repeated_slice"]
        assert [text.split(",")[0] for text in texts] == ["series 14", "series 15"]
    far = [float(x) + 300.0 for x in pydicom.dcmread(slices / "again" / "0.dcm").ImagePositionPatient]
    for file in (slices / "again").iterdir():
        edit(file, ImagePositionPatient=far)
    inputs = read_inputs(slices, "stack")
    (text,) = [finding.text for finding in inputs.findings if finding.kind == "repeated_slice"]
    assert text.startswith("series 14") and len(inputs.frames) == SLICES * PHASES


def test_a_slice_with_and_without_correction_of_distortion(slices: Path, edit: Edit) -> None:
    """Both are of one acquisition, and the one without has the higher number; its sizes are wrong by millimeters."""
    for number in range(SLICES):
        for file in (slices / f"series-{number}").iterdir():
            edit(file, ImageType=["ORIGINAL", "PRIMARY", "M", "DIS2D"])
    add_series(slices / "series-1", edit, "uncorrected", 14, ImageType=["ORIGINAL", "PRIMARY", "M", "ND"])
    inputs = read_inputs(slices)
    assert sorted({int(source.header.SeriesNumber) for source in inputs.sources}) == [11, 12, 13]
    (text,) = [finding.text for finding in inputs.findings if finding.kind == "repeated_slice"]
    assert text == "series 14, 4 frame(s), shows the same slice as series 12, which is corrected for distortion"
    assert "mixed_correction" not in {finding.kind for finding in inputs.findings}
    for file in (slices / "series-1").iterdir():
        file.unlink()
    (text,) = [finding.text for finding in read_inputs(slices).findings if finding.kind == "mixed_correction"]
    assert (
        text.startswith("of 3 series 14 are not corrected for distortion: ") and "mixed_correction" in CHECKED_FINDINGS
    )


def test_a_later_acquisition_counts_with_or_without_correction(slices: Path, edit: Edit) -> None:
    for number in range(SLICES):
        for file in (slices / f"series-{number}").iterdir():
            edit(file, ImageType=["ORIGINAL", "PRIMARY", "M", "DIS2D"])
    uncorrected = ["ORIGINAL", "PRIMARY", "M", "ND"]
    add_series(slices / "series-1", edit, "again", 14, ImageType=uncorrected, AcquisitionTime="103000")
    inputs = read_inputs(slices)
    assert sorted({int(source.header.SeriesNumber) for source in inputs.sources}) == [11, 13, 14]
    (text,) = [finding.text for finding in inputs.findings if finding.kind == "repeated_slice"]
    assert text.endswith("as series 14, of which the last complete acquisition was taken")


@pytest.mark.parametrize(
    ("corrected", "uncorrected"),
    [
        ({"AcquisitionTime": "100001"}, {"AcquisitionTime": "100001.000000"}),
        ({"AcquisitionTime": "10:00:01"}, {"AcquisitionTime": "100001.04"}),
        ({"AcquisitionTime": None, "SeriesTime": "100001"}, {"AcquisitionTime": "100001"}),
        ({"AcquisitionTime": None, "SeriesTime": None}, {"AcquisitionTime": "100001"}),
    ],
)
def test_one_time_of_acquisition_in_several_forms(
    slices: Path, edit: Edit, corrected: dict[str, str | None], uncorrected: dict[str, str]
) -> None:
    for number in range(SLICES):
        for file in (slices / f"series-{number}").iterdir():
            values = corrected if number == 1 else {}
            edit(file, ImageType=["ORIGINAL", "PRIMARY", "M", "DIS2D"], **values)
    image_type = ["ORIGINAL", "PRIMARY", "M", "ND"]
    add_series(slices / "series-1", edit, "uncorrected", 14, ImageType=image_type, **uncorrected)
    for file in (slices / "uncorrected").iterdir():  # of the corrected ones only the date of the series is known
        edit(file, AcquisitionDate=STUDY_DATE)
    inputs = read_inputs(slices)
    assert sorted({int(source.header.SeriesNumber) for source in inputs.sources}) == [11, 12, 13]


def test_contours_on_an_acquisition_that_is_not_the_last(
    slices: Path, edit: Edit, tiny_heart: Path, tmp_path: Path
) -> None:
    """As region they find the images that they were drawn on, as in a review."""
    measured(slices, tmp_path / "first", tiny_heart)
    add_series(slices / "series-1", edit, "again", 14, AcquisitionTime="103000")
    region = tmp_path / "first" / "contours.json"
    segment(slices, tmp_path / "second", tiny_heart, str(region), device="cpu", pictures=False)
    first, second = (read_contour_document(tmp_path / name / "contours.json") for name in ("first", "second"))
    assert [f.sop_instance_uid for f in first.frames] == [f.sop_instance_uid for f in second.frames]
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ValueError, match=r"broken\.json"):
        segment(slices, tmp_path / "third", tiny_heart, str(tmp_path / "broken.json"), device="cpu", pictures=False)


def test_series_in_which_one_frame_is_corrected(slices: Path, edit: Edit) -> None:
    for number in range(SLICES):
        for file in (slices / f"series-{number}").iterdir():
            edit(file, ImageType=["ORIGINAL", "PRIMARY", "M", "DIS2D"], AcquisitionTime="100001")
    add_series(slices / "series-1", edit, "mixed", 14, ImageType=["ORIGINAL", "PRIMARY", "M", "ND"])
    edit(slices / "mixed" / "0.dcm", ImageType=["ORIGINAL", "PRIMARY", "M", "DIS2D"])
    inputs = read_inputs(slices)
    assert sorted({int(source.header.SeriesNumber) for source in inputs.sources}) == [11, 12, 13]


def test_requested_series(slices: Path, edit: Edit) -> None:
    assert len(read_inputs(slices, "13-11").frames) == SLICES * PHASES
    assert len(read_inputs(slices, "13, 12,11,").frames) == SLICES * PHASES  # nothing is after the last comma
    for requested, unknown in (
        ("11-13,99", "'99'"),
        ("stack,5-,11", "'stack', '5-'"),
        ("11-" + 5000 * "9", "'11-" + 61 * "9" + "'"),
        ("12-13-14", "'12-13-14'"),
    ):
        with pytest.raises(ValueError, match=f"none is {unknown}: give numbers, ranges such as 12-21, or UIDs"):
            read_inputs(slices, requested)
    for file in (slices / "series-1").iterdir():
        edit(file, SeriesNumber=None)
    assert len(read_inputs(slices, "11,").frames) == PHASES  # and not of the series without a number


@pytest.mark.parametrize("told_by", ["AcquisitionNumber", "AcquisitionTime", "InstanceNumber"])
def test_a_slice_acquired_twice_in_one_series(
    own_study: Path, edit: Edit, told_by: str, tiny_heart: Path, tmp_path: Path
) -> None:
    """The later acquisition counts where both have the phases of the others; its frames are named otherwise."""
    sources = find_series(own_study)[0][0]
    for index, source in enumerate(sources):
        edit(source.path, AcquisitionTime="100000", AcquisitionNumber=1 if told_by == "AcquisitionNumber" else None)
        if index < PHASES:
            values = {"AcquisitionNumber": 2} if told_by == "AcquisitionNumber" else {}
            values |= {"AcquisitionTime": "100500"} if told_by == "AcquisitionTime" else {}
            values |= {"SOPInstanceUID": f"1.2.5.{index}", "InstanceNumber": 90 + index}
            values |= {"TriggerTime": 1.3 * source.time.trigger_ms}  # another heart rate
            edit(source.path, to=own_study / f"again-{index}.dcm", **values)
    inputs = read_inputs(own_study)
    again = [f"again-{index}.dcm" for index in range(PHASES)]
    assert [source.path.name for source in inputs.sources[:PHASES]] == again and len(inputs.frames) == SLICES * PHASES
    assert sorted(entry.file for entry in inputs.skipped) == sorted(s.path.name for s in sources[:PHASES])
    (text,) = [finding.text for finding in inputs.findings if finding.kind == "repeated_slice"]
    assert "4 frame(s), shows the same slice as other frames of it, of which the last" in text
    report = measured(own_study, tmp_path / "out", tiny_heart)
    assert report["volumes"] is not None and "no_stack" not in kinds(report)
    document = read_contour_document(tmp_path / "out" / "contours.json")
    earlier = replace(document, frames=(replace(document.frames[0], sop_instance_uid=sources[0].key[0]),))
    assert open_study(own_study, earlier)[1] == [0]


@pytest.mark.parametrize("spoiled", ["times", "mixed"])
def test_acquisitions_that_cannot_be_told_apart_are_kept(own_study: Path, edit: Edit, spoiled: str) -> None:
    sources = find_series(own_study)[0][0]
    for index, source in enumerate(sources[:PHASES]):
        moved = source.time.trigger_ms + (300 if spoiled == "times" else 1)
        number = 90 + index if spoiled == "times" else source.header.InstanceNumber
        values = {"SOPInstanceUID": f"1.2.5.{index}", "InstanceNumber": number, "TriggerTime": moved}
        edit(source.path, to=own_study / f"again-{index}.dcm", **values)
    inputs = read_inputs(own_study)
    assert len(inputs.frames) == (SLICES + 1) * PHASES and not inputs.skipped


def test_other_series_are_not_slices_of_the_stack(slices: Path, edit: Edit, tiny_heart: Path, tmp_path: Path) -> None:
    """Long axes, late enhancement, another sequence and full stacks stay apart: the stack has to be asked for."""
    add_series(slices / "series-0", edit, "long axis", 2, ImageOrientationPatient=[0, 1, 0, 0, 0, 1])
    add_series(slices / "series-1", edit, "late", 30, count=1, SequenceName="*tfl2d1r11")
    add_series(slices / "series-1", edit, "perfusion", 31, SequenceName="*tfl2d1_20")
    found, _ = find_series(slices)
    with pytest.raises(ValueError, match=r"one series, but got 6 of 6: .*--series stack") as error:
        choose_series(slices, found, None)
    assert "the series 11, 12, 13 are the slices of one stack" in str(error.value)
    for requested in ("stack", "11-13", "11, 12,13", "12,11,1.2.3.2", " Stack "):
        chosen = choose_series(slices, found, requested)
        assert [int(source.header.SeriesNumber) for source in chosen.sources] == [11] * 4 + [12] * 4 + [13] * 4
    assert {int(s.header.SeriesNumber) for s in choose_series(slices, found, "11,12").sources} == {11, 12}
    assert len(choose_series(slices, found, "30").sources) == 1
    (finding,) = choose_series(slices, found, "stack").findings
    assert finding.text == "3 series of one slice each are one stack: numbers 11, 12, 13; not of it: 2, 30, 31"
    for requested, why in (
        ("2,11", "2 and 11 differ in direction"),
        ("11,30", "11 and 30 differ in number of frames"),
        ("11,31", "11 and 31 differ in pulse sequence"),
    ):
        with pytest.raises(ValueError, match=f"those of '{requested}' are not the slices of one stack: series {why}"):
            choose_series(slices, found, requested)
    for requested in ("2,11,12", "11,99", "11-31", "90-99", "stack of 3"):
        with pytest.raises(ValueError, match="of 6: choose one with --series"):
            choose_series(slices, found, requested)
    assert len(measured(slices, tmp_path / "out", tiny_heart, series="stack")["frames"]) == SLICES * PHASES


def test_thickness_differs_by_rounding(slices: Path, edit: Edit) -> None:
    for file in (slices / "series-2").iterdir():
        edit(file, SliceThickness="8.000001")
    assert len(read_inputs(slices, pixels=False).frames) == SLICES * PHASES
    for file in (slices / "series-2").iterdir():
        edit(file, SliceThickness="6")
    with pytest.raises(ValueError, match="not the slices of one stack: series 11 and 13 differ in slice thickness$"):
        read_inputs(slices, "11-13", pixels=False)
    for file in (slices / "series-2").iterdir():
        edit(file, SliceThickness="8", FrameOfReferenceUID=None)
    with pytest.raises(ValueError, match="series 13 is not one slice with a position and a frame of reference$"):
        read_inputs(slices, "11-13", pixels=False)


def test_a_slice_that_is_nearly_of_the_stack(slices: Path, edit: Edit) -> None:
    """It is left out, which is said and makes a study of a cohort one to check; a long axis is not like it."""
    for number, name, values in (
        (14, "thin", {"SliceThickness": "6", "ImagePositionPatient": [0, 0, 99]}),
        (15, "same place", {"SliceThickness": "6"}),  # with 14 two slices, which is no rival
        (16, "axis", {"ImageOrientationPatient": [0, 1, 0, 0, 0, 1]}),
    ):
        add_series(slices / "series-2", edit, name, number, **values)
    findings = read_inputs(slices, "stack", pixels=False).findings
    assert [finding.text for finding in findings if finding.kind == "similar_series"] == [
        "series 14 may be a slice of it, but differs in slice thickness"
    ]
    assert "similar_series" in CHECKED_FINDINGS


def test_series_of_several_slices_are_never_joined(own_study: Path, edit: Edit) -> None:
    """Nor are two acquisitions of one slice a stack."""
    sources = find_series(own_study)[0][0]
    for source, number in zip(sources, slice_numbers(sources), strict=True):
        if number == 2:
            edit(source.path, SeriesInstanceUID="1.2.3.4", SeriesNumber=42)
    found, _ = find_series(own_study)
    with pytest.raises(ValueError, match="got 2 of 2: choose one with --series. There"):
        choose_series(own_study, found, None)
    with pytest.raises(ValueError, match="got 0 of 2"):
        choose_series(own_study, found, "stack")


def test_the_stack_of_a_study_whose_slices_are_one_series(own_study: Path, edit: Edit) -> None:
    """Whatever the layout of a study, `stack` is its only cine of several slices; two of them have to be told apart."""
    first = sorted(own_study.iterdir())[0]
    edit(first, to=own_study / "axis.dcm", SOPInstanceUID="1.2.5", SeriesInstanceUID="1.2.6", SeriesNumber=7)
    found, _ = find_series(own_study)
    with pytest.raises(ValueError, match="got 2 of 2: choose one with --series, or --series stack"):
        choose_series(own_study, found, None)
    assert len(choose_series(own_study, found, "stack").sources) == SLICES * PHASES
    for index, source in enumerate(found[0] if len(found[0]) > 1 else found[1]):
        uids = {"SOPInstanceUID": f"1.2.7.{index}", "SeriesInstanceUID": "1.2.8", "SeriesNumber": 8}
        edit(source.path, to=own_study / f"again-{index}.dcm", **uids)
    found, _ = find_series(own_study)
    with pytest.raises(ValueError, match="'stack', but got 0 of 3: choose one with --series. There"):
        choose_series(own_study, found, "stack")


def test_frames_of_reference_keep_series_apart(slices: Path, edit: Edit, tiny_heart: Path, tmp_path: Path) -> None:
    for file in (slices / "series-2").iterdir():
        edit(file, FrameOfReferenceUID="1.2.9")
    with pytest.raises(ValueError, match="the series 11, 12 are the slices of one stack$"):
        read_inputs(slices)
    for number in range(2):
        for file in (slices / f"series-{number}").iterdir():
            edit(file, FrameOfReferenceUID=f"1.2.9.{number}")
    with pytest.raises(ValueError, match="11, 12, 13 are the slices of one stack, if .* have 3 frames of reference"):
        read_inputs(slices)
    for requested in ("stack", "11-13"):
        inputs = read_inputs(slices, requested)
        assert {source.frame_of_reference for source in inputs.sources} == {"1.2.9.0"}
        (text,) = [finding.text for finding in inputs.findings if finding.kind == "frames_of_reference"]
        assert text.startswith("the series have 3 frames of reference in 12 frame(s): they were treated as one")
    report = measured(slices, tmp_path / "out", tiny_heart, series="stack", rtstruct=True)
    assert report["volumes"] is not None and (tmp_path / "out" / "rtstruct.dcm").is_file()
    assert open_study(slices, read_contour_document(tmp_path / "out" / "contours.json"))[0].grid is not None


def test_a_review_of_the_stack(slices: Path, edit: Edit, tiny_heart: Path, tmp_path: Path) -> None:
    """It has all slices, those without contours too, and of a slice the acquisition that was outlined."""
    measured(slices, tmp_path / "out", tiny_heart)
    document = read_contour_document(tmp_path / "out" / "contours.json")
    document = replace(document, frames=document.frames[: 2 * PHASES])
    add_series(slices / "series-1", edit, "again", 14, AcquisitionTime="103000")
    add_series(slices / "series-0", edit, "long axis", 2, ImageOrientationPatient=[0, 1, 0, 0, 0, 1])
    study, places = open_study(slices, document)
    assert [int(source.header.SeriesNumber) for source in study.inputs.sources] == [11] * 4 + [12] * 4 + [13] * 4
    assert places == list(range(2 * PHASES)) and study.grid is not None
    with pytest.raises(ValueError, match="got 5 of 5"):
        open_study(slices, replace(document, frames=()))


def test_frames_have_different_names(slices: Path) -> None:
    """File names repeat from series to series, so that frames are numbered slice by slice."""
    frames = read_inputs(slices).frames
    assert [frame.name for frame in frames] == [f"frame-{number:04d}" for number in range(1, 13)]
    positions = [np.array(frame.source.position)[2] for frame in frames if frame.source is not None]
    assert len(positions) == 12 and len(set(positions[:PHASES])) == 1
    assert len(read_sources([frame.source.path for frame in frames if frame.source is not None])) == 12
