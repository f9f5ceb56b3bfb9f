# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Tables of a cohort and their page: a row per study, a row per frame, distributions, and studies to review.

They are made from the folders of the studies, one study at a time: memory grows by only a few numbers per study.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from monai_acdr.apps.cohort.sources import Sources
from monai_acdr.apps.cohort.study import RECORD, CohortRun, Outcome, Study
from monai_acdr.apps.volume_agreement import MEASURES
from monai_acdr.data.text_files import read_json, read_table
from monai_acdr.files import check_parent, replace_file, write_text_atomically
from monai_acdr.measures import compute_agreement
from monai_acdr.visualize import bland_altman, histograms, save_cohort_report, scatter_plot

__all__ = ["FRAME_COLUMNS", "STUDY_COLUMNS", "read_references", "require_tables", "write_key", "write_tables"]

STUDY_COLUMNS = {
    **dict.fromkeys(("study", "state", "kind", "reason", "input"), "string"),
    **dict.fromkeys(("frames", "outlined", "skipped", "doubtful_frames"), "int32"),
    "to_check": "bool",
    **dict.fromkeys(("lowest_confidence", "mean_spread_mm", "largest_spread_mm"), "float64"),
    **dict.fromkeys(MEASURES, "float64"),
    **dict.fromkeys(("end_diastole_phase", "end_systole_phase"), "int32"),
    **dict.fromkeys(("findings", "model", "model_version", "weights_sha256", "input_sha256"), "string"),
    **dict.fromkeys(("contours_sha256", "seg_sha256", "rtstruct_sha256", "sr_sha256"), "string"),
    "stored": "int32",
    "seconds": "float64",
}
"""Columns of ``cohort.csv`` and ``cohort.parquet``, with their types in Arrow."""
FRAME_COLUMNS = {
    **dict.fromkeys(("study", "frame"), "string"),
    **dict.fromkeys(("number", "slice", "phase"), "int32"),
    **dict.fromkeys(("outlined", "doubtful"), "bool"),
    "reason": "string",
    "confidence": "float64",
    **dict.fromkeys(("region_x", "region_y", "region_width", "region_height"), "float64"),
}
"""Columns of ``frames.parquet``; each structure adds those of :data:`SHAPE_COLUMNS` after its name."""
SHAPE_COLUMNS = ("area_mm2", "longest_diameter_mm", "perpendicular_diameter_mm", "perimeter_mm", "circularity")
SPREAD_COLUMN = "spread_mm"
KEY_COLUMNS = ("study", "patient_id", "study_instance_uid", "name", "source")
MAX_DOUBTFUL_STUDIES = 10
"""Number of the most doubtful studies on the page."""
CHECKED_FINDINGS = (
    *("doubtful", "doubtful_slice", "scattered_centers", "wide_cavity", "dented", "incomplete_stack"),
    *("missing_slice", "similar_series", "mixed_correction", "implausible_scale"),
    *("implausible_volume", "implausible_area", "contour_outside", "self_crossing"),
)
"""Findings that a result may be wrong: studies that have one are ``to_check``. ``doubtful_frames`` counts the frames of
one of them, ``doubtful``."""
_BATCH = 500
"""Number of studies written at once."""
_PICTURE_SIDE = 900
"""Pixels of the longer side of a contact sheet on the page."""
_MAX_REASONS = 50

References = Mapping[str, Mapping[str, float]]
"""Pseudonym -> measure -> value."""
Row = dict[str, Any]


def require_tables() -> None:
    """Raise an ImportError, before the work, when tables cannot be written."""
    try:
        import_module("pyarrow.parquet")
    except ImportError as error:
        raise ImportError(f"The tables of a cohort need pyarrow ({error}): pip install 'monai_acdr[cohort]'") from error


def write_key(path: str | os.PathLike[str], run: CohortRun, studies: Sequence[Study]) -> None:
    """Write the pseudonym, patient and study of each study as CSV that only its owner can read.

    Raises:
        OSError: when the table cannot be written.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(KEY_COLUMNS)
    writer.writerows(sorted((run.pseudonym(s), s.patient, s.uid, s.name, s.source) for s in studies))
    write_text_atomically(check_parent(path), stream.getvalue(), private=True)


def read_references(
    path: str | os.PathLike[str], run: CohortRun, studies: Sequence[Study], say: Callable[[str], None]
) -> References:
    """Read reference values: a column ``study`` and columns of :data:`~monai_acdr.apps.volume_agreement.MEASURES`.

    Args:
        path: a CSV table. A study is named by its pseudonym, its StudyInstanceUID, its path (also relative to the
            source or to the folder of a list), or its PatientID where the patient has one study.
        run: run with the pseudonyms.
        studies: studies of the source.
        say: called with the number of rows that are not used.

    Raises:
        FileNotFoundError: when there is no such table.
        ValueError: when it has no such columns, names no study of the source, or has values other than numbers from 0.
    """
    rows = read_table(Path(path))
    measures = [name for name in MEASURES if rows and name in rows[0]]
    if not measures or "study" not in rows[0]:
        raise ValueError(
            f"Expected the column study and at least one of {', '.join(MEASURES)} in {path}, but got "
            f"{', '.join(rows[0]) if rows else 'no row'}: rename the columns."
        )
    names: dict[str, str] = {}
    patients = Counter(study.patient for study in studies)
    for study in studies:
        patient = study.patient if patients[study.patient] == 1 else ""
        known = [run.pseudonym(study), study.uid, study.name, study.source, patient]
        names |= {name: run.pseudonym(study) for name in known if name}
    references: dict[str, dict[str, float]] = {}
    for row in rows:
        pseudonym = names.get(row.get("study", ""))
        try:
            values = {name: float(row[name]) for name in measures if row.get(name)}
        except ValueError as error:
            raise ValueError(f"Expected numbers in {path}, but {error}: correct the table.") from None
        if any(value < 0 for value in values.values()):
            raise ValueError(f"Expected numbers from 0 in {path}, but got {min(values.values())}: correct the table.")
        if pseudonym is not None and values and np.isfinite(list(values.values())).all():
            references[pseudonym] = values
    if not references:
        raise ValueError(
            f"Expected {path} to name studies of the source, but none of its {len(rows)} row(s) does: the column study "
            "holds a pseudonym, a StudyInstanceUID, a path within the source or a PatientID."
        )
    if len(references) < len(rows):
        say(
            f"{len(rows) - len(references)} of {len(rows)} rows of the reference are not used: they name no study of "
            "the source, one that another row names, or have no finite value."
        )
    return references


def write_tables(
    run: CohortRun,
    name: str,
    studies: Sequence[str],
    unrecorded: Mapping[str, Outcome],
    references: References | None,
    sources: Sources,
) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Write the tables and the page, each whole or not at all.

    Args:
        run: run with the results.
        name: base name of the tables: ``cohort``, or with the number of a part.
        studies: pseudonyms, in the order of the rows.
        unrecorded: outcomes that are in no file, because the disk was full.
        references: references from :func:`read_references`.
        sources: sources, with the files that are in no study.

    Returns:
        Names of the written files, and the agreement with the references, by measure.

    Raises:
        OSError: when the files cannot be written.
    """
    page = _Page(run, references or {})
    labels: dict[str, None] = {}
    rows = _study_rows(run, studies, unrecorded, labels, page)
    frames = name.replace("cohort", "frames", 1)
    _write_parquet_and_csv(run.folder / f"{name}.parquet", run.folder / f"{name}.csv", rows)
    _write_frames(run, run.folder / f"{frames}.parquet", studies, list(labels))
    agreement = page.agreement()
    page.write(run.folder / f"{name}.html", agreement, sources)
    return [f"{name}.csv", f"{name}.parquet", f"{frames}.parquet", f"{name}.html"], agreement


def _study_rows(
    run: CohortRun, studies: Sequence[str], unrecorded: Mapping[str, Outcome], labels: dict[str, None], page: _Page
) -> Iterator[Row]:
    for name in studies:
        outcome = run.outcome(name) or unrecorded.get(name)
        if outcome is None:  # another process of this run is working on it
            continue
        row: Row = dict.fromkeys(STUDY_COLUMNS)
        row |= {key: getattr(outcome, key) for key in ("study", "state", "kind", "reason", "seconds")}
        if outcome.state == "done":
            folder = run.study_folder(name)
            report = read_json(folder / "report.json", "the report of a study")
            row |= _values(read_json(folder / RECORD, "the record of a study"), report)
            labels |= dict.fromkeys(map(str, report["structures"]))
        page.add(row)
        yield row


def _values(record: Mapping[str, Any], report: Mapping[str, Any]) -> Row:
    """The columns of a study that is done."""
    frames = report["frames"]
    outlined = [frame for frame in frames if frame["outlined"]]
    confidences = [frame["confidence"] for frame in outlined if frame["confidence"] is not None]
    spreads = [value for frame in outlined if (value := _mean_spread(frame)) is not None]
    volumes, wall = report["volumes"] or {}, report["wall"] or {}
    findings = Counter(finding["kind"] for finding in report["findings"])
    return {
        "input": report["kind"],
        "frames": len(frames),
        "outlined": len(outlined),
        "skipped": len(report["skipped"]),
        "doubtful_frames": sum(frame["doubtful"] for frame in frames),
        "to_check": any(kind in findings for kind in CHECKED_FINDINGS),
        "lowest_confidence": min(confidences, default=None),
        "mean_spread_mm": float(np.mean(spreads)) if spreads else None,
        "largest_spread_mm": max(spreads, default=None),
        "edv_ml": volumes.get("end_diastolic_volume_ml"),
        "esv_ml": volumes.get("end_systolic_volume_ml"),
        "sv_ml": volumes.get("stroke_volume_ml"),
        "ef_percent": volumes.get("ejection_fraction_percent"),
        "mass_g": wall.get("mass_g"),
        "wall_mm": wall.get("mean_thickness_mm"),
        "end_diastole_phase": volumes.get("end_diastole_phase"),
        "end_systole_phase": volumes.get("end_systole_phase"),
        "findings": "; ".join(kind if n == 1 else f"{kind} x {n}" for kind, n in sorted(findings.items())),
        "model": report["model"]["name"],
        "model_version": report["model"]["version"],
        "weights_sha256": report["model"]["weights_sha256"],
        "input_sha256": record["input_sha256"],
        **result_hashes(record["sha256"]),
        "stored": report["stored"],
        "seconds": record["seconds"],
    }


def result_hashes(files: Mapping[str, str]) -> dict[str, str | None]:
    """SHA-256 by column, from those by file; of several segmentations that of their hashes, in the order of names."""
    hashes: dict[str, str | None] = {name: files.get(f"{name}.dcm") for name in ("seg", "rtstruct", "sr")}
    hashes["contours"] = files.get("contours.json")
    several = [files[file] for file in sorted(files) if file.startswith("seg/")]
    if several:
        hashes["seg"] = hashlib.sha256("".join(several).encode()).hexdigest()
    return {f"{name}_sha256": value for name, value in hashes.items()}


def _mean_spread(frame: Mapping[str, Any]) -> float | None:
    values = [spread["mean_mm"] for spread in frame["spread"].values() if "mean_mm" in spread]
    return sum(values) / len(values) if values else None


def _frame_rows(run: CohortRun, studies: Sequence[str], labels: Sequence[str]) -> Iterator[Row]:
    for name in studies:
        folder = run.study_folder(name)
        if not folder.is_dir():
            continue
        for number, frame in enumerate(read_json(folder / "report.json", "the report of a study")["frames"], start=1):
            row: Row = {"study": name, "frame": frame["name"], "number": number}
            row |= {"slice": frame["slice_index"], "phase": frame["phase"]}
            row |= {key: frame[key] for key in ("outlined", "doubtful", "reason", "confidence")}
            row |= dict(zip(list(FRAME_COLUMNS)[-4:], frame["region"] or [None] * 4, strict=True))
            for label in labels:
                shape, spread = frame["measures"].get(label, {}), frame["spread"].get(label, {})
                row |= {f"{_column(label)}_{key}": shape.get(key) for key in SHAPE_COLUMNS}
                row[f"{_column(label)}_{SPREAD_COLUMN}"] = spread.get("mean_mm")
            yield row


def _column(label: str) -> str:
    return "_".join(label.lower().split())


def _write_frames(run: CohortRun, path: Path, studies: Sequence[str], labels: Sequence[str]) -> None:
    shapes = [f"{_column(label)}_{key}" for label in labels for key in (*SHAPE_COLUMNS, SPREAD_COLUMN)]
    columns = {**FRAME_COLUMNS, **dict.fromkeys(shapes, "float64")}
    pq = import_module("pyarrow.parquet")
    with replace_file(path) as temporary, ExitStack() as stack:
        schema = _schema(columns)
        writer = stack.enter_context(pq.ParquetWriter(temporary, schema))
        for table in _batches(_frame_rows(run, studies, labels), schema, 100 * _BATCH):
            writer.write_table(table)


def _write_parquet_and_csv(path: Path, csv_path: Path, rows: Iterator[Row]) -> None:
    pq, arrow_csv = import_module("pyarrow.parquet"), import_module("pyarrow.csv")
    schema = _schema(STUDY_COLUMNS)
    with ExitStack() as stack:
        temporary, csv_temporary = (stack.enter_context(replace_file(one)) for one in (path, csv_path))
        with pq.ParquetWriter(temporary, schema) as writer, arrow_csv.CSVWriter(csv_temporary, schema) as csv_writer:
            for table in _batches(rows, schema, _BATCH):
                writer.write_table(table)
                csv_writer.write_table(table)


def _schema(columns: Mapping[str, str]) -> Any:
    pa = import_module("pyarrow")
    types = {"string": pa.string(), "int32": pa.int32(), "bool": pa.bool_(), "float64": pa.float64()}
    return pa.schema([(name, types[kind]) for name, kind in columns.items()])


def _batches(rows: Iterator[Row], schema: Any, size: int) -> Iterator[Any]:
    pa = import_module("pyarrow")
    first = next(rows, None)
    while first is not None:
        yield pa.Table.from_pylist([first, *islice(rows, size - 1)], schema=schema)
        first = next(rows, None)


class _Page:
    """Contents of the page, collected row by row."""

    def __init__(self, run: CohortRun, references: References) -> None:
        self._run = run
        self._references = references
        self._values: dict[str, list[float]] = {name: [] for name in (*MEASURES, "lowest_confidence", "mean_spread_mm")}
        self._volumes: list[tuple[float, float]] = []
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._states: Counter[str] = Counter()
        self._findings: Counter[str] = Counter()
        self._doubtful: list[tuple[tuple[float, float], str, str]] = []
        self._pairs: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in MEASURES}

    def add(self, row: Row) -> None:
        """Add the values of a study."""
        self._states[row["state"]] += 1
        if row["state"] == "failed":
            self._reasons[row["kind"], row["reason"]] += 1
            return
        for name, values in self._values.items():
            if row[name] is not None:
                values.append(row[name])
        if row["edv_ml"] is not None:
            self._volumes.append((row["edv_ml"], row["ef_percent"]))
        self._findings.update(kind.partition(" x ")[0] for kind in filter(None, row["findings"].split("; ")))
        for name, value in self._references.get(row["study"], {}).items():
            if row[name] is not None:
                self._pairs[name][0].append(row[name])
                self._pairs[name][1].append(value)
        self._rank(row)

    def _rank(self, row: Row) -> None:
        """Keep the most doubtful studies: by the share of frames that are doubtful or lost, then by the spread."""
        lost = row["frames"] - row["outlined"] if not row["outlined"] else 0
        share = (row["doubtful_frames"] + lost) / max(1, row["frames"])
        spread = row["largest_spread_mm"] or 0.0
        if not (share or row["to_check"] or spread):
            return
        caption = f"{row['study']}: {row['doubtful_frames']} of {row['outlined']} outlined frame(s) doubtful"
        if row["largest_spread_mm"] is not None:
            caption += f", spread up to {spread:.1f} mm"
        kinds = [kind.partition(" x ")[0] for kind in row["findings"].split("; ")]
        if named := [kind.replace("_", " ") for kind in kinds if kind in CHECKED_FINDINGS and kind != "doubtful"]:
            caption += f"; {', '.join(named)}"
        self._doubtful.append(((share + bool(row["to_check"]), spread), row["study"], caption))
        self._doubtful = sorted(self._doubtful, key=lambda item: (-item[0][0], -item[0][1], item[1]))[
            :MAX_DOUBTFUL_STUDIES
        ]

    def agreement(self) -> dict[str, dict[str, Any]]:
        """Statistics of the measures that have references."""
        return {name: compute_agreement(*pair).as_dict() for name, pair in self._pairs.items() if pair[0]}

    def write(self, path: Path, agreement: Mapping[str, Mapping[str, Any]], sources: Sources) -> None:
        """Write the page."""
        pictures = []
        titles = {**MEASURES, "lowest_confidence": "lowest confidence", "mean_spread_mm": "mean spread, mm"}
        values = {titles[name]: found for name, found in self._values.items() if found}
        if values:
            pictures.append(("Distributions", histograms(values)))
        if self._volumes:
            volumes, fractions = zip(*self._volumes, strict=True)
            names = (MEASURES["edv_ml"], MEASURES["ef_percent"])
            pictures.append(("Volume against ejection fraction", scatter_plot(volumes, fractions, *names)))
        pairs = {MEASURES[name]: pair for name, pair in self._pairs.items() if pair[0]}
        failures = [
            {"kind": kind.replace("_", " "), "reason": reason, "studies": number}
            for (kind, reason), number in self._reasons.most_common(_MAX_REASONS)
        ]
        left_out = [f"{number} file(s) are in no study: {reason}" for reason, number in sources.left_out.items()]
        save_cohort_report(
            path,
            "Cohort",
            summary={"studies": sum(self._states.values()), **{s: self._states[s] for s in ("done", "failed")}},
            pictures=pictures,
            doubtful=[(caption, sheet) for _, name, caption in self._doubtful if (sheet := self._sheet(name))],
            tables={
                "Failures": failures,
                "Findings": [{"finding": kind, "studies": number} for kind, number in self._findings.most_common()],
            },
            agreement=[("Agreement with the reference", bland_altman(pairs))] if pairs else [],
            statistics=[{"measure": MEASURES[name], **values} for name, values in agreement.items()],
            notes=left_out + self._without_pictures(),
        )

    def _without_pictures(self) -> list[str]:
        names = [
            name for _, name, _ in self._doubtful if not (self._run.study_folder(name) / "contact_sheet.png").is_file()
        ]
        return [f"Doubtful studies without pictures (--no-pictures): {', '.join(names)}"] if names else []

    def _sheet(self, name: str) -> bytes:
        """The contact sheet of a study, reduced; empty if there is none."""
        path = self._run.study_folder(name) / "contact_sheet.png"
        if not path.is_file():
            return b""
        with Image.open(path) as picture:
            picture.thumbnail((_PICTURE_SIDE, _PICTURE_SIDE))
            stream = io.BytesIO()
            picture.save(stream, format="PNG")
        return stream.getvalue()
