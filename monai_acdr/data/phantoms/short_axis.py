# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Synthetic short-axis studies on disk, in the layout of the Sunnybrook data: DICOM files, contour files, `link.csv`.

    link.csv                                    patient_id,original_id,group
    dicoms/SYN0000001/7.dcm                     frames, numbered slice by slice from 1
    contourfiles/SYN-01/i-contours/IM-0001-0007-icontour-manual.txt     endocardium, end-diastole and end-systole
    contourfiles/SYN-01/o-contours/IM-0001-0007-ocontour-manual.txt     epicardium, end-diastole
    phantom.json                                what was written, with digests: see `output_folder.py`

The third column of `link.csv` is an extension: the group of a real patient is in a table of its own.
"""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import numpy as np

from monai_acdr.data.contour_files import write_contour
from monai_acdr.data.phantoms.cine_dicom import CineGeometry, CineStudy
from monai_acdr.data.phantoms.output_folder import replace_output
from monai_acdr.data.phantoms.phantom import CONTOUR_DECIMALS, END_DIASTOLE, ShortAxisPhantom, end_systole
from monai_acdr.threads import one_thread

__all__ = ["DEFAULT_NUM_PATIENTS", "split_groups", "write_short_axis_studies"]

logger = logging.getLogger(__name__)

DEFAULT_NUM_PATIENTS = 14
HELD_OUT_SHARE = 3 / 14
"""Share of the patients in the validation group, and again in the online (test) group."""
LINK_HEADER = ("patient_id", "original_id", "group")
GEOMETRY_STREAM = 7001
"""Keeps the draws of the plane apart from those of the anatomy: the images do not depend on the plane."""


def write_short_axis_studies(
    output_dir: str | Path,
    num_patients: int = DEFAULT_NUM_PATIENTS,
    num_slices: int = 6,
    num_phases: int = 6,
    size: tuple[int, int] = (144, 128),
    spacing: tuple[float, float] = (1.3, 1.3),
    seed: int = 0,
) -> Path:
    """Write synthetic short-axis cine studies with their true contours.

    The same arguments give the same bytes. The folder is complete or absent: everything is written beside its final
    place first. An earlier, untouched phantom in the folder is replaced.

    Args:
        output_dir: folder to write into: absent, empty, or an earlier output of this function.
        num_patients: at least 1; `split_groups` says how they are shared out.
        num_slices: slices of each patient, from base to apex.
        num_phases: phases of each slice, at least 2; end-diastole is the first, end-systole after a third.
        size: (H, W) of the images in pixels.
        spacing: (between rows, between columns) in mm; the shortest side must be at least 120 mm.
        seed: non-negative integer.

    Returns:
        The folder, resolved.

    Raises:
        FileExistsError: when the folder holds anything that an earlier phantom did not write.
        ValueError: when a number is out of range.
    """
    groups = split_groups(num_patients)
    size, spacing = (int(size[0]), int(size[1])), (float(spacing[0]), float(spacing[1]))
    phantoms = [ShortAxisPhantom(index, num_slices, num_phases, size, spacing, seed) for index in range(num_patients)]
    parameters = {
        "function": "write_short_axis_studies",
        "num_patients": num_patients,
        "num_slices": num_slices,
        "num_phases": num_phases,
        "size": list(size),
        "spacing": list(spacing),
        "seed": seed,
    }
    with replace_output(Path(output_dir), parameters) as folder, one_thread():
        for index, phantom in enumerate(phantoms):
            _write_patient(folder, index, phantom, seed)
        _write_link(folder / "link.csv", groups)
    output = Path(output_dir).resolve()
    logger.info("Wrote %d synthetic patients, %d frames each, to %s.", num_patients, num_slices * num_phases, output)
    return output


def split_groups(num_patients: int) -> list[str]:
    """Group of each patient: the first ones training, then validation, then online (the test group).

    Validation and online get 3 of 14 patients each, at least one as soon as there are three patients.
    """
    if num_patients < 1:
        raise ValueError(f"Expected `num_patients` to be at least 1, but got {num_patients}.")
    held_out = max(1, round(num_patients * HELD_OUT_SHARE)) if num_patients >= 3 else 0
    return ["training"] * (num_patients - 2 * held_out) + ["validation"] * held_out + ["online"] * held_out


def _patient_id(index: int) -> str:
    return f"SYN{index + 1:07d}"


def _original_id(index: int) -> str:
    return f"SYN-{index + 1:02d}"


def _write_link(path: Path, groups: list[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(LINK_HEADER)
        writer.writerows((_patient_id(index), _original_id(index), group) for index, group in enumerate(groups))


def _write_patient(folder: Path, index: int, phantom: ShortAxisPhantom, seed: int) -> None:
    images = folder / "dicoms" / _patient_id(index)
    contours = folder / "contourfiles" / _original_id(index)
    for path in (images, contours / "i-contours", contours / "o-contours"):
        path.mkdir(parents=True)
    rng = np.random.default_rng([seed, index, GEOMETRY_STREAM])
    entropy = (str(seed), str(phantom.num_slices), str(phantom.num_phases), str(phantom.size), str(phantom.spacing))
    geometry = CineGeometry.draw(rng)
    study = CineStudy(_patient_id(index), phantom.num_phases, phantom.size, phantom.spacing, geometry, entropy)
    for slice_index in range(phantom.num_slices):
        for phase, pixels in enumerate(phantom.images(slice_index)):
            path = images / f"{study.frame_number(slice_index, phase)}.dcm"
            study.write(path, pixels, slice_index, phase)
        _write_contours(contours, study, phantom, slice_index)


def _write_contours(folder: Path, study: CineStudy, phantom: ShortAxisPhantom, slice_index: int) -> None:
    """Endocardium at end-diastole and end-systole, epicardium at end-diastole only, as in the Sunnybrook data."""
    for phase in (END_DIASTOLE, end_systole(phantom.num_phases)):
        frame = study.frame_number(slice_index, phase)
        contours = phantom.contours(slice_index, phase)
        borders = {"i": contours.endocardium}
        if phase == END_DIASTOLE:
            borders["o"] = contours.epicardium
        for kind, vertices in borders.items():
            path = folder / f"{kind}-contours" / f"IM-0001-{frame:04d}-{kind}contour-manual.txt"
            write_contour(path, vertices, CONTOUR_DECIMALS)
