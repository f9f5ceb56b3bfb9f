# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Volumes against label maps: the numbers of the reference, of a network that draws it, and of one that draws none."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from monai_acdr.apps import AgreementOptions, agreement, volume_agreement
from monai_acdr.apps.cli import main
from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.apps.outlines import Outline
from monai_acdr.data import read_contour, sunnybrook_data_list
from monai_acdr.data.phantoms.heart import ANGLES
from monai_acdr.geometry import resample

SPACING = (1.25, 1.25, 8.0)
RADII = {"ED": (18.0, 20.0, 15.0), "ES": (12.0, 13.0, 6.0)}
"""Radii in pixels of the cavity on each slice."""


def write_patient(
    folder: Path, label: int = 3, radii: dict[str, tuple[float, ...]] | None = None, myocardium: int = 0
) -> Path:
    """Bright disks in a darker ring 8 pixels wide, (90, 80, 3) voxels, and their label map."""
    folder.mkdir(parents=True)
    affine = np.diag([*SPACING, 1.0])
    x, y = np.meshgrid(np.arange(90) + 0.5, np.arange(80) + 0.5, indexing="ij")
    distance = np.hypot(x - 45, y - 40)
    for phase, values in (radii or RADII).items():
        image = np.stack([900.0 * (distance < r) + 300.0 * (distance < r + 8) for r in values], axis=2)
        labels = np.stack([np.where(distance < r, label, myocardium * (distance < r + 8)) for r in values], axis=2)
        nib.save(nib.Nifti1Image(image.astype(np.float32), affine), folder / f"{phase}.nii.gz")
        nib.save(nib.Nifti1Image(labels.astype(np.uint8), affine), folder / f"{phase}_gt.nii.gz")
    return folder


def draw_disks(
    radii: dict[str, tuple[float, ...]], lost: tuple[int, ...] = (), scattered: bool = False
) -> Callable[..., list[Outline]]:
    """In place of the network: circles of these radii; frames of `lost` get none."""
    every = [radii[phase][z] for z in range(3) for phase in ("ED", "ES")]

    def outline(request: Any, inputs: Any, *_: Any, **__: Any) -> list[Outline]:
        circle = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
        outlines = []
        for index, radius in enumerate(every):
            points = np.array([45.0, 40.0]) + radius * circle
            evolution = None if index in lost else np.stack([points[None], points[None]])
            outlines.append(Outline(evolution, None, scattered=scattered and evolution is not None))
        assert len(inputs.frames) == len(every)
        return outlines

    return outline


def volume_ml(radii: tuple[float, ...]) -> float:
    return float(sum(np.pi * r**2 for r in radii) * np.prod(SPACING) / 1000)


def test_volumes_of_contours_and_of_labels(tmp_path: Path, tiny_cavity: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_patient(tmp_path / "data" / "a")
    write_patient(tmp_path / "data" / "b")
    (tmp_path / "data" / "c").mkdir()
    larger = {phase: tuple(r + 1 for r in values) for phase, values in RADII.items()}
    monkeypatch.setattr(volume_agreement, "outline_frames", draw_disks(larger))
    result = agreement(tmp_path / "data", tmp_path / "out", tiny_cavity, device="cpu")
    assert result == json.loads((tmp_path / "out" / "agreement.json").read_text())
    assert (result["patients"], result["failed"], result["slices"], result["lost_slices"]) == (2, [], 12, 0)
    assert result["left_out"] == ["c: ED, ED_gt, ES, ES_gt missing"]
    rows = list(csv.DictReader((tmp_path / "out" / "agreement.csv").open()))
    assert [row["patient"] for row in rows] == ["a", "b"]
    assert not any("mass" in name or "wall" in name or "myocardium" in name for name in rows[0])
    assert Image.open(tmp_path / "out" / "agreement.png").size == (880, 560)  # four measures
    for name, phase in (("edv_ml", "ED"), ("esv_ml", "ES")):
        assert float(rows[0][f"reference_{name}"]) == pytest.approx(volume_ml(RADII[phase]), rel=0.01)
        assert float(rows[0][name]) == pytest.approx(volume_ml(larger[phase]), rel=0.01)
        assert result["measures"][name]["bias"] == pytest.approx(
            volume_ml(larger[phase]) - volume_ml(RADII[phase]), rel=0.1
        )
    expected = 100 * (1 - volume_ml(larger["ES"]) / volume_ml(larger["ED"]))
    assert float(rows[0]["ef_percent"]) == pytest.approx(expected, abs=0.3)
    overlap = 2 * sum(r**2 for r in RADII["ED"]) / sum(r**2 + (r + 1) ** 2 for r in RADII["ED"])
    assert result["mean_dice"]["ED"] == pytest.approx(overlap, abs=0.01)


def test_lost_slices_and_patients_are_counted(
    tmp_path: Path, tiny_cavity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_patient(tmp_path / "data" / "a")
    monkeypatch.setattr(volume_agreement, "outline_frames", draw_disks(RADII, lost=(5,)))
    result = agreement(tmp_path / "data", tmp_path / "one", tiny_cavity, device="cpu")
    assert (result["failed"], result["lost_slices"], result["slices"]) == ([], 1, 6)
    assert result["measures"]["esv_ml"]["bias"] == pytest.approx(-volume_ml(RADII["ES"][2:]), rel=0.05)
    monkeypatch.setattr(volume_agreement, "outline_frames", draw_disks(RADII, lost=(1, 3, 5)))
    result = agreement(tmp_path / "data", tmp_path / "phase", tiny_cavity, device="cpu")
    assert (result["failed"], result["lost_slices"], result["measures"]) == (["a"], 3, {})
    row = next(csv.DictReader((tmp_path / "phase" / "agreement.csv").open()))
    assert row["ef_percent"] == "" and float(row["dice_es"]) == 0


def test_one_patient_that_cannot_be_compared_does_not_stop_the_others(
    tmp_path: Path, tiny_cavity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        write_patient(tmp_path / "data" / name)
    labels = tmp_path / "data" / "b" / "ES_gt.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((90, 80, 3), dtype=np.uint8), np.diag([*SPACING, 1.0])), labels)
    image = nib.load(tmp_path / "data" / "c" / "ED.nii.gz")
    image.set_sform(np.eye(4), 1)  # pixdim and qform keep the spacing, as in copies of ACDC
    nib.save(image, tmp_path / "data" / "c" / "ED.nii.gz")
    monkeypatch.setattr(volume_agreement, "outline_frames", draw_disks(RADII))
    result = agreement(tmp_path / "data", tmp_path / "out", tiny_cavity, device="cpu")
    assert result["patients"] == 2 and result["failed"] == []
    (left_out,) = result["left_out"]
    assert left_out.startswith("b: Expected the label 3 in ")
    finding, *others = (text for text in result["findings"] if ": incomplete_stack: " not in text)  # of three slices
    assert finding.startswith("c: scale_disagreement: the sform has voxels of 1 x 1 x 1") and not others


def test_volumes_that_no_heart_has_are_named(
    tmp_path: Path, tiny_cavity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An affine without spacing makes the volumes and their errors smaller, while every Dice stays."""
    write_patient(tmp_path / "data" / "a")
    for path in write_patient(tmp_path / "data" / "b").iterdir():
        nib.save(nib.Nifti1Image(np.asanyarray(nib.load(path).dataobj), np.eye(4)), path)
    monkeypatch.setattr(volume_agreement, "outline_frames", draw_disks(RADII))
    result = agreement(tmp_path / "data", tmp_path / "out", tiny_cavity, device="cpu")
    assert result["patients"] == 2 and result["mean_dice"]["ED"] > 0.99
    stack, volume, reference = (text for text in result["findings"] if text.startswith("b: "))
    assert stack.startswith("b: incomplete_stack: ") and "3 mm high, less than the cavity is wide" in stack
    assert volume.startswith("b: implausible_volume: end-diastolic volume 2.") and "10 to 700 mL" in volume
    assert reference.startswith("b: implausible_volume: reference, end-diastolic volume 3 mL")
    assert not any("implausible" in text for text in result["findings"] if text.startswith("a: "))


def test_hearts_whose_centers_scatter_are_named(
    tmp_path: Path, tiny_cavity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_patient(tmp_path / "data" / "a")
    for scattered in (False, True):
        monkeypatch.setattr(volume_agreement, "outline_frames", draw_disks(RADII, (5,), scattered))
        result = agreement(tmp_path / "data", tmp_path / f"out{scattered}", tiny_cavity, device="cpu")
        told = [text for text in result["findings"] if "scattered" in text]
        assert len(told) == scattered
        assert all(text.startswith("a: scattered_centers: ") and "any of the 5 outlined" in text for text in told)


def test_a_patient_with_swapped_files_is_left_out(
    tmp_path: Path, tiny_cavity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ejection fraction of swapped phases is negative, in the reference and in the measurement alike."""
    write_patient(tmp_path / "data" / "a")
    write_patient(tmp_path / "data" / "b", radii={"ED": RADII["ES"], "ES": RADII["ED"]})
    monkeypatch.setattr(volume_agreement, "outline_frames", draw_disks(RADII))
    arguments = ["agreement", str(tmp_path / "data"), "-o", str(tmp_path / "out"), "-m", str(tiny_cavity), "-d", "cpu"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "out" / "agreement.json").read_text())
    (left_out,) = result["left_out"]
    volumes = [float(number) for number in re.findall(r"([0-9.]+) mL in E[DS]_gt.nii.gz", left_out)]
    assert volumes == pytest.approx([volume_ml(RADII["ES"]), volume_ml(RADII["ED"])], rel=0.01)
    assert left_out.startswith("b: Expected the larger cavity at end-diastole") and "files swapped?" in left_out
    assert left_out in done.output
    assert (result["patients"], result["measures"]["ef_percent"]["number"]) == (1, 1)
    assert [row["patient"] for row in csv.DictReader((tmp_path / "out" / "agreement.csv").open())] == ["a"]


def test_mass_and_wall_thickness(tmp_path: Path, nested_model: ContourModel, monkeypatch: pytest.MonkeyPatch) -> None:
    write_patient(tmp_path / "data" / "a", myocardium=2)
    write_patient(tmp_path / "data" / "b")  # without a myocardium
    circle = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)

    def outline(*_: Any, **__: Any) -> list[Outline]:
        every = [RADII[phase][z] for z in range(3) for phase in ("ED", "ES")]
        rings = [np.stack([[45.0, 40.0] + r * circle for r in (radius, radius + 7)]) for radius in every]
        return [Outline(np.stack([ring, ring]), None) for ring in rings]

    monkeypatch.setattr(volume_agreement, "load_model", lambda *_: nested_model)
    monkeypatch.setattr(volume_agreement, "outline_frames", outline)
    result = agreement(tmp_path / "data", tmp_path / "out", device="cpu")
    row, other = csv.DictReader((tmp_path / "out" / "agreement.csv").open())
    masses = [1.05 * (volume_ml(tuple(r + wall for r in RADII["ED"])) - volume_ml(RADII["ED"])) for wall in (7, 8)]
    assert float(row["mass_g"]) == pytest.approx(masses[0], rel=0.005)
    assert float(row["reference_mass_g"]) == pytest.approx(masses[1], rel=0.005)
    assert float(row["wall_mm"]) == pytest.approx(7 * 1.25, rel=0.005)
    assert float(row["reference_wall_mm"]) == pytest.approx(8 * 1.25, rel=0.02)
    assert (other["reference_mass_g"], other["reference_wall_mm"]) == ("", "")
    assert result["measures"]["mass_g"]["number"] == 1 and result["measures"]["edv_ml"]["number"] == 2
    assert result["measures"]["mass_g"]["bias"] == pytest.approx(masses[0] - masses[1], rel=0.05)
    shares = [sum((r + wall) ** 2 - r**2 for r in RADII["ED"]) for wall in (7, 8)]
    assert result["mean_dice"]["myocardium_ED"] == pytest.approx(2 * shares[0] / sum(shares), abs=0.01)
    assert Image.open(tmp_path / "out" / "agreement.png").size == (880, 840)  # six measures


def test_contour_files_of_a_cine(
    tmp_path: Path, phantom: Path, nested_model: ContourModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contours that are those of the readers on their frames, and anything on the others."""
    references = {
        Path(item["image"]): [read_contour(item[key]).numpy() for key in ("label", "label_epi") if key in item]
        for item in sunnybrook_data_list(phantom, structures=("endocardium", "epicardium"))
    }
    lost: list[int] = []

    def outline(_request: Any, inputs: Any, *_: Any, **__: Any) -> list[Outline]:
        found = []
        for source in inputs.sources:
            rings = references.get(source.path, [circle_of(30.0)])
            pair = np.stack([resampled(rings[0]), resampled(rings[-1]) if len(rings) > 1 else circle_of(40.0)])
            found.append(Outline(None if len(found) in lost else np.stack([pair, pair]), None))
        return found

    def circle_of(radius: float) -> np.ndarray:
        return np.array([50.0, 50.0]) + radius * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)

    def resampled(contour: np.ndarray) -> np.ndarray:
        return resample(torch.from_numpy(contour), len(ANGLES)).numpy()

    monkeypatch.setattr(volume_agreement, "load_model", lambda *_: nested_model)
    monkeypatch.setattr(volume_agreement, "outline_frames", outline)
    result = agreement(phantom, tmp_path / "out", device="cpu")
    assert (result["layout"], result["patients"], result["slices"], result["added_slices"]) == ("link", 1, 6, 0)
    (row,) = csv.DictReader((tmp_path / "out" / "agreement.csv").open())
    for name in ("edv_ml", "esv_ml", "ef_percent", "mass_g", "wall_mm"):
        assert float(row[f"reference_{name}"]) > 1
        assert float(row[name]) == pytest.approx(float(row[f"reference_{name}"]), rel=0.01)
    assert min(result["mean_dice"].values()) > 0.98
    lost.extend(range(12))
    result = agreement(phantom, tmp_path / "lost", device="cpu")
    assert (result["failed"], result["lost_slices"], result["measures"]) == (["SYN-01"], 6, {})
    assert not (tmp_path / "lost" / "agreement.png").exists()


def test_the_network_on_a_cine(tmp_path: Path, phantom: Path, tiny_heart: Path) -> None:
    result = agreement(phantom, tmp_path / "out", tiny_heart, roi="label", device="cpu")
    assert (result["failed"], result["lost_slices"], result["slices"]) == ([], 0, 6)
    assert result["mean_dice"]["ED"] > 0.1  # the regions lie about the reference


def test_pictures_are_refused(tmp_path: Path, tiny_heart: Path) -> None:
    for folder in ("images", "endo_masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        Image.new("L", (20, 20)).save(tmp_path / "data" / folder / "a.png")
    with pytest.raises(ValueError, match="DICOM or NIfTI in .* but got pictures"):
        agreement(tmp_path / "data", tmp_path / "out", tiny_heart)


@pytest.mark.parametrize("roi", ["label", "center"])
def test_the_network_itself(tmp_path: Path, tiny_heart: Path, roi: str) -> None:
    write_patient(tmp_path / "data" / "a", label=1)
    arguments = ["agreement", str(tmp_path / "data"), "-o", str(tmp_path / "out"), "-m", str(tiny_heart)]
    done = CliRunner().invoke(main, [*arguments, "--roi", roi, "--label", "1", "-d", "cpu"])
    assert done.exit_code == 0, done.output
    assert "1 patient(s), 0 without volumes; 0 of 6 slices with a ventricle lost, 0 added" in done.output
    assert "ejection fraction, %: bias" in done.output
    again = CliRunner().invoke(main, [*arguments, "--label", "1"])
    assert again.exit_code == 4 and "agreement.csv" in again.output


def test_refused(tmp_path: Path, tiny_heart: Path, tiny_mass: Path) -> None:
    data = tmp_path / "data"
    write_patient(data / "a", label=1)
    with pytest.raises(ValueError, match=r"Expected the label 3 in .*a.*ED_gt.nii.gz, but its values are \[0.0, 1.0\]"):
        agreement(data, tmp_path / "out", tiny_heart)
    with pytest.raises(ValueError, match="auto, center or label for many patients, but got 'point 3 4'"):
        agreement(data, tmp_path / "out", tiny_heart, "point 3 4")
    with pytest.raises(ValueError, match="Expected a bundle that outlines LV endocardium"):
        agreement(data, tmp_path / "out", tiny_mass, label=1)
    moved = nib.load(data / "a" / "ES.nii.gz")
    nib.save(nib.Nifti1Image(moved.get_fdata(), np.diag([1.5, 1.25, 8.0, 1.0])), data / "a" / "ES.nii.gz")
    with pytest.raises(ValueError, match="Expected ED and ES of a on one grid"):
        agreement(data, tmp_path / "out", tiny_heart, label=1)
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_loaded_already(tmp_path: Path, tiny_heart: Path, phantom: Path) -> None:
    options = AgreementOptions(device="cpu")
    by_name = agreement(phantom, tmp_path / "name", tiny_heart, roi="label", options=options)
    loaded = agreement(phantom, tmp_path / "model", load_model(tiny_heart, device="cpu"), roi="label")
    assert loaded == by_name
