# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Whole runs of `segment` with two structures, with confidences, and with stated limits of agreement."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from monai_acdr.apps import measurements, outlines, segment, segment_study
from monai_acdr.apps.documents import read_contour_document
from monai_acdr.apps.inputs import Inputs
from monai_acdr.apps.model import ContourModel, Limits, VolumeAgreement, load_model
from monai_acdr.apps.segment_results import SegmentReport
from monai_acdr.dicom import read_rtstruct, read_seg, read_sources
from monai_acdr.geometry import is_nested
from monai_acdr.handlers import save_checkpoint
from monai_acdr.handlers.checkpoints import join_members
from monai_acdr.transforms import contour_to_mask

LABELS = ["LV endocardium", "LV epicardium"]
AGREEMENT = VolumeAgreement({"edv_ml": Limits(-12.0, 9.0), "mass_g": Limits(-20.5, 11.0)}, "acdc_dev, auto")


@pytest.fixture(scope="module")
def model(nested_model: ContourModel) -> Iterator[ContourModel]:
    """The model that runs load; ROI auto finds the middle of each frame, in some with little confidence."""
    model = replace(nested_model, agreement=AGREEMENT)

    def places(*arguments: object) -> list[outlines._Place]:
        inputs = next(argument for argument in arguments if isinstance(argument, Inputs))
        region = torch.tensor([56.0, 50, 60, 60, 0], dtype=torch.float64)
        return [outlines._Place(region, 0.1 + 0.07 * index) for index in range(len(inputs.frames))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_study, "load_model", lambda *_args: model)
        patch.setattr(outlines, "_find_hearts", places)
        yield model


@pytest.fixture(scope="module")
def run(study: Path, model: ContourModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[SegmentReport, Path]:
    out = tmp_path_factory.mktemp("run") / "out"
    options = {"seg": "BINARY", "rtstruct": True, "sr": True, "mask": True, "html": True, "overlays": True}
    with pytest.MonkeyPatch.context() as patch:  # limits are stated for whole stacks, and this one is a cylinder
        patch.setattr(measurements, "incomplete_stack", lambda *_: [])
        return segment(study, out, device="cpu", **options), out


def test_all_results_have_both_structures(run: tuple[SegmentReport, Path], study: Path) -> None:
    report, out = run
    assert list(report.structures) == LABELS and report.num_outlined == 12
    sources = read_sources(sorted(study.iterdir()))
    document = read_contour_document(out / "contours.json").to_regions(sources)
    drawn, segments = read_rtstruct(out / "rtstruct.dcm", sources), read_seg(out / "seg.dcm", sources)
    for found in (document, drawn, segments):
        assert [region.structure.label for region in found] == LABELS
    for index, source in enumerate(sources):
        masks = []
        for number, radius in enumerate((8, 12)):
            (vertices,) = document[number].contours[index]
            np.testing.assert_allclose(np.linalg.norm(vertices - [56, 50], axis=1), radius, atol=1e-3)
            np.testing.assert_allclose(drawn[number].contours[index][0], vertices, atol=1e-3)
            masks.append(contour_to_mask(torch.from_numpy(vertices)[None], source.size, 0.5)[0].numpy())
            np.testing.assert_array_equal(segments[number].masks[index], masks[-1])
        picture = np.asarray(Image.open(out / "masks" / f"{source.path.stem}.png"))
        np.testing.assert_array_equal(picture, np.where(masks[0] > 0, 255, np.where(masks[1] > 0, 128, 0)))


def test_names_of_the_user_go_through(study: Path, model: ContourModel, tmp_path: Path) -> None:
    """Into report, contour document, structure set, segmentation and structured report; never the bundle's own."""
    out, names = tmp_path / "out", ["Kidney", "Capsule"]
    report = segment(study, out, structure=names, seg="BINARY", rtstruct=True, sr=True, device="cpu")
    assert list(report.structures) == names and report.volumes is None
    sources = read_sources(sorted(study.iterdir()))
    document = read_contour_document(out / "contours.json").to_regions(sources)
    for found in (document, read_rtstruct(out / "rtstruct.dcm", sources), read_seg(out / "seg.dcm", sources)):
        assert [region.structure.label for region in found] == names
    for found in (document, read_seg(out / "seg.dcm", sources)):
        assert [region.structure.property_type.meaning for region in found] == ["Kidney", "Tissue"]
    written = str(pydicom.dcmread(out / "sr.dcm"))
    assert all(name in written for name in names)
    assert not [path for path in out.rglob("*") if path.is_file() and b"LV endocardium" in path.read_bytes()]


def test_names_that_do_not_fit(study: Path, model: ContourModel, tmp_path: Path) -> None:
    for names, message in (
        ("Kidney", r"a name for each structure of .* but got 1: give --structure 2 times"),
        (["Kidney", "kidney"], "different names"),
        (["Kidney", ""], "1 to 64 printable characters"),
    ):
        with pytest.raises(ValueError, match=message):
            segment(study, tmp_path / "out", structure=names, device="cpu")
    assert not (tmp_path / "out" / "report.json").exists()


def test_images_of_another_modality(study: Path, model: ContourModel, tmp_path: Path) -> None:
    """A network for MR on ultrasound outlines something, and nobody knows what."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_study, "load_model", lambda *_args: replace(model, modality="US"))
        report = segment(study, tmp_path / "out", device="cpu")
        assert report.structures == ("Region 1", "Region 2")
        (finding,) = (finding for finding in report.findings if finding.kind == "modality")
        assert "trained on US images, and these are MR" in finding.text and "Give --structure" in finding.text
        named = segment(study, tmp_path / "named", structure=LABELS, device="cpu")
    assert list(named.structures) == LABELS
    assert not [finding for finding in named.findings if finding.kind == "modality"]
    assert "incomplete_stack" in {finding.kind for finding in named.findings} and named.agreement is None


def test_the_report_of_both_structures(run: tuple[SegmentReport, Path]) -> None:
    """Reference: polygons of 32 vertices in pixels of 1.3 mm."""
    report, out = run
    record = json.loads((out / "report.json").read_text())
    assert record["structures"] == LABELS
    first = record["frames"][0]
    area = {r: 16 * math.sin(math.pi / 16) * (1.3 * r) ** 2 for r in (8, 12)}
    assert first["measures"]["LV endocardium"]["area_mm2"] == pytest.approx(area[8])
    assert first["measures"]["LV epicardium"]["area_mm2"] == pytest.approx(area[12])
    assert first["spread"]["LV epicardium"] == {"mean_px": 0.5, "mean_mm": 0.65}
    assert first["repairs"] == {"LV epicardium": ["nesting"]}
    assert record["repairs"] == {"contours": 12, "collapse": 0, "self_intersection": 0, "nesting": 12, "neighbors": 0}
    height = sum(record["wall"]["slice_heights_mm"])
    assert record["wall"]["mass_g"] == pytest.approx(1.05 * (area[12] - area[8]) * height / 1000)
    assert record["wall"]["mean_thickness_mm"] == pytest.approx(4 * 1.3, rel=0.01)
    assert record["volumes"]["end_diastolic_volume_ml"] == pytest.approx(area[8] * height / 1000)


def test_how_far_to_trust_it(run: tuple[SegmentReport, Path]) -> None:
    """Confidences are 0.10, 0.17, ..., 0.87: six are below 0.5."""
    report, out = run
    assert [frame.doubtful for frame in report.frames] == [True] * 6 + [False] * 6
    (finding,) = (finding for finding in report.findings if finding.kind == "doubtful")
    assert finding.text.startswith("6 of 12 outlined frame(s) have a confidence below 0.5: frame ")
    assert finding.text.endswith("of them at end-diastole or end-systole, in the volumes")
    lines = report.summary()
    assert lines[0] == "12 of 12 frame(s) outlined: LV endocardium and LV epicardium"
    edv, mass = report.volumes.end_diastolic_volume_ml, report.wall.mass_g
    assert f"EDV {edv:.1f} mL (limits of agreement -12 to +9 mL), ESV " in lines[1]
    assert lines[2].startswith(
        f"At end-diastole: myocardial mass {mass:.1f} g (limits of agreement -20.5 to +11 g), mean"
    )
    assert lines[3] == "Limits of agreement: measured minus reference, acdc_dev, auto"
    lowest = ", ".join(f"{frame.name} ({frame.confidence:.2f})" for frame in report.frames[:3])
    assert lines[4] == f"Confidence: 6 of 12 outlined frame(s) doubtful (below 0.5), lowest: {lowest}"
    assert lines[5].startswith("Spread of the ensemble: mean 0.49 mm, largest in ")
    assert lines[6] == "Repaired contours: 12 of 24 (pushed outward to contain the inner structure: 12)"
    assert not any(line.startswith("Finding: doubtful") for line in lines)
    frames = json.loads((out / "contours.json").read_text())["frames"]
    first, last = (frame["contours"][0] for frame in (frames[0], frames[-1]))
    assert (first["confidence"], first["doubtful"], first["mean_spread_px"]) == (0.1, True, 0.25)
    assert last["confidence"] == pytest.approx(0.87) and "doubtful" not in last and "repairs" not in last
    assert frames[0]["contours"][1]["repairs"] == ["nesting"]
    (frame, *_) = read_contour_document(out / "contours.json").frames
    assert frame.confidence == (0.1, 0.1) and frame.doubtful == (True, True)


def test_the_page_shows_the_worst_first(run: tuple[SegmentReport, Path]) -> None:
    report, out = run
    page = (out / "report.html").read_text()
    assert page.index("Check first") < page.index("<h2>Pictures")
    captions = [
        f"slice {f.slice_index + 1} of 3, phase {f.phase + 1} of 4 ({f.name}), "
        + ("spread 0.49 mm, doubtful" if f.doubtful else "confidence")
        + f" {f.confidence:.2f}"
        for f in report.frames
    ]
    places = [page.index(f"<figcaption>{caption}") for caption in captions]
    assert places == sorted(places)
    nested = "LV epicardium pushed outward to contain the inner structure"
    assert page.count(f", {nested}</figcaption>") == 12
    assert page.index("Slice of 3") < page.index("Phase of 4") and "count from 0" not in page
    assert "(limits of agreement -12 to +9 mL)" in page and "Spread (mm)" in page
    assert "Repaired contours: 12 of 24 (pushed outward" in page


def test_cavities_like_their_neighbors_come_first(run: tuple[SegmentReport, Path]) -> None:
    report, _ = run
    frames = [
        replace(f, repairs={"LV endocardium": ("neighbors",)} if i == 7 else {}) for i, f in enumerate(report.frames)
    ]
    ordered = replace(report, frames=tuple(frames)).worst_first()
    assert [frame.name for frame in ordered] == [frames[i].name for i in (7, *range(7), *range(8, 12))]
    assert ordered[0].like_neighbors and not ordered[1].like_neighbors
    frames[9] = replace(frames[9], dented=True)
    ordered = replace(report, frames=tuple(frames)).worst_first()
    assert sorted(frame.name for frame in ordered[:2]) == sorted([frames[7].name, frames[9].name])
    frames[9] = replace(frames[9], confidence=0.99)
    (line,) = (text for text in replace(report, frames=tuple(frames)).summary() if text.startswith("Confidence"))
    lowest = re.findall(r"\((0\.\d+)\)", line)
    assert len(lowest) > 1 and lowest == sorted(lowest) and "0.99" not in lowest


def test_the_structured_report_has_mass_and_thickness(run: tuple[SegmentReport, Path]) -> None:
    report, out = run
    dataset = pydicom.dcmread(out / "sr.dcm")
    found = {}

    def visit(item: pydicom.Dataset) -> None:
        if item.ValueType == "NUM":
            value = item.MeasuredValueSequence[0]
            key = item.ConceptNameCodeSequence[0].CodeValue, value.MeasurementUnitsCodeSequence[0].CodeValue
            found.setdefault(key, []).append(float(value.NumericValue))
        for child in item.get("ContentSequence", []):
            visit(child)

    visit(dataset)
    assert found["18087-7", "g"] == [pytest.approx(report.wall.mass_g)]
    assert found["122445", "mm"] == [pytest.approx(report.wall.mean_thickness_mm)]
    phases = {report.volumes.end_diastole_phase, report.volumes.end_systole_phase}
    assert len(found["42798000", "mm2"]) == 2 * sum(frame.phase in phases for frame in report.frames)


def test_nifti_masks_have_rings(model: ContourModel, tmp_path: Path) -> None:
    volume = np.random.default_rng(0).random((112, 100, 2)).astype(np.float32)
    nib.save(nib.Nifti1Image(volume, np.diag([1.5, 1.5, 8, 1])), tmp_path / "v.nii.gz")
    segment(tmp_path / "v.nii.gz", tmp_path / "out", mask=True, pictures=False, device="cpu")
    labels = np.asarray(nib.load(tmp_path / "out" / "mask.nii.gz").dataobj)
    x, y = np.meshgrid(np.arange(112) + 0.5 - 56, np.arange(100) + 0.5 - 50, indexing="ij")
    radius = np.hypot(x, y)
    assert (labels[radius < 7] == 1).all() and (labels[(radius > 9) & (radius < 11)] == 2).all()
    assert not labels[radius > 13].any()


def test_earlier_contours_of_both_structures(run: tuple[SegmentReport, Path], study: Path, tmp_path: Path) -> None:
    """Regions lie about the innermost contour."""
    _, out = run
    again = segment(study, tmp_path / "again", roi=out / "contours.json", pictures=False, device="cpu")
    for frame in again.frames:
        np.testing.assert_allclose(frame.region[:2], [56, 50], atol=1e-3)
        assert frame.confidence is None and not frame.doubtful
    assert again.agreement is None  # limits were measured with ROI auto


def test_a_network_of_another_number_of_structures(study: Path, model: ContourModel, tmp_path: Path) -> None:
    wrong = replace(model, structures=model.structures[:1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_study, "load_model", lambda *_args: wrong)
        with pytest.raises(ValueError, match="each of its 1 structure.s., LV endocardium, but it gives 2"):
            segment(study, tmp_path / "out", device="cpu")


def test_a_bundle_of_two_structures(
    study: Path, tiny_heart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real network, untrained: its contours start as circles of which one contains the other, and stay nested."""
    root = Path(shutil.copytree(tiny_heart, tmp_path / "bundle"))
    path = root / "configs" / "inference.json"
    config = json.loads(path.read_text())
    config["network_def"]["displacement_net"]["num_structures"] = 2
    config["network_def"]["initial_contour"]["diameter"] = [0.25, 0.4]
    path.write_text(json.dumps({**config, "nested": True}))
    metadata = json.loads((root / "configs" / "metadata.json").read_text())
    metadata["network_data_format"]["outputs"]["pred"]["channel_def"] = {"1": "lv", "2": "lv_epicardium"}
    (root / "configs" / "metadata.json").write_text(json.dumps(metadata))
    parser = ConfigParser()
    parser.read_config(str(path))
    parser["bundle_root"], parser["device"] = str(root), torch.device("cpu")
    members = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        parser.parse(reset=True)
        members.append(parser.get_parsed_content("network_def").state_dict())
    save_checkpoint(join_members(members), root / "models" / "model.pt")
    monkeypatch.setattr(segment_study, "load_model", load_model)
    report = segment(study, tmp_path / "out", root, "center", rtstruct=True, mask=True, html=True, device="cpu")
    assert list(report.structures) == LABELS and report.wall is not None
    assert all(set(frame.spread) == set(LABELS) for frame in report.frames)
    for frame in read_contour_document(tmp_path / "out" / "contours.json").frames:
        assert bool(is_nested(torch.from_numpy(np.stack(frame.contours))))
