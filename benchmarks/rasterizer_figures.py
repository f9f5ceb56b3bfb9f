# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The figures of the docs, from the JSON file of ``rasterizers.py``; the picture of a polygon needs no measurement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rasterizer_speed import GRAPH

from monai_acdr.geometry import circle
from monai_acdr.networks.layers import rasterize_polygons

DPI = 100
COLORS = {
    "exact (torch)": "#6baed6",
    "exact (numba)": "#08519c",
    "exact (triton)": "#08519c",
    "exact (dense)": "#9ecae1",
    "soft": "#2ca25f",
    "mesh": "#e6550d",
    "pytorch3d": "#a63603",
    "torch_contour": "#756bb1",
    "skimage": "#525252",
    "cv2": "#252525",
    "PIL": "#969696",
    "torch.cumsum": "#bdbdbd",
    "torch.fill": "#d9d9d9",
}
"""Our methods blue, the paper's meshes orange, non-differentiable methods gray."""
AXES = {"size": "image rows and columns, K 32", "num_vertices": "vertices K, image 64 x 64"}


def draw_figures(results: dict[str, Any], folder: Path) -> list[Path]:
    """Draw the figures of the measured parts; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Figure] = {"rasterizer_coverage": coverage_figure()}
    for part, draw in _DRAW.items():
        for device, result in results.get(part, {}).items():
            figure = draw(result, device)
            if figure is not None:
                figures[f"rasterizer_{part}" + ("" if device == "cpu" else f"_{device}")] = figure
    return [_save(figure, folder / f"{name}.png") for name, figure in figures.items()]


def speed_figure(speed: dict[str, Any], device: str) -> Figure | None:
    """Time against size and against the number of vertices."""
    if not all(speed["sweep"].values()):
        return None
    figure, panels = _panels(2, (9, 4.2))
    for axes, (what, points) in zip(panels, speed["sweep"].items(), strict=True):
        names = [name for name in COLORS if any(name in point["seconds"] for point in points)]
        for name in names:
            curve = [(p[what], p["seconds"][name]) for p in points if name in p["seconds"]]
            values = [value for value, _ in curve]
            style: dict[str, Any] = {"color": COLORS[name], "marker": ".", "linewidth": 1.6}
            style["linestyle"] = "-" if name.startswith("exact") else "--"
            axes.plot(values, [1e3 * s["median"] for _, s in curve], label=name.removesuffix(GRAPH), **style)
            low, high = ([1e3 * s[quartile] for _, s in curve] for quartile in ("q25", "q75"))
            axes.fill_between(values, low, high, color=COLORS[name], alpha=0.15, linewidth=0)
        axes.set(xscale="log", yscale="log", xlabel=AXES[what], ylabel="ms")
        ticks = [point[what] for point in points]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    panels[1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    figure.suptitle(
        f"Forward, loss and backward, {speed['sweep_batch']} masks, {device} (gray: forward only)", fontsize=11
    )
    return figure


def accuracy_figure(accuracy: dict[str, Any], device: str) -> Figure:
    """Errors of masks and gradients as bars."""
    figure, panels = _panels(3, (10, 3.8))
    names = [name for name in COLORS if name in accuracy["blobs"]]
    _bars(panels[0], names, accuracy, lambda e: e["boundary_error"]["median"], "mean error of boundary pixels")
    _bars(panels[1], names, accuracy, lambda e: 100 * e["area_error"]["median"], "error of the area, %")
    with_gradient = [name for name in names if "gradient_cosine" in accuracy["blobs"][name]]
    cosine = "cosine to the true gradient"
    _bars(panels[2], with_gradient, accuracy, lambda e: e["gradient_cosine"]["median"], cosine)
    panels[2].legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return figure


def fit_figure(fit: dict[str, Any], device: str) -> Figure:
    """Overlap after the fit, mean of the seeds with their standard deviation."""
    figure, (axes,) = _panels(1, (6.5, 3.4))
    names = [name for name in COLORS if name in fit["methods"]]
    steps = sorted({int(step) for method in fit["methods"].values() for step in method["iou"]})
    for index, step in enumerate(steps):
        rows = [i for i, name in enumerate(names) if str(step) in fit["methods"][name]["iou"]]
        stages = [fit["methods"][names[i]]["iou"][str(step)] for i in rows]
        positions = [row + 0.3 * (index - (len(steps) - 1) / 2) for row in rows]
        style: dict[str, Any] = {"fmt": "o" if index else "s", "capsize": 3, "markersize": 5}
        color = "#08519c" if index else "#e6550d"
        means, deviations = [s["mean"] for s in stages], [s["std"] for s in stages]
        axes.errorbar(means, positions, xerr=deviations, color=color, label=f"after {step} steps", **style)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel(f"IoU with the target, mean and deviation of {fit['seeds']} seeds")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False)
    return figure


def memory_figure(memory: dict[str, Any], device: str) -> Figure | None:
    """Peak memory as bars."""
    names = [name for name in COLORS if "mebibytes" in memory["methods"].get(name, {})]
    if not names:
        return None
    figure, (axes,) = _panels(1, (6.5, 3.2))
    values = [max(memory["methods"][name]["mebibytes"], 0.1) for name in names]
    axes.barh(range(len(names)), values, color=[COLORS[name] for name in names])
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    batch_size, size, num_vertices = memory["case"].split(",")[:3]
    axes.set(xscale="log", xlabel=f"peak memory in MiB, B {batch_size}, {size} x {size}, K {num_vertices}")
    axes.grid(alpha=0.3, axis="x")
    return figure


def coverage_figure() -> Figure:
    """A polygon's coverage, pixel by pixel, and the direction in which a loss moves its vertices."""
    size, count = 14, 10
    angles = torch.arange(count) * (2 * torch.pi / count)
    radius = 4.2 + 1.1 * (3 * angles).cos()
    vertices = torch.stack([6.6 + radius * angles.cos(), 7.3 + radius * angles.sin()], -1)[None].double()
    goal = rasterize_polygons(circle(vertices.new_tensor([[7.6, 6.8]]), 4.6, 64), (size, size))
    leaf = vertices.requires_grad_()
    mask = rasterize_polygons(leaf, (size, size))
    (gradient,) = torch.autograd.grad((mask - goal).square().sum(), leaf)
    mask = mask.detach()
    figure, panels = _panels(2, (8.4, 4.2))
    points, arrows = vertices.detach()[0].numpy(), -gradient[0].numpy()
    box = (0, size, size, 0)
    for axes in panels:
        axes.set_xticks(range(0, size + 1, 2))
        axes.set_yticks(range(0, size + 1, 2))
        axes.set(xlabel="x", ylabel="y")
    panels[0].imshow(mask[0, 0].numpy(), cmap="gray", vmin=0, vmax=1, extent=box)
    for row, column in ((mask - 0.5).abs()[0, 0] < 0.495).nonzero().tolist():
        value = float(mask[0, 0, row, column])
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 5.5}
        panels[0].text(column + 0.5, row + 0.5, f"{value:.2f}", color="k" if value > 0.5 else "w", **style)
    panels[0].set_title("mask: the polygon's area in each pixel", fontsize=10)
    panels[1].imshow((mask - goal)[0, 0].numpy(), cmap="RdBu_r", vmin=-1.4, vmax=1.4, extent=box)
    panels[1].quiver(*points.T, *arrows.T, angles="xy", scale_units="xy", scale=1.1, width=0.008, color="k", zorder=3)
    panels[1].set_title("mask - target, and minus the gradient", fontsize=10)
    for axes in panels:
        axes.plot(*np.concatenate([points, points[:1]]).T, color="#e6550d", linewidth=1.4, marker="o", markersize=3.5)
    return figure


def _panels(count: int, inches: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=inches, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _bars(axes: Axes, names: list[str], accuracy: dict[str, Any], figure: Callable[[Any], float], label: str) -> None:
    """Two bars for each rasterizer: blobs above bands."""
    for offset, shape, color in ((-0.2, "blobs", "#08519c"), (0.2, "bands", "#e6550d")):
        values = [figure(accuracy[shape][name]) for name in names]
        axes.barh([index + offset for index in range(len(names))], values, 0.38, color=color, label=shape)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(label, fontsize=9)
    axes.grid(alpha=0.3, axis="x")


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Software": None})
    return path


_DRAW: dict[str, Callable[[dict[str, Any], str], Figure | None]] = {
    "speed": speed_figure,
    "accuracy": accuracy_figure,
    "fit": fit_figure,
    "memory": memory_figure,
}
