# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The class that MONAI Label starts."""

from __future__ import annotations

import copy
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from monailabel.config import settings
from monailabel.datastore.dicom import DICOMwebClientX
from monailabel.endpoints import infer as infer_endpoint
from monailabel.interfaces.app import MONAILabelApp, create_session_from_user_pass
from monailabel.interfaces.datastore import Datastore
from monailabel.tasks.activelearning.random import Random

from monai_acdr import __version__
from monai_acdr.apps.monailabel.answers import wants
from monai_acdr.apps.monailabel.images import ImageCache
from monai_acdr.apps.monailabel.model_store import ModelStore
from monai_acdr.apps.monailabel.problems import NotFoundHere, status_of
from monai_acdr.apps.monailabel.server_datastores import DicomWebStudies, StudiesFolder
from monai_acdr.apps.monailabel.server_tasks import DiceScore, FineTuneTask, OutlineTask, UncertaintyStrategy
from monai_acdr.apps.monailabel.uploads import discarding, use_own_temporary_folder
from monai_acdr.bundle import bundle_names

__all__ = ["MyApp"]

_logger = logging.getLogger(__name__)


@contextmanager
def answering(path: str = "") -> Iterator[None]:
    """Turn errors into answers with a status and a message; MONAI Label would say `Internal Server Error`."""
    try:
        yield
    except HTTPException:
        raise
    except Exception as error:
        status, message = status_of(error, path)
        _logger.log(logging.ERROR if status >= 500 else logging.INFO, "Answer %d", status, exc_info=status >= 500)
        raise HTTPException(status_code=status, detail=message) from error


class MyApp(MONAILabelApp):
    """Contours for a MONAI Label server.

    ``--conf`` settings: ``models`` (names of bundles, by comma; all that have weights), ``device`` (``cpu``, ``cuda``),
    ``auto_scoring`` (``true`` has MONAI Label score after each sample, in a process of its own).
    """

    studies: str

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        use_own_temporary_folder()
        self.images = ImageCache()
        self.stores = _stores(Path(app_dir), conf or {})
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name=f"monai_acdr {__version__}",
            description="Trainable active contours: click or draw a box, and the contour follows. For research.",
            version=__version__,
        )
        self._auto_update_scoring = wants((conf or {}).get("auto_scoring"), False)
        infer_endpoint.nifti_to_dicom_seg = self.dicom_seg  # its own fails on mammograms

    def init_infers(self) -> dict[str, Any]:
        tasks: dict[str, Any] = {}
        for name, store in self.stores.items():
            tasks[name] = OutlineTask(store, self.datastore(), self.images)
            if tasks[name].finds:
                tasks[f"{name}_auto"] = OutlineTask(store, self.datastore(), self.images, prompts=False)
        return tasks

    def init_trainers(self) -> dict[str, Any]:
        return {name: FineTuneTask(store, Path(self.app_dir), self.images) for name, store in self.stores.items()}

    def init_strategies(self) -> dict[str, Any]:
        return {
            "random": Random(),
            **{f"uncertainty_{name}": UncertaintyStrategy(store, self.images) for name, store in self.stores.items()},
        }

    def init_scoring_methods(self) -> dict[str, Any]:
        return {f"dice_{name}": DiceScore(store, self.images) for name, store in self.stores.items()}

    def init_datastore(self) -> Datastore:
        if self.studies.startswith(("http://", "https://")):
            self.studies = self.studies.rstrip("/").strip()
            return self.init_remote_datastore()
        return StudiesFolder(self.studies, self.images)

    def _init_dicomweb_datastore(self) -> Datastore:
        """As MONAI Label's, with our own datastore, and without the download of a program that is not used."""
        user, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
        session = None
        if user and password:
            session = create_session_from_user_pass(user, password)
            session.auth = (user.encode("utf-8"), password.encode("utf-8"))  # as Orthanc and browsers have it
        client = DICOMwebClientX(
            url=self.studies,
            session=session,
            qido_url_prefix=settings.MONAI_LABEL_QIDO_PREFIX,
            wado_url_prefix=settings.MONAI_LABEL_WADO_PREFIX,
            stow_url_prefix=settings.MONAI_LABEL_STOW_PREFIX,
        )
        return DicomWebStudies(client, self.images)

    def infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Answer one request; every error is an answer too."""
        with answering():
            name = request.get("model")
            task = self._infers.get(name)
            if task is None:
                raise NotFoundHere(f"Expected a model of {sorted(self._infers)}, but got {str(name)[:80]!r}.")
            store = datastore or self.datastore()
            request = copy.deepcopy(request)
            image_id = request.get("image")
            path, known = self._image_path(image_id, store)
        with answering(path), discarding("" if known else path):
            file, result = task({**request, "image": path, "image_id": image_id if known else None})
            label = file
            if file and known and wants(request.get("save_label"), False):
                tag = request.get("label_tag") or "original"
                label = store.save_label(image_id, file, tag, {"model": name, "params": result})
            return {"label": label, "tag": "original", "file": file, "params": result}

    def _image_path(self, image_id: Any, store: Datastore) -> tuple[str, bool]:
        """The file of an image, and whether it is one of the datastore: others are uploads and sessions.

        MONAI Label would open any path of the server that a client names.
        """
        if not isinstance(image_id, str) or not image_id:
            raise NotFoundHere("Expected the id of an image, but got none.")
        if os.path.isabs(image_id):
            real = Path(image_id).resolve()
            sessions = self._sessions.store_path if self._sessions else None
            folders = [Path(folder).resolve() for folder in (tempfile.gettempdir(), sessions) if folder]
            if any(real.is_relative_to(folder) for folder in folders) and real.exists():
                return str(real), False
            raise NotFoundHere("Expected the id of an image, but got a path.")
        path = store.get_image_uri(image_id)
        if not path or not os.path.exists(path):
            raise NotFoundHere(f"Expected an image of this server, but there is none with the id {image_id[:80]!r}.")
        return path, True

    def dicom_seg(self, series_dir: str, label: str, label_info: Any = None, **_: Any) -> str:
        """What MONAI Label's `nifti_to_dicom_seg` does, by our own writer."""
        with answering(series_dir):
            return self.datastore().dicom_seg(Path(series_dir).name, Path(label), label_info or [])

    def next_sample(self, request: dict[str, Any]) -> dict[str, Any]:
        with answering():
            strategy = str(request.get("strategy") or "random")
            if strategy not in self._strategies:
                raise NotFoundHere(f"Expected a strategy of {sorted(self._strategies)}, but got {strategy[:80]!r}.")
            return super().next_sample(request)

    def train(self, request: dict[str, Any]) -> Any:
        with answering():
            if request.get("model") not in self._trainers:
                raise NotFoundHere(f"Expected a model of {sorted(self._trainers)}, but got {request.get('model')!r}.")
            return super().train(request)

    def scoring(self, request: dict[str, Any], datastore: Datastore | None = None) -> Any:
        with answering():
            if request.get("method") not in self._scoring_methods:
                raise NotFoundHere(f"Expected a method of {sorted(self._scoring_methods)}.")
            return super().scoring(request, datastore)

    def model_file(self, model: str, validate: bool = True) -> str | None:
        """Where the weights of a model are, or would be: what clients up- and download."""
        store = self.stores.get(model.removesuffix("_auto"))
        return str(store.path) if store else None


def _stores(app_dir: Path, conf: dict[str, str]) -> dict[str, ModelStore]:
    """Of the bundles that are wanted and have weights."""
    known = bundle_names()
    wanted = [name.strip() for name in str(conf.get("models") or ",".join(known)).split(",")]
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise ValueError(f"Expected --conf models to name bundles of {known}, but got {unknown}.")
    stores = {name: ModelStore(name, app_dir / "model", conf.get("device")) for name in wanted}
    return {name: store for name, store in stores.items() if store.prepare()}
