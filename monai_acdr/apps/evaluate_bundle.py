# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A bundle against the references of a data set: the function behind ``monai-acdr evaluate``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from monai_acdr.apps.model import find_bundle, find_device, find_weights
from monai_acdr.bundle import check_config, read_configs
from monai_acdr.files import output_folder

__all__ = ["evaluate"]

RESULT_NAMES = ("metrics.csv", "metrics.json")
NEEDED = ("tensorboard", "tqdm")
"""Packages of the extra ``bundle`` that the configs use; its ``fire`` is for ``python -m monai.bundle`` alone."""


def evaluate(  # noqa: PLR0913
    dataset: str | os.PathLike[str],
    output: str | os.PathLike[str],
    model: str | os.PathLike[str] = "sunnybrook_lv_acdr",
    *,
    group: str | None = None,
    roi: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    options: Mapping[str, Any] | None = None,
    device: str | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Run a bundle's ``evaluate.json`` and return its metrics, as with ``python -m monai.bundle run``.

    Args:
        dataset: folder of a data set that the bundle's data list reads.
        output: folder for ``metrics.json`` and ``metrics.csv``.
        model: a bundle's name or folder. A bundle's config is code: use those that you trust.
        group: of the data set, such as ``validation``; the bundle's default if None.
        roi: for the Sunnybrook bundle ``label``, ``center`` or ``box``; the bundle's default if None.
        checkpoint: other weights than the bundle's.
        options: further keys of the config and their values.
        device: as in :func:`monai_acdr.apps.segment`.
        overwrite: replace earlier results.

    Returns:
        The content of ``metrics.json``.

    Raises:
        FileExistsError, OSError: when results cannot be written.
        FileNotFoundError, ValueError: for a data set, an option or weights that cannot be used.
        ImportError: without the extra ``bundle``.
    """
    _require_extra()
    root = find_bundle(model)
    weights = find_weights(root, checkpoint)
    parser = read_configs([root / "configs" / name for name in ("train.json", "evaluate.json")])
    given = {"group": group, "roi": roi}
    changes = {name: value for name, value in given.items() if value is not None} | dict(options or {})
    for name, value in changes.items():
        parser.set(value, name)
    check_config(root, parser)
    with output_folder(output, RESULT_NAMES, overwrite) as folder:
        parser.update({"bundle_root": str(root), "dataset_dir": str(dataset), "output_dir": str(folder)})
        parser.update({"checkpoint": str(weights), "device": find_device(device)})
        parser.parse(reset=True)
        for part in ("initialize", "run"):
            parser.get_parsed_content(part)
        figures: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        return figures


def _require_extra() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Evaluating a bundle needs {' and '.join(missing)}, not installed here: pip install 'monai_acdr[bundle]'"
        )
