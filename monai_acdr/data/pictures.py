# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pictures (PNG, JPEG, TIFF, BMP): the only module that opens files with Pillow.

Pillow supports over forty formats and detects them by content: an EPS file named ``.png`` would start Ghostscript. Only
the four formats of :data:`PICTURE_FORMATS` are opened here. The size stated by the header is checked against the budget
before anything is decoded (:mod:`monai_acdr.read_budget`), and a file with several pictures is never reduced to its
first one.

Pixels are those that a viewer shows: the orientation of EXIF and TIFF is applied, so that a mask drawn on a rotated
photograph fits it, and transparent pixels are black. Color becomes 8-bit luminance; 16-bit and float gray values stay
unchanged; color profiles are ignored, because gray values are data here.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import PathLike
from monai.data.image_reader import PILReader
from monai.utils import ensure_tuple
from PIL import Image, ImageOps

from monai_acdr.data.files import check_regular_file
from monai_acdr.read_budget import ReadBudget, check_pixels

__all__ = [
    "PICTURE_FORMATS",
    "PictureReader",
    "decode_picture",
    "has_colors",
    "is_picture_file",
    "picture_format",
    "read_color_picture",
    "read_label_picture",
    "read_picture",
    "read_picture_frames",
    "verify_picture",
]

PICTURE_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
"""Formats of pictures, as Pillow names them."""

BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"BM")
"""First bytes of such files; TIFF has two orders of bytes, and BigTIFF."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp")
"""Names of such files."""

_PREAMBLE = 128
"""Bytes before the mark of a DICOM file, which may begin like a TIFF."""

MAX_PAGES = 10_000
"""Pages of one file beyond this are refused."""

_GRAY_MODES = ("L", "F", "I", "I;16", "I;16L", "I;16B", "I;16N")
_ORIENTATION = 0x0112
_SWAPPED = (5, 6, 7, 8)
"""Orientations (EXIF 2.3, 4.6.4 A) in which rows and columns change places."""
_SUBFILE_TYPE = 254
_REDUCED = 1
"""Bit of TIFF's NewSubfileType: a page that is a smaller version of another one."""


def is_picture_file(path: str | Path) -> bool:
    """True when the content begins like one of :data:`PICTURE_FORMATS`.

    A DICOM file whose preamble makes it a TIFF as well (PS3.10, 7.1) is a DICOM file.
    """
    check_regular_file(Path(path), "an image")
    with open(path, "rb") as stream:
        start = stream.read(_PREAMBLE + 4)
    return start.startswith(BEGINNINGS) and start[_PREAMBLE:] != b"DICM"


def read_picture(path: str | Path) -> np.ndarray:
    """Read a picture as gray values.

    Returns:
        (H, W) uint8, uint16, int32 or float32.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not a picture, is damaged, holds several, or is larger than the budget.
    """
    with _opened(path, str(path)) as image:
        return _gray_values(image, str(path))


def read_label_picture(path: str | Path) -> np.ndarray:
    """Read a picture of labels or of one object: of a palette with colors the index, otherwise gray values.

    A palette of grays only is replaced by its gray values: programs that make PNG files small write gray pictures of
    few values with such a palette, in any order.

    Returns:
        (H, W) as :func:`read_picture`.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_picture`.
    """
    with _opened(path, str(path)) as image:
        if image.mode != "P":
            return _gray_values(image, str(path))
        with _pillow_errors(str(path)):
            image = _upright(image)
            indices = np.asarray(image)
            colors = np.asarray(image.getpalette("RGB")).reshape(-1, 3)[np.unique(indices)]
        if bool((colors == colors[:, :1]).all()):
            return _gray_values(image, str(path))
        return indices


def read_color_picture(path: str | Path) -> np.ndarray:
    """Read a picture with its colors.

    Returns:
        (H, W) as :func:`read_picture`, or (H, W, 3) uint8.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_picture`.
    """
    with _opened(path, str(path)) as image:
        return _colors(image, str(path))


def has_colors(path: str | Path, difference: int = 0) -> bool:
    """Whether any pixel of a picture has channels (0 to 255) that differ by more than ``difference``.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_picture`.
    """
    values = read_color_picture(path)
    return values.ndim == 3 and bool((np.ptp(values, axis=2) > difference).any())


def picture_format(path: str | Path) -> str:
    """One of :data:`PICTURE_FORMATS`, by the content of the file.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_picture`.
    """
    with _opened(path, str(path), single=False) as image:
        return "JPEG" if image.format == "MPO" else str(image.format)


def read_picture_frames(path: str | Path, color: bool = False) -> list[np.ndarray]:
    """Read all pages of a TIFF, (H, W) each as :func:`read_picture`; of another file its only picture.

    Pages that are reduced versions of others are left out. With `color` pictures that have colors are (H, W, 3) uint8.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_picture`; ValueError also for animations and multi-picture JPEG,
            whose frames may be differences or previews.
    """
    name, read = str(path), _colors if color else _gray_values
    with _opened(path, name, single=False) as image:
        if image.format != "TIFF":
            _check_single(image, name)
            return [read(image, name)]
        budget, frames = ReadBudget(name), []
        for _ in _pages(image, name):
            budget.add_pixels((image.height, image.width))
            frames.append(read(image, name))
        return frames


def decode_picture(data: bytes, name: str) -> np.ndarray:
    """Decode a picture in memory, with its colors.

    Args:
        data: content of a file.
        name: for messages.

    Returns:
        (H, W) as :func:`read_picture`, or (H, W, 3) uint8.

    Raises:
        ValueError: as :func:`read_picture`.
    """
    with _opened(data, name) as image:
        return _colors(image, name)


def verify_picture(path: str | Path) -> tuple[int, int]:
    """(H, W) of a picture whose file is complete as far as its format tells without decoding: PNG has checksums.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not a picture, holds several, is larger than the budget, damaged or truncated.
    """
    with _opened(path, str(path)) as image:
        size = _size(image)
        with _pillow_errors(str(path)):
            image.verify()
        return size


class PictureReader(PILReader):
    """MONAI reader of pictures as gray values, rows first: :func:`read_picture` for ``LoadImage``.

    Args:
        color: read pictures as (H, W, 3) uint8; gray ones have three equal channels.

    Example:
        ``LoadImaged(keys="image", reader=PictureReader(), image_only=True)``
    """

    def __init__(self, color: bool = False) -> None:
        super().__init__(reverse_indexing=False)
        self.color = color

    def verify_suffix(self, filename: Sequence[PathLike] | PathLike) -> bool:
        """True when every file begins like a picture; the suffix does not matter."""
        paths = [Path(str(name)) for name in ensure_tuple(filename)]
        return all(path.is_file() and is_picture_file(path) for path in paths)

    def read(self, data: Sequence[PathLike] | PathLike | np.ndarray, **kwargs: Any) -> Any:
        """A Pillow image of gray values or colors, decoded, or a list of them.

        Raises:
            FileNotFoundError, ValueError: as :func:`read_picture`; ValueError also for colors of a gray picture of more
                than 8 bits.
        """
        images = [_decoded(Path(str(name)), self.color) for name in ensure_tuple(data)]
        return images if len(images) > 1 else images[0]


def _decoded(path: Path, color: bool) -> Image.Image:
    """Gray values or colors with the name of the file's format, which MONAI keeps as metadata."""
    with _opened(path, str(path)) as image:
        values = _colors(image, str(path)) if color else _gray_values(image, str(path))
        if color and values.ndim == 2:
            if values.dtype != np.uint8:
                raise ValueError(
                    f"Expected colors of 8 bits, but {path} has gray values of type {values.dtype}: convert it."
                )
            values = np.stack([values] * 3, axis=-1)
        decoded = Image.fromarray(values)
        decoded.format = image.format
        return decoded


@contextmanager
def _opened(source: str | Path | bytes, name: str, single: bool = True) -> Iterator[Image.Image]:
    """An image whose header was read, whose size is within the budget, and which is the only one in its file."""
    if not isinstance(source, bytes):
        check_regular_file(Path(source), "a picture")
    with ExitStack() as stack:
        with _pillow_errors(name):
            # Never by name: Pillow 13 maps uncompressed TIFF into memory then, with the sides of a turned one swapped.
            stream: Any = stack.enter_context(io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb"))
            image = stack.enter_context(Image.open(stream, formats=PICTURE_FORMATS))
        # As float32, what one gray value needs; the bytes of up to four colors, on the way to it, need no more.
        check_pixels(name, (image.height, image.width))
        if single:
            _check_single(image, name)
        yield image


@contextmanager
def _pillow_errors(name: str) -> Iterator[None]:
    """Turn Pillow's errors into a ValueError that names the file, and silence its warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes are held against the budget, and metadata do not matter
            yield
    except Image.DecompressionBombError:
        raise ValueError(
            f"Expected at most {2 * (Image.MAX_IMAGE_PIXELS or 0)} pixels, the limit of Pillow, but {name} has more: "
            "reduce the picture or cut it into parts."
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise ValueError(
            f"Expected a picture ({', '.join(PICTURE_FORMATS)}), but {name} cannot be read ({type(error).__name__}): "
            "it is another format, damaged or truncated; copy it again, or convert it."
        ) from None


def _check_single(image: Image.Image, name: str) -> None:
    if image.format == "MPO" and _has_previews_only(image, name):
        return
    if image.format == "TIFF":
        number = sum(1 for _, _ in zip(_pages(image, name), range(2), strict=False))
        image.seek(0)
    else:
        number = int(getattr(image, "n_frames", 1))
    if number > 1:
        raise ValueError(
            f"Expected one picture in a file, but {name} holds several: save the one that is meant alone"
            + (", or give each page a separate file." if image.format == "TIFF" else ".")
        )


def _has_previews_only(image: Image.Image, name: str) -> bool:
    """Whether all pictures behind the first are smaller: cameras add previews to their JPEG (CIPA DC-007)."""
    with _pillow_errors(name):
        size, smaller = image.size, True
        for number in range(1, min(int(getattr(image, "n_frames", 1)), MAX_PAGES)):
            image.seek(number)
            smaller = smaller and max(image.size) < max(size)
        image.seek(0)
    return smaller


def _pages(image: Image.Image, name: str) -> Iterator[int]:
    """Go to each page of a TIFF that is not a reduced version of another one."""
    for page in range(MAX_PAGES + 1):
        with _pillow_errors(name):
            try:
                image.seek(page)
            except EOFError:
                return
            kind = int(image.tag_v2.get(_SUBFILE_TYPE, 0))  # type: ignore[attr-defined]
        if page == MAX_PAGES:
            raise ValueError(f"Expected at most {MAX_PAGES} pages, but {name} has more: split it.")
        if page == 0 or not kind & _REDUCED:
            yield page


def _orientation(image: Image.Image) -> int:
    """Orientation still to be applied, 1 to 8; 1 is upright, also when it cannot be read."""
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):  # else Pillow would decode it
        return 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged metadata of a picture that may be whole
        return 1


def _size(image: Image.Image) -> tuple[int, int]:
    """(H, W) after :func:`_upright`; Pillow rotates TIFF itself and reports the resulting size."""
    return image.size if _orientation(image) in _SWAPPED else (image.height, image.width)


def _upright(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image) if 1 < _orientation(image) <= 8 else image


def _opaque(image: Image.Image) -> Image.Image:
    """RGB, with black under transparent pixels."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layers = Image.new("RGBA", image.size, (0, 0, 0, 255)), image.convert("RGBA")
    return Image.alpha_composite(*layers).convert("RGB")


def _colors(image: Image.Image, name: str) -> np.ndarray:
    """(H, W) of a gray picture, otherwise (H, W, 3) uint8."""
    if image.mode in ("1", *_GRAY_MODES):
        return _gray_values(image, name)
    with _pillow_errors(name):
        return np.asarray(_opaque(_upright(image)))


def _gray_values(image: Image.Image, name: str) -> np.ndarray:
    """(H, W) in the machine's byte order."""
    with _pillow_errors(name):
        image = _upright(image)
        if image.mode not in _GRAY_MODES:
            image = (_opaque(image) if image.has_transparency_data else image).convert("L")
        values = np.asarray(image)
        return values.astype(values.dtype.newbyteorder("="), copy=False)
