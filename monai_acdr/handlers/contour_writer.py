# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Results of an inference on disk: contour, mask and picture of each image."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import nibabel as nib
import numpy as np
import torch
from monai.utils import IgniteInfo, min_version, optional_import
from torch import Tensor

from monai_acdr.files import claim_file, release_file, replace_file, write_text_atomically
from monai_acdr.geometry import perimeter, pixel_spacing, pixel_to_world, signed_area
from monai_acdr.transforms.contour import file_grid, plain_vertices
from monai_acdr.visualize import (
    FINAL_COLOR,
    INITIAL_COLOR,
    REFERENCE_COLOR,
    contour_crop_box,
    draw_contours,
    save_png,
)
from monai_acdr.visualize.overlay import Color

idist, _ = optional_import("ignite", IgniteInfo.OPT_IMPORT_VERSION, min_version, "distributed")
Events, _ = optional_import("ignite.engine", IgniteInfo.OPT_IMPORT_VERSION, min_version, "Events")
if TYPE_CHECKING:
    from ignite.engine import Engine

__all__ = ["ContourWriter", "contour_record"]

_DECIMALS = 4


class ContourWriter:
    """Write ``NAME.json``, ``NAME.nii.gz`` and ``NAME.png`` for each case of an evaluator.

    A case has ``name``, ``full_image`` (the whole image (1, H, W), MetaTensor), ``pred`` (1, K, 2) and ``pred_mask``
    (1, H, W) in its pixels, ``has_spacing``, and may have ``initial`` and ``reference`` (1, N, 2). File names come from
    ``name`` alone, and no header of the source is copied.

    Args:
        output_dir: folder for the files, made when missing.
        overlay: write the picture; initial contour blue, final yellow, reference green.
        scale: picture pixels for one image pixel.
        margin: pixels shown around the contours; None shows the whole image.
    """

    def __init__(
        self, output_dir: str | os.PathLike[str], overlay: bool = True, scale: int = 6, margin: float | None = 24
    ) -> None:
        self.output_dir = Path(output_dir)
        self.overlay = overlay
        self.scale = scale
        self.margin = margin
        self.written = 0
        self.logger = logging.getLogger(__name__)

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator, whose postprocessing is done when an iteration is completed."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.give_up)

    def start(self, _engine: Engine) -> None:
        """Make and claim the folder, so that a missing permission or another run shows before the work.

        Raises:
            FileExistsError: when another process writes contours there; contours of two runs would be mixed.
        """
        if idist.get_rank() == 0:  # the others of one run write other cases
            claim_file(self.output_dir / "contours")
        self.written = 0

    def __call__(self, engine: Engine) -> None:
        """Write the cases of one iteration."""
        batch, output = cast(list[dict[str, Any]], engine.state.batch), cast(list[dict[str, Any]], engine.state.output)
        for known, inferred in zip(batch, output, strict=True):
            self.write({**known, **inferred})

    def give_up(self, _engine: Engine, error: BaseException) -> None:
        """Let others write there after an error of any part of the run, and pass it on."""
        release_file(self.output_dir / "contours")
        raise error

    def finish(self, _engine: Engine) -> None:
        """Say where the results are, and let others write there."""
        release_file(self.output_dir / "contours")
        self.logger.info("Wrote contours of %d images to %s", self.written, self.output_dir)

    def write(self, case: Mapping[str, Any]) -> None:
        """Write the files of one case."""
        name = str(case["name"])
        if Path(name).name != name or name in ("", ".", ".."):
            raise ValueError(f"Expected `name` to be a plain file name, but got {name!r}.")
        record = contour_record(case)
        write_text_atomically(self.output_dir / f"{name}.json", _one_line_a_key(record))
        _write_mask(self.output_dir / f"{name}.nii.gz", case["pred_mask"], file_grid(case["full_image"])[1])
        if self.overlay:
            save_png(self.output_dir / f"{name}.png", self._draw(case))
        self.written += 1

    def _draw(self, case: Mapping[str, Any]) -> np.ndarray:
        layers: dict[str, tuple[str, Color]] = {
            "initial": ("initial", INITIAL_COLOR),
            "reference": ("reference", REFERENCE_COLOR),
            "pred": ("final", FINAL_COLOR),
        }
        contours = {
            label: (plain_vertices(case[key])[0], color)
            for key, (label, color) in layers.items()
            if isinstance(case.get(key), Tensor)
        }
        image = case["full_image"]
        size = (int(image.shape[-2]), int(image.shape[-1]))
        box = None
        if self.margin is not None:
            box = contour_crop_box([vertices for vertices, _ in contours.values()], size, self.margin)
        return draw_contours(image, contours, self.scale, box, legend=True)


def contour_record(case: Mapping[str, Any]) -> dict[str, Any]:
    """What ``NAME.json`` says of a case: vertices in pixels, and in mm and LPS when the spacing is known."""
    vertices = plain_vertices(case["pred"])[0].detach().to("cpu", torch.float64)
    size, affine = file_grid(case["full_image"])
    record: dict[str, Any] = {
        "name": str(case["name"]),
        "image_size": {"rows": size[0], "columns": size[1]},
        "coordinates": "(x, y) = (column, row); pixel (c, r) covers [c, c + 1) x [r, r + 1)",
        "vertices_px": _rounded(vertices),
        "area_px2": round(abs(float(signed_area(vertices))), _DECIMALS),
        "perimeter_px": round(float(perimeter(vertices)), _DECIMALS),
        "initial_vertices_px": None,
        "pixel_spacing_mm": None,
        "vertices_mm": None,
        "area_mm2": None,
    }
    if isinstance(case.get("initial"), Tensor):
        record["initial_vertices_px"] = _rounded(plain_vertices(case["initial"])[0])
    if bool(case.get("has_spacing", False)):
        spacing = pixel_spacing(affine)
        record["pixel_spacing_mm"] = {"between_rows": float(spacing[0]), "between_columns": float(spacing[1])}
        record["world"] = "(x, y, z) in mm, patient coordinates, LPS"
        record["vertices_mm"] = _rounded(pixel_to_world(vertices, affine))
        record["area_mm2"] = round(abs(float(signed_area(vertices * spacing.flip(0)))), _DECIMALS)
    return record


def _one_line_a_key(record: Mapping[str, Any]) -> str:
    """JSON that people can read: thousands of coordinates do not take thousands of lines."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in record.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _rounded(values: Tensor) -> list[list[float]]:
    return [[round(float(value), _DECIMALS) for value in row] for row in values.detach().cpu()]


def _write_mask(path: Path, mask: Tensor, affine: Tensor) -> None:
    """A (1, H, W) mask as NIfTI (columns, rows, 1) uint8: NIfTI's first axis runs along x."""
    pixels = plain_vertices(mask)[0].detach().cpu().numpy().astype(np.uint8).T[:, :, None]
    matrix = np.asarray(affine.detach().cpu(), dtype=np.float64).copy()
    matrix[:, [0, 1]] = matrix[:, [1, 0]]
    normal = np.cross(matrix[:3, 0], matrix[:3, 1])
    length = float(np.linalg.norm(normal))
    thickness = float(np.linalg.norm(matrix[:3, 2])) or 1.0
    matrix[:3, 2] = normal / length * thickness  # readers fill the third column of a 2-D image with anything
    with replace_file(path) as temporary:
        nib.save(nib.Nifti1Image(pixels, matrix), temporary)
