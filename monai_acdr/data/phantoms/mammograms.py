# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Synthetic breasts with masses, in the layouts of INbreast, DDSM and CBIS-DDSM.

INbreast (:func:`write_inbreast_cases`):

    AllDICOMs/<image>_<patient>_MG_<L|R>_<CC|ML>_ANON.dcm    four views per patient; names have ML for MLO
    AllXML/<image>.xml                                       outlines as OsiriX writes them; normal images have none
    INbreast.csv                                             `;`, with BI-RADS
    phantom.json                                             list of the files with digests: see `output_folder.py`

Each patient has one or two masses in one breast, visible in both views; the other breast is normal. As in the original,
``Mass`` is spelled in several ways, and there are regions of other kinds.

DDSM (:func:`write_ddsm_cases`):

    cancers/cancer_01/case9001/A-9001-1.ics
    cancers/cancer_01/case9001/A_9001_1.LEFT_CC.LJPEG           one breast, two views, each with one mass
    cancers/cancer_01/case9001/A_9001_1.LEFT_CC.OVERLAY
    cases.txt                                                   the case folders, relative to cancers/
    phantom.json

The LJPEG encoder is simple and exact, neither compact nor fast: ITU-T T.81, process 14, one component, a fixed Huffman
code. As in PVRG's files, the first line is predicted like all others, over a virtual line of 2^(P - 1). Height and
width are swapped in every second header, and every third overlay is gzipped.

CBIS-DDSM (:func:`write_cbis_ddsm_cases`):

    mass_case_description_{train,test}_set.csv
    Mass-Training_P_00001_LEFT_CC/<study>/<series>/1-1.dcm       full mammogram, 16 bit
    Mass-Training_P_00001_LEFT_CC_1/<study>/<series>/1-1.dcm     crop, 16 bit, and mask, 8 bit, in either order
    phantom.json

The tables name ``000000.dcm`` and ``000001.dcm``; the first patient's files have these names, the others the newer
ones. In every second row the columns of crop and mask are swapped, in every third row the paths end in a line break,
and the first mask of the test group is smaller than its image.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import logging
import plistlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid
from scipy.ndimage import gaussian_filter, zoom

from monai_acdr.data.mammography.ddsm_files import STEPS, chain_mask
from monai_acdr.data.mammography.ddsm_film import predict
from monai_acdr.data.mask_outline import fit_mask
from monai_acdr.data.phantoms.heart import smooth_noise
from monai_acdr.data.phantoms.output_folder import replace_output
from monai_acdr.networks.layers.rasterizer import rasterize_polygons
from monai_acdr.transforms.contour import contour_to_mask

__all__ = [
    "BreastPhantom",
    "FilmPhantom",
    "LARGEST_VALUE",
    "check_cases",
    "draw_film",
    "encode_ljpeg",
    "write_cbis_ddsm_cases",
    "write_ddsm_cases",
    "write_inbreast_cases",
]

LARGEST_VALUE = (1 << 14) - 1
"""Of a pixel: 14 bits, as in INbreast."""
OUTLINE_DECIMALS = 6
"""Outlines are rounded to what the file holds before they are painted, so that file and image agree exactly."""
NUM_VERTICES = 72
MASS_RADII = (0.045, 0.075)
"""Mean radii, as parts of the image's height: 13 to 21 mm on a detector of 286 mm."""
ATTEMPTS = 200
FILM_HEIGHT = 285.88


def check_cases(num_patients: int, size: Sequence[int], seed: int, fewest: int = 1) -> tuple[int, int]:
    """The size (H, W) of the synthetic images, when the arguments are in range.

    Raises:
        ValueError: for fewer than ``fewest`` patients, an image in which no breast has room, or a negative seed.
    """
    height, width = int(size[0]), int(size[1])
    if num_patients < fewest or seed < 0 or height < 64 or width < 48:
        raise ValueError(
            f"Expected `num_patients` >= {fewest}, `size` of at least (64, 48) and `seed` >= 0, but got "
            f"{num_patients}, {(height, width)} and {seed}."
        )
    return height, width


class BreastPhantom:
    """A view of a breast; the chest wall is at the left of left breasts and at the right of right ones.

    Args:
        rng: source of everything random.
        size: (H, W) in pixels.
        side: "L" or "R".
        view: "CC" or "MLO"; the latter shows the pectoral muscle.
        num_masses: wanted; fewer when no place is left beside the others.

    Attributes:
        pixels: (H, W) uint16, bright means dense.
        masses: (K, 2) float64 outlines (x, y) in pixels, not closed, apart from one another.
        spacing: of the pixels, in mm.
    """

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], side: str, view: str, num_masses: int) -> None:
        self.spacing = FILM_HEIGHT / size[0]
        height, width = size
        # From the chest wall, in parts of the image's height.
        depth, half, middle = rng.uniform(0.52, 0.66), rng.uniform(0.34, 0.42), rng.uniform(0.47, 0.53)
        depth = min(depth, 0.88 * width / height)
        y, x = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / height, indexing="ij")
        radius = np.hypot(x / depth, (y - middle) / half)
        tissue = self._tissue(rng, size, radius)
        if view == "MLO":
            muscle = _step((0.42 - y - x * rng.uniform(1.2, 1.6)) / 0.02)
            tissue += 0.22 * muscle * _step((1 - radius) / 0.02)
        self.masses: list[np.ndarray] = []
        for _ in range(num_masses):
            outline = self._place(rng, size, depth, half, middle)
            if outline is not None:
                self.masses.append(outline)
                coverage = rasterize_polygons(torch.from_numpy(outline)[None], size)[0, 0].numpy()
                tissue += coverage * (rng.uniform(0.24, 0.32) + 0.03 * smooth_noise(rng, size, 24))
        tissue += 0.012 * rng.standard_normal(size)
        if side == "R":
            tissue = tissue[:, ::-1]
            self.masses = [np.stack([width - mass[::-1, 0], mass[::-1, 1]], axis=1) for mass in self.masses]
        self.pixels = np.clip(np.round(tissue * LARGEST_VALUE), 0, LARGEST_VALUE).astype(np.uint16)

    @staticmethod
    def _tissue(rng: np.random.Generator, size: tuple[int, int], radius: np.ndarray) -> np.ndarray:
        """Fat, glands and skin inside the breast, nearly nothing outside; in parts of the largest value."""
        glands = _step(2.5 * smooth_noise(rng, size, 7) - 1.5) * _step((0.85 - radius) / 0.08)
        texture = 0.03 * smooth_noise(rng, size, 14) + 0.02 * smooth_noise(rng, size, 36)
        skin = 0.06 * np.exp(-(((radius - 0.98) / 0.015) ** 2))
        inside = _step((1 - radius) / 0.012)
        return np.maximum(inside * (0.28 + 0.12 * glands + texture) + skin * inside, 0.004)

    def _place(
        self, rng: np.random.Generator, size: tuple[int, int], depth: float, half: float, middle: float
    ) -> np.ndarray | None:
        """An outline within the breast that keeps its distance from the others."""
        height = size[0]
        for _ in range(ATTEMPTS):
            radius, angle, reach = rng.uniform(*MASS_RADII), rng.uniform(-0.5, 0.5) * np.pi, np.sqrt(rng.uniform(0, 1))
            center = np.array([0.12, 0.0]) + reach * np.array(
                [(depth - 0.27) * np.cos(angle), 0.6 * half * np.sin(angle)]
            )
            outline = _outline(rng, (center + [0.0, middle]) * height, radius * height)
            inside = np.hypot(outline[:, 0] / depth, (outline[:, 1] - middle * height) / half) < 0.93 * height
            apart = all(
                np.linalg.norm(outline[:, None] - mass[None], axis=2).min() > 0.03 * height for mass in self.masses
            )
            if inside.all() and outline.min() > 2 and apart:
                return outline
        return None


def _outline(rng: np.random.Generator, center: np.ndarray, radius: float) -> np.ndarray:
    """A lobulated closed curve: a circle with a few low harmonics, (K, 2)."""
    angles = 2 * np.pi * np.arange(NUM_VERTICES) / NUM_VERTICES
    radii = np.full(NUM_VERTICES, radius)
    for order, amplitude in ((2, 0.16), (3, 0.10), (4, 0.07), (5, 0.04)):
        radii += radius * amplitude * rng.uniform(-1, 1) * np.cos(order * angles + rng.uniform(0, 2 * np.pi))
    points = center + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.round(points, OUTLINE_DECIMALS)


def _step(values: np.ndarray) -> np.ndarray:
    """From 0 for large negative values to 1 for large positive ones."""
    return 1 / (1 + np.exp(-np.clip(values, -50, 50)))


_CODE_LENGTHS = np.array([4, 3, 2, 2, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])
"""Bits of the Huffman code of each category; small differences of smooth images have 2 to 4 bits."""

_BLOCK = 1 << 20


def encode_ljpeg(pixels: np.ndarray, precision: int = 12, predictor: int = 7, swap_header: bool = False) -> bytes:
    """Encode an image.

    Args:
        pixels: (H, W) unsigned integers below 2^precision.
        precision: bits of a sample, 2 to 16; DDSM has 12 and 16.
        predictor: 1 to 7; DDSM has 7.
        swap_header: write W as height and H as width, as some files of DDSM have it.

    Raises:
        ValueError: when the pixels are not such image.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim != 2 or pixels.size == 0 or max(pixels.shape) > 65535 or pixels.dtype.kind != "u":
        raise ValueError(f"Expected `pixels` to be (H, W) unsigned, but got {pixels.dtype} {pixels.shape}.")
    if not 2 <= precision <= 16 or int(pixels.max()) >> precision:
        raise ValueError(f"Expected `pixels` of {precision} bits (2 to 16), but the largest is {int(pixels.max())}.")
    if swap_header:
        # The encoder believes in its header: it predicts in an image of that width.
        pixels = pixels.reshape(pixels.shape[::-1])
    height, width = pixels.shape
    codes, symbols, counts = _huffman()
    table = bytes([0, *counts, *symbols])
    frame = bytes([precision, *height.to_bytes(2, "big"), *width.to_bytes(2, "big"), 1, 1, 0x11, 0])
    scan = bytes([1, 1, 0, predictor, 0, 0])
    head = b"\xff\xd8" + _segment(0xC3, frame) + _segment(0xC4, table) + _segment(0xDA, scan)
    return head + _entropy(_differences(pixels, precision, predictor), codes) + b"\xff\xd9"


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def _differences(pixels: np.ndarray, precision: int, predictor: int) -> np.ndarray:
    """(H * W,) differences in [-32768, 32767]."""
    padded = np.pad(pixels.astype(np.int32), ((1, 0), (1, 0)), constant_values=1 << (precision - 1))
    left, above, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    prediction = predict(predictor, left, above, corner).copy()
    prediction[:, 0] = above[:, 0]
    return (padded[1:, 1:] - prediction).astype(np.uint16).view(np.int16).astype(np.int64).reshape(-1)


def _huffman() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Canonical code (T.81 annex C): code words by category, categories by length, number of codes of each length."""
    symbols = np.argsort(_CODE_LENGTHS, kind="stable")
    codes = np.zeros(17, dtype=np.int64)
    code, last = -1, int(_CODE_LENGTHS.min())
    for symbol in symbols:
        length = int(_CODE_LENGTHS[symbol])
        code = (code + 1) << (length - last)
        codes[symbol], last = code, length
    return codes, symbols, np.bincount(_CODE_LENGTHS, minlength=17)[1:]


def _entropy(differences: np.ndarray, codes: np.ndarray) -> bytes:
    """Code words, each followed by the bits of its difference; filled up with ones; a zero stuffed after each 0xFF."""
    bits = [_bits(differences[start : start + _BLOCK], codes) for start in range(0, len(differences), _BLOCK)]
    total = sum(map(len, bits))
    stream = np.packbits(np.concatenate([*bits, np.ones(-total % 8, dtype=np.uint8)]))
    return stream.tobytes().replace(b"\xff", b"\xff\x00")


def _bits(differences: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """(N,) uint8 of 0 and 1."""
    categories = np.ceil(np.log2(np.abs(differences) + 1)).astype(np.int64)
    extra = np.where(categories == 16, 0, categories)
    # T.81 F.1.2.1: a negative difference is written as its low bits less one.
    tail = (differences - (differences < 0)) & ((1 << extra) - 1)
    words = (codes[categories] << extra) | tail
    lengths = _CODE_LENGTHS[categories] + extra
    ends = np.cumsum(lengths)
    shifts = np.repeat(ends, lengths) - 1 - np.arange(ends[-1])
    return ((np.repeat(words, lengths) >> shifts) & 1).astype(np.uint8)


logger = logging.getLogger(__name__)

FIRST_IMAGE = 99000001
SPELLINGS = ("Mass", "Mass ", "mass")
CSV_HEADER = "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads"
MASS_BIRADS = ("4a", "4b", "4c", "5", "6", "3")
VIEW_CODES = {"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique")}
MAMMOGRAM_STORAGE = UID("1.2.840.10008.5.1.4.1.1.1.2")
"""Digital Mammography X-Ray Image Storage - For Presentation."""


def write_inbreast_cases(
    output_dir: str | Path, num_patients: int = 8, size: tuple[int, int] = (256, 208), seed: int = 0
) -> Path:
    """Write synthetic mammograms with the outlines of their masses.

    The same arguments give the same bytes. The folder is complete or absent; an earlier, untouched copy is replaced.

    Args:
        output_dir: folder to write into: absent, empty, or an earlier output of this function.
        num_patients: at least 1, of four images each; every third patient's are MONOCHROME1.
        size: (H, W) of the images in pixels, at least 64 x 48. The pixel size follows: the detector is 286 mm high.
        seed: non-negative integer.

    Returns:
        The folder, resolved.

    Raises:
        FileExistsError: when the folder holds anything that an earlier synthetic copy did not write.
        ValueError: when a number is out of range.
    """
    size = check_cases(num_patients, size, seed)
    parameters = {"function": "write_inbreast_cases", "num_patients": num_patients, "size": list(size), "seed": seed}
    with replace_output(Path(output_dir), parameters) as folder:
        for name in ("AllDICOMs", "AllXML"):
            (folder / name).mkdir()
        rows = [row for index in range(num_patients) for row in _write_patient(folder, index, size, seed)]
        (folder / "INbreast.csv").write_text("\n".join([CSV_HEADER, *rows]) + "\n", encoding="utf-8")
    output = Path(output_dir).resolve()
    logger.info("Wrote %d synthetic patients, 4 mammograms each, to %s.", num_patients, output)
    return output


def _write_patient(folder: Path, index: int, size: tuple[int, int], seed: int) -> list[str]:
    """Write four images and the outlines of two; return their rows of the table."""
    rng = np.random.default_rng([seed, index])
    patient = hashlib.sha256(f"inbreast twin {seed} {index}".encode()).hexdigest()[:16]
    diseased, num_masses = "LR"[index % 2], 1 + index // 2 % 2
    birads, density = MASS_BIRADS[index % len(MASS_BIRADS)], 1 + index % 4
    rows = []
    for number, (side, view) in enumerate((side, view) for side in "LR" for view in ("CC", "MLO")):
        image = str(FIRST_IMAGE + 4 * index + number)
        breast = BreastPhantom(rng, size, side, view, num_masses if side == diseased else 0)
        name = f"{image}_{patient}_MG_{side}_{'ML' if view == 'MLO' else view}_ANON.dcm"
        dataset = _mammogram_dataset((seed, index, number, *size), size, side, view, inverted=index % 3 == 2)
        _save(dataset, folder / "AllDICOMs" / name, breast.pixels)
        if side == diseased:
            _write_outlines(folder / "AllXML" / f"{image}.xml", breast, SPELLINGS[(index + number) % len(SPELLINGS)])
        rows.append(f"removed;removed;{side};{view};201001;{image};{density};{birads if side == diseased else '1'}")
    return rows


def _write_outlines(path: Path, breast: BreastPhantom, spelling: str) -> None:
    regions = [(spelling, mass) for mass in breast.masses]
    center = breast.masses[0].mean(axis=0)
    regions.append(("Spiculated Region", center + 1.3 * (breast.masses[0] - center)))
    regions.append(("Calcification", center[None] + 1.0))
    rois = [_region(number, name, points, breast.spacing) for number, (name, points) in enumerate(regions)]
    images = [{"ImageIndex": 0, "NumberOfROIs": len(rois), "ROIs": rois}]
    path.write_bytes(plistlib.dumps({"Images": images}, fmt=plistlib.FMT_XML))


def _region(number: int, name: str, points: np.ndarray, spacing: float) -> dict[str, object]:
    """One region with the keys that OsiriX writes."""
    center = points.mean(axis=0)
    return {
        "Area": 0.0,
        "Center": _numbers((*(center - 0.5) * spacing, 0.0)),
        "Dev": 0.0,
        "IndexInImage": number,
        "Max": 0.0,
        "Mean": 0.0,
        "Min": 0.0,
        "Name": name,
        "NumberOfPoints": len(points),
        "Point_mm": [_numbers((*(point - 0.5) * spacing, 0.0)) for point in points],
        "Point_px": [_numbers(point) for point in points],
        "Total": 0.0,
        "Type": 15 if len(points) > 1 else 19,
    }


def _numbers(values: Sequence[float] | np.ndarray) -> str:
    return f"({', '.join(f'{value:.6f}' for value in values)})"


def _mammogram_dataset(
    entropy: Sequence[int], size: tuple[int, int], side: str, view: str, inverted: bool
) -> FileDataset:
    """Header of a mammogram (DICOM PS3.3 A.26), clearly synthetic."""
    parts = ["monai_acdr inbreast twin", *map(str, entropy)]
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength, meta.FileMetaInformationVersion = 0, b"\x00\x01"
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = MAMMOGRAM_STORAGE, ExplicitVRLittleEndian
    meta.ImplementationClassUID = generate_uid(entropy_srcs=["monai_acdr implementation"])
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[*parts, "instance"])
    dataset = FileDataset(
        "phantom", {}, file_meta=meta, preamble=b"\0" * 128, is_implicit_VR=False, is_little_endian=True
    )
    dataset.SOPClassUID, dataset.SOPInstanceUID = MAMMOGRAM_STORAGE, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[*parts[:3], "study"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[*parts, "series"])
    dataset.PatientName, dataset.PatientID = "Synthetic^Phantom", f"SYN{entropy[1] + 1:07d}"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.StudyID = "", "F", "1"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20100101", "120000", ""
    dataset.ReferringPhysicianName, dataset.Manufacturer, dataset.QualityControlSubject = "", "monai_acdr", "YES"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "MG", 1, entropy[2] + 1
    dataset.PresentationIntentType, dataset.ImageType = "FOR PRESENTATION", ["ORIGINAL", "PRIMARY", ""]
    dataset.BodyPartExamined, dataset.OrganExposed = "BREAST", "BREAST"
    dataset.ImageLaterality, dataset.ViewPosition, dataset.BreastImplantPresent = side, view, "NO"
    dataset.ViewCodeSequence = DicomSequence([_code(*VIEW_CODES[view])])
    dataset.PatientOrientation = ["A" if side == "L" else "P", "R" if view == "CC" else "F"]
    dataset.ImagerPixelSpacing = [f"{FILM_HEIGHT / size[0]:.6f}"] * 2
    dataset.SamplesPerPixel, dataset.Rows, dataset.Columns = 1, *size
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 14, 13, 0
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", -1 if inverted else 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.WindowCenter, dataset.WindowWidth = f"{(LARGEST_VALUE + 1) // 2}", f"{LARGEST_VALUE + 1}"
    dataset.BurnedInAnnotation, dataset.LossyImageCompression = "NO", "00"
    return dataset


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def _save(dataset: FileDataset, path: Path, pixels: np.ndarray) -> None:
    stored = LARGEST_VALUE - pixels if dataset.PhotometricInterpretation == "MONOCHROME1" else pixels
    dataset.PixelData = stored.astype("<u2").tobytes()
    dataset.save_as(str(path))


BREAST_HEIGHT = 150.0
"""mm that the rows of a film span."""
GRAY_LEVELS = 4096
VIEWS = ("CC", "MLO")
SMALLEST_SIZE = 48


@dataclass(frozen=True)
class FilmPhantom:
    """One synthetic film.

    Attributes:
        pixels: (H, W) uint16, 12 bits, as HOWTEK digitizes: dense tissue is bright.
        walk: (N, 2) int64 pixels (column, row) on the mass's outline, closed, clockwise as seen.
    """

    pixels: np.ndarray
    walk: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool, true pixels of the mass."""
        return chain_mask(self.walk, (self.pixels.shape[0], self.pixels.shape[1]))


def write_ddsm_cases(
    folder: str | Path, num_patients: int = 12, size: tuple[int, int] = (256, 192), seed: int = 0
) -> Path:
    """Write synthetic cases in the form of DDSM.

    The same arguments give the same bytes. The folder is complete or absent; an earlier, untouched one is replaced.

    Args:
        folder: absent, empty, or an earlier output of this function.
        num_patients: cases, one per patient, with two films each.
        size: (H, W) of the films, each at least 48.
        seed: of shapes and noise.

    Returns:
        The folder.

    Raises:
        FileExistsError: when `folder` holds anything else.
        ValueError: for arguments out of range.
    """
    if not 1 <= num_patients <= 999:
        raise ValueError(f"Expected `num_patients` in 1..999, but got {num_patients}.")
    if min(size) < SMALLEST_SIZE or max(size) > 8192:
        raise ValueError(f"Expected `size` (H, W) in {SMALLEST_SIZE}..8192, but got {tuple(size)}.")
    if seed < 0:
        raise ValueError(f"Expected `seed` to be a non-negative integer, but got {seed}.")
    height, width = (int(side) for side in size)
    parameters = {"num_patients": num_patients, "size": [height, width], "seed": seed}
    with replace_output(Path(folder), parameters) as partial:
        for patient in range(num_patients):
            _write_case(partial, patient, (height, width), seed)
        (partial / "cases.txt").write_text(
            "".join(f"{_case_folder(patient)}\n" for patient in range(num_patients)), encoding="ascii"
        )
    return Path(folder)


def draw_film(rng: np.random.Generator, size: tuple[int, int], side: str = "LEFT") -> FilmPhantom:
    """Draw one film: a breast at the left (or right) border, glandular texture, one bright mass inside.

    Args:
        rng: source of shape and texture.
        size: (H, W).
        side: "LEFT" or "RIGHT"; the breast of a left film is at the left border.
    """
    height, width = size
    rows, columns = np.mgrid[:height, :width] + 0.5
    depth = 1 - np.hypot((rows - height / 2) / (0.47 * height), columns / (0.85 * width))
    breast = np.clip(depth / 0.15, 0, 1)
    texture = _texture(rng, size, 12) * 180 + _texture(rng, size, 40) * 90
    inside = 1300 + 500 * np.clip(depth, 0, 1) + texture
    outline = _pixel_outline(rng, size)
    walk = _walk(outline)
    softened = gaussian_filter(chain_mask(walk, size).astype(np.float64), 0.008 * min(size))
    values = 250 + breast * (inside - 250) + 900 * softened + rng.normal(0, 25, size)
    pixels = np.clip(np.rint(values), 0, GRAY_LEVELS - 1).astype(np.uint16)
    if side == "RIGHT":
        pixels, walk = np.ascontiguousarray(pixels[:, ::-1]), np.stack([width - 1 - walk[:, 0], walk[:, 1]], 1)[::-1]
    return FilmPhantom(pixels, walk)


def _pixel_outline(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """(N, 2) points (x, y) in pixels around a lobulated mass, dense, clockwise as seen."""
    height, width = size
    short = min(size)
    radius = rng.uniform(0.07, 0.14) * short
    center = np.array([rng.uniform(0.25, 0.5) * width, rng.uniform(0.35, 0.65) * height])
    angles = np.linspace(0, 2 * np.pi, 16 * short, endpoint=False)
    waves = np.zeros_like(angles)
    for order in (2, 3, 4, 5):
        waves += rng.uniform(0, 0.3) / order * np.cos(order * angles + rng.uniform(0, 2 * np.pi))
    return center + (radius * (1 + waves))[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


def _walk(outline: np.ndarray) -> np.ndarray:
    """Pixels that a dense outline passes through, each step to one of eight neighbors, closed."""
    pixels = np.floor(outline).astype(np.int64)
    pixels = pixels[np.any(pixels != np.roll(pixels, 1, axis=0), axis=1)]
    return np.concatenate([pixels, pixels[:1]])


def _texture(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    """Smooth noise of unit variance, about ``cells`` blobs along the longer side."""
    scale = max(size) / cells
    grid = rng.standard_normal([max(2, round(side / scale) + 1) for side in size])
    field = zoom(grid, [side / cells for side, cells in zip(size, grid.shape, strict=True)], order=3)
    return (field - field.mean()) / field.std()


def _case_folder(patient: int) -> str:
    return f"cancer_{patient // 50 + 1:02d}/case{9001 + patient}"


def _write_case(root: Path, patient: int, size: tuple[int, int], seed: int) -> None:
    folder = root / "cancers" / _case_folder(patient)
    folder.mkdir(parents=True)
    rng = np.random.default_rng([seed, patient])
    side, case = ("LEFT", "RIGHT")[patient % 2], f"A_{9001 + patient}_1"
    films = []
    for index, view in enumerate(VIEWS):
        film, number = draw_film(rng, size, side), 2 * patient + index
        name = f"{case}.{side}_{view}"
        data = encode_ljpeg(film.pixels, 12, 7, swap_header=number % 2 == 1)
        (folder / f"{name}.LJPEG").write_bytes(data)
        text = _overlay(film.walk).encode("ascii")
        if number % 3 == 2:
            (folder / f"{name}.OVERLAY.gz").write_bytes(gzip.compress(text, mtime=0))
        else:
            (folder / f"{name}.OVERLAY").write_bytes(text)
        films.append(f"{side}_{view} LINES {size[0]} PIXELS_PER_LINE {size[1]} BITS_PER_PIXEL 12 ")
    resolution = round(1000 * BREAST_HEIGHT / size[0], 1)
    lines = ["", "ics_version 1.0", f"filename {case.replace('_', '-')}", "FILM_TYPE REGULAR", "DENSITY 2"]
    lines += ["DIGITIZER HOWTEK", "SEQUENCE", *(f"{film}RESOLUTION {resolution} OVERLAY" for film in films)]
    (folder / f"{case.replace('_', '-')}.ics").write_bytes("\r\n".join([*lines, ""]).encode("ascii"))


def _overlay(walk: np.ndarray) -> str:
    steps = {tuple(step): code for code, step in enumerate(STEPS.tolist())}
    codes = [steps[tuple(step)] for step in np.diff(walk, axis=0).tolist()]
    chain = " ".join(map(str, [*walk[0].tolist(), *codes]))
    return (
        "TOTAL_ABNORMALITIES 1\nABNORMALITY 1\nLESION_TYPE MASS SHAPE LOBULATED MARGINS CIRCUMSCRIBED-SPICULATED\n"
        f"ASSESSMENT 5\nSUBTLETY 4\nPATHOLOGY MALIGNANT\nTOTAL_OUTLINES 1\nBOUNDARY\n{chain} #\n"
    )


COLUMNS = (
    *("patient_id", "breast_density", "left or right breast", "image view", "abnormality id", "abnormality type"),
    *("mass shape", "mass margins", "assessment", "pathology", "subtlety"),
    *("image file path", "cropped image file path", "ROI mask file path"),
)
SPLITS = {"train": "Training", "test": "Test"}
SHAPES, MARGINS = ("LOBULATED", "OVAL", "IRREGULAR"), ("CIRCUMSCRIBED", "ILL_DEFINED", "SPICULATED")
PATHOLOGY = ("MALIGNANT", "BENIGN", "BENIGN_WITHOUT_CALLBACK")
MASK_SCALE = 0.8
"""Of the one mask that is smaller than its image."""
MARGIN = 4
"""Pixels around a mass in its crop."""


def write_cbis_ddsm_cases(
    output_dir: str | Path,
    num_patients: int = 8,
    size: tuple[int, int] = (256, 208),
    seed: int = 0,
    spacing: float | None = None,
) -> Path:
    """Write synthetic mammograms with masks of their masses: two views of one breast per patient.

    The same arguments give the same bytes. The folder is complete or absent; an earlier, untouched copy is replaced.

    Args:
        output_dir: folder to write into: absent, empty, or an earlier output of this function.
        num_patients: at least 2; the first half, rounded up, is the training group. Every second has two masses.
        size: (H, W) of the images, at least 64 x 48.
        seed: non-negative integer.
        spacing: mm of a pixel, written as PixelSpacing; None writes none, as in the original.

    Returns:
        The folder, resolved.

    Raises:
        FileExistsError: when the folder holds anything that an earlier synthetic copy did not write.
        ValueError: when a number is out of range.
    """
    size = check_cases(num_patients, size, seed, fewest=2)
    parameters = {"function": "write_cbis_ddsm_cases", "num_patients": num_patients, "size": list(size), "seed": seed}
    with replace_output(Path(output_dir), {**parameters, "spacing": spacing}) as folder:
        writer = _Writer(folder, size, seed, spacing)
        half = (num_patients + 1) // 2
        for split, patients in (("train", range(half)), ("test", range(half, num_patients))):
            rows = [row for index in patients for row in writer.patient(split, index, index == half)]
            with open(folder / f"mass_case_description_{split}_set.csv", "w", encoding="utf-8", newline="") as stream:
                csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])
    output = Path(output_dir).resolve()
    logger.info("Wrote %d synthetic patients, 2 mammograms each, to %s.", num_patients, output)
    return output


@dataclass
class _Writer:
    """Writes patients into a folder; ``rows`` counts the rows of both tables."""

    folder: Path
    size: tuple[int, int]
    seed: int
    spacing: float | None
    rows: int = 0

    def patient(self, split: str, index: int, resize_first: bool) -> Iterator[list[str]]:
        """Write the files of one patient and give the rows of the table."""
        rng = np.random.default_rng([self.seed, index])
        side, old_names = ("LEFT", "RIGHT")[index % 2], index == 0
        for view in ("CC", "MLO"):
            breast = BreastPhantom(rng, self.size, side[0], view, 1 + index % 2)
            subject = f"Mass-{SPLITS[split]}_P_{index + 1:05d}_{side}_{view}"
            image = self._series(subject, 1, [breast.pixels], old_names)[0]
            for number, outline in enumerate(breast.masses, start=1):
                mask = contour_to_mask(torch.from_numpy(outline), self.size, threshold=0.5)[0].numpy().astype(bool)
                crop = _crop(breast.pixels, mask)
                if resize_first and view == "CC" and number == 1:
                    mask = fit_mask(mask, (round(MASK_SCALE * self.size[0]), round(MASK_SCALE * self.size[1])))
                swapped = self.rows % 2 == 1
                stored = [crop, mask.astype(np.uint8) * 255]
                paths = self._series(f"{subject}_{number}", 2, stored[::-1] if swapped else stored, old_names)
                end = "\n" if self.rows % 3 == 0 else ""
                # The columns say crop, mask in the order of the files, whatever these hold.
                yield [*self._facts(index, side, view, number), image, *(path + end for path in paths)]
                self.rows += 1

    def _facts(self, index: int, side: str, view: str, number: int) -> list[str]:
        kind = index % 3
        return [
            *(f"P_{index + 1:05d}", str(1 + index % 4), side, view, str(number), "mass"),
            *(SHAPES[kind], MARGINS[kind], str((5, 4, 2)[kind]), PATHOLOGY[kind], str(1 + index % 5)),
        ]

    def _series(self, subject: str, number: int, images: list[np.ndarray], old_names: bool) -> list[str]:
        """Write one series; its paths as the tables name them."""
        study = generate_uid(entropy_srcs=["monai_acdr cbis twin", str(self.seed), subject])
        series = generate_uid(entropy_srcs=["monai_acdr cbis twin", str(self.seed), subject, str(number)])
        folder = self.folder / subject / study / series
        folder.mkdir(parents=True)
        for index, pixels in enumerate(images):
            name = f"{index:06d}.dcm" if old_names else f"1-{index + 1}.dcm"
            dataset = _cbis_dataset(subject, study, series, index, pixels)
            if self.spacing is not None:
                dataset.PixelSpacing = [f"{self.spacing:g}"] * 2
            dataset.save_as(str(folder / name))
        return [f"{subject}/{study}/{series}/{index:06d}.dcm" for index in range(len(images))]


def _crop(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = max(rows[0] - MARGIN, 0), max(columns[0] - MARGIN, 0)
    return pixels[top : rows[-1] + MARGIN + 1, left : columns[-1] + MARGIN + 1]


def _cbis_dataset(subject: str, study: str, series: str, index: int, pixels: np.ndarray) -> FileDataset:
    """One image with the few elements that the published files have, clearly synthetic."""
    instance = generate_uid(entropy_srcs=["monai_acdr cbis twin", series, str(index)])
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength, meta.FileMetaInformationVersion = 0, b"\x00\x01"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = generate_uid(entropy_srcs=["monai_acdr implementation"])
    dataset = FileDataset(
        "phantom", {}, file_meta=meta, preamble=b"\0" * 128, is_implicit_VR=False, is_little_endian=True
    )
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, instance
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber, dataset.StudyID = "20160720", "120000", "", "1"
    dataset.ReferringPhysicianName, dataset.PatientBirthDate, dataset.PatientSex = "", "", ""
    dataset.Modality, dataset.ConversionType, dataset.BodyPartExamined = "MG", "WSD", "BREAST"
    dataset.PatientName, dataset.PatientID = subject, subject
    dataset.QualityControlSubject = "YES"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, index + 1
    dataset.PatientOrientation = ["", ""]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    bits = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits, bits - 1, 0
    dataset.SmallestImagePixelValue, dataset.LargestImagePixelValue = 0, LARGEST_VALUE if bits == 16 else 255
    data = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"))).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    return dataset
