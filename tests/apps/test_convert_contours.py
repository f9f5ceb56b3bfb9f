# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import shapely
import torch
from PIL import Image

from monai_acdr.apps.convert_contours import ConversionReport, convert
from monai_acdr.apps.documents import ContourDocument, FrameContours, read_contour_document, write_contour_document
from monai_acdr.data import read_contour
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM, Algorithm, Region, read_rtstruct, read_seg, read_sources
from monai_acdr.dicom.files import read_dataset
from monai_acdr.dicom.rtstruct import write_rtstruct
from monai_acdr.transforms import contour_to_mask

SHAPE = np.array([[20.25, 11.5], [61.75, 14.0], [58.5, 25.25], [33.5, 24.0], [31.0, 47.75], [18.0, 44.5]])
"""An L: no flip, rotation or transposition maps it to itself. (x, y) in pixels."""
SHIFTS = {"1": (0.0, 0.0), "2": (1.25, 2.5), "4": (-3.0, 5.0)}
"""Where the L is on each of three images."""
FORMATS = {
    "txt": "txt",
    "json": "a.json",
    "png": "png",
    "nifti": "a.nii.gz",
    "rtstruct": "rtstruct.dcm",
    "seg": "seg.dcm",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two oblique slices of two phases, (60, 80) pixels of 2.1 mm x 1.7 mm."""
    folder = tmp_path_factory.mktemp("study") / "study"
    return write_short_axis_studies(folder, 1, num_slices=2, num_phases=2, size=(60, 80), spacing=(2.1, 1.7))


@pytest.fixture(scope="module")
def images(study: Path) -> Path:
    return next((study / "dicoms").iterdir())


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = tuple(FrameContours(name, (60, 80), (SHAPE + shift,)) for name, shift in SHIFTS.items())
    path = tmp_path_factory.mktemp("document") / "a.json"
    return write_contour_document(path, ContourDocument((LV_ENDOCARDIUM,), frames, Algorithm("net", "7")))


@pytest.fixture(scope="module")
def originals(document: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same contours in all formats."""
    folder = tmp_path_factory.mktemp("originals")
    made = {}
    for name, target in FORMATS.items():
        made[name] = folder / target
        report = convert(document, made[name], images, to=name)
        assert (report.source_format, report.target_format, report.frames, report.lost) == ("json", name, 3, ())
    return made


def test_values_of_a_document_that_no_format_holds_are_said(images: Path, tmp_path: Path) -> None:
    frames = [
        FrameContours(
            name,
            (60, 80),
            (SHAPE + shift, SHAPE + shift),
            spread=(np.ones(len(SHAPE)),) * 2,
            structures=(0, 1),
            confidence=(0.4, 0.4),
            doubtful=(number == 0,) * 2,
            repairs=((), ("nesting",)) if number < 2 else (),
            scale="too large" if number == 0 else "",
        )
        for number, (name, shift) in enumerate(SHIFTS.items())
    ]
    source = write_contour_document(
        tmp_path / "a.json", ContourDocument((LV_ENDOCARDIUM, LV_EPICARDIUM), tuple(frames))
    )
    report = convert(source, tmp_path / "b.json")
    assert report.lost == (
        "confidence of 6 contour(s), doubtful of 2 contour(s), vertex_spread_px of 6 contour(s), scale of 2 "
        "contour(s), repairs of 2 contour(s): they stay in a.json.",
    )
    inner = convert(source, tmp_path / "c.geojson", structure="LV endocardium")
    assert "repairs" not in inner.lost[0] and inner.lost[0].startswith("confidence of 3 contour(s)")
    assert convert(tmp_path / "b.json", tmp_path / "d.json").lost == ()


def iou(one: np.ndarray, other: np.ndarray) -> float:
    a, b = shapely.Polygon(one), shapely.Polygon(other)
    return float(shapely.area(a & b) / shapely.area(a | b))


@pytest.mark.parametrize(("start", "end"), list(itertools.product(FORMATS, FORMATS)))
def test_every_format_becomes_every_other(
    originals: dict[str, Path], images: Path, tmp_path: Path, start: str, end: str
) -> None:
    first = convert(originals[start], tmp_path / FORMATS[end], images, to=end)
    assert (first.source_format, first.target_format, first.frames) == (start, end, 3)
    convert(tmp_path / FORMATS[end], tmp_path / "end.json", images)
    result = read_contour_document(tmp_path / "end.json")
    frames = {frame.name: frame for frame in result.frames if frame.contours}
    assert set(frames) == set(SHIFTS)
    vector = {start, end} <= {"txt", "json", "rtstruct"}
    for name, shift in SHIFTS.items():
        (found,) = frames[name].contours
        if vector:
            np.testing.assert_allclose(found, SHAPE + shift, atol=1.01e-4)
        else:
            one, other = shapely.Polygon(found), shapely.Polygon(SHAPE + shift)
            # The border of a mask is within 0.71 pixels of its contour, and on average on it.
            assert iou(found, SHAPE + shift) > 0.95
            assert shapely.distance(shapely.points(found), other.exterior).max() < 0.71
            assert shapely.area(one) == pytest.approx(shapely.area(other), rel=0.01)
            assert shapely.distance(one.centroid, other.centroid) < 0.1
        assert frames[name].sop_instance_uid == str(pydicom.dcmread(images / f"{name}.dcm").SOPInstanceUID)
        assert frames[name].spacing == pytest.approx((2.1, 1.7))


def test_structure_sets_hold_the_vertices(originals: dict[str, Path], images: Path) -> None:
    sources = read_sources(images.glob("*.dcm"))
    (region,) = read_rtstruct(originals["rtstruct"], sources)
    assert region.structure.label == "LV endocardium"
    found = {source.path.stem: entry for source, entry in zip(sources, region.contours, strict=True) if entry}
    for name, shift in SHIFTS.items():
        np.testing.assert_allclose(found[name][0], SHAPE + shift, atol=1e-6)
    # By hand, in mm: PS3.3 equation C.7.6.2.1-1 with pixel centers at half numbers.
    header = pydicom.dcmread(images / "4.dcm")
    (item,) = [
        contour
        for contour in pydicom.dcmread(originals["rtstruct"]).ROIContourSequence[0].ContourSequence
        if contour.ContourImageSequence[0].ReferencedSOPInstanceUID == header.SOPInstanceUID
    ]
    x, y = np.array(header.ImageOrientationPatient, dtype=float).reshape(2, 3)
    pixels = SHAPE + SHIFTS["4"] - 0.5
    rows, columns = (float(value) for value in header.PixelSpacing)
    expected = np.array(header.ImagePositionPatient, float) + pixels[:, :1] * columns * x + pixels[:, 1:] * rows * y
    np.testing.assert_allclose(np.array(item.ContourData, dtype=float).reshape(-1, 3), expected, atol=1e-4)


def test_masks_are_the_same_in_all_formats(originals: dict[str, Path], images: Path) -> None:
    sources = read_sources(images.glob("*.dcm"))
    (segment,) = read_seg(originals["seg"], sources)
    voxels = np.asarray(nib.load(originals["nifti"]).dataobj)
    for index, source in enumerate(sources):
        if source.path.stem not in SHIFTS:
            assert segment.masks[index] is None and not voxels[:, :, index // 2, index % 2].any()
            continue
        png = np.asarray(Image.open(originals["png"] / f"{source.path.stem}.png")) == 255
        y, x = np.indices((60, 80)) + 0.5
        inside = shapely.contains_xy(shapely.Polygon(SHAPE + SHIFTS[source.path.stem]), x, y)
        assert (png ^ inside).mean() < 0.005  # centers in, or half of the pixel in: nearly the same
        np.testing.assert_array_equal(segment.masks[index], png)
        np.testing.assert_array_equal(voxels[:, :, index // 2, index % 2], png.T)


def test_fractional_segmentations(document: Path, images: Path, tmp_path: Path) -> None:
    convert(document, tmp_path / "seg.dcm", images, kind="FRACTIONAL")
    sources = read_sources(images.glob("*.dcm"))
    (segment,) = read_seg(tmp_path / "seg.dcm", sources)
    (mask,) = [m for source, m in zip(sources, segment.masks, strict=True) if source.path.stem == "1"]
    assert float(np.sum(mask)) == pytest.approx(shapely.area(shapely.Polygon(SHAPE)), rel=1e-3)
    assert len(np.unique(mask)) > 20
    report = convert(tmp_path / "seg.dcm", tmp_path / "m.nii", images)
    assert "cut at one half" in report.lost[0]
    assert not convert(tmp_path / "seg.dcm", tmp_path / "b.json", images).lost
    frames = {frame.name: frame for frame in read_contour_document(tmp_path / "b.json").frames}
    assert iou(frames["1"].contours[0], SHAPE) > 0.985


def test_what_vanishes_when_it_is_traced_is_lost(images: Path, tmp_path: Path) -> None:
    """A sliver of 0.3 pixels on one frame, beside a contour on another."""
    sources = read_sources(images.glob("*.dcm"))
    sliver = np.array([[10.1, 10.0], [10.4, 10.0], [10.4, 30.0], [10.1, 30.0]])
    write_rtstruct(tmp_path / "both.dcm", [Region(LV_ENDOCARDIUM, ((SHAPE,), (sliver,), (), ()))], sources)
    convert(tmp_path / "both.dcm", tmp_path / "seg.dcm", images, kind="FRACTIONAL")
    report = convert(tmp_path / "seg.dcm", tmp_path / "traced.json", images)
    what = "an object of LV endocardium has no pixel that is covered by half, and is lost."
    assert report.lost == (f"frame '2': {what}",)
    assert report.frames == report.contours == 1
    assert what in " ".join(convert(tmp_path / "seg.dcm", tmp_path / "cut.nii", images).lost)


def test_sunnybrook_contours(study: Path, images: Path, tmp_path: Path) -> None:
    contours = study / "contourfiles" / "SYN-01" / "i-contours"
    report = convert(contours, tmp_path / "rtstruct.dcm", images)
    assert report.structures == ("LV endocardium",) and report.frames == 4
    convert(tmp_path / "rtstruct.dcm", tmp_path / "back", images, to="txt")
    for number in range(1, 5):
        written = read_contour(tmp_path / "back" / f"{number}.txt")
        expected = read_contour(contours / f"IM-0001-000{number}-icontour-manual.txt")
        np.testing.assert_allclose(written, expected, atol=1e-9)


def test_without_images(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "a.txt", SHAPE - 0.5, fmt="%.4f")
    convert(tmp_path / "a.txt", tmp_path / "a.png", size=(60, 80), structure="Mass")
    report = convert(tmp_path / "a.png", tmp_path / "a.json", structure="mass")
    assert report.structures == ("Mass",)
    frame = read_contour_document(tmp_path / "a.json").frames[0]
    assert (frame.name, frame.size, frame.sop_instance_uid, frame.world) == ("a", (60, 80), None, None)
    assert iou(frame.contours[0], SHAPE) > 0.95
    convert(tmp_path / "a.json", tmp_path / "b.txt")
    np.testing.assert_allclose(read_contour(tmp_path / "b.txt"), frame.contours[0], atol=1e-9)
    convert(tmp_path / "a.json", tmp_path / "b.nii")
    assert nib.load(tmp_path / "b.nii").shape == (80, 60, 1)


def test_several_structures(images: Path, tmp_path: Path) -> None:
    sources = read_sources(images.glob("*.dcm"))
    regions = [Region(LV_ENDOCARDIUM, ((SHAPE,), (), (), ())), Region(LV_EPICARDIUM, ((SHAPE + 1,), (), (), ()))]
    write_rtstruct(tmp_path / "both.dcm", regions, sources)
    with pytest.raises(ValueError, match="#1 'LV endocardium', #2 'LV epicardium': choose one by its label"):
        convert(tmp_path / "both.dcm", tmp_path / "a.txt", images)
    with pytest.raises(ValueError, match="on frame '1' 'LV endocardium' and 'LV epicardium' overlap in part"):
        convert(tmp_path / "both.dcm", tmp_path / "a.nii.gz", images)
    convert(tmp_path / "both.dcm", tmp_path / "a.json", images, structure="LV epicardium")
    (frame,) = read_contour_document(tmp_path / "a.json").frames
    np.testing.assert_allclose(frame.contours[0], SHAPE + 1, atol=1e-4)
    report = convert(tmp_path / "both.dcm", tmp_path / "seg.dcm", images)
    assert report.structures == ("LV endocardium", "LV epicardium")
    back = convert(tmp_path / "seg.dcm", tmp_path / "rtstruct.dcm", images)
    assert (back.structures, back.frames, back.contours) == (report.structures, 1, 2)


OUTER = np.array(shapely.Polygon(SHAPE).buffer(4, join_style="mitre").exterior.coords)[:-1]


@pytest.fixture()
def nested(tmp_path: Path) -> Path:
    """A document with two structures: the outer one on both frames, the inner one on the first."""
    frames = (
        FrameContours("1", (60, 80), (SHAPE, OUTER), structures=(0, 1)),
        FrameContours("2", (60, 80), (OUTER + 1,), structures=(1,)),
    )
    document = ContourDocument((LV_ENDOCARDIUM, LV_EPICARDIUM), frames, Algorithm("net", "7"))
    return write_contour_document(tmp_path / "nested.json", document)


@pytest.mark.parametrize("middle", ["rtstruct.dcm", "seg.dcm", "again.json"])
def test_several_structures_there_and_back(images: Path, nested: Path, tmp_path: Path, middle: str) -> None:
    report = convert(nested, tmp_path / middle, images)
    assert report.structures == ("LV endocardium", "LV epicardium") and (report.frames, report.lost) == (2, ())
    convert(tmp_path / middle, tmp_path / "back.json", images)
    back = read_contour_document(tmp_path / "back.json")
    assert [structure.label for structure in back.structures] == ["LV endocardium", "LV epicardium"]
    first, second = (frame for frame in back.frames if frame.contours)
    assert (first.indices, second.indices) == ((0, 1), (1,))
    for found, expected in zip((*first.contours, *second.contours), (SHAPE, OUTER, OUTER + 1), strict=True):
        assert iou(found, expected) > (0.9 if middle == "seg.dcm" else 0.9999)
    chosen = convert(nested, tmp_path / "one.json", structure="lv EPIcardium")
    assert (chosen.structures, chosen.contours) == (("LV epicardium",), 2)
    with pytest.raises(ValueError, match="none is called so: choose one of #1 'LV endocardium', #2 'LV epicardium'"):
        convert(nested, tmp_path / "none.json", structure="Mass")


def test_a_label_map_has_rings(images: Path, nested: Path, tmp_path: Path) -> None:
    """Reference: masks of the two contours, each drawn by itself."""
    report = convert(nested, tmp_path / "a.nii.gz", images)
    (lost,) = report.lost
    assert lost.startswith(
        "A pixel has one label: 1 is LV endocardium; 2 is LV epicardium, each without the structures"
    )
    labels = np.asarray(nib.load(tmp_path / "a.nii.gz").dataobj)
    inner, outer = (
        contour_to_mask(torch.from_numpy(vertices)[None], (60, 80), 0.5)[0].numpy().T > 0 for vertices in (SHAPE, OUTER)
    )
    sources = read_sources(images.glob("*.dcm"))
    names = [source.path.stem for source in sources]
    place, phase = divmod(names.index("1"), labels.shape[3])
    np.testing.assert_array_equal(labels[:, :, place, phase], np.where(inner, 1, np.where(outer, 2, 0)))
    back = convert(tmp_path / "a.nii.gz", tmp_path / "back.json", images)
    assert back.structures == ("label 1", "label 2")


def test_a_document_of_version_1_converts(document: Path, nested: Path, tmp_path: Path) -> None:
    data = json.loads(document.read_text())
    (label,) = data.pop("structures")
    data |= {"version": 1, "structure": label}
    for frame in data["frames"]:
        for contour in frame["contours"]:
            del contour["structure"]
    (tmp_path / "old.json").write_text(json.dumps(data))
    report = convert(tmp_path / "old.json", tmp_path / "new.json")
    assert report.structures == ("LV endocardium",) and report.frames == 3
    one, other = (read_contour_document(path).frames for path in (document, tmp_path / "new.json"))
    for before, after in zip(one, other, strict=True):
        np.testing.assert_array_equal(before.contours, after.contours)


@pytest.mark.parametrize("middle", ["a.json", "rtstruct.dcm", "seg.dcm", "a.nii.gz"])
def test_holes_stay_holes(images: Path, tmp_path: Path, middle: str) -> None:
    mask = np.zeros((60, 80), dtype=np.uint8)
    mask[10:30, 20:60] = 255
    mask[15:25, 30:40] = mask[12, 22] = 0
    mask[18:20, 33:36] = 255
    Image.fromarray(mask).save(tmp_path / "2.png")
    report = convert(tmp_path / "2.png", tmp_path / middle, images)
    assert report.lost == () and report.contours in (0, 4)
    convert(tmp_path / middle, tmp_path / "back.json", images)
    (frame,) = [frame for frame in read_contour_document(tmp_path / "back.json").frames if frame.contours]
    assert frame.name == "2" and sorted(frame.holes) == [False, False, True, True]
    convert(tmp_path / "back.json", tmp_path / "back.png", images)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "back.png")), mask)
    with pytest.raises(ValueError, match="one contour for a .txt file, but frame '2' has 4, 2 of them holes"):
        convert(tmp_path / "back.json", tmp_path / "back.txt", images)


def test_structures_are_chosen_and_the_others_told(images: Path, tmp_path: Path) -> None:
    sources = read_sources(images.glob("*.dcm"))
    regions = [Region(LV_ENDOCARDIUM, ((SHAPE + shift,), (), (), ())) for shift in (0, 1, 2)]
    dataset = pydicom.dcmread(write_rtstruct(tmp_path / "three.dcm", regions, sources))
    dataset.ROIContourSequence[2].ContourSequence[0].ContourData = ["0"] * 7
    dataset.save_as(tmp_path / "three.dcm")
    with pytest.raises(
        ValueError, match="#1 'LV endocardium', #2 'LV endocardium': choose one by its label, or by its"
    ):
        convert(tmp_path / "three.dcm", tmp_path / "a.json", images)
    with pytest.raises(ValueError, match="3 are called so"):
        convert(tmp_path / "three.dcm", tmp_path / "a.json", images, structure="LV endocardium")
    with pytest.raises(ValueError, match=r"three.dcm has 7 values.*\(ROI #3\)"):
        convert(tmp_path / "three.dcm", tmp_path / "a.json", images, structure="#3")
    assert not (tmp_path / "a.json").exists()
    report = convert(tmp_path / "three.dcm", tmp_path / "a.json", images, structure="#2")
    assert report.skipped == ()
    np.testing.assert_allclose(
        read_contour_document(tmp_path / "a.json").frames[0].contours[0], SHAPE + 1, atol=1.01e-4
    )
    report = convert(tmp_path / "three.dcm", tmp_path / "rtstruct.dcm", images)
    assert report.contours == 2 and "three.dcm has 7 values" in report.skipped[0]


def test_claimed_sizes_are_not_believed(document: Path, tmp_path: Path) -> None:
    text = document.read_text().replace("[60, 80]", "[65535, 65535]")
    (tmp_path / "large.json").write_text(text)
    with pytest.raises(ValueError, match="at most 512 MiB of memory, but it asks for 16,384 MiB: .*--read-budget"):
        convert(tmp_path / "large.json", tmp_path / "masks", to="png")
    assert [path.name for path in tmp_path.iterdir()] == ["large.json"]


def test_mammograms(images: Path, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(images / "1.dcm")
    for keyword in (
        *("FrameOfReferenceUID", "PositionReferenceIndicator", "ImagePositionPatient", "ImageOrientationPatient"),
        *("PixelSpacing", "SliceThickness", "TriggerTime", "SliceLocation"),
    ):
        if keyword in dataset:
            del dataset[keyword]
    dataset.Modality, dataset.ImagerPixelSpacing, dataset.PatientOrientation = "MG", [0.2, 0.2], ["A", "R"]
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    mammogram = tmp_path / "mass.dcm"
    dataset.save_as(mammogram)
    np.savetxt(tmp_path / "a.txt", SHAPE - 0.5, fmt="%.4f")
    with pytest.raises(ValueError, match="write SEG and SR"):
        convert(tmp_path / "a.txt", tmp_path / "rtstruct.dcm", mammogram)
    convert(tmp_path / "a.txt", tmp_path / "seg.dcm", mammogram, structure="Mass")
    for target in ("b.json", "b.nii.gz", "b.png"):
        convert(tmp_path / "seg.dcm", tmp_path / target, mammogram)
        convert(tmp_path / target, tmp_path / f"{target}.seg.dcm", mammogram)
        (segment,) = read_seg(tmp_path / f"{target}.seg.dcm", read_sources([mammogram]))
        (first,) = read_seg(tmp_path / "seg.dcm", read_sources([mammogram]))
        np.testing.assert_array_equal(segment.masks[0], first.masks[0])
    # Of several images one each: none refers to two.
    (tmp_path / "views").mkdir()
    for number, name in enumerate(("left", "right"), start=1):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        dataset.save_as(tmp_path / "views" / f"{name}.dcm")
    drawn = tuple(FrameContours(name, (60, 80), (SHAPE + shift,)) for name, shift in (("left", 0.0), ("right", 3.0)))
    source = write_contour_document(tmp_path / "two.json", ContourDocument((LV_ENDOCARDIUM,), drawn))
    report = convert(source, tmp_path / "segs", tmp_path / "views", to="seg")
    assert [file.name for file in report.files] == ["left.dcm", "right.dcm"]
    for (_, shift), file in zip((("left", 0.0), ("right", 3.0)), report.files, strict=True):
        (segment,) = read_seg(file, read_sources([tmp_path / "views" / file.name]))
        expected = contour_to_mask(torch.from_numpy(SHAPE + shift), (60, 80)).numpy() >= 0.5
        np.testing.assert_array_equal(segment.masks[0] >= 0.5, expected.reshape(60, 80))
    back = convert(tmp_path / "segs", tmp_path / "back.json", tmp_path / "views")
    assert (back.frames, back.contours, back.structures) == (2, 2, ("LV endocardium",))


def test_images_beside_results(images: Path, document: Path, tmp_path: Path) -> None:
    """Results and other files among the images are not images."""
    for path in images.glob("*.dcm"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\x08\0\x18\0UI\x08\x00")
    convert(document, tmp_path / "rtstruct.dcm", tmp_path)
    report = convert(tmp_path / "rtstruct.dcm", tmp_path / "a.json", tmp_path)
    assert report.frames == 3
    assert any(note.startswith("broken.dcm: ") for note in report.skipped)


def copied(images: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in images.glob("*.dcm"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_all_damaged_images_are_named(images: Path, document: Path, tmp_path: Path) -> None:
    """Those that cannot be used are left out; a truncated one keeps its contours, and is to be checked."""
    study = copied(images, tmp_path / "study")
    truncated = study / f"{read_contour_document(document).frames[0].name}.dcm"
    content = truncated.read_bytes()
    truncated.write_bytes(content[:-200])
    (study / "empty.dcm").write_bytes(b"")
    (study / "zeros.dcm").write_bytes(bytes(1000))
    (study / "header.dcm").write_bytes(content[:300])
    (study / "link.dcm").symlink_to(tmp_path / "nowhere")
    (study / "notes.txt").write_text("not an image")
    report = convert(document, tmp_path / "seg.dcm", study)
    assert {note.partition(":")[0] for note in report.skipped} == {"empty.dcm", "zeros.dcm", "header.dcm", "link.dcm"}
    assert report.frames == 3
    (finding,) = report.findings
    assert re.fullmatch(
        rf"Expected \d+ bytes of pixel data, but {truncated.name} holds \d+: the file is truncated; copy it again\. "
        r"Contours on it are converted\.",
        finding,
    )


def test_contours_without_image_name_the_damaged_ones(images: Path, document: Path, tmp_path: Path) -> None:
    study = copied(images, tmp_path / "study")
    damaged = study / f"{read_contour_document(document).frames[0].name}.dcm"
    damaged.write_bytes(damaged.read_bytes()[:300])
    with pytest.raises(ValueError, match=rf"were drawn on\. Files that cannot be read: {damaged.name}\.$"):
        convert(document, tmp_path / "seg.dcm", study)
    (tmp_path / "broken.json").write_text('{"a":')
    with pytest.raises(ValueError, match="^(?!.*cannot be read: )"):  # no question of images
        convert(tmp_path / "broken.json", tmp_path / "seg.dcm", study)
    damaged.unlink()
    with pytest.raises(ValueError, match="^(?!.*cannot be read: )"):
        convert(document, tmp_path / "seg.dcm", study)


def test_existing_targets_are_kept(document: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.nii.gz"
    target.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="exists"):
        convert(document, target)
    assert target.read_bytes() == b"mine"
    convert(document, target, overwrite=True)
    assert nib.load(target).shape == (80, 60, 3)


@pytest.mark.parametrize("target", ["a.json", "a.nii", "rtstruct.dcm", "seg.dcm"])
def test_contours_outside_of_their_images(images: Path, tmp_path: Path, target: str) -> None:
    """All of them: refused; some: told, whatever is written."""
    sources = read_sources(images.glob("*.dcm"))
    half = np.array([[-10.0, 20], [10, 20], [10, 40], [-10, 40]])
    write_rtstruct(tmp_path / "some.dcm", [SHAPE, half, SHAPE + [200, 0], None], sources)
    report = convert(tmp_path / "some.dcm", tmp_path / target, images)
    assert [note.split(": ")[1][:23] for note in report.findings] == [
        "50 % of a contour's are",
        "100 % of a contour's ar",
    ]
    write_rtstruct(tmp_path / "all.dcm", [SHAPE + [200, 0], None, SHAPE - [0, 200], None], sources)
    with pytest.raises(ValueError, match="on their images, but all 2 lie outside: give the images"):
        convert(tmp_path / "all.dcm", tmp_path / f"other_{target}", images)


@pytest.mark.parametrize(("shift", "fits"), [(50.0, False), (0.2, False), (0.05, True)])
def test_contours_in_mm_and_in_pixels_are_the_same(
    originals: dict[str, Path], images: Path, tmp_path: Path, shift: float, fits: bool
) -> None:
    convert(originals["rtstruct"], tmp_path / "a.json", images)
    data = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    contour = data["frames"][0]["contours"][0]
    contour["vertices_mm"] = [[x + shift, y, z] for x, y, z in contour["vertices_mm"]]
    (tmp_path / "b.json").write_text(json.dumps(data), encoding="utf-8")
    for name in ("rtstruct.dcm", "b.nii", "c.json"):
        if fits:
            assert convert(tmp_path / "b.json", tmp_path / name, images).frames == 3
            continue
        with pytest.raises(ValueError, match=f"in mm to be those in pixels, .*up to {shift:g}"):
            convert(tmp_path / "b.json", tmp_path / name, images)
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize("link", ["the file", "a link", "a hard link"])
def test_what_is_read_is_not_replaced(images: Path, document: Path, tmp_path: Path, link: str) -> None:
    study, contours = tmp_path / "study", tmp_path / "a.json"
    shutil.copytree(images, study)
    shutil.copyfile(document, contours)
    before = {path: path.read_bytes() for path in [*study.iterdir(), contours]}
    for name, path, to in (("other.dcm", study / "1.dcm", "rtstruct"), ("other.json", contours, "json")):
        target = path if link == "the file" else tmp_path / name
        if link == "a link":
            target.symlink_to(path)
        elif link == "a hard link":
            os.link(path, target)
        with pytest.raises(FileExistsError, match="apart from what is read, but .* would replace the input"):
            convert(contours, target, study, to=to, overwrite=True)
    assert {path: path.read_bytes() for path in before} == before


def test_folders_of_masks_are_not_replaced_by_themselves(document: Path, images: Path, tmp_path: Path) -> None:
    convert(document, tmp_path / "masks", images, to="png")
    before = {path: path.read_bytes() for path in (tmp_path / "masks").iterdir()}
    with pytest.raises(FileExistsError, match=r"1\.png would replace the input"):
        convert(tmp_path / "masks", tmp_path / "masks", to="png", overwrite=True)
    assert {path: path.read_bytes() for path in (tmp_path / "masks").iterdir()} == before


def test_earlier_results_among_the_images_are_replaced(document: Path, images: Path, tmp_path: Path) -> None:
    study = Path(shutil.copytree(images, tmp_path / "study"))
    for _ in range(2):
        convert(document, study / "rtstruct.dcm", study, overwrite=True)
    assert pydicom.dcmread(study / "rtstruct.dcm").Modality == "RTSTRUCT"


def test_mistyped_folders_are_not_made(document: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"a\.json to be a folder, but it is a file"):
        convert(document, document / "a.nii")
    for target, to in (("absent/a.nii", None), ("absent/masks", "png")):
        with pytest.raises(FileNotFoundError, match="absent does not exist: make it first"):
            convert(document, tmp_path / target, to=to)
    (tmp_path / "link.nii").symlink_to("nowhere/a.nii")
    with pytest.raises(FileExistsError, match="a link to nowhere/a.nii, which does not exist"):
        convert(document, tmp_path / "link.nii")
    assert [path.name for path in tmp_path.iterdir()] == ["link.nii"]


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("a.png", {}, "there are 3: name a folder instead"),
        ("a.txt", {}, "there are 3: name a folder instead"),
        ("seg.dcm", {}, "images of the seg, .*with --images"),
        ("rtstruct.dcm", {}, "images of the rtstruct, .*with --images"),
        ("a.dcm", {}, "which DICOM object"),
        ("a.nii", {"kind": "FRACTIONAL"}, "a segmentation for `kind`"),
        ("a.nii", {"kind": "LABELMAP"}, "BINARY, FRACTIONAL"),
        ("a.nii", {"size": (80, 60)}, r"--size to be that of frame '1', \(60, 80\)"),
        ("a.nii", {"size": (0, 60)}, "`size` to be"),
        ("a.nii", {"size": (60,)}, "`size` to be"),
    ],
)
def test_what_cannot_be_done(document: Path, tmp_path: Path, target: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convert(document, tmp_path / target, **options)
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_convert(images: Path, tmp_path: Path) -> None:
    Image.new("L", (80, 60)).save(tmp_path / "1.png")
    with pytest.raises(ValueError, match="nothing to convert"):
        convert(tmp_path / "1.png", tmp_path / "rtstruct.dcm", images)
    np.savetxt(tmp_path / "2.txt", SHAPE + 500)
    with pytest.raises(ValueError, match="all 1 lie outside: give the images"):
        convert(tmp_path / "2.txt", tmp_path / "2.nii", images)


def test_contours_of_other_images(document: Path, images: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'1' is not among them|'2' is not among them"):
        convert(document, tmp_path / "rtstruct.dcm", images / "1.dcm")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        convert(document, tmp_path / "rtstruct.dcm", tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        convert(tmp_path / "missing.json", tmp_path / "rtstruct.dcm", images)


def test_the_patient_is_not_named(document: Path, images: Path, tmp_path: Path) -> None:
    """Neither in what is not DICOM, nor in names, nor in messages, even where files are called after the patient."""
    folder = tmp_path / "images"
    folder.mkdir()
    for path in images.glob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.PatientName, dataset.PatientID = "Secretname^Jane", "ID-98765"
        dataset.save_as(folder / f"Secretname_{path.name}")
    sources = read_sources(folder.glob("*.dcm"))
    write_rtstruct(tmp_path / "r.dcm", [SHAPE, None, SHAPE, None], sources)
    convert(tmp_path / "r.dcm", tmp_path / "a.json", folder)
    convert(tmp_path / "r.dcm", tmp_path / "masks", folder, to="png")
    convert(tmp_path / "r.dcm", tmp_path / "a.nii", folder)
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["frame-0001.png", "frame-0003.png"]
    content = (tmp_path / "a.json").read_bytes() + (tmp_path / "a.nii").read_bytes()
    assert b"Secretname" not in content and b"98765" not in content
    with pytest.raises(ValueError, match="not among them") as caught:
        convert(document, tmp_path / "rtstruct.dcm", folder)
    assert "Secretname" not in str(caught.value) and "98765" not in str(caught.value)
    assert str(read_dataset(tmp_path / "r.dcm", True).PatientName) == "Secretname^Jane"  # as DICOM asks


def test_reports_are_json() -> None:
    report = ConversionReport(Path("a.json"), "json", "png", (Path("b.png"),), ("Mass",), 1, 2, ("x",), ("y",), ("z",))
    assert json.loads(json.dumps(report.as_dict())) == {
        "source": {"path": "a.json", "format": "json"},
        "target": {"files": ["b.png"], "format": "png"},
        "structures": ["Mass"],
        "frames": 1,
        "contours": 2,
        "lost": ["x"],
        "skipped": ["y"],
        "findings": ["z"],
    }


def test_a_document_in_mm_becomes_a_volume_in_its_place(images: Path, tmp_path: Path) -> None:
    sources = sorted(
        read_sources(images.glob("*.dcm")),
        key=lambda source: (source.affine[:3, 3].round(decimals=3).tolist(), int(source.path.stem)),
    )
    frames = tuple(
        FrameContours(str(n), (60, 80), (SHAPE + 0.5 * n,), source.spacing, world=(source.to_world(SHAPE + 0.5 * n),))
        for n, source in enumerate(sources)
    )
    document = write_contour_document(tmp_path / "a.json", ContourDocument((LV_ENDOCARDIUM,), frames, None))
    assert convert(document, tmp_path / "a.nii.gz").lost == ()
    volume = nib.load(tmp_path / "a.nii.gz")
    assert volume.shape == (80, 60, 2, 2)  # two slices of two phases, not four slices
    ras = sources[2].affine.numpy()  # the second slice: (row, column) to mm
    column, row = 17, 9
    np.testing.assert_allclose((volume.affine @ [column, row, 1, 1])[:3], (ras @ [row, column, 0, 1])[:3], atol=2e-3)
    drawn = contour_to_mask(torch.from_numpy(SHAPE + 1.5)[None], (60, 80), threshold=0.5)[0].numpy()
    np.testing.assert_array_equal(np.asarray(volume.dataobj)[..., 1, 1].T, drawn)

    unplaced = tuple(FrameContours(str(n), (60, 80), (SHAPE,)) for n in range(4))
    write_contour_document(document, ContourDocument((LV_ENDOCARDIUM,), unplaced, None), overwrite=True)
    lost = convert(document, tmp_path / "b.nii.gz").lost
    assert lost == ("Nothing says where the 4 frames lie: each is a slice, 1 mm from the next.",)


def test_a_volume_is_no_image_of_a_conversion(document: Path, tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((80, 60, 3), np.float32), np.eye(4)), tmp_path / "v.nii.gz")
    with pytest.raises(ValueError, match=r"Expected DICOM images.*v\.nii\.gz is a NIfTI volume: leave --images out"):
        convert(document, tmp_path / "c.nii.gz", tmp_path / "v.nii.gz")
