# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Frames with a heart, where it is, and frames without: from pictures of a pair of phases and from whole cines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_acdr.data import heart_frames, object_frames, pair_folder_data_list
from monai_acdr.data.phantoms import write_short_axis_studies

SLICES, PHASES, SIZE = 3, 8, (100, 112)


def write(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


@pytest.fixture()
def pictures(tmp_path: Path) -> Path:
    """Frames 41 and 48 of one slice, with an epicardium on the first; frame 61 of another, and of another patient."""
    rows, columns = np.mgrid[:90, :120]
    distance = np.hypot(rows + 0.5 - 40, columns + 0.5 - 70)
    for name, inner, outer in (
        ("SC-N-05-IM-0001-0041", 12, 20),
        ("SC-N-05-IM-0001-0048", 8, None),
        ("SC-N-05-IM-0001-0061", 6, None),
        ("SC-N-07-IM-0001-0061", 6, None),
    ):
        folder = tmp_path / "png" / "training"
        write(folder / "images" / f"{name}.png", 50 + 150 * (distance < inner))
        write(folder / "endo_masks" / f"{name}.png", 255 * (distance < inner))
        if outer is not None:
            write(folder / "epi_masks" / f"{name}.png", 255 * (distance < outer))
    return tmp_path / "png"


def test_pictures(pictures: Path) -> None:
    items = {item["name"]: item for item in heart_frames(pictures, "training", exclude=(), size=240)}
    assert len(items) == 4
    radii = {
        "SC-N-05-IM-0001-0041": 20.0,  # its own
        "SC-N-05-IM-0001-0048": 20.0,  # of the slice
        "SC-N-05-IM-0001-0061": 16.0,  # a share of the patient's others
        "SC-N-07-IM-0001-0061": 12.0,  # the cavity and a usual wall
    }
    for name, item in items.items():
        assert item["image"].shape == (2, 240, 240) and item["image"].dtype == torch.float32
        x, y, radius, present = item["heart"].tolist()
        # two pixels of the square for one of the picture, which has 15 rows of border above and below
        assert (x, y) == pytest.approx((2 * 70, 2 * (40 + 15)), abs=1.2)
        assert radius == pytest.approx(2 * radii[name], rel=0.06)
        assert present == 1
    moving = items["SC-N-05-IM-0001-0041"]["image"][1]
    torch.testing.assert_close(moving, items["SC-N-05-IM-0001-0048"]["image"][1])
    assert float(moving.max()) == pytest.approx(150) and float(moving[110, 140]) == 0
    assert float(items["SC-N-05-IM-0001-0061"]["image"][1].max()) == 0


@pytest.fixture(scope="module")
def cines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_short_axis_studies(tmp_path_factory.mktemp("cines") / "data", 1, SLICES, PHASES, SIZE)


def without(cines: Path, folder: Path, frames: set[int]) -> Path:
    """A copy without the contours of these frames."""
    import shutil

    copy = Path(shutil.copytree(cines, folder / "data"))
    for path in copy.rglob("*contour-manual.txt"):
        if int(path.name.split("-")[2]) in frames:
            path.unlink()
    return copy


def test_cines(cines: Path, tmp_path: Path) -> None:
    """The last slice loses its contours, the second one that of end-systole."""
    contoured = sorted({int(path.name.split("-")[2]) for path in cines.rglob("*icontour-manual.txt")})
    assert contoured == [1, 4, 9, 12, 17, 20] or len(contoured) == 6
    data = without(cines, tmp_path, {*contoured[4:], contoured[3]})
    items = heart_frames(data, size=112)
    counts = Counter((item["name"].split("-")[2], float(item["heart"][3])) for item in items)
    by_presence: dict[float, list[int]] = {}
    for (_, presence), number in counts.items():
        by_presence.setdefault(presence, []).append(number)
    assert by_presence[0.0] == [PHASES]  # the slice without contours, at all phases
    assert len(by_presence[1.0]) == 2 and max(by_presence[1.0]) == 5 and min(by_presence[1.0]) < 5
    for item in items:
        assert item["patient"] == "SYN-01"
        assert float(item["image"][1].max()) > 0  # motion, of slices without a heart as well
        x, y, radius, present = item["heart"].tolist()
        if present:
            left, right, middle = int(x - radius), int(x + radius), int(y)
            assert 0 < left < right < 112
            assert 10 < radius < 40
            assert float(item["image"][0, middle, int(x)]) > float(item["image"][0].mean())  # blood
        else:
            assert (x, y) == (56, 56)


def test_a_slice_that_is_contoured_once_keeps_a_quarter_of_the_cycle(cines: Path, tmp_path: Path) -> None:
    contoured = sorted({int(path.name.split("-")[2]) for path in cines.rglob("*icontour-manual.txt")})
    data = without(cines, tmp_path, set(contoured[1::2]))
    phases = sorted({int(item["name"].rpartition("phase")[2]) - 1 for item in heart_frames(data)})
    first = (contoured[0] - 1) % PHASES
    assert phases and all(min((p - first) % PHASES, (first - p) % PHASES) <= PHASES / 4 for p in phases)


def test_frames_of_any_objects(tmp_path: Path) -> None:
    """A rectangle of columns 10 to 40 and rows 20 to 30 in an image of 40 x 80 (H, W), scaled to 160 x 160."""
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        pixels = np.zeros((40, 80), np.uint8)
        pixels[20:30, 10:40] = 255
        Image.fromarray(pixels if kind == "masks" else pixels // 2).save(tmp_path / kind / "a.png")
    (frame,) = object_frames(pair_folder_data_list(tmp_path), size=160)
    assert tuple(frame["image"].shape) == (2, 160, 160)
    # The longer side of 80 pixels fills the square, in whose middle the 40 rows are: 20 pixels lie above them.
    np.testing.assert_allclose(frame["heart"], [2 * 25, 2 * (20 + 25), 2 * 15, 1], atol=0.2)
    assert float(frame["image"][0, 90, 50]) == 127 and float(frame["image"][0, 60, 50]) == 0
    assert not frame["image"][1].any()
