# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Measure all rasterizers, ours and those of installed peers, in one process: speed, accuracy, fit test, memory.

Prints tables and the targets that are met and missed, writes one JSON file, and draws the figures of the docs with
``--figures``. The peers are in the extra `benchmark`; missing peers are named and left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rasterizer_accuracy as accuracy
import rasterizer_fit as fit
import rasterizer_memory as memory
import rasterizer_speed as speed
import rasterizer_targets as targets
import torch
from rasterizer_registry import FASTEST, RASTERIZERS, find_rasterizers
from timing import CLOCKS, Table, parser, prepare, ratio, write_record

QUESTION = "time, accuracy, gradients, fit and memory of polygon rasterizers"
PARTS = ("speed", "accuracy", "fit", "memory")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, write the JSON file; 1 when all rasterizers are required and one is missing."""
    options = read_options(arguments)
    if options.redraw is not None:
        return draw(json.loads(options.redraw.read_text(encoding="utf-8"))["results"], options)
    prepare(options)
    results: dict[str, Any] = {"skipped": {}}
    for device in devices(options.device):
        found, missing = find_rasterizers(device, RASTERIZERS, options.only)
        for name, reason in missing.items():
            print(f"{name} is skipped on {device}: {reason}")
        results["skipped"][device] = missing
        for part in options.parts:
            results.setdefault(part, {})[device] = getattr(globals()[part], f"measure_{part}")(found, device, options)
    results["targets"] = judge(results)
    tables = make_tables(results)
    print("", *tables, sep="\n\n")
    settings = {key: value for key, value in vars(options).items() if key not in ("output", "figures", "redraw")}
    write_record(options.output, QUESTION, settings, results, tables)
    draw(results, options)
    return 1 if options.require_all and any(results["skipped"].values()) else 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=7, threads=1)
    options.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: all available ones")
    options.add_argument("--clock", choices=list(CLOCKS), default="wall", help="process: for a busy machine, 1 thread")
    options.add_argument("--only", nargs="+", choices=list(RASTERIZERS), help="only these rasterizers")
    options.add_argument("--cases", type=_case, nargs="+", default=list(speed.CASES), help="B,size,K[,forward]")
    options.add_argument("--sweep-sizes", type=int, nargs="*", default=list(speed.SWEEP_SIZES))
    options.add_argument("--sweep-vertices", type=int, nargs="*", default=list(speed.SWEEP_VERTICES))
    options.add_argument("--shapes", type=int, default=100, help="shapes of each kind for the accuracy")
    options.add_argument("--fit-seeds", type=int, default=5)
    options.add_argument("--fit-blobs", type=int, default=20, help="blobs for each seed")
    options.add_argument("--fit-steps", type=int, nargs="+", default=list(fit.STEPS))
    options.add_argument("--fit-seconds", type=float, default=40, help="for each method: slow ones take fewer blobs")
    options.add_argument("--memory-case", type=_case, default=memory.CASE, help="B,size,K")
    options.add_argument("--memory-seconds", type=float, default=100, help="the longest wait for one rasterizer")
    options.add_argument("--require-all", action="store_true", help="exit with 1 when a rasterizer is missing")
    options.add_argument("--figures", type=Path, help="folder for the figures")
    options.add_argument("--redraw", type=Path, help="measure nothing: draw the figures of this JSON file")
    return options.parse_args(arguments)


def _case(text: str) -> str:
    speed.parse_case(text)
    return text


def devices(choice: str) -> list[str]:
    """Devices to measure on."""
    if choice == "auto":
        return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    if choice == "cuda" and not torch.cuda.is_available():
        raise SystemExit("--device cuda: torch sees no CUDA device here; install a CUDA build of torch, or use cpu.")
    return [choice]


def judge(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Targets of the parts that were measured."""
    rows = targets.judge_speed(results["speed"], results["skipped"]) if "speed" in results else []
    for device_result in results.get("fit", {}).values():
        rows += targets.judge_fit(device_result)
    return rows


def make_tables(results: dict[str, Any]) -> list[Table]:
    """One table for each part and device, and the targets."""
    tables = []
    for device, result in results.get("speed", {}).items():
        for case in result["cases"]:
            tables += [_case_table(case, which, device) for which in speed.PASS_NAMES if which in case]
    for device, result in results.get("accuracy", {}).items():
        header = ["boundary error", "area error, %", "gradient cosine", "gradient norm ratio"]
        for shape in accuracy.SHAPES:
            rows = accuracy.accuracy_rows(result, shape)
            tables.append(Table(f"accuracy_{shape}_{device}".replace("-", "_"), [f"{shape}, {device}", *header], rows))
    for device, result in results.get("fit", {}).items():
        header = [f"fit, {device}", *(f"IoU after {step} steps" for step in fit.STEPS), "blobs", "s"]
        tables.append(Table(f"fit_{device}", header, fit.fit_rows(result)))
    for device, result in results.get("memory", {}).items():
        header = [f"peak memory, {device}, {result['case']}", "MiB"]
        tables.append(Table(f"memory_{device}", header, memory.memory_rows(result)))
    header = ["target", "device", "passes", "B, size, K", "measured", "quartiles", ""]
    return [*tables, Table("targets", header, targets.target_rows(results["targets"]))]


def _case_table(case: dict[str, Any], which: str, device: str) -> Table:
    """Times at one case, and their ratios to our fastest backend."""
    seconds = case[which]
    title = f"{speed.PASS_NAMES[which]}, {device}, B {case['batch_size']}, {case['size']}^2, K {case['num_vertices']}"
    name = f"{which}_{device}_{case['batch_size']}_{case['size']}_{case['num_vertices']}"
    base = seconds.get(FASTEST[device])
    rows = []
    for method, figures in seconds.items():
        cells = [method, f"{1e3 * figures['median']:.3g}", f"{1e3 * figures['q25']:.3g} .. {1e3 * figures['q75']:.3g}"]
        rows.append([*cells, f"{ratio(figures['values'], base['values'])['median']:.3g}" if base else ""])
    return Table(name, [title, "ms", "quartiles", f"/ {FASTEST[device]}"], rows)


def draw(results: dict[str, Any], options: argparse.Namespace) -> int:
    """Draw the figures if requested."""
    if options.figures is not None:
        import rasterizer_figures

        for path in rasterizer_figures.draw_figures(results, options.figures):
            print(f"drew {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
