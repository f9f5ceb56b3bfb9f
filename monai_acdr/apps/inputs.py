# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Inputs of `segment` as frames: DICOM, pictures (PNG, JPEG, TIFF, BMP), or a NIfTI volume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

from monai_acdr.apps.documents import frame_names, is_plain_name, plain_name
from monai_acdr.apps.study_files import Skipped, choose_series, find_series, left_out, left_out_images, not_a_file
from monai_acdr.data import read_mammogram
from monai_acdr.data.files import check_regular_file, walk_files
from monai_acdr.data.image_headers import is_dicom_file
from monai_acdr.data.nifti import NiftiVolume, is_nifti, read_nifti
from monai_acdr.data.pictures import PICTURE_FORMATS, read_picture_frames
from monai_acdr.dicom import SourceFrame, read_gray_frames
from monai_acdr.dicom.elements import code, text
from monai_acdr.dicom.source import slice_numbers
from monai_acdr.geometry import pixel_to_world
from monai_acdr.measures import Finding, FrameHeader
from monai_acdr.plausibility import UNKNOWN, check_spacing, image_kind
from monai_acdr.read_budget import ReadBudget
from monai_acdr.transforms import CheckImage

__all__ = [
    "Frame",
    "Inputs",
    "PROJECTIONS",
    "input_files",
    "load_frames",
    "make_image",
    "read_inputs",
    "volume_inputs",
]

PROJECTIONS = ("MG", "CR", "DX")
"""Modalities that are read as mammograms: one image per file, no palettes."""

_CHECK = CheckImage(channels=None)


def load_frames(
    sources: Sequence[SourceFrame],
    progress: Callable[[int, int], None] | None = None,
    unreadable: Callable[[Path, ValueError], None] | None = None,
) -> dict[tuple[str, int], MetaTensor]:
    """Decode frames.

    Args:
        sources: frames of any instances.
        progress: called with (done, all) after each instance.
        unreadable: called with each unusable file, which is then left out; without it such a file is an error.

    Returns:
        :attr:`SourceFrame.key` -> (1, H, W) float32, values in which larger is brighter
        (:func:`~monai_acdr.dicom.gray.gray_values`), with the affine of the frame.

    Raises:
        ValueError: when an instance has no pixels, has colors, or cannot be decoded; or when all of them need more
            memory than the budget.
    """
    on_disk = sum(path.stat().st_size for path in {source.path for source in sources})
    budget = ReadBudget("the series" if len(sources) > 1 else sources[0].path if sources else "the series", on_disk)
    for source in sources:
        budget.add_pixels(source.size)
    by_file: dict[Path, list[SourceFrame]] = {}
    for source in sources:
        by_file.setdefault(source.path, []).append(source)
    images: dict[tuple[str, int], MetaTensor] = {}
    for number, (path, frames) in enumerate(by_file.items(), start=1):
        try:
            images |= _load_file(path, sorted(frames, key=lambda source: source.frame))
        except ValueError as error:
            if unreadable is None:
                raise
            unreadable(path, error)
        if progress is not None:
            progress(number, len(by_file))
    return images


def _load_file(path: Path, frames: Sequence[SourceFrame]) -> dict[tuple[str, int], MetaTensor]:
    if code(frames[0].header, "Modality") in PROJECTIONS:
        return {frames[0].key: make_image(read_mammogram(path, spacing="allow")[0], frames[0].affine)}
    pixels = read_gray_frames(path, [source.frame for source in frames])
    return {source.key: make_image(gray, source.affine) for source, gray in zip(frames, pixels, strict=True)}


def make_image(pixels: np.ndarray, affine: Tensor) -> MetaTensor:
    """One frame, gray (H, W) or color (H, W, 3), as transforms expect it: (1 or 3, H, W) float32 with its affine.

    Raises:
        ValueError: when the frame is not finite or has no pixels.
    """
    values = torch.from_numpy(np.require(pixels, np.float32, ["C", "W"]))
    values = values[None] if values.ndim == 2 else values.movedim(-1, 0).contiguous()
    image = MetaTensor(values, affine=affine.clone())
    _CHECK(image)
    return image


ReadProgress = Callable[[int, int], None]

_OPTION = "--spacing"
_OPTION_REMEDY = "give the distance of rows and of columns in mm"
SPACING_TOLERANCE = 1e-3
"""Relative difference up to which two spacings count as equal, because of rounding."""

_SPACING_NOT_USED = Finding(
    "spacing_not_used", "--spacing is for images that do not state their spacing: the header's spacing was used"
)


@dataclass(frozen=True, eq=False)
class Frame:
    """One image.

    Attributes:
        name: unique name, safe as a file name, without the patient's identity.
        image: (1, H, W) float32, or (3, H, W) for colors.
        spacing: (between rows, between columns) in mm; None where it is not known.
        source: the DICOM frame, or None.
        header: its position in a stack, or None where it is not known.
        laterality: "L" or "R" of a breast, otherwise "".
    """

    name: str
    image: MetaTensor
    spacing: tuple[float, float] | None
    source: SourceFrame | None = None
    header: FrameHeader | None = None
    laterality: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return int(self.image.shape[-2]), int(self.image.shape[-1])

    def to_world(self, contours: Sequence[np.ndarray]) -> tuple[np.ndarray, ...] | None:
        """(K, 3) points in mm, LPS, of contours (K, 2) in pixels; None for an image without a place in the patient."""
        if self.source is not None:
            return tuple(map(self.source.to_world, contours)) if self.source.has_place else None
        if self.header is None:
            return None
        return tuple(pixel_to_world(torch.from_numpy(points), self.image.affine).numpy() for points in contours)


@dataclass(frozen=True, eq=False)
class Inputs:
    """All images of one run.

    Attributes:
        kind: ``dicom``, ``pictures`` or ``nifti``.
        frames: in spatial and temporal order.
        skipped: files that were left out.
        volume: for NIfTI, the volume whose grid masks are written on.
        findings: suspicious properties of the images, such as their scale.
    """

    kind: str
    frames: list[Frame]
    skipped: list[Skipped]
    volume: NiftiVolume | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def sources(self) -> list[SourceFrame]:
        """The DICOM frames; empty for other kinds."""
        return [frame.source for frame in self.frames if frame.source is not None]


def read_inputs(
    path: Path,
    series: str | None = None,
    spacing: Sequence[float] | None = None,
    progress: ReadProgress | None = None,
    *,
    instances: Collection[str] = (),
    pixels: bool = True,
    color: bool = False,
) -> Inputs:
    """Read a file, a folder or a study.

    Args:
        path: DICOM file or folder of one patient's study; a picture or a folder of pictures; a NIfTI file. Where a
            folder holds DICOM, everything else in it is left out. Each page of a TIFF is a frame.
        series: for DICOM, the series to read: see :func:`choose_series`.
        spacing: (between rows, between columns) in mm for images that do not state it.
        progress: called with (done, all) while pixels are decoded.
        instances: for DICOM, SOP Instance UIDs: of several series, those with any of them are read.
        pixels: for DICOM, whether to decode the images; otherwise they are views of a single zero, with size and
            affine, and :func:`load_frames` decodes the needed ones.
        color: read the colors of pictures, (3, H, W); other formats are always gray.

    Raises:
        FileNotFoundError: when there is no such path.
        ValueError: when there is no image, not exactly one series or stack of one patient, more than the memory budget
            (:mod:`monai_acdr.read_budget`), or an implausible scale (:mod:`monai_acdr.plausibility`).
    """
    given = _check_spacing(spacing)
    if path.is_dir():
        no_files: list[Path] = []
        files = [folder / name for folder, names in walk_files(path, no_files) for name in names]
        if not any(_is_dicom(file) for file in files):
            skipped = [not_a_file(file, path) for file in no_files]
            return _picture_inputs(path, files, given, skipped, color)
        return _dicom_inputs(path, series, given, progress, instances, pixels)
    check_regular_file(path, "a file or a folder")
    if is_nifti(path):
        inputs = volume_inputs(read_nifti(path))
        return inputs if given is None else replace(inputs, findings=[*inputs.findings, _SPACING_NOT_USED])
    if is_dicom_file(path):
        return _dicom_inputs(path, series, given, progress, instances, pixels)
    return _picture_inputs(path, [path], given, [], color)


def input_files(path: Path, inputs: Inputs) -> list[Path]:
    """The files read from `path`, and images that were left out; without results and other files."""
    if not path.is_dir():
        return [path]
    if inputs.kind == "dicom":
        return [*(source.path for source in inputs.sources), *left_out_images(path, inputs.skipped)]
    left_out = {path / entry.file for entry in inputs.skipped}
    return [
        file
        for folder, names in walk_files(path, [])
        for file in (folder / name for name in names)
        if file not in left_out
    ]


def volume_inputs(volume: NiftiVolume) -> Inputs:
    """The frames of a volume, by slice and then by phase, each with its position in the stack."""
    frames = []
    for number, (slice_index, phase) in enumerate(volume.places):
        affine = volume.frame_affine(slice_index)
        image = make_image(volume.frame(slice_index, phase), affine)
        lps = affine.numpy() * np.array([[-1], [-1], [1], [1]])
        rows, columns = np.linalg.norm(lps[:3, 0]), np.linalg.norm(lps[:3, 1])
        along_row, along_column = lps[:3, 1] / columns, lps[:3, 0] / rows
        if np.cross(along_row, along_column) @ lps[:3, 2] < 0:
            # A stack counts its slices along the normal, and the slices of the file have to keep their numbers.
            along_row = -along_row
        header = FrameHeader(
            position=tuple(lps[:3, 3].tolist()),
            orientation=(*along_row.tolist(), *along_column.tolist()),
            temporal_position=phase + 1,
            instance_number=number + 1,
        )
        name = f"slice-{slice_index + 1:03d}" + (f"-phase-{phase + 1:03d}" if volume.num_phases > 1 else "")
        frames.append(Frame(name, image, (float(rows), float(columns)), header=header))
    return Inputs("nifti", frames, [], volume, list(volume.findings))


def _check_spacing(spacing: Sequence[float] | None) -> tuple[float, float] | None:
    if spacing is None:
        return None
    values = tuple(float(value) for value in spacing)
    if len(values) != 2:
        raise ValueError(f"Expected `spacing` to be two positive numbers in mm, rows then columns, but got {values}.")
    check_spacing(_OPTION, values, None, UNKNOWN, _OPTION_REMEDY)
    return values[0], values[1]


def _is_dicom(file: Path) -> bool:
    try:
        return is_dicom_file(file)
    except (OSError, ValueError):  # not readable, or deleted
        return False


def _dicom_inputs(
    path: Path,
    series: str | None,
    given: tuple[float, float] | None,
    progress: ReadProgress | None,
    instances: Collection[str],
    pixels: bool,
) -> Inputs:
    all_series, skipped = find_series(path)
    chosen = choose_series(path, all_series, series, instances)
    sources, skipped = chosen.sources, [*skipped, *chosen.skipped]
    findings = [
        *chosen.findings,
        *_reference_findings(sources),
        *_time_findings(sources),
        *_scale_findings(sources, given),
    ]
    if pixels:
        images, unreadable = _load_readable(path, sources, progress)
    else:
        images, unreadable = {source.key: _no_pixels(source) for source in sources}, []
    sources = [source for source in sources if source.key in images]
    named = zip(frame_names(sources), sources, strict=True)
    frames = [_dicom_frame(name, source, images[source.key], given) for name, source in named]
    return Inputs("dicom", frames, [*skipped, *unreadable], findings=findings)


def _reference_findings(sources: Sequence[SourceFrame]) -> list[Finding]:
    """Finding about several frames of reference: a series has one (PS3.3 C.7.4.1), but some anonymizers change each."""
    known = {text(source.header, "FrameOfReferenceUID") for source in sources} - {""}
    taken = {source.frame_of_reference for source in sources}
    if len(known) < 2 or len(taken) > 1:
        return []
    several = len({text(source.header, "SeriesInstanceUID") for source in sources}) > 1
    whose, rule = ("series have", "") if several else ("series has", ", DICOM allows one")
    message = (
        f"the {whose} {len(known)} frames of reference in {len(sources)} frame(s){rule}: they were treated as one, so "
        "that positions of slices are comparable"
    )
    return [Finding("frames_of_reference", message)]


def _time_findings(sources: Sequence[SourceFrame]) -> list[Finding]:
    """Finding about frames of a cine series without a time, where others have one."""
    lacking = sum(source.time.trigger_ms is None for source in sources)
    if not 0 < lacking < len(sources):
        return []
    message = (
        f"the trigger time is missing in {lacking} of {len(sources)} frame(s): times of phases come from the others"
    )
    return [Finding("missing_times", message)]


def _scale_findings(sources: Sequence[SourceFrame], given: tuple[float, float] | None) -> list[Finding]:
    """Findings about the spacings, once each; implausible spacings of headers are refused on reading."""
    texts: dict[str, None] = {}
    for spacing, size, modality in {(s.spacing, s.size, text(s.header, "Modality")) for s in sources}:
        if spacing is not None:
            texts |= dict.fromkeys(check_spacing("the header", spacing, size, image_kind(modality)))
        elif given is not None:
            texts |= dict.fromkeys(check_spacing(_OPTION, given, size, image_kind(modality), _OPTION_REMEDY))
    findings = [Finding("implausible_scale", text) for text in sorted(texts)]
    findings += _spacing_findings(sources)
    if given is not None and any(source.spacing is not None for source in sources):
        findings.append(_SPACING_NOT_USED)
    return findings


def _spacing_findings(sources: Sequence[SourceFrame]) -> list[Finding]:
    """Finding about several spacings: scanners give a series one spacing, so some frames have a wrong scale."""
    known = [source for source in sources if source.spacing is not None]
    counts = Counter(tuple(float(f"{value:.4g}") for value in source.spacing or ()) for source in known)
    spacings = np.array([source.spacing for source in known])
    if len(known) < 2 or (np.ptp(spacings, axis=0) <= SPACING_TOLERANCE * spacings.min(axis=0)).all():
        return []
    slices: dict[int, list[np.ndarray]] = {}
    for number, spacing in zip(slice_numbers(known), spacings, strict=True):
        slices.setdefault(number, []).append(spacing)
    mixed = sum(bool((np.ptp(s, axis=0) > SPACING_TOLERANCE * np.min(s, axis=0)).any()) for s in slices.values())
    listed = ", ".join(f"{rows:g} x {columns:g} mm in {n} frame(s)" for (rows, columns), n in counts.most_common(3))
    more = f" and {len(counts) - 3} more" if len(counts) > 3 else ""
    within = f", even between phases of the same slice in {mixed} of {len(slices)} slice(s)" if mixed else ""
    text = f"PixelSpacing differs within the series: {listed}{more}{within}; mm, mm2 and mL follow that of each frame"
    return [Finding("spacing_differs", text)]


def _dicom_frame(name: str, source: SourceFrame, image: MetaTensor, given: tuple[float, float] | None) -> Frame:
    side = code(source.header, "ImageLaterality") or code(source.header, "Laterality")
    return Frame(name, image, source.spacing or given, source, _cine_header(source), side if side in ("L", "R") else "")


def _load_readable(
    path: Path, sources: Sequence[SourceFrame], progress: ReadProgress | None
) -> tuple[dict[tuple[str, int], MetaTensor], list[Skipped]]:
    """Pixels by frame, and the files whose pixels cannot be used; it is an error when no file can be used."""
    errors: list[tuple[Path, ValueError]] = []
    images = load_frames(sources, progress, lambda file, error: errors.append((file, error)))
    if not images:
        raise errors[0][1]
    return images, [left_out(path, file, "unreadable", str(error)) for file, error in errors]


def _no_pixels(source: SourceFrame) -> MetaTensor:
    return MetaTensor(torch.zeros(1).expand(1, *source.size), affine=source.affine.clone())


def _cine_header(source: SourceFrame) -> FrameHeader:
    """The frame's own position and time; for multi-frame objects also its number, in case it has no time.

    Enhanced objects of one frame have position and time in their functional groups as well.
    """
    header, time = FrameHeader.from_dataset(source.header), source.time
    if source.num_frames == 1:
        header = replace(
            header,
            position=source.position or header.position,
            orientation=source.orientation or header.orientation,
        )
        if time.trigger_ms is None and time.position is None:
            return header
        return replace(header, trigger_time_ms=time.trigger_ms, temporal_position=time.position)
    return FrameHeader(
        position=source.position,
        orientation=source.orientation,
        trigger_time_ms=time.trigger_ms,
        temporal_position=time.position,
        instance_number=source.frame,
    )


def _picture_inputs(
    path: Path, files: Sequence[Path], given: tuple[float, float] | None, skipped: list[Skipped], color: bool
) -> Inputs:
    frames = _read_pictures(path, files, given, skipped, color)
    if not frames:
        reason = f"; the first is {skipped[0].file}: {skipped[0].reason}" if skipped else ""
        raise ValueError(
            f"Expected DICOM images or pictures ({', '.join(PICTURE_FORMATS)}) in {path}, but found none among "
            f"{len(files)} file(s): check the folder; a NIfTI volume is given as a file{reason}."
        )
    texts: dict[str, None] = {}
    for size in {frame.size for frame in frames} if given is not None else ():
        texts |= dict.fromkeys(check_spacing(_OPTION, given or (), size, UNKNOWN, _OPTION_REMEDY))
    findings = [Finding("implausible_scale", text) for text in sorted(texts)]
    masks = [frame.name for frame in frames if _has_two_values(frame.image)]
    if masks:
        text = (
            f"{len(masks)} of {len(frames)} picture(s) have two values only, such as {masks[0]}, and are outlined like "
            "the others: if they are masks of the images, keep them in another folder"
        )
        findings.append(Finding("two_values", text))
    return Inputs("pictures", frames, skipped, findings=findings)


def _has_two_values(image: MetaTensor) -> bool:
    low, high = image.min(), image.max()
    return bool(low < high) and bool(((image == low) | (image == high)).all())


def _read_pictures(
    path: Path, files: Sequence[Path], spacing: tuple[float, float] | None, skipped: list[Skipped], color: bool
) -> list[Frame]:
    """Pictures by name; of several files, those that are not pictures are skipped; a single such file is an error.

    Where file names are not unique the folders within ``path`` are part of the names; otherwise frames are numbered.
    """
    budget = ReadBudget(path)
    scale = torch.eye(4, dtype=torch.float64)
    if spacing is not None:
        scale[0, 0], scale[1, 1] = spacing
    frames: list[Frame] = []
    with_folders: list[str] = []
    for file in files:
        try:
            pages = [make_image(pixels, scale) for pixels in read_picture_frames(file, color)]
        except (OSError, ValueError) as error:
            if files == [path]:
                raise _refusal(error, file) from None
            skipped.append(Skipped(file.name, "unreadable", str(error).replace(str(file), file.name)))
            continue
        for number, page in enumerate(pages, start=1):
            budget.add_pixels(page.shape)
            page_name = "" if len(pages) == 1 else f"-page-{number:04d}"
            frames.append(Frame(plain_name(f"{file.stem}{page_name}"), page, spacing))
            folders = file.relative_to(path).parts[:-1] if file != path else ()
            with_folders.append(plain_name("-".join([*folders, file.stem]) + page_name))
    names = [frame.name for frame in frames]
    if not _can_name(names):
        numbered = [f"frame-{number:04d}" for number in range(1, len(frames) + 1)]
        names = with_folders if _can_name(with_folders) else numbered
    return [replace(frame, name=name) for frame, name in zip(frames, names, strict=True)]


def _can_name(names: Sequence[str]) -> bool:
    """Whether files can have these names, all in one folder."""
    return len({name.casefold() for name in names}) == len(names) and all(map(is_plain_name, names))


def _refusal(error: OSError | ValueError, file: Path) -> ValueError:
    """Error for a single file, which may not be meant as a picture."""
    text = str(error).replace("Expected a picture (", "Expected a DICOM, NIfTI or picture file (")
    return ValueError(text if str(file) in text else text.replace("the image", f"the image {file}", 1))
