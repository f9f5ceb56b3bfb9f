# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Image types as vendors and the standard write them, and times of frames."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from monai_acdr.dicom.plane import FrameTime, date_time_ms, frame_component, frame_time


def header(modality: str = "MR", **values: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in {"Modality": modality, **values}.items():
        setattr(dataset, keyword, value)
    return dataset


def grouped(*frames: dict[str, dict[str, Any]], **values: Any) -> Dataset:
    dataset = header(**values)
    items = []
    for frame in frames:
        item = Dataset()
        for keyword, content in frame.items():
            setattr(item, keyword, Sequence([header(**{"modality": "", **content})]))
        items.append(item)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(items)
    return dataset


@pytest.mark.parametrize(
    ("image_type", "expected"),
    [
        ("ORIGINAL PRIMARY OTHER", ""),
        ("ORIGINAL PRIMARY", ""),
        ("ORIGINAL PRIMARY M ND", "MAGNITUDE"),  # Siemens
        ("ORIGINAL PRIMARY P ND", "PHASE"),
        ("DERIVED PRIMARY P RETRO DIS2D", "PHASE"),
        ("ORIGINAL PRIMARY M_FFE M FFE", "MAGNITUDE"),  # Philips
        ("ORIGINAL PRIMARY M_PCA M PCA", "MAGNITUDE"),
        ("ORIGINAL PRIMARY PHASE_MAP P FFE", "PHASE"),
        ("ORIGINAL PRIMARY VELOCITY_MAP P PCA", "PHASE"),
        ("ORIGINAL PRIMARY R_IR R IR", "REAL"),
        ("ORIGINAL PRIMARY I_SE I SE", "IMAGINARY"),
    ],
)
def test_image_types(image_type: str, expected: str) -> None:
    words = image_type.split()
    assert frame_component(header(ImageType=words), 1, "x") == expected
    words = [word.replace("_MAP", " MAP") for word in words]
    assert frame_component(header(ImageType=words), 1, "x") == expected
    assert frame_component(header("CT", ImageType=words), 1, "x") == ""


def test_what_the_frame_says_comes_first() -> None:
    frames = grouped(
        {
            "MRImageFrameTypeSequence": {
                "FrameType": ["ORIGINAL", "PRIMARY", "VELOCITY"],
                "ComplexImageComponent": "MAGNITUDE",
            }
        },
        {"MRImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "VELOCITY"]}},
        {"MRImageFrameTypeSequence": {"ComplexImageComponent": "IMAGINARY"}},
        {},
        ComplexImageComponent="MIXED",
        ImageType=["ORIGINAL", "PRIMARY", "CARDIAC", "NONE"],
    )
    assert [frame_component(frames, n, "x") for n in (1, 2, 3, 4)] == ["MAGNITUDE", "PHASE", "IMAGINARY", "MIXED"]


@pytest.mark.parametrize(("number", "expected"), list(enumerate(["MAGNITUDE", "PHASE", "REAL", "IMAGINARY", ""])))
def test_private_element_of_ge(number: int, expected: str) -> None:
    dataset = header(ImageType=["ORIGINAL", "PRIMARY", "OTHER"])
    dataset.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", number)
    assert frame_component(dataset, 1, "x") == expected


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"CardiacSynchronizationSequence": {"NominalCardiacTriggerDelayTime": 40.0}}, FrameTime(40.0)),
        (
            {
                "CardiacSynchronizationSequence": {"NominalCardiacTriggerDelayTime": 40.0},
                "FrameContentSequence": {"TemporalPositionIndex": 2},
            },
            FrameTime(40.0, 2),
        ),
        ({"TemporalPositionSequence": {"TemporalPositionTimeOffset": 0.04}}, FrameTime(40.0)),
        ({"UnassignedPerFrameConvertedAttributesSequence": {"TriggerTime": 40}}, FrameTime(40.0)),
        (
            {"FrameContentSequence": {"FrameReferenceDateTime": "19000101000001.25"}},
            FrameTime(clock_ms=1250.0),
        ),
        ({"FrameContentSequence": {"FrameAcquisitionDateTime": "19000101000100"}}, FrameTime(clock_ms=60000.0)),
        ({"FrameContentSequence": {"FrameAcquisitionDateTime": "1900"}}, FrameTime()),
    ],
)
def test_times_of_groups(groups: dict[str, dict[str, Any]], expected: FrameTime) -> None:
    assert frame_time(grouped(groups), 1, "x") == expected


def test_times_of_the_header() -> None:
    assert frame_time(header(TriggerTime="12.5", TemporalPositionIdentifier=3), 1, "x") == FrameTime(12.5, 3)
    # One trigger time for all frames of an enhanced object tells none of them apart.
    both = grouped({"FrameContentSequence": {"TemporalPositionIndex": 2}}, TriggerTime="12.5")
    assert frame_time(both, 1, "x") == FrameTime(None, 2)


@pytest.mark.parametrize("text", ["", "20200102", "20201399000000", "text"])
def test_dates_without_a_time(text: str) -> None:
    assert date_time_ms(text) is None
