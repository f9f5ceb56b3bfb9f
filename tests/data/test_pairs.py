# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Folders of images and masks as data lists."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged
from PIL import Image

from monai_acdr.data import LoadMassReferenced, LoadReferenced, NiftiSliceReader, PictureReader
from monai_acdr.data.mask_outline import MaskOutline
from monai_acdr.data.pairs import PairOptions, pair_folder_data_list
from monai_acdr.data.phantoms.mammograms import write_cbis_ddsm_cases
from monai_acdr.data.phantoms.pairs import write_pair_folder
from monai_acdr.data.report import QualityReport
from monai_acdr.transforms import contour_to_mask


def _disc(center: tuple[int, int], radius: float, size: tuple[int, int] = (40, 48)) -> np.ndarray:
    rows, columns = np.indices(size)
    return np.hypot(rows - center[0], columns - center[1]) <= radius


def _save(root: Path, name: str, mask: np.ndarray, folder: str = "masks") -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(root / folder / name)


def _load(item: dict[str, Any]) -> dict[Any, Any]:
    reader = PictureReader()
    steps = [LoadImaged("image", reader=reader), EnsureChannelFirstd("image"), LoadMassReferenced("label")]
    return Compose(steps)(item)


@pytest.fixture(scope="module")
def table_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pair_folder(tmp_path_factory.mktemp("pairs"), num_patients=5, size=(96, 80))


def test_with_a_table(table_folder: Path) -> None:
    report = QualityReport()
    items = pair_folder_data_list(table_folder, report=report)
    assert items[1] == {
        "image": str(table_folder / "images" / "P1_L_MLO.png"),
        "label": str(table_folder / "masks" / "P1_L_MLO.png"),
        "name": "P1_L_MLO",
        "patient": "P1",
        "group": items[0]["group"],
        "has_spacing": False,
        "laterality": "L",
        "view": "MLO",
        "birads": "3",
        "pathology": None,
        "mass_like": "1",
        "spacing": None,
        "structures": ("object",),
        "label_values": ((255,),),
    }
    assert report.counts == {"images": 10, "masks": 10, "patients": 5}
    assert not report.findings
    halves = [pair_folder_data_list(table_folder, group) for group in ("training", "test")]
    assert [len(half) for half in halves] == [6, 4]
    assert not {item["patient"] for item in halves[0]} & {item["patient"] for item in halves[1]}
    options = PairOptions(row_filter={"view": "CC"}, folds=5, fold=0)
    assert len(pair_folder_data_list(table_folder, "test", options=options, fold=2)) == 1


@pytest.mark.parametrize(("layout", "first"), [("vaihingen", "building_001"), ("bing", "building_000")])
def test_buildings(tmp_path: Path, layout: str, first: str) -> None:
    root = write_pair_folder(tmp_path / "b", num_patients=4, size=(64, 64), layout=layout)
    items = pair_folder_data_list(root, split=3)
    assert [item["group"] for item in items] == ["training"] * 3 + ["test"]
    assert items[0]["name"] == items[0]["patient"] == first
    assert items[0]["laterality"] is None
    loaded = _load(items[0])
    assert loaded["image"].shape == loaded["label"].shape == (1, 64, 64)
    assert loaded["image"][loaded["label"] > 0].mean() > loaded["image"][loaded["label"] == 0].mean() + 50


def test_groups_by_folder(tmp_path: Path) -> None:
    for group in ("train", "test"):
        for folder in ("images", "masks"):
            _save(tmp_path / group, "a.png", _disc((20, 20), 8), folder)
    items = pair_folder_data_list(tmp_path)
    assert [(item["name"], item["patient"], item["group"]) for item in items] == [
        ("test-a", "test-a", "test"),
        ("train-a", "train-a", "training"),
    ]
    assert len(pair_folder_data_list(tmp_path, "train")) == 1


def test_one_item_for_each_object(tmp_path: Path) -> None:
    small, large = _disc((10, 10), 5), _disc((26, 32), 9)
    mask = small | large
    mask[0, 40] = True
    for folder in ("images", "masks"):
        _save(tmp_path, "P1_R_CC.png", mask, folder)
    report = QualityReport()
    items = pair_folder_data_list(tmp_path, split_components=True, report=report)
    assert [(item["name"], item["component"], item["laterality"]) for item in items] == [
        ("P1_R_CC-1", 1, "R"),
        ("P1_R_CC-2", 2, "R"),
    ]
    assert report.kinds() == {"specks": 1}
    assert "label" not in items[0]
    for item, expected in zip(items, (large, small), strict=True):
        drawn = contour_to_mask(_load(item)["reference"][0].as_tensor(), (40, 48), threshold=0.5)[0].numpy()
        assert np.array_equal(drawn, expected)
    (item,) = pair_folder_data_list(tmp_path, report=(whole := QualityReport()))
    assert item["label"] == str(tmp_path / "masks" / "P1_R_CC.png")
    assert whole.of("several_objects")[0].text == "2 objects"
    assert whole.of("specks")[0].text == "1 of at most 1 pixels"


def test_what_is_left_out(tmp_path: Path) -> None:
    good = _disc((20, 20), 8)
    for name, mask in {"good": good, "empty": good & False, "full": good | True, "small": good[:20]}.items():
        _save(tmp_path, f"{name}.png", mask)
        _save(tmp_path, f"{name}.png", good, "images")
    _save(tmp_path, "broken.png", good)
    (tmp_path / "images" / "broken.png").write_bytes(b"no image")
    report = QualityReport()
    (item,) = pair_folder_data_list(tmp_path, report=report)
    assert item["name"] == "good"
    assert report.kinds() == {"empty_mask": 1, "invalid_image": 1, "invalid_mask": 1, "mask_size": 1}


def test_dicom(tmp_path: Path) -> None:
    twin = write_cbis_ddsm_cases(tmp_path / "twin", num_patients=2, size=(64, 52), spacing=0.5)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for path in sorted(twin.glob("Mass-Training_P_00001_LEFT_CC*/*/*/*.dcm")):
        dataset = pydicom.dcmread(path)
        if (dataset.Rows, dataset.Columns) == (64, 52):
            path.rename(tmp_path / ("masks" if dataset.BitsAllocated == 8 else "images") / "a.dcm")
    twin.rename(tmp_path / "elsewhere")
    (item,) = pair_folder_data_list(tmp_path)
    assert item["has_spacing"]
    assert isinstance(item["contour"], MaskOutline)
    assert np.asarray(item["contour"]).shape[1] == 2


def test_errors(tmp_path: Path, table_folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="check `dataset_dir`"):
        pair_folder_data_list(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"Expected images/ and masks/ .*found no usable pair \(left out: nothing\)"):
        pair_folder_data_list(tmp_path)
    with pytest.raises(ValueError, match="Expected a table for `row_filter`"):
        pair_folder_data_list(tmp_path, row_filter={"a": "1"})
    with pytest.raises(TypeError, match="unexpected keyword argument 'filter'"):
        pair_folder_data_list(tmp_path, filter={"a": "1"})
    with pytest.raises(ValueError, match="`row_filter` matched no row"):
        pair_folder_data_list(table_folder, row_filter={"view": "XX"})
    with pytest.raises(FileNotFoundError, match="nothing.csv does not exist"):
        pair_folder_data_list(table_folder, table=tmp_path / "nothing.csv")
    with pytest.raises(ValueError, match="Expected `group` to be one of"):
        pair_folder_data_list(table_folder, "online")


def _volume(path: Path, voxels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels.transpose(2, 1, 0).astype(np.int16), np.diag([1.5, 1.2, 8, 1])), path)


def test_slices_of_volumes(tmp_path: Path) -> None:
    labels = np.zeros((5, 40, 48), dtype=np.int16)
    for index in (1, 3):
        labels[index] = np.where(_disc((20, 20), 6), 3, np.where(_disc((20, 20), 11), 2, 0))
    labels[3][labels[3] == 3] = 0
    for name in ("P1", "P2"):
        _volume(tmp_path / "imagesTr" / f"{name}_0000.nii.gz", labels * 50 + 7)
        _volume(tmp_path / "labelsTr" / f"{name}.nii.gz", labels)
    (tmp_path / "dataset.json").write_text(
        '{"labels": {"background": 0, "myocardium": 2, "cavity": 3}, "file_ending": ".nii.gz", "training": 2}'
    )
    report = QualityReport()
    items = pair_folder_data_list(tmp_path, report=report)
    assert [(item["name"], item["patient"]) for item in items] == [
        (f"{name}-slice-00{index}", name) for name in ("P1", "P2") for index in (1, 3)
    ]
    first = items[0]
    assert first["image"] == f"{tmp_path}/imagesTr/P1_0000.nii.gz#slice=1"
    assert first["label"] == f"{tmp_path}/labelsTr/P1.nii.gz#slice=1"
    assert first["spacing"] == pytest.approx((1.2, 1.5))
    assert (first["structures"], first["label_values"]) == (("cavity", "myocardium"), ((3,), (2, 3)))
    assert not report.findings
    assert "6 slices of volumes have no object and are not items" in report.notes
    steps = [LoadImaged("image", reader=NiftiSliceReader()), EnsureChannelFirstd("image"), LoadReferenced("label")]
    loaded = Compose(steps)(first)
    assert np.array_equal(loaded["label"].numpy(), [labels[1] == 3, labels[1] >= 2])
    assert loaded["reference"].shape == (2, 256, 2)
    hollow = Compose(steps)(items[1])
    assert np.isnan(hollow["label"][0]).all()
    assert np.array_equal(hollow["label"][1], labels[3] == 2)
    with pytest.raises(ValueError, match="masks of one structure for `split_components`"):
        pair_folder_data_list(tmp_path, split_components=True)


def test_a_label_map_of_pictures(tmp_path: Path) -> None:
    for name, shift in (("a", 0), ("b", 4)):
        inner, outer = _disc((20, 20 + shift), 6), _disc((20, 20 + shift), 11)
        _save(tmp_path, f"{name}.png", outer, "images")
        (tmp_path / "annotations").mkdir(exist_ok=True)
        values = np.where(inner, 1, np.where(outer, 2, 0)).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / "annotations" / f"{name}.png")
    report = QualityReport()
    items = pair_folder_data_list(tmp_path, report=report)
    assert items[1]["structures"] == ("label 1", "label 2")
    assert items[1]["label_values"] == ((1,), (2, 1))
    assert not report.findings
    steps = [LoadImaged("image", reader=PictureReader()), EnsureChannelFirstd("image"), LoadReferenced("label")]
    assert np.array_equal(Compose(steps)(items[1])["label"].numpy(), [inner, outer])


def test_classes_of_objects_side_by_side(tmp_path: Path) -> None:
    """The other way around there is no finding: a ring about a disc is one structure around another."""
    (tmp_path / "labels").mkdir()
    for name, shift in (("a", 0), ("b", 4)):
        left, right = _disc((20, 10 + shift), 6), _disc((20, 30 + shift), 6)
        _save(tmp_path, f"{name}.png", left | right, "images")
        Image.fromarray((left + 2 * right).astype(np.uint8)).save(tmp_path / "labels" / f"{name}.png")
    report = QualityReport()
    items = pair_folder_data_list(tmp_path, report=report)
    assert [(each.kind, each.subject, each.text) for each in report.findings] == [
        ("structures_apart", name, "label 1 is not inside label 2") for name in ("a", "b")
    ]
    assert [item["structures"] for item in items] == [("label 1", "label 2")] * 2


def test_one_class_of_objects_side_by_side(tmp_path: Path) -> None:
    """The other label is background; what surrounds it would include it, because a polygon has no hole."""
    (tmp_path / "labels").mkdir()
    for name, shift in (("a", 0), ("b", 4), ("c", 8)):
        left, right = _disc((20, 10 + shift), 6), _disc((20, 30), 6) & (name != "c")
        _save(tmp_path, f"{name}.png", left | right, "images")
        Image.fromarray((left + 2 * right).astype(np.uint8)).save(tmp_path / "labels" / f"{name}.png")
    report = QualityReport()
    items = pair_folder_data_list(tmp_path, report=report, structures=["label 2"], split_components=True)
    assert [(item["name"], item["structures"]) for item in items] == [("a-1", ("label 2",)), ("b-1", ("label 2",))]
    assert all(item["contour"].mean(0) == pytest.approx((30.5, 20.5)) for item in items)
    assert not report.findings
    assert "1 masks have other labels than label 2 alone and are not items" in report.notes
    both = pair_folder_data_list(tmp_path, structures=("Label 2 ", "label 1"))
    assert [item["structures"] for item in both] == [("label 1", "label 2")] * 3
    for wrong in (["label 3"], ["label 1", "liver"], []):
        with pytest.raises(ValueError, match=r"among \['label 1', 'label 2'\]"):
            pair_folder_data_list(tmp_path, structures=wrong)


def test_names_of_structures_with_spaces_or_that_differ_by_case(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    for name in ("a", "b"):
        _save(tmp_path, f"{name}.png", _disc((20, 10), 6), "images")
        values = np.where(_disc((20, 10), 6), 1, np.where(_disc((20, 30), 6), 2, 0)).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / "labels" / f"{name}.png")
    stated = {"background": 0, "LV": 1, "lv": 2, "left kidney ": 3}
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": stated}))
    for name, value in (("LV", 1), (" lv", 2)):
        (item, _) = pair_folder_data_list(tmp_path, structures=[name])
        assert (item["structures"], item["label_values"]) == ((name.strip(),), ((value,),))
    (item, _) = pair_folder_data_list(tmp_path, structures=["Lv"])
    assert item["structures"] == ("LV", "lv")
    for absent in ("left kidney ", "Left kidney"):
        with pytest.raises(ValueError, match=r"objects of \['[Ll]eft kidney ?'\] .* none of 2 masks has any"):
            pair_folder_data_list(tmp_path, structures=[absent])


def test_one_label_where_each_mask_has_one(tmp_path: Path) -> None:
    """As of benign and malignant objects: the values are classes where one is asked for, and one name otherwise."""
    (tmp_path / "labels").mkdir()
    for number, name in enumerate("abcd"):
        _save(tmp_path, f"{name}.png", _disc((20, 20), 6), "images")
        values = (_disc((20, 20), 6) * (1 + number % 2)).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / "labels" / f"{name}.png")
    assert len(pair_folder_data_list(tmp_path, structures="lesion")) == 4
    items = pair_folder_data_list(tmp_path, structures="Label 2", split_components=True)
    assert [(item["name"], item["structures"]) for item in items] == [("b-1", ("label 2",)), ("d-1", ("label 2",))]
    with pytest.raises(ValueError, match=r"among \['label 1', 'label 2'\]"):
        pair_folder_data_list(tmp_path, structures="label 3")


def test_the_outer_structure_alone_includes_the_inner_one(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    for name, shift in (("a", 0), ("b", 4)):
        inner, outer = _disc((20, 20 + shift), 6), _disc((20, 20 + shift), 11)
        _save(tmp_path, f"{name}.png", outer, "images")
        values = np.where(inner, 1, np.where(outer, 2, 0)).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / "labels" / f"{name}.png")
    (item, _) = pair_folder_data_list(tmp_path, structures=["label 2"])
    assert (item["structures"], item["label_values"]) == (("label 2",), ((2, 1),))


def test_a_name_for_masks_of_one_label(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _save(tmp_path, f"{name}.png", _disc((20, 20), 7))
        _save(tmp_path, f"{name}.png", _disc((20, 20), 7), "images")
    assert {i["structures"] for i in pair_folder_data_list(tmp_path, structures=["lesion"])} == {("lesion",)}
    with pytest.raises(ValueError, match=r"among \['object'\].*got \['lesion', 'cyst'\]"):
        pair_folder_data_list(tmp_path, structures=["lesion", "cyst"])


def test_several_masks_of_an_image(tmp_path: Path) -> None:
    for name, center in (("a_mask", (12, 12)), ("a_mask_1", (28, 34)), ("b_mask", (20, 20))):
        _save(tmp_path, f"{name}.png", _disc(center, 7), ".")
        _save(tmp_path, f"{name[0]}.png", _disc(center, 7), ".")
    report = QualityReport()
    items = pair_folder_data_list(tmp_path, report=report)
    assert [(item["name"], item["patient"], Path(item["label"]).name) for item in items] == [
        ("a", "a", "a_mask.png"),
        ("a-2", "a", "a_mask_1.png"),
        ("b", "b", "b_mask.png"),
    ]
    assert report.notes == ["1 images have several masks, such as a.png: one item per mask"]
    assert not report.findings


def test_patients_are_guessed_from_names(tmp_path: Path) -> None:
    for index, name in enumerate(("SC-N-1-IM-0001-0048", "SC-N-1-IM-0001-0059", "SC-N-2-IM-0001-0001", "other")):
        _save(tmp_path, f"{name}.png", _disc((20, 12 + index), 8))
        _save(tmp_path, f"{name}.png", _disc((20, 12 + index), 8), "images")
    report = QualityReport()
    items = pair_folder_data_list(tmp_path, report=report)
    assert [item["patient"] for item in items] == ["SC-N-1", "SC-N-1", "SC-N-2", "other"]
    assert report.notes == [
        "patients were guessed from names, 3 of 4 images, such as SC-N-1 of SC-N-1-IM-0001-0048.png; a table with the "
        "columns image and patient sets them"
    ]
    assert items[0]["group"] == items[1]["group"]
    assert not report.findings


@pytest.mark.parametrize(
    ("folders", "patients"),
    [
        (("subj01/visit1", "subj01/visit2", "subj02/visit1"), ["subj01", "subj01", "subj02"]),
        (("a/sub-1/ses-1/anat", "a/sub-1/ses-2/anat", "b/sub-1/ses-1/anat"), ["a/sub-1", "a/sub-1", "b/sub-1"]),
        (("007/baseline", "007/follow-up", "8/baseline"), ["007", "007", "8"]),
        (("site1/A", "site1/B", "site2/A"), ["A-a", "B-a", "a"]),  # sites are not patients
    ],
)
def test_patients_are_the_folders_above_visits(tmp_path: Path, folders: tuple[str, ...], patients: list[str]) -> None:
    for index, folder in enumerate(folders):
        (tmp_path / folder).mkdir(parents=True)
        _save(tmp_path, "a.png", _disc((20, 12 + index), 8), folder)
        _save(tmp_path, "a_mask.png", _disc((20, 12 + index), 8), folder)
    report = QualityReport()
    items = pair_folder_data_list(tmp_path, report=report)
    found = {str(Path(item["image"]).parent.relative_to(tmp_path)): item["patient"] for item in items}
    if patients[0] == "A-a":
        assert len(set(found.values())) == 3 and report.notes == []
        return
    assert [found[folder] for folder in folders] == patients
    assert "patients were guessed from names, 2 of 3 images" in report.notes[0]


def test_masks_of_doubtful_values(tmp_path: Path) -> None:
    good = _disc((20, 20), 8)
    for name in ("a", "b", "smooth", "colors", "labels"):
        _save(tmp_path, f"{name}.png", good, "images")
        _save(tmp_path, f"{name}.png", good)
    smooth = Image.open(tmp_path / "masks" / "smooth.png").resize((480, 400)).resize((48, 40), Image.Resampling.BICUBIC)
    Image.fromarray(np.clip(np.asarray(smooth.rotate(7, Image.Resampling.BILINEAR)), 0, 255)).save(
        tmp_path / "masks" / "smooth.png"
    )
    inner = _disc((20, 20), 4)
    for name, values in (("colors", (76, 255)), ("labels", (1, 2))):
        Image.fromarray(np.where(inner, values[1], good * values[0]).astype(np.uint8)).save(
            tmp_path / "masks" / f"{name}.png"
        )
    report = QualityReport()
    items = pair_folder_data_list(tmp_path, report=report)
    assert [item["name"] for item in items] == ["a", "b", "smooth"]
    assert report.kinds() == {"color_mask": 1, "mask_values": 1, "smooth_mask": 1}
    assert _load(items[2])["label"].sum() == pytest.approx(good.sum(), rel=0.1)


def test_cdd_cesm(shared_data: Path) -> None:
    root = shared_data / "cdd_cesm"
    tested: list[str] = []
    for fold in range(5):
        items = pair_folder_data_list(root, row_filter={"mass_like": "1"}, folds=5, fold=fold)
        assert len(items) == 52
        groups = {
            group: {item["patient"] for item in items if item["group"] == group} for group in ("training", "test")
        }
        assert not groups["training"] & groups["test"]
        assert len(groups["test"]) == 5
        tested += groups["test"]
    assert len(tested) == len(set(tested)) == 25
    assert {item["laterality"] for item in items} == {"L", "R"}
    loaded = _load(items[0])
    assert loaded["image"].shape == loaded["label"].shape == (1, 512, 512)


def test_a_table_and_masks_that_are_no_files(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        _save(tmp_path, name, _disc((20, 20), 8))
        _save(tmp_path, name, _disc((20, 20), 8), "images")
    (tmp_path / "masks" / "b.png").unlink()
    os.mkfifo(tmp_path / "masks" / "b.png")
    report = QualityReport()
    assert len(pair_folder_data_list(tmp_path, report=report)) == 1
    assert report.kinds() == {"frame_without_mask": 1, "not_a_file": 1}
    os.mkfifo(tmp_path / "index.csv")
    with pytest.raises(ValueError, match=r"index\.csv is not a regular file"):
        pair_folder_data_list(tmp_path)


def test_an_image_cut_off(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        _save(tmp_path, name, _disc((20, 20), 8))
        _save(tmp_path, name, _disc((20, 20), 8), "images")
    path = tmp_path / "images" / "b.png"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 20])
    report = QualityReport()
    assert [item["name"] for item in pair_folder_data_list(tmp_path, report=report)] == ["a"]
    assert [(finding.kind, finding.subject) for finding in report.findings] == [("invalid_image", "images/b.png")]
