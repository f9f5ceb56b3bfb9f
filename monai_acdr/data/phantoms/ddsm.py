# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Synthetic twin of DDSM: the archive's layout and file formats, breasts with bright masses of known outline.

    cancers/cancer_01/case9001/A-9001-1.ics
    cancers/cancer_01/case9001/A_9001_1.LEFT_CC.LJPEG           one breast, two views, each with one mass
    cancers/cancer_01/case9001/A_9001_1.LEFT_CC.OVERLAY
    cases.txt                                                   the case folders, relative to cancers/
    phantom.json                                                what was written, with digests: see `output_folder.py`

Every second header is swapped, every third overlay is gzipped.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from monai_acdr.data.ddsm.chain_codes import STEPS, chain_mask
from monai_acdr.data.phantoms.lossless_jpeg import encode_ljpeg
from monai_acdr.data.phantoms.output_folder import replace_output

__all__ = ["FilmPhantom", "draw_film", "write_ddsm_cases"]

BREAST_HEIGHT = 150.0
"""mm that the rows of a film span."""
GREY_LEVELS = 4096
VIEWS = ("CC", "MLO")
SMALLEST_SIZE = 48


@dataclass(frozen=True)
class FilmPhantom:
    """One synthetic film.

    Attributes:
        pixels: (H, W) uint16, 12 bits, as HOWTEK digitizes: dense tissue is bright.
        walk: (N, 2) int64 pixels (column, row) on the mass's outline, closed, clockwise as seen.
    """

    pixels: np.ndarray
    walk: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool, true pixels of the mass."""
        return chain_mask(self.walk, (self.pixels.shape[0], self.pixels.shape[1]))


def write_ddsm_cases(
    folder: str | Path, num_patients: int = 12, size: tuple[int, int] = (256, 192), seed: int = 0
) -> Path:
    """Write synthetic cases in the form of DDSM.

    The same arguments give the same bytes. The folder is complete or absent; an earlier, untouched one is replaced.

    Args:
        folder: absent, empty, or an earlier output of this function.
        num_patients: cases, one a patient, with two films each.
        size: (H, W) of the films, each at least 48.
        seed: of shapes and noise.

    Returns:
        The folder.

    Raises:
        FileExistsError: when `folder` holds anything else.
        ValueError: for arguments out of range.
    """
    if not 1 <= num_patients <= 999:
        raise ValueError(f"Expected `num_patients` in 1..999, but got {num_patients}.")
    if min(size) < SMALLEST_SIZE or max(size) > 8192:
        raise ValueError(f"Expected `size` (H, W) in {SMALLEST_SIZE}..8192, but got {tuple(size)}.")
    if seed < 0:
        raise ValueError(f"Expected `seed` to be a non-negative integer, but got {seed}.")
    height, width = (int(side) for side in size)
    parameters = {"num_patients": num_patients, "size": [height, width], "seed": seed}
    with replace_output(Path(folder), parameters) as partial:
        for patient in range(num_patients):
            _write_case(partial, patient, (height, width), seed)
        (partial / "cases.txt").write_text(
            "".join(f"{_case_folder(patient)}\n" for patient in range(num_patients)), encoding="ascii"
        )
    return Path(folder)


def draw_film(rng: np.random.Generator, size: tuple[int, int], side: str = "LEFT") -> FilmPhantom:
    """Draw one film: a breast at the left (or right) border, glandular texture, one bright mass inside.

    Args:
        rng: source of shape and texture.
        size: (H, W).
        side: "LEFT" or "RIGHT"; the breast of a left film is at the left border.
    """
    height, width = size
    rows, columns = np.mgrid[:height, :width] + 0.5
    depth = 1 - np.hypot((rows - height / 2) / (0.47 * height), columns / (0.85 * width))
    breast = np.clip(depth / 0.15, 0, 1)
    texture = _texture(rng, size, 12) * 180 + _texture(rng, size, 40) * 90
    inside = 1300 + 500 * np.clip(depth, 0, 1) + texture
    outline = _outline(rng, size)
    walk = _walk(outline)
    softened = gaussian_filter(chain_mask(walk, size).astype(np.float64), 0.008 * min(size))
    values = 250 + breast * (inside - 250) + 900 * softened + rng.normal(0, 25, size)
    pixels = np.clip(np.rint(values), 0, GREY_LEVELS - 1).astype(np.uint16)
    if side == "RIGHT":
        pixels, walk = np.ascontiguousarray(pixels[:, ::-1]), np.stack([width - 1 - walk[:, 0], walk[:, 1]], 1)[::-1]
    return FilmPhantom(pixels, walk)


def _outline(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """(N, 2) points (x, y) in pixels around a lobulated mass, dense, clockwise as seen."""
    height, width = size
    short = min(size)
    radius = rng.uniform(0.07, 0.14) * short
    center = np.array([rng.uniform(0.25, 0.5) * width, rng.uniform(0.35, 0.65) * height])
    angles = np.linspace(0, 2 * np.pi, 16 * short, endpoint=False)
    waves = np.zeros_like(angles)
    for order in (2, 3, 4, 5):
        waves += rng.uniform(0, 0.3) / order * np.cos(order * angles + rng.uniform(0, 2 * np.pi))
    return center + (radius * (1 + waves))[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


def _walk(outline: np.ndarray) -> np.ndarray:
    """Pixels that a dense outline passes through, each step to one of eight neighbours, closed."""
    pixels = np.floor(outline).astype(np.int64)
    pixels = pixels[np.any(pixels != np.roll(pixels, 1, axis=0), axis=1)]
    return np.concatenate([pixels, pixels[:1]])


def _texture(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    """Smooth noise of unit variance, about ``cells`` blobs along the longer side."""
    scale = max(size) / cells
    grid = rng.standard_normal([max(2, round(side / scale) + 1) for side in size])
    field = zoom(grid, [side / cells for side, cells in zip(size, grid.shape, strict=True)], order=3)
    return (field - field.mean()) / field.std()


def _case_folder(patient: int) -> str:
    return f"cancer_{patient // 50 + 1:02d}/case{9001 + patient}"


def _write_case(root: Path, patient: int, size: tuple[int, int], seed: int) -> None:
    folder = root / "cancers" / _case_folder(patient)
    folder.mkdir(parents=True)
    rng = np.random.default_rng([seed, patient])
    side, case = ("LEFT", "RIGHT")[patient % 2], f"A_{9001 + patient}_1"
    films = []
    for index, view in enumerate(VIEWS):
        film, number = draw_film(rng, size, side), 2 * patient + index
        name = f"{case}.{side}_{view}"
        data = encode_ljpeg(film.pixels, 12, 7, swap_header=number % 2 == 1)
        (folder / f"{name}.LJPEG").write_bytes(data)
        text = _overlay(film.walk).encode("ascii")
        if number % 3 == 2:
            (folder / f"{name}.OVERLAY.gz").write_bytes(gzip.compress(text, mtime=0))
        else:
            (folder / f"{name}.OVERLAY").write_bytes(text)
        films.append(f"{side}_{view} LINES {size[0]} PIXELS_PER_LINE {size[1]} BITS_PER_PIXEL 12 ")
    resolution = round(1000 * BREAST_HEIGHT / size[0], 1)
    lines = ["", "ics_version 1.0", f"filename {case.replace('_', '-')}", "FILM_TYPE REGULAR", "DENSITY 2"]
    lines += ["DIGITIZER HOWTEK", "SEQUENCE", *(f"{film}RESOLUTION {resolution} OVERLAY" for film in films)]
    (folder / f"{case.replace('_', '-')}.ics").write_bytes("\r\n".join([*lines, ""]).encode("ascii"))


def _overlay(walk: np.ndarray) -> str:
    steps = {tuple(step): code for code, step in enumerate(STEPS.tolist())}
    codes = [steps[tuple(step)] for step in np.diff(walk, axis=0).tolist()]
    chain = " ".join(map(str, [*walk[0].tolist(), *codes]))
    return (
        "TOTAL_ABNORMALITIES 1\nABNORMALITY 1\nLESION_TYPE MASS SHAPE LOBULATED MARGINS CIRCUMSCRIBED-SPICULATED\n"
        f"ASSESSMENT 5\nSUBTLETY 4\nPATHOLOGY MALIGNANT\nTOTAL_OUTLINES 1\nBOUNDARY\n{chain} #\n"
    )
