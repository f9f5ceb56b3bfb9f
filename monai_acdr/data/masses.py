# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Single entry point to all sources of masses, so that one bundle trains on any of them; held-out patients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr.data.files import natural_key, walk_files
from monai_acdr.data.report import QualityReport

__all__ = ["MASS_SOURCES", "find_mass_source", "hold_out", "mass_data_list"]

MASS_SOURCES: dict[str, tuple[str, str]] = {
    "inbreast": ("monai_acdr.data.mammography", "inbreast_data_list"),
    "ddsm": ("monai_acdr.data.mammography", "ddsm_data_list"),
    "cbis_ddsm": ("monai_acdr.data.mammography.cbis_ddsm", "cbis_ddsm_data_list"),
    "cityscapes": ("monai_acdr.data.cityscapes", "cityscapes_data_list"),
    "pairs": ("monai_acdr.data.pairs", "pair_folder_data_list"),
}
"""Sources by name, and where their data list is made."""


_PROPERTIES = ("laterality", "view", "birads", "pathology")


def mass_data_list(
    dataset_dir: str | Path,
    source: str | None = None,
    group: str | None = None,
    report: QualityReport | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """List the masses of a data set, one dictionary per mass.

    Args:
        dataset_dir: folder of the data set.
        source: one of :data:`MASS_SOURCES`; None recognizes it.
        group: ``training``, ``test`` or whatever the source's split names; None for all.
        report: filled with findings and counts when given.
        options: of the source's own function: ``split``, ``cases``, ``row_filter``, ``folds`` ...

    Returns:
        For each mass ``image`` (path), ``contour`` ((N, 2) vertices in file pixels) or ``label`` (path of a mask),
        ``name``, ``patient``, ``group``, ``has_spacing``, and ``laterality``, ``view``, ``birads``, ``pathology``
        where the source knows them (empty where not).

    Raises:
        FileNotFoundError: when ``dataset_dir`` does not exist.
        ValueError: for an unknown source, or when nothing is recognized or nothing remains.
    """
    root = Path(dataset_dir)
    if not root.is_dir():
        raise FileNotFoundError(f"Expected the folder of a data set, but {root} is not one: check `dataset_dir`.")
    name = find_mass_source(root) if source is None else source
    if name not in MASS_SOURCES:
        raise ValueError(f"Expected `source` to be one of {sorted(MASS_SOURCES)} or None, but got {name!r}.")
    report = QualityReport() if report is None else report
    items = _function(name)(root, group=group, report=report, **options)
    for item in items:
        item.setdefault("has_spacing", name in ("inbreast", "ddsm"))
        # A data loader cannot collate None, and the readers of these sources know the spacing.
        item.pop("spacing", None)
        item |= {key: item.get(key) or "" for key in _PROPERTIES}
    return items


def find_mass_source(dataset_dir: str | Path) -> str:
    """Recognize a data set by its files.

    Raises:
        ValueError: naming what was looked for.
    """
    root = Path(dataset_dir)
    for folder, names in walk_files(root):
        lower = [name.lower() for name in names]
        if folder.name == "AllXML" or any(name.startswith("inbreast.") for name in lower):
            return "inbreast"
        if any(name.startswith("mass_case_description_") and name.endswith(".csv") for name in lower):
            return "cbis_ddsm"
        if any(name.endswith((".ics", ".ics.gz")) for name in lower):
            return "ddsm"
        if folder.name == "masks" and names:
            return "pairs"
    raise ValueError(
        f"Expected INbreast (AllDICOMs, AllXML, INbreast.csv), DDSM (.ics files), CBIS-DDSM "
        f"(mass_case_description_*.csv) or pairs (images/, masks/) in {root}, but found none: check `dataset_dir`, or "
        "name the `source`."
    )


def hold_out(
    items: Sequence[dict[str, Any]], fraction: float = 0.2, seed: int = 0
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Hold out some patients of a training group for model selection.

    Args:
        items: data list; masses without patient count as separate patients.
        fraction: of the patients, in [0, 1); rounded up when above 0, and one patient at least stays in training.
        seed: of the choice, which depends on the patients' names only.

    Returns:
        The items that remain, and those held out, each in the order in which they came.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"Expected `fraction` within [0, 1), but got {fraction}.")
    patients = sorted({_patient(item) for item in items}, key=natural_key)
    number = min(math.ceil(fraction * len(patients)), max(len(patients) - 1, 0))
    chosen = np.random.default_rng(seed).permutation(len(patients))[:number]
    aside = {patients[index] for index in chosen}
    return (
        [item for item in items if _patient(item) not in aside],
        [item for item in items if _patient(item) in aside],
    )


def _patient(item: dict[str, Any]) -> str:
    return str(item.get("patient") or item["name"])


def _function(source: str) -> Callable[..., list[dict[str, Any]]]:
    module, name = MASS_SOURCES[source]
    return getattr(import_module(module), name)
