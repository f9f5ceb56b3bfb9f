# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import nibabel as nib
import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data.meta_tensor import MetaTensor
from PIL import Image

from monai_acdr.apps.documents import FORMAT, VERSION, contour_document_schema, read_contour_document
from monai_acdr.geometry import pixel_to_world
from monai_acdr.handlers import ContourWriter, contour_record
from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.visualize import INITIAL_COLOR, REFERENCE_COLOR, structure_color

HEIGHT, WIDTH = 40, 56
TRIANGLE = torch.tensor([[[10.0, 8.0], [40.0, 12.0], [14.0, 30.0]]])  # no symmetry: a flip would show


def _affine() -> torch.Tensor:
    """An oblique plane with anisotropic pixels: rows 1.5 mm apart, columns 0.75 mm, in RAS."""
    column_step = torch.tensor([math.cos(0.4), math.sin(0.4), 0.0], dtype=torch.float64)
    row_step = torch.tensor([0.0, 0.0, -1.0], dtype=torch.float64)
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, 0], affine[:3, 1] = 1.5 * row_step, 0.75 * column_step
    affine[:3, 3] = torch.tensor([5.0, -20.0, 30.0])
    return affine


def _case(name: str = "study-1", **extra: Any) -> dict[str, Any]:
    affine = _affine()
    image = torch.rand(1, HEIGHT, WIDTH)
    meta = {"spatial_shape": (HEIGHT, WIDTH), "original_affine": affine, "PatientName": "Doe^Jane"}
    mask = (rasterize_polygons(TRIANGLE, (HEIGHT, WIDTH))[0] >= 0.5).float()
    return {
        "name": name,
        "full_image": MetaTensor(image, affine=affine, meta=meta),
        "pred": TRIANGLE,
        "pred_mask": mask,
        "has_spacing": True,
        **extra,
    }


def test_record_in_pixels_and_mm() -> None:
    document = contour_record(_case(initial=TRIANGLE + 1))
    assert (document["format"], document["version"]) == (FORMAT, VERSION)
    (frame,) = document["frames"]
    (record,) = frame["contours"]
    assert (document["structures"], record["structure"]) == (["1"], "1")
    assert (frame["name"], frame["size"]) == ("study-1", [HEIGHT, WIDTH])
    np.testing.assert_allclose(record["vertices_px"], TRIANGLE[0])
    np.testing.assert_allclose(record["initial_vertices_px"], TRIANGLE[0] + 1)
    area = abs(30 * 22 - 4 * 4) / 2  # half the cross product of two sides
    assert record["area_px2"] == pytest.approx(area)
    assert record["area_mm2"] == pytest.approx(area * 1.5 * 0.75)
    assert frame["spacing_mm"] == pytest.approx([1.5, 0.75])
    sides = np.linalg.norm(np.diff(record["vertices_mm"], axis=0), axis=1)
    np.testing.assert_allclose(sides, [math.hypot(30 * 0.75, 4 * 1.5), math.hypot(26 * 0.75, 18 * 1.5)], atol=1e-3)


def test_no_mm_without_spacing() -> None:
    (frame,) = contour_record(_case(has_spacing=False))["frames"]
    (record,) = frame["contours"]
    assert record["vertices_mm"] is None
    assert record["area_mm2"] is None
    assert frame["spacing_mm"] is None


@pytest.mark.parametrize("has_spacing", [True, False])
def test_the_record_is_a_contour_document(tmp_path: Path, has_spacing: bool) -> None:
    ContourWriter(tmp_path, overlay=False, structures=["lv", "wall"]).write(_two(has_spacing=has_spacing))
    path = tmp_path / "study-1.json"
    jsonschema.Draft202012Validator(contour_document_schema()).validate(json.loads(path.read_text()))
    document = read_contour_document(path)
    assert [structure.label for structure in document.structures] == ["lv", "wall"]
    (frame,) = document.frames
    assert (frame.name, frame.size, frame.indices) == ("study-1", (HEIGHT, WIDTH), (0, 1))
    assert frame.spacing == (pytest.approx((1.5, 0.75)) if has_spacing else None)
    np.testing.assert_allclose(frame.contours[0], TRIANGLE[0], atol=1e-4)
    assert (frame.world is not None) == has_spacing
    if has_spacing:
        world = pixel_to_world(TRIANGLE[0].to(torch.float64), _affine())
        np.testing.assert_allclose(frame.world[0], world, atol=1e-4)


def test_files(tmp_path: Path) -> None:
    writer = ContourWriter(tmp_path / "out", scale=3, margin=None)
    engine = Engine(lambda engine, batch: None)
    engine.state.batch, engine.state.output = [_case()], [{"reference": TRIANGLE + 2, "initial": TRIANGLE - 2}]
    writer.start(engine)
    writer(engine)
    writer.finish(engine)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "study-1.json",
        "study-1.nii.gz",
        "study-1.png",
    ]
    text = (tmp_path / "out" / "study-1.json").read_text()
    assert json.loads(text)["frames"][0]["name"] == "study-1"
    assert "Doe" not in text
    assert Image.open(tmp_path / "out" / "study-1.png").size == (3 * WIDTH, 3 * HEIGHT)


def test_the_nifti_lies_where_the_contour_lies(tmp_path: Path) -> None:
    case = _case()
    writer = ContourWriter(tmp_path, overlay=False)
    writer.write(case)
    image = nib.load(tmp_path / "study-1.nii.gz")
    data = np.asarray(image.dataobj)
    assert data.shape == (WIDTH, HEIGHT, 1)
    np.testing.assert_array_equal(data[:, :, 0].T, case["pred_mask"][0])
    columns, rows = np.nonzero(data[:, :, 0])
    world_ras = nib.affines.apply_affine(image.affine, np.stack([columns, rows, 0 * rows], axis=-1))
    centers = torch.tensor(np.stack([columns, rows], axis=-1) + 0.5)
    np.testing.assert_allclose(world_ras * [-1, -1, 1], pixel_to_world(centers, _affine()), atol=1e-4)
    np.testing.assert_allclose(image.header.get_zooms()[:2], (0.75, 1.5), rtol=1e-5)


@pytest.mark.parametrize("name", ["../outside", "a/b", "", ".."])
def test_a_name_that_leaves_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        ContourWriter(tmp_path / "out").write(_case(name))
    assert list(tmp_path.iterdir()) == []


# --- Several structures ---------------------------------------------------------------------------------------------


def _two(**extra: Any) -> dict[str, Any]:
    outer = (TRIANGLE - TRIANGLE.mean(1)) * 1.3 + TRIANGLE.mean(1)
    both = torch.cat([TRIANGLE, outer])
    mask = (rasterize_polygons(both, (HEIGHT, WIDTH))[:, 0] >= 0.5).float()
    return _case(**{"pred": both, "pred_mask": mask, "initial": both + 1, **extra})


def test_a_record_of_several_structures() -> None:
    case = _two()
    record = contour_record(case, ["lv", "lv_epicardium"])
    assert record["structures"] == ["lv", "lv_epicardium"]
    parts = record["frames"][0]["contours"]
    assert [part["structure"] for part in parts] == ["lv", "lv_epicardium"]
    for index, part in enumerate(parts):
        alone = {key: case[key][index : index + 1] for key in ("pred", "pred_mask", "initial")}
        (one,) = contour_record(_case(**alone), [part["structure"]])["frames"][0]["contours"]
        assert part == one
    assert contour_record(case)["structures"] == ["1", "2"]
    with pytest.raises(ValueError, match=r"Expected a name for each of 2 structures, but got `structures` \['lv'\]"):
        contour_record(case, ["lv"])


def test_files_of_several_structures(tmp_path: Path) -> None:
    reference = torch.cat([TRIANGLE + 0.5, torch.full_like(TRIANGLE, torch.nan)])  # no reference of the outer one
    ContourWriter(tmp_path, scale=3, margin=None, structures=["lv", "lv_epicardium"]).write(_two(reference=reference))
    text = (tmp_path / "study-1.json").read_text()
    assert json.loads(text)["frames"][0]["contours"][1]["structure"] == "lv_epicardium"
    assert max(len(line) for line in text.splitlines()) < 400 and len(text.splitlines()) < 40
    labels = np.asarray(nib.load(tmp_path / "study-1.nii.gz").dataobj)[:, :, 0].T
    inner, outer = _two()["pred_mask"].bool().numpy()
    np.testing.assert_array_equal(labels, np.where(inner, 1, np.where(outer, 2, 0)))
    picture = np.asarray(Image.open(tmp_path / "study-1.png"))
    for color in (structure_color(0), structure_color(1), INITIAL_COLOR, REFERENCE_COLOR):
        assert (picture == color).all(-1).sum() > 40
