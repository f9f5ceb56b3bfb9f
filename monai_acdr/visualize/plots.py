# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Plots of measures: the volume of the ventricle over the heart's cycle, agreement, and distributions of a cohort.

Drawn by matplotlib's figures alone, without `pyplot` and its state: any thread may plot, and no window opens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bland_altman", "histograms", "scatter_plot", "volume_curve"]

Curve = Sequence[float | None]
"""Volumes in mL; None or NaN if absent."""

COLORS = ("#1f63b8", "#009632", "#d67800", "#783ca0")
AXIS, GRID = "#464646", "#e1e1e1"
DPI = 100
FONT_SIZE = 8.6
"""Font size in points: 12 picture pixels."""
MINIMUM_CURVE = (160, 240)
MINIMUM_PLOT = (160, 260)
LIMITS = 1.96
"""Standard deviations from the bias to each limit of agreement."""
COLUMNS = 2
"""Bland-Altman plots per row."""
HISTOGRAM_COLUMNS = 3
MINIMUM_HISTOGRAM = (120, 180)


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
        times_ms: time of each phase after the R wave; if it is or contains None, the axis is the phase's number, from
            1.
        end_diastole: index of end-diastole in the first curve, where it is marked.
        end_systole: index of end-systole in the first curve.
        size: (H, W) of the picture.

    Returns:
        (H, W, 3) uint8, on white; write it with :func:`~monai_acdr.visualize.pictures.save_png`.

    Raises:
        ValueError: for no curve, curves of different lengths, no finite volume, a negative volume, an index out of
            range, or a picture that is too small.
    """
    from matplotlib.ticker import MaxNLocator

    curves = _check_curves(volumes_ml)
    count = len(next(iter(curves.values())))
    if size[0] < MINIMUM_CURVE[0] or size[1] < MINIMUM_CURVE[1]:
        raise ValueError(f"Expected `size` (H, W) to be at least {MINIMUM_CURVE}, but got {tuple(size)}.")
    steps, label = _check_times(times_ms, count)
    first = next(iter(curves.values()))
    marks = _check_marks({"ED": end_diastole, "ES": end_systole}, first)
    figure = _figure(size)
    axes = _axes(figure, "Volume (mL)", label)
    for number, (name, values) in enumerate(curves.items()):
        color = COLORS[number % len(COLORS)]
        axes.plot(steps, values, "o-", color=color, markersize=4.5, linewidth=1.5, label=_plain(name))
    for name, index in marks.items():
        place = float(steps[index]), float(first[index])
        axes.plot(*place, "o", markersize=9, markerfacecolor="none", markeredgecolor=AXIS, markeredgewidth=1.5)
        text, above = f"{name} {first[index]:.1f} mL", name == "ED"
        axes.annotate(
            text, place, (0, 9 if above else -9), textcoords="offset points", fontsize=FONT_SIZE, ha="center",
            va="bottom" if above else "top",
        )  # fmt: skip
    axes.margins(x=0.08)
    top = max(float(np.nanmax(values)) for values in curves.values())
    axes.set_ylim(0, 1.15 * top if top > 0 else 1.0)
    if label == "Phase":
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    if isinstance(volumes_ml, Mapping):
        axes.legend(loc="lower right", ncols=len(curves), bbox_to_anchor=(1, 1), fontsize=FONT_SIZE, frameon=False)
    return _pixels(figure)


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
    _check_panels(pairs, size, MINIMUM_PLOT)
    checked = {name: _check_pair(name, *values) for name, values in pairs.items()}
    titles = [f"{name}: measured - reference" for name in checked]
    figure, panels = _panels(titles, size, COLUMNS, "mean of both")
    for axes, (means, differences) in zip(panels, checked.values(), strict=True):
        axes.axhline(0, color=AXIS, linewidth=0.8)
        bias = float(differences.mean())
        lines = {f"bias {bias:+.1f}": bias}
        if differences.size > 1:
            spread = LIMITS * float(differences.std(ddof=1))
            lines |= {f"{limit:+.1f}": limit for limit in (bias + spread, bias - spread)}
        for value in lines.values():
            axes.axhline(value, color=COLORS[2], linewidth=1.5)
        axes.plot(means, differences, "o", color=COLORS[0], markersize=5)
        axes.margins(0.1)
        _name_lines(axes, lines, size[0])
    return _pixels(figure)


def histograms(values: Mapping[str, Sequence[float]], size: tuple[int, int] = (200, 320)) -> np.ndarray:
    """Plot the distribution of each measure, with its median.

    Args:
        values: name of each measure, with its unit, to its values.
        size: (H, W) of each plot.

    Returns:
        (rows H, columns W, 3) uint8, on white, plots in rows of three.

    Raises:
        ValueError: for no measure, a measure without values or with values that are not finite, or plots that are too
            small.
    """
    _check_panels(values, size, MINIMUM_HISTOGRAM)
    checked = {name: _check_values(name, measured) for name, measured in values.items()}
    titles = [f"{name} (n = {measured.size})" for name, measured in checked.items()]
    figure, panels = _panels(titles, size, HISTOGRAM_COLUMNS)
    for axes, measured in zip(panels, checked.values(), strict=True):
        axes.hist(measured, bins=min(30, max(5, round(measured.size**0.5))), color=COLORS[0])
        axes.axvline(float(np.median(measured)), color=COLORS[2], linewidth=1.5)
    return _pixels(figure)


def scatter_plot(
    x: Sequence[float], y: Sequence[float], x_name: str, y_name: str, size: tuple[int, int] = (360, 480)
) -> np.ndarray:
    """Plot one measure over another, a point per subject.

    Args:
        x: (N,) values.
        y: (N,) values of the same subjects in the same order.
        x_name: of the measure, with its unit.
        y_name: of the other measure, with its unit.
        size: (H, W) of the picture.

    Returns:
        (H, W, 3) uint8, on white.

    Raises:
        ValueError: for no value, values that are not finite or not as many of both, or a plot that is too small.
    """
    if size[0] < MINIMUM_PLOT[0] or size[1] < MINIMUM_PLOT[1]:
        raise ValueError(f"Expected a plot of at least {MINIMUM_PLOT} (H, W), but got {tuple(size)}.")
    one, other = _check_values(x_name, x), _check_values(y_name, y)
    if one.shape != other.shape:
        raise ValueError(f"Expected as many values of {x_name!r} as of {y_name!r}, but got {one.size}, {other.size}.")
    figure = _figure(size)
    axes = _axes(figure, _plain(y_name), _plain(x_name))
    # Transparency shows the density of many points.
    axes.plot(one, other, "o", color=COLORS[0], markersize=4, markeredgewidth=0, alpha=0.6 if one.size < 1000 else 0.2)
    axes.margins(0.05)
    return _pixels(figure)


def _check_panels(measures: Mapping[str, object], size: tuple[int, int], least: tuple[int, int]) -> None:
    """Raise a ValueError where there is nothing to plot, or no room for it."""
    if not measures:
        raise ValueError("Expected at least one measure to plot, but got none.")
    if size[0] < least[0] or size[1] < least[1]:
        raise ValueError(f"Expected plots of at least {least} (H, W), but got {tuple(size)}.")


def _check_values(name: str, values: Sequence[float]) -> np.ndarray:
    checked = np.asarray(values, dtype=np.float64)
    if checked.ndim != 1 or checked.size == 0 or not np.isfinite(checked).all():
        raise ValueError(f"Expected at least one value of {name!r}, all finite, but got others: leave them out.")
    return checked


def _figure(size: tuple[int, int]) -> Figure:
    """An empty matplotlib figure of (H, W) pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = ((pixels + 0.01) / DPI for pixels in size)  # matplotlib rounds down
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _axes(figure: Figure, vertical: str, horizontal: str, place: tuple[int, int, int] = (1, 1, 1)) -> Axes:
    axes = figure.add_subplot(*place, facecolor="white")
    axes.set_xlabel(horizontal, fontsize=FONT_SIZE)
    axes.set_title(vertical, loc="left", fontsize=FONT_SIZE)
    axes.tick_params(labelsize=FONT_SIZE, color=AXIS)
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _panels(titles: Sequence[str], size: tuple[int, int], most: int, horizontal: str = "") -> tuple[Figure, list[Axes]]:
    """A figure of plots of (H, W) pixels, one for each title, in rows of at most ``most``."""
    columns = min(most, len(titles))
    rows = -(-len(titles) // columns)
    figure = _figure((rows * size[0], columns * size[1]))
    panels = []
    for number, title in enumerate(titles, 1):
        axes = _axes(figure, "", horizontal, (rows, columns, number))
        axes.set_title(title, loc="left", fontsize=FONT_SIZE, parse_math=False)
        panels.append(axes)
    return figure, panels


def _name_lines(axes: Axes, lines: Mapping[str, float], height: int) -> None:
    """Write the names of horizontal lines to their right; those of lines that nearly coincide, below each other."""
    low, high = axes.get_ylim()
    points = 0.75 * height * 72 / DPI / (high - low)
    lowest = float("inf")
    for words, value in sorted(lines.items(), key=lambda item: -item[1]):
        lowest = min(points * value, lowest - FONT_SIZE)
        axes.annotate(
            words,
            (1, value),
            (4, lowest - points * value),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            color=COLORS[2],
            fontsize=FONT_SIZE,
            va="center",
        )


def _pixels(figure: Figure) -> np.ndarray:
    """(H, W, 3) uint8."""
    canvas: Any = figure.canvas
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3].copy()


def _plain(name: str) -> str:
    """Escape a name for a legend, where matplotlib reads $...$ as a formula and hides names that begin with _."""
    return " " * name.startswith("_") + name.replace("$", r"\$")


def _check_curves(volumes: Curve | Mapping[str, Curve]) -> dict[str, np.ndarray]:
    named = dict(volumes) if isinstance(volumes, Mapping) else {"volume": volumes}
    curves = {
        name: np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        for name, values in named.items()
    }
    lengths = {name: curve.size for name, curve in curves.items()}
    if not curves or len(set(lengths.values())) != 1 or min(lengths.values()) == 0:
        raise ValueError(f"Expected curves with one volume per phase, all of one length, but got lengths {lengths}.")
    for name, curve in curves.items():
        if not np.isfinite(curve).any() or (curve[~np.isnan(curve)] < 0).any() or np.isinf(curve).any():
            raise ValueError(
                f"Expected volumes of at least 0 mL, not all missing, but got {curve.tolist()} in {name!r}."
            )
    return curves


def _check_times(times: Sequence[float | None] | None, count: int) -> tuple[np.ndarray, str]:
    """Positions along the axis, (count,), and its label."""
    if times is None or any(time is None for time in times):
        return np.arange(1, count + 1, dtype=np.float64), "Phase"
    values = np.asarray(times, dtype=np.float64)
    if values.shape != (count,) or not np.isfinite(values).all():
        raise ValueError(f"Expected `times_ms` to be {count} finite times, one per phase, but got {list(times)}.")
    return values, "Time after the R wave (ms)"


def _check_marks(marks: Mapping[str, int | None], curve: np.ndarray) -> dict[str, int]:
    requested = {name: index for name, index in marks.items() if index is not None}
    for name, index in requested.items():
        if not 0 <= index < curve.size or not np.isfinite(curve[index]):
            raise ValueError(f"Expected {name} to be the index of a phase with a volume, but got {index}.")
    return requested


def _check_pair(name: str, measured: Sequence[float], reference: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
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
