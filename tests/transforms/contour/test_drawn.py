# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Drawn masks and their contours, against known contours and the readers' own."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data import MetaTensor
from PIL import Image, ImageDraw

from monai_acdr.geometry import centroid, circle, is_simple, perimeter, signed_area
from monai_acdr.transforms import (
    DRAWN_MARGIN_PX,
    DRAWN_SHIFT_PX,
    ContourToMask,
    ContourToMaskd,
    contour_to_mask,
    draw_mask,
    inset_outline,
    mask_rule,
    mask_to_contour,
    trace_mask,
)

SIZE = (80, 90)


def ellipse(a: float, b: float, center: tuple[float, float], angle: float = 0.0, number: int = 400) -> torch.Tensor:
    points = circle(torch.zeros(2, dtype=torch.float64), 1.0, number) * torch.tensor([a, b])
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    return points @ turn + torch.tensor(center)


def area(vertices: torch.Tensor) -> float:
    return float(signed_area(vertices).abs())


def pillow(centers: np.ndarray) -> np.ndarray:
    picture = Image.new("L", SIZE[::-1])
    ImageDraw.Draw(picture).polygon([tuple(point) for point in centers.tolist()], fill=1, outline=1)
    return np.asarray(picture)


def test_drawing_of_a_chain_of_half_pixels_is_pillows() -> None:
    codes = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)]
    steps = [code for code, number in zip(codes, (13, 8, 15, 9, 13, 8, 15, 9), strict=True) for _ in range(number)]
    chain = np.cumsum([(61, 43), *steps], axis=0)[:-1] / 2
    assert (chain[0] - chain[-1]).tolist() == [0.5, -0.5]
    drawn = draw_mask(torch.from_numpy(chain + 0.5), SIZE)
    assert drawn.dtype == torch.float32
    np.testing.assert_array_equal(drawn[0].numpy(), pillow(chain))


@pytest.mark.parametrize("number", [32, 64, 1000])
def test_the_width_does_not_depend_on_the_number_of_vertices(number: int) -> None:
    generator, excess = np.random.default_rng(1), []
    for center in generator.uniform(38, 40, (40, 2)):
        contour = ellipse(20, 15, tuple(center), 0.3, number)
        excess.append((float(draw_mask(contour, SIZE).sum()) - area(contour)) / float(perimeter(contour)))
    assert np.mean(excess) == pytest.approx(DRAWN_MARGIN_PX, abs=0.03)


def test_square() -> None:
    # Pixel centers 9.5 .. 20.5 are cut to 9 .. 20, and the outline counts.
    square = torch.tensor([[10.0, 10.0], [21.0, 10.0], [21.0, 21.0], [10.0, 21.0]])
    mask = draw_mask(square, (40, 40))[0]
    expected = torch.zeros(40, 40)
    expected[9:21, 9:21] = 1
    assert torch.equal(mask, expected)


@given(st.floats(5, 30), st.floats(0.5, 1), st.floats(0, math.pi), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
@settings(max_examples=60, deadline=None)
def test_the_contour_of_a_drawn_mask(a: float, ratio: float, angle: float, dx: float, dy: float) -> None:
    contour = ellipse(a, a * ratio, (45 + dx, 40 + dy), angle)
    mask = draw_mask(contour, SIZE)[0]
    found = inset_outline(mask)
    assert found.shape == (128, 2) and found.dtype == torch.float64 and float(signed_area(found)) > 0
    assert bool(is_simple(found))
    length = float(perimeter(contour))
    assert abs(area(found) - area(contour)) < 0.25 * length  # a quarter of a pixel all round, at worst
    assert (centroid(found) - centroid(contour)).abs().max() < 0.4
    assert float((draw_mask(found, SIZE)[0] != mask).sum()) <= 0.04 * length + 4


@pytest.mark.parametrize(("radius", "tolerance"), [(3.0, 0.08), (5.0, 0.04), (15.0, 0.01), (30.0, 0.005)])
def test_areas_have_no_bias(radius: float, tolerance: float) -> None:
    generator = np.random.default_rng(0)
    ratios, excess, shifts = [], [], []
    for center in generator.uniform(38, 40, (40, 2)):
        contour = ellipse(radius, radius, tuple(center))
        mask = draw_mask(contour, SIZE)[0]
        ratios.append(area(inset_outline(mask)) / area(contour))
        excess.append((float(mask.sum()) - area(contour)) / float(perimeter(contour)))
        shifts.append((centroid(mask_to_contour(mask)) - centroid(contour)).numpy())
        assert float(contour_to_mask(contour, SIZE, 0.5).sum()) < float(mask.sum())
    assert np.mean(ratios) == pytest.approx(1, abs=tolerance)
    assert np.mean(excess) == pytest.approx(DRAWN_MARGIN_PX, abs=0.05)
    assert np.mean(shifts, axis=0) == pytest.approx([-DRAWN_SHIFT_PX] * 2, abs=0.06)


@pytest.mark.parametrize("center", [(2.0, 40.0), (45.0, 79.0), (1.0, 2.0), (89.0, 40.0)])
def test_objects_at_the_border_end_there(center: tuple[float, float]) -> None:
    contour = ellipse(10, 10, center)
    found = inset_outline(draw_mask(contour, SIZE)[0])
    assert bool(is_simple(found)) and found.shape == (128, 2)
    inside = float(contour_to_mask(contour, SIZE).sum())
    assert area(found) == pytest.approx(inside, rel=0.03)
    assert float(contour_to_mask(found, SIZE).sum()) == pytest.approx(area(found), rel=1e-4)  # nothing outside


@pytest.mark.parametrize("shape", [(1, 1), (1, 12), (2, 15), (12, 1), (2, 2), (3, 3)])
def test_thin_masks_have_a_contour(shape: tuple[int, int]) -> None:
    mask = torch.zeros(SIZE)
    mask[20 : 20 + shape[0], 30 : 30 + shape[1]] = 1
    found = inset_outline(mask)
    assert bool(is_simple(found)) and bool(torch.isfinite(found).all())
    assert 0.05 * float(mask.sum()) < area(found) < float(mask.sum())
    middle = torch.tensor([30 + shape[1] / 2, 20 + shape[0] / 2], dtype=torch.float64)
    assert (centroid(found) - middle - DRAWN_SHIFT_PX).abs().max() < 0.05


def test_a_contour_within_one_pixel_is_that_pixel() -> None:
    for radius in (0.0, 0.05):
        mask = draw_mask(circle(torch.tensor([5.6, 3.6]), radius, 8), (8, 9))[0]
        assert mask.nonzero().tolist() == [[3, 5]], radius


def test_unknown_and_impossible_contours() -> None:
    known = ellipse(8, 8, (30, 30))
    both = torch.stack([known, torch.full_like(known, torch.nan)])
    for rule in ("covered", "drawn"):
        mask = ContourToMask(SIZE, 0.5, rule=rule)(both)
        assert bool(torch.isnan(mask[1]).all()) and float(mask[0].sum()) > 150
        assert torch.equal(mask[0], ContourToMask(SIZE, 0.5, rule=rule)(known)[0])
        assert bool(torch.isnan(ContourToMask(SIZE, rule=rule)(both[1:])).all())
    partly = known.clone()
    partly[3] = torch.nan
    with pytest.raises(ValueError, match="finite `vertices`, or all NaN for a missing contour"):
        draw_mask(partly, SIZE)
    with pytest.raises(ValueError, match=r"\(N >= 3, 2\) or \(C, N >= 3, 2\), but got \(2, 2\)"):
        draw_mask(torch.zeros(2, 2), SIZE)
    with pytest.raises(ValueError, match="Expected a mask with values above"):
        inset_outline(torch.zeros(SIZE))
    with pytest.raises(ValueError, match=r"`mask` to be \(H, W\), but got \(1, 80, 90\)"):
        inset_outline(torch.zeros(1, *SIZE))
    far = draw_mask(torch.tensor([[1e9, 0.0], [1e9, 9.0], [1e9 + 5, 4.0]]), SIZE)
    assert float(far.sum()) == 0


def test_the_rule_comes_from_the_reference() -> None:
    image = MetaTensor(torch.zeros(1, *SIZE))
    contour = ellipse(10, 10, (40.2, 30.7))[None]
    data = {"image": image, "pred": contour}
    draw = ContourToMaskd("pred", threshold=0.5, output_keys="mask", rule_key="label")
    for rule in ("covered", "drawn"):
        label = MetaTensor(torch.zeros(1, *SIZE), meta={"mask_rule": rule})
        mask = draw({**data, "label": label})["mask"]
        assert torch.equal(mask.as_tensor(), ContourToMask(SIZE, 0.5, rule=rule)(contour))
        assert mask_rule(mask) == rule
    assert mask_rule(draw(data)["mask"]) == mask_rule(None) == mask_rule(torch.zeros(2)) == "covered"
    drawn = ContourToMaskd("pred", threshold=0.5, rule="drawn")
    assert torch.equal(drawn(data)["pred"].as_tensor(), draw_mask(contour, SIZE))
    plain = ContourToMaskd("pred", like_key=None, size=SIZE, rule="drawn")(data)["pred"]
    assert torch.equal(plain, draw_mask(contour, SIZE))
    with pytest.raises(ValueError, match=r"`rule` to be one of \['covered', 'drawn'\], but got 'filled'"):
        ContourToMaskd("pred", rule="filled")
    with pytest.raises(ValueError, match="but got 'filled'"):
        draw({**data, "label": MetaTensor(torch.zeros(1, *SIZE), meta={"mask_rule": "filled"})})


@pytest.mark.real_data
@pytest.mark.parametrize(("kind", "folder", "number"), [("i", "endo_masks", 108), ("o", "epi_masks", 57)])
def test_the_readers_contours(shared_data: Path, kind: str, folder: str, number: int) -> None:
    ratios, shifts = [], []
    for path in sorted((shared_data / "sunnybrook_contours").glob(f"SC-*/IM-*-{kind}contour-manual.txt")):
        stem = f"{path.parent.name}-{path.name[:12]}"
        masks = [*(shared_data / "sunnybrook_png").glob(f"*/{folder}/{stem}*.png")]
        if not masks:
            continue
        mask = torch.from_numpy(np.asarray(Image.open(masks[0]).convert("L")) > 127)
        contour = torch.from_numpy(np.loadtxt(path)) + 0.5
        assert torch.equal(draw_mask(contour, mask.shape)[0] > 0, mask), path
        found = inset_outline(mask)
        ratios.append(area(found) / area(contour))
        shifts.append((centroid(found) - centroid(contour)).numpy())
    assert len(ratios) == number
    assert np.mean(ratios) == pytest.approx(1, abs=0.002) and np.std(ratios) < 0.006
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.02


def test_a_mask_is_traced_by_its_rule() -> None:
    contour = ellipse(30, 22, (44.3, 38.6))
    mask = draw_mask(contour, SIZE)[0]
    assert torch.equal(trace_mask(mask, "drawn"), inset_outline(mask))
    assert torch.equal(trace_mask(mask, "covered"), mask_to_contour(mask))
    assert area(trace_mask(mask, "covered")) == pytest.approx(float(mask.sum()), rel=0.02)
    assert area(trace_mask(mask, "drawn")) == pytest.approx(area(contour), rel=0.02)
    with pytest.raises(ValueError, match="Expected `rule` to be one of"):
        trace_mask(mask, "painted")
