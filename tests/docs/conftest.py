# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What the tests of the documents share: the pages, their code blocks and their tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "bundles").glob("*/docs/README.md"),
    ]
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """The text without its code blocks."""
        return _BLOCK.sub("", self.text)

    def blocks(self, language: str) -> list[str]:
        return [body for kind, body in _BLOCK.findall(self.text) if kind == language]

    def commands(self) -> list[str]:
        """Lines of the shell blocks, continued lines joined, comments left out."""
        lines = "\n".join(self.blocks("bash")).replace("\\\n", " ").splitlines()
        return [line.split(" # ")[0].strip() for line in lines if line.strip() and not line.startswith("#")]

    def rows(self) -> list[list[str]]:
        """Cells of all table rows, headings included, separators left out."""
        rows = [line.strip().strip("|").split("|") for line in self.text.splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in row] for row in rows if set("".join(row)) - set("- :")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with an argument `page` runs for every page."""
    if "page" in metafunc.fixturenames:
        pages = [Page(path) for path in PAGES]
        metafunc.parametrize("page", pages, ids=str)


@pytest.fixture
def docs():  # type: ignore[no-untyped-def]
    """Pages by their path below docs/."""
    return lambda name: Page(ROOT / "docs" / name)
