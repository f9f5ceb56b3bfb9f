# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The results of a study or a cohort as one self-contained HTML file: embedded pictures, no scripts, no external links.

Every text is escaped, and a content security policy forbids the browser to load or run anything. Patient data come
only from the caller, as `identity`, and in captions, file names and notes.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from PIL import Image

from monai_acdr.files import write_text_atomically

__all__ = ["cohort_report", "html_report", "save_cohort_report", "save_html_report"]

UNITS = {"mm2": "mm²", "mm": "mm", "ml": "mL", "ms": "ms", "px": "px", "percent": "%"}
"""Last part of a name -> unit as it is printed: ``area_mm2`` becomes "Area (mm²)"."""
SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"GIF87a": "image/gif", b"GIF89a": "image/gif"}
TEMPLATE, COHORT_TEMPLATE = "report.html.jinja", "cohort.html.jinja"

Pictures = Iterable[tuple[str, np.ndarray | bytes]]
Rows = Sequence[Mapping[str, Any]]


def html_report(
    title: str,
    pictures: Iterable[tuple[str, np.ndarray | bytes]] = (),
    measures: Sequence[Mapping[str, Any]] = (),
    volumes: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    identity: Mapping[str, str] | None = None,
    uncertain: Iterable[tuple[str, np.ndarray | bytes]] = (),
) -> str:
    """Write one study's results as HTML.

    Args:
        title: heading of the page and its title; free of identity unless the caller wants it there.
        pictures: (caption, picture) pairs: a uint8 array (H, W, 3) or (H, W), or the bytes of a PNG or GIF file.
        measures: table of the contours, one mapping per row; columns in the order in which they first occur. Names
            ending in a unit, such as ``area_mm2``, become "Area (mm²)".
        volumes: table of single values, such as the numbers of ``VentricleVolumes.as_dict()``; entries that are lists
            or mappings are left out.
        notes: findings and remarks, one per line.
        identity: shown at the top when given, such as {"Patient ID": "..."}; nothing otherwise.
        uncertain: (caption, picture) pairs of the results to be checked first, the worst first.

    Returns:
        The document; the same arguments give the same text.

    Raises:
        ValueError: for a picture of another shape, dtype or file format.
    """
    return _template(TEMPLATE).render(
        title=title,
        identity=identity,
        volumes=_scalars(volumes or {}),
        notes=notes,
        uncertain=_sources(uncertain),
        pictures=_sources(pictures),
        measures=measures,
        columns=list(dict.fromkeys(name for row in measures for name in row)),
    )


def save_html_report(path: str | Path, title: str, **contents: Any) -> Path:
    """Write :func:`html_report` to a file, whole or not at all; an earlier file is replaced.

    Args:
        path: file name ending in .html or .htm; missing folders are made. It must not hold a patient's identity.
        title: see :func:`html_report`.
        **contents: further arguments of :func:`html_report`.

    Raises:
        ValueError: for another ending, and as `html_report`.
    """
    return write_text_atomically(_check_name(path), html_report(title, **contents))


def cohort_report(
    title: str,
    summary: Mapping[str, Any],
    *,
    pictures: Pictures = (),
    doubtful: Pictures = (),
    tables: Mapping[str, Rows] | None = None,
    agreement: Pictures = (),
    statistics: Rows = (),
    notes: Sequence[str] = (),
) -> str:
    """Write the results of a cohort as HTML.

    Args:
        title: heading of the page and its title.
        summary: numbers of studies, by name.
        pictures: (caption, picture) pairs of distributions, as in :func:`html_report`.
        doubtful: (caption, picture) pairs of the studies to be checked first, the worst first.
        tables: heading -> rows, such as failures by reason; columns are those of the first row.
        agreement: (caption, picture) pairs of measures against a reference.
        statistics: table below these pictures.
        notes: remarks, one per line.

    Returns:
        The document; the same arguments give the same text.

    Raises:
        ValueError: for a picture of another shape, dtype or file format, or pictures of agreement without statistics.
    """
    if bool(shown := _sources(agreement)) != bool(statistics):
        raise ValueError("Expected `agreement` and `statistics` together, but got one of them.")
    return _template(COHORT_TEMPLATE).render(
        title=title,
        summary=_scalars(summary),
        pictures=_sources(pictures),
        doubtful=_sources(doubtful),
        tables=tables or {},
        agreement=shown,
        statistics=statistics,
        notes=notes,
    )


def save_cohort_report(path: str | Path, title: str, summary: Mapping[str, Any], **contents: Any) -> Path:
    """Write :func:`cohort_report` to a file, whole or not at all; an earlier file is replaced.

    Args:
        path: file name ending in .html or .htm; missing folders are made.
        title: see :func:`cohort_report`.
        summary: see :func:`cohort_report`.
        **contents: further arguments of :func:`cohort_report`.

    Raises:
        ValueError: for another ending, and as `cohort_report`.
    """
    return write_text_atomically(_check_name(path), cohort_report(title, summary, **contents))


def _check_name(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"Expected a file name ending in .html, but got {path.name}.")
    return path


@cache
def _template(name: str) -> Template:
    """The page, with every text escaped and unknown names refused."""
    environment = Environment(
        loader=PackageLoader("monai_acdr", "visualize"), autoescape=True, undefined=StrictUndefined, cache_size=0
    )
    environment.filters |= {"heading": _heading, "words": _text}
    environment.tests["numeric"] = lambda value: (
        isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    )
    return environment.get_template(name)


def _sources(pictures: Iterable[tuple[str, np.ndarray | bytes]]) -> list[tuple[str, str]]:
    """Captions, and pictures as data URLs."""
    return [(caption, _data_url(caption, picture)) for caption, picture in pictures]


def _data_url(caption: str, picture: np.ndarray | bytes) -> str:
    data = bytes(picture) if isinstance(picture, (bytes, bytearray)) else _png(picture, caption)
    kinds = [kind for start, kind in SIGNATURES.items() if data.startswith(start)]
    if not kinds:
        raise ValueError(f"Expected the picture {caption!r} to be a PNG or GIF file, but it starts {data[:8]!r}.")
    return f"data:{kinds[0]};base64,{base64.b64encode(data).decode('ascii')}"


def _png(picture: np.ndarray, caption: str) -> bytes:
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise ValueError(
            f"Expected the picture {caption!r} to be uint8 (H, W, 3) or (H, W), but got {array.dtype} {array.shape}."
        )
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, format="PNG")
    return stream.getvalue()


def _scalars(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not isinstance(value, (Mapping, list, tuple, set))}


def _heading(name: str) -> str:
    """``stroke_volume_ml`` to "Stroke volume (mL)"; other names keep their words."""
    text, _, last = name.rpartition("_")
    unit = UNITS.get(last) if text else None
    words = (text if unit else name).replace("_", " ")
    words = words[:1].upper() + words[1:]
    return f"{words} ({unit})" if unit else words


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return f"{number:.{2 if abs(number) < 100 else 1}f}" if math.isfinite(number) else "–"
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(_text(part) for part in value) + ")"
    return str(value)
