# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Sunnybrook's PNG frames as a user's own data: `python experiments/sunnybrook_pairs.py DATA/sunnybrook_png TARGET`.

TARGET gets ``training/images``, ``training/masks``, ``validation/images``, ``validation/masks`` and ``index.csv`` with
the patients, so that ``monai-acdr train TARGET`` needs no option. Masks are those of the endocardium. SC-N-6, whose
masks are displaced in these files, is left out, as everywhere.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from monai_acdr.data import DISPLACED_PATIENTS, sunnybrook_data_list


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args(arguments)
    rows = [("image", "mask", "patient", "group")]
    for item in sunnybrook_data_list(options.source, exclude=DISPLACED_PATIENTS):
        name = Path(item["image"]).name
        places = [f"{item['group']}/{kind}/{name}" for kind in ("images", "masks")]
        for place, file in zip(places, (item["image"], item["label"]), strict=True):
            (options.target / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, options.target / place)
        rows.append((places[0], places[1], item["patient"], item["group"]))
    with (options.target / "index.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)
    print(f"{len(rows) - 1} pairs in {options.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
