# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A synthetic folder of pairs: ``images/``, ``masks/`` and ``index.csv``, or the layouts of the building sets."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from monai_acdr.data.phantoms.mammograms import LARGEST_VALUE, BreastPhantom, check_cases
from monai_acdr.data.phantoms.output_folder import replace_output
from monai_acdr.transforms.contour import contour_to_mask

__all__ = ["PAIR_LAYOUTS", "write_pair_folder"]

logger = logging.getLogger(__name__)

PAIR_LAYOUTS = ("table", "vaihingen", "bing")
"""``table``: mammograms as 8-bit PNG, with patients; ``vaihingen``: ``building_001.tif`` and ``building_mask_001.tif``,
color, masks of 0 and 255; ``bing``: PNG from 000 on, masks of 16 bit, 0 and 65535."""


def write_pair_folder(
    output_dir: str | Path,
    num_patients: int = 6,
    size: tuple[int, int] = (128, 104),
    seed: int = 0,
    layout: str = "table",
) -> Path:
    """Write synthetic images and masks: two views per patient with ``table``, otherwise one building per patient.

    The same arguments give the same bytes. The folder is complete or absent; an earlier, untouched one is replaced.

    Args:
        output_dir: folder to write into: absent, empty, or an earlier output of this function.
        num_patients: at least 1.
        size: (H, W) of the images, at least 64 x 48.
        seed: non-negative integer.
        layout: one of :data:`PAIR_LAYOUTS`.

    Returns:
        The folder, resolved.

    Raises:
        FileExistsError: when the folder holds anything that an earlier call did not write.
        ValueError: when an argument is out of range.
    """
    if layout not in PAIR_LAYOUTS:
        raise ValueError(f"Expected `layout` to be one of {PAIR_LAYOUTS}, but got {layout!r}.")
    size = check_cases(num_patients, size, seed)
    parameters = {"function": "write_pair_folder", "num_patients": num_patients, "size": list(size), "seed": seed}
    with replace_output(Path(output_dir), {**parameters, "layout": layout}) as folder:
        if layout == "table":
            _write_mammograms(folder, num_patients, size, seed)
        else:
            for index in range(num_patients):
                _write_building(folder, index, size, np.random.default_rng([seed, index]), layout)
    output = Path(output_dir).resolve()
    logger.info("Wrote %d synthetic patients to %s.", num_patients, output)
    return output


def _write_mammograms(folder: Path, num_patients: int, size: tuple[int, int], seed: int) -> None:
    rows = [("file", "patient", "laterality", "view", "birads", "mass_like")]
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for index in range(num_patients):
        rng, side = np.random.default_rng([seed, index]), "LR"[index % 2]
        for view in ("CC", "MLO"):
            breast = BreastPhantom(rng, size, side, view, num_masses=1)
            if not breast.masses:
                continue
            name = f"P{index + 1}_{side}_{view}.png"
            outline = torch.from_numpy(breast.masses[0])
            mask = contour_to_mask(outline, size, threshold=0.5)[0].numpy().astype(np.uint8) * 255
            Image.fromarray((breast.pixels / LARGEST_VALUE * 255).round().astype(np.uint8)).save(
                folder / "images" / name
            )
            Image.fromarray(mask).save(folder / "masks" / name)
            rows.append((name, f"P{index + 1}", side, view, str(3 + index % 3), "1"))
    with open(folder / "index.csv", "w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


def _write_building(folder: Path, index: int, size: tuple[int, int], rng: np.random.Generator, layout: str) -> None:
    """A bright rotated rectangle on textured ground."""
    height, width = size
    angle, half = rng.uniform(0, np.pi), rng.uniform(0.15, 0.25, 2) * min(size)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    center = np.array([width, height]) * rng.uniform(0.45, 0.55, 2)
    coverage = contour_to_mask(torch.from_numpy(corners @ turn + center), size)[0].numpy()
    ground = rng.uniform(0.2, 0.4, 3) + 0.05 * rng.standard_normal((height, width, 3))
    pixels = np.clip(ground + 0.4 * coverage[..., None], 0, 1)
    number, suffix = (f"{index + 1:03d}", "tif") if layout == "vaihingen" else (f"{index:03d}", "png")
    mask = coverage >= 0.5
    stored = mask.astype(np.uint8) * 255 if layout == "vaihingen" else mask.astype(np.uint16) * 65535
    Image.fromarray((255 * pixels).round().astype(np.uint8)).save(folder / f"building_{number}.{suffix}")
    Image.fromarray(stored).save(folder / f"building_mask_{number}.{suffix}")
