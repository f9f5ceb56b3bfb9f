# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The command line ``monai-acdr``: each command parses, calls the function of its name, and prints."""

from __future__ import annotations

from monai_acdr.apps.cli.main import main

__all__ = ["main"]
