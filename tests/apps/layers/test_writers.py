# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_acdr.apps import convert_contours
from monai_acdr.apps.convert_contours import UNKNOWN_ALGORITHM, check_single, write_layers
from monai_acdr.apps.layers import FORMATS, Layer, LayerFrame, attach
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM, Algorithm, SourceFrame, read_rtstruct, read_seg
from monai_acdr.dicom.files import read_dataset


@pytest.fixture
def layer(shape: np.ndarray, exact_coverage: np.ndarray, sources: list[SourceFrame]) -> Layer:
    """Contours and masks of the second and the last image."""
    mask = exact_coverage.astype(np.float32)
    made = [LayerFrame(sources[i].path.stem, None, (shape + i,), np.roll(mask, i, (0, 1))) for i in (1, 3)]
    return attach(Layer(LV_ENDOCARDIUM, tuple(made), Algorithm("net", "1.5")), sources)


def test_structure_sets(layer: Layer, shape: np.ndarray, sources: list[SourceFrame], tmp_path: Path) -> None:
    path = tmp_path / "r.dcm"
    other = Layer(LV_EPICARDIUM, layer.frames[:1])
    assert write_layers(path, [other, layer], FORMATS["rtstruct"], sources) == [path]
    outer, inner = read_rtstruct(path, sources)
    assert [len(entry) for entry in inner.contours] == [0, 1, 0, 1]
    np.testing.assert_allclose(inner.contours[3][0], shape + 3, atol=1e-6)
    assert [len(entry) for entry in outer.contours] == [0, 1, 0, 0]
    described = {item.ROIGenerationDescription for item in read_dataset(path, True).StructureSetROISequence}
    assert described == {"net 1.5"}


def test_segmentations(layer: Layer, exact_coverage: np.ndarray, sources: list[SourceFrame], tmp_path: Path) -> None:
    write_layers(tmp_path / "b.dcm", [layer], FORMATS["seg"], sources)
    write_layers(tmp_path / "f.dcm", [layer], FORMATS["seg"], sources, fractional=True)
    expected = np.roll(exact_coverage, 3, (0, 1))
    np.testing.assert_array_equal(read_seg(tmp_path / "b.dcm", sources)[0].masks[3], expected >= 0.5)
    np.testing.assert_allclose(read_seg(tmp_path / "f.dcm", sources)[0].masks[3], expected, atol=0.5 / 255 + 1e-5)


def test_the_origin_is_named(layer: Layer, sources: list[SourceFrame], tmp_path: Path) -> None:
    write_layers(tmp_path / "r.dcm", [Layer(LV_ENDOCARDIUM, layer.frames)], FORMATS["rtstruct"], sources)
    (item,) = read_dataset(tmp_path / "r.dcm", True).StructureSetROISequence
    assert item.ROIGenerationDescription == f"{UNKNOWN_ALGORITHM.name} {UNKNOWN_ALGORITHM.version}"


def test_documents_have_the_place(layer: Layer, shape: np.ndarray, sources: list[SourceFrame], tmp_path: Path) -> None:
    write_layers(tmp_path / "a.json", [layer], FORMATS["json"], sources)
    data = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert data["algorithm"] == {"name": "net", "version": "1.5"}
    first = data["frames"][0]
    assert (first["sop_instance_uid"], first["size"]) == (sources[1].key[0], [60, 80])
    expected = sources[1].to_world(shape + 1)
    np.testing.assert_allclose(first["contours"][0]["vertices_mm"], expected, atol=1e-4)


def test_single_files(layer: Layer, shape: np.ndarray, tmp_path: Path) -> None:
    one = Layer(LV_ENDOCARDIUM, layer.frames[:1])
    write_layers(tmp_path / "a.txt", [one], FORMATS["txt"], [])
    np.testing.assert_allclose(np.loadtxt(tmp_path / "a.txt"), shape + 1 - 0.5, atol=1e-4)
    write_layers(tmp_path / "a.png", [one], FORMATS["png"], [])
    written = np.asarray(Image.open(tmp_path / "a.png"))
    np.testing.assert_array_equal(written, (np.asarray(one.frames[0].mask) >= 0.5) * 255)
    with pytest.raises(ValueError, match="one frame for a .txt file, but there are 2: name a folder"):
        check_single(layer, FORMATS["txt"])
    assert (
        check_single(Layer(LV_ENDOCARDIUM, (layer.frames[0], LayerFrame("e", (60, 80), ()))), FORMATS["png"]).name
        != "e"
    )


def test_several_contours_are_no_text_file(shape: np.ndarray, tmp_path: Path) -> None:
    layer = Layer(LV_ENDOCARDIUM, (LayerFrame("a", (60, 80), (shape, shape + 2)),))
    with pytest.raises(ValueError, match="frame 'a' has 2: write .json"):
        write_layers(tmp_path / "a.txt", [layer], FORMATS["txt"], [])
    with pytest.raises(ValueError, match="frame 'a' has 2: write .json"):
        write_layers(tmp_path / "sub", [layer], FORMATS["txt"], [], folder=True)
    assert list(tmp_path.iterdir()) == []


def test_folders(layer: Layer, tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    files = write_layers(folder, [layer], FORMATS["png"], [], folder=True)
    assert [path.name for path in files] == [f"{frame.name}.png" for frame in layer.frames]
    assert sorted(folder.iterdir()) == sorted(files)
    assert [path.name for path in folder.parent.iterdir()] == ["masks"]


def test_folders_with_files(layer: Layer, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    taken = tmp_path / f"{layer.frames[1].name}.txt"
    taken.write_text("taken", encoding="utf-8")
    with pytest.raises(FileExistsError, match=rf"but {taken.name} exist: choose another folder"):
        write_layers(tmp_path, [layer], FORMATS["txt"], [], folder=True)
    assert taken.read_text(encoding="utf-8") == "taken" and len(list(tmp_path.iterdir())) == 2
    write_layers(tmp_path, [layer], FORMATS["txt"], [], folder=True, overwrite=True)
    assert taken.read_text(encoding="utf-8") != "taken"
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "mine" and len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("kind", ["json", "nifti", "rtstruct", "txt"])
def test_existing_files_are_kept(layer: Layer, sources: list[SourceFrame], tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a{FORMATS[kind].suffixes[0]}"
    path.write_text("mine", encoding="utf-8")
    one = Layer(LV_ENDOCARDIUM, layer.frames[:1])
    with pytest.raises(FileExistsError, match="exists"):
        write_layers(path, [one], FORMATS[kind], sources)
    assert path.read_bytes() == b"mine"
    write_layers(path, [one], FORMATS[kind], sources, overwrite=True)
    assert path.read_bytes() != b"mine"
    with pytest.raises(FileExistsError, match="is a folder"):
        write_layers(tmp_path, [one], FORMATS[kind], sources, overwrite=True)


def test_errors_leave_nothing_behind(layer: Layer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def full(path: Path, *_: object) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        path.write_text("x", encoding="utf-8")

    monkeypatch.setattr(convert_contours, "save_png", full)
    with pytest.raises(OSError, match="No space"):
        write_layers(tmp_path / "b", [layer], FORMATS["png"], [], folder=True)
    assert len(calls) == 2
    assert list(tmp_path.iterdir()) == []
