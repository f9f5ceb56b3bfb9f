# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What a client of MONAI Label asks for: points, a box, a slice, in voxels of the image that it was given.

A voxel index (i, j, k) is (column, row, slice), as 3D Slicer's IJK and OHIF's volume index have it, and names the
CENTER of a voxel: in the pixels of :mod:`monai_acdr.geometry.coordinates` that is (x, y) = (i + 0.5, j + 0.5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["Prompts", "SlicePrompts", "parse_prompts", "prompts_by_slice"]

MAX_POINTS = 1000
LARGEST = 1e9
"""Numbers beyond this, or NaN, are no index of a voxel."""
CENTER = 0.5
"""From the index of a voxel to its center, in pixels."""


@dataclass(frozen=True)
class Prompts:
    """A request, checked against the image.

    Attributes:
        foreground: (i, j, k) of points inside, the first click first.
        background: of points outside.
        box: (i0, i1, j0, j1, k0, k1), sorted, or None.
        slice: k, or None.
        phase: of a cine series, from 0; None stands for all.
        left_out: number of points on other slices than ``slice``.
    """

    foreground: tuple[tuple[float, float, int], ...] = ()
    background: tuple[tuple[float, float, int], ...] = ()
    box: tuple[float, float, float, float, int, int] | None = None
    slice: int | None = None
    phase: int | None = 0
    left_out: int = 0

    @property
    def any(self) -> bool:
        """Whether anything says where to look."""
        return bool(self.foreground or self.background or self.box or self.slice is not None)


@dataclass(frozen=True, eq=False)
class SlicePrompts:
    """What was asked for on one slice, in pixels of its frame.

    Attributes:
        slice: k.
        foreground: (N, 2) float64 (x, y).
        background: (M, 2) float64.
        box: (x0, y0, x1, y1) or None.
    """

    slice: int
    foreground: Tensor
    background: Tensor
    box: tuple[float, float, float, float] | None = None


def parse_prompts(request: Mapping[str, Any], shape: Sequence[int]) -> Prompts:
    """Read ``foreground``, ``background``, ``roi``, ``slice`` and ``phase`` of a request; all of them may be missing.

    Args:
        request: as the client sent it.
        shape: (X, Y), (X, Y, Z) or (X, Y, Z, T) of the image in voxels.

    Raises:
        ValueError: when a point lies outside the image, a box is empty or misses it, or there is no such slice.
    """
    full = (*shape, 1, 1)[:4]
    foreground = _points(request.get("foreground"), "foreground", full)
    background = _points(request.get("background"), "background", full)
    number = _index(request.get("slice"), "slice", full[2])
    box = _box(request.get("roi"), full)
    phase = request.get("phase", 0)
    phase = None if phase == "all" else _index(phase, "phase", full[3])
    left_out = 0
    if number is not None:
        given = [*foreground, *background]
        foreground = tuple(point for point in foreground if point[2] == number)
        background = tuple(point for point in background if point[2] == number)
        left_out = len(given) - len(foreground) - len(background)
        if given and not (foreground or background):
            there = sorted({point[2] for point in given})
            raise ValueError(
                f"Expected a point on slice {number}, but the points are on {there}: `slice` is the index k of the "
                "points, from 0."
            )
        if box is not None and not box[4] <= number <= box[5]:
            raise ValueError(
                f"Expected `slice` within the box, {box[4]} to {box[5]}, but got {number}: place a point on the slice "
                "that you want, or leave out `slice`."
            )
    return Prompts(foreground, background, box, number, phase, left_out)


def prompts_by_slice(prompts: Prompts, num_slices: int) -> list[SlicePrompts]:
    """For each slice that is to be outlined its prompts, by slice.

    The slices are those of the points; without points ``slice``, else all slices of the box, else all.
    """
    points = [*prompts.foreground, *prompts.background]
    if points:
        slices = sorted({point[2] for point in points})
    elif prompts.slice is not None:
        slices = [prompts.slice]
    elif prompts.box is not None:
        slices = list(range(prompts.box[4], prompts.box[5] + 1))
    else:
        slices = list(range(num_slices))
    box = None
    if prompts.box is not None:
        x0, x1, y0, y1 = (value + CENTER for value in prompts.box[:4])
        box = (x0, y0, x1, y1)
    return [
        SlicePrompts(number, _on_slice(prompts.foreground, number), _on_slice(prompts.background, number), box)
        for number in slices
    ]


def _on_slice(points: Sequence[tuple[float, float, int]], number: int) -> Tensor:
    found = [(i + CENTER, j + CENTER) for i, j, k in points if k == number]
    return torch.tensor(found, dtype=torch.float64).reshape(-1, 2)


def _numbers(values: Any, name: str, lengths: Sequence[int]) -> list[float]:
    wanted = " or ".join(map(str, lengths))
    if not isinstance(values, (list, tuple)) or len(values) not in lengths:
        raise ValueError(f"Expected `{name}` to be {wanted} numbers, but got {str(values)[:80]}.")
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) <= LARGEST for v in values):
        raise ValueError(f"Expected `{name}` to be {wanted} finite numbers, but got {str(values)[:80]}.")
    return [float(value) for value in values]


def _points(values: Any, name: str, shape: Sequence[int]) -> tuple[tuple[float, float, int], ...]:
    if not values:
        return ()
    if not isinstance(values, (list, tuple)) or len(values) > MAX_POINTS:
        raise ValueError(f"Expected `{name}` to be a list of at most {MAX_POINTS} points [i, j, k].")
    found = []
    for value in values:
        i, j, k = (*_numbers(value, f"{name}` point `[i, j, k]", (2, 3)), 0.0)[:3]
        extents = shape[:3]
        if not all(-CENTER <= v <= n - CENTER for v, n in zip((i, j, k), extents, strict=True)):
            raise ValueError(
                f"Expected a {name} point inside the image of {tuple(extents)} voxels, indices from 0, but got "
                f"[{i:g}, {j:g}, {k:g}]: indices are (column, row, slice)."
            )
        found.append((i, j, min(max(round(k), 0), extents[2] - 1)))
    return tuple(found)


def _box(values: Any, shape: Sequence[int]) -> tuple[float, float, float, float, int, int] | None:
    """Slicer's six numbers (i, i, j, j, k, k); each pair in any order, for RAS and IJK may run against each other."""
    if values is None or values == []:
        return None
    numbers = _numbers(values, "roi", (4, 6))
    i0, i1, j0, j1, k0, k1 = (*numbers, 0.0, shape[2] - 1.0)[:6] if len(numbers) == 4 else numbers
    (i0, i1), (j0, j1), (k0, k1) = sorted((i0, i1)), sorted((j0, j1)), sorted((k0, k1))
    if i1 - i0 < 1 or j1 - j0 < 1:
        raise ValueError(
            f"Expected `roi` to span at least a column and a row, but got {values}: it is "
            "[i_min, i_max, j_min, j_max, k_min, k_max], voxel indices of (column, row, slice)."
        )
    if i1 < 0 or j1 < 0 or k1 < -CENTER or i0 > shape[0] - 1 or j0 > shape[1] - 1 or k0 > shape[2] - CENTER:
        raise ValueError(f"Expected `roi` to meet the image of {tuple(shape[:3])} voxels, but got {values}.")
    first, last = max(math.ceil(k0 - CENTER), 0), min(math.floor(k1 + CENTER), shape[2] - 1)
    return i0, i1, j0, j1, first, last


def _index(value: Any, name: str, number: int) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1 != 0:
        raise ValueError(f"Expected `{name}` to be a whole number, but got {str(value)[:80]}.")
    if not 0 <= value < number:
        raise ValueError(f"Expected `{name}` from 0 to {number - 1}, but got {int(value)}.")
    return int(value)
