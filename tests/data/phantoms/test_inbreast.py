# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The synthetic INbreast archive: read back by the package's own source and reader, and the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch

from monai_acdr.data.mammography import inbreast_data_list, read_inbreast_rois, read_inbreast_table
from monai_acdr.data.phantoms.mammograms import write_inbreast_cases
from monai_acdr.data.readers import read_mammogram
from monai_acdr.data.report import QualityReport
from monai_acdr.networks.layers.rasterizer import rasterize_polygons

SIZE = (96, 80)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inbreast_cases(tmp_path_factory.mktemp("twin") / "in", num_patients=4, size=SIZE, seed=3)


def test_read_back_without_findings(twin: Path) -> None:
    report = QualityReport()
    items = inbreast_data_list(twin, report=report)
    assert not report.findings
    assert report.counts["images"] == 16
    assert report.counts["normal_images"] == 8
    assert report.counts["mass_images"] == 8
    assert report.counts["patients"] == 4
    assert {item["laterality"] for item in items} == {"L", "R"}
    assert {item["view"] for item in items} == {"CC", "MLO"}
    assert {item["group"] for item in items} == {"training", "test"}


def test_outlines_lie_on_bright_masses_and_headers_agree(twin: Path) -> None:
    seen = set()
    for item in inbreast_data_list(twin):
        array, meta = read_mammogram(item["image"])
        inside = rasterize_polygons(torch.from_numpy(item["contour"])[None], SIZE)[0, 0].numpy() > 0.5
        breast = (array > 2000) & ~inside
        assert array[inside].mean() > 1.25 * array[breast].mean()
        assert (meta["laterality"], meta["view"]) == (item["laterality"], item["view"])
        assert meta["spacing"] == pytest.approx([285.88 / 96] * 2, rel=1e-5)
        seen.add(meta["photometric_interpretation"])
    assert seen == {"MONOCHROME1", "MONOCHROME2"}


def test_headers_look_like_mammograms(twin: Path) -> None:
    path = min((twin / "AllDICOMs").iterdir())
    dataset = pydicom.dcmread(path)
    assert (dataset.BitsAllocated, dataset.BitsStored, dataset.Modality) == (16, 14, "MG")
    assert dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID
    assert dataset.ViewCodeSequence[0].CodeMeaning == "cranio-caudal"
    assert "Synthetic" in str(dataset.PatientName)
    uids = {pydicom.dcmread(file).SOPInstanceUID for file in (twin / "AllDICOMs").iterdir()}
    assert len(uids) == 16


def test_outlines_and_table_have_the_quirks_of_the_original(twin: Path) -> None:
    names = {roi.name for path in (twin / "AllXML").iterdir() for roi in read_inbreast_rois(path)}
    assert names == {"Mass", "Mass ", "mass", "Spiculated Region", "Calcification"}
    rows = read_inbreast_table(twin / "INbreast.csv")
    assert len(rows) == 16
    assert {row.birads for row in rows} > {"4a", "4b", "1"}


def test_the_same_arguments_give_the_same_bytes(twin: Path, tmp_path: Path) -> None:
    again = write_inbreast_cases(tmp_path / "a", num_patients=4, size=SIZE, seed=3)
    files = sorted(path.relative_to(twin) for path in twin.rglob("*") if path.is_file())
    assert all((twin / file).read_bytes() == (again / file).read_bytes() for file in files)
    other = write_inbreast_cases(tmp_path / "b", num_patients=1, size=SIZE, seed=4)
    assert not {path.name for path in (other / "AllDICOMs").iterdir()} & {file.name for file in files}


def test_arguments_are_checked_and_foreign_files_kept(tmp_path: Path) -> None:
    for options in ({"num_patients": 0}, {"size": (10, 10)}, {"seed": -1}):
        with pytest.raises(ValueError, match="Expected `num_patients`"):
            write_inbreast_cases(tmp_path / "a", **options)  # type: ignore[arg-type]
    (tmp_path / "mine.txt").touch()
    with pytest.raises(FileExistsError, match=r"mine\.txt"):
        write_inbreast_cases(tmp_path, num_patients=1)


def test_pixels_are_14_bit(twin: Path) -> None:
    for path in (twin / "AllDICOMs").iterdir():
        stored = np.frombuffer(pydicom.dcmread(path).PixelData, "<u2")
        assert stored.max() < 1 << 14
