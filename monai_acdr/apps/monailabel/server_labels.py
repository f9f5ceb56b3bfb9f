# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What saving a label means, wherever images and labels are."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import HTTPException
from filelock import FileLock
from monailabel.datastore.local import DataModel, LocalDatastore
from monailabel.interfaces.datastore import DefaultLabelTag

from monai_acdr.apps.monailabel.images import ImageCache, LabelImage
from monai_acdr.apps.monailabel.problems import status_of
from monai_acdr.apps.monailabel.saved_labels import check_label, raw_label, write_seg_of_labels
from monai_acdr.apps.monailabel.series_order import series_files
from monai_acdr.apps.monailabel.study_names import check_id, check_tag
from monai_acdr.apps.monailabel.uploads import discarding
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_MYOCARDIUM, Algorithm, Structure
from monai_acdr.files import replace_file, write_text_atomically

__all__ = ["CheckedLabels", "answering"]

_logger = logging.getLogger(__name__)


def _one_at_a_time(name: str) -> Callable[..., Any]:
    """MONAI Label's method of that name, while no other thread changes the list of images and labels."""

    def change(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._changes:
            return getattr(super(CheckedLabels, self), name)(*args, **kwargs)

    return change


class CheckedLabels:
    """What both datastores do more than MONAI Label's: names and labels are checked, no file is ever half there.

    MONAI Label compares its list with the files on the thread of its watcher, and takes the list apart meanwhile: a
    label saved at that moment would be a file that the list does not know. So one thread at a time changes the list.
    """

    images: ImageCache
    structures: tuple[Structure, ...] = (LV_ENDOCARDIUM, LV_MYOCARDIUM)
    """What the labels 1 and 2 show where a client gives them no name."""
    _datastore_config_path: str
    _lock_file: str
    _datastore: Any
    _to_id: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._changes = threading.RLock()  # taken before the lock file, by all
        super().__init__(*args, **kwargs)

    _reconcile_datastore = _one_at_a_time("_reconcile_datastore")
    _init_from_datastore_file = _one_at_a_time("_init_from_datastore_file")
    remove_image = _one_at_a_time("remove_image")
    update_image_info = _one_at_a_time("update_image_info")
    update_label_info = _one_at_a_time("update_label_info")

    def series_folder(self, image_id: str) -> Path | None:
        """Folder of the DICOM files that an image was made of, None where there are none."""
        raise NotImplementedError

    def label_image(self, image_id: str) -> LabelImage:
        """The decoded image of an id."""
        path = Path(self.get_image_uri(image_id))  # type: ignore[attr-defined]
        return self.images.read(path, self.series_folder(image_id), series_files)

    def saved_label(self, image_id: str, image: LabelImage) -> np.ndarray:
        """The final label of an image, on its grid.

        Raises:
            ValueError: when there is none that fits.
        """
        path = LocalDatastore.get_label_uri(self, image_id, DefaultLabelTag.FINAL)
        if not path or not os.path.isfile(path):
            raise ValueError("Expected a final label, but its file is missing.")
        return check_label(Path(path), image)

    def dicom_seg(self, image_id: str, label: Path, label_info: Sequence[Any]) -> str:
        """Path of a new temporary file: a label as a DICOM segmentation."""
        image = self.label_image(image_id)
        with tempfile.NamedTemporaryFile(suffix=".dcm", delete=False) as file:
            path = Path(file.name)
        path.unlink()
        labels = check_label(label, image)
        write_seg_of_labels(path, labels, image, self.structures, label_info, Algorithm("MONAI Label", "0.8.5"))
        return str(path)

    def checked_label(self, image_id: str, label: Path, tag: Any) -> Path:
        """The file to save: the one that came, or one made of voxels without a header, as OHIF sends them."""
        with discarding(label), answering(label):
            check_tag(tag)
            image = self.label_image(image_id)
            if label.suffix == ".bin":
                return raw_label(label, image)
            check_label(label, image)
        return label

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        with discarding(image_filename):
            _checked(check_id, image_id or os.path.basename(image_filename))
        with self._changes:
            return str(super().add_image(image_id, image_filename, image_info))  # type: ignore[misc]

    def _update_datastore_file(self, lock: bool = True) -> None:
        """As MONAI Label's, but a server that is killed meanwhile leaves the old file or the new one, whole."""

        def write() -> None:
            self._ignore_event_config = True
            content = self._datastore.model_dump(exclude={"base_path"})
            write_text_atomically(self._datastore_config_path, json.dumps(content, indent=2, default=str))
            self._config_ts = os.stat(self._datastore_config_path).st_mtime

        if not lock:
            write()
            return
        with FileLock(self._lock_file):
            write()

    def _store_label(self, image_id: str, label: Path, tag: str, info: dict[str, Any]) -> str:
        """As MONAI Label's `save_label`; the file appears whole or not at all."""
        folder = Path(self._datastore.label_path(tag))
        _, extension = self._to_id(label.name)
        target = folder / f"{image_id}{extension}"
        with self._changes, FileLock(self._lock_file):
            folder.mkdir(parents=True, exist_ok=True)
            with replace_file(target) as temporary:
                shutil.copyfile(label, temporary)
            record = {**(info or {}), "ts": int(time.time()), "name": target.name}
            self._datastore.objects[image_id].labels[tag] = DataModel(info=record, ext=extension)
            self._update_datastore_file(lock=False)
        return image_id


@contextmanager
def answering(label: str | os.PathLike[str]) -> Iterator[None]:
    """Errors become answers that do not name the label's temporary file."""
    try:
        yield
    except HTTPException:
        raise
    except Exception as error:
        status, message = status_of(error, label, "the label")
        _logger.log(logging.ERROR if status >= 500 else logging.INFO, "Answer %d", status, exc_info=status >= 500)
        raise HTTPException(status_code=status, detail=message) from error


def _checked(check: Any, value: str) -> None:
    try:
        check(value)
    except ValueError as error:
        raise HTTPException(status_code=400, detail=str(error)) from error
