# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Metric handlers, ours and MONAI's, in runs of an ignite engine; from Python and from configs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.handlers import MeanDice, from_engine

from monai_acdr.geometry import circle
from monai_acdr.handlers import (
    AveragePerpendicularDistance,
    BoundaryF,
    Hausdorff95,
    PooledDice,
    WeightedCoverage,
)
from monai_acdr.metrics import evaluate_case

MASKS = from_engine(["pred_mask", "label"])
SPACINGS = ((1.25, 1.25), (2.0, 0.5), (1.0, 1.5))


def _affine(spacing: tuple[float, float]) -> torch.Tensor:
    return torch.diag(torch.tensor([spacing[0], spacing[1], 8.0, 1.0], dtype=torch.float64))


def _disk(size: tuple[int, int], center: tuple[float, float], radius: float) -> torch.Tensor:
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    return torch.from_numpy((columns - center[0]) ** 2 + (rows - center[1]) ** 2 <= radius**2)[None].float()


def _case(index: int) -> dict[str, Any]:
    """Images of different sizes and spacings; prediction and reference are circles."""
    size, affine = (48 + 4 * index, 40), _affine(SPACINGS[index])
    pred, reference = ((20.0, 22.0), 8.0 + index), ((21.0, 24.0), 9.0)
    return {
        "pred_mask": MetaTensor(_disk(size, *pred), affine=affine),
        "label": MetaTensor(_disk(size, *reference), affine=affine),
        "pred": circle(torch.tensor(pred[0]), pred[1], 90),
        "reference": MetaTensor(circle(torch.tensor([reference[0]]), reference[1], 80 + index), affine=affine),
        "has_spacing": torch.tensor(True),
    }


CASES = [_case(index) for index in range(3)]
BATCHES = [CASES[:2], CASES[2:]]


def _expected(key: str) -> list[float]:
    return [
        evaluate_case(
            case["pred_mask"], case["label"], pred=case["pred"], reference=case["reference"], spacing=spacing
        )[key]  # type: ignore[literal-required]
        for case, spacing in zip(CASES, SPACINGS, strict=True)
    ]


def _run(handler: Any, batches: list[Any] | None = None) -> Engine:
    engine = Engine(lambda _, batch: batch)
    handler.attach(engine, "metric")
    engine.run(BATCHES if batches is None else batches)
    return engine


@pytest.mark.parametrize(
    ("handler", "key"),
    [
        (MeanDice(output_transform=MASKS), "dice"),
        (Hausdorff95(output_transform=MASKS), "hd95_px"),
        (Hausdorff95("mm", output_transform=from_engine(["pred_mask", "label", "has_spacing"])), "hd95_mm"),
        (Hausdorff95("mm", output_transform=MASKS), "hd95_mm"),
        (BoundaryF(output_transform=MASKS), "boundf"),
        (AveragePerpendicularDistance(output_transform=from_engine(["pred", "reference"])), "apd_px"),
        (
            AveragePerpendicularDistance("mm", output_transform=from_engine(["pred", "reference", "has_spacing"])),
            "apd_mm",
        ),
    ],
)
def test_mean_and_details_equal_the_case_records(handler: Any, key: str) -> None:
    engine = _run(handler)
    assert engine.state.metrics["metric"] == pytest.approx(np.mean(_expected(key)), rel=1e-5)
    assert engine.state.metric_details["metric"].flatten().tolist() == pytest.approx(_expected(key), rel=1e-5)


def test_pooled_handlers() -> None:
    sums = [np.sum(_expected(key)) for key in ("intersection_px", "pred_area_px", "reference_area_px")]
    assert _run(PooledDice(MASKS)).state.metrics["metric"] == pytest.approx(2 * sums[0] / (sums[1] + sums[2]))
    covered = np.dot(_expected("iou"), _expected("reference_area_px"))
    assert _run(WeightedCoverage(MASKS)).state.metrics["metric"] == pytest.approx(covered / sums[2])


def test_batched_tensors() -> None:
    pred, label = CASES[0]["pred_mask"].as_tensor()[None], CASES[0]["label"].as_tensor()[None]
    for handler, key in ((PooledDice(), "dice"), (BoundaryF(), "boundf"), (Hausdorff95(), "hd95_px")):
        value = _run(handler, [(pred, label)]).state.metrics["metric"]  # type: ignore[arg-type]
        assert value == pytest.approx(_expected(key)[0], rel=1e-5)


def test_runs_start_afresh() -> None:
    handler = PooledDice(MASKS, save_details=False)
    engine = _run(handler)
    first = engine.state.metrics["metric"]
    engine.run(BATCHES)
    assert engine.state.metrics["metric"] == pytest.approx(first)
    assert not hasattr(engine.state, "metric_details")


def test_from_a_config() -> None:
    masks = "$monai.handlers.from_engine(['pred_mask', 'label'])"
    config = {
        "imports": ["$import monai"],
        "mean": {"_target_": "monai.handlers.MeanDice", "output_transform": masks},
        "pooled": {"_target_": "monai_acdr.handlers.PooledDice", "output_transform": masks},
        "hd95": {"_target_": "monai_acdr.handlers.Hausdorff95", "unit": "mm", "output_transform": masks},
        "report": {"_target_": "monai_acdr.handlers.EvaluationReport", "output_dir": "unused"},
    }
    parser = ConfigParser(config)
    parser.parse()
    for name, key in (("mean", "dice"), ("hd95", "hd95_mm")):
        value = _run(parser.get_parsed_content(name)).state.metrics["metric"]
        assert value == pytest.approx(np.mean(_expected(key)), rel=1e-5)
    assert 0 < _run(parser.get_parsed_content("pooled")).state.metrics["metric"] < 1
    parser.get_parsed_content("report").attach(Engine(lambda _, batch: batch))


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: MeanDice(output_transform=MASKS, reduction="mean_batch"), "dice"),
        (lambda: Hausdorff95(output_transform=MASKS, reduction="mean_batch"), "hd95_px"),
        (lambda: BoundaryF(output_transform=MASKS, reduction="mean_batch"), "boundf"),
        (
            lambda: AveragePerpendicularDistance(
                output_transform=from_engine(["pred", "reference"]), reduction="mean_batch"
            ),
            "apd_px",
        ),
    ],
)
def test_a_value_for_each_structure_with_missing_references_left_out(make: Any, key: str) -> None:
    """Two structures: the cases themselves, and their order reversed, of which the last has no reference."""
    sizes = [case["label"].shape for case in CASES]
    assert len(set(sizes)) == 3
    cases = []
    for case in CASES:
        both = {name: torch.cat([case[name].as_tensor()] * 2) for name in ("pred_mask", "label", "reference")}
        cases.append({**both, "pred": torch.stack([case["pred"]] * 2)})
    cases[2]["label"][1] = torch.nan
    cases[2]["reference"][1] = torch.nan
    values = _expected(key)
    result = _run(make(), [cases[:2], cases[2:]]).state.metrics["metric"]
    assert result.tolist() == pytest.approx([np.mean(values), np.mean(values[:2])], rel=1e-5)


def test_pooled_dice_for_each_structure() -> None:
    cases = [{name: torch.cat([case[name]] * 2) for name in ("pred_mask", "label")} for case in CASES]
    cases[2]["label"][1] = torch.nan
    counts = np.array([_expected(key) for key in ("intersection_px", "pred_area_px", "reference_area_px")])
    expected = [2 * each[0] / (each[1] + each[2]) for each in (counts.sum(1), counts[:, :2].sum(1))]
    result = _run(PooledDice(MASKS, per_class=True), [cases]).state.metrics["metric"]
    assert result.tolist() == pytest.approx(expected)
