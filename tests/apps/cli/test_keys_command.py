# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from monai_acdr.apps.cli import main


def test_keys_with_defaults_and_meanings() -> None:
    shown = CliRunner().invoke(main, ["keys", "sunnybrook_lv_acdr"])
    assert shown.exit_code == 0
    assert re.search(r"--optimizer#weight_decay +weight decay of AdamW \[0\.0001\]", shown.output)
    listed = json.loads(CliRunner().invoke(main, ["keys", "contour_acdr", "--config", "inference", "--json"]).output)
    assert {"name": "roi_size", "default": "64"}.items() <= next(k for k in listed if k["name"] == "roi_size").items()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope"], r"Error: Expected a bundle's folder or one of \[.*'sunnybrook_lv_acdr'\], but got 'nope'"),
        (["contour_acdr", "--config", "trian"], r"one of evaluate, inference, .*train, but got 'trian'"),
    ],
)
def test_refused(words: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["keys", *words])
    assert result.exit_code == 3
    assert re.search(message, result.output)
