# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_acdr.data.nifti import is_nifti, read_nifti, read_nifti_voxels, write_masks
from monai_acdr.geometry import pixel_to_world
from monai_acdr.read_budget import read_budget

AFFINE = np.array([[0.0, -2.0, 0.3, 10], [1.5, 0, 0, -20], [0, 0, 8, 5], [0, 0, 0, 1]])


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.save(nib.Nifti1Image(array.astype(np.float32), affine), path)
    return path


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (5, 4, 3, 2)])
def test_frames_lie_where_the_voxels_lie(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).random(shape)
    volume = read_nifti(save(tmp_path / "v.nii.gz", array))
    full = array.reshape(*shape, *([1] * (4 - len(shape)))).astype(np.float32)
    assert volume.shape == shape
    assert len(volume.places) == full.shape[2] * full.shape[3]
    for z, t in volume.places:
        frame = volume.frame(z, t)
        assert frame.shape == (4, 5)
        assert frame[3, 1] == full[1, 3, z, t]
        # the center of pixel (column 1, row 3) is voxel (1, 3, z); LPS to RAS turns x and y
        world = pixel_to_world(torch.tensor([[1.5, 3.5]], dtype=torch.float64), volume.frame_affine(z))[0]
        expected = AFFINE @ [1, 3, z, 1]
        np.testing.assert_allclose(world * torch.tensor([-1, -1, 1]), expected[:3], atol=1e-9)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3, 2)])
def test_masks_have_the_grid_of_the_image(tmp_path: Path, shape: tuple[int, ...]) -> None:
    volume = read_nifti(save(tmp_path / "v.nii", np.zeros(shape)))
    mask = np.zeros((4, 5), dtype=np.uint8)
    mask[3, 1] = 1
    written = nib.load(write_masks(tmp_path / "m.nii.gz", volume, {volume.places[-1]: mask}))
    assert written.shape == shape
    np.testing.assert_allclose(written.affine, AFFINE)
    assert np.argwhere(np.asarray(written.dataobj)).tolist() == [[1, 3, *(n - 1 for n in shape[2:])]]


def write(path: Path, header: Any, voxels: np.ndarray) -> Path:
    """A file from its parts, unchecked."""
    content = header.binaryblock + bytes(int(header["vox_offset"]) - len(header.binaryblock)) + voxels.tobytes("F")
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


def make_header(shape: tuple[int, ...] = (5, 4, 3), dtype: Any = np.int16, kind: Any = nib.Nifti1Header) -> Any:
    header = kind()
    header.set_data_shape(shape)
    header.set_data_dtype(dtype)
    header["magic"] = b"n+1" if kind is nib.Nifti1Header else b"n+2\0\r\n\x1a\n"
    header["vox_offset"] = 352 if kind is nib.Nifti1Header else 544
    header["pixdim"][1:4] = 1.3, 1.3, 10
    return header


@pytest.mark.parametrize("kind", [nib.Nifti1Header, nib.Nifti2Header])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("scaling", [(1.0, 0.0), (0.5, -3.0), (0.0, 7.0), (float("nan"), 0.0)])
def test_voxels_are_those_of_nibabel(tmp_path: Path, kind: Any, dtype: Any, scaling: tuple[float, float]) -> None:
    voxels = np.random.default_rng(0).integers(0, 200, (5, 4, 3)).astype(dtype)
    header = make_header(dtype=dtype, kind=kind)
    header["scl_slope"], header["scl_inter"] = scaling
    path = write(tmp_path / "a.nii.gz", header, voxels)
    np.testing.assert_array_equal(read_nifti(path).voxels[..., 0], nib.load(path).get_fdata(dtype=np.float32))
    np.testing.assert_array_equal(read_nifti_voxels(path), read_nifti(path).voxels[..., 0])


@pytest.mark.parametrize(("code", "factor"), [(0, 1), (1, 1000), (2, 1), (3, 0.001)])
def test_units_become_mm(tmp_path: Path, code: int, factor: float) -> None:
    header = make_header()
    header["pixdim"][1:4] = np.array([1.5, 2.5, 8]) / factor
    header["xyzt_units"] = code | 16  # milliseconds
    volume = read_nifti(write(tmp_path / "a.nii", header, np.zeros((5, 4, 3), np.int16)))
    np.testing.assert_allclose(np.abs(np.diag(volume.affine)), [1.5, 2.5, 8, 1], rtol=1e-6)
    assert volume.findings == ()
    masks = nib.load(write_masks(tmp_path / "m.nii.gz", volume, {}))
    np.testing.assert_allclose(masks.affine, nib.load(tmp_path / "a.nii").affine)
    assert int(masks.header["xyzt_units"]) == code | 16


def test_a_unit_that_is_none_is_told(tmp_path: Path) -> None:
    header = make_header()
    header["xyzt_units"] = 5
    (finding,) = read_nifti(write(tmp_path / "a.nii", header, np.zeros((5, 4, 3), np.int16))).findings
    assert finding.kind == "unknown_unit"


@pytest.mark.parametrize("with_qform", [True, False])
def test_an_sform_of_1_mm_does_not_hide_what_was_imaged(tmp_path: Path, with_qform: bool) -> None:
    """As many people have ACDC: the sform is the identity."""
    header = make_header()
    if with_qform:
        header.set_qform(np.diag([-1.3, -1.3, 10, 1]), 1)
    header.set_sform(np.diag([-1.0, -1, 1, 1]), 1)
    path = write(tmp_path / "a.nii.gz", header, np.zeros((5, 4, 3), np.int16))
    volume = read_nifti(path)
    np.testing.assert_allclose(volume.affine, np.diag([-1.3, -1.3, 10, 1]), rtol=1e-6)
    (finding,) = volume.findings
    assert finding.kind == "scale_disagreement"
    took = "the qform" if with_qform else "pixdim"
    assert finding.text == f"the sform has voxels of 1 x 1 x 1, pixdim of 1.3 x 1.3 x 10: took {took}, as imaged"
    np.testing.assert_allclose(volume.file_affine, np.diag([-1, -1, 1, 1]))
    written = nib.load(write_masks(tmp_path / "m.nii.gz", volume, {}))
    np.testing.assert_allclose(written.affine, nib.load(path).affine)
    np.testing.assert_allclose(written.header.get_qform(), nib.load(path).header.get_qform())


def test_a_placeholder_in_pixdim_does_not_hide_the_sform(tmp_path: Path) -> None:
    header = make_header()
    header["pixdim"][1:4] = 1
    header.set_sform(AFFINE, 1)
    volume = read_nifti(write(tmp_path / "a.nii", header, np.zeros((5, 4, 3), np.int16)))
    np.testing.assert_allclose(volume.affine, AFFINE, rtol=1e-6)
    assert [finding.kind for finding in volume.findings] == ["scale_disagreement"]


def test_a_left_handed_affine_is_as_good(tmp_path: Path) -> None:
    volume = read_nifti(save(tmp_path / "a.nii", np.zeros((5, 4, 3)), np.diag([-1.5, 1.5, 8, 1])))
    np.testing.assert_allclose(volume.affine, np.diag([-1.5, 1.5, 8, 1]))
    assert volume.findings == ()


@pytest.mark.parametrize(
    ("affine", "message"),
    [
        (np.diag([1300.0, 1300, 8, 1]), "pixel spacing of 0.001 to 100 mm .*1300 x 1300 mm.*xyzt_units"),
        (np.diag([1.3, 1.3, 1e4, 1]), "slices 0.01 to 100 mm apart"),
        (np.array([[1.0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 8, 0], [0, 0, 0, 1]]), "is sheared"),
        (np.array([[1.0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1e-9, 0], [0, 0, 0, 1]]), "is singular"),
        (np.array([[1.0, 0, 0, 0], [0, 1, 0, 3e9], [0, 0, 1, 0], [0, 0, 0, 1]]), "within 100000 mm of the scanner"),
        (np.diag([1.3, 0.1, 8, 1]), "factor of at most 10"),
    ],
)
def test_a_scale_that_cannot_be_is_refused(tmp_path: Path, affine: np.ndarray, message: str) -> None:
    path = save(tmp_path / "a.nii", np.zeros((5, 4, 3)), affine)
    with pytest.raises(ValueError, match=message):
        read_nifti(path)
    assert read_nifti_voxels(path).shape == (5, 4, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vox_offset": float("inf")}, "voxels begin at byte inf"),
        ({"vox_offset": -1}, "cannot be used"),
        ({"vox_offset": 1e6}, "0 bytes of voxels, expected 120: it is truncated"),
        ({"datatype": 32, "bitpix": 64}, "its voxels are complex numbers"),
        ({"datatype": 128, "bitpix": 24}, "its voxels are colors"),
        ({"datatype": 77}, "cannot be used"),
        ({"magic": b"ni1"}, "not in the same file"),
        ({"scl_slope": 1, "scl_inter": float("inf")}, "invalid intercept"),
        ({"dim": [3, 5, -4, 3, 1, 1, 1, 1]}, r"its shape is \(5, -4, 3\)"),
        ({"dim": [5, 5, 2, 2, 1, 3, 1, 1]}, r"its shape is \(5, 2, 2, 1, 3\), expected 2 to 4"),
        ({"dim": [1, 5, 2, 2, 1, 3, 1, 1]}, "expected 2 to 4"),
        ({"qform_code": 1, "quatern_b": 1, "quatern_c": 1}, "cannot be used"),
        ({"sform_code": 1, "srow_x": [float("nan")] * 4}, "is singular"),
        ({"dim": [4, 32767, 32767, 32767, 32767, 1, 1, 1]}, r"to need at most 512 MiB.*--read-budget"),
    ],
)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_damaged_headers(tmp_path: Path, name: str, change: dict[str, Any], message: str) -> None:
    path = write(tmp_path / name, make_header(), np.zeros((5, 4, 3), np.int16))
    content = path.read_bytes() if name == "a.nii" else gzip.decompress(path.read_bytes())
    header = nib.Nifti1Header(content[:348])
    for field, value in change.items():
        header[field] = value
    content = header.binaryblock + content[348:]
    path.write_bytes(content if name == "a.nii" else gzip.compress(content))
    with pytest.raises(ValueError, match=rf"a\.nii.*{message}"):
        read_nifti(path)


def test_further_axes_of_one_voxel_are_dropped(tmp_path: Path) -> None:
    assert read_nifti(save(tmp_path / "a.nii", np.zeros((5, 4, 3, 2, 1, 1)))).shape == (5, 4, 3, 2)


def test_voxels_that_are_no_numbers(tmp_path: Path) -> None:
    for value in (np.nan, np.inf, 1e300):
        array = np.full((5, 4, 3), value, dtype=np.float64)
        path = write(tmp_path / "a.nii", make_header(dtype=np.float64), array)
        with pytest.raises(ValueError, match=r"finite voxels, but .*a\.nii has NaN or infinity: replace them"):
            read_nifti(path)


def test_mutated_files_raise_one_kind_of_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    plain = write(tmp_path / "a.nii", make_header(), rng.integers(0, 99, (5, 4, 3)).astype(np.int16)).read_bytes()
    refused = 0
    for number in range(600):
        name = "b.nii.gz" if number % 2 else "b.nii"
        content = bytearray(gzip.compress(plain) if number % 4 == 1 else plain)
        for place in rng.integers(0, len(content), 4):
            content[place] = int(rng.integers(0, 256))
        content = content[: int(rng.integers(1, len(content)))] if number % 3 == 0 else content
        (tmp_path / name).write_bytes(gzip.compress(content) if number % 4 == 3 else content)
        try:
            read_nifti(tmp_path / name)
        except ValueError as error:
            refused += 1
            assert name in str(error)
    assert refused > 200


def test_no_more_is_unpacked_than_the_header_claims(tmp_path: Path) -> None:
    """A file of 300 kB that unpacks to 300 MB."""
    header = make_header()
    with gzip.open(tmp_path / "a.nii.gz", "wb", compresslevel=1) as stream:
        stream.write(header.binaryblock + bytes(4) + bytes(120))
        for _ in range(300):
            stream.write(bytes(1 << 20))
    tracemalloc.start()
    assert read_nifti(tmp_path / "a.nii.gz").shape == (5, 4, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6
    header["vox_offset"] = 200 << 20
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(header.binaryblock))
    with read_budget(100), pytest.raises(ValueError, match=r"b\.nii\.gz to need at most 100 MiB .* asks for 200 MiB"):
        read_nifti(tmp_path / "b.nii.gz")


def test_refused(tmp_path: Path) -> None:
    assert is_nifti(Path("a.NII.GZ"))
    assert not is_nifti(Path("a.gz"))
    (tmp_path / "text.nii").write_text("no volume")
    with pytest.raises(ValueError, match=r"Expected a NIfTI volume, but .*text\.nii cannot be used: it does not begin"):
        read_nifti(tmp_path / "text.nii")
    flat = nib.Nifti1Image(np.zeros((3, 3), dtype=np.float32), None)
    flat.header.set_sform(np.diag([1.0, 1, 0, 1]), 1)
    nib.save(flat, tmp_path / "flat.nii")
    with pytest.raises(ValueError, match="singular"):
        read_nifti(tmp_path / "flat.nii")
    with pytest.raises(ValueError, match="2 to 4 dimensions"):
        read_nifti(save(tmp_path / "five.nii", np.zeros((2, 2, 2, 2, 2))))
    with pytest.raises(FileNotFoundError, match="Expected a NIfTI volume, but .* does not exist"):
        read_nifti(tmp_path / "absent.nii")
