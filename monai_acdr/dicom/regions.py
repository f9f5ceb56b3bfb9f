# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Regions: a structure with its contours as rings, or its masks, on each source frame.

A mask is drawn ring by ring: a ring adds what it covers, a hole removes it. An island within a hole is a ring that
comes after the hole. Files of other programs do not flag holes; PS3.3 C.8.8.6.3 defines two ways, and practice has a
third:

- keyhole: one CLOSED_PLANAR contour that runs along a channel to the hole, around it, and back. A channel without
  width is cut here, so that both parts become rings.
- XOR: all contours of the slice are CLOSEDPLANAR_XOR.
- nested CLOSED_PLANAR contours of one ROI: a contour within another one is a hole.

Contours beside each other, or that overlap, are united, unless they are CLOSEDPLANAR_XOR.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from monai_acdr.dicom.identity import LONGEST_NAME, long_string, new_uid
from monai_acdr.dicom.source import SourceFrame
from monai_acdr.geometry import signed_area
from monai_acdr.networks.layers.rasterizer import ExactOptions, rasterize_polygons
from monai_acdr.read_budget import ReadBudget, check_pixels

__all__ = [
    "BREAST_MASS",
    "GENERATIONS",
    "KNOWN_STRUCTURES",
    "LV_BLOOD_POOL",
    "LV_ENDOCARDIUM",
    "LV_EPICARDIUM",
    "LV_MYOCARDIUM",
    "MAX_RINGS",
    "MaskRegion",
    "Region",
    "Structure",
    "TISSUE",
    "as_regions",
    "code_item",
    "find_holes",
    "group_rings",
    "iterate_contours",
    "join_keyholes",
    "named_structure",
    "rasterize_region",
    "rasterize_rings",
    "split_keyholes",
]


@dataclass(frozen=True)
class Structure:
    """A structure that is outlined.

    Attributes:
        label: name in viewers: ROI name, segment label. At most 64 characters, no backslash or control character.
        category: kind of property, one of CID 7150.
        property_type: what it is.
        region: where in the body, None where `property_type` implies it.
        interpreted_type: RTROIInterpretedType of an RT structure set, such as ORGAN; empty where no term fits.
        color: recommended display color (R, G, B), 0 to 255.
    """

    label: str
    category: Code
    property_type: Code
    region: Code | None = None
    interpreted_type: str = ""
    color: tuple[int, int, int] = (255, 220, 0)

    def __post_init__(self) -> None:
        if not self.label.strip() or len(self.label) > LONGEST_NAME:
            raise ValueError(f"Expected `label` to have 1 to 64 characters, but got {len(self.label)}.")
        if long_string(self.label) != self.label.strip():
            raise ValueError(
                "Expected `label` to be one line without a backslash, but it has one, or control characters."
            )


_ANATOMY = Code("91723000", "SCT", "Anatomical Structure")
_LEFT_VENTRICLE = Code("87878005", "SCT", "Left ventricle")

LV_ENDOCARDIUM = Structure("LV endocardium", _ANATOMY, _LEFT_VENTRICLE, interpreted_type="ORGAN")
"""Within the inner border of the left ventricle; there is no code for the border itself in DICOM's context groups."""

LV_BLOOD_POOL = Structure(
    "LV blood pool",
    Code("91720002", "SCT", "Body Substance"),
    Code("87612001", "SCT", "Blood"),
    _LEFT_VENTRICLE,
    "CAVITY",
    (220, 40, 40),
)
LV_EPICARDIUM = Structure(
    "LV epicardium", _ANATOMY, Code("6871001", "SCT", "Epicardium"), _LEFT_VENTRICLE, "ORGAN", (0, 180, 80)
)
"""Within the outer border of the left ventricle's wall: contains the endocardium's region."""

LV_MYOCARDIUM = Structure(
    "LV myocardium",
    _ANATOMY,
    Code("49848007", "SCT", "Left Ventricle Myocardium"),
    interpreted_type="ORGAN",
    color=(0, 180, 80),
)
"""The wall of the left ventricle: the epicardium's region without the endocardium's."""

BREAST_MASS = Structure(
    "Mass",
    Code("49755003", "SCT", "Morphologically Abnormal Structure"),
    Code("4147007", "SCT", "Mass"),
    Code("76752008", "SCT", "Breast"),
)
TISSUE = Structure("Region", Code("85756007", "SCT", "Tissue"), Code("85756007", "SCT", "Tissue"))
"""Something that only has a name."""

KNOWN_STRUCTURES = (LV_ENDOCARDIUM, LV_BLOOD_POOL, LV_EPICARDIUM, LV_MYOCARDIUM, BREAST_MASS)
"""Structures that are recognized by their label, or by the code of their property type, the first one of a code."""


_ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
_CODED = {
    **dict.fromkeys(("lv", "left ventricle", "endocardium"), LV_ENDOCARDIUM),
    "epicardium": LV_EPICARDIUM,
    "myocardium": LV_MYOCARDIUM,
    "blood pool": LV_BLOOD_POOL,
    **dict.fromkeys(("breast mass", "breast lesion", "breast tumor"), BREAST_MASS),
    **{
        meaning.lower(): Structure(meaning, _ANATOMY, Code(value, "SCT", meaning), interpreted_type="ORGAN")
        for value, meaning in (
            ("10200004", "Liver"),
            ("64033007", "Kidney"),
            ("78961009", "Spleen"),
            ("39607008", "Lung"),
            ("80891009", "Heart"),
            ("41216001", "Prostate"),
            ("12738006", "Brain"),
            ("15776009", "Pancreas"),
            ("35039007", "Uterus"),
            ("76752008", "Breast"),
            ("82471001", "Left atrium"),
            ("53085002", "Right ventricle"),
            ("15825003", "Aorta"),
            ("28231008", "Gallbladder"),
            ("69695003", "Stomach"),
            ("32849002", "Esophagus"),
            ("44567001", "Trachea"),
            ("2748008", "Spinal cord"),
            ("71341001", "Femur"),
            ("51282000", "Vertebra"),
            ("81745001", "Eye"),
        )
    },
    **{
        meaning.lower(): Structure(meaning, _ABNORMAL, Code(value, "SCT", meaning))
        for value, meaning in (
            ("4147007", "Mass"),
            ("52988006", "Lesion"),
            ("27925004", "Nodule"),
            ("108369006", "Neoplasm"),
            ("108369006", "Tumor"),
            ("367643001", "Cyst"),
            ("35566002", "Hematoma"),
            ("6574001", "Necrosis"),
        )
    },
}
"""Names in lower case -> structures with the codes of SNOMED CT that pydicom's dictionary has for them."""


def named_structure(name: str) -> Structure:
    """The structure with a user's name: with its codes where they are known, otherwise a tissue with a name only.

    Args:
        name: the label in results, 1 to 64 characters. Case, underscores and a plural "s" make no difference for the
            codes; the labels of :data:`KNOWN_STRUCTURES` mean these.

    Raises:
        ValueError: for an empty name, one that is too long, or one with characters that cannot be printed.

    Example:
        >>> named_structure("kidneys").property_type.meaning
        'Kidney'
        >>> named_structure("Optic disc").property_type.meaning
        'Tissue'
    """
    label = name.strip()
    if not label or len(label) > 64 or not label.isprintable() or "\\" in label:
        raise ValueError(
            f"Expected the name of a structure to have 1 to 64 printable characters and no backslash, but got {name!r}."
        )
    plain = re.sub(r"[\s_-]+", " ", label.lower())
    for structure in KNOWN_STRUCTURES:
        if structure.label.lower() == plain and structure is not BREAST_MASS:  # "mass" alone names no breast
            return structure
    known = _CODED.get(plain) or _CODED.get(plain.removesuffix("s"))
    if known is LV_ENDOCARDIUM or known is LV_EPICARDIUM:  # their measures depend on what they are: volumes, mass
        return known
    return replace(known or TISSUE, label=label)


def code_item(code: Code) -> Dataset:
    """The item of a code sequence (PS3.3 section 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


MAX_RINGS = 1_000
"""Contours of one structure on one image; more are refused."""

VERTEX_TOLERANCE_PX = 1e-3
"""Vertices that are as near, in pixels, are the same one, where contours are compared."""

HOLE_SHARE = 0.9
"""Share of a contour that lies within those around it, for it to be a hole; the rest is how exactly people draw."""

XOR_SHARE = 0.02
"""Share of a CLOSEDPLANAR_XOR contour that may lie on the other side of those around it: rounding, no crossing."""


def find_holes(
    rings: Sequence[np.ndarray], size: tuple[int, int], exclusive: bool = False
) -> tuple[tuple[np.ndarray, ...], tuple[bool, ...]]:
    """Sort rings into drawing order, largest first, and determine which are holes.

    Args:
        rings: polygons (K, 2) in pixels.
        size: (H, W) of the image; the area outside of it is ignored.
        exclusive: combine them by exclusive disjunction (CLOSEDPLANAR_XOR), where copies cancel each other out;
            otherwise a copy of a contour is left out.

    Returns:
        Rings, and for each whether it is a hole.

    Raises:
        ValueError: when there are too many of them, or when exclusive ones cross each other.
    """
    if len(rings) > MAX_RINGS:
        raise ValueError(f"Expected at most {MAX_RINGS} contours of a structure on one image, but got {len(rings)}.")
    different = _without_copies(rings, exclusive)
    order = sorted(different, key=lambda ring: -abs(_area(ring)))
    if len(order) < 2:
        return tuple(order), (False,) * len(order)
    check_pixels("an image with contours", size)
    painted, holes = np.zeros(size, dtype=np.float32), []
    for window, coverage in _coverages(order, [size] * len(order)):
        below = painted[window]
        hole = _is_hole(coverage, below, exclusive)
        painted[window] = _painted(below, coverage, hole)
        holes.append(hole)
    return tuple(order), tuple(holes)


def rasterize_rings(rings: Sequence[np.ndarray], holes: Sequence[bool], size: tuple[int, int]) -> np.ndarray:
    """Draw rings in their order: (H, W) float32, the exact covered share of each pixel.

    Args:
        rings: polygons (K, 2) in pixels.
        holes: for each ring whether it removes what it covers; empty when none does.
        size: (H, W).

    Raises:
        ValueError: when the image is larger than the budget of memory.
    """
    holes = holes or (False,) * len(rings)
    return _draw(_coverages(rings, [size] * len(rings)), holes, size)


def split_keyholes(vertices: np.ndarray) -> list[np.ndarray]:
    """Cut a polygon (K, 2) at its zero-width channels, edges that it follows in both directions.

    Returns:
        Rings, without the channels; the polygon itself when it has none.
    """
    cells = np.round(vertices / VERTEX_TOLERANCE_PX).astype(np.int64)
    if len(np.unique(cells[:, 0] * (1 << 32) + cells[:, 1])) == len(cells):
        return [vertices]  # most polygons: a channel visits vertices twice
    keys = [tuple(key) for key in cells.tolist()]
    stack: list[int] = []
    last: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
    rings: list[list[int]] = []
    for index in (*range(len(keys)), 0):  # closed: the last edge leads back to the first vertex
        stack.append(index)
        while len(stack) > 1:
            start, end = keys[stack[-2]], keys[stack[-1]]
            place = last.get((end, start))
            if start == end or place is None or place + 1 >= len(stack) - 1:
                break
            rings.append(stack[place + 1 : -1])  # from the far end of the channel around to its far end again
            for position in range(place, len(stack) - 1):
                last.pop((keys[stack[position]], keys[stack[position + 1]]), None)
            del stack[place + 1 :]
        if len(stack) > 1:
            last[keys[stack[-2]], keys[stack[-1]]] = len(stack) - 2
    rings.append(stack)
    if len(rings) == 1:
        return [vertices]
    cut = [_distinct(ring, keys) for ring in rings]
    return [vertices[ring] for ring in cut if len(ring) >= 3] or [vertices]


def join_keyholes(rings: Sequence[np.ndarray], holes: Sequence[bool]) -> list[np.ndarray]:
    """Join holes to the polygons around them by zero-width channels (PS3.3 C.8.8.6.3).

    Args:
        rings: in the order in which they are drawn.
        holes: for each ring whether it is a hole.

    Returns:
        A polygon (K, 2) for each ring that is not a hole; the holes, which turn the other way, are joined to the
        smallest ring before them that has their first vertex within it.
    """
    if not any(holes):
        return list(rings)
    return [_joined(ring, inner) for ring, *inner in group_rings(rings, holes)]


def group_rings(rings: Sequence[np.ndarray], holes: Sequence[bool]) -> list[list[np.ndarray]]:
    """Each ring that is not a hole, followed by its holes.

    Args:
        rings: (K, 2) each, in the order in which they are drawn.
        holes: for each ring whether it is a hole.

    Returns:
        Rings whose signed area is positive, and holes whose signed area is negative, each with the last ring before it
        that has its first vertex within it, or else with the last one; holes before all rings are left out.
    """
    groups: list[list[np.ndarray]] = []
    for ring, hole in zip(rings, holes, strict=True):
        turned = ring if (_area(ring) > 0) != hole else ring[::-1].copy()
        if not hole:
            groups.append([turned])
        elif groups:
            around = [group for group in groups if _holds(group[0], turned[0])] or groups
            around[-1].append(turned)
    return groups


def _area(ring: np.ndarray) -> float:
    return float(signed_area(torch.from_numpy(np.ascontiguousarray(ring))))


def _without_copies(rings: Sequence[np.ndarray], exclusive: bool) -> list[np.ndarray]:
    counted: dict[bytes, list[np.ndarray]] = {}
    for ring in rings:
        keys = np.round(ring / VERTEX_TOLERANCE_PX).astype(np.int64)
        counted.setdefault(keys[np.lexsort(keys.T)].tobytes(), []).append(ring)
    return [copies[0] for copies in counted.values() if not exclusive or len(copies) % 2]


_Coverage = tuple[tuple[slice, slice], np.ndarray]
"""The part of an image that a ring can cover, and its coverage there, float32."""

_BATCH_PIXELS = 1 << 20
"""Pixels that are drawn at once in plain torch. To load the compiled rasterizer takes as long as to draw thousands of
contours in this way; above, it saves memory."""


def _coverages(rings: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> Iterator[_Coverage]:
    """The coverage of each ring in an image of its size (H, W); rings that follow each other are drawn together."""
    batch: list[np.ndarray] = []
    windows: list[tuple[slice, slice]] = []
    extent = (1, 1)
    for ring, size in zip(rings, sizes, strict=True):
        low = np.clip(np.floor(ring.min(0)), 0, size[::-1]).astype(int)
        high = np.maximum(np.clip(np.ceil(ring.max(0)), 0, size[::-1]).astype(int), low)
        (left, top), (right, bottom) = low.tolist(), high.tolist()
        larger = max(extent[0], bottom - top), max(extent[1], right - left)
        if batch and (len(ring) != len(batch[0]) or (len(batch) + 1) * math.prod(larger) > _BATCH_PIXELS):
            yield from _rasterized(batch, windows, extent)
            batch, windows, larger = [], [], (max(1, bottom - top), max(1, right - left))
        batch.append(ring - low)
        windows.append((slice(top, bottom), slice(left, right)))
        extent = larger
    if batch:
        yield from _rasterized(batch, windows, extent)


def _rasterized(
    rings: Sequence[np.ndarray], windows: Sequence[tuple[slice, slice]], extent: tuple[int, int]
) -> Iterator[_Coverage]:
    """Coverages of rings (K, 2), counted from the corners of their windows, which are not larger than the extent."""
    options = ExactOptions(backend="torch" if len(rings) * math.prod(extent) <= _BATCH_PIXELS else "auto")
    masks = rasterize_polygons(torch.from_numpy(np.stack(rings)), extent, options)[:, 0].numpy()
    for (rows, columns), mask in zip(windows, masks, strict=True):
        own = mask[: rows.stop - rows.start, : columns.stop - columns.start]
        yield (rows, columns), own.astype(np.float32)


def _draw(coverages: Iterator[_Coverage], holes: Sequence[bool], size: tuple[int, int]) -> np.ndarray:
    """Draw as many of the next coverages as there are entries of ``holes``: (H, W) float32."""
    check_pixels(f"a mask of {size[0]} x {size[1]} pixels", size)
    mask = np.zeros(size, dtype=np.float32)
    for hole, (window, coverage) in zip(holes, coverages, strict=False):  # the next coverages are of other images
        mask[window] = _painted(mask[window], coverage, hole)
    return mask


def _painted(below: np.ndarray, coverage: np.ndarray, hole: bool) -> np.ndarray:
    return np.maximum(below - coverage, 0) if hole else np.minimum(below + coverage, 1)


def _is_hole(coverage: np.ndarray, below: np.ndarray, exclusive: bool) -> bool:
    """Whether a ring lies within the area drawn so far; the pixel coverages give a lower and an upper bound."""
    total = float(coverage.sum())
    if total <= 0:
        return False
    most, least = float(np.minimum(coverage, below).sum()), float(np.maximum(coverage + below - 1, 0).sum())
    if not exclusive:
        return most >= HOLE_SHARE * total
    if most >= (1 - XOR_SHARE) * total:
        return True
    if least > XOR_SHARE * total:
        raise ValueError(
            "Expected CLOSEDPLANAR_XOR contours within or beside each other, but two cross: unite them where they were "
            "drawn."
        )
    return False


def _distinct(ring: list[int], keys: list[tuple[int, ...]]) -> list[int]:
    """Vertices without repeats, and without the first one at the end."""
    return [index for position, index in enumerate(ring) if keys[index] != keys[ring[position - 1]]]


def _holds(ring: np.ndarray, point: np.ndarray) -> bool:
    """Whether a point (2,) lies within a ring, by the crossings of a ray."""
    (x, y), following = point, np.roll(ring, -1, axis=0)
    crosses = (ring[:, 1] > y) != (following[:, 1] > y)
    start, end = ring[crosses], following[crosses]
    place = start[:, 0] + (y - start[:, 1]) / (end[:, 1] - start[:, 1]) * (end[:, 0] - start[:, 0])
    return bool(np.count_nonzero(place > x) % 2)


def _joined(ring: np.ndarray, inner: Sequence[np.ndarray]) -> np.ndarray:
    """A ring with channels to rings within it, each from the nearest of its vertices."""
    channels: dict[int, list[np.ndarray]] = {}
    for hole in inner:
        start = int(np.argmin(((ring - hole[0]) ** 2).sum(1)))
        channels.setdefault(start, []).append(hole)
    parts: list[np.ndarray] = []
    for index in range(len(ring)):
        parts.append(ring[index : index + 1])
        for hole in channels.get(index, ()):
            parts += [hole, hole[:1], ring[index : index + 1]]
    return np.concatenate(parts)


LARGEST_COORDINATE = 1e6
"""Vertices farther out, in pixels, are refused: they come from a network that diverged or from a broken file."""


GENERATIONS = ("AUTOMATIC", "SEMIAUTOMATIC", "MANUAL")
"""How contours came about, in DICOM's words: by a program, by a program and a hand, or by a hand."""


@dataclass(frozen=True, eq=False)
class Region:
    """A structure and its polygons.

    Attributes:
        structure: what it is.
        contours: for each source frame the polygons (K, 2) in its pixels, float64; empty if absent.
        tracking_uid: the same in SEG and SR of one run, so that readers know that both show the same object.
        holes: for each source frame and each of its polygons whether it is a hole, which removes what it covers from
            the polygons before it (:mod:`monai_acdr.dicom.regions`). Empty where no polygon is one: they are united.
        number: of the ROI in the file that it was read from, or None.
        generation: how it was made, one of :data:`GENERATIONS`.
    """

    structure: Structure
    contours: tuple[tuple[np.ndarray, ...], ...]
    tracking_uid: str = field(default_factory=new_uid)
    holes: tuple[tuple[bool, ...], ...] = ()
    number: int | None = None
    generation: str = "AUTOMATIC"

    def __post_init__(self) -> None:
        if self.generation not in GENERATIONS:
            raise ValueError(f"Expected `generation` to be one of {GENERATIONS}, but got {self.generation!r}.")

    def holes_of(self, index: int) -> tuple[bool, ...]:
        """For each polygon of the source frame of that index whether it is a hole."""
        return (self.holes[index] if self.holes else ()) or (False,) * len(self.contours[index])

    def on(self, indices: Sequence[int]) -> Region:
        """The region on some of its frames, by their indices, in this order."""
        contours = tuple(self.contours[index] for index in indices)
        return replace(self, contours=contours, holes=tuple(map(self.holes_of, indices)) if self.has_holes else ())

    @property
    def has_holes(self) -> bool:
        """Whether a polygon is a hole."""
        return any(any(entry) for entry in self.holes)


@dataclass(frozen=True, eq=False)
class MaskRegion:
    """A structure and its masks.

    Attributes:
        structure: what it is.
        masks: for each source frame (H, W) float32 in [0, 1], the covered share of each pixel, or None.
        tracking_uid: see :class:`Region`.
        number: of the segment in the file that it was read from, or None.
        generation: see :class:`Region`.
    """

    structure: Structure
    masks: tuple[np.ndarray | None, ...]
    tracking_uid: str = field(default_factory=new_uid)
    number: int | None = None
    generation: str = "AUTOMATIC"


def as_regions(contours: Sequence[Any], sources: Sequence[SourceFrame], structure: Structure | None) -> list[Region]:
    """Regions from regions, or from one contour for each source.

    Args:
        contours: :class:`Region`s; or, for one region, an entry for each source: (K, 2) or (1, K, 2) vertices, array or
            tensor, a list of several such, or None.
        sources: the frames.
        structure: of the region in the second case; by default a tissue without its own name.

    Raises:
        ValueError: when the number of entries, a shape or a value is wrong, or when there is no contour at all.
    """
    regions = list(contours)
    if not regions or not all(isinstance(region, Region) for region in regions):
        polygons = tuple(_polygons(entry) for entry in regions)
        regions = [Region(structure or TISSUE, polygons)]
    for region in regions:
        check_length(region.contours, sources)
        if region.holes and [len(entry) for entry in region.holes] != [len(entry) for entry in region.contours]:
            raise ValueError("Expected `holes` to have a value for each contour, but their numbers differ.")
        for entry, source in zip(region.contours, sources, strict=True):
            for vertices in entry:
                _check_polygon(vertices, source)
    if not any(entry for region in regions for entry in region.contours):
        raise ValueError("Expected at least one contour, but all are empty: there is nothing to write.")
    return regions


def iterate_contours(regions: Sequence[Region]) -> Iterator[tuple[Region, int, np.ndarray]]:
    """(region, index of the source, vertices (K, 2)) of each contour: by region, then by source."""
    for region in regions:
        for index, entry in enumerate(region.contours):
            for vertices in entry:
                yield region, index, vertices


def rasterize_region(region: Region, sources: Sequence[SourceFrame]) -> MaskRegion:
    """The exact covered share of each pixel; the polygons of a frame are united, holes are left out.

    Raises:
        ValueError: when the masks together need more than the budget of memory.
    """
    check_length(region.contours, sources)
    masks: list[np.ndarray | None] = []
    budget = ReadBudget("the masks of a structure")
    rings = [(ring, source.size) for entry, source in zip(region.contours, sources, strict=True) for ring in entry]
    coverages = _coverages([ring for ring, _ in rings], [size for _, size in rings])
    for index, (entry, source) in enumerate(zip(region.contours, sources, strict=True)):
        if entry:
            budget.add_pixels(source.size)
        masks.append(_draw(coverages, region.holes_of(index), source.size) if entry else None)
    return MaskRegion(region.structure, tuple(masks), region.tracking_uid, region.number, region.generation)


def check_length(entries: Sequence[Any], sources: Sequence[SourceFrame]) -> None:
    """Raise a ValueError unless there is an entry for each source."""
    if len(entries) != len(sources):
        raise ValueError(
            f"Expected an entry for each of the {len(sources)} source frames, but got {len(entries)}: give None where "
            "there is no contour."
        )


def _polygons(entry: Any) -> tuple[np.ndarray, ...]:
    if entry is None:
        return ()
    if isinstance(entry, (list, tuple)) and all(np.ndim(_array(part)) in (2, 3) for part in entry):
        return tuple(polygon for part in entry for polygon in _polygons(_array(part)))
    array = _array(entry)
    if array.ndim == 3:
        return tuple(array)
    return (array,)


def _array(entry: Any) -> np.ndarray:
    if isinstance(entry, torch.Tensor):
        entry = entry.detach().cpu().numpy()
    return np.array(entry, dtype=np.float64)


def _check_polygon(vertices: np.ndarray, source: SourceFrame) -> None:
    if vertices.ndim != 2 or vertices.shape[1] != 2 or len(vertices) < 3:
        raise ValueError(f"Expected a contour of {source.path} to be (K >= 3, 2), but got {vertices.shape}.")
    if not np.abs(vertices).max() <= LARGEST_COORDINATE:  # NaN fails too
        raise ValueError(f"Expected the contour of {source.path} to be finite, but it has NaN, Inf or huge vertices.")
