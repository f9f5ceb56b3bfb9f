# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How the tests run a bundle: in this process, or as a user's command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import monai.bundle

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "bundles" / "sunnybrook_lv_acdr"
TRAIN = BUNDLE / "configs" / "train.json"
INFERENCE = BUNDLE / "configs" / "inference.json"
EVALUATE = [str(TRAIN), str(BUNDLE / "configs" / "evaluate.json")]
TINY: dict[str, Any] = {
    "network_def#displacement_net#channels": [4, 8],
    "roi_size": 32,
    "network_def#initial_contour#num_vertices": 16,
}
"""Overrides that make every run small."""


def run_bundle(config_file: Any, **overrides: Any) -> None:
    """`monai.bundle run` in this process; paths become strings."""
    configs = config_file if isinstance(config_file, list) else str(config_file)
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in overrides.items()}
    monai.bundle.run(config_file=configs, **plain)


def command(config_file: Any, **overrides: Any) -> list[str]:
    """The command that a user would type."""
    words = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(config_file)]
    for key, value in overrides.items():
        words += [f"--{key}", str(value)]
    return words


def environment() -> dict[str, str]:
    """One thread, and the package importable where it is not installed."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}


def run_command(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with all that it prints."""
    return subprocess.run(words, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300)
