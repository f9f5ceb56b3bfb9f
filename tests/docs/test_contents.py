# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What pages say of the code is so: quoted lines, figures of a report, findings, layouts, handlers of coordinates."""

from __future__ import annotations

import re
from typing import Any

import torch

from monai_acdr import geometry
from monai_acdr.apps.layers import FORMATS
from monai_acdr.data.pair_sources import _IMAGE_FOLDERS, _MASK_FOLDERS
from monai_acdr.data.report import KINDS
from monai_acdr.data.sunnybrook.layouts import LAYOUTS
from monai_acdr.losses import PRESETS
from monai_acdr.metrics import evaluate_case, summarize_cases


def test_equations_quote_lines_that_exist(docs: Any) -> None:
    page = docs("explanation/paper_to_code.md")
    quoted = [row for row in page.rows() if len(row) == 4 and row[2].startswith("[")]
    assert len(quoted) > 12
    for _, _, where, line in quoted:
        (target,) = re.findall(r"\]\((.*?)\)", where)
        source = (page.path.parent / target).read_text(encoding="utf-8")
        assert line.startswith("`")
        assert line.strip("`") in source, f"{target} has no line {line}"


def test_every_equation_has_a_line(docs: Any) -> None:
    text = docs("explanation/paper_to_code.md").text
    assert all(f"eq. {number}" in text for number in range(1, 9))


def test_every_figure_of_a_report_is_explained(docs: Any) -> None:
    mask = torch.zeros(1, 8, 8)
    mask[:, 2:5, 2:5] = 1
    summary = summarize_cases([evaluate_case(mask, mask, name="a")])
    text = docs("reference/metrics.md").text
    keys = [key for key in summary if not key.endswith("_ci95")] + ["_ci95", "not_evaluated", "with_excluded_patients"]
    missing = [key for key in keys if key not in text and key != "empty_policy"]
    assert not missing


def test_every_finding_and_layout_is_named(docs: Any) -> None:
    page = docs("how-to/data_layouts.md")
    text = page.text + docs("how-to/mammography.md").text
    assert not [kind for kind in KINDS if f"`{kind}`" not in text]
    assert not [layout for layout in LAYOUTS if f"| `{layout}` |" not in page.text]


def test_every_format_of_convert_states_its_endings(docs: Any) -> None:
    files = {row[0]: row[1] for row in docs("how-to/convert.md").rows() if len(row) == 4}
    assert not [
        (name, suffix) for name, kind in FORMATS.items() for suffix in kind.suffixes if f"`{suffix}`" not in files[name]
    ]


def test_every_folder_of_images_and_masks_is_named(docs: Any) -> None:
    (row,) = (row[1] for row in docs("how-to/data_layouts.md").rows() if row[0] == "folders")
    names = {*re.findall(r"`(\w+)/`", row)}
    names |= {f"{name}s" for name in names} | {name.removesuffix("s") for name in names}
    assert not [name for name in (*_IMAGE_FOLDERS, *_MASK_FOLDERS) if name not in names]


def test_every_conversion_is_named(docs: Any) -> None:
    text = docs("reference/coordinates.md").text
    names = [name for name in geometry.coordinates.__all__ if name != "PIXEL_CENTER"]
    assert not [name for name in names if f"`{name}`" not in text]


def test_differences_state_the_presets_weights(docs: Any) -> None:
    options = ("balloon_weight", "curvature_weight", "distance_weight")
    rows = {row[4].strip("`-"): row for row in docs("explanation/paper_and_code.md").rows() if len(row) == 5}
    for column, preset in ((1, "paper"), (2, "reference_code")):
        for option in options:
            stated = rows[f"loss#{option}"][column].replace("none", "0")
            assert float(stated) == PRESETS[preset][option], f"{preset}: {option}"
