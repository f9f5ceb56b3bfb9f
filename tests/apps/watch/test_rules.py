# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_acdr.apps.watch.rules import check_recipe, parse_rules, read_rules
from monai_acdr.dicom.orthanc import OrthancSeries, OrthancStudy

STUDY = OrthancStudy("x", "1.2", "Cardiac MRI", "20261129T120000", True)


def series(modality: str = "MR", description: str = "cine SAX", instances: tuple[str, ...] = ("i",)) -> OrthancSeries:
    return OrthancSeries("1.2.3", modality, description, instances)


def rule(**values: Any) -> dict[str, Any]:
    return {"name": "a", **values}


def test_defaults_give_all_dicom_results() -> None:
    (one,) = parse_rules({"rules": [rule()]}).rules
    assert (one.recipe.options.seg, one.recipe.options.rtstruct, one.recipe.options.sr) == ("BINARY", True, True)
    assert one.recipe.model == "sunnybrook_lv_acdr"


def test_the_first_rule_with_series_takes_the_study() -> None:
    rules = parse_rules(
        {
            "rules": [
                rule(name="ct", modality="CT"),
                rule(name="brain", modality="MR", study_description="brain|head"),
                rule(name="cine", modality="MR", series_description="cine.*sax"),
                rule(name="rest"),
            ]
        }
    )
    short, other, result = series(), series(description="localizer"), series("SEG")
    chosen = rules.choose(STUDY, [short, other, result])
    assert chosen is not None
    assert (chosen[0].name, chosen[1]) == ("cine", [short])
    chosen = rules.choose(STUDY, [other, result])
    assert chosen is not None
    assert (chosen[0].name, chosen[1]) == ("rest", [other])
    assert rules.choose(STUDY, [result, series("RTSTRUCT"), series("SR"), series(instances=())]) is None


def test_waits_double_up_to_the_longest() -> None:
    rules = parse_rules({"rules": [rule()], "retries": {"first_seconds": 10, "longest_seconds": 60}})
    assert [rules.backoff(n) for n in (1, 2, 3, 4, 5000)] == [10, 20, 40, 60, 60]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([], "the rules to be an object"),
        ({}, '"rules" to be a list of 1 to 1000 rules, but got None'),
        ({"rules": [rule()], "emergency": {}}, "known names in the rules, but got 'emergency'"),
        ({"rules": [rule(), rule()]}, "own name, but got"),
        ({"rules": [{}]}, '"name" of "rules", number 1 to be up to 64 letters'),
        ({"rules": [rule(name="../x")]}, "but got '../x'"),
        ({"rules": [rule(modalty="MR")]}, "did you mean 'modality'"),
        ({"rules": [rule(modality="mr")]}, 'a code such as "MR"'),
        ({"rules": [rule(modality="SEG")]}, "to be one of images, but got 'SEG'"),
        ({"rules": [rule(study_description="(")]}, "to be a regular expression, but '\\(' is not"),
        ({"rules": [rule(series_description="")]}, "to be a regular expression, but got ''"),
        ({"rules": [rule(roi="point 1")]}, "2 numbers after 'point'"),
        ({"rules": [rule(options={"sr": 1})]}, '"sr" of "rules", number 1 to be true or false, but got 1'),
        ({"rules": [rule(options={"seg": "binary"})]}, "to be one of .*BINARY.* but got 'binary'"),
        ({"rules": [rule(options={"spacing": [1]})]}, "to be two numbers in mm"),
        ({"rules": [rule(options={"batch_size": 0})]}, "a number from 1 to 10000"),
        ({"rules": [rule(options={"store": "http://x"})]}, "known names .* but got 'store'"),
        ({"rules": [rule(options={"seg": None, "rtstruct": False, "sr": False})]}, "all are off"),
        ({"rules": [rule()], "urgent": {"calling_aet": "X"}}, '"calling_aet" of "urgent" to be a list of AE titles'),
        ({"rules": [rule()], "urgent": {"called_aet": ["A" * 17]}}, "to be a list of AE titles"),
        ({"rules": [rule()], "mark": 5}, "the number of a metadatum, 1024 to 65535, but got 5"),
        ({"rules": [rule()], "retries": {"attempts": True}}, "from 1 to 10000, but got True"),
        ({"rules": [rule()], "poll_seconds": -1}, "a positive number"),
        ({"rules": [rule()], "ignore_before": "2026-01-01"}, "a day, YYYYMMDD"),
        ({"rules": [rule()], "keep_results": "no"}, "true or false, but got 'no'"),
    ],
)
def test_errors_say_where_and_what(record: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=message) as caught:
        read_rules(path)
    assert str(path) in str(caught.value)


def test_absent_files_and_bundles(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="rules"):
        read_rules(tmp_path / "rules.json")
    with pytest.raises(FileNotFoundError, match="a bundle's folder or one of"):
        parse_rules({"rules": [rule(model="heart")]})
    with pytest.raises(FileNotFoundError, match='"roi" of the task to be auto'):
        check_recipe({"roi": "somewhere.json"}, "the task")
    (tmp_path / "rules.json").write_text("{,}")
    with pytest.raises(ValueError, match="line 1, column 2"):
        read_rules(tmp_path / "rules.json")


def test_options_and_device() -> None:
    recipe = check_recipe({"options": {"spacing": [1.5, 1], "structure": ["a", "b"], "series": "3"}}, "x")
    assert (recipe.options.spacing, recipe.options.structure, recipe.options.series) == ((1.5, 1.0), ("a", "b"), "3")
    assert recipe.on("cuda:1").options.device == "cuda:1"
    assert check_recipe({"options": {"device": "cpu"}}, "x").on("cuda").options.device == "cpu"
