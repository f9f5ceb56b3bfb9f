# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Do hearts measure the same without a click when their images are stored or taken otherwise?

Volumes with references (``PATIENT/{ED,ES}.nii.gz``) are changed and outlined with ROI `auto`: turned by a quarter,
mirrored and transposed, with a larger or smaller field of view, other intensities, a bias field, noise, less
resolution, and every other slice alone. ``--plain`` looks for the heart in one orientation and in the whole frame.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage
from timing import Table, parser, prepare, write_record

from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.apps.volume_agreement import agreement
from monai_acdr.data.nifti import read_nifti

QUESTION = "volumes without a click of hearts that are stored or taken otherwise"
BRIGHT = 99.5
"""Percentile of the intensities that counts as bright."""

Change = Callable[[np.ndarray, np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray, np.ndarray]]


def _placed(move: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Image and labels moved alike, whatever the affine says, as in files whose orientation is not that of the scan."""
    return lambda image, labels, affine, _: (move(image), move(labels), affine)


def _shown(show: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Change:
    """Another image of the same heart."""
    return lambda image, labels, affine, random: (show(image, random), labels, affine)


def _field(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    """Field of view times `factor`, zeros around or the middle alone."""

    def change(volume: np.ndarray) -> np.ndarray:
        margins = [round(abs(factor - 1) / 2 * side) for side in volume.shape[:2]]
        if factor > 1:
            return np.pad(volume, [(margin, margin) for margin in margins] + [(0, 0)])
        rows, columns = (slice(margin, side - margin) for margin, side in zip(margins, volume.shape[:2], strict=True))
        return volume[rows, columns]

    return change


def _gamma(exponent: float) -> Change:
    def show(image: np.ndarray, _: np.random.Generator) -> np.ndarray:
        bright = np.percentile(image, BRIGHT)
        return bright * np.clip(image / bright, 0, None) ** exponent

    return _shown(show)


def _biased(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Intensities times up to 3.3 on one side, and its inverse on the other."""
    angle = random.uniform(0, 2 * np.pi)
    x, y = (np.linspace(-1, 1, side) for side in image.shape[:2])
    return image * np.exp(1.2 * (np.cos(angle) * x[:, None, None] + np.sin(angle) * y[None, :, None]))


def _noisy(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Rician noise of 6 % of the bright intensities."""
    sigma = 0.06 * np.percentile(image, BRIGHT)
    return np.hypot(image + random.normal(0, sigma, image.shape), random.normal(0, sigma, image.shape))


def _coarse(image: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Pixels of twice the side, interpolated."""
    small = ndimage.zoom(image, (0.5, 0.5, 1), order=1)
    return ndimage.zoom(small, (image.shape[0] / small.shape[0], image.shape[1] / small.shape[1], 1), order=1)


def _sparse(
    image: np.ndarray, labels: np.ndarray, affine: np.ndarray, _: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return image[:, :, ::2], labels[:, :, ::2], affine @ np.diag([1.0, 1.0, 2.0, 1.0])


CHANGES: dict[str, Change] = {
    "as they are": _placed(lambda volume: volume),
    "turned by a quarter": _placed(lambda volume: np.rot90(volume)),
    "turned by a half": _placed(lambda volume: np.rot90(volume, 2)),
    "mirrored": _placed(lambda volume: volume[::-1]),
    "transposed": _placed(lambda volume: volume.transpose(1, 0, 2)),
    "field of view x 1.25": _placed(_field(1.25)),
    "field of view x 1.45": _placed(_field(1.45)),
    "field of view x 0.6": _placed(_field(0.6)),
    "gamma 0.6": _gamma(0.6),
    "gamma 1.7": _gamma(1.7),
    "bias field": _shown(_biased),
    "noise": _shown(_noisy),
    "half the resolution": _shown(_coarse),
    "every other slice": _sparse,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON file."""
    options = read_options(arguments)
    prepare(options)
    model = chosen_model(options.plain)
    results = {}
    for name in options.changes:
        with tempfile.TemporaryDirectory() as folder:
            changed = Path(folder) / "changed"
            write_changed(options.dataset, changed, CHANGES[name])
            found = agreement(changed, Path(folder) / "results", model, "auto")
        results[name] = {
            "dice": found["mean_dice"],
            "lost_slices": found["lost_slices"],
            "added_slices": found["added_slices"],
            "failed": len(found["failed"]),
            "scattered": sum(": scattered_centers: " in text for text in found["findings"]),
            "ef_percent": found["measures"].get("ef_percent", {}),
        }
        print(name, results[name], flush=True)
    header = ["images", "Dice ED / ES", "EF, mean error", "slices lost / added", "hearts with scattered centers"]
    table = Table("changes", header, [row(name, result) for name, result in results.items()])
    print("", table, sep="\n")
    write_record(options.output, QUESTION, {"plain": options.plain, "region": "auto"}, results, [table])
    return 0


def row(name: str, result: dict) -> list[str]:
    """Row of a change."""
    dice, error = result["dice"], result["ef_percent"].get("mean_absolute_error")
    shown = f"{dice['ED']:.3f} / {dice['ES']:.3f}" if dice else "-"
    return [
        name,
        shown,
        "-" if error is None else f"{error:.1f}",
        f"{result['lost_slices']} / {result['added_slices']}",
        str(result["scattered"]),
    ]


def chosen_model(plain: bool) -> ContourModel:
    """The shipped model, or one whose localizer sees whole frames in one orientation."""
    model = load_model("sunnybrook_lv_acdr", None, "cpu", 16)
    if plain and model.localizer is not None:
        model.localizer.orientations, model.localizer.field_mm = 1, None
    return model


def write_changed(source: Path, target: Path, change: Change) -> None:
    """Write the hearts of a folder, changed; random numbers follow from the patient's name."""
    for patient in sorted(path for path in source.iterdir() if path.is_dir()):
        (target / patient.name).mkdir(parents=True)
        for phase in ("ED", "ES"):
            image, labels = (read_nifti(patient / f"{phase}{end}.nii.gz") for end in ("", "_gt"))
            random = np.random.default_rng(zlib.crc32(patient.name.encode()))
            pixels = np.asarray(image.voxels, dtype=np.float64).reshape(image.voxels.shape[:3])
            marks = np.asarray(labels.voxels).reshape(labels.voxels.shape[:3])
            pixels, marks, affine = change(pixels, marks, np.asarray(image.affine), random)
            for values, end in ((pixels.astype(np.float32), ""), (marks.astype(np.uint8), "_gt")):
                nib.save(nib.Nifti1Image(values, affine), target / patient.name / f"{phase}{end}.nii.gz")


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=2)
    options.add_argument("--dataset", type=Path, required=True, help="folder of PATIENT/{ED,ES}.nii.gz with _gt")
    options.add_argument("--plain", action="store_true", help="one orientation, and whole frames")
    options.add_argument("--changes", nargs="+", default=list(CHANGES), choices=list(CHANGES), metavar="NAME")
    return options.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
