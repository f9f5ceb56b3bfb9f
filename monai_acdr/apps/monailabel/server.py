# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The MONAI Label app class with its studies, labels and tasks: a thin layer over the other modules."""

from __future__ import annotations

import copy
import json
import logging
import math
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastapi import HTTPException
from filelock import FileLock
from monailabel.config import settings
from monailabel.datastore.dicom import DICOMwebClientX, DICOMWebDatastore
from monailabel.datastore.local import DataModel, LocalDatastore
from monailabel.datastore.utils.dicom import dicom_web_upload_dcm
from monailabel.endpoints import infer as infer_endpoint
from monailabel.interfaces.app import MONAILabelApp, create_session_from_user_pass
from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.tasks.activelearning.random import Random

from monai_acdr import __version__
from monai_acdr.apps.label_values import label_structures
from monai_acdr.apps.monailabel.answers import answer, wants
from monai_acdr.apps.monailabel.fine_tuning import FineTuning, fine_tune
from monai_acdr.apps.monailabel.images import (
    ImageCache,
    LabelImage,
    check_id,
    check_tag,
    convert_series,
    is_series_folder,
    series_files,
)
from monai_acdr.apps.monailabel.model_store import (
    ModelStore,
    NotFoundError,
    discarding,
    status_of,
    use_own_temporary_folder,
)
from monai_acdr.apps.monailabel.sampling import choose_uncertain, image_uncertainty, score_label
from monai_acdr.apps.monailabel.saved_labels import check_label, labels_of_seg, raw_label, write_seg_of_labels
from monai_acdr.bundle import bundle_names
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_MYOCARDIUM, Algorithm, Structure
from monai_acdr.files import replace_file, write_text_atomically

__all__ = [
    "CheckedLabels",
    "DiceScore",
    "DicomWebStudies",
    "FineTuneTask",
    "MyApp",
    "OutlineTask",
    "StudiesFolder",
    "UncertaintyStrategy",
    "answering",
]

_logger = logging.getLogger(__name__)


def _one_at_a_time(name: str) -> Callable[..., Any]:
    """MONAI Label's method of a name, run while no other thread changes the list of images and labels."""

    def change(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._changes:
            return getattr(super(CheckedLabels, self), name)(*args, **kwargs)

    return change


class CheckedLabels:
    """Additions of both datastores to MONAI Label's: names and labels are checked, files are written whole.

    MONAI Label compares its list with the files on its watcher's thread, and rebuilds the list meanwhile: a label saved
    at that moment would be missing from the list. So one thread at a time changes the list.
    """

    images: ImageCache
    structures: tuple[Structure, ...] = (LV_ENDOCARDIUM, LV_MYOCARDIUM)
    """Structures of the labels where a client gives no names."""
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
        """Folder of the DICOM files that an image was made from, None if absent."""
        raise NotImplementedError

    def label_image(self, image_id: str) -> LabelImage:
        """The decoded image of an id."""
        path = Path(self.get_image_uri(image_id))  # type: ignore[attr-defined]
        return self.images.read(path, self.series_folder(image_id), series_files)

    def saved_label(self, image_id: str, image: LabelImage) -> np.ndarray:
        """The final label of an image, on its grid.

        Raises:
            ValueError: when the label is missing, or does not fit the image.
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
        """The file to save: as received, or made from voxels without a header, as OHIF sends them."""
        with discarding(label), answering_label(label):
            check_tag(tag)
            image = self.label_image(image_id)
            if label.suffix == ".bin":
                return raw_label(label, image)
            check_label(label, image)
        return label

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Add an image after a check of its id."""
        with discarding(image_filename):
            _checked(check_id, image_id or os.path.basename(image_filename))
        with self._changes:
            return str(super().add_image(image_id, image_filename, image_info))  # type: ignore[misc]

    def _update_datastore_file(self, lock: bool = True) -> None:
        """Like MONAI Label's, but a server that is killed meanwhile leaves either the old or the new file, complete."""

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
        """Like MONAI Label's `save_label`; the file appears whole or not at all."""
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
def answering_label(label: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors into answers that do not name the label's temporary file."""
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


CONVERTED = ".converted"
"""Folder of the NIfTI volumes that are made from DICOM series for clients."""


class StudiesFolder(CheckedLabels, LocalDatastore):
    """A folder of images: NIfTI, NRRD, pictures, DICOM files, and folders of one DICOM series each.

    Args:
        path: the folder; its labels are in ``labels/<tag>``, its list of images and labels in ``datastore_v2.json``.
        images: cache of decoded images.
    """

    def __init__(self, path: str, images: ImageCache) -> None:
        self.images = images
        super().__init__(
            path,
            extensions=[*settings.MONAI_LABEL_DATASTORE_FILE_EXT, "*.dcm", "*/*.dcm"],  # the last one is watched only
            auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD,
            read_only=settings.MONAI_LABEL_DATASTORE_READ_ONLY,
        )

    def series_folder(self, image_id: str) -> Path | None:
        """Folder of the DICOM files of an image, None if it has none."""
        folder = Path(super().get_image_uri(image_id))
        return folder if folder.is_dir() else None

    def get_image_uri(self, image_id: str) -> str:
        """The image's file; for a folder of DICOM files a NIfTI volume made from it: clients only read files."""
        found = super().get_image_uri(image_id)
        if not found or not os.path.isdir(found):
            return str(found)
        target = Path(self._datastore_path) / CONVERTED / f"{image_id}.nii.gz"
        if not target.exists() or target.stat().st_mtime < os.stat(found).st_mtime:
            target.parent.mkdir(exist_ok=True)
            with replace_file(target) as temporary:
                convert_series(Path(found), temporary)
        return str(target)

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Check a label against its image and store it."""
        if not super().get_image_uri(image_id):
            with discarding(label_filename):
                raise HTTPException(
                    status_code=404, detail="Expected a label of an image of this server, but it has no such image."
                )
        file = self.checked_label(image_id, Path(label_filename), label_tag)
        return self._store_label(image_id, file, check_tag(label_tag), label_info)

    def _to_id(self, file: str) -> tuple[str, str]:
        if os.path.isdir(os.path.join(self._datastore.image_path(), file)):
            return file, ""
        name, extension = super()._to_id(file)
        return str(name), str(extension)

    def _list_files(self, path: str, patterns: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = super()._list_files(path, patterns)
        if os.path.realpath(path) != os.path.realpath(self._datastore.image_path()):
            return found
        folders = [entry for entry in Path(path).iterdir() if entry.is_dir() and entry.name != "labels"]
        found = {name: file for name, file in found.items() if (Path(path) / name).is_file()}
        return {**found, **{folder.name: folder.name for folder in folders if is_series_folder(folder)}}


class DicomWebStudies(CheckedLabels, DICOMWebDatastore):
    """The series of a DICOMweb server; final labels are stored there as DICOM segmentations by our own writer.

    Args:
        client: client of the server.
        images: cache of decoded images.
    """

    def __init__(self, client: Any, images: ImageCache) -> None:
        self.images = images
        cache = str(settings.MONAI_LABEL_DICOMWEB_CACHE_PATH or "").strip()
        super().__init__(
            client=client,
            search_filter=settings.MONAI_LABEL_DICOMWEB_SEARCH_FILTER,
            cache_path=cache or None,
            fetch_by_frame=settings.MONAI_LABEL_DICOMWEB_FETCH_BY_FRAME,
            convert_to_nifti=settings.MONAI_LABEL_DICOMWEB_CONVERT_TO_NIFTI,
        )

    def series_folder(self, image_id: str) -> Path | None:
        """Folder of the DICOM files of an image, None if it has none."""
        return Path(self._datastore.image_path(), image_id).resolve()

    def get_image_uri(self, image_id: str) -> str:
        """Path of a series in the cache, downloaded first."""
        if not re.fullmatch(r"[0-9.]{1,64}", image_id):
            raise HTTPException(status_code=404, detail="Expected a SeriesInstanceUID of the server, but got none.")
        folder = Path(self._datastore.image_path(), image_id)
        try:
            return str(super().get_image_uri(image_id))
        except IndexError:
            raise HTTPException(status_code=404, detail=f"Expected a series, but there is no {image_id}.") from None
        except OSError as error:  # includes errors of `requests`
            if not any(folder.glob("*.dcm")):  # an empty folder would be taken for a series
                shutil.rmtree(folder, ignore_errors=True)
            status = 404 if "404" in str(error) else 502
            detail = f"Expected series {image_id} from the DICOMweb server, but got none ({type(error).__name__})."
            raise HTTPException(status_code=status, detail=detail) from error

    def saved_label(self, image_id: str, image: LabelImage) -> np.ndarray:
        """The label saved here, otherwise a segmentation of the series that others stored on the server."""
        if os.path.isfile(LocalDatastore.get_label_uri(self, image_id, DefaultLabelTag.FINAL)):
            return super().saved_label(image_id, image)
        study = str(image.sources[0].header.StudyInstanceUID)
        query = {"StudyInstanceUID": study, "Modality": "SEG"}
        for record in self._client.search_for_series(search_filters=query):
            for instance in self._client.retrieve_series(study, record["0020000E"]["Value"][0]):
                referenced = [str(item.SeriesInstanceUID) for item in instance.get("ReferencedSeriesSequence") or []]
                if image_id in referenced:
                    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
                        instance.save_as(file.name)
                        return labels_of_seg(Path(file.name), image)
        raise ValueError("Expected a segmentation of a labeled series, but the server has none.")

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any], label_id: str = ""
    ) -> str:
        """Store a final label on the server first, then in the cache; if the server refuses it, it is not saved."""
        file = self.checked_label(image_id, Path(label_filename), label_tag)
        info = dict(label_info or {})
        if check_tag(label_tag) == DefaultLabelTag.FINAL.value:
            with discarding(label_filename), answering_label(label_filename):
                seg = self.dicom_seg(image_id, file, info.get("label_info") or [])
            try:
                info["SeriesInstanceUID"] = dicom_web_upload_dcm(seg, self._client)
            except OSError as error:
                detail = f"The DICOMweb server did not accept the label ({type(error).__name__}): it is not saved."
                raise HTTPException(status_code=502, detail=detail) from error
            finally:
                os.unlink(seg)
            DICOMWebDatastore.get_labeled_images.cache_clear()  # otherwise it is offered as unlabeled for two hours
            image = self.get_image_info(image_id)
            info.update({key: image.get(key) for key in ("Modality", "PatientID", "StudyInstanceUID")})
        return self._store_label(image_id, file, check_tag(label_tag), info)


_PROMPTS = ("foreground", "background", "roi", "slice")


class OutlineTask(InferTask):
    """Contours of one bundle.

    Args:
        store: weights of the bundle.
        datastore: datastore of the images.
        images: cache of decoded images.
        prompts: take points and boxes (MONAI Label's type `deepgrow`), otherwise whole images (type `segmentation`).
    """

    def __init__(self, store: ModelStore, datastore: Datastore, images: ImageCache, prompts: bool = True) -> None:
        self.store, self.datastore, self.images, self.prompts = store, datastore, images, prompts
        self.finds = store.finds
        labels = [structure.label for structure in label_structures(store.structures, store.nested)]
        prompt = "a click or a box" if LV_ENDOCARDIUM in store.structures else "a box, or clicks at its ends"
        prompt = prompt if prompts else "all slices, nothing to click"
        super().__init__(
            type=InferType.DEEPGROW if prompts else InferType.SEGMENTATION,
            labels={label: value for value, label in enumerate(labels, start=1)},
            dimension=2 if prompts else 3,
            description=f"{' and '.join(labels)} by {store.bundle}: {prompt}",
            config={"result_extension": "", "result_compress": False},
        )

    def is_valid(self) -> bool:
        """Whether the weights exist."""
        return self.store.path.is_file()

    def get_path(self, validate: bool = True) -> str:
        """Path of the weights."""
        return str(self.store.path)

    def __call__(self, request: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        model = self.store.load()
        if request.get("image_id"):
            image = self.datastore.label_image(request["image_id"])
        else:
            image = self.images.read(Path(request["image"]))
        if not self.prompts:
            request = {key: value for key, value in request.items() if key not in _PROMPTS}
        return answer(request, image, model)


class FineTuneTask(TrainTask):
    """Training of one bundle on the saved labels; MONAI Label runs it in a separate process."""

    def __init__(self, store: ModelStore, app_dir: Path, images: ImageCache) -> None:
        super().__init__(f"Trains {store.bundle} further on saved labels and keeps the better weights")
        self.store, self.app_dir, self.images = store, app_dir, images

    def config(self) -> dict[str, Any]:
        """Options of a training, with their defaults."""
        default = FineTuning()
        return {
            "max_epochs": default.max_epochs,
            "batch_size": default.batch_size,
            "learning_rate": default.learning_rate,
            "val_split": default.val_split,
            "device": [*(["cuda"] if torch.cuda.is_available() else []), "cpu"],
        }

    def stats(self) -> dict[str, Any]:
        """Records of earlier trainings by number."""
        return {str(number): record for number, record in enumerate(self.store.history(), start=1)}

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))  # leaves cores to the server
        labeled = []
        for image_id in sorted(set(datastore.get_labeled_images())):  # named once for each of its segmentations
            try:
                image = datastore.label_image(image_id)
                labeled.append((image_id, image, datastore.saved_label(image_id, image)))
            except (ValueError, OSError) as error:
                _logger.warning("A label is left out of the training: %s", error)
        scratch = self.app_dir / "training" / self.store.bundle
        return fine_tune(self.store, labeled, scratch, FineTuning.from_request(request))


class UncertaintyStrategy(Strategy):
    """Choice of the image with the most uncertain contours."""

    def __init__(self, store: ModelStore, images: ImageCache) -> None:
        super().__init__(f"The image with the largest spread of contours by {store.bundle}")
        self.store = store
        self._known: dict[tuple[str, str], float] = {}

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        model = self.store.load()

        def uncertainty(image_id: str) -> float:
            key = (image_id, model.checkpoint_sha256)
            if key not in self._known:
                self._known[key] = image_uncertainty(datastore.label_image(image_id), model)
            return self._known[key]

        chosen = choose_uncertain(sorted(datastore.get_unlabeled_images()), uncertainty)
        if chosen is None:
            return None
        image_id, value = chosen
        return {"id": image_id, "uncertainty": None if math.isnan(value) else round(value, 4)}


class DiceScore(ScoringMethod):
    """Dice of the model, given one click or box, against each saved label; written to the label's information."""

    def __init__(self, store: ModelStore, images: ImageCache) -> None:
        super().__init__(f"Dice of {store.bundle} after one click against saved labels")
        self.store = store

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        model, scores = self.store.load(), {}
        for image_id in sorted(set(datastore.get_labeled_images())):  # named once for each of its segmentations
            try:
                image = datastore.label_image(image_id)
                score = score_label(image, datastore.saved_label(image_id, image), model)
            except (ValueError, OSError) as error:
                _logger.warning("A label cannot be scored: %s", error)
                continue
            info = datastore.get_label_info(image_id, DefaultLabelTag.FINAL)
            known = dict(info.get("scores") or {})
            known[self.store.bundle] = {**score, "weights_sha256": model.checkpoint_sha256}
            if info:  # a label that others stored on a DICOMweb server has no information here
                datastore.update_label_info(image_id, DefaultLabelTag.FINAL, {"scores": known})
            scores[image_id] = score
        dices = [score["dice"] for score in scores.values() if score["dice"] is not None]
        return {"scores": scores, "mean_dice": sum(dices) / len(dices) if dices else None}


@contextmanager
def answering(path: str = "") -> Iterator[None]:
    """Turn errors into answers with a status and a message; MONAI Label would answer `Internal Server Error`."""
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

    ``--conf`` settings: ``models`` (names of bundles, separated by commas; default: all that have weights), ``device``
    (``cpu``, ``cuda``), ``auto_scoring`` (``true`` has MONAI Label score after each sample, in a separate process).
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
        infer_endpoint.nifti_to_dicom_seg = self.dicom_seg  # MONAI Label's own fails on mammograms

    def init_infers(self) -> dict[str, Any]:
        """Inference tasks by name."""
        tasks: dict[str, Any] = {}
        for name, store in self.stores.items():
            tasks[name] = OutlineTask(store, self.datastore(), self.images)
            if tasks[name].finds:
                tasks[f"{name}_auto"] = OutlineTask(store, self.datastore(), self.images, prompts=False)
        return tasks

    def init_trainers(self) -> dict[str, Any]:
        """Training tasks by bundle."""
        return {name: FineTuneTask(store, Path(self.app_dir), self.images) for name, store in self.stores.items()}

    def init_strategies(self) -> dict[str, Any]:
        """Strategies of active learning by name."""
        return {
            "random": Random(),
            **{f"uncertainty_{name}": UncertaintyStrategy(store, self.images) for name, store in self.stores.items()},
        }

    def init_scoring_methods(self) -> dict[str, Any]:
        """Scoring methods by name."""
        return {f"dice_{name}": DiceScore(store, self.images) for name, store in self.stores.items()}

    def init_datastore(self) -> Datastore:
        """The datastore of the studies: a folder, or a DICOMweb server."""
        if self.studies.startswith(("http://", "https://")):
            self.studies = self.studies.rstrip("/").strip()
            return self.init_remote_datastore()
        return StudiesFolder(self.studies, self.images)

    def _init_dicomweb_datastore(self) -> Datastore:
        """Like MONAI Label's, with our own datastore, and without downloading an unused program."""
        user, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
        session = None
        if user and password:
            session = create_session_from_user_pass(user, password)
            session.auth = (user.encode("utf-8"), password.encode("utf-8"))  # the encoding of Orthanc and browsers
        client = DICOMwebClientX(
            url=self.studies,
            session=session,
            qido_url_prefix=settings.MONAI_LABEL_QIDO_PREFIX,
            wado_url_prefix=settings.MONAI_LABEL_WADO_PREFIX,
            stow_url_prefix=settings.MONAI_LABEL_STOW_PREFIX,
        )
        return DicomWebStudies(client, self.images)

    def infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Answer one request; errors become answers, too."""
        with answering():
            name = request.get("model")
            task = self._infers.get(name)
            if task is None:
                raise NotFoundError(f"Expected a model of {sorted(self._infers)}, but got {str(name)[:80]!r}.")
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
        """The file of an image, and whether it is in the datastore: others are uploads and sessions.

        MONAI Label would open any path of the server that a client names.
        """
        if not isinstance(image_id, str) or not image_id:
            raise NotFoundError("Expected the id of an image, but got none.")
        if os.path.isabs(image_id):
            real = Path(image_id).resolve()
            sessions = self._sessions.store_path if self._sessions else None
            folders = [Path(folder).resolve() for folder in (tempfile.gettempdir(), sessions) if folder]
            if any(real.is_relative_to(folder) for folder in folders) and real.exists():
                return str(real), False
            raise NotFoundError("Expected the id of an image, but got a path.")
        path = store.get_image_uri(image_id)
        if not path or not os.path.exists(path):
            raise NotFoundError(f"Expected an image of this server, but it has none with the id {image_id[:80]!r}.")
        return path, True

    def dicom_seg(self, series_dir: str, label: str, label_info: Any = None, **_: Any) -> str:
        """Replacement for MONAI Label's `nifti_to_dicom_seg`, with this package's writer."""
        with answering(series_dir):
            return self.datastore().dicom_seg(Path(series_dir).name, Path(label), label_info or [])

    def next_sample(self, request: dict[str, Any]) -> dict[str, Any]:
        """The next image to label, by the requested strategy."""
        with answering():
            strategy = str(request.get("strategy") or "random")
            if strategy not in self._strategies:
                raise NotFoundError(f"Expected a strategy of {sorted(self._strategies)}, but got {strategy[:80]!r}.")
            return super().next_sample(request)

    def train(self, request: dict[str, Any]) -> Any:
        """Train the requested model."""
        with answering():
            if request.get("model") not in self._trainers:
                raise NotFoundError(f"Expected a model of {sorted(self._trainers)}, but got {request.get('model')!r}.")
            return super().train(request)

    def scoring(self, request: dict[str, Any], datastore: Datastore | None = None) -> Any:
        """Score the requested model on the saved labels."""
        with answering():
            if request.get("method") not in self._scoring_methods:
                raise NotFoundError(f"Expected a method of {sorted(self._scoring_methods)}.")
            return super().scoring(request, datastore)

    def model_file(self, model: str, validate: bool = True) -> str | None:
        """Path of a model's weights, present or not: the file that clients upload and download."""
        store = self.stores.get(model.removesuffix("_auto"))
        return str(store.path) if store else None


def _stores(app_dir: Path, conf: dict[str, str]) -> dict[str, ModelStore]:
    """Stores of the requested bundles that have weights."""
    known = bundle_names()
    requested = [name.strip() for name in str(conf.get("models") or ",".join(known)).split(",")]
    unknown = sorted(set(requested) - set(known))
    if unknown:
        raise ValueError(f"Expected --conf models to name bundles of {known}, but got {unknown}.")
    stores = {name: ModelStore(name, app_dir / "model", conf.get("device")) for name in requested}
    return {name: store for name, store in stores.items() if store.prepare()}
