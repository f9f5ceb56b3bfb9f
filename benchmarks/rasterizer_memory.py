# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Peak memory of each rasterizer, forward and backward, each in a separate process.

On the CPU this is the largest resident size during the call minus the size before it. A small call comes first, so that
libraries are loaded and kernels compiled. On CUDA it is the peak of torch's allocator minus its allocation before.
"""

from __future__ import annotations

import argparse
import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

import peak_memory
import torch
from rasterizer_registry import RASTERIZERS, Entry
from rasterizer_speed import backward_job, forward_job, make_inputs, parse_case

CASE = "32,128,128"
"""B, H = W, K."""
SMALL = (2, 8)
"""B and H = W of the call that comes first."""


def measure_memory(entries: dict[str, Entry], device: str, options: argparse.Namespace) -> dict[str, Any]:
    """Mebibytes of each rasterizer: forward with backward, or forward where there is no backward pass."""
    drawing = [name for name, entry in entries.items() if entry.draws]
    methods = {}
    for name in drawing:
        methods[name] = in_new_process(name, device, options)
        print(f"memory: {name}: {_figure(methods[name])}", flush=True)
    return {"case": options.memory_case, "device": device, "methods": methods}


def in_new_process(name: str, device: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure in a fresh process; a timeout or a crash is a result, too."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    arguments = (sender, name, device, options.memory_case, options.threads, options.seed)
    process = context.Process(target=_child, args=arguments, daemon=True)
    process.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(options.memory_seconds) else {"failed": "took too long"}
    except EOFError:
        process.join()
        return {"failed": f"its process ended with {process.exitcode}"}
    finally:
        process.kill()
        process.join()


def _child(sender: Connection, name: str, device: str, case: str, threads: int, seed: int) -> None:
    torch.set_num_threads(threads)
    try:
        result: dict[str, Any] = {"mebibytes": peak(name, device, case, seed) / 2**20}
    except Exception as error:  # an error of any kind is the result
        result = {"failed": f"{type(error).__name__}: {error}".partition("\n")[0]}
    sender.send(result)


def peak(name: str, device: str, case: str, seed: int) -> int:
    """Peak bytes of one call of a rasterizer."""
    batch_size, size, num_vertices, _ = parse_case(case)
    _job(name, device, SMALL[0], SMALL[1], num_vertices, seed)()
    job = _job(name, device, batch_size, size, num_vertices, seed)
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        job()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    before = peak_memory.reset_peak()
    job()
    return max(0, peak_memory.peak() - before)


def _job(name: str, device: str, batch_size: int, size: int, num_vertices: int, seed: int) -> Any:
    entry = RASTERIZERS[name]
    inputs = make_inputs(batch_size, size, num_vertices, device, seed)
    rasterize = entry.make(size, num_vertices, device)
    return backward_job(rasterize, *inputs) if entry.differentiable else forward_job(rasterize, inputs[0])


def memory_rows(result: dict[str, Any]) -> list[list[str]]:
    """Cells of the printed table."""
    return [[name, _figure(method)] for name, method in result["methods"].items()]


def _figure(method: dict[str, Any]) -> str:
    return f"{method['mebibytes']:.1f}" if "mebibytes" in method else f"not measured: {method['failed']}"
