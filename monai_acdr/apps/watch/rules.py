# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Rules for studies that arrive: which study goes through which bundle, with which options, and in which order.

Rules are a JSON file, so that a reader who knows the options of ``monai-acdr segment`` can read it::

    {
      "rules": [
        {
          "name": "cine",
          "modality": "MR",
          "study_description": "heart|cardiac",
          "series_description": "cine.*(sax|short)",
          "model": "sunnybrook_lv_acdr",
          "roi": "auto",
          "options": {"seg": "BINARY", "rtstruct": true, "sr": true}
        }
      ],
      "urgent": {"description": "emergency", "calling_aet": ["ER_MR1"]}
    }

The whole file is checked before the first study is taken.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_acdr.apps.model import find_bundle
from monai_acdr.apps.regions import parse_region
from monai_acdr.apps.segment_results import SEG_KINDS, SegmentOptions
from monai_acdr.data.text_files import read_json
from monai_acdr.dicom.orthanc import FIRST_USER_METADATA, LAST_USER_METADATA, OrthancSeries, OrthancStudy
from monai_acdr.dicom.web import NOT_IMAGES

__all__ = ["Recipe", "Rule", "Urgency", "WatchRules", "check_recipe", "parse_rules", "read_rules"]

_NOT_OPTIONS = ("identity", "overwrite", "store")
"""Options of ``segment`` that the service sets itself."""
_MAX_RULES = 1000
_MAX_SECONDS = 30 * 86400.0


@dataclass(frozen=True)
class Recipe:
    """How a study is outlined.

    Attributes:
        model: name of an installed bundle, or a bundle's folder.
        roi: see :func:`monai_acdr.apps.segment`.
        options: options of :func:`monai_acdr.apps.segment`, with at least one of SEG, RTSTRUCT and SR.
    """

    model: str = "sunnybrook_lv_acdr"
    roi: str = "auto"
    options: SegmentOptions = field(
        default_factory=lambda: SegmentOptions(seg="BINARY", rtstruct=True, sr=True, pictures=False)
    )

    def on(self, device: str | None) -> Recipe:
        """The recipe with a device, unless it names one itself."""
        if self.options.device is not None:
            return self
        return dataclasses.replace(self, options=dataclasses.replace(self.options, device=device))


@dataclass(frozen=True)
class Rule:
    """Which series are outlined, and how. Patterns match anywhere, ignoring case.

    Attributes:
        name: letters, digits, ``-`` and ``_``; also names the folder of its results.
        recipe: how they are outlined.
        modality: modality of the series; None for any images.
        study_description: pattern of StudyDescription; None for any.
        series_description: pattern of SeriesDescription; None for any.
    """

    name: str
    recipe: Recipe
    modality: str | None = None
    study_description: re.Pattern[str] | None = None
    series_description: re.Pattern[str] | None = None

    def choose(self, study: OrthancStudy, series: Sequence[OrthancSeries]) -> list[OrthancSeries]:
        """The series of a study that the rule matches; may be empty."""
        if self.study_description is not None and not self.study_description.search(study.description):
            return []
        return [
            one
            for one in series
            if one.instances
            and one.modality not in NOT_IMAGES
            and self.modality in (None, one.modality)
            and (self.series_description is None or self.series_description.search(one.description))
        ]


@dataclass(frozen=True)
class Urgency:
    """Which studies go before all others.

    Attributes:
        description: pattern of StudyDescription or SeriesDescription; None for none.
        calling_aet: AE titles of senders.
        called_aet: AE titles called by senders.
    """

    description: re.Pattern[str] | None = None
    calling_aet: tuple[str, ...] = ()
    called_aet: tuple[str, ...] = ()

    def includes(self, study: OrthancStudy, series: Sequence[OrthancSeries], sender: tuple[str, str]) -> bool:
        """Whether a study is urgent.

        Args:
            study: the study.
            series: its series that are outlined.
            sender: calling and called AE title.
        """
        texts = [study.description, *(one.description for one in series)]
        if self.description is not None and any(map(self.description.search, texts)):
            return True
        return sender[0].upper() in self.calling_aet or sender[1].upper() in self.called_aet

    @property
    def asks_sender(self) -> bool:
        """Whether urgency depends on AE titles."""
        return bool(self.calling_aet or self.called_aet)


@dataclass(frozen=True)
class WatchRules:
    """All rules of a service.

    Attributes:
        rules: the rules; the first that matches series of a study takes it.
        urgent: which studies go first.
        attempts: number of attempts at a study before it is given up.
        first_seconds: wait before the second attempt; each further wait is twice as long.
        longest_seconds: longest wait, for a study and for a server that does not answer.
        poll_seconds: interval between requests to the server.
        settle_seconds: how long a study that is found without its event, after a start, is left alone.
        ignore_before: studies whose last instance arrived before this day, ``YYYYMMDD``, are ignored; empty for none.
        mark: number of the metadatum that marks done studies.
        keep_results: whether results stay in the folder after they are stored.
    """

    rules: tuple[Rule, ...]
    urgent: Urgency = Urgency()
    attempts: int = 5
    first_seconds: float = 30.0
    longest_seconds: float = 3600.0
    poll_seconds: float = 2.0
    settle_seconds: float = 60.0
    ignore_before: str = ""
    mark: int = 4200
    keep_results: bool = True

    def choose(self, study: OrthancStudy, series: Sequence[OrthancSeries]) -> tuple[Rule, list[OrthancSeries]] | None:
        """The first rule that matches series of a study, and these series; None if no rule does."""
        for rule in self.rules:
            chosen = rule.choose(study, series)
            if chosen:
                return rule, chosen
        return None

    def backoff(self, attempts: int) -> float:
        """Seconds to wait after a number of attempts: 1, 2, 4, ... times the first wait."""
        return min(self.first_seconds * 2.0 ** min(attempts - 1, 60), self.longest_seconds)


def read_rules(path: Path) -> WatchRules:
    """Read a file of rules.

    Raises:
        FileNotFoundError: when there is no such file, or a rule's bundle does not exist.
        ValueError: when a value is not valid; the message says where it is, and what was expected.
    """
    try:
        return parse_rules(read_json(path, "a file of rules"))
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{error} ({path})") from None


def parse_rules(record: Any) -> WatchRules:
    """Rules from the value of a JSON file; errors as :func:`read_rules`."""
    plain = {one.name for one in dataclasses.fields(WatchRules)} - {"rules", "urgent"}
    values = _object(record, "the rules", {"rules", "urgent", "retries"} | (plain - _RETRIES))
    listed = values.get("rules")
    if not isinstance(listed, list) or not 0 < len(listed) <= _MAX_RULES:
        raise ValueError(f'Expected "rules" to be a list of 1 to {_MAX_RULES} rules, but got {_shown(listed)}.')
    rules = tuple(_rule(one, f'"rules", number {number}') for number, one in enumerate(listed, start=1))
    names = [rule.name for rule in rules]
    if len(set(names)) < len(names):
        raise ValueError(f"Expected each rule to have its own name, but got {names}.")
    settings = dict(values)
    settings.update(_object(values.get("retries", {}), '"retries"', _RETRIES))
    checked = {name: _CHECKS[name](value, f'"{name}"') for name, value in settings.items() if name in plain}
    return WatchRules(rules, _urgency(values.get("urgent", {})), **checked)


def check_recipe(record: Mapping[str, Any], place: str) -> Recipe:
    """A recipe from the keys ``model``, ``roi`` and ``options`` of a JSON object; all may be absent.

    Args:
        record: the object.
        place: its place in the file, for messages.

    Raises:
        FileNotFoundError: when the bundle does not exist.
        ValueError: for other keys, or values that an option does not take.
    """
    values = _object(record, place, {"model", "roi", "options"})
    model = _word(values.get("model", Recipe.model), f'"model" of {place}')
    find_bundle(model)
    roi = _word(values.get("roi", Recipe.roi), f'"roi" of {place}')
    region = parse_region(roi)
    if region.path is not None and not region.path.is_file():
        raise FileNotFoundError(f'Expected "roi" of {place} to be auto, center, point, box or a file, but got {roi!r}.')
    known = {one.name: one for one in dataclasses.fields(SegmentOptions) if one.name not in _NOT_OPTIONS}
    given = _object(values.get("options", {}), f'"options" of {place}', set(known))
    options = dataclasses.replace(
        Recipe().options, **{name: _option(name, value, f'"{name}" of {place}') for name, value in given.items()}
    )
    if not (options.seg or options.rtstruct or options.sr):
        raise ValueError(f'Expected one of "seg", "rtstruct" and "sr" in the options of {place}, but all are off.')
    return Recipe(model, roi, options)


def _rule(record: Any, place: str) -> Rule:
    patterns = ("study_description", "series_description")
    values = _object(record, place, {"name", "modality", "model", "roi", "options", *patterns})
    name = values.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise ValueError(f'Expected "name" of {place} to be up to 64 letters, digits, - and _, but got {_shown(name)}.')
    modality = values.get("modality")
    if modality is not None and (not isinstance(modality, str) or not re.fullmatch(r"[A-Z0-9_ ]{1,16}", modality)):
        raise ValueError(f'Expected "modality" of {place} to be a code such as "MR", but got {_shown(modality)}.')
    if modality in NOT_IMAGES:
        raise ValueError(f'Expected "modality" of {place} to be one of images, but got {modality!r}.')
    recipe = check_recipe({key: values[key] for key in ("model", "roi", "options") if key in values}, place)
    return Rule(name, recipe, modality, *(_pattern(values.get(key), f'"{key}" of {place}') for key in patterns))


def _urgency(record: Any) -> Urgency:
    values = _object(record, '"urgent"', {"description", "calling_aet", "called_aet"})
    titles = []
    for key in ("calling_aet", "called_aet"):
        listed = values.get(key, [])
        valid = isinstance(listed, list) and all(
            isinstance(one, str) and 0 < len(one.strip()) <= 16 and one.isascii() for one in listed
        )
        if not valid:
            raise ValueError(f'Expected "{key}" of "urgent" to be a list of AE titles, but got {_shown(listed)}.')
        titles.append(tuple(one.strip().upper() for one in listed))
    return Urgency(_pattern(values.get("description"), '"description" of "urgent"'), *titles)


def _object(record: Any, place: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise ValueError(f"Expected {place} to be an object of names and values, but got {_shown(record)}.")
    for key in record:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f": did you mean {near[0]!r}?" if near else f"; there are {sorted(known)}."
            raise ValueError(f"Expected known names in {place}, but got {key!r}{hint}")
    return record


def _pattern(value: Any, place: str) -> re.Pattern[str] | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= 1000:
        raise ValueError(f"Expected {place} to be a regular expression, but got {_shown(value)}.")
    try:
        return re.compile(value, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"Expected {place} to be a regular expression, but {value!r} is not ({error}).") from None


def _option(name: str, value: Any, place: str) -> Any:
    """A value for an option of `segment`, checked by the option's type."""
    default = getattr(SegmentOptions(), name)
    if isinstance(default, bool):
        return _flag(value, place)
    if name == "batch_size":
        return _count(value, place)
    if value is None:
        return None
    if name == "seg":
        if value not in SEG_KINDS:
            raise ValueError(f"Expected {place} to be one of {SEG_KINDS} or null, but got {_shown(value)}.")
        return value
    if name == "spacing":
        if not isinstance(value, list) or len(value) != 2:
            raise ValueError(f"Expected {place} to be two numbers in mm, but got {_shown(value)}.")
        return tuple(_seconds(one, place) for one in value)
    if name == "structure" and isinstance(value, list) and value:
        return tuple(_word(one, place) for one in value)
    return _word(value, place)


def _word(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"Expected {place} to be a text, but got {_shown(value)}.")
    return value


def _flag(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"Expected {place} to be true or false, but got {_shown(value)}.")
    return value


def _count(value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 10_000:
        raise ValueError(f"Expected {place} to be a number from 1 to 10000, but got {_shown(value)}.")
    return value


def _seconds(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= _MAX_SECONDS:
        raise ValueError(f"Expected {place} to be a positive number up to {_MAX_SECONDS:g}, but got {_shown(value)}.")
    return float(value)


def _day(value: Any, place: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]))?", value):
        raise ValueError(f"Expected {place} to be a day, YYYYMMDD, but got {_shown(value)}.")
    return value


def _mark(value: Any, place: str) -> int:
    valid = isinstance(value, int) and not isinstance(value, bool)
    if not valid or not FIRST_USER_METADATA <= value <= LAST_USER_METADATA:
        raise ValueError(
            f"Expected {place} to be the number of a metadatum, {FIRST_USER_METADATA} to {LAST_USER_METADATA}, but got "
            f"{_shown(value)}."
        )
    return int(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


_RETRIES = {"attempts", "first_seconds", "longest_seconds"}
_CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "attempts": _count,
    "first_seconds": _seconds,
    "longest_seconds": _seconds,
    "poll_seconds": _seconds,
    "settle_seconds": _seconds,
    "ignore_before": _day,
    "mark": _mark,
    "keep_results": _flag,
}
