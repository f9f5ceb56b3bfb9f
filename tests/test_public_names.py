# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The public surface: what each `__init__.py` exports is listed in public_names.txt, so nothing goes unnoticed.

After adding a name, run `python tests/test_public_names.py --write` and commit the list. Removing a name is a breaking
change: say so in CHANGELOG.md.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INVENTORY = Path(__file__).with_name("public_names.txt")
PACKAGES = sorted((ROOT / "monai_acdr").rglob("__init__.py"))


def exported(path: Path) -> list[str]:
    """The `__all__` of one file, read without importing it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [t.id for t in node.targets if isinstance(t, ast.Name)] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return []


def public_names() -> list[str]:
    """Every exported name as "package.name", sorted."""
    return sorted(
        f"{'.'.join(path.parent.relative_to(ROOT).parts)}.{name}" for path in PACKAGES for name in exported(path)
    )


def test_no_public_name_is_lost_or_unlisted() -> None:
    listed, present = set(INVENTORY.read_text(encoding="utf-8").split()), set(public_names())
    lost, new = sorted(listed - present), sorted(present - listed)
    assert not lost, f"Public names are gone: {lost}. If that is meant, write it into CHANGELOG.md and the list."
    assert not new, f"New public names: {new}. Run `python tests/test_public_names.py --write` and commit the list."


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_exports_are_explicit_and_described(path: Path) -> None:
    package = importlib.import_module(".".join(path.parent.relative_to(ROOT).parts))
    names = exported(path)
    assert package.__doc__, f"{path}: expected a docstring that says what is in the package"
    assert len(names) == len(set(names)), f"{path}: a name is twice in __all__"
    for name in names:
        value = getattr(package, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            assert (value.__doc__ or "").strip(), f"{package.__name__}.{name} has no docstring"


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python tests/test_public_names.py --write")
    INVENTORY.write_text("".join(f"{name}\n" for name in public_names()), encoding="utf-8")
