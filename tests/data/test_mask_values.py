# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Values of masks, and what they mean in a data set."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from PIL import Image, ImageDraw

from monai_acdr.data.mask_values import (
    MaskFacts,
    find_label_plan,
    mask_facts,
    object_facts,
    read_mask_values,
    structure_mask,
)


def _disc(radius: float, center: tuple[float, float] = (40, 48), size: tuple[int, int] = (80, 96)) -> np.ndarray:
    rows, columns = np.indices(size)
    return np.hypot(rows - center[0], columns - center[1]) <= radius


def _facts(image: Image.Image, path: Path) -> MaskFacts:
    image.save(path)
    return mask_facts(read_mask_values(path), path)


def _smooth() -> Image.Image:
    large = Image.new("L", (960, 800))
    ImageDraw.Draw(large).ellipse((200, 200, 650, 600), fill=255)
    return large.resize((96, 80), Image.Resampling.BILINEAR)


def _colored() -> Image.Image:
    image = Image.new("RGB", (96, 80))
    draw = ImageDraw.Draw(image)
    draw.ellipse((20, 20, 70, 60), fill=(255, 0, 0))
    draw.ellipse((35, 30, 55, 50), fill=(255, 255, 255))
    return image


@pytest.mark.parametrize("largest", [1, 255, 65535])
def test_two_values(tmp_path: Path, largest: int) -> None:
    mask = _disc(20)
    facts = _facts(Image.fromarray(mask.astype(np.uint16 if largest > 255 else np.uint8) * largest), tmp_path / "a.png")
    assert (facts.kind, facts.values, facts.counts, facts.file_format) == ("binary", (largest,), (mask.sum(),), "PNG")


def test_kinds(tmp_path: Path) -> None:
    smooth = _smooth()
    assert _facts(smooth, tmp_path / "a.png").kind == "smooth"
    assert _facts(smooth.point(lambda v: 255 * (v > 127)), tmp_path / "b.jpg").kind == "jpeg"
    assert _facts(_colored(), tmp_path / "c.png").kind == "colors"
    gray = _facts(_colored().convert("L"), tmp_path / "d.png")
    assert (gray.kind, gray.values) == ("colors", (76, 255))
    assert _facts(smooth.point(lambda v: v // 2).convert("1"), tmp_path / "e.png").kind == "dithered"
    noise = np.random.default_rng(0).integers(0, 255, (80, 96)).astype(np.uint8)
    assert _facts(Image.fromarray(noise), tmp_path / "f.png").kind == "image"
    assert _facts(Image.new("L", (96, 80)), tmp_path / "g.png").kind == "empty"
    assert _facts(Image.new("L", (96, 80), 255), tmp_path / "h.png").kind == "full"
    levels = Image.fromarray(np.where(_disc(10), 128, np.where(_disc(20), 255, 0)).astype(np.uint8))
    assert _facts(levels, tmp_path / "i.png").kind == "levels"
    assert mask_facts(np.array([[0.0, 0.5], [1.0, 0.0]]), tmp_path / "a.png").kind == "invalid"


@pytest.mark.parametrize(
    ("ring", "disc", "kind"),
    [(76, 255, "colors"), (29, 150, "colors"), (128, 255, "levels"), (1, 2, "labels")],
)
def test_a_thin_ring_is_no_smooth_edge(tmp_path: Path, ring: int, disc: int, kind: str) -> None:
    values = np.where(_disc(18), disc, np.where(_disc(20), ring, 0)).astype(np.uint8)
    assert _facts(Image.fromarray(values), tmp_path / "a.png").kind == kind


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_colors_in_a_jpeg_file(tmp_path: Path, quality: int) -> None:
    _colored().save(tmp_path / "a.jpg", quality=quality)
    assert mask_facts(read_mask_values(tmp_path / "a.jpg"), tmp_path / "a.jpg").kind == "colors"


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.7, 3])
@pytest.mark.parametrize("method", ["BILINEAR", "BICUBIC", "LANCZOS"])
def test_resized_masks_are_smooth(tmp_path: Path, scale: float, method: str) -> None:
    image = Image.fromarray((255 * _disc(20)).astype(np.uint8))
    resized = image.resize((int(96 * scale), int(80 * scale)), Image.Resampling[method])
    assert _facts(resized, tmp_path / "a.png").kind == "smooth"


def test_palettes(tmp_path: Path) -> None:
    indices = np.where(_disc(10), 2, np.where(_disc(20), 1, 0)).astype(np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    assert _facts(image, tmp_path / "a.png").values == (1, 2)
    image.putpalette([255, 255, 255, 0, 0, 0, 0, 0, 0])  # as an optimizer of PNG files may order them
    image.save(tmp_path / "b.png")
    assert np.array_equal(read_mask_values(tmp_path / "b.png") == 255, indices == 0)


def _labels(values: np.ndarray) -> MaskFacts:
    return mask_facts(values, Path("unused.nii#slice=0"))


def _map(values: np.ndarray, tmp_path: Path) -> MaskFacts:
    return _facts(Image.fromarray(values.astype(np.uint8)), tmp_path / "map.png")


def test_nested_and_disjoint_labels(tmp_path: Path) -> None:
    ring = np.where(_disc(10), 3, np.where(_disc(18), 2, 0))
    ring[_disc(6, (10, 10))] = 1
    facts = [_map(ring, tmp_path), _map(np.roll(ring, 3, 1), tmp_path)]
    plan, wrong = find_label_plan(facts)
    assert (plan.structures, plan.values, wrong) == (("label 1", "label 3", "label 2"), ((1,), (3,), (2, 3)), {})
    plan, _ = find_label_plan(facts, {"RV": (1,), "wall": (2,), "cavity": (3,)})
    assert (plan.structures, plan.values) == (("RV", "cavity", "wall"), ((1,), (3,), (2, 3)))
    plan, wrong = find_label_plan(facts, {"RV": (1,), "cavity": (3,)})
    assert wrong[0][0] == "unstated_value"


def test_numbers_of_objects(tmp_path: Path) -> None:
    values = np.zeros((80, 96), dtype=np.uint8)
    for number in range(12):
        values[_disc(4, (12 + 20 * (number // 4), 12 + 20 * (number % 4)))] = number + 1
    plan, _ = find_label_plan([_map(values, tmp_path)])
    assert plan.counts_objects
    assert plan.structures == ("object",)


def test_the_odd_one_out(tmp_path: Path) -> None:
    binary = _map(255 * _disc(20), tmp_path)
    ones = _map(_disc(20), tmp_path)
    several = _map(np.where(_disc(10), 2, _disc(20)), tmp_path)
    plan, wrong = find_label_plan([binary, ones, binary, several])
    assert plan.values is None
    assert {index: kind for index, (kind, _) in wrong.items()} == {1: "mask_format", 3: "mask_values"}
    plan, wrong = find_label_plan([ones, several])
    assert (plan.structures, wrong) == (("label 2", "label 1"), {})


@given(st.integers(0, 30), st.integers(0, 30))
def test_objects_and_specks(row: int, column: int) -> None:
    mask = np.zeros((80, 96), dtype=bool)
    mask[40:60, 40:70] = True
    mask[row : row + 2, column : column + 2] = True
    facts = object_facts(mask)
    assert (facts.areas, facts.specks, facts.at_border) == ((600,), (4,), 0)
    mask[:, 80:] = True
    assert object_facts(mask).at_border == 1


def test_structures_of_a_map() -> None:
    values = np.array([[0, 1, 2], [0, 2, 3]])
    assert structure_mask(values, (2, 3), "a").tolist() == [[False, False, True], [False, True, True]]
    with pytest.raises(ValueError, match="a map of several labels"):
        structure_mask(values, None, "a")
