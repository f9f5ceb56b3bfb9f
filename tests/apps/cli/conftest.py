# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Signals as commands meet them, however the tests were started."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture()
def signals_end_processes() -> Iterator[None]:
    """No signal is ignored, as SIGINT is in what a script starts in the background, and SIGHUP under nohup."""
    usual = {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL, "SIGTERM": signal.SIG_DFL}
    numbers = {getattr(signal, name): handler for name, handler in usual.items() if hasattr(signal, name)}
    earlier = {number: signal.signal(number, handler) for number, handler in numbers.items()}
    yield
    for number, handler in earlier.items():
        signal.signal(number, handler)
