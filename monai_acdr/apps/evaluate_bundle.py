# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A bundle against the references of a data set: the function behind ``monai-acdr evaluate``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from monai_acdr.apps.model import find_bundle, find_device, find_weights
from monai_acdr.bundle import check_config, read_configs, require_extra
from monai_acdr.files import output_folder

__all__ = ["EvaluateOptions", "evaluate"]

RESULT_NAMES = ("metrics.csv", "metrics.json")


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of :func:`monai_acdr.apps.evaluate`.

    Attributes:
        group: group of the data set, such as ``validation``; the bundle's default if None.
        roi: for the Sunnybrook bundle ``label``, ``center`` or ``box``; the bundle's default if None.
        checkpoint: other weights than the bundle's.
        config: further keys of the bundle's config and their values; they take precedence over ``group`` and ``roi``.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; None takes CUDA where there is one.
        overwrite: replace earlier results.
    """

    group: str | None = None
    roi: str | None = None
    checkpoint: str | os.PathLike[str] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    device: str | None = None
    overwrite: bool = False


def evaluate(
    dataset: str | os.PathLike[str],
    output: str | os.PathLike[str],
    model: str | os.PathLike[str] = "sunnybrook_lv_acdr",
    *,
    options: EvaluateOptions | None = None,
    **shortcuts: Any,
) -> dict[str, Any]:
    """Run a bundle's ``evaluate.json`` and return its metrics, as with ``python -m monai.bundle run``.

    Args:
        dataset: folder of a data set that the bundle's data list reads.
        output: folder for ``metrics.json`` and ``metrics.csv``.
        model: a bundle's name or folder. A bundle's config is code: use only bundles that you trust.
        options: group, region, weights and so on; by default the bundle's.
        **shortcuts: fields of :class:`EvaluateOptions` by their names, which replace those of ``options``:
            ``evaluate(dataset, output, group="test")``.

    Returns:
        The content of ``metrics.json``.

    Raises:
        FileExistsError, OSError: when results cannot be written.
        FileNotFoundError, ValueError: for a data set, an option or weights that cannot be used.
        TypeError: for a shortcut that is not a field of EvaluateOptions.
        ImportError: without the extra ``bundle``.
    """
    options = replace(options or EvaluateOptions(), **shortcuts)
    require_extra("Evaluating a bundle")
    root = find_bundle(model)
    weights = find_weights(root, options.checkpoint)
    parser = read_configs([root / "configs" / name for name in ("train.json", "evaluate.json")])
    given = {"group": options.group, "roi": options.roi}
    changes = {name: value for name, value in given.items() if value is not None} | dict(options.config)
    for name, value in changes.items():
        parser.set(value, name)
    check_config(root, parser)
    with output_folder(output, RESULT_NAMES, options.overwrite) as folder:
        parser.update({"bundle_root": str(root), "dataset_dir": str(dataset), "output_dir": str(folder)})
        parser.update({"checkpoint": str(weights), "device": find_device(options.device)})
        parser.parse(reset=True)
        for part in ("initialize", "run"):
            parser.get_parsed_content(part)
        figures: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        return figures
