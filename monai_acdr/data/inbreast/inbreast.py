# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data list of INbreast's masses, from the archive as it is unpacked."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from monai_acdr.data.image_headers import read_image_header
from monai_acdr.data.inbreast.archive import Archive, InbreastImage, open_archive
from monai_acdr.data.inbreast.outline import clip_to_image, open_outline
from monai_acdr.data.inbreast.plist import InbreastROI, is_mass, read_inbreast_rois
from monai_acdr.data.inbreast.tables import InbreastRow
from monai_acdr.data.report import QualityReport
from monai_acdr.data.splits import Split, halves_by_patient, read_split

__all__ = ["inbreast_data_list"]

S = TypeVar("S")
T = TypeVar("T")

_logger = logging.getLogger(__name__)

_REMARKS = ("contour_clipped", "image_without_row", "laterality_conflict", "point_count", "duplicate_image")
"""Findings about masses that were kept."""


def inbreast_data_list(
    dataset_dir: str | Path,
    group: str | None = None,
    split: str | Path | None = None,
    report: QualityReport | None = None,
) -> list[dict[str, Any]]:
    """List the masses of INbreast, sorted by image and region.

    The folder holds ``AllDICOMs/``, ``AllXML/`` and ``INbreast.csv`` (or ``INbreast.xls``), itself or in a folder
    below it. Images, outlines and rows are joined by the image's number; the patient is known from the file's name
    only. Regions named ``Mass`` count, however spelt. Images without an outline file are normal ones.

    Args:
        dataset_dir: folder of the archive.
        group: "training" or "test", or a group of the split file; None for all.
        split: see :func:`~monai_acdr.data.splits.read_split`; None draws halves of the patients that have
            masses, the same ones everywhere (:func:`~monai_acdr.data.splits.halves_by_patient`).
        report: filled with what was left out, and why, and with counts.

    Returns:
        One dict a mass: ``image`` (path), ``contour`` ((N, 2) float64 vertices (x, y) in pixels of the file, pixel
        (c, r) covering [c, c + 1) x [r, r + 1), not closed, cut off at the image's border), ``name`` (image number and
        region, as in ``22678622-mass1``), ``patient``, ``group``, ``laterality``, ``view``, ``birads``; the last three
        are None where unknown.

    Raises:
        FileNotFoundError: when the folder or something in it is absent.
        ValueError: when no mass is found, a patient would be in two groups, or ``group`` does not occur.
    """
    report = QualityReport() if report is None else report
    archive = open_archive(Path(dataset_dir), report)
    items = [item for number in archive.numbers for item in _masses(archive, number, report)]
    if not items:
        reasons = [f"{finding.subject}: {finding.detail}" for finding in report.findings[:1]]
        raise ValueError(
            f"Expected outlines named 'Mass' in AllXML of {archive.root} and images in AllDICOMs, but found none "
            f"(left out: {report.kinds() or 'nothing'}): unpack the whole archive. {' '.join(reasons)}".rstrip()
        )
    items = _assign(items, split, report)
    report.layout = report.layout or "inbreast"
    report.counts |= {
        "images": len(archive.images),
        "normal_images": sum(number not in archive.outlines for number in archive.images),
        "mass_images": len({item["image"] for item in items}),
        "masses": len(items),
        "patients": len({item["patient"] for item in items}),
    }
    report.log(_logger, archive.root, _REMARKS)
    return _of_group(items, group)


def _masses(archive: Archive, number: str, report: QualityReport) -> Iterator[dict[str, Any]]:
    """Items of one image."""
    image, path, row = archive.images.get(number), archive.outlines.get(number), archive.rows.get(number)
    if image is None:
        report.add("annotation_without_image", number, "no DICOM file" if path is None else f"no DICOM for {path.name}")
        return
    if row is None:
        report.add("image_without_row", image.path.name)
    elif row.laterality not in (None, image.laterality):
        report.add("laterality_conflict", image.path.name, f"the table says {row.laterality}")
    if path is None:
        return
    rois = _attempt(read_inbreast_rois, path, "invalid_annotation", path.name, report) or []
    rois = [roi for roi in rois if is_mass(roi.name)]
    header = _attempt(read_image_header, image.path, "invalid_image", image.path.name, report) if rois else None
    if header is None:
        return
    for index, roi in enumerate(rois, start=1):
        name = f"{number}-mass{index}"
        contour = _contour(roi, name, header.size, report)
        if contour is not None:
            yield _item(name, image, row, contour)


def _item(name: str, image: InbreastImage, row: InbreastRow | None, contour: np.ndarray) -> dict[str, Any]:
    return {
        "image": str(image.path),
        "contour": contour,
        "name": name,
        "patient": image.patient,
        "laterality": image.laterality,
        "view": (row.view if row else None) or image.view,
        "birads": row.birads if row else None,
    }


def _contour(roi: InbreastROI, name: str, size: tuple[int, int], report: QualityReport) -> np.ndarray | None:
    """Vertices within the image; None, with a finding, when they enclose nothing there."""
    vertices = _attempt(InbreastROI.vertices, roi, "invalid_contour", name, report)
    if vertices is None:
        return None
    if roi.declared not in (None, len(vertices)):
        report.add("point_count", name, f"says {roi.declared}, has {len(vertices)}")
    vertices = open_outline(vertices)
    if len(np.unique(vertices, axis=0)) < 3:
        report.add("too_few_points", name, f"{len(vertices)} points")
        return None
    inside = clip_to_image(vertices, size)
    if len(inside) < 3 or np.ptp(inside, axis=0).min() == 0:
        report.add("contour_outside", name, f"the image has {size[0]} x {size[1]} (H x W)")
        return None
    if inside is not vertices:
        outside = np.any((vertices < 0) | (vertices > (size[1], size[0])), axis=1)
        report.add("contour_clipped", name, f"{int(outside.sum())} of {len(vertices)} points were outside")
    return inside


def _attempt(read: Callable[[S], T], source: S, kind: str, subject: str, report: QualityReport) -> T | None:
    """What ``read`` makes of ``source``; None, with a finding, when it raises."""
    try:
        return read(source)
    except (OSError, ValueError) as error:
        report.add(kind, subject, str(error))
        return None


def _assign(items: Sequence[dict[str, Any]], path: str | Path | None, report: QualityReport) -> list[dict[str, Any]]:
    """Write the group into each item; leave out those that the split does not name."""
    split = halves_by_patient(item["patient"] for item in items) if path is None else read_split(path)
    kept, groups = [], defaultdict[str, set[str]](set)
    for item in items:
        item["group"] = split.group_of(_keys(item))
        if item["group"] is None:
            report.add("not_in_split", item["name"])
        else:
            kept.append(item)
            groups[item["patient"]].add(item["group"])
    mixed = sorted(patient for patient, found in groups.items() if len(found) > 1)
    if mixed:
        raise ValueError(
            f"Expected each patient in one group, but {path} puts {mixed[:3]} into several: results would be too good; "
            "move all images of a patient to one group."
        )
    _check_named(split, items, report)
    if not kept:
        raise ValueError(f"Expected {path} to name patients or images of the data set, but it names none of them.")
    return kept


def _keys(item: Mapping[str, Any]) -> list[str]:
    """What a split file may name a mass by: itself, its image, its patient."""
    return [item["name"], item["name"].split("-")[0], item["patient"]]


def _check_named(split: Split, items: Sequence[Mapping[str, Any]], report: QualityReport) -> None:
    known = {key for item in items for key in _keys(item)}
    for key in split.groups:
        if key not in known:
            report.add("patient_absent", key, "is in the split file, but has no mass here")


def _of_group(items: list[dict[str, Any]], group: str | None) -> list[dict[str, Any]]:
    chosen = [item for item in items if group in (None, item["group"])]
    if not chosen:
        raise ValueError(f"Expected `group` to be one of {sorted({i['group'] for i in items})}, but got {group!r}.")
    return chosen
