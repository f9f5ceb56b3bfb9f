# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The volume of the ventricle over the heart's cycle as a picture, drawn with Pillow alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["round_ticks", "volume_curve"]

Curve = Sequence[float | None]
"""Volumes in mL, None or NaN where there is none."""

OVERSAMPLING = 3
"""Lines are drawn so many times larger and scaled down, which smooths them."""
COLORS = ((31, 99, 184), (0, 150, 60), (214, 120, 0), (120, 60, 160))
AXIS, GRID, TEXT = (70, 70, 70), (225, 225, 225), (40, 40, 40)
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 34, 44
"""Margins around the plot in picture pixels."""
MINIMUM_SIZE = (160, 240)
FONT_SIZE = 12
MAX_TICKS = 6


def volume_curve(
    volumes_ml: Curve | Mapping[str, Curve],
    times_ms: Sequence[float | None] | None = None,
    end_diastole: int | None = None,
    end_systole: int | None = None,
    size: tuple[int, int] = (360, 640),
) -> np.ndarray:
    """Plot volume over phase, or over time, with end-diastole (ED) and end-systole (ES) marked.

    Args:
        volumes_ml: volumes by phase in mL; or several curves by their names, such as prediction and reference. Phases
            without a volume (None, NaN) interrupt the line.
        times_ms: time of each phase after the R wave; None, or a None among them, plots over the phase's number.
        end_diastole: its index in the first curve, where it is marked.
        end_systole: likewise.
        size: (H, W) of the picture.

    Returns:
        (H, W, 3) uint8, on white; write it with :func:`~monai_acdr.visualize.png.save_png`.

    Raises:
        ValueError: for no curve, curves of different lengths, no finite volume, a negative volume, an index out of
            range, or a picture that is too small.
    """
    curves = _check_curves(volumes_ml)
    count = len(next(iter(curves.values())))
    if size[0] < MINIMUM_SIZE[0] or size[1] < MINIMUM_SIZE[1]:
        raise ValueError(f"Expected `size` (H, W) to be at least {MINIMUM_SIZE}, but got {tuple(size)}.")
    steps, label = _check_times(times_ms, count)
    marks = _check_marks({"ED": end_diastole, "ES": end_systole}, next(iter(curves.values())))
    top = max(float(np.nanmax(values)) for values in curves.values())
    plot = _Plot(size, (float(steps.min()), float(steps.max())), top)
    plot.draw_axes(label)
    for (_, values), color in zip(curves.items(), _colors(len(curves)), strict=True):
        plot.draw_curve(steps, values, color)
    first = next(iter(curves.values()))
    for index in marks.values():
        plot.draw_ring(float(steps[index]), float(first[index]))
    plot.shrink()
    for name, index in marks.items():
        plot.write_mark(float(steps[index]), float(first[index]), name, above=name == "ED")
    plot.write_axes(label)
    if isinstance(volumes_ml, Mapping):
        plot.write_names(dict(zip(curves, _colors(len(curves)), strict=True)))
    return plot.picture()


class _Plot:
    """A white picture with axes; lines are drawn first, enlarged, and the text after `shrink`."""

    def __init__(self, size: tuple[int, int], steps: tuple[float, float], top: float) -> None:
        self.size, self.font = size, ImageFont.load_default(FONT_SIZE)
        self.first, self.last = steps if steps[1] > steps[0] else (steps[0] - 1, steps[0] + 1)
        self.values = round_ticks(0.0, top if top > 0 else 1.0)
        self.top = max(self.values[-1], top * 1.12)
        self.image = Image.new("RGB", (size[1] * OVERSAMPLING, size[0] * OVERSAMPLING), "white")
        self.pen, self.scale = ImageDraw.Draw(self.image), OVERSAMPLING

    def point(self, step: float, value: float) -> tuple[float, float]:
        """Place in the picture."""
        x = LEFT + (step - self.first) / (self.last - self.first) * (self.size[1] - LEFT - RIGHT)
        y = self.size[0] - BOTTOM - value / self.top * (self.size[0] - TOP - BOTTOM)
        return x * self.scale, y * self.scale

    def draw_axes(self, label: str) -> None:
        for value in self.values:
            self.pen.line([self.point(self.first, value), self.point(self.last, value)], fill=GRID, width=self.scale)
        for step in self.steps(label):
            x, y = self.point(step, 0)
            self.pen.line([(x, y), (x, y + 4 * self.scale)], fill=AXIS, width=self.scale)
        corners = [self.point(self.first, self.top), self.point(self.first, 0), self.point(self.last, 0)]
        self.pen.line(corners, fill=AXIS, width=self.scale)

    def steps(self, label: str) -> list[float]:
        """Ticks along the axis of phase or time; phases are whole numbers."""
        ticks = [step for step in round_ticks(self.first, self.last) if self.first <= step <= self.last]
        return [step for step in ticks if step == round(step)] if label == "Phase" else ticks

    def draw_curve(self, steps: np.ndarray, values: np.ndarray, color: tuple[int, int, int]) -> None:
        known = np.isfinite(values)
        for index in range(len(values) - 1):
            if known[index] and known[index + 1]:
                ends = [self.point(steps[i], values[i]) for i in (index, index + 1)]
                self.pen.line(ends, fill=color, width=2 * self.scale)
        radius = 3 * self.scale
        for step, value in zip(steps[known], values[known], strict=True):
            x, y = self.point(step, value)
            self.pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=color)

    def draw_ring(self, step: float, value: float) -> None:
        x, y = self.point(step, value)
        radius = 6 * self.scale
        self.pen.ellipse([x - radius, y - radius, x + radius, y + radius], outline=AXIS, width=2 * self.scale)

    def shrink(self) -> None:
        self.image = self.image.resize((self.size[1], self.size[0]), Image.Resampling.BOX)
        self.pen, self.scale = ImageDraw.Draw(self.image), 1

    def write_axes(self, label: str) -> None:
        for value in self.values:
            x, y = self.point(self.first, value)
            self._write(x - 8, y, f"{value:g}", "right")
        for step in self.steps(label):
            x, y = self.point(step, 0)
            self._write(x, y + 13, f"{step:g}", "middle")
        self._write(LEFT, TOP / 2, "Volume (mL)", "left")
        self._write((LEFT + self.size[1] - RIGHT) / 2, self.size[0] - 11, label, "middle")

    def write_mark(self, step: float, value: float, name: str, above: bool) -> None:
        x, y = self.point(step, value)
        text = f"{name} {value:.1f} mL"
        half = self.pen.textlength(text, font=self.font) / 2
        x = min(max(x, LEFT + half + 4), self.size[1] - half - 2)
        y = y - 16 if above else y + 16
        self._write(x, min(max(y, 8), self.size[0] - BOTTOM - 9), text, "middle")

    def write_names(self, colors: Mapping[str, tuple[int, int, int]]) -> None:
        x = float(self.size[1] - RIGHT)
        for name, color in reversed(list(colors.items())):
            self._write(x, TOP / 2, name, "right", color)
            x -= self.pen.textlength(name, font=self.font) + 14

    def picture(self) -> np.ndarray:
        return np.array(self.image)

    def _write(self, x: float, y: float, text: str, anchor: str, color: tuple[int, int, int] = TEXT) -> None:
        width = self.pen.textlength(text, font=self.font)
        left = x - {"left": 0.0, "middle": 0.5, "right": 1.0}[anchor] * width
        self.pen.text((left, y - FONT_SIZE / 2 - 1), text, fill=color, font=self.font)


def round_ticks(low: float, high: float) -> list[float]:
    """At most about `MAX_TICKS` round numbers from below `low` to above `high`."""
    rough = (high - low) / (MAX_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _colors(count: int) -> list[tuple[int, int, int]]:
    return [COLORS[index % len(COLORS)] for index in range(count)]


def _check_curves(volumes: Curve | Mapping[str, Curve]) -> dict[str, np.ndarray]:
    named = dict(volumes) if isinstance(volumes, Mapping) else {"volume": volumes}
    curves = {
        name: np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        for name, values in named.items()
    }
    lengths = {name: curve.size for name, curve in curves.items()}
    if not curves or len(set(lengths.values())) != 1 or min(lengths.values()) == 0:
        raise ValueError(f"Expected curves with one volume a phase, all of one length, but got lengths {lengths}.")
    for name, curve in curves.items():
        if not np.isfinite(curve).any() or (curve[~np.isnan(curve)] < 0).any() or np.isinf(curve).any():
            raise ValueError(
                f"Expected volumes of at least 0 mL, not all missing, but got {curve.tolist()} in {name!r}."
            )
    return curves


def _check_times(times: Sequence[float | None] | None, count: int) -> tuple[np.ndarray, str]:
    """Positions along the axis, (count,), and what it shows."""
    if times is None or any(time is None for time in times):
        return np.arange(count, dtype=np.float64), "Phase"
    values = np.asarray(times, dtype=np.float64)
    if values.shape != (count,) or not np.isfinite(values).all():
        raise ValueError(f"Expected `times_ms` to be {count} finite times, one a phase, but got {list(times)}.")
    return values, "Time after the R wave (ms)"


def _check_marks(marks: Mapping[str, int | None], curve: np.ndarray) -> dict[str, int]:
    wanted = {name: index for name, index in marks.items() if index is not None}
    for name, index in wanted.items():
        if not 0 <= index < curve.size or not np.isfinite(curve[index]):
            raise ValueError(f"Expected {name} to be the index of a phase with a volume, but got {index}.")
    return wanted
