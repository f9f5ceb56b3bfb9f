# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr._concepts_dict import concepts
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from shapely.geometry import Polygon

from monai_acdr.dicom import (
    BREAST_MASS,
    LV_ENDOCARDIUM,
    MEASURES,
    VOLUMES,
    WALL,
    Region,
    SrOptions,
    read_sources,
    write_rtstruct,
    write_seg,
    write_sr,
)

EJECTION = {"edv_ml": 120.5, "esv_ml": 50.25, "stroke_volume_ml": 70.25, "ejection_fraction_percent": 58.2987}


def items(dataset: Dataset) -> Iterator[Dataset]:
    for item in dataset.get("ContentSequence") or []:
        yield item
        yield from items(item)


def values(dataset: Dataset) -> dict[str, float]:
    return {
        item.ConceptNameCodeSequence[0].CodeMeaning: float(item.MeasuredValueSequence[0].NumericValue)
        for item in items(dataset)
        if item.ValueType == "NUM"
    }


@pytest.mark.parametrize("known", [MEASURES, VOLUMES, WALL])
def test_codes_are_in_the_standard(known: dict) -> None:
    for concept, _ in known.values():
        assert any(concept.value in entry for entry in concepts[concept.scheme_designator].values()), concept


def test_image_coordinates(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources(made.series(tmp_path, made.oblique(2), phases=2))
    measures = [{"longest_diameter_mm": 12.5, "perpendicular_diameter_mm": 7.25}, None]
    path = write_sr(tmp_path / "sr.dcm", [made.SHAPE, None, None, made.SHAPE + 0.25], sources, measures, EJECTION)
    dataset = pydicom.dcmread(path)
    assert dataset.SOPClassUID.name == "Comprehensive 3D SR Storage" and dataset.PatientName == made.SECRET
    assert (dataset.CompletionFlag, dataset.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert dataset.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    drawn = [item for item in items(dataset) if item.ValueType == "SCOORD"]
    assert [item.GraphicType for item in drawn] == ["POLYLINE"] * 2
    for item, source, shift in zip(drawn, (sources[0], sources[3]), (0, 0.25), strict=True):
        points = np.array(item.GraphicData).reshape(-1, 2)
        assert np.array_equal(points[0], points[-1])
        assert np.abs(points[:-1] - made.SHAPE - shift).max() < 1e-5
        image = item.ContentSequence[0].ReferencedSOPSequence[0]
        assert image.ReferencedSOPInstanceUID == source.header.SOPInstanceUID
    found = values(dataset)
    assert found["Area"] == pytest.approx(Polygon(made.SHAPE).area * made.SPACING[0] * made.SPACING[1])
    assert (found["Long axis"], found["Short axis"]) == (12.5, 7.25)
    assert found["Left Ventricular ED Volume"] == 120.5 and found["Cardiac ejection fraction"] == 58.2987
    text = str(dataset)
    assert "Left ventricle" in text and "monai_acdr" in text


def test_the_wall_is_a_group_of_its_own(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources(made.series(tmp_path, made.oblique(2), phases=2))
    wall = {"mass_g": 98.5, "mean_thickness_mm": 8.25}
    path = write_sr(tmp_path / "sr.dcm", [made.SHAPE, None, None, None], sources, volumes=EJECTION, wall=wall)
    dataset = pydicom.dcmread(path)
    found = values(dataset)
    assert (found["Left Ventricle Mass"], found["Wall Thickness"]) == (98.5, 8.25)
    assert found["Left Ventricular ED Volume"] == 120.5
    derivations = [item.ConceptCodeSequence[0].CodeMeaning for item in items(dataset) if concept(item) == "Derivation"]
    assert derivations == ["Mean"] and "Left Ventricle Myocardium" in str(dataset)


def concept(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning) if item.get("ConceptNameCodeSequence") else ""


def test_patient_coordinates(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources(made.series(tmp_path, made.oblique(2)))
    options = SrOptions(coordinates="patient", series_number=7)
    path = write_sr(tmp_path / "sr.dcm", [made.SHAPE, None], sources, options=options)
    assert pydicom.dcmread(path).SeriesNumber == 7
    (drawn,) = [item for item in items(pydicom.dcmread(path)) if item.ValueType == "SCOORD3D"]
    points = np.array(drawn.GraphicData).reshape(-1, 3)
    assert np.abs(points[:-1] - made.by_hand(made.SHAPE, sources[0].path)).max() < 1e-5
    assert drawn.ReferencedFrameOfReferenceUID == made.uid("frame of reference")


def test_mammogram(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources([made.mammogram(tmp_path / "m.dcm")])
    region = Region(BREAST_MASS, ((made.SHAPE, made.SHAPE + 0.5),))
    dataset = pydicom.dcmread(write_sr(tmp_path / "sr.dcm", [region], sources))
    assert values(dataset)["Area"] == pytest.approx(Polygon(made.SHAPE).area * 0.04)
    codes = [item.ConceptCodeSequence[0].CodeMeaning for item in items(dataset) if item.ValueType == "CODE"]
    assert {"Mass", "Breast", "Mammography"} <= set(codes)
    tracking = {item.UID for item in items(dataset) if item.ValueType == "UIDREF"}
    assert region.tracking_uid in tracking
    with pytest.raises(ValueError, match="frame of reference for patient coordinates"):
        write_sr(tmp_path / "b.dcm", [region], sources, coordinates="patient")


@pytest.mark.parametrize(
    ("coordinates", "points", "syntax"),
    [
        ("image", 8190, ExplicitVRLittleEndian),
        ("image", 8191, ImplicitVRLittleEndian),
        ("patient", 5460, ExplicitVRLittleEndian),
        ("patient", 5461, ImplicitVRLittleEndian),
    ],
)
def test_long_contours(made: SimpleNamespace, tmp_path: Path, coordinates: str, points: int, syntax: UID) -> None:
    """Beyond 64 kB pydicom writes UN in explicit VR, where others find no contour."""
    sources = read_sources(made.series(tmp_path, made.oblique(2), slices=1))
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    vertices = np.stack([6 + 3.3 * np.cos(angle), 4 + 2.7 * np.sin(angle)], axis=1)
    dataset = pydicom.dcmread(write_sr(tmp_path / "sr.dcm", [vertices], sources, coordinates=coordinates))
    assert dataset.file_meta.TransferSyntaxUID == syntax
    (drawn,) = [item for item in items(dataset) if item.ValueType.startswith("SCOORD")]
    assert drawn["GraphicData"].VR == "FL" and len(drawn.GraphicData) == (points + 1) * (
        2 if coordinates == "image" else 3
    )


def test_contours_beyond_the_border(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources(made.series(tmp_path, made.oblique(2), slices=1))
    vertices = made.SHAPE - [4, 0]
    dataset = pydicom.dcmread(write_sr(tmp_path / "sr.dcm", [vertices], sources))
    (drawn,) = [item for item in items(dataset) if item.ValueType == "SCOORD"]
    assert min(drawn.GraphicData) == 0
    assert values(dataset)["Area"] == pytest.approx(Polygon(vertices).area * made.SPACING[0] * made.SPACING[1])
    with pytest.raises(ValueError, match="one lies outside of .*: leave it out"):
        write_sr(tmp_path / "b.dcm", [made.SHAPE - 50], sources)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"measures": [{"size": 1.0}]}, r"names of `measures` to be of .*, but got \['size'\]"),
        ({"measures": []}, "each of the 1 contours, but got 0"),
        ({"measures": [{"area_mm2": float("nan")}]}, "finite numbers in `measures`"),
        ({"volumes": {"ef": 1.0}}, "names of `volumes`"),
        ({"wall": {"mass": 1.0}}, "names of `wall`"),
        ({"coordinates": "pixel"}, "'image' or 'patient', but got 'pixel'"),
    ],
)
def test_refused(made: SimpleNamespace, tmp_path: Path, changes: dict, message: str) -> None:
    sources = read_sources(made.series(tmp_path, made.oblique(2), slices=1))
    with pytest.raises(ValueError, match=message):
        write_sr(tmp_path / "sr.dcm", [made.SHAPE], sources, **changes)
    assert not (tmp_path / "sr.dcm").exists()


@pytest.mark.parametrize("kind", ["image", "patient", "mammogram", "frames"])
def test_passes_dciodvfy(made: SimpleNamespace, tmp_path: Path, verify: Callable[[Path], list[str]], kind: str) -> None:
    if kind == "mammogram":
        paths = [made.mammogram(tmp_path / "m.dcm")]
    elif kind == "frames":
        paths = [made.enhanced(tmp_path / "e.dcm", [[0, 0, 5], [3, 0, 5]])]
    else:
        paths = made.series(tmp_path, made.oblique(3), phases=2)
    sources = read_sources(paths)
    options = SrOptions(coordinates="patient" if kind == "patient" else "image")
    path = write_sr(tmp_path / "sr.dcm", [made.SHAPE] * len(sources), sources, volumes=EJECTION, options=options)
    assert verify(path) == []


@pytest.mark.parametrize("write", [write_sr, write_seg, write_rtstruct])
@pytest.mark.parametrize("keyword", ["SOPClassUID", "StudyInstanceUID"])
def test_headers_without_an_element(
    made: SimpleNamespace, tmp_path: Path, write: Callable[..., Path], keyword: str
) -> None:
    """What highdicom raises speaks of Python; the file, the element and what to do instead are what helps."""
    sources = read_sources(made.series(tmp_path, [1, 0, 0, 0, 1, 0]))
    for source in sources:
        source.header.pop(keyword)
    with pytest.raises(ValueError, match=f"^Expected {keyword} in the images .* that of .*0-0.dcm lacks it: complete"):
        write(tmp_path / "result.dcm", [made.SHAPE, None], sources)
    assert not (tmp_path / "result.dcm").exists()


def test_holes_are_refused(made: SimpleNamespace, tmp_path: Path) -> None:
    sources = read_sources(made.series(tmp_path, [1, 0, 0, 0, 1, 0]))
    region = Region(LV_ENDOCARDIUM, ((made.SHAPE, made.SHAPE[:3]), ()), holes=((False, True), ()))
    with pytest.raises(ValueError, match="without holes for a structured report.*write RTSTRUCT or SEG"):
        write_sr(tmp_path / "sr.dcm", [region], sources)
    with pytest.raises(ValueError, match="`holes` to have a value for each contour"):
        write_sr(tmp_path / "sr.dcm", [replace(region, holes=((True,), ()))], sources)
