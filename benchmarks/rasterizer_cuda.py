# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The CUDA kernels of the rasterizer on a GPU: parity, inductor, CUDA graphs, then speed and memory, in one command.

`python benchmarks/rasterizer_cuda.py` needs only a CUDA device and the package. Its JSON file records

- `parity`: largest differences of masks, signed coverage and gradients from plain torch on the CPU in float64, for each
  fill rule and dtype, on the polygons that every process checks before it uses the kernels, and on random ones;
- `first_call`: seconds of the first call with each of them: compilation and check;
- `inductor`: whether the loss compiles in one graph (`torch.compile(fullgraph=True)`), and its largest difference;
- `graph`: whether a CUDA graph replays to the same bits;

and `rasterizer_cuda_speed.json` beside it records the measurements of `rasterizers.py --device cuda`, with its targets.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch
from timing import Job, Table, parser, prepare, write_record

from monai_acdr.losses import ActiveContourLoss
from monai_acdr.networks.layers import ExactOptions, available_backends, rasterize_polygons
from monai_acdr.networks.layers.rasterizers.exact import FILL_RULES
from monai_acdr.networks.layers.rasterizers.operator import check_parity, load_kernel

QUESTION = "do the CUDA kernels of the rasterizer agree with plain torch, and how fast are they"
WARM_UP_CALLS = 3
TOLERANCE = {"float32": 1e-4, "float64": 1e-8}
"""Largest difference that rounding explains, of masks in pixels' areas and of gradients relative to the largest."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, measure, print tables, write the JSON files; 1 when something does not agree."""
    options = read_options(arguments)
    prepare(options)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            "Expected a CUDA device, but torch sees none: install a CUDA build of torch on a machine with one."
        )
    backend = available_backends(options.device)[0]
    device = torch.device(options.device, torch.cuda.current_device() if options.device == "cuda" else None)
    parity = [measure_parity(backend, device, name, rule, options) for name in TOLERANCE for rule in FILL_RULES]
    results = {"backend": backend, "parity": parity, "inductor": measure_inductor(device, options)}
    results["graph"] = replays_alike(options) if options.device == "cuda" else None
    rows = [
        [
            row["dtype"],
            row["fill_rule"],
            *("-" if row[key] is None else f"{row[key]:.2g}" for key in ("checked", "mask", "gradient", "first_call")),
            "yes" if row["agrees"] else row["error"] or "no",
        ]
        for row in parity
    ]
    header = ["dtype", "fill rule", "checked", "mask", "gradient", "first call, s", f"{backend} agrees"]
    inductor, graph = results["inductor"], results["graph"]
    other = [
        ["inductor, one graph", inductor["error"] or f"{inductor['difference']:.2g}"],
        ["CUDA graph, same bits", "not measured" if graph is None else "yes" if graph else "no"],
    ]
    tables = [Table("parity", header, rows), Table("compiled", ["", "result"], other)]
    print(*tables, sep="\n\n")
    settings = {key: value for key, value in vars(options).items() if key != "output"}
    write_record(options.output, QUESTION, settings, results, tables)
    if not options.parity_only:
        import rasterizers  # which imports `as_graph` from here

        speed = options.output.with_name(f"{options.output.stem}_speed.json")
        parts = ["--parts", "speed", "accuracy", "memory", "--device", options.device]
        rasterizers.main([*parts, "--repeats", str(options.repeats), "--output", str(speed)])
    agrees = all(row["agrees"] for row in parity) and inductor["error"] is None and graph is not False
    return 0 if agrees else 1


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=7, threads=1)
    options.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: to try this script")
    options.add_argument("--polygons", type=int, default=64, help="random polygons of each fill rule and dtype")
    options.add_argument("--size", type=int, default=96, help="rows and columns of their masks")
    options.add_argument("--num-vertices", type=int, default=64, help="K")
    options.add_argument("--parity-only", action="store_true", help="leave out speed, accuracy and memory")
    return options.parse_args(arguments)


def measure_parity(
    backend: str, device: torch.device, dtype_name: str, fill_rule: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Differences of a compiled kernel from plain torch on the CPU in float64."""
    dtype, size = getattr(torch, dtype_name), (options.size, options.size)
    result: dict[str, Any] = {"dtype": dtype_name, "fill_rule": fill_rule, "error": None, "agrees": False}
    result |= dict.fromkeys(("checked", "mask", "gradient", "first_call"))
    start = time.perf_counter()
    try:
        kernel = load_kernel(backend, device, dtype, fill_rule)
        result["first_call"] = time.perf_counter() - start
        result["checked"] = max(check_parity(kernel, device, dtype, fill_rule).values())
        vertices = (torch.rand(options.polygons, options.num_vertices, 2, dtype=dtype) * 1.2 - 0.1) * options.size
        weights = torch.randn(options.polygons, 1, *size, dtype=dtype)
        masks, gradient = _passes(
            vertices.to(device), weights.to(device), size, ExactOptions(fill_rule, backend=backend)
        )
        expected, reference = _passes(
            vertices.double(), weights.double(), size, ExactOptions(fill_rule, backend="torch")
        )
    except Exception as error:  # compilers raise errors of any kind; the other kernels are still tried
        return result | {"error": f"{type(error).__name__}: {error}".partition("\n")[0]}
    result["mask"] = float((masks.cpu().double() - expected).abs().max())
    result["gradient"] = float((gradient.cpu().double() - reference).abs().max() / reference.abs().max())
    result["agrees"] = max(result["mask"], result["gradient"]) <= TOLERANCE[dtype_name]
    return result


def _passes(
    vertices: torch.Tensor, weights: torch.Tensor, size: tuple[int, int], options: ExactOptions
) -> tuple[torch.Tensor, torch.Tensor]:
    leaf = vertices.detach().requires_grad_()
    masks = rasterize_polygons(leaf, size, options)
    return masks.detach(), torch.autograd.grad((masks * weights).sum(), leaf)[0]


def measure_inductor(device: torch.device, options: argparse.Namespace) -> dict[str, Any]:
    """Loss and its gradient, compiled in one graph, against the same eagerly."""
    contours = torch.rand(4, 3, options.num_vertices, 2, device=device) * options.size
    target = torch.zeros(4, 1, options.size, options.size, device=device)
    target[..., options.size // 4 : -(options.size // 4), options.size // 4 : -(options.size // 4)] = 1
    loss = ActiveContourLoss()
    try:
        compiled = torch.compile(loss, fullgraph=True)
        values = []
        for function in (loss, compiled):
            leaf = contours.clone().requires_grad_()
            value = function(leaf, target)
            values.append(torch.cat([value.detach().flatten(), torch.autograd.grad(value, leaf)[0].flatten()]))
    except Exception as error:  # compilers raise errors of any kind
        return {"difference": None, "error": f"{type(error).__name__}: {error}".partition("\n")[0]}
    difference = float((values[0] - values[1]).abs().max() / values[0].abs().max())
    return {"difference": difference, "error": None if difference < 1e-4 else f"differs by {difference:.2g}"}


def replays_alike(options: argparse.Namespace) -> bool:
    """Whether a CUDA graph of both passes gives the bits of the passes themselves."""
    size = (options.size, options.size)
    vertices = torch.rand(8, options.num_vertices, 2, device="cuda") * options.size
    weights = torch.randn(8, 1, *size, device="cuda")
    eager = _passes(vertices, weights, size, ExactOptions())
    results: list[tuple[torch.Tensor, torch.Tensor]] = []
    replay = as_graph(lambda: results.append(_passes(vertices, weights, size, ExactOptions())))
    if replay is None:
        return False
    replay()
    torch.cuda.synchronize()
    return all(torch.equal(one, other) for one, other in zip(eager, results[-1], strict=True))


def as_graph(job: Job) -> Job | None:
    """A job that replays this one from a CUDA graph: the time of its kernels, without Python's time to launch them.

    None if it cannot be captured because it synchronizes.
    """
    try:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_CALLS):
                job()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            job()
    except RuntimeError as error:
        print(f"no CUDA graph: {error}".partition("\n")[0])
        torch.cuda.synchronize()
        return None
    return graph.replay


if __name__ == "__main__":
    sys.exit(main())
