# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What evaluation and inference leave on disk, against independent computations from the files they read."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch
from monai.data import decollate_batch
from PIL import Image

from monai_acdr.data import read_contour
from monai_acdr.geometry import centroid, is_nested
from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.visualize import INITIAL_COLOR, REFERENCE_COLOR, structure_color

NAMES = [f"SYN-03-IM-0001-{frame:04d}" for frame in (1, 2, 4, 5)]
SIZE = (96, 104)
STRUCTURES = ["endocardium", "epicardium"]
END_DIASTOLE = [f"SYN-03-IM-0001-{frame:04d}" for frame in (1, 4)]
"""The frames with an epicardial contour, too."""
FIGURES = ("mean_dice", "pooled_dice", "mean_iou", "hd95_mm", "apd_mm", "good_contours_percent", "boundf", "wcov")


def contour_of(studies: Path, name: str, structure: str = "endocardium") -> Any:
    kind = {"endocardium": "i", "epicardium": "o"}[structure]
    folder = studies / "contourfiles" / name[:6] / f"{kind}-contours"
    return read_contour(folder / f"IM-0001-{name[-4:]}-{kind}contour-manual.txt")


def record(folder: Path, name: str) -> dict[str, Any]:
    """The frame of a contour document of one."""
    (frame,) = json.loads((folder / f"{name}.json").read_text())["frames"]
    return dict(frame)


def labels(folder: Path, name: str) -> np.ndarray:
    """0 outside, 1 in the ventricle, 2 in its wall."""
    return np.asarray(nib.load(folder / f"{name}.nii.gz").dataobj)[:, :, 0].T


def mask(folder: Path, name: str, structure: str = "endocardium") -> np.ndarray:
    """What a structure encloses: the epicardium encloses the ventricle, too."""
    found = labels(folder, name)
    return (found > 0) & (found <= 1 + STRUCTURES.index(structure))


@pytest.fixture(scope="module")
def inferred(sunnybrook: Any, studies: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the online group with ROI `label`."""
    folder = tmp_path_factory.mktemp("inferred")
    sunnybrook.infer(studies, folder, trained / "model.pt", group="online", roi="label")
    return folder


def test_evaluation_agrees_with_the_masks_of_inference(
    sunnybrook: Any, studies: Path, trained: Path, inferred: Path, tmp_path: Path
) -> None:
    figures = sunnybrook.evaluate(studies, tmp_path, trained / "model.pt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.csv", "metrics.json"]
    with open(tmp_path / "metrics.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["name"], row["structure"]) for row in rows] == list(itertools.product(NAMES, STRUCTURES))
    for structure in STRUCTURES:
        overlap, total, dice = 0, 0, []
        for row in (row for row in rows if row["structure"] == structure):
            found = mask(inferred, row["name"], structure)
            if structure == "epicardium" and row["name"] not in END_DIASTOLE:
                assert row["dice"] == row["pred_area_mm2"] == row["mask_rule"] == ""
                continue
            assert float(row["pred_area_mm2"]) == pytest.approx(found.sum() * 1.3**2, rel=1e-4)
            assert (row["row_spacing_mm"], row["patient"], row["group"]) == ("1.3", "SYN-03", "online")
            assert row["mask_rule"] == "covered"  # of contour files
            contour = contour_of(studies, row["name"], structure)
            reference = rasterize_polygons(contour[None], SIZE)[0, 0].numpy() >= 0.5
            overlap, total = overlap + 2 * (found * reference).sum(), total + found.sum() + reference.sum()
            dice.append(2 * (found * reference).sum() / (found.sum() + reference.sum()))
            assert float(row["dice"]) == pytest.approx(dice[-1], abs=1e-6)
        of_structure = figures["by_structure"][structure]
        assert of_structure["num_cases"] == len(dice) == {"endocardium": 4, "epicardium": 2}[structure]
        assert of_structure["mean_dice"] == pytest.approx(np.mean(dice), abs=1e-6)
        assert of_structure["pooled_dice"] == pytest.approx(overlap / total, abs=1e-6)
        assert all(isinstance(of_structure[key], float) and f"{key}_ci95" in of_structure for key in FIGURES)
    assert figures["structure"] == "endocardium"  # whose figures are those at the top
    assert {key: figures[key] for key in FIGURES} == {
        key: figures["by_structure"]["endocardium"][key] for key in FIGURES
    }
    assert (figures["spacing"], figures["num_patients"], figures["not_evaluated"]) == ("from images", 1, [])
    assert figures["not_nested"] == []
    assert figures["mask_rules"] == {"reference": {"covered": 6}, "prediction": {"covered": 6}, "different": 0}
    expected = {"layout": "link", "group": "online", "roi": "label", "num_vertices": 64, "num_iterations": 3}
    expected["reader_shift_px"] = [[0.0, 0.0]]  # of readers who are not Sunnybrook's
    assert expected.items() <= figures["metadata"].items()
    assert figures["metadata"]["checkpoint"] == str(trained / "model.pt")


def test_groups(sunnybrook: Any, studies: Path, trained: Path, tmp_path: Path) -> None:
    checkpoint = trained / "model.pt"
    counts = {
        group: sunnybrook.evaluate(studies, tmp_path / str(group), checkpoint, group=group)["num_patients"]
        for group in ("training", "validation", "all")
    }
    assert counts == {"training": 1, "validation": 1, "all": 3}


def test_contour_in_pixels_and_mm(studies: Path, inferred: Path) -> None:
    """The patient coordinates of PS3.3 C.7.6.2.1.1, by hand."""
    for name in NAMES:
        found = record(inferred, name)
        header = pydicom.dcmread(studies / "dicoms" / "SYN0000003" / f"{int(name[-4:])}.dcm", stop_before_pixels=True)
        along_row, along_column = np.array(header.ImageOrientationPatient, dtype=float).reshape(2, 3)
        between_rows, between_columns = (float(value) for value in header.PixelSpacing)
        assert [part["structure"] for part in found["contours"]] == STRUCTURES
        for part in found["contours"]:
            x, y = (np.array(part["vertices_px"]) - 0.5).T  # from the corner of the first pixel to its center
            expected = np.array(header.ImagePositionPatient, dtype=float) + (
                np.outer(x, between_columns * along_row) + np.outer(y, between_rows * along_column)
            )
            np.testing.assert_allclose(part["vertices_mm"], expected, atol=1e-3)
        assert found["size"] == list(SIZE)
        assert found["spacing_mm"] == pytest.approx([between_rows, between_columns])
        pixels = np.argwhere(mask(inferred, name))
        middle = pixels.mean(0)[::-1]
        image = nib.load(inferred / f"{name}.nii.gz")
        assert image.shape == (SIZE[1], SIZE[0], 1)
        in_file = nib.affines.apply_affine(image.affine, [*middle, 0]) * [-1, -1, 1]
        by_hand = np.array(header.ImagePositionPatient, dtype=float) + (
            middle[0] * between_columns * along_row + middle[1] * between_rows * along_column
        )
        np.testing.assert_allclose(in_file, by_hand, atol=1e-3)


def test_each_epicardium_contains_its_endocardium(inferred: Path) -> None:
    for name in NAMES:
        inner, outer = record(inferred, name)["contours"]
        assert bool(is_nested(torch.tensor([inner["vertices_px"], outer["vertices_px"]])))
        assert outer["area_px2"] > inner["area_px2"] > 0
        assert set(np.unique(labels(inferred, name))) == {0, 1, 2}
        for part in (inner, outer):
            vertices = torch.tensor(part["vertices_px"], dtype=torch.float64)
            drawn = rasterize_polygons(vertices[None], SIZE)[0, 0].numpy() >= 0.5
            assert np.array_equal(drawn, mask(inferred, name, part["structure"]))


def test_pictures_show_the_contours(inferred: Path) -> None:
    for name in NAMES:
        with Image.open(inferred / f"{name}.png") as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        assert pixels.shape[0] % 6 == pixels.shape[1] % 6 == 0
        for color in (INITIAL_COLOR, structure_color(0), structure_color(1), REFERENCE_COLOR):
            assert (np.abs(pixels - color).max(axis=2) <= 8).sum() > 50


def test_roi(sunnybrook: Any, studies: Path, trained: Path, inferred: Path, tmp_path: Path) -> None:
    """The first circles lie in the middle of the ROI and are a quarter and two fifths as wide."""
    options: dict[str, dict[str, Any]] = {"center": {}, "box": {"roi_box": [30, 20, 70, 80]}}
    folders = {"label": inferred}
    for kind, rest in options.items():
        folders[kind] = tmp_path / kind
        sunnybrook.infer(studies, folders[kind], trained / "model.pt", group="online", roi=kind, overlay=False, **rest)
    assert not list(folders["center"].glob("*.png"))
    for name in NAMES:
        known = STRUCTURES if name in END_DIASTOLE else STRUCTURES[:1]
        middle = torch.stack([centroid(contour_of(studies, name, structure)) for structure in known]).mean(0)
        expected = {
            "label": (*middle.tolist(), 100),
            "center": (SIZE[1] / 2, SIZE[0] / 2, 112),
            "box": (50, 50, 60),
        }
        for kind, (x, y, side) in expected.items():
            for part, diameter in zip(record(folders[kind], name)["contours"], (0.25, 0.4), strict=True):
                circle = np.array(part["initial_vertices_px"])
                np.testing.assert_allclose(circle.mean(0), [x, y], atol=0.01)
                np.testing.assert_allclose(np.ptp(circle, axis=0), side * diameter, atol=0.01)


def test_evaluation_in_another_roi(sunnybrook: Any, studies: Path, trained: Path, tmp_path: Path) -> None:
    figures = sunnybrook.evaluate(studies, tmp_path, trained / "model.pt", roi="box", roi_box=[30, 20, 70, 80])
    assert figures["metadata"]["roi"] == "box"
    assert figures["num_cases"] == 4


def test_numbers_of_vertices_and_iterations(sunnybrook: Any, studies: Path, trained: Path, tmp_path: Path) -> None:
    """Neither is a property of the weights."""
    places = (studies, tmp_path / "out", trained / "model.pt")
    changed = {"network_def#initial_contour#num_vertices": 48, "network_def#num_iterations": 5}
    sunnybrook.infer(*places, group="online", overlay=False, **changed)
    assert [len(part["vertices_px"]) for part in record(tmp_path / "out", NAMES[0])["contours"]] == [48, 48]
    figures = sunnybrook.evaluate(*places, **changed)
    assert (figures["metadata"]["num_vertices"], figures["metadata"]["num_iterations"]) == (48, 5)


def test_a_folder_of_dicom_files_and_no_patient(sunnybrook: Any, studies: Path, trained: Path, tmp_path: Path) -> None:
    """Names in headers, of a patient or an institution, appear in no file and no file name."""
    folder = Path(shutil.copytree(studies / "dicoms" / "SYN0000003", tmp_path / "series"))
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.PatientName, dataset.PatientID, dataset.InstitutionName = "Secret^Name", "SECRET", "Secret clinic"
        dataset.save_as(path)
    sunnybrook.infer(folder, tmp_path / "out", trained / "model.pt")
    written = sorted((tmp_path / "out").iterdir())
    assert sorted({path.name.split(".")[0] for path in written}) == ["1", "2", "3", "4", "5", "6"]
    assert len(written) == 18
    for path in written:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert b"secret" not in content.lower()
    assert all(part["vertices_mm"] is not None for part in record(tmp_path / "out", "1")["contours"])


def test_png_files_and_a_single_one(sunnybrook: Any, png_set: Path, trained: Path, tmp_path: Path) -> None:
    images = png_set / "validation" / "images"
    sunnybrook.infer(images, tmp_path / "folder", trained / "model.pt", overlay=False)
    assert len(list((tmp_path / "folder").glob("*.json"))) == 3
    sunnybrook.infer(images / "SC-N-05-IM-0001-0007.png", tmp_path / "file", trained / "model.pt", overlay=False)
    found = record(tmp_path / "file", "SC-N-05-IM-0001-0007")
    assert found == record(tmp_path / "folder", "SC-N-05-IM-0001-0007")
    assert found["spacing_mm"] is None
    assert all(part["vertices_mm"] is part["area_mm2"] is None for part in found["contours"])
    assert found["size"] == list(SIZE)


def test_dicom_without_spacing_gives_pixels_only(
    sunnybrook: Any, own_studies: Path, trained: Path, tmp_path: Path
) -> None:
    path = own_studies / "dicoms" / "SYN0000003" / "1.dcm"
    dataset = pydicom.dcmread(path)
    del dataset.PixelSpacing
    dataset.save_as(path)
    sunnybrook.infer(path, tmp_path / "out", trained / "model.pt", overlay=False)
    found = record(tmp_path / "out", "1")
    assert found["spacing_mm"] is None
    assert [len(part["vertices_px"]) for part in found["contours"]] == [64, 64]
    assert all(part["vertices_mm"] is None for part in found["contours"])


def test_the_displaced_patient_counts_beside_the_figures(
    sunnybrook: Any, png_set: Path, trained: Path, tmp_path: Path
) -> None:
    figures = sunnybrook.evaluate(png_set, tmp_path / "default", trained / "model.pt", group="validation")
    assert (figures["num_cases"], figures["excluded_patients"]) == (2, ["SC-N-6"])
    assert figures["with_excluded_patients"]["num_cases"] == 3
    assert figures["hd95_mm"] is figures["apd_mm"] is None
    everybody = sunnybrook.evaluate(png_set, tmp_path / "all", trained / "model.pt", group="validation", exclude=[])
    assert everybody["num_cases"] == 3
    assert "with_excluded_patients" not in everybody


def test_masks_of_readers_are_drawn_and_shifted(sunnybrook: Any, png_set: Path, trained: Path, tmp_path: Path) -> None:
    """Patients with names of Sunnybrook: their masks have a drawn rim, their contours count pixels from 1."""
    figures = sunnybrook.evaluate(png_set, tmp_path / "out", trained / "model.pt", group="validation")
    assert figures["metadata"]["reader_shift_px"] == [[-1.0, -1.0]]
    assert figures["mask_rules"] == {"reference": {"drawn": 3}, "prediction": {"drawn": 3}, "different": 0}
    assert figures["by_structure"]["epicardium"]["num_cases"] == 0  # no mask of one
    assert figures["by_structure"]["epicardium"]["mean_dice"] is None


def test_a_shift_of_readers_is_taken_back(sunnybrook: Any, studies: Path, trained: Path, tmp_path: Path) -> None:
    """The contour that is compared is the outlined one less the shift; the reference stays where its file has it."""
    change = (
        "[{**item, 'reader_shift': [-1.0, 2.0]} for item in monai_acdr.data.sunnybrook_data_list(@dataset_dir, @group"
    )
    shifted = f"${change}, structures=@structures)]"
    reports = {}
    for name, overrides in (("plain", {}), ("shifted", {"validate#data_list": shifted})):
        settings = {"dataset_dir": studies, "output_dir": tmp_path / name, "checkpoint": trained / "model.pt"}
        workflow = sunnybrook.workflow(["train", "evaluate"], None, group="online", **settings)
        workflow.parser.update({**overrides, "report#metadata": {}, "report#excluded_patients": []})
        parsed = workflow.parser.get_parsed_content
        parsed("run#0")
        batch = next(iter(parsed("validate#dataloader")))
        network = parsed("network").eval()
        with torch.no_grad():
            item = {**decollate_batch(batch)[0], "pred": network(batch["image"])[0]}
        reports[name] = parsed("validate#postprocessing")(item)
    moved = reports["plain"]["pred"] - reports["shifted"]["pred"]
    torch.testing.assert_close(moved.as_tensor(), torch.tensor([-1.0, 2.0]).expand(2, 64, 2), atol=1e-4, rtol=0)
    before, after = (reports[name]["reference"].as_tensor() for name in ("plain", "shifted"))
    torch.testing.assert_close(after, before, atol=1e-4, rtol=0, equal_nan=True)
    assert not torch.equal(reports["plain"]["roi_dice"], reports["shifted"]["roi_dice"])


def test_real_png_files(sunnybrook: Any, shared_data: Path, trained: Path, tmp_path: Path) -> None:
    source, copy = shared_data / "sunnybrook_png" / "validation", tmp_path / "png" / "validation"
    names = [path.name for patient in ("SC-N-05", "SC-N-06") for path in sorted(source.glob(f"images/{patient}*"))[:3]]
    for kind in ("images", "endo_masks", "epi_masks"):
        (copy / kind).mkdir(parents=True)
        for name in names:
            if kind != "epi_masks" or (source / kind / name).is_file():
                shutil.copy(source / kind / name, copy / kind / name)
    figures = sunnybrook.evaluate(tmp_path / "png", tmp_path / "out", trained / "model.pt", group="validation")
    assert (figures["num_cases"], figures["excluded_patients"]) == (3, ["SC-N-6"])
    assert figures["with_excluded_patients"]["num_cases"] == 6
    assert figures["with_excluded_patients"]["num_patients"] == 2
    with open(tmp_path / "out" / "metrics.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["excluded"] for row in rows] == ["False"] * 6 + ["True"] * 6  # two structures each
    outlined = {row["name"] for row in rows if row["structure"] == "epicardium" and row["dice"]}
    assert outlined == {Path(name).stem for name in names if (source / "epi_masks" / name).is_file()}
