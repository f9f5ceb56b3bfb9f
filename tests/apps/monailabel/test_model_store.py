# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from monai_acdr.apps.monailabel.model_store import ModelStore, UnusableModelError
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM


def test_it_starts_with_the_weights_of_the_bundle(heart_store: ModelStore, tiny_heart: Path) -> None:
    shipped = (tiny_heart / "models" / "model.pt").read_bytes()
    assert heart_store.path.read_bytes() == shipped
    assert heart_store.structures == (LV_ENDOCARDIUM, LV_EPICARDIUM) and heart_store.nested
    heart_store.path.write_bytes(b"changed")
    assert heart_store.prepare() and heart_store.path.read_bytes() == b"changed"


def test_a_bundle_without_weights_is_not_offered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    store = ModelStore("contour_acdr", tmp_path)
    assert not store.prepare() and [structure.label for structure in store.structures] == ["object"]
    assert "contour_acdr is not offered: it has no weights" in caplog.text
    with pytest.raises(UnusableModelError, match="its model file is missing: upload one"):
        store.load()


def test_weights_are_read_again_when_they_change(heart_store: ModelStore) -> None:
    first = heart_store.load()
    assert heart_store.load() is first
    state = torch.load(heart_store.path, weights_only=True)
    state = {key: value + 1 if value.is_floating_point() else value for key, value in state.items()}
    torch.save(state, heart_store.path)
    second = heart_store.load()
    assert second.checkpoint_sha256 != first.checkpoint_sha256


def test_damaged_weights(heart_store: ModelStore) -> None:
    good = heart_store.path.read_bytes()
    heart_store.path.write_bytes(good[: len(good) // 2])
    with pytest.raises(UnusableModelError, match="damaged or of another network: replace it, or delete it and start"):
        heart_store.load()
    heart_store.previous.write_bytes(good)
    with pytest.raises(UnusableModelError, match="kept as model.previous.pt"):
        heart_store.load()
    torch.save({"other": torch.zeros(1)}, heart_store.path)
    with pytest.raises(UnusableModelError, match="damaged or of another network"):
        heart_store.load()


def test_publishing(heart_store: ModelStore, tmp_path: Path) -> None:
    old = heart_store.path.read_bytes()
    (tmp_path / "new.pt").write_bytes(b"new")
    heart_store.publish(tmp_path / "new.pt", {"dice": 1})
    assert heart_store.path.read_bytes() == b"new" and heart_store.previous.read_bytes() == old
    heart_store.remember({"dice": 2})
    assert heart_store.history() == [{"dice": 1}, {"dice": 2}]
    (heart_store.folder / "history.json").write_text("{")
    assert heart_store.history() == []
