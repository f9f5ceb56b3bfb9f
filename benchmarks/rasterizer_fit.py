# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The fit test: how close does a polygon come to a blob when only its vertices are trained, through each rasterizer?

A 32-gon starts as a circle of diameter 16 px in the middle of 64 x 64 pixels; the target is the exact mask of a random
smooth blob; loss: mean squared difference of the masks; Adam with step size 0.3. For all methods, the reported overlap
is that of the fitted POLYGON'S exact mask with the target, not of the mask that the method itself draws.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch
from rasterizer_registry import Entry, Rasterize, prepare
from rasterizer_shapes import make_blobs
from timing import CLOCKS
from torch import Tensor

from monai_acdr.geometry import circle
from monai_acdr.networks.layers import rasterize_polygons

SIZE, NUM_VERTICES, DIAMETER, LEARNING_RATE = 64, 32, 16.0, 0.3
STEPS = (100, 300)
LEAST_BLOBS = 4
"""Number of blobs per seed below which a slow method leaves out the last stage."""


def measure_fit(entries: dict[str, Entry], device: str, options: argparse.Namespace) -> dict[str, Any]:
    """The test with several seeds; methods that are too slow for all blobs take the first ones of each seed."""
    differentiable = {name: entry for name, entry in entries.items() if entry.differentiable}
    methods = {}
    for name, rasterize in prepare(differentiable, SIZE, NUM_VERTICES, device).items():
        blobs, steps = plan(rasterize, device, options)
        print(f"fit: {name}, {blobs} blobs for each of {options.fit_seeds} seeds, {steps[-1]} steps", flush=True)
        methods[name] = fit_method(rasterize, device, blobs, steps, options)
    return {"methods": methods, "seeds": options.fit_seeds, "device": device}


def plan(rasterize: Rasterize, device: str, options: argparse.Namespace) -> tuple[int, list[int]]:
    """Number of blobs for each seed, and steps: as many as fit into the time, at least one blob and the first stage."""
    clock = CLOCKS["wall" if device == "cuda" else options.clock]
    begin, count = 0.0, options.fit_seeds * options.fit_blobs
    for batch in (2, count):  # the first call may compile
        begin = clock()
        fit(rasterize, starting_circles(batch).to(device), torch.zeros(batch, SIZE, SIZE, device=device), [1])
    seconds = (clock() - begin) / count
    steps = list(options.fit_steps)
    while len(steps) > 1 and LEAST_BLOBS * seconds * options.fit_seeds * steps[-1] > options.fit_seconds:
        steps.pop()
    blobs = int(options.fit_seconds / (seconds * options.fit_seeds * steps[-1]))
    return max(1, min(options.fit_blobs, blobs)), steps


def fit_method(
    rasterize: Rasterize, device: str, blobs: int, steps: list[int], options: argparse.Namespace
) -> dict[str, Any]:
    """Fit the blobs of all seeds at once: nothing couples them."""
    goals = torch.cat([seed_blobs(seed, options.fit_blobs)[:blobs] for seed in range(options.fit_seeds)])
    target = rasterize_polygons(goals, (SIZE, SIZE))[:, 0]
    begin = time.perf_counter()
    stages = fit(rasterize, starting_circles(len(goals)).to(device), target.to(device), steps)
    seconds = time.perf_counter() - begin
    iou = {str(step): summary(overlap(vertices.cpu(), target), options.fit_seeds) for step, vertices in stages.items()}
    return {"iou": iou, "blobs_per_seed": blobs, "seconds": seconds}


def seed_blobs(seed: int, count: int) -> Tensor:
    """The targets (B, K, 2) of one seed."""
    return make_blobs(count, SIZE, NUM_VERTICES, torch.Generator().manual_seed(seed))


def starting_circles(count: int) -> Tensor:
    """(B, K, 2) circles in the middle."""
    return circle(torch.full((count, 2), SIZE / 2), DIAMETER / 2, NUM_VERTICES)


def fit(rasterize: Rasterize, start: Tensor, target: Tensor, steps: list[int]) -> dict[int, Tensor]:
    """Vertices after each number of steps. The sum over the shapes leaves each shape its own loss."""
    vertices = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([vertices], lr=LEARNING_RATE)
    stages = {}
    for step in range(1, steps[-1] + 1):
        optimizer.zero_grad()
        (rasterize(vertices) - target).square().mean((1, 2)).sum().backward()
        optimizer.step()
        if step in steps:
            stages[step] = vertices.detach().clone()
    return stages


def overlap(vertices: Tensor, target: Tensor) -> list[float]:
    """Intersection over union of polygons' exact masks and target masks, pixel by pixel: min over max."""
    masks = rasterize_polygons(vertices, (SIZE, SIZE))[:, 0]
    intersection, union = torch.minimum(masks, target).sum((1, 2)), torch.maximum(masks, target).sum((1, 2))
    return (intersection / union).tolist()


def summary(values: list[float], seeds: int) -> dict[str, Any]:
    """Mean of each seed; their mean and standard deviation; the worst blob."""
    count = len(values) // seeds
    means = [statistics.fmean(values[seed * count : (seed + 1) * count]) for seed in range(seeds)]
    spread = statistics.stdev(means) if seeds > 1 else 0.0
    return {"mean": statistics.fmean(means), "std": spread, "seeds": means, "worst": min(values)}


def fit_rows(result: dict[str, Any]) -> list[list[str]]:
    """Cells of the printed table."""
    rows = []
    for name, method in result["methods"].items():
        stages = [method["iou"].get(str(step)) for step in STEPS]
        cells = [f"{s['mean']:.4f} +- {s['std']:.4f}" if s else "" for s in stages]
        rows.append([name, *cells, f"{result['seeds']} x {method['blobs_per_seed']}", f"{method['seconds']:.1f}"])
    return rows
