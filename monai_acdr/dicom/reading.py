# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Typed access to the values and structures of untrusted result files; errors name the file.

Damage may change the value representation of an element, and with it the Python type: a sequence becomes a number, an
integer a person's name. Messages never quote a value, because it may be the patient's name.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from monai_acdr.dicom.files import is_system_error

__all__ = [
    "broken_file_errors",
    "choose_number",
    "element_integer",
    "element_label",
    "element_text",
    "shown_labels",
]

_MAX_SHOWN = 20
_UNSPACED = re.compile(r"[\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f]+")
"""Words of kana, hangul and the unified ideographs."""


@contextmanager
def broken_file_errors(path: str | os.PathLike[str], kind: str) -> Iterator[None]:
    """Convert what pydicom and numpy raise for broken files into a ValueError; errors of this package pass unchanged.

    Args:
        path: the file.
        kind: what it should be, such as "RT structure set".
    """
    try:
        yield
    except Exception as error:
        if is_system_error(error) or isinstance(error, ValueError) and str(error).startswith("Expected "):
            raise
        raise ValueError(f"Expected a readable {kind}, but {path} is broken ({type(error).__name__}).") from None


def element_text(holder: Dataset, keyword: str, path: str | os.PathLike[str]) -> str:
    """A text without the spaces around it; empty when it is absent.

    Raises:
        ValueError: when the element is a sequence, has several values, or is binary.
    """
    value: Any = holder.get(keyword)
    if value is None:
        return ""
    if isinstance(value, (bytes, list, tuple)) or hasattr(value, "append"):
        raise ValueError(f"Expected {keyword} to be one text, but {path} has something else: it is broken.")
    return str(value).strip()


def element_integer(holder: Dataset, keyword: str, path: str | os.PathLike[str], default: int | None = None) -> int:
    """A whole number.

    Raises:
        ValueError: when it is absent and has no default, or is another kind of value.
    """
    value: Any = holder.get(keyword)
    if (value is None or value == "") and default is not None:
        return default
    try:
        number = float(str(value)) if not isinstance(value, (bytes, list)) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number != int(number) or abs(number) >= 1 << 31:
        problem = "it is missing from" if value is None else "it is something else in"
        raise ValueError(f"Expected {keyword} to be a whole number, but {problem} {path}.")
    return int(number)


def element_label(holder: Dataset, keyword: str, dataset: Dataset, otherwise: str, path: str | os.PathLike[str]) -> str:
    """The name of a structure, printable and of 64 characters at most, fit for messages and results.

    Args:
        holder: the data set that has it.
        keyword: of the element.
        dataset: the file, with the patient's name and ID.
        otherwise: its name when it has none, or when it repeats a word of the patient's name or ID.
        path: the file's path.
    """
    value = holder.get(keyword)
    if hasattr(value, "append") and not isinstance(value, DicomSequence):  # a backslash in a name, which is not allowed
        content = " ".join(map(str, value))
    else:
        content = element_text(holder, keyword, path)
    text = "".join(letter if letter.isprintable() and letter != "\\" else " " for letter in content[:64])
    identity = f"{dataset.get('PatientName') or ''}^{dataset.get('PatientID') or ''}"
    named = _repeats(text.casefold(), {word for word in re.split(r"[\W_]+", identity.casefold()) if word})
    return otherwise if named or not text.strip() else text.strip()


def _repeats(text: str, words: set[str]) -> bool:
    """Whether a text has one of the words.

    Chinese, Japanese and Korean are written without spaces, in names of one to three characters: such a word counts
    wherever it stands, or as the whole text where it is a single character. Others count as words of their own, from
    three letters on: shorter ones, such as initials, are those of many structures.
    """
    spelled = re.split(r"[\W_]+", text)
    for word in words:
        if _UNSPACED.fullmatch(word):
            found = word in text if len(word) > 1 else word == text.strip()
        else:
            found = len(word) >= 3 and word in spelled
        if found:
            return True
    return False


def shown_labels(labels: Sequence[tuple[int, str]]) -> str:
    """Numbers and labels of structures, for a message: ``#1 'LV', #2 'RV'``."""
    shown = [f"#{number} {label!r}" for number, label in labels[:_MAX_SHOWN]]
    return ", ".join(shown) + (f" and {len(labels) - _MAX_SHOWN} more" if len(labels) > _MAX_SHOWN else "")


def choose_number(labels: Sequence[tuple[int, str]], requested: str, path: object) -> int:
    """The number of the structure with a given label, regardless of case, or number, such as ``#2``.

    Args:
        labels: number and label of each structure.
        requested: a label, or ``#`` and a number.
        path: the file, for the message.

    Raises:
        ValueError: when no structure or several have it; the message lists those that exist.
    """
    text = requested.strip()
    found = [number for number, label in labels if label.strip().casefold() == text.casefold()]
    if not found and re.fullmatch(r"#\d{1,9}", text):
        found = [number for number, _ in labels if number == int(text[1:])]
    if len(found) != 1:
        problem = f"{len(found)} are called so" if found else "none is called so"
        raise ValueError(
            f"Expected one structure of {path} for --structure {requested[:64]!r}, but {problem}: choose one of "
            f"{shown_labels(labels)} by its label, or by its number, such as --structure '#{labels[0][0]}'."
        )
    return found[0]
