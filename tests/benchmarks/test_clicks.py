# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Simulated clicks on synthetic hearts and with an untrained network: more clicks, better contours."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch
from monai.bundle import ConfigParser

from monai_acdr.bundle import bundle_root
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.geometry import circle
from monai_acdr.transforms import contour_to_mask


@pytest.fixture
def clicks() -> ModuleType:
    return import_module("clicks")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Of the bundle's network, untrained."""
    torch.manual_seed(0)
    parser = ConfigParser()
    parser.read_config(str(bundle_root("sunnybrook_lv_acdr") / "configs" / "inference.json"))
    parser["device"], parser["network_def#num_members"] = torch.device("cpu"), 1
    torch.save(parser.get_parsed_content("network").state_dict(), tmp_path / "model.pt")
    return tmp_path / "model.pt"


def test_more_clicks_better_contours(clicks: ModuleType, weights: Path, tmp_path: Path) -> None:
    data = write_short_axis_studies(tmp_path / "data", 1, 2, 2, (96, 96))
    output = tmp_path / "clicks.json"
    rules = [rule for rule in clicks.RULES if rule != "redraw"]
    size = ["--group", "all", "--clicks", "1", "3", "6", "--center-side", "60", "--rules", *rules]
    options = ["--dataset-dir", str(data), "--checkpoint", str(weights), "--output", str(output), *size]
    assert clicks.main(options) == 0
    record = json.loads(output.read_text())
    assert str(tmp_path) not in json.dumps(record["results"])
    for rule in rules:
        after = record["results"][rule]["after"]
        assert list(after) == ["0", "1", "3", "6"]
        assert after["6"]["mean_dice"] > after["1"]["mean_dice"]
        assert len(record["results"][rule]["worse_share"]) == 5
        goals = record["results"][rule]["goals"]["0.95"]
        assert goals["most"] == 6 and 0 <= goals["at_start"] <= goals["reached"] <= 4 and goals["mean"] <= 6


def test_a_circle_is_redrawn_with_the_corners_that_its_area_asks_for(clicks: ModuleType, tmp_path: Path) -> None:
    """K corners on a circle have the share a = K / (2 pi) sin(2 pi / K) of its area, and a Dice of 2 a / (1 + a)."""
    reference = circle(torch.tensor([150.0, 150.0], dtype=torch.float64), 120.0, 720)
    label = contour_to_mask(reference, (300, 300), threshold=0.5)[0] > 0
    assert [clicks.corners(reference, label, goal) for goal in (0.95, 0.97)] == [9, 11]
    data = write_short_axis_studies(tmp_path / "data", 1, 2, 2, (96, 96))
    output = tmp_path / "redraw.json"
    assert (
        clicks.main(["--dataset-dir", str(data), "--group", "all", "--rules", "redraw", "--output", str(output)]) == 0
    )
    goals = json.loads(output.read_text())["results"]["redraw"]["goals"]
    assert 3 <= goals["0.95"]["median"] <= goals["0.97"]["mean"] <= goals["0.97"]["most"] <= 14


def make_session(clicks: ModuleType, radius: float) -> object:
    middle = torch.tensor([32.0, 32.0], dtype=torch.float64)
    reference = circle(middle, 12.0, 90)
    case = {"label": contour_to_mask(reference, (64, 64), threshold=0.5), "reference": reference}
    return clicks.Session(case, circle(middle + torch.tensor([4.0, 0.0]), radius, 32), middle)


def test_largest_disc_is_clicked(clicks: ModuleType) -> None:
    place, inside = clicks.click_in_disc(make_session(clicks, 12.0))
    # moved to the right by 4: as much is missing on the left as is too much on the right
    assert abs(float(place[0]) - 32) == pytest.approx(14 if not inside else 10, abs=2)
    assert float(place[1]) == pytest.approx(32, abs=8)  # a thin moon: discs of the same size fit in many places
    place, inside = clicks.click_in_disc(make_session(clicks, 22.0))
    assert not inside
    assert float(place[0]) == pytest.approx((44 + 58) / 2, abs=2)


def room(place: torch.Tensor, radius: float, inside: bool) -> float:
    """How far a place lies within the error between the reference and the moved circle, by geometry."""
    from_reference = 12.0 - float((place - torch.tensor([32.0, 32.0])).norm())
    from_contour = radius - float((place - torch.tensor([36.0, 32.0])).norm())
    return min(from_reference, -from_contour) if inside else min(-from_reference, from_contour)


@pytest.mark.parametrize(("radius", "widest"), [(12.0, 4.0), (22.0, 14.0)])
def test_the_click_has_as_much_room_as_there_is(clicks: ModuleType, radius: float, widest: float) -> None:
    place, inside = clicks.click_in_disc(make_session(clicks, radius))
    assert room(place, radius, inside) == pytest.approx(widest / 2, abs=0.8)  # masks are of whole pixels


def test_farthest_boundary_is_clicked(clicks: ModuleType) -> None:
    place, inside = clicks.click_on_boundary(make_session(clicks, 12.0))
    assert float((place - torch.tensor([32.0, 32.0])).norm()) == pytest.approx(12)
    assert inside == (float(place[0]) < 32)
