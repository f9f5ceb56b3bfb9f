# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The figures of a data set once more for each group of cases: by pathology, by assessment, by size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from monai_acdr.metrics.case_summary import summarize_cases

__all__ = ["UNKNOWN", "size_group", "summarize_strata"]

UNKNOWN = "unknown"
"""The group of cases of which a property is not known."""


def summarize_strata(
    records: Sequence[Mapping[str, Any]],
    strata: Sequence[str] = (),
    size_edges_mm: Sequence[float] = (),
    **options: Any,
) -> dict[str, dict[str, Any]]:
    """Summaries by group.

    Args:
        records: case records, each with the items that ``strata`` name.
        strata: keys of the records.
        size_edges_mm: rising bounds of the reference's diameter; none for no groups by size.
        options: of :func:`monai_acdr.metrics.case_summary.summarize_cases`.

    Returns:
        "by_KEY" for each stratum, and "by_size": a dictionary from group to summary, groups sorted; each case is in
        one group of each.
    """
    result = {f"by_{key}": _by(records, [str(record[key]) for record in records], **options) for key in strata}
    if size_edges_mm:
        groups = [size_group(record["reference_area_mm2"], size_edges_mm) for record in records]
        by_size = _by(records, groups, **options)
        order = [*_size_names(size_edges_mm), UNKNOWN]
        result["by_size"] = {name: by_size[name] for name in order if name in by_size}
    return result


def size_group(area_mm2: float | None, edges_mm: Sequence[float]) -> str:
    """Name of the group that an object belongs to by its diameter, that of a disk of the same area.

    Example:
        >>> size_group(100.0, (10, 20))
        '10 - 20 mm'
    """
    if list(edges_mm) != sorted(set(edges_mm)) or min(edges_mm) <= 0:
        raise ValueError(f"Expected `edges_mm` to rise from above 0, but got {list(edges_mm)}.")
    if area_mm2 is None:
        return UNKNOWN
    diameter = 2 * math.sqrt(area_mm2 / math.pi)
    return _size_names(edges_mm)[sum(diameter >= edge for edge in edges_mm)]


def _size_names(edges: Sequence[float]) -> list[str]:
    between = [f"{low:g} - {high:g} mm" for low, high in zip(edges[:-1], edges[1:], strict=True)]
    return [f"< {edges[0]:g} mm", *between, f">= {edges[-1]:g} mm"]


def _by(records: Sequence[Mapping[str, Any]], groups: Sequence[str], **options: Any) -> dict[str, Any]:
    members: dict[str, list[Any]] = {}
    for record, group in zip(records, groups, strict=True):
        members.setdefault(group, []).append(record)
    return {group: summarize_cases(members[group], **options) for group in sorted(members)}
