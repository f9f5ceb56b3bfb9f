# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monai_acdr.apps.training_plan import TrainingPlan, length_unit, make_plan, object_lengths, read_plan
from monai_acdr.data import DatasetFingerprint


def fingerprint(
    lengths: Sequence[float],
    number: int = 50,
    patients: int = 20,
    spacing: tuple[float, float] | None = None,
) -> DatasetFingerprint:
    """Of objects of these lengths at the 5th, 50th and 95th percentile."""
    names = dict(zip(("p5", "p50", "p95"), lengths, strict=True))
    half = {name: value / 2 for name, value in names.items()}
    values: dict[str, Any] = dict.fromkeys(DatasetFingerprint.__dataclass_fields__)
    sizes: dict[str, Any] = {"object_width": half, "object_height": names, "object_diameter": half}
    if spacing is not None:
        sizes |= {"object_width_mm": {n: 3 * v for n, v in half.items()}, "object_height_mm": names}
    counts = {"num_items": number, "num_images": number, "num_patients": patients}
    return DatasetFingerprint(**values | sizes | counts | {"num_with_spacing": number if spacing else 0})


FOUR = fingerprint((20.0, 40.0, 80.0))


def test_lengths_are_the_longer_sides_in_the_unit_that_is_known() -> None:
    assert object_lengths(FOUR) == (20, 40, 80)
    assert length_unit(FOUR) == "px"
    in_mm = fingerprint((20.0, 40.0, 80.0), spacing=(3.0, 1.0))
    assert object_lengths(in_mm) == (30, 60, 120)  # half as many columns, of three times the size
    assert make_plan(in_mm).region_unit == "mm"
    assert length_unit(replace(in_mm, num_with_spacing=3)) == "px"


def test_nothing_to_plan_for() -> None:
    with pytest.raises(ValueError, match="Expected objects to plan for"):
        object_lengths(replace(FOUR, object_width=None))


def test_sizes_decide_the_region() -> None:
    plan = make_plan(FOUR)
    assert (plan.region, plan.region_side) == ("box", None)
    assert "a factor of 4, more than 1.5" in plan.reasons["region"]
    alike = make_plan(fingerprint((30.0, 36.0, 40.0)))
    assert alike.region == "side"
    assert alike.region_side == 64  # 1.6 times a large object
    assert alike.region_scale == pytest.approx(64 / 36, abs=0.01)  # a box drawn later gives about the same region
    assert alike.initial_diameter == (pytest.approx(0.75 * 36 / 64, abs=0.01),)
    assert "at most 1.5" in alike.reasons["region"]


def test_objects_decide_the_budget() -> None:
    small = make_plan(FOUR)
    assert small.batch_size == 8
    assert small.epochs == 160  # 800 steps, 5 an epoch: 40 of 50 objects are trained on
    large = make_plan(fingerprint((20, 40, 80), 5000, 500))
    assert (large.batch_size, large.epochs) == (16, 12)  # 3000 steps, 250 an epoch
    assert make_plan(FOUR, epochs=3).epochs == 3
    assert make_plan(fingerprint((100, 200, 400))).input_size == 96


def test_several_structures_start_one_around_the_other() -> None:
    plan = make_plan(FOUR, ("inner", "outer"))
    assert plan.structures == ("inner", "outer")
    assert plan.initial_diameter[0] < plan.initial_diameter[1] < 1


def test_too_few_patients() -> None:
    with pytest.raises(ValueError, match="Expected at least 2 patients.*has 1"):
        make_plan(replace(FOUR, num_patients=1))
    with pytest.raises(ValueError, match="Expected at least 21 patients.*fewer folds"):
        make_plan(FOUR, folds=21)


def test_every_choice_has_a_reason_and_survives_a_round_trip(tmp_path: Path) -> None:
    plan = make_plan(FOUR)
    plan.write(tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan
    assert read_plan(tmp_path / "plan.json").reasons == {
        **plan.reasons,
        "region_side": "the default",
        "seed": "the default",
    }
    entries = json.loads((tmp_path / "plan.json").read_text())
    assert set(entries) == {name for name in TrainingPlan.__dataclass_fields__ if name != "reasons"}
    assert all(entry["why"] for entry in entries.values())


def test_a_plan_of_values_alone(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"epochs": 7, "region": "side", "region_side": 50}')
    plan = read_plan(tmp_path / "plan.json")
    assert (plan.epochs, plan.region_side, plan.batch_size) == (7, 50, 16)
    assert plan.reasons["epochs"] == "given"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "Expected an object"),
        ('{"epoch": 3}', "did you mean 'epochs'"),
        ('{"zzz": 3}', "it has structures"),
        ('{"epochs": 0}', "'epochs'.*whole number from 1 on, but got 0"),
        ('{"epochs": true}', "'epochs'.*whole number"),
        ('{"input_size": {"value": 64.5}}', "'input_size'.*whole number from 16 to 512"),
        ('{"region": "circle"}', '"box" or "side"'),
        ('{"region": "side"}', "Expected a `region_side`"),
        ('{"region_side": 30}', 'null for "box"'),
        ('{"structures": ["a", "a"]}', "different names"),
        ('{"structures": ["a", "b"]}', "a number for each of"),
        ('{"view_scale": [1.2, 0.8]}', "the smaller one first"),
        ('{"learning_rate": 1e400}', "a number from 1e-6 to 1"),
    ],
)
def test_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_plan(tmp_path / "plan.json")


def test_a_side_in_mm_is_counted_in_the_pixels_of_the_data_set() -> None:
    plan = replace(TrainingPlan(), region="side", region_side=60.0, region_unit="mm")
    config = plan.config(pixel_mm=1.5)
    assert (config["region#side"], config["region#pixel_mm"]) == (40.0, 1.5)
    assert replace(plan, region_unit="px").config(1.5)["region#side"] == 60.0
    assert TrainingPlan().config()["region#side"] is None
