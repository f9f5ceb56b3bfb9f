# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""One case of the fuzz suite: the files that a seed makes, the call, and the verdict."""

from __future__ import annotations

import logging
import os
import random
import shutil
import time
import traceback
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import monai_acdr

from .seeds import IDENTITY, Files, Seeds
from .targets import TARGETS, mutated

__all__ = ["Outcome", "case_files", "judge", "run_case", "write_files"]

_PACKAGE = str(Path(monai_acdr.__file__).parent)
_DOCUMENTED = (ValueError, ImportError)
_SYSTEM = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
"""Errors of the operating system, which may come from the standard library: their messages name the file."""
_CHOICES = ("choose_series", "choose_layers")
"""Functions whose errors are about an option that the user has to give, of what was read without an error."""

_MIB = 1 << 20


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes:
        target: its name.
        seed: of the case.
        verdict: ``accepted``, ``refused`` with a documented error, or ``failed``.
        detail: the message of the error, or what is wrong.
        seconds: of the call.
        peak: MiB of memory that the call needed on top of what the process had.
    """

    target: str
    seed: int
    verdict: str
    detail: str = ""
    seconds: float = 0.0
    peak: float = 0.0


def case_files(name: str, seed: int, seeds: Seeds) -> Files:
    """The files of a case, the same ones in each process; of negative seeds -1, -2, ... whole inputs, not mutated."""
    if seed < 0:
        return dict(getattr(seeds, TARGETS[name].seeds)[-1 - seed])
    return mutated(TARGETS[name], seeds, random.Random(f"{name}:{seed}"))


def write_files(files: Files, folder: Path) -> None:
    """Write files into a folder, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def run_case(name: str, seed: int, seeds: Seeds, folder: Path, largest_peak: float) -> Outcome:
    """Make the files of a case, read them, and judge what happens.

    Args:
        name: of the target.
        seed: of the case.
        seeds: whole inputs.
        folder: is made anew for the case.
        largest_peak: MiB; a call that needs more has failed.
    """
    try:
        files = case_files(name, seed, seeds)
    except Exception as raised:
        return Outcome(name, seed, "failed", f"cannot be made: {type(raised).__name__}: {raised}"[:2000])
    write_files(files, folder)
    del files
    error: BaseException | None = None
    texts: list[str] = []
    before, start = _reset_peak(), time.perf_counter()
    with warnings.catch_warnings(record=True) as caught, _Messages() as messages:
        warnings.simplefilter("always")
        try:
            texts = list(_texts(TARGETS[name].read(seeds, folder)))
        except Exception as raised:
            error = raised
    seconds, peak = time.perf_counter() - start, max(0.0, (_peak() - before) / _MIB)
    texts += [*messages.texts, *(str(warning.message) for warning in caught)]
    verdict, detail = judge(error, texts, folder)
    if verdict != "failed" and peak > largest_peak:
        verdict, detail = "failed", f"needed {peak:.0f} MiB, more than {largest_peak:.0f}; {detail}"
    return Outcome(name, seed, verdict, detail[:2000], seconds, peak)


def judge(error: BaseException | None, texts: Iterable[str], folder: Path) -> tuple[str, str]:
    """The verdict about what a call raised and said, and its reason.

    A refusal is one of the documented errors, raised by this package itself, with a message that names the file or
    folder. Nothing that is said may hold the identity of the seeds' patient.
    """
    message = "" if error is None else str(error)
    for text in (message, *texts):
        secret = next((value for value in IDENTITY.values() if value.casefold() in text.casefold()), None)
        if secret is not None:
            return "failed", f"tells the patient's identity: {text[:200]}"
    if error is None:
        return "accepted", ""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    kind, place = type(error).__name__, f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
    if type(error) not in (*_DOCUMENTED, *_SYSTEM):
        return "failed", f"{kind} at {_place(error)} ({place}): {message[:300]}"
    if type(error) in _DOCUMENTED and not frame.filename.startswith(_PACKAGE):
        return "failed", f"{kind} of another package at {_place(error)} ({place}): {message[:300]}"
    names = [str(folder), *(path.name for path in folder.rglob("*"))]
    if frame.name in _CHOICES and message.strip():
        return "refused", message
    if not message.strip() or not any(name in message for name in names):
        return "failed", f"{kind} at {place} does not name the file: {message[:300]}"
    return "refused", message


def _place(error: BaseException) -> str:
    """The innermost line of this package in the traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(_PACKAGE)]
    return f"{os.path.relpath(frames[-1].filename, _PACKAGE)}:{frames[-1].lineno}" if frames else "?"


def _texts(result: Iterable[str] | None) -> Iterable[str]:
    return () if result is None else result


class _Messages(logging.Handler):
    """What is logged within the block, by any package."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())

    def __enter__(self) -> _Messages:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger().removeHandler(self)


def _reset_peak() -> float:
    """Bytes that the process has; its peak counts from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


def _status(key: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return 1024.0 * int(line.split()[1])
    raise OSError(f"Expected {key} in /proc/self/status, but it is absent: the suite runs on Linux.")
