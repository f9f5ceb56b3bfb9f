# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What a command's exit status says."""

from __future__ import annotations

__all__ = ["EXIT_CODES", "explain", "exit_code"]

EXIT_CODES = {
    0: "done",
    1: "an unexpected error: --debug shows where",
    2: "wrong usage",
    3: "input that cannot be used",
    4: "output that exists, or cannot be written",
    5: "a missing extra of this package",
    6: "a DICOMweb server that cannot be reached, refuses, or answers nonsense",
}
"""Status -> meaning, as in the help."""


def explain(error: BaseException) -> BaseException:
    """The error that says what to do: MONAI wraps it in others."""
    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def exit_code(error: BaseException) -> int:
    """The status of an error, already explained."""
    if any(kind.__name__ == "DicomWebError" for kind in type(error).__mro__):  # its module is not imported for this
        return 6
    if isinstance(error, ImportError):
        return 5
    if isinstance(error, (ValueError, FileNotFoundError, NotADirectoryError)):
        return 3
    if isinstance(error, OSError):
        return 4
    return 1
