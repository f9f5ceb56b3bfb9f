# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Atomic writing of a generated folder, never over the user's files.

A manifest, `phantom.json`, lists every generated file with its SHA-256. Only a folder whose files are all listed there
and unchanged counts as an earlier output and may be replaced.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monai_acdr.files import is_own_name, lock_folder, publish_into

__all__ = ["MANIFEST", "check_replaceable", "replace_output"]

MANIFEST = "phantom.json"
GENERATOR = "monai_acdr.data.phantoms"
LAST_FILE = "link.csv"
"""Moved into place last: a reader that finds it finds the rest."""


@contextmanager
def replace_output(folder: Path, parameters: dict[str, Any]) -> Iterator[Path]:
    """Give a temporary folder to write into; move its content to `folder` when the block ends without an error.

    Args:
        folder: final place: absent, empty or an earlier output.
        parameters: what the content was made from; written to the manifest.

    Raises:
        FileExistsError: when `folder` is a file, holds files that were not generated or that were changed since, or
            another process writes to it.
    """
    check_replaceable(folder)
    with lock_folder(folder) as locked, publish_into(locked, check_replaceable(locked), LAST_FILE, False) as partial:
        yield partial
        files = {path.relative_to(partial).as_posix(): _digest(path) for path in _files(partial)}
        manifest = json.dumps({"generator": GENERATOR, **parameters, "files": files}, indent=1) + "\n"
        (partial / MANIFEST).write_text(manifest, encoding="utf-8")


def check_replaceable(folder: Path) -> list[str]:
    """Names in an earlier output, which may be removed.

    Raises:
        FileExistsError: when there is anything else in the folder, or it is a file.
    """
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise FileExistsError(f"Expected {folder} to be a folder, but it is a file: name another output folder.")
    entries = sorted(path for path in folder.iterdir() if not is_own_name(path.name))
    if not entries:
        return []
    known = _read_manifest(folder / MANIFEST)
    if known is None:
        raise _refusal(folder, entries[0].name, "was not written by this generator")
    for path in _files(folder):
        if is_own_name(path.relative_to(folder).parts[0]):
            continue
        name = path.relative_to(folder).as_posix()
        if name != MANIFEST and known.get(name) != _digest(path):
            reason = "was changed since it was written" if name in known else "was not written by this generator"
            raise _refusal(folder, name, reason)
    return [path.name for path in entries]


def _refusal(folder: Path, name: str, reason: str) -> FileExistsError:
    return FileExistsError(
        f"Expected {folder} to be empty or an earlier phantom, but {name} {reason}: name another output folder, "
        "or empty this one yourself."
    )


def _read_manifest(path: Path) -> dict[str, str] | None:
    """Digests of the generated files; None when there is no manifest of ours."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        return dict(manifest["files"]) if manifest["generator"] == GENERATOR else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _files(folder: Path) -> list[Path]:
    """Everything below a folder that is not a plain folder, sorted; links are not followed."""
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _digest(path: Path) -> str:
    return "" if path.is_symlink() or not path.is_file() else hashlib.sha256(path.read_bytes()).hexdigest()
