# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Rasterizers of the benchmark: our methods and backends, and the peers that a user might choose instead.

Each becomes a function of vertices (B, K, 2) in our coordinates that returns masks (B, H, W), whatever its own
conventions are: see ``rasterizer_peers.py``. Missing ones are named, with the command that installs them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import rasterizer_peers as peers
import torch
from torch import Tensor

from monai_acdr.networks.layers import ExactOptions, rasterize_polygons, rasterizer_options
from monai_acdr.networks.layers.rasterizers.operator import available_backends

Rasterize = Callable[[Tensor], Any]
"""(B, K, 2) vertices to (B, H, W) masks: a tensor, or an array if it cannot be differentiated."""

FASTEST = {"cpu": "exact (numba)", "cuda": "exact (triton)"}
PLAIN = "exact (torch)"
FLOOR, CUDA_FLOOR = "torch.cumsum", "torch.fill"
EXTRA = "pip install 'monai_acdr[benchmark]'"


@dataclass(frozen=True)
class Entry:
    """One rasterizer.

    Args:
        make: function of (size, number of vertices, device) that makes it.
        package: package that it is imported from; none for our own and torch's.
        install: how to get that package.
        differentiable: False where only masks can be made.
        draws: False for the floors, which touch every pixel and draw nothing.
        devices: devices that it runs on.
        largest: B * H * W * K beyond which it takes too long, or too much memory, to be timed on the CPU.
        largest_in_sweep: the same for the curves over size and number of vertices.
    """

    make: Callable[[int, int, str], Rasterize]
    package: str | None = None
    install: str = EXTRA
    differentiable: bool = True
    draws: bool = True
    devices: tuple[str, ...] = ("cpu", "cuda")
    largest: float = float("inf")
    largest_in_sweep: float = float("inf")

    def is_timed(self, device: str, elements: int, sweep: bool = False) -> bool:
        """Whether a case of B * H * W * K elements is within the limits."""
        return device != "cpu" or elements <= (self.largest_in_sweep if sweep else self.largest)


def make_exact(backend: str) -> Callable[[int, int, str], Rasterize]:
    """Maker of the exact method with one backend."""

    def make(size: int, num_vertices: int, device: str) -> Rasterize:
        return lambda vertices: rasterize_polygons(vertices, (size, size), ExactOptions(backend=backend))[:, 0]

    return make


def make_method(method: str) -> Callable[[int, int, str], Rasterize]:
    """Maker of another method with its default options; meshes use a circle's triangles, computed once."""

    def make(size: int, num_vertices: int, device: str) -> Rasterize:
        return lambda vertices: rasterize_polygons(vertices, (size, size), rasterizer_options(method=method))[:, 0]

    return make


_FAST = "pip install 'monai_acdr[fast]'"
_MILLION = 1e6

RASTERIZERS: dict[str, Entry] = {
    PLAIN: Entry(make_exact("torch")),
    "exact (numba)": Entry(make_exact("numba"), "numba", _FAST, devices=("cpu",)),
    "exact (triton)": Entry(make_exact("triton"), "triton", "install torch for CUDA on Linux", devices=("cuda",)),
    "exact (dense)": Entry(make_exact("dense"), largest=5 * _MILLION, largest_in_sweep=5 * _MILLION),
    "soft": Entry(make_method("soft"), largest=70 * _MILLION, largest_in_sweep=20 * _MILLION),
    "mesh": Entry(make_method("mesh"), largest=70 * _MILLION, largest_in_sweep=20 * _MILLION),
    "pytorch3d": Entry(
        make_method("pytorch3d"),
        "pytorch3d",
        "build https://github.com/facebookresearch/pytorch3d for your torch: it has no wheels for current versions",
        largest=5 * _MILLION,
        largest_in_sweep=1.1 * _MILLION,
    ),
    "torch_contour": Entry(
        peers.make_torch_contour, "torch_contour", largest=20 * _MILLION, largest_in_sweep=5 * _MILLION
    ),
    "skimage": Entry(peers.make_skimage, "skimage", differentiable=False, devices=("cpu",)),
    "cv2": Entry(peers.make_cv2, "cv2", differentiable=False, devices=("cpu",)),
    "PIL": Entry(peers.make_pil, "PIL", differentiable=False, devices=("cpu",)),
    FLOOR: Entry(peers.make_cumsum, differentiable=False, draws=False),
    CUDA_FLOOR: Entry(peers.make_fill, differentiable=False, draws=False, devices=("cuda",)),
}


def find_rasterizers(
    device: str, entries: dict[str, Entry], only: Collection[str] | None = None
) -> tuple[dict[str, Entry], dict[str, str]]:
    """The rasterizers that work on a device; for the others, the reason and the remedy."""
    found, missing = {}, {}
    for name, entry in entries.items():
        if device not in entry.devices or (only and name not in only):
            continue
        reason = _why_missing(name, entry, device)
        if reason is None:
            found[name] = entry
        else:
            missing[name] = f"{reason}; {entry.install}" if entry.package else reason
    return found, missing


def _why_missing(name: str, entry: Entry, device: str) -> str | None:
    """Draw a triangle: a package that imports may still be broken, or built without CUDA."""
    backend = name.removeprefix("exact (").removesuffix(")")
    if backend in ("numba", "triton") and name != backend and backend not in available_backends(device):
        return f"{backend} does not run here"
    try:
        if entry.package is not None:
            import_module(entry.package)
        triangle = torch.tensor([[[1.0, 1.0], [6.0, 1.5], [3.0, 6.0], [1.5, 4.0]]], device=device)
        entry.make(8, 4, device)(triangle)
    except Exception as error:  # a broken package raises errors of any kind
        return f"{type(error).__name__}: {error}".partition("\n")[0]
    return None


def prepare(entries: dict[str, Entry], size: int, num_vertices: int, device: str) -> dict[str, Rasterize]:
    """Make rasterizers for one size."""
    return {name: entry.make(size, num_vertices, device) for name, entry in entries.items()}
