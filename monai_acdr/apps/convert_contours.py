# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Conversion between contours, masks, RT structure sets, segmentations and contour documents: `convert`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_acdr.apps.documents import ContourDocument, FrameContours, structure_of, write_contour_document
from monai_acdr.apps.exchange import write_exchange
from monai_acdr.apps.layers import (
    EXCHANGE,
    FORMATS,
    Format,
    Layer,
    LayerFrame,
    attach,
    check_different,
    choose_layers,
    is_partial,
    merge_layers,
    rasterize_layer,
    read_layers,
    source_files,
    source_format,
    target_format,
    trace_layer,
    used_sources,
    vanishing,
    with_size,
    write_volume,
)
from monai_acdr.apps.measurements import MAX_OUTSIDE, listed, outside_share
from monai_acdr.apps.slice_series import find_stacks
from monai_acdr.apps.study_files import find_series, left_out_images
from monai_acdr.data import write_contour
from monai_acdr.data.image_headers import check_complete
from monai_acdr.data.nifti import is_nifti
from monai_acdr.dicom import Algorithm, MaskRegion, Region, SourceFrame, write_rtstruct, write_seg
from monai_acdr.dicom.identity import new_uid
from monai_acdr.dicom.seg import THRESHOLD, seg_groups
from monai_acdr.dicom.source import MissingImageError, header_number
from monai_acdr.files import check_free, check_inputs_kept, check_parent, output_folder, remove_leftovers, replace_file
from monai_acdr.geometry import pixel_to_world
from monai_acdr.read_budget import ReadBudget
from monai_acdr.visualize import save_png

__all__ = [
    "ConversionReport",
    "UNKNOWN_ALGORITHM",
    "check_single",
    "convert",
    "target_files",
    "write_layers",
]

UNKNOWN_ALGORITHM = Algorithm("monai_acdr convert")
"""Origin written into DICOM objects for contours that do not state it."""


def write_layers(
    path: Path,
    layers: Sequence[Layer],
    kind: Format,
    sources: Sequence[SourceFrame],
    fractional: bool = False,
    folder: bool = False,
    overwrite: bool = False,
) -> list[Path]:
    """Write layers that already have the contours or masks that the format holds.

    Args:
        path: file or folder; its parent folder must exist.
        layers: one, or several where the format can hold them.
        kind: the format.
        sources: the images; may be empty for formats that need none.
        fractional: for SEG, whether to keep partial coverage.
        folder: whether to write a file for each frame, named after it; of segmentations one for each series, named
            after its number, or, without a position in the patient, each image.
        overwrite: replace existing files.

    Returns:
        The files.

    Raises:
        FileExistsError: when a file exists and `overwrite` is false.
        OSError: when a file cannot be written.
        ValueError: when the format cannot hold the layers.
    """
    check_parent(path)
    kept = used_sources(layers, sources) if sources else []
    if folder and kind.dicom:
        groups = _seg_files(layers, kept, sources, fractional)
        _check_alone(path, groups)
        with output_folder(path, list(groups), overwrite) as new:
            for name, group in groups.items():
                _write_dicom(new / name, layers, kind, group, [sources[i] for i in group], fractional, overwrite)
        return [path / name for name in groups]
    if folder:
        return _write_folder(path, layers[0], kind, overwrite)
    if not overwrite:
        check_free(path)
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder: choose another name.")
    images = [sources[index] for index in kept]
    remove_leftovers(path.absolute().parent)
    if kind.name in ("rtstruct", "seg"):
        _write_dicom(path, layers, kind, kept, images, fractional, overwrite)
    elif kind.name in EXCHANGE:
        with replace_file(path, overwrite) as temporary:
            write_exchange(temporary, layers, kind.name)
    elif kind.name == "json":
        write_contour_document(path, _document(layers), overwrite)
    elif kind.name == "nifti":
        with replace_file(path, overwrite) as temporary:
            write_volume(temporary, merge_layers(layers), images)
    else:
        frame = check_single(layers[0], kind)
        with replace_file(path, overwrite) as temporary:
            _write_frame(temporary, frame, kind)
    return [path]


def check_single(layer: Layer, kind: Format) -> LayerFrame:
    """The only frame of a layer, or the only frame that is not empty.

    Raises:
        ValueError: when there are several.
    """
    frames = [frame for frame in layer.frames if not frame.is_empty] if len(layer.frames) > 1 else list(layer.frames)
    if len(frames) != 1:
        raise ValueError(
            f"Expected one frame for a .{kind.name} file, but there are {len(frames)}: name a folder instead, with "
            f"--to {kind.name}, or a format for several frames (.json, .nii.gz, DICOM)."
        )
    return frames[0]


def _write_dicom(
    path: Path,
    layers: Sequence[Layer],
    kind: Format,
    kept: Sequence[int],
    images: Sequence[SourceFrame],
    fractional: bool,
    overwrite: bool,
) -> None:
    algorithm = next((layer.algorithm for layer in layers if layer.algorithm), UNKNOWN_ALGORITHM)
    by_source = [{frame.source: frame for frame in layer.frames} for layer in layers]
    if kind.name == "rtstruct":
        regions = [
            Region(
                layer.structure,
                tuple(_contours(frames.get(index)) for index in kept),
                holes=tuple(_holes(frames.get(index)) for index in kept),
            )
            for layer, frames in zip(layers, by_source, strict=True)
        ]
        write_rtstruct(path, regions, images, algorithm=algorithm, overwrite=overwrite)
        return
    segments = [
        MaskRegion(layer.structure, tuple(_mask(frames.get(index)) for index in kept), layer.tracking_uid or new_uid())
        for layer, frames in zip(layers, by_source, strict=True)
    ]
    write_seg(path, segments, images, "FRACTIONAL" if fractional else "BINARY", None, algorithm, overwrite=overwrite)


def _contours(frame: LayerFrame | None) -> tuple[np.ndarray, ...]:
    return frame.contours or () if frame else ()


def _holes(frame: LayerFrame | None) -> tuple[bool, ...]:
    return frame.hole_flags if frame else ()


def _mask(frame: LayerFrame | None) -> np.ndarray | None:
    return None if frame is None or frame.mask is None or not frame.mask.any() else frame.mask


def _document(layers: Sequence[Layer]) -> ContourDocument:
    """One document of all layers: contours of the same frame are combined."""
    grouped: dict[object, list[tuple[int, LayerFrame]]] = {}
    for number, layer in enumerate(layers):
        for frame in layer.frames:
            grouped.setdefault(frame.key, []).append((number, frame))
    algorithm = next((layer.algorithm for layer in layers if layer.algorithm), None)
    frames = tuple(_document_frame(parts) for parts in grouped.values())
    return ContourDocument(tuple(layer.structure for layer in layers), frames, algorithm)


def _document_frame(parts: Sequence[tuple[int, LayerFrame]]) -> FrameContours:
    """A frame of the document from its part in each layer, given with the number of the structure."""
    first = parts[0][1]
    sizes = {frame.size for _, frame in parts}
    if len(sizes) > 1:
        raise ValueError(
            f"Expected all structures of frame {first.name!r} on an image of one size, but got "
            f"{sorted(sizes, key=str)} (H, W): choose one with --structure, or give the images (--images)."
        )
    drawn = [(number, frame, vertices) for number, frame in parts for vertices in frame.contours or ()]
    world: tuple[np.ndarray, ...] | None = None
    if all(frame.world is not None for _, frame in parts):
        world = tuple(points for _, frame in parts for points in frame.world or ())
    elif first.affine is not None:
        affine = torch.from_numpy(first.affine)
        world = tuple(pixel_to_world(torch.from_numpy(vertices), affine).numpy() for _, _, vertices in drawn)
    return FrameContours(
        first.name,
        first.size or (0, 0),
        tuple(vertices for *_, vertices in drawn),
        first.spacing,
        first.sop_instance_uid,
        first.frame,
        world,
        holes=tuple(hole for _, frame in parts for hole in _holes(frame)),
        structures=tuple(number for number, *_ in drawn),
    )


def _write_frame(path: Path, frame: LayerFrame, kind: Format) -> None:
    if kind.name == "png":
        save_png(path, np.where(np.asarray(frame.mask) >= THRESHOLD, 255, 0).astype(np.uint8))
        return
    contours = frame.contours or ()
    if len(contours) != 1:
        holes = f", {sum(frame.holes)} of them holes" if frame.holes else ""
        raise ValueError(
            f"Expected one contour for a .txt file, but frame {frame.name!r} has {len(contours)}{holes}: write .json, "
            "which holds several."
        )
    write_contour(path, torch.from_numpy(contours[0]))


def target_files(
    path: Path,
    layers: Sequence[Layer],
    kind: Format,
    folder: bool,
    sources: Sequence[SourceFrame] = (),
    fractional: bool = False,
) -> list[Path]:
    """Result of :func:`write_layers`."""
    if folder and kind.dicom:
        return [path / name for name in _seg_files(layers, used_sources(layers, sources), sources, fractional)]
    return [path / f"{frame.name}.{kind.name}" for frame in _folder_frames(layers[0], kind)] if folder else [path]


def _check_alone(folder: Path, names: Collection[str]) -> None:
    """Raise an error where other segmentations would be read together with those of these names."""
    others = [file.name for file in source_files(folder, FORMATS["seg"])] if folder.is_dir() else []
    left = [name for name in others if name not in names]
    if left:
        raise FileExistsError(
            f"Expected a folder for these segmentations alone, since it is read as a whole, but {folder} has others, "
            f"such as {left[0]}: choose another folder, or move them."
        )


def _seg_files(
    layers: Sequence[Layer], kept: Sequence[int], sources: Sequence[SourceFrame], fractional: bool
) -> dict[str, list[int]]:
    """Indices of the images of each segmentation of a folder that has a pixel, by its name."""
    least = np.finfo(np.float32).tiny if fractional else THRESHOLD
    drawn = {
        frame.source
        for layer in layers
        for frame in layer.frames
        if frame.mask is not None and bool((np.asarray(frame.mask) >= least).any())
    }
    names = {frame.source: frame.name for layer in layers for frame in layer.frames}
    files: dict[str, list[int]] = {}
    for group in seg_groups([sources[index] for index in kept]):
        indices = [kept[index] for index in group]
        if drawn.isdisjoint(indices):
            continue
        first = sources[indices[0]]
        name = f"series-{header_number(first.header, 'SeriesNumber'):02.0f}" if first.has_place else names[indices[0]]
        ends = ("", *(f"_{count}" for count in range(2, len(files) + 2)))  # series of one number
        files[next(f"{name}{end}.dcm" for end in ends if f"{name}{end}.dcm" not in files)] = indices
    return files


def _folder_frames(layer: Layer, kind: Format) -> list[LayerFrame]:
    return [frame for frame in layer.frames if kind.name == "png" or frame.contours]


def _write_folder(path: Path, layer: Layer, kind: Format, overwrite: bool) -> list[Path]:
    """One file per frame: all of them or none."""
    frames = _folder_frames(layer, kind)
    files = [f"{frame.name}.{kind.name}" for frame in frames]
    with output_folder(path, files, overwrite) as new:
        for name, frame in zip(files, frames, strict=True):
            _write_frame(new / name, frame, kind)
    return [path / name for name in files]


KINDS = ("BINARY", "FRACTIONAL")
_DAMAGED = ("unreadable", "not_a_file")
_NOTED = (*_DAMAGED, "duplicate")
"""Kinds of files among the images that are reported: those that are or may be damaged images, not other documents."""
MAX_SIDE = 65_535


@dataclass(frozen=True)
class ConversionReport:
    """Result of a conversion.

    Attributes:
        source: path of the source.
        source_format: ``txt``, ``json``, ``markups``, ``geojson``, ``coco``, ``png``, ``nifti``, ``rtstruct`` or
            ``seg``.
        target_format: one of the same.
        files: files written.
        structures: labels of the structures.
        frames: number of frames on which any structure is outlined.
        contours: number of contours; 0 where only masks were handled.
        lost: descriptions of what the target cannot hold; empty when nothing was lost.
        skipped: files among the images, structures and contours that could not be used, with the reason.
        findings: suspicious properties of contours and images: contours outside of their images, truncated images.
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

    Contours become masks of the pixels of which they cover at least half, computed exactly; masks become contours by
    marching squares. Holes are kept. Contours are not rasterized in between, and are rounded to the format's digits.

    Args:
        source: contour (``.txt``), contour document (``.json``), curves of 3D Slicer (``.mrk.json``), GeoJSON
            (``.geojson``), COCO polygons (``.coco.json``), mask (``.png``, ``.nii``, ``.nii.gz``), DICOM RT structure
            set or segmentation; or a folder of ``.txt`` or of ``.png``, one per frame, or of segmentations.
        target: file to write, whose name determines the format; or a folder, for ``to="txt"`` and ``to="png"``, a file
            per frame, and ``to="seg"``, a file per series or, without a position in the patient, per image.
        images: DICOM file, or folder of a study, that the contours were drawn on. Needed for RT structure sets and
            segmentations, to read and to write; frames are found by UID, by file name, or by their position (NIfTI).
        to: format of the target, ``txt``, ``json``, ``markups``, ``geojson``, ``coco``, ``png``, ``nifti``,
            ``rtstruct`` or ``seg``, where the name does not determine it. ``seg.dcm`` and ``rtstruct.dcm`` do.
        structure: structure to convert if there are several: its label, or its number, such as ``#2``; by default all,
            where the target can hold them. If the source has one structure and is not a DICOM object, its new name.
        kind: kind of a segmentation: ``BINARY``, or ``FRACTIONAL``, which keeps partial coverage.
        size: (H, W) of a mask in pixels, where neither source nor images state it.
        overwrite: replace existing files.

    Returns:
        A report of the files written and of what was lost.

    Raises:
        FileExistsError: when the target exists and `overwrite` is false, or is one of the files that are read; nothing
            is changed.
        FileNotFoundError: when the source, the images or the folder of the target do not exist.
        ImportError: for segmentations, when highdicom cannot be imported.
        OSError: when a file cannot be read or written.
        ValueError: when the source is damaged or does not fit the images, or the target cannot hold it; the message
            says what to do.
    """
    source, target = Path(source), Path(target)
    origin, (goal, folder) = source_format(source), target_format(target, to)
    _check_options(origin, goal, images, kind, size)
    check_parent(target)
    if not folder and not overwrite:
        check_free(target)
    frames, skipped, damaged, left_images = _read_images(images)
    with _naming_damaged(damaged):
        layers, left_out = read_layers(source, origin, frames, structure if origin.dicom else None)
        layers = _chosen(layers, origin, goal, structure)
        if frames:
            layers = [attach(layer, frames) for layer in layers]
    skipped += [f"{source.name}: {note}" for note in left_out]
    unheld = Counter(name for layer in layers for frame in layer.frames for name in frame.unheld)
    if goal.holds == "masks" or size is not None or goal.name in ("json", "coco"):
        layers = [with_size(layer, (size[0], size[1]) if size is not None else None) for layer in layers]
    if goal.name in ("txt", "png") and not folder:
        layers = [replace(layers[0], frames=(check_single(layers[0], goal),))]
    findings = [*_outside(source, layers), *_incomplete(frames)]
    fractional = kind == "FRACTIONAL" and goal.name == "seg"
    layers, lost = _changed(source, layers, goal, fractional)
    if unheld:
        counts = ", ".join(f"{name} of {number} contour(s)" for name, number in unheld.items())
        lost.append(f"{counts}: they stay in {source.name}.")
    check_inputs_kept(
        target_files(target, layers, goal, folder, frames, fractional),
        [*source_files(source, origin), *(frame.path for frame in frames), *left_images],
    )
    files = write_layers(target, layers, goal, frames, fractional, folder, overwrite)
    return ConversionReport(
        source=source,
        source_format=origin.name,
        target_format=goal.name,
        files=tuple(files),
        structures=tuple(layer.structure.label for layer in layers),
        frames=len({frame.key for layer in layers for frame in layer.frames if not frame.is_empty}),
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


def _read_images(images: str | os.PathLike[str] | None) -> tuple[list[SourceFrame], list[str], list[str], list[Path]]:
    """All frames of a study, notes about unusable files, names of damaged ones, and the paths of unusable images."""
    if images is None:
        return [], [], [], []
    if is_nifti(Path(images)):
        raise ValueError(
            f"Expected DICOM images, but {images} is a NIfTI volume: leave --images out. The contours of a volume have "
            "their places in mm in the contour document, and a mask in its affine."
        )
    series, skipped = find_series(Path(images), anatomy_only=False)
    stacks = find_stacks(series, any_reference=True)  # in the order of their slices, whatever their numbers
    of_stacks = {id(one) for stack in stacks for one in stack.series}
    series = [*(one for stack in stacks for one in stack.series), *(one for one in series if id(one) not in of_stacks)]
    notes = [f"{entry.file}: {entry.reason}" for entry in skipped if entry.kind in _NOTED]
    damaged = [str(entry.file) for entry in skipped if entry.kind in _DAMAGED]
    return [frame for frames in series for frame in frames], notes, damaged, left_out_images(Path(images), skipped)


@contextmanager
def _naming_damaged(damaged: Sequence[str]) -> Iterator[None]:
    """Name the files that cannot be read in errors about a missing image, which may be one of them."""
    try:
        yield
    except MissingImageError as error:
        if not damaged:
            raise
        raise MissingImageError(f"{error} Files that cannot be read: {listed(damaged)}.") from error


def _chosen(layers: list[Layer], origin: Format, goal: Format, structure: str | None) -> list[Layer]:
    """The layers to convert; the only structure of a source without labels gets the given label."""
    several = len(layers) > 1
    label = structure if several and not origin.dicom else None  # the reader of DICOM objects has chosen already
    chosen = choose_layers(layers, label, goal.many_structures)
    if structure is not None and not several and not origin.dicom:
        chosen = [replace(chosen[0], structure=structure_of(structure))]
    if goal.name in ("json", *EXCHANGE):
        check_different(chosen)
    return chosen


def _outside(source: Path, layers: Sequence[Layer]) -> list[str]:
    """Descriptions of contours that lie outside of their images by more than rounding, for any target.

    Raises:
        ValueError: when all contours are entirely outside: they were drawn on other images.
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


def _incomplete(frames: Sequence[SourceFrame]) -> list[str]:
    """Descriptions of images without all of their pixels, which conversions do not need, but viewers do."""
    found = []
    for path in dict.fromkeys(frame.path for frame in frames):
        try:
            check_complete(path)
        except (OSError, ValueError) as error:
            found.append(f"{str(error).replace(str(path), path.name)} Contours on it are converted.")
    return found


def _changed(source: Path, layers: list[Layer], goal: Format, fractional: bool) -> tuple[list[Layer], list[str]]:
    """Layers converted to what the target holds, and descriptions of what was lost."""
    lost: list[str] = []
    if goal.holds == "masks" and not fractional and any(is_partial(layer) for layer in layers):
        lost.append("Partial coverage was cut at one half: write a FRACTIONAL segmentation to keep it.")
    changed = []
    budget = ReadBudget("the masks of this conversion")
    for layer in layers:
        if goal.holds == "contours":
            lost += _vanished(layer)
            changed.append(trace_layer(layer))
            continue
        layer, notes = rasterize_layer(layer, budget)
        changed.append(layer)
        if not fractional:
            lost += [*_vanished(layer), *notes]
    if goal.name == "nifti" and len(changed) > 1:
        named = "; ".join(f"{number} is {layer.structure.label}" for number, layer in enumerate(changed, start=1))
        lost.append(f"A pixel has one label: {named}, each without the structures that lie within it.")
    frames = changed[0].frames
    if goal.name == "nifti" and len(frames) > 1 and any(frame.affine is None for frame in frames):
        lost.append(f"Nothing says where the {len(frames)} frames lie: each is a slice, 1 mm from the next.")
    if goal.holds == "masks" and not any(_has_pixels(layer, fractional) for layer in changed):
        raise ValueError(
            f"Expected at least one pixel to be covered by half, but none of {source} is. {' '.join(lost[:1])}".strip()
        )
    if goal.holds == "contours" and not any(frame.contours for layer in changed for frame in layer.frames):
        raise ValueError(f"Expected at least one object to trace, but no pixel of {source} is covered by half.")
    return changed, lost


def _vanished(layer: Layer) -> list[str]:
    names = [f"frame {name!r}" for name in vanishing(layer)]
    what = f"an object of {layer.structure.label} has no pixel that is covered by half, and is lost."
    return [listed(names, what)] if names else []


def _has_pixels(layer: Layer, fractional: bool) -> bool:
    masks = [frame.mask for frame in layer.frames if frame.mask is not None]
    return any(bool(mask.any() if fractional else (mask >= 0.5).any()) for mask in masks)
