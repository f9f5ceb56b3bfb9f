# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pictures: formats, pages, orientation, transparency, palettes, depths, budget and damage."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from monai.transforms import Compose, EnsureChannelFirstd, LoadImage, LoadImaged
from PIL import Image, ImageFile

from monai_acdr.data.pictures import (
    PictureReader,
    decode_picture,
    is_picture_file,
    read_label_picture,
    read_picture,
    read_picture_frames,
    verify_picture,
)
from monai_acdr.read_budget import read_budget

PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_gray_pictures_come_as_they_are(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(PIXELS).save(path)
    np.testing.assert_array_equal(read_picture(path), PIXELS)
    assert verify_picture(path) == (3, 4)
    assert [len(frame) for frame in read_picture_frames(path)] == [3]


@pytest.mark.parametrize(("dtype", "suffix"), [(np.uint16, "png"), (np.uint16, "tif"), (np.float32, "tif")])
def test_deep_gray_is_not_cut_to_a_byte(tmp_path: Path, dtype: type, suffix: str) -> None:
    pixels = np.array([[0, 300, 65535], [1, 2, 3]]).astype(dtype)
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}")
    found = read_picture(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(found, pixels)
    assert found.dtype.isnative


def test_big_endian_tiff(tmp_path: Path) -> None:
    pixels = np.array([[0, 300], [258, 65535]], dtype=np.uint16)
    Image.frombytes("I;16B", (2, 2), pixels.astype(">u2").tobytes()).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif"), pixels)


def test_transparent_pixels_are_black_whatever_color_they_hide(tmp_path: Path) -> None:
    values = np.full((2, 2, 4), 255, dtype=np.uint8)
    values[0, 0, 3] = 0
    Image.fromarray(values).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").tolist() == [[0, 255], [255, 255]]
    Image.fromarray(values[..., [0, 3]]).save(tmp_path / "la.png")
    assert read_picture(tmp_path / "la.png").tolist() == [[0, 255], [255, 255]]
    data = (tmp_path / "a.png").read_bytes()
    assert decode_picture(data, "a").tolist() == [[[0] * 3, [255] * 3], [[255] * 3] * 2]


def test_a_palette_is_a_color_to_images_and_an_index_to_labels(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[0, 1], [2, 1]], dtype=np.uint8), mode=None).convert("L")
    picture = Image.frombytes("P", (2, 2), picture.tobytes())
    picture.putpalette([0, 0, 0, 255, 255, 255, 100, 100, 100])
    picture.save(tmp_path / "grays.png")
    for read in (read_picture, read_label_picture):
        assert read(tmp_path / "grays.png").tolist() == [[0, 255], [100, 255]]
    picture.putpalette([0, 0, 0, 255, 255, 255, 255, 0, 0])
    picture.save(tmp_path / "colors.png")
    assert read_picture(tmp_path / "colors.png").tolist() == [[0, 255], [76, 255]]
    assert read_label_picture(tmp_path / "colors.png").tolist() == [[0, 1], [2, 1]]


@pytest.mark.parametrize("mode", ["1", "RGB", "CMYK", "YCbCr"])
def test_other_modes_become_luminance(tmp_path: Path, mode: str) -> None:
    gray = Image.fromarray(np.array([[0, 255], [255, 0]], dtype=np.uint8))
    suffix = "tif" if mode in ("CMYK", "YCbCr") else "png"
    gray.convert("RGB").convert(mode).save(tmp_path / f"a.{suffix}")
    try:
        Image.open(tmp_path / f"a.{suffix}").load()
    except OSError:
        pytest.skip(f"Pillow {version('pillow')} does not read the {mode} pictures that it writes")
    np.testing.assert_allclose(read_picture(tmp_path / f"a.{suffix}"), np.asarray(gray), atol=1)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_the_orientation_that_viewers_apply_is_applied(
    tmp_path: Path, suffix: str, orientation: int, turn: int
) -> None:
    pixels = np.zeros((16, 32), dtype=np.uint8)
    pixels[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path, exif=exif, **({"quality": 95} if suffix == "jpg" else {}))
    expected = np.rot90(pixels, turn)
    found = read_picture(path)
    assert verify_picture(path) == found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=12)


def test_pages_are_frames_and_never_the_first_one_alone(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((4 + i, 5), i, dtype=np.uint8)) for i in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert [(frame.shape, int(frame[0, 0])) for frame in read_picture_frames(tmp_path / "a.tif")] == [
        ((4, 5), 0),
        ((5, 5), 1),
        ((6, 5), 2),
    ]
    for read in (read_picture, read_label_picture, verify_picture, PictureReader().read):
        with pytest.raises(ValueError, match=r"one picture in a file, but .*a\.tif holds several: .* a separate file"):
            read(tmp_path / "a.tif")


def test_a_reduced_version_is_no_page(tmp_path: Path) -> None:
    page, small = (Image.fromarray(np.full((n, n), n, dtype=np.uint8)) for n in (8, 4))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    page.save(tmp_path / "a.tif", save_all=True, append_images=[small])
    assert len(read_picture_frames(tmp_path / "a.tif")) == 1
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif"), np.full((8, 8), 8))


@pytest.mark.parametrize("suffix", ["png", "mpo"])
def test_animations_and_multi_picture_jpeg_are_refused(tmp_path: Path, suffix: str) -> None:
    frames = [Image.fromarray(np.full((16, 16), value, dtype=np.uint8)) for value in (0, 200)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    (tmp_path / f"a.{suffix}").rename(tmp_path / "b.jpg")
    for read in (read_picture, read_picture_frames, verify_picture):
        with pytest.raises(ValueError, match=r"one picture in a file, but .*b\.jpg holds several: save the one"):
            read(tmp_path / "b.jpg")


@pytest.mark.parametrize("suffix", ["gif", "webp", "ppm", "tga", "ico"])
def test_other_formats_are_refused(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(PIXELS).convert("RGB").save(tmp_path / f"a.{suffix}")
    (tmp_path / f"a.{suffix}").rename(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"Expected a picture \(PNG, JPEG, TIFF, BMP\), but .*a\.png cannot be read"):
        read_picture(tmp_path / "a.png")


def test_no_program_is_started_for_postscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import EpsImagePlugin

    def start(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", start)
    (tmp_path / "a.png").write_bytes(EPS)
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "EPS", "Pillow alone would take it"
    for read in (read_picture, read_picture_frames, verify_picture, PictureReader().read):
        with pytest.raises(ValueError, match="it is another format, damaged or truncated"):
            read(tmp_path / "a.png")
    with pytest.raises(ValueError, match="but key in file cannot be read"):
        decode_picture(EPS, "key in file")


def _png(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def test_what_the_header_claims_is_checked_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(_png(1000, 1000))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _image: pytest.fail("was decoded"))
    with read_budget(1):
        for read in (read_picture, verify_picture, read_picture_frames):
            with pytest.raises(ValueError, match=r"a\.png to need at most 1 MiB of memory.*--read-budget"):
                read(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(_png(60000, 60000))
    with pytest.raises(ValueError, match="the limit of Pillow, but"), warnings.catch_warnings():
        warnings.simplefilter("error")
        read_picture(tmp_path / "a.png")


def test_pages_add_up(tmp_path: Path) -> None:
    page = Image.fromarray(np.zeros((300, 300), dtype=np.uint8))
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page] * 3)
    with read_budget(1), pytest.raises(ValueError, match=r"a\.tif to need at most 1 MiB"):
        read_picture_frames(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp"])
def test_damage_is_an_error_that_names_the_file(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=rf"but .*a\.{suffix} cannot be read \(\w+\): .*truncated"):
        read_picture(path)
    for _ in range(100):
        broken = bytearray(whole)
        for place in rng.integers(0, min(len(whole), 300), 3):
            broken[place] = int(rng.integers(0, 256))
        path.write_bytes(bytes(broken))
        for read in (read_picture_frames, verify_picture):
            try:
                read(path)
            except ValueError as error:
                assert str(path) in str(error)


def test_what_is_no_file_is_refused_without_opening_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Expected a picture, but .*absent\.png does not exist"):
        read_picture(tmp_path / "absent.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "absent.png")
    with pytest.raises(FileNotFoundError, match="is a link to a file that does not exist"):
        read_picture(tmp_path / "link.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match="is not a regular file but a named pipe"):
        read_picture(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match="is not a regular file but a folder"):
        verify_picture(tmp_path)


def test_the_reader_of_monai(tmp_path: Path) -> None:
    Image.fromarray(np.stack([PIXELS] * 3, -1)).save(tmp_path / "a.png")
    assert is_picture_file(tmp_path / "a.png")
    image = LoadImage(reader=PictureReader(), image_only=True)(tmp_path / "a.png")
    np.testing.assert_array_equal(image.numpy(), PIXELS)
    assert image.meta["format"] == "PNG"
    assert len(PictureReader().read([tmp_path / "a.png", tmp_path / "a.png"])) == 2


def test_the_reader_of_monai_recognizes_content(tmp_path: Path) -> None:
    """Whatever the suffix is, and nothing that only has the name of a picture."""
    for name, kind in (("a.jpg", "PNG"), ("b.PNG", "PNG"), ("c", "BMP"), ("d.dcm", "TIFF"), ("e.jfif", "JPEG")):
        Image.fromarray(PIXELS).save(tmp_path / name, format=kind)
        assert PictureReader().verify_suffix([tmp_path / name])
    for name, content in (
        ("f.png", b"GIF89a"),
        ("g.png", EPS),
        ("h.tif", b"II*\0" + bytes(124) + b"DICM"),
        ("i.png", b""),
    ):
        (tmp_path / name).write_bytes(content)
        assert not PictureReader().verify_suffix([tmp_path / "a.jpg", tmp_path / name])
    assert not PictureReader().verify_suffix(tmp_path / "absent.png")


def test_the_preview_of_a_camera_is_no_second_picture(tmp_path: Path) -> None:
    picture = Image.fromarray(np.arange(48 * 64, dtype=np.uint8).reshape(48, 64))
    path = tmp_path / "a.jpg"
    picture.save(path, format="MPO", save_all=True, append_images=[picture.resize((16, 12))])
    assert read_picture(path).shape == (48, 64)
    picture.save(path, format="MPO", save_all=True, append_images=[picture])  # a stereo pair
    with pytest.raises(ValueError, match="holds several"):
        read_picture(path)


def test_colors_of_the_reader(tmp_path: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 256, (7, 9, 3)).astype(np.uint8)
    Image.fromarray(colors).save(tmp_path / "c.png")
    Image.fromarray(colors[..., 0]).save(tmp_path / "g.png")
    read = Compose([LoadImaged("image", reader=PictureReader(color=True)), EnsureChannelFirstd("image")])
    np.testing.assert_array_equal(read({"image": tmp_path / "c.png"})["image"], np.moveaxis(colors, -1, 0))
    np.testing.assert_array_equal(read({"image": tmp_path / "g.png"})["image"], np.stack([colors[..., 0]] * 3))
    assert [page.shape for page in read_picture_frames(tmp_path / "c.png", color=True)] == [(7, 9, 3)]
    Image.fromarray(colors[..., 0].astype(np.uint16) * 256).save(tmp_path / "deep.png")
    with pytest.raises(ValueError, match="Expected colors of 8 bits, but .*deep.png has gray values of type uint16"):
        PictureReader(color=True).read(tmp_path / "deep.png")
