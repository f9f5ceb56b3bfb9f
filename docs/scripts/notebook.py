# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Notebooks of the documentation: run their cells in this process, keep what they print, and show them as pages."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))


def run_notebook(path: Path, folder: Path) -> list[str]:
    """Run all code cells of a notebook, one after the other, and return the text that each one gives.

    Args:
        path: the notebook.
        folder: where the cells run; their files go there.

    Raises:
        Exception: what a cell raises.
    """
    texts = []
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.chdir(folder) if hasattr(contextlib, "chdir") else _folder(folder):
        for number, cell in enumerate(_code_cells(json.loads(path.read_text(encoding="utf-8"))), start=1):
            printed = io.StringIO()
            tree = ast.parse("".join(cell["source"]), filename=f"{path.name}, cell {number}")
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            with contextlib.redirect_stdout(printed):
                exec(compile(tree, f"{path.name}, cell {number}", "exec"), names)
                if isinstance(last, ast.Expr):
                    value = eval(compile(ast.Expression(last.value), f"{path.name}, cell {number}", "eval"), names)
                    if value is not None:
                        print(repr(value))
            texts.append(printed.getvalue())
    return texts


@contextlib.contextmanager
def _folder(folder: Path) -> Any:
    """`contextlib.chdir` of Python 3.10."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def refresh(path: Path) -> None:
    """Run a notebook and write what its cells print into it."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        texts = run_notebook(path, Path(folder))
    for number, (cell, text) in enumerate(zip(_code_cells(notebook), texts, strict=True), start=1):
        cell["execution_count"] = number
        cell["outputs"] = (
            [{"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}] if text else []
        )
    path.write_text(json.dumps(notebook, indent=1) + "\n", encoding="utf-8")


def to_markdown(path: Path) -> str:
    """A notebook as a page: text, code, and what the code printed."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        else:
            parts.append(f"```python\n{source}\n```")
            text = "".join("".join(output.get("text", [])) for output in cell["outputs"])
            if text:
                parts.append(f"```text\n{text.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"
