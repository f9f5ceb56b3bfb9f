# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from monai_acdr.apps.inputs import Frame, make_image
from monai_acdr.apps.model import RegionRules
from monai_acdr.apps.regions import make_region, mirror_region, parse_region

HEART = RegionRules(112, 100, 1.3, 1.0, True, False)
MASS = RegionRules(None, None, None, 1.2, False, True)


def frame(spacing: tuple[float, float] | None = None, size: tuple[int, int] = (200, 300)) -> Frame:
    return Frame("x", make_image(torch.zeros(size).numpy(), torch.eye(4)), spacing)


@pytest.mark.parametrize(
    ("text", "kind", "numbers"),
    [
        ("auto", "auto", ()),
        ("Center", "center", ()),
        ("point 12 13.5", "point", (12, 13.5)),
        ("box 1,2,3,4", "box", (1, 2, 3, 4)),
        (("box", 1, 2, 3, 4), "box", (1, 2, 3, 4)),
        (["point", "-1", 2], "point", (-1, 2)),
    ],
)
def test_words(text: object, kind: str, numbers: tuple[float, ...]) -> None:
    request = parse_region(text)
    assert (request.kind, request.numbers, request.path) == (kind, numbers, None)


def test_files() -> None:
    assert parse_region("masks/a b.nii.gz").path == Path("masks/a b.nii.gz")
    assert parse_region(Path("auto")).path == Path("auto")
    assert str(parse_region("DOE^JANE.dcm")) == "contours"  # as reports name it


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("box 1 2 3", "Expected 4 numbers after 'box', but got 1 2 3"),
        ("point x y", "Expected 2 numbers after 'point'"),
        ("point", "but got none"),
        ("auto 3", "Expected 0 numbers after 'auto'"),
        ("point nan 3", "Expected 2 numbers"),
        ("box 5 5 5 9", "x0 < x1 and y0 < y1"),
    ],
)
def test_words_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_region(text)


def test_sides_follow_the_spacing() -> None:
    request = parse_region("center")
    assert make_region(request, frame(), HEART).tolist() == [150, 100, 112, 112, 0]
    side = 112 * 1.3
    region = make_region(request, frame((0.65, 2.6)), HEART)  # rows are close: the region is high
    assert region.tolist() == pytest.approx([150, 100, side / 2.6, side / 0.65, 0])
    region = make_region(parse_region("point 20 30"), frame((1.3, 1.3)), HEART)
    assert region.tolist() == pytest.approx([20, 30, 100, 100, 0])


def test_boxes_and_contours() -> None:
    request = parse_region("box 10 20 60 50")
    assert make_region(request, frame(), HEART).tolist() == [35, 35, 50, 50, 0]  # square
    assert make_region(request, frame(), MASS).tolist() == pytest.approx([35, 35, 60, 36, 0])
    assert make_region(parse_region("box 0 0 50 30"), frame(), MASS).tolist() == pytest.approx([30, 18, 60, 36, 0])
    square = torch.tensor([[10.0, 20], [30, 20], [30, 40], [10, 40]], dtype=torch.float64)
    earlier = parse_region(Path("x.json"))
    assert make_region(earlier, frame(), HEART, [square]).tolist() == pytest.approx([20, 30, 100, 100, 0])
    assert make_region(earlier, frame(), MASS, [square]).tolist() == pytest.approx([20, 30, 24, 24, 0])


def test_mirror() -> None:
    region = torch.tensor([35.0, 40, 50, 30, 0.2], dtype=torch.float64)
    assert mirror_region(region, 100).tolist() == pytest.approx([65, 40, 50, 30, -0.2])


def test_refused() -> None:
    with pytest.raises(ValueError, match=r"inside the image of 300 x 200 \(x, y\)"):
        make_region(parse_region("point 20 201"), frame(), HEART)
    for word in ("center", "point 3 4"):
        with pytest.raises(ValueError, match="add --roi box X0 Y0 X1 Y1"):
            make_region(parse_region(word), frame(), MASS)


@pytest.mark.parametrize("spacing", [(0.001, 0.001), (1.3, 0.01), (60.0, 60.0)])
@pytest.mark.parametrize("words", ["center", "point 20 30"])
def test_sides_of_a_wrong_scale_are_refused(words: str, spacing: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"region of 8 to 2400 pixels for an image of 200 x 300 .*--spacing"):
        make_region(parse_region(words), frame(spacing), HEART)
