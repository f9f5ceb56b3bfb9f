# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Layout and patient selection of a folder whose content is not known yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_acdr.data.images import image_data_list
from monai_acdr.data.report import QualityReport
from monai_acdr.data.sunnybrook.cases import find_case, patient_name
from monai_acdr.data.sunnybrook.layouts import find_layout, scan_tree
from monai_acdr.data.sunnybrook.pairing import DISPLACED_PATIENTS, sunnybrook_data_list

__all__ = ["default_exclusions", "excluded_patients", "inference_data_list", "is_sunnybrook"]


def default_exclusions(dataset_dir: str | Path) -> tuple[str, ...]:
    """Patients whose reference must not count in metrics: ``DISPLACED_PATIENTS``, in the PNG layout only."""
    root = Path(dataset_dir)
    if not root.is_dir():
        raise FileNotFoundError(f"Expected the folder of a data set, but {root} is not one: check `dataset_dir`.")
    return DISPLACED_PATIENTS if find_layout(root, scan_tree(root)) == "png" else ()


def excluded_patients(
    items: Sequence[Mapping[str, Any]], dataset_dir: str | Path, exclude: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Patients to leave out of an evaluation's metrics, as they are named in its data list.

    Args:
        items: the data list.
        dataset_dir: its folder.
        exclude: names, ``SC-N-6`` or ``SC-N-06``; None means :func:`default_exclusions`, ``()`` nobody.

    Raises:
        ValueError: for a name that is not a patient of the data set or of Sunnybrook, most likely misspelled.
    """
    if isinstance(exclude, str):
        raise ValueError(f"Expected `exclude` to be a list of patients, but got {exclude!r}: write [{exclude!r}].")
    if exclude is None:
        return default_exclusions(dataset_dir)
    present = {item["patient"] for item in items}
    names = tuple(name if name in present else patient_name(name) for name in exclude)
    wrong = sorted(name for name in names if name not in present and find_case(name) is None)
    if wrong:
        raise ValueError(
            f"Expected `exclude` to name patients of the data set, but got {wrong}: write them as 'SC-N-6' or as in "
            "the column 'patient' of metrics.csv."
        )
    return names


def inference_data_list(
    dataset_dir: str | Path,
    group: str | None = None,
    exclude: Sequence[str] | None = (),
    pattern: str | None = None,
    report: QualityReport | None = None,
    structures: Sequence[str] = ("endocardium",),
) -> list[dict[str, Any]]:
    """List images for inference: those with a reference of a Sunnybrook layout, otherwise every DICOM file and picture.

    A data set in one of the four layouts gives its labeled frames, so that pictures show the reference beside the
    result; any other folder, or a single file, gives all its images.

    Args:
        dataset_dir: folder or file.
        group: see :func:`sunnybrook_data_list`; only for a data set.
        exclude: see :func:`sunnybrook_data_list`; only for a data set.
        pattern: see :func:`image_data_list`; given, the folder is taken as plain images.
        report: filled with findings and counts when given.
        structures: see :func:`sunnybrook_data_list`; only for a data set.

    Returns:
        Data items; see the two functions.
    """
    root = Path(dataset_dir)
    if pattern is None and root.is_dir() and is_sunnybrook(root):
        return sunnybrook_data_list(root, group, exclude, spacing="allow", report=report, structures=structures)
    return image_data_list(root, pattern, report)


def is_sunnybrook(root: Path) -> bool:
    """Whether a folder has one of Sunnybrook's layouts."""
    try:
        find_layout(root, scan_tree(root))
    except ValueError:
        return False
    return True
