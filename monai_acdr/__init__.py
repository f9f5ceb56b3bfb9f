# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Trainable active contours on MONAI: a polygon that evolves over a learned displacement field.

``from monai_acdr import load_model`` loads a bundle, and ``load_model("sunnybrook_lv_acdr").outline(image)`` outlines
an image. Importing this package imports nothing else, and ``load_model`` only on first use: import the rest from its
subpackages, which mirror MONAI's own (``monai_acdr.networks.nets``, ``monai_acdr.losses``, ...).

The method is that of Gur, Shaharabany and Wolf, "End to End Trainable Active Contours via Differentiable Rendering",
ICLR 2020.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monai_acdr.apps.model import load_model

__all__ = ["__version__", "load_model"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name != "load_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("monai_acdr.apps.model").load_model
