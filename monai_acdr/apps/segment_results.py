# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The files of one run of `segment`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_acdr.apps.contour_document import ContourDocument, FrameContours, write_contour_document
from monai_acdr.apps.inputs import Inputs
from monai_acdr.apps.label_values import draw_label_map, picture_values
from monai_acdr.apps.measurements import Measurements
from monai_acdr.apps.outlines import Outline
from monai_acdr.apps.segment_pictures import Pictures, write_html, write_overlays, write_pictures
from monai_acdr.apps.segment_report import SegmentReport
from monai_acdr.apps.stopwatch import Stopwatch
from monai_acdr.data.nifti import write_masks
from monai_acdr.dicom import (
    MEASURES,
    Algorithm,
    Region,
    SourceFrame,
    Structure,
    write_rtstruct,
    write_seg,
    write_sr,
)
from monai_acdr.dicom.seg import check_seg_sources, slice_distance
from monai_acdr.dicom.toolkit import require_highdicom
from monai_acdr.files import write_text_atomically
from monai_acdr.measures import Finding, VentricleVolumes, VentricleWall
from monai_acdr.visualize import save_png

__all__ = ["RESULT_NAMES", "Results", "Wanted", "check_wanted", "result_findings", "write_report", "write_results"]

RESULT_NAMES = (
    *("contours.json", "mask.nii.gz", "masks"),
    *("seg.dcm", "seg", "rtstruct.dcm", "sr.dcm"),
    *("contact_sheet.png", "evolution.gif", "volume_curve.png", "overlays", "report.html"),
    "report.json",
)
"""Everything that a run may write into its folder; a folder with the last one has all of them."""

SEG_KINDS = ("BINARY", "FRACTIONAL")


@dataclass(frozen=True)
class Wanted:
    """Which files are asked for; arguments of :func:`monai_acdr.apps.segment`."""

    seg: str | None
    rtstruct: bool
    sr: bool
    mask: bool
    pictures: bool
    overlays: bool
    html: bool
    identity: bool


@dataclass(frozen=True, eq=False)
class Results:
    """What there is to write."""

    inputs: Inputs
    outlines: Sequence[Outline]
    measured: Measurements
    structures: Sequence[Structure]
    nested: bool
    algorithm: Algorithm


def check_wanted(wanted: Wanted, inputs: Inputs, store: bool) -> None:
    """Raise an error, before the work, when a result cannot be written for these inputs or with this installation."""
    if wanted.seg not in (None, *SEG_KINDS):
        raise ValueError(f"Expected `seg` to be one of {SEG_KINDS} or None, but got {wanted.seg!r}.")
    asked = wanted.seg is not None or wanted.rtstruct or wanted.sr
    if store and not asked:
        raise ValueError("Expected a DICOM result to store, but none is asked for: add --seg, --rtstruct or --sr.")
    if asked and inputs.kind != "dicom":
        raise ValueError(
            "Expected DICOM images for DICOM results, which refer to them, but got "
            f"{inputs.kind}: leave out --seg, --rtstruct and --sr, and use --mask."
        )
    unplaced = [source for source in inputs.sources if not source.has_place]
    if wanted.rtstruct and unplaced:
        raise ValueError(
            f"Expected images with a place in the patient for an RT structure set, but {len(unplaced)} of "
            f"{len(inputs.sources)} frame(s), such as {unplaced[0].path}, lack {', '.join(unplaced[0].lacking)}: "
            f"leave out --rtstruct and use {_instead(inputs.sources)}."
        )
    if wanted.seg is not None:
        _check_segs(inputs.sources)
    if wanted.seg is not None or wanted.sr:
        require_highdicom("Writing a DICOM segmentation or report")


def result_findings(wanted: Wanted, inputs: Inputs) -> list[Finding]:
    """What the wanted results cannot say about these inputs."""
    unknown = sum(source.has_place and source.thickness is None for source in inputs.sources)
    if wanted.seg is None or not unknown:
        return []
    distance = slice_distance(inputs.sources) if all(source.has_place for source in inputs.sources) else None
    stated = "leaves it out" if distance is None else f"states the distance of slices, {distance:g} mm, in its place"
    text = f"SliceThickness is not known in {unknown} of {len(inputs.sources)} frame(s): the segmentation {stated}"
    return [Finding("no_thickness", text)]


def _check_segs(sources: Sequence[SourceFrame]) -> None:
    for group in _seg_groups(sources):
        check_seg_sources(group)


def _instead(sources: Sequence[SourceFrame]) -> str:
    """Options that these images allow."""
    try:
        _check_segs(sources)
    except ValueError:
        return "--sr or --mask"
    return "--seg, --sr or --mask"


def _seg_groups(sources: Sequence[SourceFrame]) -> list[list[SourceFrame]]:
    """Frames by segmentation: one of all; of images without a place one each, which is all that DICOM allows."""
    if len(sources) == 1 or all(source.has_place for source in sources):
        return [list(sources)]
    return [[source] for source in sources]


def write_results(
    folder: Path,
    results: Results,
    wanted: Wanted,
    report: SegmentReport,
    watch: Stopwatch,
    progress: Callable[[str, int, int], None],
) -> SegmentReport:
    """Write what is wanted, and the report of it last.

    Returns:
        The report, with the names of all files.
    """
    steps: list[Callable[[], object]] = [lambda: write_contour_document(folder / "contours.json", _document(results))]
    if wanted.mask:
        steps.append(lambda: _write_masks(folder, results))
    if wanted.seg is not None or wanted.rtstruct or wanted.sr:
        steps.append(lambda: _write_dicom(folder, results, wanted))
    pictures = Pictures(results.inputs, results.outlines, results.measured, results.structures)
    if wanted.pictures:
        steps.append(lambda: write_pictures(folder, pictures))
    if wanted.overlays:
        steps.append(lambda: write_overlays(folder / "overlays", pictures))
    if wanted.html:
        steps.append(lambda: write_html(folder, pictures, report, wanted.identity))
    for number, step in enumerate(steps, start=1):
        step()
        progress("write", number, len(steps))
    files = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    report = dataclasses.replace(report, files=[*files, "report.json"], seconds=watch.seconds)
    write_report(folder / "report.json", report)
    return report


def write_report(path: Path, report: SegmentReport) -> None:
    """Write a report as JSON, whole or not at all."""
    write_text_atomically(path, json.dumps(report.as_dict(), indent=1, allow_nan=False) + "\n")


def _document(results: Results) -> ContourDocument:
    frames = []
    for frame, outline in zip(results.inputs.frames, results.outlines, strict=True):
        if outline.final is None:
            continue
        source, contours = frame.source, tuple(outline.final)
        frames.append(
            FrameContours(
                frame.name,
                frame.size,
                contours,
                frame.spacing,
                sop_instance_uid=None if source is None else source.key[0],
                frame=1 if source is None else source.frame,
                world=tuple(map(source.to_world, contours)) if source is not None and source.has_place else None,
                spread=None if outline.spread is None else tuple(outline.spread),
                structures=tuple(range(len(contours))),
                confidence=(outline.confidence,) * len(contours),
                doubtful=(outline.doubtful,) * len(contours),
            )
        )
    return ContourDocument(tuple(results.structures), tuple(frames), results.algorithm)


def _write_masks(folder: Path, results: Results) -> None:
    volume = results.inputs.volume
    drawn = [
        (index, frame, draw_label_map(outline.final, frame.size))
        for index, (frame, outline) in enumerate(zip(results.inputs.frames, results.outlines, strict=True))
        if outline.final is not None
    ]
    if volume is not None:
        write_masks(folder / "mask.nii.gz", volume, {volume.places[index]: mask for index, _, mask in drawn})
        return
    (folder / "masks").mkdir()
    grays = picture_values(len(results.structures))
    for _, frame, mask in drawn:
        save_png(folder / "masks" / f"{frame.name}.png", grays[mask])


def _write_dicom(folder: Path, results: Results, wanted: Wanted) -> None:
    sources = results.inputs.sources
    regions = [
        Region(structure, tuple(() if o.final is None else (o.final[number],) for o in results.outlines))
        for number, structure in enumerate(results.structures)
    ]
    if wanted.rtstruct:
        write_rtstruct(folder / "rtstruct.dcm", regions, sources, algorithm=results.algorithm)
    if wanted.seg is not None:
        _write_segs(folder, regions, sources, wanted.seg, results)
    if wanted.sr:
        _write_sr(folder / "sr.dcm", regions, results)


def _write_sr(path: Path, regions: Sequence[Region], results: Results) -> None:
    """Measures of every contour; of a ventricle with volumes those at end-diastole and end-systole.

    So a reader would report them; the others are in ``report.json``.
    """
    volumes, grid = results.measured.volumes, results.measured.grid
    kept = [index for index, outline in enumerate(results.outlines) if outline.final is not None]
    if volumes is not None and grid is not None:
        phases = (volumes.end_diastole_phase, volumes.end_systole_phase)
        kept = [index for index in kept if grid.phase[index] in phases]
    shapes = [results.measured.shapes[index][number] for number in range(len(regions)) for index in kept]
    write_sr(
        path,
        [Region(r.structure, tuple(r.contours[index] for index in kept), r.tracking_uid) for r in regions],
        [results.inputs.sources[index] for index in kept],
        [None if shape is None else {name: getattr(shape, name) for name in MEASURES} for shape in shapes],
        None if volumes is None else _coded_volumes(volumes),
        algorithm=results.algorithm,
        wall=_coded_wall(results.measured.wall),
    )


def _coded_volumes(volumes: VentricleVolumes) -> dict[str, float]:
    return {
        "edv_ml": volumes.end_diastolic_volume_ml,
        "esv_ml": volumes.end_systolic_volume_ml,
        "stroke_volume_ml": volumes.stroke_volume_ml,
        "ejection_fraction_percent": volumes.ejection_fraction_percent,
    }


def _coded_wall(wall: VentricleWall | None) -> dict[str, float] | None:
    if wall is None:
        return None
    values = {"mass_g": wall.mass_g, "mean_thickness_mm": wall.mean_thickness_mm}
    return {name: value for name, value in values.items() if value is not None}


def _write_segs(
    folder: Path, regions: Sequence[Region], sources: Sequence[SourceFrame], kind: str, results: Results
) -> None:
    """One segmentation, or one for each image: see `_seg_groups`."""
    if len(_seg_groups(sources)) == 1:
        write_seg(folder / "seg.dcm", regions, sources, kind, algorithm=results.algorithm)
        return
    (folder / "seg").mkdir()
    for index, (frame, source) in enumerate(zip(results.inputs.frames, sources, strict=True)):
        if results.outlines[index].final is not None:
            alone = [Region(region.structure, (region.contours[index],), region.tracking_uid) for region in regions]
            path = folder / "seg" / f"{frame.name}.dcm"
            write_seg(path, alone, [source], kind, algorithm=results.algorithm)
