# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How much faster than other differentiable rasterizers is ours, forward and backward, on the same polygons?

The job: masks (B, H, W) of B polygons, their mean squared difference to a reference mask, and its gradient with respect
to the vertices. Beside the times stands the overlap of the two thresholded masks, which shows that both did this job.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import torch
from timing import Job, parser, prepare, ratio, spread, table, time_in_turns, write_record
from torch import Tensor

from monai_acdr.networks.layers import rasterize_polygons

QUESTION = "time of a peer's rasterizer over the time of ours, forward and backward"
TARGET = 200
"""Smallest ratio that we want at the first case."""
CASES = ("32,64,32", "32,128,32", "32,64,128", "1,64,32")
"""B, H = W, K."""
INSTALL = "pip install 'monai_acdr[benchmark]'"

Rasterizer = Callable[[Tensor], Tensor]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON file; 1 when peers are required and one is missing."""
    options = read_options(arguments)
    prepare(options)
    peers, missing = find_peers(PEERS)
    for name, reason in missing.items():
        print(f"{name} is skipped ({reason}): install it with {INSTALL}")
    results = [measure(case, peers, options) for case in options.cases]
    print(table(["B, size, K", *columns(peers)], [row(result, list(peers)) for result in results]))
    settings = {key: value for key, value in vars(options).items() if key != "output"}
    record = {"cases": results, "skipped": missing, "target": {"peer": "torch_contour", "ratio": TARGET}}
    headline = results[0]["ratio"].get("torch_contour")
    if headline is not None:
        record["target_met"] = headline["median"] >= TARGET
        print(f"torch_contour: {headline['median']:.0f} times our time at the first case, target >= {TARGET}")
    write_record(options.output, QUESTION, settings, record)
    return 1 if missing and options.require_peers else 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=7, threads=1)
    options.add_argument("--cases", type=parse_case, nargs="+", default=[parse_case(c) for c in CASES], help="B,size,K")
    options.add_argument("--calls", type=int, default=20, help="calls of our rasterizer in one sample")
    options.add_argument("--require-peers", action="store_true", help="exit with 1 when a peer is missing")
    return options.parse_args(arguments)


def parse_case(text: str) -> tuple[int, int, int]:
    """``32,64,32`` to (B, size, K)."""
    batch_size, size, num_vertices = (int(part) for part in text.split(","))
    return batch_size, size, num_vertices


def torch_contour(size: int) -> Rasterizer:
    """ContourToMask of torch_contour: points (row, column) in [0, 1], sampled at the pixels' corners."""
    layer = import_module("torch_contour").ContourToMask(size)
    return lambda vertices: layer(((vertices.flip(-1) - 0.5) / size)[:, None])[:, 0]


PEERS: dict[str, Callable[[int], Rasterizer]] = {"torch_contour": torch_contour}
"""Peers by the name they are imported by, and a function that makes their rasterizer for a size."""


def find_peers(
    candidates: dict[str, Callable[[int], Rasterizer]],
) -> tuple[dict[str, Callable[[int], Rasterizer]], dict[str, str]]:
    """The peers that can be imported, and why the others cannot."""
    found, missing = {}, {}
    for name, make in candidates.items():
        try:
            import_module(name)
        except ImportError as error:
            missing[name] = str(error)
        else:
            found[name] = make
    return found, missing


def measure(
    case: tuple[int, int, int], peers: dict[str, Callable[[int], Rasterizer]], options: argparse.Namespace
) -> dict[str, Any]:
    """Times, ratios and agreement of all rasterizers at one case."""
    batch_size, size, num_vertices = case
    vertices, target = make_blobs(batch_size, size, num_vertices), make_blobs(batch_size, size, num_vertices)
    reference = rasterize_polygons(target, (size, size))[:, 0]
    rasterizers: dict[str, Rasterizer] = {"ours": lambda v: rasterize_polygons(v, (size, size))[:, 0]}
    rasterizers |= {name: make(size) for name, make in peers.items()}
    jobs = {name: make_job(rasterize, vertices, reference) for name, rasterize in rasterizers.items()}
    samples = time_in_turns(jobs, options.repeats, options.warmup, {"ours": options.calls})
    masks = {name: rasterize(vertices) > 0.5 for name, rasterize in rasterizers.items()}
    return {
        "batch_size": batch_size,
        "size": size,
        "num_vertices": num_vertices,
        "seconds": {name: spread(values) for name, values in samples.items()},
        "ratio": {name: ratio(samples[name], samples["ours"]) for name in peers},
        "mask_iou": {name: overlap(masks[name], masks["ours"]) for name in peers},
    }


def make_blobs(batch_size: int, size: int, num_vertices: int) -> Tensor:
    """Smooth star-shaped polygons (B, K, 2) in pixels, of about half the frame, well inside it."""
    angles = torch.arange(num_vertices) * (2 * torch.pi / num_vertices)
    waves = torch.arange(2, 5)[:, None] * angles
    amplitudes = 0.12 * torch.rand(2, batch_size, 3)
    radius = 1 + amplitudes[0] @ waves.cos() + amplitudes[1] @ waves.sin()
    directions = torch.stack([angles.cos(), angles.sin()], dim=-1)
    center = size * (0.5 + 0.05 * (torch.rand(batch_size, 1, 2) - 0.5))
    return center + 0.25 * size * radius[..., None] * directions


def make_job(rasterize: Rasterizer, vertices: Tensor, reference: Tensor) -> Job:
    """Forward, loss and backward of one rasterizer."""

    def job() -> Tensor:
        leaf = vertices.detach().requires_grad_()
        (rasterize(leaf) - reference).square().mean().backward()
        assert leaf.grad is not None
        return leaf.grad

    return job


def overlap(first: Tensor, second: Tensor) -> float:
    """Intersection over union of two sets of masks."""
    return float((first & second).sum() / (first | second).sum())


def columns(peers: dict[str, Any]) -> list[str]:
    """Headings of the table."""
    return ["ours ms", *(f"{name} {what}" for name in peers for what in ("ms", "ratio", "quartiles", "mask IoU"))]


def row(result: dict[str, Any], peers: Sequence[str]) -> list[str]:
    """One line of the table."""
    cells = [f"{result['batch_size']}, {result['size']}, {result['num_vertices']}"]
    cells.append(f"{1000 * result['seconds']['ours']['median']:.2f}")
    for name in peers:
        quotient = result["ratio"][name]
        cells += [f"{1000 * result['seconds'][name]['median']:.0f}", f"{quotient['median']:.1f}"]
        cells += [f"{quotient['q25']:.1f} - {quotient['q75']:.1f}", f"{result['mask_iou'][name]:.4f}"]
    return cells


if __name__ == "__main__":
    sys.exit(main())
