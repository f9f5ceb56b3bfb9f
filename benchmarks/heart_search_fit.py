# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Fit the weights by which ROI `auto` tells the ventricle from other round and bright things.

Frames with a reference are moved at random. First the contours of all windows of the grid are ordered: those about the
reference should come first. Then frames are searched with the weights of the package; the candidate nearest to the
reference is the right one, where it is near enough. Weights maximise the probability of what is right under a softmax
over a frame; the bias makes the scores of candidates log odds. Rounded, they stand in
monai_acdr/inferers/heart_candidates.py.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from auto_roi import MISSED, change, load_frames, middle
from timing import Table, parser, prepare, write_record
from torch import Tensor

from monai_acdr.apps.model import load_model
from monai_acdr.apps.pixels import make_image
from monai_acdr.geometry import centroid
from monai_acdr.inferers.heart_candidates import (
    BIAS,
    COARSE,
    KEPT,
    MERGED,
    WEIGHTS,
    WINDOW_WEIGHTS,
    contour_features,
    find_candidates,
    grid_centers,
    window_contours,
)

QUESTION = "weights of the features that a heart is found by"
DECAY = 1e-3
"""Of the squared weights, features having unit variance."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, fit, print tables, write the JSON file."""
    options = read_options(arguments)
    prepare(options)
    windows, candidates = look_at_frames(options)
    tables, results = [], {"frames": len(windows)}
    for name, examples, weights in (("windows", windows, WINDOW_WEIGHTS), ("candidates", candidates, WEIGHTS)):
        fitted = fit(examples, weights)
        number = KEPT[0] if name == "windows" else 1
        kept = [share_kept(examples, each, number) for each in (weights, fitted)]
        rows = [[key, f"{weights[key]:g}", f"{fitted[key]:.2f}"] for key in weights]
        if name == "candidates":
            bias = fit_bias(examples, fitted)
            rows.append(["bias", f"{BIAS:g}", f"{bias:.2f}"])
            results["bias"] = bias
        rows.append([f"frames with the ventricle in the first {number}, %", *(f"{100 * share:.1f}" for share in kept)])
        tables.append(Table(name, [name, "in the package", "fitted"], rows))
        results[name] = {"weights": fitted, "kept": kept}
    print(*tables, sep="\n\n")
    hidden = ("output", "dataset", "checkpoint")
    settings = {key: str(value) for key, value in vars(options).items() if key not in hidden}
    write_record(options.output, QUESTION, settings, results, tables)
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=1)
    options.add_argument("--dataset", type=Path, required=True, help="a data set of the Sunnybrook bundle")
    options.add_argument("--group", default="training")
    options.add_argument("--every", type=int, default=2, help="take one of so many frames")
    options.add_argument("--distance", type=float, default=70, help="longest way that a frame is moved, pixels")
    options.add_argument("--model", default="sunnybrook_lv_acdr")
    options.add_argument("--checkpoint", type=Path)
    return options.parse_args(arguments)


@dataclass(frozen=True)
class Example:
    """Contours of one frame: their features, by name (N,), and which are right (N,)."""

    features: dict[str, Tensor]
    right: Tensor

    def matrix(self, names: Iterable[str]) -> Tensor:
        """(N, F)."""
        return torch.stack([self.features[name] for name in names], dim=-1)


def look_at_frames(options: argparse.Namespace) -> tuple[list[Example], list[Example]]:
    """Windows and candidates of each frame."""
    model = load_model(options.model, options.checkpoint, "cpu")
    assert model.regions.point_side is not None
    search, side = model.infer.one_member(), model.regions.point_side
    sides = (side, side)
    rng = np.random.default_rng(options.seed)
    windows, candidates = [], []
    for pixels, reference in load_frames(options):
        way, angle = rng.uniform(0, options.distance), rng.uniform(0, 2 * math.pi)
        image = make_image(change(pixels, way, 1, angle).numpy(), torch.eye(4))
        place = middle((change(reference, way, 1, angle) >= 0.5).float())
        contours = window_contours(image, search, grid_centers(image.shape[1:], sides), sides, COARSE)
        near = ((centroid(contours) - place) / side).norm(dim=-1) < MERGED
        windows.append(Example(contour_features(image, contours, sides), near))
        found = find_candidates(image, search, sides)
        distances = torch.tensor([float((each.center - place).norm()) / side for each in found])
        nearest = torch.arange(len(found)) == (int(distances.argmin()) if found else -1)
        columns = {name: torch.tensor([each.features[name] for each in found], dtype=torch.float64) for name in WEIGHTS}
        candidates.append(Example(columns, nearest & (distances < MISSED)))
    return windows, candidates


def fit(examples: Sequence[Example], names: Iterable[str]) -> dict[str, float]:
    """Weights of the named features; frames without anything right do not take part."""
    usable = [example for example in examples if bool(example.right.any())]
    matrices = [example.matrix(names) for example in usable]
    spread = torch.cat(matrices).std(0).clamp_min(1e-6)
    scaled = torch.zeros(len(spread), dtype=torch.float64, requires_grad=True)

    def loss() -> Tensor:
        scores = [(matrix / spread) @ scaled for matrix in matrices]
        right = [
            score[each.right].logsumexp(0) - score.logsumexp(0) for score, each in zip(scores, usable, strict=True)
        ]
        return -torch.stack(right).mean() + DECAY * (scaled**2).sum()

    minimize(loss, scaled)
    return dict(zip(names, (scaled.detach() / spread).tolist(), strict=True))


def fit_bias(examples: Sequence[Example], weights: dict[str, float]) -> float:
    """What makes the weighted sums the log odds of being right."""
    scores = torch.cat([each.matrix(weights) for each in examples]) @ torch.tensor([*weights.values()]).double()
    right = torch.cat([each.right for each in examples]).double()
    bias = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    minimize(lambda: torch.nn.functional.binary_cross_entropy_with_logits(scores + bias, right), bias)
    return float(bias.detach())


def share_kept(examples: Sequence[Example], weights: dict[str, float], number: int) -> float:
    """How often something right is among the first so many of a frame."""
    hits = []
    vector = torch.tensor([*weights.values()], dtype=torch.float64)
    for example in examples:
        order = (example.matrix(weights) @ vector).argsort(descending=True)[:number]
        hits.append(bool(example.right[order].any()))
    return sum(hits) / len(hits)


def minimize(loss: Any, parameter: Tensor) -> None:
    """Newton-like steps to the minimum of a convex loss."""
    optimizer = torch.optim.LBFGS([parameter], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)


if __name__ == "__main__":
    sys.exit(main())
