# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The door to all sources, and patients held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from monai_acdr.data import masses
from monai_acdr.data.masses import find_mass_source, hold_out, mass_data_list


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("INbreast Release 1.0/AllXML/20586908.xml", "inbreast"),
        ("cancers/cancer_01/case3013/B-3013-1.ics", "ddsm"),
        ("cancers/cancer_01/case3013/B-3013-1.ics.gz", "ddsm"),
        ("csv/mass_case_description_train_set.csv", "cbis_ddsm"),
        ("data/masks/a.png", "pairs"),
    ],
)
def test_sources_are_recognized(tmp_path: Path, file: str, source: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.touch()
    assert find_mass_source(tmp_path) == source


def test_what_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"Expected INbreast .*DDSM .*CBIS-DDSM .*or pairs .*but found none"):
        mass_data_list(tmp_path)
    with pytest.raises(ValueError, match="Expected `source` to be one of .*inbreast.*but got 'mias'"):
        mass_data_list(tmp_path, "mias")
    with pytest.raises(FileNotFoundError, match="check `dataset_dir`"):
        mass_data_list(tmp_path / "absent")


def test_what_a_source_does_not_know_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def source(root: Path, group: str | None, report: Any, **options: Any) -> list[dict[str, Any]]:
        seen.update(options, group=group)
        return [{"image": "a.png", "name": "a", "patient": "p", "birads": "5", "view": None}]

    monkeypatch.setattr(masses, "_function", lambda name: source)
    (item,) = mass_data_list(tmp_path, "pairs", "test", folds=5)
    assert seen == {"group": "test", "folds": 5}
    assert (item["birads"], item["pathology"], item["laterality"], item["has_spacing"]) == ("5", "", "", False)
    assert mass_data_list(tmp_path, "ddsm")[0]["has_spacing"]


@given(
    patients=st.lists(st.integers(0, 9), min_size=1, max_size=30), fraction=st.floats(0, 0.99), seed=st.integers(0, 9)
)
def test_no_patient_is_on_both_sides(patients: list[int], fraction: float, seed: int) -> None:
    items = [{"name": f"m{index}", "patient": f"p{patient}"} for index, patient in enumerate(patients)]
    kept, aside = hold_out(items, fraction, seed)
    assert sorted(kept + aside, key=lambda item: int(item["name"][1:])) == items
    assert not {item["patient"] for item in kept} & {item["patient"] for item in aside}
    assert kept
    assert bool(aside) == (fraction > 0 and len(set(patients)) > 1)
    assert hold_out(list(reversed(items)), fraction, seed)[1] == list(reversed(aside))


def test_fractions_that_are_none() -> None:
    with pytest.raises(ValueError, match=r"Expected `fraction` within \[0, 1\), but got 1"):
        hold_out([], 1)
