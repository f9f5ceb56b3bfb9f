# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Typed access to elements of an untrusted data set: a value of the right type, nothing, or an error.

pydicom returns the type that the file's value representation names, so a damaged file may give a float as its number of
rows, or text in place of a sequence. Messages never quote values: an element may hold anything, including names.
"""

from __future__ import annotations

import logging
import math
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any

import numpy as np
from pydicom.config import disable_value_validation
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.valuerep import PersonName

__all__ = [
    "code",
    "codes",
    "functional_group",
    "is_present",
    "items",
    "number",
    "numbers",
    "quiet_values",
    "text",
    "whole_number",
]


class _Quiet:
    """Process-wide state, changed by the first thread that needs it and restored by the last one."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.depth = 0
        self._changes = ExitStack()

    def enter(self) -> None:
        logger = logging.getLogger("pydicom")
        self._changes.callback(setattr, logger, "disabled", logger.disabled)
        logger.disabled = True
        self._changes.enter_context(disable_value_validation())
        self._changes.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")

    def leave(self) -> None:
        self._changes.close()


_QUIET = _Quiet()


@contextmanager
def quiet_values() -> Iterator[None]:
    """Suppress pydicom's warnings and log messages about values: they quote the values, including names.

    Values of the source are passed on as they are: UIDs with a leading zero are wrong, but they are the identity of the
    instances that a result refers to.
    """
    with _QUIET.lock:
        _QUIET.depth += 1
        if _QUIET.depth == 1:
            _QUIET.enter()
    try:
        yield
    finally:
        with _QUIET.lock:
            _QUIET.depth -= 1
            if _QUIET.depth == 0:
                _QUIET.leave()


def is_present(holder: Any, keyword: str) -> bool:
    """Whether an element is there and not empty."""
    return not _is_empty(_value(holder, keyword, ""))


def numbers(holder: Any, keyword: str, count: int, name: object) -> tuple[float, ...] | None:
    """The finite numbers of an element, None when it is absent or empty.

    Args:
        holder: the data set or item, or None for one that is absent.
        keyword: of the element.
        count: how many numbers it has.
        name: of the file, for messages.

    Raises:
        ValueError: unless there are exactly that many finite numbers.
    """
    value = None if holder is None else _value(holder, keyword, name)
    if _is_empty(value):
        return None
    values: tuple[float, ...]
    try:
        if isinstance(value, (int, float)):
            values = (float(value),)
        else:
            values = tuple(float(part) for part in np.atleast_1d(np.asarray(value, np.float64)))
    except (TypeError, ValueError, OverflowError):
        values = ()
    if len(values) != count or not all(map(math.isfinite, values)):
        kind = f"{count} numbers" if count > 1 else "a number"
        raise ValueError(f"Expected {keyword} to be {kind}, but {name} has something else: correct the header.")
    return values


def number(holder: Any, keyword: str, name: object) -> float | None:
    """The number of an element, None when it is absent or empty; raises as :func:`numbers`."""
    values = numbers(holder, keyword, 1, name)
    return None if values is None else values[0]


def whole_number(holder: Any, keyword: str, name: object) -> int | None:
    """The whole number of an element, None when it is absent or empty.

    Raises:
        ValueError: for anything else.
    """
    value = number(holder, keyword, name)
    if value is not None and value != int(value):
        raise ValueError(f"Expected {keyword} to be a whole number, but {name} has a fraction: correct the header.")
    return None if value is None else int(value)


def items(holder: Any, keyword: str, name: object) -> Sequence[Dataset]:
    """The items of a sequence, none when it is absent or empty.

    Raises:
        ValueError: when the element is not a sequence.
    """
    value = None if holder is None else _value(holder, keyword, name)
    if _is_empty(value):
        return ()
    if not isinstance(value, DicomSequence):
        raise ValueError(f"Expected {keyword} to be a sequence, but {name} has something else: the file is damaged.")
    return value


def codes(holder: Any, keyword: str) -> tuple[str, ...]:
    """The values of a code string, in capitals; none when it is absent or no text."""
    value = _value(holder, keyword, "") if holder is not None else None
    parts = [value] if isinstance(value, str) else value if isinstance(value, Sequence) else ()
    return tuple(part.strip().upper() for part in parts if isinstance(part, str))


def code(holder: Any, keyword: str) -> str:
    """The first value of a code string, in capitals; "" if absent."""
    return next(iter(codes(holder, keyword)), "")


def text(holder: Any, keyword: str) -> str:
    """One text, number or name as text, without the spaces around it; "" when it is absent or anything else.

    Other values are not converted: for nested sequences pydicom takes unbounded time.
    """
    value = _value(holder, keyword, "") if holder is not None else None
    return str(value).strip() if isinstance(value, (str, int, float, Decimal, PersonName)) else ""


def functional_group(header: Any, frame: int, keyword: str, name: object) -> Dataset | None:
    """The functional group of a frame (PS3.3 C.7.6.16), its own or the shared one; None if absent.

    Args:
        header: of a multi-frame instance.
        frame: number of the frame, from 1.
        keyword: of the group's sequence.
        name: of the file, for messages.

    Raises:
        ValueError: when an element on the way is not a sequence, or when other frames have groups of their own and this
            one has none: it would be ambiguous which group belongs to which frame.
    """
    own = items(header, "PerFrameFunctionalGroupsSequence", name)
    if own and frame > len(own):
        raise ValueError(
            f"Expected functional groups for every frame, but {name} has them for {len(own)} frame(s), and none for "
            f"frame {frame}: the file is damaged, export it again."
        )
    shared = items(header, "SharedFunctionalGroupsSequence", name)
    for holder in (*own[frame - 1 : frame], *shared[:1]):
        group = items(holder, keyword, name)
        if group:
            return group[0]
    return None


def _is_empty(value: Any) -> bool:
    """Whether there is nothing in an element, or only spaces."""
    if value is None or (isinstance(value, (str, bytes)) and not value.strip()):
        return True
    return hasattr(value, "__len__") and not isinstance(value, Dataset) and len(value) == 0


def _value(holder: Any, keyword: str, name: object) -> Any:
    try:
        tag = tag_for_keyword(keyword)
        if tag is not None:
            element = holder.get_item(tag)
            if element is None or isinstance(element, DataElement):  # only decoding makes noise
                return None if element is None else element.value
        with quiet_values():
            return holder.get(keyword)
    except Exception as error:  # pydicom decodes on access; `from None`, since its messages quote values
        name = name or getattr(holder, "filename", None) or "the file"
        raise ValueError(
            f"Expected a readable {keyword}, but that of {name} is malformed ({type(error).__name__}): "
            "correct the header."
        ) from None
