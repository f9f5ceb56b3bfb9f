# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from dataclasses import replace

from monai_acdr.apps.segment_results import FrameReport, SegmentReport
from monai_acdr.apps.study_files import Skipped
from monai_acdr.measures import Finding

FRAMES = [
    FrameReport("1", "1.2", 1, 0, 0, True, "", 0.9, (1.0, 2.0, 3.0, 4.0), {"LV": {"area_mm2": 5.0}}),
    FrameReport("2", "1.3", 1, 0, 1, False, "no ventricle found", 0.1, None),
]


def test_for_programs_and_people() -> None:
    skipped = [Skipped("a.txt", "not_dicom", "no DICOM file"), Skipped("b.txt", "not_dicom", "no DICOM file")]
    findings = [
        Finding("gap", "a slice is missing"),
        Finding("no_contrast", "frame 2 has none"),
        Finding("gap", "another one is missing"),
    ]
    report = SegmentReport({"name": "m"}, "cpu", "dicom", "auto", ["LV"], FRAMES, None, skipped, findings)
    record = json.loads(json.dumps(report.as_dict()))
    assert record["program"] == "monai-acdr segment"
    assert record["frames"][1]["reason"] == "no ventricle found"
    assert record["skipped"][0] == {"file": "a.txt", "kind": "not_dicom", "reason": "no DICOM file"}
    assert report.num_outlined == 1
    assert report.summary() == [
        "1 of 2 frame(s) outlined: LV",
        "Confidence: lowest: 1 (0.90)",
        "2 file(s) left out; the first is a.txt: no DICOM file",
        "Finding: gap: a slice is missing (and 1 more of this kind in report.json)",
        "Finding: no contrast: frame 2 has none",
    ]
    damaged = replace(report, skipped=[*skipped, Skipped("c.dcm", "unreadable", "truncated")])
    assert damaged.summary()[2] == "3 file(s) left out; 1 of them damaged, the first is c.dcm: truncated"


def test_spreads_are_compared_in_one_unit() -> None:
    """Of frames with and without a spacing: in pixels, of which the second frame has more."""
    spreads = [{"LV": {"mean_px": 1.0, "mean_mm": 3.0}}, {"LV": {"mean_px": 2.0}}]
    frames = [replace(FRAMES[0], name=name, spread=spread) for name, spread in zip("ab", spreads, strict=True)]
    mixed = SegmentReport({"name": "m"}, "cpu", "dicom", "auto", ["LV"], frames, None, [], [])
    assert mixed.summary()[-1] == "Spread of the ensemble: mean 1.50 px, largest in b (2.00 px)"
    assert [frame.name for frame in mixed.worst_first()] == ["b", "a"]
    known = replace(mixed, frames=frames[:1])
    assert known.summary()[-1] == "Spread of the ensemble: mean 3.00 mm, largest in a (3.00 mm)"
