# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Synthetic short-axis studies on disk in Sunnybrook's layouts, and as DICOM cine series.

The same arguments give the same bytes: no clock, no random UIDs, no name of the pydicom version.

    link.csv                                    patient_id,original_id,group
    dicoms/SYN0000001/7.dcm                     frames, numbered slice by slice from 1
    contourfiles/SYN-01/i-contours/IM-0001-0007-icontour-manual.txt     endocardium, end-diastole and end-systole
    contourfiles/SYN-01/o-contours/IM-0001-0007-ocontour-manual.txt     epicardium, end-diastole
    phantom.json                                what was written, with digests: see `output_folder.py`

The third column of `link.csv` is an extension: the group of a real patient is in a separate table.
"""

from __future__ import annotations

import csv
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from monai_acdr.data.contour_files import write_contour
from monai_acdr.data.phantoms.heart import CONTOUR_DECIMALS, END_DIASTOLE, ShortAxisPhantom, end_systole
from monai_acdr.data.phantoms.output_folder import replace_output
from monai_acdr.threads import one_thread

__all__ = [
    "CineGeometry",
    "CineStudy",
    "DEFAULT_NUM_PATIENTS",
    "split_groups",
    "write_short_axis_studies",
]

TYPICAL_ROW = np.array([-0.104592, 0.346381, -0.932245])
TYPICAL_COLUMN = np.array([-0.733192, -0.660188, -0.163037])
"""Directions of a row and of a column of an ordinary short-axis plane (patient system, LPS)."""
LARGEST_TILT = np.deg2rad(20.0)
SLICE_THICKNESS = 8.0
SLICE_DISTANCE = 10.0
HEART_RATE = 75
SERIES_NUMBER = 300
IMPLEMENTATION_NAME = "MONAI_ACDR"
STUDY_DATE, STUDY_TIME = "20000101", "120000"
"""A fixed date: an empty one would be valid too, but viewers sort by it."""


@dataclass(frozen=True)
class CineGeometry:
    """Position and orientation of a patient's slices: LPS, mm.

    Attributes:
        row: (3,) unit vector along a row, toward higher columns.
        column: (3,) unit vector along a column, toward higher rows.
        center: (3,) middle of the first (most basal) slice.
    """

    row: np.ndarray
    column: np.ndarray
    center: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator) -> CineGeometry:
        """A short-axis plane tilted about a random axis by up to 20 degrees."""
        axis = rng.standard_normal(3)
        rotation = _rotation(axis / np.linalg.norm(axis), rng.uniform(-LARGEST_TILT, LARGEST_TILT))
        row = TYPICAL_ROW / np.linalg.norm(TYPICAL_ROW)
        column = TYPICAL_COLUMN - row * (row @ TYPICAL_COLUMN)
        return cls(rotation @ row, rotation @ (column / np.linalg.norm(column)), rng.uniform(-60, 60, 3))

    @property
    def normal(self) -> np.ndarray:
        """(3,) unit vector along which the slices are stacked."""
        return np.cross(self.row, self.column)

    def position(self, slice_index: int, size: tuple[int, int], spacing: tuple[float, float]) -> np.ndarray:
        """Center of the first pixel of a slice, (3,): ImagePositionPatient (DICOM PS3.3 C.7.6.2.1.1)."""
        to_column = (size[1] - 1) / 2 * spacing[1] * self.row
        to_row = (size[0] - 1) / 2 * spacing[0] * self.column
        return self.center - to_column - to_row + slice_index * SLICE_DISTANCE * self.normal


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotation matrix (3, 3) about a unit vector (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


class CineStudy:
    """One patient's study: a single series, whose frames are numbered slice by slice.

    Args:
        patient_id: PatientID, clearly synthetic.
        num_phases: frames of one slice.
        size: (H, W) of the images.
        spacing: (between rows, between columns) in mm.
        geometry: where the slices lie.
        entropy: whatever the pixels depend on, so that different pixels never share a UID.
    """

    def __init__(
        self,
        patient_id: str,
        num_phases: int,
        size: tuple[int, int],
        spacing: tuple[float, float],
        geometry: CineGeometry,
        entropy: tuple[str, ...],
    ) -> None:
        self.num_phases, self.size, self.spacing, self.geometry = num_phases, size, spacing, geometry
        self._entropy = (patient_id, *entropy)
        # Building a dataset costs more than rendering its pixels: one is shared, and each frame sets what differs.
        self._dataset = FileDataset(
            "phantom", {}, file_meta=_file_meta(), preamble=b"\0" * 128, is_implicit_VR=False, is_little_endian=True
        )
        self._add_identity(self._dataset, patient_id)
        self._add_acquisition(self._dataset)
        self._add_plane(self._dataset)

    def frame_number(self, slice_index: int, phase: int) -> int:
        """InstanceNumber of a frame, from 1: the number in its file's name as well."""
        return slice_index * self.num_phases + phase + 1

    def write(self, path: Path, pixels: np.ndarray, slice_index: int, phase: int) -> None:
        """Write one frame, int16 (H, W), to a DICOM file."""
        dataset, position = self._dataset, self.geometry.position(slice_index, self.size, self.spacing)
        dataset.SOPInstanceUID = self._uid("instance", slice_index, phase)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.InstanceNumber = self.frame_number(slice_index, phase)
        dataset.TriggerTime = _decimal(phase * 60000 / HEART_RATE / self.num_phases)
        dataset.ImagePositionPatient = [_decimal(value) for value in position]
        dataset.SliceLocation = _decimal(float(position @ self.geometry.normal))
        high = round(float(np.percentile(pixels, 99)))
        dataset.WindowCenter, dataset.WindowWidth = _decimal(high / 2), _decimal(max(1, high))
        dataset.PixelData = pixels.astype("<i2").tobytes()
        dataset.save_as(str(path))

    def _uid(self, *parts: object) -> str:
        # pydicom joins the sources: without a mark slice 1, phase 10 and slice 11, phase 0 would be the same
        return generate_uid(entropy_srcs=["monai_acdr short-axis phantom", *self._entropy, "/".join(map(str, parts))])

    def _add_identity(self, dataset: FileDataset, patient_id: str) -> None:
        """Patient, study, series and SOP modules."""
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.SOPClassUID = MRImageStorage
        dataset.StudyInstanceUID = self._uid("study")
        dataset.SeriesInstanceUID = self._uid("series")
        dataset.FrameOfReferenceUID = self._uid("frame of reference")
        dataset.PositionReferenceIndicator = ""
        dataset.PatientID = patient_id
        dataset.PatientName = "Synthetic^Phantom"
        dataset.PatientBirthDate, dataset.PatientSex = "", ""
        dataset.QualityControlSubject = "YES"
        dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = STUDY_DATE
        dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = STUDY_TIME
        dataset.AccessionNumber, dataset.ReferringPhysicianName, dataset.StudyID = "", "", "1"
        dataset.StudyDescription, dataset.SeriesDescription = "Synthetic phantom", "Short-axis cine, synthetic"
        dataset.Modality = "MR"
        dataset.Manufacturer = "monai_acdr"
        dataset.SeriesNumber = SERIES_NUMBER
        dataset.AcquisitionNumber = 1
        dataset.BodyPartExamined = "HEART"

    def _add_acquisition(self, dataset: FileDataset) -> None:
        """MR image module (DICOM PS3.3 C.8.3.1): a balanced steady-state cine, gated."""
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "GR", "SS", "CG"
        dataset.MRAcquisitionType = "2D"
        dataset.RepetitionTime, dataset.EchoTime, dataset.EchoTrainLength, dataset.FlipAngle = "3.4", "1.5", 1, "45"
        dataset.MagneticFieldStrength = "1.5"
        dataset.NominalInterval = round(60000 / HEART_RATE)
        dataset.HeartRate = HEART_RATE
        dataset.CardiacNumberOfImages = self.num_phases
        dataset.PatientPosition = "HFS"

    def _add_plane(self, dataset: FileDataset) -> None:
        """Image plane and image pixel modules (DICOM PS3.3 C.7.6.2 and C.7.6.3)."""
        dataset.PixelSpacing = [_decimal(value) for value in self.spacing]
        dataset.SliceThickness, dataset.SpacingBetweenSlices = _decimal(SLICE_THICKNESS), _decimal(SLICE_DISTANCE)
        dataset.ImageOrientationPatient = [_decimal(value) for value in (*self.geometry.row, *self.geometry.column)]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.Rows, dataset.Columns = self.size
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1


def _file_meta() -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength = 0  # pydicom fills it in when it writes
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = generate_uid(entropy_srcs=["monai_acdr implementation"])
    meta.ImplementationVersionName = IMPLEMENTATION_NAME
    return meta


def _decimal(value: float) -> str:
    """A DICOM decimal string: at most 16 characters (PS3.5 section 6.2)."""
    return f"{round(value, 9) + 0.0:.9f}"[:16].rstrip("0").rstrip(".")


logger = logging.getLogger(__name__)

DEFAULT_NUM_PATIENTS = 14
HELD_OUT_SHARE = 3 / 14
"""Share of the patients in the validation group, and again in the online (test) group."""
LINK_HEADER = ("patient_id", "original_id", "group")
GEOMETRY_STREAM = 7001
"""Keeps the draws of the plane apart from those of the anatomy: the images do not depend on the plane."""


def write_short_axis_studies(
    output_dir: str | Path,
    num_patients: int = DEFAULT_NUM_PATIENTS,
    num_slices: int = 6,
    num_phases: int = 6,
    size: tuple[int, int] = (144, 128),
    spacing: tuple[float, float] = (1.3, 1.3),
    seed: int = 0,
) -> Path:
    """Write synthetic short-axis cine studies with their true contours.

    The same arguments give the same bytes. The folder is complete or absent: everything is written beside its final
    place first. An earlier, untouched phantom in the folder is replaced.

    Args:
        output_dir: folder to write into: absent, empty, or an earlier output of this function.
        num_patients: at least 1; `split_groups` says how they are shared out.
        num_slices: slices of each patient, from base to apex.
        num_phases: phases of each slice, at least 2; end-diastole is the first, end-systole after a third.
        size: (H, W) of the images in pixels.
        spacing: (between rows, between columns) in mm; the shortest side must be at least 120 mm.
        seed: non-negative integer.

    Returns:
        The folder, resolved.

    Raises:
        FileExistsError: when the folder holds anything that an earlier phantom did not write.
        ValueError: when a number is out of range.
    """
    groups = split_groups(num_patients)
    size, spacing = (int(size[0]), int(size[1])), (float(spacing[0]), float(spacing[1]))
    phantoms = [ShortAxisPhantom(index, num_slices, num_phases, size, spacing, seed) for index in range(num_patients)]
    parameters = {
        "function": "write_short_axis_studies",
        "num_patients": num_patients,
        "num_slices": num_slices,
        "num_phases": num_phases,
        "size": list(size),
        "spacing": list(spacing),
        "seed": seed,
    }
    with replace_output(Path(output_dir), parameters) as folder, one_thread():
        for index, phantom in enumerate(phantoms):
            _write_patient(folder, index, phantom, seed)
        _write_link(folder / "link.csv", groups)
    output = Path(output_dir).resolve()
    logger.info("Wrote %d synthetic patients, %d frames each, to %s.", num_patients, num_slices * num_phases, output)
    return output


def split_groups(num_patients: int) -> list[str]:
    """Group of each patient: the first ones training, then validation, then online (the test group).

    Validation and online get 3 of 14 patients each, at least one as soon as there are three patients.
    """
    if num_patients < 1:
        raise ValueError(f"Expected `num_patients` to be at least 1, but got {num_patients}.")
    held_out = max(1, round(num_patients * HELD_OUT_SHARE)) if num_patients >= 3 else 0
    return ["training"] * (num_patients - 2 * held_out) + ["validation"] * held_out + ["online"] * held_out


def _patient_id(index: int) -> str:
    return f"SYN{index + 1:07d}"


def _original_id(index: int) -> str:
    return f"SYN-{index + 1:02d}"


def _write_link(path: Path, groups: list[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(LINK_HEADER)
        writer.writerows((_patient_id(index), _original_id(index), group) for index, group in enumerate(groups))


def _write_patient(folder: Path, index: int, phantom: ShortAxisPhantom, seed: int) -> None:
    images = folder / "dicoms" / _patient_id(index)
    contours = folder / "contourfiles" / _original_id(index)
    for path in (images, contours / "i-contours", contours / "o-contours"):
        path.mkdir(parents=True)
    rng = np.random.default_rng([seed, index, GEOMETRY_STREAM])
    entropy = (str(seed), str(phantom.num_slices), str(phantom.num_phases), str(phantom.size), str(phantom.spacing))
    geometry = CineGeometry.draw(rng)
    study = CineStudy(_patient_id(index), phantom.num_phases, phantom.size, phantom.spacing, geometry, entropy)
    for slice_index in range(phantom.num_slices):
        for phase, pixels in enumerate(phantom.images(slice_index)):
            path = images / f"{study.frame_number(slice_index, phase)}.dcm"
            study.write(path, pixels, slice_index, phase)
        _write_contours(contours, study, phantom, slice_index)


def _write_contours(folder: Path, study: CineStudy, phantom: ShortAxisPhantom, slice_index: int) -> None:
    """Endocardium at end-diastole and end-systole, epicardium at end-diastole only, as in the Sunnybrook data."""
    for phase in (END_DIASTOLE, end_systole(phantom.num_phases)):
        frame = study.frame_number(slice_index, phase)
        contours = phantom.contours(slice_index, phase)
        borders = {"i": contours.endocardium}
        if phase == END_DIASTOLE:
            borders["o"] = contours.epicardium
        for kind, vertices in borders.items():
            path = folder / f"{kind}-contours" / f"IM-0001-{frame:04d}-{kind}contour-manual.txt"
            write_contour(path, vertices, CONTOUR_DECIMALS)
