# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours from a real server: clicks, boxes and nothing at all, on pictures, volumes, cine series and DICOM."""

from __future__ import annotations

import gzip
import io
import json
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import shapely
from PIL import Image

pytestmark = pytest.mark.slow

HEART, MASS = "sunnybrook_lv_acdr", "inbreast_mass_acdr"
CLICK = [52, 61]  # (column, row): within the ventricle of all slices


def inside(vertices: Any, shape: tuple[int, int]) -> np.ndarray:
    """(X, Y) bool: voxels whose center is in the polygon, by another program than ours."""
    x, y = np.meshgrid(np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5, indexing="ij")
    return np.asarray(shapely.contains_xy(shapely.Polygon(vertices).buffer(0), x, y))


def same_but_border(labels: np.ndarray, vertices: Any) -> bool:
    """Coverage of at least half and the center inside differ on the border only."""
    wanted = inside(vertices, labels.shape)
    return bool((labels > 0).sum() > 50 and np.logical_xor(labels > 0, wanted).sum() <= 0.06 * wanted.sum())


def nifti_of(content: bytes) -> Any:
    return nib.Nifti1Image.from_bytes(gzip.decompress(content))


def parts_of(answer: Any) -> dict[str, Any]:
    """The parts of MONAI Label's multipart answer."""
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + answer.content)
    return {part.get_param("name", header="content-disposition"): part for part in message.get_payload()}


def test_info(server: Any) -> None:
    info = server.info()
    assert set(info["labels"]) >= {"LV endocardium", "LV myocardium"}
    assert info["models"][HEART]["type"] == "deepgrow" and info["models"][HEART]["dimension"] == 2
    assert info["models"][f"{HEART}_auto"]["type"] == "segmentation"
    assert f"{MASS}_auto" not in info["models"] and MASS in info["models"]
    assert "contour_acdr" not in info["models"]  # it has no weights
    assert "contour_acdr is not offered: it has no weights" in server.log.read_text()
    assert info["datastore"]["total"] == 6


def test_click_on_a_volume(server: Any) -> None:
    click = [*CLICK, 1]
    answer = server.infer("volume", {"foreground": [click], "result_extension": ".nii.gz"}, "image")
    image = nifti_of(answer.content)
    reference = nib.load(Path(server.studies) / "volume.nii.gz")
    assert image.shape == reference.shape
    np.testing.assert_allclose(image.affine, reference.affine, atol=1e-4)
    labels = np.asarray(image.dataobj)
    assert labels.dtype == np.uint8 and set(np.unique(labels)) == {0, 1, 2}
    assert labels[tuple(click)] == 1 and not labels[:, :, [0, 2]].any()
    (contour,) = server.cavities("volume", {"foreground": [click]})
    assert (contour["slice"], contour["phase"], contour["prompt"]) == (1, 0, "point")
    assert contour["region"][:2] == [CLICK[0] + 0.5, CLICK[1] + 0.5]
    assert same_but_border(labels[:, :, 1] == 1, contour["vertices_px"])
    # Pixels to mm by hand: voxel indices are centers, and RAS to LPS.
    vertices = np.asarray(contour["vertices_px"])
    indices = np.column_stack([vertices - 0.5, np.ones(len(vertices)), np.ones(len(vertices))])
    lps = (reference.affine @ indices.T).T[:, :3] * [-1, -1, 1]
    np.testing.assert_allclose(contour["vertices_mm"], lps, atol=1e-3)


def test_further_clicks_correct_the_contour(server: Any) -> None:
    click = [*CLICK, 1]
    (first,) = server.cavities("volume", {"foreground": [click]})
    right = max(first["vertices_px"])
    far = [round(right[0] + 1.5), round(right[1] - 0.5), 1]  # outside, to the right, far from the epicardium
    (grown,) = server.cavities("volume", {"foreground": [click, far]})
    assert grown["corrected"] and not first["corrected"]
    assert inside(grown["vertices_px"], (100, 120))[far[0], far[1]]
    near = [round(right[0] - 3.5), round(right[1] - 0.5), 1]
    (shrunk,) = server.cavities("volume", {"foreground": [click], "background": [near]})
    assert inside(first["vertices_px"], (100, 120))[near[0], near[1]]
    assert not inside(shrunk["vertices_px"], (100, 120))[near[0], near[1]]
    assert server.cavities("volume", {"foreground": [click]}) == [first]  # the server remembers no clicks


def test_box_of_slicer(server: Any) -> None:
    """Pairs may be the wrong way round; the slices are those of the box."""
    forward = server.cavities("volume", {"roi": [20, 84, 30, 94, 0, 1], "foreground": [], "background": []})
    backward = server.cavities("volume", {"roi": [84, 20, 94, 30, 1, 0]})
    assert forward == backward and [contour["slice"] for contour in forward] == [0, 1]
    assert forward[0]["prompt"] == "box" and forward[0]["region"][:4] == [52.5, 62.5, 64.0, 64.0]
    (one,) = server.cavities("volume", {"roi": [20, 84, 30, 94, 0, 2], "slice": 1})
    assert one["slice"] == 1 and one["vertices_px"] == forward[1]["vertices_px"]


def test_nothing_is_asked_for(server: Any) -> None:
    contours = server.contours("volume", {})
    assert len(contours) >= 2 and {contour["prompt"] for contour in contours} <= {"auto", "center"}
    auto = server.contours("volume", {"foreground": [[0, 0, 0]]}, model=f"{HEART}_auto")
    assert auto == contours  # prompts are not its affair


@pytest.mark.parametrize(("image", "at_least"), [("picture", 1), ("series", 8), ("cine", 8)])
def test_nothing_is_asked_for_on_other_images(server: Any, image: str, at_least: int) -> None:
    contours = server.cavities(image, {})
    assert len(contours) >= at_least
    centers = np.array([contour["centroid_px"] for contour in contours])
    assert np.abs(centers - [52, 61]).max() < 12


def test_boxes_on_other_images(server: Any) -> None:
    for image, k in (("picture", 0), ("series", 6)):
        (contour,) = server.cavities(image, {"roi": [20, 84, 30, 94, k, k]})
        assert contour["prompt"] == "box" and contour["slice"] == k


def test_phases_of_a_cine_series(server: Any) -> None:
    (contour,) = server.cavities("cine", {"foreground": [[*CLICK, 2]], "phase": 3})
    assert (contour["slice"], contour["phase"]) == (2, 3)
    every = server.cavities("cine", {"foreground": [[*CLICK, 2]], "phase": "all"})
    assert [each["phase"] for each in every] == [0, 1, 2, 3]
    answer = server.infer("cine", {"foreground": [[*CLICK, 2]], "phase": 3, "result_extension": ".nii.gz"}, "image")
    labels = np.asarray(nifti_of(answer.content).dataobj)
    assert labels.shape == (100, 120, 3, 4)
    assert np.argwhere(labels.any(axis=(0, 1))).tolist() == [[2, 3]]


def test_picture(server: Any) -> None:
    answer = server.infer("picture", {"foreground": [[*CLICK, 0]]}, "image")
    labels = np.asarray(Image.open(io.BytesIO(answer.content))).T
    (contour,) = server.cavities("picture", {"foreground": [[*CLICK, 0]]})
    assert labels.shape == (100, 120) and same_but_border(labels == 1, contour["vertices_px"])
    assert contour["vertices_mm"] is None


def test_nrrd_and_json_in_one_answer(server: Any) -> None:
    """As 3D Slicer asks for it."""
    params = {
        "label": "LV endocardium",
        "foreground": [[*CLICK, 1]],
        "background": [],
        "slice": 1,
        "result_extension": ".nrrd",
        "result_dtype": "uint8",
        "result_compress": False,
    }
    answer = server.call("POST", f"/infer/{HEART}", params={"image": "volume"}, data={"params": json.dumps(params)})
    parts = parts_of(answer)
    result = json.loads(parts["params"].get_payload(decode=True))
    assert result["label_names"] == {"LV endocardium": 1, "LV myocardium": 2} and len(result["contours"]) == 2
    content = parts["image"].get_payload(decode=True)
    head, _, data = content.partition(b"\n\n")
    fields = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:])
    assert (fields["sizes"], fields["type"], fields["encoding"]) == ("100 120 3", "uint8", "raw")
    labels = np.frombuffer(data, np.uint8).reshape(100, 120, 3, order="F")
    assert same_but_border(labels[:, :, 1] == 1, result["contours"][0]["vertices_px"])
    assert same_but_border(labels[:, :, 1] > 0, result["contours"][1]["vertices_px"])
    columns = [np.fromstring(text.strip("()"), sep=",") for text in fields["space directions"].split()]
    affine = nib.load(Path(server.studies) / "volume.nii.gz").affine
    np.testing.assert_allclose(np.array(columns).T, np.diag([-1, -1, 1]) @ affine[:3, :3], atol=1e-5)


def test_segmentation_of_a_dicom_series(server: Any) -> None:
    click = [*CLICK, 6]  # of a cine series every frame is a slice of the volume that clients get
    (contour,) = server.cavities("series", {"foreground": [click]})
    seg = pydicom.dcmread(
        io.BytesIO(server.infer("series", {"foreground": [click], "result_extension": ".dcm"}, "image").content)
    )
    assert seg.Modality == "SEG" and seg.NumberOfFrames == 2  # one of each structure
    group, _ = seg.PerFrameFunctionalGroupsSequence
    source = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
    assert source == contour["sop_instance_uid"]
    image = next(
        each
        for each in map(pydicom.dcmread, (Path(server.studies) / "series").rglob("*.dcm"))
        if each.SOPInstanceUID == source
    )
    assert seg.PatientID == image.PatientID and seg.FrameOfReferenceUID == image.FrameOfReferenceUID
    labels = seg.pixel_array[0].T
    assert labels[CLICK[0], CLICK[1]] == 1 and same_but_border(labels, contour["vertices_px"])
    # The volume that clients download has the same frame at the clicked slice.
    volume = nifti_of(server.call("GET", "/datastore/image", params={"image": "series"}).content)
    np.testing.assert_array_equal(np.asarray(volume.dataobj)[:, :, click[2]].T, image.pixel_array)
    rows, columns = np.array(image.ImageOrientationPatient[3:]), np.array(image.ImageOrientationPatient[:3])
    spacing, vertices = image.PixelSpacing, np.asarray(contour["vertices_px"]) - 0.5
    world = (
        np.array(image.ImagePositionPatient)
        + vertices[:, :1] * float(spacing[1]) * columns
        + vertices[:, 1:] * float(spacing[0]) * rows
    )
    np.testing.assert_allclose(contour["vertices_mm"], world, atol=1e-3)


def test_mass_in_a_mammogram(server: Any) -> None:
    image = pydicom.dcmread(Path(server.studies) / "mammogram.dcm")
    box = {"roi": [60, 110, 90, 150, 0, 0]}
    (contour,) = server.contours("mammogram", box, MASS)
    center = np.mean(contour["vertices_px"], axis=0)
    assert 60 < center[0] < 110 and 90 < center[1] < 150  # not flipped, though it is a right breast
    assert contour["vertices_mm"] is None
    clicked = server.contours(
        "mammogram", {"foreground": [[60, 120, 0], [110, 120, 0], [85, 90, 0], [85, 150, 0]]}, MASS
    )
    assert clicked[0]["region"] == contour["region"] and clicked[0]["prompt"] == "box"
    seg = pydicom.dcmread(
        io.BytesIO(server.infer("mammogram", {**box, "result_extension": ".dcm"}, "image", MASS).content)
    )
    assert seg.Modality == "SEG" and (seg.Rows, seg.Columns) == (image.Rows, image.Columns)
    assert same_but_border(seg.pixel_array.T, contour["vertices_px"])


def test_upload(server: Any) -> None:
    """An image that is none of the server's, sent along."""
    with open(Path(server.studies) / "volume.nii.gz", "rb") as stream:
        answer = server.call(
            "POST",
            f"/infer/{HEART}",
            params={"output": "json"},
            data={"params": json.dumps({"foreground": [[*CLICK, 1]]})},
            files={"file": ("mine.nii.gz", stream)},
        )
    assert answer.json()["contours"] == server.contours("volume", {"foreground": [[*CLICK, 1]]})


@pytest.mark.parametrize(
    ("image", "params", "status", "message"),
    [
        ("nothing", {}, 404, "it has none with the id"),
        ("../../../etc/passwd", {}, 404, "it has none with the id"),
        ("/etc/passwd", {}, 404, "but got a path"),
        ("volume", {"image": "/etc/passwd"}, 404, "but got a path"),
        ("volume", {"image": 5}, 404, "Expected the id of an image"),
        ("volume", {"foreground": [[500, 10, 0]]}, 400, "Expected a foreground point inside the image"),
        ("volume", {"foreground": [[10, 10, 3]]}, 400, "Expected a foreground point inside the image"),
        ("volume", {"foreground": ["x"]}, 400, "to be 2 or 3 numbers"),
        ("volume", {"roi": [10, 10, 20, 20, 0, 2]}, 400, "to span at least a column and a row"),
        ("volume", {"roi": [500, 600, 500, 600, 0, 2]}, 400, "to meet the image"),
        ("volume", {"slice": 3}, 400, "Expected `slice` from 0 to 2, but got 3"),
        ("volume", {"slice": -1}, 400, "Expected `slice` from 0 to 2"),
        ("volume", {"slice": 2, "foreground": [[50, 60, 1]]}, 400, "Expected a point on slice 3 of "),
        ("volume", {"result_extension": ".exe"}, 400, "Expected `result_extension` to be one of"),
        ("volume", {"result_extension": ".dcm", "slice": 1}, 400, "Expected a DICOM image"),
        ("volume", {"result_dtype": "str", "slice": 1}, 400, "Expected `result_dtype`"),
    ],
)
def test_bad_requests(server: Any, image: str, params: dict[str, Any], status: int, message: str) -> None:
    answer = server.infer(image, params)
    assert answer.status_code == status and message in answer.json()["detail"], answer.text
    assert str(server.studies) not in answer.text


def test_a_mass_needs_a_box(server: Any) -> None:
    answer = server.infer("mammogram", {"foreground": [[80, 120, 0]]}, model=MASS)
    assert answer.status_code == 400 and "draw a ROI, or click on two or more ends" in answer.json()["detail"]


def test_unknown_model(server: Any) -> None:
    assert server.infer("volume", {}, model="nothing").status_code == 404


def test_answers_leave_no_files(server: Any) -> None:
    for extension in (".nii.gz", ".nrrd"):
        server.infer("volume", {"foreground": [[*CLICK, 1]], "result_extension": extension}, "image")
    with open(Path(server.studies) / "picture.png", "rb") as stream:
        answer = server.call("POST", f"/infer/{HEART}", params={"image": ""}, files={"file": ("broken.nii.gz", stream)})
    assert answer.status_code == 400 and "Expected a NIfTI volume, but the image cannot be used" in answer.text
    assert server.temporary_files() == []
