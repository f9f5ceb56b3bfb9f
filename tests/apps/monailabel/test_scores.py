# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np

from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.monailabel.answers import draw_labels
from monai_acdr.apps.monailabel.images import LabelImage
from monai_acdr.apps.monailabel.outlining import outline_image, parse_prompts
from monai_acdr.apps.monailabel.sampling import score_label


def drawn(volume: LabelImage, model: ContourModel, **request: object) -> np.ndarray:
    return draw_labels(volume, outline_image(volume, parse_prompts(request, volume.shape), model))


def test_a_label_that_the_model_drew(volume: LabelImage, heart_model: ContourModel) -> None:
    labels = drawn(volume, heart_model, foreground=[[50, 40, 1], [54, 40, 2]])
    score = score_label(volume, labels, heart_model)
    assert score["frames"] == 2 and score["dice"] > 0.9
    assert list(score["dice_of"]) == ["LV endocardium", "LV epicardium"] and min(score["dice_of"].values()) > 0.9
    spacing = volume.inputs.frames[1].spacing or (0, 0)
    np.testing.assert_allclose(score["area_mm2"], (labels == 1).sum() / 2 * spacing[0] * spacing[1], rtol=1e-3)


def test_areas(volume: LabelImage, heart_model: ContourModel) -> None:
    labels = drawn(volume, heart_model, foreground=[[50, 40, 1]])
    smaller = labels.copy()
    smaller[:, ::2] = 0
    assert score_label(volume, smaller, heart_model)["area_error"] > 0.5


def test_masses_are_scored_by_their_box(volume: LabelImage, mass_model: ContourModel) -> None:
    labels = np.zeros(volume.shape, np.uint8)
    labels[40:60, 30:50, 1] = 3
    score = score_label(volume, labels, mass_model)
    assert score["frames"] == 1 and 0 < score["dice"] <= 1


def test_an_empty_label(volume: LabelImage, heart_model: ContourModel, mass_model: ContourModel) -> None:
    nothing = {"dice": None, "frames": 0, "area_mm2": None, "area_error": None}
    empty = np.zeros(volume.shape, np.uint8)
    assert score_label(volume, empty, mass_model) == nothing
    assert score_label(volume, empty, heart_model) == {**nothing, "dice_of": {}}


def test_a_label_of_the_cavity_alone(volume: LabelImage, heart_model: ContourModel) -> None:
    """As labels were saved for a model of one structure: the epicardium is not known, which is not an error of it."""
    labels = drawn(volume, heart_model, foreground=[[50, 40, 1]])
    score = score_label(volume, np.where(labels == 1, 1, 0), heart_model)
    assert list(score["dice_of"]) == ["LV endocardium"] and score["dice"] == score["dice_of"]["LV endocardium"] > 0.9
