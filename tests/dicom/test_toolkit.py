# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sys

import pytest

from monai_acdr.dicom.toolkit import require, require_highdicom, source_errors


def test_names_the_feature_and_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """highdicom comes with the package: it is missing only where an installation is broken."""
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ImportError, match=r"A report needs highdicom .*: pip install --force-reinstall highdicom$"):
        require_highdicom("A report")
    with pytest.raises(ImportError, match=r"A job needs nothing_here .*: pip install 'monai_acdr\[cohort\]'$"):
        require("A job", "nothing_here", "cohort", "nothing_here")


def test_finds_it() -> None:
    assert require_highdicom("x").seg.Segmentation.__name__ == "Segmentation"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (AttributeError("'FileDataset' object has no attribute 'SliceThickness'"), "Expected SliceThickness in the"),
        (
            AttributeError("'int' object has no attribute 'get'"),
            r"Expected a header in .* for it \(AttributeError\): com",
        ),
        (ValueError("Values of ImageType: Doe^Jane"), "ImageType in the images .* of a.dcm does not have it as needed"),
        (KeyError("x"), r"that of a.dcm is not enough for it \(KeyError\): complete or correct the header, or say so"),
        (OSError("Doe^Jane\nfor data_element: Rows"), "Expected Rows in the images that a report is made from"),
    ],
)
def test_errors_of_other_packages(error: Exception, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught, source_errors("a report", "a.dcm", "say so"):
        raise error
    assert "Doe" not in str(caught.value) and caught.value.__suppress_context__


@pytest.mark.parametrize("error", [ValueError("Expected that."), ImportError("x"), OSError(28, "No space left")])
def test_our_errors_and_those_of_the_system_pass(error: Exception) -> None:
    with pytest.raises(type(error), match="Expected that|x|No space") as caught, source_errors("a", "b", "c"):
        raise error
    assert caught.value is error
