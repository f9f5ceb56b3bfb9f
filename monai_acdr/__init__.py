# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Trainable active contours on MONAI: a polygon that evolves over a learned displacement field.

Importing this package imports nothing else: take what you need from its parts, which mirror MONAI's own
(``monai_acdr.networks.nets``, ``monai_acdr.losses``, ``monai_acdr.transforms``, ...).

The method is that of Gur, Shaharabany and Wolf, "End to End Trainable Active Contours via Differentiable Rendering",
ICLR 2020.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
