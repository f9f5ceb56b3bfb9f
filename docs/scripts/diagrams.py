# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Two diagrams as SVG: the layers of the package, from its imports, and the way of one image through it.

`python docs/scripts/diagrams.py` writes both into docs/images.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from graphlib import TopologicalSorter
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "monai_acdr"

FLOW = (
    ("files", "DICOM, NIfTI, PNG, DICOMweb", "dicom, data"),
    ("frames", "gray values, spacing, affine", "data"),
    ("region", "located, clicked or given", "inferers, transforms.roi"),
    ("crop", "96 x 96, invertible", "transforms.roi"),
    ("displacement field", "one pass of a network", "networks.nets"),
    ("contours", "a polygon moves through it", "networks.blocks"),
    ("pixels and mm", "back to image and patient", "geometry, transforms.contour"),
    ("results", "DICOM, volumes, pictures", "dicom, measures, visualize"),
)
"""Steps of one image: what there is, a remark, and the packages that make it."""

WIDTH, BOX_HEIGHT, GAP = 960, 64, 28
STYLE = """
  text { font-family: sans-serif; font-size: 15px; fill: #1b1f24; text-anchor: middle; }
  .small { font-size: 12px; fill: #57606a; }
  .box { fill: #eef2ff; stroke: #4051b5; stroke-width: 1.5; }
  .arrow { stroke: #4051b5; stroke-width: 1.5; fill: none; marker-end: url(#head); }
"""
HEAD = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0 L8 4 L0 8 z" fill="#4051b5"/></marker></defs>'
)


def layers() -> str:
    """The layers: each package stands above those that it imports, and names them."""
    graph = imports()
    rows: list[list[str]] = []
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    while sorter.is_active():
        row = sorted(sorter.get_ready())
        rows.append(row)
        sorter.done(*row)
    shapes: list[str] = []
    for level, row in enumerate(reversed(rows)):
        top = 12 + level * (BOX_HEIGHT + GAP)
        width = (WIDTH - 12) / len(row) - 12
        for column, name in enumerate(row):
            left = 12 + column * (width + 12)
            shapes += _box(left, top, width, [name, *_wrapped(_below(graph, name), int(width / 6.2))])
    height = 12 + len(rows) * (BOX_HEIGHT + GAP)
    return _svg(height, shapes, "Layers of monai_acdr: each package with those that it imports")


def imports() -> dict[str, set[str]]:
    """The import graph of the package's parts: which parts each one imports, also inside functions."""
    parts = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))
    parts = [path for path in parts if path.name != "networks"] + sorted((PACKAGE / "networks").glob("*/"))
    names = {_dotted(path): path for path in parts if (path / "__init__.py").is_file()}
    graph: dict[str, set[str]] = {}
    for name, folder in names.items():
        found = {part for path in folder.rglob("*.py") for part in _imported_parts(path, names)}
        graph[name] = found - {name}
    return graph


def _imported_parts(path: Path, names: Iterable[str]) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    return {part for part in names for module in modules if f"{module}.".startswith(f"monai_acdr.{part}.")}


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).parts)


def _below(graph: dict[str, set[str]], name: str) -> str:
    return "imports " + ", ".join(sorted(graph[name])) if graph[name] else "imports none of the others"


def data_flow() -> str:
    """The way of one image, from files to results, in two rows."""
    per_row = 4
    width = (WIDTH - 12) / per_row - 40
    shapes: list[str] = []
    for index, (title, remark, packages) in enumerate(FLOW):
        row, column = divmod(index, per_row)
        left, top = 12 + column * (width + 40), 12 + row * (BOX_HEIGHT + 2 * GAP)
        shapes += _box(left, top, width, [title, remark, packages])
        middle = top + BOX_HEIGHT / 2
        if index + 1 < len(FLOW):
            if column + 1 < per_row:
                shapes.append(f'<path class="arrow" d="M{left + width:.0f} {middle:.0f} h38"/>')
            else:
                turn, start = top + BOX_HEIGHT + GAP, left + width / 2
                end = 12 + width / 2
                shapes.append(
                    f'<path class="arrow" d="M{start:.0f} {top + BOX_HEIGHT:.0f} V{turn:.0f} H{end:.0f} v{GAP - 2}"/>'
                )
    height = 12 + 2 * BOX_HEIGHT + 2 * GAP + 12
    return _svg(height, shapes, "From files to results: the steps of one image and the packages that make them")


def _box(left: float, top: float, width: float, lines: Sequence[str]) -> list[str]:
    """A box with a title and small lines below it."""
    middle = left + width / 2
    shapes = [f'<rect class="box" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{BOX_HEIGHT}" rx="6"/>']
    first = top + BOX_HEIGHT / 2 + 5 - 8 * (len(lines) - 1)
    for number, line in enumerate(lines):
        small = ' class="small"' if number else ""
        shapes.append(f'<text{small} x="{middle:.1f}" y="{first + 16 * number:.1f}">{escape(line)}</text>')
    return shapes


def _wrapped(text: str, characters: int) -> list[str]:
    """Lines of whole words."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > characters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _svg(height: float, shapes: Sequence[str], title: str) -> str:
    body = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n{HEAD}\n"
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def write_diagrams(folder: Path) -> None:
    """Write `layers.svg` and `data_flow.svg`."""
    (folder / "layers.svg").write_text(layers(), encoding="utf-8")
    (folder / "data_flow.svg").write_text(data_flow(), encoding="utf-8")


if __name__ == "__main__":
    write_diagrams(ROOT / "docs" / "images")
