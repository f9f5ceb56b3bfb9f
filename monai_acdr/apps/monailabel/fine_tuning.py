# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Fine-tuning of a bundle on saved labels, from the server's weights; only better weights are published."""

from __future__ import annotations

import hashlib
import logging
import shutil
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from monai.bundle import ConfigParser
from PIL import Image

from monai_acdr.apps.label_values import structure_masks
from monai_acdr.apps.model import find_device
from monai_acdr.apps.monailabel.images import LabelImage
from monai_acdr.apps.monailabel.model_store import BusyError, ModelStore
from monai_acdr.apps.monailabel.saved_labels import frame_labels
from monai_acdr.data import pair_folder_data_list
from monai_acdr.handlers import load_network

__all__ = [
    "FineTuning",
    "TrainingSet",
    "fine_tune",
    "is_held_out",
    "one_training",
    "reference_keys",
    "training_items",
    "write_training_set",
]

GROUPS = ("training", "validation")
MIN_PIXELS = 10
"""Masks of fewer pixels are left out: they have no meaningful outline."""


@dataclass(frozen=True)
class TrainingSet:
    """The data written for a training.

    Attributes:
        frames: number of frames, by group.
        images: number of images, by group.
        pixel_mm: median pixel spacing in mm, None where no image states it.
        side: side of the smallest square that holds every frame, in pixels.
    """

    frames: dict[str, int]
    images: dict[str, int]
    pixel_mm: float | None
    side: int


def is_held_out(image_id: str, share: float) -> bool:
    """Whether an image is for validation. This depends on its id alone, so no image changes groups when others come."""
    digest = hashlib.sha256(image_id.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def write_training_set(
    folder: Path,
    labeled: Iterable[tuple[str, LabelImage, np.ndarray]],
    share: float = 0.25,
    num_structures: int = 1,
    nested: bool = False,
) -> TrainingSet:
    """Write ``<group>/images`` and ``<group>/masks``: PNG, 16 bit and 0 or 255, for each frame with a label.

    ``masks`` are those of the first structure, ``masks-2`` and so on those of the others, where a frame has them; a
    frame without the first structure is left out.

    Names are numbers, so that they do not identify a patient.

    Args:
        folder: folder to write to, empty or absent.
        labeled: image id, image, and label map on its grid.
        share: share of images held out for validation; at least one image is held out, and one is not.
        num_structures: N; with one structure all values of a label map count.
        nested: whether each structure contains the one before it, so that label maps have rings
            (:mod:`monai_acdr.apps.label_values`).

    Raises:
        ValueError: when there are fewer than two images with a label.
    """
    items = sorted(labeled, key=lambda item: item[0])
    read = [(name, image, _frame_masks(labels, image, num_structures, nested)) for name, image, labels in items]
    filled = [(name, image, masks) for name, image, masks in read if any(_is_large(frame[0]) for frame in masks)]
    if len(filled) < 2:
        raise ValueError(
            f"Expected saved labels of at least 2 images, one to train and one to validate, but got {len(filled)}: "
            "save more labels first."
        )
    held_out = [is_held_out(name, share) for name, _, _ in filled]
    if all(held_out) or not any(held_out):
        held_out = [index == len(filled) - 1 for index in range(len(filled))]
    frames, images = dict.fromkeys(GROUPS, 0), dict.fromkeys(GROUPS, 0)
    spacings: list[float] = []
    side = 0
    for number, ((_, image, masks), is_validation) in enumerate(zip(filled, held_out, strict=True), start=1):
        group = GROUPS[is_validation]
        images[group] += 1
        for index, (frame, own) in enumerate(zip(image.inputs.frames, masks, strict=True)):
            if not _is_large(own[0]):
                continue
            breast = f"_{frame.laterality}" if frame.laterality else ""
            name = f"{number:05d}-{index:05d}{breast}.png"
            _write_png(folder / group / "images" / name, _sixteen_bit(frame.image.as_tensor()[0].numpy()))
            for place, mask in enumerate(own):
                if _is_large(mask):
                    _write_png(folder / group / _masks(place) / name, mask.astype(np.uint8) * np.uint8(255))
            frames[group] += 1
            side = max(side, *frame.size)
            if frame.spacing is not None:
                spacings.append(sum(frame.spacing) / 2)
    if not all(frames.values()):
        raise ValueError(f"Expected labels of at least {MIN_PIXELS} pixels in both groups, but got {frames} frames.")
    return TrainingSet(frames, images, statistics.median(spacings) if spacings else None, side)


def training_items(folder: Path, group: str, keys: Sequence[str] = ("label",)) -> list[dict[str, Any]]:
    """The data list of a group, without unknown values, because a batch collates all values of an item.

    The masks of the first structure are at ``label``, those of the others at the further `keys`, where there are any.
    Where a file's name states a side, every item has one, otherwise none: left breasts are the ones that are not
    flipped.
    """
    items = pair_folder_data_list(folder, group)
    known = [{key: value for key, value in item.items() if value is not None} for item in items]
    for item in known:
        for place, key in enumerate(keys[1:], start=1):
            mask = folder / group / _masks(place) / Path(item["image"]).name
            if mask.is_file():
                item[key] = str(mask)
    sides = [Path(item["image"]).stem.rpartition("_")[2] for item in known]
    if any(side in ("L", "R") for side in sides):
        for item, side in zip(known, sides, strict=True):
            item["laterality"] = "R" if side == "R" else "L"
    return known


def _frame_masks(labels: np.ndarray, image: LabelImage, number: int, nested: bool) -> list[list[np.ndarray]]:
    """Masks (H, W) bool of the structures, for each frame."""
    return [structure_masks(frame, number, nested) for frame in frame_labels(labels, image)]


def _is_large(mask: np.ndarray) -> bool:
    return int(mask.sum()) >= MIN_PIXELS


def _masks(place: int) -> str:
    """Folder of the masks of a structure, from 0."""
    return "masks" if place == 0 else f"masks-{place + 1}"


def _sixteen_bit(pixels: np.ndarray) -> np.ndarray:
    """Values as 16 bits; crops are normalized, so scale and offset do not matter."""
    low, high = float(pixels.min()), float(pixels.max())
    return np.round((pixels - low) / max(high - low, 1e-12) * 65535).astype(np.uint16)


def _write_png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")


METRIC = "val_mean_dice"
REFERENCE_KEYS = "train#reference_keys"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FineTuning:
    """Options of a training, as MONAI Label's clients show and send them.

    Attributes:
        max_epochs: largest number of epochs.
        learning_rate: initial learning rate.
        batch_size: frames per batch.
        val_split: share of images that are held out.
        device: see :func:`monai_acdr.apps.model.find_device`; empty for the best available.
    """

    max_epochs: int = 20
    learning_rate: float = 0.0005
    batch_size: int = 16
    val_split: float = 0.25
    device: str = ""

    @classmethod
    def from_request(cls, request: Mapping[str, Any]) -> FineTuning:
        """Read a request; options that it does not name keep their defaults.

        Raises:
            ValueError: when a value is out of range.
        """
        default = cls()
        try:
            found = cls(
                int(request.get("max_epochs", default.max_epochs)),
                float(request.get("learning_rate", default.learning_rate)),
                int(request.get("batch_size", request.get("train_batch_size", default.batch_size))),
                float(request.get("val_split", default.val_split)),
                _first(request.get("device", default.device)),
            )
        except (TypeError, ValueError):
            raise ValueError(f"Expected numbers for {sorted(asdict(default))}, but got others.") from None
        if not (1 <= found.max_epochs <= 10_000 and 1 <= found.batch_size <= 1024 and 0 < found.learning_rate < 1):
            raise ValueError("Expected max_epochs from 1 to 10000, batch_size from 1 to 1024, learning_rate below 1.")
        if not 0 < found.val_split < 1:
            raise ValueError(f"Expected val_split between 0 and 1, but got {found.val_split}.")
        return found


def _first(device: Any) -> str:
    """The device that a client sends, the first of a list; empty for a name that torch does not know."""
    name = str(device[0] if isinstance(device, (list, tuple)) and device else device or "")
    return name if name.split(":")[0] in ("cpu", "cuda", "mps") else ""


@contextmanager
def one_training(folder: Path) -> Iterator[None]:
    """Hold a lock while a training runs; the system releases it when the process ends, for whatever reason.

    Raises:
        BusyError: when another training holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".training.lock", timeout=0):
            yield
    except Timeout:
        raise BusyError("Expected no other training at the same time, but one is running: wait, or stop it.") from None


def fine_tune(
    store: ModelStore,
    labeled: Iterable[tuple[str, LabelImage, np.ndarray]],
    scratch: Path,
    options: FineTuning | None = None,
) -> dict[str, Any]:
    """Train a bundle further, and publish the result if it is better on the images that are held out.

    Args:
        store: store with the initial weights; of an ensemble the first member is trained.
        labeled: image id, image, and label map on its grid.
        scratch: folder for the data and checkpoints of this training; emptied before and removed after it.
        options: options of the training.

    Returns:
        A record, also kept in the store's history: ``published``, ``dice_before``, ``dice_after`` (on the same held-out
        images), ``epoch`` (of the best weights), ``frames`` and ``images`` (by group), ``seconds``, ``time``.

    Raises:
        BusyError: when another training runs.
        ValueError: when labels are missing, or the bundle's training does not read a reference for each structure.
    """
    options = options or FineTuning()
    keys = reference_keys(store)
    start = time.monotonic()
    with one_training(store.folder):
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            data = write_training_set(scratch / "data", labeled, options.val_split, len(keys), store.nested)
            _logger.info("Training %s on %s frames", store.bundle, data.frames)
            before, after, epoch = _train(store, scratch, data, options, keys)
            record = {
                "published": after > before,
                "dice_before": round(before, 6),
                "dice_after": round(after, 6),
                "epoch": epoch,
                "frames": data.frames,
                "images": data.images,
                "seconds": round(time.monotonic() - start, 1),
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }
            if record["published"]:
                store.publish(scratch / "best.pt", record)
            else:
                store.remember(record)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    _logger.info("Training of %s: %s", store.bundle, record)
    return record


def reference_keys(store: ModelStore) -> tuple[str, ...]:
    """Keys of a data list from which the bundle's training reads the references, one per structure.

    They are ``train#reference_keys`` of its configs/train.json; ``label`` where it has no such key.

    Raises:
        ValueError: when their number is not that of the bundle's structures.
    """
    parser = ConfigParser()
    parser.read_config(str(store.root / "configs" / "train.json"))
    # The keys may depend on other settings, such as the number of structures.
    found = parser.get_parsed_content(REFERENCE_KEYS) if REFERENCE_KEYS in parser else "label"
    keys = (found,) if isinstance(found, str) else tuple(map(str, found))
    if len(keys) != len(store.structures):
        raise ValueError(
            f"Expected the training of {store.bundle} to read a reference for each of its {len(store.structures)} "
            f"structures, but {REFERENCE_KEYS} of its configs/train.json is {list(keys)}."
        )
    return keys


def _train(
    store: ModelStore, scratch: Path, data: TrainingSet, options: FineTuning, keys: Sequence[str]
) -> tuple[float, float, int]:
    """Dice of the present weights, Dice of the best new weights, and the epoch of the latter."""
    before = _score(_configured(store, scratch, data, options, keys), store)
    parser = _configured(store, scratch, data, options, keys)
    # An ensemble's members were trained apart, which is why they differ where they are unsure; trained together they
    # would not. So only the first one is trained further, and it has to become better than the whole ensemble was.
    load_network(parser.get_parsed_content("network"), store.path, parser["device"], member=0)
    checkpoint = parser.get_parsed_content("train#checkpoint")
    parser.get_parsed_content("initialize")
    parser.get_parsed_content("train#trainer").run()
    after, epoch = float(checkpoint.best["metric"]), int(checkpoint.best["epoch"])
    return before, after if np.isfinite(after) else -1.0, epoch


def _configured(
    store: ModelStore, scratch: Path, data: TrainingSet, options: FineTuning, keys: Sequence[str]
) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(str(store.root / "configs" / "train.json"))
    for key, value in _overrides(parser, store, scratch, data, options, keys).items():
        parser[key] = value
    parser["device"] = find_device(options.device or None)
    return parser


def _score(parser: ConfigParser, store: ModelStore) -> float:
    """Mean Dice of the present weights; an ensemble is scored as a whole, as the server uses it."""
    load_network(parser.get_parsed_content("network"), store.path, parser["device"])
    evaluator = parser.get_parsed_content("validate#evaluator")
    evaluator.run()
    return float(evaluator.state.metrics[METRIC])


def _overrides(
    parser: ConfigParser,
    store: ModelStore,
    scratch: Path,
    data: TrainingSet,
    options: FineTuning,
    keys: Sequence[str],
) -> dict[str, Any]:
    values: dict[str, Any] = {
        "bundle_root": str(store.root),
        "dataset_dir": str(scratch / "data"),
        "output_dir": str(scratch / "output"),
        "checkpoint": str(scratch / "best.pt"),
        "train#data_list": training_items(scratch / "data", "training", keys),
        "validate#data_list": training_items(scratch / "data", "validation", keys),
        "max_epochs": options.max_epochs,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "val_interval": max(1, options.max_epochs // 10),
        "train#warmup_epochs": min(1, options.max_epochs - 1),
        "train#ema#momentum": 0.1,
        "train#dataloader#num_workers": 0,
    }
    if "train#frame_size" in parser:  # frames of a batch are padded or cropped to this size, and none may be cropped
        values["train#frame_size"] = max(int(parser["train#frame_size"]), data.side)
    if "region#label_side" in parser and data.pixel_mm is not None:
        metadata = ConfigParser.load_config_file(str(store.root / "configs" / "metadata.json"))
        pixel_mm = metadata.get("regions", {}).get("pixel_mm")
        if pixel_mm:
            values["region#label_side"] = float(parser["region#label_side"]) * float(pixel_mm) / data.pixel_mm
    return values
