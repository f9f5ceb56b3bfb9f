# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Training frames of localizers: whole frames with the place and size of a heart or another object, or without one."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.transforms import Compose
from torch import Tensor

from monai_acdr.data.contour_files import read_contour
from monai_acdr.data.frame_checks import is_contour_file, load_gray, load_mask
from monai_acdr.data.mass_reference import load_pair
from monai_acdr.data.report import QualityReport
from monai_acdr.data.sunnybrook.pairing import sunnybrook_data_list
from monai_acdr.dicom import elements
from monai_acdr.dicom.files import load_dataset
from monai_acdr.geometry import centroid, signed_area
from monai_acdr.transforms.contour import trace_mask
from monai_acdr.transforms.frame_view import FrameView, frame_view, slice_motion, spread_phases

__all__ = ["heart_frames", "object_frames"]

PHASES = 20
"""Phases of a slice in Sunnybrook's cines, numbered through from slice to slice: frames 1 to 20 are the first slice."""
DEFAULT_WALL_PX = 6.0
"""Wall in pixels (8 mm) where nothing is known of the epicardium."""
APICAL_RADIUS_SHARE = 0.8
"""Outer radius of a slice without epicardium, as a share of the mean of the patient's others: it is near the apex."""
WITH_HEART, WITHOUT_HEART = 5, 10
"""Phases of a cine's slice that are taken, where it has a contour and where it has none."""


def heart_frames(
    dataset_dir: str | Path, group: str | None = None, exclude: Sequence[str] | None = None, size: int = 256
) -> list[dict[str, Any]]:
    """Read frames of Sunnybrook Cardiac Data into memory, for training a localizer.

    In the PNG layout these are the frames with a mask. The layouts with DICOM files have whole cines: slices with
    contours contribute some phases, all with a heart. Where a single phase has a contour, only phases within a quarter
    of the cycle from it are used, because it is not known whether the others show a ventricle. Slices without a contour
    at any phase lie above the base or below the apex and give frames without a heart.

    Motion is the range of each pixel over the available phases of the slice: two in the PNG layout.

    Args:
        dataset_dir: as for :func:`sunnybrook_data_list`.
        group: as for :func:`sunnybrook_data_list`.
        exclude: as for :func:`sunnybrook_data_list`.
        size: frames are scaled and padded to a square of this side.

    Returns:
        One dict per frame: ``image`` (2, size, size) float32, image and motion (0 where there is one phase); ``heart``
        (4,) float32, center x and y and outer radius in pixels of it, and 1 for a heart or 0 for none (center in the
        middle, some radius); ``name`` and ``patient``.

    Raises:
        FileNotFoundError, ValueError: as :func:`sunnybrook_data_list`.
    """
    report = QualityReport()
    items = sunnybrook_data_list(
        dataset_dir, group, exclude, spacing="allow", report=report, structures=("endocardium", "epicardium")
    )
    hearts = _hearts(items)
    if report.layout == "png":
        return _pictures(items, hearts, size)
    folders: dict[Path, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        folders[Path(item["image"]).parent].append(index)
    results = []
    for folder, indices in sorted(folders.items()):
        results += _cine(
            folder, {Path(items[index]["image"]): hearts[index] for index in indices}, items[indices[0]], size
        )
    return results


def object_frames(items: Sequence[Mapping[str, Any]], size: int = 256) -> list[dict[str, Any]]:
    """Read frames of any data list with one object per image into memory, for training a localizer.

    Args:
        items: of :func:`monai_acdr.data.pair_folder_data_list`: ``image``, and ``label`` or ``contour``.
        size: frames are scaled and padded to a square of this side.

    Returns:
        One dict per item, as of :func:`heart_frames`: ``image`` (2, size, size) float32, whose second channel, motion,
        is 0; ``heart`` (4,) float32, the middle and half the longer side of the box of the object (of the outermost
        structure that is there), and 1; ``name`` and ``patient``. Of colors the luminance is taken.

    Raises:
        FileNotFoundError, ValueError: when an image or a reference cannot be read.
    """
    load = Compose(load_pair())
    results = []
    for item in items:
        case: dict[str, Any] = load(dict(item))
        known = [vertices for vertices in case["reference"].as_tensor().double() if bool(vertices.isfinite().all())]
        if not known:
            continue
        low, high = known[-1].amin(0), known[-1].amax(0)
        center = (low + high) / 2
        gray = case["image"].as_tensor().float()[0]
        view = frame_view(torch.stack([gray, torch.zeros_like(gray)])[None], size)
        place = (float(center[0]), float(center[1]), float((high - low).max()) / 2)
        results.append(_item(view, 0, place, str(item["name"]), str(item["patient"])))
    return results


Heart = tuple[float, float, float]
"""Center x and y, and outer radius, in pixels of the image."""


def _pictures(items: Sequence[dict[str, Any]], hearts: Sequence[Heart], size: int) -> list[dict[str, Any]]:
    slices: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        slices[item["patient"], (item["frame"] - 1) // PHASES].append(index)
    results = []
    for members in slices.values():
        pixels = [load_gray(items[index]["image"]) for index in members]
        if len({tuple(image.shape) for image in pixels}) > 1:  # not one slice, whatever the names say
            groups = [([index], image[None]) for index, image in zip(members, pixels, strict=True)]
        else:
            groups = [(members, torch.stack(pixels))]
        for indices, frames in groups:
            view = _with_motion(frames, size)
            for row, index in enumerate(indices):
                item = items[index]
                results.append(_item(view, row, hearts[index], f"{item['name']}", item["patient"]))
    return results


def _cine(folder: Path, known: dict[Path, Heart], item: dict[str, Any], size: int) -> list[dict[str, Any]]:
    results = []
    for number, paths in enumerate(_slices(folder), start=1):
        hearts = {phase: known[path] for phase, path in enumerate(paths) if path in known}
        pixels = [load_gray(path) for path in paths]
        if len({tuple(image.shape) for image in pixels}) > 1:
            continue  # localizers and scouts beside the cine
        view = _with_motion(torch.stack(pixels), size)
        heart = _mean(list(hearts.values())) if hearts else None
        phases = spread_phases(len(paths), WITH_HEART if hearts else WITHOUT_HEART)
        if len(hearts) == 1:
            (only,) = hearts
            phases = [phase for phase in phases if _apart(phase, only, len(paths)) <= len(paths) / 4]
        name = f"{item['patient']}-slice{number:02d}"
        results += [_item(view, phase, heart, f"{name}-phase{phase + 1:02d}", item["patient"]) for phase in phases]
    return results


def _slices(folder: Path) -> list[list[Path]]:
    """DICOM files of a series by position, those of a slice in the order of the cycle."""
    slices: dict[tuple[float, ...], list[tuple[float, float, Path]]] = defaultdict(list)
    for path in sorted(folder.glob("*.dcm")):
        header = load_dataset(path, force=True)
        with elements.quiet_values():
            position = elements.numbers(header, "ImagePositionPatient", 3, path)
            time, number = (elements.number(header, key, path) for key in ("TriggerTime", "InstanceNumber"))
        if position is not None:
            key = tuple(round(value, 2) for value in position)
            slices[key].append((time or 0.0, number or 0.0, path))
    return [[path for _, _, path in sorted(frames)] for _, frames in sorted(slices.items())]


def _with_motion(frames: Tensor, size: int) -> FrameView:
    """(P, H, W) phases to a view (P, 2, size, size)."""
    return frame_view(torch.stack([frames, slice_motion(frames)], 1), size)


def _item(view: FrameView, row: int, heart: Heart | None, name: str, patient: str) -> dict[str, Any]:
    size = view.image.shape[-1]
    if heart is None:
        values = [size / 2, size / 2, size / 10, 0.0]
    else:
        center = view.from_frame(torch.tensor(heart[:2], dtype=torch.float64)) * size
        values = [*center.tolist(), heart[2] / view.side * size, 1.0]
    return {"image": view.image[row].clone(), "heart": torch.tensor(values), "name": name, "patient": patient}


def _hearts(items: Sequence[dict[str, Any]]) -> list[Heart]:
    """Center of the endocardium and radius of the epicardium of each frame, guessed where there is no epicardium."""
    inner, outer = [], []
    for item in items:
        size = tuple(load_gray(item["image"]).shape)
        vertices = _contour(item["label"], size, item)
        x, y = centroid(vertices[None])[0].tolist()
        inner.append((x, y, _radius(vertices)))
        outer.append(_radius(_contour(item["label_epi"], size, item)) if "label_epi" in item else None)
    by_patient: dict[str, list[float]] = defaultdict(list)
    for item, radius in zip(items, outer, strict=True):
        if radius is not None:
            by_patient[item["patient"]].append(radius)
    by_slice = {
        (item["patient"], (item["frame"] - 1) // PHASES): radius
        for item, radius in zip(items, outer, strict=True)
        if radius is not None
    }
    hearts = []
    for item, (x, y, within), radius in zip(items, inner, outer, strict=True):
        if radius is None:
            radius = by_slice.get((item["patient"], (item["frame"] - 1) // PHASES))
        if radius is None:
            others = by_patient[item["patient"]]
            radius = APICAL_RADIUS_SHARE * sum(others) / len(others) if others else 0.0
        hearts.append((x, y, max(radius, within + (0 if "label_epi" in item else DEFAULT_WALL_PX))))
    return hearts


def _contour(path: str, size: tuple[int, ...], item: dict[str, Any]) -> Tensor:
    if is_contour_file(path):
        return read_contour(path).double()
    return trace_mask(load_mask(path, (size[0], size[1])), item["mask_rule"]).double()


def _radius(vertices: Tensor) -> float:
    """Radius of the circle of the same area."""
    return math.sqrt(abs(float(signed_area(vertices[None]))) / math.pi)


def _mean(hearts: Sequence[Heart]) -> Heart:
    x, y, radius = (sum(values) / len(hearts) for values in zip(*hearts, strict=True))
    return x, y, radius


def _apart(first: int, second: int, count: int) -> int:
    """Phases between two, the shorter way around the cycle."""
    return min((first - second) % count, (second - first) % count)
