# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The fuzz suite on a fixed number of cases, and the suite itself."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

if not Path("/proc/self/clear_refs").exists():
    pytest.skip("the suite measures memory as Linux tells it", allow_module_level=True)

from monai_acdr.data.contour_files import read_contour
from tests.fuzz.cases import case_files, judge
from tests.fuzz.containers import mutate_checkpoint
from tests.fuzz.dicom_mutations import encode_dicom, mutate_dicom, parse_dicom
from tests.fuzz.mutations import mutate_bytes, mutate_csv, mutate_json, mutate_text, mutate_xml
from tests.fuzz.seeds import IDENTITY, Seeds
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
CASES = 15
"""Of each target, times its weight: about half a minute on one core; `make fuzz` takes as many as it has time for."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What came of the whole inputs and the first seeds of each target; pytest's process has threads, so in another."""
    path = tmp_path_factory.mktemp("fuzz") / "outcomes.json"
    command = [sys.executable, "-m", "tests.fuzz", "--cases", str(CASES), "--json", str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, timeout=900)
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Seeds:
    return Seeds(tmp_path_factory.mktemp("seeds"))


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_whole_inputs_are_accepted(outcomes: list[dict[str, Any]]) -> None:
    whole = [outcome for outcome in outcomes if outcome["seed"] < 0]
    assert {outcome["target"] for outcome in whole} == set(TARGETS)
    assert [outcome for outcome in whole if outcome["verdict"] != "accepted"] == []


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_mutated_inputs_are_read_or_refused(outcomes: list[dict[str, Any]]) -> None:
    """To replay a case: python -m tests.fuzz --target NAME --seed NUMBER."""
    mutated = [outcome for outcome in outcomes if outcome["seed"] >= 0]
    assert len(mutated) == CASES * sum(target.weight for target in TARGETS.values())
    assert [outcome for outcome in mutated if outcome["verdict"] == "failed"] == []
    # A suite whose mutations change nothing, or break everything, would find nothing.
    share = sum(outcome["verdict"] == "refused" for outcome in mutated) / len(mutated)
    assert 0.2 < share < 0.8


@pytest.mark.parametrize("name", ["split", "contour_text", "cityscapes"])
def test_a_seed_replays_a_case(name: str, seeds: Seeds) -> None:
    cases = [case_files(name, seed, seeds) for seed in range(30)]
    assert cases == [case_files(name, seed, seeds) for seed in range(30)]
    (whole,) = getattr(seeds, TARGETS[name].seeds)[:1]
    assert case_files(name, -1, seeds) == whole
    assert sum(case != whole for case in cases) > 25


@pytest.mark.parametrize("mutate", [mutate_bytes, mutate_csv, mutate_json, mutate_text, mutate_xml])
@pytest.mark.parametrize("data", [b"", b"x", b'{"a": [1, 2]}', b"a,b\n1,2\n"])
def test_mutations_take_any_content(mutate: Any, data: bytes) -> None:
    results = [mutate(random.Random(seed), data) for seed in range(60)]
    assert all(isinstance(result, bytes) for result in results)
    assert len(set(results)) > 10


def test_checkpoints_that_were_changed_are_changed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second change meets what the first one left: sparse tensors, sizes without memory."""
    monkeypatch.setattr("tests.fuzz.containers.BOMB_BYTES", 1 << 20)  # gigabytes take seconds to pack
    for tensor in (torch.eye(3).to_sparse(), torch.zeros(1).expand(1 << 40), torch.zeros(0)):
        stream = io.BytesIO()
        torch.save({"weight": tensor}, stream)
        assert len({mutate_checkpoint(random.Random(seed), stream.getvalue()) for seed in range(80)}) > 20


def test_dicom_files_are_taken_apart_and_put_together(seeds: Seeds) -> None:
    """The encoder writes what pydicom wrote, with lengths of sequences stated."""
    (files,) = seeds.one_image
    data = files["image.dcm"]
    meta, elements = parse_dicom(data)
    assert encode_dicom(meta, elements) == data
    (files,) = seeds.enhanced
    once = encode_dicom(*parse_dicom(files["image.dcm"]))
    assert encode_dicom(*parse_dicom(once)) == once
    assert len({mutate_dicom(random.Random(seed), data) for seed in range(60)}) > 50


def test_verdicts(tmp_path: Path) -> None:
    path = tmp_path / "contour.txt"
    path.write_text("no numbers")
    try:
        read_contour(path)
    except ValueError as error:
        documented = error
    assert judge(None, [], tmp_path) == ("accepted", "")
    assert judge(documented, [], tmp_path) == ("refused", str(documented))
    other = ValueError(f"Expected another file than {path}.")
    for error, reason in (
        (KeyError("contour.txt"), "KeyError at"),
        (MemoryError(), "MemoryError at"),
        (_raised(other), "ValueError of another package"),
        (_raised(FileNotFoundError("nothing")), "does not name the file"),
    ):
        verdict, detail = judge(_raised(error), [], tmp_path)
        assert verdict == "failed"
        assert reason in detail
    for value in IDENTITY.values():
        assert judge(None, [f"the patient {value.lower()} has"], tmp_path)[0] == "failed"


def _raised(error: Exception) -> Exception:
    """The error with a traceback that ends here."""
    try:
        raise error
    except Exception as raised:
        return raised
