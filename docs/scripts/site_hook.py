# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""MkDocs hook: API pages of all public names, the repository files that pages link to, and checks of the built site.

API pages come from `tests/public_names.txt`, the inventory that a test holds against the package: one page per
package, with aliases (such as those that end in `D` and `Dict`) beside the name they stand for. A page may link to any
file of the repository, as it does on a code host; the site gets a page `repository/PATH` for it. A build fails when a
public name has no entry, or when a page would load anything from the network.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from pathlib import Path
from typing import Any

import griffe
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))
import notebook

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
API = "reference/api"
MIRROR = "repository"
LANGUAGES = {".py": "python", ".json": "json", ".toml": "toml", ".yml": "yaml", ".cfg": "ini", ".csv": "text"}
PICTURES = (".png", ".gif", ".svg")

LINK = re.compile(r"\]\((?![a-z]+:)([^)\s#]+)(#[^)\s]*)?\)")
LOADED = re.compile(r"<(?:script|img|link|source|iframe)\b[^>]*?\b(?:src|href)=\"?(?:https?:)?//[^>]*>")

SOURCES: dict[str, Path] = {}
"""The repository file behind each mirrored page, by the page's path in the site."""


def public_names() -> dict[str, list[str]]:
    """Every documented object: the name of its entry, and all public names that it has."""
    names = (ROOT / "tests" / "public_names.txt").read_text(encoding="utf-8").split()
    objects: dict[Any, list[str]] = {}
    for name in names:
        package, _, attribute = name.rpartition(".")
        value = getattr(importlib.import_module(package), attribute)
        same = id(value) if inspect.isclass(value) or inspect.isroutine(value) else name
        objects.setdefault((same, getattr(value, "__name__", attribute)), []).append(name)
    return {_entry(same, own): same for (_, own), same in objects.items()}


def _entry(names: list[str], own: str) -> str:
    """Of several names of an object the one in the outermost package, by which the object calls itself."""
    return min(names, key=lambda name: (name.count("."), name.rpartition(".")[2] != own, name))


def api_pages() -> dict[str, str]:
    """Markdown of the API pages by path: an index and one page per package."""
    packages: dict[str, list[str]] = {}
    aliases = public_names()
    for entry in sorted(aliases, key=str.lower):
        packages.setdefault(entry.rpartition(".")[0], []).append(entry)
    rows = [
        f"| [`{package}`]({package}.md) | {_summary(importlib.import_module(package))} |"
        for package in sorted(packages)
    ]
    index = ["# API reference", "", "Every public name, by package.", "", "| package | |", "|---|---|", *rows, ""]
    pages = {f"{API}/index.md": "\n".join(index)}
    for package, entries in packages.items():
        lines = [f"# `{package}`", "", _summary(importlib.import_module(package)), ""]
        for entry in entries:
            others = [name for name in aliases[entry] if name != entry]
            lines += [f'<a id="{name}"></a>' for name in others]
            lines += ["", f"::: {entry}", ""]
            if others:
                lines += ["Also: " + ", ".join(f"`{name}`" for name in others) + ".", ""]
        pages[f"{API}/{package}.md"] = "\n".join(lines)
    return pages


def _summary(package: Any) -> str:
    return SphinxRoles.plain((package.__doc__ or "").strip().split("\n\n")[0].replace("\n", " "))


def on_config(config: Any) -> Any:
    """List the API pages in the navigation."""
    names = sorted(name for name in api_pages() if not name.endswith("/index.md"))
    pages = [{Path(name).stem: name} for name in names]
    config.nav = [{"API": [f"{API}/index.md", *pages]} if "API" in item else item for item in config.nav]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the API pages, and the repository files that pages link to."""
    for name, text in api_pages().items():
        files.append(File.generated(config, name, content=text))
    for path in notebook.NOTEBOOKS:
        name = path.relative_to(DOCS).with_suffix(".md").as_posix()
        files.append(File.generated(config, name, content=notebook.to_markdown(path)))
    waiting = [DOCS / file.src_uri for file in files.documentation_pages() if (DOCS / file.src_uri).is_file()]
    while waiting:
        page = waiting.pop()
        for target, _ in LINK.findall(page.read_text(encoding="utf-8")):
            path = (page.parent / target).resolve()
            if not path.is_relative_to(ROOT) or path.is_relative_to(DOCS) or not path.is_file():
                continue
            name = _mirrored(path)
            if files.get_file_from_path(name) is not None:
                continue
            if path.suffix in PICTURES:
                files.append(File.generated(config, name, abs_src_path=str(path)))
                continue
            SOURCES[name] = path
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".md":
                waiting.append(path)
            else:
                language = LANGUAGES.get(path.suffix, "text")
                text = f"# `{path.relative_to(ROOT).as_posix()}`\n\n``````{language}\n{text}\n``````\n"
            files.append(File.generated(config, name, content=text))
    return files


def _mirrored(path: Path) -> str:
    name = f"{MIRROR}/{path.relative_to(ROOT).as_posix()}"
    return name if path.suffix in (".md", *PICTURES) else f"{name}.md"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links between docs/ and the rest of the repository, as they are in the site."""
    source = SOURCES.get(page.file.src_uri, DOCS / page.file.src_uri)
    folder = Path(page.file.src_uri).parent

    def rewrite(match: re.Match[str]) -> str:
        path = (source.parent / match[1]).resolve()
        inside = path.is_relative_to(DOCS)
        if path in notebook.NOTEBOOKS:
            return f"]({match[1].removesuffix('.ipynb')}.md{match[2] or ''})"
        if (inside and source.is_relative_to(DOCS)) or not path.is_relative_to(ROOT) or not path.exists():
            return match[0]
        target = path.relative_to(DOCS).as_posix() if inside else _mirrored(path)
        if files.get_file_from_path(target) is None:  # a folder
            return "]()" if path.is_dir() else match[0]
        return f"]({os.path.relpath(target, folder)}{match[2] or ''})"

    return LINK.sub(rewrite, markdown)


def on_post_build(config: Any) -> None:
    """Fail when a public name has no entry, or a page loads anything from the network."""
    site = Path(config.site_dir)
    api = "\n".join(path.read_text(encoding="utf-8") for path in (site / API).glob("*.html"))
    present = set(re.findall(r'id="([\w.]+)"', api))
    missing = [name for names in public_names().values() for name in names if name not in present]
    if missing:
        raise PluginError(f"Expected an entry of each public name in the API reference, but {missing} have none.")
    for path in site.rglob("*.html"):
        if found := LOADED.search(path.read_text(encoding="utf-8")):
            raise PluginError(f"Expected pages that load nothing from the network, but {path} has {found[0]}.")


class SphinxRoles(griffe.Extension):
    """Cross-references of docstrings, such as :func:`name`, in the form that the site understands."""

    ROLE = re.compile(r":\w+:`~?\.?([^`]+)`")

    @classmethod
    def plain(cls, text: str) -> str:
        """The text with names in place of references."""
        return cls.ROLE.sub(r"`\1`", text)

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Mend the docstring of one object."""
        if obj.docstring is not None:
            text = re.sub(r"(?m)^(\s*Examples?)::$", r"\1:", obj.docstring.value)
            obj.docstring.value = self.plain(text)
