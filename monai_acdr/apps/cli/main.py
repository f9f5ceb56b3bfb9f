# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The group of all commands, and how their errors end."""

from __future__ import annotations

import json
import logging
import signal
import sys
import warnings
from typing import Any, NoReturn

import click

from monai_acdr import __version__
from monai_acdr.apps.cli.agreement_command import agreement
from monai_acdr.apps.cli.convert_command import convert
from monai_acdr.apps.cli.demo_command import demo
from monai_acdr.apps.cli.evaluate_command import evaluate
from monai_acdr.apps.cli.exit_codes import EXIT_CODES, exit_code, explain
from monai_acdr.apps.cli.info_command import info
from monai_acdr.apps.cli.label_app_command import label_app
from monai_acdr.apps.cli.options import print_line
from monai_acdr.apps.cli.segment_command import segment
from monai_acdr.signals import Stopped, stop_on_signals

__all__ = ["main"]

_EPILOG = "\b\nExit status:\n" + "\n".join(f"  {code}  {meaning}" for code, meaning in EXIT_CODES.items())


class _Group(click.Group):
    """Turns errors and signals into one message and a status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with stop_on_signals():
                return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, click.ClickException):
            raise
        except (KeyboardInterrupt, Stopped) as stop:
            stop = stop if isinstance(stop, Stopped) else Stopped(signal.SIGINT)
            _end(ctx, f"{stop}: complete results are kept, incomplete ones are removed", 128 + stop.number)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            cause = explain(error)
            code = exit_code(cause)
            message = str(cause) or type(cause).__name__
            if code == 1:
                message = f"{type(cause).__name__}: {message}\n({EXIT_CODES[1]})"
            _end(ctx, message, code)


def _end(ctx: click.Context, message: str, code: int) -> NoReturn:
    print_line(f"Error: {message}", err=True)
    if isinstance(ctx.obj, dict) and ctx.obj.get("json"):
        print_line(json.dumps({"error": message, "exit_code": code}))
    ctx.exit(code)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=_EPILOG,
)
@click.version_option(__version__, prog_name="monai-acdr")
@click.option("--debug", is_flag=True, help="Show where an error comes from, and more of the log.")
@click.pass_context
def main(ctx: click.Context, debug: bool) -> None:
    """Contours in medical images, from DICOM to DICOM. For research; not a medical device."""
    ctx.obj = {"json": False}
    level = logging.INFO if debug else logging.WARNING
    logging.basicConfig(stream=sys.stderr, level=level, format="%(levelname)s: %(message)s")
    if not debug:  # what other packages say about each other
        warnings.simplefilter("ignore")
        for name in ("monai", "ignite"):
            logging.getLogger(name).setLevel(logging.ERROR)


for command in (segment, evaluate, agreement, convert, demo, info, label_app):
    main.add_command(command)
