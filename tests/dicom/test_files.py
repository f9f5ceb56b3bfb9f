# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pydicom
import pytest

from monai_acdr.dicom import files
from monai_acdr.dicom.files import check_target, read_dataset, save_dataset


def test_round_trip(made: SimpleNamespace, tmp_path: Path) -> None:
    dataset = read_dataset(made.image(tmp_path / "a.dcm"), header_only=False)
    save_dataset(dataset, tmp_path / "b.dcm", overwrite=False)
    again = pydicom.dcmread(tmp_path / "b.dcm")
    assert again == dataset and "PixelData" in again
    assert "PixelData" not in read_dataset(tmp_path / "b.dcm", header_only=True)


def test_never_overwrites_unasked(made: SimpleNamespace, tmp_path: Path) -> None:
    path = made.image(tmp_path / "a.dcm")
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        save_dataset(read_dataset(path, True), path, overwrite=False)
    assert path.read_bytes() == before
    assert check_target(path, overwrite=True) == path


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make it first"):
        check_target(tmp_path / "absent" / "a.dcm", overwrite=False)


def test_nothing_is_left_after_an_error(made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = read_dataset(made.image(tmp_path / "a.dcm"), header_only=True)

    def half(self: pydicom.Dataset, name: str, **_: object) -> None:
        Path(name).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(dataset), "save_as", half)
    with pytest.raises(OSError, match="No space left"):
        save_dataset(dataset, tmp_path / "b.dcm", overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]


def test_what_is_no_dicom(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(b"no DICOM" * 100)
    with pytest.raises(ValueError, match=r"preamble and header, but .*a\.dcm is none"):
        read_dataset(path, header_only=True)


def test_broken(made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever pydicom raises, its message, which may quote a value, is not passed on."""
    path = made.image(tmp_path / "a.dcm")

    def fail(*_: object, **__: object) -> None:
        raise KeyError(made.SECRET)

    monkeypatch.setattr(pydicom, "dcmread", fail)
    with pytest.raises(ValueError, match=r"a\.dcm is broken \(KeyError\)") as caught:
        read_dataset(path, header_only=True)
    assert made.SECRET not in str(caught.value)


def test_deflated_is_refused(made: SimpleNamespace, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(made.image(tmp_path / "a.dcm"))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    path = made.write(dataset, tmp_path / "b.dcm")
    with pytest.raises(ValueError, match="is deflated: save it uncompressed"):
        read_dataset(path, header_only=False)


def test_large_files_are_refused(made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made.image(tmp_path / "a.dcm")
    monkeypatch.setattr(files, "MAX_RESULT_BYTES", 100)
    with pytest.raises(ValueError, match="at most 100 bytes"):
        read_dataset(path, header_only=False)
    read_dataset(path, header_only=True)


@pytest.mark.filterwarnings("error")
def test_values_are_never_quoted(made: SimpleNamespace, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = made.image(tmp_path / "a.dcm", PatientID="P" * 64)
    path.write_bytes(path.read_bytes().replace(b"19700131", b"1970Doe1"))
    dataset = read_dataset(path, header_only=True)
    save_dataset(dataset, tmp_path / "b.dcm", overwrite=False)
    assert caplog.text == "" and dataset.PatientBirthDate == "1970Doe1"
