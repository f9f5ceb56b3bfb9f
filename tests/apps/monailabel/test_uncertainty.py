# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.monailabel.images import LabelImage
from monai_acdr.apps.monailabel.outlining import outline_image, parse_prompts
from monai_acdr.apps.monailabel.sampling import UNKNOWN_SPREAD, contour_spread, image_uncertainty
from monai_acdr.geometry import circle


def same_circle(_images: Any, rois: Any) -> list[torch.Tensor]:
    return [circle(torch.tensor([50.0, 40.0]), 10.0, 32).to(torch.float64)[None]] * len(rois)


def circle_of_the_region(_images: Any, rois: Any) -> list[torch.Tensor]:
    return [circle(roi[:2], float(roi[2]) / 4, 32)[None] for roi in rois]


def test_spread(volume: LabelImage, heart_model: ContourModel) -> None:
    (found,) = outline_image(volume, parse_prompts({"foreground": [[50, 40, 1]]}, volume.shape), heart_model)
    sure = replace(heart_model, infer=same_circle)  # type: ignore[arg-type]
    unsure = replace(heart_model, infer=circle_of_the_region)  # type: ignore[arg-type]
    assert contour_spread(volume, found, sure) == 0
    assert 0.1 < contour_spread(volume, found, unsure) < 1


def test_few_frames_are_looked_at(
    series: LabelImage, heart_model: ContourModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def find(_image: Any, indices: list[int], _model: Any) -> list[Any]:
        seen.extend(indices)
        return []

    monkeypatch.setattr("monai_acdr.apps.monailabel.sampling.find_contours", find)
    assert image_uncertainty(series, heart_model) == UNKNOWN_SPREAD
    assert seen == [2, 6, 9] or len(seen) == 3


def test_what_is_not_found_is_most_uncertain(volume: LabelImage, mass_model: ContourModel) -> None:
    assert image_uncertainty(volume, mass_model) == UNKNOWN_SPREAD
