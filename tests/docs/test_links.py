# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Local links resolve, headings included, and pages name no machine of ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def slug(heading: str) -> str:
    """The anchor that a Markdown viewer gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {slug(line.lstrip("#")) for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")}


def test_local_links_resolve(page: Any) -> None:
    broken = []
    for target in LINK.findall(page.prose):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.path.parent / name).resolve() if name else page.path
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert not broken, f"{page}: these links lead nowhere: {broken}"


def test_every_page_is_linked_from_the_index(docs: Any) -> None:
    index = docs("README.md")
    linked = {(index.path.parent / target.partition("#")[0]).resolve() for target in LINK.findall(index.text)}
    missing = [path for path in (ROOT / "docs").rglob("*.md") if path != index.path and path not in linked]
    assert not missing


@pytest.mark.parametrize("word", ["/work/", "/root/", "/tmp/", "TODO"])
def test_pages_name_no_machine(page: Any, word: str) -> None:
    assert word not in page.text
