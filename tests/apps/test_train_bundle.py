# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A training from images and masks to a bundle that the other commands take, on tiny synthetic pairs."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from ignite.engine import Events
from monai.bundle import ConfigWorkflow
from monai.data import MetaTensor
from monai.utils import set_determinism
from PIL import Image

from monai_acdr.apps import SegmentOptions, TrainOptions, evaluate, segment, train, train_bundle, training_results
from monai_acdr.apps.cli import main
from monai_acdr.apps.model import load_model
from monai_acdr.apps.train_bundle import plan_training
from monai_acdr.apps.training_plan import TrainingPlan, read_plan
from monai_acdr.apps.training_results import RESULT_NAMES, auto_findings
from monai_acdr.data.quality import pair_quality_report
from monai_acdr.files import file_sha256
from monai_acdr.handlers import load_checkpoint
from monai_acdr.inferers import LocatedHeart

NUMBER, SIZE = 6, 96


@pytest.fixture(autouse=True)
def _leave_the_process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    yield
    set_determinism(None)


def write_disks(folder: Path, radii: list[list[float]], labels: bool = False) -> Path:
    """Bright disks on noise; a list of radii for each image. ``labels`` puts a disk of 1 into each disk of 2."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    rows = [("file", "patient", "site")]
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for index, of_image in enumerate(radii):
        mask = np.zeros((SIZE, SIZE), np.uint8)
        for place, radius in enumerate(of_image):
            center = (26 + 44 * (place % 2), 26 + 44 * (place // 2)) if len(of_image) > 1 else (48, 48)
            distance = np.hypot(x - center[0], y - center[1])
            mask[distance <= radius] = 2 if labels else 255
            if labels:
                mask[distance <= radius / 2] = 1
        image = np.clip(80 + 90 * (mask > 0) + 40 * (mask == 1) + rng.normal(0, 10, mask.shape), 0, 255)
        name = f"im{index:02d}.png"
        Image.fromarray(image.astype(np.uint8)).save(folder / "images" / name)
        Image.fromarray(mask).save(folder / "masks" / name)
        rows.append((name, f"patient {index // 2}", f"site {index // 3}"))
    with (folder / "index.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images of three patients, of which the first two have two objects; sizes differ by a factor of two."""
    radii = [[9.0, 16.0], [10.0, 15.0], [20.0], [11.0], [18.0], [12.0]]
    return write_disks(tmp_path_factory.mktemp("disks") / "data", radii)


@pytest.fixture(scope="module")
def tiny_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "tiny.json"
    path.write_text(json.dumps({"input_size": 32, "vertices": 16, "batch_size": 4, "epochs": 2}))
    return path


@pytest.fixture(scope="module")
def trained(disks: Path, tiny_plan: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, list[str]]:
    """Output, result and lines of a training that nobody changes."""
    output, lines = tmp_path_factory.mktemp("trained") / "out", []
    options = TrainOptions(plan=tiny_plan, device="cpu")
    result = train(disks, output, options=options, structure="bright disk", say=lines.append)
    return output, result, lines


def test_files_and_lines(trained: tuple[Path, Any, list[str]]) -> None:
    output, result, lines = trained
    names = {path.name for path in output.iterdir()}
    assert names == {*RESULT_NAMES, "fingerprint.json", "plan.json", "quality.json", "split.csv", "training"}
    assert result.metrics == json.loads((output / "metrics.json").read_text())
    assert result.held_out == result.metrics["num_cases"] == len((output / "metrics.csv").read_text().splitlines()) - 1
    assert result.first_metric_seconds < result.seconds
    text = "\n".join(lines)
    assert "epoch 2 of 2: loss" in text
    assert "held out after epoch 2: mean Dice" in text
    assert "input_size: 32 (given)" in text
    card = (output / "card.md").read_text()
    assert "bright disk" in card
    assert f"{result.metrics['mean_dice']:.4f}" in card
    assert "the size of the object is given" in card
    assert Image.open(output / "worst_cases.png").size[0] > 200
    started = [float(row["initial_dice"]) for row in csv.DictReader((output / "metrics.csv").open())]
    assert result.metrics["mean_initial_dice"] == pytest.approx(np.mean(started))
    # The start is a circle of half the region about a disk, whose region is 1.2 diameters wide: (0.6 / 1) squared.
    assert np.mean(started) == pytest.approx(2 * 0.36 / 1.36, abs=0.05)
    assert f"{result.metrics['mean_initial_dice']:.4f}" in card
    assert ("not clearly above" in card) == bool(result.metrics["findings"])


def test_objects_have_regions_of_their_own_and_patients_stay_apart(trained: tuple[Path, Any, list[str]]) -> None:
    output, result, _ = trained
    seen, held = result.metrics["metadata"]["trained_on"], result.metrics["metadata"]["held_out"]
    assert seen[0] + held[0] == 8  # 6 images, two of which have two
    groups = dict(list(csv.reader((output / "split.csv").open()))[1:])
    assert sorted(groups) == ["patient 0", "patient 1", "patient 2"]
    assert sorted(groups.values()) == ["test", "training", "training"]
    trained_on = (output / "bundle" / "configs" / "trained_on.txt").read_text().splitlines()
    assert trained_on == sorted(patient for patient, group in groups.items() if group == "training")


def test_the_other_commands_take_the_bundle(trained: tuple[Path, Any, list[str]], disks: Path, tmp_path: Path) -> None:
    output, result, _ = trained
    bundle = output / "bundle"
    again = evaluate(disks, tmp_path / "evaluated", bundle, device="cpu")
    assert again["mean_dice"] == pytest.approx(result.metrics["mean_dice"], abs=1e-6)
    assert again["num_cases"] == result.held_out
    report = segment(disks / "images" / "im02.png", tmp_path / "segmented", bundle, roi="box 28 28 68 68", device="cpu")
    assert report.structures == ("bright disk",)
    document = json.loads((tmp_path / "segmented" / "contours.json").read_text())
    assert document["algorithm"]["name"] == report.model["name"] == "Contours of bright disk (ACDR)"
    assert report.frames[0].region == (48.0, 48.0, 48.0, 48.0)  # 1.2 times as large
    named = r'and the bundle "Contours of bright disk \(ACDR\)" has no localizer; give --roi box X0 Y0 X1 Y1, in pixels'
    with pytest.raises(ValueError, match=named):
        segment(disks / "images" / "im02.png", tmp_path / "auto", bundle, device="cpu")


def test_patients_that_have_the_names_of_those_trained_on(trained: tuple[Path, Any, list[str]], tmp_path: Path) -> None:
    bundle = trained[0] / "bundle"
    seen = (bundle / "configs" / "trained_on.txt").read_text().splitlines()
    other = write_disks(tmp_path / "other", [[20.0], [11.0], [18.0]])

    def run(patients: list[str], *arguments: str) -> Any:
        rows = [f"im{index:02d}.png,{patient}" for index, patient in enumerate(patients)]
        (other / "index.csv").write_text("\n".join(["file,patient", *rows]))
        command = ["evaluate", str(other), "-m", str(bundle), "-o", str(tmp_path / "out"), "--device", "cpu"]
        return CliRunner().invoke(main, [*command, "--overwrite", *arguments])

    result = run([*seen, "new"])
    assert result.exit_code == 0, result.output
    said = "2 of 3 image(s) left out: their patients have the names of patients that the network was trained on"
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["num_cases"], metrics["metadata"]["findings"]) == (1, {"trained_on": 2})
    assert f"Note: {said} (trained_on.txt); 1 of 3 object(s) are measured; if they are other people" in result.output
    assert said in metrics["metadata"]["notes"][0]
    assert "patient_absent" not in result.output
    assert "patient_absent" not in run(["p", "q", "r"]).output
    result = run([*seen, *seen[:1]])
    assert result.exit_code == 3
    assert "the patients of all 3 image(s) have the names of patients that it was trained on" in result.output
    assert "but got 'test'" not in result.output
    assert "num_cases: 3" in run([*seen, *seen[:1]], "--set", "group=null").output


def test_a_localizer_that_does_not_find_is_a_finding() -> None:
    given = {"a": {"mean_dice": 0.9}, "b": {"mean_dice": 0.5}}
    auto = {"a": {"mean_dice": 0.71, "num_cases": 4}, "b": {"mean_dice": 0.41, "num_cases": 4}}
    (finding,) = auto_findings(auto, given)
    assert (finding.kind, finding.subject) == ("auto_unreliable", "a")
    assert finding.text.startswith("mean Dice 0.7100 with --roi auto, against 0.9000 with the region given")
    assert auto_findings({"a": {"mean_dice": 0.0, "num_cases": 0}}, given) == []


@pytest.mark.parametrize("share", [0.0, 100.0])
def test_a_localizer_is_trained_along(
    tmp_path: Path, tiny_plan: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """Where there is one object per image. How well it finds them is a matter of more steps than these, so the share of
    the Dice with given regions that it has to reach is set to one that it reaches, and to one that it cannot reach."""
    monkeypatch.setattr(training_results, "AUTO_SHARE", share)
    data = write_disks(tmp_path / "data", [[9.0], [16.0], [12.0], [10.0]])
    plan = json.loads(tiny_plan.read_text()) | {"localizer_steps": 4, "epochs": 1}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    output, lines = tmp_path / "out", []
    result = train(data, output, plan=tmp_path / "plan.json", device="cpu", say=lines.append)
    auto = json.loads((output / "metrics.json").read_text())["auto"]
    assert auto == result.metrics["auto"]
    found = auto["by_structure"]["object"]
    assert found["num_cases"] == result.held_out == 2
    assert len(auto["not_found"]) < 2 or found["mean_dice"] == 0
    card = (output / "card.md").read_text()
    assert card == (output / "bundle" / "docs" / "README.md").read_text()
    assert f"nothing was found in {len(auto['not_found'])} of them" in card
    assert "\nThe check found nothing. `fingerprint.json` describes" in card
    is_unreliable = share > 0
    kinds = [item["kind"] for item in result.metrics["findings"]]
    assert kinds.count("auto_unreliable") == is_unreliable
    assert any("ROI auto is unreliable" in line for line in lines) == is_unreliable
    assert ("was left out of the bundle" in card) == is_unreliable
    assert ("`--roi auto` finds" in card) != is_unreliable
    assert (output / "bundle" / "models" / "localizer.pt").exists() != is_unreliable
    assert (output / "training" / "localizer" / "localizer.pt").is_file()  # to continue from
    regions = json.loads((output / "bundle" / "configs" / "metadata.json").read_text())["regions"]
    assert regions["localized_scale"] == (None if is_unreliable else 1.2)
    options = SegmentOptions(all_frames=True, device="cpu")
    if is_unreliable:
        with pytest.raises(ValueError, match="has no localizer; give --roi box X0 Y0 X1 Y1"):
            segment(data / "images" / "im02.png", tmp_path / "seg", output / "bundle", options=options)
        return
    report = segment(data / "images" / "im02.png", tmp_path / "seg", output / "bundle", "auto", options=options)
    assert report.frames[0].confidence is not None and not report.frames[0].reason
    config = json.loads((output / "bundle" / "configs" / "localizer.json").read_text())
    assert (config["max_epochs"] * config["steps_per_epoch"], config["frame"]["angle"]) == (4, 180.0)


def test_colors(tmp_path: Path, tiny_plan: Path) -> None:
    """Disks that differ from what surrounds them in color, and not in luminance."""
    data = write_disks(tmp_path / "data", [[12.0], [16.0], [14.0], [18.0]])
    for path in sorted((data / "images").iterdir()):
        mask = np.asarray(Image.open(data / "masks" / path.name)) > 0
        colors = np.where(mask[..., None], (190, 100, 60), (60, 170, 50)).astype(np.uint8)
        Image.fromarray(colors).save(path)
    plan = json.loads(tiny_plan.read_text()) | {"epochs": 1, "localizer_steps": 4}
    assert plan_training(data).plan.channels == 3
    (tmp_path / "plan.json").write_text(json.dumps({**plan, "channels": 3}))
    output = tmp_path / "out"
    train(data, output, plan=tmp_path / "plan.json", device="cpu")
    model = load_model(output / "bundle", device="cpu")
    assert model.channels == next(model.infer.network.parameters()).shape[1] == 3
    pixels, box = np.array(Image.open(data / "images" / "im00.png")), (30, 30, 66, 66)
    one = model.outline(pixels, box).vertices_px
    first = np.moveaxis(pixels, -1, 0).copy()
    for image in (torch.from_numpy(first), MetaTensor(torch.from_numpy(first)), [pixels]):
        found = model.outline(image, box)
        found = found[0] if isinstance(found, list) else found
        np.testing.assert_allclose(found.vertices_px, one, atol=1e-4)
    np.testing.assert_allclose(model.outline(first[None], box)[0].vertices_px, one, atol=1e-4)
    document = segment(
        data / "images" / "im00.png", tmp_path / "seg", output / "bundle", roi=("box", *box), device="cpu"
    )
    assert document.frames[0].region == (48.0, 48.0, 43.2, 43.2)
    contours = json.loads((tmp_path / "seg" / "contours.json").read_text())["frames"][0]["contours"]
    np.testing.assert_allclose(contours[0]["vertices_px"], one[0], atol=1e-3)
    for picture in (output / "worst_cases.png", tmp_path / "seg" / "contact_sheet.png"):  # red disks on green
        red, green, _ = np.moveaxis(np.asarray(Image.open(picture).convert("RGB")).astype(int), -1, 0)
        assert np.mean(red > green + 60) > 0.05 and np.mean(green > red + 60) > 0.05
    swapped = model.outline(pixels[..., [1, 0, 2]].copy(), box).vertices_px
    assert np.abs(swapped - one).max() > 1e-3  # it sees colors
    assert model.outline(pixels[..., 0].copy(), box).vertices_px.shape == one.shape  # gray: three equal channels


def test_the_second_look_is_at_the_box_of_the_first(trained: tuple[Path, Any, list[str]], disks: Path) -> None:
    model = load_model(trained[0] / "bundle", device="cpu")
    place = LocatedHeart(torch.tensor([50.0, 45.0], dtype=torch.float64), 20.0, 0.9, True, False)
    rules = replace(model.regions, localized_scale=1.2)
    localized = replace(model, regions=rules, localizer=lambda images, **_: [place] * len(images))
    pixels = np.array(Image.open(disks / "images" / "im02.png"))
    first = model.outline(pixels, (30, 25, 70, 65))  # scaled by 1.2, as the localizer's square of 2 * 1.2 * 20
    np.testing.assert_allclose(first.region, [50, 45, 48, 48, 0])
    low, high = first.vertices_px[0].min(0), first.vertices_px[0].max(0)
    second = localized.outline(pixels)  # ROI auto is the default of a model with a localizer
    np.testing.assert_allclose(second.region[:4], [*(low + high) / 2, *1.2 * (high - low)], atol=1e-3)
    expected = model.outline(pixels, (*low, *high))
    np.testing.assert_allclose(second.vertices_px, expected.vertices_px, atol=1e-3)
    assert second.confidence == 0.9
    nothing = replace(localized, localizer=lambda _images, **_: [replace(place, presence=0.1, counted=False)])
    assert nothing.outline(pixels).reason == "no object found"


def test_another_data_set_is_evaluated_whole(trained: tuple[Path, Any, list[str]], tmp_path: Path) -> None:
    others = write_disks(tmp_path / "others", [[14.0], [12.0]])
    (others / "index.csv").unlink()
    assert evaluate(others, tmp_path / "out", trained[0] / "bundle", device="cpu")["num_cases"] == 2


@pytest.mark.parametrize(("configs", "kind"), [(("train",), "train"), (("inference",), "infer")])
def test_monai_runs_the_bundle(
    trained: tuple[Path, Any, list[str]], disks: Path, tmp_path: Path, configs: tuple[str, ...], kind: str
) -> None:
    files = [str(trained[0] / "bundle" / "configs" / f"{name}.json") for name in configs]
    places = {"dataset_dir": str(disks), "output_dir": str(tmp_path / "out"), "device": "cpu"}
    if kind == "train":
        places |= {"checkpoint": str(tmp_path / "model.pt"), "max_epochs": 1}
    workflow = ConfigWorkflow(config_file=files, workflow_type=kind, logging_file=False, **places)
    workflow.initialize()
    assert workflow.check_properties() == []
    workflow.run()
    workflow.finalize()
    written = {"train": tmp_path / "model.pt", "infer": tmp_path / "out" / "im00-1.json"}
    assert kind == "infer" or written[kind].is_file()
    assert kind == "train" or list((tmp_path / "out").glob("im00*.json"))


def test_monai_infers_on_the_pictures_that_training_takes(trained: tuple[Path, Any, list[str]], tmp_path: Path) -> None:
    (tmp_path / "ims").mkdir()
    for name in ("a.jpg", "b.tif"):
        Image.fromarray(np.pad(np.full((30, 30), 200, np.uint8), 33)).save(tmp_path / "ims" / name)
    (tmp_path / "boxes.csv").write_text("file,x0,y0,x1,y1\na.jpg,33,33,63,63\nb.tif,33,33,63,63\n")
    config = str(trained[0] / "bundle" / "configs" / "inference.json")
    places = {name: str(tmp_path / place) for name, place in (("dataset_dir", "ims"), ("output_dir", "out"))}
    places |= {"boxes": str(tmp_path / "boxes.csv"), "device": "cpu"}
    workflow = ConfigWorkflow(config_file=config, workflow_type="infer", logging_file=False, **places)
    workflow.initialize()
    workflow.run()
    assert {path.name.split("-")[0] for path in (tmp_path / "out").glob("*.json")} == {"a", "b"}


def test_results_are_not_replaced_unasked(trained: tuple[Path, Any, list[str]], disks: Path) -> None:
    with pytest.raises(FileExistsError, match=r"Expected no results in .*--overwrite"):
        train(disks, trained[0])


def test_a_stopped_training_goes_on(
    trained: tuple[Path, Any, list[str]], disks: Path, tiny_plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one of two epochs; the weights are those of a training that was not stopped."""
    lines: list[str] = []

    def stop(text: str) -> None:
        lines.append(text)
        if text.startswith("held out after epoch 2"):
            raise KeyboardInterrupt("by a test")

    options: dict[str, Any] = {"plan": tiny_plan, "structure": "bright disk", "device": "cpu"}
    with pytest.raises(KeyboardInterrupt, match="by a test"):
        train(disks, tmp_path / "out", say=stop, **options)
    assert lines[-1].startswith("Stopped. The same command continues")
    assert not (tmp_path / "out" / "bundle").exists()
    with pytest.raises(ValueError, match="Expected to continue .*seed 0, now 5"):
        train(disks, tmp_path / "out", seed=5, **options)
    lines.clear()
    train(disks, tmp_path / "out", say=lines.append, **options)
    assert any(text.endswith("continued") for text in lines)
    one, other = (
        load_checkpoint(folder / "bundle" / "models" / "model.pt") for folder in (trained[0], tmp_path / "out")
    )
    for name, values in one.items():
        torch.testing.assert_close(other[name], values)


def test_folds_by_patient(disks: Path, tiny_plan: Path, tmp_path: Path) -> None:
    result = train(disks, tmp_path / "out", plan=tiny_plan, folds=3, epochs=1, device="cpu")
    assert result.plan.epochs == 1
    assert result.held_out == result.metrics["num_cases"] == 8
    groups = list(csv.reader((tmp_path / "out" / "split.csv").open()))[1:]
    assert sorted(group for _, group in groups) == ["fold 1", "fold 2", "fold 3"]
    weights = load_checkpoint(tmp_path / "out" / "bundle" / "models" / "model.pt")
    assert {name.split(".")[2] for name in weights if name.startswith("displacement_net.members")} == {"0", "1", "2"}
    assert "ensemble of all 3 networks" in (tmp_path / "out" / "card.md").read_text()
    bundle = tmp_path / "out" / "bundle"
    report = segment(disks / "images" / "im02.png", tmp_path / "seg", bundle, roi="box 28 28 68 68", device="cpu")
    assert report.frames[0].spread["object"]["mean_px"] > 0  # between its networks
    with pytest.raises(RuntimeError, match="pair_folder_data_list") as error:  # MONAI's, around the one that tells
        evaluate(disks, tmp_path / "evaluated", bundle, device="cpu")
    assert "the patients of all 6 image(s) have the names" in str(error.value.__cause__)


def test_each_fold_measures_a_localizer_of_its_own(
    tmp_path: Path, tiny_plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has not seen the fold; that of the bundle is another one, which has seen all images."""
    monkeypatch.setattr(training_results, "AUTO_SHARE", 0.0)
    data = write_disks(tmp_path / "data", [[9.0], [16.0], [12.0], [10.0]])
    plan = json.loads(tiny_plan.read_text()) | {"localizer_steps": 2, "epochs": 1}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    output, lines = tmp_path / "out", []
    result = train(data, output, plan=tmp_path / "plan.json", folds=2, device="cpu", say=lines.append)
    auto = json.loads((output / "metrics.json").read_text())["auto"]
    assert auto == result.metrics["auto"]
    assert (auto["by_structure"]["object"]["num_cases"], auto["by_structure"]["object"]["num_patients"]) == (4, 2)
    assert [line for line in lines if "objects to train on, 2 steps" in line] == [
        "fold 1 of 2: localizer: 2 objects to train on, 2 steps, for ROI auto",
        "fold 2 of 2: localizer: 2 objects to train on, 2 steps, for ROI auto",
        "all patients: localizer: 4 objects to train on, 2 steps, for ROI auto",
    ]
    assert [line.split(":")[0] for line in lines if "localizer: trained on after" in line] == ["all patients"]
    places = [output / "training" / name / "localizer" for name in ("fold-1", "fold-2", ".")]
    weights = [file_sha256(place / "localizer.pt") for place in places]
    assert len(set(weights)) == 3
    shipped = output / "bundle" / "models" / "localizer.pt"
    card = (output / "card.md").read_text()
    assert "with a localizer of its fold, which has not seen its patient; the bundle's was trained in the same" in card
    assert file_sha256(shipped) == weights[2]
    unreliable = {**result.metrics, "findings": [{"kind": "auto_unreliable"}]}
    text = training_results._auto(unreliable, result.plan, 2)
    assert "was left out of the bundle" in text and "which has not seen its patient.\nGive regions" in text
    expected: list[float] = []  # of the network and the localizer of each fold, on its images
    splits = dict(list(csv.reader((output / "split.csv").open()))[1:])
    for number in (1, 2):
        own = shutil.copytree(output / "bundle", tmp_path / f"bundle-{number}")
        for name, folder in (("model.pt", places[number - 1].parent), ("localizer.pt", places[number - 1])):
            shutil.copyfile(folder / name, own / "models" / name)
        model = load_model(own, device="cpu")
        for index in range(4):
            if splits[f"patient {index // 2}"] == f"fold {number}":
                image, mask = (np.array(Image.open(data / kind / f"im{index:02d}.png")) for kind in ("images", "masks"))
                found = model.outline(image, roi="auto").mask()[0] > 0
                expected.append(2 * np.sum(found & (mask > 0)) / (np.sum(found) + np.sum(mask > 0)))
    assert auto["by_structure"]["object"]["mean_dice"] == pytest.approx(np.mean(expected), abs=1e-6)


def test_minutes_hold_on_a_machine_that_becomes_busy(
    tmp_path: Path, tiny_plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps took no time when the training was planned, and take 5 s now: of 50 epochs few fit into two minutes.

    A fifth is kept for the results. The localizer gets half of the other 96 s: 4 epochs of 10 s. The network gets what
    is left of them: 5 epochs of 10 s.
    """
    now = [0.0]
    monkeypatch.setattr(train_bundle, "time", SimpleNamespace(monotonic=lambda: now[0]))
    attach = train_bundle._Lines.attach

    def slow(lines: Any) -> None:
        lines.trainer.add_event_handler(Events.ITERATION_STARTED, lambda: now.append(now.pop() + 5))
        attach(lines)

    monkeypatch.setattr(train_bundle._Lines, "attach", slow)
    data = write_disks(tmp_path / "data", [[9.0], [16.0], [12.0], [10.0], [11.0], [14.0]])
    plan = json.loads(tiny_plan.read_text()) | {"localizer_steps": 24, "epochs": 50, "batch_size": 2}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    output = tmp_path / "out"
    result = train(data, output, plan=tmp_path / "plan.json", minutes=2, device="cpu")
    assert (now[0], result.seconds, result.plan.epochs, result.plan.localizer_steps) == (90, 90, 5, 8)
    done = read_plan(output / "plan.json")
    assert done == result.plan
    states = [load_checkpoint(output / "training" / name / "last.pt") for name in ("fold-1", "localizer")]
    iterations = [state["trainer"]["iteration"] for state in states]
    assert iterations == [2 * done.epochs, done.localizer_steps]
    assert done.reasons["epochs"] == "as many of 50 as fit into the given minutes"
    assert f"| epochs | {done.epochs} | as many of 50" in (output / "card.md").read_text()
    assert result.metrics["metadata"]["epochs"] == [done.epochs]
    config = json.loads((output / "bundle" / "configs" / "train.json").read_text())
    assert config["max_epochs"] == done.epochs
    assert states[0]["lr_scheduler"]["t_total"] == iterations[0] + 1  # it has decayed


def test_groups_of_the_data_set_are_kept(disks: Path, tmp_path: Path, tiny_plan: Path) -> None:
    table = tmp_path / "table.csv"
    rows = [("file", "patient", "group")]
    rows += [(f"im{i:02d}.png", f"p{i}", "val" if i in (0, 4) else "train") for i in range(NUMBER)]
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    train(disks, tmp_path / "out", plan=tiny_plan, epochs=1, table=table, device="cpu")
    groups = dict(list(csv.reader((tmp_path / "out" / "split.csv").open()))[1:])
    assert {patient for patient, group in groups.items() if group == "test"} == {"p0", "p4"}


def test_a_patient_in_two_groups_stops(disks: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    rows = [
        ("file", "patient", "group"),
        *((f"im{i:02d}.png", f"p{i // 3}", "train test test".split()[i % 3]) for i in range(6)),
    ]
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    with pytest.raises(ValueError, match=r"Expected no patient in two groups, but p0, p1 \(2 in all\)"):
        train(disks, tmp_path / "out", table=table, device="cpu")


@pytest.mark.parametrize("folds", [1, 2])
def test_copies_are_findings_and_on_one_side_of_the_split(tmp_path: Path, folds: int) -> None:
    """As the check without a training finds them; patients keep their names, by which ``evaluate`` leaves them out."""
    data = write_disks(tmp_path / "data", [[9.0], [16.0], [12.0], [10.0], [14.0], [11.0]])
    (data / "index.csv").unlink()
    for kind in ("images", "masks"):
        for number, name in enumerate(("case_1", "case_2", "case_3", "case_4", "case_5", "case_6")):
            (data / kind / f"im{number:02d}.png").rename(data / kind / f"{name}.png")
    for copy in ("case_1", "case_3"):
        for kind in ("images", "masks"):
            shutil.copyfile(data / kind / "case_5.png", data / kind / f"{copy}.png")
    prepared = plan_training(data, TrainOptions(folds=folds))
    subjects = [finding.subject for finding in prepared.report.of("duplicate_picture")]
    assert subjects == [finding.subject for finding in pair_quality_report(data).of("duplicate_picture")]
    assert subjects == ["images/case_3.png", "images/case_5.png"]
    for seen, held in prepared.runs:
        sides = [{item["name"].removesuffix("-1") for item in side} for side in (seen, held)]
        assert sides[0] | sides[1] == {f"case_{number}" for number in range(1, 7)}
        assert len([side for side in sides if side & {"case_1", "case_3", "case_5"}]) == 1
        assert all(item["patient"] == item["name"].removesuffix("-1") for item in [*seen, *held])
    assert any("picture in common" in note for note in prepared.report.notes)


def test_copies_of_one_patient_are_too_few(tmp_path: Path) -> None:
    data = write_disks(tmp_path / "data", [[12.0], [12.0], [12.0]])
    for kind in ("images", "masks"):
        shutil.copyfile(data / kind / "im00.png", data / kind / "im02.png")
    with pytest.raises(
        ValueError, match="at least two patients.*got 1; patients with a picture in common count as one"
    ):
        plan_training(data)


def test_another_column_keeps_images_together(disks: Path, tmp_path: Path, tiny_plan: Path) -> None:
    train(disks, tmp_path / "out", plan=tiny_plan, epochs=1, patient_column="site", device="cpu")
    groups = dict(list(csv.reader((tmp_path / "out" / "split.csv").open()))[1:])
    assert sorted(groups) == ["site 0", "site 1"]
    with pytest.raises(ValueError, match="Expected a column 'ward' with values.*check --patient-column"):
        train(disks, tmp_path / "other", patient_column="ward")


def test_labels_are_structures(tmp_path: Path, tiny_plan: Path) -> None:
    data = write_disks(tmp_path / "data", [[16.0], [18.0], [20.0], [17.0]], labels=True)
    text = {
        "structures": ["core", "rim"],
        "initial_diameter": [0.3, 0.5],
        "input_size": 32,
        "vertices": 16,
        "epochs": 1,
    }
    (tmp_path / "plan.json").write_text(json.dumps(text))
    with pytest.raises(ValueError, match=r"Expected a plan for the structures .* but it has \['object'\]"):
        train(data, tmp_path / "out", plan=tiny_plan, device="cpu")
    result = train(data, tmp_path / "out", plan=tmp_path / "plan.json", device="cpu")
    assert set(result.metrics["by_structure"]) == {"core", "rim"}
    report = segment(data / "images" / "im00.png", tmp_path / "seg", tmp_path / "out" / "bundle", roi="box 30 30 66 66")
    assert report.structures == ("core", "rim")


def test_one_label_of_several(tmp_path: Path, tiny_plan: Path) -> None:
    """Objects of the label have regions of their own, and so they have where the bundle measures them again."""
    data = write_disks(tmp_path / "data", [[16.0, 12.0], [18.0], [20.0], [17.0]], labels=True)
    with pytest.raises(ValueError, match=r"among \['label 1', 'label 2'\].*got \['lable 1'\].*--structure"):
        train(data, tmp_path / "out", structure="lable 1", device="cpu")
    result = train(data, tmp_path / "out", plan=tiny_plan, structure="LABEL 1", device="cpu")
    assert result.plan.structures == ("label 1",)
    assert result.metrics["metadata"]["trained_on"][0] + result.held_out == 5
    again = evaluate(data, tmp_path / "evaluated", result.bundle, device="cpu")
    assert again["mean_dice"] == pytest.approx(result.metrics["mean_dice"], abs=1e-6)
    report = segment(data / "images" / "im00.png", tmp_path / "seg", result.bundle, roi="box 30 30 66 66")
    assert report.structures == ("label 1",)


def test_a_finding_is_said_once(disks: Path, tmp_path: Path, tiny_plan: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One epoch does not beat the start: that is the caller's to show, from the result."""
    result = train(disks, tmp_path / "out", plan=tiny_plan, epochs=1, device="cpu")
    assert [finding["kind"] for finding in result.metrics["findings"]] == ["start_not_beaten"]
    assert "not clearly above" not in caplog.text


def test_labels_chosen_in_any_order(tmp_path: Path) -> None:
    data = write_disks(tmp_path / "data", [[16.0], [18.0], [20.0], [17.0]], labels=True)
    prepared = plan_training(data, TrainOptions(structure=["label 2", "label 1"]))
    assert prepared.plan.structures == ("label 1", "label 2")
    assert prepared.list_options == {"structures": ["label 2", "label 1"]}


@pytest.mark.parametrize("folds", [1, 3])
def test_the_plan_counts_the_objects_that_are_trained_on(tmp_path: Path, folds: int) -> None:
    """Patients differ in their numbers of objects, and a speck is left out: no share of all objects is that number."""
    data = write_disks(tmp_path / "data", [[14.0], [15.0], [16.0], [17.0, 14.0], [15.0, 14.0, 16.0, 1.5], [13.0, 15.0]])
    prepared = plan_training(data, TrainOptions(folds=folds))
    number = len(prepared.runs[0][0])
    assert number != round((0.8 if folds == 1 else 2 / 3) * prepared.fingerprint.num_items)
    assert prepared.plan.reasons["batch_size"].startswith(f"{number} objects to train on")
    assert prepared.plan.batch_size == max(2, min(8, number))
    batches = number // prepared.plan.batch_size
    assert prepared.plan.epochs == round(800 / batches)


def test_minutes_set_the_epochs(disks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = []
    monkeypatch.setattr(train_bundle, "_write_beginning", lambda *values: plans.append(values[3]) or _stop())
    with pytest.raises(InterruptedError, match="by a test"):
        train(disks, tmp_path / "out", minutes=0.5, device="cpu")
    assert plans[0].epochs >= 1
    assert "0.5 minutes" in plans[0].reasons["epochs"]


@pytest.mark.parametrize(
    ("minutes", "spent", "folds", "localizer_steps", "epochs"),
    [(10, 0, 1, 600, 225), (2, 0, 1, 240, 30), (2, 16, 1, 200, 25), (2, 0, 2, 79, 30), (0.001, 0, 1, 1, 1)],
)
def test_minutes_are_those_of_both_networks(
    monkeypatch: pytest.MonkeyPatch, minutes: float, spent: float, folds: int, localizer_steps: int, epochs: int
) -> None:
    """Steps of .2 s, 8 per epoch: of 2 minutes without a fifth, 96 s, half for localizers: three of two folds."""
    monkeypatch.setattr(train_bundle, "_seconds_of", lambda step, limit: 0.2)
    plan = TrainingPlan(batch_size=4, localizer_steps=600, input_size=32, folds=folds)
    planned = train_bundle._for_minutes(plan, 32, minutes, spent, torch.device("cpu"))
    assert (planned.localizer_steps, planned.epochs) == (localizer_steps, epochs)
    assert ("it may find little" in planned.reasons.get("localizer_steps", "")) == (localizer_steps < 600)


@pytest.mark.parametrize(
    ("durations", "limit", "expected", "number"),
    [([10, 3, 1, 2, 9], 100, 1.3, 4), ([10, 3, 1, 2], 5, 3.9, 2), ([10, 3, 1, 2], 13.5, 1.3, 3), ([60, 1], 5, 78, 1)],
)
def test_duration_of_a_step(
    monkeypatch: pytest.MonkeyPatch, durations: list[float], limit: float, expected: float, number: int
) -> None:
    """By a fake clock: without the first step, which is slow, and soon on a busy machine."""
    now, left = [0.0], list(durations)

    def step() -> None:
        now[0] += left.pop(0)

    monkeypatch.setattr(train_bundle, "time", SimpleNamespace(monotonic=lambda: now[0]))
    assert train_bundle._seconds_of(step, limit) == pytest.approx(expected)
    assert len(durations) - len(left) == number


def _stop() -> None:
    raise InterruptedError("by a test")


def test_refused(disks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="Expected the folder of a data set"):
        train(tmp_path / "absent", tmp_path / "out")
    with pytest.raises(ValueError, match="leave one out"):
        train(disks, tmp_path / "out", epochs=1, minutes=1)
    with pytest.raises(ValueError, match="`folds` to be at least 1"):
        train(disks, tmp_path / "out", folds=0)
    with pytest.raises(ValueError, match="positive `epochs`"):
        train(disks, tmp_path / "out", minutes=0)
    with pytest.raises(ValueError, match="Expected at least 4 patients"):
        train(disks, tmp_path / "out", folds=4)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr("monai_acdr.bundle.find_spec", lambda name: None if name == "tqdm" else name)
    with pytest.raises(ImportError, match=r"Training needs tqdm.*pip install 'monai_acdr\[bundle\]'"):
        train(disks, tmp_path / "out")


def test_findings_come_before_the_error_that_they_explain(disks: Path, tmp_path: Path) -> None:
    """A table that was cut off leaves one patient."""
    table = tmp_path / "table.csv"
    table.write_text("file,patient\nim00.png,p0\nim01.png,p0\nim0")
    lines: list[str] = []
    with pytest.raises(ValueError, match="Expected at least 2 patients"):
        train(disks, tmp_path / "out", table=table, device="cpu", say=lines.append)
    text = "\n".join(lines)
    assert "[1] annotation_without_image" in text and "table.csv, row 3: im0" in text
    assert "[4] not_in_table" in text


def test_images_without_a_group_are_left_out_and_counted(
    disks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "table.csv"
    sites = ["a", "a", "b", "b", "", "c"]
    table.write_text("file,site\n" + "".join(f"im{i:02d}.png,{site}\n" for i, site in enumerate(sites)))
    seen: list[Any] = []
    monkeypatch.setattr(train_bundle, "_write_beginning", lambda *values: seen.append(values) or _stop())
    with pytest.raises(InterruptedError, match="by a test"):
        train(disks, tmp_path / "out", table=table, patient_column="site", device="cpu")
    report, runs = seen[0][1], seen[0][4]
    assert [finding.subject for finding in report.of("no_group")] == ["im04-1"]
    assert sum(map(len, runs[0])) == 7  # of 8 objects in 6 images


def test_command(disks: Path, tiny_plan: Path, tmp_path: Path) -> None:
    words = ["train", str(disks), "-o", str(tmp_path / "out"), "--plan", str(tiny_plan), "--epochs", "1", "--json"]
    result = CliRunner().invoke(main, [*words, "-d", "cpu"])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["plan"]["epochs"] == 1
    assert record["metrics"]["num_cases"] == record["held_out"]
    assert read_plan(tmp_path / "out" / "plan.json").epochs == 1
    assert CliRunner().invoke(main, [*words, "-d", "cpu"]).exit_code == 4
