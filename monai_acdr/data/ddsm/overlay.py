# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""``.OVERLAY`` files of DDSM: the lesions of one film, with their attributes and outlines as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from monai_acdr.data.ddsm.chain_codes import follow_chain
from monai_acdr.data.ddsm.files import read_text

__all__ = ["DDSMLesion", "read_overlay"]

MAX_LESIONS = 1000
"""In one file; DDSM has 9 at most."""

_ATTRIBUTES = ("SHAPE", "MARGINS", "TYPE", "DISTRIBUTION")


@dataclass
class DDSMLesion:
    """One ABNORMALITY of a film.

    Attributes:
        number: as the file counts, from 1.
        types: for each LESION_TYPE line its kind and attributes: ``{"LESION_TYPE": "MASS", "SHAPE": "OVAL",
            "MARGINS": "ILL_DEFINED-SPICULATED"}``.
        assessment: BI-RADS category "0" to "5", or "".
        subtlety: "1" (subtle) to "5" (obvious), or "".
        pathology: ``"MALIGNANT"``, ``"BENIGN"``, ``"BENIGN_WITHOUT_CALLBACK"``, ``"UNPROVEN"`` or "".
        boundary: text of the outline's chain code up to ``#``; None when the file has no BOUNDARY.
        is_complete: the ``#`` is there.
        where: file and number, for messages.
    """

    number: int
    where: str
    types: list[dict[str, str]] = field(default_factory=list)
    assessment: str = ""
    subtlety: str = ""
    pathology: str = ""
    boundary: str | None = None
    is_complete: bool = False

    def attribute(self, name: str, kind: str = "MASS") -> str:
        """SHAPE or MARGINS of the first LESION_TYPE line of a kind; "" when absent or ``N/A``."""
        values = (entry.get(name, "") for entry in self.types if entry["LESION_TYPE"] == kind)
        return next((value for value in values if value and value != "N/A"), "")

    def is_a(self, kind: str) -> bool:
        """Whether any LESION_TYPE line says so; a lesion may be MASS and CALCIFICATION."""
        return any(entry["LESION_TYPE"] == kind for entry in self.types)

    def walk(self) -> np.ndarray:
        """Pixels that the outline walks through, (N, 2) int64 (column, row), in order.

        Raises:
            ValueError: when there is no outline, it is cut off, or it is no chain code.
        """
        if self.boundary is None:
            raise ValueError(f"Expected a line BOUNDARY in {self.where}, but there is none: leave this lesion out.")
        if not self.is_complete:
            raise ValueError(
                f"Expected the outline of {self.where} to end in '#', but it is cut off: copy or download it again."
            )
        return follow_chain(self.boundary.split(), self.where)


def read_overlay(path: str | Path) -> tuple[list[DDSMLesion], int | None]:
    """Read the lesions of a film; outlines are parsed by :meth:`DDSMLesion.walk`, so that one bad one costs one lesion.

    CORE outlines are skipped. TOTAL_OUTLINES is not used: it is wrong in some files of DDSM.

    Returns:
        The lesions in the file's order, and the number that TOTAL_ABNORMALITIES promises, None when there is none.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is no such file.
    """
    path = Path(path)
    lesions: list[DDSMLesion] = []
    total: int | None = None
    state = _Outline()
    for line in read_text(path, "an .OVERLAY file").splitlines():
        words = line.upper().split()
        if not words:
            continue
        if not words[0][0].isalpha():
            state.add(line)
            continue
        state.leave()
        value = words[1] if len(words) > 1 else ""
        if words[0] == "TOTAL_ABNORMALITIES":
            total = int(value) if value.isdecimal() and len(value) < 10 else None
        elif words[0] == "ABNORMALITY" and len(lesions) < MAX_LESIONS:
            number = int(value) if value.isdecimal() and len(value) < 10 else len(lesions) + 1
            lesions.append(DDSMLesion(number, f"{path}, abnormality {number}"))
        elif lesions:
            _read_line(lesions[-1], words, value, state)
    state.leave()
    if total is None and not lesions:
        raise ValueError(
            f"Expected TOTAL_ABNORMALITIES and ABNORMALITY in {path}, but found neither: is it an .OVERLAY file of "
            "DDSM? Copy it again."
        )
    return lesions, total


class _Outline:
    """The outline that the present lines belong to, of a lesion's BOUNDARY; lines of a CORE go nowhere."""

    def __init__(self) -> None:
        self._lesion: DDSMLesion | None = None
        self._lines: list[str] = []

    def enter(self, lesion: DDSMLesion) -> None:
        lesion.boundary, self._lesion, self._lines = "", lesion, []

    def leave(self) -> None:
        if self._lesion is not None:
            self._lesion.boundary = " ".join(self._lines)
        self._lesion = None

    def add(self, line: str) -> None:
        if self._lesion is None:
            return
        codes, hash_sign, _ = line.partition("#")
        self._lines.append(codes)
        if hash_sign:
            self._lesion.is_complete = True
            self.leave()


def _read_line(lesion: DDSMLesion, words: list[str], value: str, state: _Outline) -> None:
    if words[0] == "BOUNDARY" and lesion.boundary is None:
        state.enter(lesion)
    elif words[0] == "LESION_TYPE":
        pairs = dict(zip(words[2:], words[3:], strict=False))
        lesion.types.append({"LESION_TYPE": value} | {key: pairs[key] for key in _ATTRIBUTES if key in pairs})
    elif words[0] in ("ASSESSMENT", "SUBTLETY", "PATHOLOGY"):
        setattr(lesion, words[0].lower(), "" if value == "N/A" else value)
