# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Films of an evolution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_acdr.geometry import circle
from monai_acdr.visualize import FINAL_COLOR, INITIAL_COLOR, REFERENCE_COLOR, structure_color
from monai_acdr.visualize.evolution import evolution_color, evolution_frames, save_evolution_gif, save_gif

IMAGE = torch.linspace(0, 1, 24 * 32).reshape(24, 32)


def contours(count: int = 4) -> torch.Tensor:
    """(count, 12, 2): circles that grow."""
    radii = torch.linspace(2, 9, count)
    return circle(torch.tensor([16.0, 12.0]).expand(count, 2), radii, 12)


def has_color(frame: np.ndarray, color: tuple[int, int, int], tolerance: int = 0) -> bool:
    return bool((np.abs(frame.astype(int) - np.array(color)).max(axis=-1) <= tolerance).any())


def read_gif(path: Path) -> tuple[list[np.ndarray], list[int], int]:
    with Image.open(path) as film:
        frames, times = [], []
        for index in range(film.n_frames):
            film.seek(index)
            frames.append(np.array(film.convert("RGB")))
            times.append(film.info["duration"])
        return frames, times, film.info["loop"]


def test_colors_run_from_blue_to_yellow() -> None:
    assert [evolution_color(index, 3) for index in range(3)] == [INITIAL_COLOR, (160, 172, 128), FINAL_COLOR]
    assert evolution_color(0, 1) == FINAL_COLOR
    with pytest.raises(ValueError, match=r"within 0 \.\. 2, but got 3"):
        evolution_color(3, 3)


def test_a_frame_for_each_contour() -> None:
    frames = evolution_frames(IMAGE, contours(), scale=3, line_width=3)
    assert [frame.shape for frame in frames] == [(72, 96, 3)] * 4
    for index, frame in enumerate(frames):
        assert has_color(frame, evolution_color(index, 4), tolerance=1)
        assert not has_color(frame, REFERENCE_COLOR, tolerance=1)
    with_reference = evolution_frames(IMAGE, contours(), contours()[3], scale=3, crop_box=(4, 2, 28, 22), line_width=3)
    assert with_reference[0].shape == (60, 72, 3)
    assert has_color(with_reference[0], REFERENCE_COLOR, tolerance=1)


@pytest.mark.parametrize("count", [1, 4])
def test_gif_holds_every_frame(tmp_path: Path, count: int) -> None:
    path = save_evolution_gif(tmp_path / "evolution.gif", IMAGE, contours(count), reference=contours()[0], scale=3)
    frames, times, loop = read_gif(path)
    expected = evolution_frames(IMAGE, contours(count), contours()[0], scale=3)
    assert len(frames) == count
    assert loop == 0
    if count > 1:
        assert times == [300, 300, 300, 1500]
    for frame, drawn in zip(frames, expected, strict=True):
        # 256 colors: close everywhere, and the lines keep theirs.
        difference = np.abs(frame.astype(int) - drawn)
        assert difference.mean() < 3
        assert difference.max() < 50
    for index, frame in enumerate(frames):
        assert has_color(frame, evolution_color(index, count), tolerance=4)
    assert [file.name for file in tmp_path.iterdir()] == ["evolution.gif"]


def test_gif_of_a_color_image(tmp_path: Path) -> None:
    """Its colors and those of the lines: half of the palette each."""
    y, x = np.mgrid[:24, :32] / 32
    image = 255 * np.stack([x, 0.8 * y, 1 - x])
    path = save_evolution_gif(tmp_path / "color.gif", image, contours(), reference=contours()[0], scale=3)
    frames, _, _ = read_gif(path)
    for index, (frame, drawn) in enumerate(
        zip(frames, evolution_frames(image, contours(), contours()[0], scale=3), strict=True)
    ):
        assert np.abs(frame.astype(int) - drawn).mean() < 8  # more than 40 in the nearest grays
        assert has_color(frame, evolution_color(index, 4), tolerance=4)


def test_contours_that_stand_still_are_all_shown(tmp_path: Path) -> None:
    path = save_evolution_gif(tmp_path / "still.gif", IMAGE, contours()[:1].expand(6, 12, 2))
    assert len(read_gif(path)[0]) == 6


def test_wrong_input(tmp_path: Path) -> None:
    frame = np.zeros((4, 4, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="at least one contour"):
        evolution_frames(IMAGE, [])
    with pytest.raises(ValueError, match=r"ending in \.gif, but got a\.png"):
        save_gif(tmp_path / "a.png", [frame])
    with pytest.raises(ValueError, match="at least one picture"):
        save_gif(tmp_path / "a.gif", [])
    with pytest.raises(ValueError, match="frame 1 is uint8"):
        save_gif(tmp_path / "a.gif", [frame, frame[:2]])
    with pytest.raises(ValueError, match="at least 10 ms"):
        save_gif(tmp_path / "a.gif", [frame], frame_ms=1)
    with pytest.raises(FileNotFoundError, match="create it first"):
        save_gif(tmp_path / "none" / "a.gif", [frame])


def test_several_structures_end_in_their_own_colors(tmp_path: Path) -> None:
    square = torch.tensor([[4.0, 4.0], [12.0, 4.0], [12.0, 12.0], [4.0, 12.0]])
    contours = torch.stack([torch.stack([square + step, square + 10 + step]) for step in range(3)])
    frames = evolution_frames(np.zeros((32, 32)), contours, reference=[square, square + 8], scale=4)
    assert len(frames) == 3
    for index, frame in enumerate(frames):
        for number in range(2):
            assert (frame == evolution_color(index, 3, number)).all(-1).any()
    path = save_evolution_gif(tmp_path / "film.gif", np.zeros((32, 32)), contours)
    film = Image.open(path)
    film.seek(film.n_frames - 1)
    last = np.asarray(film.convert("RGB"))
    for number in range(2):
        assert (last == structure_color(number)).all(-1).sum() > 20
