# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_acdr.apps.documents import ContourDocument, FrameContours, write_contour_document
from monai_acdr.apps.layers import FORMATS, read_layers
from monai_acdr.dicom import (
    LV_ENDOCARDIUM,
    LV_EPICARDIUM,
    TISSUE,
    Algorithm,
    Region,
    SourceFrame,
    write_rtstruct,
    write_seg,
)


def test_contour_files(study: Path, shape: np.ndarray, tmp_path: Path) -> None:
    (inner,), _ = read_layers(study / "contourfiles" / "SYN-01" / "i-contours", FORMATS["txt"], [])
    assert inner.structure is LV_ENDOCARDIUM
    assert [frame.name for frame in inner.frames] == [f"IM-0001-000{n}-icontour-manual" for n in (1, 2, 3, 4)]
    path = tmp_path / "case.v2.txt"
    np.savetxt(path, shape - 0.5)  # files have pixel-center coordinates
    (layer,), _ = read_layers(path, FORMATS["txt"], [])
    assert (layer.structure, layer.frames[0].name, layer.frames[0].size) == (TISSUE, "case.v2", None)
    np.testing.assert_allclose((layer.frames[0].contours or ())[0], shape)


def test_both_borders_in_one_folder(study: Path, tmp_path: Path) -> None:
    for kind in "io":
        file = study / "contourfiles" / "SYN-01" / f"{kind}-contours" / f"IM-0001-0001-{kind}contour-manual.txt"
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert [layer.structure for layer in read_layers(tmp_path, FORMATS["txt"], [])[0]] == [
        LV_ENDOCARDIUM,
        LV_EPICARDIUM,
    ]


def test_documents(shape: np.ndarray, tmp_path: Path) -> None:
    world = np.concatenate([shape, shape[:, :1]], 1)
    frame = FrameContours("a", (60, 80), (shape,), (2.1, 1.7), "1.2", 3, (world,))
    path = write_contour_document(tmp_path / "a.json", ContourDocument((LV_EPICARDIUM,), (frame,), Algorithm("n", "2")))
    (layer,), _ = read_layers(path, FORMATS["json"], [])
    assert layer.structure is LV_EPICARDIUM
    assert layer.algorithm is not None and layer.algorithm.version == "2"
    read = layer.frames[0]
    assert (read.name, read.size, read.spacing, read.sop_instance_uid, read.frame) == (
        "a",
        (60, 80),
        (2.1, 1.7),
        "1.2",
        3,
    )
    np.testing.assert_array_equal((read.world or ())[0], world)


@pytest.mark.parametrize("largest", [1, 255, 65535])
def test_png(tmp_path: Path, largest: int) -> None:
    mask = np.zeros((6, 9), dtype=np.uint8 if largest < 256 else np.uint16)
    mask[1:3, 2:8] = largest
    Image.fromarray(mask).save(tmp_path / "a.png")
    (layer,), _ = read_layers(tmp_path / "a.png", FORMATS["png"], [])
    np.testing.assert_array_equal(layer.frames[0].mask, mask > 0)
    assert layer.frames[0].size == (6, 9)


def test_png_may_be_empty_or_full_but_no_label_map(tmp_path: Path) -> None:
    for name, value in (("a", 0), ("b", 255)):
        Image.fromarray(np.full((6, 9), value, dtype=np.uint8)).save(tmp_path / f"{name}.png")
    (layer,), _ = read_layers(tmp_path, FORMATS["png"], [])
    assert [float(np.asarray(frame.mask).mean()) for frame in layer.frames] == [0, 1]
    Image.fromarray(np.arange(54, dtype=np.uint8).reshape(6, 9)).save(tmp_path / "c.png")
    with pytest.raises(ValueError, match=r"two values in .*c\.png"):
        read_layers(tmp_path / "c.png", FORMATS["png"], [])


def test_broken_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 90), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(ValueError, match=r"a\.png (cannot be read|is damaged)"):
        read_layers(path, FORMATS["png"], [])


def test_dicom_objects(
    tmp_path: Path, shape: np.ndarray, exact_coverage: np.ndarray, sources: list[SourceFrame]
) -> None:
    regions = [Region(LV_ENDOCARDIUM, ((), (shape,), (), ())), Region(LV_EPICARDIUM, ((), (shape + 2,), (), (shape,)))]
    write_rtstruct(tmp_path / "r.dcm", regions, sources)
    (inner, outer), _ = read_layers(tmp_path / "r.dcm", FORMATS["rtstruct"], sources)
    assert [frame.source for frame in outer.frames] == [1, 3]
    assert inner.frames[0].name == sources[1].path.stem
    np.testing.assert_allclose((inner.frames[0].contours or ())[0], shape, atol=1e-6)
    write_seg(tmp_path / "s.dcm", regions, sources, "FRACTIONAL")
    (inner, outer), _ = read_layers(tmp_path / "s.dcm", FORMATS["seg"], sources)
    assert [frame.source for frame in outer.frames] == [1, 3]
    np.testing.assert_allclose(inner.frames[0].mask, exact_coverage, atol=0.5 / 255 + 1e-5)
    assert inner.tracking_uid == regions[0].tracking_uid
