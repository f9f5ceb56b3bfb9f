# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How long does a full-size mammogram take from file to contour in mm, and how much memory?

Synthetic files of the sizes of real ones: an uncompressed DICOM mammogram of 4084 x 3328 is loaded, cropped, segmented
by the network of `inbreast_mass_acdr` (untrained: weights change no time) and its contour and mask brought back to the
whole image; a lossless JPEG of DDSM of 4696 x 3024 is decoded. Each job runs in a separate process, whose imports and
first, smaller run are not counted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from peak_memory import peak, reset_peak
from timing import Table, parser, prepare, spread, write_record

from monai_acdr.bundle import bundle_root
from monai_acdr.data import mass_data_list, read_ljpeg
from monai_acdr.data.phantoms import write_inbreast_cases
from monai_acdr.data.phantoms.mammograms import encode_ljpeg

QUESTION = "seconds and peak memory from the file of a mammogram to the contour of a mass"
CONFIG = Path(bundle_root("inbreast_mass_acdr")) / "configs" / "inference.json"
TARGETS = {"segment": (1.5, 600.0), "ljpeg": (6.0, None)}
"""Targets: seconds, and MiB above the process's memory before; None where there is no target."""
MIB = 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON file."""
    options = read_options(arguments)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, write in (("segment", write_mammogram), ("ljpeg", write_film)):
            write(Path(folder), options)
            results[name] = in_a_process(name, folder, options)
    rows = []
    for name, result in results.items():
        seconds, memory = TARGETS[name]
        result["target_met"] = result["seconds"]["median"] < seconds and result["peak_mib"] < (memory or float("inf"))
        cells = [f"{result['seconds']['median']:.2f}", f"< {seconds}", f"{result['peak_mib']:.0f}"]
        rows.append([name, *cells, f"< {memory:.0f}" if memory else "", f"{result['process_mib']:.0f}"])
    header = ["job", "seconds", "target", "peak, MiB", "target", "whole process, MiB"]
    jobs = Table("jobs", header, rows)
    print(jobs)
    settings = {key: str(value) for key, value in vars(options).items() if key != "output"}
    write_record(options.output, QUESTION, settings, results, [jobs])
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=5, threads=1)
    options.add_argument("--size", type=int, nargs=2, default=(4084, 3328), help="rows and columns of the mammogram")
    options.add_argument("--film-size", type=int, nargs=2, default=(4696, 3024), help="rows and columns of the LJPEG")
    return options.parse_args(arguments)


def write_mammogram(folder: Path, options: argparse.Namespace) -> None:
    """One patient of the synthetic INBreast copy, at full size."""
    write_inbreast_cases(folder / "small", num_patients=1, size=(96, 80))
    write_inbreast_cases(folder / "large", num_patients=1, size=tuple(options.size))


def write_film(folder: Path, options: argparse.Namespace) -> None:
    """A film with the grain of a scan: smooth, with noise in the lower bits."""
    rng = np.random.default_rng(options.seed)
    for name, size in (("small", (64, 48)), ("large", tuple(options.film_size))):
        shade = np.linspace(400, 3400, size[0])[:, None] * np.ones(size[1])
        pixels = (shade + rng.normal(0, 12, size)).clip(0, 4095).astype(np.uint16)
        (folder / f"{name}.LJPEG").write_bytes(encode_ljpeg(pixels, 12, 7))


def segment(folder: str, size: str) -> Callable[[], Any]:
    """From the file to vertices and mask on the whole mammogram."""
    config = ConfigParser()
    config.read_config(str(CONFIG))
    prepared, finish = config.get_parsed_content("preprocessing"), config.get_parsed_content("postprocessing")
    network = config.get_parsed_content("network").eval()
    item = mass_data_list(Path(folder) / size, "inbreast")[0]

    def job() -> Any:
        with torch.no_grad():
            case = prepared(dict(item))
            return finish({**case, "pred": network(case["image"].as_tensor()[None])[0]})["pred_mask"]

    return job


def ljpeg(folder: str, size: str) -> Callable[[], Any]:
    """Pixels of a DDSM file."""
    return lambda: read_ljpeg(Path(folder) / f"{size}.LJPEG")


JOBS = {"segment": segment, "ljpeg": ljpeg}


def in_a_process(name: str, folder: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run a job in a fresh process."""
    with get_context("spawn").Pool(1) as pool:
        return dict(pool.apply(measure, (name, folder, options)))


def measure(name: str, folder: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the repeats, and peak memory above that before the first repeat."""
    prepare(options)
    JOBS[name](folder, "small")()
    job = JOBS[name](folder, "large")
    before, seconds = reset_peak(), []
    for _ in range(options.repeats):
        start = time.perf_counter()
        job()
        seconds.append(time.perf_counter() - start)
    most = peak()
    return {
        "seconds": spread(seconds),
        "samples": seconds,
        "peak_mib": (most - before) / MIB,
        "process_mib": most / MIB,
    }


if __name__ == "__main__":
    sys.exit(main())
