# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contour text files, as Sunnybrook's: one ``column row`` per line, 0-based pixel-CENTER coordinates, not closed.

In memory contours follow the package's rule (:mod:`monai_acdr.geometry.coordinates`): reading adds 0.5, writing
subtracts it.

Sunnybrook's published PNG masks were drawn from the same numbers, with their outline:
:mod:`monai_acdr.transforms.contour.functional`.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from monai_acdr.files import write_text_atomically
from monai_acdr.geometry import centers_to_pixel, check_vertices, pixel_to_centers

__all__ = ["MAX_CLOSING_STEPS", "MAX_CONTOUR_BYTES", "MAX_COORDINATE", "closing_steps", "read_contour", "write_contour"]

MAX_CONTOUR_BYTES = 1_000_000
"""Files beyond this are refused unread; the longest contour of Sunnybrook Cardiac Data has about 5300 bytes."""

MAX_COORDINATE = 1e6
"""No image has a pixel this far out, in pixels; a larger number means the file is something else."""


MAX_CLOSING_STEPS = 5.0
"""A contour whose last point is farther from the first one, in its longest other step, is taken for the rest of a file
cut off. All 316 files looked at of Sunnybrook Cardiac Data have at most 1.0, half of such a contour has over 20; a few
points drawn manually have irregular steps and stay below as well."""


def closing_steps(vertices: Tensor) -> float:
    """Gap between a contour's last and first vertex, in units of its longest step.

    The last step is not taken as the longest: a file that was cut off within a number ends in a distant point.

    Args:
        vertices: (N, 2) vertices, not closed, N >= 3.

    Returns:
        The ratio, infinite when all the other steps have no length.
    """
    steps = (vertices[1:-1] - vertices[:-2]).norm(dim=-1)
    closing, longest = (vertices[0] - vertices[-1]).norm(), steps.max()
    return float(closing / longest) if longest > 0 else math.inf


def read_contour(path: str | Path) -> Tensor:
    """Read one contour.

    Empty lines are skipped, and a last point that repeats the first one is dropped.

    Args:
        path: text file, two numbers ``column row`` per line, pixel-center coordinates.

    Returns:
        (N, 2) float64 vertices (x, y) in pixels, pixel (c, r) covering [c, c + 1) x [r, r + 1); N >= 3.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not a contour; the message names the file, the line and what to do next.
    """
    path = Path(path)
    points = [
        _parse_line(line, f"{path}, line {number}")
        for number, line in enumerate(_read_text(path).splitlines(), start=1)
        if line.strip()
    ]
    if not points:
        raise ValueError(f"Expected a contour in {path}, but the file is empty: delete it or export the contour again.")
    while len(points) > 1 and points[-1] == points[0]:
        points.pop()
    if len(set(points)) < 3:
        raise ValueError(
            f"Expected at least 3 different points in {path}, but got {len(set(points))}: "
            "such a file encloses no area; delete it or export the contour again."
        )
    return centers_to_pixel(torch.tensor(points, dtype=torch.float64))


def write_contour(path: str | Path, vertices: Tensor, decimals: int = 4) -> None:
    """Write one contour so that :func:`read_contour` returns it, rounded; the file appears complete or not at all.

    Args:
        path: text file to create or replace; its folder must exist.
        vertices: (N, 2) vertices (x, y) in pixels, N >= 3, not closed.
        decimals: digits after the decimal point.

    Raises:
        ValueError: when the vertices have another shape or are not finite.
    """
    vertices = torch.as_tensor(vertices).detach().to("cpu", torch.float64)
    check_vertices(vertices)
    if vertices.ndim != 2:
        raise ValueError(f"Expected `vertices` to be (N, 2), but got {tuple(vertices.shape)}: write one file each.")
    if not bool(torch.isfinite(vertices).all()):
        raise ValueError(f"Expected finite `vertices` for {path}, but got NaN or infinity: drop this contour.")
    rows = pixel_to_centers(vertices).tolist()
    write_text_atomically(path, "".join(f"{x:.{decimals}f} {y:.{decimals}f}\n" for x, y in rows))


def _read_text(path: Path) -> str:
    if not path.exists():
        raise FileNotFoundError(f"Expected a contour file, but {path} does not exist: check the dataset's folder.")
    if not path.is_file():
        raise ValueError(f"Expected a contour file, but {path} is not a regular file: pass the .txt file itself.")
    with open(path, "rb") as stream:
        data = stream.read(MAX_CONTOUR_BYTES + 1)
    if len(data) > MAX_CONTOUR_BYTES:
        raise ValueError(
            f"Expected a contour of at most {MAX_CONTOUR_BYTES} bytes, but {path} is longer: is it a contour file?"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"Expected text, but {path} is not ({error.reason}): is it a contour file?") from error


def _parse_line(line: str, location: str) -> tuple[float, float]:
    columns = line.split()
    if len(columns) != 2:
        raise ValueError(
            f"Expected two numbers 'column row', but got {len(columns)} column(s) in {location} "
            f"({line.strip()[:40]!r}): separate the numbers by a space and keep one point per line."
        )
    try:
        x, y = float(columns[0]), float(columns[1])
    except ValueError as error:
        raise ValueError(
            f"Expected two numbers 'column row', but got {line.strip()[:40]!r} in {location}: remove headers and text."
        ) from error
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError(f"Expected finite numbers, but got {line.strip()[:40]!r} in {location}: remove that point.")
    if max(abs(x), abs(y)) > MAX_COORDINATE:
        raise ValueError(
            f"Expected pixel coordinates within +-{MAX_COORDINATE:g}, but got {line.strip()[:40]!r} in {location}: "
            "is the file in millimeters or damaged?"
        )
    return x, y
