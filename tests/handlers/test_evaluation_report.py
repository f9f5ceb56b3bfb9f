# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The report: what is in its two files, and what happens when something is missing."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import DataLoader, Dataset, MetaTensor, list_data_collate
from monai.engines import SupervisedEvaluator
from monai.handlers import MeanDice, from_engine
from monai.transforms import Compose, EnsureChannelFirstd, Lambdad, LoadImaged
from PIL import Image

from monai_acdr.data import LoadReferenced, PictureReader
from monai_acdr.geometry import circle
from monai_acdr.handlers import EvaluationReport, ReportOptions, evaluate_output
from monai_acdr.metrics import CASE_COLUMNS, summarize_cases
from monai_acdr.transforms import CheckImaged, ContourToMaskd, draw_mask

SIZE = (48, 40)


def _disk(center: tuple[float, float], radius: float) -> torch.Tensor:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return torch.from_numpy((columns - center[0]) ** 2 + (rows - center[1]) ** 2 <= radius**2)[None].float()


def _case(index: int, has_spacing: bool = True) -> dict[str, Any]:
    affine = torch.diag(torch.tensor([2.0, 0.5, 8.0, 1.0], dtype=torch.float64)) if has_spacing else torch.eye(4)
    pred, reference = ((20.0, 22.0), 8.0 + index % 3), ((21.0, 24.0), 9.0)
    return {
        "pred_mask": MetaTensor(_disk(*pred), affine=affine),
        "label": MetaTensor(_disk(*reference), affine=affine),
        "pred": circle(torch.tensor([pred[0]]), pred[1], 64),
        "reference": MetaTensor(circle(torch.tensor([reference[0]]), reference[1], 80), affine=affine),
        "name": f"SC-N-{index // 2}-IM-0001-{index:04d}",
        "patient": f"SC-N-{index // 2}",
        "group": "validation",
        "has_spacing": torch.tensor(has_spacing),
    }


def _run(report: EvaluationReport, cases: list[dict[str, Any]], batch_size: int = 4) -> None:
    engine = Engine(lambda _, batch: batch)
    report.attach(engine)
    engine.run([cases[start : start + batch_size] for start in range(0, len(cases), batch_size)])


def _read(folder: Path) -> tuple[list[dict[str, str]], dict[str, Any]]:
    with open(folder / "metrics.csv", newline="") as stream:
        return list(csv.DictReader(stream)), json.loads((folder / "metrics.json").read_text())


def test_files(tmp_path: Path) -> None:
    cases = [_case(index) for index in range(6)]
    metadata = {"roi": "label, 100 px", "checkpoint": Path("models/model.pt"), "excluded": ["SC-N-06"]}
    report = EvaluationReport(tmp_path / "new", metadata=metadata, num_samples=50)
    _run(report, cases)
    rows, figures = _read(tmp_path / "new")
    assert list(rows[0]) == [*CASE_COLUMNS, "mask_rule", "excluded"]
    assert [row["name"] for row in rows] == [case["name"] for case in cases]
    expected = evaluate_output(cases[1])
    for key in ("dice", "iou", "hd95_px", "hd95_mm", "apd_px", "apd_mm", "boundf", "pred_area_mm2"):
        assert float(rows[1][key]) == pytest.approx(expected[key], abs=1e-6)  # type: ignore[literal-required]
    assert (rows[1]["row_spacing_mm"], rows[1]["column_spacing_mm"], rows[1]["roi_dice"]) == ("2.0", "0.5", "")
    assert figures["mean_dice"] == pytest.approx(np.mean([float(row["dice"]) for row in rows]), abs=1e-6)
    assert figures["apd_mm"] == pytest.approx(np.mean([float(row["apd_mm"]) for row in rows]), abs=1e-6)
    assert (figures["num_cases"], figures["num_patients"], figures["spacing"]) == (6, 3, "from images")
    assert len(figures["mean_dice_ci95"]) == 2
    assert figures["metadata"] == {"roi": "label, 100 px", "checkpoint": "models/model.pt", "excluded": ["SC-N-06"]}
    assert figures == json.loads(json.dumps(report.summary))
    assert sorted(os.listdir(tmp_path / "new")) == ["metrics.csv", "metrics.json"]


def test_records_of_several_evaluations_give_one_report(tmp_path: Path) -> None:
    first, second, both = (EvaluationReport(tmp_path / name) for name in ("first", "second", "both"))
    _run(first, [_case(index) for index in range(3)])
    _run(second, [_case(index) for index in range(3, 7)])
    both.write([*first.records, *second.records])
    whole = EvaluationReport(tmp_path / "whole")
    _run(whole, [_case(index) for index in range(7)])
    assert both.summary == whole.summary
    assert (tmp_path / "both" / "metrics.csv").read_text() == (tmp_path / "whole" / "metrics.csv").read_text()


def test_unknown_spacing_gives_no_mm(tmp_path: Path) -> None:
    cases = [_case(index, has_spacing=False) for index in range(4)]
    del cases[3]["has_spacing"]
    _run(EvaluationReport(tmp_path, num_samples=20), cases)
    rows, figures = _read(tmp_path)
    assert {row["hd95_mm"] + row["apd_mm"] + row["row_spacing_mm"] for row in rows} == {""}
    assert figures["hd95_mm"] is figures["apd_mm"] is figures["good_apd_mm"] is None
    assert figures["spacing"] == "assumed 1.3 mm"
    assert figures["good_contours_percent"] == 100


def test_promised_spacing_must_be_there() -> None:
    case = _case(0)
    case["label"] = case["label"].as_tensor()
    with pytest.raises(ValueError, match="MetaTensor with the image's affine"):
        evaluate_output(case)


def test_rules_of_the_masks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cases = [_case(index) for index in range(4)]
    for case in cases[:3]:
        case["label"].meta["mask_rule"] = "drawn"
    cases[0]["pred_mask"].meta["mask_rule"] = "drawn"
    del cases[1]["pred_mask"], cases[1]["pred"]
    _run(EvaluationReport(tmp_path, num_samples=20), cases)
    rows, figures = _read(tmp_path)
    assert [row["mask_rule"] for row in rows] == ["drawn", "drawn", "drawn", "covered"]
    assert figures["mask_rules"] == {
        "reference": {"covered": 1, "drawn": 3},
        "prediction": {"covered": 2, "drawn": 2},
        "different": 1,
    }
    assert "1 of 4 masks were predicted by another rule than that of their reference" in caplog.text


def test_missing_predictions_and_cases_are_listed(tmp_path: Path) -> None:
    cases = [_case(index) for index in range(4)]
    del cases[1]["pred_mask"], cases[1]["pred"]
    expected = [case["name"] for case in cases] + ["SC-N-9-IM-0001-0090"]
    _run(EvaluationReport(tmp_path, expected_names=expected, num_samples=20), cases)
    rows, figures = _read(tmp_path)
    assert (rows[1]["status"], rows[1]["dice"]) == ("missing_prediction", "0.0")
    assert figures["missing_predictions"] == [cases[1]["name"]]
    assert figures["not_evaluated"] == ["SC-N-9-IM-0001-0090"]
    assert figures["num_cases"] == 4
    assert figures["mean_dice"] == pytest.approx(np.mean([float(row["dice"]) for row in rows]), abs=1e-6)


def test_excluded_patients_are_reported_beside(tmp_path: Path) -> None:
    cases = [_case(index) for index in range(6)]
    report = EvaluationReport(tmp_path, excluded_patients=["SC-N-1"], num_samples=20)
    _run(report, cases)
    rows, figures = _read(tmp_path)
    assert [row["excluded"] for row in rows] == ["False", "False", "True", "True", "False", "False"]
    assert (figures["num_cases"], figures["with_excluded_patients"]["num_cases"]) == (4, 6)
    kept = [evaluate_output(case) for case in cases if case["patient"] != "SC-N-1"]
    assert figures["mean_dice"] == pytest.approx(summarize_cases(kept, num_samples=20)["mean_dice"])


def test_cases_without_any_label(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _run(EvaluationReport(tmp_path), [{"pred_mask": _disk((20, 20), 5)}])
    rows, figures = _read(tmp_path)
    assert rows[0]["name"] == "case_0000"
    assert figures["without_reference"] == ["case_0000"]
    assert figures["mean_dice"] is None
    assert "all metrics of the report are null" in caplog.text


def test_a_failed_run_leaves_the_earlier_report(tmp_path: Path) -> None:
    report = EvaluationReport(tmp_path, num_samples=20)
    _run(report, [_case(index) for index in range(4)])
    before = (tmp_path / "metrics.json").read_bytes()
    broken = {**_case(1), "pred_mask": torch.zeros(1, 3, 3)}
    with pytest.raises(ValueError, match="Case 'SC-N-0-IM-0001-0001'"):
        _run(report, [_case(0), broken], batch_size=1)
    assert (tmp_path / "metrics.json").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["metrics.csv", "metrics.json"]


def test_both_files_are_of_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when the second file is written."""
    report = EvaluationReport(tmp_path, num_samples=20)
    _run(report, [_case(index) for index in range(4)])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(path: Path, text: str) -> None:
        if path.name == "metrics.json":
            raise OSError(28, "No space left on device")
        path.write_text(text, encoding="utf-8")

    monkeypatch.setattr("monai_acdr.handlers.evaluation_report.write_text_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        _run(report, [_case(index) for index in range(2)])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert sorted(before) == ["metrics.csv", "metrics.json"]


def test_output_must_be_decollated(tmp_path: Path) -> None:
    engine = Engine(lambda _, batch: {"pred_mask": torch.zeros(2, 1, 4, 4)})
    EvaluationReport(tmp_path).attach(engine)
    with pytest.raises(TypeError, match="list of dictionaries, but got dict"):
        engine.run([0])


def test_metadata_must_be_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        EvaluationReport(tmp_path, metadata={"roi": float("nan")})


def test_in_a_monai_evaluator(tmp_path: Path) -> None:
    # Names and reference contours stay in the evaluator's batch; masks and labels are in its output.
    cases = [{**_case(index), "image": _disk((20, 22), 8.0 + index % 3)} for index in range(5)]
    for case in cases:
        del case["pred_mask"], case["pred"]
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(cases), batch_size=2, collate_fn=list_data_collate),
        network=torch.nn.Identity(),
        postprocessing=Lambdad("pred", lambda mask: (mask > 0.5).float(), overwrite="pred_mask"),
        key_val_metric={"mean_dice": MeanDice(output_transform=from_engine(["pred_mask", "label"]))},
        val_handlers=[EvaluationReport(tmp_path, contour_key=None, num_samples=20)],
    )
    evaluator.run()
    rows, figures = _read(tmp_path)
    assert [row["patient"] for row in rows] == [case["patient"] for case in cases]
    assert (rows[0]["row_spacing_mm"], rows[0]["apd_px"]) == ("2.0", "")
    assert figures["mean_dice"] == pytest.approx(evaluator.state.metrics["mean_dice"], rel=1e-5)


class _Known(torch.nn.Module):
    """In place of a network: gives known contours, one for each image."""

    def __init__(self, contours: Iterator[torch.Tensor]) -> None:
        super().__init__()
        self.contours = contours

    def forward(self, _image: torch.Tensor) -> torch.Tensor:
        return next(self.contours)[None]


def test_like_is_compared_with_like(tmp_path: Path) -> None:
    """A network that knows the contours has Dice 1 against drawn masks, when its own are drawn, and less otherwise."""
    contours = [circle(torch.tensor([20.3, 22.4]), radius, 64) for radius in (7.0, 9.3, 11.1)]
    items = []
    for index, contour in enumerate(contours):
        mask = draw_mask(contour, SIZE)[0].numpy().astype(np.uint8)
        Image.fromarray(255 * mask).save(tmp_path / f"{index}.png")
        items.append({"image": str(tmp_path / f"{index}.png"), "label": str(tmp_path / f"{index}.png")})
        items[-1]["mask_rule"] = "drawn"
    read = [LoadImaged("image", reader=PictureReader()), EnsureChannelFirstd("image"), CheckImaged("image")]
    load = Compose([*read, LoadReferenced("label")])
    dice = {}
    for rule_key in ("label", None):
        known = iter(contours)
        evaluator = SupervisedEvaluator(
            device=torch.device("cpu"),
            val_data_loader=DataLoader(Dataset(items, load), batch_size=1),
            network=_Known(known),
            postprocessing=ContourToMaskd(
                "pred", original=True, threshold=0.5, output_keys="pred_mask", rule_key=rule_key
            ),
            val_handlers=[EvaluationReport(tmp_path / "out", num_samples=20)],
        )
        evaluator.run()
        rows, figures = _read(tmp_path / "out")
        assert [row["mask_rule"] for row in rows] == ["drawn"] * 3
        assert figures["mask_rules"]["prediction"] == {"drawn" if rule_key else "covered": 3}
        assert max(float(row["apd_px"]) for row in rows) < 0.3  # the contours themselves are right
        dice[rule_key] = figures["mean_dice"]
    assert dice["label"] == 1 and dice[None] < 0.975


def test_figures_by_group(tmp_path: Path) -> None:
    cases = [{**_case(index), "pathology": "BENIGN" if index % 2 else None} for index in range(4)]
    options = ReportOptions(strata=["pathology"], size_edges_mm=(5, 30))
    report = EvaluationReport(tmp_path, options=options, num_samples=20)
    _run(report, cases)
    rows, figures = _read(tmp_path)
    assert [row["pathology"] for row in rows] == ["unknown", "BENIGN", "unknown", "BENIGN"]
    assert figures["by_pathology"]["BENIGN"]["num_cases"] == 2
    assert figures["by_pathology"]["unknown"]["mean_dice"] == pytest.approx(
        np.mean([float(rows[index]["dice"]) for index in (0, 2)]), abs=1e-6
    )
    assert list(figures["by_size"]) == ["5 - 30 mm"]
    assert float(rows[0]["area_error_mm2"]) == pytest.approx(
        float(rows[0]["pred_area_mm2"]) - float(rows[0]["reference_area_mm2"]), abs=1e-5
    )


def _start(index: int, gain: float) -> dict[str, Any]:
    """Reference of 400 pixels; the result covers 300 of them, the start so many that the Dice is `gain` lower."""
    label, pred, initial = (torch.zeros(1, *SIZE) for _ in range(3))
    label[0, :20, :20] = 1
    pred[0, :15, :20] = 1
    covered = (600 / 700 - gain) * 400 / (2 - (600 / 700 - gain))  # pixels of a start within the reference
    initial.view(-1)[label.view(-1).nonzero()[: round(covered), 0]] = 1
    named = {"name": f"case {index}", "patient": f"p{index}"}
    return {"label": label, "pred_mask": pred, "initial_mask": initial, **named}


@pytest.mark.parametrize(("gains", "is_beaten"), [((0.3, 0.2, 0.25), True), ((0.02, 0.01, 0.0), False)])
def test_the_starting_contour_stands_beside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, gains: tuple[float, ...], is_beaten: bool
) -> None:
    cases = [_start(index, gain) for index, gain in enumerate(gains)]
    _run(EvaluationReport(tmp_path, contour_key=None, structures=["lesion"], num_samples=20), cases)
    rows, figures = _read(tmp_path)
    for row, case, gain in zip(rows, cases, gains, strict=True):
        number = float(case["initial_mask"].sum())
        assert float(row["initial_dice"]) == pytest.approx(2 * number / (number + 400), abs=1e-6)
        assert float(row["dice"]) - float(row["initial_dice"]) == pytest.approx(gain, abs=2e-3)
    part = figures["by_structure"]["lesion"]
    assert part["mean_initial_dice"] == pytest.approx(np.mean([float(row["initial_dice"]) for row in rows]), abs=1e-6)
    assert part["mean_dice_gain"] == pytest.approx(np.mean(gains), abs=2e-3)
    found = [(item["kind"], item["subject"]) for item in figures["findings"]]
    assert found == ([] if is_beaten else [("start_not_beaten", "lesion")])
    assert ("not clearly above" in caplog.text) != is_beaten


def test_no_finding_without_a_starting_contour(tmp_path: Path) -> None:
    _run(EvaluationReport(tmp_path, num_samples=20), [_case(index) for index in range(4)])
    rows, figures = _read(tmp_path)
    assert (figures["findings"], figures["mean_initial_dice"], rows[0]["initial_dice"]) == ([], None, "")


# --- Several structures ---------------------------------------------------------------------------------------------

STRUCTURES = ("lv", "lv_epicardium")


def _two(index: int) -> dict[str, Any]:
    """The case as inner structure, and a larger one about it; both references are known."""
    case = _case(index)
    affine = case["label"].affine
    outer, reference = ((20.0, 22.0), 14.0), ((20.0, 23.0), 13.0)
    return {
        **case,
        "pred_mask": MetaTensor(torch.cat([case["pred_mask"].as_tensor(), _disk(*outer)]), affine=affine),
        "label": MetaTensor(torch.cat([case["label"].as_tensor(), _disk(*reference)]), affine=affine),
        "pred": torch.cat([case["pred"], circle(torch.tensor([outer[0]]), outer[1], 64)]),
        "reference": MetaTensor(
            torch.cat([case["reference"].as_tensor(), circle(torch.tensor([reference[0]]), reference[1], 80)]),
            affine=affine,
        ),
        "roi_dice": torch.tensor([0.5, 0.75]),
    }


def _part(case: dict[str, Any], index: int) -> dict[str, Any]:
    keys = ("pred_mask", "label", "pred", "reference")
    return {**case, **{key: case[key][index : index + 1] for key in keys}, "roi_dice": float(case["roi_dice"][index])}


def test_a_row_for_each_structure_of_each_case(tmp_path: Path) -> None:
    cases = [_two(index) for index in range(4)]
    for key in ("label", "reference"):
        cases[1][key][1] = float("nan")
    cases[1]["roi_dice"][1] = float("nan")
    _run(EvaluationReport(tmp_path, structures=STRUCTURES, num_samples=20), cases)
    rows, figures = _read(tmp_path)
    assert list(rows[0]) == [*CASE_COLUMNS, "structure", "nested", "mask_rule", "excluded"]
    assert (rows[2]["mask_rule"], rows[3]["mask_rule"]) == ("covered", "")
    assert [row["structure"] for row in rows] == list(STRUCTURES) * 4
    assert [row["name"] for row in rows[::2]] == [case["name"] for case in cases]
    expected = evaluate_output(_part(cases[2], 1))
    for key in ("dice", "hd95_mm", "apd_mm", "boundf", "roi_dice"):
        assert float(rows[5][key]) == pytest.approx(expected[key], abs=1e-6)  # type: ignore[literal-required]
    assert (rows[3]["status"], rows[3]["dice"], rows[3]["roi_dice"]) == ("no_reference", "", "")
    outer = figures["by_structure"]["lv_epicardium"]
    assert (figures["num_cases"], outer["num_cases"]) == (4, 3)
    assert outer["without_reference"] == [cases[1]["name"]]
    assert outer["mean_dice"] == pytest.approx(np.mean([float(rows[index]["dice"]) for index in (1, 5, 7)]), abs=1e-6)
    assert figures["structure"] == "lv"
    inner = figures["by_structure"]["lv"]
    assert {key: figures[key] for key in inner} == inner
    assert figures["not_nested"] == []


def test_the_inner_structure_scores_as_it_does_alone(tmp_path: Path) -> None:
    cases = [_two(index) for index in range(4)]
    _run(EvaluationReport(tmp_path / "both", structures=STRUCTURES, num_samples=20), cases)
    _run(EvaluationReport(tmp_path / "one", num_samples=20), [_part(case, 0) for case in cases])
    _, both = _read(tmp_path / "both")
    _, one = _read(tmp_path / "one")
    of_all = {"mask_rules"}  # counts masks of all structures
    assert {key: both[key] for key in one if key not in of_all} == {key: one[key] for key in one if key not in of_all}


@pytest.mark.parametrize("with_contours", [True, False])
def test_cases_that_are_not_nested_are_named(tmp_path: Path, with_contours: bool) -> None:
    cases = [_two(index) for index in range(3)]
    for key in ("pred", "pred_mask"):
        cases[1][key] = cases[1][key].flip(0)
    report = EvaluationReport(
        tmp_path, structures=STRUCTURES, contour_key="pred" if with_contours else None, num_samples=20
    )
    _run(report, cases)
    rows, figures = _read(tmp_path)
    assert figures["not_nested"] == [cases[1]["name"]]
    assert [row["nested"] for row in rows[::2]] == ["True", "False", "True"]


def test_structures_that_do_not_fit_the_cases(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Expected masks \(1, H, W\), but got \(2, 48, 40\): name the structures"):
        evaluate_output(_two(0))
    with pytest.raises(ValueError, match=r"Expected `pred_mask` of each case to have one entry for each of \['lv',"):
        _run(EvaluationReport(tmp_path, structures=STRUCTURES), [_case(0)])
    with pytest.raises(ValueError, match="Expected `structures` to have different names"):
        EvaluationReport(tmp_path, structures=["lv", "lv"])
    with pytest.raises(TypeError, match="unexpected keyword argument 'stratum'"):
        EvaluationReport(tmp_path, stratum="pathology")


def test_one_named_structure(tmp_path: Path) -> None:
    _run(EvaluationReport(tmp_path, structures=["lv"], num_samples=20), [{**_case(0), "roi_dice": 0.5}])
    rows, figures = _read(tmp_path)
    assert (rows[0]["structure"], rows[0]["nested"], rows[0]["roi_dice"]) == ("lv", "True", "0.5")
    assert list(figures["by_structure"]) == ["lv"]


def test_a_missing_reference_of_one_structure() -> None:
    case = _case(0)
    case["label"][:] = float("nan")
    assert evaluate_output(case)["status"] == "no_reference"
