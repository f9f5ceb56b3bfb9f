# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Weights of the server, its temporary folder, and its errors as HTTP statuses."""

from __future__ import annotations

import atexit
import json
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from monai_acdr.apps.model import ContourModel, bundle_structures, load_model
from monai_acdr.bundle import bundle_root
from monai_acdr.dicom import Structure
from monai_acdr.files import replace_file, temporary_folder, write_text_atomically

__all__ = [
    "BusyError",
    "ModelStore",
    "NotFoundError",
    "UnusableModelError",
    "discarding",
    "status_of",
    "use_own_temporary_folder",
]


class BusyError(Exception):
    """A task that may run only once at a time is already running."""


class NotFoundError(Exception):
    """The requested image, label or model does not exist."""


class UnusableModelError(Exception):
    """The server lacks what it needs for the answer, such as weights."""


def status_of(error: BaseException, hidden: str | os.PathLike[str] = "", name: str = "the image") -> tuple[int, str]:
    """HTTP status and message of an error.

    Args:
        error: the error.
        hidden: a path of the server that clients need not know.
        name: text that replaces the path.

    Returns:
        404 when something does not exist, 409 when it is already running, 400 for input that cannot be used, 503 for a
        server that lacks something, 507 for a full disk, otherwise 500, without the message, which may quote anything.
    """
    text = str(error).replace(str(hidden), name) if hidden else str(error)
    if isinstance(error, NotFoundError):
        return 404, text
    if isinstance(error, BusyError):
        return 409, text
    if isinstance(error, ValueError):
        return 400, text
    if isinstance(error, (UnusableModelError, ImportError)):
        return 503, text
    if isinstance(error, OSError):
        return 507, f"The server cannot read or write a file ({error.strerror or type(error).__name__}): see its log."
    return 500, f"An unexpected {type(error).__name__} on the server: see its log."


_own: dict[int, Path] = {}
"""Temporary folder of this process, not of the process that it was forked from."""


def use_own_temporary_folder() -> Path:
    """Make a folder that only this user can read, and have `tempfile` use it in this process; further calls do nothing.

    It is removed when Python ends. Folders that killed servers left are removed by the next one.
    """
    present = Path(tempfile.gettempdir())
    if _own.get(os.getpid()) == present:
        return present
    stack = ExitStack()
    folder = stack.enter_context(temporary_folder())
    atexit.register(stack.close)
    _own[os.getpid()], tempfile.tempdir = folder, str(folder)
    return folder


@contextmanager
def discarding(path: str | os.PathLike[str]) -> Iterator[None]:
    """Remove an upload when its request fails: MONAI Label does so only after an answer.

    Args:
        path: path of the file; a file outside the temporary folder is never removed, nor is "".
    """
    try:
        yield
    except BaseException:
        if str(path) and Path(path).resolve().parent == Path(tempfile.gettempdir()).resolve():
            Path(path).unlink(missing_ok=True)
        raise


_logger = logging.getLogger(__name__)


class ModelStore:
    """Weights of one bundle. Thread-safe.

    The folder holds ``model.pt``, and after a training ``model.previous.pt`` and ``history.json``.

    Args:
        bundle: name of the bundle.
        folder: MONAI Label's folder for models of the server: ``<app>/model``.
        device: device of the networks; if None, CUDA where available.
    """

    def __init__(self, bundle: str, folder: Path, device: str | None = None) -> None:
        self.bundle = bundle
        self.root = bundle_root(bundle)
        self.folder = folder / bundle
        self.device = device
        self._model: tuple[tuple[int, int], ContourModel] | None = None
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """The weights in use."""
        return self.folder / "model.pt"

    @property
    def previous(self) -> Path:
        """The weights that the last training replaced."""
        return self.folder / "model.previous.pt"

    @property
    def structures(self) -> tuple[Structure, ...]:
        """Structures of the bundle, from the innermost to the outermost; known without its weights."""
        return bundle_structures(json.loads((self.root / "configs" / "metadata.json").read_text(encoding="utf-8")))

    @property
    def nested(self) -> bool:
        """Whether each structure contains the one before it."""
        config = json.loads((self.root / "configs" / "inference.json").read_text(encoding="utf-8"))
        return config.get("nested") is True

    @property
    def finds(self) -> bool:
        """Whether the bundle has a localizer, so that it needs no click."""
        config = json.loads((self.root / "configs" / "inference.json").read_text(encoding="utf-8"))
        return bool(config.get("localizer")) and (self.root / "models" / "localizer.pt").is_file()

    def prepare(self) -> bool:
        """Copy the bundle's weights, unless there are weights already.

        Returns:
            Whether there are weights now.
        """
        if self.path.is_file():
            return True
        shipped = self.root / "models" / "model.pt"
        if not shipped.is_file():
            _logger.warning("%s is not offered: it has no weights; put trained weights at %s", self.bundle, self.path)
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        with replace_file(self.path) as temporary:
            shutil.copyfile(shipped, temporary)
        return True

    def load(self) -> ContourModel:
        """The model with the present weights; they are read again when the file has changed.

        Raises:
            UnusableModelError: when the weights are absent or damaged.
        """
        with self._lock:
            try:
                status = self.path.stat()
                state = (status.st_mtime_ns, status.st_size)
                if self._model is None or self._model[0] != state:
                    self._model = (state, load_model(self.root, self.path, self.device))
                return self._model[1]
            except FileNotFoundError:
                raise UnusableModelError(
                    f"Expected weights of {self.bundle}, but its model file is missing: upload one, or start the "
                    "server again, which takes those of the bundle."
                ) from None
            except ValueError as error:
                _logger.error("%s", error)
                kept = " The weights before the last training are kept as model.previous.pt." * self.previous.is_file()
                raise UnusableModelError(
                    f"Expected weights of {self.bundle}, but its model file is damaged or of another network: replace "
                    f"it, or delete it and start the server again, which takes those of the bundle.{kept}"
                ) from error

    def publish(self, weights: Path, record: dict[str, Any]) -> None:
        """Replace the weights; the present ones become the previous ones, and each file is replaced as a whole.

        Args:
            weights: file of the new weights.
            record: record of their training, added to ``history.json``.
        """
        if self.path.is_file():
            with replace_file(self.previous) as temporary:
                shutil.copyfile(self.path, temporary)
        with replace_file(self.path) as temporary:
            shutil.copyfile(weights, temporary)
        self.remember(record)

    def remember(self, record: dict[str, Any]) -> None:
        """Add a record of a training to the history, which keeps a hundred."""
        write_text_atomically(self.folder / "history.json", json.dumps([*self.history(), record][-100:], indent=1))

    def history(self) -> list[dict[str, Any]]:
        """Records of trainings, the latest last; empty if absent or unreadable."""
        try:
            found = json.loads((self.folder / "history.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return found if isinstance(found, list) else []
