# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from monai_acdr.inferers import find_heart_rois

SIDES = (60.0, 60.0)


def test_a_heart_off_the_centre_in_a_single_frame(draw_discs: Any, stand_in: Any) -> None:
    image = draw_discs((200, 260), [(205.0, 62.0, 12.0)], noise=0.02)
    found = find_heart_rois([image], stand_in, SIDES)
    assert found.rois[0].tolist() == pytest.approx([205, 62, 60, 60, 0], abs=0.5)
    assert found.findings[0].is_ventricle
    assert found.searched == [0]


def test_a_constant_image(draw_discs: Any, stand_in: Any) -> None:
    found = find_heart_rois([draw_discs((80, 100), [])], stand_in, SIDES)
    assert found.rois[0].tolist() == [50, 40, 60, 60, 0]
    assert not found.findings[0].is_ventricle
    assert found.findings[0].confidence == 0


def cine(draw: Any, slices: int = 7, phases: int = 6) -> tuple[list[Any], list[int], list[int]]:
    """A beating disc on a slanted axis in slices 1 to 5, and a brighter still disc elsewhere in slice 0."""
    images, numbers, moments = [], [], []
    for number in range(slices):
        for phase in range(phases):
            radius = 12.0 - 3 * math.sin(math.pi * phase / phases)
            discs = [(190.0 + 2 * number, 60.0, radius)] if 1 <= number <= 5 else []
            if number == 0:
                discs = [(60.0, 140.0, 12.0)]
            images.append(draw((200, 260), discs, noise=0.02))
            numbers.append(number)
            moments.append(phase)
    return images, numbers, moments


def test_a_cine_series(draw_discs: Any, stand_in: Any) -> None:
    images, slices, phases = cine(draw_discs)
    found = find_heart_rois(images, stand_in, SIDES, slices, phases)
    for roi, number in zip(found.rois, slices, strict=True):
        assert float((roi[:2] - torch.tensor([190.0 + 2 * number, 60.0])).norm()) < 6  # the axis, above and below too
    kept = {number for number, finding in zip(slices, found.findings, strict=True) if finding.is_ventricle}
    assert kept == {1, 2, 3, 4, 5}
    assert len(found.searched) <= 10


def test_the_order_of_frames_does_not_matter(draw_discs: Any, stand_in: Any) -> None:
    images, slices, phases = cine(draw_discs)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).tolist()
    plain = find_heart_rois(images, stand_in, SIDES, slices, phases)
    mixed = find_heart_rois(
        [images[i] for i in order], stand_in, SIDES, [slices[i] for i in order], [phases[i] for i in order]
    )
    for place, index in enumerate(order):
        torch.testing.assert_close(mixed.rois[place], plain.rois[index])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": []}, "at least one image"),
        ({"sides": (60,)}, "`sides` to be a positive"),
        ({"sides": (60, -1)}, "`sides` to be a positive"),
        ({"slice_index": [0, 1]}, "`slice_index` to have one number an image"),
        ({"phase": [0]}, "`slice_index` with `phase`"),
        ({"threshold": 2}, "`threshold` to be from 0 to 1"),
    ],
)
def test_refused(draw_discs: Any, stand_in: Any, changes: dict[str, Any], message: str) -> None:
    arguments = {"images": [draw_discs((80, 100), [])], "infer": stand_in, "sides": SIDES} | changes
    with pytest.raises(ValueError, match=message):
        find_heart_rois(**arguments)


def test_wrong_images(draw_discs: Any, stand_in: Any) -> None:
    with pytest.raises(ValueError, match=r"images \(1, H, W\)"):
        find_heart_rois([draw_discs((80, 100), [])[0]], stand_in, SIDES)
