# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Processes that run cases: forked from one that has everything imported, so that a hang or a crash costs one case."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import resource
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .cases import Outcome, run_case
from .seeds import Seeds

__all__ = ["LARGEST_PEAK", "LONGEST", "READ_BUDGET", "Worker"]

READ_BUDGET = 64
"""MiB: the budget of memory that the readers have in this suite. A small one shows sooner who does not ask it."""

LARGEST_PEAK = 4 * READ_BUDGET
"""MiB that a call may need: a reader has a few copies of what its budget allows."""

LONGEST = 20.0
"""Seconds of computing that a case may take; one that only waits may take three times as long, on a busy machine."""

_ADDRESS_SPACE = 6 << 30
_CASES = 150
"""Cases of one process: memory that libraries keep is not counted against later cases for long."""
_FORK = multiprocessing.get_context("fork")


class Worker:
    """Runs cases one after the other in another process; a new one after hangs, crashes, and some cases.

    Args:
        seeds: made already, as far as possible.
        folder: for the files of the cases.
    """

    def __init__(self, seeds: Seeds, folder: Path) -> None:
        self.seeds, self.folder = seeds, folder
        self._process: Any = None
        self._pipe: Any = None
        self._number = 0

    def run(self, name: str, seed: int) -> Outcome:
        """Run a case."""
        if self._process is None or self._number >= _CASES:
            self.close()
            self._start()
        self._number += 1
        self._pipe.send((name, seed))
        start, used = time.monotonic(), _seconds(self._process.pid)
        while not self._pipe.poll(0.5):
            waited, computed = time.monotonic() - start, _seconds(self._process.pid) - used
            if computed > LONGEST or waited > 3 * LONGEST:
                return self._give_up(name, seed, waited)
        try:
            return self._pipe.recv()
        except EOFError:
            self._process.join()
            detail = f"the process ended with {self._process.exitcode}: {self._trace()}"
            self._process = None
            return Outcome(name, seed, "failed", detail, time.monotonic() - start)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._pipe.send(None)
            self._process.join(10)
            self._process.kill()
            self._process = None

    def _start(self) -> None:
        self._pipe, other = _FORK.Pipe()
        log = self.folder / "trace.txt"
        self._process = _FORK.Process(target=_serve, args=(other, self._pipe, self.seeds, self.folder / "case", log))
        self._process.start()
        other.close()
        self._number = 0

    def _give_up(self, name: str, seed: int, waited: float) -> Outcome:
        os.kill(self._process.pid, signal.SIGUSR1)
        time.sleep(0.5)
        self._process.kill()
        self._process.join()
        self._process = None
        return Outcome(name, seed, "failed", f"hangs: {self._trace()}", waited)

    def _trace(self) -> str:
        """Innermost lines of the traceback that the process wrote."""
        lines = (self.folder / "trace.txt").read_text(errors="replace").splitlines()
        return " < ".join(line.strip() for line in lines if "File" in line)[:600]


def _serve(pipe: Connection, parent: Connection, seeds: Seeds, folder: Path, log: Path) -> None:
    parent.close()
    stream = open(log, "w")
    faulthandler.enable(stream)
    faulthandler.register(signal.SIGUSR1, stream)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    space = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (space + _ADDRESS_SPACE, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while (case := pipe.recv()) is not None:
        pipe.send(run_case(*case, seeds, folder, LARGEST_PEAK))


def _seconds(process: int) -> float:
    """Seconds that a process has computed; 0 when it has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
