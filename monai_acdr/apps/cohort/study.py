# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""One study of a cohort, processed once, in the folder of a run: :func:`open_run` and :func:`process_study`.

The folder of a run:

- ``cohort.json``: the manifest, with settings, versions and the SHA-256 of the weights. A run with others is refused.
- ``studies/ab/PSEUDONYM``: the results of :func:`monai_acdr.apps.segment` and ``study.json``, with their SHA-256. The
  folder appears whole or not at all: while it is absent, the study is not done.
- ``failed/ab/PSEUDONYM.json``: why a study has no results.
- ``running/PSEUDONYM``: which processes have begun the study and not ended it. A process that dies, from a fault in a
  codec or lack of memory, leaves it behind, which is how a study that kills its process is recognized.
- ``salt``: the secret of the pseudonyms, readable by its owner only. With it a pseudonym can be traced to a patient.

A pseudonym is a keyed hash (HMAC-SHA-256) of the patient's ID and the study's UID; its first two digits name the
enclosing folder, so that each folder has about a 256th of the studies.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from monai_acdr import __version__
from monai_acdr.apps.cli import exit_code, explain
from monai_acdr.apps.model import ContourModel, find_bundle, load_model, weights_sha256
from monai_acdr.apps.regions import parse_region
from monai_acdr.apps.segment_results import SegmentOptions
from monai_acdr.apps.segment_study import fetch_study, segment
from monai_acdr.data.files import natural_key, walk_files
from monai_acdr.data.text_files import read_json
from monai_acdr.dicom.identity import repeatable_uids
from monai_acdr.files import (
    TEMPORARY,
    TEMPORARY_FILES,
    file_sha256,
    replace_folder,
    temporary_folder,
    write_text_atomically,
)
from monai_acdr.read_budget import read_budget, read_budget_bytes

__all__ = [
    "FAILURE_KINDS",
    "CohortRun",
    "Outcome",
    "Study",
    "open_run",
    "process_study",
    "write_failure",
]

MANIFEST, SALT, RECORD = "cohort.json", "salt", "study.json"
FAILURE_KINDS = {
    "input": 3,
    "output": 4,
    "installation": 5,
    "server": 6,
    "unexpected": 1,
    "memory": 137,
    "process_died": 137,
}
"""Kind of a failure -> exit status of ``monai-acdr segment`` for it: an input that cannot be used, results that cannot
be written, a missing extra, a DICOMweb server, an error of this program, too little memory, and a process that ended
during the study, twice in one run or three times in all (137 is a shell's status of a killed program)."""
_KINDS = {status: kind for kind, status in FAILURE_KINDS.items() if status != 137}
_NOT_SETTINGS = ("batch_size", "checkpoint", "device", "overwrite", "store")
"""Options that do not change the results, or are compared otherwise: the checkpoint counts by its SHA-256."""
_PACKAGES = ("monai", "numpy", "pydicom", "torch")
_DIGITS = 20
"""Hexadecimal digits of a pseudonym, 80 bits: among a million studies the probability of a collision is 4e-13."""
DEATHS_OF_RUN, DEATHS = 2, 3
"""Processes that may end during a study, in one run and in all runs, before the study is recorded as the cause. A run
that is killed as a whole says little about the study it was processing."""
_LONGEST_REASON = 1000


@dataclass(frozen=True)
class Study:
    """One study of a cohort as found in the source, when at most its headers have been read.

    Attributes:
        source: path of a file or folder, or URL of a study on a DICOMweb server.
        name: unique name in the cohort, such as the path relative to it; without a UID the pseudonym is made from it.
        patient: PatientID, where it is known.
        uid: StudyInstanceUID, where it is known.
        files: the files of the study, where `source` has others as well.
        kind: ``dicom``, ``pictures``, ``nifti``, or ``path`` and ``url`` where it is not known yet.
        newest: modification time of the newest of `files`, nanoseconds since 1970; 0 where it is not known.
    """

    source: str
    name: str = ""
    patient: str = ""
    uid: str = ""
    files: tuple[str, ...] = ()
    kind: str = "path"
    newest: int = 0

    @property
    def identity(self) -> str:
        """Unique identity of the study, the same wherever it is read from; to be hashed, not shown."""
        return f"dicom\0{self.patient}\0{self.uid}" if self.uid else f"path\0{self.name or self.source}"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a study.

    Attributes:
        study: its pseudonym.
        state: ``done`` or ``failed``.
        kind: kind of a failure, one of :data:`FAILURE_KINDS`.
        reason: reason of a failure, without the identity of the patient.
        seconds: wall-clock time.
        earlier: whether the outcome is from an earlier start, and nothing was done now.
    """

    study: str
    state: str
    kind: str = ""
    reason: str = ""
    seconds: float = 0.0
    earlier: bool = False


@dataclass(frozen=True)
class CohortRun:
    """A run: its folder and its settings; made by :func:`open_run`, and sent to every worker.

    Attributes:
        folder: absolute path, the same for all workers.
        model: name of a bundle or absolute path of its folder.
        roi: see :func:`monai_acdr.apps.segment`.
        options: options of :func:`monai_acdr.apps.segment`.
        weights: SHA-256 of the weights of the network and of the localizer.
        digest: SHA-256 of settings, versions and weights.
        salt: secret of the pseudonyms.
        read_budget_mib: memory limit of one study in MiB, see :mod:`monai_acdr.read_budget`.
        session: identifier of this start of the run.
    """

    folder: Path
    model: str
    roi: str
    options: SegmentOptions
    weights: Mapping[str, str]
    digest: str
    salt: bytes = field(repr=False)
    read_budget_mib: float
    session: str = field(default_factory=lambda: uuid.uuid4().hex)

    def pseudonym(self, study: Study) -> str:
        """The name of a study in this run: 20 hexadecimal digits, which only the salt connects with the patient."""
        return hmac.new(self.salt, study.identity.encode(), hashlib.sha256).hexdigest()[:_DIGITS]

    def study_folder(self, name: str) -> Path:
        """Folder of a study's results, by its pseudonym."""
        return self.folder / "studies" / name[:2] / name

    def failure_file(self, name: str) -> Path:
        """File with the reason of a study's failure, by its pseudonym."""
        return self.folder / "failed" / name[:2] / f"{name}.json"

    def running_file(self, name: str) -> Path:
        """Marker of a study in progress, by its pseudonym: one line per process that has begun it."""
        return self.folder / "running" / name

    def outcome(self, name: str) -> Outcome | None:
        """Earlier outcome of a study, by its pseudonym; None if it has none yet."""
        if self.study_folder(name).is_dir():
            return Outcome(name, "done", earlier=True)
        path = self.failure_file(name)
        if not path.is_file():
            return None
        record = read_json(path, "a failure of a run")
        texts = {key: str(record.get(key, "")) for key in ("kind", "reason")}
        return Outcome(name, "failed", **texts, seconds=float(record.get("seconds", 0.0)), earlier=True)


def has_changed(run: CohortRun, study: Study) -> bool:
    """Whether the files of a completed study have changed in number or were written since. No image is read.

    False where the files are not known before the study is read, as on a server.
    """
    path = run.study_folder(run.pseudonym(study)) / RECORD
    if not study.files or not path.is_file():
        return False
    number = read_json(path, "the record of a study").get("input_files", len(study.files))
    return number != len(study.files) or study.newest > path.stat().st_mtime_ns


def open_run(
    output: str | os.PathLike[str],
    model: str | os.PathLike[str] = "sunnybrook_lv_acdr",
    roi: str = "auto",
    options: SegmentOptions | None = None,
    salt: str | os.PathLike[str] | None = None,
) -> CohortRun:
    """Begin a run in a folder, or continue the folder's run. Several processes may do so at once.

    Args:
        output: folder of the run, made when missing.
        model: see :func:`monai_acdr.apps.segment`.
        roi: see :func:`monai_acdr.apps.segment`; not a file.
        options: options of :func:`monai_acdr.apps.segment`; ``overwrite`` is not used.
        salt: file with the secret of the pseudonyms, made when missing. Runs with the same secret give a study the same
            pseudonym. By default ``salt`` in the folder.

    Raises:
        FileExistsError: when the folder has results of other settings, versions or weights.
        FileNotFoundError, ValueError: when there is no such bundle, or the region does not apply to a cohort.
        OSError: when the folder cannot be written.
    """
    folder, options = Path(output).absolute(), replace(options or SegmentOptions(), overwrite=False)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"Expected a folder for the results, but {folder} is a file: give another --output.")
    region = parse_region(roi)
    if region.path is not None:
        raise ValueError(
            f"Expected a region that all studies have, auto, center, point X Y or box X0 Y0 X1 Y1, but got {roi!r}: "
            "the contours of a study are its own."
        )
    root = find_bundle(model)
    if options.checkpoint is not None:
        options = replace(options, checkpoint=str(Path(options.checkpoint).absolute()))
    weights = weights_sha256(root, options.checkpoint)
    secret = _read_salt(Path(salt).absolute() if salt is not None else folder / SALT)
    settings = {item.name: getattr(options, item.name) for item in fields(options) if item.name not in _NOT_SETTINGS}
    manifest = {
        "program": "monai-acdr cohort",
        "model": root.name,
        "roi": str(region),
        **json.loads(json.dumps(settings)),
        **weights,
        "salt_sha256": hashlib.sha256(secret).hexdigest(),
        "monai_acdr": __version__,
        **{name: version(name) for name in _PACKAGES},
    }
    text = json.dumps(manifest, indent=1) + "\n"
    settled = {key: value for key, value in manifest.items() if key != "salt_sha256"}
    with suppress(FileExistsError):
        write_text_atomically(folder / MANIFEST, text, overwrite=False)
    _check_same(folder, read_json(folder / MANIFEST, "the manifest of a run"), manifest)
    return CohortRun(
        folder=folder,
        model=str(root) if Path(model).is_dir() else str(model),
        roi=roi,
        options=options,
        weights=weights,
        digest=hashlib.sha256(json.dumps(settled).encode()).hexdigest(),
        salt=secret,
        read_budget_mib=read_budget_bytes() / 2**20,
    )


def _check_same(folder: Path, begun: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    different = [key for key in {**begun, **now} if begun.get(key) != now.get(key)]
    if different:
        listed = ", ".join(f"{key} was {begun.get(key)!r} and is {now.get(key)!r}" for key in different)
        raise FileExistsError(
            f"Expected the settings that {folder} was begun with, but {listed}: give the same options with the same "
            "versions to go on, or choose another folder."
        )


def _read_salt(path: Path) -> bytes:
    """The salt of a file, which is made when it is missing: 64 hexadecimal digits."""
    if not path.exists():
        with suppress(FileExistsError):  # of several processes, one succeeds
            write_text_atomically(path, secrets.token_hex(32) + "\n", overwrite=False, private=True)
    text = path.read_bytes()[:1000].decode("ascii", errors="replace").strip()
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError(f"Expected 64 hexadecimal digits in {path}, but got something else: give the file of a salt.")
    return bytes.fromhex(text)


def process_study(run: CohortRun, study: Study, retry_failed: bool = False) -> Outcome:
    """Process one study, unless it is done: outline it, measure it, and publish its folder of results.

    It may be called for the same study any number of times, by several processes at once, and be killed at any moment:
    the results appear once, and whole. DICOM results have the same UIDs when the same images are processed again.

    Args:
        run: the run, from :func:`open_run`.
        study: the study; paths as this machine sees them.
        retry_failed: process failed studies again.

    Returns:
        The outcome of the study. An error in the study is recorded as a failure and raises no exception.

    Raises:
        ImportError, OSError, ValueError: when the model cannot be loaded, which affects all studies.
    """
    name, started = run.pseudonym(study), time.perf_counter()
    earlier = run.outcome(name)
    if earlier is not None and not (retry_failed and earlier.state == "failed"):
        return earlier
    model = _model_of(run)
    with _begun(run, name, again=earlier is not None) as deaths:
        try:
            if deaths:
                return _failed(run, name, "process_died", deaths, started)
            with read_budget(run.read_budget_mib):
                _write_study(run, study, name, model, started)
        except Exception as error:  # of any kind: the other studies go on
            if run.study_folder(name).is_dir():  # another process has done it meanwhile
                return Outcome(name, "done", earlier=True)
            cause = explain(error)
            reason = _without_identity(str(cause) or type(cause).__name__, study)
            return _failed(run, name, _kind(cause), reason, started)
    with suppress(OSError):
        run.failure_file(name).unlink(missing_ok=True)
    return Outcome(name, "done", seconds=time.perf_counter() - started)


def _write_study(run: CohortRun, study: Study, name: str, model: ContourModel, started: float) -> None:
    target = run.study_folder(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        path = stack.enter_context(_readable(study))
        inputs = _inputs_sha256(path)
        folder = stack.enter_context(replace_folder(target, private=False))
        with repeatable_uids(f"{run.digest} {inputs}"):
            report = segment(path, folder, model, run.roi, options=run.options)
        record = {
            "study": name,
            "input_sha256": inputs,
            "input_files": len(study.files),
            "seconds": round(time.perf_counter() - started, 3),
            "sha256": {file: file_sha256(folder / file) for file in report.files},
        }
        (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


@contextmanager
def _readable(study: Study) -> Iterator[Path]:
    """A path with the files of the study only, numbered in the natural order of their names."""
    if not study.files:
        with fetch_study(study.source) as path:
            yield path
        return
    with temporary_folder() as temporary:
        folder, names = temporary / "study", numbered_names(study)
        folder.mkdir()
        for file, name in names.items():
            os.symlink(file, folder / name)
        yield folder / next(iter(names.values())) if study.kind == "nifti" else folder


def numbered_names(study: Study) -> dict[str, str]:
    """Name in results and messages of each file of a study: its number, from 1, in the natural order of the paths."""
    files = enumerate(sorted(study.files, key=natural_key), start=1)
    return {file: f"{number:05d}{_suffix(file, study.kind)}" for number, file in files}


def _suffix(file: str, kind: str) -> str:
    """Suffix that states the format of a file; the rest of the name may be a patient's."""
    if kind == "dicom":
        return ".dcm"
    return ".nii.gz" if file.lower().endswith(".nii.gz") else Path(file).suffix.lower()


def _inputs_sha256(path: Path) -> str:
    """SHA-256 of the digests of all files, independent of their names."""
    if not path.is_dir():
        return file_sha256(path) if path.is_file() else ""
    files = [folder / name for folder, names in walk_files(path, []) for name in names]
    return hashlib.sha256("".join(sorted(map(file_sha256, files))).encode()).hexdigest()


MAX_MODELS = 4
"""Models that a process keeps: each rule of ``--watch`` has one."""

_models: dict[tuple[str, ...], ContourModel] = {}


def _model_of(run: CohortRun) -> ContourModel:
    """The model of a run, loaded once in each process."""
    options = run.options
    key = (run.model, str(options.checkpoint), str(options.device), str(options.batch_size), run.digest)
    if key not in _models:
        model = load_model(run.model, options.checkpoint, options.device, options.batch_size)
        loaded = {"weights_sha256": model.checkpoint_sha256, "localizer_sha256": model.localizer_sha256}
        different = [name for name, value in run.weights.items() if loaded[name] != value]
        if different:
            raise ValueError(
                f"Expected the weights that the run was begun with, but {' and '.join(different)} of {run.model} "
                "differ on this machine: install the same bundle on all of them."
            )
        if len(_models) >= MAX_MODELS:
            _models.clear()
        _models[key] = model
    return _models[key]


@contextmanager
def _begun(run: CohortRun, name: str, again: bool) -> Iterator[str]:
    """Mark the study as begun; yields the reason to skip it, if too many processes have ended during it before.

    Args:
        run: run of the study.
        name: its pseudonym.
        again: whether this repeats a failed study: processes that ended during it in earlier starts do not count.
    """
    path = run.running_file(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    before: list[str] = []
    with suppress(FileNotFoundError):
        before = path.read_text(encoding="utf-8", errors="replace").split()
    if again:
        before = [session for session in before if session == run.session]
    if before.count(run.session) >= DEATHS_OF_RUN or len(before) >= DEATHS:
        yield (
            f"Expected to complete the study, but {len(before)} processes ended during it, from lack of memory or a "
            "fault in a library: check its images with monai-acdr segment, and repeat it with --retry-failed."
        )
        path.unlink(missing_ok=True)
        return
    path.write_text("".join(f"{session}\n" for session in [*before, run.session]))
    try:
        yield ""
    finally:  # not reached when the process dies
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _failed(run: CohortRun, name: str, kind: str, reason: str, started: float) -> Outcome:
    outcome = Outcome(name, "failed", kind, reason, time.perf_counter() - started)
    with suppress(OSError):  # a full disk: the next run repeats the study
        write_failure(run, outcome)
    return outcome


def write_failure(run: CohortRun, outcome: Outcome) -> None:
    """Record the reason of a study's failure.

    Raises:
        OSError: when the record cannot be written.
    """
    record = {"exit_code": FAILURE_KINDS[outcome.kind], **asdict(outcome)}
    del record["earlier"]
    write_text_atomically(run.failure_file(outcome.study), json.dumps(record, indent=1) + "\n")


_MAX_HIDDEN_FILES = 50
"""Limit of files whose names are looked for in a reason."""
_COMMON_FOLDERS = {
    "data",
    "dicom",
    "dicoms",
    "frame",
    "frames",
    "image",
    "images",
    "series",
    "slice",
    "slices",
    "studies",
    "study",
}
"""Common folder names, which identify nobody."""
_UID = re.compile(r"(?<![\w.])\d+(?:\.\d+){5,}(?![\w.]*\d)")


def _kind(error: BaseException) -> str:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's is not a MemoryError
        return "memory"
    return _KINDS[exit_code(error)]


def _without_identity(text: str, study: Study) -> str:
    """A reason without the paths, names, UIDs and IDs of the study: whole words are replaced, not parts of them."""
    temporary = re.escape(tempfile.gettempdir()) + rf"[/\\]{TEMPORARY}[^/\\\s]+([/\\]{TEMPORARY_FILES})?([/\\]study)?"
    text = re.sub(temporary, "the study", text)
    text = text.replace("the study/", "")  # a file in it, whose name is a number
    paths = {study.source, study.name, *study.files[:_MAX_HIDDEN_FILES]}
    names = {study.uid, study.patient, *Path(study.name).parts}
    names |= {name for path in paths for name in (Path(path).name, Path(path).stem)}
    hidden = dict.fromkeys(names, "***") | dict.fromkeys(paths, "the study")
    for known in sorted(hidden, key=len, reverse=True):
        if len(known) > 2 and known.lower() not in _COMMON_FOLDERS:
            text = re.sub(rf"(?<![\w-]){re.escape(known)}(?![\w-])", hidden[known], text)
    text = _UID.sub("***", text)
    return text[:_LONGEST_REASON]
