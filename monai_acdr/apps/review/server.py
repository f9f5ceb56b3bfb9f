# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The server of the review page: on this machine, for one reader, with a token, and what it does for the page.

The access log is off: neither names nor paths of files are printed.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
import signal
import socket
import threading
import time
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_acdr.apps.documents import read_contour_document
from monai_acdr.apps.measurements import incomplete_stack_finding
from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.apps.outlines import outline_frames
from monai_acdr.apps.regions import RegionRequest
from monai_acdr.apps.review.contours import Contour, check_phases, frame_problems
from monai_acdr.apps.review.results import VersionReport, check_reader, write_version
from monai_acdr.apps.review.state import Review
from monai_acdr.apps.review.study import CELL, COLUMNS, PAGE, Study, open_study
from monai_acdr.apps.segment_results import in_words
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM, DicomWebError
from monai_acdr.files import file_sha256, lock_folder
from monai_acdr.inferers import correct_contour, push_contours
from monai_acdr.measures import ventricle_volumes
from monai_acdr.signals import Stopped
from monai_acdr.visualize import structure_color

__all__ = ["RefusedError", "ReviewOptions", "ReviewSession", "start_review"]

LEASE_SECONDS = 120.0
"""A page that is silent for longer counts as closed, and another one may replace it without asking."""
MAX_CLICKED = 2_000
"""Limit of a frame's vertices for a click, which compares all pairs of edges. Drags have no such limit."""
NESTED_SHARE = 0.5
"""Share of frames with nested contours from which nesting is kept in all frames."""


@dataclass(frozen=True)
class ReviewOptions:
    """Options of a review; see :func:`start_review`.

    Attributes:
        reader: name that Finish suggests.
        store: URL of a DICOMweb service that Finish sends the DICOM results to.
        model: bundle for "outline again"; loaded on first use.
        checkpoint: other weights than the bundle's.
        device: device of the model.
        spacing: (between rows, between columns) in mm for images that do not state it.
        host: address to listen on; anything but a loopback address shows the images to whoever has the token.
        port: port to listen on; 0 takes a free one.
        browser: whether to open the page.
    """

    reader: str = ""
    store: str | None = None
    model: str | os.PathLike[str] = "sunnybrook_lv_acdr"
    checkpoint: str | os.PathLike[str] | None = None
    device: str | None = None
    spacing: Sequence[float] | None = None
    host: str = "127.0.0.1"
    port: int = 0
    browser: bool = True


class RefusedError(Exception):
    """A request that is not served, with its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(eq=False)
class ReviewSession:
    """State of the server.

    Attributes:
        review: contours and log.
        study: images.
        folder: folder of the review.
        options: see :class:`ReviewOptions`.
        token: token that requests need.
        nested: whether each structure's contour stays within the next one's.
        inner, outer: indices of the endocardium and the epicardium of the left ventricle; None without them.
        holder: identity of the page that may change contours; empty if there is none.
        heard: time of that page's last request, in seconds of the monotonic clock.
    """

    review: Review
    study: Study
    folder: Path
    options: ReviewOptions
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    holder: str = field(default="", repr=False)
    heard: float = 0.0

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.nested = _is_nested(self.review)
        self.inner, self.outer = (_index_of(self.review, each) for each in (LV_ENDOCARDIUM, LV_EPICARDIUM))
        self._notes: tuple[int, list[str]] = -1, []
        self._model: ContourModel | None = None
        self._loading = threading.Lock()

    def claim(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Let a page in; another one is refused while the first is active, unless it asks to take over."""
        with self.lock:
            silent = time.monotonic() - self.heard
            if self.holder and silent < LEASE_SECONDS and body.get("take_over") is not True:
                raise RefusedError(
                    423,
                    "This review is open in another window, and two readers at once would undo each other's work. "
                    "Close that window, or take over: then it cannot save any more.",
                )
            self.holder, self.heard = secrets.token_urlsafe(12), time.monotonic()
            return {"session": self.holder}

    def check_holder(self, session: str) -> None:
        """Refuse all pages but the one that was let in last."""
        with self.lock:
            if not self.holder:
                raise RefusedError(423, "No window has this review: open the address that the server printed.")
            if not hmac.compare_digest(session.encode(), self.holder.encode()):
                raise RefusedError(423, "Another window has taken over this review. Reload this page to take it back.")
            self.heard = time.monotonic()

    def leave(self) -> dict[str, Any]:
        """The page was closed."""
        with self.lock:
            self.holder = ""
        return {}

    # --- Reading ----------------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Everything but pixels and vertices, for the page."""
        review, study, grid = self.review, self.study, self.study.grid
        with self.lock:
            frames = [self._frame(index) for index in range(len(study.frames))]
            return {
                "structures": [
                    {"label": s.label, "color": structure_color(number)} for number, s in enumerate(review.structures)
                ],
                "nested": self.nested,
                "inner": self.inner,
                "outer": self.outer,
                "frames": frames,
                "grid": None
                if grid is None
                else {"positions": grid.positions_mm, "times": grid.times_ms, "missing": grid.missing_frames},
                "sheet": {"page": PAGE, "cell": CELL, "columns": COLUMNS, "box": study.box},
                "reader": self.options.reader,
                "store": self.options.store is not None,
                "findings": [in_words(finding) for finding in study.findings],
                "state": self.state(),
            }

    def _frame(self, index: int) -> dict[str, Any]:
        frame, grid, known = self.study.frames[index], self.study.grid, self.review.frames.get(index)
        record: dict[str, Any] = {
            "name": frame.name,
            "size": frame.size,
            "spacing": frame.spacing,
            "slice": None if grid is None else grid.slice_index[index],
            "phase": None if grid is None else grid.phase[index],
            "areas": _areas(self.review.contours[index]),
            "problems": self._problems(index),
            "changed": self.review.contours[index] != self.review.originals[index],
            "seen": index in self.review.seen,
        }
        if record["changed"]:
            record["before"] = _areas(self.review.originals[index])
        if known is not None and known.contours:
            confidences = [value for value in known.confidence if value is not None]
            record["confidence"] = min(confidences) if confidences else None
            record["doubtful"] = any(known.doubtful)
            record["spread"] = None if known.spread is None else max(float(s.mean()) for s in known.spread)
        return record

    def _problems(self, index: int) -> list[str]:
        """Problems of the present contours of a frame, as text."""
        review, counted = self.review, [] if self.study.grid is None else [self.inner, self.outer]
        measured = [number for number in counted if number is not None]
        known = review.frames.get(index)
        repairs = () if known is None else known.repairs
        contours, size, scale = review.contours[index], review.sizes[index], review.scale(index)
        return frame_problems(contours, size, review.structures, measured, repairs, scale)

    def state(self) -> dict[str, Any]:
        """State that the page's buttons show."""
        review = self.review
        if self._notes[0] != review.revision:
            self._notes = review.revision, self._stack_notes()
        return {
            "sequence": review.sequence,
            "undo": review.can_undo,
            "redo": review.can_redo,
            "phases": review.phases,
            "version": review.versions,
            "notes": self._notes[1],
        }

    def _stack_notes(self) -> list[str]:
        """Text of the finding that the stack lacks slices, as in ``review.json``; empty without it."""
        grid, cavity = self.study.grid, self._areas_of(self.inner)
        if grid is None or grid.num_slices < 2:
            return []
        volumes = None
        if grid.num_phases > 1:
            diastole, systole = self.review.phases
            try:
                volumes = ventricle_volumes(
                    grid.contour_areas(cavity),
                    grid.positions_mm,
                    end_diastole=diastole,
                    end_systole=systole,
                    absent=grid.absent,
                )
            except ValueError:  # without volumes nothing is wrong with them
                return []
        found = incomplete_stack_finding(cavity, self._areas_of(self.outer), grid, volumes)
        return [finding.text for finding in found]

    def contours_of(self, page: int) -> dict[str, Any]:
        """Original and present contours of the frames of a page."""
        with self.lock:
            chosen = range(page * PAGE, min((page + 1) * PAGE, len(self.review.names)))
            return {
                "first": page * PAGE,
                "state": self.state(),
                "frames": [
                    {
                        "original": [c.record() for c in self.review.originals[index]],
                        "contours": None
                        if self.review.contours[index] is self.review.originals[index]
                        else [c.record() for c in self.review.contours[index]],
                        "problems": self._problems(index),
                    }
                    for index in chosen
                ],
            }

    # --- Changing ---------------------------------------------------------------------------------------------------

    def change(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a change that the page requests; returns the changed state."""
        actions: dict[str, Callable[[Mapping[str, Any]], int | None]] = {
            "contours": self._set_contours,
            "click": self._click,
            "phases": self._set_phases,
            "seen": self._set_seen,
            "undo": lambda b: self.review.undo(_sequence(b)),
            "redo": lambda b: self.review.redo(_sequence(b)),
        }
        action = actions.get(str(body.get("do")))
        if action is None:
            raise ValueError(f"Expected `do` to be one of {sorted(actions)}, but got {str(body.get('do'))[:40]!r}.")
        with self.lock:
            return self._answer(action(body))

    def _answer(self, index: int | None) -> dict[str, Any]:
        answer: dict[str, Any] = {"state": self.state(), "frame": index}
        if index is not None:
            answer["contours"] = [c.record() for c in self.review.contours[index]]
            answer["changed"] = self.review.contours[index] != self.review.originals[index]
            answer["seen"] = index in self.review.seen
            answer["problems"] = self._problems(index)
        return answer

    def _set_contours(self, body: Mapping[str, Any]) -> int:
        index, contours = body.get("frame"), body.get("contours")
        self.review.set_contours(index, contours, str(body.get("action")), _sequence(body))  # type: ignore[arg-type]
        return int(index)  # type: ignore[arg-type]

    def _set_phases(self, body: Mapping[str, Any]) -> None:
        phases = self.review.parse_phases(body.get("end_diastole"), body.get("end_systole"))
        check_phases(phases, self.study.grid, self._areas_of(self.inner))
        self.review.set_phases(*phases, _sequence(body))

    def _areas_of(self, structure: int | None) -> dict[int, float]:
        """Area of a structure in mm2, by frame, where it has one contour.

        Empty for None, and where the spacing of such a frame is not known: volumes would lack it.
        """
        areas = {}
        for index, (frame, contours) in enumerate(zip(self.study.frames, self.review.contours, strict=True)):
            own = [contour for contour in contours if contour.structure == structure]
            if len(own) == 1 and not own[0].hole:
                if frame.spacing is None:
                    return {}
                areas[index] = own[0].area * frame.spacing[0] * frame.spacing[1]
        return areas

    def _set_seen(self, body: Mapping[str, Any]) -> int:
        index = body.get("frame")
        self.review.set_seen(index, body.get("seen"), _sequence(body))  # type: ignore[arg-type]
        return int(index)  # type: ignore[arg-type]

    def _click(self, body: Mapping[str, Any]) -> int:
        """A correction as in MONAI Label: a point that has to be inside, outside, or on the contour (null)."""
        index = self.review.check_frame(body.get("frame"))
        contours = list(self.review.contours[index])
        number = _contour_number(body, contours)
        if number is None:
            raise ValueError("Expected the contour that is corrected, but got none: click near one.")
        if sum(len(contour.vertices) for contour in contours) > MAX_CLICKED:
            raise ValueError(f"Expected at most {MAX_CLICKED} vertices in a frame for a click, but got more: drag it.")
        place, inside = _point(body.get("point"), self.review.sizes[index]), body.get("inside")
        if inside is not None and not isinstance(inside, bool):
            raise ValueError(f"Expected `inside` to be true, false or null, but got {str(inside)[:40]!r}.")
        point = torch.tensor([place], dtype=torch.float64)
        bent = correct_contour(
            torch.from_numpy(contours[number].vertices),
            None if inside is False else point,
            None if inside is True else point,
        )
        contours[number] = _edited(contours[number], bent.numpy())
        records = [c.record() for c in self._pushed(contours, number)]
        self.review.set_contours(index, records, "click", _sequence(body))
        return index

    def _pushed(self, contours: list[Contour], number: int) -> list[Contour]:
        """Contours that make room for one of them, where they are nested."""
        order = sorted(range(len(contours)), key=lambda position: contours[position].structure)
        structures = [contours[position].structure for position in order]
        if not self.nested or len(set(structures)) < len(structures):
            return contours
        given = [torch.from_numpy(contours[position].vertices) for position in order]
        pushed = push_contours(given, order.index(number))
        if pushed is None:
            raise ValueError("Expected the other contours to make room, but they cannot: click elsewhere.")
        for position, before, after in zip(order, given, pushed, strict=True):
            if after is not before:
                contours[position] = _edited(contours[position], after.numpy())
        return contours

    def outline(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Have the network outline a frame again, in the region of its present contours or about a point."""
        index = self.review.check_frame(body.get("frame"))
        present = self.review.contours[index]
        replaced, point = _contour_number(body, present), body.get("point")
        point = None if point is None else _point(point, self.review.sizes[index])
        model = self._load()
        numbers = _model_structures(model, self.review)
        request = _region(point, present, replaced, model)
        frame = self.study.frame(index, model.channels)
        inputs = replace(self.study.inputs, frames=[frame])
        (outline,) = outline_frames([request], inputs, model, None, all_frames=True, none_is_an_error=False)
        if outline.final is None:
            raise ValueError(f"Expected something to outline, but there is {outline.reason}: choose another place.")
        new = [
            Contour(number, vertices, generation="SEMIAUTOMATIC")
            for number, vertices in zip(numbers, outline.final, strict=True)
        ]
        if replaced is not None and not self.nested:
            kept = [c for position, c in enumerate(present) if position != replaced]
        else:
            kept = [c for c in present if c.structure not in numbers or (point is not None and not self.nested)]
        with self.lock:
            ordered = sorted([*kept, *new], key=lambda contour: contour.structure)
            self.review.set_contours(index, [c.record() for c in ordered], "outline", _sequence(body))
            return {**self._answer(index), "scale": outline.scale}

    def _load(self) -> ContourModel:
        with self._loading:
            if self._model is None:
                self._model = load_model(self.options.model, self.options.checkpoint, self.options.device)
            return self._model

    def finish(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Write a new version, and send it to the server if one is given."""
        reader = check_reader(body.get("reader", ""))
        with self.lock:
            self.review.check_sequence(_sequence(body))
            report = write_version(self.review, self.study, self.folder, reader)
            if self.options.store:
                report = self._stored(report)
            return {
                "state": self.state(),
                "version": report.version,
                "files": report.files,
                "skipped": report.skipped,
                "stored": report.stored,
                "findings": report.findings,
            }

    def _stored(self, report: VersionReport) -> VersionReport:
        from monai_acdr.apps.segment_study import store_results  # a slow import, which would delay the page

        try:
            return replace(report, stored=store_results(str(self.options.store), report.folder, report.files))
        except (DicomWebError, ImportError, OSError, ValueError) as error:
            return replace(report, skipped=(*report.skipped, f"sending: {error}"))


def _areas(contours: Sequence[Contour]) -> list[list[Any]]:
    """[structure, area in square pixels, hole] of each contour."""
    return [[contour.structure, contour.area, contour.hole] for contour in contours]


def _edited(contour: Contour, vertices: np.ndarray) -> Contour:
    generation = "MANUAL" if contour.generation == "MANUAL" else "SEMIAUTOMATIC"
    return Contour(contour.structure, vertices, contour.hole, generation)


def _sequence(body: Mapping[str, Any]) -> int:
    value = body.get("sequence")
    if type(value) is not int:
        raise ValueError(f"Expected `sequence` to be a number, but got {str(value)[:40]!r}.")
    return value


def _contour_number(body: Mapping[str, Any], contours: Sequence[Contour]) -> int | None:
    """The contour of a frame that a request is about; None where it names none."""
    number = body.get("contour")
    if number is not None and (type(number) is not int or not 0 <= number < len(contours)):
        raise ValueError(f"Expected one of {len(contours)} contour(s), from 0, but got {str(number)[:40]!r}.")
    return number


def _point(value: Any, size: tuple[int, int]) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2 or not all(type(v) in (int, float) for v in value):
        raise ValueError(f"Expected a point [x, y] in pixels, but got {str(value)[:60]!r}.")
    height, width = size
    if not (0 <= value[0] <= width and 0 <= value[1] <= height):
        raise ValueError(
            f"Expected a point in the image, {width} x {height} pixels, but got ({value[0]:.6g}, {value[1]:.6g}): "
            "click in the image."
        )
    return float(value[0]), float(value[1])


def _index_of(review: Review, structure: Any) -> int | None:
    return review.structures.index(structure) if structure in review.structures else None


def _is_nested(review: Review) -> bool:
    """Whether the contours lie within each other, in at least half of the frames that have one of each structure."""
    number, nested, whole = len(review.structures), 0, 0
    if number < 2:
        return False
    for frame in review.originals:
        ordered = sorted(frame, key=lambda contour: contour.structure)
        if [contour.structure for contour in ordered] != list(range(number)):
            continue
        whole += 1
        boxes = [(c.vertices.min(0), c.vertices.max(0)) for c in ordered]
        nested += all(
            bool((inner[0] >= outer[0]).all() and (inner[1] <= outer[1]).all())
            for inner, outer in zip(boxes, boxes[1:], strict=False)
        )
    return whole > 0 and nested >= NESTED_SHARE * whole


def _model_structures(model: ContourModel, review: Review) -> list[int]:
    """Index in the review of each structure of a model, by label; a single structure on both sides always matches."""
    labels = [structure.label.casefold() for structure in review.structures]
    if len(model.structures) == len(labels) == 1:
        return [0]
    numbers = [labels.index(s.label.casefold()) for s in model.structures if s.label.casefold() in labels]
    if len(numbers) < len(model.structures):
        raise ValueError(
            f"Expected a model that outlines {' and '.join(s.label for s in review.structures)}, but {model.name} "
            f"outlines {model.label}: start the review with another --model."
        )
    return numbers


def _region(
    point: tuple[float, float] | None, present: Sequence[Contour], chosen: int | None, model: ContourModel
) -> RegionRequest:
    if point is not None:
        return RegionRequest("point", point)
    if chosen is not None and model.regions.point_side is None:
        present = [present[chosen]]
    if not present:
        raise ValueError("Expected a contour in this frame, or a point: choose Correct, and click where the object is.")
    if model.regions.point_side is not None:
        innermost = min(present, key=lambda contour: contour.structure).vertices
        x, y = ((innermost.min(0) + innermost.max(0)) / 2).tolist()
        return RegionRequest("point", (x, y))
    vertices = np.concatenate([contour.vertices for contour in present])
    return RegionRequest("box", (*vertices.min(0).tolist(), *vertices.max(0).tolist()))


def start_review(
    results: str | os.PathLike[str],
    images: str | os.PathLike[str],
    *,
    options: ReviewOptions | None = None,
    say: Callable[[str], object] = print,
    **shortcuts: Any,
) -> None:
    """Serve a page on which contours are reviewed, until Ctrl-C.

    Every change is on disk, in ``review/changes.jsonl`` beside the contours, before the page is told that it is saved;
    a review that ended in any way continues from there. Finish writes ``review/version-NNNN`` with new contours and
    DICOM objects.

    Args:
        results: folder with the results of :func:`monai_acdr.apps.segment`, or a contour document (.json).
        images: images that the contours were drawn on: DICOM file or folder, picture or folder of pictures, or NIfTI
            volume.
        options: reader, server and model.
        say: called with the address and other messages to the user.
        **shortcuts: fields of :class:`ReviewOptions` by their names, which replace those of ``options``.

    Raises:
        FileNotFoundError, ValueError: for inputs that cannot be used; the message says why and what to do.
        FileExistsError: when another server reviews these results.
        ImportError: without the extra ``review``.
        OSError: when the log cannot be written, or the address cannot be used.
        TypeError: for a shortcut that is not a field of ReviewOptions.
    """
    options = replace(options or ReviewOptions(), **shortcuts)
    options = replace(options, reader=check_reader(options.reader))
    uvicorn = _require_server()
    path, folder = _places(Path(results))
    document = read_contour_document(path)
    with lock_folder(folder) as locked:  # a second server is refused
        study, places = open_study(Path(images), document, options.spacing)
        names, sizes = [frame.name for frame in study.frames], [frame.size for frame in study.frames]
        review = Review(document, names, sizes, places, locked, file_sha256(path))
        try:
            if review.dropped:
                say("The last change was not complete when the program was killed, and was left out.")
            with _listen(options) as listening:
                _serve(uvicorn, ReviewSession(review, study, locked, options), listening, say)
        finally:
            review.close()


def _serve(uvicorn: Any, session: ReviewSession, listening: socket.socket, say: Callable[[str], object]) -> None:
    options, (host, port) = session.options, listening.getsockname()[:2]
    from monai_acdr.apps.review.http import make_app

    app = make_app(session, _server_names(options.host), port)
    if not _is_loopback(options.host):
        say(f"Warning: the review is on the network, at {host}: whoever has the address below can see and change it.")
    name = f"[{host}]" if ":" in host else host
    name = socket.gethostname() if host in ("0.0.0.0", "::") else name
    address = f"http://{name}:{port}/#{session.token}"
    say(f"Review: {address}")
    say("Ctrl-C ends it; changes are saved as they are made.")
    if options.browser:
        threading.Timer(0.5, partial(_open_browser, address)).start()
    config = uvicorn.Config(app, access_log=False, log_level="warning", server_header=False, lifespan="off")
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except (KeyboardInterrupt, Stopped) as stop:  # raised again by uvicorn, after it has ended properly
        if isinstance(stop, Stopped) and stop.number != signal.SIGINT:
            raise
    say("The review has ended; its changes are saved, and the same command continues it.")


def _open_browser(address: str) -> None:
    with suppress(webbrowser.Error, OSError):
        webbrowser.open(address)


def _require_server() -> Any:
    try:
        import shapely  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn
    except ImportError:
        raise ImportError(
            "The review page needs shapely, starlette and uvicorn, which are not all installed: "
            "pip install 'monai_acdr[review]'."
        ) from None
    return uvicorn


def _places(results: Path) -> tuple[Path, Path]:
    """The contour document, and the folder of its review."""
    path = results / "contours.json" if results.is_dir() else results
    if not path.is_file():
        of_cohort = next(results.glob("studies/*/*/contours.json"), None)
        if of_cohort is not None:
            raise FileNotFoundError(
                f"Expected the results of one study, but {results} is the folder of a cohort: give the folder of a "
                f"study in it, such as {of_cohort.parent}; the column `study` of cohort.csv has their names."
            )
        raise FileNotFoundError(
            f"Expected contours at {path}, but there is no such file: give the output folder of monai-acdr segment, or "
            "a contour document (.json); monai-acdr convert makes one of RTSTRUCT, SEG and masks."
        )
    return path, path.parent / ("review" if path.name == "contours.json" else f"{path.stem}-review")


def _listen(options: ReviewOptions) -> socket.socket:
    host = options.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, options.port))
        listening.listen(128)  # the address must work once it is printed
    except OSError as error:
        listening.close()
        raise OSError(
            f"Expected to listen on {options.host}, port {options.port}, but cannot ({error.strerror}): give another "
            "--port or --host."
        ) from error
    return listening


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _server_names(host: str) -> list[str]:
    """Names that requests may use for this server beside the loopback names."""
    if _is_loopback(host):
        return [host]
    if host.strip("[]") in ("0.0.0.0", "::"):
        found = [socket.gethostname(), socket.getfqdn()]
        with suppress(OSError):
            found += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None)]
        return [f"[{name}]" if ":" in name else name for name in found]
    return [f"[{host}]" if ":" in host and not host.startswith("[") else host]
