# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The count of incomplete stacks runs at a small size, and cuts where it says."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest


@pytest.mark.slow
def test_one_synthetic_heart(tmp_path: Path) -> None:
    script = import_module("incomplete_stacks")
    output = tmp_path / "a.json"
    assert script.main(["--slices", "3", "--threads", "1", "--output", str(output)]) == 0
    (result,) = json.loads(output.read_text())["results"].values()
    assert {"whole", "base 1", "apex 1", "middle 3"} <= set(result)
    assert result["whole"]["lost_percent"] == result["middle 3"]["lost_percent"] == 0
    assert result["base 1"]["found"] and result["base 1"]["lost_percent"] > result["apex 1"]["lost_percent"] > 0


def test_slices_beyond_the_other_end_are_kept() -> None:
    """Of ten slices, 2 to 7 have a ventricle, from the base in either direction."""
    script, taken = import_module("incomplete_stacks"), set(range(10))
    for there, beyond in (
        ([*range(2, 8)], {"base": {8, 9}, "apex": {0, 1}}),
        ([*range(7, 1, -1)], {"base": {0, 1}, "apex": {8, 9}}),
    ):
        for end, rest in (("base", there[2:]), ("apex", there[:-2])):
            assert script._with_neighbors(rest, there, end, taken) == set(rest) | beyond[end]
