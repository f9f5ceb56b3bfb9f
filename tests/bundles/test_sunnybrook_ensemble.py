# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Several trainings joined to one checkpoint, which the bundle takes like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ckpt_export

from monai_acdr.handlers import load_checkpoint, load_network, save_checkpoint
from monai_acdr.networks.nets import DisplacementEnsemble

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def members(trained: Path, tmp_path: Path) -> list[str]:
    """The trained network, and twice the same with fields that are 3 pixels of 32 off, to the right or down."""
    paths = [str(trained / "model.pt")]
    for axis in (0, 1):
        state = load_checkpoint(trained / "model.pt")
        state["displacement_net.head.0.bias"][axis::2] += 0.2  # of both structures: (x_1, y_1, x_2, y_2)
        paths.append(str(save_checkpoint(state, tmp_path / f"member{axis}.pt")))
    return paths


def test_train_apart_and_join(
    sunnybrook: Any, studies: Path, trained: Path, members: list[str], tmp_path: Path
) -> None:
    ensemble = tmp_path / "ensemble.pt"
    sunnybrook.run(["ensemble"], members=members, checkpoint=ensemble)
    infer = {"group": "online", "overlay": False}
    sunnybrook.infer(studies, tmp_path / "out", ensemble, **infer)
    sunnybrook.infer(studies, tmp_path / "one", trained / "model.pt", **infer)
    name = "SYN-03-IM-0001-0001.json"
    documents = [json.loads((tmp_path / folder / name).read_text()) for folder in ("out", "one")]
    found, one = (document["frames"][0]["contours"] for document in documents)
    for joined, single in zip(found, one, strict=True):
        assert joined["structure"] == single["structure"]
        moved = torch.tensor(joined["vertices_px"]) - torch.tensor(single["vertices_px"])
        assert moved.mean(0).min() > 0.5  # to the right and down, by a third of what single members would be
    figures = sunnybrook.evaluate(studies, tmp_path / "evaluation", ensemble)
    assert figures["num_cases"] == 4


def test_export_to_torchscript(sunnybrook: Any, members: list[str], tmp_path: Path) -> None:
    """MONAI's own loading, not load_network: the config makes as many members as the checkpoint has."""
    ensemble = tmp_path / "ensemble.pt"
    sunnybrook.run(["ensemble"], members=members, checkpoint=ensemble)
    ckpt_export(
        "network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(ensemble),
        meta_file=str(sunnybrook.root / "configs" / "metadata.json"),
        config_file=sunnybrook.configs("inference")[0],
        checkpoint=str(ensemble),
        **sunnybrook.tiny,
    )
    network = sunnybrook.workflow(["inference"], None).parser.get_parsed_content("network_def").eval()
    load_network(network, ensemble)
    assert isinstance(network.displacement_net, DisplacementEnsemble)
    image = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(torch.jit.load(tmp_path / "model.ts")(image), network(image))


def test_without_members(sunnybrook: Any, failure: Any, tmp_path: Path) -> None:
    text = failure(sunnybrook.run, ["ensemble"], checkpoint=tmp_path / "ensemble.pt")
    assert text.startswith("Expected `paths` to be a list of checkpoints, but got []: give --members")


def test_all_bundles_join_alike() -> None:
    """They stand alone, as MONAI's bundles do; what is said several times has to be the same."""
    paths = sorted(ROOT.glob("bundles/*/configs/ensemble.json"))
    assert len(paths) == 3
    assert len({path.read_text(encoding="utf-8").replace(path.parents[1].name, "") for path in paths}) == 1
