# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Bland-Altman plots: differences of two methods over their means, drawn with Pillow alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from monai_acdr.visualize.volume_curve import AXIS, COLORS, FONT_SIZE, GRID, OVERSAMPLING, TEXT, round_ticks

__all__ = ["bland_altman"]

LIMITS = 1.96
"""Standard deviations from the bias to each limit of agreement."""
LEFT, RIGHT, TOP, BOTTOM = 52, 78, 30, 40
"""Margins around a plot in picture pixels."""
COLUMNS = 2
"""Plots in a row."""
MINIMUM_SIZE = (160, 260)


def bland_altman(
    pairs: Mapping[str, tuple[Sequence[float], Sequence[float]]], size: tuple[int, int] = (280, 440)
) -> np.ndarray:
    """Plot measured - reference over the mean of both, with bias and limits of agreement, for each measure.

    Args:
        pairs: name of each measure, with its unit, to its measured and reference values, of the same subjects in the
            same order. With one subject there are no limits.
        size: (H, W) of each plot.

    Returns:
        (rows H, columns W, 3) uint8, on white, plots in rows of two; write it with
        :func:`~monai_acdr.visualize.save_png`.

    Raises:
        ValueError: for no measure, values that are not finite or not as many as references, or plots that are too
            small.
    """
    if not pairs:
        raise ValueError("Expected at least one measure to plot, but got none.")
    if size[0] < MINIMUM_SIZE[0] or size[1] < MINIMUM_SIZE[1]:
        raise ValueError(f"Expected plots of at least {MINIMUM_SIZE} (H, W), but got {tuple(size)}.")
    plots = [_plot(name, *_check(name, *values), size) for name, values in pairs.items()]
    columns = min(COLUMNS, len(plots))
    rows = -(-len(plots) // columns)
    page = np.full((rows * size[0], columns * size[1], 3), 255, dtype=np.uint8)
    for number, plot in enumerate(plots):
        top, left = size[0] * (number // columns), size[1] * (number % columns)
        page[top : top + size[0], left : left + size[1]] = plot
    return page


def _check(name: str, measured: Sequence[float], reference: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Means and differences, (N,) each."""
    one, other = (np.asarray(values, dtype=np.float64) for values in (measured, reference))
    if one.ndim != 1 or one.shape != other.shape or one.size == 0:
        raise ValueError(
            f"Expected as many measured values as references of {name!r}, at least one, but got {one.shape} and "
            f"{other.shape}."
        )
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise ValueError(f"Expected finite values of {name!r}, but got NaN or infinity: leave those subjects out.")
    return (one + other) / 2, one - other


def _plot(name: str, means: np.ndarray, differences: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    bias = float(differences.mean())
    lines = {f"bias {bias:+.1f}": bias}
    if differences.size > 1:
        spread = LIMITS * float(differences.std(ddof=1))
        lines |= {f"{bias + spread:+.1f}": bias + spread, f"{bias - spread:+.1f}": bias - spread}
    steps = _ticks(means)
    values = _ticks(np.array([*differences, *lines.values(), 0.0]))

    def point(mean: float, difference: float) -> tuple[float, float]:
        x = LEFT + (mean - steps[0]) / (steps[-1] - steps[0]) * (size[1] - LEFT - RIGHT)
        y = size[0] - BOTTOM - (difference - values[0]) / (values[-1] - values[0]) * (size[0] - TOP - BOTTOM)
        return x, y

    scale = OVERSAMPLING
    image = Image.new("RGB", (size[1] * scale, size[0] * scale), "white")
    pen = ImageDraw.Draw(image)

    def line(start: tuple[float, float], end: tuple[float, float], color: tuple[int, int, int], width: int = 1) -> None:
        ends = [tuple(scale * value for value in point(*place)) for place in (start, end)]
        pen.line(ends, fill=color, width=width * scale)

    for value in values:
        line((steps[0], value), (steps[-1], value), AXIS if value == 0 else GRID)
    for value in lines.values():
        line((steps[0], value), (steps[-1], value), COLORS[2], 2)
    for mean, difference in zip(means, differences, strict=True):
        x, y = (scale * place for place in point(mean, difference))
        pen.ellipse([x - 3.5 * scale, y - 3.5 * scale, x + 3.5 * scale, y + 3.5 * scale], fill=COLORS[0])
    image = image.resize((size[1], size[0]), Image.Resampling.BOX)
    _write(image, name, steps, values, lines, point)
    return np.array(image)


def _write(
    image: Image.Image,
    name: str,
    steps: list[float],
    values: list[float],
    lines: Mapping[str, float],
    place: Callable[[float, float], tuple[float, float]],
) -> None:
    """Title, numbers of both axes, and what the lines are."""
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(FONT_SIZE)

    def text(x: float, y: float, words: str, anchor: float, color: tuple[int, int, int] = TEXT) -> None:
        pen.text((x - anchor * pen.textlength(words, font=font), y - FONT_SIZE / 2 - 1), words, fill=color, font=font)

    text(LEFT, TOP / 2, f"{name}: measured - reference", 0.0)
    for value in values:
        text(LEFT - 8, place(steps[0], value)[1], f"{value:g}", 1.0)
    for step in steps:
        x, y = place(step, values[0])
        text(x, y + 12, f"{step:g}", 0.5)
    text((LEFT + image.width - RIGHT) / 2, image.height - 10, "mean of both", 0.5)
    heights: list[float] = []
    for words, value in lines.items():
        x, y = place(steps[-1], value)
        while any(abs(y - other) < FONT_SIZE for other in heights):  # lines that nearly coincide
            y += FONT_SIZE
        heights.append(y)
        text(x + 6, y, words, 0.0, COLORS[2])


def _ticks(values: np.ndarray) -> list[float]:
    """Round numbers about values; about a single value, a unit to both sides."""
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 1, high + 1
    return round_ticks(low, high)
