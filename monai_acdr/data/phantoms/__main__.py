# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""`python -m monai_acdr.data.phantoms OUTPUT_DIR`: write a synthetic copy of a data set."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from monai_acdr.data.phantoms.mammograms import write_cbis_ddsm_cases, write_ddsm_cases, write_inbreast_cases
from monai_acdr.data.phantoms.pairs import write_pair_folder
from monai_acdr.data.phantoms.short_axis import write_short_axis_studies
from monai_acdr.signals import stop_on_signals

WRITERS: dict[str, Callable[..., Path]] = {
    "short_axis": write_short_axis_studies,
    "inbreast": write_inbreast_cases,
    "ddsm": write_ddsm_cases,
    "cbis_ddsm": write_cbis_ddsm_cases,
    "pairs": write_pair_folder,
}
"""Data sets that can be written, and their functions."""

_CINE_OPTIONS = ("num_slices", "num_phases", "spacing")

logger = logging.getLogger("monai_acdr.data.phantoms")


def build_parser() -> argparse.ArgumentParser:
    """The command's options; defaults are those of the writers, which make the demo data."""
    parser = argparse.ArgumentParser(
        prog="python -m monai_acdr.data.phantoms",
        description="Write synthetic cases in the format of a data set: short-axis cine studies with contours and "
        "link.csv; or mammograms with masses of known outline, in the formats of their archives.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("output_dir", help="folder: absent, empty, or an earlier output of this command")
    parser.add_argument("--kind", choices=WRITERS, default="short_axis", help="data set, short_axis if not given")
    parser.add_argument("--num-patients", type=int, help="patients of all groups")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="pixels")
    parser.add_argument("--seed", type=int, help="the same seed gives the same files")
    cine = parser.add_argument_group("short_axis only")
    cine.add_argument("--num-slices", type=int, help="slices from base to apex")
    cine.add_argument("--num-phases", type=int, help="phases of the cycle, at least 2")
    cine.add_argument("--spacing", type=float, nargs=2, metavar=("ROWS", "COLUMNS"), help="mm between pixels")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Raises:
        SystemExit: for wrong options, or when a signal ends it, after half-written files are removed.
    """
    parser = build_parser()
    options = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in vars(parser.parse_args(arguments)).items()
    }
    kind = str(options.pop("kind"))
    wrong = [f"--{key.replace('_', '-')}" for key in _CINE_OPTIONS if key in options]
    if kind != "short_axis" and wrong:
        parser.error(f"{', '.join(wrong)} can be given for short_axis only, not for {kind}")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        with stop_on_signals():
            WRITERS[kind](options.pop("output_dir"), **options)
    except (ValueError, OSError) as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
