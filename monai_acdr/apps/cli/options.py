# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Options that several commands share, and what they print."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

import click

from monai_acdr.apps.cli.exit_codes import CLOSED_OUTPUT
from monai_acdr.read_budget import DEFAULT_BYTES, ENVIRONMENT, read_budget

__all__ = [
    "TerminalProgress",
    "device_option",
    "json_option",
    "model_option",
    "overwrite_option",
    "print_line",
    "print_result",
    "read_budget_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])

device_option = click.option(
    "-d",
    "--device",
    metavar="DEVICE",
    help="cpu, cuda, cuda:1 or mps. Default: CUDA where there is one, else the CPU.",
)
model_option = click.option(
    "-m",
    "--model",
    default="sunnybrook_lv_acdr",
    show_default=True,
    metavar="BUNDLE",
    help="Name of an installed bundle (monai-acdr info lists them), or a bundle's folder. A bundle is code: use those "
    "that you trust.",
)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace what is there.")


def _enter_budget(ctx: click.Context, _parameter: click.Parameter, value: float | None) -> None:
    """Put the budget in force until the command has ended."""
    try:
        ctx.with_resource(read_budget(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


read_budget_option = click.option(
    "--read-budget",
    type=float,
    metavar="MIB",
    expose_value=False,
    callback=_enter_budget,
    help=f"Memory that the images of a run, or one file, may ask for, in MiB; more is refused. "
    f"Default: {DEFAULT_BYTES >> 20}, or the environment variable {ENVIRONMENT}.",
)


def _remember(ctx: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    if value and isinstance(ctx.obj, dict):
        ctx.obj["json"] = True
    return value


json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=_remember,
    is_eager=True,
    help="Print a report for programs to standard output, and nothing else there; an error as well.",
)


def print_result(as_json: bool, record: Any, lines: Iterable[str]) -> None:
    """Print a report as JSON, or lines for people."""
    if as_json:
        print_line(json.dumps(record, indent=1, allow_nan=False))
        return
    for line in lines:
        print_line(line)


def print_line(text: str, err: bool = False) -> None:
    """Print to standard output or error; without a reader of standard output the program ends without a message.

    Raises:
        OSError: when standard output cannot be written, for example to a full disk.
    """
    try:
        click.echo(text, err=err)
    except OSError as error:
        _discard(sys.stderr if err else sys.stdout)
        if err:  # nobody reads messages: the status says it
            return
        if not isinstance(error, BrokenPipeError):
            raise
        click.get_current_context().exit(CLOSED_OUTPUT)


def _discard(stream: Any) -> None:
    """Send what a stream still holds nowhere, or Python would fail with it again at the end."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


class TerminalProgress:
    """A bar with an estimate of the time left for each step of a run, on standard error; silent without a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._step = ""
        self._done = 0
        self._shown = sys.stderr.isatty()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Tell that `done` of `total` parts of a step are done."""
        if not self._shown:
            return
        if step != self._step:
            self.close()
            self._bar = click.progressbar(length=total, label=f"{step:<8}", file=sys.stderr, show_eta=True)
            self._bar.__enter__()
            self._step, self._done = step, 0
        self._bar.update(done - self._done)
        self._done = done

    def __enter__(self) -> TerminalProgress:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the line of the present bar."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
