# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Bounds of spacing, field of view, slice distance and regions: what passes, what is odd, what is refused."""

from __future__ import annotations

import pytest

from monai_acdr.plausibility import (
    FARTHEST_MM,
    PROJECTION,
    TOMOGRAPHY,
    UNKNOWN,
    Finding,
    check_assumed_pixels,
    check_object_size,
    check_position,
    check_region_sides,
    check_slice_distance,
    check_spacing,
    image_kind,
    largest_region,
)


@pytest.mark.parametrize(
    ("modality", "kind"),
    [("MR", TOMOGRAPHY), ("ct ", TOMOGRAPHY), ("MG", PROJECTION), ("DX", PROJECTION), ("OT", UNKNOWN), (None, UNKNOWN)],
)
def test_kinds(modality, kind):
    assert image_kind(modality) is kind


@pytest.mark.parametrize(
    ("spacing", "size", "kind"),
    [
        ((1.37, 1.37), (256, 256), TOMOGRAPHY),  # Sunnybrook
        ((1.3, 1.3), (256, 216), TOMOGRAPHY),  # ACDC
        ((0.07, 0.07), (4084, 3328), PROJECTION),  # INbreast
        ((0.043, 0.043), (5000, 3000), PROJECTION),  # DDSM
        ((0.94, 0.94), (2200, 500), TOMOGRAPHY),  # a whole body
        ((6.6, 6.6), (64, 64), TOMOGRAPHY),  # SPECT
    ],
)
def test_real_images_pass_without_a_word(spacing, size, kind):
    assert check_spacing("a.dcm", spacing, size, kind) == []


@pytest.mark.parametrize(
    ("spacing", "kind", "text"),
    [
        ((0.01, 0.01), TOMOGRAPHY, r"0\.05 to 10 mm \(MR, CT.*a\.dcm has 0\.01 x 0\.01 mm, which is not plausible"),
        ((300, 300), TOMOGRAPHY, r"0\.05 to 10 mm .*has 300 x 300 mm.*--spacing ROWS COLUMNS"),
        ((1e-30, 1e-30), UNKNOWN, r"0\.001 to 100 mm .*has 1e-30 x 1e-30 mm"),
        ((70, 70), PROJECTION, r"0\.01 to 4 mm \(mammograms"),
        ((0.5, 6.0), TOMOGRAPHY, r"factor of at most 10, but a\.dcm has 0\.5 x 6 mm"),
        ((0.0, 1.0), UNKNOWN, "two positive numbers in mm, but a.dcm has 0 x 1"),
        ((float("nan"), 1.0), UNKNOWN, "two positive numbers in mm"),
        ((float("inf"), 1.0), UNKNOWN, "two positive numbers in mm"),
        ((1.0, 1.0, 1.0), UNKNOWN, "two positive numbers in mm"),
    ],
)
def test_what_cannot_be_is_refused(spacing, kind, text):
    with pytest.raises(ValueError, match=text):
        check_spacing("a.dcm", spacing, None, kind)


@pytest.mark.parametrize("spacing", [(0.001, 0.001), (50.0, 50.0)])
def test_the_field_of_view_counts_where_the_spacing_alone_could_be(spacing):
    assert len(check_spacing("--spacing", spacing)) == 1
    with pytest.raises(ValueError, match=r"field of view of 0.5 to 2500 mm, but --spacing has .* 200 x 256 pixels"):
        check_spacing("--spacing", spacing, (200, 256))


def test_odd_ones_are_told():
    (text,) = check_spacing("a.dcm", (0.1, 0.1), None, TOMOGRAPHY)
    assert text.startswith("a pixel spacing of 0.1 x 0.1 mm, usually 0.2 to 7 mm")
    (text,) = check_spacing("a.nii", (1.3, 8.0), None, UNKNOWN)
    assert text.startswith("pixels of 1.3 x 8 mm are far from square")


def test_slice_distance():
    check_slice_distance("a.nii", 8.0)
    for distance in (0.0, 1e-6, 8000.0, float("nan")):
        with pytest.raises(ValueError, match=r"Expected slices 0\.01 to 100 mm apart, but a\.nii has"):
            check_slice_distance("a.nii", distance)


def test_regions_stay_near_the_size_of_their_image():
    check_region_sides((100, 90), (256, 200), (1.4, 1.5))
    check_region_sides((1600, 1600), (256, 200), None)
    for sides in ((112_000, 112_000), (0.4, 0.4), (100, 5000), (float("inf"), 100), (float("nan"), 100)):
        with pytest.raises(ValueError, match=r"region of 8 to 2048 pixels for an image of 256 x 200 .*--spacing"):
            check_region_sides(sides, (256, 200), (0.001, 0.001))


def test_small_images_get_regions_of_the_usual_size():
    assert largest_region((10, 20)) == 512
    assert largest_region((100, 300)) == 2400


@pytest.mark.parametrize("position", [(0, 0, 1.1e5), (-1e300, 0, 0), (0, float("nan"), 0), (float("inf"), 0, 0)])
def test_places_that_no_scanner_has(position: tuple[float, ...]) -> None:
    check_position("x", (-FARTHEST_MM, 250, FARTHEST_MM))
    with pytest.raises(ValueError, match=r"within 100000 mm of the scanner's center, but x places its first pixel"):
        check_position("x", position)


def test_the_subject_of_a_finding_is_written_where_there_is_one() -> None:
    assert Finding("gap", "2 mm").as_dict() == {"kind": "gap", "text": "2 mm"}
    assert Finding("gap", "2 mm", "SC-N-6").as_dict() == {"kind": "gap", "text": "2 mm", "subject": "SC-N-6"}


def test_pixels_that_were_only_assumed() -> None:
    assert check_assumed_pixels((200, 461), 1.3, TOMOGRAPHY) == ""
    text = "461 x 462 pixels (H x W) would be 599 x 601 mm with the 1.3 mm of the training images"
    assert check_assumed_pixels((461, 462), 1.3, TOMOGRAPHY) == text
    assert check_assumed_pixels((461, 462), 1.3, UNKNOWN) == ""
    assert "2600 x 1300 mm" in check_assumed_pixels((2000, 1000), 1.3, UNKNOWN)


@pytest.mark.parametrize(("diameter", "fits"), [(12.6, False), (12.8, True), (101.8, True), (102.1, False)])
def test_objects_that_do_not_fit_their_region(diameter: float, fits: bool) -> None:
    """A region of 80 x 130 pixels counts as a square of the same area: 102.0 pixels, and an eighth of it 12.7."""
    text = check_object_size(diameter, (80, 130))
    assert text == ("" if fits else f"what was located is {diameter:.0f} pixels across, its region 102")
