# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Reading and writing of DICOM files: bounded reads, messages without values, atomic writes; pydicom 2.4 and 3."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import pydicom
import pydicom.filereader
import pydicom.filewriter
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from monai_acdr.dicom.elements import quiet_values
from monai_acdr.files import check_parent, replace_file
from monai_acdr.read_budget import check_bytes, read_budget_bytes

__all__ = [
    "check_objects",
    "check_target",
    "choose_transfer_syntax",
    "dicom_stream",
    "is_system_error",
    "load_dataset",
    "read_dataset",
    "save_dataset",
    "storage_class",
]

VALUE_BYTES, ITEM_BYTES, ELEMENT_BYTES = 400, 1024, 256
"""What pydicom needs for one of several values of a text element, for one item of a sequence, and for one element: a
digit becomes an object with a dictionary, an empty item of eight bytes a data set."""

_NUMBER_TIMES = {"AT": 16, "FD": 4, "FL": 8, "SL": 9, "SS": 18, "SV": 5, "UL": 9, "US": 18, "UV": 5}
"""Ratio of a list of Python's numbers to their bytes in memory, by value representation."""

_ITEM = b"\xfe\xff\x00\xe0"
_ELEMENT_HEADER = 8
"""Bytes of the start of an element or item, which pydicom reads at once."""

_META_START, _META_BYTES = 132, 1024
"""Offset of the file meta information, and the number of bytes that are inspected."""

_META_GROUP = 0x0002

PADDING = 1 << 16
"""Bytes of zeros at the end of a file without pixels that are not damage."""

_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
"""Float, double float and integer pixel data."""

MAX_DEPTH = 64
"""Sequences within each other: images have 5, and trees of structured reports hardly 20."""

LONGEST_VALUE = 65534
"""Bytes of a value with 16 bits for its length, as coordinates have in explicit VR (PS3.5 7.1.2)."""

_PYDICOM_2 = int(pydicom.__version__.split(".")[0]) < 3


@contextmanager
def dicom_stream(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a DICOM file; a deflated one is inflated, up to the memory budget, and reads like any other.

    Reading raises an error as soon as the elements and items that were read need more memory than the budget.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when a deflated file is damaged or inflates to more than the budget.
    """
    with open(path, "rb") as stream:
        meta = _deflated_meta(stream)
        if meta is None:
            stream.seek(0)
        yield cast(BinaryIO, _Metered(path, stream if meta is None else _inflated(path, stream, meta)))


class _Metered:
    """A stream that counts the elements and items that pydicom reads and makes objects of, also in headers.

    Args:
        path: the file, for the message.
        stream: stream to read.
    """

    def __init__(self, path: str | os.PathLike[str], stream: BinaryIO) -> None:
        self._path, self._stream = path, stream
        self._needed, self._budget = 0, read_budget_bytes()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        if len(piece) == _ELEMENT_HEADER and not piece.startswith(_ITEM):
            self._needed += ELEMENT_BYTES
        else:  # an item of a sequence without a length, or a value, of a sequence with one among others
            self._needed += ITEM_BYTES * piece.count(_ITEM)
        if self._needed > self._budget:
            _refuse_beyond_budget(Path(self._path), self._needed)
        return piece


def load_dataset(
    path: str | os.PathLike[str], header_only: bool = False, force: bool = False, keywords: Iterable[str] | None = None
) -> Dataset:
    """Read a DICOM file; values are decoded when they are used, as pydicom does.

    Args:
        path: the file.
        header_only: leave the pixels; the size of the file is not limited then.
        force: read files without preamble and "DICM" as well.
        keywords: of the only elements that are wanted.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when it is not a DICOM file, is broken, or larger than the memory budget.
    """
    path = Path(path)
    if not header_only:
        check_bytes(path, path.stat().st_size)
    tags: list[BaseTag | int] | None = None if keywords is None else [Tag(keyword) for keyword in keywords]
    with _pydicom_errors(path), dicom_stream(path) as stream:
        dataset = pydicom.filereader.read_partial(
            stream, end_of_data(path, stream, header_only), force=force, specific_tags=tags
        )
        dataset.filename, dataset.buffer = str(path), None
        return dataset


def check_objects(name: str, content: bytes) -> None:
    """Check that elements and items of a DICOM file in memory need no more memory than the budget; damage is no error.

    For libraries that read a file themselves.

    Args:
        name: of the file, for the message.
        content: the whole file.

    Raises:
        ValueError: when they need more.
    """
    try:
        with quiet_values():
            pydicom.filereader.read_partial(cast(BinaryIO, _Metered(name, io.BytesIO(content))))
    except Exception as error:
        refusal = find_refusal(error)
        if refusal is not None:
            raise ValueError(str(refusal)) from None


def end_of_data(path: Path, stream: BinaryIO, header_only: bool) -> Callable[[BaseTag, str | None, int], bool]:
    """Stop condition of pydicom's reading of a file, its `stop_when`.

    An interrupted copy ends in zeros, up to gigabytes, which pydicom reads as empty elements (0000,0000) of eight bytes
    each. Zeros before the pixels are damage; after the pixels, and at the end of a file without pixels, they are the
    padding that some programs write, up to a block.

    Args:
        path: the file.
        stream: stream to read.
        header_only: stop at the pixels, as pydicom's ``stop_before_pixels`` does.
    """
    last = 0

    def stop(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        nonlocal last
        if tag == 0 and last < min(_PIXELS) and path.stat().st_size - stream.tell() > PADDING:
            raise ReadRefusedError(
                f"Expected a whole DICOM file, but {path} goes on with zeros: it is a cut copy; copy it again."
            )
        last = int(tag)
        return last == 0 or (header_only and last in _PIXELS)

    return stop


def read_dataset(path: str | os.PathLike[str], header_only: bool, undecoded: Container[str] = ()) -> Dataset:
    """Read a DICOM file, all values decoded.

    Args:
        path: the file.
        header_only: leave the pixels; the size of the file is not limited then.
        undecoded: keywords of elements that stay bytes, for :meth:`pydicom.dataset.Dataset.get_item`: coordinates by
            the million, each of which pydicom would make an object.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when it is not a DICOM file, is broken, or needs more than the budget of memory.
    """
    path = Path(path)
    dataset = load_dataset(path, header_only)
    with _pydicom_errors(path):
        _decode(dataset, path, undecoded)
    return dataset


def storage_class(path: str | os.PathLike[str]) -> str:
    """The SOP class that the file meta information names, "" if absent or it is not text.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when it is not a DICOM file, or is broken.
    """
    path = Path(path)
    with _pydicom_errors(path):
        return _text(pydicom.filereader.read_file_meta_info(path), "MediaStorageSOPClassUID")


def _text(dataset: Dataset, keyword: str) -> str:
    """A value that is text, otherwise "": converting nested sequences to text takes unbounded time."""
    value = dataset.get(keyword)
    return str(value) if isinstance(value, str) else ""


def is_system_error(error: BaseException) -> bool:
    """Whether the operating system raised the error: pydicom raises OSErrors too, and these quote values."""
    return isinstance(error, OSError) and error.errno is not None


class ReadRefusedError(ValueError):
    """An error of this package, to distinguish it from pydicom's, whose messages quote values."""


def find_refusal(error: BaseException) -> ReadRefusedError | None:
    """The refusal in an error, or behind it."""
    return next((each for each in _causes(error) if isinstance(each, ReadRefusedError)), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those behind it: pydicom raises errors of its own over those of a stream or a value."""
    while error is not None:
        yield error
        error = error.__context__


@contextmanager
def _pydicom_errors(path: Path) -> Iterator[None]:
    """Translate pydicom's errors into ValueErrors that name the file."""
    try:
        with quiet_values():
            yield
    except InvalidDicomError:
        raise ValueError(f"Expected a DICOM file with preamble and header, but {path} is not one.") from None
    except Exception as error:  # `from None`, since messages quote values
        refusal = find_refusal(error)
        if refusal is not None:
            raise ValueError(str(refusal)) from None
        if is_system_error(error):
            raise
        raise ValueError(
            f"Expected a readable DICOM file, but {path} is broken ({type(error).__name__}): copy it again."
        ) from None


def _deflated_meta(stream: BinaryIO) -> Dataset | None:
    """The file meta information of a deflated file, with the stream behind it; None for all others."""
    head = stream.read(_META_START)
    if not head.endswith(b"DICM") or DeflatedExplicitVRLittleEndian.encode() not in stream.read(_META_BYTES):
        return None
    stream.seek(_META_START)
    # As pydicom does it: up to the first element of another group, which is noise here, where the stream then stands.
    meta = pydicom.filereader.read_dataset(stream, False, True, stop_when=lambda tag, *_: tag.group != _META_GROUP)
    return meta if _text(meta, "TransferSyntaxUID") == DeflatedExplicitVRLittleEndian else None


def _inflated(path: str | os.PathLike[str], stream: BinaryIO, meta: Dataset) -> BinaryIO:
    """The same file as Explicit VR Little Endian (PS3.5 A.5)."""
    budget, inflater = read_budget_bytes(), zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflater.decompress(stream.read(budget), budget + 1)
    except zlib.error:
        raise ReadRefusedError(f"Expected a deflated file, but {path} is damaged: copy it again.") from None
    if len(content) > budget:
        raise ReadRefusedError(
            f"Expected {path} to inflate to at most {budget / 2**20:,.0f} MiB, but it is larger: leave it out if that "
            "cannot be right, or raise the budget with --read-budget MIB."
        )
    if not inflater.eof:
        raise ReadRefusedError(f"Expected a whole deflated file, but {path} ends before its end: copy it again.")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.FileMetaInformationGroupLength = 0  # pydicom fills it in when it writes
    plain = io.BytesIO()
    plain.write(b"\0" * (_META_START - 4) + b"DICM")
    pydicom.filewriter.write_file_meta_info(plain, FileMetaDataset(meta), enforce_standard=False)  # type: ignore[arg-type]
    plain.write(content)
    plain.seek(0)
    return plain


def _refuse_beyond_budget(path: Path, number: int) -> None:
    try:
        check_bytes(path, number)
    except ValueError as error:
        raise ReadRefusedError(str(error)) from None


def _decode(dataset: Dataset, path: Path, undecoded: Container[str], spent: int = 0, depth: int = 0) -> int:
    """Decode all values now, within :func:`quiet_values`, not on access; return the bytes that they need."""
    if depth > MAX_DEPTH:  # each level keeps a copy of all within it
        raise ReadRefusedError(
            f"Expected at most {MAX_DEPTH} sequences within each other, but {path} has more: copy it again."
        )
    for tag in list(dataset.keys()):
        raw = dataset.get_item(tag)
        if isinstance(raw, RawDataElement) and raw.value:
            if keyword_for_tag(tag) in undecoded:
                continue
            if needed := _decoded_bytes(raw):
                spent += needed
                _refuse_beyond_budget(path, spent)
        element = dataset[tag]
        if element.VR == "SQ":
            for item in element.value:
                spent = _decode(item, path, undecoded, spent, depth + 1)
    return spent


def _decoded_bytes(raw: RawDataElement) -> int:
    """Approximate memory that a value needs beyond its raw bytes."""
    content = raw.value or b""
    kind = raw.VR or (dictionary_VR(raw.tag) if dictionary_has_tag(raw.tag) else "UN")
    if kind in _NUMBER_TIMES:
        return _NUMBER_TIMES[kind] * len(content)
    return 0 if kind.startswith("O") or kind in ("SQ", "UN") else VALUE_BYTES * content.count(b"\\")


def check_target(path: str | os.PathLike[str], overwrite: bool) -> Path:
    """Check that a result may be written to a path; return the path.

    Raises:
        FileExistsError: when the file exists and `overwrite` is false.
        FileNotFoundError: when its folder does not exist.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: choose another name, or pass overwrite=True.")
    return check_parent(path)


def choose_transfer_syntax(lengths: Iterable[int]) -> UID:
    """Explicit VR, unless a value is too long for it.

    PS3.5 6.2.2 allows UN for such values, which pydicom would write, but dcmtk and plastimatch find no contours there.

    Args:
        lengths: bytes of the longest values.
    """
    return ImplicitVRLittleEndian if max(lengths, default=0) > LONGEST_VALUE else ExplicitVRLittleEndian


def save_dataset(dataset: Dataset, path: Path, overwrite: bool) -> Path:
    """Write a data set with its file meta information, atomically; nothing is left behind by an error.

    Raises:
        FileExistsError: when the file exists and `overwrite` is false.
        OSError: when the file cannot be written.
        ValueError: when a value cannot be encoded.
    """
    check_target(path, overwrite)
    with quiet_values(), replace_file(path, overwrite) as temporary:
        try:
            if _PYDICOM_2:
                dataset.save_as(str(temporary), write_like_original=False)
            else:
                dataset.save_as(str(temporary), enforce_file_format=True)
        except Exception as error:  # copied values of a broken source; messages quote them
            for cause in filter(is_system_error, _causes(error)):
                raise cause from None
            raise ValueError(
                f"Expected values that a DICOM file can hold, but {path} cannot be written ({type(error).__name__}): "
                "correct the headers of the images."
            ) from None
    return path
