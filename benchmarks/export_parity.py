# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Do exported bundles give the contours of their networks? Each format, on crops of real images, with file sizes.

`monai-acdr export` compares each file that it writes: up to 50 crops, one and seven at once, at the bundle's size and
at 64, 96 and 128 pixels. Without a folder of real images of the bundle's kind, those of the example study are used.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from timing import Table, parser, prepare, write_record

from monai_acdr.apps.export_bundle import FORMATS, LARGEST_DIFFERENCE_PX, export

QUESTION = "Largest difference between contours of exported files and of the network"
HEADER = ["bundle", "format", "target", "largest difference, px"]
HEADER += ["crops", "sides, px", "at once", "file, MiB", "run by"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Export and compare, print a table, write the JSON file."""
    options = read_options(arguments)
    prepare(options)
    results: dict[str, dict[str, Any]] = {}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for bundle, _, images in (given.partition("=") for given in options.bundles):
            results[bundle] = {}
            for name in options.formats:
                path = Path(folder) / f"{Path(bundle).name}{FORMATS[name]}"
                start = time.process_time()
                facts = export(bundle, path, name, images=images or None)
                parity = facts["parity"]
                results[bundle][name] = {
                    **{key: value for key, value in parity.items() if key != "source"},
                    "version": facts["version"],
                    "weights_sha256": facts["weights_sha256"],
                    "bytes": path.stat().st_size,
                    "processor_seconds": time.process_time() - start,
                }
                rows.append(_row(Path(bundle).name, name, parity, path.stat().st_size))
    table = Table("files", HEADER, rows)
    print(table)
    settings = {key: value for key, value in vars(options).items() if key not in ("output", "bundles")}
    write_record(options.output, QUESTION, settings, results, [table])
    return 0


def _row(bundle: str, name: str, parity: dict[str, Any], size: int) -> list[str]:
    return [
        f"`{bundle}`",
        name,
        f"< {LARGEST_DIFFERENCE_PX:g}",
        f"{parity['max_difference_px']:.1g}",
        str(parity["crops"]),
        ", ".join(str(rows) for rows, _ in parity["sizes"]),
        ", ".join(map(str, parity["batches"])),
        f"{size / 2**20:.1f}",
        parity["runtime"],
    ]


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=1)
    options.add_argument("--bundles", nargs="+", metavar="BUNDLE[=FOLDER]", default=["sunnybrook_lv_acdr"])
    options.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    return options.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
