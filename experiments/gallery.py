# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contact sheet of the worst frames of an evaluation.

The evaluation's metrics.csv selects the frames; their pictures come from the bundle's inference with the same weights.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from monai_acdr.visualize import contact_sheet, save_png

SHARE = 0.42
"""Side of the part of a picture that is shown, about its middle."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the sheet, and a line of text for each picture, in order."""
    options = read_options(arguments)
    with options.metrics.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dice"] and row["excluded"] == "False"]
    first = rows[0].get("structure")  # of several structures only the first one is used
    worst = sorted((row for row in rows if row.get("structure") == first), key=lambda row: float(row["dice"]))
    worst = worst[: options.count]
    pictures = [
        middle(np.asarray(Image.open(options.pictures / f"{case['name']}.png").convert("RGB"))) for case in worst
    ]
    save_png(options.output, contact_sheet(pictures, options.columns))
    for case in worst:
        print(f"{case['name']}: Dice {float(case['dice']):.2f}, reference {case['reference_area_px']} px")
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--metrics", type=Path, required=True, help="metrics.csv of the evaluation in question")
    options.add_argument("--pictures", type=Path, required=True, help="the output folder of an inference")
    options.add_argument("--output", type=Path, required=True, help="PNG file to write")
    options.add_argument("--count", type=int, default=12)
    options.add_argument("--columns", type=int, default=4)
    return options.parse_args(arguments)


def middle(picture: np.ndarray) -> np.ndarray:
    """The middle of a picture (H, W, 3)."""
    height, width = picture.shape[:2]
    top, left = (round(size * (1 - SHARE) / 2) for size in (height, width))
    return picture[top : height - top, left : width - left]


if __name__ == "__main__":
    sys.exit(main())
