# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What we write, read by programs of others and held against the numbers that the images were made from.

SEG by dcmqi (ITK), RTSTRUCT by dcmtk and plastimatch, SR by dcmtk. plastimatch is 190 MB of Debian packages, so CI does
without it; whoever has it runs its tests too.
"""

from __future__ import annotations

import gzip
import importlib.util
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from shapely.geometry import Polygon, box

from monai_acdr.dicom import SourceFrame, read_sources, write_rtstruct, write_seg, write_sr

SIZE = (7, 11)
SPACING = (0.75, 1.85)
STEP = 10.0
"""Between slices of 8 mm: whoever takes the thickness for the distance is off."""
ORIGIN = (-12.5, 31.25, 7.0)
SHAPE = np.array([[1.25, 0.5], [9.75, 1.0], [9.5, 3.25], [4.5, 3.0], [4.0, 6.25], [1.5, 6.0]])
"""An L in (x, y) pixels: no flip, rotation or transposition maps it to itself."""
CONTOURS = (SHAPE, SHAPE + 0.13, SHAPE * 0.9)
SLICES = (0, None, 1, 2)
"""Numbers of the contours of a stack, which is not symmetric either."""
VALUES = {"longest_diameter_mm": 12.5, "perpendicular_diameter_mm": 7.25}
VOLUMES = {"edv_ml": 120.5, "esv_ml": 50.25, "stroke_volume_ml": 70.25, "ejection_fraction_percent": 58.2987}


@dataclass(frozen=True)
class Plane:
    """One image, as it was written."""

    orientation: np.ndarray
    position: np.ndarray
    number: int | None
    """Of its contour."""

    @property
    def contour(self) -> np.ndarray | None:
        return None if self.number is None else CONTOURS[self.number]

    def place(self, points: np.ndarray) -> np.ndarray:
        """(K, 2) pixels to (K, 3) mm, PS3.3 equation C.7.6.2.1-1; the center of the first pixel is (0.5, 0.5)."""
        (x, y), (down, across) = np.asarray(points).T[:, :, None], SPACING
        row, column = self.orientation
        return self.position + row * across * (x - 0.5) + column * down * (y - 0.5)


def cases() -> list[tuple[np.ndarray, float]]:
    """24 orientations along the axes and three oblique ones, each stacked along and against its normal."""
    axes = np.eye(3)
    signs = list(itertools.product((1, -1), repeat=2))
    planes = [np.array([s * axes[i], t * axes[j]]) for i, j in itertools.permutations(range(3), 2) for s, t in signs]
    for seed in range(3):
        matrix, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
        planes.append(matrix[:, :2].T.round(9))
    return list(itertools.product(planes, (1.0, -1.0)))


CASES = [pytest.param(*case, id=f"{number // 2}{'+-'[number % 2]}") for number, case in enumerate(cases())]


def write_image(path: Path, plane: Plane, number: int, phase: int) -> str:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128, is_implicit_VR=False, is_little_endian=True)
    image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = "1.2.3", "1.2.3.4", "1.2.3.5"
    image.PatientName, image.PatientID, image.Modality, image.SeriesNumber = "Nobody", "1", "MR", 1
    image.InstanceNumber, image.TriggerTime, image.SliceThickness, image.StudyID = number, 40 * phase, 8, "1"
    image.StudyDate, image.StudyTime, image.PatientSex, image.PatientBirthDate = "20200102", "101112", "O", "19700131"
    image.PixelSpacing, image.ImageOrientationPatient = list(SPACING), plane.orientation.ravel().tolist()
    image.ImagePositionPatient = plane.position.tolist()
    image.Rows, image.Columns = SIZE
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelData = 16, 16, 15, bytes(2 * SIZE[0] * SIZE[1])
    if int(pydicom.__version__.split(".")[0]) < 3:
        image.save_as(str(path), write_like_original=False)
    else:
        image.save_as(str(path), enforce_file_format=True)
    return str(image.SOPInstanceUID)


def write_stack(
    folder: Path, orientation: np.ndarray, stack: float, phases: int = 1
) -> tuple[list[SourceFrame], list[Plane]]:
    """Images of a stack as sources, and the truth about each; the first phase has the contours."""
    normal, planes = np.cross(*orientation) * stack * STEP, {}
    for index, phase in itertools.product(range(len(SLICES)), range(phases)):
        position = (np.array(ORIGIN) + index * normal).round(6)
        plane = Plane(orientation, position, None if phase else SLICES[index])
        planes[write_image(folder / f"{index}-{phase}.dcm", plane, index * phases + phase + 1, phase)] = plane
    sources = read_sources(folder.glob("*.dcm"))
    return sources, [planes[str(source.header.SOPInstanceUID)] for source in sources]


def run(*command: str | Path) -> tuple[str, list[str]]:
    """Output of a command that must succeed, and its complaints but for dcmtk's of UTF-8, which it does not check."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in (done.stdout + done.stderr).splitlines() if re.match(r"[WEF]: |WARNING|ERROR", line)]
    return done.stdout, [line for line in lines if "VR checker does not support this Specific" not in line]


@pytest.fixture(scope="session")
def dcmtk(absent: Callable[[str], None]) -> None:
    for program in ("dcm2json", "drtdump", "dsrdump", "dsr2html"):
        if shutil.which(program) is None:
            absent(f"{program} is not installed: apt-get install dcmtk")


@pytest.fixture(scope="session")
def segimage2itkimage(absent: Callable[[str], None]) -> Path:
    """dcmqi's program; its wheel has it for Linux on x86-64, macOS and Windows."""
    spec = importlib.util.find_spec("dcmqi")
    folder = Path(spec.origin).parent / "bin" if spec is not None and spec.origin else Path()
    program = shutil.which("segimage2itkimage", path=str(folder))
    if spec is None or program is None:
        absent("segimage2itkimage is not installed: pip install dcmqi")
    return Path(str(program))


@cache
def coverage(number: int | None) -> np.ndarray:
    """(H * W,) shares of the pixels that a contour covers, by shapely."""
    polygon, corners = Polygon() if number is None else Polygon(CONTOURS[number]), np.ndindex(*SIZE)
    return np.array([polygon.intersection(box(c, r, c + 1, r + 1)).area for r, c in corners])


def read_nrrd(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxels by (i, j, k), origin (3,) and steps (3, 3) of i, j, k in mm, LPS, from ITK's header."""
    header, _, body = path.read_bytes().partition(b"\n\n")
    fields = dict(line.split(": ", 1) for line in header.decode().splitlines() if ": " in line and line[0] != "#")
    assert (fields["space"], fields["type"], fields["encoding"]) == ("left-posterior-superior", "short", "gzip")
    origin, *steps = re.findall(r"\((.*?)\)", fields["space origin"] + fields["space directions"])
    sizes = tuple(map(int, fields["sizes"].split()))
    voxels = np.frombuffer(gzip.decompress(body), dtype="<i2").reshape(sizes, order="F")
    return voxels, np.array(origin.split(","), dtype=float), np.array([step.split(",") for step in steps], dtype=float)


def sample(nrrd: Path, points: np.ndarray) -> np.ndarray:
    """Values of the voxels at points (N, 3) in mm, which must be their centers; 0 outside of the volume."""
    voxels, origin, steps = read_nrrd(nrrd)
    indices = np.linalg.solve(steps.T, (points - origin).T).T.round().astype(int)
    assert np.abs(origin + indices @ steps - points).max() < 0.01
    inside = np.all((indices >= 0) & (indices < voxels.shape), axis=1)
    values = np.zeros(len(points), dtype=int)
    values[inside] = voxels[tuple(indices[inside].T)]
    assert np.count_nonzero(values) == np.count_nonzero(voxels)
    return values


def check_seg(program: Path, folder: Path, sources: list[SourceFrame], planes: list[Plane], kind: str) -> None:
    """Each pixel of each image against the voxel at its place."""
    path = write_seg(folder / f"{kind}.seg", [plane.contour for plane in planes], sources, kind)
    _, complaints = run(program, "--inputDICOM", path, "--outputDirectory", folder, "--prefix", kind, "-t", "nrrd")
    assert complaints == []
    rows, columns = np.indices(SIZE).reshape(2, -1)
    planes = planes[:: len(planes) // len(SLICES)]  # the first phase of each slice
    points = np.concatenate([plane.place(np.stack([columns + 0.5, rows + 0.5], axis=1)) for plane in planes])
    values = sample(folder / f"{kind}-1.nrrd", points)
    shares = np.concatenate([coverage(plane.number) for plane in planes])
    if kind == "BINARY":
        assert np.array_equal(values, shares >= 0.5)
    else:
        assert np.abs(values - shares * 255).max() < 0.51


@pytest.mark.parametrize(("orientation", "stack"), CASES)
def test_seg_by_dcmqi(orientation: np.ndarray, stack: float, segimage2itkimage: Path, tmp_path: Path) -> None:
    sources, planes = write_stack(tmp_path, orientation, stack)
    for kind in ("BINARY", "FRACTIONAL"):
        check_seg(segimage2itkimage, tmp_path, sources, planes, kind)


@pytest.mark.parametrize(("orientation", "stack"), CASES[::9])
def test_seg_of_a_phase_by_dcmqi(
    orientation: np.ndarray, stack: float, segimage2itkimage: Path, tmp_path: Path
) -> None:
    """dcmqi knows no time: of a cine series it has a volume when one phase has contours."""
    sources, planes = write_stack(tmp_path, orientation, stack, phases=2)
    check_seg(segimage2itkimage, tmp_path, sources, planes, "BINARY")


def same_contours(found: Sequence[np.ndarray], planes: Sequence[Plane], tolerance: float) -> None:
    """Contours in the order of their images, in mm."""
    expected = [plane.place(plane.contour) for plane in planes if plane.contour is not None]
    assert len(found) == len(expected)
    for points, truth in zip(found, expected, strict=True):
        assert points.shape == truth.shape and np.abs(points - truth).max() < tolerance


@pytest.mark.parametrize(("orientation", "stack"), CASES)
def test_rtstruct_by_dcmtk(orientation: np.ndarray, stack: float, dcmtk: None, tmp_path: Path) -> None:
    sources, planes = write_stack(tmp_path, orientation, stack)
    path = write_rtstruct(tmp_path / "rt", [plane.contour for plane in planes], sources)
    items = json.loads(run("dcm2json", path)[0])["30060039"]["Value"][0]["30060040"]["Value"]
    same_contours([np.reshape(item["30060050"]["Value"], (-1, 3)) for item in items], planes, 1e-6)
    images = [item["30060016"]["Value"][0]["00081155"]["Value"][0] for item in items]
    drawn = zip(sources, planes, strict=True)
    assert images == [source.header.SOPInstanceUID for source, plane in drawn if plane.contour is not None]


def test_rtstruct_in_the_classes_of_dcmtk(dcmtk: None, tmp_path: Path) -> None:
    """drtdump complains of missing and wrong elements."""
    sources, planes = write_stack(tmp_path, *cases()[-1])
    path = write_rtstruct(tmp_path / "rt", [plane.contour for plane in planes], sources)
    text, complaints = run("drtdump", path)
    assert complaints == [] and "Nobody" in text and "#901" in text


@pytest.mark.parametrize(("orientation", "stack"), CASES)
def test_rtstruct_by_plastimatch(orientation: np.ndarray, stack: float, tmp_path: Path) -> None:
    if shutil.which("plastimatch") is None:
        pytest.skip("plastimatch is not installed: apt-get install plastimatch")
    sources, planes = write_stack(tmp_path, orientation, stack)
    path = write_rtstruct(tmp_path / "rt", [plane.contour for plane in planes], sources)
    run("plastimatch", "convert", "--input", path, "--output-cxt", tmp_path / "rt.cxt")
    names, _, lines = (tmp_path / "rt.cxt").read_text().partition("END_OF_ROI_NAMES\n")
    assert "1|255 220 0|LV endocardium" in names
    texts = [line.split("|")[5].split("\\") for line in lines.splitlines() if line]
    same_contours([np.array(text, dtype=float).reshape(-1, 3) for text in texts], planes, 1e-5)


@pytest.mark.parametrize(("orientation", "stack"), CASES[::9])
def test_sr_by_dcmtk(orientation: np.ndarray, stack: float, dcmtk: None, tmp_path: Path) -> None:
    sources, planes = write_stack(tmp_path, orientation, stack)
    contours = [plane.contour for plane in planes]
    drawn = [contour for contour in contours if contour is not None]
    path = write_sr(tmp_path / "sr", contours, sources, [VALUES] * len(drawn), VOLUMES)
    text, complaints = run("dsrdump", "+Pl", path)
    assert complaints == []
    found = [(name, float(value), unit) for name, value, unit in re.findall(NUMBER, text)]
    expected: list[tuple[str, Any, str]] = []
    for contour in drawn:
        area = Polygon(contour).area * SPACING[0] * SPACING[1]
        expected += [("Area", pytest.approx(area), "mm2"), ("Long axis", 12.5, "mm"), ("Short axis", 7.25, "mm")]
    ventricle = [("Left Ventricular ED Volume", 120.5, "ml"), ("Left Ventricular ES Volume", 50.25, "ml")]
    assert found == [*expected, *ventricle, ("Stroke Volume", 70.25, "ml"), ("Cardiac ejection fraction", 58.2987, "%")]
    page, complaints = run("dsr2html", path)
    assert complaints == [] and all(f"{value:.10g} {unit}" in page for _, value, unit in found)
    pixels = [np.reshape(line.replace("/", ",").split(","), (-1, 2)).astype(float) for line in re.findall(PIXELS, text)]
    for points, contour in zip(pixels, drawn, strict=True):
        assert np.abs(points - np.concatenate([contour, contour[:1]])).max() < 1e-5


@pytest.mark.parametrize(("orientation", "stack"), CASES[::9])
def test_sr_in_patient_coordinates_by_dcmtk(orientation: np.ndarray, stack: float, dcmtk: None, tmp_path: Path) -> None:
    sources, planes = write_stack(tmp_path, orientation, stack)
    path = write_sr(tmp_path / "sr", [plane.contour for plane in planes], sources, coordinates="patient")
    text, complaints = run("dsrdump", "+Pl", path)
    assert complaints == []
    found = [np.reshape(line.replace("/", ",").split(","), (-1, 3)).astype(float) for line in re.findall(PLACES, text)]
    assert all(np.array_equal(points[0], points[-1]) for points in found)
    same_contours([points[:-1] for points in found], planes, 1e-4)


NUMBER = r'NUM:\(,,"(.+?)"\)="(.+?)" \((.+?),UCUM,'
PIXELS = r" SCOORD:.*=\(POLYLINE,(.*)\)>"
PLACES = r" SCOORD3D:.*=\(POLYGON,,(.*)\)>"
