# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data list of the instances of Cityscapes, from ``all_classes_instances.json`` as the published code prepares it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_acdr.data.files import natural_key, walk_files
from monai_acdr.data.hdf5_images import HDF5_SUFFIXES, SEPARATOR, open_hdf5
from monai_acdr.data.mass_tables import path_parts
from monai_acdr.data.pair_groups import group_name
from monai_acdr.data.report import QualityReport
from monai_acdr.data.text_files import read_json
from monai_acdr.geometry import signed_area

__all__ = ["CITYSCAPES_GROUPS", "cityscapes_data_list"]

CITYSCAPES_GROUPS = {"train": "training", "train_val": "validation", "val": "test"}
"""The folder of the JSON file, and its group: the official validation images are the published test set."""

JSON_NAME = "all_classes_instances.json"

MAX_SIDE = 100_000

MAX_DETAIL = 200
"""Characters of an error that may quote a value of the file."""

_logger = logging.getLogger(__name__)


def cityscapes_data_list(
    json_path: str | Path,
    images: str | Path | None = None,
    class_name: str | Sequence[str] | None = None,
    min_area: float = 100.0,
    pixel_centers: bool = True,
    group: str | None = None,
    report: QualityReport | None = None,
) -> list[dict[str, Any]]:
    """List the instances of some classes, one dictionary a component, sorted by image, class and place in the file.

    The file holds ``{"classes_names": [...], "data": {class: [{"img": {"height", "width", "file_name"},
    "segmentation": [[x, y, x, y, ...], ...]}]}}``; a component may also be a list of pairs.

    Args:
        json_path: ``{train,train_val,val}/all_classes_instances.json``, or the folder that holds these folders.
        images: HDF5 file keyed by file name, or folder with the images; None takes the only HDF5 file beside each JSON
            file, else the folder ``images`` there, else the JSON file's own.
        class_name: such as "car", or several; None for all.
        min_area: components of at most so many square pixels are left out.
        pixel_centers: coordinates are pixel indices, as the Cityscapes tools draw them, and half a pixel is added;
            False takes them as they are.
        group: "training", "validation" or "test", by the folder's name (:data:`CITYSCAPES_GROUPS`); None for all.
        report: filled with what was left out, and why, and with counts.

    Returns:
        ``image`` (path, or ``<file>::<key>`` for :class:`~monai_acdr.data.hdf5_images.HDF5ImageReader`), ``contour``
        ((N, 2) float64 in pixels, limited to the image), ``class_name``, ``name``, ``patient`` (the image's name, so
        that intervals are by image), ``group``, ``component`` (from 1), ``laterality`` and ``view`` (None),
        ``has_spacing`` (False).

    Raises:
        FileNotFoundError: when the JSON file or the images are absent.
        ImportError: for HDF5 without h5py.
        ValueError: when the file is no such JSON, a class is unknown, or nothing remains.
    """
    report = QualityReport() if report is None else report
    paths = _json_files(Path(json_path), group)
    shift = 0.5 if pixel_centers else 0.0
    items = [item for path in paths for item in _of_file(path, images, class_name, min_area, shift, report)]
    if not items:
        raise ValueError(
            f"Expected components of more than {min_area} pixels in {json_path}, with their images, but found none "
            f"(left out: {report.kinds() or 'nothing'}): check `images` and `class_name`."
        )
    items.sort(key=lambda item: (natural_key(item["name"]), item["group"]))
    report.layout = report.layout or "cityscapes"
    report.counts |= {"images": len({item["image"] for item in items}), "components": len(items)}
    left_out = ", ".join(f"{number} {kind}" for kind, number in report.kinds().items()) or "nothing"
    _logger.info("%s: %d components; left out: %s.", json_path, len(items), left_out)
    return items


def _json_files(path: Path, group: str | None) -> list[Path]:
    """The files of a group; large ones of other groups are not read."""
    if not path.exists():
        raise FileNotFoundError(f"Expected {JSON_NAME}, but {path} does not exist: check `json_path`.")
    found = [path]
    if path.is_dir():
        found = [file for name in ("", *CITYSCAPES_GROUPS) if os.path.lexists(file := path / name / JSON_NAME)]
    wanted = [file for file in found if group is None or _group(file) == group_name(group)]
    if not wanted:
        raise ValueError(
            f"Expected {{{','.join(CITYSCAPES_GROUPS)}}}/{JSON_NAME} in {path}, for `group` {group!r}, but found "
            f"groups {[_group(file) for file in found]}: check `json_path` and `group`."
        )
    return wanted


def _group(path: Path) -> str:
    name = path.resolve().parent.name
    return CITYSCAPES_GROUPS.get(name, name)


def _of_file(
    path: Path,
    images: str | Path | None,
    class_name: str | Sequence[str] | None,
    min_area: float,
    shift: float,
    report: QualityReport,
) -> Iterator[dict[str, Any]]:
    """Items of one JSON file."""
    data, locate, group = _classes(path, class_name), _locator(path, images), _group(path)
    for class_, instances in data.items():
        for number, instance in enumerate(instances):
            try:
                for item in _items(instance, class_, number, min_area, shift, locate, report):
                    yield item | {"group": group}
            except (ValueError, TypeError, KeyError, OverflowError) as error:
                report.add("invalid_annotation", f"{class_} {number}", str(error)[:MAX_DETAIL])


def _classes(path: Path, class_name: str | Sequence[str] | None) -> dict[str, list[Any]]:
    """Instances of the wanted classes."""
    content = read_json(path, "instances")
    classes = content.get("data") if isinstance(content, dict) else None
    if not isinstance(classes, dict) or not all(isinstance(instances, list) for instances in classes.values()):
        raise ValueError(
            f"Expected {{'data': {{class: [instances]}}}} in {path}, but it differs: prepare the file again."
        )
    wanted = list(classes) if class_name is None else [class_name] if isinstance(class_name, str) else list(class_name)
    unknown = [name for name in wanted if name not in classes]
    if unknown:
        raise ValueError(f"Expected `class_name` to be of {sorted(classes)} in {path}, but got {unknown}.")
    return {name: classes[name] for name in wanted}


def _items(
    instance: Any,
    class_: str,
    number: int,
    min_area: float,
    shift: float,
    locate: Callable[[str], str | None],
    report: QualityReport,
) -> Iterator[dict[str, Any]]:
    """Items of one instance, before the group."""
    file, size = str(instance["img"]["file_name"]), (int(instance["img"]["height"]), int(instance["img"]["width"]))
    if not all(0 < side <= MAX_SIDE for side in size):
        raise ValueError(f"Expected a height and width of 1 .. {MAX_SIDE}, but got {size}.")
    image = locate(file)
    if image is None:
        report.add("annotation_without_image", file)
        return
    stem = path_parts(file)[-1].rsplit(".", 1)[0]
    for index, component in enumerate(instance["segmentation"], start=1):
        name = f"{stem}-{class_}-{number}-{index}"
        vertices = np.asarray(component, dtype=np.float64)
        if vertices.ndim == 1 and vertices.size % 2 == 0:
            vertices = vertices.reshape(-1, 2)
        if vertices.ndim != 2 or vertices.shape[1] != 2 or not np.isfinite(vertices).all():
            report.add("invalid_contour", name, f"shape {vertices.shape}, or values that are no numbers")
            continue
        vertices = np.clip(vertices + shift, 0, (size[1], size[0]))
        if len(vertices) > 3 and np.array_equal(vertices[0], vertices[-1]):
            vertices = vertices[:-1]
        area = abs(float(signed_area(torch.from_numpy(vertices)))) if len(vertices) >= 3 else 0.0
        if area <= min_area:
            report.add("small_object", name, f"{area:.1f} square pixels")
            continue
        yield {
            "image": image,
            "contour": vertices,
            "class_name": class_,
            "name": name,
            "patient": stem,
            "component": index,
            "laterality": None,
            "view": None,
            "has_spacing": False,
        }


def _locator(path: Path, images: str | Path | None) -> Callable[[str], str | None]:
    """A function from a file name in the JSON file to an item's ``image``, None where it is absent."""
    source = _default_images(path.parent) if images is None else Path(images)
    if source.is_dir():
        files = {
            (folder / name).relative_to(source).as_posix() for folder, names in walk_files(source) for name in names
        }
        by_name = {name.rsplit("/", 1)[-1]: name for name in sorted(files)}

        def in_folder(file: str) -> str | None:
            parts = path_parts(file)
            found = "/".join(parts) if "/".join(parts) in files else by_name.get(parts[-1])
            return str(source / found) if found else None

        return in_folder
    if not source.is_file():
        raise FileNotFoundError(f"Expected an HDF5 file or a folder of images, but {source} is absent: pass `images`.")
    with open_hdf5(source) as file:
        keys: set[str] = set()
        file.visit(keys.add)

    def in_hdf5(name: str) -> str | None:
        key = "/".join(path_parts(name))
        found = next((candidate for candidate in (key, key.rsplit("/", 1)[-1]) if candidate in keys), None)
        return f"{source}{SEPARATOR}{found}" if found else None

    return in_hdf5


def _default_images(folder: Path) -> Path:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in HDF5_SUFFIXES)
    if len(files) > 1:
        raise ValueError(f"Expected one HDF5 file in {folder}, but got {[p.name for p in files]}: pass `images`.")
    inner = folder / "images"
    return files[0] if files else inner if inner.is_dir() else folder
