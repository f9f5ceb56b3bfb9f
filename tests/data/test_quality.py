# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import runpy
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from monai_acdr.data import pair_folder_data_list
from monai_acdr.data.phantoms.mammograms import write_inbreast_cases
from monai_acdr.data.quality import KINDS, main, pair_quality_report


def test_command_line(link_tree: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    assert main([str(link_tree), "--group", "training", "--json", str(path)]) == 1
    assert "layout: link" in capsys.readouterr().out
    assert json.loads(path.read_text())["kinds"] == {"group_incomplete": 1}
    assert main([str(tmp_path / "absent"), "--no-pixels"]) == 2
    assert "check `dataset_dir`" in capsys.readouterr().err


def _run_module(link_tree: Path, log: Path) -> None:
    """`python -m`, which warns where a package imports the module itself; of a process that forgets this one."""
    for name in [name for name in sys.modules if name.startswith("monai_acdr.data")]:
        del sys.modules[name]
    sys.argv = ["quality", str(link_tree), "--no-pixels"]
    with open(log, "w", encoding="utf-8") as stream, warnings.catch_warnings(), redirect_stdout(stream):
        warnings.simplefilter("error", RuntimeWarning)
        with pytest.raises(SystemExit, match="^1$"):
            runpy.run_module("monai_acdr.data.quality", run_name="__main__", alter_sys=True)


def test_module_runs_without_warnings(link_tree: Path, tmp_path: Path, in_processes: Callable[..., None]) -> None:
    in_processes(_run_module, 1, link_tree, tmp_path / "log.txt")
    assert "group_incomplete" in (tmp_path / "log.txt").read_text(encoding="utf-8")


def test_mammograms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_inbreast_cases(tmp_path / "inbreast", num_patients=2, size=(64, 52))
    assert main([str(tmp_path / "inbreast")]) == 0
    assert "layout: inbreast" in capsys.readouterr().out


def _disc(radius: float = 12, center: tuple[float, float] = (40, 48), size: tuple[int, int] = (80, 96)) -> np.ndarray:
    rows, columns = np.indices(size)
    return np.hypot(rows - center[0], columns - center[1]) <= radius


class _Folder:
    """Writes a data set of ``train`` and ``test``, every image with other pixels."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.number = 0

    def image(self, name: str, group: str = "train", size: tuple[int, int] = (80, 96)) -> None:
        self.number += 1
        pixels = np.random.default_rng(self.number).integers(0, 255, size).astype(np.uint8)
        self.save(Image.fromarray(pixels), f"{group}/images/{name}.png")

    def save(self, image: Image.Image, path: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        image.save(self.root / path)

    def pair(self, name: str, values: np.ndarray | Image.Image, group: str = "train", suffix: str = "png") -> None:
        self.image(name, group)
        image = values if isinstance(values, Image.Image) else Image.fromarray(values.astype(np.uint8))
        self.save(image, f"{group}/masks/{name}.{suffix}")

    def clean(self) -> _Folder:
        for number in range(24):
            self.pair(f"clean{number}", 255 * _disc(10 + number % 5), "test" if number % 4 == 0 else "train")
        return self


def _smooth(radius: int = 150) -> Image.Image:
    large = Image.new("L", (960, 800))
    ImageDraw.Draw(large).ellipse((480 - radius, 400 - radius, 480 + radius, 400 + radius), fill=255)
    return large.resize((96, 80), Image.Resampling.BILINEAR)


def _write_faults(root: Path) -> dict[str, list[str]]:
    """One fault of each kind, and the subjects that a report has to name."""
    folder = _Folder(root).clean()
    disc, smooth = _disc(), _smooth()
    folder.pair("smooth", smooth)
    folder.pair("artifacts", smooth.point(lambda v: 255 * (v > 127)), suffix="jpg")
    folder.pair("dithered", smooth.point(lambda v: v // 2).convert("1"))
    folder.pair("colors", np.where(_disc(6), 255, 76 * disc))
    folder.pair("labels", np.where(_disc(6), 2, disc))
    folder.pair("ones", disc)
    folder.pair("two", 255 * (disc | _disc(8, (14, 14))))
    specks = 255 * disc
    specks[5, 5] = specks[7, 80] = 255
    folder.pair("specks", specks)
    folder.pair("cut", 255 * _disc(12, (40, 4)))
    folder.pair("inverted", 255 * ~disc)
    folder.pair("empty", 0 * disc)
    folder.pair("full", 255 * (disc | True))
    folder.pair("photo", np.random.default_rng(99).integers(0, 255, disc.shape))
    folder.pair("small", 255 * _disc(12, (30, 30), (60, 60)))
    folder.pair("broken", 255 * disc)
    broken = root / "train/images/broken.png"
    broken.write_bytes(broken.read_bytes()[:2000])
    folder.image("alone")
    folder.save(Image.fromarray((255 * disc).astype(np.uint8)), "train/masks/widow.png")
    folder.save(Image.fromarray((255 * disc).astype(np.uint8)), "train/images/animated.GIF")
    folder.save(Image.fromarray((255 * disc).astype(np.uint8)), "train/overview.gif")  # neither images nor masks
    folder.pair("again", 255 * disc)
    folder.save(Image.open(root / "train/images/again.png"), "train/images/again.bmp")
    for name, group in (("patient7_a", "train"), ("patient7_b", "test"), ("patient8_a", "test")):
        folder.pair(name, 255 * disc, group)
    folder.pair("copied", 255 * disc, "test")
    folder.save(Image.open(root / "train/images/clean1.png"), "test/images/copied.png")
    folder.pair("repeated", 255 * disc)
    folder.save(Image.open(root / "train/images/clean2.png"), "train/images/repeated.png")
    return {
        "ambiguous_pair": ["train/images/again.png"],
        "color_mask": ["train/masks/colors.png"],
        "dithered_mask": ["train/masks/dithered.png"],
        "duplicate_across_groups": ["train/images/clean1.png"],
        "duplicate_picture": ["train/images/repeated.png"],
        "empty_mask": ["train/masks/empty.png"],
        "format_not_read": ["train/images/animated.GIF"],
        "frame_without_mask": ["train/images/alone.png"],
        "invalid_image": ["train/images/broken.png"],
        "invalid_mask": ["train/masks/full.png", "train/masks/photo.png"],
        "inverted_mask": ["train/masks/inverted.png"],
        "jpeg_mask": ["train/masks/artifacts.jpg"],
        "mask_format": ["train/masks/ones.png"],
        "mask_size": ["train/masks/small.png"],
        "mask_values": ["train/masks/labels.png"],
        "mask_without_image": ["train/masks/widow.png"],
        "object_at_border": ["cut", "inverted"],
        "patient_in_two_groups": ["patient7"],
        "several_objects": ["two"],
        "smooth_mask": ["train/masks/smooth.png"],
        "specks": ["specks"],
    }


def test_one_fault_of_each_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = _write_faults(tmp_path)
    report = pair_quality_report(tmp_path)
    assert {kind: [finding.subject for finding in report.of(kind)] for kind in report.kinds()} == expected
    assert main([str(tmp_path)]) == 1
    summary = capsys.readouterr().out
    for kind, subjects in expected.items():
        assert f"[{len(subjects)}] {kind}: {KINDS[kind]}" in summary
        assert all(subject in summary for subject in subjects)
    quick = pair_quality_report(tmp_path, check_pixels=False).kinds()
    assert quick == {kind: len(subjects) for kind, subjects in expected.items()}


def test_a_clean_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _Folder(tmp_path).clean()
    assert main([str(tmp_path)]) == 0
    assert "no findings" in capsys.readouterr().out


def test_nothing_usable_is_a_report_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = _Folder(tmp_path)
    for name in ("a", "b"):
        folder.pair(name, 0 * _disc())
    assert main([str(tmp_path)]) == 1
    assert "[2] empty_mask" in capsys.readouterr().out
    (tmp_path / "web" / "images").mkdir(parents=True)
    (tmp_path / "web" / "images" / "a.webp").touch()
    assert main([str(tmp_path / "web")]) == 1
    assert "[1] format_not_read: an image of a format that is not read, such as WebP" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"no usable pair .*'format_not_read': 1.*images/a\.webp: convert it to PNG"):
        pair_folder_data_list(tmp_path / "web")
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty")]) == 2
    assert "found no usable pair" in capsys.readouterr().err


def test_patients_of_a_table_in_two_groups(tmp_path: Path) -> None:
    folder = _Folder(tmp_path)
    for name in "abc":
        folder.pair(name, 255 * _disc(), "all")
    rows = [f"all/images/{name}.png,all/masks/{name}.png,{patient},{group}" for name, patient, group in _ROWS]
    (tmp_path / "index.csv").write_text("\n".join(["image,mask,patient,group", *rows]))
    (finding,) = pair_quality_report(tmp_path).findings
    assert (finding.kind, finding.subject, finding.text) == ("patient_in_two_groups", "P1", "test, training")


_ROWS = (("a", "P1", "train"), ("b", "P1", "test"), ("c", "P2", "test"))
