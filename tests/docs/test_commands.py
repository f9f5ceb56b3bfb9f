# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Commands in README and docs: files, options, extras and make targets that they name exist."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

from monai_acdr.apps.cli import main
from monai_acdr.data.phantoms.__main__ import build_parser

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "bundles" / "sunnybrook_lv_acdr"
OPTION = re.compile(r"--([A-Za-z][\w#-]*)")
QUALITY_OPTIONS = {"group", "json", "no-pixels"}
# What MONAI's `run` takes itself, and options of other programs in the pages.
OTHER_OPTIONS = {"config_file", "bundle_root", "logdir"}


BUNDLES = sorted(path.parents[1] for path in ROOT.glob("bundles/*/configs/metadata.json"))


def config_keys(bundle: Path, *names: str) -> set[str]:
    """All keys of bundle configs, nested ones as `a#b`."""
    keys: set[str] = set()
    for name in names:
        _collect(json.loads((bundle / "configs" / name).read_text(encoding="utf-8")), "", keys)
    return keys


def bundle_of(command: str, page: Any) -> Path:
    """The bundle that a command or its page is about; the Sunnybrook bundle if neither names one."""
    named = [bundle for bundle in BUNDLES if bundle.name in command or page.path.is_relative_to(bundle)]
    return named[0] if named else BUNDLE


def _collect(config: Any, prefix: str, keys: set[str]) -> None:
    if isinstance(config, dict):
        for key, value in config.items():
            keys.add(prefix + key)
            _collect(value, f"{prefix}{key}#", keys)


def parser_options(parser: Any) -> set[str]:
    return {option.removeprefix("--") for action in parser._actions for option in action.option_strings}


def benchmark_options(script: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    module, options = import_module(script), set()
    monkeypatch.setattr(import_module("argparse").ArgumentParser, "parse_args", lambda self, _: self)
    options = parser_options(module.read_options([]))
    monkeypatch.undo()
    return options


def verb_options(verb: Any) -> set[str]:
    return {text for option in verb.params for text in (*option.opts, *option.secondary_opts) if text.startswith("--")}


def config_files(command: str, page: Any) -> list[str]:
    """Names of the bundle configs that a command reads; a file of the page's own counts as known."""
    (value,) = re.findall(r"--config_file \"?(\[.*?\]|[^\s\"]+)", command)
    names = re.findall(r"[^'\[\],\s]+\.json", value)
    assert names, command
    found = []
    for name in names:
        bundle = bundle_of(command, page)
        path = name.removeprefix("$BUNDLE/").removeprefix(f"bundles/{bundle.name}/")
        if path == name and not path.startswith("configs/"):
            assert f"`{name}`" in page.text, f"{page}: {name} is not on the page"
            continue
        assert (bundle / path).is_file(), f"{page}: {path} is not in the bundle"
        found.append(Path(path).name)
    return found


def test_bundle_commands(page: Any) -> None:
    for command in page.commands():
        if "-m monai.bundle run" in command:
            shlex.split(command)
            keys = config_keys(bundle_of(command, page), *config_files(command, page))
            unknown = set(OPTION.findall(command.partition("-m monai.bundle run")[2])) - keys - {"config_file"}
            assert not unknown, f"{page}: {sorted(unknown)} are not keys of the configs in: {command}"


def test_module_and_make_commands(page: Any) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.search(r"(?m)^\.PHONY: (.*)$", makefile)[1].split())  # type: ignore[index]
    for command in page.commands():
        for target in re.findall(r"(?:^|\s)make ([\w-]+)", command):
            assert target in targets, command
        if "-m monai_acdr.data.quality" in command:
            assert set(OPTION.findall(command)) <= QUALITY_OPTIONS, command
        if "-m monai_acdr.data.phantoms" in command:
            assert set(OPTION.findall(command)) <= parser_options(build_parser()), command


def test_our_command_line(page: Any) -> None:
    """Every `monai-acdr` command of a page is one that click understands."""
    for command in page.commands():
        for words in re.findall(r"(?m)^\s*monai-acdr (.*)$", command):
            group, *rest = [word for word in shlex.split(words, comments=True) if word not in ("|", "jq", ".")]
            if not group.startswith("-"):
                verb = main.commands[group]
                if "-h" not in rest:  # a verb keeps the help options of its first context
                    verb.make_context(group, rest, parent=click.Context(main, **main.context_settings))


def test_benchmark_commands(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in [*page.commands(), *re.findall(r"`(python benchmarks/[^`\n]+ --[^`\n]+)`", page.prose)]:
        for script in re.findall(r"python benchmarks/(\w+)\.py", command):
            assert set(OPTION.findall(command)) <= benchmark_options(script, monkeypatch), command


def test_extras_exist(page: Any) -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    for extras in re.findall(r"pip install [^\n]*\[([\w,]+)\]", page.text):
        assert set(extras.split(",")) <= set(parser["options.extras_require"])


def test_options_in_the_text(page: Any) -> None:
    """Options in backticks are keys of a config of the bundle, or of a command of ours."""
    known = QUALITY_OPTIONS | OTHER_OPTIONS
    for bundle in BUNDLES:
        names = sorted(path.name for path in (bundle / "configs").glob("*.json") if path.name != "metadata.json")
        known |= config_keys(bundle, *names)
    known |= {option.removeprefix("--") for verb in main.commands.values() for option in verb_options(verb)} | {"debug"}
    if page.path.is_relative_to(ROOT / "docs") or page.path == ROOT / "README.md":
        spans = [span for span in re.findall(r"`([^`\n]+)`", page.prose) if not span.startswith("python ")]
        named = {option for span in spans for option in OPTION.findall(span)} - {"key"}
        assert not named - known, f"{page}: {sorted(named - known)} are not options"
