# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What a frame shows and when: component of the complex MR signal, time after the R wave, temporal position.

In enhanced multi-frame objects each frame has its own in the functional groups (PS3.3 C.7.6.16), in other objects it is
in the header, or in the image type, which vendors fill in each their own way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydicom.dataset import Dataset

from monai_acdr.dicom.elements import code, codes, functional_group, number

__all__ = ["NO_ANATOMY", "FrameTime", "date_time_ms", "frame_component", "frame_time"]

NO_ANATOMY = {
    "PHASE": "a phase image (velocity or field), which shows no anatomy",
    "IMAGINARY": "the imaginary part of the signal, which shows no anatomy",
    "MIXED": "of mixed components of the signal, and does not say of which",
}
"""Components of MR images that are not outlined, in words."""

_COMPONENTS = ("MAGNITUDE", "PHASE", "REAL", "IMAGINARY")
_TYPES = {
    "PHASE": ("P", "PHASE", "PHASE MAP", "PHASE_MAP", "VELOCITY", "VELOCITY MAP", "VELOCITY_MAP"),
    "MAGNITUDE": ("M", "MAGNITUDE"),
    "REAL": ("R", "REAL"),
    "IMAGINARY": ("I", "IMAGINARY"),
}
"""Values of ImageType and FrameType after the second, as Siemens, Philips, Canon and the standard have them."""
_GE_CREATOR, _GE_COMPONENT = "GEMS_PARM_01", 0x2F
"""GE says in a private element (0043,xx2F): 0 magnitude, 1 phase, 2 real, 3 imaginary."""

_DATE_TIME = re.compile(r"(\d{14})(?:\.(\d{1,6}))?")


@dataclass(frozen=True)
class FrameTime:
    """When a frame was taken; None where the header does not say.

    Attributes:
        trigger_ms: after the R wave, in ms.
        position: number of the frame among those of its place.
        clock_ms: date and time in ms, where there is neither of these; only differences mean anything.
    """

    trigger_ms: float | None = None
    position: int | None = None
    clock_ms: float | None = None


def frame_component(header: Dataset, frame: int, name: str) -> str:
    """Component of the complex MR signal that a frame shows.

    Args:
        header: of the instance.
        frame: number of the frame, from 1.
        name: of the file, for messages.

    Returns:
        ``MAGNITUDE``, ``PHASE``, ``REAL``, ``IMAGINARY``, ``MIXED`` where only the instance says something and that is
        no answer, or "" for other modalities and where nothing is said.

    Raises:
        ValueError: when the functional groups are no sequences.
    """
    if code(header, "Modality") != "MR":
        return ""
    own = functional_group(header, frame, "MRImageFrameTypeSequence", name)
    stated = [code(holder, "ComplexImageComponent") for holder in (own, header)]
    for component in stated:
        if component in _COMPONENTS:
            return component
    words = codes(own, "FrameType")[2:] or codes(header, "ImageType")[2:]
    for component, values in _TYPES.items():
        if any(word in values for word in words):
            return component
    return "MIXED" if "MIXED" in stated else _ge_component(header)


def frame_time(header: Dataset, frame: int, name: str) -> FrameTime:
    """When a frame was taken.

    Args:
        header: of the instance.
        frame: number of the frame, from 1.
        name: of the file, for messages.

    Raises:
        ValueError: when the functional groups are no sequences.
    """
    heart = functional_group(header, frame, "CardiacSynchronizationSequence", name)
    content = functional_group(header, frame, "FrameContentSequence", name)
    converted = functional_group(header, frame, "UnassignedPerFrameConvertedAttributesSequence", name)
    offset = functional_group(header, frame, "TemporalPositionSequence", name)
    in_groups = any(group is not None for group in (heart, content, converted, offset))
    top = None if in_groups else header
    trigger = _first(
        (heart, "NominalCardiacTriggerDelayTime"),
        (heart, "ActualCardiacTriggerDelayTime"),
        (content, "NominalCardiacTriggerDelayTime"),
        (converted, "TriggerTime"),
        (top, "TriggerTime"),
        (offset, "TemporalPositionTimeOffset"),
    )
    position = _first(
        (content, "TemporalPositionIndex"),
        (converted, "TemporalPositionIdentifier"),
        (top, "TemporalPositionIdentifier"),
    )
    clock = None
    if trigger is None and position is None:
        for keyword in ("FrameReferenceDateTime", "FrameAcquisitionDateTime"):
            clock = date_time_ms(code(content, keyword)) if clock is None else clock
    return FrameTime(trigger, None if position is None else int(position), clock)


def date_time_ms(text: str) -> float | None:
    """A DICOM date and time (DT, PS3.5 6.2) to the second at least, in ms; None for anything else."""
    match = _DATE_TIME.match(text)
    if match is None:
        return None
    try:
        moment = datetime.strptime(match[1], "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return (moment - datetime(1900, 1, 1)).total_seconds() * 1e3 + float(f"0.{match[2] or 0}") * 1e3


def _first(*places: tuple[Dataset | None, str]) -> float | None:
    """The first number that is there and is one; TemporalPositionTimeOffset, in s, as ms."""
    for holder, keyword in places:
        try:
            value = number(holder, keyword, "")
        except ValueError:  # a malformed time is none: the order may come from elsewhere
            continue
        if value is not None:
            return value * 1e3 if keyword == "TemporalPositionTimeOffset" else value
    return None


def _ge_component(header: Dataset) -> str:
    try:
        element = header.private_block(0x0043, _GE_CREATOR)[_GE_COMPONENT]
    except (KeyError, ValueError, AttributeError):
        return ""
    value: object = element.value
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        value = value[0] if value else None
    return _COMPONENTS[value] if isinstance(value, int) and 0 <= value < len(_COMPONENTS) else ""
