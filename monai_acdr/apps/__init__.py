# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Functions behind the command line ``monai-acdr``: one for each command, with the same name and arguments.

They are imported on first use: ``monai-acdr --help`` should not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monai_acdr.apps.convert_contours import convert
    from monai_acdr.apps.evaluate_bundle import EvaluateOptions, evaluate
    from monai_acdr.apps.export_bundle import export, read_export
    from monai_acdr.apps.installation import info
    from monai_acdr.apps.mercure_task import mercure
    from monai_acdr.apps.segment_results import SegmentOptions
    from monai_acdr.apps.segment_study import demo, segment
    from monai_acdr.apps.train_bundle import TrainOptions, train
    from monai_acdr.apps.volume_agreement import AgreementOptions, agreement

__all__ = [
    "AgreementOptions",
    "EvaluateOptions",
    "SegmentOptions",
    "TrainOptions",
    "agreement",
    "convert",
    "demo",
    "evaluate",
    "export",
    "info",
    "mercure",
    "read_export",
    "segment",
    "train",
]

_MODULES = {
    "AgreementOptions": "volume_agreement",
    "EvaluateOptions": "evaluate_bundle",
    "SegmentOptions": "segment_results",
    "TrainOptions": "train_bundle",
    "agreement": "volume_agreement",
    "convert": "convert_contours",
    "demo": "segment_study",
    "evaluate": "evaluate_bundle",
    "export": "export_bundle",
    "info": "installation",
    "mercure": "mercure_task",
    "read_export": "export_bundle",
    "segment": "segment_study",
    "train": "train_bundle",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
