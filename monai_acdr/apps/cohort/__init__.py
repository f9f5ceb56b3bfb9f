# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Cohorts: any number of studies outlined and measured, each once, on one machine or many.

:func:`run_cohort` is the function of ``monai-acdr cohort``. Below it, :func:`open_run` begins or continues a run in a
folder, and :func:`process_study` does one of its studies. It may be called for a study any number of times and be
killed at any moment: the results appear whole, and once.
"""

from __future__ import annotations

from monai_acdr.apps.cohort.run import CohortOptions, CohortReport, run_cohort
from monai_acdr.apps.cohort.sources import find_studies
from monai_acdr.apps.cohort.study import FAILURE_KINDS, CohortRun, Outcome, Study, open_run, process_study

__all__ = [
    "FAILURE_KINDS",
    "CohortOptions",
    "CohortReport",
    "CohortRun",
    "Outcome",
    "Study",
    "find_studies",
    "open_run",
    "process_study",
    "run_cohort",
]
