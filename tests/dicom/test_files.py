# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import struct
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian

from monai_acdr.data.image_headers import check_complete
from monai_acdr.dicom.files import MAX_DEPTH, check_target, load_dataset, read_dataset, save_dataset, storage_class
from monai_acdr.read_budget import read_budget
from tests.fuzz.dicom_mutations import Element, encode_dicom, parse_dicom


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


def test_a_full_disk_is_no_fault_of_the_headers(
    made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pydicom names the element in an error of its own, without a number."""
    dataset = read_dataset(made.image(tmp_path / "a.dcm"), header_only=True)

    def full(self: pydicom.Dataset, name: str, **_: object) -> None:
        try:
            raise OSError(28, "No space left on device")
        except OSError as error:
            raise OSError("With tag (7fe0,0010) got exception: No space left on device") from error

    monkeypatch.setattr(type(dataset), "save_as", full)
    with pytest.raises(OSError, match=r"No space left on device: .*b\.dcm.*: free space"):
        save_dataset(dataset, tmp_path / "b.dcm", overwrite=False)


def test_what_is_no_dicom(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(b"no DICOM" * 100)
    with pytest.raises(ValueError, match=r"preamble and header, but .*a\.dcm is not one"):
        read_dataset(path, header_only=True)


def test_broken(made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever pydicom raises, its message, which may quote a value, is not passed on."""
    path = made.image(tmp_path / "a.dcm")

    def fail(*_: object, **__: object) -> None:
        raise KeyError(made.SECRET)

    monkeypatch.setattr(pydicom.filereader, "read_partial", fail)
    with pytest.raises(ValueError, match=r"a\.dcm is broken \(KeyError\)") as caught:
        read_dataset(path, header_only=True)
    assert made.SECRET not in str(caught.value)


def deflate(made: SimpleNamespace, path: Path, **changes: object) -> Path:
    dataset = pydicom.dcmread(made.image(path, **changes))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    return Path(made.write(dataset, path))


@pytest.mark.parametrize("header_only", [True, False])
def test_deflated_reads_as_if_it_were_not(made: SimpleNamespace, tmp_path: Path, header_only: bool) -> None:
    plain = read_dataset(made.image(tmp_path / "a.dcm"), header_only)
    dataset = read_dataset(deflate(made, tmp_path / "b.dcm"), header_only)
    assert dataset == plain
    assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian


def test_deflated_files_inflate_to_the_budget_only(made: SimpleNamespace, tmp_path: Path) -> None:
    """32 MB of zeros in 32 kB: no more of them is inflated than the budget allows."""
    path = deflate(made, tmp_path / "b.dcm", Rows=4000, Columns=4000)
    assert path.stat().st_size < 1e5
    tracemalloc.start()
    with read_budget(1), pytest.raises(ValueError, match=r"b\.dcm to inflate to at most 1 MiB.*--read-budget"):
        read_dataset(path, header_only=True)
    assert tracemalloc.get_traced_memory()[1] < 4e6
    tracemalloc.stop()
    read_dataset(path, header_only=True)


def test_damaged_deflated_files(made: SimpleNamespace, tmp_path: Path) -> None:
    data = deflate(made, tmp_path / "b.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(data[:-20])
    with pytest.raises(ValueError, match=r"whole deflated file, but .*cut\.dcm"):
        read_dataset(tmp_path / "cut.dcm", header_only=True)
    (tmp_path / "noise.dcm").write_bytes(data[:-200] + b"\xff" * 200)
    with pytest.raises(ValueError, match=r"deflated file, but .*noise\.dcm"):
        read_dataset(tmp_path / "noise.dcm", header_only=True)


def test_large_files_are_refused(made: SimpleNamespace, tmp_path: Path) -> None:
    path = made.image(tmp_path / "a.dcm", Rows=1000, Columns=1000)
    with read_budget(1), pytest.raises(ValueError, match=r"a.dcm to need at most 1 MiB of memory.*--read-budget"):
        read_dataset(path, header_only=False)
    with read_budget(1):
        read_dataset(path, header_only=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"ImageType": ["A"] * 30_000},  # each of the two bytes becomes a text, each of the next an object
        {"PixelSpacing": ["1"] * 30_000},
        {"ReferencedImageSequence": DicomSequence([Dataset()] * 9_000)},
        {"RedPaletteColorLookupTableDescriptor": [7] * 32_000, "GreenPaletteColorLookupTableDescriptor": [7] * 32_000},
    ],
)
def test_small_files_that_become_large(made: SimpleNamespace, tmp_path: Path, changes: dict[str, Any]) -> None:
    path = made.image(tmp_path / "a.dcm", **changes)
    assert path.stat().st_size < 140_000
    for header_only in (False, True):
        with read_budget(2), pytest.raises(ValueError, match="a.dcm to need at most 2 MiB of memory"):
            read_dataset(path, header_only)
        read_dataset(path, header_only)


ITEMS = b"\xfe\xff\x00\xe0" + bytes(4)
HEADERS = {
    "items of a sequence with a length": struct.pack("<HH2sHI", 0x6001, 0x1010, b"SQ", 0, 72_000) + ITEMS * 9_000,
    "items of one without": struct.pack("<HH2sHI", 0x6001, 0x1010, b"SQ", 0, 0xFFFFFFFF)
    + ITEMS * 9_000
    + b"\xfe\xff\xdd\xe0"
    + bytes(4),
    "elements": b"".join(struct.pack("<HH2sH", 0x6001, 0x1000 + index, b"LO", 0) for index in range(9_000)),
}


@pytest.mark.parametrize("reads", [lambda path: read_dataset(path, header_only=True), check_complete])
@pytest.mark.parametrize("content", HEADERS)
def test_small_headers_that_become_large(
    made: SimpleNamespace, tmp_path: Path, content: str, reads: Callable[[Path], object]
) -> None:
    data = made.image(tmp_path / "a.dcm").read_bytes()
    at = data.index(struct.pack("<HH", 0x7FE0, 0x0010))
    (tmp_path / "a.dcm").write_bytes(data[:at] + HEADERS[content] + data[at:])
    assert (tmp_path / "a.dcm").stat().st_size < 80_000
    with read_budget(2), pytest.raises(ValueError, match="a.dcm to need at most 2 MiB of memory"):
        reads(tmp_path / "a.dcm")
    reads(tmp_path / "a.dcm")


def test_undecoded_values(made: SimpleNamespace, tmp_path: Path) -> None:
    path = made.image(tmp_path / "a.dcm", PixelSpacing=["1.5"] * 20_000)
    with read_budget(2):
        dataset = read_dataset(path, header_only=False, undecoded=("PixelSpacing",))
    assert dataset.get_item("PixelSpacing").value.count(b"1.5") == 20_000


def test_values_that_cannot_be_written(made: SimpleNamespace, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(made.image(tmp_path / "a.dcm"))
    dataset["Rows"]._value = "Doe^Jane"
    with pytest.raises(ValueError, match="b.dcm cannot be written .*correct the headers") as caught:
        save_dataset(dataset, tmp_path / "b.dcm", overwrite=False)
    assert "Doe" not in str(caught.value) and [path.name for path in tmp_path.iterdir()] == ["a.dcm"]


@pytest.mark.filterwarnings("error")
def test_values_are_never_quoted(made: SimpleNamespace, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = made.image(tmp_path / "a.dcm", PatientID="P" * 64)
    path.write_bytes(path.read_bytes().replace(b"19700131", b"1970Doe1"))
    dataset = read_dataset(path, header_only=True)
    save_dataset(dataset, tmp_path / "b.dcm", overwrite=False)
    assert caplog.text == "" and dataset.PatientBirthDate == "1970Doe1"


def _nested(tag: tuple[int, int], levels: int, innermost: Element) -> Element:
    element = innermost
    for _ in range(levels):
        element = Element(tag, b"SQ", b"", [[element]])
    return element


def test_sequences_within_each_other(made: SimpleNamespace, tmp_path: Path) -> None:
    """Pydicom keeps the bytes of each level: without a bound 2000 levels of nothing need hundreds of MiB."""
    data = made.image(tmp_path / "a.dcm").read_bytes()
    meta, elements = parse_dicom(data)
    number = next(index for index, element in enumerate(elements) if element.tag > (0x0008, 0x1140))
    for levels, fits in ((MAX_DEPTH, True), (MAX_DEPTH + 1, False), (2000, False)):
        nested = _nested((0x0008, 0x1140), levels, Element((0x0008, 0x1150), b"UI", b"1.2"))
        path = tmp_path / f"{levels}.dcm"
        path.write_bytes(encode_dicom(meta, [*elements[:number], nested, *elements[number:]]))
        if fits:
            assert len(read_dataset(path, header_only=True).ReferencedImageSequence) == 1
        else:
            with pytest.raises(
                ValueError, match=rf"at most {MAX_DEPTH} sequences within each other, but .*{levels}.dcm"
            ):
                read_dataset(path, header_only=True)


def test_the_class_of_a_file_is_text(made: SimpleNamespace, tmp_path: Path) -> None:
    """A sequence there, made text, took minutes; a value that is too long was quoted in a warning."""
    path = made.image(tmp_path / "a.dcm")
    assert storage_class(path) == "1.2.840.10008.5.1.4.1.1.4"
    meta, elements = parse_dicom(path.read_bytes())
    number = next(index for index, element in enumerate(meta) if element.tag == (2, 2))
    secret = Element((0x0010, 0x0010), b"PN", made.SECRET.encode())
    start = time.process_time()
    for wrong in (_nested((2, 2), 900, secret), Element((2, 2), b"UI", made.SECRET.encode() * 20)):
        path.write_bytes(encode_dicom([*meta[:number], wrong, *meta[number + 1 :]], elements))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert storage_class(path) in ("", made.SECRET * 20)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("header_only", [True, False])
def test_zeros_in_place_of_elements_are_a_cut_copy(tmp_path: Path, header_only: bool) -> None:
    path = tmp_path / "a.dcm"
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", "1.2.3"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    save_dataset(dataset, path, overwrite=False)
    with path.open("ab") as stream:
        stream.truncate(path.stat().st_size + (1 << (33 if header_only else 22)))  # 8 GB that take no room
    start = time.process_time()
    with pytest.raises(ValueError, match="a.dcm goes on with zeros: it is a cut copy"):
        load_dataset(path, header_only=header_only)
    assert time.process_time() - start < 2


def test_a_block_of_zeros_pads_a_file_without_pixels(made: SimpleNamespace, tmp_path: Path) -> None:
    path = made.image(tmp_path / "a.dcm")
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    made.write(dataset, path)
    with path.open("ab") as stream:
        stream.write(bytes(4096))
    assert read_dataset(path, header_only=False).SOPInstanceUID == dataset.SOPInstanceUID


def test_zeros_behind_the_pixels_pad_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", "1.2.3"
    dataset.add_new("PixelData", "OW", b"abcd")
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    save_dataset(dataset, path, overwrite=False)
    with path.open("ab") as stream:
        stream.write(bytes(200_000))
    whole = load_dataset(path)
    assert whole.PixelData == b"abcd" and len(whole) == 3
    assert "PixelData" not in load_dataset(path, header_only=True)
