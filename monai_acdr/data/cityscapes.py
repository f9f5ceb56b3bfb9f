# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data list of building or car instances as Cityscapes has them, and the HDF5 files that may hold their images."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import PathLike
from monai.data.image_reader import ImageReader
from monai.utils import ensure_tuple, optional_import
from monai.utils.enums import MetaKeys

from monai_acdr.data.files import check_regular_file, natural_key, walk_files
from monai_acdr.data.pictures import decode_picture
from monai_acdr.data.report import QualityReport
from monai_acdr.data.splits import group_name
from monai_acdr.data.text_files import path_parts, read_json
from monai_acdr.geometry import signed_area
from monai_acdr.read_budget import check_bytes, check_pixels

__all__ = [
    "CITYSCAPES_GROUPS",
    "HDF5ImageReader",
    "HDF5_SUFFIXES",
    "SEPARATOR",
    "cityscapes_data_list",
    "open_hdf5",
]

HDF5_SUFFIXES = (".h5", ".hdf5")

SEPARATOR = "::"
"""Between the file and the key in an item's ``image``: ``train/images.h5::aachen_000000.png``."""


class HDF5ImageReader(ImageReader):
    """Read one image of an HDF5 file, named ``<file>::<key>``.

    A data set (H, W) or (H, W, C) is taken as it is, one of bytes (1-D uint8, or one string of bytes) is decoded as a
    picture (:mod:`monai_acdr.data.pictures`). Data outside the file (external links and storage) are refused.

    Raises:
        ImportError: when h5py is not installed.
        ValueError: when there is no such image, or it cannot be read; the message names file and key.
    """

    def verify_suffix(self, filename: Sequence[PathLike] | PathLike) -> bool:
        """Whether every name is of the form ``<file>.h5::<key>``."""
        return all(
            SEPARATOR in str(name) and str(name).partition(SEPARATOR)[0].lower().endswith(HDF5_SUFFIXES)
            for name in ensure_tuple(filename)
        )

    def read(self, data: Sequence[PathLike] | PathLike, **kwargs: Any) -> np.ndarray:
        """The image's array, (H, W) or (H, W, C), row first."""
        names = ensure_tuple(data)
        path, separator, key = str(names[0]).partition(SEPARATOR)
        if len(names) != 1 or not separator or not key:
            raise ValueError(f"Expected one name <file>{SEPARATOR}<key>, but got {names}: see cityscapes_data_list.")
        with open_hdf5(path) as file:
            return _image(file, key, f"{key} in {path}")

    def get_data(self, img: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        """The array and its metadata: ``affine`` of one pixel a unit, ``spatial_shape`` (H, W)."""
        meta: dict[str, Any] = {
            MetaKeys.AFFINE: np.eye(4),
            MetaKeys.ORIGINAL_AFFINE: np.eye(4),
            MetaKeys.SPATIAL_SHAPE: np.asarray(img.shape[:2]),
            MetaKeys.ORIGINAL_CHANNEL_DIM: "no_channel" if img.ndim == 2 else -1,
        }
        return img, meta


def open_hdf5(path: str | Path) -> Any:
    """Open a file for reading.

    Raises:
        ImportError: when h5py is not installed.
        FileNotFoundError: when there is no such file.
        ValueError: when it is not an HDF5 file, or is truncated.
    """
    h5py, found = optional_import("h5py")
    if not found:
        raise ImportError(
            f"Expected h5py to read {path}, but it is not installed: pip install 'monai_acdr[hdf5]', or unpack the "
            "images into a folder."
        )
    check_regular_file(Path(path), "an HDF5 file")
    try:
        return h5py.File(path, "r")
    except Exception as error:  # damaged structures make h5py raise RuntimeError and others as well
        raise ValueError(f"Expected an HDF5 file, but {path} cannot be opened ({error}): copy it again.") from error


def _image(file: Any, key: str, location: str) -> np.ndarray:
    h5py, _ = optional_import("h5py")
    try:
        dataset = file[key] if key in file else None
    except Exception as error:  # a damaged file makes h5py raise nearly anything
        raise ValueError(
            f"Expected an image {location}, but it cannot be read ({error}): copy the file again."
        ) from error
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"Expected an image {location}, but it is missing: is it the file of this group?")
    if dataset.file.filename != file.filename or dataset.external or dataset.is_virtual:
        raise ValueError(f"Expected an image {location}, but its data lie in another file: copy them into this one.")
    if dataset.size is None:
        raise ValueError(f"Expected an image {location}, but its data set is empty.")
    check_bytes(location, dataset.size * dataset.dtype.itemsize)
    if dataset.dtype.kind in "uif" and dataset.ndim > 1:
        check_pixels(location, dataset.shape)
    try:
        array = np.asarray(dataset[()])
    except Exception as error:  # damaged chunks, unknown filters
        raise ValueError(
            f"Expected a readable image {location}, but it cannot be decoded ({type(error).__name__}: {error})."
        ) from error
    if array.dtype.kind in "SOV" or (array.ndim == 1 and array.dtype == np.uint8):
        array = decode_picture(_content(array, location), location)
    if array.ndim not in (2, 3) or array.dtype.kind not in "uif":
        raise ValueError(f"Expected {location} to be (H, W) or (H, W, C), but got {array.dtype} {array.shape}.")
    return array


def _content(array: np.ndarray, location: str) -> bytes:
    """The bytes of a picture."""
    if array.dtype.kind in "uSV":
        return array.tobytes()
    value = array.item() if array.size == 1 else None
    if not isinstance(value, bytes):
        raise ValueError(f"Expected an image or the bytes of a picture in {location}, but got {array.size} objects.")
    check_bytes(location, len(value))
    return value


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
    """List the instances of some classes, one dictionary per component, sorted by image, class and place in the file.

    The file holds ``{"classes_names": [...], "data": {class: [{"img": {"height", "width", "file_name"},
    "segmentation": [[x, y, x, y, ...], ...]}]}}``; a component may also be a list of pairs.

    Args:
        json_path: ``{train,train_val,val}/all_classes_instances.json``, or the folder that holds these folders.
        images: HDF5 file keyed by file name, or folder with the images; None takes the only HDF5 file beside each JSON
            file, otherwise the folder ``images`` there, otherwise the JSON file's own.
        class_name: such as "car", or several; None for all.
        min_area: components of at most so many square pixels are left out.
        pixel_centers: coordinates are pixel indices, as the Cityscapes tools draw them, and half a pixel is added;
            False takes them as they are.
        group: "training", "validation" or "test", by the folder's name (:data:`CITYSCAPES_GROUPS`); None for all.
        report: filled with what was left out, and why, and with counts.

    Returns:
        ``image`` (path, or ``<file>::<key>`` for :class:`~monai_acdr.data.cityscapes.HDF5ImageReader`), ``contour``
        ((N, 2) float64 in pixels, limited to the image), ``class_name``, ``name``, ``patient`` (the image's name, so
        that intervals are by image), ``group``, ``component`` (from 1), ``laterality`` and ``view`` (None),
        ``has_spacing`` (False).

    Raises:
        FileNotFoundError: when the JSON file or the images are absent.
        ImportError: for HDF5 without h5py.
        ValueError: when the file is not such a JSON, a class is unknown, or nothing remains.
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
    requested = [file for file in found if group is None or _group(file) == group_name(group)]
    if not requested:
        raise ValueError(
            f"Expected {{{','.join(CITYSCAPES_GROUPS)}}}/{JSON_NAME} in {path}, for `group` {group!r}, but found "
            f"groups {[_group(file) for file in found]}: check `json_path` and `group`."
        )
    return requested


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
    requested = (
        list(classes) if class_name is None else [class_name] if isinstance(class_name, str) else list(class_name)
    )
    unknown = [name for name in requested if name not in classes]
    if unknown:
        raise ValueError(f"Expected `class_name` to be of {sorted(classes)} in {path}, but got {unknown}.")
    return {name: classes[name] for name in requested}


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
            report.add("invalid_contour", name, f"shape {vertices.shape}, or values that are not numbers")
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
