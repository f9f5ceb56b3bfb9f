# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
import torch
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from monai_acdr.apps.study_files import choose_series, find_series
from monai_acdr.dicom import read_sources, write_rtstruct, write_seg
from monai_acdr.geometry import circle

Edit = Callable[..., Path]
CONTOUR = circle(torch.tensor([50.0, 50.0]), torch.tensor(10.0), 16).numpy()


def test_all_files_of_a_folder(study: Path) -> None:
    series, skipped = find_series(study)
    assert not skipped
    assert [len(frames) for frames in series] == [12]
    assert choose_series(study, series, None).sources is series[0]
    assert find_series(next(study.iterdir()))[0][0][0].size == (100, 112)


def test_what_is_left_out_has_a_reason(own_study: Path) -> None:
    files = sorted(own_study.iterdir())
    shutil.copy(files[0], own_study / "again.dcm")
    (own_study / "notes.txt").write_text("hello")
    (own_study / "half.dcm").write_bytes(files[1].read_bytes()[:300])
    sources = read_sources(files)
    write_rtstruct(own_study / "rt.dcm", [CONTOUR] + [None] * 11, sources)
    write_seg(own_study / "seg.dcm", [CONTOUR] + [None] * 11, sources)
    series, skipped = find_series(own_study)
    assert [len(frames) for frames in series] == [12]
    kinds = {entry.file: entry.kind for entry in skipped}
    assert kinds.pop("half.dcm") == "unreadable"
    assert kinds.pop("notes.txt") == "not_dicom"
    assert kinds.pop("seg.dcm") == "result"
    assert kinds.pop("rt.dcm") == "result"
    assert list(kinds.values()) == ["duplicate"]
    assert all(entry.reason for entry in skipped)


@pytest.mark.parametrize("name", ["0-copy.dcm", "z-copy.dcm"])
def test_a_truncated_copy_is_left_out_and_said(own_study: Path, name: str) -> None:
    """Whichever comes first. Two whole files that differ are refused: either may be the right one."""
    file = sorted(own_study.iterdir())[0]
    content = file.read_bytes()
    copy = own_study / name
    copy.write_bytes(content[:-200])
    ((*frames,),), skipped = find_series(own_study)
    assert len(frames) == 12 and copy not in {frame.path for frame in frames}
    (entry,) = skipped
    size = f"{len(content) - 200} of {len(content)} bytes"
    assert (entry.file, entry.kind) == (name, "duplicate")
    assert entry.reason == f"a truncated copy, {size}, of {file.name}"
    for changed in (content[:-201] + b"\xff", content[:-1] + bytes([content[-1] ^ 1]), content[:-1] + b"ab"):
        copy.write_bytes(changed)
        with pytest.raises(ValueError, match="each instance once, but .* are different files of the same one"):
            find_series(own_study)


def test_damaged_files_with_a_name_of_dicom_are_unreadable(own_study: Path) -> None:
    files = sorted(own_study.iterdir())
    files[1].write_bytes(b"")
    files[2].write_bytes(bytes(1000))
    (own_study / "notes").write_bytes(b"")
    skipped = {entry.file: entry for entry in find_series(own_study)[1]}
    assert {name: entry.kind for name, entry in skipped.items()} == {
        files[1].name: "unreadable",
        files[2].name: "unreadable",
        "notes": "not_dicom",
    }
    assert skipped[files[1].name].reason == f"Expected a DICOM file, but {files[1].name} is empty: copy it again."
    assert "does not begin like one" in skipped[files[2].name].reason


@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        *[("NumberOfFrames", "FD", float("inf")), ("NumberOfFrames", "DS", "1.5")],
        *[("Rows", "FD", float("inf")), ("Rows", "LO", "abc"), ("Columns", "US", [64, 64]), ("Rows", "US", 0)],
        *[
            ("SamplesPerPixel", "US", [1, 1]),
            ("SOPClassUID", "UI", ["1.2.3", "1.2.4"]),
            ("SeriesInstanceUID", "UI", ""),
        ],
        *[("PerFrameFunctionalGroupsSequence", "UT", "abc"), ("SharedFunctionalGroupsSequence", "FD", 1.5)],
        *[("PixelSpacing", "DS", ["1e-30", "1e-30"]), ("PixelSpacing", "LO", "abc"), ("PixelSpacing", "DS", ["1"])],
        *[("ImagePositionPatient", "FD", [float("nan")] * 3), ("ImageOrientationPatient", "DS", ["1"] * 6)],
        *[("ImageType", "CS", ["DERIVED", "PRIMARY", "M", "MOSAIC"]), ("Modality", "CS", "SM")],
        *[("Columns", "US", 65535), ("Rows", "SQ", Sequence([Dataset()]))],
    ],
)
def test_one_damaged_header_of_several(own_study: Path, keyword: str, vr: str, value: object) -> None:
    """It is left out with its name and a reason that quotes nothing; the others are a study."""
    file = sorted(own_study.iterdir())[4]
    dataset = pydicom.dcmread(file)
    if keyword in dataset:
        del dataset[keyword]
    dataset.add(DataElement(keyword, vr, value))
    if keyword == "Columns" and value == 65535:
        dataset.Rows = 65535
    pydicom.dcmwrite(str(file), dataset)
    series, skipped = find_series(own_study)
    assert [len(frames) for frames in series] == [11]
    assert [(entry.file, entry.kind) for entry in skipped] == [(file.name, "unreadable")]
    assert skipped[0].reason.startswith("Expected ")
    with pytest.raises(ValueError, match=rf"found none: 1 unreadable; the first is {file.name}: Expected "):
        find_series(file)


def test_phase_images_are_no_phases_of_the_heart(own_study: Path, edit: Edit) -> None:
    """Phase contrast in one series, as Philips writes it; some vendors add the real part."""
    files = sorted(own_study.iterdir())
    for file, kind in zip(files, ("M", "P", "R", "I") * 3, strict=True):
        edit(file, ImageType=["ORIGINAL", "PRIMARY", f"{kind}_FFE", kind, "FFE"])
    (series,), skipped = find_series(own_study)
    assert sorted(frame.path for frame in series) == files[::4]
    reasons = {entry.file: (entry.kind, entry.reason) for entry in skipped}
    assert set(reasons) == {file.name for index, file in enumerate(files) if index % 4}
    assert {kind for kind, _ in reasons.values()} == {"no_anatomy"}
    assert "phase image (velocity or field)" in reasons[files[1].name][1]
    assert "real part" in reasons[files[2].name][1] and "imaginary part" in reasons[files[3].name][1]
    ((*every,), nothing) = find_series(own_study, anatomy_only=False)  # contours may lie on any of them
    assert sorted(frame.path for frame in every[0]) == files and nothing == []
    for file in files[::4]:
        file.unlink()
    (series,), _ = find_series(own_study)
    assert sorted(frame.path for frame in series) == files[2::4]  # without a magnitude the real part is the anatomy
    for file in files[2::4]:
        file.unlink()
    with pytest.raises(ValueError, match="found none: 6 no anatomy; the first is .*shows no anatomy"):
        find_series(own_study)


def test_phase_frames_of_an_enhanced_object(study: Path, tmp_path: Path, enhance: Callable[..., Path]) -> None:
    path = enhance(sorted(study.iterdir()), tmp_path / "e.dcm", components=["MAGNITUDE", "PHASE"] * 6)
    (series,), skipped = find_series(path)
    assert sorted(frame.frame for frame in series) == [1, 3, 5, 7, 9, 11]
    assert [(entry.kind, entry.reason[:15]) for entry in skipped] == [("no_anatomy", "6 of 12 frames:")]


def test_two_patients(own_study: Path, edit: Edit) -> None:
    edit(sorted(own_study.iterdir())[3], PatientID="somebody else")
    with pytest.raises(ValueError, match="images of one patient, but got 2"):
        find_series(own_study)


def test_an_instance_that_differs_from_its_twin(own_study: Path, edit: Edit) -> None:
    edit(sorted(own_study.iterdir())[0], to=own_study / "twin.dcm", InstanceNumber=77)
    with pytest.raises(ValueError, match="different files of the same one"):
        find_series(own_study)


def test_mixed_series(own_study: Path, edit: Edit) -> None:
    files = sorted(own_study.iterdir())
    for file in files[:5]:
        edit(file, SeriesInstanceUID="1.2.3.4", SeriesNumber=42, SeriesDescription="Doe^Jane")
    series, _ = find_series(own_study)
    with pytest.raises(ValueError, match=r"one series, but got 2 of 2: choose one with --series") as error:
        choose_series(own_study, series, None)
    assert "number 42, MR, 5 frame(s) in 2 slice(s) of 100 x 112, UID 1.2.3.4" in str(error.value)
    assert "Doe" not in str(error.value)
    assert len(choose_series(own_study, series, "42").sources) == 5
    assert len(choose_series(own_study, series, "1.2.3.4").sources) == 5
    with pytest.raises(ValueError, match="number or UID '43', but got 0 of 2"):
        choose_series(own_study, series, "43")


def test_nothing_to_read(tmp_path: Path, study: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        find_series(tmp_path / "absent")
    with pytest.raises(ValueError, match="the folder is empty"):
        find_series(tmp_path)
    sources = read_sources(sorted(study.iterdir())[:1])
    write_seg(tmp_path / "seg.dcm", [CONTOUR], sources)
    with pytest.raises(ValueError, match="a segmentation, not an image"):
        find_series(tmp_path / "seg.dcm")
