# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A tree of small synthetic studies, and a run that needs no time for each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monai_acdr.apps import SegmentOptions
from monai_acdr.apps.cohort import CohortOptions, CohortReport, run_cohort
from monai_acdr.data.phantoms import write_short_axis_studies

OPTIONS = SegmentOptions(pictures=False, device="cpu")
NUM_STUDIES = 5


@pytest.fixture(scope="session")
def cohort_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DICOM files of 5 patients, 2 slices and 2 phases each; not to be changed."""
    folder = tmp_path_factory.mktemp("cohort") / "data"
    return write_short_axis_studies(folder, NUM_STUDIES, 2, 2, (96, 96), (1.4, 1.4)) / "dicoms"


Do = Callable[..., CohortReport]


@pytest.fixture()
def do(tiny_heart: Path, tmp_path: Path) -> Do:
    """Do a cohort with the tiny bundle; keyword arguments are fields of CohortOptions."""

    def run(source: object, output: str = "run", options: SegmentOptions = OPTIONS, **how: object) -> CohortReport:
        say = how.pop("say", None)
        cohort = CohortOptions(**how)  # type: ignore[arg-type]
        return run_cohort(str(source), tmp_path / output, tiny_heart, "center", options=options, cohort=cohort, say=say)  # type: ignore[arg-type]

    return run
