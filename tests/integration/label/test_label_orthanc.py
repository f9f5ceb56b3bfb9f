# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The same server with its images in an Orthanc, over DICOMweb: as in a hospital."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch

from monai_acdr.dicom import read_sources, write_seg
from monai_acdr.geometry import circle

requests = pytest.importorskip("requests")
pytestmark = pytest.mark.slow

HEART, MASS = "sunnybrook_lv_acdr", "inbreast_mass_acdr"
CLICK = [52, 61, 6]


class Archive:
    """Orthanc, asked directly."""

    def __init__(self, orthanc: Any) -> None:
        config = json.loads(Path(orthanc.process.args[-1]).read_text(encoding="utf-8"))
        ((self.user, self.password),) = config["RegisteredUsers"].items()
        self.url, self.root = orthanc.url, orthanc.url.removesuffix("/dicom-web")
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = (self.user.encode(), self.password.encode())

    def store(self, path: Path) -> str:
        answer = self.session.post(f"{self.root}/instances", data=path.read_bytes(), timeout=300)
        assert answer.ok, answer.text
        return str(pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID)

    def segmentations(self, series: str) -> list[Any]:
        """Those that refer to a series."""
        query = {"Level": "Instance", "Query": {"Modality": "SEG"}}
        found = self.session.post(f"{self.root}/tools/find", json=query, timeout=300).json()
        files = [self.session.get(f"{self.root}/instances/{each}/file", timeout=300).content for each in found]
        all_ = [pydicom.dcmread(io.BytesIO(content)) for content in files]
        return [seg for seg in all_ if seg.ReferencedSeriesSequence[0].SeriesInstanceUID == series]


@pytest.fixture(scope="module")
def archive(orthanc: Any) -> Archive:
    return Archive(orthanc)


@pytest.fixture(scope="module")
def heart(archive: Archive, phantoms: Path) -> str:
    """SeriesInstanceUID of a cine series on the server."""
    folder = sorted((phantoms / "hearts" / "dicoms").iterdir())[0]
    (uid,) = {archive.store(path) for path in folder.rglob("*.dcm")}
    return uid


@pytest.fixture(scope="module")
def other(archive: Archive, phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """SeriesInstanceUID of another one, with a segmentation that another program stored."""
    files = sorted((sorted((phantoms / "hearts" / "dicoms").iterdir())[1]).rglob("*.dcm"))
    (uid,) = {archive.store(path) for path in files}
    sources = read_sources(files)
    circles = [circle(torch.tensor([52.0, 62.0]), 15.0, 32) for _ in sources]
    archive.store(write_seg(tmp_path_factory.mktemp("seg") / "seg.dcm", circles, sources))
    return uid


@pytest.fixture(scope="module")
def breast(archive: Archive, phantoms: Path) -> str:
    """SeriesInstanceUID of a mammogram on the server."""
    files = sorted((phantoms / "breasts").rglob("*.dcm"))
    return archive.store(
        next(path for path in files if pydicom.dcmread(path, stop_before_pixels=True).ImageLaterality == "R")
    )


@pytest.fixture(scope="module")
def label_server(
    start_server: Any, archive: Archive, heart: str, other: str, breast: str, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    environment = {
        "MONAI_LABEL_DICOMWEB_USERNAME": archive.user,
        "MONAI_LABEL_DICOMWEB_PASSWORD": archive.password,
        "MONAI_LABEL_DICOMWEB_SEARCH_FILTER": json.dumps({"Modality": "MR"}),
        "MONAI_LABEL_DICOMWEB_CACHE_PATH": str(tmp_path_factory.mktemp("cache")),
    }
    return start_server(archive.url, environment)


def test_series_are_listed(label_server: Any) -> None:
    assert label_server.info()["datastore"]["total"] == 2  # the search is for MR


def test_click(label_server: Any, heart: str, phantoms: Path) -> None:
    (contour,) = label_server.cavities(heart, {"foreground": [CLICK]})
    folder = sorted((phantoms / "hearts" / "dicoms").iterdir())[0]
    image = next(
        each
        for each in map(pydicom.dcmread, folder.rglob("*.dcm"))
        if each.SOPInstanceUID == contour["sop_instance_uid"]
    )
    answer = label_server.call("GET", "/datastore/image", params={"image": heart})
    path = label_server.app / "image.nii.gz"
    path.write_bytes(answer.content)
    volume = np.asarray(nib.load(path).dataobj)
    np.testing.assert_array_equal(volume[:, :, CLICK[2]].T, image.pixel_array)


def test_box_and_nothing(label_server: Any, heart: str) -> None:
    contours = label_server.cavities(heart, {"roi": [20, 84, 30, 94, 4, 5]})
    assert [contour["slice"] for contour in contours] == [4, 5]
    assert len(label_server.cavities(heart, {}, f"{HEART}_auto")) > 6


def test_nrrd_for_ohif(label_server: Any, heart: str) -> None:
    params = {"foreground": [CLICK], "background": [], "result_extension": ".nrrd", "result_dtype": "uint8"}
    answer = label_server.infer(heart, {**params, "result_compress": False, "restore_label_idx": False}, "image")
    head, _, data = answer.content.partition(b"\n\n")
    labels = np.frombuffer(data, np.uint8).reshape(100, 120, 12, order="F")
    assert b"encoding: raw" in head and labels[tuple(CLICK)] == 1
    assert np.flatnonzero(labels.any((0, 1))).tolist() == [CLICK[2]]


@pytest.mark.parametrize("how", ["output", "extension"])
def test_segmentation(label_server: Any, heart: str, how: str) -> None:
    """Both ways give one of our own writer."""
    params: dict[str, Any] = {"foreground": [CLICK]}
    if how == "output":
        answer = label_server.infer(heart, {**params, "label_info": [{"name": "LV endocardium"}]}, "dicom_seg")
    else:
        answer = label_server.infer(heart, {**params, "result_extension": ".dcm"}, "image")
    assert answer.status_code == 200, answer.text
    seg = pydicom.dcmread(io.BytesIO(answer.content))
    (contour,) = label_server.cavities(heart, params)
    group, _ = seg.PerFrameFunctionalGroupsSequence
    source = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
    assert source == contour["sop_instance_uid"] and seg.pixel_array[0].T[CLICK[0], CLICK[1]] == 1
    second = "LV myocardium" if how == "output" else "LV epicardium"  # a label map has rings
    assert [each.SegmentLabel for each in seg.SegmentSequence] == ["LV endocardium", second]


def test_mammogram(label_server: Any, breast: str) -> None:
    box = {"roi": [60, 110, 90, 150, 0, 0], "label_info": [{"name": "Breast mass"}]}
    (contour,) = label_server.contours(breast, box, MASS)
    seg = pydicom.dcmread(io.BytesIO(label_server.infer(breast, box, "dicom_seg", MASS).content))
    column, row = np.mean(contour["vertices_px"], axis=0).astype(int)
    assert seg.Modality == "SEG" and seg.pixel_array[row, column] == 1


def test_labels_go_to_the_archive(label_server: Any, archive: Archive, heart: str, breast: str, tmp_path: Path) -> None:
    places = ((heart, HEART, {"foreground": [[52, 61, 0]]}), (breast, MASS, {"roi": [60, 110, 90, 150, 0, 0]}))
    for uid, model, place in places:
        label = tmp_path / "label.nii.gz"
        label.write_bytes(label_server.infer(uid, {**place, "result_extension": ".nii.gz"}, "image", model).content)
        labels = np.asarray(nib.load(label).dataobj)
        answer = label_server.save(uid, label)
        assert answer.status_code == 200, answer.text
        (seg,) = archive.segmentations(uid)
        frame = seg.pixel_array if seg.pixel_array.ndim == 2 else seg.pixel_array[0]
        np.testing.assert_array_equal(frame.T, labels[:, :, 0] == 1)


def test_labels_of_ohif(label_server: Any, archive: Archive, heart: str, tmp_path: Path) -> None:
    """Voxels without a header."""
    labels = np.zeros((100, 120, 12), np.uint8)
    labels[40:60, 50:70, 3] = 1
    path = tmp_path / "label.bin"
    path.write_bytes(labels.tobytes(order="F"))
    before = len(archive.segmentations(heart))
    assert label_server.save(heart, path).status_code == 200
    assert len(archive.segmentations(heart)) == before + 1
    path.write_bytes(b"\1" * 1000)
    answer = label_server.save(heart, path)
    assert answer.status_code == 400 and "Expected a label of the shape of its image" in answer.json()["detail"]
    assert len(archive.segmentations(heart)) == before + 1


@pytest.mark.parametrize("image", ["1.2.3.4", "../../../etc", "not-a-uid"])
def test_unknown_series(label_server: Any, image: str) -> None:
    answer = label_server.infer(image, {"slice": 0})
    assert answer.status_code == 404, answer.text


def test_the_next_sample(label_server: Any) -> None:
    """Searches are kept for two hours, but what was labeled here is known at once."""
    answer = label_server.call("POST", f"/activelearning/uncertainty_{HEART}")
    assert answer.json() == {}  # the both MR series are labeled


def test_training_and_scores_on_the_archive(label_server: Any, heart: str, other: str) -> None:
    """Labels saved here, and segmentations that others stored."""
    scores = label_server.call("POST", f"/scoring/dice_{HEART}", params={"run_sync": True}).json()["scores"]
    assert set(scores) == {heart, other} and scores[other]["frames"] == 12 and scores[other]["dice"] > 0.6
    answer = label_server.call("POST", f"/train/{HEART}", params={"run_sync": True}, json={"max_epochs": 1})
    assert answer.status_code == 200, answer.text
    record = label_server.info()["train_stats"][HEART]["1"]
    assert record["images"] == {"training": 1, "validation": 1} and sum(record["frames"].values()) == 13
