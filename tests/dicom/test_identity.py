# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID

from monai_acdr.dicom import read_sources, write_rtstruct, write_seg, write_sr
from monai_acdr.dicom.elements import quiet_values
from monai_acdr.dicom.files import read_dataset, save_dataset
from monai_acdr.dicom.identity import Algorithm, copy_identity, new_result, new_uid, without_identity
from tests.dicom.conftest import raw


def test_copies_patient_and_study(made: SimpleNamespace, tmp_path: Path) -> None:
    source = pydicom.dcmread(made.image(tmp_path / "a.dcm", PatientName="Yamada^Tarou=山田^太郎", PatientAge="050Y"))
    target = Dataset()
    copy_identity(source, target)
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "StudyDate", "PatientAge"):
        assert target[keyword].value == source[keyword].value
    assert "SeriesInstanceUID" not in target and "Modality" not in target
    assert target.ReferringPhysicianName == ""


@pytest.mark.parametrize(
    ("keyword", "value", "copied"),
    [
        ("StudyDate", "20120000", ""),
        ("PatientBirthDate", "00000000", ""),
        ("StudyTime", "083237.000000", "083237.000000"),
        ("StudyTime", "25", ""),
        ("PatientSex", "female", ""),
        ("PatientAge", "old", None),
    ],
)
def test_invalid_values_are_left_empty(keyword: str, value: str, copied: str | None) -> None:
    source, target = Dataset(), Dataset()
    with quiet_values():
        setattr(source, keyword, value)
        setattr(target, keyword, "")
        copy_identity(source, target)
    assert target.get(keyword) == copied


def test_sizes_and_weights_are_numbers() -> None:
    source, target = Dataset(), Dataset()
    source.update(raw("00101020DS", b"1,75"))
    source.PatientWeight = "70.5"
    with quiet_values():
        copy_identity(source, target)
    assert "PatientSize" not in target and target.PatientWeight == 70.5


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 100", "Müller^Jörg"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        (None, "Doe^Jane"),
    ],
)
def test_text_becomes_utf8(
    made: SimpleNamespace, tmp_path: Path, character_set: str | list[str] | None, name: str
) -> None:
    changes = {"SpecificCharacterSet": character_set, "PatientName": name, "StudyDescription": name.split("=")[-1]}
    source = read_dataset(made.image(tmp_path / "a.dcm", **changes), header_only=True)
    result = new_result(UID("1.2.3"), "SEG", source, Algorithm(), 9, "Läsion")
    back = pydicom.dcmread(save_dataset(result, tmp_path / "b.dcm", overwrite=False))
    assert back.SpecificCharacterSet == "ISO_IR 192" and str(back.PatientName) == name
    assert (back.StudyDescription, back.SeriesDescription) == (name.split("=")[-1], "Läsion")
    assert "Läsion".encode() in (tmp_path / "b.dcm").read_bytes()


def test_without_identity_keeps_the_original(made: SimpleNamespace, tmp_path: Path) -> None:
    source = pydicom.dcmread(made.image(tmp_path / "a.dcm"), stop_before_pixels=True)
    header = without_identity(source)
    assert made.SECRET not in str(header) and "19700131" not in str(header)
    assert header.SOPInstanceUID == source.SOPInstanceUID and header.Rows == source.Rows
    header.Rows, header.FrameOfReferenceUID = 1, "1.2.3"
    assert source.PatientName == made.SECRET and source.Rows == made.SIZE[0]
    assert source.FrameOfReferenceUID == made.uid("frame of reference")


def test_new_result(made: SimpleNamespace, tmp_path: Path) -> None:
    source = pydicom.dcmread(made.image(tmp_path / "a.dcm"))
    one, other = (new_result(UID("1.2.3"), "SEG", source, Algorithm(), 9, "x") for _ in range(2))
    assert one.StudyInstanceUID == source.StudyInstanceUID
    assert len({one.SeriesInstanceUID, other.SeriesInstanceUID, source.SeriesInstanceUID}) == 3
    assert len({one.SOPInstanceUID, other.SOPInstanceUID, source.SOPInstanceUID}) == 3
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID


def test_sequences_of_the_source(made: SimpleNamespace, tmp_path: Path, verify: Callable[[Path], list[str]]) -> None:
    """Private elements are left out, and references without items or UIDs, as many scanners write them."""
    issuer, whole, part = Dataset(), Dataset(), Dataset()
    issuer.LocalNamespaceEntityID = "X"
    for item in (issuer, whole):
        item.private_block(0x0009, "ACME", create=True).add_new(1, "LO", "Doe^Jane")
    whole.ReferencedSOPClassUID, whole.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", made.uid("study")
    part.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    changes = {
        "IssuerOfAccessionNumberSequence": DicomSequence([issuer]),
        "ReferencedStudySequence": DicomSequence([whole, part]),
        "ReferencedPatientSequence": DicomSequence([]),
    }
    sources = read_sources([made.image(tmp_path / "a.dcm", **changes)])
    for number, write in enumerate((write_rtstruct, write_seg, write_sr)):
        path = write(tmp_path / f"{number}.dcm", [made.SHAPE], sources)
        dataset = pydicom.dcmread(path)
        assert not [element for element in dataset.iterall() if element.tag.is_private]
        assert dataset.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "X"
        assert [item.ReferencedSOPInstanceUID for item in dataset.get("ReferencedStudySequence", ())] == (
            [] if write is write_rtstruct else [made.uid("study")]
        )
        assert "ReferencedPatientSequence" not in dataset and verify(path) == []
    assert len(sources[0].header.ReferencedStudySequence) == 2


def test_names_of_algorithms_fit_into_dicom(
    made: SimpleNamespace, tmp_path: Path, verify: Callable[[Path], list[str]]
) -> None:
    """Bundles may have any name."""
    algorithm = Algorithm("x" * 70 + "\\y", "\n", software_version="1\\2", reader="Doe\\Jane")
    assert (algorithm.name, algorithm.version, algorithm.software_version) == ("x" * 64, "unknown", "1 2")
    assert (
        algorithm.reader == "Doe Jane" and Algorithm(reader="Yamada^Tarou=山田^太郎").reader == "Yamada^Tarou=山田^太郎"
    )
    sources = read_sources([made.image(tmp_path / "a.dcm")])
    for number, write in enumerate((write_rtstruct, write_seg, write_sr)):
        path = write(tmp_path / f"{number}.dcm", [made.SHAPE], sources, algorithm=Algorithm("x" * 70 + "\\y", "\n"))
        assert verify(path) == []


def test_uids() -> None:
    assert new_uid() != new_uid() and new_uid().startswith("2.25.") and new_uid().is_valid
    assert Algorithm().device_uid == Algorithm(name="another").device_uid
    assert Algorithm().device_uid != Algorithm(software_version="0").device_uid
