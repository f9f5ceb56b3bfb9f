# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Segmentation of a study: contours, measures and DICOM results, behind ``monai-acdr segment`` and ``demo``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from monai_acdr.apps.inputs import Frame, Inputs, input_files, read_inputs
from monai_acdr.apps.layers import drawn_on
from monai_acdr.apps.measurements import (
    ABOVE_BASE,
    BELOW_APEX,
    NO_CONTRAST,
    Measurements,
    beyond_ends_findings,
    dented_finding,
    doubtful_finding,
    doubtful_slice_finding,
    find_grid,
    measure_contours,
    no_contrast_finding,
    no_stack_finding,
    scale_findings,
    scattered_finding,
    wide_cavity_finding,
)
from monai_acdr.apps.model import ContourModel, load_model, name_structures
from monai_acdr.apps.outlines import Outline, Progress, outline_frames
from monai_acdr.apps.regions import RegionRequest, parse_region
from monai_acdr.apps.segment_results import (
    RESULT_NAMES,
    FrameReport,
    Results,
    SegmentOptions,
    SegmentReport,
    Stopwatch,
    check_requested,
    result_findings,
    write_report,
    write_results,
)
from monai_acdr.data import example_study
from monai_acdr.data.phantoms import check_replaceable, write_short_axis_studies
from monai_acdr.dicom import TISSUE, DicomWeb, parse_study_url
from monai_acdr.dicom.elements import text
from monai_acdr.files import check_inputs_kept, lock_folder, publish_results, temporary_folder
from monai_acdr.inferers import spread_in_mm
from monai_acdr.measures import Finding
from monai_acdr.threads import one_thread

__all__ = [
    "demo",
    "fetch_study",
    "segment",
    "store_results",
]


@contextmanager
def fetch_study(
    study: str | os.PathLike[str], progress: Callable[[str, int, int], None] | None = None
) -> Iterator[Path]:
    """Path of a study: the given file or folder, or a temporary copy of a study on a server.

    Args:
        study: path, or URL of a study or series.
        progress: called with ("fetch", done, all).

    Yields:
        The path; a copy is removed when the block ends.
    """
    if not str(study).lower().startswith(("http://", "https://")):
        yield Path(study)
        return
    base, study_uid, series_uid = parse_study_url(str(study))
    server = DicomWeb(base)
    with temporary_folder() as folder:
        server.retrieve(
            study_uid,
            folder / "study",
            series_uid,
            images_only=True,  # not the results of an earlier run
            progress=None if progress is None else lambda done, total: progress("fetch", done, total),
        )
        yield folder / "study"


def store_results(url: str, folder: Path, files: Sequence[str]) -> int:
    """Send the DICOM files among the results to a server.

    Args:
        url: URL of the service.
        folder: folder with the results.
        files: names of all results.

    Returns:
        Number of files sent.
    """
    paths = [folder / name for name in files if name.endswith(".dcm")]
    DicomWeb(url).store(paths)
    return len(paths)


def segment(
    study: str | os.PathLike[str],
    output: str | os.PathLike[str],
    model: str | os.PathLike[str] | ContourModel = "sunnybrook_lv_acdr",
    roi: str | os.PathLike[str] | Sequence[object] = "auto",
    *,
    options: SegmentOptions | None = None,
    progress: Progress | None = None,
    **shortcuts: Any,
) -> SegmentReport:
    """Outline the images of one study.

    Args:
        study: DICOM file, folder with one patient's study, multi-frame object, picture (PNG, JPEG) or a folder of them,
            NIfTI volume (.nii, .nii.gz), or URL of a study or series on a DICOMweb server.
        output: folder for the results, made when missing. Either all results are written, or none. If two runs use it
            at once, the second one is refused; leftovers of a killed run are removed.
        model: a bundle's name or folder, whose config is code: use only bundles that you trust. Or a loaded model, for
            many studies, with its own ``checkpoint``, ``device`` and ``batch_size`` instead of those of the options.
        roi: ``auto`` (finds the left ventricle), ``center``, ``point X Y``, ``box X0 Y0 X1 Y1`` (pixels; pixel (c, r)
            covers [c, c + 1) x [r, r + 1)), or a file: a mask or earlier contours.
        options: options of reading, outlining and results; by default contours, report and pictures.
        progress: called with (step, done, all).
        **shortcuts: fields of :class:`SegmentOptions` by their names, which replace those of ``options``:
            ``segment(study, output, sr=True)`` is ``segment(study, output, options=SegmentOptions(sr=True))``.

    Returns:
        The report, which is also in ``report.json``.

    Raises:
        FileNotFoundError, ValueError: for inputs that cannot be used; the message says why and what to do.
        FileExistsError, OSError: when results exist, another run uses the folder, it cannot be written, or a result
            would replace one of the files that are read.
        TypeError: for a shortcut that is not a field of SegmentOptions.
        ImportError: when a result needs an extra that is not installed.
        monai_acdr.dicom.DicomWebError: when a server cannot be reached or refuses.
    """
    request, watch, report_progress = parse_region(roi), Stopwatch(), progress or _ignore
    options = replace(options or SegmentOptions(), **shortcuts)
    with lock_folder(output) as target:  # until the results are stored, which puts their number into the report
        with ExitStack() as stack:
            # The operations of a run are small: several threads within them would mostly wait for each other.
            stack.enter_context(one_thread())
            folder = stack.enter_context(publish_results(target, RESULT_NAMES, options.overwrite))
            with watch("model"):
                if not isinstance(model, ContourModel):
                    model = load_model(model, options.checkpoint, options.device, options.batch_size)
                contour_model = name_structures(model, options.structure)
            path = stack.enter_context(fetch_study(study, report_progress))
            inputs = _read(path, options, request, contour_model.channels == 3, watch, report_progress)
            contour_model, inputs = _without_foreign_names(contour_model, inputs, options.structure is not None)
            read = [*input_files(path, inputs), request.path, options.checkpoint]
            check_inputs_kept([target / name for name in RESULT_NAMES], read)
            check_requested(options, inputs, bool(options.store))
            report = _outline_and_write(folder, request, options, inputs, contour_model, watch, report_progress)
        return _stored(report, options.store, target, watch)


def _read(
    path: Path,
    options: SegmentOptions,
    request: RegionRequest,
    color: bool,
    watch: Stopwatch,
    report_progress: Progress,
) -> Inputs:
    with watch("read"):
        inputs = read_inputs(
            path,
            options.series,
            options.spacing,
            lambda done, all_: report_progress("read", done, all_),
            # of several series, or acquisitions of a slice, the one that earlier contours were drawn on
            instances=drawn_on(request.path) if request.path is not None else (),
            color=color,
        )
    if options.strict and inputs.skipped:
        first = inputs.skipped[0]
        raise ValueError(
            f"Expected every file to be an image, but {len(inputs.skipped)} would be left out, such as {first.file} "
            f"({first.reason}): remove them, or run without --strict."
        )
    return inputs


def _without_foreign_names(model: ContourModel, inputs: Inputs, named: bool) -> tuple[ContourModel, Inputs]:
    """Rename the structures to "Region" in images of another modality than the model's, where they are unknown."""
    modalities = {text(frame.source.header, "Modality") for frame in inputs.frames if frame.source is not None}
    foreign = sorted(modalities - {"", model.modality})
    if named or not foreign or not model.modality:
        return model, inputs
    number = len(model.structures)
    labels = [TISSUE.label] if number == 1 else [f"{TISSUE.label} {n + 1}" for n in range(number)]
    message = (
        f"{model.name} was trained on {model.modality} images, and these are {', '.join(foreign)}: its contours are "
        f"called {' and '.join(labels)}, not {model.label}. Give --structure to name them, or another --model."
    )
    model = replace(model, structures=tuple(replace(TISSUE, label=label) for label in labels))
    return model, replace(inputs, findings=[*inputs.findings, Finding("modality", message)])


def _stored(report: SegmentReport, store: str | None, folder: Path, watch: Stopwatch) -> SegmentReport:
    """The report, after the results have been sent to the server, if one is given."""
    if store:
        with watch("store"):
            stored = store_results(store, folder, report.files)
        report = replace(report, stored=stored, seconds=watch.seconds)
        write_report(folder / "report.json", report)
    return replace(report, seconds=watch.seconds)


def _outline_and_write(
    folder: Path,
    request: RegionRequest,
    options: SegmentOptions,
    inputs: Inputs,
    model: ContourModel,
    watch: Stopwatch,
    report_progress: Progress,
) -> SegmentReport:
    grid, reason = find_grid(inputs.frames)
    with watch("outline"):
        outlines = outline_frames(request, inputs, model, grid, options.all_frames, report_progress)
    with watch("measure"):
        measured = measure_contours(inputs.frames, [o.final for o in outlines], model.structures, grid)
    weights = {"weights_sha256": model.checkpoint_sha256}
    if request.kind == "auto":
        weights["localizer_sha256"] = model.localizer_sha256
    findings = _findings(inputs, outlines, measured, model, options, reason, request)
    # The limits were measured with ROI auto, on whole stacks.
    comparable = request.kind == "auto" and all(finding.kind != "incomplete_stack" for finding in findings)
    report = SegmentReport(
        model={"name": model.name, "version": model.version, **weights},
        device=str(model.device),
        kind=inputs.kind,
        roi=str(request),
        structures=tuple(structure.label for structure in model.structures),
        frames=_frame_reports(inputs, outlines, measured, model),
        volumes=measured.volumes,
        skipped=inputs.skipped,
        findings=findings,
        wall=measured.wall,
        agreement=model.agreement if comparable else None,
        doubtful_below=model.doubtful_below,
    )
    with watch("write"):
        results = Results(inputs, outlines, measured, model.structures, model.nested, model.algorithm)
        return write_results(folder, results, options, report, watch, report_progress)


def _findings(
    inputs: Inputs,
    outlines: Sequence[Outline],
    measured: Measurements,
    model: ContourModel,
    requested: SegmentOptions,
    no_grid: str,
    region: RegionRequest,
) -> list[Finding]:
    """Findings of the run; `no_grid` is the reason why frames have no position in a stack."""

    def names(reason: str) -> list[str]:
        return [frame.name for frame, each in zip(inputs.frames, outlines, strict=True) if each.reason == reason]

    return [
        *inputs.findings,
        *scale_findings(inputs.frames, [outline.scale for outline in outlines], region.kind == "auto"),
        *no_contrast_finding(names(NO_CONTRAST)),
        *doubtful_finding(inputs.frames, outlines, model.doubtful_below, _doubtful_in_volumes(outlines, measured)),
        *doubtful_slice_finding(inputs.frames, outlines, measured.grid, model.structures),
        *beyond_ends_findings(names(ABOVE_BASE), names(BELOW_APEX)),
        *scattered_finding([outline.scattered for outline in outlines]),
        *wide_cavity_finding(inputs.frames, outlines),
        *dented_finding(inputs.frames, outlines),
        *measured.findings,
        *result_findings(requested, inputs),
        *no_stack_finding(inputs.kind, model.structures, no_grid),
    ]


def _doubtful_in_volumes(outlines: Sequence[Outline], measured: Measurements) -> int | None:
    """Number of doubtful frames at end-diastole or end-systole; None without volumes."""
    if measured.volumes is None or measured.grid is None:
        return None
    phases = (measured.volumes.end_diastole_phase, measured.volumes.end_systole_phase)
    return sum(o.doubtful and phase in phases for o, phase in zip(outlines, measured.grid.phase, strict=True))


def _frame_reports(
    inputs: Inputs, outlines: Sequence[Outline], measured: Measurements, model: ContourModel
) -> list[FrameReport]:
    reports, grid = [], measured.grid
    labels = [structure.label for structure in model.structures]
    for index, (frame, outline, shapes) in enumerate(zip(inputs.frames, outlines, measured.shapes, strict=True)):
        uid, number = frame.source.key if frame.source is not None else (None, 1)
        reports.append(
            FrameReport(
                name=frame.name,
                sop_instance_uid=uid,
                frame=number,
                slice_index=None if grid is None else grid.slice_index[index],
                phase=None if grid is None else grid.phase[index],
                outlined=outline.final is not None,
                reason=outline.reason,
                confidence=outline.confidence,
                region=None if outline.region is None else tuple(round(v, 3) for v in outline.region.tolist()[:4]),
                measures={n: s.as_dict() for n, s in zip(labels, shapes, strict=True) if s is not None},
                spread=_mean_spreads(frame, outline, labels),
                doubtful=outline.doubtful,
                dented=outline.dented,
                repairs=_repairs(outline, labels),
                scale=outline.scale,
            )
        )
    return reports


def _repairs(outline: Outline, labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Repairs of the contours in the results, by structure."""
    if outline.final is None or not outline.repairs:
        return {}
    return {label: names for label, names in zip(labels, outline.repairs, strict=True) if names}


def _mean_spreads(frame: Frame, outline: Outline, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    if outline.final is None or outline.spread is None:
        return {}
    found: dict[str, dict[str, float]] = {}
    for label, vertices, spread in zip(labels, outline.final, outline.spread, strict=True):
        found[label] = {"mean_px": round(float(spread.mean()), 4)}
        if frame.spacing is not None:
            in_mm = spread_in_mm(torch.from_numpy(spread), torch.from_numpy(vertices), frame.spacing)
            found[label]["mean_mm"] = round(float(in_mm.mean()), 4)
    return found


def _ignore(step: str, done: int, total: int) -> None:
    """No-op progress callback."""


NUM_SLICES, NUM_PHASES = 6, 10


def demo(
    output: str | os.PathLike[str] = "monai_acdr_demo",
    *,
    synthetic: bool = False,
    device: str | None = None,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> SegmentReport:
    """Outline a heart with the bundle that comes with this package: a real one, or a synthetic one made for it.

    Args:
        output: folder for the results of :func:`monai_acdr.apps.segment`, with SEG, RTSTRUCT, SR and an HTML report.
        synthetic: outline a synthetic beating heart (6 slices, 10 phases), written as DICOM to ``study`` in the output
            folder, instead of the real study of :func:`monai_acdr.data.example_study` (11 slices, end-diastole and
            end-systole), which is read from the installed package.
        device: see :func:`monai_acdr.apps.segment`.
        overwrite: replace an earlier demo; a synthetic study that was changed since is never replaced.
        progress: called with (step, done, total).

    Returns:
        As :func:`monai_acdr.apps.segment`.

    Raises:
        FileExistsError: when the folder has other content, or an earlier demo and ``overwrite`` is false.
    """
    with lock_folder(output) as folder:
        check_replaceable(folder / "study")
        with publish_results(folder, ("study", *RESULT_NAMES), overwrite) as new:
            return segment(
                _write_study(new / "study") if synthetic else example_study() / "dicoms",
                new,
                "sunnybrook_lv_acdr",
                "auto",
                seg="BINARY",
                rtstruct=True,
                sr=True,
                html=True,
                device=device,
                progress=progress,
            )


def _write_study(folder: Path) -> Path:
    """Write the synthetic study, and return the folder of its DICOM files."""
    return write_short_axis_studies(folder, 1, NUM_SLICES, NUM_PHASES) / "dicoms"
