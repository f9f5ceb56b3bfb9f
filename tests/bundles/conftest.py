# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Tiny studies, a tiny network trained on them for three epochs, and the bundle's three configs as functions."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from monai.bundle import ConfigWorkflow, run
from monai.utils import set_determinism
from PIL import Image

from monai_acdr.bundle import reason
from monai_acdr.data.phantoms import write_short_axis_studies

ROOT = Path(__file__).resolve().parents[2]
TINY: dict[str, Any] = {
    "network_def#displacement_net#channels": [4, 8],
    "network_def#displacement_net#num_convs": 1,
    "roi_size": 32,
    "batch_size": 2,
    "device": "cpu",
}
SIZE = (96, 104)


@dataclass(frozen=True)
class Sunnybrook:
    """The bundle `sunnybrook_lv_acdr`, run in this process with a tiny network; more overrides go on top."""

    root: Path = ROOT / "bundles" / "sunnybrook_lv_acdr"
    tiny: dict[str, Any] = field(default_factory=lambda: dict(TINY))

    def configs(self, *names: str) -> list[str]:
        return [str(self.root / "configs" / f"{name}.json") for name in names]

    def check_metadata(self, structure: str) -> None:
        """Metadata of one structure has what that of the Sunnybrook bundle has, and the same versions."""
        folders = self.root, ROOT / "bundles" / "sunnybrook_lv_acdr"
        texts = [(folder / "configs" / "metadata.json").read_text(encoding="utf-8") for folder in folders]
        metadata, known = map(json.loads, texts)
        jsonschema.validate(metadata, {"type": "object", "required": sorted(known.keys() - {"volume_agreement"})})
        for key in ("schema", "monai_version", "pytorch_version", "numpy_version", "required_packages_version"):
            assert metadata[key] == known[key]
        assert metadata["version"] in metadata["changelog"]
        assert metadata["network_data_format"]["outputs"]["pred"]["channel_def"] == {"0": "background", "1": structure}

    def run(self, names: list[str], **overrides: Any) -> None:
        settings = {key: str(value) if isinstance(value, Path) else value for key, value in overrides.items()}
        tiny = {} if names == ["ensemble"] else self.tiny  # which has no network
        run(config_file=self.configs(*names), logging_file=False, **{**tiny, **settings})

    def train(self, dataset_dir: Path, output_dir: Path, **overrides: Any) -> None:
        fixed = {"dataset_dir": dataset_dir, "output_dir": output_dir, "checkpoint": output_dir / "model.pt"}
        self.run(["train"], **{**fixed, "max_epochs": 3, "val_interval": 1, "train#warmup_epochs": 1, **overrides})

    def evaluate(self, dataset_dir: Path, output_dir: Path, checkpoint: Path, **overrides: Any) -> dict[str, Any]:
        fixed = {"dataset_dir": dataset_dir, "output_dir": output_dir, "checkpoint": checkpoint, "group": "online"}
        self.run(["train", "evaluate"], **{**fixed, **overrides})
        return dict(json.loads((output_dir / "metrics.json").read_text()))

    def infer(self, dataset_dir: Path, output_dir: Path, checkpoint: Path, **overrides: Any) -> None:
        fixed = {"dataset_dir": dataset_dir, "output_dir": output_dir, "checkpoint": checkpoint}
        self.run(["inference"], **{**fixed, **overrides})

    def workflow(self, names: list[str], kind: str | None, **overrides: Any) -> ConfigWorkflow:
        settings = {key: str(value) if isinstance(value, Path) else value for key, value in overrides.items()}
        return ConfigWorkflow(
            config_file=self.configs(*names), workflow_type=kind, logging_file=False, **{**self.tiny, **settings}
        )


@pytest.fixture(scope="session")
def sunnybrook() -> Sunnybrook:
    return Sunnybrook()


@pytest.fixture(autouse=True)
def _leave_the_process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The runner extends `sys.path`, and the configs seed everything."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    set_determinism(None)


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SYN-01 training, SYN-02 validation, SYN-03 online: 2 slices, 3 phases, 4 labeled frames each."""
    folder = tmp_path_factory.mktemp("data") / "studies"
    return write_short_axis_studies(folder, num_patients=3, num_slices=2, num_phases=3, size=SIZE)


@pytest.fixture(scope="session")
def trained(sunnybrook: Sunnybrook, studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output of a training of three epochs; nobody writes into it."""
    folder = tmp_path_factory.mktemp("trained")
    sunnybrook.train(studies, folder)
    return folder


@pytest.fixture
def own_studies(studies: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(studies, tmp_path / "studies"))


@pytest.fixture
def png_set(tmp_path: Path) -> Path:
    """Two usable frames and one of the displaced patient in `validation`, one in `training`."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    mask = (rows - 50) ** 2 + (columns - 46) ** 2 < 144
    frames = {
        "training": ["SC-HF-I-01-IM-0001-0048"],
        "validation": ["SC-N-05-IM-0001-0007", "SC-N-05-IM-0001-0009", "SC-N-06-IM-0001-0008"],
    }
    for group, names in frames.items():
        for name in names:
            for kind, values in (("images", 50 + 150 * mask), ("endo_masks", 255 * mask)):
                path = tmp_path / "png" / group / kind / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values.astype(np.uint8)).save(path)
    return tmp_path / "png"


@pytest.fixture
def bundle_command(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """`python -m monai.bundle` in a folder, as a user types it: status and what it printed.

    The process is a fork of this one, which has imported torch and MONAI: a new one takes seconds to.
    """
    if sys.platform != "linux":
        pytest.skip("forks processes that have loaded torch")
    log = tmp_path / "command.log"

    def run_forked(folder: Path, *words: str) -> tuple[int, str]:
        process = os.fork()
        if process == 0:
            status = 1
            try:
                os.chdir(folder)
                sys.stdout = sys.stderr = open(log, "w", encoding="utf-8", buffering=1)
                sys.argv = ["monai.bundle", *words]
                runpy.run_module("monai.bundle", run_name="__main__")
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        return status, log.read_text(encoding="utf-8")

    return run_forked


@pytest.fixture(scope="session")
def failure() -> Callable[..., str]:
    """Run something that must fail, and return the reason that `python -m monai_acdr.bundle run` ends with."""

    def text_of(function: Callable[..., Any], *values: Any, **named: Any) -> str:
        try:
            function(*values, **named)
        except Exception as error:
            return reason(error)
        raise AssertionError("Expected an error, but it ran through.")

    return text_of
