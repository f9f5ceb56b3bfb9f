# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("psutil")


def test_what_kills_leave_is_found(tmp_path: Path) -> None:
    """A folder without its record, and hidden files; tables are compared without the seconds."""
    cohort = import_module("cohort")
    for name in ("whole", "half"):
        (tmp_path / "studies" / "ab" / name).mkdir(parents=True)
    (tmp_path / "studies" / "ab" / "whole" / "study.json").write_text("{}")
    assert cohort.leftovers(tmp_path) == [str(tmp_path / "studies" / "ab" / "half")]
    (tmp_path / ".hidden").touch()
    assert len(cohort.leftovers(tmp_path)) == 2
    (tmp_path / "cohort.csv").write_text("study,state,seconds\na,done,1.5\n")
    assert cohort.table_of(tmp_path) == [{"study": "a", "state": "done"}]


def test_ratio_to_the_first_number_of_workers() -> None:
    cohort = import_module("cohort")
    one = {"studies": 4, "done": 3, "seconds_per_study": 0.25, "overhead_ms_per_study": 15.4}
    results = {
        "0": one | {"steady_studies_per_hour": 12000, "memory_mib_first_and_last_tenth": [[437.6, 449.0]]},
        "2": one | {"steady_studies_per_hour": 18000, "memory_mib_first_and_last_tenth": [[510, 511], [512, 513]]},
    }
    table = cohort.speed_table(results)
    assert table.rows[0] == ["none, in process", "3 of 4", "12,000", "1.00", "0.25", "15", "438, 449"]
    assert table.rows[1][2:4] == ["18,000", "1.50"] and table.rows[1][-1] == "510, 511; 512, 513"
