# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""One request for contours, from the image to the files and the JSON that go back."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_acdr.apps.contour_checks import MAX_OUTSIDE, outside_share
from monai_acdr.apps.label_values import label_structures
from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.monailabel.images import LabelImage
from monai_acdr.apps.monailabel.label_maps import (
    contour_records,
    draw_labels,
    extension_of,
    write_labels,
    write_seg_of_contours,
)
from monai_acdr.apps.monailabel.outlining import Outlined, outline_image
from monai_acdr.apps.monailabel.prompts import Prompts, parse_prompts

__all__ = ["answer", "wants"]


def wants(value: Any, default: bool) -> bool:
    """A switch of a request, which may be text."""
    if value is None:
        return default
    return value.strip().lower() in ("true", "1", "yes", "on") if isinstance(value, str) else bool(value)


def answer(request: Mapping[str, Any], image: LabelImage, model: ContourModel) -> tuple[str | None, dict[str, Any]]:
    """Outline an image.

    Args:
        request: ``foreground``, ``background``, ``roi``, ``slice``, ``phase`` (:mod:`.prompts`), ``result_extension``,
            ``result_dtype``, ``result_compress``, ``result_write_to_file``, as MONAI Label's own tasks have them.
        image: what to outline.
        model: the bundle.

    Returns:
        The path of a temporary file with the label map, None where none was wanted, and what goes into the JSON:
        ``contours`` (:func:`.contour_records`), ``warnings`` (what of the request was not used, and why),
        ``label_names`` (of the values of the label map: of nested structures the rings between their contours),
        ``centroids`` (voxel indices of the contour that bounds each label), ``algorithm``, ``image`` and ``latencies``.

    Raises:
        ValueError: for a request that cannot be served.
    """
    start = time.perf_counter()
    wanted = request.get("result_extension")
    extension = extension_of(str(wanted) if wanted else None, image)
    prompts = parse_prompts(request, image.shape)
    contours = outline_image(image, prompts, model)
    outlined = time.perf_counter()
    path: Path | None = None
    if wants(request.get("result_write_to_file"), True):
        with tempfile.NamedTemporaryFile(suffix=extension, delete=False) as file:
            path = Path(file.name)
        try:
            if extension == ".dcm":
                path.unlink()
                write_seg_of_contours(path, contours, image, model.structures, model.algorithm)
            else:
                labels = draw_labels(image, contours, request.get("result_dtype"))
                write_labels(path, labels, image, wants(request.get("result_compress"), False))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    end = time.perf_counter()
    records = contour_records(image, contours, model.structures)
    names = [structure.label for structure in label_structures(model.structures, model.nested)]
    result = {
        "contours": records,
        "warnings": _warnings(image, prompts, contours),
        "coordinates": "vertices_px: (x, y) = (column, row), pixel (c, r) covers [c, c + 1) x [r, r + 1); a voxel "
        "index is the pixel coordinate minus 0.5; vertices_mm: LPS",
        "label_names": {label: value for value, label in enumerate(names, start=1)},
        "centroids": _centroids(records, names),
        "algorithm": {
            "name": model.name,
            "version": model.version,
            "weights_sha256": model.checkpoint_sha256,
        },
        "image": {"shape": list(image.shape), "kind": image.inputs.kind},
        "latencies": {
            "infer": round(outlined - start, 4),
            "write": round(end - outlined, 4),
            "total": round(end - start, 4),
        },
    }
    return (str(path) if path else None), result


def _centroids(records: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> dict[str, list[str]]:
    """Of the first frame, as MONAI Label's clients show them: voxel indices as text."""
    return {
        label: [str(x - 0.5), str(y - 0.5), str(record["slice"])]
        for label, record in zip(labels, records, strict=False)
        for x, y in [record["centroid_px"]]
    }


def _warnings(image: LabelImage, prompts: Prompts, contours: Sequence[Outlined]) -> list[str]:
    """What was asked for and not done, for people; slices and phases count from 0 as in the request."""
    found = []
    if prompts.left_out:
        found.append(f"{prompts.left_out} point(s) are not on slice {prompts.slice} and were not used.")
    for contour in contours:
        place = "Slice {}, phase {}".format(*image.places[contour.frame])
        if contour.doubtful:
            found.append(f"{place}: doubtful, confidence {contour.confidence:.2f}.")
        if contour.warning:
            found.append(f"{place}: {contour.warning}")
        size = image.inputs.frames[contour.frame].size
        share = max(outside_share(vertices, size) for vertices in contour.vertices)
        if share > MAX_OUTSIDE:
            found.append(f"{place}: {100 * share:.0f} % of the contour's area lie outside of the image.")
    return found
