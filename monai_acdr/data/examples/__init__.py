# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A real short-axis cine study, kept with the package for first steps, documentation and tests."""

from __future__ import annotations

from pathlib import Path

__all__ = ["example_study"]


def example_study() -> Path:
    """Find the real study that comes with this package: one heart of the Sunnybrook Cardiac Data (CC0).

    Patient SCD0000401 (SC-HF-I-5, heart failure after infarction, official group ``validation``): 11 slices at
    end-diastole and end-systole, 22 DICOM files of 256 x 256 pixels of 1.3672 mm, with the readers' contours of the
    endocardium (18 frames) and the epicardium (9 frames). The files are as published, but for
    FrameOfReferenceUID, which the data set's anonymizer had made different in each file. The folder has a layout that
    :func:`monai_acdr.data.sunnybrook_data_list` reads; its ``README.md`` has source, license and citation.

    Returns:
        The folder; the DICOM files are in its subfolder ``dicoms``, a path that :func:`monai_acdr.apps.segment` takes.

    Example::

        >>> from monai_acdr.data import example_study
        >>> len(list((example_study() / "dicoms").rglob("*.dcm")))
        22
    """
    return Path(__file__).resolve().parent / "sunnybrook"
