# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What is fuzzed: each target's seeds, how their files are mutated, and the call that reads them as users do."""

from __future__ import annotations

import copy
import gzip
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_acdr.apps.convert_contours import convert
from monai_acdr.apps.documents import read_contour_document
from monai_acdr.apps.inputs import read_inputs
from monai_acdr.apps.model import load_model
from monai_acdr.apps.monailabel.saved_labels import read_label
from monai_acdr.apps.study_files import find_series
from monai_acdr.data import cbis_ddsm_data_list, dataset_fingerprint, load_cbis_mask, read_mammogram
from monai_acdr.data.cityscapes import HDF5ImageReader, cityscapes_data_list
from monai_acdr.data.contour_files import read_contour
from monai_acdr.data.images import image_data_list
from monai_acdr.data.mammography import (
    chain_contour,
    chain_mask,
    ddsm_data_list,
    inbreast_data_list,
    read_ics,
    read_inbreast_rois,
    read_inbreast_table,
    read_ljpeg,
    read_overlay,
)
from monai_acdr.data.pairs import pair_folder_data_list
from monai_acdr.data.quality import pair_quality_report
from monai_acdr.data.report import QualityReport
from monai_acdr.data.splits import read_split
from monai_acdr.data.sunnybrook.quality import sunnybrook_quality_report
from monai_acdr.dicom import read_rtstruct, read_seg
from monai_acdr.handlers import load_network

from .containers import gzipped, mutate_checkpoint, mutate_nifti, mutate_png, mutate_tiff
from .dicom_mutations import mutate_dicom
from .mutations import Mutation, mutate_bytes, mutate_csv, mutate_json, mutate_text, mutate_xml
from .seeds import Files, Seeds

__all__ = ["TARGETS", "Target", "mutated"]

Read = Callable[[Seeds, Path], Iterable[str] | None]
"""Reads the files in a folder; may give texts, such as reasons of files that were left out."""

MUTATIONS: Mapping[str, Mutation] = {
    **{
        "*.dcm": mutate_dicom,
        "*.json": mutate_json,
        "*.geojson": mutate_json,
        "*.csv": mutate_csv,
        "*.xml": mutate_xml,
        "*.pt": mutate_checkpoint,
    },
    **{"*.png": mutate_png, "*.tif": mutate_tiff, "*.nii": mutate_nifti, "*.nii.gz": gzipped(mutate_nifti)},
    **{"*.txt": mutate_text, "*.ics": mutate_text, "*.OVERLAY": mutate_text, "*.OVERLAY.gz": gzipped(mutate_text)},
    **{"*.ics.gz": gzipped(mutate_text), "*.LJPEG.gz": gzipped(mutate_bytes), "*": mutate_bytes},
}
"""Pattern of names -> mutation; the first that fits is taken."""


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        seeds: name of an attribute of :class:`Seeds`.
        read: the call.
        mutable: patterns of the names of files that are mutated, separated by blanks.
        weight: cases of this target for each case of another.
        packed: also read the file with gzip, under its name with ``.gz``.
    """

    seeds: str
    read: Read
    mutable: str = "*"
    weight: int = 1
    packed: bool = False


def mutated(target: Target, seeds: Seeds, rng: random.Random) -> Files:
    """The files of a case: a seed with one file mutated, sometimes two."""
    files = dict(rng.choice(getattr(seeds, target.seeds)))
    names = [name for name in files if any(fnmatch(name, pattern) for pattern in target.mutable.split())]
    for name in rng.sample(names, min(len(names), rng.choice((1, 1, 1, 1, 2)))):
        mutate = next(mutation for pattern, mutation in MUTATIONS.items() if fnmatch(name, pattern))
        content = files.pop(name)
        if target.packed and rng.random() < 0.4:
            files[f"{name}.gz"] = gzipped(mutate)(rng, gzip.compress(content, 1, mtime=0))
        else:
            files[name] = mutate(rng, content)
    if len(files) > 1 and rng.random() < 0.03:
        del files[rng.choice(list(files))]
    return files


def _call(read: Callable[[Path], Any]) -> Read:
    """A reader of one file, whose result nobody looks at."""

    def call(seeds: Seeds, folder: Path) -> None:
        read(_only(folder))

    return call


def _only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def _inputs(path: Path) -> list[str]:
    inputs = read_inputs(path)
    for frame in inputs.frames:
        assert frame.image.dtype == torch.float32, "images are float32"
        assert bool(torch.isfinite(frame.image).all()), "images are finite"
        assert frame.spacing is None or all(0 < value < 1e3 for value in frame.spacing), "spacing is plausible"
    return [f"{entry.file} {entry.kind} {entry.reason}" for entry in inputs.skipped] + [f.name for f in inputs.frames]


def _series(seeds: Seeds, folder: Path) -> list[str]:
    _, skipped = find_series(folder)
    return [f"{entry.file} {entry.kind} {entry.reason}" for entry in skipped]


def _data_list(function: Callable[..., list[dict[str, Any]]], *arguments: Any, **options: Any) -> list[str]:
    """Findings of a data list; contours that are not traced yet are traced."""
    report = QualityReport()
    items = function(*arguments, report=report, **options)
    for item in items:
        vertices = np.asarray(item["contour"]) if "contour" in item else np.zeros((3, 2))
        assert vertices.ndim == 2, "contours are (N, 2)"
        assert bool(np.isfinite(vertices).all()), "contours are finite"
    return _findings(report)


def _own_data(folder: Path) -> list[str]:
    """A data set of images with masks or polygons: its report, and its fingerprint where anything can be read."""
    report = pair_quality_report(folder)
    items = pair_folder_data_list(folder)
    dataset_fingerprint(items)
    return _findings(report)


def _findings(report: QualityReport) -> list[str]:
    return [f"{finding.kind} {finding.subject} {finding.text}" for finding in report.findings] + [report.summary()]


def _regions(read: Callable[..., list[Any]]) -> Read:
    def call(seeds: Seeds, folder: Path) -> None:
        for region in read(_only(folder), seeds.sources):
            for entry in getattr(region, "contours", ()):
                assert all(np.isfinite(vertices).all() for vertices in entry), "contours are finite"
            for mask in getattr(region, "masks", ()):
                assert mask is None or 0 <= mask.min() <= mask.max() <= 1, "masks are in [0, 1]"

    return call


def _convert(target: str, with_images: bool, **options: Any) -> Read:
    def call(seeds: Seeds, folder: Path) -> list[str]:
        images = seeds.study_folder if with_images else None
        source = _only(folder)
        (folder / "out").mkdir()
        report = convert(source, folder / "out" / target, images, **options)
        return [*report.lost, *report.skipped]

    return call


def _rois(seeds: Seeds, folder: Path) -> None:
    for roi in read_inbreast_rois(_only(folder)):
        assert roi.vertices().ndim == 2, "vertices are (N, 2)"


def _lesions(seeds: Seeds, folder: Path) -> list[str]:
    texts: list[str] = []
    lesions, _ = read_overlay(_only(folder))
    for lesion in lesions:
        walk = lesion.walk()
        try:
            chain_contour(walk, (64, 48))
        except ValueError as error:  # names no file: the caller knows it
            texts.append(str(error))
        else:
            chain_mask(walk, (64, 48))
    return texts


def _hdf5(seeds: Seeds, folder: Path) -> None:
    reader = HDF5ImageReader()
    for key in ("array", "packed", "bytes"):
        reader.get_data(reader.read(f"{_only(folder)}::{key}"))


def _network(seeds: Seeds, folder: Path) -> None:
    assert seeds.bundle_folder.is_dir()
    network = load_network(copy.deepcopy(seeds.network), _only(folder))
    for value in network.state_dict().values():
        assert bool(torch.isfinite(value).all()), "weights are finite"


def _bundle(seeds: Seeds, folder: Path) -> None:
    load_model(folder, device="cpu")


TARGETS: dict[str, Target] = {
    # images: DICOM
    "dicom_study": Target("study", lambda seeds, folder: _inputs(folder), "*.dcm", weight=2),
    "dicom_file": Target("one_image", lambda seeds, folder: _inputs(_only(folder)), weight=2),
    "dicom_compressed": Target("compressed", lambda seeds, folder: _inputs(_only(folder))),
    "dicom_enhanced": Target("enhanced", lambda seeds, folder: _inputs(_only(folder)), weight=2),
    "dicom_values": Target("values", lambda seeds, folder: _inputs(_only(folder)), weight=2),
    "dicom_series": Target("enhanced", _series),
    "mammogram": Target("mammogram", lambda seeds, folder: _read_mammogram(_only(folder))),
    "image_list": Target("one_image", lambda seeds, folder: _data_list(image_data_list, folder)),
    # images: others
    "nifti": Target("nifti", lambda seeds, folder: _inputs(_only(folder)), weight=2, packed=True),
    "picture": Target("picture", lambda seeds, folder: _inputs(_only(folder)), weight=2),
    "picture_folder": Target("pictures", lambda seeds, folder: _inputs(folder)),
    "hdf5": Target("hdf5", _hdf5),
    "ljpeg": Target("ljpeg", _call(read_ljpeg), packed=True),
    # results
    "rtstruct": Target("rtstruct", _regions(read_rtstruct), weight=2),
    "seg": Target("seg", _regions(read_seg), weight=2),
    "contour_document": Target("document", _call(read_contour_document)),
    "contour_text": Target("contour", _call(read_contour)),
    "label_upload": Target("labels", _call(read_label), packed=True),
    "convert_rtstruct": Target("rtstruct", _convert("masks.nii.gz", True)),
    "convert_seg": Target("seg", _convert("contours.json", True)),
    "convert_document": Target("document", _convert("masks", False, to="png")),
    "convert_label": Target("label_maps", _convert("contours.json", False)),
    "convert_text": Target("contour", _convert("mask.png", False, size=(100, 96))),
    # data sets
    "plist": Target("plist", _rois),
    "inbreast_table": Target("inbreast_table", _call(read_inbreast_table)),
    "inbreast": Target("inbreast", lambda seeds, folder: _data_list(inbreast_data_list, folder), "*.xml *.dcm *.csv"),
    "ics": Target("ics", _call(read_ics), packed=True),
    "overlay": Target("overlay", _lesions, packed=True),
    "ddsm": Target("ddsm", lambda seeds, folder: _data_list(ddsm_data_list, folder)),
    "cbis": Target("cbis", lambda seeds, folder: _cbis(folder), "*.dcm *.csv"),
    "pairs": Target("pairs", lambda seeds, folder: _data_list(pair_folder_data_list, folder, split_components=True)),
    "own_data": Target("own_data", lambda seeds, folder: _own_data(folder)),
    "sunnybrook": Target("sunnybrook", lambda seeds, folder: _findings(sunnybrook_quality_report(folder))),
    "cityscapes": Target("cityscapes", lambda seeds, folder: _data_list(cityscapes_data_list, folder)),
    "split": Target("split", _call(read_split)),
    # models; the other configs of a bundle are code, and sizes that it asks for are its own affair
    "checkpoint": Target("checkpoint", _network),
    "bundle": Target("bundle", _bundle, "configs/metadata.json models/model.pt"),
}
"""All targets by name."""


def _read_mammogram(path: Path) -> None:
    pixels = read_mammogram(path, spacing="allow")[0]
    assert bool(np.isfinite(np.asarray(pixels)).all()), "pixels are finite"


def _cbis(folder: Path) -> list[str]:
    report = QualityReport()
    for item in cbis_ddsm_data_list(folder, report=report):
        assert load_cbis_mask(item).ndim == 2, "masks are (H, W)"
    return _findings(report)
