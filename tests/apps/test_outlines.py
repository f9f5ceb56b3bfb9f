# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from monai_acdr.apps.inputs import Frame, Inputs, make_image, read_inputs
from monai_acdr.apps.measurements import (
    ABOVE_BASE,
    BELOW_APEX,
    beyond_ends_findings,
    dented_finding,
    doubtful_slice_finding,
    find_grid,
    scale_findings,
    scattered_finding,
    wide_cavity_finding,
)
from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.apps.outlines import (
    Outline,
    _diameters,
    _in_ventricle,
    _is_dented,
    _like_neighbors,
    _Look,
    _pixel_sizes,
    _Place,
    _second_region,
    outline_frames,
)
from monai_acdr.apps.regions import parse_region
from monai_acdr.geometry import circle, ellipse, is_nested
from monai_acdr.inferers import InferredContours, LocatedHeart


def test_batches_and_progress(study: Path, tiny_heart: Path) -> None:
    inputs = read_inputs(study)
    told: list[tuple[str, int, int]] = []
    model = load_model(tiny_heart, device="cpu", batch_size=5)
    outlines = outline_frames(parse_region("center"), inputs, model, None, progress=lambda *step: told.append(step))
    assert told == [("outline", 5, 12), ("outline", 10, 12), ("outline", 12, 12)]
    whole = outline_frames(parse_region("center"), inputs, load_model(tiny_heart, device="cpu"), None)
    for one, other in zip(outlines, whole, strict=True):
        assert one.evolution is not None
        assert one.evolution.shape == (4, 2, 16, 2)
        np.testing.assert_allclose(one.evolution, other.evolution, atol=1e-4)
        np.testing.assert_array_equal(one.final, one.evolution[-1])


def test_one_structure_has_the_same_shapes(study: Path, tiny_cavity: Path) -> None:
    inputs = read_inputs(study)
    for outline in outline_frames(parse_region("center"), inputs, load_model(tiny_cavity, device="cpu"), None):
        assert outline.evolution is not None and outline.final is not None
        assert outline.evolution.shape == (4, 1, 16, 2) and outline.final.shape == (1, 16, 2)


def test_an_ensemble_tells_its_spread(study: Path, tiny_heart: Path, ensemble_weights: Path) -> None:
    """The second member moves contours to the right, so members differ at the left and right, not above and below."""
    inputs = read_inputs(study)
    model = load_model(tiny_heart, ensemble_weights, device="cpu", batch_size=5)
    outlines = outline_frames(parse_region("center"), inputs, model, None)
    for outline in outlines:
        assert outline.spread is not None and outline.spread.shape == (2, 16)
        across = np.abs(outline.evolution[-1] - outline.evolution[-1].mean(1, keepdims=True))
        sides, ends = across[..., 0] > 3 * across[..., 1], across[..., 1] > 3 * across[..., 0]
        assert outline.spread[sides].min() > 1.5 * outline.spread[ends].max()
    (single, *_) = outline_frames(parse_region("center"), inputs, load_model(tiny_heart, device="cpu"), None)
    assert single.spread is None


def test_a_right_breast_is_seen_flipped(mammogram: Path, tiny_mass: Path) -> None:
    """The same image, said to be of the left breast, gives another contour; its start lies in the box either way."""
    inputs = read_inputs(mammogram)
    model = load_model(tiny_mass, device="cpu")
    request = parse_region("box 40 60 80 90")
    (right,) = outline_frames(request, inputs, model, None)
    left_inputs = replace(inputs, frames=[replace(inputs.frames[0], laterality="L")])
    (left,) = outline_frames(request, left_inputs, model, None)
    np.testing.assert_allclose(right.evolution[0, 0].mean(0), [60, 75], atol=1e-3)
    np.testing.assert_allclose(left.evolution[0, 0].mean(0), [60, 75], atol=1e-3)
    assert np.abs(np.sort(right.final[0], axis=0) - np.sort(left.final[0], axis=0)).max() > 1e-3


def test_auto_needs_a_localizer(mammogram: Path, tiny_mass: Path, study: Path, tiny_heart: Path) -> None:
    named = r'bundle "inbreast_mass_acdr" has no localizer; give --roi box X0 Y0 X1 Y1, in'
    with pytest.raises(ValueError, match=named):
        outline_frames(parse_region("auto"), read_inputs(mammogram), load_model(tiny_mass, device="cpu"), None)
    model = replace(load_model(tiny_heart, device="cpu"), localizer=None, no_localizer="it was left out")
    with pytest.raises(ValueError, match=r"it was left out; give --roi box X0 Y0 X1 Y1 or --roi point X Y, in pixels"):
        outline_frames(parse_region("auto"), read_inputs(study), model, None)


PIXELS = [(1.0, 1.0)] * 12


class Told:
    """A localizer that says what it was told."""

    presence_threshold = 0.5

    def __init__(self, hearts: list[LocatedHeart]) -> None:
        self.hearts = hearts
        self.asked: tuple[Any, ...] = ()

    def __call__(self, images: Any, *numbers: Any, **options: Any) -> list[LocatedHeart]:
        assert len(images) == len(self.hearts)
        self.asked = numbers
        return self.hearts


def hearts_of(presence: list[float], counted: list[bool], doubtful: list[bool]) -> list[LocatedHeart]:
    center = torch.tensor([50.0, 45.0], dtype=torch.float64)
    return [LocatedHeart(center, 20.0, p, c, d) for p, c, d in zip(presence, counted, doubtful, strict=True)]


def test_what_is_located_is_outlined(study: Path, tiny_heart: Path) -> None:
    """Regions in mm about the center; frames that do not count are left out unless all are wanted."""
    inputs = read_inputs(study)
    grid, _ = find_grid(inputs.frames)
    assert grid is not None
    counted = [number > 0 for number in grid.slice_index]
    told = Told(hearts_of([0.3 + 0.2 * n for n in grid.slice_index], counted, [n < 2 for n in grid.slice_index]))
    model = replace(load_model(tiny_heart, device="cpu"), localizer=told)  # type: ignore[arg-type]
    outlines = outline_frames(parse_region("auto"), inputs, model, grid)
    *indices, origins = told.asked
    assert indices == [grid.slice_index, grid.phase]
    expected = [(0.0, 0.0, grid.positions_mm[number]) for number in grid.slice_index]
    np.testing.assert_allclose(origins, expected, atol=1e-6)
    for outline, kept, number in zip(outlines, counted, grid.slice_index, strict=True):
        assert outline.region is not None
        assert outline.region.tolist() == pytest.approx([50, 45, 100, 100, 0])  # the pixels of the phantom have 1.3 mm
        assert (outline.final is not None) == kept
        assert outline.reason == ("" if kept else "no ventricle found")
        assert outline.confidence == pytest.approx(0.3 + 0.2 * number)
        assert outline.close_call == (number < 2)
    (finding,) = doubtful_slice_finding(inputs.frames, outlines, grid, model.structures)
    assert finding.kind == "doubtful_slice"
    assert finding.text == (
        "probability of a ventricle near the threshold in slice 1 of 3 (0.30 to 0.30 at 4 phase(s)): kept at 0 of "
        "these phases; slice 2 of 3 (0.50 to 0.50 at 4 phase(s)): kept at 4 of these phases"
    )
    every = outline_frames(parse_region("auto"), inputs, model, grid, all_frames=True)
    assert all(outline.final is not None for outline in every)


def test_the_localizer_is_told_where_the_slices_lie(
    own_study: Path, edit: Callable[..., Path], tiny_heart: Path
) -> None:
    """The second slice three pixels further along its rows and two columns back, the last one twice as far away."""
    sources = read_inputs(own_study).sources
    first = sources[0]
    assert first.spacing is not None
    along, down = np.array(first.orientation[:3]) * first.spacing[1], np.array(first.orientation[3:]) * first.spacing[0]
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    positions = sorted({float(normal @ source.position) for source in sources})
    for source in sources:
        number = positions.index(float(normal @ source.position))
        shift = (3 * along - 2 * down) * (number == 1) + (positions[2] - positions[1]) * normal * (number == 2)
        edit(source.path, ImagePositionPatient=[round(float(x), 6) for x in source.position + shift])
    inputs = read_inputs(own_study)
    grid, _ = find_grid(inputs.frames)
    assert grid is not None
    told = Told(hearts_of([0.9] * len(inputs.frames), [True] * len(inputs.frames), [False] * len(inputs.frames)))
    model = replace(load_model(tiny_heart, device="cpu"), localizer=told)  # type: ignore[arg-type]
    outline_frames(parse_region("auto"), inputs, model, grid)
    origins = np.array(told.asked[2])
    moved = [(3.0, -2.0) if number == 1 else (0.0, 0.0) for number in grid.slice_index]
    np.testing.assert_allclose(origins[:, :2], moved, atol=1e-4)
    places = [positions[0], positions[1], 2 * positions[2] - positions[1]]
    np.testing.assert_allclose(origins[:, 2], [places[number] for number in grid.slice_index], atol=1e-3)


def test_borders_are_moved_where_the_spacing_is_known(study: Path, nested_model: ContourModel) -> None:
    """Circles of 8 and 12 pixels of 1.3 mm, each moved by one of them."""
    inputs = read_inputs(study)
    moved = replace(nested_model, border_mm=(-1.3, 1.3))
    request = parse_region("center")
    for outline in outline_frames(request, inputs, moved, None):
        assert outline.evolution is not None and outline.final is not None
        radii = np.linalg.norm(outline.evolution - outline.evolution.mean(axis=-2, keepdims=True), axis=-1).mean(-1)
        np.testing.assert_allclose(radii[-1], [7, 13], rtol=1e-3)
        np.testing.assert_allclose(radii[0], [4, 6], rtol=1e-3)  # as the network left them
    unknown = replace(inputs, frames=[replace(frame, spacing=None) for frame in inputs.frames])
    for before, after in zip(
        outline_frames(request, unknown, nested_model, None), outline_frames(request, unknown, moved, None), strict=True
    ):
        np.testing.assert_array_equal(before.evolution, after.evolution)  # type: ignore[arg-type]


def test_without_spacing_the_size_that_is_seen_decides(study: Path, tiny_heart: Path) -> None:
    inputs = read_inputs(study)
    frames = [replace(frame, spacing=None) for frame in inputs.frames[:2]]
    told = Told(hearts_of([0.9, 0.45], [True, False], [False, True]))
    model = replace(load_model(tiny_heart, device="cpu"), localizer=told)  # type: ignore[arg-type]
    for scale, side in ((2.0, 80.0), (1.5, 60.0), (None, 100.0)):
        scaled = replace(model, regions=replace(model.regions, localized_scale=scale))
        outlines = outline_frames(parse_region("auto"), replace(inputs, frames=frames), scaled, None)
        assert told.asked == ()
        for outline in outlines:
            assert outline.region is not None
            assert outline.region.tolist() == pytest.approx([50, 45, side, side, 0])
    (finding,) = doubtful_slice_finding(frames, outlines, None, model.structures)
    assert finding.text.endswith(f"in frame {frames[1].name} (0.45): left out")
    assert doubtful_slice_finding(frames[:1], outlines[:1], None, model.structures) == []
    for label, named in (("object", "an object"), ("skin lesion", "an object (skin lesion)")):
        (finding,) = doubtful_slice_finding(frames, outlines, None, [replace(model.structures[0], label=label)])
        assert finding.text.startswith(f"probability of {named} near the threshold in frame")


@pytest.mark.parametrize(
    ("size", "spacing", "diameter", "side", "scale"),
    [
        ((100, 461), None, 50.0, 100.0, ""),  # 599 mm with pixels of 1.3 mm
        ((100, 462), None, 50.0, 125.0, "100 x 462 pixels (H x W) would be 130 x 601 mm with the 1.3 mm"),
        ((100, 462), 1.3, 50.0, 100.0, ""),
        ((100, 100), None, 100.5, 251.25, "what was located is 100 pixels across, its region 100"),
        ((100, 100), None, 99.5, 100.0, ""),
        ((100, 100), None, 12.0, 30.0, "what was located is 12 pixels across, its region 100"),
        (
            (100, 100),
            0.65,
            201.0,
            200.0,
            "what was located is 201 pixels across, its region 200",
        ),
    ],
)
def test_scales_that_cannot_be_right(
    tiny_heart: Path, size: tuple[int, int], spacing: float | None, diameter: float, side: float, scale: str
) -> None:
    """Single frames; of a series the median counts, so one wrong diameter changes nothing."""
    image = make_image(np.random.default_rng(0).normal(size=size).astype(np.float32), torch.eye(4))
    frame = Frame("a", image, None if spacing is None else (spacing, spacing))
    middle = torch.tensor([50.0, 50.0], dtype=torch.float64)
    hearts = [LocatedHeart(middle, radius, 0.9, True, False) for radius in (diameter / 2, 25.0, 25.5)]
    model = replace(load_model(tiny_heart, device="cpu"), localizer=Told(hearts[:1]))  # type: ignore[arg-type]
    (outline,) = outline_frames(parse_region("auto"), Inputs("pictures", [frame], []), model, None)
    assert outline.region is not None and outline.region[2:4].tolist() == pytest.approx([side, side])
    assert outline.scale.startswith(scale) and bool(outline.scale) == bool(scale)
    found = scale_findings([frame], [outline.scale], located=True)
    assert [finding.kind for finding in found] == ["implausible_scale"] * bool(scale)
    if scale:
        ending = "give the spacing in mm" if spacing is None else "measures cannot be right: correct the pixel spacing"
        assert ending in found[0].text and f"frame a: {scale}" in found[0].text
        assert ("the size of what was located" in found[0].text) == (spacing is None)
        assert scale_findings([frame], [""], True) == []
    grid = SimpleNamespace(slice_index=[0, 1, 2], phase=[0, 0, 0])
    medians = [2 * 25.5 if diameter > 51 else 2 * 25.0] * 3
    assert _diameters(hearts, grid, PIXELS[:3]) == medians  # type: ignore[arg-type]
    half = [(1.0, 1.0), (2.0, 2.0), (1.0, 4.0)]  # pixels of twice the side: the same heart has half as many
    halves = [replace(hearts[0], radius=radius) for radius in (20.0, 10.0, 10.0)]
    assert _diameters(halves, grid, half) == [40.0, 20.0, 20.0]  # type: ignore[arg-type]


def test_the_scale_matters_only_to_regions_of_a_fixed_side(tiny_heart: Path, tmp_path: Path) -> None:
    image = make_image(np.random.default_rng(0).normal(size=(500, 520)).astype(np.float32), torch.eye(4))
    inputs = Inputs("pictures", [Frame("a", image, None)], [])
    model = load_model(tiny_heart, device="cpu")
    for region, fixed in (("center", True), ("point 200 210", True), ("box 100 100 300 320", False)):
        (outline,) = outline_frames(parse_region(region), inputs, model, None)
        assert bool(outline.scale) == fixed
    told = Told(hearts_of([0.9], [True], [False]))
    for regions in (
        {"localized_scale": 2.0},
        {"pixel_mm": None},
    ):
        changed = replace(model, regions=replace(model.regions, **regions), localizer=told)  # type: ignore[arg-type]
        (outline,) = outline_frames(parse_region("auto"), inputs, changed, None)
        assert outline.scale == "" and outline.final is not None


@pytest.mark.parametrize("changes", [{}, {"thinnest_wall": None}, {"nested": False}])
def test_thin_walls_at_the_base_do_not_count(nested_model: ContourModel, changes: dict[str, object]) -> None:
    """Rings of six slices at two phases; at the second one the first slice has a thin wall."""
    model = replace(nested_model, **{"thinnest_wall": 0.65, "nested": True, **changes})  # type: ignore[arg-type]
    grid = SimpleNamespace(slice_index=[z for z in range(6) for _ in range(2)], phase=[0, 1] * 6)
    evolutions, center = {}, torch.tensor([50.0, 50.0])
    for index, (number, phase) in enumerate(zip(grid.slice_index, grid.phase, strict=True)):
        inner = 30.0 - 3 * number - 8 * phase
        wall = 4.0 if (number, phase) == (0, 1) else 10.0 + 3 * phase
        rings = torch.stack([circle(center, inner, 64), circle(center, inner + wall, 64)])
        evolutions[index] = rings.numpy()[None]
    places = [_Place(None) for _ in evolutions]
    spreads = {
        index: np.full((2, 64), 8.0 if index == 10 else 0.5) for index in evolutions
    }  # 10: the apex, first phase
    found = _in_ventricle(places, [_Look(evolutions, spreads)], model, grid, PIXELS)  # type: ignore[arg-type]
    expected = ["", *["" if changes else ABOVE_BASE], *[""] * 8, *["" if changes else BELOW_APEX], ""]
    assert [place.reason for place in found] == expected
    assert _in_ventricle(places, [_Look(evolutions, spreads)], model, None, PIXELS) == places
    alone = _in_ventricle(places, [_Look(evolutions, {})], model, grid, PIXELS)  # type: ignore[arg-type]
    assert [place.reason for place in alone] == [*expected[:10], "", ""]
    if not changes:
        above, below = beyond_ends_findings(["a", "b"], ["c"])
        assert (above.kind, below.kind) == ("above_base", "below_apex")
        assert "frame a" in above.text and "frame c" in below.text and beyond_ends_findings([], []) == []


def test_slices_are_compared_in_mm(nested_model: ContourModel) -> None:
    """A wall has few pixels where they are large, and a cavity few at end-diastole."""
    model = replace(nested_model, thinnest_wall=0.65, widest_cavity=1.75)
    grid = SimpleNamespace(
        slice_index=[z for z in range(6) for _ in range(2)], phase=[0, 1] * 6, positions_mm=(0.0, 9, 18, 27, 36, 45)
    )
    sizes = [2.0 if index in (0, 1, 4) else 1.0 for index in range(12)]
    shares = np.array([[0.9, 0.4], [0.9, 0.4], [0.9, 0.8], [0.9, 0.6], [0.9, 0.4], [0.8, 0.4]])
    evolutions, found, center = {}, {}, torch.tensor([50.0, 50.0], dtype=torch.float64)
    for index, (number, size) in enumerate(zip(grid.slice_index, sizes, strict=True)):
        inner = 30.0 - 3 * number
        walls = torch.stack([circle(center, inner / size, 64), circle(center, (inner + 10) / size, 64)])
        evolutions[index] = walls.numpy()[None]
        inner = 40 * shares[number, index % 2]
        cavities = torch.stack([circle(center, inner / size, 64), circle(center, 40 / size, 64)])
        found[index] = InferredContours(cavities[None], None, ((), ()))
    places, spreads = [_Place(None) for _ in sizes], {i: np.full((2, 64), 1 / size) for i, size in enumerate(sizes)}
    for pixels, reasons, wide in (([(size, size) for size in sizes], {""}, []), (PIXELS, {"", ABOVE_BASE}, [5])):
        kept = _in_ventricle(places, [_Look(evolutions, spreads)], model, grid, pixels)  # type: ignore[arg-type]
        assert {place.reason for place in kept} == reasons
        assert sorted(_like_neighbors(places, found, model, grid, pixels)) == wide  # type: ignore[arg-type]
    frames = [SimpleNamespace(spacing=spacing) for spacing in ((2.0, 2.0), (1.5, 2.0), None)]
    assert _pixel_sizes(frames[:2]) == [(2.0, 2.0), (1.5, 2.0)]  # type: ignore[arg-type]
    assert _pixel_sizes(frames) == [(1.0, 1.0)] * 3  # type: ignore[arg-type]


def test_a_slice_at_the_base_has_to_be_probable(nested_model: ContourModel) -> None:
    """Six slices alike, at two phases: unsure at the base counts as none, at the apex and in the middle as one."""
    model = replace(nested_model, thinnest_wall=0.4, localizer=Told([]))  # type: ignore[arg-type]
    grid = SimpleNamespace(slice_index=[z for z in range(6) for _ in range(2)], phase=[0, 1] * 6)
    center = torch.tensor([50.0, 50.0])
    evolutions = {
        index: torch.stack([circle(center, 20.0 - 2 * z - p, 64), circle(center, 32.0 - 2 * z, 64)]).numpy()[None]
        for index, (z, p) in enumerate(zip(grid.slice_index, grid.phase, strict=True))
    }

    def reasons(**unsure: float) -> list[str]:
        places = [_Place(None, unsure.get(f"_{index}", 0.9)) for index in range(12)]
        found = _in_ventricle(places, [_Look(evolutions, {})], model, grid, PIXELS)  # type: ignore[arg-type]
        return [place.reason for place in found]

    assert reasons(_0=0.41, _1=0.41, _6=0.3, _10=0.3, _11=0.3) == [""] * 12
    assert reasons(_0=0.31, _1=0.51) == [""] * 12  # the mean over the phases decides
    assert reasons(_0=0.31, _1=0.47) == [ABOVE_BASE, ABOVE_BASE, *[""] * 10]


def with_dent(ring: torch.Tensor, depth: float) -> torch.Tensor:
    """A ring with an eighth of its vertices moved towards the center."""
    center, dent = ring.mean(0), slice(len(ring) // 8)
    moved = ring.clone()
    moved[dent] = center + depth * (moved[dent] - center)
    return moved


def test_an_epicardium_that_is_not_convex_is_no_ventricle(nested_model: ContourModel) -> None:
    """Six slices at two phases: dented at the base and in the middle, at end-systole."""
    model = replace(nested_model, thinnest_wall=0.4)
    grid = SimpleNamespace(slice_index=[z for z in range(6) for _ in range(2)], phase=[0, 1] * 6)
    evolutions, center = {}, torch.tensor([50.0, 50.0])
    for index, (number, phase) in enumerate(zip(grid.slice_index, grid.phase, strict=True)):
        outer = circle(center, 40.0 - 3 * number, 64)
        if phase == 1 and number in (0, 3):
            outer = with_dent(outer, 0.8)
        evolutions[index] = torch.stack([circle(center, 20.0 - 2 * number, 64), outer]).numpy()[None]
    assert [i for i, e in evolutions.items() if _is_dented(e[-1], model)] == [1, 7]
    assert not any(_is_dented(e[-1][::-1], model) for e in evolutions.values())  # the cavity may have dents
    found = _in_ventricle([_Place(None) for _ in evolutions], [_Look(evolutions, {})], model, grid, PIXELS)  # type: ignore[arg-type]
    assert [place.reason for place in found] == ["", ABOVE_BASE, *[""] * 10]
    frames = [SimpleNamespace(name=name) for name in "abc"]
    outlines = [Outline(evolutions[i], None, dented=i == 7) for i in (0, 7, 8)]
    (finding,) = dented_finding(frames, outlines)  # type: ignore[arg-type]
    assert finding.kind == "dented"
    assert (
        finding.text
        == "frame b: the epicardium fills less than 98.5% of its convex hull, as no ventricle does: check it"
    )
    assert dented_finding(frames[:1], outlines[:1]) == []  # type: ignore[arg-type]


def test_stacks_whose_centers_scatter_are_told(study: Path, tiny_heart: Path) -> None:
    inputs = read_inputs(study)
    grid, _ = find_grid(inputs.frames)
    counted = [number > 0 for number in grid.slice_index]  # type: ignore[union-attr]
    hearts = hearts_of([0.9] * len(counted), counted, [False] * len(counted))
    for scattered in (True, False):
        told = Told([replace(heart, scattered=scattered) for heart in hearts])
        model = replace(load_model(tiny_heart, device="cpu"), localizer=told)  # type: ignore[arg-type]
        outlines = outline_frames(parse_region("auto"), inputs, model, grid)
        assert [each.scattered for each in outlines] == [scattered and kept for kept in counted]
        findings = scattered_finding([each.scattered for each in outlines])
        assert [finding.kind for finding in findings] == ["scattered_centers"] * scattered
        assert all(f"any of the {sum(counted)} outlined frames" in finding.text for finding in findings)


def test_dented_contours_are_told_in_any_region(
    study: Path, nested_model: ContourModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = read_inputs(study)
    outline = nested_model.infer.outline

    def dented(images: Any, regions: Any) -> list[InferredContours]:
        found = outline(images, regions)
        contours = found[0].contours.clone()
        contours[-1, 1] = with_dent(contours[-1, 1], 0.7)
        return [found[0]._replace(contours=contours), *found[1:]]

    monkeypatch.setattr(nested_model.infer, "outline", dented)
    outlines = outline_frames(parse_region("center"), inputs, nested_model, None)
    assert [i for i, each in enumerate(outlines) if each.dented] == [0, 8]  # the first of each batch


@pytest.mark.parametrize("changes", [{}, {"widest_cavity": None}, {"nested": False}])
def test_a_cavity_that_cannot_be_right_is_like_its_neighbors(
    nested_model: ContourModel, changes: dict[str, object]
) -> None:
    """Rings of six slices at uneven distances; at end-systole one within, and the last one, are far too wide."""
    model = replace(nested_model, **{"widest_cavity": 1.75, "nested": True, **changes})  # type: ignore[arg-type]
    grid = SimpleNamespace(
        slice_index=[z for z in range(6) for _ in range(2)], phase=[0, 1] * 6, positions_mm=(0.0, 9, 18, 30, 36, 45)
    )
    shares = np.array([[0.7, 0.5], [0.7, 0.3], [0.7, 0.9], [0.7, 0.4], [0.6, 0.3], [0.5, 0.6]])
    found = {}
    for index, (number, phase) in enumerate(zip(grid.slice_index, grid.phase, strict=True)):
        center, outer = torch.tensor([50.0 + number, 60.0]), 40.0 - 4 * number
        rings = torch.stack([circle(center, shares[number, phase] * outer, 64), circle(center, outer, 64)])
        repairs = (("collapse",), ("self_intersection",))
        found[index] = InferredContours(rings.double()[None].repeat(2, 1, 1, 1), None, repairs)
    places = [_Place(None) for _ in found]
    replaced = _like_neighbors(places, found, model, grid, PIXELS)  # type: ignore[arg-type]
    if changes:
        assert replaced == {}
        return
    assert sorted(replaced) == [5, 11]
    for index, number, share in ((5, 2, 0.3 + 0.1 * 9 / 21), (11, 5, 0.3)):
        expected = circle(torch.tensor([50.0 + number, 60.0]), share * (40.0 - 4 * number), 64)
        contours = replaced[index].contours
        np.testing.assert_allclose(contours[-1, 0], expected, atol=1e-4)
        assert (contours[-1, 1] == found[index].contours[-1, 1]).all()
        assert (contours[0] == found[index].contours[0]).all()
        assert replaced[index].repairs == (("neighbors",), ("self_intersection",))
    left_out = [replace(place, reason="no ventricle found" if i == 5 else "") for i, place in enumerate(places)]
    assert sorted(_like_neighbors(left_out, found, model, grid, PIXELS)) == [11]  # type: ignore[arg-type]
    assert _like_neighbors(places, found, model, None, PIXELS) == {}
    # an epicardium of the same area, but too flat for the new cavity, is pushed outward
    contours = found[5].contours.clone()
    contours[-1, 1] = ellipse(torch.tensor([52.0, 60.0]), torch.tensor([128.0, 8.0]), 64)
    pushed = _like_neighbors(places, {**found, 5: found[5]._replace(contours=contours)}, model, grid, PIXELS)[5]  # type: ignore[arg-type]
    assert pushed.repairs == (("neighbors",), ("self_intersection", "nesting"))
    assert bool(is_nested(pushed.contours[-1])) and not bool((pushed.contours[-1, 1] == contours[-1, 1]).all())


def test_replaced_cavities_are_told() -> None:
    contours = torch.arange(2 * 2 * 3 * 2, dtype=torch.float64).reshape(2, 2, 3, 2)
    plain, moved = ((("collapse",), ("self_intersection",)), (("neighbors",), ("self_intersection", "nesting")))
    frames = [SimpleNamespace(name=name) for name in "abc"]
    outlines = [Outline(contours.numpy(), None, repairs=repairs) for repairs in (plain, moved, moved)]
    outlines[2] = replace(outlines[2], reason="no ventricle found")
    (finding,) = wide_cavity_finding(frames, outlines)  # type: ignore[arg-type]
    assert finding.kind == "wide_cavity" and finding.text.startswith("frame b: the cavity was implausibly wide")
    assert wide_cavity_finding(frames[:1], outlines[:1]) == []  # type: ignore[arg-type]


def test_what_is_off_the_middle_is_looked_at_again(tiny_heart: Path) -> None:
    model = load_model(tiny_heart, device="cpu")
    frame = Frame("a", make_image(np.zeros((120, 110), dtype=np.float32), torch.eye(4)), None)
    region = torch.tensor([50.0, 60.0, 64.0, 64.0, 0.0], dtype=torch.float64)

    def again(x: float, y: float, radius: float = 10.0) -> torch.Tensor | None:
        rings = torch.stack(
            [circle(torch.tensor([x + 9, y]), radius / 2, 32), circle(torch.tensor([x, y]), radius, 32)]
        )
        return _second_region(rings, region, model, frame)

    assert again(50.0, 60.0) is None and again(52.0, 56.6) is None  # 3.95 px, of 4
    found = again(53.0, 57.0)
    assert found is not None
    np.testing.assert_allclose(found, [53, 57, 64, 64, 0], atol=1e-4)
    assert again(70.0, 57.0, 0.4) is None  # collapsed
    assert again(-0.5, 60.0) is None and again(50.0, 120.5) is None  # the middle is out of the image
    assert again(0.5, 60.0) is not None


def test_the_second_look_gives_the_contours(study: Path, tiny_heart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here wherever the middle is off at all."""
    inputs = read_inputs(study)
    frames = [replace(frame, spacing=None, source=None) for frame in inputs.frames[:3]]
    told = Told(hearts_of([0.9] * 3, [True] * 3, [False] * 3))
    model = replace(load_model(tiny_heart, device="cpu"), localizer=told)  # type: ignore[arg-type]
    once = outline_frames(parse_region("auto"), replace(inputs, frames=frames), model, None)
    monkeypatch.setattr("monai_acdr.apps.outlines.OFF_CENTER", -1.0)
    twice = outline_frames(parse_region("auto"), replace(inputs, frames=frames), model, None)
    for first, second, frame in zip(once, twice, frames, strict=True):
        assert first.final is not None and first.region is not None and second.region is not None
        expected = _second_region(torch.from_numpy(first.final), first.region, model, frame)
        assert expected is not None
        np.testing.assert_allclose(second.region, expected, atol=1e-3)
        (contours,) = model.infer([frame.image], [second.region])
        np.testing.assert_allclose(second.final, contours[-1], atol=1e-4)
