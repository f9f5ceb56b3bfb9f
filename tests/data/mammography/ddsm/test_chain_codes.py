# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Chain codes: walks, masks, contours."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from scipy.ndimage import label

from monai_acdr.data.mammography.ddsm_files import chain_contour, chain_gap, chain_mask, follow_chain, read_overlay
from monai_acdr.read_budget import read_budget
from monai_acdr.transforms.contour import contour_to_mask

START = st.tuples(st.integers(0, 9), st.integers(0, 9))


def closed() -> np.ndarray:
    """Around the pixels of columns 3 to 6, rows 2 to 5."""
    return follow_chain("3 2 2 2 2 4 4 4 6 6 6 0 0 0".split(), "here")


def flood_fill(walked: set[tuple[int, int]], size: tuple[int, int]) -> np.ndarray:
    """What cannot be reached from outside in steps of four neighbors, an independent computation."""
    height, width = size
    outside, stack = set(), [(-1, -1)]
    while stack:
        pixel = stack.pop()
        column, row = pixel
        if pixel in outside or pixel in walked or not (-1 <= column <= width and -1 <= row <= height):
            continue
        outside.add(pixel)
        stack += [(column + 1, row), (column - 1, row), (column, row + 1), (column, row - 1)]
    return np.array([[(column, row) not in outside for column in range(width)] for row in range(height)])


def test_codes_go_clockwise_from_up() -> None:
    walk = follow_chain("5 5 0 1 2 3 4 5 6 7".split(), "here")
    assert np.diff(walk, axis=0).tolist() == [[0, -1], [1, -1], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1]]


def test_square() -> None:
    walk = closed()
    assert chain_gap(walk) == 0
    mask = chain_mask(walk, (8, 9))
    expected = np.zeros((8, 9), dtype=bool)
    expected[2:6, 3:7] = True
    assert np.array_equal(mask, expected)
    contour = chain_contour(walk, (8, 9))
    np.testing.assert_allclose([contour.min(0), contour.max(0)], [[3, 2], [7, 6]], atol=0.002)


def test_single_pixel_walks_keep_their_pixel() -> None:
    walk = follow_chain(["4", "1"], "here")
    assert np.argwhere(chain_mask(walk, (5, 6))).tolist() == [[1, 4]]


@given(codes=st.lists(st.integers(0, 7), min_size=1, max_size=30), start=START)
def test_mask_is_what_the_walk_encloses(codes: list[int], start: tuple[int, int]) -> None:
    walk = follow_chain([*map(str, start), *map(str, codes)], "here")
    walk = np.concatenate([walk, _line(walk[-1], walk[0])])
    shift = np.array([30, 30])
    mask = chain_mask(walk + shift, (70, 70))
    assert np.array_equal(mask, flood_fill({tuple(pixel) for pixel in (walk + shift).tolist()}, (70, 70)))


def _line(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Diagonal steps, then straight ones."""
    points, at = [start], start
    while not np.array_equal(at, end):
        at = at + np.sign(end - at)
        points.append(at)
    return np.array(points)


@given(codes=st.lists(st.integers(0, 7), min_size=1, max_size=40), start=START)
def test_contour_gives_the_mask_again(codes: list[int], start: tuple[int, int]) -> None:
    walk, size = follow_chain([*map(str, start), *map(str, codes)], "here"), (10, 12)
    mask = chain_mask(walk, size)
    contour = chain_contour(walk, size)
    assert contour.dtype == np.float64
    assert np.all(contour >= 0)
    assert np.all(contour <= (12, 10))
    again = contour_to_mask(torch.from_numpy(contour), size, threshold=0.5)[0].numpy() > 0
    if _num_objects(mask) == 1:
        assert np.array_equal(again, mask)
    else:  # cut apart by the image's border: the largest part
        assert again.sum() <= mask.sum()
        assert not np.any(again & ~mask)


def _num_objects(mask: np.ndarray) -> int:
    return int(label(mask, np.ones((3, 3)))[1])


def test_what_leaves_the_image_is_cut_off() -> None:
    walk = closed() - (5, 4)  # columns -2 to 1, rows -2 to 1
    mask = chain_mask(walk, (8, 9))
    assert mask.sum() == 4
    assert mask[:2, :2].all()
    contour = chain_contour(walk, (8, 9))
    np.testing.assert_allclose([contour.min(0), contour.max(0)], [[0, 0], [2, 2]], atol=0.002)
    far = closed() + (5, 0)
    assert chain_mask(far, (8, 9)).sum() == 4
    assert not chain_mask(closed() + 100, (8, 9)).any()
    with pytest.raises(ValueError, match=r"inside 8 x 9 \(H x W\), but all of it is outside"):
        chain_contour(closed() + 100, (8, 9))


def test_an_open_walk_is_closed_by_a_line() -> None:
    walk = follow_chain("2 2 2 2 2 2 2 2 4 4 4 4 4 4".split(), "here")  # two sides of a square of 7
    assert chain_gap(walk) == 5
    mask = chain_mask(walk, (12, 12))
    assert mask.sum() == 28  # a triangle with its diagonal


@pytest.mark.real_data
@pytest.mark.parametrize("view", ["LEFT_CC", "LEFT_MLO"])
def test_fixture_masks(shared_data: Path, view: str) -> None:
    folder = shared_data / "ddsm_ljpeg_fixture"
    truth = np.load(folder / f"A_9999_1.{view}.mask_truth.npy")
    (lesion,), _ = read_overlay(folder / f"A_9999_1.{view}.OVERLAY")
    assert np.array_equal(chain_mask(lesion.walk(), truth.shape), truth)
    contour = torch.from_numpy(chain_contour(lesion.walk(), truth.shape))
    assert np.array_equal(contour_to_mask(contour, truth.shape, threshold=0.5)[0].numpy() > 0, truth)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("3 2 8", "Expected codes of 0 to 7 in the outline of here, but got '8'"),
        ("3 2 2 -1", "Expected codes of 0 to 7 .*but got '-1'"),
        ("3", "Expected column and row at the beginning of the outline of here, but got '3'"),
        ("3 x 2", "Expected column and row at the beginning .*but got '3 x'"),
        ("70000 2 2", "Expected column and row at the beginning .*but got '70000 2'"),
    ],
)
def test_damaged(words: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        follow_chain(words.split(), "here")


def test_hostile_extent() -> None:
    walk = np.array([[0, 0], [60000, 60000]])
    with pytest.raises(ValueError, match="spans 60001 x 60001"):
        chain_mask(walk, (10, 10))


def test_outlines_are_bounded_by_their_image_and_by_memory() -> None:
    walk = np.array([[0, 0], [2999, 2999]])
    with pytest.raises(ValueError, match="image of 1000 x 900 pixels, but it spans 3000 x 3000"):
        chain_mask(walk, (900, 1000))
    assert chain_mask(walk, (1600, 1600)).sum() == 1600
    with read_budget(16), pytest.raises(ValueError, match="outline of a lesion to need at most 16 MiB"):
        chain_contour(walk, (3000, 3000))
