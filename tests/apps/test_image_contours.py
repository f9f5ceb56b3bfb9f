# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours from Python: `load_model(...).outline(...)` of arrays, tensors and MetaTensors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

import monai_acdr
from monai_acdr.apps.documents import read_contour_document
from monai_acdr.apps.inputs import read_inputs
from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.apps.outlines import outline_frames
from monai_acdr.apps.regions import parse_region
from monai_acdr.geometry import pixel_to_world, signed_area

SIZE = (80, 100)


@pytest.fixture(scope="module")
def heart(tiny_heart: Path) -> ContourModel:
    return load_model(tiny_heart, device="cpu")


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).random(SIZE).astype(np.float32)


def test_the_package_has_the_function() -> None:
    """Loaded when it is asked for: that the package itself loads nothing heavy is a test of the architecture."""
    assert monai_acdr.load_model is load_model
    with pytest.raises(AttributeError, match="no attribute 'load_models'"):
        monai_acdr.load_models  # type: ignore[attr-defined]  # noqa: B018


def test_the_same_contours_as_segment(heart: ContourModel, study: Path) -> None:
    frames = read_inputs(study).frames[:3]
    expected = outline_frames(parse_region("center"), replace(read_inputs(study), frames=frames), heart, None)
    for frame, outline in zip(frames, expected, strict=True):
        contours = heart.outline(frame.image, roi="center", spacing=frame.spacing)
        np.testing.assert_allclose(contours.vertices_px, outline.final, atol=1e-4)  # a batch adds up in another order
        assert contours.structures == tuple(structure.label for structure in heart.structures)


def test_arrays_tensors_and_batches_agree(heart: ContourModel, pixels: np.ndarray) -> None:
    tensor = torch.from_numpy(pixels)
    one = heart.outline(pixels, "center", spacing=1.5).vertices_px
    assert one.shape == (2, 16, 2) and one.dtype == np.float64
    for image in (tensor, tensor[None], pixels.astype(np.float64), MetaTensor(tensor[None]), tensor.requires_grad_()):
        np.testing.assert_allclose(heart.outline(image, "center", spacing=1.5).vertices_px, one, atol=1e-4)
    turned = np.ascontiguousarray(pixels[::-1, ::-1])[::-1, ::-1]  # negative strides
    for image in (turned, pixels.astype(">f4"), tensor.detach().to(torch.float64)):
        np.testing.assert_allclose(heart.outline(image, "center", spacing=1.5).vertices_px, one, atol=1e-4)
    assert heart.outline(tensor.detach().bfloat16(), "center", spacing=1.5).vertices_px is not None
    with pytest.raises(ValueError, match="whole or real numbers, but got complex64"):
        heart.outline(pixels + 1j, "center", spacing=1.5)
    batch = heart.outline(tensor.detach().expand(3, 1, *SIZE), "center", spacing=[1.5, 1.5])
    assert isinstance(batch, list) and len(batch) == 3
    for contours in [*batch, *heart.outline([pixels, tensor], "center", spacing=1.5)]:
        np.testing.assert_allclose(contours.vertices_px, one, atol=1e-4)
    sizes = heart.outline([pixels, pixels[:60]], "center", spacing=1.5)
    assert [contours.size for contours in sizes] == [SIZE, (60, 100)]


@pytest.mark.parametrize("as_tensor", [False, True])
def test_regions_one_for_all_or_one_each(heart: ContourModel, pixels: np.ndarray, as_tensor: bool) -> None:
    batch = np.stack([pixels, pixels])[:, None]

    def given(values: Any) -> Any:
        return torch.tensor(values) if as_tensor else values

    def regions(roi: Any) -> list[list[float]]:
        return [contours.region[:2].tolist() for contours in heart.outline(batch, roi, spacing=1.5)]

    assert regions(given([30, 40])) == [[30, 40], [30, 40]]
    assert regions(given([[30, 40], [50, 20]])) == [[30, 40], [50, 20]]
    assert regions(given([10, 20, 50, 60])) == [[30, 40], [30, 40]]
    assert regions(given([[10, 20, 50, 60], [0, 0, 40, 40]])) == [[30, 40], [20, 20]]
    if not as_tensor:
        assert regions(["center", (30, 40)]) == [[50, 40], [30, 40]]
        assert regions([("box", 10, 20, 50, 60), "point 30 40"]) == [[30, 40], [30, 40]]


def test_spacing_of_each_image(heart: ContourModel, pixels: np.ndarray) -> None:
    batch = torch.from_numpy(pixels).expand(2, 1, *SIZE)
    rows = [[1.0, 2.0], [1.5, 1.5]]
    for given in (rows, np.array(rows), torch.tensor(rows)):
        first, second = heart.outline(batch, "center", spacing=given)
        assert (first.spacing, second.spacing) == ((1.0, 2.0), (1.5, 1.5))
        np.testing.assert_allclose(first.vertices_mm, first.vertices_px * [2.0, 1.0])  # x runs along the columns
    unknown = heart.outline(pixels, "center")
    assert unknown.spacing is None and unknown.vertices_mm is None and unknown.spread_mm is None
    assert unknown.vertices_world is None


def test_the_affine_of_a_metatensor(heart: ContourModel, pixels: np.ndarray) -> None:
    affine = torch.tensor([[0, -1.5, 0, 5], [2.0, 0, 0, -7], [0, 0, 8, 30], [0, 0, 0, 1]], dtype=torch.float64)
    image = MetaTensor(torch.from_numpy(pixels)[None], affine=affine)
    contours = heart.outline(image, "center")
    assert contours.spacing == (2.0, 1.5)
    expected = pixel_to_world(torch.from_numpy(contours.vertices_px), affine)
    np.testing.assert_allclose(contours.vertices_world, expected)
    assert heart.outline(MetaTensor(torch.from_numpy(pixels)[None]), "center").spacing is None  # the identity: unknown
    assert heart.outline(image, "center", spacing=3).spacing == (3, 3)
    batch = MetaTensor(torch.from_numpy(pixels).expand(2, 1, *SIZE).clone(), affine=torch.stack([affine, affine * 2]))
    assert [each.spacing for each in heart.outline(batch, "center")] == [(2.0, 1.5), (4.0, 3.0)]


def test_masks_have_the_area_of_the_contours(heart: ContourModel, pixels: np.ndarray) -> None:
    contours = heart.outline(pixels, "center", spacing=1.5)
    masks = contours.mask()
    assert masks.shape == (2, *SIZE) and masks.dtype == bool
    for index, label in enumerate(contours.structures):
        area = abs(float(signed_area(torch.from_numpy(contours.vertices_px[index]))))
        assert masks[index].sum() == pytest.approx(area, rel=0.05)
        np.testing.assert_array_equal(contours.mask(label), masks[index])
        np.testing.assert_array_equal(contours.mask(index), masks[index])
    with pytest.raises(ValueError, match="an index or one of .*but got 'liver'"):
        contours.mask("liver")


def test_spread_of_an_ensemble(tiny_heart: Path, ensemble_weights: Path, pixels: np.ndarray) -> None:
    contours = load_model(tiny_heart, ensemble_weights, device="cpu").outline(pixels, "center", spacing=1.5)
    assert contours.spread_px.shape == (2, 16) and (contours.spread_px >= 0).all()
    np.testing.assert_allclose(contours.spread_mm, contours.spread_px * 1.5, rtol=1e-6)


def test_nothing_to_outline_has_a_reason(heart: ContourModel, pixels: np.ndarray) -> None:
    empty, full = heart.outline([np.zeros(SIZE), pixels], "center")
    assert empty.vertices_px is None and empty.mask().sum() == 0 and "contrast" in empty.reason
    assert full.vertices_px is not None and full.reason == ""


def test_a_scale_that_cannot_be_right_is_a_finding(heart: ContourModel) -> None:
    large = np.random.default_rng(0).random((90, 500)).astype(np.float32)
    contours = heart.outline(large, "center")
    (finding,) = contours.findings
    assert finding.kind == "implausible_scale" and "image-0001: 90 x 500 pixels" in finding.text
    assert "in Python spacing=" in finding.text
    assert repr(contours).endswith("500 pixels; implausible scale)")
    assert heart.outline(large, "center", spacing=1.0).findings == ()
    assert heart.outline(large, (200, 20, 260, 80)).findings == ()


def test_saved_as_a_contour_document(heart: ContourModel, pixels: np.ndarray, tmp_path: Path) -> None:
    contours = heart.outline(pixels, "center", spacing=(1.0, 2.0))
    path = contours.save(tmp_path / "contours.json", name="scan-1")
    assert json.loads(path.read_text())["frames"][0]["spacing_mm"] == [1.0, 2.0]
    document = read_contour_document(path)
    assert [structure.label for structure in document.structures] == list(contours.structures)
    np.testing.assert_allclose(np.stack(document.frames[0].contours), contours.vertices_px, atol=1e-4)
    with pytest.raises(FileExistsError, match="ask to overwrite it"):
        contours.save(path)


def test_a_model_that_finds_nothing_by_itself(tiny_mass: Path, pixels: np.ndarray) -> None:
    model = load_model(tiny_mass, device="cpu")
    boxes = [(20, 20, 60, 60), (40, 20, 80, 60)]
    left, right = model.outline([pixels, pixels[:, ::-1].copy()], boxes, laterality=["L", "R"])
    np.testing.assert_allclose(right.vertices_px[..., 0].mean(), 100 - left.vertices_px[..., 0].mean(), atol=1e-3)
    with pytest.raises(ValueError, match="finds no region by itself: give a box"):
        model.outline(pixels)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image": np.zeros((3, 8, 8))}, r"\(B, 1, H, W\) for several, or a list of images, but got \(3, 8, 8\)"),
        ({"image": []}, "but got an empty list"),
        ({"image": np.zeros((10, 80, 100))}, r"\(10, 80, 100\), which looks like a volume: pass its slices as a list"),
        ({"roi": (float("nan"), 1.0)}, r"`roi` of finite numbers, but got \[nan, 1.0\]: expected .center."),
        ({"roi": np.array([[1, 2, np.inf, 9]])}, r"`roi` of finite numbers, but got \[1.0, 2.0, inf, 9.0\]"),
        ({"spacing": "1.4"}, r"`spacing` to be numbers in mm.*but got '1.4': pass 1.4 instead of '1.4'"),
        ({"spacing": ["1", "2"]}, r"`spacing` to be numbers in mm.*but got \['1', '2'\]"),
        ({"image": [np.zeros((2, 1, 8, 8))]}, "a list of single images.*but one of them is a batch"),
        ({"image": np.full(SIZE, np.nan)}, "finite"),
        ({"roi": (1, 2, 3)}, "2 or 4 numbers, but got 3"),
        ({"roi": "masks.nii.gz"}, "a region of an image, but got 'masks.nii.gz': expected \"center\""),
        ({"roi": ["center", "center"]}, r"one for each of 1 image\(s\), but got 2"),
        ({"roi": (500, 40)}, "a point inside the image"),
        ({"spacing": 0}, "`spacing` to be positive mm"),
        ({"spacing": [1, 2, 3]}, "`spacing` to be positive mm"),
        ({"laterality": "left"}, "`laterality` to be 'L', 'R' or ''"),
    ],
)
def test_errors(heart: ContourModel, pixels: np.ndarray, settings: dict[str, Any], message: str) -> None:
    arguments = {"image": pixels, "roi": "center"} | settings
    with pytest.raises(ValueError, match=message):
        heart.outline(**arguments)


def test_errors_name_the_shapes_that_the_model_takes(heart: ContourModel) -> None:
    """A model of colors takes three channels, so it is not told to convert them."""
    color = replace(heart, channels=3)
    for model, shapes in ((heart, r"tensor, \(H, W\) or"), (color, r"tensor, \(3, H, W\), \(H, W, 3\), \(H, W\) or")):
        with pytest.raises(TypeError, match=shapes + r".* but got str: read the file first, or run monai-acdr segment"):
            model.outline("picture.jpg", "center")
    with pytest.raises(ValueError, match=r"but got \(80, 100, 4\): leave three channels, red, green and blue"):
        color.outline(np.zeros((80, 100, 4)), "center")
    with pytest.raises(ValueError, match=r"single images \(H, W\), \(1, H, W\), \(3, H, W\) or \(H, W, 3\), but one"):
        color.outline([np.zeros((2, 3, 8, 8))], "center")


def test_printing_is_short(heart: ContourModel, pixels: np.ndarray) -> None:
    shown = repr(heart.outline(pixels, "center", spacing=(1.5, 1.25)))
    assert shown == (
        "ImageContours(LV endocardium, LV epicardium: 2 x 16 vertices in 80 x 100 pixels; spacing 1.5 x 1.25 mm)"
    )
    shown = repr(heart.outline(np.zeros(SIZE), "center", spacing=1.5))
    assert shown.startswith("ImageContours(LV endocardium, LV epicardium: none in 80 x 100 pixels, ")


def test_what_is_no_image(heart: ContourModel) -> None:
    with pytest.raises(TypeError, match="an array or a tensor.*but got str"):
        heart.outline("image.png", "center")  # type: ignore[arg-type]
