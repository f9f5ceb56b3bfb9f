# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_acdr.apps.training_plan import TrainingFacts, TrainingPlan, make_plan, read_plan, training_facts

FACTS = TrainingFacts(
    images=40,
    objects=50,
    patients=20,
    several=5,
    extents=(20.0, 40.0, 80.0),
    unit="px",
    pixel_mm=None,
    area=1000.0,
    extent_px=40.0,
)


def box(width: float, height: float, corner: float = 10.0) -> np.ndarray:
    return np.array([[0, 0], [width, 0], [width, height], [0, height]]) + corner


def item(image: str, patient: str, contour: Any, spacing: tuple[float, float] | None = None) -> dict[str, Any]:
    return {"image": image, "patient": patient, "contour": contour, "spacing": spacing}


def test_facts_in_pixels() -> None:
    facts = training_facts(
        [item("a", "1", box(10, 20)), item("a", "1", box(30, 5), (0.5, 0.5)), item("b", "2", box(40, 1))]
    )
    assert (facts.images, facts.objects, facts.patients, facts.several) == (2, 3, 2, 1)
    assert (facts.unit, facts.pixel_mm) == ("px", None)
    np.testing.assert_allclose(facts.extents, np.percentile([20, 30, 40], (5, 50, 95)))
    assert facts.extent_px == 30


def test_facts_in_mm_count_each_axis_by_its_spacing() -> None:
    facts = training_facts([item(name, name, box(10, 20), (0.5, 2.0)) for name in "ab"])
    assert facts.unit == "mm"
    assert facts.extents == (20.0, 20.0, 20.0)  # 10 columns of 2 mm, not 20 rows of 0.5 mm
    assert facts.pixel_mm == 1.25


def test_facts_of_a_label_map(tmp_path: Path) -> None:
    values = np.zeros((40, 50), np.uint8)
    values[5:25, 10:20], values[10:15, 12:42] = 1, 2
    Image.fromarray(values).save(tmp_path / "label.png")
    known = {"image": "a", "patient": "1", "label": str(tmp_path / "label.png"), "spacing": None}
    assert training_facts([{**known, "label_values": ((1,), (2,))}]).extent_px == 32  # columns 10 to 41
    assert training_facts([{**known, "label_values": ((1,),)}]).extent_px == 20


def test_nothing_to_plan_for() -> None:
    with pytest.raises(ValueError, match="Expected objects to plan for"):
        training_facts([])


def test_sizes_decide_the_region() -> None:
    plan = make_plan(FACTS)
    assert (plan.region, plan.region_side) == ("box", None)
    assert "a factor of 4, more than 1.5" in plan.reasons["region"]
    alike = make_plan(replace(FACTS, extents=(30.0, 36.0, 40.0), extent_px=36.0))
    assert alike.region == "side"
    assert alike.region_side == 64  # 1.6 times a large object
    assert alike.region_scale == pytest.approx(64 / 36, abs=0.01)  # a box drawn later gives about the same region
    assert alike.initial_diameter == (pytest.approx(0.75 * 36 / 64, abs=0.01),)
    assert "at most 1.5" in alike.reasons["region"]


def test_objects_decide_the_budget() -> None:
    small = make_plan(FACTS)
    assert small.batch_size == 8
    assert small.epochs == 160  # 800 steps, 5 an epoch: 40 of 50 objects are trained on
    large = make_plan(replace(FACTS, objects=5000, images=5000, patients=500))
    assert (large.batch_size, large.epochs) == (16, 12)  # 3000 steps, 250 an epoch
    assert make_plan(FACTS, epochs=3).epochs == 3
    assert make_plan(replace(FACTS, extent_px=200.0)).input_size == 96


def test_several_structures_start_one_around_the_other() -> None:
    plan = make_plan(FACTS, ("inner", "outer"))
    assert plan.structures == ("inner", "outer")
    assert plan.initial_diameter[0] < plan.initial_diameter[1] < 1


def test_too_few_patients() -> None:
    with pytest.raises(ValueError, match="Expected at least 2 patients.*has 1"):
        make_plan(replace(FACTS, patients=1))
    with pytest.raises(ValueError, match="Expected at least 21 patients.*fewer folds"):
        make_plan(FACTS, folds=21)


def test_every_choice_has_a_reason_and_survives_a_round_trip(tmp_path: Path) -> None:
    plan = make_plan(FACTS)
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
