# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Studies that arrive at an Orthanc server, outlined by rules: ``monai-acdr cohort --watch URL``."""

from __future__ import annotations

from monai_acdr.apps.watch.rules import Recipe, Rule, Urgency, WatchRules, read_rules
from monai_acdr.apps.watch.run import watch

__all__ = ["Recipe", "Rule", "Urgency", "WatchRules", "read_rules", "watch"]
