# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""`convert`: between contours, masks, RT structure sets, segmentations and contour documents."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monai_acdr.apps.contour_checks import MAX_OUTSIDE, outside_share
from monai_acdr.apps.contour_document import structure_of
from monai_acdr.apps.conversion.content import (
    Layer,
    attach,
    check_different,
    choose_layers,
    is_partial,
    rasterize_layer,
    trace_layer,
    with_size,
)
from monai_acdr.apps.conversion.formats import Format, source_files, source_format, target_format
from monai_acdr.apps.conversion.readers import read_layers
from monai_acdr.apps.conversion.writers import check_single, target_files, write_layers
from monai_acdr.apps.study_files import find_series, left_out_images
from monai_acdr.dicom import SourceFrame
from monai_acdr.files import check_free, check_inputs_kept, check_parent
from monai_acdr.read_budget import ReadBudget

__all__ = ["ConversionReport", "convert"]

KINDS = ("BINARY", "FRACTIONAL")
MAX_SIDE = 65_535


@dataclass(frozen=True)
class ConversionReport:
    """What was converted.

    Attributes:
        source: what was read.
        source_format: ``txt``, ``json``, ``png``, ``nifti``, ``rtstruct`` or ``seg``.
        target_format: one of the same.
        files: what was written.
        structures: labels of the structures.
        frames: number of frames with something outlined, over all structures.
        contours: number of contours; 0 where only masks were handled.
        lost: what the target does not hold, in words; empty when nothing was lost.
        skipped: files among the images, structures and contours that could not be used, with the reason.
        findings: what is odd about the contours, such as those that lie outside of their images.
    """

    source: Path
    source_format: str
    target_format: str
    files: tuple[Path, ...]
    structures: tuple[str, ...]
    frames: int
    contours: int
    lost: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "source": {"path": str(self.source), "format": self.source_format},
            "target": {"files": [str(path) for path in self.files], "format": self.target_format},
            "structures": list(self.structures),
            "frames": self.frames,
            "contours": self.contours,
            "lost": list(self.lost),
            "skipped": list(self.skipped),
            "findings": list(self.findings),
        }


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    images: str | os.PathLike[str] | None = None,
    to: str | None = None,
    structure: str | None = None,
    kind: str = "BINARY",
    size: Sequence[int] | None = None,
    overwrite: bool = False,
) -> ConversionReport:
    """Convert contours and masks from one format to another.

    Contours become masks by the exact share that they cover of each pixel, at least one half; masks become contours by
    marching squares. Holes stay holes. Contours stay contours, to the digits of the format.

    Args:
        source: contour (``.txt``), contour document (``.json``), mask (``.png``, ``.nii``, ``.nii.gz``), DICOM RT
            structure set or segmentation; or a folder of ``.txt`` or of ``.png``, one a frame.
        target: file to write, its format told by its name; or a folder, for ``to="txt"`` and ``to="png"``.
        images: DICOM file, or folder of a study, that the contours were drawn on. Needed for RT structure sets and
            segmentations, to read and to write; frames are found by UID, by file name, or by their place (NIfTI).
        to: format of the target, ``txt``, ``json``, ``png``, ``nifti``, ``rtstruct`` or ``seg``, where the name does
            not tell it. ``seg.dcm`` and ``rtstruct.dcm`` tell it.
        structure: label of the structure to take, of several, or its number, such as ``#2``; without it all are taken
            where the target has room for them. Of a source with one structure, that is no DICOM object, its new name.
        kind: of a segmentation, ``BINARY`` or ``FRACTIONAL``, which keeps partial coverage.
        size: (H, W) of a mask in pixels, where neither source nor images tell it.
        overwrite: replace existing files.

    Returns:
        What was written and what was lost.

    Raises:
        FileExistsError: when the target exists and `overwrite` is false, or is one of the files that are read; nothing
            is changed.
        FileNotFoundError: when the source, the images or the folder of the target do not exist.
        ImportError: for segmentations without highdicom.
        OSError: when something cannot be read or written.
        ValueError: when the source is broken or does not fit the images, or the target cannot hold it; the message
            says what to do.
    """
    source, target = Path(source), Path(target)
    origin, (goal, folder) = source_format(source), target_format(target, to)
    _check_options(origin, goal, images, kind, size)
    check_parent(target)
    if not folder and not overwrite:
        check_free(target)
    frames, skipped, left_images = _read_images(images)
    layers, left_out = read_layers(source, origin, frames, structure if origin.dicom else None)
    skipped += [f"{source.name}: {note}" for note in left_out]
    layers = _chosen(layers, origin, goal, structure)
    if frames:
        layers = [attach(layer, frames) for layer in layers]
    if goal.holds == "masks" or size is not None or goal.name == "json":
        layers = [with_size(layer, (size[0], size[1]) if size is not None else None) for layer in layers]
    if goal.name in ("txt", "png") and not folder:
        layers = [replace(layers[0], frames=(check_single(layers[0], goal),))]
    findings = _outside(source, layers)
    fractional = kind == "FRACTIONAL" and goal.name == "seg"
    layers, lost = _changed(source, layers, goal, fractional)
    check_inputs_kept(
        target_files(target, layers, goal, folder),
        [*source_files(source, origin), *(frame.path for frame in frames), *left_images],
    )
    files = write_layers(target, layers, goal, frames, fractional, folder, overwrite)
    return ConversionReport(
        source=source,
        source_format=origin.name,
        target_format=goal.name,
        files=tuple(files),
        structures=tuple(layer.structure.label for layer in layers),
        frames=sum(not frame.is_empty for layer in layers for frame in layer.frames),
        contours=sum(len(frame.contours or ()) for layer in layers for frame in layer.frames),
        lost=tuple(lost),
        skipped=tuple(skipped),
        findings=tuple(findings),
    )


def _check_options(
    origin: Format, goal: Format, images: str | os.PathLike[str] | None, kind: str, size: Sequence[int] | None
) -> None:
    if kind not in KINDS:
        raise ValueError(f"Expected `kind` to be one of {', '.join(KINDS)}, but got {kind!r}.")
    if kind == "FRACTIONAL" and goal.name != "seg":
        raise ValueError(f"Expected a segmentation for `kind` FRACTIONAL, but the target is {goal.name}: leave it out.")
    if size is not None and (len(size) != 2 or not all(1 <= value <= MAX_SIDE for value in size)):
        raise ValueError(f"Expected `size` to be (H, W), rows and columns, 1 to {MAX_SIDE}, but got {tuple(size)}.")
    needs = next((item.name for item in (origin, goal) if item.dicom), None)
    if needs is not None and images is None:
        raise ValueError(
            f"Expected the images of the {needs}, the DICOM file or folder it refers to, but got none: name them with "
            "--images."
        )


def _read_images(images: str | os.PathLike[str] | None) -> tuple[list[SourceFrame], list[str], list[Path]]:
    """All frames of a study, what could not be used, and the paths of the images among that."""
    if images is None:
        return [], [], []
    series, skipped = find_series(Path(images), anatomy_only=False)
    notes = [f"{entry.file}: {entry.reason}" for entry in skipped if entry.kind in ("unreadable", "duplicate")]
    return [frame for frames in series for frame in frames], notes, left_out_images(Path(images), skipped)


def _chosen(layers: list[Layer], origin: Format, goal: Format, structure: str | None) -> list[Layer]:
    """The layers to convert; a source with one structure and no label of its own takes the given one."""
    several = len(layers) > 1
    label = structure if several and not origin.dicom else None  # of DICOM objects the reader chose
    chosen = choose_layers(layers, label, goal.many_structures)
    if structure is not None and not several and not origin.dicom:
        chosen = [replace(chosen[0], structure=structure_of(structure))]
    if goal.name == "json":
        check_different(chosen)
    return chosen


def _outside(source: Path, layers: Sequence[Layer]) -> list[str]:
    """Contours that lie outside of their images by more than rounding, whatever the target.

    Raises:
        ValueError: when all of them do wholly: they were drawn on other images.
    """
    shares = [
        (frame.name, outside_share(contour, frame.size))
        for layer in layers
        for frame in layer.frames
        for contour in frame.contours or ()
        if frame.size is not None
    ]
    if shares and all(share == 1 for _, share in shares):
        raise ValueError(
            f"Expected the contours of {source} on their images, but all {len(shares)} lie outside: give the images "
            "that they were drawn on (--images)."
        )
    return [
        f"Frame {name!r}: {100 * share:.0f} % of a contour's area lie outside of the image."
        for name, share in shares
        if share > MAX_OUTSIDE
    ]


def _changed(source: Path, layers: list[Layer], goal: Format, fractional: bool) -> tuple[list[Layer], list[str]]:
    """Layers with what the target holds, and what was lost."""
    lost: list[str] = []
    if goal.holds == "masks" and not fractional and any(is_partial(layer) for layer in layers):
        lost.append("Partial coverage was cut at one half: write a FRACTIONAL segmentation to keep it.")
    changed = []
    budget = ReadBudget("the masks of this conversion")
    for layer in layers:
        if goal.holds == "contours":
            changed.append(trace_layer(layer))
            continue
        layer, notes = rasterize_layer(layer, budget)
        changed.append(layer)
        lost += notes
    if goal.name == "nifti" and len(changed) > 1:
        named = "; ".join(f"{number} is {layer.structure.label}" for number, layer in enumerate(changed, start=1))
        lost.append(f"A pixel has one label: {named}, each without the structures that lie within it.")
    if goal.holds == "masks" and not any(_has_pixels(layer, fractional) for layer in changed):
        raise ValueError(
            f"Expected at least one pixel to be covered by half, but none of {source} is. {' '.join(lost[:1])}".strip()
        )
    if goal.holds == "contours" and not any(frame.contours for layer in changed for frame in layer.frames):
        raise ValueError(f"Expected at least one object to trace, but no pixel of {source} is covered by half.")
    return changed, lost


def _has_pixels(layer: Layer, fractional: bool) -> bool:
    masks = [frame.mask for frame in layer.frames if frame.mask is not None]
    return any(bool(mask.any() if fractional else (mask >= 0.5).any()) for mask in masks)
