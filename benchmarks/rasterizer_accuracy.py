# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Errors of masks and gradients, on smooth blobs and on bands bent to a C.

The exact masks are the areas of the polygons inside the pixels, in float64, by our plain form and its autograd; tests
compare them with shapely. The loss is the mean squared difference to the exact mask of another shape of the same kind.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from rasterizer_registry import Entry, Rasterize, prepare
from rasterizer_shapes import make_bands, make_blobs
from timing import spread
from torch import Tensor

from monai_acdr.geometry import signed_area
from monai_acdr.networks.layers import ExactOptions, rasterize_polygons

SIZE, NUM_VERTICES = 64, 32
SHAPES: dict[str, Callable[..., Tensor]] = {"blobs": make_blobs, "bands": make_bands}
EMPTY = 1e-9
"""Coverage within this of 0 or 1 is not a boundary pixel."""


def measure_accuracy(entries: dict[str, Entry], device: str, options: argparse.Namespace) -> dict[str, Any]:
    """Errors of all rasterizers except the floors, for each kind of shape: median and quartiles over the shapes."""
    drawing = {name: entry for name, entry in entries.items() if entry.draws}
    rasterizers = prepare(drawing, SIZE, NUM_VERTICES, device)
    result: dict[str, Any] = {"size": SIZE, "num_vertices": NUM_VERTICES, "count": options.shapes, "device": device}
    for shape, make in SHAPES.items():
        print(f"accuracy: {options.shapes} {shape}", flush=True)
        generator = torch.Generator().manual_seed(options.seed)
        vertices, other = (make(options.shapes, SIZE, NUM_VERTICES, generator) for _ in range(2))
        target = rasterize_polygons(other.double(), (SIZE, SIZE))[:, 0]
        result[shape] = {}
        for name, rasterize in rasterizers.items():
            result[shape][name] = mask_errors(rasterize, vertices, device)
            if drawing[name].differentiable:
                result[shape][name] |= gradient_errors(rasterize, vertices, target, device)
    return result


def mask_errors(rasterize: Rasterize, vertices: Tensor, device: str) -> dict[str, Any]:
    """Mean absolute error over the boundary pixels of a shape; its area's relative error, with sign."""
    exact = rasterize_polygons(vertices.double(), (SIZE, SIZE))[:, 0]
    with torch.no_grad():
        masks = torch.as_tensor(rasterize(vertices.to(device))).double().cpu()
    is_boundary = (exact > EMPTY) & (exact < 1 - EMPTY)
    errors = ((masks - exact).abs() * is_boundary).sum((1, 2)) / is_boundary.sum((1, 2))
    areas = signed_area(vertices.double()).abs()
    return {
        "boundary_error": spread(errors.tolist()),
        "area_error": spread((masks.sum((1, 2)) / areas - 1).tolist()),
    }


def gradient_errors(rasterize: Rasterize, vertices: Tensor, target: Tensor, device: str) -> dict[str, Any]:
    """Cosine of the angle between the gradient and the true one, and the ratio of their lengths."""
    plain = lambda v: rasterize_polygons(v, (SIZE, SIZE), ExactOptions(differentiate="autograd"))[:, 0]  # noqa: E731
    true = _gradient(plain, vertices.double(), target)
    ours = _gradient(rasterize, vertices.to(device), target.to(device, vertices.dtype)).double().cpu()
    norms = ours.norm(dim=-1), true.norm(dim=-1)
    cosine = (ours * true).sum(-1) / (norms[0] * norms[1]).clamp(min=1e-300)
    return {"gradient_cosine": spread(cosine.tolist()), "gradient_norm_ratio": spread((norms[0] / norms[1]).tolist())}


def _gradient(rasterize: Rasterize, vertices: Tensor, target: Tensor) -> Tensor:
    """Gradient (B, 2 K) of each shape's loss with respect to its vertices."""
    leaf = vertices.clone().requires_grad_()
    loss = (rasterize(leaf) - target).square().mean((1, 2)).sum()
    return torch.autograd.grad(loss, leaf)[0].flatten(1)


def accuracy_rows(accuracy: dict[str, Any], shape: str) -> list[list[str]]:
    """Cells of the printed table: medians."""
    rows = []
    for name, errors in accuracy[shape].items():
        cells = [name, f"{errors['boundary_error']['median']:.2g}", f"{100 * errors['area_error']['median']:+.2f}"]
        if "gradient_cosine" in errors:
            cells += [f"{errors['gradient_cosine']['median']:.4f}", f"{errors['gradient_norm_ratio']['median']:.3f}"]
        rows.append(cells + [""] * (5 - len(cells)))
    return rows
