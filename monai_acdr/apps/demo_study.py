# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A study that needs no data: the function behind ``monai-acdr demo``."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec

from monai_acdr.apps.segment_report import SegmentReport
from monai_acdr.apps.segment_results import RESULT_NAMES
from monai_acdr.apps.segment_study import segment
from monai_acdr.data.phantoms import check_replaceable, write_short_axis_studies
from monai_acdr.files import lock_folder, publish_results

__all__ = ["demo"]

NUM_SLICES, NUM_PHASES = 6, 10


def demo(
    output: str | os.PathLike[str] = "monai_acdr_demo",
    *,
    device: str | None = None,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> SegmentReport:
    """Make a synthetic beating heart as DICOM, and outline it with the bundle that comes with this package.

    Args:
        output: folder for ``study`` (the DICOM files) and the results of :func:`monai_acdr.apps.segment`, all that
            this installation can write.
        device: see :func:`monai_acdr.apps.segment`.
        overwrite: replace an earlier demo; a study that was changed since is never touched.
        progress: told (step, done, all).

    Returns:
        As :func:`monai_acdr.apps.segment`.

    Raises:
        FileExistsError: when the folder holds anything else, or an earlier demo and ``overwrite`` is false.
    """
    with_dicom = find_spec("highdicom") is not None
    with lock_folder(output) as folder:
        check_replaceable(folder / "study")
        with publish_results(folder, ("study", *RESULT_NAMES), overwrite) as new:
            study = write_short_axis_studies(new / "study", 1, NUM_SLICES, NUM_PHASES)
            return segment(
                study / "dicoms",
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
