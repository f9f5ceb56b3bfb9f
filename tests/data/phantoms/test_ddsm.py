# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Synthetic DDSM cases: read back as the real ones, truthful, reproducible, easy enough to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation, binary_erosion

from monai_acdr.data.mammography import DDSMReader, bcrp_data_list, ddsm_data_list
from monai_acdr.data.masses import find_mass_source
from monai_acdr.data.phantoms.mammograms import draw_film, write_ddsm_cases
from monai_acdr.data.report import QualityReport
from monai_acdr.transforms.contour import contour_to_mask

SIZE = (96, 72)


def test_read_back_as_the_real_ones(tmp_path: Path) -> None:
    report = QualityReport()
    folder = write_ddsm_cases(tmp_path / "ddsm", 4, SIZE, seed=5)
    assert find_mass_source(folder) == "ddsm"
    items = bcrp_data_list(folder, cases=folder / "cases.txt", report=report)
    assert report.kinds() == {"subset_size": 1}
    assert len(items) == 8
    assert {item["laterality"] for item in items} == {"L", "R"}
    assert {item["view"] for item in items} == {"CC", "MLO"}
    assert len({item["patient"] for item in items}) == 4
    assert items[0]["spacing"] == (1.5625, 1.5625)
    assert len(list(folder.rglob("*.OVERLAY.gz"))) == 2


def test_truth(tmp_path: Path) -> None:
    pytest.importorskip("imagecodecs")
    folder, reader = write_ddsm_cases(tmp_path / "ddsm", 2, SIZE, seed=5), DDSMReader()
    items = ddsm_data_list(folder)
    for patient, side in enumerate(("LEFT", "RIGHT")):
        rng = np.random.default_rng([5, patient])
        for item in items[2 * patient : 2 * patient + 2]:
            film = draw_film(rng, SIZE, side)
            pixels, _ = reader.get_data(reader.read(item["image"]))
            assert np.array_equal(pixels, film.pixels)
            mask = contour_to_mask(torch.from_numpy(item["contour"]), SIZE, threshold=0.5)[0].numpy() > 0
            assert np.array_equal(mask, film.mask)
            inner, outer = binary_erosion(mask, iterations=2), binary_dilation(mask, iterations=6)
            ring = outer & ~binary_dilation(mask, iterations=2)
            assert pixels[inner].mean() > pixels[ring].mean() + 400


@pytest.mark.parametrize("seed", range(5))
def test_masses_lie_in_the_breast(seed: int) -> None:
    film = draw_film(np.random.default_rng(seed), SIZE, "RIGHT")
    assert film.pixels.max() < 4096
    assert np.abs(np.diff(film.walk, axis=0)).max() == 1
    rows, columns = np.nonzero(film.mask)
    assert rows.min() > 2
    assert rows.max() < SIZE[0] - 3
    assert columns.max() < SIZE[1] - 3
    assert 50 < film.mask.sum() < 800
    assert film.pixels[:, :3].mean() < 400  # background on the left of a right breast


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    first, second = (write_ddsm_cases(tmp_path / name, 2, SIZE, seed=1) for name in ("a", "b"))
    for path in first.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path
    assert write_ddsm_cases(first, 1, SIZE, seed=2) == first  # an earlier output is replaced
    assert len(list(first.rglob("*.ics"))) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_patients": 0}, "Expected `num_patients` in 1..999, but got 0"),
        ({"size": (20, 72)}, r"Expected `size` \(H, W\) in 48..8192, but got \(20, 72\)"),
        ({"seed": -1}, "Expected `seed` to be a non-negative integer, but got -1"),
    ],
)
def test_wrong_arguments(tmp_path: Path, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_ddsm_cases(tmp_path / "ddsm", **arguments)
