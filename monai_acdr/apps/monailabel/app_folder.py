# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The app folder of ``monailabel start_server --app``: a ``main.py`` of three lines, and the server's files."""

from __future__ import annotations

import os
from pathlib import Path

from monai_acdr.files import write_text_atomically

__all__ = ["default_folder", "make_app_folder"]

MAIN = '''"""A MONAI Label server looks for its app here: `monai-acdr label-app` wrote this file."""

from monai_acdr.apps.monailabel.server import MyApp

__all__ = ["MyApp"]
'''
"""MONAI Label loads ``main.py`` of the folder and uses its class that is derived from MONAILabelApp."""


def default_folder() -> Path:
    """``monai_acdr/label-app`` where this user's programs keep their data (the XDG base directory specification)."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "monai_acdr" / "label-app"


def make_app_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """Make the folder, or update the code in it; its models and logs stay.

    MONAI Label makes ``model``, ``logs``, ``lib`` and ``bin`` beside the app's code, so the code cannot be in the
    installed package. One folder serves one server.

    Args:
        folder: path of the folder; :func:`default_folder` if None.

    Returns:
        Its absolute path.

    Raises:
        FileExistsError: when the folder holds another program's ``main.py``, or is not a folder.
        OSError: when the folder cannot be written.
    """
    path = (default_folder() if folder is None else Path(folder)).expanduser().resolve()
    main = path / "main.py"
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"Expected a folder, but {path} is a file: choose another --folder.")
    if main.exists():
        found = main.read_text(encoding="utf-8", errors="replace")
        if found == MAIN:
            return path
        if "monai_acdr.apps.monailabel" not in found:
            raise FileExistsError(f"Expected a folder without another app, but {main} is one: choose another --folder.")
    write_text_atomically(main, MAIN)
    return path
