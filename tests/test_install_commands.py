# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The install commands of README, other pages, Makefile and CI resolve on each supported Python, without pip settings.

uv resolves for any version of Python from the metadata in the package index: nothing is installed and no wheel of torch
is downloaded. Settings of pip and uv (an index, a folder of wheels, constraints) are ignored, because other machines do
not have them.
"""

from __future__ import annotations

import argparse
import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("*.md", "docs/**/*.md", "experiments/**/*.md", "bundles/*/docs/*.md")
PINS = ("constraints*.txt", "requirements*.txt")
SCRIPTS = (".ci/run", ".github/workflows/*.yml", ".pre-commit-config.yaml")
# A command ends with its code span, its line, a comment, or where the shell ends it.
COMMAND = re.compile(r"\bpip install ((?:'[^'\n]*'|[^`\n#&;|])+)")
LOCAL = re.compile(r"(?:\.|monai_acdr)(\[[\w,-]+\])?")
LABEL_PYTHON = "3.11"  # MONAI Label's environment is for this version alone


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


PYTHONS = re.findall(r"(?m)Python :: (3\.\d+)$", setup_cfg()["metadata"]["classifiers"])
EXTRAS = sorted(setup_cfg()["options.extras_require"])


@dataclass(frozen=True)
class Install:
    """A `pip install` command, as what it asks for: two commands that ask for the same are equal."""

    requirements: tuple[str, ...]  # lines of a requirements file
    no_deps: bool
    source: str = field(compare=False)  # the file that has the command, and the command

    def __str__(self) -> str:
        return self.source

    @property
    def pythons(self) -> list[str]:
        return [LABEL_PYTHON] if any("requirements-label.txt" in line for line in self.requirements) else PYTHONS


def read_command(words: str, source: str) -> Install:
    """Read the words after `pip install`: the options that our commands use; any other is an error."""
    parser = argparse.ArgumentParser(prog=f"{source}: pip install {words}", add_help=False)
    for names in (("--constraint", "-c"), ("--requirement", "-r"), ("--editable", "-e")):
        parser.add_argument(*names, action="append", default=[])
    for names in (("--quiet", "-q"), ("--upgrade", "-U"), ("--no-deps",)):
        parser.add_argument(*names, action="store_true")
    parser.add_argument("--index-url")  # it holds other builds of the same versions, which are looked up as usual
    parser.add_argument("packages", nargs="*")
    options = parser.parse_args(shlex.split(words))
    lines = []
    for package in options.packages + options.editable:
        local = LOCAL.fullmatch(package)
        lines.append(f"monai_acdr{local[1] or ''} @ {ROOT.as_uri()}" if local else package)
    lines += [f"-r {ROOT / name}" for name in options.requirement]
    lines += [f"-c {ROOT / name}" for name in options.constraint]
    return Install(tuple(lines), options.no_deps, f"{source}: pip install {words}")


def commands_in(text: str, source: str) -> Iterator[Install]:
    for words in COMMAND.findall(text):
        if "$" not in words:  # what a script computes, only the script knows
            yield read_command(words.strip(), source)


def commands_of_files() -> Iterator[Install]:
    for pattern in (*PAGES, *PINS, *SCRIPTS):
        for path in sorted(ROOT.glob(pattern)):
            if path.name != "CHANGELOG.md":
                yield from commands_in(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())


def commands_of_make() -> Iterator[Install]:
    """What make would run for all its targets, with another build of torch and without; make itself expands it."""
    if shutil.which("make") is None:
        return
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (targets,) = re.findall(r"(?m)^\.PHONY: (.*)$", makefile)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    for index in ("", "https://example.org/simple"):
        command = ["make", "--dry-run", "--always-make", *targets.split(), f"TORCH_INDEX={index}"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        yield from commands_in(done.stdout, "Makefile")


def commands_of_extras() -> Iterator[Install]:
    """Each extra alone with the newest versions, and all of them at the versions of constraints.txt."""
    for extra in EXTRAS:
        yield read_command(f"'.[{extra}]'", "setup.cfg")
    yield read_command(f"--constraint constraints.txt '.[{','.join(EXTRAS)}]'", "setup.cfg")


COMMANDS = [*commands_of_make(), *commands_of_files(), *commands_of_extras()]


def resolve(install: Install, python_version: str) -> str:
    """Resolve a command for a version of Python; returns what is wrong, or nothing.

    Args:
        install: the command.
        python_version: such as ``"3.13"``; need not be installed.
    """
    from uv import find_uv_bin

    command = [find_uv_bin(), "pip", "compile", "--quiet", "--no-config", "--no-python-downloads"]
    command += ["--python", sys.executable, "--python-version", python_version]
    command += ["--python-platform", "x86_64-unknown-linux-gnu", *(["--no-deps"] if install.no_deps else []), "-"]
    foreign = ("PIP_", "UV_", "PYTHONPATH", "VIRTUAL_ENV")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    lines = "\n".join(install.requirements)
    done = subprocess.run(command, input=lines, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
    return "" if done.returncode == 0 else done.stderr.strip() or f"uv ended with {done.returncode}"


@pytest.fixture(scope="module")
def package_index(absent: Callable[[str], None]) -> None:
    """The index can be asked; without it the tests are skipped, and fail in CI."""
    try:
        message = resolve(read_command("packaging", "this fixture"), PYTHONS[-1])
    except ImportError:
        message = "uv is not installed: pip install 'monai_acdr[dev]'"
    if message:
        absent(f"The package index cannot be asked: {message}")


def test_the_commands_are_found() -> None:
    """Were the patterns wrong, the test below would have nothing to resolve."""
    found = {command.source for command in COMMANDS}
    assert {"README.md: pip install .", "README.md: pip install '.[bundle]'"} <= found
    assert "CONTRIBUTING.md: pip install pre-commit" in found
    assert "docs/how-to/monai_label.md: pip install --constraint requirements-label.txt torch torchvision" in found
    assert "Makefile: pip install --quiet --constraint constraints.txt --editable '.[dev]'" in found
    for start, word in (("README", "--index-url"), ("Makefile", "--index-url"), ("Makefile", "benchmark")):
        assert any(source.startswith(start) and word in source for source in found), (start, word)
    for word in (
        "constraints-oldest.txt",
        "requirements-label.txt torch torchvision",
        "--requirement requirements-label",
    ):
        assert any(source.startswith("Makefile") and word in source for source in found), word
    assert PYTHONS[:4] == ["3.10", "3.11", "3.12", "3.13"]


def test_the_label_environment_has_the_python_of_the_makefile() -> None:
    assert f"LABEL_PYTHON ?= python{LABEL_PYTHON}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest, package_index: None) -> Iterator[dict[tuple[Install, str], Future[str]]]:
    """What is wrong with each command on each Python, all asked at once: most of the time goes into waiting."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    chosen = dict.fromkeys(each["install"] for each in parameters if isinstance(each.get("install"), Install))
    with ThreadPoolExecutor(8) as pool:
        yield {(each, version): pool.submit(resolve, each, version) for each in chosen for version in each.pythons}


@pytest.mark.parametrize("install", dict.fromkeys(COMMANDS), ids=str)
def test_resolves_on_each_python(install: Install, answers: dict[tuple[Install, str], Future[str]]) -> None:
    messages = {version: answers[install, version].result() for version in install.pythons}
    failures = [f"Python {version}: {text}" for version, text in messages.items() if text]
    assert not failures, "\n".join(failures)


@pytest.mark.usefixtures("package_index")
def test_a_pin_that_torch_does_not_go_with_is_found(tmp_path: Path) -> None:
    """The wheel of torch in the package index asks for the triton of its build, which a pin of ours once was not."""
    (tmp_path / "pins.txt").write_text("torch==2.13.0\ntriton==3.9.0\n")
    message = resolve(read_command(f"torch --constraint {tmp_path / 'pins.txt'}", "this test"), "3.13")
    assert re.search(r"torch==2\.13\.0 depends on triton", message)
