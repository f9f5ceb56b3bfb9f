# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The results of one study as ONE self-contained HTML file: pictures inside, no script, no link to anywhere.

Every text is escaped, and a content security policy forbids the browser to load or run anything. Nothing of the
patient is in it but what the caller passes as `identity`; captions, file names and notes are the caller's too.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from monai_acdr.files import write_text_atomically

__all__ = ["html_report", "save_html_report"]

UNITS = {"mm2": "mm²", "mm": "mm", "ml": "mL", "ms": "ms", "px": "px", "percent": "%"}
"""Last part of a name -> unit as it is printed: ``area_mm2`` becomes "Area (mm²)"."""
SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"GIF87a": "image/gif", b"GIF89a": "image/gif"}
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 1100px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; } th, td { padding: .25em .8em; border-bottom: 1px solid #e2e2e2; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { display: inline-block; margin: 0 1em 1em 0; vertical-align: top; } img { max-width: 100%; }
figcaption, footer { color: #666; font-size: .88em; } footer { margin-top: 3em; }
.wide { overflow-x: auto; }
@media print { figure, tr { break-inside: avoid; } }
"""
FOOTER = "Computed by monai_acdr, software for research. Not a medical device; not for diagnosis or treatment."


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
        measures: table of the contours, one mapping a row; columns in the order in which they first occur. Names
            ending in a unit, such as ``area_mm2``, become "Area (mm²)".
        volumes: table of single values, such as the numbers of ``VentricleVolumes.as_dict()``; entries that are lists
            or mappings are left out.
        notes: findings and remarks, one a line.
        identity: shown at the top when given, such as {"Patient ID": "..."}; nothing otherwise.
        uncertain: (caption, picture) pairs of the results to be checked first, the worst first.

    Returns:
        The document; the same arguments give the same text.

    Raises:
        ValueError: for a picture of another shape, dtype or file format.
    """
    sections = [
        ("Patient", _pairs(identity) if identity else ""),
        ("Volumes", _pairs(_scalars(volumes)) if volumes else ""),
        ("Notes", "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>" if notes else ""),
        ("Check first", "".join(_figure(caption, picture) for caption, picture in uncertain)),
        ("Pictures", "".join(_figure(caption, picture) for caption, picture in pictures)),
        ("Measures", _table(measures) if measures else ""),
    ]
    body = "\n".join(f"<section>\n<h2>{name}</h2>\n{text}\n</section>" for name, text in sections if text)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n<footer>{FOOTER}</footer>\n</body>\n</html>\n"
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
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"Expected a file name ending in .html, but got {path.name}.")
    return write_text_atomically(path, html_report(title, **contents))


def _figure(caption: str, picture: np.ndarray | bytes) -> str:
    data = bytes(picture) if isinstance(picture, (bytes, bytearray)) else _png(picture, caption)
    kinds = [kind for start, kind in SIGNATURES.items() if data.startswith(start)]
    if not kinds:
        raise ValueError(f"Expected the picture {caption!r} to be a PNG or GIF file, but it starts {data[:8]!r}.")
    source = f"data:{kinds[0]};base64,{base64.b64encode(data).decode('ascii')}"
    text = escape(caption)
    return f'<figure><img src="{source}" alt="{text}"><figcaption>{text}</figcaption></figure>\n'


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


def _pairs(values: Mapping[str, Any]) -> str:
    rows = [f'<tr><th scope="row">{escape(_heading(name))}</th>{_cell(value)}</tr>' for name, value in values.items()]
    return "<table>\n" + "\n".join(rows) + "\n</table>"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f'<th scope="col">{escape(_heading(name))}</th>' for name in names)
    lines = ["<tr>" + "".join(_cell(row.get(name)) for name in names) + "</tr>" for row in rows]
    return (
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(lines)
        + "\n</tbody>\n</table></div>"
    )


def _heading(name: str) -> str:
    """``stroke_volume_ml`` to "Stroke volume (mL)"; other names keep their words."""
    text, _, last = name.rpartition("_")
    unit = UNITS.get(last) if text else None
    words = (text if unit else name).replace("_", " ")
    words = words[:1].upper() + words[1:]
    return f"{words} ({unit})" if unit else words


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        return f"<td>{escape(_text(value))}</td>"
    return f'<td class="number">{escape(_text(value))}</td>'


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
