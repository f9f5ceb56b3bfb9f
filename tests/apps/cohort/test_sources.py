# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The studies of a tree, a list and a server, and their shares."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image

from monai_acdr.apps.cohort import Study, find_studies, sources
from monai_acdr.apps.cohort.sources import Part, parse_part, parse_queries
from monai_acdr.dicom import DicomWeb, RemoteStudy

Edit = Callable[..., Path]


def test_files_make_studies_wherever_they_lie(cohort_tree: Path, tmp_path: Path, edit: Edit) -> None:
    """Two studies of one UID and two patients, scattered over folders, beside volumes, pictures and other files."""
    root = tmp_path / "root"
    expected: dict[tuple[str, str], set[str]] = {}
    for number, path in enumerate(sorted(cohort_tree.rglob("*.dcm"))):
        folder = root / "abc"[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        copy = Path(shutil.copy(path, folder / f"{number}"))
        header = pydicom.dcmread(copy, stop_before_pixels=True)
        expected.setdefault((str(header.PatientID), str(header.StudyInstanceUID)), set()).add(str(copy))
    (patient, uid), files = next(iter(expected.items()))
    moved = sorted(files)[0]
    edit(Path(moved), PatientID="another")
    files.remove(moved)
    expected["another", uid] = {moved}
    (root / "pictures").mkdir()
    for number in range(2):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(root / "pictures" / f"{number}.png")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(root / "a" / "beside.png")
    nib.save(nib.Nifti1Image(np.zeros((8, 8, 2), np.uint8), np.eye(4)), root / "a" / "volume.nii.gz")
    (root / "empty").mkdir()
    (root / "a" / "notes.txt").write_text("none")
    (root / "a" / "cut.dcm").write_bytes(Path(moved).read_bytes()[:200])
    (root / "a" / "empty.dcm").write_bytes(b"")
    (root / "a" / "link.dcm").symlink_to(root / "nowhere.dcm")
    found = find_studies(root, tmp_path / "run")
    dicom = {(study.patient, study.uid): set(study.files) for study in found.studies if study.kind == "dicom"}
    assert dicom == expected
    others = {(study.kind, study.name, study.files) for study in found.studies if study.kind != "dicom"}
    pictures = tuple(str(root / "pictures" / f"{number}.png") for number in range(2))
    assert others == {
        ("nifti", "a/volume.nii.gz", (str(root / "a" / "volume.nii.gz"),)),
        ("pictures", "pictures", pictures),
    }
    assert found.left_out == {
        "a picture beside DICOM files": 1,
        "no image": 1,
        "a DICOM file without StudyInstanceUID or SOPInstanceUID": 1,
        "a damaged DICOM file": 1,
        "not a file that can be read, such as a broken link": 1,
    }


def test_headers_are_read_once(cohort_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, run = Path(shutil.copytree(cohort_tree, tmp_path / "root")), tmp_path / "run"
    read: list[str] = []
    real = sources.load_dataset

    def counted(path: Path, **options: object) -> object:
        read.append(path.name)
        return real(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(sources, "load_dataset", counted)
    first = find_studies(root, run)
    number = len(list(root.rglob("*.dcm")))
    assert len(read) == number
    read.clear()
    assert find_studies(root, run) == first and read == []
    changed, gone = sorted(root.rglob("*.dcm"))[:2]
    os.utime(changed, ns=(1, 1))
    gone.unlink()
    again = find_studies(root, run)
    assert read == [changed.name]
    assert sum(len(study.files) for study in again.studies) == number - 1
    assert stat.S_IMODE((run / "index" / "index.sqlite").stat().st_mode) == 0o600


def test_lists(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# studies\none\n\nhttps://host/dicom-web/studies/1.2\none\n")
    found = find_studies(tmp_path / "list.txt", tmp_path).studies
    expected = {(str(tmp_path / "one"), "one", "path"), ("https://host/dicom-web/studies/1.2",) * 2 + ("url",)}
    assert {(study.source, study.name, study.kind) for study in found} == expected and len(found) == 2
    (tmp_path / "list.txt").write_text(f"one\n./one/\n{tmp_path}/one\nfurther/../one\n")
    assert [study.name for study in find_studies(tmp_path / "list.txt", tmp_path).studies] == ["one"]
    (tmp_path / "list.csv").write_text("number;Study\n1;one\n2;two\n")
    assert [study.name for study in find_studies(tmp_path / "list.csv", tmp_path).studies] == ["one", "two"]
    (tmp_path / "list.csv").write_text("number,file\n1,one\n")
    with pytest.raises(ValueError, match="Expected a column study or path in .*list.csv"):
        find_studies(tmp_path / "list.csv", tmp_path)


def test_one_file_and_none(tmp_path: Path) -> None:
    (tmp_path / "one.nii").write_bytes(b"")
    assert [study.name for study in find_studies(tmp_path / "one.nii", tmp_path).studies] == ["one.nii"]
    with pytest.raises(FileNotFoundError, match="Expected a folder, a list or a server, but .*two does not exist"):
        find_studies(tmp_path / "two", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="but found none .it is empty."):
        find_studies(tmp_path / "empty", tmp_path / "run")
    with pytest.raises(ValueError, match="Expected filters for a DICOMweb server only"):
        find_studies(tmp_path / "empty", tmp_path / "run", {"StudyDate": "20240101"})


def test_studies_of_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def find(self: DicomWeb, filters: object) -> list[RemoteStudy]:
        asked.append(filters)
        return [RemoteStudy("1.2", "P"), RemoteStudy("1.3", "")]

    pytest.importorskip("dicomweb_client")
    monkeypatch.setattr(DicomWeb, "find_studies", find)
    filters = parse_queries(["Modality=MR", "StudyDate = 20240101-20241231"])
    found = find_studies("http://127.0.0.1/dicom-web/", tmp_path, filters).studies
    assert asked == [{"ModalitiesInStudy": "MR", "StudyDate": "20240101-20241231"}]
    assert [study.source for study in found] == [f"http://127.0.0.1/dicom-web/studies/1.{n}" for n in (3, 2)]
    assert {study.patient for study in found} == {"P", ""}


@pytest.mark.parametrize("query", ["MR", "=MR", "Modality=", "Modality;=1"])
def test_filters_that_are_none(query: str) -> None:
    with pytest.raises(ValueError, match="Expected a filter such as Modality=MR"):
        parse_queries([query])
    with pytest.raises(ValueError, match="Expected one value for each keyword"):
        parse_queries(["Modality=MR", "ModalitiesInStudy=CT"])


@pytest.mark.parametrize("count", [1, 2, 7])
def test_parts_are_disjoint_and_complete(count: int) -> None:
    studies = [Study(f"/data/{number}", uid=f"1.2.{number}") for number in range(300)]
    parts = [parse_part(f"{number}/{count}") for number in range(1, count + 1)]
    assert parts[0] == Part(1, count)
    assert all([part.has(study) for part in parts].count(True) == 1 for study in studies)
    sizes = [sum(map(part.has, studies)) for part in parts]
    assert min(sizes) > 0.5 * len(studies) / count
    moved = [Study(f"/elsewhere/{number}", uid=f"1.2.{number}") for number in range(300)]
    assert [parts[0].has(study) for study in moved] == [parts[0].has(study) for study in studies]


@pytest.mark.parametrize("part", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3"])
def test_parts_that_are_none(part: str) -> None:
    with pytest.raises(ValueError, match="Expected a part such as 3/16"):
        parse_part(part)
