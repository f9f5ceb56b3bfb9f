# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Values of masks: what each file holds, the values of each structure in a whole data set, and doubtful values.

A mask is two-valued (0 and 1, 0 and 255, 0 and 65535), or a label map: 0 and one whole number per structure. Anything
else is a finding: edges that were smoothed, artifacts of JPEG, colors, dithering. Smoothed edges and artifacts leave a
usable mask (above half of the largest value); where the values could mean anything, the mask is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from monai_acdr.data.image_headers import is_dicom_file
from monai_acdr.data.pictures import has_colors, picture_format, read_label_picture
from monai_acdr.data.readers import NiftiSliceReader, parse_slice_name
from monai_acdr.dicom import read_gray_image

__all__ = [
    "MAX_STRUCTURES",
    "LabelPlan",
    "MaskFacts",
    "ObjectFacts",
    "choose_structures",
    "find_label_plan",
    "foreground",
    "is_speck",
    "mask_facts",
    "object_facts",
    "read_mask_values",
    "same_names",
    "structure_mask",
]

MAX_SMALL_LABEL = 31
"""Without a list of labels, whole numbers up to here are labels; larger ones, such as 255, stand for "object"."""

MAX_STRUCTURES = 8
"""Without a list of labels, more values than this count objects, not structures."""

NESTED_SHARE = 0.9
"""Fraction of a structure that another one must surround to be around it; median over the masks that have both."""

SPECK_PIXELS = 9
SPECK_FRACTION = 0.001
"""An object of at most so many pixels, or of this fraction of the largest object, is a speck beside a larger one."""
SPECK_RATIO = 10
"""... that is at least so many times as large."""

_PURE_COLORS = frozenset({29, 76, 105, 150, 179, 226, 255})
"""Luminance of blue, red, magenta, green, cyan, yellow and white, as ITU-R 601 and Pillow have it."""

_COHERENT = 0.1
"""Fraction of the pixels of values in between that lie in even areas, from which on they are areas, not edges."""

_COHERENT_BLOCKS = 0.3
"""Like ``_COHERENT``, of blocks of 2 x 2 pixels where a mask has few values: a thin ring has no larger areas."""

_JPEG_COLOR = 64
"""Difference of channels from which on a pixel of a JPEG file has a color."""

_NO_MASK = 0.5
"""Fraction of all pixels above 0 that have values far from 0 and the largest, from which on it is not a mask."""

_ISOLATED = 0.02
_ISOLATED_PIXELS = 12
"""Dithering: pixels whose four neighbors all have the other value, as a fraction of the object, and their least
number."""

_LABEL = re.compile(r"label \d+")
"""Name of a structure that nothing else names."""

BYTE_THRESHOLD = 127
"""Of 8-bit masks, which a lossy step may have smeared."""


@dataclass(frozen=True)
class MaskFacts:
    """Values of one mask file.

    Attributes:
        kind: "empty", "full", "binary", "labels" (several whole numbers up to :data:`MAX_SMALL_LABEL`), "levels"
            (several values that fill areas), "colors", "smooth" (values in between at edges), "jpeg" (such values in
            a JPEG file), "image", "dithered", or "invalid" (negative or fractional).
        values: all values but 0, ascending, at most 256 of them.
        counts: pixels of each.
        detail: what was seen, for a finding.
        file_format: as in "PNG".
        around: for pairs of values (a, b), the fraction of a that lies in the outline of b.
    """

    kind: str
    values: tuple[int, ...]
    counts: tuple[int, ...]
    detail: str = ""
    file_format: str = ""
    around: Mapping[tuple[int, int], float] = field(default_factory=dict)


@dataclass(frozen=True)
class ObjectFacts:
    """Objects of one structure of a mask.

    Attributes:
        areas: of the objects in pixels, largest first; specks not counted.
        specks: areas of the specks.
        at_border: how many of the objects touch the border of the image.
    """

    areas: tuple[int, ...]
    specks: tuple[int, ...]
    at_border: int


@dataclass(frozen=True)
class LabelPlan:
    """Values of the structures, for a whole data set.

    Attributes:
        structures: names, inner structures before those around them.
        values: of each structure; None where a mask is two-valued and its largest value is the object.
        counts_objects: whether the values number objects, all of one structure.
        stated: whether a file of the data set states them.
        others: values of structures that were not chosen.
    """

    structures: tuple[str, ...] = ("object",)
    values: tuple[tuple[int, ...], ...] | None = None
    counts_objects: bool = False
    stated: bool = False
    others: frozenset[int] = frozenset()


def read_mask_values(name: str | Path) -> np.ndarray:
    """Read a mask or label map as it is stored: a picture, a DICOM file or a slice of a NIfTI volume.

    Args:
        name: of the file, or of a slice (:func:`~monai_acdr.data.slice_name`).

    Returns:
        (H, W) of any real type; of a picture with a palette of colors the indices, of other colors the luminance.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it cannot be read.
    """
    part = parse_slice_name(name)
    if part is not None:
        values = NiftiSliceReader().get_data(part)[0]
    else:
        values = read_gray_image(name) if is_dicom_file(name) else read_label_picture(name)
    if values.ndim != 2:
        raise ValueError(f"Expected a mask (H, W) in {name}, but got {values.shape}: take one channel or frame.")
    return values


def mask_facts(values: np.ndarray, name: str | Path) -> MaskFacts:
    """Classify the values of one mask.

    Args:
        values: (H, W) as :func:`read_mask_values` gives them.
        name: of the file, whose format and colors matter where there are more than two values.
    """
    file_format = _format(name)
    unique, counts = _count_values(values)
    if unique.size == 1:
        return MaskFacts("empty" if unique[0] == 0 else "full", (), (), file_format=file_format)
    if unique[0] < 0 or not np.array_equal(unique, np.round(unique)):
        return MaskFacts("invalid", (), (), f"values such as {_listed(unique)}", file_format)
    present = unique != 0
    found = tuple(int(value) for value in unique[present][-256:]), tuple(int(c) for c in counts[present][-256:])
    if unique[0] != 0 and unique.size > 2:
        return MaskFacts("image", *found, f"no pixel is 0; values such as {_listed(unique)}", file_format)
    if unique.size == 2:
        if unique[0] != 0:
            return MaskFacts("full", *found, file_format=file_format)
        isolated = _isolated(values > 0)
        area = int(min(counts[-1], counts[0]))
        if isolated >= max(_ISOLATED_PIXELS, _ISOLATED * area):
            return MaskFacts("dithered", *found, f"{isolated} pixels stand alone", file_format)
        return MaskFacts("binary", *found, file_format=file_format)
    detail = f"values such as {_listed(unique)}"
    largest = int(unique[-1])
    if largest <= MAX_SMALL_LABEL and file_format != "JPEG":
        return MaskFacts("labels", *found, detail, file_format, _around(values, found[0]))
    return MaskFacts(*_kind_of_levels(values, unique, name, file_format), file_format=file_format)


def _count_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values that occur, ascending, with their counts; without a slow sort where they are small whole numbers."""
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        counts = np.bincount(values.ravel())
        present = np.flatnonzero(counts)
        return present, counts[present]
    return np.unique(values, return_counts=True)


def _kind_of_levels(
    values: np.ndarray, unique: np.ndarray, name: str | Path, file_format: str
) -> tuple[str, tuple[int, ...], tuple[int, ...], str]:
    """Kind, values, counts and detail of a mask with values between 0 and its largest, which is over 31."""
    largest = float(unique[-1])
    between = (values > 0) & (values < largest)
    far = (values > largest / 8) & (values < largest * 7 / 8)
    detail = f"{int(between.sum())} pixels are neither 0 nor {largest:g}, such as {_listed(unique)}"
    # Artifacts of JPEG and blurred edges have many values, near 0 and the largest ones; areas are not of these.
    has_few_values = unique.size <= 2 * MAX_STRUCTURES
    odd = between if has_few_values else far
    even = _in_even_blocks(values) if has_few_values else _is_even(values)
    in_areas = (odd & even).sum()
    is_color = file_format == "JPEG" and _has_colors(name, _JPEG_COLOR)
    if is_color or in_areas >= max((_COHERENT_BLOCKS if has_few_values else _COHERENT) * odd.sum(), 4):
        levels, counts = np.unique(values[even & (values > 0)], return_counts=True)
        kept = counts >= max(4, 0.01 * counts.sum())
        found = tuple(int(v) for v in levels[kept]), tuple(int(c) for c in counts[kept])
        if is_color or (set(found[0]) <= _PURE_COLORS and len(found[0]) > 1) or _has_colors(name):
            return "colors", *found, f"values such as {_listed(unique)} are the brightness of colors"
        if has_few_values:
            return "levels", *found, f"values {_listed(unique)}"
    if far.sum() > _NO_MASK * (values > 0).sum() and unique.size > 2 * MAX_STRUCTURES:
        return "image", (), (), detail
    if largest <= 127:
        return "image", (), (), f"{detail}; the largest value is {largest:g}"
    return "jpeg" if file_format == "JPEG" else "smooth", (int(largest),), (int((values > 0).sum()),), detail


def find_label_plan(
    facts: Sequence[MaskFacts], stated: Mapping[str, tuple[int, ...]] | None = None, wanted: Sequence[str] = ()
) -> tuple[LabelPlan, dict[int, tuple[str, str]]]:
    """Decide which values are which structure in all masks of a data set.

    Args:
        facts: of each mask.
        stated: names and values, where a file of the data set states them.
        wanted: names of structures; one such as "label 2" tells that masks of one value each, 1 or 2, are label maps.

    Returns:
        The plan, and for masks that do not follow it, by index, a kind of finding and its detail.
    """
    several = [fact for fact in facts if fact.kind in ("labels", "levels")]
    binary = [fact for fact in facts if fact.kind == "binary"]
    wrong: dict[int, tuple[str, str]] = {}
    if stated:
        known = {value for values in stated.values() for value in values}
        for index, fact in enumerate(facts):
            other = sorted(set(fact.values) - known)
            if other and fact.kind in ("labels", "levels", "binary", "colors"):
                wrong[index] = ("unstated_value", f"{_listed(np.asarray(other))} of the stated {sorted(known)}")
        return LabelPlan(*_nested(dict(stated), facts), stated=True), wrong
    union = {value for fact in (*several, *binary) for value in fact.values}
    is_by_label = len(union) > 1 and any(_LABEL.fullmatch(name.strip().casefold()) for name in wanted)
    is_label_map = bool(several or is_by_label) and (
        (max(union) <= MAX_SMALL_LABEL) or len(several) > len(binary) or not any(f.values == (255,) for f in binary)
    )
    if not is_label_map:
        _check_two_values(facts, wrong)
        return LabelPlan(), wrong
    values = sorted({value for fact in several for value in fact.values})
    if len(values) > MAX_STRUCTURES:
        return LabelPlan(values=(tuple(values),), counts_objects=True), wrong
    for index, fact in enumerate(facts):
        if fact.kind == "binary" and not set(fact.values) <= set(values) and fact.values[0] > MAX_SMALL_LABEL:
            wrong[index] = ("unstated_value", f"{fact.values[0]}, where others have the labels {values}")
    values = sorted(set(values) | {v for fact in binary for v in fact.values if v <= MAX_SMALL_LABEL})
    names: dict[str, tuple[int, ...]] = {f"label {value}": (value,) for value in values}
    return LabelPlan(*_nested(names, facts)), wrong


def choose_structures(plan: LabelPlan, names: Sequence[str]) -> LabelPlan:
    """The plan with the structures of these names alone, or, for masks of one label, the plan with one new name.

    Args:
        plan: of a data set.
        names: at least one, in any order, and in any case where the labels do not differ by case alone; nested
            structures stay in the order of the plan.

    Raises:
        ValueError: when a structure is not in the plan, or for several names of one structure.
    """
    own = [name.strip() for name in plan.structures]
    wanted = {name.strip() for name in names}
    if len(own) == 1 and len({name.casefold() for name in wanted}) == 1:
        return replace(plan, structures=(names[0].strip(),))
    chosen = same_names(own, names)
    if not chosen:
        raise ValueError(
            f"Expected `structures` among {list(plan.structures)}, the labels of the masks, but got {list(names)}: "
            "choose some of them (monai-acdr train: --structure)."
        )
    values = plan.values or ((),)
    kept = [index for index, name in enumerate(own) if name in chosen]
    inside = {value for index in kept for value in values[index]}
    return replace(
        plan,
        structures=tuple(plan.structures[index] for index in kept),
        values=tuple(values[index] for index in kept),
        others=frozenset(value for each in values for value in each) - inside,
    )


def same_names(known: Collection[str], wanted: Sequence[str]) -> set[str]:
    """The known names that are wanted: each the same, or, where there is none, in another case.

    Args:
        known: without spaces at the ends.
        wanted: spaces at the ends do not count.

    Returns:
        Some of ``known``; none at all where one of the wanted names is unknown.
    """
    found = [
        {name} & set(known) or {each for each in known if each.casefold() == name.casefold()}
        for name in (each.strip() for each in wanted)
    ]
    return set[str]().union(*found) if all(found) else set()


def structure_mask(values: np.ndarray, labels: Sequence[int] | None, name: str | Path) -> np.ndarray:
    """(H, W) bool: the pixels of a structure; without labels, those above half of the largest value.

    Args:
        values: (H, W) as stored.
        labels: values of the structure, None for a two-valued mask.
        name: of the file, for messages.

    Raises:
        ValueError: without labels, when the mask is empty or has too many values.
    """
    return foreground(values, name) if labels is None else np.isin(values, labels)


def foreground(values: np.ndarray, path: str | Path) -> np.ndarray:
    """Object pixels of a mask that was stored with the values 0 and 1, 0 and 255, or 0 and 65535."""
    largest = values.max(initial=0)
    if largest <= 0:
        raise ValueError(f"Expected an object in {path}, but the mask is empty: leave this frame out.")
    if largest <= BYTE_THRESHOLD and np.unique(values).size > 2:
        raise ValueError(
            f"Expected a mask of two values in {path}, but got {np.unique(values)[:5].tolist()}: "
            "a map of several labels has to be split into masks first."
        )
    return values > (BYTE_THRESHOLD if BYTE_THRESHOLD < largest <= 255 else largest / 2)


def object_facts(mask: np.ndarray) -> ObjectFacts:
    """Count the objects of a mask (H, W); pixels that touch by a corner are one object."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return ObjectFacts((), (), 0)
    labels, number = ndimage.label(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    sides = [(labels[0], rows[0] == 0), (labels[-1], rows[-1] == mask.shape[0] - 1)]
    sides += [(labels[:, 0], columns[0] == 0), (labels[:, -1], columns[-1] == mask.shape[1] - 1)]
    edge = np.concatenate([np.zeros(1, labels.dtype), *(side for side, is_border in sides if is_border)])
    touching = np.isin(np.arange(1, number + 1), edge)
    speck = is_speck(areas)
    order = sorted((int(area) for area in areas[~speck]), reverse=True)
    return ObjectFacts(tuple(order), tuple(int(area) for area in areas[speck]), int((touching & ~speck).sum()))


def is_speck(areas: np.ndarray) -> np.ndarray:
    """Objects of a mask that are specks beside a far larger one, by their areas in pixels: bool array."""
    largest = areas.max(initial=0)
    return (areas <= max(SPECK_PIXELS, SPECK_FRACTION * largest)) & (SPECK_RATIO * areas < largest)


def _check_two_values(facts: Sequence[MaskFacts], wrong: dict[int, tuple[str, str]]) -> None:
    """Findings of masks that are not like most of a two-valued data set: several values, another value or format."""
    usable = [fact for fact in facts if fact.kind in ("binary", "smooth", "jpeg")]
    value = Counter(fact.values[-1] for fact in usable if fact.kind == "binary").most_common(1)
    file_format = Counter(fact.file_format for fact in facts).most_common(1)
    for index, fact in enumerate(facts):
        if fact.kind in ("labels", "levels"):
            wrong[index] = ("mask_values", fact.detail)
        elif fact.kind == "binary" and fact.values[-1] != value[0][0]:
            wrong[index] = ("mask_format", f"the object is {fact.values[-1]}, in most masks {value[0][0]}")
        elif fact.file_format != file_format[0][0] and fact.kind == "binary":
            wrong[index] = ("mask_format", f"{fact.file_format}, most masks are {file_format[0][0]}")


def _nested(
    names: dict[str, tuple[int, ...]], facts: Sequence[MaskFacts]
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Structures, inner ones first; one that surrounds another gets its values as well, as its outline has them."""
    single = {values[0]: name for name, values in names.items() if len(values) == 1}
    fractions: dict[tuple[int, int], list[float]] = {}
    for fact in facts:
        for pair, fraction in fact.around.items():
            fractions.setdefault(pair, []).append(fraction)
    inside = {
        pair for pair, found in fractions.items() if float(np.median(found)) >= NESTED_SHARE and set(pair) <= {*single}
    }
    full = dict(names)
    for value, name in single.items():
        full[name] = (
            value,
            *sorted(inner for inner, outer in inside if outer == value and (value, inner) not in inside),
        )
    ordered = sorted(full.items(), key=lambda entry: len(entry[1]))
    return tuple(name for name, _ in ordered), tuple(values for _, values in ordered)


def _around(values: np.ndarray, labels: Sequence[int]) -> dict[tuple[int, int], float]:
    """For each pair (a, b) of labels the fraction of a that lies within the outline of b."""
    if not 2 <= len(labels) <= MAX_STRUCTURES:
        return {}
    filled = {label: ndimage.binary_fill_holes(values == label) for label in labels}
    return {
        (inner, outer): float(filled[outer][values == inner].mean())
        for inner in labels
        for outer in labels
        if inner != outer
    }


def _is_even(values: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels whose four neighbors have their value; False at the border."""
    even = np.zeros(values.shape, dtype=bool)
    center = values[1:-1, 1:-1]
    inner = np.ones(center.shape, dtype=bool)
    for neighbor in (values[:-2, 1:-1], values[2:, 1:-1], values[1:-1, :-2], values[1:-1, 2:]):
        inner &= neighbor == center
    even[1:-1, 1:-1] = inner
    return even


def _in_even_blocks(values: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels of blocks of 2 x 2 pixels of one value."""
    even = np.zeros(values.shape, dtype=bool)
    corner = values[:-1, :-1]
    block = (values[1:, :-1] == corner) & (values[:-1, 1:] == corner) & (values[1:, 1:] == corner)
    for part in (even[:-1, :-1], even[1:, :-1], even[:-1, 1:], even[1:, 1:]):
        part |= block
    return even


def _isolated(mask: np.ndarray) -> int:
    """Pixels inside the image whose four neighbors all have the other value."""
    center = mask[1:-1, 1:-1]
    neighbors = (mask[:-2, 1:-1], mask[2:, 1:-1], mask[1:-1, :-2], mask[1:-1, 2:])
    alone = np.ones_like(center)
    for neighbor in neighbors:
        alone &= neighbor != center
    return int(alone.sum())


def _has_colors(name: str | Path, difference: int = 0) -> bool:
    return parse_slice_name(name) is None and not is_dicom_file(name) and has_colors(name, difference)


def _format(name: str | Path) -> str:
    if parse_slice_name(name) is not None:
        return "NIfTI"
    return "DICOM" if is_dicom_file(name) else picture_format(name)


def _listed(values: np.ndarray, number: int = 6) -> str:
    chosen = values if values.size <= number else values[np.linspace(0, values.size - 1, number).astype(int)]
    return ", ".join(f"{float(value):.6g}" for value in chosen)
