# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The command line ``monai-acdr``: each command parses, calls the function of its name, and prints."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NoReturn

import click

from monai_acdr import __version__
from monai_acdr.apps.startup import deferred_imports, rare_collections
from monai_acdr.files import OutputError
from monai_acdr.read_budget import DEFAULT_BYTES, ENVIRONMENT, read_budget
from monai_acdr.signals import Stopped, stop_on_signals

__all__ = ["EXIT_CODES", "main"]

CLOSED_OUTPUT = 141
"""128 + SIGPIPE: a shell's status of a program that wrote to a pipe without a reader."""

EXIT_CODES = {
    0: "done",
    1: "an unexpected error: --debug shows where",
    2: "wrong usage",
    3: "input that cannot be used",
    4: "output that exists, is written by another run, or cannot be written",
    5: "a missing extra of this package",
    6: "a DICOMweb server that cannot be reached, refuses, or gives an invalid answer",
    129: "stopped by SIGHUP: the terminal was closed",
    130: "stopped by SIGINT: Ctrl-C",
    CLOSED_OUTPUT: "the reader of standard output closed it; files are written",
    143: "stopped by SIGTERM",
}
"""Status -> meaning, as in the help."""


def explain(error: BaseException) -> BaseException:
    """The original error, which says what to do: MONAI wraps it in others."""
    while isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def exit_code(error: BaseException) -> int:
    """The exit status of an error returned by :func:`explain`."""
    if any(kind.__name__ == "DicomWebError" for kind in type(error).__mro__):  # by name, to avoid importing its module
        return 6
    if isinstance(error, ImportError):
        return 5
    if isinstance(error, OutputError):  # first, since it may also be a FileNotFoundError
        return 4
    if isinstance(error, (ValueError, FileNotFoundError, NotADirectoryError)):
        return 3
    if isinstance(error, OSError):
        return 4
    return 1


device_option = click.option(
    "-d",
    "--device",
    metavar="DEVICE",
    help="cpu, cuda, cuda:1 or mps. Default: CUDA where there is one, otherwise the CPU.",
)
model_option = click.option(
    "-m",
    "--model",
    default="sunnybrook_lv_acdr",
    show_default=True,
    metavar="BUNDLE",
    help="Name of an installed bundle (monai-acdr info lists them), or a bundle's folder. A bundle is code: use "
    "only bundles that you trust.",
)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace existing results.")


def _named(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Refuse an empty name, which would be the working folder: mostly a variable of a script that is not set."""
    if not value:
        raise click.BadParameter("Expected the name of a folder, but it is empty: give . for the folder you are in.")
    return value


def output_option(text: str) -> Callable[[Any], Any]:
    """``--output FOLDER`` with a help text."""
    return click.option("-o", "--output", required=True, callback=_named, metavar="FOLDER", help=text)


def _enter_budget(ctx: click.Context, _parameter: click.Parameter, value: float | None) -> None:
    """Apply the budget until the command ends."""
    try:
        ctx.with_resource(read_budget(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


read_budget_option = click.option(
    "--read-budget",
    type=float,
    metavar="MIB",
    expose_value=False,
    callback=_enter_budget,
    help=f"Memory that the images of a run, or one file, may need, in MiB; more is refused. "
    f"Default: {DEFAULT_BYTES >> 20}, or the environment variable {ENVIRONMENT}.",
)


def _remember(ctx: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    if value and isinstance(ctx.obj, dict):
        ctx.obj["json"] = True
    return value


json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=_remember,
    is_eager=True,
    help="Print a machine-readable report, or an error as JSON, to standard output, and nothing else there.",
)


def print_result(as_json: bool, record: Any, lines: Iterable[str]) -> None:
    """Print a report as JSON, or as readable lines."""
    if as_json:
        print_line(json.dumps(record, indent=1, allow_nan=False))
        return
    for line in lines:
        print_line(line)


def print_line(text: str, err: bool = False) -> None:
    """Print to standard output or error; without a reader of standard output the program ends without a message.

    Raises:
        OSError: when standard output cannot be written, for example to a full disk.
    """
    try:
        click.echo(text, err=err)
    except OSError as error:
        _discard(sys.stderr if err else sys.stdout)
        if err:  # messages are not read; the status reports the error
            return
        if not isinstance(error, BrokenPipeError):
            raise
        click.get_current_context().exit(CLOSED_OUTPUT)


def _discard(stream: Any) -> None:
    """Discard a stream's buffered text, because Python would fail to write it again at exit."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


class TerminalProgress:
    """A bar with an estimate of the time left for each step of a run, on standard error; silent without a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._step = ""
        self._done = 0
        self._shown = sys.stderr.isatty()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Report that `done` of `total` parts of a step are done."""
        if not self._shown:
            return
        if step != self._step:
            self.close()
            self._bar = click.progressbar(length=total, label=f"{step:<8}", file=sys.stderr, show_eta=True)
            self._bar.__enter__()
            self._step, self._done = step, 0
        self._bar.update(done - self._done)
        self._done = done

    def __enter__(self) -> TerminalProgress:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the line of the present bar."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)")
_TAKES_NUMBERS = ("box", "point")


class _RegionCommand(click.Command):
    """Accepts the numbers of a region after its keyword without quotes: ``--roi box 60 50 160 150``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _join_region(args))


def _join_region(args: list[str]) -> list[str]:
    joined: list[str] = []
    position = 0
    while position < len(args):
        joined.append(args[position])
        position += 1
        if joined[-1] in ("-r", "--roi") and position < len(args) and args[position].lower() in _TAKES_NUMBERS:
            words = [args[position]]
            position += 1
            while position < len(args) and _NUMBER.fullmatch(args[position]):
                words.append(args[position])
                position += 1
            joined.append(" ".join(words))
    return joined


@click.command(
    cls=_RegionCommand,
    epilog="""\b
Examples:
  monai-acdr segment STUDY --output OUT --seg --rtstruct --sr
  monai-acdr segment image.dcm --output OUT --roi point 128 120
  monai-acdr segment mammogram.dcm --model FOLDER --output OUT --roi box 810 400 1010 620 --seg --sr
  monai-acdr segment cine.nii.gz --output OUT --mask --roi center
  monai-acdr segment https://host/dicom-web/studies/UID --output OUT --seg --store https://host/dicom-web
""",
)
@click.argument("study")
@output_option("Output folder; created when missing.")
@model_option
@click.option("--checkpoint", metavar="FILE", help="Other weights than the bundle's models/model.pt.")
@click.option(
    "-r",
    "--roi",
    default="auto",
    show_default=True,
    metavar="ROI",
    help="Where to look: auto (finds the left ventricle); center; point X Y; box X0 Y0 X1 Y1, in pixels from the upper "
    "left corner of the image, x to the right, y down; or a file, a mask or earlier contours.",
)
@click.option(
    "--series",
    metavar="NUMBER|UID|stack",
    help="Which series, where the study has several; where each slice is a series: 12-21, 12,14,15, or stack.",
)
@click.option(
    "--spacing", nargs=2, type=float, metavar="ROWS COLUMNS", help="Pixel spacing in mm of images that do not state it."
)
@click.option(
    "--structure",
    metavar="NAME",
    multiple=True,
    help="Name of the structure in report, SEG, RTSTRUCT and SR; once per structure, the innermost first. Known "
    "names, such as 'breast mass' or 'kidney', are coded.",
)
@click.option("--seg", is_flag=True, help="Write a DICOM segmentation, one segment per structure.")
@click.option(
    "--seg-kind",
    type=click.Choice(["binary", "fractional"], case_sensitive=False),
    default="binary",
    show_default=True,
    help="Binary masks, or the covered fraction of each pixel.",
)
@click.option(
    "--rtstruct",
    is_flag=True,
    help="Write an RT structure set, one ROI per structure: the vertices in mm, not rasterized.",
)
@click.option("--sr", is_flag=True, help="Write a structured report: mm, mm2, and mL and g of a ventricle.")
@click.option(
    "--mask",
    is_flag=True,
    help="Write masks: NIfTI for NIfTI, otherwise a PNG for each frame. Several structures: 1 is the inner one, 2 the "
    "ring around it, in PNG 255 and 128.",
)
@click.option("--pictures/--no-pictures", default=True, show_default=True, help="Contact sheet, evolution, curve.")
@click.option("--overlays", is_flag=True, help="Write a picture of each frame.")
@click.option("--html", is_flag=True, help="Write a report of one self-contained file.")
@click.option("--identity", is_flag=True, help="Put the patient's name and ID into that report.")
@click.option("--all-frames", is_flag=True, help="With ROI auto: keep frames in which no ventricle was found.")
@click.option("--store", metavar="URL", help="DICOMweb service to send the DICOM results to.")
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True, help="Frames per batch.")
@click.option("--strict", is_flag=True, help="Refuse a study in which a file has to be left out.")
@click.option("--review", "then_review", is_flag=True, help="Then open the contours in the browser, as review does.")
@read_budget_option
@overwrite_option
@device_option
@json_option
def segment(
    seg: bool, seg_kind: str, as_json: bool, structure: tuple[str, ...], then_review: bool, **arguments: Any
) -> None:
    """Outline the images of one STUDY.

    STUDY is a DICOM file or folder, a picture or a folder of them, a NIfTI volume, or the URL of a study on a DICOMweb
    server. Contours are in contours.json, in pixels and in mm; report.json is the report. Results are written whole or
    not at all.
    """
    if then_review and arguments["study"].lower().startswith(("http://", "https://")):
        raise click.UsageError("Expected a study on this machine for --review, but got one on a server: fetch it.")
    with deferred_imports():
        from monai_acdr.apps.segment_study import segment as run

    with rare_collections(), TerminalProgress() as progress:
        report = run(seg=seg_kind.upper() if seg else None, structure=structure or None, progress=progress, **arguments)
    lines = [
        *report.summary(),
        f"Results: {arguments['output']} ({', '.join(report.files[:6])}"
        + (", ..." if len(report.files) > 6 else "")
        + ")",
    ]
    print_result(as_json, report.as_dict(), lines)
    if then_review:
        shared = {key: arguments[key] for key in ("model", "checkpoint", "device", "store")}
        _review(arguments["output"], arguments["study"], spacing=arguments["spacing"], **shared)


def _review(results: str, images: str, **options: Any) -> None:
    print_line("Reading the contours and their images; the address of the page follows.", err=True)  # slow
    with deferred_imports():
        from monai_acdr.apps.review import start_review

    start_review(results, images, say=lambda text: print_line(text, err=True), **options)


@click.command(
    epilog="""\b
Examples:
  monai-acdr review OUT --images STUDY --reader "Jane Doe"
  monai-acdr review contours.json --images pictures --no-browser

Changes are in OUT/review/changes.jsonl, and a review continues from there; Finish writes OUT/review/version-0001, and
so on: contours.json, seg.dcm, rtstruct.dcm, sr.dcm.
""",
)
@click.argument("results")
@click.option("-i", "--images", required=True, metavar="PATH", help="Images that the contours were drawn on.")
@click.option("--reader", default="", metavar="NAME", help="Name that Finish suggests; it is written into results.")
@click.option("--store", metavar="URL", help="DICOMweb service that Finish sends the DICOM results to.")
@click.option(
    "--spacing", nargs=2, type=float, metavar="ROWS COLUMNS", help="Pixel spacing in mm of images that do not state it."
)
@model_option
@click.option("--checkpoint", metavar="FILE", help="Other weights than the bundle's models/model.pt.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; any other than 127.0.0.1 shows the images to whoever has the printed address.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default: a free one.")
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open the page.")
@read_budget_option
@device_option
def review(results: str, images: str, **options: Any) -> None:
    """Look at contours in the browser, correct them, and sign them off.

    RESULTS is the output folder of segment, or a contour document (.json). The page is served on this machine, for one
    reader at a time. Every change is on disk before the page shows "Saved".
    """
    _review(results, images, **options)


class LineProgress:
    """Progress of a long run on standard error: a line updated in place on a terminal, otherwise one per minute."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._reported = 0.0 if self._terminal else time.monotonic()
        self._length = 0

    def __call__(self, text: str) -> None:
        """Print the progress, if it is time."""
        if time.monotonic() - self._reported < (0.5 if self._terminal else 60):
            return
        self._reported = time.monotonic()
        if not self._terminal:
            print_line(text, err=True)
            return
        click.echo(f"\r{text:<{self._length}}", nl=False, err=True)
        self._length = len(text)

    def close(self) -> None:
        """End the line."""
        if self._length:
            print_line("", err=True)
        self._length = 0


_OF_ONE_STUDY = ("as_json", "identity", "output", "overwrite", "then_review")


@click.command(
    cls=_RegionCommand,
    params=[p for p in segment.params if isinstance(p, click.Option) and p.name not in _OF_ONE_STUDY],
    epilog="""\b
Examples:
  monai-acdr cohort /data/archive --output OUT --workers 8 --seg --sr
  monai-acdr cohort list.csv --output OUT --key key.csv --reference volumes.csv
  monai-acdr cohort https://host/dicom-web --query Modality=MR --query StudyDate=20240101-20241231 --output OUT
  monai-acdr cohort /data/archive --output OUT --slurm slurm.yaml --workers 20
  monai-acdr cohort /data/archive --output OUT --part $SLURM_ARRAY_TASK_ID/16
  monai-acdr cohort --watch http://127.0.0.1:8042 --rules rules.json --output SERVICE

After any kind of end, the same command continues with the missing studies.
""",
)
@click.argument("source", required=False)
@output_option("Output folder; created when missing.")
@click.option("--watch", metavar="URL", help="Follow an Orthanc server instead: outline studies as they arrive.")
@click.option(
    "--rules", metavar="JSON", help="With --watch: which studies go through which bundle, with which options."
)
@click.option(
    "--status-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="With --watch: serve a status page and metrics for Prometheus on this port of the loopback.",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Processes on this machine, or jobs of --slurm; 0 runs everything in this process.",
)
@click.option("--scheduler", metavar="ADDRESS", help="A running Dask scheduler, such as tcp://host:8786.")
@click.option("--slurm", metavar="YAML", help="Start jobs of SLURM with these options of dask_jobqueue.SLURMCluster.")
@click.option("--part", default="1/1", metavar="I/N", help="The I-th of N shares of the studies, the same everywhere.")
@click.option("--query", "queries", multiple=True, metavar="KEYWORD=VALUE", help="Filter for a DICOMweb server (QIDO).")
@click.option("--retry-failed", is_flag=True, help="Retry studies that failed.")
@click.option("--key", metavar="FILE", help="Write patient and study of each pseudonym, readable only for the owner.")
@click.option("--salt", metavar="FILE", help="Secret of the pseudonyms, made when missing. Default: salt in FOLDER.")
@click.option("--reference", metavar="CSV", help="Reference values by study (edv_ml, ...), for plots of agreement.")
@json_option
def cohort(seg: bool, seg_kind: str, structure: tuple[str, ...], as_json: bool, **arguments: Any) -> None:
    """Outline any number of studies from a folder tree, a list or a DICOMweb server.

    SOURCE is a folder of any structure, a list of studies (.csv with a column study, .txt with one per line), or the
    URL of a server. Each study has its own folder of results, named by a pseudonym; cohort.csv, cohort.parquet,
    frames.parquet and cohort.html summarize all studies. A study that fails is a row with the reason.

    With --watch there is no SOURCE: studies that arrive at an Orthanc server are processed by rules until a signal ends
    the command; SEG, RTSTRUCT and SR are stored on the server.
    """
    watching = {name: arguments.pop(name) for name in ("watch", "rules", "status_port")}
    if watching["watch"] is not None:
        _watch(watching, arguments)
        return
    if arguments["source"] is None or watching["rules"] is not None or watching["status_port"] is not None:
        raise click.UsageError("Expected SOURCE, or --watch URL with --rules FILE; --status-port goes with --watch.")
    with deferred_imports():
        from monai_acdr.apps.cohort import CohortOptions, run_cohort
        from monai_acdr.apps.segment_results import SegmentOptions

    cohort_options = {field.name: arguments.pop(field.name) for field in dataclasses.fields(CohortOptions)}
    run = {name: arguments.pop(name) for name in ("source", "output", "model", "roi")}
    options = SegmentOptions(seg=seg_kind.upper() if seg else None, structure=structure or None, **arguments)
    progress = LineProgress()

    def say(text: str) -> None:
        progress.close()
        print_line(text, err=True)

    try:
        report = run_cohort(**run, options=options, cohort=CohortOptions(**cohort_options), say=say, progress=progress)
    finally:
        progress.close()
    print_result(as_json, report.as_dict(), _cohort_lines(report, run["output"]))


_OF_WATCH = ("device", "output", "read_budget", "retry_failed", "rules", "status_port", "watch")


def _watch(watching: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    """Follow a server; options of studies come from the rules."""
    context = click.get_current_context()
    given = [
        parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
        for parameter in context.command.params
        if parameter.name not in _OF_WATCH
        and context.get_parameter_source(str(parameter.name)) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"Expected no {', '.join(given)} with --watch: options of studies belong in the rules.")
    if watching["rules"] is None:
        raise click.UsageError("Expected --rules FILE with --watch: it says which studies go through which bundle.")
    with deferred_imports():
        from monai_acdr.apps.watch import watch

    watch(
        watching["watch"],
        arguments["output"],
        watching["rules"],
        status_port=watching["status_port"],
        device=arguments["device"],
        retry_failed=arguments["retry_failed"],
        say=lambda text: print_line(text, err=True),
    )


def _cohort_lines(report: Any, output: str) -> Iterator[str]:
    yield f"{report.studies} studies: {report.done} done, {report.failed} failed ({report.earlier} of them earlier)"
    for reason, number in report.left_out.items():
        yield f"{number} file(s) are in no study: {reason}"
    for name, values in report.agreement.items():
        yield f"{name}: bias {values['bias']:+.1f}, {values['number']} studies with a reference"
    if report.failed:
        yield "Failures: see cohort.html and the column reason; --retry-failed repeats them"
    yield f"Results: {output} ({', '.join(report.files)})"


_CONVERT_FORMATS = ("txt", "json", "markups", "geojson", "coco", "png", "nifti", "rtstruct", "seg")
_SHOWN_FILES = 10


@click.command(
    epilog="""\b
Formats:
  txt       one contour, "column row" per line, in pixels; 0 0 is the center of the first pixel (Sunnybrook)
  json      contours of frames, in pixels from the corner of the first pixel, and in mm (contours.json of segment)
  markups   closed curves of 3D Slicer, in mm: .mrk.json
  geojson   polygons of QuPath, in pixels: .geojson
  coco      polygons of COCO, in pixels: .coco.json
  png       mask of one frame, 0 and 255
  nifti     mask or label map of one or many frames: .nii, .nii.gz
  rtstruct  DICOM RT structure set, contours in mm
  seg       DICOM segmentation

\b
Examples:
  monai-acdr convert contours.json rtstruct.dcm --images STUDY
  monai-acdr convert contours.json seg.dcm --images STUDY --kind fractional
  monai-acdr convert plan.dcm contours.json --images STUDY --structure "LV endocardium"
  monai-acdr convert plan.dcm contours.json --images STUDY --structure "#2"
  monai-acdr convert seg.dcm masks.nii.gz --images STUDY
  monai-acdr convert contours.json curves.mrk.json --images STUDY
  monai-acdr convert i-contours masks --to png --size 256 256
""",
)
@click.argument("source")
@click.argument("target")
@click.option(
    "-i",
    "--images",
    metavar="PATH",
    help="DICOM file, or folder of one study, that the contours were drawn on. Needed for rtstruct and seg, to read "
    "and to write.",
)
@click.option(
    "-t",
    "--to",
    type=click.Choice(_CONVERT_FORMATS, case_sensitive=False),
    help="Format of TARGET, where its name does not determine it: of a folder (txt, png), or of DICOM files other than "
    "rtstruct.dcm and seg.dcm.",
)
@click.option(
    "--structure",
    metavar="LABEL",
    help="Structure to convert, if there are several: its label, or its number, such as '#2'; an unknown name lists "
    "them. By default all, if TARGET can hold them. If there is only one: its new name.",
)
@click.option(
    "--kind",
    type=click.Choice(["binary", "fractional"], case_sensitive=False),
    default="binary",
    show_default=True,
    help="Pixels of a seg: those at least half covered, or the covered fraction of each.",
)
@click.option(
    "--size",
    nargs=2,
    type=click.IntRange(1, 65535),
    metavar="ROWS COLUMNS",
    help="Size of a mask in pixels, where neither SOURCE nor the images state it.",
)
@read_budget_option
@overwrite_option
@json_option
def convert(kind: str, as_json: bool, **arguments: Any) -> None:
    """Convert contours and masks: SOURCE to TARGET.

    SOURCE is a file, or a folder of .txt or of .png, one per frame, or of segmentations. TARGET is a file, whose name
    determines its format, or a folder: --to txt and png write one file per frame, --to seg one per series or, without
    a position in the patient, per image. Masks hold the pixels of which a contour covers at least half; contours are
    traced around masks and their holes. Losses are reported. Files are written whole or not at all.
    """
    with deferred_imports():
        from monai_acdr.apps.convert_contours import convert as run

    with rare_collections():
        report = run(kind=kind.upper(), **arguments)
    shown = [str(path) for path in report.files[:_SHOWN_FILES]]
    if len(report.files) > _SHOWN_FILES:
        shown.append(f"... {len(report.files)} files in all")
    names = ", ".join(report.structures)
    lines = [f"{report.source_format} to {report.target_format}: {names}, {report.frames} frame(s)", *shown]
    notes = [
        *(f"Check: {note}" for note in report.findings),
        *(f"Lost: {note}" for note in report.lost),
        *(f"Left out: {note}" for note in report.skipped),
    ]
    print_result(as_json, report.as_dict(), [*lines, *notes])


@click.command(
    epilog="""\b
Examples:
  monai-acdr train DATA --output OUT
  monai-acdr train DATA --output OUT --folds 5 --structure "breast lesion"
  monai-acdr train DATA --output OTHER --plan OUT/plan.json

A stopped run continues when the same command is run again.
""",
)
@click.argument("data")
@output_option("Where the bundle, its card and metrics go.")
@click.option("--folds", type=click.IntRange(1), help="Cross-validate by patient. Default: a fifth is held out.")
@click.option("--plan", metavar="FILE", help="A plan.json of an earlier run, edited. Default: made from the data.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the objects. Default: the plan's.")
@click.option(
    "--minutes",
    type=float,
    help="Time of the whole command, reading to results: trainings have as many epochs as fit, one at least.",
)
@click.option(
    "--structure",
    metavar="NAME",
    multiple=True,
    help="Name of the object, where masks have one label; otherwise the label, or class, to train on. Repeat it for "
    "several. All others are background.",
)
@click.option("--seed", type=click.IntRange(0), help="Of weights, order and augmentation. Default: 0.")
@click.option("--table", metavar="CSV", help="Table of the images. Default: index.csv of DATA, if there is one.")
@click.option("--patient-column", metavar="NAME", help="Column by which images are grouped. Default: patient.")
@read_budget_option
@overwrite_option
@device_option
@json_option
def train(structure: tuple[str, ...], as_json: bool, **arguments: Any) -> None:
    """Train a contour model on images and masks, and evaluate it on held-out patients.

    DATA is a folder of images and masks, in any of the usual layouts. It is checked first; OUT/plan.json has the
    choices with their reasons, OUT/card.md the results, and OUT/bundle is for segment, evaluate, MONAI Label and
    monai.bundle.
    """
    with deferred_imports():
        from monai_acdr.apps.train_bundle import train as run

    result = run(say=lambda text: print_line(text, err=as_json), structure=structure or None, **arguments)
    print_result(as_json, result.as_dict(), _train_lines(result))


def _train_lines(result: Any) -> Iterator[str]:
    for name, values in result.metrics["by_structure"].items():
        low, high = values["mean_dice_ci95"] or (None, None)
        interval = "" if low is None else f" ({low:.4f} .. {high:.4f})"
        initial = values["mean_initial_dice"]
        started = "" if initial is None else f"; {initial:.4f} of the contour that each started from"
        number = values["num_cases"]
        yield f"{name}: mean Dice {values['mean_dice']:.4f}{interval} of {number} held-out objects{started}"
    for name, values in result.metrics.get("auto", {}).get("by_structure", {}).items():
        lost = len(result.metrics["auto"]["not_found"])
        yield (
            f"{name} with ROI auto: mean Dice {values['mean_dice']:.4f} of {values['num_cases']} held-out images; "
            f"nothing found in {lost}"
        )
    yield from _finding_lines(result.metrics)
    yield f"{result.seconds:.0f} s in all"


@click.command(
    epilog="""\b
Examples:
  monai-acdr evaluate /data/sunnybrook --output OUT --group validation --roi center
  monai-acdr evaluate /data/inbreast --model inbreast_mass_acdr --checkpoint model.pt --output OUT
""",
)
@click.argument("dataset")
@output_option("Where metrics.json and metrics.csv go.")
@model_option
@click.option("--group", help="Group of the data set, such as validation. Default: the bundle's.")
@click.option("--roi", help="label, center or box, where the bundle has a choice. Default: the bundle's.")
@click.option("--checkpoint", metavar="FILE", help="Other weights than the bundle's models/model.pt.")
@click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Another key of the bundle's config; may be repeated."
)
@read_budget_option
@overwrite_option
@device_option
@json_option
def evaluate(pairs: tuple[str, ...], as_json: bool, **arguments: Any) -> None:
    """Compare a bundle's contours with the references of a DATASET: Dice, distances in pixels, intervals."""
    with deferred_imports():
        from monai_acdr.apps.evaluate_bundle import evaluate as run

    figures = run(config=dict(_pair(text) for text in pairs), **arguments)
    print_result(as_json, figures, _evaluate_lines(figures, arguments["output"]))


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"expected KEY=VALUE, but got {text!r}", param_hint="--set")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _finding_lines(metrics: Mapping[str, Any]) -> Iterator[str]:
    for finding in metrics.get("findings", ()):
        yield f"Finding: {finding['subject'] + ': ' if 'subject' in finding else ''}{finding['text']}"


def _evaluate_lines(figures: Mapping[str, Any], output: str) -> Iterator[str]:
    structures = figures.get("by_structure") or {}
    for structure, values in structures.items() if len(structures) > 1 else [("", figures)]:
        prefix = f"{structure}, " if structure else ""
        for name, value in values.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                yield prefix + (f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {value}")
    yield from _finding_lines(figures)
    yield from (f"Note: {note}." for note in figures.get("metadata", {}).get("notes", ()))
    if figures.get("excluded_patients"):
        yield f"Patients left out of these values: {len(figures['excluded_patients'])}"
    yield f"Metrics: {output}/metrics.json, metrics.csv"


@click.command(
    epilog="""\b
Examples:
  monai-acdr agreement /data/hearts --output OUT
  monai-acdr agreement /data/hearts --output OUT --roi label --label 1
  monai-acdr agreement /data/sunnybrook --output OUT
""",
)
@click.argument("studies")
@output_option("Where agreement.csv, .json and .png go.")
@model_option
@click.option(
    "-r",
    "--roi",
    type=click.Choice(["auto", "center", "label"]),
    default="auto",
    show_default=True,
    help="Where to look; label takes the reference's position.",
)
@click.option("--label", type=int, default=3, show_default=True, help="Value of the left ventricle's cavity.")
@click.option("--myocardium", type=int, default=2, show_default=True, help="Value of the myocardium.")
@click.option("--checkpoint", metavar="FILE", help="Other weights than the bundle's models/model.pt.")
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True, help="Frames per batch.")
@read_budget_option
@overwrite_option
@device_option
@json_option
def agreement(as_json: bool, **arguments: Any) -> None:
    """Compare volumes and mass of the left ventricle with those of references.

    STUDIES is a folder with PATIENT/ED.nii.gz, ES.nii.gz, and label maps ED_gt.nii.gz, ES_gt.nii.gz, as users of ACDC
    and M&Ms have them, or with DICOM files and contour files in one of Sunnybrook's layouts.
    """
    with deferred_imports():
        from monai_acdr.apps.volume_agreement import agreement as run

    with TerminalProgress() as progress:
        result = run(progress=progress, **arguments)
    print_result(as_json, result, _agreement_lines(result, arguments["output"]))


def _agreement_lines(result: Mapping[str, Any], output: str) -> Iterator[str]:
    yield (
        f"{result['patients']} patient(s), {len(result['failed'])} without volumes; {result['lost_slices']} of "
        f"{result['slices']} slices with a ventricle lost, {result['added_slices']} added"
    )
    yield "Dice " + ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in result["mean_dice"].items())
    for values in result["measures"].values():
        limits = "" if values["lower_limit"] is None else f", limits {values['lower_limit']:+.1f} to "
        limits += "" if values["upper_limit"] is None else f"{values['upper_limit']:+.1f}"
        error = values["mean_absolute_error"]
        yield f"{values['name']}: bias {values['bias']:+.1f}{limits}, mean absolute error {error:.1f}"
    for text in result["left_out"]:
        yield f"Left out: {text}"
    for text in result["findings"]:
        yield f"Finding: {text}"
    plots = ", agreement.png" if result["measures"] else ""
    yield f"Results: {output}/agreement.json, agreement.csv{plots}"


@click.command()
@click.option(
    "-o", "--output", default="monai_acdr_demo", show_default=True, metavar="FOLDER", help="Folder for all results."
)
@click.option("--synthetic", is_flag=True, help="Outline a synthetic beating heart instead of the real one.")
@overwrite_option
@device_option
@json_option
def demo(output: str, synthetic: bool, overwrite: bool, device: str | None, as_json: bool) -> None:
    """Outline a real heart that comes with this package: contours, DICOM results, measures and pictures."""
    with deferred_imports():
        from monai_acdr.apps.segment_study import demo as run
        from monai_acdr.data import example_study

    with rare_collections(), TerminalProgress() as progress:
        report = run(output, synthetic=synthetic, device=device, overwrite=overwrite, progress=progress)
    study = f"{output}/study" if synthetic else example_study()
    lines = [*report.summary(), f"Open {output}/report.html; the DICOM study is in {study}."]
    print_result(as_json, report.as_dict(), lines)


@click.command()
@json_option
def info(as_json: bool) -> None:
    """Versions, devices, rasterizer backends, extras, and the bundles that come with this installation."""
    with deferred_imports():
        from monai_acdr.apps.installation import info as run

    record = run()
    print_result(as_json, record, _info_lines(record))


def _info_lines(record: Mapping[str, Any]) -> Iterator[str]:
    yield f"monai_acdr {record['version']}, Python {record['python']}, {record['platform']}"
    yield "Packages: " + ", ".join(f"{name} {found or '(missing)'}" for name, found in record["packages"].items())
    yield f"Devices: {', '.join(record['devices'])}; {record['threads']} CPU thread(s)"
    for kind, names in record["rasterizers"].items():
        yield f"Rasterizer on {kind}: {names[0]} (also {', '.join(names[1:])})"
    yield "Extras:"
    for name, extra in record["extras"].items():
        state = f"missing {', '.join(extra['missing'])}: {extra['command']}" if extra["missing"] else "installed"
        yield f"  {name:<13} {state}"
    yield "Bundles:"
    for bundle in record["bundles"]:
        weights = f"weights {bundle['weights_sha256'][:12]}" if bundle["weights_sha256"] else "no weights"
        yield f"  {bundle['name']} {bundle['version']}: {bundle['task']} ({weights})"
        yield f"    {bundle['folder']}"


@click.command(
    epilog="""\b
Examples:
  monai-acdr keys sunnybrook_lv_acdr
  monai-acdr keys OUT/bundle --config inference
"""
)
@click.argument("bundle")
@click.option("--config", default="train", show_default=True, metavar="NAME", help="Which of the bundle's configs.")
@json_option
def keys(bundle: str, config: str, as_json: bool) -> None:
    """Print the keys of a BUNDLE's config with their defaults and meanings.

    BUNDLE is the name of an installed bundle (monai-acdr info lists them), or a bundle's folder.
    """
    with deferred_imports():
        from monai_acdr.apps.model import find_bundle
        from monai_acdr.bundle import bundle_keys, key_lines

    root = find_bundle(bundle)
    lines = key_lines(root, config)
    print_result(as_json, [key._asdict() for key in bundle_keys(root, config)], lines)


@click.command(
    epilog="""\b
Examples:
  monai-acdr export sunnybrook_lv_acdr --format onnx
  monai-acdr export FOLDER --format pt2 --output heart.pt2 --images STUDY
""",
)
@click.argument("bundle")
@click.option(
    "-f",
    "--format",
    "file_format",
    type=click.Choice(["onnx", "pt2", "torchscript"], case_sensitive=False),
    default="onnx",
    show_default=True,
    help="ONNX, torch.export's PT2 archive, or TorchScript.",
)
@click.option("-o", "--output", metavar="FILE", help="Default: BUNDLE.onnx, .pt2 or .ts in this folder.")
@click.option("--checkpoint", metavar="FILE", help="Other weights than the bundle's models/model.pt.")
@click.option(
    "--images",
    metavar="PATH",
    help="Study, picture or folder on whose crops the file is compared with the network. Default: the example study.",
)
@click.option("--fixed-size", is_flag=True, help="ONNX, PT2: take inputs of the bundle's own size only.")
@read_budget_option
@overwrite_option
@json_option
def export(as_json: bool, bundle: str, **arguments: Any) -> None:
    """Write a bundle's network as one file for other runtimes: image to contours, any number of images at once.

    BUNDLE is the name of an installed bundle, or a bundle's folder. The file is compared with the network on crops of
    real images, and is not written where contours differ by more than 0.01 pixels.
    """
    with deferred_imports():
        from monai_acdr.apps.export_bundle import export as run

    record = run(bundle, **arguments)
    parity = record["parity"]
    sizes = ", ".join(f"{rows} x {columns}" for rows, columns in parity["sizes"])
    lines = [
        f"{record['bundle']} {record['version']}, weights {record['weights_sha256'][:12]}, "
        f"{record['members']} network(s)",
        f"Contours within {parity['max_difference_px']:.2g} px of the network's: {parity['crops']} crop(s) of "
        f"{parity['source']}, {sizes} pixels, {' and '.join(map(str, parity['batches']))} at once, {parity['runtime']}",
        f"Written: {record['file']}",
    ]
    print_result(as_json, record, lines)


@click.command("label-app")
@click.option("--folder", metavar="FOLDER", help="Default: a folder for this user. One folder serves one server.")
@json_option
def label_app(folder: str | None, as_json: bool) -> None:
    """Make the MONAI Label app's folder, and print its path, for `monailabel start_server --app FOLDER --studies ...`.

    The server keeps its models and logs there.
    """
    from monai_acdr.apps.monailabel.app_folder import make_app_folder

    path = make_app_folder(folder)
    print_result(as_json, {"folder": str(path)}, [str(path)])


@click.command(
    epilog="""\b
Settings of the module or rule, all with defaults:
  {"model": "sunnybrook_lv_acdr", "roi": "auto", "options": {"seg": "BINARY", "rtstruct": true}, "notify": true}
""",
)
@click.option("--input", metavar="FOLDER", help="Images and task.json. Default: the environment's MERCURE_IN_DIR.")
@click.option("--output", metavar="FOLDER", help="Where results go. Default: the environment's MERCURE_OUT_DIR.")
@read_budget_option
@device_option
@json_option
def mercure(as_json: bool, **arguments: Any) -> None:
    """Process one task of mercure, the DICOM router: the command of a processing module's container.

    Settings come from the task. SEG, RTSTRUCT and SR are written to the output folder, and measures to its result.json.
    """
    with deferred_imports():
        from monai_acdr.apps.mercure_task import mercure as run

    with rare_collections(), TerminalProgress() as progress:
        record = run(progress=progress, **arguments)
    print_result(as_json, record, [f"{record['outlined']} of {record['frames']} frame(s), {record['files']} file(s)"])


_EPILOG = "\b\nExit status:\n" + "\n".join(f"  {code}  {meaning}" for code, meaning in EXIT_CODES.items())


class _Group(click.Group):
    """Turns errors and signals into one message and a status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with stop_on_signals():
                return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, click.ClickException):
            raise
        except (KeyboardInterrupt, Stopped) as stop:
            stop = stop if isinstance(stop, Stopped) else Stopped(signal.SIGINT)
            _end(ctx, f"{stop}: complete results are kept, incomplete ones are removed", 128 + stop.number)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            cause = explain(error)
            code = exit_code(cause)
            message = str(cause) or type(cause).__name__
            if code == 1:
                message = f"{type(cause).__name__}: {message}\n({EXIT_CODES[1]})"
            _end(ctx, message, code)


def _end(ctx: click.Context, message: str, code: int) -> NoReturn:
    print_line(f"Error: {message}", err=True)
    if isinstance(ctx.obj, dict) and ctx.obj.get("json"):
        print_line(json.dumps({"error": message, "exit_code": code}))
    ctx.exit(code)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=_EPILOG,
)
@click.version_option(__version__, prog_name="monai-acdr")
@click.option("--debug", is_flag=True, help="Show where an error comes from, and more of the log.")
@click.pass_context
def main(ctx: click.Context, debug: bool) -> None:
    """Contours in medical images, from DICOM to DICOM. For research; not a medical device."""
    ctx.obj = {"json": False}
    level = logging.INFO if debug else logging.WARNING
    logging.basicConfig(stream=sys.stderr, level=level, format="%(levelname)s: %(message)s")
    if not debug:  # what other packages say about each other
        warnings.simplefilter("ignore")
        for name in ("monai", "ignite"):
            logging.getLogger(name).setLevel(logging.ERROR)


for command in (
    segment,
    cohort,
    review,
    train,
    evaluate,
    agreement,
    convert,
    export,
    demo,
    info,
    keys,
    label_app,
    mercure,
):
    main.add_command(command)
