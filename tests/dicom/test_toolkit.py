# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sys

import pytest

from monai_acdr.dicom.toolkit import require_highdicom


def test_names_the_feature_and_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ImportError, match=r"A report needs highdicom .*pip install 'monai_acdr\[dicom-out\]'"):
        require_highdicom("A report")


def test_finds_it() -> None:
    pytest.importorskip("highdicom")
    assert require_highdicom("x").seg.Segmentation.__name__ == "Segmentation"
