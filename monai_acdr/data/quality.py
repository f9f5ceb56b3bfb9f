# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Quality of a data set in one of Sunnybrook's layouts: the report, the checks, and a command line.

Run ``python -m monai_acdr.data.quality DATASET_DIR [--group GROUP] [--json REPORT.json] [--no-pixels]``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from monai_acdr.data.report import KINDS, Finding, QualityReport
from monai_acdr.data.sunnybrook_quality import MIN_ENCLOSED, sunnybrook_quality_report
from monai_acdr.signals import stop_on_signals

__all__ = ["KINDS", "MIN_ENCLOSED", "Finding", "QualityReport", "main", "sunnybrook_quality_report"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the summary to the standard output and, on request, the report to a JSON file.

    Returns:
        0 when there is no finding, 1 when there are findings, 2 when the data set cannot be read.
    """
    parser = argparse.ArgumentParser(prog="python -m monai_acdr.data.quality", description=__doc__.split("\n")[0])
    parser.add_argument("dataset_dir", help="folder of the data set, in one of Sunnybrook's layouts")
    parser.add_argument("--group", default=None, help="training, validation, online or all (default: all)")
    parser.add_argument("--json", default=None, metavar="FILE", help="write the report to this file")
    parser.add_argument("--no-pixels", action="store_true", help="look at names and headers only")
    options = parser.parse_args(arguments)
    try:
        report = sunnybrook_quality_report(options.dataset_dir, options.group, check_pixels=not options.no_pixels)
        if options.json:
            with stop_on_signals():
                report.write(options.json)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(report.summary() + "\n")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
