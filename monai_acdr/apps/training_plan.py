# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Plan of a training: every choice with its reason, made from the objects of a data set, edited as JSON."""

from __future__ import annotations

import difflib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from monai_acdr.data import DatasetFingerprint
from monai_acdr.data.text_files import read_json
from monai_acdr.files import write_text_atomically

__all__ = ["TrainingPlan", "length_unit", "make_plan", "object_lengths", "read_plan"]

SIZE_RATIO = 1.5
"""Objects whose extents differ by more than this factor between the 5th and the 95th percentile get boxes."""
BOX_SCALE = 1.2
"""Side of the region as a multiple of the object's box, as in the protocol of the mass bundles."""
SIDE_SCALE = 1.6
"""Side of a fixed region as a multiple of a large object's extent (95th percentile)."""
SMALL_INPUT, LARGE_INPUT = 64, 96
SMALL_REGION = 80
"""Largest side in pixels of a typical region for which the small input is used."""
STEPS = (800, 3000)
"""Smallest and largest number of optimizer steps; in between, three per object."""
MAX_MEAN_OBJECTS = 1.02
"""Mean number of objects per image up to which a localizer, which finds one per image, is trained."""
LOCALIZER_STEPS, LOCALIZER_EPOCHS = 600, 12
"""Number of optimizer steps of a localizer, and number of epochs, after which its state is saved."""
MIN_AREA = 16.0
"""Area in square pixels below which an object is a speck."""
LARGEST_INPUT = 512


@dataclass(frozen=True)
class TrainingPlan:
    """Choices of a training. :func:`make_plan` gives each a reason; :func:`read_plan` takes edited ones.

    Attributes:
        structures: names of the structures, from the innermost to the outermost.
        channels: 1 for gray values, 3 for colors.
        region: "box", the box of the object, or "side", a square of one side about its centroid.
        region_scale: factor on the sides of a box.
        region_side: side of the square in ``region_unit``; None for boxes.
        region_unit: "px" or "mm".
        input_size: rows and columns of the region as the network sees it.
        vertices: number of vertices of each contour.
        initial_diameter: diameter of the starting circles as a fraction of the region's side, one for each structure.
        view_scale: smallest and largest factor on the region in training.
        view_shift: largest shift of the region in training, as a fraction of its side.
        view_angle: largest rotation in degrees.
        view_flip: probability of a mirror image.
        batch_size: regions per step.
        epochs: passes over the training objects.
        learning_rate: learning rate of AdamW, after a warm-up and before its decay to 0.
        folds: 1 holds out a fifth of the patients; more cross-validate.
        min_area: objects of fewer square pixels are left out, and counted.
        localizer_steps: optimizer steps of the network that finds the object for ROI ``auto``; 0 trains none.
        seed: seed of weights, order and augmentation.
        reasons: reason of each choice by name, as text.
    """

    structures: tuple[str, ...] = ("object",)
    channels: int = 1
    region: str = "box"
    region_scale: float = BOX_SCALE
    region_side: float | None = None
    region_unit: str = "px"
    input_size: int = SMALL_INPUT
    vertices: int = 32
    initial_diameter: tuple[float, ...] = (0.5,)
    view_scale: tuple[float, float] = (0.75, 1.4)
    view_shift: float = 0.12
    view_angle: float = 180.0
    view_flip: float = 0.5
    batch_size: int = 16
    epochs: int = 100
    learning_rate: float = 0.002
    folds: int = 1
    min_area: float = MIN_AREA
    localizer_steps: int = 0
    seed: int = 0
    reasons: Mapping[str, str] = field(default_factory=dict, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """``{name: {"value": ..., "why": ...}}``, ready for JSON."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "reasons"}
        return {
            name: {
                "value": list(value) if isinstance(value, tuple) else value,
                "why": self.reasons.get(name, "the default"),
            }
            for name, value in values.items()
        }

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write as JSON that is easy to read and edit; the file appears whole or not at all."""
        entries = [
            f'  {json.dumps(name)}: {{\n    "value": {json.dumps(entry["value"], allow_nan=False)},\n'
            f'    "why": {json.dumps(entry["why"])}\n  }}'
            for name, entry in self.as_dict().items()
        ]
        write_text_atomically(path, "{\n" + ",\n".join(entries) + "\n}\n")

    def config(self, pixel_mm: float | None = None) -> dict[str, Any]:
        """Values of keys of the configs of the bundle ``contour_acdr``, nested ones as ``region#scale``.

        Args:
            pixel_mm: size of the pixels that a side in mm is converted to; 1 mm if None.
        """
        in_mm = self.region_side is not None and self.region_unit == "mm"
        pixel = (pixel_mm or 1.0) if in_mm else None
        return {
            "structures": list(self.structures),
            "channels": self.channels,
            "roi_size": self.input_size,
            "region#scale": self.region_scale,
            "region#side": self.region_side if pixel is None or self.region_side is None else self.region_side / pixel,
            "region#pixel_mm": pixel,
            "network_def#initial_contour#num_vertices": self.vertices,
            "network_def#initial_contour#diameter": list(self.initial_diameter),
            "max_epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "seed": self.seed,
            "view#scale": list(self.view_scale),
            "view#shift": self.view_shift,
            "view#angle": self.view_angle,
            "view#flip_prob": self.view_flip,
        }

    def localizer_config(self) -> dict[str, Any]:
        """Values of keys of ``localizer.json`` of the bundle ``contour_acdr``."""
        per_epoch = max(1, math.ceil(self.localizer_steps / LOCALIZER_EPOCHS))
        return {
            "steps_per_epoch": per_epoch,
            "max_epochs": max(1, round(self.localizer_steps / per_epoch)),
            "seed": self.seed,
            "frame#angle": self.view_angle,
            "frame#upright_angle": min(20.0, self.view_angle),
            "frame#flip_prob": self.view_flip,
        }


def length_unit(fingerprint: DatasetFingerprint) -> str:
    """Unit of lengths: "mm" where every image states its pixel spacing, otherwise "px"."""
    return "mm" if 0 < fingerprint.num_images == fingerprint.num_with_spacing else "px"


def object_lengths(fingerprint: DatasetFingerprint) -> tuple[float, float, float]:
    """Longer sides of the objects' boxes at the 5th, 50th and 95th percentile, in the unit of :func:`length_unit`.

    Raises:
        ValueError: for a data set without objects.
    """
    if length_unit(fingerprint) == "mm":
        sides = fingerprint.object_width_mm, fingerprint.object_height_mm
    else:
        sides = fingerprint.object_width, fingerprint.object_height
    if sides[0] is None or sides[1] is None:
        raise ValueError("Expected objects to plan for, but the data set has none: check the masks.")
    low, middle, high = (max(sides[0][name], sides[1][name]) for name in ("p5", "p50", "p95"))
    return low, middle, high


def make_plan(
    fingerprint: DatasetFingerprint,
    structures: Sequence[str] = ("object",),
    folds: int = 1,
    epochs: int | None = None,
    seed: int = 0,
    training: int | None = None,
) -> TrainingPlan:
    """Choose a training for the objects of a data set, and give reasons.

    Args:
        fingerprint: fingerprint of the data list, one item per object.
        structures: names of the structures.
        folds: number of folds by patient, 1 for one held-out group.
        epochs: number of epochs, instead of the number from the budget of steps.
        seed: seed of the training.
        training: number of objects that one network is trained on; None takes the share of all that ``folds`` leaves.

    Raises:
        ValueError: for fewer than two patients, or fewer patients than folds.
    """
    if fingerprint.num_patients < max(2, folds):
        raise ValueError(
            f"Expected at least {max(2, folds)} patients, to train on some and measure on others, but the data set has "
            f"{fingerprint.num_patients}: add images, or use fewer folds."
        )
    why: dict[str, str] = {"structures": "the labels of the masks, or the name given by --structure"}
    chosen = _choose_region(fingerprint, why)
    start = chosen.pop("start")
    share = 0.8 if folds == 1 else 1 - 1 / folds
    training = max(1, round(fingerprint.num_items * share) if training is None else training)
    batch = 16 if training >= 64 else max(2, min(8, training))
    steps = min(max(STEPS[0], 3 * training), STEPS[1])
    budget = max(1, round(steps / max(1, training // batch)))
    why["batch_size"] = f"{training} objects to train on" + (" in the first fold" if folds > 1 else "")
    why["epochs"] = (
        "given with --epochs or --minutes"
        if epochs
        else f"about {steps} steps: {training // batch or 1} an epoch, {STEPS[0]} to {STEPS[1]} in all"
    )
    for name in ("view_scale", "view_shift"):
        why[name] = "boxes and clicks of users are not exact"
    why["view_angle"] = why["view_flip"] = (
        "assumes no preferred direction; set 0 where left and right or up and down mean something"
    )
    why["learning_rate"] = "warm-up, then a cosine to 0; carried over between hearts and masses"
    why["folds"] = (
        "one group of patients is held out"
        if folds == 1
        else "every patient is measured by a network that did not see it"
    )
    area = max(MIN_AREA, float(f"{math.pi / 4 * (fingerprint.object_diameter or {})['p50'] ** 2 / 100:.2g}"))
    single = fingerprint.num_items <= MAX_MEAN_OBJECTS * fingerprint.num_images
    why["localizer_steps"] = (
        "one object per image: a network that finds it is trained along, for ROI auto"
        if single
        else f"{fingerprint.num_items / max(1, fingerprint.num_images):.2g} objects per image: a localizer finds one"
    )
    colored = (fingerprint.channels or {}).get("3", 0)
    why["channels"] = (
        "all images have colors"
        if 0 < colored == fingerprint.num_images
        else f"{colored} of {fingerprint.num_images} images have colors: all are read as gray values"
    )
    why["min_area"] = "smaller objects are specks: under 4 x 4 pixels, or a hundredth of a typical object"
    return TrainingPlan(
        structures=tuple(structures),
        channels=3 if 0 < colored == fingerprint.num_images else 1,
        **chosen,
        region_unit=length_unit(fingerprint),
        initial_diameter=tuple(round(min(0.9, start * (1 + 0.4 * index)), 2) for index in range(len(structures))),
        batch_size=batch,
        epochs=epochs or budget,
        folds=folds,
        min_area=area,
        localizer_steps=LOCALIZER_STEPS if single else 0,
        seed=seed,
        reasons=why,
    )


def _choose_region(fingerprint: DatasetFingerprint, why: dict[str, str]) -> dict[str, Any]:
    """Region, size of the input, and diameter of the initial circle; reasons are added to ``why``."""
    low, middle, high = object_lengths(fingerprint)
    unit = length_unit(fingerprint)
    typical_px = max((fingerprint.object_width or {})["p50"], (fingerprint.object_height or {})["p50"])
    spread = high / max(low, 1e-9)
    sizes = f"objects are {low:.3g} to {high:.3g} {unit} long (5 % to 95 %), a factor of {spread:.2g}"
    if spread > SIZE_RATIO:
        region, scale, side, start = "box", BOX_SCALE, None, 0.5
        why["region"] = f"{sizes}, more than {SIZE_RATIO:g}: one side for all would show small ones as specks"
        why["region_scale"] = f"the box of the object and {50 * (BOX_SCALE - 1):.0f} % of its sides on each side of it"
        why["initial_diameter"] = "a circle within the object, which fills most of its region"
        region_px = BOX_SCALE * typical_px
    else:
        region, side = "side", float(f"{SIDE_SCALE * high:.3g}")
        scale = round(side / middle, 2)
        start = round(min(0.5, 0.75 * middle / side), 2)
        why["region"] = f"{sizes}, at most {SIZE_RATIO:g}: a click says where, and the size need not be known"
        why["region_scale"] = "for boxes that users draw: about the same region as the fixed side gives"
        why["region_side"] = f"{SIDE_SCALE:g} times the length of a large object, with room for what surrounds it"
        why["initial_diameter"] = "a circle somewhat smaller than a typical object"
        region_px = side * typical_px / middle
    why["region_unit"] = (
        "every image tells its pixel spacing" if unit == "mm" else "not every image tells its pixel spacing"
    )
    size = SMALL_INPUT if region_px <= SMALL_REGION else LARGE_INPUT
    why["input_size"] = f"a typical region is {region_px:.0f} pixels wide" + (
        "" if size == SMALL_INPUT else "; more than 96 costs time and gained nothing in our studies"
    )
    why["vertices"] = "enough for outlines without fine spikes: more gained nothing in our studies"
    return {"region": region, "region_scale": scale, "region_side": side, "input_size": size, "start": start}


def _number(low: float, high: float, whole: bool = False) -> Callable[[Any], bool]:
    kinds = (int,) if whole else (int, float)
    return lambda value: type(value) in kinds and low <= value <= high


def _numbers(low: float, high: float) -> Callable[[Any], bool]:
    one = _number(low, high)
    return lambda value: isinstance(value, list) and 0 < len(value) <= 16 and all(map(one, value))


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "structures": (
        lambda value: (
            isinstance(value, list)
            and 0 < len(value) <= 16
            and len(set(map(str, value))) == len(value)
            and all(isinstance(name, str) and 0 < len(name.strip()) <= 64 and name.isprintable() for name in value)
        ),
        "1 to 16 different names",
    ),
    "channels": (lambda value: type(value) is int and value in (1, 3), "1 or 3"),
    "region": (lambda value: value in ("box", "side"), '"box" or "side"'),
    "region_scale": (_number(1, 10), "a number from 1 to 10"),
    "region_side": (lambda value: value is None or _number(1e-3, 1e5)(value), "a positive number or null"),
    "region_unit": (lambda value: value in ("px", "mm"), '"px" or "mm"'),
    "input_size": (_number(16, LARGEST_INPUT, True), f"a whole number from 16 to {LARGEST_INPUT}"),
    "vertices": (_number(3, 1024, True), "a whole number from 3 to 1024"),
    "initial_diameter": (_numbers(0.01, 1), "numbers from 0.01 to 1, one for each structure"),
    "view_scale": (
        lambda value: _numbers(0.1, 1.55)(value) and len(value) == 2 and value[0] <= value[1],
        "two numbers from 0.1 to 1.55, the smaller one first",
    ),
    "view_shift": (_number(0, 0.5), "a number from 0 to 0.5"),
    "view_angle": (_number(0, 180), "degrees from 0 to 180"),
    "view_flip": (_number(0, 1), "a probability"),
    "batch_size": (_number(1, 1024, True), "a whole number from 1 to 1024"),
    "epochs": (_number(1, 100000, True), "a whole number from 1 on"),
    "learning_rate": (_number(1e-6, 1), "a number from 1e-6 to 1"),
    "folds": (_number(1, 100, True), "a whole number from 1 to 100"),
    "min_area": (_number(0, 1e9), "a number from 0 on"),
    "localizer_steps": (_number(0, 1000000, True), "a whole number from 0 on"),
    "seed": (_number(0, 2**31 - 1, True), "a whole number from 0 on"),
}


def read_plan(path: str | os.PathLike[str]) -> TrainingPlan:
    """Read a plan written by :meth:`TrainingPlan.write`, which may have been edited.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: for an unknown name or a value that cannot be used; the message names the entry.
    """
    content = read_json(Path(path), "a training plan")
    if not isinstance(content, dict):
        raise ValueError(f"Expected an object in {path}, but got {type(content).__name__}: start from a plan.json.")
    values: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for name, entry in content.items():
        if name not in _RULES:
            near = difflib.get_close_matches(str(name), _RULES, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(_RULES)}."
            raise ValueError(f"Expected entries of a training plan in {path}, but got {str(name)[:60]!r}: {hint}")
        value = entry.get("value") if isinstance(entry, dict) else entry
        accepts, expected = _RULES[name]
        if not accepts(value):
            raise ValueError(
                f"Expected {name!r} in {path} to be {expected}, but got {json.dumps(value)[:60]}: correct it."
            )
        values[name] = tuple(value) if isinstance(value, list) else value
        why = entry.get("why") if isinstance(entry, dict) else None
        reasons[name] = why if isinstance(why, str) else "given"
    plan = TrainingPlan(**values, reasons=reasons)
    if len(plan.initial_diameter) != len(plan.structures):
        raise ValueError(
            f"Expected `initial_diameter` in {path} to have a number for each of {list(plan.structures)}, but got "
            f"{list(plan.initial_diameter)}."
        )
    if (plan.region == "side") != (plan.region_side is not None):
        raise ValueError(
            f'Expected a `region_side` in {path} for the region "side", and null for "box", but got '
            f"{plan.region_side} for {plan.region!r}."
        )
    return plan
