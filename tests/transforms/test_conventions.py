# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Dictionary transforms are called as MONAI's are, whatever module they are in."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
import torch
from monai.transforms import MapTransform

import monai_acdr.data
import monai_acdr.transforms
from monai_acdr.transforms import (
    ContourDiced,
    InitialContourd,
    RandRoiJitterd,
    RoiFromBoxd,
    RoiFromCenterd,
    RoiFromExpertd,
    RoiFromLabeld,
)

MODULES = (monai_acdr.transforms, monai_acdr.data)
TRANSFORMS = {
    name: value
    for module in MODULES
    for name, value in vars(module).items()
    if inspect.isclass(value) and issubclass(value, MapTransform) and value.__module__.startswith("monai_acdr.")
}


def test_there_are_transforms_of_both_modules() -> None:
    assert {"RoiCropd", "ContourToMaskd", "CheckImaged", "LoadReferenced", "DrawLabeld"} <= TRANSFORMS.keys()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_keys_come_first_and_allow_missing_keys_last(name: str) -> None:
    if TRANSFORMS[name].__init__ is monai_acdr.data.LoadImaged.__init__:
        return  # MONAI's own arguments
    _, *arguments = inspect.signature(TRANSFORMS[name].__init__).parameters.values()  # of the class, 3.10 takes __new__
    assert arguments[0].name == "keys"
    assert arguments[0].default is inspect.Parameter.empty
    assert arguments[-1].name == "allow_missing_keys"
    assert arguments[-1].default is False
    assert {a.name for a in arguments} & {"key", "image", "label", "contour", "roi"} == set()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_twins_have_the_three_names_and_no_acronym_before_the_suffix(name: str) -> None:
    stem = re.sub("(d|D|Dict)$", "", TRANSFORMS[name].__name__)
    assert not re.search("[A-Z]{2,}$", stem)
    (module,) = (module for module in MODULES if name in vars(module))
    assert {getattr(module, stem + suffix) for suffix in ("d", "D", "Dict")} == {TRANSFORMS[name]}


@pytest.mark.parametrize(
    ("transform", "settings"),
    [
        (ContourDiced, {}),
        (InitialContourd, {"oracle": torch.zeros}),
        (RandRoiJitterd, {"angle": 10}),
        (RoiFromBoxd, {"box": (0, 0, 4, 4)}),
        (RoiFromCenterd, {}),
        (RoiFromExpertd, {}),
        (RoiFromLabeld, {}),
    ],
)
def test_items_without_the_key_are_left_as_they_are_or_refused(transform: Any, settings: dict[str, Any]) -> None:
    item = {"other": 1}
    assert transform("absent", **settings, allow_missing_keys=True)(item) == item
    with pytest.raises((KeyError, ValueError), match="absent"):
        transform("absent", **settings)(item)
