# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import shapely
from PIL import Image

from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.monailabel import outlining
from monai_acdr.apps.monailabel.answers import answer, wants
from monai_acdr.apps.monailabel.images import LabelImage, read_label_image
from monai_acdr.apps.outlines import Outline
from monai_acdr.measures import Finding

ROUNDING = 1e-4
"""Of the vertices in an answer, in pixels."""


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_file_and_json(volume: LabelImage, heart_model: ContourModel) -> None:
    path, result = answer({"foreground": [[50, 40, 1]], "background": []}, volume, heart_model)
    assert path is not None and path.endswith(".nii.gz")
    labels = np.asarray(nib.load(path).dataobj)
    assert labels[50, 40, 1] == 1 and not labels[:, :, [0, 2]].any()
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["label_names"] == {"LV endocardium": 1, "LV myocardium": 2}
    assert [record["structure"] for record in result["contours"]] == ["LV endocardium", "LV epicardium"]
    assert result["algorithm"]["weights_sha256"] == heart_model.checkpoint_sha256
    assert list(result["centroids"]) == list(result["label_names"])
    for centroid in result["centroids"].values():
        x, y, k = map(float, centroid)
        assert abs(x - 50) < 3 and abs(y - 40) < 3 and k == 1


@pytest.mark.parametrize("extension", [".nrrd", "nii.gz", ".nii"])
def test_formats(volume: LabelImage, heart_model: ContourModel, extension: str) -> None:
    path, _ = answer({"foreground": [[50, 40, 1]], "result_extension": extension}, volume, heart_model)
    assert path is not None and path.endswith("." + extension.removeprefix("."))


def test_segmentation(series: LabelImage, heart_model: ContourModel) -> None:
    path, _ = answer({"foreground": [[50, 50, 1]], "result_extension": ".dcm"}, series, heart_model)
    assert path is not None and Path(path).read_bytes()[128:132] == b"DICM"


def test_no_file(volume: LabelImage, heart_model: ContourModel, tmp_path: Path) -> None:
    path, result = answer({"foreground": [[50, 40, 1]], "result_write_to_file": "false"}, volume, heart_model)
    assert path is None and result["contours"] and not list(tmp_path.iterdir())


def test_an_error_leaves_no_file(volume: LabelImage, heart_model: ContourModel, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expected `result_dtype`"):
        answer({"foreground": [[50, 40, 1]], "result_dtype": "x"}, volume, heart_model)
    assert not list(tmp_path.iterdir())


def test_points_that_no_contour_obeys_are_named(volume: LabelImage, heart_model: ContourModel) -> None:
    _, good = answer({"foreground": [[50, 40, 1]], "background": [[5, 5, 1]]}, volume, heart_model)
    assert good["warnings"] == []
    # Outside points all about the first one and inside it, as no simple contour can have.
    ring = [[50 + x / 50, 40 + y / 50, 1] for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y]
    request = {"foreground": [[50, 40, 1], *[[i + 0.005, j, k] for i, j, k in ring]], "background": ring}
    _, result = answer(request, volume, heart_model)
    inner, _ = result["contours"]  # the points are nearest to the inner contour
    contour = shapely.Polygon(inner["vertices_px"])
    wrong = [p for p in request["foreground"] if not contour.buffer(ROUNDING).contains(pixel(p))]
    wrong += [p for p in request["background"] if contour.buffer(-ROUNDING).contains(pixel(p))]
    assert bool(wrong) == bool(result["warnings"])
    if wrong:
        assert result["warnings"][0].startswith("Slice 2 of 3: No contour obeys all points; not obeyed: [")


def test_the_names_of_such_points(
    volume: LabelImage, heart_model: ContourModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A point outside of both structures that stays within both is named once."""
    monkeypatch.setattr(outlining, "correct_contour", lambda vertices, *_: vertices)
    _, result = answer({"foreground": [[50, 40, 1]], "background": [[51, 41, 1]]}, volume, heart_model)
    expected = "Slice 2 of 3: No contour obeys all points; not obeyed: [51, 41]. Move or delete them."
    assert result["warnings"] == [expected]


def pixel(point: list[float]) -> shapely.Point:
    return shapely.Point(point[0] + 0.5, point[1] + 0.5)


def test_points_that_cannot_be_used_are_told(
    volume: LabelImage, heart_model: ContourModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("Expected a contour with an area.")

    monkeypatch.setattr(outlining, "correct_contour", refuse)
    _, result = answer({"foreground": [[50, 40, 1]]}, volume, heart_model)
    expected = "Slice 2 of 3: The points were not used: Expected a contour with an area."
    assert result["warnings"] == [expected] and len(result["contours"]) == 2


def test_a_contour_outside_of_the_image_is_told(volume: LabelImage, heart_model: ContourModel) -> None:
    _, result = answer({"foreground": [[0, 0, 1]]}, volume, heart_model)
    height, width = volume.inputs.frames[0].size
    contours = [shapely.Polygon(record["vertices_px"]).buffer(0) for record in result["contours"]]
    share = max(1 - each.intersection(shapely.box(0, 0, width, height)).area / each.area for each in contours)
    assert len(contours) == 2 and share > 0.1
    assert f"Slice 2 of 3: {100 * share:.0f} % of the contour's area lie outside of the image." in result["warnings"]


def test_scales_that_cannot_be_right_are_told(volume: LabelImage, heart_model: ContourModel, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (470, 500), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image, request = read_label_image(tmp_path / "a.png"), {"foreground": [[250, 200]]}
    _, result = answer(request, image, heart_model)
    reason = "470 x 500 pixels (H x W) would be 611 x 650 mm with the 1.3 mm of the training images"
    assert result["warnings"] == [f"Slice 1 of 1: implausible scale, {reason}."]
    odd = replace(volume, inputs=replace(volume.inputs, findings=[Finding("implausible_scale", "a spacing of 9 mm")]))
    _, result = answer({"foreground": [[50, 40, 1]]}, odd, heart_model)
    assert result["warnings"] == ["implausible scale: a spacing of 9 mm"]


def test_a_stack_whose_centers_scatter_is_told(
    volume: LabelImage, heart_model: ContourModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    outline = outlining.outline_frames
    for scattered in (False, True):

        def outlined(*arguments: Any, scattered: bool = scattered, **options: Any) -> list[Outline]:
            return [replace(each, scattered=scattered) for each in outline(*arguments, **options)]

        monkeypatch.setattr(outlining, "outline_frames", outlined)
        _, result = answer({"foreground": [[50, 40, 1]]}, volume, heart_model)
        told = [text for text in result["warnings"] if text.startswith("scattered centers: ")]
        assert len(told) == scattered and all("any of the 1 outlined" in text for text in told)


def test_points_on_other_slices_are_counted(volume: LabelImage, heart_model: ContourModel) -> None:
    request = {"foreground": [[50, 40, 1], [50, 40, 2]], "background": [[5, 5, 0]], "slice": 1}
    _, result = answer(request, volume, heart_model)
    assert result["warnings"] == ["2 point(s) are not on slice 2 of 3 and were not used."]


def test_switches() -> None:
    assert wants(None, True) and wants("true", False) and wants(1, False) and not wants("no", True)
