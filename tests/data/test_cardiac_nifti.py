# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged

from monai_acdr.data import LoadReferenced, NiftiSliceReader, PictureReader, QualityReport, cardiac_nifti_data_list
from monai_acdr.data.cardiac_nifti import find_cardiac_cases
from monai_acdr.data.splits import GROUPS
from monai_acdr.geometry import centroid, pixel_spacing, pixel_to_world, signed_area
from monai_acdr.transforms import CheckImaged

NAMES = ("ED.nii.gz", "ED_gt.nii.gz", "ES.nii.gz", "ES_gt.nii.gz")


def make(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_patients_in_natural_order_and_what_is_left_out(tmp_path: Path) -> None:
    make(tmp_path / "patient10")
    make(tmp_path / "patient9", tuple(name.removesuffix(".gz") for name in NAMES))
    make(tmp_path / "patient2", NAMES[:3])
    (tmp_path / "readme.txt").touch()
    cases, left_out = find_cardiac_cases(tmp_path)
    assert [case.name for case in cases] == ["patient9", "patient10"]
    assert [path.name for path in cases[1].images] == ["ED.nii.gz", "ES.nii.gz"]
    assert [path.name for path in cases[0].labels] == ["ED_gt.nii", "ES_gt.nii"]
    assert left_out == ["patient2: ES_gt missing"]


def test_a_folder_of_one_patient(tmp_path: Path) -> None:
    ((case,), left_out) = find_cardiac_cases(make(tmp_path / "p"))
    assert case.name == "p" and not left_out


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        find_cardiac_cases(tmp_path / "none")
    make(tmp_path / "p", NAMES[:1])
    with pytest.raises(ValueError, match=r"found none in 1 folder\(s\): p: ED_gt, ES, ES_gt missing"):
        find_cardiac_cases(tmp_path)


def write_case(folder: Path, cavity: int = 3, wall: int = 2, slices: int = 3, sform: bool = True) -> Path:
    """Cavities of radius 6, 5, ... in a wall 4 pixels thick, (40, 36, slices + 1) voxels; the last slice is empty."""
    folder.mkdir(parents=True)
    affine = np.diag([1.5, 1.25, 8.0, 1.0])
    x, y = np.meshgrid(np.arange(40) + 0.5, np.arange(36) + 0.5, indexing="ij")
    distance = np.hypot(x - 22, y - 15)
    for phase, less in (("ED", 0), ("ES", 2)):
        labels = np.zeros((40, 36, slices + 1), dtype=np.uint8)
        for z in range(slices):
            radius = 6 - z - less * 0.5
            labels[..., z] = np.where(distance < radius, cavity, np.where(distance < radius + 4, wall, 0))
        image = nib.Nifti1Image(100.0 * (labels == cavity) + x[..., None], affine)
        nib.save(image, folder / f"{phase}.nii.gz")
        nib.save(nib.Nifti1Image(labels, affine), folder / f"{phase}_gt.nii.gz")
    return folder


def test_slices_for_training(tmp_path: Path) -> None:
    for name in ("p1", "p2", "p10"):
        write_case(tmp_path / name)
    report = QualityReport()
    items = cardiac_nifti_data_list(tmp_path, structures=("endocardium", "epicardium"), report=report)
    assert len(items) == 3 * 2 * 3 and report.counts == {"frames": 18, "patients": 3} and not report.findings
    assert items[4] == {
        "image": f"{tmp_path}/p1/ES.nii.gz#slice=1",
        "label": f"{tmp_path}/p1/ES_gt.nii.gz#slice=1&label=3",
        "label_epi": f"{tmp_path}/p1/ES_gt.nii.gz#slice=1&label=2,3",
        "name": "p1-ES-slice-002",
        "patient": "p1",
        "group": "training",
        "phase": "ES",
        "frame": 1,
        "has_spacing": True,
        "mask_rule": "covered",
    }
    assert "label_epi" not in cardiac_nifti_data_list(tmp_path)[0]
    groups = {group: {item["patient"] for item in cardiac_nifti_data_list(tmp_path, group)} for group in GROUPS}
    assert len(groups["training"]) == 2 and len(groups["test"]) == 1 and not groups["training"] & groups["test"]
    (tmp_path / "split.csv").write_text("patient,group\np1,training\np2,validation\n")
    chosen = cardiac_nifti_data_list(tmp_path, "validation", tmp_path / "split.csv")
    assert {item["patient"] for item in chosen} == {"p2"}
    assert len(cardiac_nifti_data_list(tmp_path, split=tmp_path / "split.csv")) == 12


def test_loaded_slices_are_those_of_the_volume(tmp_path: Path) -> None:
    write_case(tmp_path / "p")
    (item, *_) = cardiac_nifti_data_list(tmp_path, structures=("endocardium", "epicardium"))
    load = Compose(
        [
            LoadImaged("image", reader=[NiftiSliceReader(), PictureReader()]),
            EnsureChannelFirstd("image"),
            CheckImaged("image"),
            LoadReferenced(["label", "label_epi"]),
        ]
    )
    data = load(item)
    voxels = nib.load(tmp_path / "p" / "ED.nii.gz").get_fdata()[..., 0]
    np.testing.assert_allclose(data["image"][0].numpy(), voxels.T)
    labels = np.asarray(nib.load(tmp_path / "p" / "ED_gt.nii.gz").dataobj)[..., 0].T
    np.testing.assert_array_equal(data["label"].numpy(), np.stack([labels == 3, labels >= 2]))
    assert pixel_spacing(data["image"].affine).tolist() == [1.25, 1.5]  # rows, columns
    areas = signed_area(data["reference"].as_tensor()).tolist()
    assert areas == pytest.approx([np.pi * 36, np.pi * 100], rel=0.03)
    assert centroid(data["reference"].as_tensor())[0].tolist() == pytest.approx([22, 15], abs=0.1)
    world = pixel_to_world(torch.tensor([[22.0, 15.0]]), data["image"].affine)[0].tolist()
    assert world == pytest.approx([-21.5 * 1.5, -14.5 * 1.25, 0.0])


def test_other_labels_and_open_walls(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "p", cavity=1)
    image = nib.load(folder / "ED_gt.nii.gz")
    labels = np.asarray(image.dataobj).copy()
    labels[22:, :, 0][labels[22:, :, 0] == 2] = 0  # open at the base
    nib.save(nib.Nifti1Image(labels, image.affine), folder / "ED_gt.nii.gz")
    report = QualityReport()
    items = cardiac_nifti_data_list(tmp_path, cavity=1, structures=("endocardium", "epicardium"), report=report)
    assert ["label_epi" in item for item in items] == [False] + [True] * 5
    (finding,) = report.findings
    assert (finding.kind, finding.subject) == ("epicardium_not_around", "p-ED-slice-001")
    with pytest.raises(ValueError, match=r"(?s)slices with the label 3 in .*check `cavity` \(3 in ACDC, 1 in M&Ms\)"):
        cardiac_nifti_data_list(tmp_path)
    with pytest.raises(ValueError, match="`structures` to be"):
        cardiac_nifti_data_list(tmp_path, structures=("epicardium",))


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    write_case(tmp_path / "a")
    write_case(tmp_path / "b")
    make(tmp_path / "c", NAMES[:2])
    (tmp_path / "a" / "ED.nii.gz").write_bytes(b"damaged")
    labels = nib.load(tmp_path / "b" / "ES_gt.nii.gz")
    moved = labels.affine.copy()
    moved[0, 3] = 5
    nib.save(nib.Nifti1Image(np.asarray(labels.dataobj), moved), tmp_path / "b" / "ES_gt.nii.gz")
    report = QualityReport()
    items = cardiac_nifti_data_list(tmp_path, report=report)
    assert {(item["patient"], item["phase"]) for item in items} == {("a", "ES"), ("b", "ED")}
    assert report.kinds() == {"invalid_image": 1, "mask_size": 1, "patient_absent": 1}
    assert report.of("patient_absent")[0].subject == "c"


@pytest.mark.real_data
def test_real_slices(shared_data: Path) -> None:
    items = cardiac_nifti_data_list(shared_data / "acdc_dev", structures=("endocardium", "epicardium"))
    assert len(items) == 530 and len({item["patient"] for item in items}) == 30
    assert sum("label_epi" in item for item in items) == 530
