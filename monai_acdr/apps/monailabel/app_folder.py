# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The app folder of ``monailabel start_server --app``: three lines of code, and the files of the server."""

from __future__ import annotations

import os
from pathlib import Path

from monai_acdr.files import write_text_atomically

__all__ = ["default_folder", "make_app_folder"]

MAIN = '''"""A MONAI Label server looks for its app here: `monai-acdr label-app` wrote this file."""

from monai_acdr.apps.monailabel.server import MyApp

__all__ = ["MyApp"]
'''
"""MONAI Label loads ``main.py`` of the folder and takes the class in it that is derived from MONAILabelApp."""


def default_folder() -> Path:
    """``monai_acdr/label-app`` where this user's programs keep their data (the XDG base directory specification)."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "monai_acdr" / "label-app"


def make_app_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """Make the folder, or bring the code in it up to date; models and logs in it stay.

    MONAI Label makes ``model``, ``logs``, ``lib`` and ``bin`` beside the code it is given, so that cannot be the
    installed package. One folder serves one server.

    Args:
        folder: where; :func:`default_folder` if None.

    Returns:
        Its absolute path.

    Raises:
        FileExistsError: when the folder holds another program's ``main.py``, or is not a folder.
        OSError: when it cannot be written.
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
            raise FileExistsError(f"Expected no other app, but {main} is one: choose another --folder.")
    write_text_atomically(main, MAIN)
    return path
