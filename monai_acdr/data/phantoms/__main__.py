# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""`python -m monai_acdr.data.phantoms OUTPUT_DIR`: write synthetic short-axis studies."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from monai_acdr.data.phantoms.short_axis import DEFAULT_NUM_PATIENTS, write_short_axis_studies

logger = logging.getLogger("monai_acdr.data.phantoms")


def build_parser() -> argparse.ArgumentParser:
    """The command's options; their defaults make the demo data."""
    parser = argparse.ArgumentParser(
        prog="python -m monai_acdr.data.phantoms",
        description="Write synthetic short-axis cine studies: DICOM files, true contours and link.csv.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("output_dir", help="folder: absent, empty, or an earlier output of this command")
    parser.add_argument("--num-patients", type=int, default=DEFAULT_NUM_PATIENTS, help="patients of all three groups")
    parser.add_argument("--num-slices", type=int, default=6, help="slices from base to apex")
    parser.add_argument("--num-phases", type=int, default=6, help="phases of the cycle, at least 2")
    parser.add_argument("--size", type=int, nargs=2, default=(144, 128), metavar=("H", "W"), help="pixels")
    parser.add_argument(
        "--spacing", type=float, nargs=2, default=(1.3, 1.3), metavar=("ROWS", "COLUMNS"), help="mm between pixels"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same files")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = vars(build_parser().parse_args(arguments))
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        write_short_axis_studies(**{**options, "size": tuple(options["size"]), "spacing": tuple(options["spacing"])})
    except (ValueError, OSError) as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
