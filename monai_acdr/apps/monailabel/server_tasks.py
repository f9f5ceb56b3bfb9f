# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Tasks of the server, as MONAI Label wants them: thin, the work is done in the modules beside this one."""

from __future__ import annotations

import logging
import math
import os
from pathlib import Path
from typing import Any

import torch
from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask

from monai_acdr.apps.label_values import label_structures
from monai_acdr.apps.monailabel.answers import answer
from monai_acdr.apps.monailabel.fine_tuning import FineTuning, fine_tune
from monai_acdr.apps.monailabel.images import ImageCache
from monai_acdr.apps.monailabel.model_store import ModelStore
from monai_acdr.apps.monailabel.sampling import choose_uncertain
from monai_acdr.apps.monailabel.scores import score_label
from monai_acdr.apps.monailabel.uncertainty import image_uncertainty
from monai_acdr.dicom import LV_ENDOCARDIUM

__all__ = ["DiceScore", "FineTuneTask", "OutlineTask", "UncertaintyStrategy"]

_PROMPTS = ("foreground", "background", "roi", "slice")
_logger = logging.getLogger(__name__)


class OutlineTask(InferTask):
    """Contours of one bundle.

    Args:
        store: its weights.
        datastore: where images are.
        images: cache of decoded images.
        prompts: take points and boxes (MONAI Label's type `deepgrow`); else whole images (type `segmentation`).
    """

    def __init__(self, store: ModelStore, datastore: Datastore, images: ImageCache, prompts: bool = True) -> None:
        self.store, self.datastore, self.images, self.prompts = store, datastore, images, prompts
        self.finds = store.finds
        labels = [structure.label for structure in label_structures(store.structures, store.nested)]
        how = "a click or a box" if LV_ENDOCARDIUM in store.structures else "a box, or clicks at its ends"
        how = how if prompts else "all slices, nothing to click"
        super().__init__(
            type=InferType.DEEPGROW if prompts else InferType.SEGMENTATION,
            labels={label: value for value, label in enumerate(labels, start=1)},
            dimension=2 if prompts else 3,
            description=f"{' and '.join(labels)} by {store.bundle}: {how}",
            config={"result_extension": "", "result_compress": False},
        )

    def is_valid(self) -> bool:
        return self.store.path.is_file()

    def get_path(self, validate: bool = True) -> str:
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
    """Training of one bundle on the saved labels; MONAI Label runs it in a process of its own."""

    def __init__(self, store: ModelStore, app_dir: Path, images: ImageCache) -> None:
        super().__init__(f"Trains {store.bundle} further on saved labels, keeps the better weights")
        self.store, self.app_dir, self.images = store, app_dir, images

    def config(self) -> dict[str, Any]:
        default = FineTuning()
        return {
            "max_epochs": default.max_epochs,
            "batch_size": default.batch_size,
            "learning_rate": default.learning_rate,
            "val_split": default.val_split,
            "device": [*(["cuda"] if torch.cuda.is_available() else []), "cpu"],
        }

    def stats(self) -> dict[str, Any]:
        return {str(number): record for number, record in enumerate(self.store.history(), start=1)}

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))  # the server next door keeps answering
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
    """The image of which the network is least sure."""

    def __init__(self, store: ModelStore, images: ImageCache) -> None:
        super().__init__(f"The image whose contours by {store.bundle} are spread most")
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
            if info:  # of a label that others stored on a DICOMweb server nothing is kept here
                datastore.update_label_info(image_id, DefaultLabelTag.FINAL, {"scores": known})
            scores[image_id] = score
        dices = [score["dice"] for score in scores.values() if score["dice"] is not None]
        return {"scores": scores, "mean_dice": sum(dices) / len(dices) if dices else None}
