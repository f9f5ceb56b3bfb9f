# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Results of an inference on disk: contour, mask and picture of each image."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
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
    structure_color,
)
from monai_acdr.visualize.pictures import Color

idist, _ = optional_import("ignite", IgniteInfo.OPT_IMPORT_VERSION, min_version, "distributed")
Events, _ = optional_import("ignite.engine", IgniteInfo.OPT_IMPORT_VERSION, min_version, "Events")
if TYPE_CHECKING:
    from ignite.engine import Engine

__all__ = ["ContourWriter", "contour_record"]

_DECIMALS = 4
DOCUMENT_FORMAT, DOCUMENT_VERSION = "monai_acdr.contours", 2
"""Of the contour document, as `monai_acdr.apps.documents` reads and writes it."""


class ContourWriter:
    """Write ``NAME.json``, ``NAME.nii.gz`` and ``NAME.png`` for each case of an evaluator.

    A case has ``name``, ``full_image`` (the whole image (1, H, W), MetaTensor), ``pred`` (1, K, 2) and ``pred_mask``
    (1, H, W) in its pixels, ``has_spacing``, and may have ``initial`` and ``reference`` (1, P, 2). File names come from
    ``name`` alone, and no header of the source is copied.

    ``NAME.json`` is a contour document, which ``monai-acdr convert`` and ``read_contour_document`` read.

    With several structures, from the innermost to the outermost, contours are (N, K, 2) and ``pred_mask`` is (N, H, W).
    ``NAME.nii.gz`` then is a label map, in which a pixel has the number of the innermost structure that it is in, from
    1, and in the picture each final contour has a separate color.
    References that are NaN everywhere are missing.

    Args:
        output_dir: folder for the files, made when missing.
        overlay: write the picture; initial contour blue, final yellow (see
            :data:`monai_acdr.visualize.STRUCTURE_COLORS` for several), reference green.
        scale: picture pixels per image pixel.
        margin: pixels shown around the contours; None shows the whole image.
        structures: names of the structures, for the record and the picture; numbers if None.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        overlay: bool = True,
        scale: int = 6,
        margin: float | None = 24,
        structures: Sequence[str] | None = None,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.overlay = overlay
        self.scale = scale
        self.margin = margin
        self.structures = None if structures is None else tuple(structures)
        self.written = 0
        self.logger = logging.getLogger(__name__)

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator; its postprocessing is done before an iteration is completed."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.give_up)

    def start(self, _engine: Engine) -> None:
        """Make and claim the folder, so that a missing permission or another run is reported before the work.

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
        """Release the folder after any error of the run, and pass the error on."""
        release_file(self.output_dir / "contours")
        raise error

    def finish(self, _engine: Engine) -> None:
        """Log where the results are, and release the folder."""
        release_file(self.output_dir / "contours")
        self.logger.info("Wrote contours of %d images to %s", self.written, self.output_dir)

    def write(self, case: Mapping[str, Any]) -> None:
        """Write the files of one case."""
        name = str(case["name"])
        if Path(name).name != name or name in ("", ".", ".."):
            raise ValueError(f"Expected `name` to be a plain file name, but got {name!r}.")
        record = contour_record(case, self.structures)
        write_text_atomically(self.output_dir / f"{name}.json", _one_line_a_key(record))
        _write_mask(self.output_dir / f"{name}.nii.gz", case["pred_mask"], file_grid(case["full_image"])[1])
        if self.overlay:
            save_png(self.output_dir / f"{name}.png", self._draw(case))
        self.written += 1

    def _draw(self, case: Mapping[str, Any]) -> np.ndarray:
        contours: dict[str, tuple[list[Tensor], Color]] = {}
        for key, color in (("initial", INITIAL_COLOR), ("reference", REFERENCE_COLOR)):
            given = list(plain_vertices(case[key])) if isinstance(case.get(key), Tensor) else []
            known = [vertices for vertices in given if not bool(vertices.isnan().all())]
            if known:
                contours[key] = (known, color)
        final = plain_vertices(case["pred"])
        if len(final) == 1:
            contours["final"] = ([final[0]], FINAL_COLOR)
        else:
            for index, label in enumerate(_structure_names(len(final), self.structures)):
                contours[f"final: {label}"] = ([final[index]], structure_color(index))
        image = case["full_image"]
        size = (int(image.shape[-2]), int(image.shape[-1]))
        box = None
        if self.margin is not None:
            everything = [vertices for group, _ in contours.values() for vertices in group]
            box = contour_crop_box(everything, size, self.margin)
        return draw_contours(image, contours, self.scale, box, legend=True)


def contour_record(case: Mapping[str, Any], structures: Sequence[str] | None = None) -> dict[str, Any]:
    """Content of ``NAME.json`` of a case: a contour document of version 2 with one frame (docs/reference).

    Args:
        case: see :class:`ContourWriter`.
        structures: names of the structures, from the innermost to the outermost; their numbers from 1 if None.

    Returns:
        The document, whose contours are the last ones: vertices in pixels, and in mm and LPS when the spacing is known.
        Each contour also has its area, perimeter and the vertices that it started from.

    Raises:
        ValueError: when there is not one name for each structure.
    """
    contours = plain_vertices(case["pred"]).detach().to("cpu", torch.float64)
    size, affine = file_grid(case["full_image"])
    has_spacing = bool(case.get("has_spacing", False))
    names = _structure_names(len(contours), structures)
    parts = [_contour_items(case, index, affine if has_spacing else None) for index in range(len(contours))]
    frame = {
        "name": str(case["name"]),
        "size": [int(size[0]), int(size[1])],
        "spacing_mm": pixel_spacing(affine).tolist() if has_spacing else None,
        "contours": [{"structure": name, **part} for name, part in zip(names, parts, strict=True)],
    }
    return {
        "format": DOCUMENT_FORMAT,
        "version": DOCUMENT_VERSION,
        "coordinates": "(x, y) = (column, row); pixel (c, r) covers [c, c + 1) x [r, r + 1)",
        "world": "(x, y, z) in mm, patient coordinates, LPS",
        "structures": list(names),
        "algorithm": None,
        "frames": [frame],
    }


def _contour_items(case: Mapping[str, Any], index: int, affine: Tensor | None) -> dict[str, Any]:
    """Measures of one structure's contour; in mm when there is an affine."""
    vertices = plain_vertices(case["pred"])[index].detach().to("cpu", torch.float64)
    initial = case.get("initial")
    items: dict[str, Any] = {
        "vertices_px": _rounded(vertices),
        "area_px2": round(abs(float(signed_area(vertices))), _DECIMALS),
        "perimeter_px": round(float(perimeter(vertices)), _DECIMALS),
        "initial_vertices_px": _rounded(plain_vertices(initial)[index]) if isinstance(initial, Tensor) else None,
        "vertices_mm": None,
        "area_mm2": None,
    }
    if affine is not None:
        items["vertices_mm"] = _rounded(pixel_to_world(vertices, affine))
        area = float(signed_area(vertices * pixel_spacing(affine).flip(0)))
        items["area_mm2"] = round(abs(area), _DECIMALS)
    return items


def _structure_names(number: int, names: Sequence[str] | None) -> tuple[str, ...]:
    if names is None:
        return tuple(str(index + 1) for index in range(number))
    if len(set(names)) != number:
        raise ValueError(f"Expected a name for each of {number} structures, but got `structures` {list(names)}.")
    return tuple(names)


def _one_line_a_key(record: Mapping[str, Any]) -> str:
    """JSON for readers: one line per key, since thousands of coordinates should not take thousands of lines."""
    (frame,) = record["frames"]
    contours = ["        {\n" + ",\n".join(_lines(part, " " * 10)) + "\n        }" for part in frame["contours"]]
    lines = _lines({key: value for key, value in record.items() if key != "frames"}, "  ")
    inside = _lines({key: value for key, value in frame.items() if key != "contours"}, " " * 6)
    inside.append('      "contours": [\n' + ",\n".join(contours) + "\n      ]")
    lines.append('  "frames": [\n    {\n' + ",\n".join(inside) + "\n    }\n  ]")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _lines(items: Mapping[str, Any], indent: str) -> list[str]:
    return [f"{indent}{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in items.items()]


def _rounded(values: Tensor) -> list[list[float]]:
    return [[round(float(value), _DECIMALS) for value in row] for row in values.detach().cpu()]


def _write_mask(path: Path, mask: Tensor, affine: Tensor) -> None:
    """A (1, H, W) mask as NIfTI (columns, rows, 1) uint8: NIfTI's first axis runs along x.

    Several structures (N, H, W) become a label map: a pixel has the number of the innermost one that it is in, from 1.
    """
    channels = plain_vertices(mask).detach().cpu().numpy() > 0
    labels = np.where(channels.any(0), channels.argmax(0) + 1, 0)  # argmax is the first channel that holds the pixel
    pixels = labels.astype(np.uint8).T[:, :, None]
    matrix = np.asarray(affine.detach().cpu(), dtype=np.float64).copy()
    matrix[:, [0, 1]] = matrix[:, [1, 0]]
    normal = np.cross(matrix[:3, 0], matrix[:3, 1])
    length = float(np.linalg.norm(normal))
    thickness = float(np.linalg.norm(matrix[:3, 2])) or 1.0
    matrix[:3, 2] = normal / length * thickness  # the third column of a 2-D image's affine depends on the reader
    with replace_file(path) as temporary:
        nib.save(nib.Nifti1Image(pixels, matrix), temporary)
