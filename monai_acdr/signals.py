# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Termination signals as exceptions, so that context managers end properly and temporary files are removed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Stopped", "stop_on_signals"]

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Stopped(SystemExit):
    """A signal asked the program to end; the exit status is 128 and the signal's number, as in shells.

    Args:
        number: number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.number).name}"


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raise :class:`Stopped` in the block when SIGINT, SIGTERM or SIGHUP arrives; a second signal ends the process.

    For programs, not for libraries. A signal that the program was started to ignore (``nohup``), or that already has
    another handler, stays as it is; in a thread, which cannot set handlers, nothing changes. Processes that are forked
    in the block use the system's default handling, so that they never clean up for their parent.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    process = os.getpid()
    earlier: dict[int, Any] = {}

    def stop(number: int, _frame: FrameType | None) -> None:
        for other in earlier:
            signal.signal(other, signal.SIG_DFL)
        if os.getpid() != process:
            os.kill(os.getpid(), number)
            return
        raise Stopped(number)

    for name in _NAMES:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            earlier[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
