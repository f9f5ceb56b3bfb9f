# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Do the volumes of predicted contours agree with those of the references?

Whole cine studies (Sunnybrook in the layout `link.csv`, or synthetic ones) go through `segment`. The disc sum of the
reference contours at end-diastole and end-systole is compared with the disc sum of the predicted contours, first on the
same frames (the effect of the contours alone), then as reported by `segment`, which finds slices and phases itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from timing import Table, parser, prepare, write_record

from monai_acdr.apps import segment
from monai_acdr.apps.inputs import read_inputs
from monai_acdr.apps.measurements import find_grid, measure_contours
from monai_acdr.data import read_contour, sunnybrook_data_list
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.dicom import LV_ENDOCARDIUM
from monai_acdr.measures import CineGrid, VentricleVolumes

QUESTION = "ventricle volumes of predicted against reference contours"
FIGURES = {
    "EDV, mL": "end_diastolic_volume_ml",
    "ESV, mL": "end_systolic_volume_ml",
    "EF, %": "ejection_fraction_percent",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print a table, write the JSON file."""
    options = read_options(arguments)
    prepare(options)
    with tempfile.TemporaryDirectory() as folder:
        dataset = options.dataset or write_short_axis_studies(
            Path(folder) / "data", options.patients, options.slices, options.phases
        )
        items = sunnybrook_data_list(dataset, "all")
        studies: dict[Path, list[dict[str, Any]]] = {}
        for item in items:
            studies.setdefault(Path(item["image"]).parent, []).append(item)
        results = {
            own[0]["patient"]: compare(study, own, Path(folder) / "out", options)
            for study, own in sorted(studies.items())
        }
    rows = [
        [patient, *(volumes(result[kind]) for kind in ("reference", "same_frames", "reported"))]
        for patient, result in results.items()
    ]
    patients = Table("patients", ["patient", "reference", "predicted, same frames", "as reported"], rows)
    print(" / ".join(FIGURES), patients, sep="\n")
    settings = {"synthetic": options.dataset is None, "roi": options.roi, "seed": options.seed}
    write_record(options.output, QUESTION, settings, results, [patients])
    return 0


def volumes(result: dict[str, float]) -> str:
    """All volumes in one cell."""
    return " / ".join(
        f"{result[key]:.1f}" if key.endswith("percent") else f"{result[key]:.0f}" for key in FIGURES.values()
    )


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=2)
    options.add_argument("--dataset", type=Path, help="data set with link.csv, instead of a synthetic one")
    options.add_argument("--checkpoint", type=Path, help="weights, if not the bundle's")
    options.add_argument("--roi", default="auto", help="as of `monai-acdr segment`")
    options.add_argument("--patients", type=int, default=3, help="of the synthetic data set")
    options.add_argument("--slices", type=int, default=8)
    options.add_argument("--phases", type=int, default=12)
    return options.parse_args(arguments)


def compare(study: Path, items: list[dict[str, Any]], out: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Volumes of one patient."""
    inputs = read_inputs(study)
    grid, reason = find_grid(inputs.frames)
    if grid is None:
        raise ValueError(reason)
    index = {Path(source.path).name: i for i, source in enumerate(inputs.sources)}
    reference: list[np.ndarray | None] = [None] * len(inputs.frames)
    for item in items:
        reference[index[Path(item["image"]).name]] = read_contour(item["label"]).numpy()
    settings = {"roi": options.roi, "checkpoint": options.checkpoint, "device": "cpu"}
    report = segment(study, out, all_frames=True, pictures=False, overwrite=True, **settings)
    predicted = [None if r is None else c for r, c in zip(reference, _contours(out, inputs), strict=True)]
    own = segment(study, out, pictures=False, overwrite=True, **settings).volumes
    return {
        "reference": _figures(_volumes(inputs, reference, grid)),
        "same_frames": _figures(_volumes(inputs, predicted, grid)),
        "reported": _figures(own),
        "frames": len(report.frames),
        "frames_with_reference": len(items),
    }


def _contours(out: Path, inputs: Any) -> list[np.ndarray | None]:
    from monai_acdr.apps.documents import read_contour_document

    region, *_ = read_contour_document(out / "contours.json").to_regions(inputs.sources)  # the endocardium
    return [contours[0] if contours else None for contours in region.contours]


def _volumes(inputs: Any, contours: list[np.ndarray | None], grid: CineGrid) -> VentricleVolumes | None:
    """Volumes of endocardial contours (K, 2)."""
    found = [None if vertices is None else vertices[None] for vertices in contours]
    return measure_contours(inputs.frames, found, [LV_ENDOCARDIUM], grid).volumes


def _figures(volumes: VentricleVolumes | None) -> dict[str, float]:
    return {key: float("nan") if volumes is None else getattr(volumes, key) for key in FIGURES.values()}


if __name__ == "__main__":
    sys.exit(main())
