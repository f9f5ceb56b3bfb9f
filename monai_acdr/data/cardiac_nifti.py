# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Short-axis stacks at end-diastole and end-systole as NIfTI with label maps: case discovery and data list.

This is the layout that users of ACDC and M&Ms have.

    FOLDER/PATIENT/{ED,ES}.nii.gz       image, (X, Y, Z)
    FOLDER/PATIENT/{ED,ES}_gt.nii.gz    label map on the same grid

ACDC labels the right ventricle 1, the myocardium 2 and the cavity of the left ventricle 3; M&Ms the left ventricle 1,
the myocardium 2 and the right ventricle 3.

The license of ACDC's images (CC BY-NC-SA 4.0) also applies to weights trained on them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from monai_acdr.data.files import natural_key
from monai_acdr.data.nifti import NiftiVolume, read_nifti
from monai_acdr.data.readers import slice_name
from monai_acdr.data.report import QualityReport
from monai_acdr.data.splits import Split, halves_by_patient, read_split
from monai_acdr.data.sunnybrook.pairing import STRUCTURES
from monai_acdr.transforms import MASK_RULE

__all__ = ["PHASES", "CardiacCase", "cardiac_nifti_data_list", "find_cardiac_cases"]

PHASES = ("ED", "ES")
"""End-diastole and end-systole."""

MIN_SURROUNDED = 0.9
"""Share of the pixels around a cavity that must be myocardium for an epicardium: an open wall at the base has none."""

POSITION_TOLERANCE_MM = 1e-3
"""Largest difference in mm of the affines of images and label maps that share a grid."""

_SUFFIXES = (".nii.gz", ".nii")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CardiacCase:
    """The files of one patient.

    Attributes:
        name: of the patient's folder.
        images: of end-diastole and end-systole.
        labels: their label maps.
    """

    name: str
    images: tuple[Path, Path]
    labels: tuple[Path, Path]


def find_cardiac_cases(folder: str | os.PathLike[str]) -> tuple[list[CardiacCase], list[str]]:
    """Find the patients of a folder, in natural order.

    Args:
        folder: with a folder for each patient, or one patient's folder.

    Returns:
        The patients whose four files exist, and a text about what was left out.

    Raises:
        FileNotFoundError: when there is no such folder.
        ValueError: when no patient is complete.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"Expected a folder of patients, but {root} does not exist: check the path.")
    folders = sorted((path for path in root.iterdir() if path.is_dir()), key=lambda path: natural_key(path.name))
    cases, left_out = [], []
    for place in [root, *folders]:
        found = {name: _file(place, name) for phase in PHASES for name in (phase, f"{phase}_gt")}
        present = [path for path in found.values() if path is not None]
        missing = [name for name, path in found.items() if path is None]
        if len(present) == len(found):
            images, labels = (tuple(found[f"{phase}{end}"] for phase in PHASES) for end in ("", "_gt"))
            cases.append(CardiacCase(place.name, images, labels))  # type: ignore[arg-type]
        elif place is not root:
            left_out.append(f"{place.name}: {', '.join(missing)} missing")
    if not cases:
        raise ValueError(
            f"Expected patients with ED.nii.gz, ED_gt.nii.gz, ES.nii.gz and ES_gt.nii.gz in {root}, but found none in "
            f"{len(folders)} folder(s){': ' + left_out[0] if left_out else ''}. Name the files so."
        )
    return cases, left_out


def _file(folder: Path, name: str) -> Path | None:
    """The NIfTI file of a name, compressed or not."""
    return next((path for suffix in _SUFFIXES if (path := folder / f"{name}{suffix}").is_file()), None)


def cardiac_nifti_data_list(
    dataset_dir: str | os.PathLike[str],
    group: str | None = None,
    split: str | Path | None = None,
    cavity: int = 3,
    myocardium: int = 2,
    structures: Sequence[str] = ("endocardium",),
    report: QualityReport | None = None,
) -> list[dict[str, Any]]:
    """List the slices that show the cavity of the left ventricle, for training, by patient, phase and slice.

    Label maps are read; images only when they are loaded, by :class:`~monai_acdr.data.NiftiSliceReader`.

    Args:
        dataset_dir: folder of patients, ``PATIENT/{ED,ES}.nii.gz`` with ``{ED,ES}_gt.nii.gz``.
        group: ``training`` or ``test``, or another group of the split file; None or ``all`` for all slices.
        split: file that names the group of each patient (:func:`~monai_acdr.data.splits.read_split`); None takes halves
            of the patients, drawn by their names. All slices of a patient are in one group.
        cavity: label of the left ventricle's cavity; 3 in ACDC, 1 in M&Ms.
        myocardium: label of the myocardium; 2 in both.
        structures: ``("endocardium",)``, or ``("endocardium", "epicardium")`` for ``label_epi`` as well.
        report: filled with findings and counts when given.

    Returns:
        One dict per slice: ``image`` and ``label`` (:func:`~monai_acdr.data.slice_name`), ``name``
        (``patient001-ED-slice-003``), ``patient``, ``group``, ``phase`` (``ED`` or ``ES``), ``frame`` (slice, from 0),
        ``has_spacing``, ``mask_rule`` and, with the structure epicardium, ``label_epi`` where myocardium surrounds the
        cavity. ``LoadReferenced(["label", "label_epi"])`` reads both.

    Raises:
        FileNotFoundError: when there is no such folder.
        ValueError: when no slice can be used; the message says why.
    """
    root = Path(dataset_dir)
    if tuple(structures) not in (STRUCTURES[:1], STRUCTURES):
        raise ValueError(f"Expected `structures` to be {STRUCTURES[:1]} or {STRUCTURES}, but got {structures!r}.")
    report = QualityReport() if report is None else report
    report.layout = report.layout or "cardiac_nifti"
    cases, left_out = find_cardiac_cases(root)
    for text in left_out:
        name, _, detail = text.partition(": ")
        report.add("patient_absent", name, detail)
    groups = halves_by_patient(case.name for case in cases) if split is None else read_split(split)
    labels = (cavity, myocardium) if "epicardium" in structures else (cavity,)
    items = [
        item for case in cases if _is_wanted(case, group, groups) for item in _case_items(case, groups, labels, report)
    ]
    report.counts["frames"] = len(items)
    report.counts["patients"] = len({item["patient"] for item in items})
    report.log(_logger, root, kept=("epicardium_not_around",))
    if not items:
        raise ValueError(
            f"Expected slices with the label {cavity} in {root}, but none can be used. {report.summary()}\nNext step: "
            "check `cavity` (3 in ACDC, 1 in M&Ms) and `group`, or repair the files above."
        )
    return items


def _is_wanted(case: CardiacCase, group: str | None, groups: Split) -> bool:
    found = groups.group_of([case.name])
    return found is not None and (group is None or group.strip().lower() in ("all", found))


def _case_items(
    case: CardiacCase, groups: Split, labels: tuple[int, ...], report: QualityReport
) -> Iterator[dict[str, Any]]:
    for phase, image_path, label_path in zip(PHASES, case.images, case.labels, strict=True):
        subject = f"{case.name}/{label_path.name}"
        try:
            image, label_map = read_nifti(image_path), read_nifti(label_path)
        except (OSError, ValueError) as error:
            report.add("invalid_image", subject, str(error))
            continue
        reason = _mismatch(image, label_map)
        if reason:
            report.add("mask_size", subject, reason)
            continue
        for index in range(label_map.voxels.shape[2]):
            values = label_map.voxels[:, :, index, 0]
            if not (values == labels[0]).any():
                continue
            item = {
                "image": slice_name(image_path, index),
                "label": slice_name(label_path, index, labels[:1]),
                "name": f"{case.name}-{phase}-slice-{index + 1:03d}",
                "patient": case.name,
                "group": groups.group_of([case.name]),
                "phase": phase,
                "frame": index,
                "has_spacing": True,
                MASK_RULE: "covered",
            }
            if len(labels) > 1:
                share = _surrounded(values == labels[0], values == labels[1])
                if share >= MIN_SURROUNDED:
                    item["label_epi"] = slice_name(label_path, index, sorted(labels))
                else:
                    report.add("epicardium_not_around", str(item["name"]), f"{share:.0%} of the cavity's edge")
            yield item


def _mismatch(image: NiftiVolume, label_map: NiftiVolume) -> str:
    """Why an image and a label map do not belong together, or ""."""
    if image.num_phases > 1 or image.voxels.shape != label_map.voxels.shape:
        return f"label map {label_map.shape}, image {image.shape}: expected the same, of one phase"
    if not np.allclose(image.affine, label_map.affine, atol=POSITION_TOLERANCE_MM):
        return "the affine of the label map is not that of the image: resample it"
    return ""


def _surrounded(cavity: np.ndarray, wall: np.ndarray) -> float:
    """Share of the pixels around a cavity, by edges, that are wall."""
    around = ndimage.binary_dilation(cavity) & ~cavity
    return float((around & wall).sum() / max(int(around.sum()), 1))
