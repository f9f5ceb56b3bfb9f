# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How long rasterizers take, forward and forward with backward, on the same polygons, in turns.

The job of the backward pass: masks (B, H, W) of B polygons, their mean squared difference to a reference mask, and its
gradient with respect to the vertices. The loss is part of it, as in a training; on CUDA, where it takes as long as a
rasterizer, a third job has the gradient of the masks given instead.

The number of calls follows from the duration of one call; slow jobs take part in the first rounds only, and in no case
beyond their limit of elements (see ``rasterizer_registry.py``).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import torch
from rasterizer_cuda import as_graph
from rasterizer_registry import Entry, Rasterize, prepare
from rasterizer_shapes import make_blobs
from timing import CLOCKS, Job, spread, time_in_turns
from torch import Tensor

from monai_acdr.networks.layers import rasterize_polygons

CASES = ("32,64,32", "32,128,32", "32,64,128", "1,64,32", "32,256,32,forward", "100,128,128")
CUDA_CASES = ("100,512,128,forward",)
"""B, H = W, K, and ``forward`` where the backward pass is left out. The first one is the headline."""
SWEEP_BATCH = 8
SWEEP_SIZES, SWEEP_VERTICES = (16, 32, 64, 128, 256, 512), (8, 16, 32, 64, 128, 256)
SWEEP_FIXED = {"size": 64, "num_vertices": 32}
SAMPLE_SECONDS = 0.05
"""A sample has enough calls to take this long."""
SLOW_SECONDS, SLOW_ROUNDS = 0.3, 3
"""Jobs that take longer than the first value take part in only this many rounds."""
PASS_NAMES = {
    "forward": "forward",
    "forward_backward": "forward + backward",
    "given_gradient": "forward + backward, gradient given",
}
GRAPH = ", CUDA graph"


def parse_case(text: str) -> tuple[int, int, int, bool]:
    """``32,64,32`` to (B, size, K, with backward)."""
    numbers, forward_only = text.removesuffix(",forward"), text.endswith(",forward")
    batch_size, size, num_vertices = (int(part) for part in numbers.split(","))
    return batch_size, size, num_vertices, not forward_only


def measure_speed(entries: dict[str, Entry], device: str, options: argparse.Namespace) -> dict[str, Any]:
    """All cases and both curves on one device."""
    cases = [parse_case(text) for text in options.cases]
    if device == "cuda" and tuple(options.cases) == CASES:
        cases += [parse_case(text) for text in CUDA_CASES]
    measured = []
    for case in cases:
        print(f"{device}: B {case[0]}, {case[1]} x {case[1]}, K {case[2]}", flush=True)
        measured.append(measure_case(entries, case, device, options))
    sweep = {
        what: [measure_point(entries, what, value, device, options) for value in values]
        for what, values in (("size", options.sweep_sizes), ("num_vertices", options.sweep_vertices))
    }
    return {"cases": measured, "sweep": sweep, "sweep_batch": SWEEP_BATCH, "sweep_fixed": SWEEP_FIXED}


def measure_case(
    entries: dict[str, Entry], case: tuple[int, int, int, bool], device: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Seconds of all rasterizers at one case, each pass separately."""
    batch_size, size, num_vertices, with_backward = case
    inputs = make_inputs(batch_size, size, num_vertices, device, options.seed)
    elements = batch_size * size**2 * num_vertices
    timed = {name: entry for name, entry in entries.items() if entry.is_timed(device, elements)}
    rasterizers = prepare(timed, size, num_vertices, device)
    result: dict[str, Any] = {"batch_size": batch_size, "size": size, "num_vertices": num_vertices}
    jobs = {name: forward_job(rasterize, inputs[0]) for name, rasterize in rasterizers.items()}
    result["forward"] = time_jobs(jobs, device, options)
    if with_backward:
        jobs = {name: backward_job(rasterizers[name], *inputs) for name in timed if timed[name].differentiable}
        result["forward_backward"] = time_jobs(jobs, device, options)
    if with_backward and device == "cuda":
        jobs = {name: given_job(rasterizers[name], *inputs) for name in timed if timed[name].differentiable}
        result["given_gradient"] = time_jobs(jobs, device, options)
    return result


def measure_point(
    entries: dict[str, Entry], what: str, value: int, device: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Seconds at one point of a curve: forward and backward, or forward where there is no backward pass."""
    point = {**SWEEP_FIXED, what: value}
    inputs = make_inputs(SWEEP_BATCH, point["size"], point["num_vertices"], device, options.seed)
    elements = SWEEP_BATCH * point["size"] ** 2 * point["num_vertices"]
    timed = {name: entry for name, entry in entries.items() if entry.is_timed(device, elements, sweep=True)}
    jobs = {
        name: backward_job(rasterize, *inputs) if timed[name].differentiable else forward_job(rasterize, inputs[0])
        for name, rasterize in prepare(timed, point["size"], point["num_vertices"], device).items()
    }
    return {what: value, "seconds": time_jobs(jobs, device, options)}


def make_inputs(batch_size: int, size: int, num_vertices: int, device: str, seed: int) -> tuple[Tensor, Tensor]:
    """Vertices (B, K, 2), and reference masks (B, H, W) of other polygons."""
    generator = torch.Generator().manual_seed(seed)
    vertices, other = (make_blobs(batch_size, size, num_vertices, generator) for _ in range(2))
    return vertices.to(device), rasterize_polygons(other, (size, size))[:, 0].to(device)


def forward_job(rasterize: Rasterize, vertices: Tensor) -> Job:
    """Masks only."""

    def job() -> Any:
        with torch.no_grad():
            return rasterize(vertices)

    return job


def backward_job(rasterize: Rasterize, vertices: Tensor, reference: Tensor) -> Job:
    """Masks, loss and gradient."""

    def job() -> Tensor:
        leaf = vertices.detach().requires_grad_()
        loss = (rasterize(leaf) - reference).square().mean()
        return torch.autograd.grad(loss, leaf)[0]

    return job


def given_job(rasterize: Rasterize, vertices: Tensor, gradient: Tensor) -> Job:
    """Masks, and the gradient of the vertices from one of the masks."""

    def job() -> Tensor:
        leaf = vertices.detach().requires_grad_()
        return torch.autograd.grad(rasterize(leaf), leaf, gradient)[0]

    return job


def time_jobs(jobs: dict[str, Job], device: str, options: argparse.Namespace) -> dict[str, Any]:
    """Medians, quartiles and samples of jobs in turns; on CUDA also replayed from graphs, without Python's share."""
    finish = torch.cuda.synchronize if device == "cuda" else None
    if device == "cuda":
        graphs = {name + GRAPH: as_graph(job) for name, job in jobs.items()}
        jobs = jobs | {name: graph for name, graph in graphs.items() if graph is not None}
    clock = CLOCKS["wall" if device == "cuda" else options.clock]
    once = {name: seconds for name, job in jobs.items() if (seconds := time_once(name, job, finish, clock)) is not None}
    jobs = {name: jobs[name] for name in once}
    calls = {name: max(1, min(1000, math.ceil(SAMPLE_SECONDS / seconds))) for name, seconds in once.items()}
    slow = {name: min(options.repeats, SLOW_ROUNDS) for name, seconds in once.items() if seconds > SLOW_SECONDS}
    samples = time_in_turns(jobs, options.repeats, options.warmup, calls, slow, finish, clock)
    return {name: spread(values) | {"calls": calls[name], "values": values} for name, values in samples.items()}


def time_once(name: str, job: Job, finish: Job | None, clock: Callable[[], float]) -> float | None:
    """Seconds of a job's second call, since the first one may compile; None if it does not fit into the memory."""
    start = 0.0
    try:
        for _ in range(2):
            start = clock()
            job()
            if finish is not None:
                finish()
        return clock() - start
    except (torch.OutOfMemoryError, MemoryError):
        print(f"{name}: out of memory", flush=True)
        torch.cuda.empty_cache()
        return None
