# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Stored pixels of several frames, against pydicom's decoding of the whole object, and what is refused undecoded."""

from __future__ import annotations

import base64
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
import openjpeg.utils
import pydicom
import pylibjpeg.utils
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRBigEndian, JPEGLSLossless, RLELossless

from monai_acdr.dicom import read_gray_frames, read_gray_image
from monai_acdr.dicom.pixels import pixel_format, stored_frames
from monai_acdr.read_budget import read_budget

FRAMES = 3


@pytest.fixture()
def stack(made: SimpleNamespace) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1 << 16, (FRAMES, *made.SIZE)).astype("<u2")


def cine(made: SimpleNamespace, path: Path, stack: np.ndarray, **changes: Any) -> Path:
    return Path(made.image(path, NumberOfFrames=len(stack), PixelData=stack.tobytes(), **changes))


@pytest.mark.parametrize("wanted", [None, [1], [2, 3], [3]])
@pytest.mark.parametrize("syntax", ["native", "rle"])
def test_frames(
    made: SimpleNamespace, tmp_path: Path, stack: np.ndarray, syntax: str, wanted: list[int] | None
) -> None:
    dataset = pydicom.dcmread(cine(made, tmp_path / "a.dcm", stack))
    if syntax == "rle":
        dataset.compress(RLELossless)
        dataset = pydicom.dcmread(made.write(dataset, tmp_path / "a.dcm"))
    expected = stack if wanted is None else stack[np.array(wanted) - 1]
    assert np.array_equal(np.stack(list(stored_frames(dataset, "x", wanted))), expected)
    assert np.array_equal(np.stack(list(read_gray_frames(tmp_path / "a.dcm", wanted))), expected.astype(np.float32))


def test_one_frame_is_decoded_at_a_time(
    made: SimpleNamespace, tmp_path: Path, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = pydicom.dcmread(cine(made, tmp_path / "a.dcm", stack))
    dataset.compress(RLELossless)
    sizes = []
    whole = Dataset.pixel_array.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Dataset, "pixel_array", property(lambda one: sizes.append(whole(one).size) or whole(one)))
    assert len(list(stored_frames(dataset, "x"))) == FRAMES
    assert sizes == [stack[0].size] * FRAMES


def test_single_bits_run_on_from_frame_to_frame(made: SimpleNamespace, tmp_path: Path) -> None:
    bits = np.random.default_rng(0).integers(0, 2, (FRAMES, *made.SIZE)).astype(np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    path = made.image(
        tmp_path / "a.dcm",
        **{"NumberOfFrames": FRAMES, "BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "PixelData": packed},
    )
    assert np.array_equal(np.stack(list(stored_frames(pydicom.dcmread(path), "x"))), bits)


def test_padding_behind_the_pixels_is_no_row(made: SimpleNamespace, tmp_path: Path, stack: np.ndarray) -> None:
    dataset = pydicom.dcmread(cine(made, tmp_path / "a.dcm", stack))
    dataset.PixelData += bytes(4096)
    assert np.array_equal(np.stack(list(stored_frames(dataset, "x"))), stack)


def test_big_endian(made: SimpleNamespace, tmp_path: Path, stack: np.ndarray) -> None:
    dataset = pydicom.dcmread(cine(made, tmp_path / "a.dcm", stack))
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.PixelData = stack.astype(">u2").tobytes()
    if int(pydicom.__version__.split(".")[0]) < 3:
        dataset.is_little_endian = False
    assert np.array_equal(np.stack(list(stored_frames(dataset, "x", [2]))), stack[1:2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"NumberOfFrames": 4}, "4 frames of 9 x 13 .* truncated"),
        ({"NumberOfFrames": 2}, "2 frames of 9 x 13 .* do not fit the pixels, or NumberOfFrames"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "gray image, .* x is RGB with 3"),
        ({"PhotometricInterpretation": "YBR_FULL"}, "x is YBR_FULL"),
        ({"Modality": "MG", "PresentationLUTShape": "INVERSE"}, "x has MONOCHROME2 with INVERSE"),
        (
            {"Modality": "MG", "PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "IDENTITY"},
            "x has MONOCHROME1 with IDENTITY",
        ),
        ({"BitsAllocated": 64, "BitsStored": 64, "HighBit": 63}, "has 64, 64"),
        ({"PixelData": None, "FloatPixelData": b"\0" * 468}, "floating point numbers"),
    ],
)
def test_refused(
    made: SimpleNamespace, tmp_path: Path, stack: np.ndarray, changes: dict[str, Any], message: str
) -> None:
    path = cine(made, tmp_path / "a.dcm", stack)
    dataset = pydicom.dcmread(path)
    for keyword, value in changes.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    with pytest.raises(ValueError, match=message):
        list(stored_frames(dataset, "x"))


@pytest.mark.parametrize(
    "changes",
    [
        {"Modality": "CR", "PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "IDENTITY"},
        {"Modality": "MR", "PresentationLUTShape": "INVERSE"},
        {"NumberOfFrames": "0"},
    ],
)
def test_odd_headers_of_good_images_are_read(
    made: SimpleNamespace, tmp_path: Path, stack: np.ndarray, changes: dict[str, Any]
) -> None:
    dataset = pydicom.dcmread(cine(made, tmp_path / "a.dcm", stack[:1]))
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    assert next(iter(stored_frames(dataset, "x"))).shape == stack.shape[1:]


def test_several_frames_are_no_image(made: SimpleNamespace, tmp_path: Path, stack: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"one image, but .*a\.dcm has 3 frames"):
        read_gray_image(cine(made, tmp_path / "a.dcm", stack))


def test_inverse_with_monochrome1_is_one_inversion(made: SimpleNamespace, tmp_path: Path) -> None:
    path = made.image(tmp_path / "a.dcm", PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    assert (read_gray_image(path) == 65535).all()


EXTENDED_12 = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAYEBQYFBAYGBQYHBwYIChAKCgkJChQODwwQFxQYGBcUFhYaHSUfGhsjHBYWICwgIyYnKSopGR8tMC"
    "0oMCUoKSj/wQALDAAgADABAREA/8QAGwAAAgIDAQAAAAAAAAAAAAAACgsICQUGDAf/xAAuEAAABAQFAwMDBQAAAAAAAAABAgMEBQYHEQAICQoS"
    "ExQxQVFxFSGBFyJhweH/2gAIAQEAAD8ANA2eGbaWKGy5JicdfIICgREB6hgDxbDPbIXrmUcluk0PaOZjhhTlblCwrF9vnFcWu3rG0pqLTKPtob"
    "H4eqZRA4ABVSj6DhNFvS5pbV7bzuEvnK47gFuPTG973wkW3JmlNUqq1Q5mcQmCvliqrKCAkSMPkRwNPRnQjrOwq4g7UlqJgQHADfom9/jHQgVA"
    "1ez5EjqNix0Yf2P2t1eNrY8Xim+8cU1XGEhUkUukPC3e2/vGXljedL5kFiww1QBc9yPC3d3vf84kNTqqw5/xTKdf6j39vXlfliSMn7TFHNkkSI"
    "mkgHnd/uv2vK9/xjcXGwgbwBv9X/TMpeIc79l/mF6e9EzCTVSyZp2JL7pwkCR1uPTMIeBHCrLUF1Tq1QWr8RbtY1FCkK4MAWVN74sw0BNSGrc5"
    "VSl5CJxaInIddMB5KGH1DDs3Y9x51VlxIoTEYy3VFHl1Pv5th7Dti8glL5+pxKy0YhjBQyiKQjzIUfQMFA1t0paItKOruE4JCgODYR+yRfbHIk"
    "bnbTymDNRHJpWg8KWdg6OqIcExNe98AA5xdqxVCdajvYghJb85TrCa4NjD6/GJzaQO20qLRmfoM+fSk9QKiqQwiZuIeB+MNH9qzIS+UpaUzRpI"
    "WfaClfmHG1rYbHaE2v8ASHQCSYAziUztG5m6RCiBlwDwAfzi+SqW7ApZFqaqw4k7MBMKIlt3Rfb5x//Z"
)
"""The values `smooth(12)` in JPEG Extended, by a new imagecodecs: older ones do not encode 12 bits."""


class Encoded(NamedTuple):
    """A transfer syntax, bits, and the encoder of imagecodecs; decoded values may differ by the tolerance."""

    syntax: str
    bits: int
    encoder: str
    options: dict[str, Any]
    tolerance: int = 0

    def frame(self) -> bytes:
        if self.encoder == "":
            return EXTENDED_12
        return bytes(getattr(imagecodecs, self.encoder)(smooth(self.bits), **self.options))


JPEG = "1.2.840.10008.1.2.4."
OF_THE_PACKAGE = [
    Encoded(f"{JPEG}50", 8, "jpeg8_encode", {"level": 95}, 6),
    Encoded(f"{JPEG}51", 8, "jpeg8_encode", {"level": 95}, 6),
    Encoded(f"{JPEG}80", 8, "jpegls_encode", {}),
    Encoded(f"{JPEG}80", 12, "jpegls_encode", {}),
    Encoded(f"{JPEG}80", 16, "jpegls_encode", {}),
    Encoded(f"{JPEG}81", 12, "jpegls_encode", {"level": 2}, 2),
    Encoded(f"{JPEG}90", 8, "jpeg2k_encode", {"level": 0, "reversible": True, "codecformat": "J2K"}),
    Encoded(f"{JPEG}90", 16, "jpeg2k_encode", {"level": 0, "reversible": True, "codecformat": "J2K"}),
    Encoded(f"{JPEG}91", 12, "jpeg2k_encode", {"level": 90, "codecformat": "J2K"}, 16),
]
OF_THE_EXTRA = [
    Encoded(f"{JPEG}51", 12, "", {}, 13),
    Encoded(f"{JPEG}57", 16, "ljpeg_encode", {"bitspersample": 16}),
    Encoded(f"{JPEG}70", 8, "ljpeg_encode", {"bitspersample": 8}),
    Encoded(f"{JPEG}70", 12, "ljpeg_encode", {"bitspersample": 12}),
]


def smooth(bits: int) -> np.ndarray:
    """Unsigned values (32, 48) that use all bits."""
    row, column = np.mgrid[:32, :48]
    values = (1 + np.sin(column / 9) * np.cos(row / 7)) / 2 * ((1 << bits) - 1)
    return np.asarray(values.round(), dtype=np.uint8 if bits == 8 else np.uint16)


def encoded(made: SimpleNamespace, path: Path, syntax: str, bits: int, frame: bytes, signed: bool = False) -> Dataset:
    form = {"Rows": 32, "Columns": 48, "BitsAllocated": 8 if bits == 8 else 16, "BitsStored": bits, "HighBit": bits - 1}
    dataset = pydicom.dcmread(made.image(path, **form, PixelRepresentation=int(signed)))
    dataset.file_meta.TransferSyntaxUID, dataset.PixelData = UID(syntax), encapsulate([frame])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    return dataset


@pytest.fixture
def without_libjpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pylibjpeg-libjpeg, as pydicom sees it: 3 has no such decoder, 2 one that lacks a plugin."""
    if int(pydicom.__version__.split(".")[0]) < 3:
        found = pylibjpeg.utils.get_pixel_data_decoders()
        left = {syntax: found[syntax] for syntax in found if syntax.startswith(f"{JPEG}9")}
        monkeypatch.setattr(pylibjpeg.utils, "get_pixel_data_decoders", lambda: left)
        return
    from pydicom.pixels import get_decoder

    for syntax in {case.syntax for case in OF_THE_PACKAGE + OF_THE_EXTRA}:
        monkeypatch.delitem(get_decoder(UID(syntax))._available, "pylibjpeg", raising=False)


@pytest.mark.parametrize("case", [*OF_THE_PACKAGE, *OF_THE_EXTRA])
def test_values_of_each_transfer_syntax(made: SimpleNamespace, tmp_path: Path, case: Encoded) -> None:
    (decoded,) = stored_frames(encoded(made, tmp_path / "a.dcm", case.syntax, case.bits, case.frame()), "x")
    assert decoded.dtype == smooth(case.bits).dtype
    assert abs(decoded.astype(int) - smooth(case.bits)).max() <= case.tolerance


@pytest.mark.parametrize("case", [case for case in OF_THE_PACKAGE if case.syntax.startswith(f"{JPEG}9")])
def test_pillow_decodes_jpeg_2000(
    made: SimpleNamespace, tmp_path: Path, case: Encoded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its OpenJPEG is maintained; that of pylibjpeg-openjpeg is for what Pillow cannot do."""
    asked: list[object] = []
    monkeypatch.setattr(
        openjpeg.utils, "_openjpeg", SimpleNamespace(decode=lambda *_, **options: asked.append(options))
    )
    test_values_of_each_transfer_syntax(made, tmp_path, case)
    assert not asked


@pytest.mark.usefixtures("without_libjpeg")
@pytest.mark.parametrize("case", OF_THE_PACKAGE)
def test_values_without_the_extra(made: SimpleNamespace, tmp_path: Path, case: Encoded) -> None:
    test_values_of_each_transfer_syntax(made, tmp_path, case)


@pytest.mark.usefixtures("without_libjpeg")
@pytest.mark.parametrize("case", OF_THE_EXTRA)
def test_what_needs_the_extra_says_so(made: SimpleNamespace, tmp_path: Path, case: Encoded) -> None:
    dataset = encoded(made, tmp_path / "a.dcm", case.syntax, case.bits, case.frame())
    message = rf"with {case.bits} bits, for which no decoder is installed: .*pip install 'monai_acdr\[jpeg-lossless\]'"
    with pytest.raises(ValueError, match=message):
        list(stored_frames(dataset, "x"))


@pytest.mark.skipif(pydicom.__version__.startswith("2"), reason="pydicom 2 has no High-Throughput JPEG 2000")
def test_high_throughput_jpeg_2000_needs_the_extra(
    made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pydicom.pixels import get_decoder

    dataset = encoded(made, tmp_path / "a.dcm", f"{JPEG}201", 8, bytes(4))
    assert get_decoder(UID(f"{JPEG}201")).available_plugins == ("pylibjpeg",)
    monkeypatch.delitem(get_decoder(UID(f"{JPEG}201"))._available, "pylibjpeg")
    with pytest.raises(ValueError, match=r"no decoder is installed: .*pip install 'monai_acdr\[jpeg-lossless\]'"):
        list(stored_frames(dataset, "x"))


@pytest.mark.parametrize("encoder", ["jpegls_encode", "ljpeg_encode"])
def test_signs_of_twelve_bits(made: SimpleNamespace, tmp_path: Path, encoder: str) -> None:
    """The encoder gets the lowest 12 bits; those above are the sign's, and pydicom 2 does not extend it."""
    values = smooth(12).astype(np.int16) - 2048
    frame = getattr(imagecodecs, encoder)((values & 4095).astype(np.uint16))
    syntax = f"{JPEG}80" if encoder == "jpegls_encode" else f"{JPEG}70"
    path = made.write(encoded(made, tmp_path / "a.dcm", syntax, 12, frame, signed=True), tmp_path / "b.dcm")
    assert np.array_equal(read_gray_image(path), values)


def jpeg_ls(made: SimpleNamespace, path: Path, claim: tuple[int, int]) -> Path:
    """A JPEG-LS file of 9 x 13 pixels whose frame claims another size."""
    frame = bytearray(imagecodecs.jpegls_encode(np.zeros(made.SIZE, np.uint8)))
    start = frame.index(b"\xff\xf7") + 5
    frame[start : start + 4] = claim[0].to_bytes(2, "big") + claim[1].to_bytes(2, "big")
    dataset = pydicom.dcmread(made.image(path, BitsAllocated=8, BitsStored=8, HighBit=7))
    dataset.file_meta.TransferSyntaxUID, dataset.PixelData = JPEGLSLossless, encapsulate([bytes(frame)])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    return Path(made.write(dataset, path))


def test_a_frame_that_claims_more_is_not_decoded(
    made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not read_gray_image(jpeg_ls(made, tmp_path / "a.dcm", made.SIZE)).any()
    path = jpeg_ls(made, tmp_path / "b.dcm", (31000, 31000))
    monkeypatch.setattr(Dataset, "pixel_array", property(lambda _: pytest.fail("decoded")))
    with pytest.raises(ValueError, match=r"of 9 x 13 .*b\.dcm.* of 31000 x 31000"):
        read_gray_image(path)


def test_the_header_is_held_to_the_budget(made: SimpleNamespace, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(made.image(tmp_path / "a.dcm"))
    dataset.Rows = dataset.Columns = 31000
    with pytest.raises(ValueError, match="x to need at most 512 MiB of memory, but it asks for 3,666 MiB"):
        pixel_format(dataset, "x")
    with read_budget(4000):
        assert pixel_format(dataset, "x").size == (31000, 31000)
