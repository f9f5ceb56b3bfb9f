# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Whole runs of `segment`: what comes out, and what becomes of input that cannot be used."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch
from PIL import Image

from monai_acdr.apps import segment
from monai_acdr.apps.documents import read_contour_document
from monai_acdr.bundle import bundle_root
from monai_acdr.data import read_contour
from monai_acdr.dicom import read_rtstruct, read_seg, read_sources
from monai_acdr.transforms import contour_to_mask

Edit = Callable[..., Path]

SECRET = "Doe^Jane"


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * np.logical_and(one, other).sum() / (one.sum() + other.sum()))


def drawn(vertices: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    return contour_to_mask(vertices[None], size, 0.5)[0].numpy() > 0


def without_base64(content: bytes) -> bytes:
    """A page with the bytes of its pictures in place of their letters, which spell any short word now and then."""
    return re.sub(rb"base64,([A-Za-z0-9+/=]+)", lambda match: base64.b64decode(match[1]), content)


def test_a_study_with_the_weights_of_the_package(phantom: Path, study: Path, tmp_path: Path) -> None:
    """Every result of one run says the same, and it is the truth of the phantom to what the network can."""
    told: list[str] = []
    report = segment(
        study,
        tmp_path / "out",
        roi="center",
        seg="BINARY",
        rtstruct=True,
        sr=True,
        mask=True,
        html=True,
        overlays=True,
        device="cpu",
        progress=lambda step, done, total: told.append(step),
    )
    out = tmp_path / "out"
    assert sorted({path.parts[len(out.parts)] for path in out.rglob("*")}) == [
        "contact_sheet.png",
        "contours.json",
        "evolution.gif",
        "masks",
        "overlays",
        "report.html",
        "report.json",
        "rtstruct.dcm",
        "seg.dcm",
        "sr.dcm",
        "volume_curve.png",
    ]
    assert json.loads((out / "report.json").read_text())["files"] == list(report.files)
    assert set(told) == {"read", "outline", "write"}
    assert set(report.seconds) == {"model", "read", "outline", "measure", "write"}
    sources = read_sources(sorted(study.iterdir()))
    regions = read_rtstruct(out / "rtstruct.dcm", sources)
    segmented = read_seg(out / "seg.dcm", sources)
    documents = read_contour_document(out / "contours.json").to_regions(sources)
    for found in (regions, segmented, documents):
        assert [region.structure.label for region in found] == ["LV endocardium", "LV epicardium"]
    scores: dict[str, list[float]] = {"i": [], "o": []}
    for index, source in enumerate(sources):
        masks = []
        for kind, region, segment_, document in zip("io", regions, segmented, documents, strict=True):
            (vertices,) = document.contours[index]
            np.testing.assert_allclose(region.contours[index][0], vertices, atol=1e-3)
            mask = drawn(torch.from_numpy(vertices), source.size)
            # Vertices are written with four decimals: a pixel that is covered by a half may fall to either side.
            assert (segment_.masks[index] != mask).sum() <= 1
            masks.append(segment_.masks[index].astype(bool))
            for truth in phantom.glob(f"contourfiles/*/{kind}-contours/IM-0001-{int(source.path.stem):04d}-*.txt"):
                scores[kind].append(dice(mask, drawn(read_contour(truth), source.size)))
        picture = np.asarray(Image.open(out / "masks" / f"{source.path.stem}.png"))
        np.testing.assert_array_equal(picture, np.where(masks[0], 255, np.where(masks[1], 128, 0)))
    assert len(scores["i"]) >= 6 and scores["o"]
    assert np.mean(scores["i"]) > 0.75 and np.mean(scores["o"]) > 0.75
    assert report.volumes is not None
    assert 20 < report.volumes.ejection_fraction_percent < 80
    assert report.num_outlined == 12
    lines = report.summary()
    assert lines[0] == "12 of 12 frame(s) outlined: LV endocardium and LV epicardium"
    assert lines[1].startswith("EDV ")


def test_without_a_click(phantom: Path, study: Path, tmp_path: Path) -> None:
    """The shipped bundle finds the phantom's heart in every frame, and the report says by which weights."""
    report = segment(study, tmp_path / "out", roi="auto", mask=True, pictures=False, device="cpu")
    assert report.num_outlined == len(report.frames) == 12
    assert all(frame.confidence is not None and frame.confidence > 0.9 for frame in report.frames)
    assert "doubtful_slice" not in {finding.kind for finding in report.findings}
    weights = bundle_root("sunnybrook_lv_acdr") / "models" / "localizer.pt"
    assert report.model["localizer_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    scores = []
    for path in phantom.rglob("*icontour-manual.txt"):
        mask = np.asarray(Image.open(tmp_path / "out" / "masks" / f"{int(path.name.split('-')[2])}.png")) == 255
        scores.append(dice(mask, contour_to_mask(read_contour(path)[None], mask.shape, 0.5)[0].numpy()))
    assert len(scores) == 6 and np.mean(scores) > 0.75


def test_the_structured_report_has_end_diastole_and_end_systole(study: Path, tmp_path: Path) -> None:
    report = segment(study, tmp_path / "out", roi="center", sr=True, pictures=False, device="cpu")
    phases = {report.volumes.end_diastole_phase, report.volumes.end_systole_phase}
    expected = {frame.sop_instance_uid for frame in report.frames if frame.phase in phases}
    text = str(pydicom.dcmread(tmp_path / "out" / "sr.dcm"))
    found = {frame.sop_instance_uid for frame in report.frames if frame.sop_instance_uid in text}
    assert found == expected
    assert "Cardiac ejection fraction" in text


@pytest.mark.parametrize("roi", ["point 56 50", "box 30 25 80 75"])
def test_one_file(study: Path, tiny_heart: Path, tmp_path: Path, roi: str) -> None:
    report = segment(sorted(study.iterdir())[0], tmp_path / "out", tiny_heart, roi, seg="FRACTIONAL", device="cpu")
    (frame,) = report.frames
    assert frame.outlined
    side = 100.0 if roi.startswith("point") else 50.0
    assert frame.region == pytest.approx((56.0, 50.0, side, side) if side == 100 else (55.0, 50.0, 50.0, 50.0))
    assert report.volumes is None
    assert frame.measures["LV endocardium"]["area_mm2"] > 0
    assert pydicom.dcmread(tmp_path / "out" / "seg.dcm").SegmentationType == "FRACTIONAL"


def test_earlier_contours_and_overwriting(study: Path, tiny_heart: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    file = sorted(study.iterdir())[0]
    segment(file, out, tiny_heart, "box 30 25 80 75", rtstruct=True, device="cpu")
    (out / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="contours.json"):
        segment(file, out, tiny_heart, "center", device="cpu")
    earlier = (out / "contours.json").read_bytes()
    with pytest.raises(FileExistsError, match="apart from what is read.*would replace the input"):
        segment(study, out, tiny_heart, out / "contours.json", overwrite=True, pictures=False, device="cpu")
    assert (out / "contours.json").read_bytes() == earlier
    (tmp_path / "contours.json").write_bytes(earlier)
    report = segment(study, out, tiny_heart, tmp_path / "contours.json", overwrite=True, pictures=False, device="cpu")
    assert [frame.outlined for frame in report.frames].count(True) == 1
    assert {frame.reason for frame in report.frames} == {"", "no earlier contour"}
    assert report.roi == "contours"
    assert sorted(path.name for path in out.iterdir()) == ["contours.json", "mine.txt", "report.json"]


def test_a_folder_of_pictures_keeps_its_pictures(tiny_heart: Path, tmp_path: Path) -> None:
    """A picture with the name of a result is an image all the same; results of an earlier run are none."""
    gray = (np.indices((96, 96)).sum(0) % 200).astype(np.uint8)
    for name in ("1.png", "contact_sheet.png"):
        Image.fromarray(gray).save(tmp_path / name)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match=r"contact_sheet\.png would replace the input"):
        segment(tmp_path, tmp_path, tiny_heart, "center", pictures=False, overwrite=True, device="cpu")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_results_among_the_images_are_replaced(own_study: Path, tiny_heart: Path) -> None:
    before = {path.name: path.read_bytes() for path in own_study.iterdir()}
    for _ in range(2):
        segment(own_study, own_study, tiny_heart, "center", rtstruct=True, pictures=False, overwrite=True, device="cpu")
    assert {name: (own_study / name).read_bytes() for name in before} == before
    assert sorted({path.name for path in own_study.iterdir()} - set(before)) == [
        "contours.json",
        "report.json",
        "rtstruct.dcm",
    ]


def test_an_ensemble_writes_its_spread(study: Path, tiny_heart: Path, ensemble_weights: Path, tmp_path: Path) -> None:
    file = sorted(study.iterdir())[0]
    for name, checkpoint in (("one", None), ("ensemble", ensemble_weights)):
        segment(file, tmp_path / name, tiny_heart, "center", checkpoint=checkpoint, pictures=False, device="cpu")
    one, ensemble = (
        json.loads((tmp_path / name / "contours.json").read_text())["frames"][0]["contours"][0]
        for name in ("one", "ensemble")
    )
    assert set(ensemble) - set(one) == {"vertex_spread_px", "vertex_spread_mm", "mean_spread_px", "mean_spread_mm"}
    assert len(ensemble["vertex_spread_px"]) == len(ensemble["vertices_px"])
    np.testing.assert_allclose(ensemble["vertex_spread_mm"], np.array(ensemble["vertex_spread_px"]) * 1.3, atol=1e-3)
    (frame,) = read_contour_document(tmp_path / "ensemble" / "contours.json").frames
    assert frame.spread is not None


def test_pictures_and_volumes(tiny_heart: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (80, 90), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    report = segment(tmp_path / "image.png", tmp_path / "a", tiny_heart, "center", mask=True, device="cpu")
    assert report.frames[0].measures == {}
    assert np.asarray(Image.open(tmp_path / "a" / "masks" / "image.png")).shape == (80, 90)
    spaced = segment(tmp_path / "image.png", tmp_path / "b", tiny_heart, "center", spacing=(1, 2), device="cpu")
    assert spaced.frames[0].measures["LV endocardium"]["area_mm2"] > 0
    volume = np.random.default_rng(0).random((90, 80, 3, 2)).astype(np.float32)
    nib.save(nib.Nifti1Image(volume, np.diag([1.5, 1.5, 8, 1])), tmp_path / "cine.nii.gz")
    report = segment(tmp_path / "cine.nii.gz", tmp_path / "c", tiny_heart, "center", mask=True, device="cpu")
    assert report.volumes is not None
    assert report.volumes.slice_heights_mm == pytest.approx((8, 8, 8))
    mask = nib.load(tmp_path / "c" / "mask.nii.gz")
    assert mask.shape == volume.shape
    assert np.asarray(mask.dataobj).sum(axis=(0, 1)).min() > 0


def test_a_mammogram(mammogram: Path, tiny_mass: Path, tmp_path: Path) -> None:
    """A right breast: the network sees it flipped, the results lie on the file's pixels."""
    out = tmp_path / "out"
    report = segment(mammogram, out, tiny_mass, "box 40 60 80 90", seg="BINARY", sr=True, html=True, device="cpu")
    assert report.frames[0].region == pytest.approx((60, 75, 48, 36))
    (source,) = read_sources([mammogram])
    (region,) = read_seg(out / "seg.dcm", [source])
    rows, columns = np.nonzero(region.masks[0])
    assert 40 <= columns.mean() <= 80
    assert 60 <= rows.mean() <= 90
    with pytest.raises(ValueError, match="use --seg, --sr or --mask"):
        segment(mammogram, tmp_path / "b", tiny_mass, "box 40 60 80 90", rtstruct=True, device="cpu")
    for roi, message in (("center", "add --roi box"), ("auto", "has no localizer; give --roi box")):
        with pytest.raises(ValueError, match=message):
            segment(mammogram, tmp_path / "b", tiny_mass, roi, device="cpu")


def test_no_identity_unless_asked_for(
    own_study: Path, tiny_heart: Path, tmp_path: Path, edit: Edit, caplog: pytest.LogCaptureFixture
) -> None:
    for file in sorted(own_study.iterdir()):
        edit(file, PatientName=SECRET, PatientID="ID-4711")
        file.rename(own_study / f"Doe_Jane_{file.name}")
    out = tmp_path / "out"
    segment(own_study, out, tiny_heart, "center", overlays=True, mask=True, html=True, device="cpu")
    for path in out.rglob("*"):
        assert "doe" not in path.name.lower()
        if path.is_file():
            content = without_base64(path.read_bytes())
            for name in (b"Jane", b"jane", b"JANE", b"4711"):
                assert name not in content, path.name
    assert "jane" not in caplog.text.lower()
    segment(own_study, out, tiny_heart, "center", html=True, identity=True, overwrite=True, device="cpu")
    assert "ID-4711" in (out / "report.html").read_text()


class TestBadInput:
    """Each leaves a clear message and no output."""

    @pytest.fixture(autouse=True)
    def _no_output(self, tmp_path: Path) -> object:
        yield
        assert not (tmp_path / "out").exists()

    def test_absent(self, tmp_path: Path, tiny_heart: Path) -> None:
        with pytest.raises(FileNotFoundError, match="does not exist: check the path"):
            segment(tmp_path / "absent", tmp_path / "out", tiny_heart, "center", device="cpu")

    def test_a_segmentation(self, study: Path, tmp_path: Path, tiny_heart: Path) -> None:
        segment(study, tmp_path / "first", tiny_heart, "center", seg="BINARY", pictures=False, device="cpu")
        with pytest.raises(ValueError, match="a segmentation, not an image"):
            segment(tmp_path / "first" / "seg.dcm", tmp_path / "out", tiny_heart, "center", device="cpu")

    def test_two_patients(self, own_study: Path, tmp_path: Path, tiny_heart: Path, edit: Edit) -> None:
        edit(sorted(own_study.iterdir())[0], PatientID="other")
        with pytest.raises(ValueError, match="images of one patient"):
            segment(own_study, tmp_path / "out", tiny_heart, "center", device="cpu")

    def test_strict(self, own_study: Path, tmp_path: Path, tiny_heart: Path) -> None:
        (own_study / "notes.txt").write_text("hello")
        with pytest.raises(ValueError, match=r"1 would be left out, such as notes.txt \(not a DICOM file\)"):
            segment(own_study, tmp_path / "out", tiny_heart, "center", strict=True, device="cpu")

    def test_regions(self, study: Path, tmp_path: Path, tiny_heart: Path) -> None:
        for roi, message in (
            ("box 1 2 3", "Expected 4 numbers"),
            ("point 500 3", "inside the image"),
            ("box 200 200 300 300", "meets the image"),
        ):
            with pytest.raises(ValueError, match=message):
                segment(study, tmp_path / "out", tiny_heart, roi, device="cpu")

    def test_dicom_results_of_a_picture(self, tmp_path: Path, tiny_heart: Path) -> None:
        Image.fromarray(np.eye(50, dtype=np.uint8)).save(tmp_path / "image.png")
        with pytest.raises(ValueError, match="Expected DICOM images for DICOM results"):
            segment(tmp_path / "image.png", tmp_path / "out", tiny_heart, "center", seg="BINARY", device="cpu")

    def test_nothing_to_store(self, study: Path, tmp_path: Path, tiny_heart: Path) -> None:
        with pytest.raises(ValueError, match="add --seg, --rtstruct or --sr"):
            segment(study, tmp_path / "out", tiny_heart, "center", store="http://localhost/x", device="cpu")
        with pytest.raises(ValueError, match="`seg` to be one of"):
            segment(study, tmp_path / "out", tiny_heart, "center", seg="LABELMAP", device="cpu")

    def test_a_full_disk(self, study: Path, tmp_path: Path, tiny_heart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_args: object, **_kwargs: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("monai_acdr.apps.segment_results.write_rtstruct", fail)
        with pytest.raises(OSError, match="No space left"):
            segment(study, tmp_path / "out", tiny_heart, "center", rtstruct=True, device="cpu")


def test_missing_slices_and_spacing_are_reported(own_study: Path, tiny_heart: Path, tmp_path: Path, edit: Edit) -> None:
    files = sorted(own_study.iterdir(), key=lambda path: int(path.stem))
    for file in files[4:8]:
        file.unlink()  # the slice in the middle
    (own_study / "broken.dcm").write_bytes(files[0].read_bytes()[:200])
    shutil.copy(files[0], own_study / "copy.dcm")
    report = segment(own_study, tmp_path / "a", tiny_heart, "center", pictures=False, device="cpu")
    assert sorted(entry.kind for entry in report.skipped) == ["duplicate", "unreadable"]
    assert "gap" in {finding.kind for finding in report.findings}
    assert any("left out" in line for line in report.summary())
    (own_study / "copy.dcm").unlink()
    for file in own_study.glob("[0-9]*.dcm"):
        edit(file, PixelSpacing=None)
    report = segment(own_study, tmp_path / "b", tiny_heart, "center", pictures=False, device="cpu")
    assert report.volumes is None
    assert all(not frame.measures for frame in report.frames)
