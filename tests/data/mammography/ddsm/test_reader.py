# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The image reader, through MONAI's transforms."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.transforms import LoadImaged

from monai_acdr.data.mammography import DDSMReader, optical_density, read_ljpeg
from monai_acdr.data.phantoms.mammograms import draw_film, write_ddsm_cases
from monai_acdr.geometry import pixel_spacing

pytest.importorskip("imagecodecs")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_ddsm_cases(tmp_path_factory.mktemp("ddsm"), 1, (60, 48), seed=3)
    return folder / "cancers" / "cancer_01" / "case9001"


def test_gray_levels(case: Path) -> None:
    path = case / "A_9001_1.LEFT_MLO.LJPEG"  # its header is swapped
    load = LoadImaged("image", reader=DDSMReader(), image_only=True, ensure_channel_first=True)
    image = load({"image": path})["image"]
    rng = np.random.default_rng([3, 0])
    draw_film(rng, (60, 48))
    assert image.dtype == torch.float32
    assert np.array_equal(image[0].numpy(), draw_film(rng, (60, 48)).pixels)
    np.testing.assert_allclose(pixel_spacing(image.affine), [2.5, 2.5])
    assert image.meta["digitizer"] == "HOWTEK"
    assert (image.meta["laterality"], image.meta["view"], image.meta["breast_density"]) == ("L", "MLO", "2")
    assert image.meta["has_spacing"]
    assert tuple(image.meta["spatial_shape"]) == (60, 48)


def test_optical_density(case: Path) -> None:
    path = case / "A_9001_1.LEFT_CC.LJPEG"
    values, meta = DDSMReader("optical_density").get_data(DDSMReader("optical_density").read(path))
    np.testing.assert_array_equal(values, optical_density(read_ljpeg(path, (60, 48)), "HOWTEK", "A"))
    assert values.dtype == np.float32
    np.testing.assert_allclose(meta["spacing"], [2.5, 2.5])


def test_suffixes() -> None:
    reader = DDSMReader()
    assert reader.verify_suffix("A_1_1.LEFT_CC.LJPEG")
    assert reader.verify_suffix(["a.ljpeg.gz", Path("b.LJPEG")])
    assert not reader.verify_suffix(["a.ljpeg", "b.jpeg"])


def test_gzipped_files(case: Path, tmp_path: Path) -> None:
    name = "A_9001_1.LEFT_CC.LJPEG"
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress((case / name).read_bytes()))
    (tmp_path / "A-9001-1.ics.gz").write_bytes(gzip.compress((case / "A-9001-1.ics").read_bytes()))
    image = LoadImaged("image", reader=DDSMReader())({"image": tmp_path / f"{name}.gz"})["image"]
    assert np.array_equal(image.numpy(), read_ljpeg(case / name, (60, 48)))


def test_without_resolution_pixels_are_the_unit(case: Path, tmp_path: Path) -> None:
    shutil.copytree(case, tmp_path, dirs_exist_ok=True)
    ics = tmp_path / "A-9001-1.ics"
    ics.write_text(ics.read_text().replace("RESOLUTION 2500.0", "").replace("HOWTEK", ""))
    values, meta = DDSMReader().get_data(DDSMReader().read(tmp_path / "A_9001_1.LEFT_CC.LJPEG"))
    assert not meta["has_spacing"]
    assert np.isnan(meta["spacing"]).all()
    assert np.array_equal(meta["affine"], np.eye(4))
    with pytest.raises(ValueError, match="Expected the digitizer .*or read gray levels"):
        DDSMReader("optical_density").read(tmp_path / "A_9001_1.LEFT_CC.LJPEG")


@pytest.mark.real_data
def test_fixture(shared_data: Path) -> None:
    path = shared_data / "ddsm_ljpeg_fixture" / "A_9999_1.RIGHT_CC.LJPEG"
    image = LoadImaged("image", reader=DDSMReader())({"image": str(path)})["image"]
    assert np.array_equal(image.numpy(), np.load(path.with_name("A_9999_1.RIGHT_CC.truth.npy")))
    np.testing.assert_allclose(pixel_spacing(image.affine), [0.0435, 0.0435])


def test_errors(case: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expected `output` to be one of .*but got 'density'"):
        DDSMReader("density")
    reader, name = DDSMReader(), "A_9001_1.LEFT_CC.LJPEG"
    with pytest.raises(ValueError, match="Expected one film, but got 2 files"):
        reader.read([case / name, case / name])
    with pytest.raises(ValueError, match="Expected a file name as A_1509_1.LEFT_CC.LJPEG, but got .*film.LJPEG"):
        reader.read(case / "film.LJPEG")
    shutil.copy(case / name, tmp_path / name)
    with pytest.raises(FileNotFoundError, match="Expected A-9001-1.ics beside"):
        reader.read(tmp_path / name)
    ics = tmp_path / "A-9001-1.ics"
    ics.write_text("RIGHT_CC LINES 60 PIXELS_PER_LINE 48\n")
    with pytest.raises(ValueError, match="Expected a line LEFT_CC with LINES and PIXELS_PER_LINE in .*A-9001-1.ics"):
        reader.read(tmp_path / name)
    ics.write_text("LEFT_CC LINES 61 PIXELS_PER_LINE 48\n")
    with pytest.raises(ValueError, match="to have 61 x 48 pixels, but its header says 60 x 48"):
        reader.read(tmp_path / name)
