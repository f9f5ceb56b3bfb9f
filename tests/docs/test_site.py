# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The site's hook and the drawn diagrams; `make docs` builds the site itself."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = ROOT / "tests" / "public_names.txt"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """A module of docs/scripts by its name; its name is free again after the test."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "scripts"))

    def load(name: str) -> ModuleType:
        monkeypatch.delitem(sys.modules, name, raising=False)
        module = import_module(name)
        monkeypatch.delitem(sys.modules, name)
        return module

    return load


def test_every_public_name_has_an_entry(script) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("mkdocs")
    hook = script("site_hook")
    text = "\n".join(hook.api_pages().values())
    names = INVENTORY.read_text(encoding="utf-8").split()
    missing = [name for name in names if f"\n::: {name}\n" not in text and f'<a id="{name}"></a>' not in text]
    assert not missing
    assert text.count("\n::: ") + text.count("<a id=") == len(set(names))


def test_aliases_stand_beside_their_class(script) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("mkdocs")
    entries = script("site_hook").public_names()
    entry = "monai_acdr.transforms.NestContoursd"
    assert {f"{entry[:-1]}{end}" for end in ("d", "D", "Dict")} <= set(entries[entry])


def test_layers_are_those_of_the_imports(script) -> None:  # type: ignore[no-untyped-def]
    diagrams = script("diagrams")
    graph = diagrams.imports()
    assert graph["geometry"] == set()
    assert "geometry" in graph["networks.layers"]
    assert not [name for name in graph if "apps" in graph[name]]


@pytest.mark.parametrize(("name", "function"), [("layers.svg", "layers"), ("data_flow.svg", "data_flow")])
def test_the_committed_diagrams_are_those_of_the_code(script, name: str, function: str) -> None:  # type: ignore[no-untyped-def]
    drawn = getattr(script("diagrams"), function)()
    committed = (ROOT / "docs" / "images" / name).read_text(encoding="utf-8")
    assert committed == drawn, "run `python docs/scripts/diagrams.py` and commit docs/images"


def test_the_navigation_lists_every_page() -> None:
    """Pages that are only linked from others are hard to find."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert not [page for page in pages if f" {page}\n" not in text]
