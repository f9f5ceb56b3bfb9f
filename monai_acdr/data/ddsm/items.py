# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data items of one case of DDSM: a lesion each, with its outline and attributes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr.data.ddsm.cases import CaseFiles
from monai_acdr.data.ddsm.chain_codes import chain_contour, chain_gap
from monai_acdr.data.ddsm.ics import DDSMCase, read_ics
from monai_acdr.data.ddsm.ljpeg import check_ljpeg_header
from monai_acdr.data.ddsm.overlay import DDSMLesion, read_overlay
from monai_acdr.data.report import QualityReport

__all__ = ["case_items"]


def case_items(
    root: Path, files: CaseFiles, lesion_types: Sequence[str], report: QualityReport
) -> Iterator[dict[str, Any]]:
    """Data items of a case's lesions; see :func:`~monai_acdr.data.ddsm.ddsm.ddsm_data_list`.

    Args:
        root: folder of the data set, to which findings are relative.
        files: of the case.
        lesion_types: LESION_TYPE values of which a lesion needs one.
        report: gets what is left out.

    Yields:
        Items without ``group``, but with ``case``, the case's folder as in ``cancer_01/case3013``.
    """
    where = files.ics.relative_to(root).as_posix()
    try:
        case = read_ics(files.ics)
    except (OSError, ValueError) as error:
        report.add("invalid_case", where, str(error))
        return
    for view, film in case.films.items():
        if film.has_overlay and view not in files.overlays:
            report.add("outline_absent", where, view)
    for view, path in sorted(files.overlays.items()):
        subject = path.relative_to(root).as_posix()
        if view not in case.films:
            report.add("invalid_case", where, f"has no size of {view}, so that its masses cannot be used")
        elif view not in files.films:
            report.add("annotation_without_image", subject, f"no {files.name}.{view}.LJPEG")
        else:
            lesions = _lesions(path, subject, report)
            if _is_film(root, files.films[view], report):
                yield from _film_items(files, case, view, lesions, lesion_types, report)


def _is_film(root: Path, path: Path, report: QualityReport) -> bool:
    try:
        check_ljpeg_header(path)
    except (OSError, ValueError) as error:
        report.add("invalid_image", path.relative_to(root).as_posix(), str(error))
        return False
    return True


def _lesions(path: Path, subject: str, report: QualityReport) -> list[DDSMLesion]:
    try:
        lesions, total = read_overlay(path)
    except (OSError, ValueError) as error:
        report.add("invalid_annotation", subject, str(error))
        return []
    if total is not None and total != len(lesions):
        report.add("overlay_count", subject, f"says {total}, has {len(lesions)}")
    return lesions


def _film_items(
    files: CaseFiles,
    case: DDSMCase,
    view: str,
    lesions: Sequence[DDSMLesion],
    lesion_types: Sequence[str],
    report: QualityReport,
) -> Iterator[dict[str, Any]]:
    side, projection = view.split("_")
    spacing = case.spacing(view)
    names: set[str] = set()
    for lesion in lesions:
        name = f"{files.name}.{view}-mass{lesion.number}"
        kind = next((kind for kind in lesion_types if lesion.is_a(kind)), None)
        if kind is None:
            report.add("other_lesion", name, " ".join(entry["LESION_TYPE"] for entry in lesion.types))
            continue
        if name in names:
            report.add("invalid_annotation", name, f"{lesion.where} occurs twice; the first one was used")
            continue
        names.add(name)
        contour = _contour(lesion, name, case.films[view].size, report)
        if contour is None:
            continue
        item: dict[str, Any] = {"image": str(files.films[view]), "contour": contour, "name": name}
        item |= {"patient": files.patient, "case": "/".join(files.folder.parts[-2:])}
        item |= {"laterality": side[0], "view": projection, "birads": lesion.assessment or None}
        item |= {"pathology": lesion.pathology or None, "subtlety": lesion.subtlety or None}
        item |= {key: lesion.attribute(key.upper(), kind) or None for key in ("shape", "margins")}
        item["has_spacing"] = spacing is not None
        if spacing is None:
            report.add("resolution_unknown", name)
        else:
            item["spacing"] = spacing
        yield item


def _contour(lesion: DDSMLesion, name: str, size: tuple[int, int], report: QualityReport) -> np.ndarray | None:
    """Vertices within the image; None, with a finding, when there is no usable outline."""
    try:
        walk = lesion.walk()
        outside = int(np.any((walk < 0) | (walk >= (size[1], size[0])), axis=1).sum())
        if outside == len(walk):
            report.add("contour_outside", name, f"the image has {size[0]} x {size[1]} (H x W)")
            return None
        contour = chain_contour(walk, size)
    except ValueError as error:
        report.add("invalid_annotation", name, str(error))
        return None
    if len(np.unique(walk, axis=0)) < 3:
        report.add("too_few_points", name, f"{len(walk)} pixels")
        return None
    if outside:
        report.add("contour_clipped", name, f"{outside} of {len(walk)} pixels were outside")
    if chain_gap(walk):
        report.add("outline_open", name, f"{chain_gap(walk)} pixels were added")
    return contour
