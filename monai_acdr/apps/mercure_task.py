# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""One task of mercure, the DICOM router: images in, results and ``result.json`` out, behind ``monai-acdr mercure``.

mercure starts a processing module for each series or study, with two folders. ``MERCURE_IN_DIR`` has the images,
``SERIES#INSTANCE.dcm``, and ``task.json``, whose ``process.settings`` are the rule's settings; DICOM files in
``MERCURE_OUT_DIR`` at the end are forwarded, and ``result.json`` is kept in its database. An exit status other than 0
is a failure.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pydicom

from monai_acdr import __version__
from monai_acdr.apps.model import find_bundle, weights_sha256
from monai_acdr.apps.outlines import Progress
from monai_acdr.apps.segment_results import SegmentReport
from monai_acdr.apps.segment_study import segment
from monai_acdr.apps.watch.rules import Recipe, check_recipe
from monai_acdr.data.text_files import read_json
from monai_acdr.dicom.identity import repeatable_uids
from monai_acdr.files import file_sha256, lock_folder, publish_into, temporary_folder

__all__ = ["mercure"]

IN_DIR, OUT_DIR = "MERCURE_IN_DIR", "MERCURE_OUT_DIR"
TASK, RESULT = "task.json", "result.json"
SETTINGS_LOCATION = f'"process" > "settings" of {TASK}'
NOTIFICATION = "__mercure_notification"
"""Key of ``result.json`` that makes mercure send a notification, if its rule allows it."""


def mercure(
    input: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    device: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Process one task of mercure.

    The settings have the keys of a rule of ``monai-acdr cohort --watch``: ``model``, ``roi`` and ``options``, all with
    defaults; and ``notify``, whether mercure should send a notification with the measures. The same images with the
    same settings give results with the same UIDs, so that a repeated task adds nothing to the archive.

    Args:
        input: folder with the images and ``task.json``; by default from the environment variable MERCURE_IN_DIR.
        output: folder for the results; by default from MERCURE_OUT_DIR. Either all results are written, or none.
        device: device of the network, unless the settings name one.
        progress: called with (step, done, all).

    Returns:
        The content of ``result.json``: measures and counts, and nothing that identifies a patient.

    Raises:
        FileNotFoundError, ValueError: for folders, settings or images that cannot be used.
        ImportError: when an extra is missing.
        OSError: when the results cannot be written.
    """
    source, target = _folder(input, IN_DIR), _folder(output, OUT_DIR)
    recipe, notify = _settings(source)
    recipe = recipe.on(device)
    images = sorted(source.rglob("*.dcm"))
    if not images:
        raise ValueError(f"Expected images, *.dcm, in {source}, but found none: is this the folder {IN_DIR}?")
    with lock_folder(target), temporary_folder() as temporary:
        links, results = temporary / "study", temporary / "results"
        links.mkdir()
        for number, path in enumerate(images, start=1):  # the tags beside each image are not read
            os.symlink(path.absolute(), links / f"{number:05d}.dcm")
        with repeatable_uids(_seed(recipe, images)):
            report = segment(links, results, recipe.model, recipe.roi, options=recipe.options, progress=progress)
        record = _result(report, notify)
        with publish_into(target, (), RESULT) as folder:
            for path in sorted(results.rglob("*.dcm")):
                header = pydicom.dcmread(path, stop_before_pixels=True)
                (folder / f"{header.SeriesInstanceUID}#{header.SOPInstanceUID}.dcm").write_bytes(path.read_bytes())
            (folder / RESULT).write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return record


def _folder(given: str | os.PathLike[str] | None, variable: str) -> Path:
    value = given if given is not None else os.environ.get(variable, "")
    if not str(value):
        raise ValueError(f"Expected the environment variable {variable}, which mercure sets, but it is not set.")
    path = Path(value)
    if not path.is_dir():
        raise FileNotFoundError(f"Expected {path} ({variable}) to be a folder, but it is not one.")
    return path


def _settings(source: Path) -> tuple[Recipe, bool]:
    """The task's recipe, and whether to notify."""
    task = read_json(source / TASK, "the task of mercure")
    process = task.get("process") if isinstance(task, dict) else None
    if isinstance(process, list) and len(process) == 1:  # mercure gives each step its own task
        process = process[0]
    settings = process.get("settings", {}) if isinstance(process, dict) else None
    if not isinstance(settings, dict):
        raise ValueError(f"Expected {source / TASK} to have an object at {SETTINGS_LOCATION}, but it has none.")
    settings = dict(settings)
    notify = settings.pop("notify", False)
    if not isinstance(notify, bool):
        raise ValueError(f'Expected "notify" in {SETTINGS_LOCATION} to be true or false, but got {notify!r}.')
    return check_recipe(settings, SETTINGS_LOCATION), notify


def _seed(recipe: Recipe, images: list[Path]) -> str:
    """Hash of everything that the results depend on."""
    root = find_bundle(recipe.model)
    hashes = [*sorted(map(file_sha256, images)), *weights_sha256(root, recipe.options.checkpoint).values()]
    settings = {**asdict(recipe.options), "device": None, "batch_size": None, "roi": recipe.roi}
    text = json.dumps([__version__, settings, hashes], default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _result(report: SegmentReport, notify: bool) -> dict[str, Any]:
    measures: Mapping[str, Any] = {
        name: None if part is None else part.as_dict()
        for name, part in (("volumes", report.volumes), ("wall", report.wall))
    }
    record: dict[str, Any] = {
        "program": "monai-acdr mercure",
        "version": __version__,
        "model": dict(report.model),
        "structures": list(report.structures),
        "frames": len(report.frames),
        "outlined": report.num_outlined,
        "doubtful": sum(frame.doubtful for frame in report.frames),
        "findings": dict(Counter(finding.kind for finding in report.findings)),
        "files": sum(name.endswith(".dcm") for name in report.files),
        **measures,
    }
    if notify:
        record[NOTIFICATION] = {"text": "\n".join(line for line in report.summary() if not line.startswith("Finding"))}
    return record
