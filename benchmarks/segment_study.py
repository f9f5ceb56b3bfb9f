# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How long does `monai-acdr segment` take for a whole cine study, and how much memory?

A study of 12 slices and 20 phases, 240 DICOM files of 256 x 256 pixels (synthetic, or one of yours with --study), goes
from files to contours, to the DICOM objects, and to all possible outputs. Each job runs in a separate process,
whose imports and first, smaller run are not counted. Every decoding of pixels is counted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

from peak_memory import peak, reset_peak
from timing import Table, parser, prepare, spread, write_record

from monai_acdr.apps import inputs, segment
from monai_acdr.data.phantoms import write_short_axis_studies

QUESTION = "seconds, frames per second and peak memory of `segment` for a whole cine study"
JOBS: dict[str, dict[str, Any]] = {
    "contours, ROI center": {"roi": "center", "pictures": False},
    "contours, ROI auto": {"roi": "auto", "pictures": False},
    "and SEG, RTSTRUCT, SR": {"roi": "auto", "pictures": False, "seg": "BINARY", "rtstruct": True, "sr": True},
    "and pictures, HTML": {
        "roi": "auto",
        **{"seg": "BINARY", "rtstruct": True, "sr": True, "html": True, "overlays": True, "mask": True},
    },
}
MIB = 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON file."""
    options = read_options(arguments)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        size = (options.rows, options.rows)
        small = write_short_axis_studies(Path(folder) / "small", 1, 2, 2) / "dicoms"
        study = options.study or write_short_axis_studies(
            Path(folder) / "large", 1, options.slices, options.phases, size
        )
        for name in JOBS:
            with get_context("spawn").Pool(1) as pool:
                results[name] = pool.apply(measure, (name, str(small), str(study), folder, options))
    rows = [
        [
            name,
            f"{result['seconds']['median']:.1f}",
            f"{result['frames_per_second']:.0f}",
            f"{result['peak_mib']:.0f}",
            f"{result['process_mib']:.0f}",
            f"{result['decoded']} of {result['frames']}",
        ]
        for name, result in results.items()
    ]
    header = ["job", "seconds", "frames a second", "peak, MiB", "whole process, MiB", "files decoded"]
    jobs = Table("jobs", header, rows)
    print(jobs)
    settings = {key: str(value) for key, value in vars(options).items() if key not in ("output", "study")}
    settings |= {"synthetic": options.study is None}
    write_record(options.output, QUESTION, settings, results, [jobs])
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=3, threads=2)
    options.add_argument("--study", type=Path, help="folder of one study, instead of a synthetic one")
    options.add_argument("--slices", type=int, default=12)
    options.add_argument("--phases", type=int, default=20)
    options.add_argument("--rows", type=int, default=256, help="rows and columns of the images")
    return options.parse_args(arguments)


def measure(name: str, small: str, study: str, folder: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the repeats, and peak memory above that before the first repeat."""
    prepare(options)
    out = Path(folder) / "out"
    segment(small, out, device="cpu", overwrite=True, **JOBS[name])
    decoded: list[str] = []
    read = inputs.read_gray_frames

    def counted(path: Path, frames: Sequence[int]) -> Any:
        decoded.append(str(path))
        return read(path, frames)

    before, seconds, steps = reset_peak(), [], {}
    for _ in range(options.repeats):
        decoded.clear()
        start = time.perf_counter()
        with patch.object(inputs, "read_gray_frames", counted):
            report = segment(study, out, device="cpu", overwrite=True, **JOBS[name])
        seconds.append(time.perf_counter() - start)
        steps = dict(report.seconds)
    most = peak()
    return {
        "seconds": spread(seconds),
        "samples": seconds,
        "steps_of_the_last": steps,
        "frames": len(report.frames),
        "outlined": report.num_outlined,
        "decoded": len(decoded),
        "frames_per_second": len(report.frames) / spread(seconds)["median"],
        "peak_mib": (most - before) / MIB,
        "process_mib": most / MIB,
    }


if __name__ == "__main__":
    sys.exit(main())
