# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How long from a click to the label, over HTTP, from a MONAI Label server on this machine; and eight clients at once?

A server is started on the loopback with the Label environment (`make label-venv`) and synthetic studies: a frame of
256 x 256 pixels (NIfTI), a cine series of 20 frames (DICOM) and a stack of 10 slices (NIfTI). Each call sends a new
click and waits for the label map. The first calls, which load the network and the image, are not counted. Then several
clients send calls in parallel for a minute: errors are counted, the server's memory is read from /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import nibabel as nib
import numpy as np
import pydicom
from timing import ROOT, Table, parser, prepare, spread, write_record

from monai_acdr.apps.monailabel.app_folder import make_app_folder
from monai_acdr.data.phantoms import write_short_axis_studies

QUESTION = "seconds from a click to the label over HTTP, and errors and memory with several clients at once"
MODEL = "sunnybrook_lv_acdr"
SIDE = 256
CASES: dict[str, dict[str, Any]] = {
    "frame, NRRD": {"image": "frame", "extension": ".nrrd"},
    "frame, NIfTI": {"image": "frame", "extension": ".nii.gz"},
    "frame, 3 corrections": {"image": "frame", "extension": ".nrrd", "corrections": 3},
    "slice of a stack": {"image": "stack", "extension": ".nrrd"},
    "frame of a DICOM series": {"image": "series", "extension": ".nrrd"},
    "DICOM SEG of that frame": {"image": "series", "extension": ".dcm"},
}
TARGET = 0.4
"""Seconds, the median for a frame."""
START_SECONDS = 180
MIB = 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON file."""
    options = read_options(arguments)
    prepare(options)
    with tempfile.TemporaryDirectory() as folder:
        write_studies(Path(folder) / "studies")
        with running_server(Path(folder), options) as (port, process):
            calls = {name: time_calls(port, case, options.repeats) for name, case in CASES.items()}
            load = under_load(port, process, options.clients, options.seconds)
    results: dict[str, Any] = {name: summary(samples) for name, samples in calls.items()}
    results["frame, NRRD"]["target_met"] = results["frame, NRRD"]["median"] < TARGET
    rows = [[n, f"{1000 * r['median']:.0f}", f"{1000 * r['q95']:.0f}", str(r["samples"])] for n, r in results.items()]
    calls_table = Table("calls", ["click to label", "median, ms", "95th percentile, ms", "calls"], rows)
    tables = [calls_table, load_table(load)]
    print(*tables, sep="\n\n")
    results["load"] = load
    settings = {key: str(value) for key, value in vars(options).items() if key not in ("output", "python")}
    write_record(options.output, QUESTION, settings, results, tables)
    return 0


def load_table(load: dict[str, Any]) -> Table:
    """Latency, errors and memory with several clients at once."""
    latency = load["seconds"]
    cells = [f"{load['duration']:.0f}", str(load["calls"]), str(load["errors"])]
    cells += [f"{1000 * latency['median']:.0f}", f"{1000 * latency['q95']:.0f}"]
    cells += [f"{load['mib_start']:.0f}", f"{load['mib_end']:.0f}"]
    header = ["clients", "seconds", "calls", "errors", "median, ms", "95th percentile, ms"]
    header += [f"server after {load['settled']:.0f} s, MiB", "in the end, MiB"]
    return Table("load", header, [[str(load["clients"]), *cells]])


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=100, threads=2)
    default = os.environ.get("MONAI_ACDR_LABEL_PYTHON") or ROOT / ".venv-label" / "bin" / "python"
    options.add_argument("--python", type=Path, default=default, help="Python of the Label environment")
    options.add_argument("--clients", type=int, default=8, help="clients at once")
    options.add_argument("--seconds", type=float, default=60, help="duration of their calls")
    return options.parse_args(arguments)


def write_studies(folder: Path) -> None:
    """A frame and a stack as NIfTI, and a DICOM series."""
    folder.mkdir()
    study = write_short_axis_studies(folder.parent / "phantom", 1, 1, 20, (SIDE, SIDE)) / "dicoms"
    next(study.iterdir()).rename(folder / "series")
    files = sorted((folder / "series").rglob("*.dcm"))
    pixels = np.stack([pydicom.dcmread(path).pixel_array.T for path in files], axis=-1).astype(np.int16)
    affine = np.diag([-1.3, -1.3, 8.0, 1.0])
    nib.save(nib.Nifti1Image(pixels[..., :1], affine), folder / "frame.nii.gz")
    nib.save(nib.Nifti1Image(pixels[..., :10], affine), folder / "stack.nii.gz")


@contextmanager
def running_server(folder: Path, options: argparse.Namespace) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server on a free port of the loopback, ended with the block."""
    if not Path(options.python).is_file():
        sys.exit(f"There is no Label environment at {options.python}: run make label-venv, or give --python.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [str(options.python), "-m", "monailabel.main", "start_server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--app", str(make_app_folder(folder / "app")), "--studies", str(folder / "studies")]
    threads = {"OMP_NUM_THREADS": str(options.threads)} if options.threads else {}
    environment = {**os.environ, **threads, "TMPDIR": str(folder)}
    log = folder / "server.log"
    with open(log, "wb") as stream:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=stream, stderr=stream)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"The server does not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)
        yield port, process
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    """Whether the server answers."""
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/info/")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False


def click(connection: HTTPConnection, case: dict[str, Any], number: int) -> bool:
    """Make one call; return whether it gave a label."""
    i, j = SIDE // 2 - 8 + number % 13, SIDE // 2 - 8 + number % 17
    points = [[i, j, 0], *([i + 24 + n, j + 3 * n, 0] for n in range(case.get("corrections", 0)))]
    params = {"foreground": points, "background": [], "result_extension": case["extension"], "result_dtype": "uint8"}
    query = urlencode({"image": case["image"], "output": "image"})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", f"/infer/{MODEL}?{query}", urlencode({"params": json.dumps(params)}), headers)
    answer = connection.getresponse()
    return bool(answer.read()) and answer.status == 200


def time_calls(port: int, case: dict[str, Any], repeats: int) -> list[float]:
    """Seconds of calls, one after another; up to five before them are not counted."""
    connection, samples = HTTPConnection("127.0.0.1", port, timeout=60), []
    for number in range(-min(5, repeats), repeats):
        start = time.perf_counter()
        if not click(connection, case, number):
            raise RuntimeError("Expected a label, but the server answered with an error.")
        if number >= 0:
            samples.append(time.perf_counter() - start)
    return samples


def under_load(port: int, process: subprocess.Popen[bytes], clients: int, seconds: float) -> dict[str, Any]:
    """Run clients without pauses; memory is read after a sixth of the time, and at the end."""
    samples: list[list[float]] = [[] for _ in range(clients)]
    errors, end = [0] * clients, time.monotonic() + seconds

    def ask(index: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        for number in count(index * 1000):
            start = time.perf_counter()
            if time.monotonic() > end:
                return
            try:
                good = click(connection, CASES["frame, NRRD"], number)
            except (OSError, HTTPException):
                connection.close()
                good = False
            errors[index] += not good
            samples[index].append(time.perf_counter() - start)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 6)
    start = resident_mib(process.pid)
    for thread in threads:
        thread.join()
    all_samples = [sample for each in samples for sample in each]
    return {
        "clients": clients,
        "duration": seconds,
        "calls": len(all_samples),
        "errors": sum(errors),
        "seconds": summary(all_samples),
        "settled": seconds / 6,
        "mib_start": start,
        "mib_end": resident_mib(process.pid),
    }


def resident_mib(process: int) -> float:
    """Memory of a process, from /proc; NaN where /proc is missing."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def summary(samples: Sequence[float]) -> dict[str, float]:
    """Median, quartiles and 95th percentile."""
    many = len(samples) > 1
    return spread(samples) | {"q95": statistics.quantiles(samples, n=20)[-1] if many else samples[0]}


if __name__ == "__main__":
    sys.exit(main())
