# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""DICOM files in and out: bounded reads, quiet about values, whole or not at all; pydicom 2.4 and 3."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pydicom.filereader
from pydicom.config import disable_value_validation
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from monai_acdr.files import replace_file
from monai_acdr.read_budget import check_bytes

__all__ = ["check_target", "choose_transfer_syntax", "is_system_error", "quiet_values", "read_dataset", "save_dataset"]

VALUE_BYTES, ITEM_BYTES = 400, 1024
"""What pydicom needs for one of several values of a text element, and for one item of a sequence: a digit becomes an
object with a dictionary, an empty item of eight bytes a data set."""

_NUMBER_TIMES = {"AT": 16, "FD": 4, "FL": 8, "SL": 9, "SS": 18, "SV": 5, "UL": 9, "US": 18, "UV": 5}
"""How many times as large a list of Python's numbers is as their bytes, by value representation."""

_ITEM = b"\xfe\xff\x00\xe0"
_PIECE_BYTES = 1 << 22

LONGEST_VALUE = 65534
"""Bytes of a value with 16 bits for its length, as coordinates have in explicit VR (PS3.5 7.1.2)."""

_PYDICOM_2 = int(pydicom.__version__.split(".")[0]) < 3


@contextmanager
def quiet_values() -> Iterator[None]:
    """Let pydicom not complain about values: its messages quote them, and with them names and birth dates.

    Values of the source are passed on as they are: UIDs with a leading zero are wrong, but they are the identity of the
    instances that a result refers to.
    """
    with disable_value_validation():
        yield


def read_dataset(path: str | os.PathLike[str], header_only: bool, undecoded: Container[str] = ()) -> Dataset:
    """Read a DICOM file, all values decoded.

    Args:
        path: the file.
        header_only: leave the pixels; the size of the file is not limited then.
        undecoded: keywords of elements that stay bytes, for :meth:`pydicom.dataset.Dataset.get_item`: coordinates by
            the million, which pydicom would make objects of.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when it is no DICOM file, is broken, or needs more than the budget of memory.
    """
    path = Path(path)
    if not header_only:
        check_bytes(path, path.stat().st_size)
        check_bytes(path, ITEM_BYTES * _count(path, _ITEM))
    try:
        with quiet_values():
            meta = pydicom.filereader.read_file_meta_info(path)
            deflated = str(meta.get("TransferSyntaxUID")) == DeflatedExplicitVRLittleEndian
            dataset = Dataset() if deflated else pydicom.dcmread(path, stop_before_pixels=header_only)
            _decode(dataset, path, undecoded)
    except InvalidDicomError:
        raise ValueError(f"Expected a DICOM file with preamble and header, but {path} is none.") from None
    except _TooLarge as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # pydicom raises whatever comes up; `from None`, since messages quote values
        if is_system_error(error):
            raise
        raise ValueError(f"Expected a readable DICOM file, but {path} is broken ({type(error).__name__}).") from None
    if deflated:
        raise ValueError(f"Expected a file of known size, but {path} is deflated: save it uncompressed.")
    return dataset


def is_system_error(error: BaseException) -> bool:
    """Whether the operating system raised it: pydicom raises OSErrors of its own, whose messages quote values."""
    return isinstance(error, OSError) and error.errno is not None


class _TooLarge(Exception):
    """More than the budget, told apart from the ValueErrors of pydicom, which quote values."""


def _count(path: Path, pattern: bytes) -> int:
    """How often a pattern occurs in a file."""
    number, rest = 0, b""
    with open(path, "rb") as stream:
        while piece := stream.read(_PIECE_BYTES):
            number += (rest + piece).count(pattern)
            rest = piece[1 - len(pattern) :]
    return number


def _decode(dataset: Dataset, path: Path, undecoded: Container[str], spent: int = 0) -> int:
    """Decode all values, as pydicom does on access, outside of :func:`quiet_values` otherwise; bytes that they need."""
    for tag in list(dataset.keys()):
        raw = dataset.get_item(tag)
        if isinstance(raw, RawDataElement) and raw.value:
            if keyword_for_tag(tag) in undecoded:
                continue
            spent += _decoded_bytes(raw)
            try:
                check_bytes(path, spent)
            except ValueError as error:
                raise _TooLarge(str(error)) from None
        element = dataset[tag]
        if element.VR == "SQ":
            for item in element.value:
                spent = _decode(item, path, undecoded, spent)
    return spent


def _decoded_bytes(raw: RawDataElement) -> int:
    """About the memory that a value needs beyond its bytes."""
    content = raw.value or b""
    kind = raw.VR or (dictionary_VR(raw.tag) if dictionary_has_tag(raw.tag) else "UN")
    if kind in _NUMBER_TIMES:
        return _NUMBER_TIMES[kind] * len(content)
    return 0 if kind.startswith("O") or kind in ("SQ", "UN") else VALUE_BYTES * content.count(b"\\")


def check_target(path: str | os.PathLike[str], overwrite: bool) -> Path:
    """The path of a result, once it is clear that writing may begin.

    Raises:
        FileExistsError: when the file exists and `overwrite` is false.
        FileNotFoundError: when its folder does not exist.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: choose another name, or pass overwrite=True.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {path.parent} does not exist: make it first.")
    return path


def choose_transfer_syntax(lengths: Iterable[int]) -> UID:
    """Explicit VR, unless a value is too long for it.

    PS3.5 6.2.2 allows UN then, which pydicom would write, but dcmtk and plastimatch find no contour there.

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
            if is_system_error(error):
                raise
            raise ValueError(
                f"Expected values that a DICOM file can hold, but {path} cannot be written ({type(error).__name__}): "
                "correct the headers of the images."
            ) from None
    return path
