# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from shapely import LineString, Point, Polygon

from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.monailabel.answers import answer
from monai_acdr.apps.monailabel.images import LabelImage
from monai_acdr.apps.monailabel.outlining import Outlined, find_contours, outline_image, parse_prompts
from monai_acdr.apps.monailabel.sampling import score_label
from monai_acdr.apps.monailabel.saved_labels import labels_of_seg
from monai_acdr.apps.outlines import Outline
from monai_acdr.geometry import circle
from monai_acdr.inferers import InferredContours


def outline(image: LabelImage, model: ContourModel, **request: object) -> list:
    return outline_image(image, parse_prompts(request, image.shape), model)


def test_a_click_is_the_middle_of_the_region(volume: LabelImage, heart_model: ContourModel) -> None:
    (found,) = outline(volume, heart_model, foreground=[[50, 40, 1]])
    assert (found.frame, found.prompt) == (1, "point")
    assert found.region[:2].tolist() == [50.5, 40.5]
    rows, columns = volume.inputs.frames[1].spacing or (1, 1)
    side = heart_model.regions.point_side * heart_model.regions.pixel_mm
    np.testing.assert_allclose(found.region[2:4], [side / columns, side / rows])
    assert np.array_equal(found.vertices, found.drawn)


class Beside:
    """Draws beside the middle of a large region, and in the middle of a smaller one."""

    batch_size = 8

    def __init__(self, side: float) -> None:
        self.side = side

    def __call__(self, images: list, rois: list) -> list[torch.Tensor]:
        shifts = [30.0 if float(roi[2]) > 0.9 * self.side else 1.0 for roi in rois]
        found = []
        for roi, shift in zip(rois, shifts, strict=True):
            center = roi[:2] + torch.tensor([shift, 0.0])
            rings = torch.stack([circle(center, torch.tensor(r, dtype=torch.float64), 32) for r in (12.0, 16.0)])
            found.append(torch.stack([rings, rings]))
        return found

    def outline(self, images: list, rois: list) -> list[InferredContours]:
        return [InferredContours(each, None, ((), ())) for each in self(images, rois)]


def test_a_contour_that_misses_the_click_is_drawn_again(volume: LabelImage, heart_model: ContourModel) -> None:
    side = heart_model.regions.point_side * heart_model.regions.pixel_mm / volume.inputs.frames[1].spacing[1]
    model = replace(heart_model, infer=Beside(side))
    (found,) = outline(volume, model, foreground=[[50, 40, 1]])
    for number in range(2):
        np.testing.assert_allclose(found.drawn[number].mean(0), [80.5, 40.5], atol=1e-6)
        np.testing.assert_allclose(found.vertices[number].mean(0), [51.5, 40.5], atol=1e-6)


def test_further_clicks_are_obeyed(volume: LabelImage, heart_model: ContourModel) -> None:
    (first,) = outline(volume, heart_model, foreground=[[50, 40, 1]])
    x, y = first.vertices[0][first.vertices[0][:, 0].argmax()]
    far, near = [round(x + 3), round(y - 0.5), 1], [round(x - 4), round(y - 0.5), 1]
    (found,) = outline(volume, heart_model, foreground=[[50, 40, 1], far], background=[])
    assert Polygon(found.vertices[0]).contains(Point(far[0] + 0.5, far[1] + 0.5))
    np.testing.assert_array_equal(found.drawn[0], first.vertices[0])
    (found,) = outline(volume, heart_model, foreground=[[50, 40, 1]], background=[near])
    assert not Polygon(found.vertices[0]).contains(Point(near[0] + 0.5, near[1] + 0.5))


def test_a_box_on_several_slices(volume: LabelImage, heart_model: ContourModel) -> None:
    found = outline(volume, heart_model, roi=[30, 70, 20, 60, 1, 2])
    assert [each.frame for each in found] == [1, 2] and found[0].region[:2].tolist() == [50.5, 40.5]


def test_phases(series: LabelImage, heart_model: ContourModel) -> None:
    found = outline(series, heart_model, foreground=[[50, 50, 0], [50, 50, 7]])
    assert [each.frame for each in found] == [0, 7]


def test_a_mass_needs_a_box_or_its_ends(volume: LabelImage, mass_model: ContourModel) -> None:
    with pytest.raises(ValueError, match="click on two or more ends of the object"):
        outline(volume, mass_model, foreground=[[50, 40, 1]])
    with pytest.raises(ValueError, match="Expected a box or a point for Mass"):
        outline(volume, mass_model)
    (clicked,) = outline(volume, mass_model, foreground=[[30, 40, 1], [70, 40, 1], [50, 20, 1], [50, 60, 1]])
    (drawn,) = outline(volume, mass_model, roi=[30, 70, 20, 60, 1, 1])
    assert torch.equal(clicked.region, drawn.region)


def test_nothing_given(series: LabelImage, heart_model: ContourModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where hearts are is found elsewhere, in the frames that were asked for."""
    seen = []

    def stand_in(request: Any, inputs: Any, _model: Any, _grid: Any, every: bool, **_options: Any) -> list[Outline]:
        seen.append((str(request), len(inputs.frames), every))
        nothing = Outline(None, None, 0.1, "no ventricle found")
        circle = np.array([[40.0, 40], [60, 40], [50, 60]])
        found = Outline(circle[None, None], torch.tensor([50.0, 50, 40, 40, 0]), 0.9)
        return [found, *[nothing] * (len(inputs.frames) - 1)]

    monkeypatch.setattr("monai_acdr.apps.monailabel.outlining.outline_frames", stand_in)
    (found,) = outline(series, heart_model)
    assert (found.frame, found.prompt, found.confidence) == (0, "auto", 0.9)
    (found,) = outline(series, heart_model, slice=2)
    assert found.frame == 2
    (found,) = find_contours(series, [3, 4], heart_model)
    assert found.frame == 3
    assert seen == [("auto", 12, False), ("auto", 1, True), ("auto", 2, False)]


def test_nothing_to_see(volume: LabelImage, heart_model: ContourModel) -> None:
    black = [replace(frame, image=frame.image * 0) for frame in volume.inputs.frames]
    image = replace(volume, inputs=replace(volume.inputs, frames=black))
    for request in ({"foreground": [[50, 40, 1]]}, {"roi": [30, 70, 20, 60, 0, 2]}, {"slice": 1}):
        with pytest.raises(ValueError, match="there is no contrast in the region of interest: click or draw a box"):
            outline(image, heart_model, **request)
    image = replace(volume, inputs=replace(volume.inputs, frames=[*black[:2], volume.inputs.frames[2]]))
    assert [found.frame for found in outline(image, heart_model, roi=[30, 70, 20, 60, 0, 2])] == [2]


def radius(found: Outlined, number: int, direction: tuple[float, float], center: tuple[float, float]) -> float:
    """Distance from the center at which a ray leaves the contour of a structure, by shapely."""
    ray = LineString([center, (center[0] + 100 * direction[0], center[1] + 100 * direction[1])])
    return float(ray.intersection(Polygon(found.vertices[number])).length)


@pytest.mark.parametrize(
    ("kind", "distance", "moved"),
    [("foreground", 9, 0), ("foreground", 14, 1), ("background", 11, 1), ("background", 7, 0)],
)
def test_a_click_acts_on_the_nearest_structure(
    volume: LabelImage, nested_model: ContourModel, kind: str, distance: int, moved: int
) -> None:
    """The circles have radii of 8 and 12 about the first click."""
    click = [50 + distance, 40, 1]
    request: dict[str, Any] = {"foreground": [[50, 40, 1]], "background": []}
    request[kind] = [*request[kind], click]
    (found,) = outline(volume, nested_model, **request)
    assert found.warning == ""
    kept = 1 - moved
    np.testing.assert_array_equal(found.vertices[kept], found.drawn[kept])
    inside = Polygon(found.vertices[moved]).contains(Point(click[0] + 0.5, click[1] + 0.5))
    assert inside == (kind == "foreground")
    assert radius(found, moved, (-1, 0), (50.5, 40.5)) == pytest.approx((8, 12)[moved], abs=0.1)


@pytest.mark.parametrize("seed", range(12))
def test_corrected_structures_stay_nested(volume: LabelImage, nested_model: ContourModel, seed: int) -> None:
    random = np.random.default_rng(seed)
    points = [[*np.round(random.normal([50, 40], 9)).tolist(), 1] for _ in range(5)]
    (found,) = outline(volume, nested_model, foreground=[[50, 40, 1], *points[:3]], background=points[3:])
    inner, outer = (Polygon(vertices) for vertices in found.vertices)
    assert inner.is_valid and outer.buffer(1e-6).contains(inner)


def test_several_structures_are_one_segmentation(
    series: LabelImage, nested_model: ContourModel, tmp_path: Path
) -> None:
    """Both answers say the same: rings of a label map, and segments of which one lies within the other."""
    request = {"foreground": [[50, 50, 3]]}
    path, result = answer({**request, "result_extension": ".nii.gz"}, series, nested_model)
    assert result["label_names"] == {"LV endocardium": 1, "LV myocardium": 2}
    assert [record["structure"] for record in result["contours"]] == ["LV endocardium", "LV epicardium"]
    labels = np.asarray(nib.load(path).dataobj)
    assert labels[50, 50, 3] == 1 and labels[60, 50, 3] == 2 and labels[63, 50, 3] == 0
    path, _ = answer({**request, "result_extension": ".dcm"}, series, nested_model)
    np.testing.assert_array_equal(labels_of_seg(Path(path), series), labels)
    score = score_label(series, labels, nested_model)
    assert score["dice"] == 1 and score["dice_of"] == {"LV endocardium": 1, "LV epicardium": 1}
    assert score["area_mm2"] == pytest.approx(float((labels == 1).sum()) * 1.3**2, abs=0.01)
