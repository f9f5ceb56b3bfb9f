# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""``monai-acdr label-app``."""

from __future__ import annotations

import click

from monai_acdr.apps.cli.options import json_option, print_result

__all__ = ["label_app"]


@click.command("label-app")
@click.option("--folder", metavar="FOLDER", help="Where; by default one for this user. One folder serves one server.")
@json_option
def label_app(folder: str | None, as_json: bool) -> None:
    """Make the folder of the MONAI Label app, and print it, for `monailabel start_server --app FOLDER --studies ...`.

    The server keeps its models and logs there.
    """
    from monai_acdr.apps.monailabel.app_folder import make_app_folder

    path = make_app_folder(folder)
    print_result(as_json, {"folder": str(path)}, [str(path)])
