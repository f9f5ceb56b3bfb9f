# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Images in HDF5."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from monai.transforms import LoadImage
from PIL import Image

from monai_acdr.data import cityscapes
from monai_acdr.data.cityscapes import HDF5ImageReader, open_hdf5


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cityscapes, "optional_import", lambda name: (None, False))
    with pytest.raises(ImportError, match=r"a.h5, but it is not installed: pip install 'monai_acdr\[hdf5\]'"):
        open_hdf5(tmp_path / "a.h5")


def test_names() -> None:
    reader = HDF5ImageReader()
    assert reader.verify_suffix("a.h5::b.png")
    assert not reader.verify_suffix("a.h5")
    assert not reader.verify_suffix("a.png::b")
    with pytest.raises(ValueError, match="Expected one name <file>::<key>"):
        reader.read("a.h5")


def test_what_is_no_file(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    with pytest.raises(FileNotFoundError, match="Expected an HDF5 file, but .* does not exist"):
        HDF5ImageReader().read(f"{tmp_path}/a.h5::x")
    (tmp_path / "a.h5").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"a.h5 cannot be opened .*copy it again"):
        HDF5ImageReader().read(f"{tmp_path}/a.h5::x")


def test_arrays_and_bytes(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["b/array.png"] = pixels
        file["bytes.png"] = np.frombuffer(stream.getvalue(), np.uint8)
        file["string.png"] = np.void(stream.getvalue())
        file["gray.png"] = pixels[..., 0]
        file["volume"] = np.zeros((2, 2, 2, 2))
        file["broken"] = np.zeros(10, np.uint8)
    reader = HDF5ImageReader()
    for key in ("b/array.png", "bytes.png", "string.png"):
        array, meta = reader.get_data(reader.read(f"{path}::{key}"))
        assert np.array_equal(array, pixels)
        assert meta["original_channel_dim"] == -1
    assert LoadImage(reader=reader)(f"{path}::gray.png").shape == (5, 7)
    for key, message in {
        "absent": "but it is missing",
        "volume": r"\(H, W\)",
        "broken": r"broken in .*a\.h5 cannot be read",
    }.items():
        with pytest.raises(ValueError, match=message):
            reader.read(f"{path}::{key}")


def test_data_of_other_files_are_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    (tmp_path / "secret.bin").write_bytes(bytes(20))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.zeros((4, 5), np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["link"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")
        file.create_dataset("raw", (4, 5), np.uint8, external=[(str(tmp_path / "secret.bin"), 0, 20)])
        file.create_dataset("huge", (1 << 20, 1 << 20), np.uint8, chunks=(64, 64))
    for key in ("link", "raw"):
        with pytest.raises(ValueError, match="data lie in another file"):
            HDF5ImageReader().read(f"{tmp_path}/a.h5::{key}")
    with pytest.raises(ValueError, match=r"huge in .*a\.h5 to need at most 512 MiB"):
        HDF5ImageReader().read(f"{tmp_path}/a.h5::huge")
