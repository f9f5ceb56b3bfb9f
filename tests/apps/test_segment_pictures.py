# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_acdr.apps import segment_results
from monai_acdr.apps.inputs import Inputs, read_inputs
from monai_acdr.apps.measurements import Measurements, find_grid, measure_contours
from monai_acdr.apps.outlines import Outline
from monai_acdr.apps.segment_results import FrameReport, Pictures, SegmentReport, write_overlays, write_pictures
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM
from monai_acdr.geometry import circle
from monai_acdr.visualize import FINAL_COLOR


@pytest.fixture()
def run(study: Path) -> tuple[Inputs, list[Outline], Measurements]:
    """Circles that beat; the first frame of each slice is left out."""
    inputs = read_inputs(study)
    grid, _ = find_grid(inputs.frames)
    outlines = []
    for phase in grid.phase:
        final = circle(torch.tensor([56.0, 50.0]), torch.tensor(10.0 + 3 * phase), 32)
        evolution = torch.stack([final * 0.9 + 5, final])[:, None].numpy()
        outlines.append(Outline(evolution, None, reason="" if phase else "no ventricle found"))
    return inputs, outlines, measure_contours(inputs.frames, [o.final for o in outlines], [LV_ENDOCARDIUM], grid)


def drawn(path: Path) -> int:
    """Pixels of a picture that have the contour's color."""
    return int((np.abs(np.asarray(Image.open(path).convert("RGB")).astype(int) - FINAL_COLOR).sum(-1) < 60).sum())


def test_pictures(run: tuple[Inputs, list[Outline], Measurements], tmp_path: Path) -> None:
    write_pictures(tmp_path, Pictures(*run, [LV_ENDOCARDIUM]))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "contact_sheet.png",
        "evolution.gif",
        "volume_curve.png",
    ]
    assert drawn(tmp_path / "contact_sheet.png") > 500
    with Image.open(tmp_path / "evolution.gif") as gif:
        assert gif.n_frames == 2


def test_the_sheet_shows_end_diastole_and_end_systole(
    run: tuple[Inputs, list[Outline], Measurements], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, outlines, measured = run
    shown = segment_results._shown(outlines, measured)
    assert sorted({measured.grid.phase[index] for index in shown}) == [1, 3]
    assert len(shown) == 6
    monkeypatch.setattr(segment_results, "MAX_SHEET", 4)
    assert len(segment_results._shown(outlines, measured)) == 4


def test_captions_count_from_one(run: tuple[Inputs, list[Outline], Measurements]) -> None:
    pictures = Pictures(*run, [LV_ENDOCARDIUM])
    assert pictures._caption(0) == "slice 1 of 3, phase 1 of 4"
    assert pictures._caption(len(run[0].frames) - 1) == "slice 3 of 3, phase 4 of 4"


def test_tiles_of_repaired_contours_say_so(run: tuple[Inputs, list[Outline], Measurements]) -> None:
    inputs, outlines, measured = run
    outlines[1] = replace(outlines[1], repairs=(("self_intersection", "neighbors"),))
    outlines[2] = replace(outlines[2], repairs=((),))
    pictures = Pictures(inputs, outlines, measured, [LV_ENDOCARDIUM])
    words = "contour small loop cut off and outlined like the neighboring slices"
    assert pictures._caption(1) == f"slice 1 of 3, phase 2 of 4: {words}"
    plain = Pictures(*run[:1], [replace(o, repairs=()) for o in outlines], measured, [LV_ENDOCARDIUM])
    assert pictures.tile(1).shape[0] > plain.tile(1).shape[0]
    assert pictures.tile(2).shape == plain.tile(2).shape
    below = pictures.tile(1)[plain.tile(1).shape[0] :].reshape(-1, 3).astype(int)
    assert (np.abs(below - segment_results.REPAIRED_COLOR).sum(-1) < 60).any()
    both = [LV_ENDOCARDIUM, LV_EPICARDIUM]
    outlines[3] = replace(outlines[3], repairs=((), ("nesting",)), doubtful=True, confidence=0.4)
    named = "doubtful 0.40, LV epicardium pushed outward to contain the inner structure"
    assert Pictures(inputs, outlines, measured, both)._caption(3) == f"slice 1 of 3, phase 4 of 4: {named}"


def test_reasons_to_check_have_one_order_in_all_captions(run: tuple[Inputs, list[Outline], Measurements]) -> None:
    """On tiles and in the list of the report: scale, confidence, shape, repairs."""
    inputs, outlines, measured = run
    wrong = {"scale": "too large", "doubtful": True, "dented": True, "confidence": 0.4}
    outlines[1] = replace(outlines[1], repairs=(("neighbors",),), **wrong)
    reasons = "implausible scale, doubtful 0.40, epicardium not convex, contour outlined like the neighboring slices"
    tile = Pictures(inputs, outlines, measured, [LV_ENDOCARDIUM])._caption(1)
    assert tile == f"slice 1 of 3, phase 2 of 4: {reasons}"
    repairs, spread = {"LV endocardium": ("neighbors",)}, {"LV endocardium": {"mean_px": 1.5}}
    frame = FrameReport("a", None, 1, 0, 1, True, "", region=None, repairs=repairs, spread=spread, **wrong)
    report = SegmentReport({}, "cpu", "dicom", "auto", ["LV endocardium"], [frame], None, [], [])
    assert segment_results._certainty(frame, report) == f"slice 1 of 1, phase 2 of 2 (a), spread 1.50 px, {reasons}"
    sure = replace(frame, scale="", doubtful=False, dented=False, repairs={})
    assert segment_results._certainty(sure, report) == "slice 1 of 1, phase 2 of 2 (a), confidence 0.40, spread 1.50 px"


def test_overlays_of_what_is_outlined(run: tuple[Inputs, list[Outline], Measurements], tmp_path: Path) -> None:
    inputs, outlines, _ = run
    write_overlays(tmp_path / "overlays", Pictures(*run, [LV_ENDOCARDIUM]))
    names = {frame.name for frame, outline in zip(inputs.frames, outlines, strict=True) if outline.final is not None}
    assert {path.stem for path in (tmp_path / "overlays").iterdir()} == names
    assert all(drawn(path) > 50 for path in (tmp_path / "overlays").iterdir())
