# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""DICOM files in and out: bounded reads, quiet about values, whole or not at all; pydicom 2.4 and 3."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pydicom.filereader
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from monai_acdr.atomic_files import replace_file

__all__ = ["MAX_RESULT_BYTES", "check_target", "choose_transfer_syntax", "quiet_values", "read_dataset", "save_dataset"]

MAX_RESULT_BYTES = 1 << 29
"""RT structure sets and segmentations beyond this are refused unread."""

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


def read_dataset(path: str | os.PathLike[str], header_only: bool) -> Dataset:
    """Read a DICOM file, all values decoded.

    Args:
        path: the file.
        header_only: leave the pixels; the size of the file is not limited then.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when it is no DICOM file, is broken, or too large.
    """
    path = Path(path)
    if not header_only and path.stat().st_size > MAX_RESULT_BYTES:
        raise ValueError(f"Expected {path} to have at most {MAX_RESULT_BYTES} bytes, but it has {path.stat().st_size}.")
    try:
        with quiet_values():
            meta = pydicom.filereader.read_file_meta_info(path)
            deflated = str(meta.get("TransferSyntaxUID")) == DeflatedExplicitVRLittleEndian
            dataset = Dataset() if deflated else pydicom.dcmread(path, stop_before_pixels=header_only)
            for _ in dataset.iterall():  # pydicom decodes on access, outside of this block otherwise
                pass
    except InvalidDicomError:
        raise ValueError(f"Expected a DICOM file with preamble and header, but {path} is none.") from None
    except OSError:
        raise
    except Exception as error:  # pydicom raises whatever comes up; `from None`, since messages quote values
        raise ValueError(f"Expected a readable DICOM file, but {path} is broken ({type(error).__name__}).") from None
    if deflated:
        raise ValueError(f"Expected a file of known size, but {path} is deflated: save it uncompressed.")
    return dataset


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
    """
    check_target(path, overwrite)
    with quiet_values(), replace_file(path) as temporary:
        if _PYDICOM_2:
            dataset.save_as(str(temporary), write_like_original=False)
        else:
            dataset.save_as(str(temporary), enforce_file_format=True)
    return path
