# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Peak resident memory of this process since a reset."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def reset_peak() -> int:
    """Reset the peak to the present resident size, where Linux allows; return the peak then, in bytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        pass  # without a reset, sizes below the peak so far are not seen
    return peak()


def peak() -> int:
    """Largest resident size so far, in bytes."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else 1024 * most
