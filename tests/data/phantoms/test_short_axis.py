# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The studies on disk: layout, DICOM, determinism, and contours that fit the pixels."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from monai.data import PydicomReader
from shapely.geometry import Polygon

from monai_acdr.data.contour_files import read_contour
from monai_acdr.data.phantoms import ShortAxisPhantom, end_systole, split_groups, write_short_axis_studies
from monai_acdr.data.phantoms.__main__ import main
from monai_acdr.data.phantoms.short_axis import SLICE_DISTANCE
from monai_acdr.geometry import pixel_to_world
from monai_acdr.networks.layers.rasterizer import rasterize_polygons

SIZE = (80, 64)
SPACING = (1.9, 2.2)
SMALL = {"num_patients": 3, "num_slices": 2, "num_phases": 4, "size": SIZE, "spacing": SPACING, "seed": 5}
LABELED = (1, 2, 5, 6)
"""Frames with an endocardial contour: slice 0 has frames 1 to 4, and end-systole is the second phase of four."""


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_short_axis_studies(tmp_path_factory.mktemp("phantoms") / "studies", **SMALL)


def relative_files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def points_of(path: Path) -> np.ndarray:
    """(N, 2) pixel-center coordinates, read without the package."""
    return np.loadtxt(path)


def contour_path(studies: Path, patient: int, frame: int, kind: str = "i") -> Path:
    folder = studies / "contourfiles" / f"SYN-{patient:02d}" / f"{kind}-contours"
    return folder / f"IM-0001-{frame:04d}-{kind}contour-manual.txt"


def pixels_of(studies: Path, patient: int, frame: int) -> np.ndarray:
    return pydicom.dcmread(studies / "dicoms" / f"SYN{patient:07d}" / f"{frame}.dcm").pixel_array


def centers_inside(points: np.ndarray) -> np.ndarray:
    """Pixels (H, W) whose center (integers in a contour file) lies inside the polygon: even-odd ray casting."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    inside = np.zeros(SIZE, dtype=bool)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        crosses = (y0 > rows) != (y1 > rows)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= crosses & (columns < x0 + (rows - y0) * (x1 - x0) / (y1 - y0))
    return inside


def test_layout_is_that_of_sunnybrook(studies: Path) -> None:
    expected = {"link.csv", "phantom.json"}
    for patient in (1, 2, 3):
        expected |= {f"dicoms/SYN{patient:07d}/{frame}.dcm" for frame in range(1, 9)}
        folder = f"contourfiles/SYN-{patient:02d}"
        expected |= {f"{folder}/i-contours/IM-0001-{frame:04d}-icontour-manual.txt" for frame in LABELED}
        expected |= {f"{folder}/o-contours/IM-0001-{frame:04d}-ocontour-manual.txt" for frame in (1, 5)}
    assert relative_files(studies) == expected


def test_link_table(studies: Path) -> None:
    with (studies / "link.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [tuple(row.values()) for row in rows] == [
        ("SYN0000001", "SYN-01", "training"),
        ("SYN0000002", "SYN-02", "validation"),
        ("SYN0000003", "SYN-03", "online"),
    ]
    assert list(rows[0]) == ["patient_id", "original_id", "group"]


def test_groups_of_the_demo() -> None:
    groups = split_groups(14)
    assert [groups.count(name) for name in ("training", "validation", "online")] == [8, 3, 3]
    assert split_groups(1) == ["training"]
    with pytest.raises(ValueError, match="num_patients"):
        split_groups(0)


def test_dicom_files_are_valid(studies: Path) -> None:
    uids = set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pydicom warns about invalid values
        for path in sorted(studies.glob("dicoms/*/*.dcm")):
            dataset = pydicom.dcmread(path)
            assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
            assert dataset.SOPClassUID == dataset.file_meta.MediaStorageSOPClassUID == pydicom.uid.MRImageStorage
            assert dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID
            assert pydicom.uid.UID(dataset.SOPInstanceUID).is_valid
            assert dataset.InstanceNumber == int(path.stem)
            assert dataset.PatientID == path.parent.name
            assert dataset.PatientName == "Synthetic^Phantom"
            assert (dataset.PixelRepresentation, dataset.BitsAllocated) == (1, 16)
            assert dataset.PhotometricInterpretation == "MONOCHROME2"
            assert tuple(dataset.PixelSpacing) == SPACING
            assert dataset.pixel_array.shape == SIZE
            assert dataset.pixel_array.dtype == np.int16
            assert dataset.pixel_array.min() >= 0
            uids.add(dataset.SOPInstanceUID)
            str(dataset)  # parses every value
    assert len(uids) == 24


def test_one_study_and_series_for_each_patient(studies: Path) -> None:
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        owners = {(d.parent.name, pydicom.dcmread(d)[keyword].value) for d in studies.glob("dicoms/*/*.dcm")}
        assert len(owners) == len({uid for _, uid in owners}) == 3


def test_same_arguments_give_the_same_bytes(studies: Path, tmp_path: Path) -> None:
    again = write_short_axis_studies(tmp_path / "again", **SMALL)
    names = relative_files(studies)
    assert names == relative_files(again)
    assert all((studies / name).read_bytes() == (again / name).read_bytes() for name in names)


def test_another_seed_gives_other_patients(studies: Path, tmp_path: Path) -> None:
    other = write_short_axis_studies(tmp_path / "other", **{**SMALL, "seed": 6, "num_patients": 1})
    assert not np.array_equal(pixels_of(studies, 1, 1), pixels_of(other, 1, 1))
    uids = [pydicom.dcmread(folder / "dicoms/SYN0000001/1.dcm").SOPInstanceUID for folder in (studies, other)]
    assert uids[0] != uids[1]


@pytest.mark.parametrize("patient", [1, 2, 3])
@pytest.mark.parametrize("frame", [1, 5])
def test_cavity_is_brighter_than_the_wall_around_it(studies: Path, patient: int, frame: int) -> None:
    cavity = centers_inside(points_of(contour_path(studies, patient, frame)))
    wall = centers_inside(points_of(contour_path(studies, patient, frame, "o"))) & ~cavity
    pixels = pixels_of(studies, patient, frame)
    assert np.median(pixels[cavity]) > 1.5 * np.median(pixels[wall])
    # Most pixels on the wrong side of the middle would betray swapped axes or a shifted contour.
    threshold = (np.median(pixels[cavity]) + np.median(pixels[wall])) / 2
    assert (pixels[cavity] > threshold).mean() > 0.85
    assert (pixels[wall] < threshold).mean() > 0.85


def test_contours_fit_the_pixels_below_a_pixel(studies: Path) -> None:
    contour, outer = (read_contour(contour_path(studies, 1, 1, kind))[None] for kind in "io")
    pixels = torch.from_numpy(pixels_of(studies, 1, 1).astype(np.float64)).flatten()
    middle = contour.mean(dim=1, keepdim=True)
    core = rasterize_polygons(middle + 0.75 * (contour - middle), SIZE).flatten()  # papillary muscles lie here
    border = (rasterize_polygons(outer, SIZE).flatten() > 0.999) & (core < 0.001)
    rows, columns = np.mgrid[-0.5 : 0.5 : SIZE[0] * 1j, -0.5 : 0.5 : SIZE[1] * 1j]
    shading = torch.from_numpy(np.stack([np.ones(SIZE), rows, columns], axis=-1)).flatten(0, 1)[border]

    def residual(x: float, y: float) -> float:
        """Of pixels explained by two signals, each shaded linearly, and their share of each pixel."""
        coverage = rasterize_polygons(contour + torch.tensor([x, y], dtype=torch.float64), SIZE).flatten()[border]
        shares = (torch.stack([coverage, 1 - coverage], dim=1)[:, :, None] * shading[:, None]).flatten(1)
        signals = torch.linalg.lstsq(shares, pixels[border][:, None]).solution
        return float((shares @ signals - pixels[border][:, None]).square().mean())

    exact = residual(0, 0)
    assert all(residual(x, y) > 2 * exact for x, y in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)))


@pytest.mark.parametrize(("frame", "slice_index", "phase"), [(1, 0, 0), (6, 1, 1)])
def test_area_of_the_file_is_that_of_the_model(studies: Path, frame: int, slice_index: int, phase: int) -> None:
    phantom = ShortAxisPhantom(1, num_slices=2, num_phases=4, size=SIZE, spacing=SPACING, seed=5)
    radii = phantom.heart.endocardium(phantom.level(slice_index), phantom.contraction(phase)).radii
    area = 0.5 * (radii**2).mean() * 2 * np.pi  # the integral of r^2 / 2 over the angle, mm^2
    polygon = Polygon(points_of(contour_path(studies, 2, frame)))
    assert polygon.is_valid
    assert polygon.area * SPACING[0] * SPACING[1] == pytest.approx(area, rel=0.005)


def test_epicardium_surrounds_endocardium(studies: Path) -> None:
    for patient in (1, 2, 3):
        for frame in (1, 5):
            inner, outer = (Polygon(points_of(contour_path(studies, patient, frame, kind))) for kind in "io")
            assert outer.contains(inner.buffer(0.5))


def test_end_systole_is_smaller(studies: Path) -> None:
    assert end_systole(4) == 1
    for slice_start in (1, 5):
        diastole, systole = (Polygon(points_of(contour_path(studies, 1, slice_start + phase))) for phase in (0, 1))
        assert systole.area < 0.9 * diastole.area


def test_slices_are_stacked_along_an_oblique_normal(studies: Path) -> None:
    for patient in sorted((studies / "dicoms").iterdir()):
        first, second = (pydicom.dcmread(patient / f"{frame}.dcm") for frame in (1, 5))
        row, column = np.array(first.ImageOrientationPatient, dtype=float).reshape(2, 3)
        assert np.allclose([row @ row, column @ column, row @ column], [1, 1, 0], atol=1e-7)
        assert np.abs(np.stack([row, column])).max(axis=1).max() < 0.9999  # oblique
        step = np.array(second.ImagePositionPatient, dtype=float) - np.array(first.ImagePositionPatient, dtype=float)
        assert np.allclose(step, SLICE_DISTANCE * np.cross(row, column), atol=1e-6)
        assert float(second.SliceLocation) - float(first.SliceLocation) == pytest.approx(SLICE_DISTANCE)
        assert pydicom.dcmread(patient / "4.dcm").ImagePositionPatient == first.ImagePositionPatient
    planes = {tuple(pydicom.dcmread(path).ImageOrientationPatient) for path in studies.glob("dicoms/*/1.dcm")}
    assert len(planes) == 3


def test_position_agrees_with_monai_reader(studies: Path) -> None:
    path = studies / "dicoms" / "SYN0000002" / "5.dcm"
    dataset = pydicom.dcmread(path)
    reader = PydicomReader(swap_ij=False)
    array, meta = reader.get_data(reader.read(str(path)))
    assert array.shape[:2] == SIZE
    # DICOM PS3.3 equation C.7.6.2.1-1, for the center of the pixel in column 11, row 7.
    row, column = np.array(dataset.ImageOrientationPatient, dtype=float).reshape(2, 3)
    expected = np.array(dataset.ImagePositionPatient, dtype=float) + 11 * SPACING[1] * row + 7 * SPACING[0] * column
    actual = pixel_to_world(torch.tensor([11.5, 7.5]), torch.as_tensor(meta["affine"]))
    assert np.allclose(actual.numpy(), expected, atol=1e-5)


def test_command_writes_and_reports(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = ["--num-patients", "1", "--num-slices", "1", "--num-phases", "2", "--size", "64", "72"]
    options += ["--spacing", "2.0", "2.0", "--seed", "3"]
    with caplog.at_level("INFO"):
        assert main([str(tmp_path / "out"), *options]) == 0
    assert str(tmp_path / "out") in caplog.text
    assert pixels_of(tmp_path / "out", 1, 2).shape == (64, 72)


def test_command_fails_with_a_message(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert main([str(tmp_path), "--num-patients", "1"]) == 1
    assert "thesis.txt was not written by this generator" in caplog.text
    assert relative_files(tmp_path) == {"thesis.txt"}
