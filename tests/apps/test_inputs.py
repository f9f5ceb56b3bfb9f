# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image

from monai_acdr.apps.inputs import read_inputs
from monai_acdr.apps.measurements import find_grid
from monai_acdr.read_budget import read_budget

Edit = Callable[..., Path]


def test_dicom(study: Path) -> None:
    inputs = read_inputs(study)
    assert inputs.kind == "dicom"
    assert len(inputs.frames) == len(inputs.sources) == 12
    frame = inputs.frames[0]
    assert frame.size == (100, 112)
    assert frame.spacing == pytest.approx((1.3, 1.3))
    assert frame.header is not None
    assert frame.header.position is not None
    assert len({frame.name for frame in inputs.frames}) == 12


def test_spacing_where_the_file_tells_none(own_study: Path, edit: Edit) -> None:
    path = edit(sorted(own_study.iterdir())[0], PixelSpacing=None)
    assert read_inputs(path).frames[0].spacing is None
    assert read_inputs(path, spacing=(1.5, 2)).frames[0].spacing == (1.5, 2.0)
    told = read_inputs(own_study / sorted(own_study.iterdir())[1], spacing=(1.4, 1.4))
    assert told.frames[0].spacing[0] == 1.3
    assert [finding.kind for finding in told.findings] == ["spacing_not_used"]
    with pytest.raises(ValueError, match="two positive numbers in mm"):
        read_inputs(path, spacing=(1.5, 0))


def by_slice_and_phase(path: Path) -> dict[tuple[int, int], np.ndarray]:
    frames = read_inputs(path).frames
    grid, reason = find_grid(frames)
    assert grid is not None, reason
    places = zip(grid.slice_index, grid.phase, strict=True)
    return {place: frame.image[0].numpy() for place, frame in zip(places, frames, strict=True)}


@pytest.mark.parametrize("order", ["as_it_is", "shuffled", "phases_first"])
def test_phases_of_an_enhanced_object_follow_its_times(
    study: Path, tmp_path: Path, enhance: Callable[..., Path], order: str
) -> None:
    """Frames in any order are the same slices and phases as those of the single files."""
    files = sorted(study.iterdir())
    if order == "shuffled":
        files = [files[index] for index in np.random.default_rng(0).permutation(len(files))]
    elif order == "phases_first":
        files = sorted(files, key=lambda file: float(pydicom.dcmread(file).TriggerTime))
    expected, found = by_slice_and_phase(study), by_slice_and_phase(enhance(files, tmp_path / "e.dcm"))
    assert set(found) == set(expected)
    for place, pixels in expected.items():
        assert np.array_equal(found[place], pixels)


def test_an_enhanced_object_without_times_is_in_the_order_of_its_frames(
    study: Path, tmp_path: Path, enhance: Callable[..., Path]
) -> None:
    path = enhance(sorted(study.iterdir()), tmp_path / "e.dcm", timed=False)
    grid, _ = find_grid(read_inputs(path).frames)
    assert grid is not None and "phases_by_number" in {finding.kind for finding in grid.findings}
    assert len(set(zip(grid.slice_index, grid.phase, strict=True))) == 12


def test_phase_images_are_left_out(study: Path, tmp_path: Path, enhance: Callable[..., Path]) -> None:
    """Each magnitude frame is followed by its phase image at the same place and time."""
    files = [file for file in sorted(study.iterdir()) for _ in range(2)]
    path = enhance(files, tmp_path / "e.dcm", components=["MAGNITUDE", "PHASE"] * 12)
    expected, found = by_slice_and_phase(study), by_slice_and_phase(path)
    assert set(found) == set(expected)
    assert all(np.array_equal(found[place], expected[place]) for place in expected)


def test_one_file_that_cannot_be_decoded(own_study: Path) -> None:
    file = sorted(own_study.iterdir())[5]
    data = file.read_bytes()
    file.write_bytes(data[:-1000])
    inputs = read_inputs(own_study)
    assert len(inputs.frames) == 11
    assert [(entry.file, entry.kind) for entry in inputs.skipped] == [(file.name, "unreadable")]
    assert str(own_study) not in inputs.skipped[0].reason
    with pytest.raises(ValueError, match=f"{file.name} holds .*truncated"):
        read_inputs(file)


def test_laterality(mammogram: Path) -> None:
    assert read_inputs(mammogram).frames[0].laterality == "R"


def test_pictures(tmp_path: Path, study: Path) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(pixels).save(tmp_path / "b.png")
    Image.fromarray(np.stack([pixels] * 3, -1)).save(tmp_path / "a.bmp")
    (tmp_path / "readme.txt").write_text("no picture")
    inputs = read_inputs(tmp_path, spacing=(2, 3))
    assert inputs.kind == "pictures"
    assert [frame.name for frame in inputs.frames] == ["a", "b"]
    np.testing.assert_array_equal(inputs.frames[1].image[0], pixels)
    assert inputs.frames[0].spacing == (2.0, 3.0)
    assert [entry.file for entry in inputs.skipped] == ["readme.txt"]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert [frame.name for frame in read_inputs(tmp_path).frames] == ["frame-0001", "frame-0002", "frame-0003"]
    assert inputs.findings == []
    Image.fromarray(np.where(pixels > 5, 255, 0).astype(np.uint8)).save(tmp_path / "b_mask.png")
    Image.fromarray(np.full_like(pixels, 7)).save(tmp_path / "c.png")
    (finding,) = read_inputs(tmp_path).findings
    assert finding.kind == "two_values"
    assert finding.text.startswith("1 of 5 picture(s) have two values only, such as frame-0004, and")
    for folder in ("x/1", "x/2", "y"):
        (tmp_path / "deep" / folder).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "deep" / folder / "scan.png")
    assert [frame.name for frame in read_inputs(tmp_path / "deep").frames] == ["x-1-scan", "x-2-scan", "y-scan"]
    (tmp_path / "deep" / ("z" * 125)).mkdir()  # too long for a name
    Image.fromarray(pixels).save(tmp_path / "deep" / ("z" * 125) / "scan.png")
    assert [frame.name for frame in read_inputs(tmp_path / "deep").frames][0] == "frame-0001"
    shutil.copy(sorted(study.iterdir())[0], tmp_path / "image.dcm")
    mixed = read_inputs(tmp_path)
    assert mixed.kind == "dicom"
    assert {entry.kind for entry in mixed.skipped} == {"not_dicom"}


def test_names_of_pictures_that_no_file_has_elsewhere(tmp_path: Path) -> None:
    for name in ("2024-01-01 12:30", ' a"b? ', "ok", "x" * 129):
        Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(tmp_path / f"{name}.png")
    assert {frame.name for frame in read_inputs(tmp_path).frames} == {f"frame-000{n}" for n in range(1, 5)}
    (tmp_path / ("x" * 129 + ".png")).unlink()
    assert {frame.name for frame in read_inputs(tmp_path).frames} == {"a_b_", "2024-01-01 12_30", "ok"}
    Image.fromarray(np.full((3, 4), np.nan, np.float32)).save(tmp_path / "nan.tif")
    with pytest.raises(ValueError, match=r"Expected the image .*nan\.tif to be finite"):
        read_inputs(tmp_path / "nan.tif")


def test_nifti(tmp_path: Path) -> None:
    affine = np.diag([-1.5, -2.0, 8.0, 1.0])
    path = tmp_path / "cine.nii.gz"
    nib.save(nib.Nifti1Image(np.random.default_rng(0).random((6, 5, 3, 2)).astype(np.float32), affine), path)
    inputs = read_inputs(path)
    assert inputs.kind == "nifti"
    assert inputs.volume is not None
    assert [frame.name for frame in inputs.frames[:3]] == [
        "slice-001-phase-001",
        "slice-001-phase-002",
        "slice-002-phase-001",
    ]
    frame = inputs.frames[2]
    assert frame.size == (5, 6)
    assert frame.spacing == pytest.approx((2.0, 1.5))
    assert frame.header.position == pytest.approx((0, 0, 8))  # LPS of voxel (0, 0, 1)
    assert frame.header.orientation == pytest.approx((1, 0, 0, 0, 1, 0))
    (world,) = frame.to_world([np.array([[0.5, 0.5], [2.5, 0.5], [0.5, 3.5]])])
    np.testing.assert_allclose(world, [[0, 0, 8], [3, 0, 8], [0, 6, 8]], atol=1e-6)  # 1.5 mm a column, 2 mm a row


@pytest.mark.parametrize("signs", [(-1, -1, 1), (1, 1, -1), (-1, 1, 1), (1, -1, -1)])
def test_slices_of_a_volume_have_the_numbers_of_its_file(signs: tuple[int, int, int], tmp_path: Path) -> None:
    """Whatever the directions of the axes are, left-handed or not."""
    path = tmp_path / "cine.nii.gz"
    affine = np.diag([*(np.array(signs) * (1.5, 2.0, 8.0)), 1.0])
    nib.save(nib.Nifti1Image(np.random.default_rng(0).random((6, 5, 3, 2)).astype(np.float32), affine), path)
    inputs = read_inputs(path)
    grid, _ = find_grid(inputs.frames)
    assert grid is not None and (grid.num_slices, grid.num_phases) == (3, 2)
    assert [(grid.slice_index[i], grid.phase[i]) for i in range(6)] == inputs.volume.places
    assert np.diff(grid.positions_mm) == pytest.approx(8.0)
    assert (inputs.frames[5].name, grid.place(5)) == ("slice-003-phase-002", "slice 3 of 3, phase 2 of 2")


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_inputs(tmp_path / "absent")
    with pytest.raises(ValueError, match="found none among 0 file"):
        read_inputs(tmp_path)
    (tmp_path / "x.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"cannot be read \(UnidentifiedImageError\)"):
        read_inputs(tmp_path / "x.png")


@pytest.mark.parametrize("spacing", [0.01, 300, 1e-30])
def test_an_implausible_header_is_refused_or_left_out(own_study: Path, edit: Edit, spacing: float) -> None:
    path = edit(sorted(own_study.iterdir())[0], PixelSpacing=[spacing, spacing])
    with pytest.raises(ValueError, match=r"pixel spacing of 0\.05 to 10 mm .*which is not plausible.*--spacing"):
        read_inputs(path)
    inputs = read_inputs(own_study)
    assert len(inputs.frames) == 11
    assert [(entry.file, entry.kind) for entry in inputs.skipped] == [(path.name, "unreadable")]
    assert "is not plausible" in inputs.skipped[0].reason


def test_an_odd_scale_is_a_finding(own_study: Path, edit: Edit) -> None:
    path = edit(sorted(own_study.iterdir())[0], PixelSpacing=[0.1, 0.1])
    (finding,) = read_inputs(path).findings
    assert finding.kind == "implausible_scale"
    assert finding.text.startswith("a pixel spacing of 0.1 x 0.1 mm, usually 0.2 to 7 mm")
    unknown = edit(path, PixelSpacing=None)
    assert read_inputs(unknown).findings == []
    assert len(read_inputs(unknown, spacing=(0.1, 0.1)).findings) == 1


def test_an_implausible_option_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((100, 100), dtype=np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(
        ValueError, match=r"field of view of 0.5 to 2500 mm, but --spacing has 0\.1 mm, 100 x 100 pixels"
    ):
        read_inputs(tmp_path / "a.png", spacing=(0.001, 0.001))
    with pytest.raises(ValueError, match=r"0\.001 to 100 mm .* but --spacing has 1e-30 x 1e-30 mm"):
        read_inputs(tmp_path, spacing=(1e-30, 1e-30))
    with pytest.raises(ValueError, match="two positive numbers in mm"):
        read_inputs(tmp_path, spacing=(1, 1, 1))


def test_pages_are_frames(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((30, 40), value, dtype=np.uint8)) for value in range(4)]
    pages[0].save(tmp_path / "heart.tif", save_all=True, append_images=pages[1:])
    inputs = read_inputs(tmp_path / "heart.tif", spacing=(1.5, 1.5))
    assert [frame.name for frame in inputs.frames] == [f"heart-page-{number:04d}" for number in range(1, 5)]
    assert [float(frame.image.max()) for frame in inputs.frames] == [0, 1, 2, 3]
    pages[0].save(tmp_path / "one.png")
    assert [frame.name for frame in read_inputs(tmp_path).frames][-1] == "one"
    pages[0].save(tmp_path / "moving.png", save_all=True, append_images=pages[1:])
    (entry,) = read_inputs(tmp_path).skipped
    assert (entry.file, "holds several" in entry.reason) == ("moving.png", True)


def test_pictures_add_up_to_the_budget(tmp_path: Path) -> None:
    for name in "abcd":
        Image.fromarray(np.zeros((300, 300), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    with read_budget(1), pytest.raises(ValueError, match=f"Expected {tmp_path} to need at most 1 MiB"):
        read_inputs(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path, own_study: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match=r"pipe\.png is not a regular file but a named pipe"):
        read_inputs(tmp_path / "pipe.png")
    Image.fromarray(np.zeros((30, 30), dtype=np.uint8)).save(own_study / "a.png")
    folder = tmp_path / "pictures"
    folder.mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "dangling.png").symlink_to(folder / "absent.png")
    with pytest.raises(ValueError, match=r"found none among 0 file\(s\).* the first is dangling\.png"):
        read_inputs(folder)
    shutil.copy(own_study / "a.png", folder)
    inputs = read_inputs(folder)
    assert [(entry.file, entry.kind) for entry in inputs.skipped] == [
        ("dangling.png", "not_a_file"),
        ("pipe.png", "not_a_file"),
    ]
    os.mkfifo(own_study / "pipe.dcm")
    assert {entry.kind for entry in read_inputs(own_study).skipped} == {"not_dicom", "not_a_file"}


def single_frames(study: Path, folder: Path, enhance: Callable[..., Path]) -> list[Path]:
    """Enhanced objects of one frame each, whose numbers tell nothing."""
    folder.mkdir()
    files = sorted(study.iterdir())
    numbers = np.random.default_rng(1).permutation(len(files)) + 1
    paths = [enhance([file], folder / file.name) for file in files]
    for path, number in zip(paths, numbers, strict=True):
        dataset = pydicom.dcmread(path)
        dataset.InstanceNumber = int(number)
        del dataset.PerFrameFunctionalGroupsSequence[0].FrameContentSequence
        dataset.save_as(str(path))
    return paths


@pytest.mark.parametrize("time", ["trigger", "index", "clock"])
def test_enhanced_objects_of_one_frame_have_their_time_in_their_groups(
    study: Path, tmp_path: Path, enhance: Callable[..., Path], time: str
) -> None:
    for path in single_frames(study, tmp_path / "enhanced", enhance) if time != "trigger" else ():
        dataset = pydicom.dcmread(path)
        (group,) = dataset.PerFrameFunctionalGroupsSequence
        trigger = group.CardiacSynchronizationSequence[0].NominalCardiacTriggerDelayTime
        content = pydicom.Dataset()
        if time == "index":
            content.TemporalPositionIndex = int(trigger) + 1
        else:
            content.FrameReferenceDateTime = f"20200102030405.{int(trigger * 1000):06d}"
        del group.CardiacSynchronizationSequence
        group.FrameContentSequence = [content]
        dataset.save_as(str(path))
    if time == "trigger":
        single_frames(study, tmp_path / "enhanced", enhance)
    expected, found = by_slice_and_phase(study), by_slice_and_phase(tmp_path / "enhanced")
    assert set(found) == set(expected)
    assert all(np.array_equal(found[place], expected[place]) for place in expected)


@pytest.mark.parametrize("within", [False, True])
def test_two_spacings_in_one_series(own_study: Path, edit: Edit, within: bool) -> None:
    """Half of the slices, or of the phases of each slice, have pixels of twice the size."""
    assert not read_inputs(own_study).findings
    files = sorted(own_study.iterdir())
    chosen = [file for file in files if _is_late(file)] if within else files[:6]
    places = {tuple(pydicom.dcmread(file).ImagePositionPatient) for file in chosen}
    for file in files if not within else chosen:
        if within or tuple(pydicom.dcmread(file).ImagePositionPatient) in {min(places)}:
            edit(file, PixelSpacing=[2.6, 2.6])
    (finding,) = read_inputs(own_study).findings
    assert finding.kind == "spacing_differs"
    assert "1.3 x 1.3 mm in" in finding.text and "2.6 x 2.6 mm in" in finding.text
    assert ("between phases of the same slice in 3 of 3 slice(s)" in finding.text) == within


def _is_late(file: Path) -> bool:
    return float(pydicom.dcmread(file).TriggerTime) > 400


def test_functional_groups_for_some_frames_only(study: Path, tmp_path: Path, enhance: Callable[..., Path]) -> None:
    path = enhance(sorted(study.iterdir()), tmp_path / "e.dcm")
    dataset = pydicom.dcmread(path)
    dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[:-2]
    dataset.save_as(str(path))
    with pytest.raises(ValueError, match=r"e\.dcm has them for 10 frame\(s\), and none for frame 11"):
        read_inputs(path)


def test_a_place_beyond_the_scanner(own_study: Path, edit: Edit) -> None:
    file = sorted(own_study.iterdir())[0]
    edit(file, ImagePositionPatient=[1e7, 0, 0])
    with pytest.raises(ValueError, match=rf"{file.name} places its first pixel at 1e\+07, 0, 0 mm"):
        read_inputs(file)
    assert [entry.file for entry in read_inputs(own_study).skipped] == [file.name]


def test_frames_of_reference_and_times_are_findings(own_study: Path, edit: Callable[..., Path]) -> None:
    assert read_inputs(own_study).findings == []
    files = sorted(own_study.iterdir())
    for number, file in enumerate(files):
        edit(file, FrameOfReferenceUID=f"1.2.{number}")
    edit(files[0], TriggerTime=None)
    texts = {finding.kind: finding.text for finding in read_inputs(own_study).findings}
    assert texts["frames_of_reference"].startswith("the series has 12 frames of reference in 12 frame(s), DICOM allows")
    assert texts["missing_times"].startswith("the trigger time is missing in 1 of 12 frame(s)")
