# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Stored pixel values of gray DICOM images, frame by frame, with an error for every ambiguity.

JPEG, JPEG-LS and JPEG 2000 frames state an image size of their own, for which decoders allocate memory, and run lengths
may unpack to any size: a file of a few kilobytes with 256 x 256 pixels by its header can ask for gigabytes. The sizes
of header and frame are compared with each other and with the memory budget before a decoder sees the frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from pydicom import encaps
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from monai_acdr.dicom.elements import code, is_present, quiet_values, text, whole_number
from monai_acdr.read_budget import check_pixels

__all__ = [
    "BIG_ENDIAN",
    "MONOCHROME",
    "PALETTE",
    "PixelFormat",
    "check_codestream",
    "pixel_format",
    "stored_frames",
    "stored_range",
]

_JPEG = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 53, 55, 57, 70, 80, 81))
"""Baseline, extended, spectral selection, full progression, lossless, and JPEG-LS."""
_JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 92, 93, 201, 202, 203))
"""JPEG 2000 and High-Throughput JPEG 2000."""
_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_HIGH_THROUGHPUT = _JPEG_2000[-3:]
_DECODED_BY_EXTRA = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81))
"""What the extra ``jpeg-lossless`` decodes, with pydicom 3 High-Throughput JPEG 2000 as well."""
_RLE = "1.2.840.10008.1.2.5"

_FRAME_HEADERS = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7)
"""JPEG's SOF markers, that of JPEG-LS last."""
_MARKERS_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
"""Markers without a length."""
_START_OF_SCAN, _END = 0xDA, 0xD9
_SIZE_MARKER = b"\xff\x4f\xff\x51"
"""Start of a JPEG 2000 codestream and its image and tile size (SIZ)."""
_JP2_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
_BOX = 8
"""Bytes of the length and type of a box of a JP2 file."""
_RLE_HEADER = 64
_RLE_SLACK = 1024
"""Bytes by which encoders may run over the end of a segment."""

_Size = tuple[int, int, int]


def check_codestream(frame: bytes, syntax: str, size: tuple[int, int], samples: int, bits: int, name: object) -> None:
    """Raise an error unless a compressed frame is as large as the header says.

    Args:
        frame: the bytes of one frame.
        syntax: UID of the transfer syntax; only those named above are checked.
        size: (H, W) of the header.
        samples: per pixel.
        bits: BitsAllocated.
        name: of the file, for messages.

    Raises:
        ValueError: when the frame states or unpacks to another size, or is malformed.
    """
    if syntax == _RLE:
        _check_runs(frame, size[0] * size[1], samples * (bits // 8), name)
        return
    if syntax in _JPEG:
        claimed = _jpeg_size(frame)
    elif syntax in _JPEG_2000:
        claimed = _jpeg_2000_size(frame)
    else:
        return
    if claimed is None:
        raise ValueError(
            f"Expected compressed pixels with an image size of their own, but those of {name} have none: the file is "
            "damaged or truncated, copy it again."
        )
    if claimed != (*size, samples):
        raise ValueError(
            f"Expected compressed pixels of {size[0]} x {size[1]} (H x W) with {samples} sample(s), as the header of "
            f"{name} says, but they are of {claimed[0]} x {claimed[1]} with {claimed[2]}: the file is damaged, export "
            "it again."
        )


def _jpeg_size(data: bytes) -> _Size | None:
    """(H, W, components) of the frame header (ITU-T T.81 B.2.2); None unless there is exactly one before the scan."""
    found: _Size | None = None
    position = 2
    if data[:2] != b"\xff\xd8":
        return None
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in (_START_OF_SCAN, _END):
            return found
        if marker in _MARKERS_WITHOUT_LENGTH:
            position += 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _FRAME_HEADERS:
            body = data[position + 5 : position + 10]
            if found is not None or len(body) < 5:
                return None
            found = int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big"), body[4]
        position += 2 + max(length, 2)
    return None


def _jpeg_2000_size(data: bytes) -> _Size | None:
    """(H, W, components) of the SIZ marker segment (ITU-T T.800 A.5.1) with which the codestream begins.

    Bytes that look like a codestream elsewhere, as in another box of a JP2 file, are not what is decoded.
    """
    start = _start_of_codestream(data)
    body = data[start + 4 + 4 : start + 4 + 38]
    if not data.startswith(_SIZE_MARKER, start) or len(body) < 34:
        return None
    width, height, left, top = (int.from_bytes(body[i : i + 4], "big") for i in range(0, 16, 4))
    return height - top, width - left, int.from_bytes(body[32:34], "big")


def _start_of_codestream(data: bytes) -> int:
    """Where the codestream begins: after the boxes of a JP2 file (T.800 I.4), which some writers leave around it."""
    position = 0
    if not data.startswith(_JP2_SIGNATURE):
        return position
    while position + _BOX <= len(data):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + _BOX]
        content = position + _BOX
        if length == 1:  # the length has 64 bits
            length, content = int.from_bytes(data[content : content + 8], "big"), content + 8
        if kind == b"jp2c":
            return content
        if length < content - position:  # 0 is a box up to the end
            break
        position += length
    return len(data)


def _check_runs(data: bytes, pixels: int, planes: int, name: object) -> None:
    """Count what the segments of an RLE frame unpack to (PS3.5 annex G), without unpacking them."""
    count = int.from_bytes(data[:4], "little")
    starts = [int.from_bytes(data[4 * i : 4 * i + 4], "little") for i in range(1, min(count, 15) + 1)]
    ends = [*starts[1:], len(data)]
    if len(data) < _RLE_HEADER or count != planes or starts != sorted(starts) or not _RLE_HEADER <= starts[0]:
        raise ValueError(
            f"Expected {planes} run-length segment(s) for each frame, but {name} has other ones: the file is damaged "
            "or truncated, copy it again."
        )
    for start, end in zip(starts, ends, strict=True):
        if _unpacked(data[start:end], pixels + _RLE_SLACK) > pixels + _RLE_SLACK:
            raise ValueError(
                f"Expected run-length segments of {pixels} bytes, but those of {name} unpack to more: the file is "
                "damaged, copy it again."
            )


def _unpacked(segment: bytes, limit: int) -> int:
    """Bytes that a segment unpacks to; counting ends above the limit."""
    position = unpacked = 0
    while position < len(segment) and unpacked <= limit:
        control = segment[position]
        if control < 128:
            position += control + 2
            unpacked += control + 1
        elif control > 128:
            position += 2
            unpacked += 257 - control
        else:
            position += 1
    return unpacked


MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"

_WITH_PRESENTATION_SHAPE = ("DX", "MG", "IO")
_CONTRADICTIONS = (("MONOCHROME1", "IDENTITY"), ("MONOCHROME2", "INVERSE"))
"""PhotometricInterpretation says whether the lowest value is white or black (PS3.3 C.7.6.3.1.2), and where
the module of digital X-ray demands PresentationLUTShape it says it again: IDENTITY goes with MONOCHROME2, INVERSE with
MONOCHROME1 (PS3.3 C.8.11.3). One of two that disagree is wrong, and the pixels do not tell which. Of other images, such
as CR, PhotometricInterpretation alone counts."""

_NATIVE = ("", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99")
"""Uncompressed, little endian; a file that does not say is one of them, one that was deflated is inflated by now."""
BIG_ENDIAN = "1.2.840.10008.1.2.2"
_PYDICOM_2 = int(pydicom.__version__.split(".")[0]) < 3


@dataclass(frozen=True)
class PixelFormat:
    """Storage format of an instance's pixels, checked.

    Attributes:
        size: (H, W).
        frames: their number.
        photometric: ``MONOCHROME1``, ``MONOCHROME2`` or ``PALETTE COLOR``.
        allocated: bits of a pixel: 1, 8, 16 or 32.
        stored: bits of it that are used, the lowest ones.
        signed: whether the values are signed.
        syntax: UID of the transfer syntax, "" where the file does not name it.
    """

    size: tuple[int, int]
    frames: int
    photometric: str
    allocated: int
    stored: int
    signed: bool
    syntax: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of stored values, little endian."""
        return np.dtype(f"<{'i' if self.signed else 'u'}{max(self.allocated // 8, 1)}")


def pixel_format(dataset: Any, name: object) -> PixelFormat:
    """Read the storage format of the pixels from the header, and check it.

    Args:
        dataset: ``pydicom.Dataset``.
        name: of the file, for messages.

    Raises:
        ValueError: when there are no pixels, for colors, for odd bit depths, for a PhotometricInterpretation and a
            PresentationLUTShape that contradict each other, and when an image is larger than the memory budget.
    """
    rows, columns = whole_number(dataset, "Rows", name) or 0, whole_number(dataset, "Columns", name) or 0
    if rows < 1 or columns < 1 or "PixelData" not in dataset:
        raise ValueError(
            f"Expected a DICOM image, but {name} has no PixelData, Rows or Columns: it is a report, a presentation "
            "state, an image of floating point numbers or a truncated file; leave it out or copy it again."
        )
    samples = whole_number(dataset, "SamplesPerPixel", name) or 1
    check_pixels(name, (rows, columns, samples))
    photometric = code(dataset, "PhotometricInterpretation")
    if photometric not in (*MONOCHROME, PALETTE) or samples != 1:
        raise ValueError(
            f"Expected a gray image, {' or '.join(MONOCHROME)}, but {name} is {photometric or 'unspecified'} with "
            f"{samples} sample(s) per pixel: it is a color picture or a screenshot; use the original image."
        )
    shape = code(dataset, "PresentationLUTShape")
    if (photometric, shape) in _CONTRADICTIONS and code(dataset, "Modality") in _WITH_PRESENTATION_SHAPE:
        raise ValueError(
            f"Expected MONOCHROME2 with PresentationLUTShape IDENTITY, or MONOCHROME1 with INVERSE, but {name} has "
            f"{photometric} with {shape}, so whether large values are bright cannot be told: export it again."
        )
    allocated, stored = whole_number(dataset, "BitsAllocated", name), whole_number(dataset, "BitsStored", name)
    allocated, stored = allocated or 0, stored or 0
    high = whole_number(dataset, "HighBit", name)
    high = stored - 1 if high is None else high
    if not (allocated in (1, 8, 16, 32) and 1 <= stored <= allocated) or high != stored - 1:
        raise ValueError(
            f"Expected BitsAllocated 8, 16 or 32 that hold BitsStored from bit 0, but {name} has {allocated}, {stored} "
            f"and HighBit {high}: have it rewritten, for example with `gdcmconv --raw IN OUT`."
        )
    return PixelFormat(
        size=(rows, columns),
        frames=max(whole_number(dataset, "NumberOfFrames", name) or 1, 1),
        photometric=photometric,
        allocated=allocated,
        stored=stored,
        signed=bool(whole_number(dataset, "PixelRepresentation", name)),
        syntax=text(getattr(dataset, "file_meta", None), "TransferSyntaxUID"),
    )


def stored_frames(dataset: Any, name: object, frames: Iterable[int] | None = None) -> Iterator[np.ndarray]:
    """Stored values of frames, one at a time.

    Args:
        dataset: ``pydicom.Dataset`` with pixels.
        name: of the file, for messages.
        frames: their numbers, from 1, ascending; None for all.

    Yields:
        (H, W) of the file's integer type; read-only and without a copy where the file allows it.

    Raises:
        ValueError: as :func:`pixel_format`; for missing or excess bytes, and for compressed pixels that are damaged or
            cannot be decoded here.
    """
    form = pixel_format(dataset, name)
    requested = list(range(1, form.frames + 1) if frames is None else frames)
    if form.syntax in _NATIVE:
        yield from _native(dataset, form, requested, name)
    elif form.syntax == BIG_ENDIAN:
        check_pixels(name, (form.frames, *form.size))
        stack = _decode(dataset, form.frames, form, name)
        yield from (stack[number - 1] for number in requested)
    else:
        yield from _compressed(dataset, form, requested, name)


def stored_range(bits: int, signed: bool) -> tuple[int, int]:
    """Lowest and highest value that ``bits`` can hold."""
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def _native(dataset: Any, form: PixelFormat, requested: Sequence[int], name: object) -> Iterator[np.ndarray]:
    height, width = form.size
    count, data = height * width, _pixel_data(dataset, name)
    expected = (form.frames * count * form.allocated + 7) // 8
    if len(data) < expected:
        raise ValueError(
            f"Expected {expected} bytes of pixels for {_shape(form)}, but {name} holds {len(data)}: the file is "
            "truncated; copy it again."
        )
    # Some writers pad to a block; what is not zero there is a part of the image.
    if len(data) >= expected + max(width * form.allocated // 8, 2) and any(data[expected:]):
        raise ValueError(
            f"Expected {expected} bytes of pixels for {_shape(form)}, but {name} holds {len(data)}: Rows and Columns "
            "do not fit the pixels, or NumberOfFrames; export the file again."
        )
    for number in requested:
        if form.allocated == 1:
            first = (number - 1) * count
            part = np.frombuffer(data, np.uint8)[first // 8 : (first + count + 7) // 8]
            bits = np.unpackbits(part, bitorder="little")[first % 8 : first % 8 + count]
            yield bits.reshape(form.size)
        else:
            offset = (number - 1) * count * form.dtype.itemsize
            yield np.frombuffer(data, form.dtype, count=count, offset=offset).reshape(form.size)


def _compressed(dataset: Any, form: PixelFormat, requested: Sequence[int], name: object) -> Iterator[np.ndarray]:
    if not _has_decoder(form):
        known = _DECODED_BY_EXTRA if _PYDICOM_2 else (*_DECODED_BY_EXTRA, *_HIGH_THROUGHPUT)
        extra = "install one with `pip install 'monai_acdr[jpeg-lossless]'`, or " if form.syntax in known else ""
        raise ValueError(
            f"Expected pixels that can be decoded here, but {name} has the transfer syntax {_known(form.syntax)} with "
            f"{form.stored} bits, for which no decoder is installed: {extra}decompress the file, for example with "
            "`gdcmconv --raw IN OUT`."
        )
    chosen, number = set(requested), 0
    for number, frame in enumerate(_encapsulated(dataset, form, name), start=1):
        if number in chosen:
            check_codestream(frame, form.syntax, form.size, 1, form.allocated, name)
            yield _decode(_single(dataset, form, frame), 1, form, name)[0]
        if number >= max(chosen, default=0):
            return
    raise ValueError(
        f"Expected compressed pixels of {form.frames} frame(s), but {name} holds {number}: the file is truncated; copy "
        "it again."
    )


def _encapsulated(dataset: Any, form: PixelFormat, name: object) -> Iterator[bytes]:
    """The compressed frames (PS3.5 A.4)."""
    data = _pixel_data(dataset, name)
    try:
        if _PYDICOM_2:
            yield from encaps.generate_pixel_data_frame(data, form.frames)
        else:
            yield from encaps.generate_frames(data, number_of_frames=form.frames)
    except GeneratorExit:
        raise
    except Exception as error:  # a damaged encapsulation makes pydicom raise nearly anything
        raise ValueError(
            f"Expected compressed pixels in whole fragments, but those of {name} cannot be followed "
            f"({type(error).__name__}): the file is damaged or truncated; copy it again."
        ) from None


def _single(dataset: Any, form: PixelFormat, frame: bytes) -> Dataset:
    """A data set with one compressed frame alone, which pydicom 2 and 3 both decode."""
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = UID(form.syntax)
    if _PYDICOM_2:
        one.is_little_endian, one.is_implicit_VR = True, False
    one.Rows, one.Columns = form.size
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, form.photometric
    one.BitsAllocated, one.BitsStored, one.HighBit = form.allocated, form.stored, form.stored - 1
    one.PixelRepresentation = int(form.signed)
    one.PixelData = encaps.encapsulate([frame])
    one["PixelData"].VR = "OB"
    one["PixelData"].is_undefined_length = True
    if not _PYDICOM_2 and form.syntax in _JPEG_2000 and form.stored <= 16 and "pillow" in _decoders(form.syntax):
        # pydicom 2 asks it first, 3 last; wheels of pylibjpeg-openjpeg have an OpenJPEG with known heap overflows.
        one.pixel_array_options(decoding_plugin="pillow")
    return one


def _decode(dataset: Any, frames: int, form: PixelFormat, name: object) -> np.ndarray:
    """(F, H, W), by a decoder of pydicom."""
    try:
        with quiet_values():
            pixels = np.asarray(dataset.pixel_array)
    except Exception as error:  # each decoder has its own; values are not quoted
        raise ValueError(
            f"Expected pixels that can be decoded, but those of {name}, in the transfer syntax {_known(form.syntax)}, "
            f"are damaged ({type(error).__name__}): copy the file again, or leave it out."
        ) from None
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    if pixels.shape != (frames, *form.size) or pixels.dtype.kind not in "iu":
        raise ValueError(
            f"Expected integers of {frames} x {form.size[0]} x {form.size[1]} (frames x H x W), but the compressed "
            f"pixels of {name} are {pixels.dtype} of {pixels.shape}: Rows and Columns do not fit; export it again."
        )
    return pixels


def _known(syntax: str) -> str:
    return f"{UID(syntax).name} ({syntax})"


def _has_decoder(form: PixelFormat) -> bool:
    """Whether pydicom finds a decoder of these pixels here."""
    found = _decoders_of_pydicom_2(form.syntax) if _PYDICOM_2 else _decoders(form.syntax)
    # Both generations of pydicom say that Pillow decodes JPEG Extended, which it does for 8 bits alone.
    return bool(found - {"pillow"} if form.syntax == _JPEG_EXTENDED and form.stored > 8 else found)


def _decoders(syntax: str) -> set[str]:
    from pydicom.pixels import get_decoder

    try:
        return set(get_decoder(UID(syntax)).available_plugins)
    except NotImplementedError:
        return set()


def _decoders_of_pydicom_2(syntax: str) -> set[str]:
    from pydicom import config

    handlers = [h for h in config.pixel_data_handlers if h.is_available() and h.supports_transfer_syntax(UID(syntax))]
    found = {handler.HANDLER_NAME.lower() for handler in handlers}
    if "pylibjpeg" in found:  # it says that it supports what its plugins do, whether they are installed or not
        from pylibjpeg.utils import get_pixel_data_decoders

        found -= set() if syntax in get_pixel_data_decoders() else {"pylibjpeg"}
    return found


def _pixel_data(dataset: Any, name: object) -> bytes:
    data = dataset.PixelData if is_present(dataset, "PixelData") else b""
    if not isinstance(data, bytes):
        raise ValueError(f"Expected PixelData to be bytes, but {name} has something else: the file is damaged.")
    return data


def _shape(form: PixelFormat) -> str:
    frames = f"{form.frames} frames of " if form.frames > 1 else ""
    return f"{frames}{form.size[0]} x {form.size[1]} (H x W)"
