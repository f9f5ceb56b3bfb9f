# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Report of an evaluation: `metrics.csv` with one row per case, `metrics.json` with all metrics."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from monai.metrics.meandice import compute_dice
from monai.utils import IgniteInfo, min_version, optional_import, string_list_all_gather
from torch import Tensor

from monai_acdr.files import WAIT_SECONDS, lock_folder, publish_results, write_text_atomically
from monai_acdr.geometry import is_nested
from monai_acdr.handlers.metrics import image_spacing
from monai_acdr.handlers.processes import sampled_positions
from monai_acdr.metrics import (
    ASSUMED_SPACING_MM,
    CASE_COLUMNS,
    UNKNOWN,
    CaseRecord,
    evaluate_case,
    starting_contour_findings,
    summarize_cases,
    summarize_strata,
)
from monai_acdr.metrics.inputs import is_missing
from monai_acdr.transforms import MASK_RULE, mask_rule

Events, _ = optional_import("ignite.engine", IgniteInfo.OPT_IMPORT_VERSION, min_version, "Events")
idist, _ = optional_import("ignite", IgniteInfo.OPT_IMPORT_VERSION, min_version, "distributed")
if TYPE_CHECKING:
    from ignite.engine import Engine

__all__ = ["EvaluationReport", "ReportOptions", "evaluate_output"]

_DECIMALS = 6
_RULE, _PREDICTED_RULE = MASK_RULE, f"predicted_{MASK_RULE}"

_LOGGED_METRICS = {
    "mean_dice": "mean Dice",
    "mean_initial_dice": "mean Dice of the start",
    "pooled_dice": "pooled Dice",
    "hd95_{unit}": "HD95 ({unit})",
    "apd_{unit}": "APD ({unit})",
    "boundf": "BoundF",
}
"""Values of the summary in the table that a run prints, and its column titles."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportOptions:
    """Measurements and groups of :class:`EvaluationReport`.

    Attributes:
        excluded_patients: measured and listed, but left out of the metrics; the metrics of all cases are then
            also written, under "with_excluded_patients".
        expected_names: names of the cases that should appear; those that do not are listed under "not_evaluated".
        contour_key: of the predicted contour in a case; None for a network that predicts masks only.
        strata: items of a case, such as `pathology`, by whose values the metrics are grouped as well, under
            "by_pathology"; they become columns of the table.
        size_edges_mm: bounds of the reference's diameter (that of a disk of equal area) by which the metrics are
            grouped as well, under "by_size".
        structures: names of the structures, from the innermost to the outermost, of cases with several: masks
            (N, H, W) and contours (N, K, 2). Each gives a row of the table for each case, with the columns `structure`
            and `nested`, and metrics under "by_structure"; the top-level metrics are the first structure's. A reference
            that is NaN everywhere is missing. "not_nested" lists the cases in which a structure is not within the next.
        assumed_spacing_mm: for good contours where the spacing is not known; the JSON's "spacing" says so.
        num_samples: bootstrap samples of the 95 % intervals.
        seed: of the bootstrap.
        log_findings: log the findings as warnings; False where a program shows those of the summary itself.

    Raises:
        ValueError: for two structures of one name.
    """

    excluded_patients: Sequence[str] = ()
    expected_names: Sequence[str] | None = None
    contour_key: str | None = "pred"
    strata: Sequence[str] = ()
    size_edges_mm: Sequence[float] = ()
    structures: Sequence[str] = ()
    assumed_spacing_mm: float = ASSUMED_SPACING_MM
    num_samples: int = 2000
    seed: int = 0
    log_findings: bool = True

    def __post_init__(self) -> None:
        if len(set(self.structures)) != len(self.structures):
            raise ValueError(f"Expected `structures` to have different names, but got {list(self.structures)}.")

    @property
    def summary(self) -> dict[str, Any]:
        """Arguments of :func:`monai_acdr.metrics.summarize_cases`."""
        return {name: getattr(self, name) for name in ("assumed_spacing_mm", "num_samples", "seed")}


class EvaluationReport:
    """Measure every case of an evaluator's run, and write two files, both of them or none, when the run is complete.

    A table of the most used values is logged.

    Masks follow from contours by a rule (:mod:`monai_acdr.transforms.contour.functional`), which their metadata record:
    the table has that of the reference as "mask_rule", and "mask_rules" of the JSON counts the rules of references and
    predictions. Where the two differ, the masks of equal contours differ, and a warning is logged.

    A case is a dictionary of `engine.state.output` (a list, after decollating), joined with its dictionary of
    `engine.state.batch`; :func:`evaluate_output` names its keys. The files are written by the first process, from the
    cases of all processes; a run that ends in an error leaves the files of an earlier run untouched. Where a
    `DistributedSampler` without shuffling deals the samples out, the files equal those of one process: cases have the
    order of the data set, and cases that the sampler repeats count once. Otherwise all cases count, those of the first
    process first.

    Args:
        output_dir: folder of `metrics.csv` and `metrics.json`; made when missing.
        metadata: origin of the metrics (ROI, group, layout of the data set, checkpoint, excluded cases), as values of
            JSON; written under "metadata". Other objects are written as their `str`.
        options: structures, groups of cases, bootstrap and the like.
        **shortcuts: fields of :class:`ReportOptions` by their names, instead of those of ``options``:
            ``EvaluationReport(folder, strata=["pathology"], size_edges_mm=(10, 20))``.

    Attributes:
        records: the case records of the last run.
        summary: content of its `metrics.json`.

    Raises:
        ValueError: when `metadata` holds NaN or infinity, which JSON lacks, and as :class:`ReportOptions`.
        TypeError: for a shortcut that is not a field of ReportOptions.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        metadata: Mapping[str, Any] | None = None,
        *,
        options: ReportOptions | None = None,
        **shortcuts: Any,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.metadata = json.loads(json.dumps(dict(metadata or {}), default=str, allow_nan=False))
        self.options = replace(options or ReportOptions(), **shortcuts)
        self.records: list[CaseRecord] = []
        self.summary: dict[str, Any] = {}
        self._cases: list[_Case] = []

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator: collect after each iteration, write when the run is completed."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Join the records of all processes, compute the metrics and write both files."""
        self.write(_gather(self._cases))

    def write(self, records: Sequence[CaseRecord]) -> None:
        """Compute the metrics of records, of several evaluations for example, and write both files."""
        self.records = list(records)
        if idist.get_rank() != 0:
            return
        self.summary = self._summarize()
        text = json.dumps(self.summary, indent=2, allow_nan=False) + "\n"
        with (
            lock_folder(self.output_dir, WAIT_SECONDS) as folder,
            publish_results(folder, ("metrics.csv", "metrics.json"), overwrite=True) as new,
        ):
            write_text_atomically(new / "metrics.csv", self._table())
            write_text_atomically(new / "metrics.json", text)
        logger.info("Wrote metrics of %d cases to %s\n%s", len(self.records), self.output_dir, self._results())

    def _start(self, _engine: Engine) -> None:
        self.records, self.summary, self._cases = [], {}, []

    def _collect(self, engine: Engine) -> None:
        cases = _cases(engine.state.output, engine.state.batch)
        positions = sampled_positions(engine, len(cases))
        for index, case in enumerate(cases if positions is None else cases[: len(positions)]):
            position = None if positions is None else positions[index]
            self._cases.append(_Case(position, "name" in case, self._measure(case)))

    def _measure(self, case: Mapping[str, Any]) -> list[CaseRecord]:
        """The records of a case: one, or one for each structure."""
        groups = {key: UNKNOWN if case.get(key) in (None, "") else str(case[key]) for key in self.options.strata}
        if not self.options.structures:
            record = evaluate_output(case, contour_key=self.options.contour_key)
            return [{**groups, **record, **_mask_rules(case)}]  # type: ignore[typeddict-item]
        nested = _nested(case, self.options.contour_key)
        parts = _by_structure(case, self.options.structures, self.options.contour_key)
        records: list[Any] = []
        for label, part in zip(self.options.structures, parts, strict=True):
            record = evaluate_output(part, contour_key=self.options.contour_key)
            records.append({**groups, **record, "structure": label, "nested": nested, **_mask_rules(part)})
        return records

    def _summarize(self) -> dict[str, Any]:
        if not self.options.structures:
            summary = self._figures(self.records)
            findings = starting_contour_findings(summary)
        else:
            records: list[Any] = list(self.records)
            by_structure = {
                label: self._figures([record for record in records if record["structure"] == label])
                for label in self.options.structures
            }
            summary = {**by_structure[self.options.structures[0]], "structure": self.options.structures[0]}
            loose = [record["name"] for record in records if record["nested"] is False and not self._excluded(record)]
            summary |= {"by_structure": by_structure, "not_nested": list(dict.fromkeys(loose))}
            findings = [item for label, part in by_structure.items() for item in starting_contour_findings(part, label)]
        for finding in findings if self.options.log_findings else ():
            logger.warning("%s%s", f"{finding.subject}: " if finding.subject else "", finding.text)
        summary["findings"] = [finding.as_dict() for finding in findings]
        summary["mask_rules"] = self._count_rules()
        if self.options.expected_names is not None:
            found = {record["name"] for record in self.records}
            summary["not_evaluated"] = sorted(set(self.options.expected_names) - found)
        return summary | {"metadata": self.metadata}

    def _figures(self, records: Sequence[CaseRecord]) -> dict[str, Any]:
        kept = [record for record in records if not self._excluded(record)]
        summary = summarize_cases(kept, **self.options.summary)
        if summary["num_cases"] == 0:
            logger.warning("No case with a reference was evaluated: all metrics of the report are null")
        if self.options.excluded_patients:
            summary["excluded_patients"] = list(self.options.excluded_patients)
            summary["with_excluded_patients"] = summarize_cases(records, **self.options.summary)
        return summary | summarize_strata(kept, self.options.strata, self.options.size_edges_mm, **self.options.summary)

    def _count_rules(self) -> dict[str, Any]:
        """Counts of the mask rules of references, and of predictions."""
        pairs = [(str(r[_RULE]), str(r[_PREDICTED_RULE])) for r in self.records if r[_RULE]]  # type: ignore[literal-required]
        different = sum(reference != predicted for reference, predicted in pairs)
        if different:
            logger.warning(
                "%d of %d masks were predicted by another rule than that of their reference: set `rule_key` of "
                "ContourToMaskd to compare like with like",
                different,
                len(pairs),
            )
        counts = (dict(sorted(Counter(rules).items())) for rules in zip(*pairs, strict=True)) if pairs else ({}, {})
        return dict(zip(("reference", "prediction"), counts, strict=True)) | {"different": different}

    def _results(self) -> str:
        """The table of the most used values: one row per structure, means with their 95 % intervals."""
        parts = self.summary.get("by_structure") or {"all": self.summary}
        started = any(part["mean_initial_dice"] is not None for part in parts.values())
        shown = {key: title for key, title in _LOGGED_METRICS.items() if started or key != "mean_initial_dice"}
        rows = [("", "cases", *shown.values())]
        unit = "mm" if self.summary["num_with_spacing"] == self.summary["num_cases"] else "px"
        for label, part in parts.items():
            cells = [_shown(part, key.format(unit=unit)) for key in shown]
            rows.append((label, str(part["num_cases"]), *cells))
        rows[0] = tuple(cell.format(unit=unit) for cell in rows[0])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)

    def _excluded(self, record: CaseRecord) -> bool:
        return record["patient"] in self.options.excluded_patients

    def _table(self) -> str:
        stream = io.StringIO()
        extra = ("structure", "nested") if self.options.structures else ()
        columns = [*CASE_COLUMNS, *extra, *self.options.strata, _RULE, "excluded"]
        writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for record in self.records:
            writer.writerow({key: _cell(value) for key, value in record.items()} | {"excluded": self._excluded(record)})
        return stream.getvalue()


def evaluate_output(case: Mapping[str, Any], contour_key: str | None = "pred") -> CaseRecord:
    """Measure one case of an engine's output.

    Args:
        case: `pred_mask` (1, H, W) and `label` (1, H, W), binary, on the original pixel grid; `pred` (K, 2) or
            (1, K, 2) and `reference` (1, N, 2), vertices in pixels of that grid; `name`, `patient`, `group`;
            `has_spacing`, whether the affine of `label` has real spacings (False if absent); `roi_dice`;
            `initial_mask` (1, H, W), of the contour that the evolution started from. All may be absent: see
            :func:`monai_acdr.metrics.evaluate_case`. A `label` or a `reference` that is NaN everywhere is missing, as
            if absent.
        contour_key: another name for `pred`, or None when there are no predicted contours.

    Raises:
        ValueError: when shapes do not fit, a mask is not binary, or a spacing is missing despite `has_spacing`.
    """
    label, reference = _known(case.get("label")), _known(case.get("reference"))
    initial = case.get("initial_mask")
    for mask in (case.get("pred_mask"), label, initial):
        if mask is not None and len(mask) != 1:
            raise ValueError(
                f"Expected masks (1, H, W), but got {tuple(mask.shape)}: name the structures of cases with several, "
                "EvaluationReport(structures=[...])."
            )
    roi_dice = case.get("roi_dice")
    roi_dice = None if roi_dice is None or math.isnan(float(roi_dice)) else float(roi_dice)
    has_spacing = bool(case.get("has_spacing", False)) and label is not None
    record = evaluate_case(
        case.get("pred_mask"),
        label,
        pred=None if contour_key is None else case.get(contour_key),
        reference=reference,
        spacing=image_spacing(label) if has_spacing else None,
        name=str(case.get("name", "")),
        patient=str(case.get("patient", "")),
        group=str(case.get("group", "")),
    )
    record["roi_dice"] = roi_dice
    if initial is not None and label is not None:
        record["initial_dice"] = float(compute_dice(initial[None], label[None], ignore_empty=False))
    return record


def _mask_rules(case: Mapping[str, Any]) -> dict[str, str]:
    """Rules of the reference and of the prediction; empty without a reference, equal without a prediction."""
    label, predicted = _known(case.get("label")), case.get("pred_mask")
    rule = "" if label is None else mask_rule(label)
    return {_RULE: rule, _PREDICTED_RULE: rule if predicted is None or not rule else mask_rule(predicted)}


def _known(reference: Any) -> Any:
    return None if isinstance(reference, Tensor) and is_missing(reference) else reference


def _by_structure(case: Mapping[str, Any], structures: Sequence[str], contour_key: str | None) -> list[dict[str, Any]]:
    """A case (N, ...) as one case (1, ...) for each structure."""
    number = len(structures)
    parts: list[dict[str, Any]] = [dict(case) for _ in structures]
    for key in (
        "pred_mask",
        "initial_mask",
        "label",
        "reference",
        "roi_dice",
        *([] if contour_key is None else [contour_key]),
    ):
        values = case.get(key)
        if values is None or (key == "roi_dice" and number == 1):
            continue
        if not hasattr(values, "__len__") or len(values) != number:
            raise ValueError(
                f"Expected `{key}` of each case to have one entry for each of {list(structures)}, but got "
                f"{tuple(values.shape) if isinstance(values, Tensor) else values!r}."
            )
        for index, part in enumerate(parts):
            part[key] = values[index] if key == "roi_dice" else values[index : index + 1]
    return parts


def _nested(case: Mapping[str, Any], contour_key: str | None) -> bool | None:
    """Whether each structure is within the next one: by the contours, or by the masks where there are none."""
    contours = None if contour_key is None else case.get(contour_key)
    if isinstance(contours, Tensor):
        return bool(is_nested(contours.detach().as_subclass(Tensor)))
    mask = case.get("pred_mask")
    if mask is None:
        return None
    inside = mask.detach().as_subclass(Tensor) > 0
    return not bool((inside[:-1] & ~inside[1:]).any())


def _cases(output: Any, batch: Any) -> list[dict[str, Any]]:
    """The output's dictionaries, with items that only the batch has (MONAI's evaluators keep names there)."""
    if not isinstance(output, Sequence) or not all(isinstance(case, Mapping) for case in output):
        raise TypeError(
            f"Expected `engine.state.output` to be a list of dictionaries, but got {type(output).__name__}: "
            "use decollate=True in the evaluator."
        )
    joined = isinstance(batch, Sequence) and len(batch) == len(output) and all(isinstance(b, Mapping) for b in batch)
    return [{**one, **case} for one, case in zip(batch if joined else [{}] * len(output), output, strict=True)]


class _Case(NamedTuple):
    """The records of a case, its position in the data set where known, and whether the case has a name."""

    position: int | None
    is_named: bool
    records: list[CaseRecord]


def _gather(cases: Sequence[_Case]) -> list[CaseRecord]:
    """The records of all processes, in the data set's order where it is known; cases without a name get a number."""
    if idist.get_world_size() > 1:  # one text per process, so that a process without cases takes part
        texts = string_list_all_gather([json.dumps(cases)])
        cases = [_Case(*case) for text in texts for case in json.loads(text)]
    if all(case.position is not None for case in cases):
        cases = sorted(cases, key=lambda case: case.position or 0)
    records: list[CaseRecord] = []
    for number, case in enumerate(cases):
        for record in case.records:
            records.append(record if case.is_named else {**record, "name": f"case_{number:04d}"})
    return records


def _shown(part: Mapping[str, Any], key: str) -> str:
    """A value with its interval, if there is one; a dash for none."""
    value, interval = part.get(key), part.get(f"{key}_ci95")
    if value is None:
        return "-"
    return f"{value:.4f}" + (f" ({interval[0]:.4f} to {interval[1]:.4f})" if interval else "")


def _cell(value: Any) -> Any:
    """None is an empty cell; floats are short enough to read."""
    return round(value, _DECIMALS) if isinstance(value, float) else value
