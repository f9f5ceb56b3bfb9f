# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Frames of the PNG layout: ``<group>/images/NAME.png`` with ``<group>/endo_masks/NAME.png``."""

from __future__ import annotations

import re
from pathlib import Path

from monai_acdr.data.report import QualityReport
from monai_acdr.data.sunnybrook_cases import UNASSIGNED, find_case, patient_name
from monai_acdr.data.sunnybrook_layouts import FrameFiles, Keep, PngFolder, Tree, png_folders

__all__ = ["scan_png"]

_FRAME = re.compile(r"(\d{1,9})\D*$")


def scan_png(root: Path, tree: Tree, keep: Keep, report: QualityReport) -> list[FrameFiles]:
    """Pair images and masks by name; images without mask and masks without image become findings.

    The patient is the part of the name before ``-IM-``, or the whole name in other data sets. The group is the folder's
    name; for a folder of another name it is the patient's official group.
    """
    frames = []
    for folder in png_folders(tree):
        frames += _pairs(root, tree, folder, keep, report)
    return frames


def _pairs(root: Path, tree: Tree, folder: PngFolder, keep: Keep, report: QualityReport) -> list[FrameFiles]:
    images, masks, outer = (_png_files(tree, folder.folder / kind) for kind in ("images", "endo_masks", "epi_masks"))
    frames = []
    for stem in sorted(images.keys() | masks.keys()):
        patient = patient_name(stem.split("-IM-")[0])
        case = find_case(patient)
        group = folder.group or (case.group if case else UNASSIGNED)
        if not keep(patient, group):
            continue
        if stem not in masks:
            report.add("frame_without_mask", _relative(images[stem], root))
        elif stem not in images:
            report.add("contour_without_frame", _relative(masks[stem], root))
        else:
            number = _FRAME.search(stem)
            frame = int(number[1]) if number else 0
            frames.append(FrameFiles(stem, patient, group, frame, images[stem], masks[stem], outer.get(stem)))
    return frames


def _png_files(tree: Tree, folder: Path) -> dict[str, Path]:
    return {name[:-4]: folder / name for name in tree.get(folder, []) if name.lower().endswith(".png")}


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
