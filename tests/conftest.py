# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What all tests share: one thread, fixed seeds, Hypothesis profiles, and the folder with real data sets."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import socket
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

# pytest-xdist already uses every core.
torch.set_num_threads(1)

# No deadlines: the first call of a torch operation can be slow, and machines are shared.
settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=50,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses real data, so that `-m "not real_data"` never misses a test; what waits for the network first.

    At the end, one worker would wait for it when the others have nothing more to do.
    """
    items.sort(key=lambda item: item.path.name != "test_install_commands.py")
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real_data)


@pytest.fixture(autouse=True)
def _seeds() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  MONAI draws from the global generator
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real data sets, `../shared/data` seen from the repository; its tests are skipped without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def absent() -> Callable[[str], None]:
    """Skip a test that needs what is not installed, with a message; in CI, which installs all of it, fail it."""
    return pytest.fail if os.environ.get("CI") == "true" else pytest.skip


@pytest.fixture(scope="session")
def label_python(absent: Callable[[str], None]) -> Path:
    """Python of the MONAI Label environment; without it its tests are skipped, and fail in CI."""
    python = Path(os.environ.get("MONAI_ACDR_LABEL_PYTHON") or ROOT / ".venv-label" / "bin" / "python")
    if not python.is_file():
        absent(f"There is no Label environment at {python}: run make label-venv, or set MONAI_ACDR_LABEL_PYTHON")
    return python


@pytest.fixture(scope="session")
def in_processes() -> Callable[..., None]:
    """Run a function in several processes at once, each with what torchrun tells it; forked, so nothing is imported."""
    if sys.platform != "linux":
        pytest.skip("forks processes that have loaded torch")
    return _run_in_processes


def _run_in_processes(function: Callable[..., None], number: int, *arguments: Any) -> None:
    port = _free_ports()
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks, from Python 3.12 on
        children = [
            context.Process(target=_run_as_rank, args=(function, rank, number, port, arguments), daemon=True)
            for rank in range(number)
        ]
        for child in children:
            child.start()
    try:
        for child in children:
            child.join(240)
        assert [child.exitcode for child in children] == [0] * number
    finally:
        for child in children:
            child.kill()


def _free_ports() -> int:
    """A port that is free, and the next one, too: below those that the system gives to others meanwhile."""
    for port in random.SystemRandom().sample(range(20000, 32000, 2), 100):
        with socket.socket() as one, socket.socket() as next_one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            next_one.bind(("127.0.0.1", port + 1))
            return port
    raise OSError("no free port")


def _run_as_rank(function: Callable[..., None], rank: int, number: int, port: int, arguments: tuple[Any, ...]) -> None:
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": number, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()} | {"MASTER_ADDR": "127.0.0.1"})
    torch.set_num_threads(1)
    function(*arguments)
