# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A first run without data of one's own: the function behind ``monai-acdr demo``."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from monai_acdr.apps.segment_report import SegmentReport
from monai_acdr.apps.segment_results import RESULT_NAMES
from monai_acdr.apps.segment_study import segment
from monai_acdr.data import example_study
from monai_acdr.data.phantoms import check_replaceable, write_short_axis_studies
from monai_acdr.files import lock_folder, publish_results

__all__ = ["demo"]

NUM_SLICES, NUM_PHASES = 6, 10


def demo(
    output: str | os.PathLike[str] = "monai_acdr_demo",
    *,
    synthetic: bool = False,
    device: str | None = None,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> SegmentReport:
    """Outline a heart with the bundle that comes with this package: a real one, or a synthetic one made for it.

    Args:
        output: folder for the results of :func:`monai_acdr.apps.segment`, all that this installation can write.
        synthetic: outline a synthetic beating heart (6 slices, 10 phases), written as DICOM to ``study`` in the output
            folder, instead of the real study of :func:`monai_acdr.data.example_study` (11 slices, end-diastole and
            end-systole), which is read from where it is installed.
        device: see :func:`monai_acdr.apps.segment`.
        overwrite: replace an earlier demo; a synthetic study that was changed since is never touched.
        progress: called with (step, done, total).

    Returns:
        As :func:`monai_acdr.apps.segment`.

    Raises:
        FileExistsError: when the folder holds anything else, or an earlier demo and ``overwrite`` is false.
    """
    with_dicom = find_spec("highdicom") is not None
    with lock_folder(output) as folder:
        check_replaceable(folder / "study")
        with publish_results(folder, ("study", *RESULT_NAMES), overwrite) as new:
            return segment(
                _write_study(new / "study") if synthetic else example_study() / "dicoms",
                new,
                "sunnybrook_lv_acdr",
                "auto",
                seg="BINARY" if with_dicom else None,
                rtstruct=True,
                sr=with_dicom,
                html=True,
                device=device,
                progress=progress,
            )


def _write_study(folder: Path) -> Path:
    """Write the synthetic study, and return the folder of its DICOM files."""
    return write_short_axis_studies(folder, 1, NUM_SLICES, NUM_PHASES) / "dicoms"
