# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of the documentation, from the shipped weights, the example study and the import graph: `make pictures`.

Writes into docs/images: `heart.png` (two frames with contours and references), `gallery.png` (ten frames),
`evolution.gif` (the contours of one frame step by step), and the diagrams `layers.svg` and `data_flow.svg`. Runs the
notebooks, and keeps what their cells print. To be run again when the weights or the layers change.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import notebook
import numpy as np
import pydicom
import torch
from diagrams import write_diagrams
from monai.transforms import Compose, EnsureChannelFirst, LoadImage

from monai_acdr.apps import segment
from monai_acdr.apps.model import load_model
from monai_acdr.data import DicomFrameReader, example_study, read_contour, sunnybrook_data_list
from monai_acdr.transforms import CheckImage
from monai_acdr.visualize import (
    REFERENCE_COLOR,
    contact_sheet,
    contour_crop_box,
    draw_contours,
    save_evolution_gif,
    save_png,
    structure_color,
)

IMAGES = Path(__file__).resolve().parents[1] / "images"
BUNDLE = "sunnybrook_lv_acdr"
PAIR = (("120", "end-diastole"), ("107", "end-systole"))
"""Frames of `heart.png`, a slice in the middle of the ventricle."""
GALLERY = ("200", "160", "120", "80", "40", "187", "147", "107", "67", "27")
"""Frames of `gallery.png`: five slices from apex to base, at end-diastole and below at end-systole."""
FILM = "140"


def main(arguments: Sequence[str] | None = None) -> int:
    """Outline the example study once, and write all pictures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--output", type=Path, default=IMAGES)
    output = options.parse_args(arguments).output
    output.mkdir(parents=True, exist_ok=True)
    write_diagrams(output)
    frames = outlined_frames()
    save_png(output / "heart.png", sheet(frames, dict(PAIR), columns=2, scale=5))
    captions = {name: f"slice {frames[name]['slice_index'] + 1}" for name in GALLERY}
    save_png(output / "gallery.png", sheet(frames, captions, columns=5, scale=2))
    save_film(output / "evolution.gif", frames[FILM])
    for path in notebook.NOTEBOOKS:
        notebook.refresh(path)
    return 0


def outlined_frames() -> dict[str, dict[str, Any]]:
    """Image, contours, references and region of each frame of the example study, by its name."""
    frames: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        report = segment(example_study() / "dicoms", folder, BUNDLE, "auto", pictures=False, device="cpu").as_dict()
        document = json.loads((Path(folder) / "contours.json").read_text(encoding="utf-8"))
    for path in (example_study() / "dicoms").rglob("*.dcm"):
        pixels = pydicom.dcmread(path).pixel_array.astype(np.float32)
        frames[path.stem] = {"file": str(path), "image": pixels, "references": []}
    for frame in document["frames"]:
        frames[frame["name"]]["contours"] = [np.array(contour["vertices_px"]) for contour in frame["contours"]]
    for frame in report["frames"]:
        frames[frame["name"]] |= {key: frame[key] for key in ("region", "slice_index")}
    # The readers' contours lie a pixel to the right of the heart and below it: see the bundle's card.
    for item in sunnybrook_data_list(example_study(), structures=("endocardium", "epicardium")):
        files = [item[key] for key in ("label", "label_epi") if key in item]
        shift = np.array(item["reader_shift"])
        frames[Path(item["image"]).stem]["references"] = [read_contour(file).numpy() + shift for file in files]
    return frames


def sheet(frames: dict[str, dict[str, Any]], captions: dict[str, str], columns: int, scale: int) -> np.ndarray:
    """Frames with contours (yellow and pink) over the readers' (green), all showing the same part of the image."""
    chosen = [frames[name] for name in captions]
    everything = [contour for frame in chosen for contour in (*frame["contours"], *frame["references"])]
    box = contour_crop_box(everything, chosen[0]["image"].shape, margin=12)
    pictures = [
        draw_contours(
            frame["image"],
            [(reference, REFERENCE_COLOR) for reference in frame["references"]]
            + [(contour, structure_color(index)) for index, contour in enumerate(frame["contours"])],
            scale,
            box,
        )
        for frame in chosen
    ]
    return contact_sheet(pictures, columns=columns, captions=list(captions.values()))


def save_film(path: Path, frame: dict[str, Any]) -> None:
    """The contours of one frame after each step, from the initial circles, in the region that ROI `auto` chose."""
    model = load_model(BUNDLE, device="cpu")
    read = Compose([LoadImage(reader=DicomFrameReader(), image_only=True), EnsureChannelFirst(), CheckImage()])
    region = torch.tensor([*frame["region"], 0.0], dtype=torch.float64)  # upright
    (contours,) = model.infer([read(frame["file"])], [region])
    box = contour_crop_box([*contours.flatten(0, 1)], frame["image"].shape, margin=14)
    save_evolution_gif(path, frame["image"], contours, reference=frame["references"], scale=4, crop_box=box)


if __name__ == "__main__":
    sys.exit(main())
