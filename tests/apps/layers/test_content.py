# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from monai_acdr.apps.layers import (
    Layer,
    LayerFrame,
    attach,
    choose_layers,
    is_partial,
    rasterize_layer,
    trace_layer,
    used_sources,
    vanishing,
    with_size,
)
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM, TISSUE, SourceFrame
from monai_acdr.read_budget import read_budget


def layer(*frames: LayerFrame) -> Layer:
    return Layer(TISSUE, frames)


def test_masks_have_the_exact_coverage(shape: np.ndarray, exact_coverage: np.ndarray) -> None:
    done, lost = rasterize_layer(layer(LayerFrame("a", (60, 80), (shape,))))
    np.testing.assert_allclose(done.frames[0].mask, exact_coverage, atol=1e-5)
    assert lost == []
    assert not is_partial(done)


def test_contours_of_a_frame_are_united(shape: np.ndarray, exact_coverage: np.ndarray) -> None:
    done, _ = rasterize_layer(layer(LayerFrame("a", (60, 80), (shape, shape)), LayerFrame("b", (60, 80), ())))
    np.testing.assert_allclose(done.frames[0].mask, np.minimum(2 * exact_coverage, 1), atol=1e-5)
    assert not np.asarray(done.frames[1].mask).any()


def test_contours_that_cover_nothing_are_reported(shape: np.ndarray) -> None:
    _, lost = rasterize_layer(layer(LayerFrame("far", (60, 80), (shape + 1000,))))
    assert len(lost) == 1 and "'far': no pixel" in lost[0]


def test_objects_that_cover_no_pixel_by_half_vanish(exact_coverage: np.ndarray) -> None:
    """Alone or beside another one; faint borders of an object that stays are no object."""
    thick = exact_coverage.astype(np.float32)
    beside = thick.copy()
    beside[-3:, -3:] = 0.4
    masks = {"thin": 0.49 * thick, "thick": thick, "both": beside, "nothing": 0 * thick}
    traced = layer(*(LayerFrame(name, (60, 80), mask=mask) for name, mask in masks.items()))
    assert vanishing(traced) == ["thin", "both"]
    done = trace_layer(traced)
    assert [len(frame.contours or ()) for frame in done.frames] == [0, 1, 1, 0]
    assert [frame.is_empty for frame in done.frames] == [True, False, False, True]
    assert vanishing(done) == []


def test_traced_masks_are_the_same_masks_again(exact_coverage: np.ndarray) -> None:
    mask = (exact_coverage >= 0.5).astype(np.float32)
    mask[50:58, 70:] = 1  # a second object, at the border
    done = trace_layer(layer(LayerFrame("a", (60, 80), mask=mask)))
    assert len(done.frames[0].contours or ()) == 2
    again, _ = rasterize_layer(layer(replace(done.frames[0], mask=None)))
    np.testing.assert_array_equal(np.asarray(again.frames[0].mask) >= 0.5, mask > 0)


def test_partial_coverage_is_traced_between_pixels(shape: np.ndarray, exact_coverage: np.ndarray) -> None:
    masks = {"partial": exact_coverage.astype(np.float32), "binary": (exact_coverage >= 0.5).astype(np.float32)}
    done = trace_layer(layer(*(LayerFrame(name, (60, 80), mask=mask) for name, mask in masks.items())))
    border = shapely.Polygon(shape).exterior
    partial, binary = ((frame.contours or ())[0] for frame in done.frames)
    away = [float(shapely.distance(shapely.points(ring), border).mean()) for ring in (partial, binary)]
    assert away[0] < 0.08 < 0.15 < away[1]
    assert is_partial(layer(LayerFrame("a", (60, 80), mask=masks["partial"])))


@pytest.mark.parametrize("seed", range(6))
def test_traced_holes_are_holes_again(seed: int) -> None:
    """Single pixels, holes that touch by corners, islands in holes: every pixel of a noisy mask comes back."""
    mask = (np.random.default_rng(seed).random((20, 30)) < (0.5, 0.7, 0.9)[seed % 3]).astype(np.float32)
    done = trace_layer(layer(LayerFrame("a", (20, 30), mask=mask), LayerFrame("empty", (20, 30), mask=mask * 0)))
    first, empty = done.frames
    assert any(first.holes) and empty.contours == () and empty.holes == ()
    again, _ = rasterize_layer(layer(replace(first, mask=None)))
    np.testing.assert_array_equal(np.asarray(again.frames[0].mask) >= 0.5, mask > 0)


def test_masks_are_within_the_budget(shape: np.ndarray) -> None:
    """The size of an image is what its file claims."""
    with read_budget(1), pytest.raises(ValueError, match="the masks of this conversion to need at most 1 MiB"):
        rasterize_layer(layer(LayerFrame("a", (65535, 65535), (shape,))))
    with read_budget(1), pytest.raises(ValueError, match="asks for 1 MiB"):
        rasterize_layer(layer(*(LayerFrame(str(number), (300, 300), (shape,)) for number in range(3))))


def test_layers_are_chosen(shape: np.ndarray) -> None:
    frame = LayerFrame("a", (60, 80), (shape,))
    inner, outer, empty = (
        Layer(LV_ENDOCARDIUM, (frame,)),
        Layer(LV_EPICARDIUM, (frame,)),
        layer(LayerFrame("a", None, ())),
    )
    assert choose_layers([inner, outer, empty], None, many=True) == [inner, outer]
    assert choose_layers([inner, empty], None, many=False) == [inner]
    assert choose_layers([inner, outer], "lv EPIcardium ", many=False) == [outer]
    assert choose_layers([inner, replace(outer, number=7)], "#7", many=False)[0].structure is LV_EPICARDIUM
    with pytest.raises(ValueError, match="#1 'LV endocardium', #2 'LV epicardium': choose one by its label, or by its"):
        choose_layers([inner, outer], None, many=False)
    with pytest.raises(ValueError, match="'Mass', but none is called so: choose one of #1 'LV endocardium' by"):
        choose_layers([inner], "Mass", many=True)
    with pytest.raises(ValueError, match="but 2 are called so"):
        choose_layers([inner, inner], "LV endocardium", many=True)
    with pytest.raises(ValueError, match="nothing to convert"):
        choose_layers([empty], None, many=True)


def test_a_structure_may_have_the_number_0(shape: np.ndarray) -> None:
    frame = LayerFrame("a", (60, 80), (shape,))
    layers = [Layer(LV_ENDOCARDIUM, (frame,), number=0), Layer(LV_EPICARDIUM, (frame,), number=1)]
    with pytest.raises(ValueError, match="#0 'LV endocardium', #1 'LV epicardium'"):
        choose_layers(layers, None, many=False)
    assert choose_layers(layers, "#0", many=False) == layers[:1]


def test_frames_take_place_and_size_from_their_images(shape: np.ndarray, sources: list[SourceFrame]) -> None:
    done = attach(layer(LayerFrame(sources[2].path.stem, None, (shape,))), sources)
    frame = done.frames[0]
    assert (frame.size, frame.source, (frame.sop_instance_uid, frame.frame)) == ((60, 80), 2, sources[2].key)
    assert frame.spacing == pytest.approx((2.1, 1.7))
    np.testing.assert_allclose(np.asarray(frame.affine)[:3, 3] * [-1, -1, 1], sources[2].position)
    assert attach(done, sources) is done
    assert used_sources([done], sources) == [0, 1, 2, 3]


def test_images_without_a_place_are_used_one_by_one(shape: np.ndarray, sources: list[SourceFrame]) -> None:
    flat = [replace(source, position=None) for source in sources]
    done = attach(layer(LayerFrame(sources[2].path.stem, None, (shape,))), flat)
    assert used_sources([done], flat) == [2]
    assert done.frames[0].affine is None


def test_sizes(shape: np.ndarray) -> None:
    known, unknown = LayerFrame("a", (60, 80), (shape,)), LayerFrame("b", None, (shape,))
    assert [frame.size for frame in with_size(layer(known, unknown), (60, 80)).frames] == [(60, 80)] * 2
    with pytest.raises(ValueError, match="that of frame 'a'"):
        with_size(layer(known), (80, 60))
    with pytest.raises(ValueError, match="size of frame 'b'.*name its images with --images"):
        with_size(layer(unknown), None)
