# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Image readers for MONAI's ``LoadImage``: DICOM frames, mammograms, and slices of NIfTI volumes.

MONAI's PydicomReader leaves MONOCHROME1 inverted and palettes as their indices, ignores modality LUT, VOI, padding and
ImagerPixelSpacing, and puts the whole header with the patient's name into the metadata. MONAI's other readers depend on
what else is installed. The readers here always give the same: (H, W) with rows first, float32, larger is brighter,
spacing in mm (of mammograms at the breast), in the file's own orientation, and metadata without the patient's identity.
"""

from __future__ import annotations

import logging
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from monai import transforms
from monai.config import PathLike as MonaiPath
from monai.data.image_reader import ImageReader
from monai.utils import ensure_tuple
from monai.utils.enums import MetaKeys, SpaceKeys

from monai_acdr.data.image_headers import is_dicom_file
from monai_acdr.data.nifti import NiftiVolume, read_nifti
from monai_acdr.dicom.elements import quiet_values, text
from monai_acdr.dicom.files import load_dataset
from monai_acdr.dicom.gray import VOI, GrayImage, apply_voi, gray_values
from monai_acdr.dicom.pixels import MONOCHROME, pixel_format, stored_frames
from monai_acdr.dicom.plane import NO_ANATOMY, frame_component, frame_plane
from monai_acdr.plausibility import PROJECTION
from monai_acdr.plausibility import check_spacing as check_plausible

__all__ = [
    "DicomFileReader",
    "DicomFrameReader",
    "LoadImage",
    "LoadImageD",
    "LoadImageDict",
    "LoadImaged",
    "MammogramReader",
    "NiftiSlice",
    "NiftiSliceReader",
    "Spacing",
    "check_spacing",
    "image_affine",
    "implant",
    "laterality",
    "parse_slice_name",
    "pixel_spacing_of",
    "read_mammogram",
    "slice_name",
    "view",
]


@contextmanager
def _without_the_decoder() -> Iterator[None]:
    """Drop the two messages of MONAI that NVIDIA's decoder is missing, and no others: it is not used here."""

    def others(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("nvImageCodec is not available")

    logger = logging.getLogger("monai.data.nvimgcodec_pydicom_plugin")
    logger.addFilter(others)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "NvImgCodecPydicomReader", UserWarning)
            yield
    finally:
        logger.removeFilter(others)


class LoadImage(transforms.LoadImage):
    """MONAI's LoadImage that leaves a file to the given readers, without messages about NVIDIA's decoder.

    MONAI tries its own readers on a file that the given ones refuse: a damaged DICOM file would be read with inverted
    gray values, and a refused picture with rows and columns exchanged. Here the error of the given reader is raised. Of
    several readers those that recognize the file (``verify_suffix``, which looks at the content of DICOM files and
    pictures) are tried, later ones first, and all of them if none does.

    Arguments are those of :class:`monai.transforms.LoadImage`; without a reader MONAI's own are used.

    Raises:
        FileNotFoundError, ValueError: as the reader that comes first.

    Example:
        ``LoadImage(reader=DicomFrameReader())``
    """

    def __init__(self, reader: Any = None, *args: Any, **kwargs: Any) -> None:
        with _without_the_decoder():
            super().__init__(reader, *args, **kwargs)
        self._keep_given(reader)

    def _keep_given(self, reader: Any) -> None:
        """Drop MONAI's own readers, which it registers before the given ones."""
        if reader is not None:
            self.readers = self.readers[-len(ensure_tuple(reader)) :]

    def __call__(self, filename: Sequence[MonaiPath] | MonaiPath, reader: ImageReader | None = None) -> Any:
        if reader is not None or self.auto_select:
            return super().__call__(filename, reader)
        names = [Path(name).expanduser() if self.expanduser else name for name in ensure_tuple(filename)]
        last_first = self.readers[::-1]
        refusals: list[Exception] = []
        for candidate in [each for each in last_first if each.verify_suffix(names)] or last_first:
            try:
                return super().__call__(filename, candidate)
            except Exception as error:  # readers of MONAI raise errors of any kind
                refusals.append(error)
        raise refusals[0]


class LoadImaged(transforms.LoadImaged):
    """Dictionary version of :class:`LoadImage`, with the arguments of :class:`monai.transforms.LoadImaged`.

    Example:
        ``LoadImaged("image", reader=DicomFrameReader())``
    """

    def __init__(self, keys: Any, reader: Any = None, *args: Any, **kwargs: Any) -> None:
        with _without_the_decoder():
            super().__init__(keys, reader, *args, **kwargs)
        loader = LoadImage.__new__(LoadImage)  # not made anew, which would look for MONAI's readers again
        vars(loader).update(vars(self._loader))
        loader._keep_given(reader)
        self._loader = loader


LoadImageD = LoadImageDict = LoadImaged

Spacing: TypeAlias = "float | tuple[float, float] | str | None"
"""Policies for a file without spacing; see :class:`MammogramReader`."""

LARGEST_MAGNIFICATION = 5.0
"""Magnification views enlarge 1.5 to 2 times; a factor beyond this, or below 1, is an error of the file."""

_VIEWS = {
    **{"399162004": "CC", "R-10242": "CC", "399368009": "MLO", "R-10226": "MLO", "399260004": "ML", "R-10224": "ML"},
    **{"399352003": "LM", "R-10228": "LM", "399099002": "LMO", "R-10230": "LMO", "399196006": "FB", "R-10244": "FB"},
}
"""SNOMED codes of DICOM's context group 4014, both generations, and the abbreviations that ViewPosition has."""

_logger = logging.getLogger(__name__)


def check_spacing(spacing: Any) -> Spacing:
    """Return "allow", None, or (row, column) mm; one number stands for both.

    Raises:
        ValueError: for anything else.
    """
    if spacing is None or spacing == "allow":
        return spacing
    try:
        row, column = (float(value) for value in (spacing if np.ndim(spacing) else (spacing, spacing)))
    except (TypeError, ValueError):
        row = column = math.nan
    if not (0 < row < math.inf and 0 < column < math.inf):
        raise ValueError(f"Expected `spacing` to be (row, column) in mm, one number, 'allow' or None: got {spacing!r}.")
    return row, column


def pixel_spacing_of(dataset: Any, path: str, default: Spacing) -> tuple[tuple[float, float] | None, str]:
    """Pixel spacing at the breast, (row, column) in mm, and its source.

    PixelSpacing is used where it is calibrated or the only one. Otherwise ImagerPixelSpacing, measured at the detector,
    is divided by EstimatedRadiographicMagnificationFactor where there is one. A PixelSpacing that equals
    ImagerPixelSpacing and names no PixelSpacingCalibrationType is a copy made at the detector, not a calibration (DICOM
    PS3.3 10.7.1.3), so the magnification applies to it as well.

    Args:
        dataset: ``pydicom.Dataset``.
        path: for messages.
        default: (row, column) for files without spacing, "allow" or None.

    Raises:
        ValueError: when the file states no spacing and ``default`` is None, or the spacing is not plausible
            (:mod:`monai_acdr.plausibility`).
    """
    spacing, source = _spacing_of(dataset, path, default)
    if spacing is not None:
        size = (dataset.Rows, dataset.Columns) if dataset.get("Rows") and dataset.get("Columns") else None
        check_plausible(path, spacing, size, PROJECTION, "correct the header or the spacing given for it")
    return spacing, source


def _spacing_of(dataset: Any, path: str, default: Spacing) -> tuple[tuple[float, float] | None, str]:
    pixel, imager = _pair(dataset, "PixelSpacing"), _pair(dataset, "ImagerPixelSpacing")
    calibrated = bool(text(dataset, "PixelSpacingCalibrationType"))
    if pixel and (calibrated or imager is None or not np.allclose(pixel, imager, rtol=1e-6)):
        return pixel, "PixelSpacing"
    if imager:
        factor = _magnification(dataset, path)
        source = "ImagerPixelSpacing / EstimatedRadiographicMagnificationFactor" if factor else "ImagerPixelSpacing"
        return (imager[0] / (factor or 1.0), imager[1] / (factor or 1.0)), source
    if default == "allow":
        return None, "unknown"
    if default is None or isinstance(default, str):
        raise ValueError(
            f"Expected PixelSpacing or ImagerPixelSpacing, but {path} has neither, so nothing can be measured in mm: "
            "pass spacing=(row, column) in mm from the device's manual, or spacing='allow' to work in pixels."
        )
    return check_spacing(default), "argument"  # type: ignore[return-value]


def image_affine(dataset: Any, spacing: tuple[float, float] | None) -> np.ndarray:
    """(4, 4) affine from the index (row, column, slice) of pixel centers to mm, as MONAI's PydicomReader makes it.

    Mammograms have no position in the patient: without ImageOrientationPatient and ImagePositionPatient the affine is
    ``diag(row spacing, column spacing, 1, 1)``. Distances and areas are then correct; directions are those of the
    image.

    Args:
        dataset: ``pydicom.Dataset``.
        spacing: (row, column) in mm, None for pixels as unit.
    """
    row_mm, column_mm = spacing or (1.0, 1.0)
    affine = np.diag([row_mm, column_mm, 1.0, 1.0])
    orientation, position = _floats(dataset, "ImageOrientationPatient", 6), _floats(dataset, "ImagePositionPatient", 3)
    if orientation is None or position is None:
        return affine
    along_row, along_column = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(along_row, along_column)
    if not np.isclose(np.linalg.norm(normal), 1, atol=0.05):  # two unit vectors at a right angle, or nonsense
        return affine
    affine[:3, 0], affine[:3, 1], affine[:3, 3] = along_column * row_mm, along_row * column_mm, position
    affine[:3, 2] = [0, 0, 1]
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # LPS to RAS


def laterality(dataset: Any) -> str:
    """Side, "L" or "R", from ImageLaterality, Laterality or FrameLaterality, the first that says so; else ""."""
    frame = _nested(dataset, "SharedFunctionalGroupsSequence", "FrameAnatomySequence")
    for holder, keyword in ((dataset, "ImageLaterality"), (dataset, "Laterality"), (frame, "FrameLaterality")):
        side = _text(holder, keyword)
        if side in ("L", "R"):
            return side
    return ""


def view(dataset: Any) -> str:
    """Abbreviated view, such as "CC" or "MLO", from ViewPosition or the code in ViewCodeSequence; "" when unknown."""
    position = _text(dataset, "ViewPosition")
    if position:
        # A code string; anything longer or odd is free text, which may hold more than a view.
        return position if position.isalpha() and len(position) <= 5 else ""
    return _VIEWS.get(_text(_nested(dataset, "ViewCodeSequence"), "CodeValue"), "")


def implant(dataset: Any) -> str:
    """BreastImplantPresent: "YES", "NO", or "" when the file does not say."""
    text = _text(dataset, "BreastImplantPresent")
    return text if text in ("YES", "NO") else ""


def _magnification(dataset: Any, path: str) -> float | None:
    value = _floats(dataset, "EstimatedRadiographicMagnificationFactor", 1)
    if value is None or 1 <= value[0] <= LARGEST_MAGNIFICATION:
        return value[0] if value else None
    _logger.warning("Ignored an EstimatedRadiographicMagnificationFactor of %g in %s.", value[0], path)
    return None


def _pair(dataset: Any, keyword: str) -> tuple[float, float] | None:
    values = _floats(dataset, keyword, 2)
    return (values[0], values[1]) if values and min(values) > 0 else None


def _floats(dataset: Any, keyword: str, number: int) -> list[float] | None:
    """The numbers of an element; None when they are absent, fewer or more, or no finite numbers."""
    try:
        value = dataset.get(keyword)
        values = [float(value)] if number == 1 else [float(part) for part in value]
    except (TypeError, ValueError):
        return None
    return values if len(values) == number and all(map(math.isfinite, values)) else None


def _text(dataset: Any, keyword: str) -> str:
    value = dataset.get(keyword) if dataset is not None else None
    return value.strip().upper() if isinstance(value, str) else ""


def _nested(dataset: Any, *keywords: str) -> Any:
    """The first item of a sequence within a sequence; None when one is absent or empty."""
    for keyword in keywords:
        sequence = dataset.get(keyword) if dataset is not None else None
        dataset = sequence[0] if sequence else None
    return dataset


def frame_metadata(values: np.ndarray, affine: np.ndarray) -> dict[str, Any]:
    """MONAI's metadata of pixels (H, W) with an affine (4, 4), index (row, column, slice) to RAS mm."""
    meta = {
        MetaKeys.AFFINE: affine,
        MetaKeys.ORIGINAL_AFFINE: affine.copy(),
        MetaKeys.SPACE: SpaceKeys.RAS,
        MetaKeys.SPATIAL_SHAPE: np.array(values.shape),
        MetaKeys.ORIGINAL_CHANNEL_DIM: "no_channel",
    }
    return {str(key): value for key, value in meta.items()}


class DicomFileReader(ImageReader):
    """Base class of MONAI readers of one DICOM file: subclasses make pixels and metadata of the data set."""

    kind = "image"
    """Content of a file, for messages."""

    def verify_suffix(self, filename: Sequence[MonaiPath] | MonaiPath) -> bool:
        """True when every file begins like DICOM; the suffix does not matter."""
        paths = [Path(name) for name in ensure_tuple(filename)]
        return all(path.is_file() and is_dicom_file(path) for path in paths)

    def read(self, data: Sequence[MonaiPath] | MonaiPath, **kwargs: Any) -> Any:
        """Read one file to a ``pydicom.Dataset``; pixels are not decoded yet.

        Raises:
            FileNotFoundError: when there is no such file.
            ValueError: for several files, no DICOM, or a damaged file.
        """
        paths = ensure_tuple(data)
        if len(paths) != 1:
            raise ValueError(f"Expected one {self.kind}, but got {len(paths)} files: make one data item of each.")
        path = Path(paths[0])
        if not path.exists():
            raise FileNotFoundError(
                f"Expected one {self.kind}, but {path} does not exist: check the data set's folder."
            )
        if not path.is_file() or not is_dicom_file(path):
            raise ValueError(f"Expected a DICOM file, but {path} is not one: pass another reader for other formats.")
        return load_dataset(path, force=True)


class DicomFrameReader(DicomFileReader):
    """Read one gray DICOM image per file, rows first, as float32 values in which larger is brighter.

    Stored values are converted as in :func:`monai_acdr.dicom.gray_values`. The metadata hold ``affine`` and
    ``original_affine`` ((4, 4), RAS mm, as PydicomReader makes them with ``swap_ij=False``), ``spatial_shape``,
    ``original_channel_dim`` and ``space``; nothing of the patient.

    Raises:
        ValueError: for colors, several frames, phase images, and anything that cannot be read without doubt: the
            message names the file and the next step.

    Example:
        ``LoadImaged(keys="image", reader=DicomFrameReader(), image_only=True)``
    """

    def get_data(self, img: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Pixels (H, W), float32, and metadata of a dataset that :meth:`read` gave.

        Raises:
            ValueError: see the class.
        """
        path = str(getattr(img, "filename", "") or "the dataset")
        with quiet_values():
            form, component = pixel_format(img, path), frame_component(img, 1, path)
            if form.frames > 1:
                raise ValueError(f"Expected one image per file, but {path} has {form.frames} frames: split it first.")
            if component in NO_ANATOMY:
                raise ValueError(
                    f"Expected an image of the anatomy, but {path} is {NO_ANATOMY[component]}: leave it out."
                )
            values = gray_values(img, path, next(stored_frames(img, path)))
            affine = image_affine(img, frame_plane(img, 1, path)[0])
        return values, frame_metadata(values, affine)


class MammogramReader(DicomFileReader):
    """Read DICOM mammograms (MG, also CR or DX of a breast), one per file.

    The array is (H, W) float32 in the file's own orientation. In this order: padding is found, the modality LUT or
    rescale slope and intercept are applied, then the VOI transformation if wanted, then MONOCHROME1 is inverted
    (within the range that BitsStored allows, so that the same stored value always gives the same result), then
    padding becomes the darkest value of the rest of the image.

    The metadata hold ``affine`` and ``original_affine`` ((4, 4), RAS mm; see
    :func:`~monai_acdr.data.readers.image_affine`), ``spacing`` (row, column) in mm, NaN when
    unknown, ``spacing_source``, ``has_spacing``, ``laterality`` ("L", "R" or ""), ``view`` ("CC", "MLO", ... or ""),
    ``breast_implant_present`` ("YES", "NO" or ""), ``photometric_interpretation`` and ``presentation_intent_type``
    of the file, ``bits_stored``, ``spatial_shape``, ``original_channel_dim`` and ``space``.

    Args:
        voi: "none" gives modality values; "window" applies the first WindowCenter and WindowWidth (PS3.3
            C.11.2.1.2), "lut" the first VOI LUT, "auto" the LUT, otherwise the window, otherwise the full range. All
            but "none" give values in [0, 1].
        modality: apply the modality LUT or rescale; False gives stored values, only with ``voi="none"``.
        spacing: (row, column) or one number in mm for files that do not state it; "allow" reads such files with pixels
            as the unit of ``affine`` and ``has_spacing`` False. None refuses them.

    Raises:
        ValueError: for anything that cannot be read without doubt: the message names the file and the next step.

    Example:
        ``LoadImaged(keys="image", reader=MammogramReader(), image_only=True)``
    """

    kind = "mammogram"

    def __init__(self, voi: str = "none", modality: bool = True, spacing: Spacing = None) -> None:
        super().__init__()
        if voi not in VOI:
            raise ValueError(f"Expected `voi` to be one of {VOI}, but got {voi!r}.")
        if voi != "none" and not modality:
            raise ValueError(f"Expected modality=True with voi={voi!r}: VOI is defined on modality values.")
        self.voi = voi
        self.modality = modality
        self.spacing = check_spacing(spacing)

    def get_data(self, img: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Pixels (H, W), float32, and metadata of a dataset that :meth:`read` gave.

        Raises:
            ValueError: see the class.
        """
        path = str(getattr(img, "filename", "") or "the dataset")
        with quiet_values():
            stored = _stored_pixels(img, path)
            spacing, source = pixel_spacing_of(img, path, self.spacing)
            values = gray_values(img, path, stored, modality=self.modality, voi=self._voi(img, path))
            affine = image_affine(img, spacing)
            meta = {
                "laterality": laterality(img),
                "view": view(img),
                "breast_implant_present": implant(img),
                "photometric_interpretation": str(img.PhotometricInterpretation),
                "presentation_intent_type": _plain(img.get("PresentationIntentType")),
                "bits_stored": int(img.BitsStored),
            }
        meta |= {
            "spacing": np.array(spacing or (np.nan, np.nan)),
            "spacing_source": source,
            "has_spacing": spacing is not None,
        }
        return values, {**meta, **frame_metadata(values, affine)}

    def _voi(self, dataset: Any, path: str) -> Callable[[GrayImage], None] | None:
        return None if self.voi == "none" else lambda image: apply_voi(image, dataset, path, self.voi)


def read_mammogram(
    path: str | PathLike[str], voi: str = "none", modality: bool = True, spacing: Spacing = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Read one DICOM mammogram: (H, W) float32 and metadata; arguments and errors as :class:`MammogramReader`."""
    reader = MammogramReader(voi, modality, spacing)
    return reader.get_data(reader.read(path))


def _stored_pixels(dataset: Any, path: str) -> np.ndarray:
    """(H, W), of an image that can be a mammogram."""
    form = pixel_format(dataset, path)
    if form.frames > 1:
        raise ValueError(
            f"Expected one image per file, but {path} has {form.frames} frames: it is tomosynthesis or a cine; read "
            "the 2-D (or synthesized 2-D) mammogram of the study, or split the file first."
        )
    if form.photometric not in MONOCHROME:
        raise ValueError(
            f"Expected a gray mammogram, {' or '.join(MONOCHROME)}, but {path} is {form.photometric}: palettes are "
            "screenshots; read the original image."
        )
    return next(stored_frames(dataset, path))


def _plain(value: Any) -> str:
    """A code string of the standard, or "" for anything else."""
    text = str(value or "").strip().upper()
    return text if text in ("FOR PRESENTATION", "FOR PROCESSING") else ""


CACHED_VOLUMES = 4
"""Volumes kept in memory: an image and its label map, for two workers that share a process."""

_NAME = re.compile(r"(.+\.nii(?:\.gz)?)#slice=(\d{1,6})(?:&label=(\d{1,6}(?:,\d{1,6})*))?", re.IGNORECASE)


class NiftiSlice(NamedTuple):
    """Parts of a slice's name: the file, the slice counted from 0, and the labels of a mask's object."""

    path: Path
    slice_index: int
    labels: tuple[int, ...] = ()


def slice_name(path: str | Path, index: int, labels: Sequence[int] = ()) -> str:
    """Name of a slice, for a data item: ``ED_gt.nii.gz#slice=4&label=2,3``.

    Args:
        path: NIfTI file, (X, Y, Z).
        index: slice, counted from 0.
        labels: values of a label map that are the object; none for an image.
    """
    label = f"&label={','.join(str(int(value)) for value in labels)}" if labels else ""
    return f"{path}#slice={int(index)}{label}"


def parse_slice_name(name: str | Path) -> NiftiSlice | None:
    """Parts of a slice's name; None for any other name."""
    match = _NAME.fullmatch(str(name))
    if match is None:
        return None
    return NiftiSlice(Path(match[1]), int(match[2]), tuple(map(int, match[3].split(","))) if match[3] else ())


class NiftiSliceReader(ImageReader):
    """Read a slice of a NIfTI volume, rows first, by its name (:func:`slice_name`).

    Pixels (H, W) are float32, of an image as they are, of a label map 1 in the object and 0 elsewhere. The metadata
    hold ``affine`` and ``original_affine`` ((4, 4), index (row, column, slice) to RAS mm), ``spatial_shape``,
    ``original_channel_dim`` and ``space``. The last few volumes are kept in memory.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: for another name, a volume that cannot be read, several phases, or a slice that is not there.

    Example:
        ``LoadImaged("image", reader=NiftiSliceReader())``
    """

    def verify_suffix(self, filename: Sequence[MonaiPath] | MonaiPath) -> bool:
        """True when every name is that of a slice."""
        return all(parse_slice_name(str(name)) is not None for name in ensure_tuple(filename))

    def read(self, data: Sequence[MonaiPath] | MonaiPath, **kwargs: Any) -> NiftiSlice:
        """Look at one name; voxels are read by :meth:`get_data`."""
        names = ensure_tuple(data)
        found = parse_slice_name(str(names[0])) if len(names) == 1 else None
        if found is None:
            raise ValueError(
                f"Expected the name of one slice, FILE.nii.gz#slice=NUMBER, but got {[str(n) for n in names]}: make it "
                "with slice_name()."
            )
        return found

    def get_data(self, img: NiftiSlice) -> tuple[np.ndarray, dict[str, Any]]:
        """Pixels (H, W), float32, and metadata."""
        volume = _volume(img.path)
        if volume.num_phases > 1 or img.slice_index >= volume.voxels.shape[2]:
            raise ValueError(
                f"Expected {img.path} to have a slice {img.slice_index} of one phase, but its shape is {volume.shape}: "
                "make the data list again."
            )
        values = volume.frame(img.slice_index, 0)
        if img.labels:
            values = np.isin(values, img.labels)
        affine = volume.frame_affine(img.slice_index).numpy()
        return values.astype(np.float32), frame_metadata(values, affine)


def _volume(path: Path) -> NiftiVolume:
    if not path.is_file():  # the reader of NIfTI says what is there instead
        return read_nifti(path)
    state = path.stat()
    return _cached(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=CACHED_VOLUMES)
def _cached(path: Path, _changed: int, _size: int) -> NiftiVolume:
    return read_nifti(path)
