# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Short-axis stacks at end-diastole and end-systole as NIfTI with label maps: the layout of ACDC and M&Ms users.

    FOLDER/PATIENT/{ED,ES}.nii.gz       image, (X, Y, Z)
    FOLDER/PATIENT/{ED,ES}_gt.nii.gz    label map on the same grid

ACDC labels the right ventricle 1, the myocardium 2 and the cavity of the left ventricle 3; M&Ms the left ventricle 1,
the myocardium 2 and the right ventricle 3.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from monai_acdr.data.files import natural_key

__all__ = ["PHASES", "CardiacCase", "find_cardiac_cases"]

PHASES = ("ED", "ES")
"""End-diastole and end-systole."""

_SUFFIXES = (".nii.gz", ".nii")


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
        The patients whose four files are there, and in words what was left out.

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
