# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What a command's exit status says."""

from __future__ import annotations

from monai_acdr.files import OutputError

__all__ = ["CLOSED_OUTPUT", "EXIT_CODES", "explain", "exit_code"]

CLOSED_OUTPUT = 141
"""128 and SIGPIPE: what a shell reports of a program that wrote to a pipe without a reader."""

EXIT_CODES = {
    0: "done",
    1: "an unexpected error: --debug shows where",
    2: "wrong usage",
    3: "input that cannot be used",
    4: "output that exists, is written by another run, or cannot be written",
    5: "a missing extra of this package",
    6: "a DICOMweb server that cannot be reached, refuses, or answers nonsense",
    129: "stopped by SIGHUP: the terminal was closed",
    130: "stopped by SIGINT: Ctrl-C",
    CLOSED_OUTPUT: "the reader of standard output closed it; files are written",
    143: "stopped by SIGTERM",
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
    if isinstance(error, OutputError):  # which may be a FileNotFoundError as well
        return 4
    if isinstance(error, (ValueError, FileNotFoundError, NotADirectoryError)):
        return 3
    if isinstance(error, OSError):
        return 4
    return 1
