# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How long does `monai-acdr segment` take in wall-clock time, from the shell to the results, including imports?

Each run is a separate process, in turns with those of another checkout of this package, in reverse order every other
round. The processor time of a run (user and system) is measured as well: it says more on a busy machine. Contours of
the two are compared vertex by vertex. The floor is a process that only loads the weights, decodes the pixels and passes
as many crops through the networks. Another process, which ends when the command opens the first file of the study,
gives the processor time until then.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from timing import ROOT, Table, parser, ratio, spread, write_record

from monai_acdr.data.phantoms import write_short_axis_studies

QUESTION = "seconds of `monai-acdr segment` by the clock and of the processor, for a whole cine study"
COMMAND = "from monai_acdr.apps.cli import main; main()"
UNTIL_FILE = """
import os, sys
study = sys.argv[2]

def stop_at_file(event, arguments):
    if event == "open" and str(arguments[0]).startswith(study) and os.path.isfile(arguments[0]):
        os._exit(0)

sys.addaudithook(stop_at_file)
"""
FLOOR = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from monai_acdr.apps.startup import deferred_imports, rare_collections

with deferred_imports():
    import pydicom
    import torch
    from monai_acdr import load_model
with rare_collections():
    network = load_model("sunnybrook_lv_acdr", device="cpu").infer.network
    pixels = [pydicom.dcmread(path).pixel_array for path in sorted(Path(sys.argv[1]).rglob("*.dcm"))]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def infer(batch):
        with torch.inference_mode():
            return network(batch)

    crops = torch.stack([torch.nn.functional.interpolate(torch.tensor(image[None, None].astype("float32")), (96, 96))[0]
                         for image in pixels])
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        list(pool.map(infer, crops.sub_(crops.mean()).div_(crops.std()).split(16)))
"""
OPTIONS = ("--roi", "center", "--no-pictures", "--seg", "--rtstruct", "--sr", "--device", "cpu")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON file."""
    chosen = read_options(arguments)
    checkouts = {"now": ROOT} if chosen.before is None else {"before": chosen.before.resolve(), "now": ROOT}
    names = [*checkouts, "floor"]
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        study = chosen.study or write_short_axis_studies(Path(folder) / "study", 1, chosen.slices, chosen.phases)
        outputs = {name: Path(folder) / name for name in checkouts}
        for number in range(-chosen.warmup, chosen.repeats):
            for name in names if number % 2 == 0 else names[::-1]:
                folders = (study.resolve(), outputs.get(name))
                sample = run(checkouts.get(name, ROOT), *folders, chosen.threads)
                if number >= 0:
                    samples[name].append(sample)
        difference = None if chosen.before is None else largest_difference(*outputs.values())
    results: dict[str, Any] = {
        name: {key: spread([sample[key] for sample in samples[name]]) for key in samples[name][0]} for name in names
    }
    rows = [
        [name, *(f"{results[name][key]['median']:.1f}" for key in ("clock", "processor"))]
        + [f"{results[name]['until_file']['median']:.1f}" if "until_file" in results[name] else ""]
        + [f"{results[name]['memory_mib']['median']:.0f}"]
        for name in names
    ]
    if chosen.before is not None:
        ratios = {
            key: ratio([sample[key] for sample in samples["now"]], [sample[key] for sample in samples["before"]])
            for key in ("clock", "processor", "until_file", "memory_mib")
        }
        results |= {"ratios": ratios, "largest_difference_px": difference}
        rows.append(["now / before", *(f"{value['median']:.2f}" for value in ratios.values())])
    header = ["", "seconds by the clock", "seconds of the processor", "of these until the first file", "peak, MiB"]
    table = Table("runs", header, rows)
    print(table)
    settings = {"repeats": chosen.repeats, "warmup": chosen.warmup, "threads": chosen.threads}
    settings |= {"synthetic": chosen.study is None, "options": " ".join(OPTIONS)}
    write_record(chosen.output, QUESTION, settings, results, [table])
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=3, threads=2)
    options.set_defaults(warmup=1)
    options.add_argument("--study", type=Path, help="folder of one study, instead of a synthetic one")
    options.add_argument("--before", type=Path, help="another checkout of this package, to compare with")
    options.add_argument("--slices", type=int, default=12)
    options.add_argument("--phases", type=int, default=20)
    return options.parse_args(arguments)


def run(checkout: Path, study: Path, output: Path | None, threads: int) -> dict[str, float]:
    """Seconds and memory of one run, or of the floor if `output` is None."""
    if output is None:
        return _measured([FLOOR, str(study)], checkout, threads)
    command = [COMMAND, "segment", str(study), "--output", str(output), "--overwrite", *OPTIONS]
    until_file = _measured([UNTIL_FILE + command[0], *command[1:]], checkout, threads)["processor"]
    return _measured(command, checkout, threads) | {"until_file": until_file}


def _measured(command: Sequence[str], checkout: Path, threads: int) -> dict[str, float]:
    """Seconds and memory of a process: its code and arguments."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": str(threads)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled once, not in each run
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", *command], env=environment, cwd=checkout, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(f"Expected the command to end well, but its status is {process.returncode}.")
    return {"clock": seconds, "processor": usage.ru_utime + usage.ru_stime, "memory_mib": _mib(usage)}


def _mib(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def largest_difference(first: Path, second: Path) -> float:
    """Largest difference of a coordinate of the contours in two folders of results, in pixels."""
    first_contours, second_contours = contours(first), contours(second)
    if first_contours.keys() != second_contours.keys():
        raise RuntimeError("Expected the same frames and structures of both checkouts, but they differ.")
    return max(float(np.abs(first_contours[key] - second_contours[key]).max()) for key in first_contours)


def contours(folder: Path) -> dict[tuple[str, str], np.ndarray]:
    """Frame and structure -> vertices (K, 2) in pixels."""
    document = json.loads((folder / "contours.json").read_text(encoding="utf-8"))
    return {
        (frame["name"], each["structure"]): np.array(each["vertices_px"])
        for frame in document["frames"]
        for each in frame["contours"]
    }


if __name__ == "__main__":
    sys.exit(main())
