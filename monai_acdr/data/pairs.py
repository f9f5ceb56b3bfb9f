# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data list for any data set of images with masks or polygons in the usual layouts, without options."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_acdr.data.files import natural_key
from monai_acdr.data.image_headers import is_dicom_file, read_image_header
from monai_acdr.data.mask_outline import MaskOutline, file_size, object_outlines
from monai_acdr.data.mask_values import (
    NESTED_SHARE,
    LabelPlan,
    MaskFacts,
    choose_structures,
    find_label_plan,
    is_speck,
    mask_facts,
    object_facts,
    read_mask_values,
    same_names,
    structure_mask,
)
from monai_acdr.data.nifti import is_nifti, read_nifti, read_nifti_voxels
from monai_acdr.data.pair_sources import (
    PAIR_COLUMNS,
    Documents,
    Outline,
    Pair,
    file_stem,
    find_documents,
    find_pairs,
    outlines_of_documents,
    pairs_of_data_list,
    pairs_of_table,
    read_stated_labels,
)
from monai_acdr.data.readers import slice_name
from monai_acdr.data.report import QualityReport
from monai_acdr.data.splits import assign_groups, check_apart, group_of_unseen, items_of_group
from monai_acdr.geometry import signed_area

__all__ = ["PairOptions", "list_pair_items", "pair_folder_data_list"]

_logger = logging.getLogger(__name__)

MAX_NAMED = 5
"""Number of classes that a note names."""

KEPT_KINDS = (
    *("paired_by_order", "several_objects", "ambiguous_pair", "smooth_mask", "jpeg_mask", "mask_format", "specks"),
    *("object_at_border", "patient_in_two_groups", "hole_ignored", "contour_clipped", "other_channel"),
    *("inverted_mask", "structures_apart"),
)
"""Findings about what was kept."""

_FINDINGS = {
    **{"empty": "empty_mask", "full": "invalid_mask", "image": "invalid_mask", "invalid": "invalid_mask"},
    **{"colors": "color_mask", "dithered": "dithered_mask"},
}
"""Kinds of masks that are left out, and their findings."""
_REASONS = {
    "empty": "",
    "full": "every pixel is set: is it a mask?",
    "image": "is it an image? ",
    "invalid": "expected whole numbers from 0 on, but got ",
}

_SIDE = re.compile(r"(?:^|[_\- .])(L|R|LEFT|RIGHT)(?=$|[_\- .])", re.IGNORECASE)
_VIEW = re.compile(r"(?:^|[_\- .])(CC|MLO)(?=$|[_\- .])", re.IGNORECASE)
_PATIENT = re.compile(r"((?:patient|pat|subject|subj|sub|case|pt|id|p|s)[\-_ ]?\d+)[_\- .]", re.IGNORECASE)
_FRAME = re.compile(r"(.*\d.*?)[\-_ ](?:slice|sl|frame|fr|image|img|im|view|phase|t|z)[\-_ ]?\d+.*", re.IGNORECASE)
"""``P12_L_CC`` and ``SC-HF-I-01-IM-0001-0048``: names that tell the patient."""
_PATIENT_FOLDER = re.compile(r"(?:patient|pat|subject|subj|sub|case|pt|id|p|s)[\-_ ]?\d+", re.IGNORECASE)
_VISIT_FOLDER = re.compile(
    r"(?:visit|session|ses|scan|study|exam|time[\-_ ]?point|tp|baseline|follow[\-_ ]?up|fu|day|week|month|year|t|v)"
    r"[\-_ ]?\d*",
    re.IGNORECASE,
)


class SeveralStructuresError(ValueError):
    """Masks of several structures, whose objects cannot become separate items."""


@dataclass(frozen=True)
class _Frame:
    """An image and its mask, each a file or a slice of one."""

    pair: Pair
    name: str
    image: str
    mask: str
    size: tuple[int, int]
    spacing: tuple[float, float] | None
    patient: str
    is_slice: bool = False


@dataclass(frozen=True)
class _Choice:
    """What becomes an item of a mask.

    Attributes:
        stated: names and values of the labels, where a file of the data set states them.
        structures: names of those to take; None for all.
        min_area: None for one item per mask; otherwise one per object of at least so many square pixels.
    """

    stated: Mapping[str, tuple[int, ...]] | None
    structures: Sequence[str] | None
    min_area: float | None


@dataclass(frozen=True)
class PairOptions:
    """Which images of a folder :func:`pair_folder_data_list` lists, in which groups and as which items.

    Attributes:
        table: CSV; None takes ``index.csv`` of the folder if it is there. Columns, in any order: ``image`` or
            ``file``; optional ``mask``, ``patient``, ``group`` or ``split``, ``laterality``, ``view``, ``birads``,
            ``pathology``; all others go into the items under their own names. With a table, its rows are the data set.
        split: see :func:`~monai_acdr.data.splits.assign_groups`; None takes the table's or the folders' groups,
            and without these halves of the patients, the same ones everywhere.
        folds: number of folds by patient; the items of fold ``fold`` are "test", all others "training".
        fold: from 0.
        trained_on: file of the patients that a network was trained on, one per line: its patients, by their names, are
            "training", all others "test". Goes without ``split`` and ``folds``.
        row_filter: keep rows with these values, as in ``{"mass_like": "1", "view": ["CC", "MLO"]}``.
        split_components: one item for each object of a mask of one structure, instead of one for the mask; specks are
            left out. Polygons always have one item each.
        min_area: with ``split_components`` and for polygons, objects of fewer square pixels are left out.
        structures: labels of a label map, or classes of polygons, to take, by the names in ``dataset.json`` or the
            document (``label 2`` where nothing names them), in any case; all others are background. One name for masks
            of one label, or polygons of one class, names the object.
    """

    table: str | Path | None = None
    split: str | Path | int | None = None
    folds: int | None = None
    fold: int | None = None
    trained_on: str | Path | None = None
    row_filter: Mapping[str, str | Sequence[str]] | None = None
    split_components: bool = False
    min_area: float = 0.0
    structures: str | Sequence[str] | None = None


def pair_folder_data_list(
    dataset_dir: str | Path,
    group: str | None = None,
    report: QualityReport | None = None,
    *,
    options: PairOptions | None = None,
    **shortcuts: Any,
) -> list[dict[str, Any]]:
    """List the images of a folder with their masks or outlines, in natural order of groups and names.

    Layouts, in the order in which they are looked for: a table; a data list of MONAI's (``{"training": [{"image":
    FILE, "label": FILE}]}``); folders of images and of masks, or both kinds in one folder, as
    :func:`~monai_acdr.data.pair_sources.find_pairs` says, nnU-Net's among them; polygons in COCO's JSON, or in GeoJSON
    files of the images' names. PNG, JPEG, TIFF, BMP, DICOM and NIfTI, whose slices with an object are one item each.

    Masks have the values 0 and 1, 0 and 255, or 0 and 65535, or one whole number per structure, which ``dataset.json``
    may name: ``{"labels": {"background": 0, "lesion": 1}}``. A structure that surrounds another one in nine tenths of
    its area is taken with it, as its outline is. Doubts and omissions are recorded in `report`.

    Args:
        dataset_dir: folder of the data set.
        group: "training", "validation", "test" or another group that occurs; None for all.
        report: filled with what was left out, and why, and with counts.
        options: table, split, filters and the like; by default all that is found.
        **shortcuts: fields of :class:`PairOptions` by their names, instead of those of ``options``:
            ``pair_folder_data_list(folder, "test", folds=5, fold=0)``.

    Returns:
        One dict per mask: ``image`` and ``label`` (paths, or slices as :func:`~monai_acdr.data.slice_name` writes
        them), ``name``, ``patient``, ``group``, ``has_spacing``, ``spacing`` (mm between rows and between columns),
        ``structures`` (names, inner ones first), ``label_values`` (for each structure the values of its pixels in the
        label), ``laterality`` and ``view`` (from the table, otherwise from names such as ``P1_L_CC``), ``birads``,
        ``pathology``; None where unknown. A two-valued mask in DICOM, each object with ``split_components`` and each
        polygon comes as ``contour`` ((N, 2) vertices in pixels, or a lazy
        :class:`~monai_acdr.data.mask_outline.MaskOutline`) instead of ``label``; objects also have ``component``, 1 for
        the largest. Without a patient column the patients are volumes, or guessed from names that tell them (a note in
        the report), otherwise each image is a separate patient.

    Raises:
        FileNotFoundError: when the folder or the table does not exist.
        ValueError: when nothing usable is found, a document is not JSON, a stated patient would be in two groups,
            ``split_components`` meets several structures, a label map has none of ``structures``, or the group "test"
            is empty because of ``trained_on``.
    """
    options = replace(options or PairOptions(), **shortcuts)
    report = QualityReport() if report is None else report
    items = list_pair_items(
        dataset_dir,
        options.table,
        options.row_filter,
        report,
        split_components=options.split_components,
        min_area=options.min_area,
        structures=options.structures,
    )
    if options.trained_on is None:
        items = assign_groups(items, options.split, options.folds, options.fold, report)
    elif options.split is None and options.folds is None:
        items = group_of_unseen(items, options.trained_on, group, report)
    else:
        raise ValueError(
            f"Expected `trained_on` without `split` and `folds`, but got {options.trained_on}, {options.split} and "
            f"{options.folds}: leave `trained_on` out to choose the groups."
        )
    is_guess = any(text.startswith(_GUESSED) for text in report.notes)
    check_apart(items, report, strict=not is_guess)
    report.log(_logger, Path(dataset_dir), KEPT_KINDS)
    return items_of_group(items, group)


def list_pair_items(
    dataset_dir: str | Path,
    table: str | Path | None,
    row_filter: Mapping[str, str | Sequence[str]] | None,
    report: QualityReport,
    *,
    split_components: bool = False,
    min_area: float = 0.0,
    structures: str | Sequence[str] | None = None,
    allow_none: bool = False,
) -> list[dict[str, Any]]:
    """The items of :func:`pair_folder_data_list`, with the groups of the table, list or folders only.

    With ``allow_none`` a data set in which no mask is usable, but `report` says why, gives no items and no error.

    Raises:
        FileNotFoundError, ValueError: as :func:`pair_folder_data_list`, except for what is about groups.
    """
    root = Path(dataset_dir)
    if not root.is_dir():
        raise FileNotFoundError(f"Expected the folder of a data set, but {root} is not one: check `dataset_dir`.")
    structures = [structures] if isinstance(structures, str) else structures
    if structures is not None and not all(isinstance(name, str) and name.strip() for name in structures):
        raise ValueError(f"Expected names for `structures`, but got {list(structures)}: leave it out to take all.")
    documents = Documents()
    outlines = []
    if table is not None or os.path.lexists(root / "index.csv"):  # what is not a regular file is an error of the reader
        pairs = pairs_of_table(root, root / "index.csv" if table is None else Path(table), row_filter or {}, report)
        documents.labels = read_stated_labels(root)
    elif row_filter:
        raise ValueError(
            f"Expected a table for `row_filter`, but {root / 'index.csv'} does not exist: write it, or pass `table`."
        )
    else:
        documents = find_documents(root)
        pairs = _pairs(root, documents, report)
        if not pairs and (documents.coco or documents.geojson):
            report.layout = report.layout or ("coco" if documents.coco else "geojson")
            outlines = _chosen_outlines(outlines_of_documents(root, documents, report), structures, report)
    items = _outline_items(outlines, min_area, report) if outlines else []
    choice = _Choice(documents.labels, structures, min_area if split_components else None)
    items += _mask_items(root, pairs, choice, report)
    if not items and allow_none and report.findings:
        return items
    if not items and structures is not None and pairs and not report.findings:
        raise ValueError(
            f"Expected objects of {list(structures)} in {root}, but none of {len(pairs)} masks has any: choose other "
            "`structures` (monai-acdr train: --structure)."
        )
    if not items:
        reasons = [f"{finding.subject}: {finding.text}" for finding in report.findings[:1]]
        raise ValueError(
            f"Expected images/ and masks/ with files of the same names in {root}, or a data list, COCO or GeoJSON "
            f"files, but found no usable pair (left out: "
            f"{report.kinds() or 'nothing'}{'; `row_filter` matched no row' if row_filter and not pairs else ''}): "
            f"check the "
            f"folder and the table. {' '.join(reasons)}".rstrip()
        )
    _guess_patients(items, report)
    report.layout = report.layout or "pairs"
    report.counts |= {
        "images": len({item["image"] for item in items}),
        "masks": len(items),
        "patients": len({item["patient"] for item in items}),
    }
    if len(items[0]["structures"]) > 1:
        report.counts["structures"] = len(items[0]["structures"])
    return items


def _pairs(root: Path, documents: Documents, report: QualityReport) -> list[Pair]:
    """Pairs of a data list or of folders; in nnU-Net's folders the list of ``dataset.json`` adds nothing."""
    has_folders = any(path.is_dir() and path.name.lower() == "imagestr" for path in root.iterdir())
    if documents.data_lists and not has_folders:
        report.layout = report.layout or "data list"
        return [
            pair for path, content in documents.data_lists for pair in pairs_of_data_list(root, path, content, report)
        ]
    if documents.coco or documents.geojson:
        trial = QualityReport()
        pairs = find_pairs(root, trial)
        if not pairs:
            return []
        names = [path.relative_to(root).as_posix() for path, _ in documents.coco]
        names += [path.relative_to(root).as_posix() for path in documents.geojson]
        report.note(f"masks were found, so polygons were not used: {len(names)} files such as {names[0]}")
        report.findings += trial.findings
        report.notes += trial.notes
        return pairs
    return find_pairs(root, report)


def _mask_items(
    root: Path,
    pairs: Sequence[Pair],
    choice: _Choice,
    report: QualityReport,
) -> list[dict[str, Any]]:
    """Items of masks; all values are read before their meaning is decided."""
    frames, facts = _read_frames(root, pairs, report)
    plan, wrong = find_label_plan(facts, choice.stated, choice.structures or ())
    if facts and choice.structures is not None:
        stated = plan.structures
        plan = choose_structures(plan, choice.structures)
        if choice.stated and len(stated) == 1 and plan.structures != stated:
            report.note(f"the only label, {stated[0]!r}, is called {plan.structures[0]!r}")
    if choice.min_area is not None and len(plan.structures) > 1:
        raise SeveralStructuresError(
            f"Expected masks of one structure for `split_components`, but {root} has {list(plan.structures)}: choose "
            "one by `structures` (in `data_options` of a bundle), leave split_components out, or write masks of one "
            "structure."
        )
    items: list[dict[str, Any]] = []
    without = 0
    for index, (frame, fact) in enumerate(zip(frames, facts, strict=True)):
        if fact.values and set(fact.values) <= plan.others:
            without += 1
            continue
        items += _items(root, frame, fact, plan, wrong.get(index), choice.min_area, report)
    if without:
        report.note(f"{without} masks have other labels than {', '.join(plan.structures)} alone and are not items")
    if len(plan.structures) > 1:
        report.note(f"structures: {', '.join(plan.structures)}; values {', '.join(map(str, plan.values or ()))}")
    return items


def _read_frames(root: Path, pairs: Sequence[Pair], report: QualityReport) -> tuple[list[_Frame], list[MaskFacts]]:
    """Images with readable masks, and what these hold."""
    frames: list[_Frame] = []
    facts: list[MaskFacts] = []
    empty = 0
    own: dict[Path, str] = {}
    numbers = Counter(pair.image for pair in pairs)
    shared = [image for image, number in numbers.items() if number > 1]
    if shared:
        report.note(f"{len(shared)} images have several masks, such as {_subject(root, shared[0])}: one item per mask")
    for pair, name in zip(pairs, _names(pairs), strict=True):
        for frame in _frames(root, pair, name, own.setdefault(pair.image, name), report):
            try:
                fact = mask_facts(read_mask_values(frame.mask), frame.mask)
            except (OSError, ValueError) as error:
                report.add("invalid_mask", _subject(root, frame.mask), str(error))
                continue
            if fact.kind == "empty" and frame.is_slice:
                empty += 1
                continue
            frames.append(frame)
            facts.append(fact)
    if empty:
        report.note(f"{empty} slices of volumes have no object and are not items")
    return frames, facts


def _frames(root: Path, pair: Pair, name: str, patient: str, report: QualityReport) -> Iterator[_Frame]:
    """Images with their masks on the same grid; slices of volumes one by one."""
    subject = _subject(root, pair.image)
    try:
        if is_nifti(pair.image):
            volume = read_nifti(pair.image)
            if volume.num_phases > 1:
                raise ValueError(
                    f"Expected a volume (X, Y, Z), but {pair.image} has {volume.num_phases} phases: write each phase "
                    "as a separate file."
                )
            size, number = volume.voxels.shape[1::-1], int(volume.voxels.shape[2])
            steps = np.linalg.norm(volume.frame_affine(0).numpy()[:3, :2], axis=0)
            spacing: tuple[float, float] | None = (float(steps[0]), float(steps[1]))
        else:
            size, number = file_size(pair.image), 1
            spacing = read_image_header(pair.image).spacing if is_dicom_file(pair.image) else None
    except (OSError, ValueError) as error:
        report.add("invalid_image", subject, str(error))
        return
    try:
        if is_nifti(pair.mask):
            shape = read_nifti_voxels(pair.mask).shape
            mask_size, depth = (shape[1], shape[0]), int(np.prod(shape[2:], dtype=np.int64))
        else:
            mask_size, depth = file_size(pair.mask), 1
    except (OSError, ValueError) as error:
        report.add("invalid_mask", _subject(root, pair.mask), str(error))
        return
    if mask_size != tuple(size) or depth != number:
        slices = f", {depth} slices and {number}" if depth != number else ""
        report.add("mask_size", _subject(root, pair.mask), f"mask {mask_size}, image {tuple(size)} (H, W){slices}")
        return
    for index in range(number):
        image = slice_name(pair.image, index) if is_nifti(pair.image) else str(pair.image)
        mask = slice_name(pair.mask, index) if is_nifti(pair.mask) else str(pair.mask)
        own_name = f"{name}-slice-{index:03d}" if number > 1 else name
        yield _Frame(pair, own_name, image, mask, (int(size[0]), int(size[1])), spacing, patient, number > 1)


def _items(
    root: Path,
    frame: _Frame,
    fact: MaskFacts,
    plan: LabelPlan,
    wrong: tuple[str, str] | None,
    min_area: float | None,
    report: QualityReport,
) -> Iterator[dict[str, Any]]:
    """Items of one mask; none, with a finding, when it cannot be used."""
    subject = _subject(root, frame.mask)
    if fact.kind in _FINDINGS and not (plan.stated and fact.kind == "colors" and wrong is None):
        report.add(_FINDINGS[fact.kind], subject, (_REASONS.get(fact.kind, "") + fact.detail).strip())
        return
    if wrong is not None:
        report.add(wrong[0], subject, wrong[1])
        if wrong[0] != "mask_format":
            return
    if fact.kind in ("smooth", "jpeg"):
        report.add(f"{fact.kind}_mask", subject, fact.detail)
    if plan.counts_objects and min_area is None:
        report.add("numbered_objects", subject, f"{len(fact.values)} values")
        return
    values = read_mask_values(frame.mask)
    own = fact.kind in ("smooth", "jpeg") or plan.values is None
    label_values = ((fact.values[-1],),) if own else plan.values or ()
    masks = {
        name: structure_mask(values, None if own else labels, frame.mask)
        for name, labels in zip(plan.structures, label_values, strict=True)
    }
    if not any(mask.any() for mask in masks.values()):
        report.add("empty_mask", subject, f"no pixel of {', '.join(plan.structures)}")
        return
    if len(masks) == 1 and all(mask[[0, 0, -1, -1], [0, -1, 0, -1]].all() for mask in masks.values()):
        report.add("inverted_mask", subject, "all four corners are inside the object")
    has_spacing = frame.spacing is not None
    item = _metadata(frame.pair.row, file_stem(frame.pair.image), frame.name) | {
        "image": frame.image,
        "patient": frame.pair.row.get("patient") or frame.patient,
        "group": frame.pair.group,
        "has_spacing": has_spacing,
        "spacing": frame.spacing,
        "structures": plan.structures,
        "label_values": label_values,
    }
    if min_area is not None:
        parts = [values == value for value in fact.values] if plan.counts_objects else list(masks.values())
        yield from _components(item, parts, min_area, report)
        return
    for name, mask in masks.items():
        _check_objects(item["name"], "" if len(masks) == 1 else f" ({name})", mask, report)
    _check_nested(item["name"], masks, report)
    is_lazy = is_dicom_file(frame.pair.mask) and len(masks) == 1
    yield item | ({"contour": MaskOutline(frame.mask, frame.size)} if is_lazy else {"label": frame.mask})


def _chosen_outlines(outlines: list[Outline], structures: Sequence[str] | None, report: QualityReport) -> list[Outline]:
    """Outlines of the classes of these names; of a single class also under another name."""
    if structures is None:
        return outlines
    classes = sorted({outline.class_name for outline in outlines}, key=natural_key)
    names = same_names({name.strip() for name in classes}, structures)
    chosen = [outline for outline in outlines if outline.class_name.strip() in names]
    if chosen:
        if len(chosen) < len(outlines):
            report.note(f"{len(outlines) - len(chosen)} objects of other classes than {', '.join(structures)} left out")
        return chosen
    if len(structures) != 1 or len(classes) > 1:
        raise ValueError(
            f"Expected `structures` among the classes {classes}, but got {list(structures)}: choose some of them, or "
            "leave it out to take all (monai-acdr train: --structure)."
        )
    if classes and classes[0]:
        report.note(f"the only class, {classes[0]!r}, is called {structures[0]!r}")
    return [replace(outline, class_name=structures[0]) for outline in outlines]


def _check_nested(name: str, masks: Mapping[str, np.ndarray], report: QualityReport) -> None:
    """A finding where a structure is not inside the next one, as classes of objects side by side are not."""
    present = [(structure, mask) for structure, mask in masks.items() if mask.any()]
    apart = [
        f"{inner} is not inside {outer}"
        for (inner, mask), (outer, around) in pairwise(present)
        if np.count_nonzero(mask & around) < NESTED_SHARE * np.count_nonzero(mask)
    ]
    if apart:
        report.add("structures_apart", name, "; ".join(apart))


def _check_objects(name: str, structure: str, mask: np.ndarray, report: QualityReport) -> None:
    facts = object_facts(mask)
    if len(facts.areas) > 1:
        report.add("several_objects", name, f"{len(facts.areas)} objects{structure}")
    _check_edges(name, structure, facts.specks, facts.at_border, len(facts.areas), report)


def _check_edges(
    name: str, structure: str, specks: Sequence[int], at_border: int, number: int, report: QualityReport
) -> None:
    if specks:
        report.add("specks", name, f"{len(specks)} of at most {max(specks)} pixels{structure}")
    if at_border:
        report.add("object_at_border", name, f"{at_border} of {number} objects{structure}")


def _components(
    item: dict[str, Any], masks: Sequence[np.ndarray], min_area: float, report: QualityReport
) -> Iterator[dict[str, Any]]:
    """One item for each object. Objects inside the hole of another count as well."""
    outlines = [outline for mask in masks for outline in object_outlines(mask)]
    areas = np.array([float(signed_area(torch.from_numpy(outline))) for outline in outlines])
    specks = is_speck(areas)
    facts = [object_facts(mask) for mask in masks]
    _check_edges(
        item["name"],
        "",
        [round(area) for area in areas[specks]],
        sum(fact.at_border for fact in facts),
        sum(len(fact.areas) for fact in facts),
        report,
    )
    order = sorted(np.flatnonzero(~specks), key=lambda index: -areas[index])
    for number, index in enumerate(order, start=1):
        name = f"{item['name']}-{number}"
        if areas[index] < min_area:
            report.add("small_object", name, f"{areas[index]:.1f} square pixels")
        else:
            yield item | {"contour": outlines[index], "name": name, "component": number}


def _outline_items(outlines: Sequence[Outline], min_area: float, report: QualityReport) -> list[dict[str, Any]]:
    """Items of polygons, one each."""
    images = {outline.image: Pair(outline.image, outline.image, outline.group) for outline in outlines}
    names = dict(zip(images, _names(list(images.values())), strict=True))
    headers: dict[Path, tuple[float, float] | None] = {}
    numbers: Counter[Path] = Counter()
    items = []
    for outline in outlines:
        path = outline.image
        if path not in headers:
            headers[path] = read_image_header(path).spacing if is_dicom_file(path) else None
        numbers[path] += 1
        name = f"{names[path]}-{numbers[path]}"
        area = abs(float(signed_area(torch.from_numpy(outline.vertices))))
        if area < min_area:
            report.add("small_object", name, f"{area:.1f} square pixels")
            continue
        if outline.at_border:
            report.add("object_at_border", name)
        items.append(
            _metadata({}, file_stem(path), name)
            | {
                "image": str(path),
                "contour": outline.vertices,
                "component": numbers[path],
                "class_name": outline.class_name,
                "patient": names[path],
                "group": outline.group,
                "has_spacing": headers[path] is not None,
                "spacing": headers[path],
                "structures": (outline.class_name,),
                "label_values": ((1,),),
            }
        )
    classes = Counter(item["class_name"] for item in items)
    if len(classes) > 1:
        counts = ", ".join(f"{name[:40]!r} {number}" for name, number in classes.most_common(MAX_NAMED))
        more = f" and {len(classes) - MAX_NAMED} more" if len(classes) > MAX_NAMED else ""
        report.note(
            f"objects of {len(classes)} classes ({counts}{more}): one item per object, one kind in a training; "
            "`structures` takes some of them"
        )
    return items


def _names(pairs: Sequence[Pair]) -> list[str]:
    """A unique name for each pair: the image's, with its group or folder, or a number, where it occurs repeatedly."""
    stems = [file_stem(pair.image) for pair in pairs]
    stems = [  # without nnU-Net's number of the channel
        stem[: -len("_0000")] if stem == f"{file_stem(pair.mask)}_0000" else stem
        for stem, pair in zip(stems, pairs, strict=True)
    ]
    numbers = Counter(stems)
    prefixes = ["-".join(filter(None, (pair.group, pair.row.get("folder", "")))) for pair in pairs]
    named = [
        f"{prefix.replace('/', '-')}-{stem}" if prefix and numbers[stem] > 1 else stem
        for prefix, stem in zip(prefixes, stems, strict=True)
    ]
    seen: Counter[str] = Counter()
    unique = []
    for name in named:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return unique


def _metadata(row: Mapping[str, str], stem: str, name: str) -> dict[str, Any]:
    side, view = _SIDE.search(stem), _VIEW.search(stem)
    in_name = (side[1][0].upper(), view[1].upper()) if side and view else (None, None)
    other = {column: cell for column, cell in row.items() if column not in PAIR_COLUMNS}
    laterality = row.get("laterality", "")[:1].upper()
    return other | {
        "name": name,
        "laterality": laterality if laterality in ("L", "R") else in_name[0],
        "view": row.get("view", "").upper() or in_name[1],
        "birads": row.get("birads") or None,
        "pathology": row.get("pathology") or None,
    }


_GUESSED = "patients were guessed"


def _guess_patients(items: list[dict[str, Any]], report: QualityReport) -> None:
    """Guess patients from file names, where nothing else states them and several images share one."""
    own = {item["image"]: item["patient"] for item in items}
    if len(set(own.values())) < len(own):
        return
    guessed = {}
    for item in items:
        folder = str(item.get("folder") or "")
        stem = file_stem(Path(str(item["image"]).partition("#")[0]))
        match = _PATIENT.match(stem) or _FRAME.fullmatch(stem)
        if match is not None:
            guessed[item["image"]] = match[1]
        elif re.search(r"\d", folder):
            guessed[item["image"]] = _patient_folder(folder)
    patients = {guessed.get(image, patient) for image, patient in own.items()}
    if not 2 <= len(patients) < len(own):
        return
    example = next(image for image in guessed)
    report.note(
        f"{_GUESSED} from names, {len(patients)} of {len(own)} images, such as {guessed[example]} of "
        f"{Path(example).name}; a table with the columns image and patient sets them"
    )
    for item in items:
        item["patient"] = guessed.get(item["image"], item["patient"])


def _patient_folder(folder: str) -> str:
    """The patient part of a folder: ``sub-01`` of ``sub-01/ses-2/anat``, ``007`` of ``007/visit1``."""
    parts = folder.split("/")
    for number, part in enumerate(parts, start=1):
        if _PATIENT_FOLDER.fullmatch(part):
            return "/".join(parts[:number])
    while len(parts) > 1 and _VISIT_FOLDER.fullmatch(parts[-1]):
        parts.pop()
    return "/".join(parts)


def _subject(root: Path, name: str | Path) -> str:
    """A file or slice, relative to the data set's folder."""
    path, mark, part = str(name).partition("#slice=")
    return Path(path).relative_to(root).as_posix() + mark + part
