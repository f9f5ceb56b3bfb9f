# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Where the bundles are, beside the package in a checkout and inside it in a wheel, and what their configs need."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

__all__ = ["bundle_names", "bundle_root", "explain_errors", "find_bundle_root", "flag"]

_PACKAGE = Path(__file__).resolve().parent
_FOLDERS = (_PACKAGE / "bundles", _PACKAGE.parent / "bundles")


def bundle_names() -> list[str]:
    """List the bundles that come with this installation.

    Returns:
        Sorted names; a bundle is a folder with a ``configs/metadata.json``.
    """
    return sorted({path.parents[1].name for folder in _FOLDERS for path in folder.glob("*/configs/metadata.json")})


def bundle_root(name: str) -> Path:
    """Find the folder of a bundle, the value for ``--bundle_root`` of ``python -m monai.bundle run``.

    Args:
        name: name of the bundle, for example ``"sunnybrook_lv_acdr"``.

    Returns:
        Absolute path of the folder that holds ``configs``, ``docs`` and, where there are weights, ``models``.

    Raises:
        ValueError: if no bundle of that name comes with this installation.
    """
    names = bundle_names()
    if name not in names:
        raise ValueError(f"Expected `name` to be a bundle of this installation, one of {names}, but got {name!r}.")
    return next(folder / name for folder in _FOLDERS if (folder / name / "configs" / "metadata.json").is_file())


def find_bundle_root(name: str) -> str:
    """The default of ``bundle_root`` in a bundle's configs: right from the bundle's folder and from everywhere else.

    Args:
        name: name of the bundle.

    Returns:
        Absolute path of the current folder if that is a bundle of this name (a copy, for example), else that of the
        bundle that comes with this installation.
    """
    here = Path.cwd()
    if here.name == name and (here / "configs" / "metadata.json").is_file():
        return str(here)
    return str(bundle_root(name))


def flag(value: bool | str) -> bool:
    """A switch as the command line gives it: ``--resume true`` arrives as text, ``--resume True`` as a bool.

    Raises:
        ValueError: for anything else than true and false, in any case.
    """
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise ValueError(f"Expected a switch to be true or false, but got {value!r}.")
    return text == "true"


def explain_errors() -> None:
    """Have a run that fails end with the error that says what to do, below the whole traceback.

    MONAI's bundle runner wraps an error in others, so that it stands far above the end of what Python prints. Meant to
    be the first item of a config's ``initialize``.
    """
    if not isinstance(sys.excepthook, _Explanation):
        sys.excepthook = _Explanation(sys.excepthook)


class _Explanation:
    """An exception hook on top of another."""

    def __init__(self, show: Callable[..., object]) -> None:
        self.show = show

    def __call__(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        self.show(kind, error, traceback)
        cause = error
        while isinstance(cause, RuntimeError) and cause.__cause__ is not None:
            cause = cause.__cause__
        if cause is not error:
            sys.stderr.write(f"\nThe run stopped: {cause}\n")
