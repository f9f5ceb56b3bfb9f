# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A study out of a real server, results into it, found and fetched again."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from monai_acdr.data import read_contour
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.dicom import (
    DicomWeb,
    DicomWebError,
    parse_study_url,
    read_rtstruct,
    read_seg,
    read_sources,
    write_rtstruct,
    write_seg,
    write_sr,
)

ROOT = Path(__file__).resolve().parents[2]
LogIn = Callable[..., None]
MODALITIES = ("RTSTRUCT", "SEG", "SR")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_short_axis_studies(tmp_path_factory.mktemp("studies") / "x", 1, num_slices=2, num_phases=2)


def images(study: Path) -> list[Path]:
    return sorted(study.glob("dicoms/*/*.dcm"))


def study_uid(study: Path) -> str:
    return str(pydicom.dcmread(images(study)[0], stop_before_pixels=True).StudyInstanceUID)


def contours_of(study: Path, sources: list[Any]) -> list[np.ndarray | None]:
    """True endocardial contours by instance, wherever the files of the sources lie."""
    names = {
        str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID): int(path.stem) for path in images(study)
    }
    files = {int(path.name.split("-")[2]): path for path in study.glob("contourfiles/*/i-contours/*.txt")}
    found = [files.get(names[source.key[0]]) for source in sources]
    return [None if path is None else read_contour(path) for path in found]


def test_study_out_result_in(
    orthanc: Any, log_in: LogIn, study: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    log_in()
    web, uid = DicomWeb(orthanc.url), study_uid(study)
    web.store(images(study))
    web.store(images(study))  # what the server has already is fine
    (series,) = web.find_series(uid)
    assert (series.modality, series.num_instances) == ("MR", 4)

    base, study_id, series_id = parse_study_url(f"{orthanc.url}/studies/{uid}/series/{series.uid}")
    assert (base, study_id, series_id) == (orthanc.url, uid, series.uid)
    seen: list[tuple[int, int]] = []
    fetched = web.retrieve(uid, tmp_path / "in", series_id, progress=lambda *n: seen.append(n))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [path.name for path in fetched] == [f"0000{n}.dcm" for n in (1, 2, 3, 4)]
    by_uid = {pydicom.dcmread(path).SOPInstanceUID: pydicom.dcmread(path) for path in images(study)}
    for path in fetched:
        got = pydicom.dcmread(path)
        assert got == by_uid.pop(got.SOPInstanceUID)
    assert not by_uid

    sources = read_sources(fetched)
    contours = contours_of(study, sources)
    assert sum(contour is not None for contour in contours) >= 2
    results = {name: tmp_path / f"{name}.dcm" for name in MODALITIES}
    write_rtstruct(results["RTSTRUCT"], contours, sources)
    write_seg(results["SEG"], contours, sources)
    write_sr(results["SR"], contours, sources)
    web.store(results.values())
    assert len(web.find_series(uid)) == 4

    back: dict[str, Path] = {}
    for name, path in results.items():
        (series,) = web.find_series(uid, modality=name)
        (back[name],) = web.retrieve(uid, tmp_path / f"back-{name}", series.uid)
        assert pydicom.dcmread(back[name]) == pydicom.dcmread(path)
    (region,) = read_rtstruct(back["RTSTRUCT"], sources)
    for frame, _, vertices in _contours(region):
        np.testing.assert_allclose(vertices, contours[frame], atol=0.01)
    ((before,), (after,)) = (read_seg(path, sources) for path in (results["SEG"], back["SEG"]))
    assert [m is None for m in after.masks] == [c is None for c in contours]
    for one, other in zip(before.masks, after.masks, strict=True):
        assert one is other is None or np.array_equal(one, other)

    # A second run on the same study takes the images only.
    assert len(web.retrieve(uid, tmp_path / "again", images_only=True)) == 4
    assert len(web.retrieve(uid, tmp_path / "all")) == 7
    with pytest.raises(DicomWebError, match="lists none that has images"):
        web.retrieve(uid, tmp_path / "none", web.find_series(uid, "SR")[0].uid, images_only=True)
    header = pydicom.dcmread(images(study)[0], stop_before_pixels=True)
    for secret in ("s3cret", "Basic ", "w\u00f6rd", str(header.PatientName)):
        assert secret not in caplog.text


def test_the_page_of_the_documentation(
    orthanc: Any, log_in: LogIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = write_short_axis_studies(tmp_path / "other", 1, num_slices=1, num_phases=2, seed=1)
    text = (ROOT / "docs" / "how-to" / "dicomweb.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    log_in()
    DicomWeb(orthanc.url).store(images(study))
    monkeypatch.chdir(tmp_path)
    here = block.replace("https://archive.example/dicom-web", orthanc.url).replace("1.2.3", study_uid(study))
    exec(compile(here, "dicomweb.md", "exec"), {"__name__": "__main__"})
    assert any(series.modality == "RTSTRUCT" for series in DicomWeb(orthanc.url).find_series(study_uid(study)))


def _contours(region: Any) -> list[tuple[int, int, np.ndarray]]:
    return [(f, n, v) for f, entry in enumerate(region.contours) for n, v in enumerate(entry)]


def test_what_is_not_there(orthanc: Any, log_in: LogIn, tmp_path: Path) -> None:
    log_in()
    web = DicomWeb(orthanc.url)
    assert web.find_series("1.2.3.4") == []
    with pytest.raises(DicomWebError, match="lists none that you may see"):
        web.retrieve("1.2.3.4", tmp_path / "x")
    with pytest.raises(DicomWebError, match=r"no such study, series or service \(404\)"):
        DicomWeb(orthanc.url.replace("dicom-web", "dicomweb")).find_series("1.2.3.4")
    assert not list(tmp_path.iterdir())


def test_wrong_credentials(orthanc: Any, log_in: LogIn, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(password="wr0ng")
    with pytest.raises(DicomWebError, match=r"refused the credentials \(401\)") as caught:
        DicomWeb(orthanc.url).store(images(study))
    assert "wr0ng" not in str(caught.value)
    for name in ("USER", "PASSWORD"):
        monkeypatch.delenv(f"MONAI_ACDR_DICOMWEB_{name}")
    with pytest.raises(DicomWebError, match=r"refused a request without credentials \(401\)"):
        DicomWeb(orthanc.url).find_series("1.2.3.4")


def test_a_server_that_stops_half_way(own_orthanc: Any, log_in: LogIn, study: Path, tmp_path: Path) -> None:
    log_in()
    web = DicomWeb(own_orthanc.url, timeout=10)
    web.store(images(study))
    with pytest.raises(DicomWebError, match="cannot be reached or hung up"):
        web.retrieve(
            study_uid(study), tmp_path / "in", progress=lambda done, _: own_orthanc.stop() if done == 2 else None
        )
    assert [path.name for path in tmp_path.iterdir()] == ["orthanc"]
    with pytest.raises(DicomWebError, match="none stored, not stored: 1.dcm, .*cannot be reached"):
        web.store(images(study))
