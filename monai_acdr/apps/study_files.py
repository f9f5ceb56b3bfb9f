# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contents of a study folder: the series of its images, and files left out, with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from monai_acdr.apps.slice_series import (
    Series,
    SliceStack,
    drop_repeats,
    find_candidates,
    find_stacks,
    is_uncorrected,
    num_slices,
    possible_stacks,
    series_number,
    series_numbers,
    similar_series,
    why_apart,
    why_other_taken,
    with_any,
)
from monai_acdr.data.files import check_regular_file, walk_files
from monai_acdr.data.image_headers import is_dicom_file
from monai_acdr.dicom import SourceFrame, order_sources, read_instance
from monai_acdr.dicom.files import storage_class
from monai_acdr.dicom.plane import NO_ANATOMY
from monai_acdr.measures import Finding
from monai_acdr.read_budget import check_pixels

__all__ = [
    "ChosenSeries",
    "Skipped",
    "choose_series",
    "find_series",
    "is_result",
    "left_out",
    "left_out_images",
    "not_a_file",
]

_NO_IMAGES = {
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "a label map segmentation",
    "1.2.840.10008.5.1.4.1.1.66.5": "a surface segmentation",
    "1.2.840.10008.5.1.4.1.1.30": "a parametric map",
    "1.2.840.10008.5.1.4.1.1.481.2": "an RT dose",
    "1.2.840.10008.5.1.4.1.1.481.3": "an RT structure set",
}
"""SOP classes that are made from images, some with pixels of their own."""
_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
_MAX_LISTED = 20
_MAX_SHOWN = 64
_MAX_DIGITS = 12
"""Digits of a SeriesNumber, an integer string (PS3.5 6.2)."""
STACK = "stack"
"""Choice of the only stack."""
_BLOCK = 1 << 20
"""Bytes of two files that are compared at a time."""
DICOM_SUFFIXES = (".dcm", ".ima", ".dicom")
"""Suffixes of DICOM files: one without DICOM's content is damaged. Other files beside images are expected."""


@dataclass(frozen=True)
class Skipped:
    """A file that was left out.

    Attributes:
        file: path relative to the searched file or folder.
        kind: ``not_a_file``, ``not_dicom``, ``unreadable``, ``not_an_image``, ``result``, ``duplicate``, ``repeated``
            (a slice that was acquired again) or ``no_anatomy`` (phase images and similar; only these frames of a
            multi-frame object).
        reason: the reason as text.
    """

    file: str
    kind: str
    reason: str


def not_a_file(path: Path, root: Path) -> Skipped:
    """The entry of a path in a folder that cannot be read as a file."""
    try:
        check_regular_file(path, "a file")
        reason = "it cannot be read"
    except (OSError, ValueError) as error:
        reason = str(error).replace(str(path), "it")
    return Skipped(path.relative_to(root).as_posix(), "not_a_file", reason)


def left_out_images(root: Path, skipped: Sequence[Skipped]) -> list[Path]:
    """Paths of left-out files that are or may be images: no result may replace them."""
    kinds = ("unreadable", "not_an_image", "duplicate", "no_anatomy", "repeated")
    return [root / entry.file if root.is_dir() else root for entry in skipped if entry.kind in kinds]


def find_series(path: Path, anatomy_only: bool = True) -> tuple[list[list[SourceFrame]], list[Skipped]]:
    """Find the image series of ONE patient's study.

    Args:
        path: a DICOM file or a folder, which is searched with its subfolders.
        anatomy_only: leave out phase, velocity and other parts of the signal that show no anatomy. Contours may
            nevertheless have been drawn on them.

    Returns:
        The frames of each series, in order of their numbers, and the files left out.

    Raises:
        FileNotFoundError: when there is no such path.
        ValueError: for two patients, two studies, two different files of one instance, or no image at all.
    """
    if not path.is_dir():
        check_regular_file(path, "a DICOM file or a folder")
    skipped: list[Skipped] = []
    instances: dict[str, list[SourceFrame]] = {}
    for file, name in _files(path, skipped):
        frames = _read(file, name, skipped, anatomy_only)
        if not frames:
            continue
        uid = frames[0].key[0]
        instances[uid] = _without_copy(path, instances[uid], frames, skipped) if uid in instances else frames
    if not instances:
        raise ValueError(f"Expected DICOM images in {path}, but found none: {_summary(skipped).rstrip('.')}.")
    series: dict[str, list[SourceFrame]] = {}
    for frame in order_sources([frame for frames in instances.values() for frame in frames]):
        series.setdefault(str(frame.header.SeriesInstanceUID), []).append(frame)
    if anatomy_only:
        return [_magnitude_only(path, frames, skipped) for frames in series.values()], skipped
    return list(series.values()), skipped


@dataclass(frozen=True, eq=False)
class ChosenSeries:
    """The frames to read.

    Attributes:
        sources: the frames; of a stack of several series slice by slice.
        skipped: files of earlier acquisitions of slices that were acquired again.
        findings: what was joined and left out.
    """

    sources: list[SourceFrame]
    skipped: list[Skipped] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def choose_series(
    path: Path, series: list[Series], requested: str | None, instances: Collection[str] = ()
) -> ChosenSeries:
    """Pick one series, or several that are the slices of one stack (:mod:`monai_acdr.apps.slice_series`).

    Args:
        path: file or folder of the study.
        series: series from :func:`find_series`.
        requested: its SeriesNumber or SeriesInstanceUID; several with commas, numbers also as ``12-21``; ``stack`` for
            the only cine of several parallel slices, be they one series or one each; None if there is only one series,
            or only one stack. Requested series may have different frames of reference, which are then taken for one.
        instances: SOP Instance UIDs; if nothing is requested, the series with any of them are picked, and the other
            slices of their stack.

    Raises:
        ValueError: when none or several match; the message lists all series, without descriptions, which may identify a
            patient.
    """
    is_stack = requested is not None and requested.strip().lower() == STACK
    if is_stack:
        candidates = find_candidates(series)
        found = candidates[0] if len(candidates) == 1 else []
    elif requested is not None:
        found, unknown = _requested(series, requested)
        if unknown:
            raise ValueError(_undecided(series, [], requested, unknown))
    else:
        found = with_any(series, instances) or series
    if len(found) == 1:
        return _alone(path, found[0], instances)
    # Who asks for series, or has contours on them, knows that they belong together.
    among = find_stacks(series if requested is None else found, any_reference=requested is not None or bool(instances))
    joined = next((stack for stack in among if stack.holds(found)), None)
    if joined is None:
        raise ValueError(_undecided(series, found, requested))
    return _join(path, joined, instances, [one for one in series if is_stack and not joined.holds([one])])


def _undecided(series: list[Series], found: list[Series], requested: str | None, unknown: Sequence[str] = ()) -> str:
    """The message that lists all series, where those found are not one series or stack."""
    lines = [
        f"number {series_number(s) or '-'}, {s[0].header.get('Modality') or '?'}, {len(s)} frame(s) in {num_slices(s)} "
        f"slice(s) of {s[0].size[0]} x {s[0].size[1]}, UID {s[0].header.SeriesInstanceUID}"
        for s in series[:_MAX_LISTED]
    ]
    lines += [f"and {len(series) - _MAX_LISTED} more"] if len(series) > _MAX_LISTED else []
    stacks = possible_stacks(series)
    lines += [f"the series {stack.numbers} are the slices of one stack{_differing(stack)}" for stack in stacks]
    if requested is not None and len(found) > 1:
        lines.append(f"those of {requested!r} are not the slices of one stack: {why_apart(found)}")
    if unknown:
        named = ", ".join(repr(part[:_MAX_SHOWN]) for part in unknown[:_MAX_LISTED])
        lines.append(f"none is {named}: give numbers, ranges such as 12-21, or UIDs, with commas between them")
    asked = "one series" if requested is None else f"one series of number or UID {requested!r}"
    choice = "choose one with --series" + (", or --series stack" if len(find_candidates(series)) == 1 else "")
    return f"Expected {asked}, but got {len(found)} of {len(series)}: {choice}. There are:\n  " + "\n  ".join(lines)


def _requested(series: list[Series], requested: str) -> tuple[list[Series], list[str]]:
    """Series with any of the numbers and UIDs, and the parts of the request that are none."""
    found: list[Series] = []
    unknown: list[str] = []
    for part in filter(None, (part.strip() for part in requested.split(","))):
        ends = [end.strip() for end in part.split("-")]
        if len(ends) == 2 and all(end.isdecimal() and len(end) <= _MAX_DIGITS for end in ends):
            low, high = sorted(map(int, ends))
            same = [s for s in series if series_number(s).isdecimal() and low <= int(series_number(s)) <= high]
        else:
            same = [s for s in series if part in (series_number(s), str(s[0].header.SeriesInstanceUID))]
        if not same:
            unknown.append(part)
        found += [s for s in same if not any(s is other for other in found)]
    return found, unknown


def _alone(path: Path, series: Series, instances: Collection[str]) -> ChosenSeries:
    """The frames of one series."""
    kept, others = drop_repeats(series, instances)
    return ChosenSeries(kept, *_repeats(path, others))


def _join(path: Path, stack: SliceStack, instances: Collection[str], not_of_it: list[Series]) -> ChosenSeries:
    """The frames of a stack, and what was done; other series are named, since a slice may be among them."""
    kept, others = stack.chosen(instances)
    reference = kept[0][0].frame_of_reference
    text = f"{len(kept)} series of one slice each are one stack: numbers {series_numbers(kept)}"
    if not_of_it:
        more = len(not_of_it) - _MAX_LISTED
        text += f"; not of it: {series_numbers(not_of_it[:_MAX_LISTED])}{f' and {more} more' if more > 0 else ''}"
    skipped, findings = _repeats(path, others)
    findings += [
        Finding("similar_series", f"series {series_number(series) or '-'} may be a slice of it, but differs in {what}")
        for series, what in similar_series(kept, not_of_it)
    ]
    uncorrected = [series for series in kept if is_uncorrected(series)]
    if 0 < len(uncorrected) < len(kept):
        mixed = (
            f"of {len(kept)} series {series_numbers(uncorrected)} are not corrected for distortion: sizes and places "
            "of the slices may differ by millimeters"
        )
        findings.append(Finding("mixed_correction", mixed))
    sources = [replace(source, frame_of_reference=reference) for series in kept for source in series]
    return ChosenSeries(sources, skipped, [Finding("joined_series", text), *findings])


def _repeats(path: Path, others: Sequence[tuple[Series, Series]]) -> tuple[list[Skipped], list[Finding]]:
    """Files that were left out because their slice is there again, and what is to be said of it."""
    skipped, findings = [], []
    for series, taken in others:
        files = list(dict.fromkeys(source.path for source in series))
        again = f"series {series_number(taken) or '-'}" if _uid(series) != _uid(taken) else "other frames of it"
        text = f"series {series_number(series) or '-'}, {len(series)} frame(s), shows the same slice as {again}"
        findings.append(Finding("repeated_slice", f"{text}, {why_other_taken(series, taken)}"))
        skipped += [left_out(path, file, "repeated", text) for file in files]
    return skipped, findings


def _uid(series: Series) -> str:
    return str(series[0].header.SeriesInstanceUID)


def _differing(stack: SliceStack) -> str:
    """Why a stack is not taken unless asked for."""
    number = len({series[0].frame_of_reference for series in stack.series})
    return "" if number == 1 else f", if their positions can be compared: they have {number} frames of reference"


def left_out(path: Path, file: Path, kind: str, reason: str) -> Skipped:
    """The entry of a file below `path`, with its relative name, also in the reason."""
    name = file.name if path.is_file() else file.relative_to(path).as_posix()
    return Skipped(name, kind, reason.replace(str(file), name))


def _files(path: Path, skipped: list[Skipped]) -> Iterator[tuple[Path, str]]:
    if path.is_file():
        yield path, path.name
        return
    no_files: list[Path] = []
    for folder, names in walk_files(path, no_files):
        for name in names:
            file = folder / name
            yield file, file.relative_to(path).as_posix()
    skipped += [not_a_file(file, path) for file in no_files]


def _without_copy(
    path: Path, one: list[SourceFrame], other: list[SourceFrame], skipped: list[Skipped]
) -> list[SourceFrame]:
    """The frames of the whole one of two files of an instance; the other one, a copy of its beginning, is left out."""
    whole, copy = sorted((one, other), key=lambda frames: frames[0].path.stat().st_size, reverse=True)
    file, copied = whole[0].path, copy[0].path
    if not _begins_like(file, copied):
        raise ValueError(
            f"Expected each instance once, but {one[0].path} and {other[0].path} are different files of the same one: "
            "leave out the wrong one."
        )
    size, rest = file.stat().st_size, copied.stat().st_size
    how = "a copy" if rest == size else f"a truncated copy, {rest} of {size} bytes,"
    skipped.append(left_out(path, copied, "duplicate", f"{how} of {file.relative_to(path).as_posix()}"))
    return whole


def _begins_like(file: Path, copy: Path) -> bool:
    """Whether the bytes of a copy are those of the file, which may go on."""
    with open(file, "rb") as stream, open(copy, "rb") as other:
        while block := other.read(_BLOCK):
            if block != stream.read(len(block)):
                return False
    return True


def _magnitude_only(path: Path, series: list[SourceFrame], skipped: list[Skipped]) -> list[SourceFrame]:
    """Frames without the real part of the signal, if the magnitude is present: both show the same moments."""
    if not any(frame.component == "MAGNITUDE" for frame in series):
        return series
    real = Counter(frame.path for frame in series if frame.component == "REAL")
    for file, count in real.items():
        reason = f"{count} frame(s): the real part of the signal, whose magnitude is in the series"
        skipped.append(left_out(path, file, "no_anatomy", reason))
    return [frame for frame in series if frame.component != "REAL"]


def _read(file: Path, name: str, skipped: list[Skipped], anatomy_only: bool) -> list[SourceFrame]:
    """The frames of a file; none, with a reason, when it is not an image."""
    try:
        if not is_dicom_file(file):
            skipped.append(_no_dicom(file, name))
            return []
        if name.rpartition("/")[2] == "DICOMDIR":
            skipped.append(Skipped(name, "not_an_image", "a directory of files"))
            return []
        description = _result(file)
        if description is not None:
            skipped.append(Skipped(name, "result", f"{description}, not an image"))
            return []
        frames = read_instance(file)
        check_pixels(file, (len(frames), *frames[0].size), file.stat().st_size)
        if not anatomy_only:
            return frames
        for component, count in Counter(frame.component for frame in frames).items():
            if component in NO_ANATOMY:
                which = "" if len(frames) == 1 else f"{count} of {len(frames)} frames: "
                skipped.append(Skipped(name, "no_anatomy", which + NO_ANATOMY[component]))
        return [frame for frame in frames if frame.component not in NO_ANATOMY]
    except (OSError, ValueError) as error:
        skipped.append(Skipped(name, "unreadable", str(error).replace(str(file), name)))
        return []


def _no_dicom(file: Path, name: str) -> Skipped:
    if file.suffix.lower() not in DICOM_SUFFIXES:
        return Skipped(name, "not_dicom", "not a DICOM file")
    problem = "does not begin like one" if file.stat().st_size else "is empty"
    return Skipped(name, "unreadable", f"Expected a DICOM file, but {name} {problem}: copy it again.")


def is_result(file: Path) -> bool:
    """Whether a DICOM file is derived from images, such as a segmentation or a report; by its meta information."""
    return _result(file) is not None


def _result(file: Path) -> str | None:
    """Name of the kind of a file that is derived from images."""
    try:
        kind = storage_class(file)
    except ValueError:  # reading the header will report the error
        return None
    return _NO_IMAGES.get(kind) or ("a report" if kind.startswith(_REPORTS) else None)


def _summary(skipped: list[Skipped]) -> str:
    if not skipped:
        return "the folder is empty"
    kinds = Counter(entry.kind for entry in skipped)
    counts = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in kinds.items())
    return f"{counts}; the first is {skipped[0].file}: {skipped[0].reason.rstrip('.')}"
