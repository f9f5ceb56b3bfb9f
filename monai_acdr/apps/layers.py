# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours and masks in any format as layers, each a structure on frames, and the steps between contours and masks.

The first axis of a written volume runs along the rows of the images, as in :class:`ContourWriter` and `segment`; a
volume that is read may have any axes in any direction.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from scipy import ndimage

from monai_acdr.apps.documents import (
    DECIMALS,
    SUNNYBROOK_NAME,
    WORLD_TOLERANCE_MM,
    FrameContours,
    check_name,
    frame_names,
    match_frames,
    read_contour_document,
)
from monai_acdr.apps.inputs import Inputs
from monai_acdr.apps.label_values import overlap_in_part, stack_masks
from monai_acdr.data import read_contour
from monai_acdr.data.files import natural_key
from monai_acdr.data.image_headers import is_dicom_file
from monai_acdr.data.mask_values import BYTE_THRESHOLD, foreground
from monai_acdr.data.nifti import NiftiVolume, read_nifti
from monai_acdr.data.pictures import read_picture
from monai_acdr.dicom import (
    LV_ENDOCARDIUM,
    LV_EPICARDIUM,
    TISSUE,
    Algorithm,
    MaskRegion,
    Region,
    SourceFrame,
    Structure,
)
from monai_acdr.dicom.files import storage_class
from monai_acdr.dicom.reading import choose_number, shown_labels
from monai_acdr.dicom.regions import rasterize_rings
from monai_acdr.dicom.rtstruct import RT_STRUCTURE_SET_STORAGE, read_structure_set
from monai_acdr.dicom.seg import LABEL_MAP_STORAGE, SEGMENTATION_STORAGE, THRESHOLD, Segmentation, read_segmentation
from monai_acdr.dicom.source import MissingImageError
from monai_acdr.files import replace_file
from monai_acdr.read_budget import ReadBudget, check_pixels
from monai_acdr.transforms.contour.functional import TRACING_LEVEL, mask_to_rings

__all__ = [
    "EXCHANGE",
    "FORMATS",
    "Format",
    "LayerFrame",
    "Layer",
    "attach",
    "check_different",
    "choose_layers",
    "drawn_on",
    "earlier_contours",
    "is_partial",
    "merge_layers",
    "rasterize_layer",
    "read_layers",
    "read_volume",
    "source_files",
    "source_format",
    "target_format",
    "trace_layer",
    "used_sources",
    "with_size",
    "write_volume",
]

_logger = logging.getLogger(__name__)

MAX_SHOWN = 8
"""Number of labels that a message names."""

MAX_LABELS = 255
"""Limit of the structures of a label map, whose pixels are bytes."""


@dataclass(frozen=True, eq=False)
class LayerFrame:
    """One frame of a layer: contours, a mask, or both.

    Attributes:
        name: name of the frame, a plain file name.
        size: (H, W), None where it is not known.
        contours: (K, 2) polygons in pixels, float64, None before a mask was traced.
        holes: for each polygon whether it is a hole in those before it (:mod:`monai_acdr.dicom.regions`); empty if
            there are none.
        mask: (H, W) float32, the covered share of each pixel; None before contours were rasterized.
        spacing: (between rows, between columns) in mm, or None.
        affine: (4, 4) MONAI affine of a frame with a position in the patient, or None.
        world: the contours (K, 3) in mm, LPS, as far as the source has them.
        sop_instance_uid: SOP Instance UID of its DICOM image, or None.
        frame: number within the instance, from 1.
        source: index of its DICOM image, or None.
        unheld: values of its contours in a contour document that no layer holds, a word for each contour and value,
            such as ``repairs``.
    """

    name: str
    size: tuple[int, int] | None
    contours: tuple[np.ndarray, ...] | None = None
    mask: np.ndarray | None = None
    spacing: tuple[float, float] | None = None
    affine: np.ndarray | None = None
    world: tuple[np.ndarray, ...] | None = None
    sop_instance_uid: str | None = None
    frame: int = 1
    source: int | None = None
    holes: tuple[bool, ...] = ()
    unheld: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str | None, int, str]:
        """Key of a frame: the DICOM image and frame number, otherwise the name."""
        return (None, 0, self.name) if self.sop_instance_uid is None else (self.sop_instance_uid, self.frame, "")

    @property
    def hole_flags(self) -> tuple[bool, ...]:
        """Whether each contour is a hole."""
        return self.holes or (False,) * len(self.contours or ())

    @property
    def is_empty(self) -> bool:
        """Whether nothing is outlined."""
        return not self.contours and (self.mask is None or not self.mask.any())


@dataclass(frozen=True, eq=False)
class Layer:
    """A structure on its frames.

    Attributes:
        structure: the structure.
        frames: frames, at most one for each image.
        algorithm: algorithm that made it, None when it is not known.
        tracking_uid: tracking UID of DICOM objects that show the same thing, or None.
        number: number of the ROI or segment, or position in the source from 1; distinguishes layers with one label.
    """

    structure: Structure
    frames: tuple[LayerFrame, ...]
    algorithm: Algorithm | None = None
    tracking_uid: str | None = None
    number: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is outlined in any frame."""
        return all(frame.is_empty for frame in self.frames)


def choose_layers(layers: Sequence[Layer], label: str | None, many: bool) -> list[Layer]:
    """The layers to convert, without empty ones.

    Args:
        layers: layers of the source.
        label: label of the structure to convert, ignoring case, or its number, such as ``#2``; None for all.
        many: whether the target can hold several.

    Raises:
        ValueError: when nothing is outlined, none or several layers have the label, or the choice is ambiguous.
    """
    numbers = [place if layer.number is None else layer.number for place, layer in enumerate(layers, start=1)]
    filled = {number: layer for number, layer in zip(numbers, layers, strict=True) if not layer.is_empty}
    if not filled:
        raise ValueError(
            "Expected at least one contour or object, but the source is empty: there is nothing to convert."
        )
    labels = [(number, layer.structure.label) for number, layer in filled.items()]
    if label is not None:
        return [filled[choose_number(labels, label, "the source")]]
    if len(filled) > 1 and not many:
        raise ValueError(
            f"Expected one structure, but the source has {shown_labels(labels)}: choose one by its label, or by its "
            f"number, such as --structure '#{labels[0][0]}'."
        )
    return list(filled.values())


def check_different(layers: Sequence[Layer]) -> None:
    """Raise a ValueError when two layers have the same label, which must be unique in a contour document."""
    numbers = [place if layer.number is None else layer.number for place, layer in enumerate(layers, start=1)]
    labels = [(number, layer.structure.label) for number, layer in zip(numbers, layers, strict=True)]
    if len({label.strip().casefold() for _, label in labels}) < len(labels):
        raise ValueError(
            "Expected structures of different labels for a contour document, but the source has "
            f"{shown_labels(labels)}: choose one by its label, or by its number, such as --structure '#{labels[0][0]}'."
        )


def attach(layer: Layer, sources: Sequence[SourceFrame]) -> Layer:
    """Find the image of each frame, by UID or name, and take size, spacing and position from it.

    Raises:
        ValueError: when a frame has no image, or another size.
    """
    if all(frame.source is not None for frame in layer.frames):
        return layer
    indices = match_frames(layer.frames, sources)
    frames = [attached(frame, sources, index) for frame, index in zip(layer.frames, indices, strict=True)]
    return replace(layer, frames=tuple(frames))


def attached(frame: LayerFrame, sources: Sequence[SourceFrame], index: int, name: str | None = None) -> LayerFrame:
    """The frame, attached to the image with the given index."""
    source = sources[index]
    return replace(
        frame,
        name=name or frame.name,
        size=source.size,
        spacing=source.spacing,
        affine=source.affine.numpy() if source.has_place else None,
        world=None,
        sop_instance_uid=source.key[0],
        frame=source.frame,
        source=index,
    )


def used_sources(layers: Sequence[Layer], sources: Sequence[SourceFrame]) -> list[int]:
    """Indices of the images that a DICOM object refers to: all images of the series with anything outlined.

    Images without a position in the patient, such as mammograms, are included only if something is outlined on them.
    """
    used = {frame.source for layer in layers for frame in layer.frames if not frame.is_empty}
    series = {str(sources[i].header.SeriesInstanceUID) for i in used if i is not None}
    return [
        index
        for index, source in enumerate(sources)
        if index in used or (source.has_place and str(source.header.SeriesInstanceUID) in series)
    ]


def with_size(layer: Layer, size: tuple[int, int] | None) -> Layer:
    """The layer with a known size of every frame.

    Raises:
        ValueError: when a frame has another size, or none is known.
    """
    frames = []
    for frame in layer.frames:
        if size is not None and frame.size not in (None, size):
            raise ValueError(
                f"Expected --size to be that of frame {frame.name!r}, {frame.size} (H, W), but got {size}."
            )
        if frame.size is None and size is None:
            raise ValueError(
                f"Expected to know the size of frame {frame.name!r}, but a contour does not state it: name its images "
                "with --images, or its size in pixels with --size ROWS COLUMNS."
            )
        frames.append(replace(frame, size=frame.size or size))
    return replace(layer, frames=tuple(frames))


def rasterize_layer(layer: Layer, budget: ReadBudget | None = None) -> tuple[Layer, list[str]]:
    """Masks from contours, by the exact share of each pixel; the contours of a frame are united, holes subtracted.

    Args:
        layer: the layer to rasterize.
        budget: memory budget for the masks of all layers; by default a budget for this layer.

    Returns:
        The layer, and descriptions of what was lost.

    Raises:
        ValueError: when the masks need more memory than the budget; a file may claim any image size.
    """
    budget = budget or ReadBudget("the masks of this conversion")
    frames, lost = [], []
    for frame in layer.frames:
        if frame.mask is None and frame.size is not None:
            budget.add_pixels(frame.size)
            frame = replace(frame, mask=rasterize_rings(frame.contours or (), frame.holes, frame.size))
            if frame.contours and not (np.asarray(frame.mask) >= THRESHOLD).any():
                lost.append(f"Frame {frame.name!r}: no pixel is covered by half; the contour is too small or outside.")
        frames.append(frame)
    return replace(layer, frames=tuple(frames)), lost


def trace_layer(layer: Layer) -> Layer:
    """Contours from masks, by marching squares; holes become separate contours.

    A mask without a pixel that is covered by half is gone then: see :func:`vanishing`.
    """
    frames = []
    for frame in layer.frames:
        if frame.contours is None and frame.mask is not None:
            contours, holes = _trace(frame.mask)
            frame = replace(frame, contours=contours, holes=holes if any(holes) else ())
            frame = frame if contours else replace(frame, mask=None)
        frames.append(frame)
    return replace(layer, frames=tuple(frames))


def vanishing(layer: Layer) -> list[str]:
    """Names of the frames with an object in their mask that has no pixel covered by half: tracing loses it."""
    names = []
    for frame in layer.frames:
        mask = None if frame.mask is None or frame.contours is not None else np.asarray(frame.mask)
        if mask is None or not ((mask > 0) & (mask < THRESHOLD)).any():
            continue
        objects, count = ndimage.label(mask > 0, np.ones((3, 3)))
        if (ndimage.maximum(mask, objects, range(1, count + 1)) < THRESHOLD).any():
            names.append(frame.name)
    return names


def merge_layers(layers: Sequence[Layer]) -> tuple[LayerFrame, ...]:
    """Frames whose masks are label maps of all layers; the frames of a single layer are returned unchanged.

    A pixel has the number, from 1, of the layer that covers at least half of it; of nested layers the inner one, so
    that the outer ones are rings, as in the label maps of :mod:`monai_acdr.apps.label_values`.

    Raises:
        ValueError: when two layers overlap on a frame and neither contains the other, which a label map cannot hold, or
            when there are too many layers.
    """
    if len(layers) == 1:
        return layers[0].frames
    if len(layers) > MAX_LABELS:
        raise ValueError(
            f"Expected at most {MAX_LABELS} structures for a label map, but got {len(layers)}: choose one with "
            "--structure, or write a format that holds all (.json, SEG, RTSTRUCT)."
        )
    frames: dict[object, LayerFrame] = {}
    masks: dict[object, dict[int, np.ndarray]] = {}
    for value, layer in enumerate(layers, start=1):
        for frame in layer.frames:
            frames.setdefault(frame.key, frame)
            if frame.mask is not None:
                masks.setdefault(frame.key, {})[value] = np.asarray(frame.mask) >= THRESHOLD
    return tuple(replace(frame, mask=_label_map(masks.get(key, {}), layers, frame)) for key, frame in frames.items())


def _label_map(masks: Mapping[int, np.ndarray], layers: Sequence[Layer], frame: LayerFrame) -> np.ndarray:
    size = frame.size or (1, 1)
    if any(mask.shape != size for mask in masks.values()):
        raise ValueError(
            f"Expected the masks of frame {frame.name!r} to have one size, but got "
            f"{sorted({mask.shape for mask in masks.values()})} (H, W): choose one structure (--structure)."
        )
    pair = overlap_in_part(masks)
    if pair is not None:
        one, other = (layers[value - 1].structure.label for value in pair)
        raise ValueError(
            "Expected disjoint or nested structures, because a label map has one label for each pixel, but on frame "
            f"{frame.name!r} {one!r} and {other!r} overlap in part: choose one with --structure, or write a format "
            "that holds both (.json, SEG, RTSTRUCT)."
        )
    return stack_masks(masks, size).astype(np.float32)


def is_partial(layer: Layer) -> bool:
    """Whether a mask of the source has pixels that are covered in part."""
    masks = [frame.mask for frame in layer.frames if frame.mask is not None and frame.contours is None]
    return any(bool(((mask > 0) & (mask < 1)).any()) for mask in masks)


def _trace(mask: np.ndarray) -> tuple[tuple[np.ndarray, ...], tuple[bool, ...]]:
    """Polygons (K, 2), largest first, and which are holes. Only the box around the objects is traced."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    if not len(rows) or mask.max() <= TRACING_LEVEL:
        return (), ()
    top, left = int(rows[0]), int(columns[0])
    rings, holes = mask_to_rings(torch.from_numpy(mask[top : rows[-1] + 1, left : columns[-1] + 1]))
    return tuple(ring.numpy() + [left, top] for ring in rings), tuple(holes)


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        name: name for users.
        suffixes: suffixes of its files, the usual one first.
        holds: ``contours`` or ``masks``.
        many_frames: whether one file can hold several frames.
        many_structures: whether one file can hold several structures.
        dicom: whether it needs the images that it refers to.
    """

    name: str
    suffixes: tuple[str, ...]
    holds: str
    many_frames: bool = True
    many_structures: bool = False
    dicom: bool = False


FORMATS = {
    item.name: item
    for item in (
        Format("txt", (".txt",), "contours", many_frames=False),
        Format("markups", (".mrk.json",), "contours", many_structures=True),
        Format("coco", (".coco.json",), "contours", many_structures=True),
        Format("geojson", (".geojson",), "contours", many_structures=True),
        Format("json", (".json",), "contours", many_structures=True),
        Format("png", (".png",), "masks", many_frames=False),
        Format("nifti", (".nii.gz", ".nii"), "masks", many_structures=True),
        Format("rtstruct", (".dcm",), "contours", many_structures=True, dicom=True),
        Format("seg", (".dcm",), "masks", many_structures=True, dicom=True),
    )
}
"""All formats by name; where several suffixes match a file name, the first format is used."""

EXCHANGE = ("markups", "coco", "geojson")
"""Formats of other tools (:mod:`monai_acdr.apps.exchange`)."""

_FOLDERS = ("txt", "png", "seg")
"""Formats that a folder of files is read and written in: one per frame, of segmentations one per series."""

_SOP_CLASSES = {
    str(RT_STRUCTURE_SET_STORAGE): "rtstruct",
    str(SEGMENTATION_STORAGE): "seg",
    str(LABEL_MAP_STORAGE): "seg",
}


def source_format(path: Path) -> Format:
    """The format of a file, or of the files of a folder.

    Raises:
        FileNotFoundError: when there is no such path.
        ValueError: when it is not a format of this package.
    """
    if not path.exists():
        raise FileNotFoundError(f"Expected a contour, a mask or a folder of them, but {path} does not exist.")
    if path.is_dir():
        return _folder_format(path)
    if not path.is_file():
        raise ValueError(f"Expected a contour or a mask, but {path} is not a regular file.")
    if is_dicom_file(path):
        return _dicom_format(path)
    found = _by_suffix(path)
    if found is None or found.dicom:
        raise ValueError(
            f"Expected a contour (.txt, .json), a mask (.png, .nii, .nii.gz), or a DICOM RTSTRUCT or SEG, but {path} "
            "is none of them by its name and content."
        )
    return found


def source_files(path: Path, kind: Format) -> list[Path]:
    """The file itself, or the files of the format in a folder, in natural order."""
    if not path.is_dir():
        return [path]
    files = [file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")]
    found = [
        file
        for file in files
        if file.name.lower().endswith(kind.suffixes) or (kind.dicom and not file.suffix and is_dicom_file(file))
    ]
    return sorted(found, key=lambda file: natural_key(file.name))


def target_format(path: Path, name: str | None) -> tuple[Format, bool]:
    """The format to write, and whether a folder of files is to be written, one per frame or series.

    Args:
        path: file or folder; a folder is one that exists, or a name without a suffix.
        name: name of the format; needed for folders, and for ``.dcm`` unless the stem ends with ``seg`` or
            ``rtstruct``.

    Raises:
        ValueError: when path and name do not determine the format, or contradict each other.
    """
    if name is not None and name not in FORMATS:
        raise ValueError(f"Expected the format to be one of {', '.join(FORMATS)}, but got {name!r}.")
    found = _by_suffix(path)
    if path.is_dir() or (found is None and not path.suffix):
        if name not in _FOLDERS:
            raise ValueError(
                f"Expected a format of several files for the folder {path}, but got {name}: give --to "
                f"{' or --to '.join(_FOLDERS)}, or name a file that ends with .json, .nii.gz or .dcm."
            )
        return FORMATS[name], True
    if name is None:
        if found is None:
            endings = sorted({suffix for item in FORMATS.values() for suffix in item.suffixes})
            raise ValueError(f"Expected a name that ends with one of {', '.join(endings)}, but got {path.name}.")
        return (found if not found.dicom else _named_dicom(path)), False
    if not path.name.lower().endswith(FORMATS[name].suffixes):
        raise ValueError(
            f"Expected the name of a file in format {name} to end with {' or '.join(FORMATS[name].suffixes)}, but got "
            f"{path.name}."
        )
    return FORMATS[name], False


def _by_suffix(path: Path) -> Format | None:
    return next((item for item in FORMATS.values() if path.name.lower().endswith(item.suffixes)), None)


def _named_dicom(path: Path) -> Format:
    stem = path.stem.lower()
    found = next((name for name in ("rtstruct", "seg") if stem.endswith(name)), None)
    if found is None:
        raise ValueError(
            f"Expected to know which DICOM object {path.name} is to be: give --to rtstruct or --to seg, or a name that "
            "ends with rtstruct.dcm or seg.dcm."
        )
    return FORMATS[found]


def _folder_format(path: Path) -> Format:
    counts = {name: len(source_files(path, FORMATS[name])) for name in _FOLDERS}
    kinds = [name for name, count in counts.items() if count and name != "seg"]  # images may lie beside their contours
    if not kinds and counts["seg"]:
        return _segmentations(path)
    if len(kinds) != 1 or _holds_segmentation(path):
        raise ValueError(
            f"Expected a folder of contours (.txt), masks (.png) or segmentations (.dcm), but {path} has "
            + ", ".join(f"{count} {FORMATS[name].suffixes[0]}" for name, count in counts.items())
            + ": name one file, or a folder with one kind."
        )
    return FORMATS[kinds[0]]


def _holds_segmentation(folder: Path) -> bool:
    for file in source_files(folder, FORMATS["seg"]):
        try:
            if storage_class(file) in (SEGMENTATION_STORAGE, LABEL_MAP_STORAGE):
                return True
        except (OSError, ValueError):  # not what is read here
            continue
    return False


def _segmentations(folder: Path) -> Format:
    for file in source_files(folder, FORMATS["seg"]):
        found = _dicom_format(file)
        if found.name != "seg":
            raise ValueError(f"Expected a folder of segmentations, but {file} is an RT structure set: name that file.")
    return found


def _dicom_format(path: Path) -> Format:
    kind = storage_class(path)
    if kind not in _SOP_CLASSES:
        raise ValueError(
            f"Expected an RT structure set or a segmentation, but {path} is of SOP class {kind[:64]}: an image "
            "is given with --images, and outlined by `segment`."
        )
    return FORMATS[_SOP_CLASSES[kind]]


POSITION_TOLERANCE_MM = 0.05
"""Largest distance in mm at which a pixel and a voxel are the same; NIfTI's affines are single precision."""

STEP_TOLERANCE_MM = 0.02
"""Largest deviation in mm of the slices of one volume from even steps."""

AXIS_TOLERANCE_MM = 1e-4
"""Largest difference in mm of the steps from pixel to pixel between slices of one volume."""

RIGHT_ANGLE = 0.01
"""Largest cosine between rows and columns, and largest relative difference of the steps from the spacing."""


def read_volume(path: Path, sources: Sequence[SourceFrame]) -> list[Layer]:
    """Read a mask with the values 0 and 1 (or another value), shares in [0, 1], or whole numbers that are labels.

    Args:
        path: ``.nii`` or ``.nii.gz``.
        sources: images to find its voxels on; empty for the volume's own frames.

    Raises:
        ValueError: when it is not such a mask, or its voxels do not match the images.
    """
    volume = read_nifti(path)
    values = volume.voxels
    if not np.isfinite(values).all() or values.min() < 0:
        raise ValueError(f"Expected a mask of finite values from 0, but {path} has others: is it an image?")
    if values.max() <= 1:
        return [Layer(TISSUE, _frames(path, volume, values, sources))]
    labels = np.unique(values[values > 0])
    if len(labels) == 1:
        return [Layer(TISSUE, _frames(path, volume, (values > 0).astype(np.float32), sources))]
    if len(labels) > MAX_LABELS or (labels != np.round(labels)).any():
        raise ValueError(
            f"Expected a mask or whole-number labels, at most {MAX_LABELS}, but {path} has {len(labels)} different "
            "values: is it an image?"
        )
    return [
        Layer(
            Structure(f"label {int(label)}", TISSUE.category, TISSUE.property_type),
            _frames(path, volume, (values == label).astype(np.float32), sources),
        )
        for label in labels
    ]


def write_volume(path: Path, frames: Sequence[LayerFrame], sources: Sequence[SourceFrame]) -> Path:
    """Write masks, uint8 {0, 1}, or label maps: (columns, rows, slices), for a cine stack also phases.

    Args:
        path: ``.nii`` or ``.nii.gz``.
        frames: frames with masks of one size, shares of pixels or whole numbers that are labels.
        sources: the images of the whole volume, by slice, then time; frames without a mask stay empty. Without images
            the volume has the given frames; if their positions are unknown, in their order and 1 mm apart.

    Raises:
        ValueError: when the frames do not form a volume.
    """
    sizes = {source.size for source in sources} if sources else {frame.size or (1, 1) for frame in frames}
    if len(sizes) != 1:
        raise ValueError(f"Expected frames of one size for a volume, but got {len(sizes)} sizes: write a PNG folder.")
    shape, affine = _grid([_source_plane(source) for source in sources] or [frame.affine for frame in frames], frames)
    height, width = sizes.pop()
    check_pixels(path, (width, height, *shape))
    array = np.zeros((width, height, *shape), dtype=np.uint8)
    keys = {source.key: index for index, source in enumerate(sources)}
    for number, frame in enumerate(frames):
        if frame.mask is not None and frame.mask.any():
            index = keys[str(frame.sop_instance_uid), frame.frame] if sources else number
            place, phase = divmod(index, shape[1])
            labels = np.where(frame.mask > 1, frame.mask, frame.mask >= THRESHOLD)
            array[:, :, place, phase] = labels.T
    with replace_file(path) as temporary:
        nib.save(nib.Nifti1Image(array if shape[1] > 1 else array[..., 0], affine), temporary)
    return path


def _source_plane(source: SourceFrame) -> np.ndarray | None:
    """(4, 4) MONAI affine whose third column has the length of the slice thickness, 1 mm where it is unknown."""
    if not source.has_place:
        return None
    plane = source.affine.numpy()
    plane[:3, 2] *= source.thickness or 1.0
    return plane


def _grid(planes: Sequence[np.ndarray | None], frames: Sequence[LayerFrame]) -> tuple[tuple[int, int], np.ndarray]:
    """(slices, phases), and the (4, 4) affine from the voxel index (column, row, slice) to RAS mm."""
    placed = [plane for plane in planes if plane is not None]
    if len(placed) != len(planes):
        scale = np.diag([*(frames[0].spacing or (1.0, 1.0)), 1.0, 1.0])
        return (len(planes), 1), _voxel_affine(scale, None)
    places = np.array([plane[:3, 3] for plane in placed])
    moved = np.linalg.norm(np.diff(places, axis=0), axis=1) > STEP_TOLERANCE_MM
    starts = [0, *(np.nonzero(moved)[0] + 1).tolist()]
    counts = np.diff([*starts, len(placed)]).tolist()
    if len(set(counts)) != 1:
        raise ValueError(
            f"Expected the same number of phases in each slice, but got {min(counts)} to {max(counts)}: give the "
            "images (--images) of complete slices, or write a PNG folder or SEG."
        )
    if len(starts) == 1:
        return (1, counts[0]), _voxel_affine(placed[0], None)
    slices, axes = places[starts], np.array([plane[:3, :2] for plane in placed])
    step = (slices[-1] - slices[0]) / (len(slices) - 1)
    even = slices[0] + np.arange(len(slices))[:, None] * step
    if np.abs(slices - even).max() > STEP_TOLERANCE_MM or np.ptp(axes, axis=0).max() > AXIS_TOLERANCE_MM:
        raise ValueError("Expected evenly spaced, parallel slices for a volume: write a PNG folder or SEG.")
    return (len(slices), counts[0]), _voxel_affine(placed[0], step)


def _voxel_affine(plane: np.ndarray, step: np.ndarray | None) -> np.ndarray:
    """Index (column, row, slice) to RAS mm from a MONAI affine of (row, column) and the step between slices."""
    matrix = np.array(plane, dtype=np.float64)[:, [1, 0, 2, 3]]
    if step is None:
        normal = np.cross(matrix[:3, 0], matrix[:3, 1])
        step = normal / np.linalg.norm(normal) * (float(np.linalg.norm(matrix[:3, 2])) or 1.0)
    matrix[:3, 2] = step
    return matrix


def _frames(
    path: Path, volume: NiftiVolume, values: np.ndarray, sources: Sequence[SourceFrame]
) -> tuple[LayerFrame, ...]:
    if sources and (all(source.has_place for source in sources) and not _is_unplaced(volume.affine)):
        return _found_frames(path, volume, values, sources)
    own = []
    for z, t in volume.places:
        affine = volume.frame_affine(z).numpy()
        rows, columns = np.linalg.norm(affine[:3, 0]), np.linalg.norm(affine[:3, 1])
        name = f"slice-{z + 1:03d}" + (f"-phase-{t + 1:03d}" if volume.num_phases > 1 else "")
        mask = np.ascontiguousarray(values[:, :, z, t].T)
        own.append(LayerFrame(name, mask.shape, None, mask, (float(rows), float(columns)), affine))
    if not sources:
        return tuple(own)
    if len(own) != len(sources) or any(frame.size != source.size for frame, source in zip(own, sources, strict=True)):
        raise ValueError(
            f"Expected {path} to have the frames of its {len(sources)} image(s) of {sources[0].size} (H, W), but it "
            f"has {len(own)} of {own[0].size}, and one of the two has no position: give the right images (--images)."
        )
    return tuple(attached(frame, sources, i, frame_names(sources)[i]) for i, frame in enumerate(own))


def _is_unplaced(affine: np.ndarray) -> bool:
    """Whether an affine means that the position is unknown: our own writers then use no offset and plain axes."""
    matrix = np.abs(affine[:3, :3])
    return not affine[:3, 3].any() and not matrix[[0, 1], [0, 1]].any() and not matrix[2, :2].any()


def _found_frames(
    path: Path, volume: NiftiVolume, values: np.ndarray, sources: Sequence[SourceFrame]
) -> tuple[LayerFrame, ...]:
    """The voxels under the pixels of each image; the phases of a slice are taken in order."""
    names, frames, used = frame_names(sources), [], 0
    seen: dict[tuple[int, ...], int] = {}
    for index, source in enumerate(sources):
        voxels = _voxels_of(volume, source)
        if voxels is None:
            continue
        corner = tuple(int(axis.flat[0]) for axis in voxels)
        phase = seen[corner] = seen.get(corner, -1) + 1
        if phase >= volume.num_phases:
            raise ValueError(
                f"Expected a phase of {path} for each image at a position, but it has {volume.num_phases} and there "
                "are more images: give only the images of that phase (--images)."
            )
        mask = np.ascontiguousarray(values[(*voxels, phase)])
        used += int(np.count_nonzero(mask))
        frames.append(attached(LayerFrame(names[index], None, mask=mask), sources, index))
    if any(phase + 1 != volume.num_phases for phase in seen.values()):
        raise ValueError(
            f"Expected {volume.num_phases} images in each slice of {path}, one per phase, but some have fewer."
        )
    if not frames or used != int(np.count_nonzero(values)):
        raise MissingImageError(
            f"Expected the voxels of {path} to be the pixels of the images, but {'some are' if frames else 'it lies'} "
            "elsewhere or between them: give all images of the series that it was drawn on, or resample it first."
        )
    return tuple(frames)


def _voxels_of(volume: NiftiVolume, source: SourceFrame) -> tuple[np.ndarray, ...] | None:
    """Three index arrays (H, W) of the voxels under an image's pixels; None when the grids differ."""
    height, width = source.size
    corners = np.array([[0, 0, 0, 1], [height - 1, 0, 0, 1], [0, width - 1, 0, 1]], dtype=np.float64).T
    world = source.affine.numpy() @ corners
    indices = np.round(np.linalg.solve(volume.affine, world)[:3])
    if np.abs(volume.affine[:3, :3] @ indices + volume.affine[:3, 3:] - world[:3]).max() > POSITION_TOLERANCE_MM:
        return None
    if indices.min() < 0 or (indices.max(1) >= volume.voxels.shape[:3]).any():
        return None
    start = indices[:, 0]
    down, right = indices[:, 1] - start, indices[:, 2] - start
    if sorted(np.abs(down)) != [0, 0, height - 1] or sorted(np.abs(right)) != [0, 0, width - 1]:
        return None
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    steps = zip(start, np.sign(down), np.sign(right), strict=True)
    return tuple((first + row * rows + column * columns).astype(np.int64) for first, row, column in steps)


_SUNNYBROOK = {"i": LV_ENDOCARDIUM, "o": LV_EPICARDIUM}


def read_layers(
    path: Path,
    kind: Format,
    sources: Sequence[SourceFrame],
    structure: str | None = None,
    *,
    any_label: bool = False,
) -> tuple[list[Layer], list[str]]:
    """Read a file or a folder.

    Args:
        path: file or folder to read.
        kind: its format.
        sources: the images that it belongs to; needed for DICOM objects, may be empty otherwise.
        structure: label or number of the only structure to read from a DICOM object, whose other structures may be
            damaged; by default all that can be read.
        any_label: treat all labels of a label map as one structure, as for a region.

    Returns:
        The layers, and descriptions of what was left out.

    Raises:
        OSError: when a file cannot be opened.
        ValueError: when a file is damaged, or does not belong to the images.
    """
    if kind.name == "json":
        return _read_document(path), []
    if kind.name in EXCHANGE:
        from monai_acdr.apps.exchange import read_exchange  # imports this module

        return read_exchange(path, kind.name, sources), []
    if kind.name == "nifti":
        layers_of_volume = read_volume(path, sources)
        return [_united(layers_of_volume, path)] if any_label else layers_of_volume, []
    if kind.name == "seg" and path.is_dir():
        return _read_segmentations(path, sources, structure)
    if kind.name in ("rtstruct", "seg"):
        read = read_structure_set if kind.name == "rtstruct" else read_segmentation
        found = read(path, sources, structure)
        notes = found.notes if isinstance(found, Segmentation) else ()
        return [_from_region(region, sources) for region in found.regions], [*found.left_out, *notes]
    layers: dict[Structure, list[LayerFrame]] = {}
    budget = ReadBudget(path)
    for file in source_files(path, kind):
        name = check_name(file.name[: -len(".txt")])  # .png has as many letters
        sunnybrook = SUNNYBROOK_NAME.fullmatch(name) if kind.name == "txt" else None
        shown = _SUNNYBROOK[sunnybrook[2].lower()] if sunnybrook else TISSUE
        layers.setdefault(shown, []).append(
            _read_contour(file, name) if kind.name == "txt" else _read_png(file, name, budget, any_label)
        )
    return [Layer(shown, tuple(frames)) for shown, frames in layers.items()], []


def _read_segmentations(
    folder: Path, sources: Sequence[SourceFrame], structure: str | None
) -> tuple[list[Layer], list[str]]:
    """Layers of the segmentations of a folder, whose segments of one structure are one layer."""
    found: dict[tuple[Structure, int], list[Layer]] = {}
    left_out = []
    for file in source_files(folder, FORMATS["seg"]):
        layers, notes = read_layers(file, FORMATS["seg"], sources)
        left_out += [f"{file.name}: {note}" for note in notes]
        seen: Counter[Structure] = Counter()
        for layer in layers:
            found.setdefault((layer.structure, seen[layer.structure]), []).append(layer)
            seen[layer.structure] += 1
    joined = []
    for number, parts in enumerate(found.values(), start=1):
        frames = [frame for part in parts for frame in part.frames]
        twice = next((name for name, count in Counter(frame.name for frame in frames).items() if count > 1), None)
        if twice is not None:
            raise ValueError(
                f"Expected each image in one segmentation of {folder}, but {parts[0].structure.label!r} of {twice!r} "
                "is in several: name one file, or move those of other readers or runs out of the folder."
            )
        joined.append(replace(parts[0], frames=tuple(frames), number=number))
    return (joined if structure is None else choose_layers(joined, structure, True)), left_out


def _read_document(path: Path) -> list[Layer]:
    """A layer for each structure; a structure without contours gives an empty layer."""
    document = read_contour_document(path)
    planes = {id(frame): _fitted_plane(frame) for frame in document.frames}
    layers = []
    for number, structure in enumerate(document.structures):
        frames = [frame for frame in document.frames if not frame.contours or number in frame.indices]
        items = [_document_frame(frame.of_structure(number), planes[id(frame)]) for frame in frames]
        layers.append(Layer(structure, tuple(items), document.algorithm, number=number + 1))
    return layers


def _fitted_plane(frame: FrameContours) -> np.ndarray | None:
    """(4, 4) MONAI affine that maps a frame's vertices in pixels to those in mm, None where it does not follow.

    A document has no affine, but each of its vertices twice: origin and directions are those of least squares. They
    follow where the vertices span an area, large enough that their digits give the place of the image's corners, and
    where they agree with each other and with the frame's spacing.
    """
    if frame.world is None or not frame.contours:
        return None
    pixels, world = np.concatenate(frame.contours), np.concatenate(frame.world)
    middle = pixels.mean(axis=0)
    pairs = np.column_stack([np.ones(len(pixels)), pixels - middle])
    (center, along_row, along_column), _, rank, singular = np.linalg.lstsq(pairs, world, rcond=None)
    if rank < 3 or 10.0**-DECIMALS * max(frame.size) > STEP_TOLERANCE_MM * singular[-1]:
        return None
    steps = np.array([np.linalg.norm(along_column), np.linalg.norm(along_row)])
    distance = np.abs(pairs @ [center, along_row, along_column] - world).max()
    if distance > WORLD_TOLERANCE_MM or abs(along_row @ along_column) > RIGHT_ANGLE * steps.prod():
        return None
    if frame.spacing is not None and not np.allclose(steps, frame.spacing, rtol=RIGHT_ANGLE):
        return None
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = along_column, along_row
    affine[:3, 2] = np.cross(along_row, along_column) / steps.prod()
    affine[:3, 3] = center + (0.5 - middle[0]) * along_row + (0.5 - middle[1]) * along_column
    affine[:2] *= -1  # LPS to RAS
    return affine


def _document_frame(item: FrameContours, affine: np.ndarray | None) -> LayerFrame:
    unheld = [
        *("repairs" for names in item.repairs if names),
        *("confidence" for value in item.confidence if value is not None),
        *("doubtful" for value in item.doubtful if value),
        *("vertex_spread_px" for _ in item.spread or ()),
        *("scale" for _ in item.contours if item.scale),
    ]
    return LayerFrame(
        item.name,
        item.size,
        item.contours,
        spacing=item.spacing,
        affine=affine,
        world=item.world,
        sop_instance_uid=item.sop_instance_uid,
        frame=item.frame,
        holes=item.holes,
        unheld=tuple(unheld),
    )


def _from_region(region: Any, sources: Sequence[SourceFrame]) -> Layer:
    """The layer of a :class:`Region` or :class:`MaskRegion`; empty frames are left out."""
    names, frames = frame_names(sources), []
    for index in range(len(sources)):
        contours = region.contours[index] or None if isinstance(region, Region) else None
        mask = region.masks[index] if isinstance(region, MaskRegion) else None
        if contours is not None or mask is not None:
            holes = region.holes_of(index) if isinstance(region, Region) and region.has_holes else ()
            frame = LayerFrame(names[index], None, contours, mask, holes=holes if any(holes) else ())
            frames.append(attached(frame, sources, index))
    tracking = str(region.tracking_uid) if isinstance(region, MaskRegion) else None
    return Layer(region.structure, tuple(frames), tracking_uid=tracking, number=region.number)


def _read_contour(path: Path, name: str) -> LayerFrame:
    return LayerFrame(name, None, (read_contour(path).numpy(),))


def _united(layers: Sequence[Layer], path: Path) -> Layer:
    """One layer that unites all labels of a volume, whose layers have the same frames."""
    if len(layers) == 1:
        return layers[0]
    names = ", ".join(layer.structure.label for layer in layers)
    _logger.warning("%s has several labels (%s): the region is about all of them together", path.name, names)
    frames = [
        replace(same[0], mask=np.maximum.reduce([np.asarray(frame.mask) for frame in same]))
        for same in zip(*(layer.frames for layer in layers), strict=True)
    ]
    return Layer(TISSUE, tuple(frames))


def _read_png(path: Path, name: str, budget: ReadBudget, any_label: bool) -> LayerFrame:
    """A mask of two values, or with `any_label` a label map; it may be empty."""
    values = read_picture(path)
    budget.add_pixels(values.shape)
    labels = np.unique(values[values > 0])
    if any_label and len(labels) > 1 and labels[-1] <= BYTE_THRESHOLD:
        shown = ", ".join(f"{label:g}" for label in labels[:MAX_SHOWN])
        _logger.warning("%s has several labels (%s): the region is about all of them together", path.name, shown)
        mask = values > 0
    else:
        mask = foreground(values, path) if values.any() else np.zeros(values.shape, dtype=bool)
    return LayerFrame(name, (mask.shape[0], mask.shape[1]), mask=mask.astype(np.float32))


def drawn_on(path: Path) -> frozenset[str]:
    """SOP Instance UIDs of the images that the contours of a document were drawn on; none for files of other formats.

    Raises:
        FileNotFoundError, ValueError: as :func:`source_format`, and for a document that cannot be read.
    """
    if source_format(path).name != "json":
        return frozenset()
    return frozenset(frame.sop_instance_uid for frame in read_contour_document(path).frames if frame.sop_instance_uid)


def earlier_contours(path: Path, inputs: Inputs, structures: Sequence[Structure] = ()) -> list[list[np.ndarray]]:
    """Read contours or masks and find the frame of each.

    From a file with several structures, the model's structures are used, which are identified by their labels; a frame
    gets the contours of the innermost one present, since training regions are placed about it. The labels of a label
    map (NIfTI, PNG) are numbers, so that all of them together are used, with a warning.

    Args:
        path: any source that :func:`monai_acdr.apps.convert` reads.
        inputs: the frames; DICOM frames are found by UID or name, others by name or, if their number is the same, by
            their order.
        structures: structures of the model, from the innermost to the outermost.

    Returns:
        Outer contours (K, 2) of each frame in pixels, without holes; empty if absent.

    Raises:
        FileNotFoundError: when there is no such path.
        ValueError: when the file cannot be read, has several structures of which none is the model's, or does not
            belong to these frames.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"Expected a region (auto, center, point X Y, box X0 Y0 X1 Y1) or a file of masks or contours, but {path} "
            "does not exist."
        )
    layers, _ = read_layers(path, source_format(path), inputs.sources, any_label=True)
    found: list[list[np.ndarray]] = [[] for _ in inputs.frames]
    for layer in _usable(choose_layers(layers, None, many=True), structures, path):
        layer = trace_layer(layer)
        if inputs.sources:
            layer = attach(layer, inputs.sources)
        for frame, index in zip(layer.frames, _indices(layer.frames, inputs), strict=True):
            size = inputs.frames[index].size
            if frame.size is not None and tuple(frame.size) != size:
                raise ValueError(
                    f"Expected the contours or masks in {path} to have the size of their image, {size} (H, W), but got "
                    f"{tuple(frame.size)}."
                )
            if not found[index]:
                rings = zip(frame.contours or (), frame.hole_flags, strict=True)
                found[index] = [ring for ring, hole in rings if not hole]
    return found


def _usable(layers: list[Layer], structures: Sequence[Structure], path: Path) -> list[Layer]:
    """The only layer, or the layers of the model's structures in the model's order."""
    if len(layers) == 1:
        return layers
    labels = [layer.structure.label.casefold() for layer in layers]
    chosen = [
        layers[labels.index(structure.label.casefold())]
        for structure in structures
        if labels.count(structure.label.casefold()) == 1
    ]
    if not chosen:
        numbers = [place if layer.number is None else layer.number for place, layer in enumerate(layers, start=1)]
        shown = [(number, layer.structure.label) for number, layer in zip(numbers, layers, strict=True)]
        raise ValueError(
            f"Expected contours or masks of one structure in {path}, or of the model's, but it has "
            f"{shown_labels(shown)}: take one out of it first, with monai-acdr convert {path.name} one.json "
            f"--structure '#{shown[0][0]}' --images STUDY."
        )
    return chosen


def _indices(frames: tuple[LayerFrame, ...], inputs: Inputs) -> list[int]:
    if inputs.sources:
        return [frame.source for frame in frames if frame.source is not None]
    names = {frame.name: index for index, frame in enumerate(inputs.frames)}
    if all(frame.name in names for frame in frames):
        return [names[frame.name] for frame in frames]
    if len(frames) == len(inputs.frames):
        return list(range(len(frames)))
    raise ValueError(
        f"Expected contours or masks for these {len(inputs.frames)} images, by name or as many, but got {len(frames)} "
        f"whose names differ, such as {frames[0].name!r}."
    )
