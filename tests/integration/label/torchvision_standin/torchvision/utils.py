# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The two names that MONAI Label imports."""

from __future__ import annotations

from typing import Any


def make_grid(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("This is a stand-in for tests: install torchvision.")


def save_image(*_: Any, **__: Any) -> None:
    raise NotImplementedError("This is a stand-in for tests: install torchvision.")
