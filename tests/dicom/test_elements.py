# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Elements of any type, as damaged files have them."""

from __future__ import annotations

import logging
import threading
import time
import warnings

import pytest
from pydicom.config import settings
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from monai_acdr.dicom.elements import (
    code,
    codes,
    functional_group,
    is_present,
    items,
    number,
    numbers,
    quiet_values,
    text,
    whole_number,
)


def of(keyword: str, vr: str, value: object) -> Dataset:
    dataset = Dataset()
    dataset.add(DataElement(keyword, vr, value))
    return dataset


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [("US", 7, 7), ("FD", 7.0, 7), ("IS", "7", 7), ("LO", " 7 ", 7), ("LO", "", None), ("US", None, None)],
)
def test_whole_numbers_of_any_type(vr: str, value: object, expected: int | None) -> None:
    assert whole_number(of("Rows", vr, value), "Rows", "x") == expected
    assert whole_number(Dataset(), "Rows", "x") is None
    assert whole_number(None, "Rows", "x") is None


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        *[("FD", float("inf")), ("FD", float("nan")), ("FD", [1.0, 2.0]), ("US", [7, 7]), ("LO", "seven")],
        *[("OB", b"\1\2"), ("SQ", Sequence([Dataset()])), ("FD", 7.5)],
    ],
)
def test_no_whole_numbers(vr: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"Expected Rows to be a (whole )?number, but x has"):
        whole_number(of("Rows", vr, value), "Rows", "x")


def test_numbers() -> None:
    assert numbers(of("PixelSpacing", "DS", ["0.5", "2"]), "PixelSpacing", 2, "x") == (0.5, 2)
    assert number(of("SliceThickness", "DS", "8"), "SliceThickness", "x") == 8
    with pytest.raises(ValueError, match="PixelSpacing to be 2 numbers, but x has something else") as caught:
        numbers(of("PixelSpacing", "LO", "Doe^Jane"), "PixelSpacing", 2, "x")
    assert "Doe" not in str(caught.value)


def test_sequences() -> None:
    inner = of("PixelSpacing", "DS", [1, 1])
    assert list(items(of("PixelMeasuresSequence", "SQ", Sequence([inner])), "PixelMeasuresSequence", "x")) == [inner]
    assert not items(Dataset(), "PixelMeasuresSequence", "x")
    for vr, value in (("LO", "abc"), ("FD", 1.5), ("UT", "abc")):
        with pytest.raises(ValueError, match="PixelMeasuresSequence to be a sequence, but x"):
            items(of("PixelMeasuresSequence", vr, value), "PixelMeasuresSequence", "x")


def test_the_frames_own_group_comes_first() -> None:
    def group(value: int) -> Dataset:
        return of("PixelMeasuresSequence", "SQ", Sequence([of("SliceThickness", "DS", value)]))

    header = of("SharedFunctionalGroupsSequence", "SQ", Sequence([group(1)]))
    header.PerFrameFunctionalGroupsSequence = Sequence([group(2), Dataset()])
    for frame, expected in ((1, 2), (2, 1)):
        found = functional_group(header, frame, "PixelMeasuresSequence", "x")
        assert found is not None and found.SliceThickness == expected
    assert functional_group(Dataset(), 1, "PixelMeasuresSequence", "x") is None
    with pytest.raises(ValueError, match=r"x has them for 2 frame\(s\), and none for frame 3"):
        functional_group(header, 3, "PixelMeasuresSequence", "x")


def test_codes() -> None:
    dataset = of("ImageType", "CS", ["ORIGINAL", "primary ", "M"])
    assert codes(dataset, "ImageType") == ("ORIGINAL", "PRIMARY", "M")
    assert code(dataset, "ImageType") == "ORIGINAL"
    assert code(of("Modality", "US", 3), "Modality") == ""
    assert not is_present(of("Modality", "CS", " "), "Modality")


def test_malformed_values_name_the_file() -> None:
    """Three bytes are not 16-bit number: pydicom finds out when the value is asked for."""
    dataset = Dataset()
    dataset.filename = "/data/image.dcm"
    dataset[0x00280010] = RawDataElement(Tag(0x00280010), "US", 3, b"abc", 0, False, True)
    with pytest.raises(ValueError, match=r"Expected a readable Rows, but that of /data/image\.dcm is malformed"):
        codes(dataset, "Rows")


def test_text_is_text_numbers_and_names_only() -> None:
    dataset = Dataset()
    dataset.SeriesDescription = " cine "
    dataset.InstanceNumber = 7
    dataset.SliceThickness = "2.50"
    dataset.PatientName = "A^B"
    dataset.ReferencedImageSequence = [Dataset()]
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    keywords = ("SeriesDescription", "InstanceNumber", "SliceThickness", "PatientName")
    assert [text(dataset, keyword) for keyword in keywords] == ["cine", "7", "2.50", "A^B"]
    assert [text(dataset, keyword) for keyword in ("ReferencedImageSequence", "ImageType", "Rows")] == ["", "", ""]
    assert text(None, "Rows") == ""


def test_deeply_nested_sequences_take_no_time() -> None:
    """pydicom makes text of each level anew where one of them fails: a second for 20 levels, a day for 40."""
    innermost = Dataset()
    innermost.add_new(0x00280010, "US", b"x")  # fails when it is made text
    for _ in range(60):
        outer = Dataset()
        outer.ReferencedImageSequence = [innermost]
        innermost = outer
    start = time.process_time()
    assert text(innermost, "ReferencedImageSequence") == ""
    assert time.process_time() - start < 1


def test_nothing_is_said_of_values(caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder) -> None:
    dataset = Dataset()
    dataset[0x00080018] = RawDataElement(Tag(0x00080018), "UI", 80, b"SECRET^NAME" + b"1" * 69, 0, False, True)
    with caplog.at_level(logging.DEBUG):
        assert text(dataset, "SOPInstanceUID").startswith("SECRET")
    assert "SECRET" not in caplog.text + "".join(str(warning.message) for warning in recwarn)
    assert not logging.getLogger("pydicom").disabled


def test_threads_that_overlap_leave_everything_as_it_was() -> None:
    logger = logging.getLogger("pydicom")
    before = (logger.disabled, settings.reading_validation_mode, settings.writing_validation_mode, warnings.filters[:])
    entered, left = threading.Event(), threading.Event()

    def other() -> None:
        with quiet_values():
            entered.set()
            assert left.wait(60)
            assert logger.disabled  # the first thread is gone, this one still wants it

    thread = threading.Thread(target=other)
    with quiet_values():
        thread.start()
        assert entered.wait(60)
    left.set()
    thread.join()
    after = (logger.disabled, settings.reading_validation_mode, settings.writing_validation_mode, warnings.filters[:])
    assert after == before
