# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Exported bundles: contours of the written files beside those of the network, on crops of a real heart."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from monai.data import load_net_with_metadata
from monai.transforms import LoadImage
from torch.nn import functional as F

from monai_acdr.apps import export_bundle
from monai_acdr.apps.cli import main
from monai_acdr.apps.export_bundle import FORMATS, LARGEST_DIFFERENCE_PX, export, read_export
from monai_acdr.apps.model import load_model
from monai_acdr.data import DicomFrameReader, example_study
from monai_acdr.handlers import load_checkpoint, save_checkpoint
from monai_acdr.handlers.checkpoints import join_members
from monai_acdr.inferers import evolve_members

Runner = Callable[[torch.Tensor], Sequence[torch.Tensor]]

SIZES, BATCHES = (32, 64, 96, 128), (1, 7)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames of the example study, to keep the comparison short."""
    folder = tmp_path_factory.mktemp("export") / "frames"
    folder.mkdir()
    for name in ("100", "120", "140"):
        (folder / f"{name}.dcm").symlink_to(next(example_study().rglob(f"{name}.dcm")))
    return folder


@pytest.fixture(scope="module")
def moving_weights(tiny_heart: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of one network whose contours move by several pixels, and are cut off at the border here and there."""
    state = load_checkpoint(tiny_heart / "models" / "model.pt")
    state["displacement_net.head.0.weight"] *= 12
    return save_checkpoint(state, tmp_path_factory.mktemp("weights") / "moving.pt")


@pytest.fixture(scope="module")
def two_members(moving_weights: Path) -> Path:
    state = load_checkpoint(moving_weights)
    other = {name: value.clone() for name, value in state.items()}
    other["displacement_net.head.0.bias"][0::2] += 0.02
    return save_checkpoint(join_members([state, other]), moving_weights.with_name("ensemble.pt"))


@pytest.fixture(scope="module", params=list(FORMATS))
def exported(
    request: pytest.FixtureRequest,
    tiny_heart: Path,
    two_members: Path,
    frames: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, Any], Path]:
    """An ensemble of two in each of the formats: what `export` returns, and the file."""
    path = tmp_path_factory.mktemp("exported") / f"heart{FORMATS[request.param]}"
    return export(tiny_heart, path, request.param, checkpoint=two_members, images=frames), path


def load(path: Path, file_format: str) -> Runner:
    """Run a file as its users do: without anything of this package."""
    if file_format == "torchscript":
        scripted: Runner = torch.jit.load(path)
        return scripted
    if file_format == "pt2":
        program: Runner = torch.export.load(path).module()
        return program
    onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'monai_acdr[onnx]'")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [item.name for item in session.get_inputs()] == ["image"]
    assert [item.name for item in session.get_outputs()] == ["contours", "members"]
    return lambda image: [torch.from_numpy(value) for value in session.run(None, {"image": image.numpy()})]


def real_crops(size: int) -> torch.Tensor:
    """Seven crops about the middle of frames of the example study, which the export was not compared on, at a size."""
    read = LoadImage(reader=DicomFrameReader(), ensure_channel_first=True)
    names = ("7", "20", "27", "160", "180", "200", "220")
    images = torch.stack([read(next(example_study().rglob(f"{name}.dcm"))).as_tensor() for name in names])
    crops = F.interpolate(images[:, :, 72:184, 72:184].float(), (size, size), mode="bilinear")
    return (crops - crops.mean((1, 2, 3), keepdim=True)) / crops.std((1, 2, 3), keepdim=True)


def test_contours_are_the_networks_at_each_size_and_batch(
    exported: tuple[dict[str, Any], Path], tiny_heart: Path, two_members: Path
) -> None:
    record, path = exported
    run, network = load(path, record["format"]), load_model(tiny_heart, two_members, "cpu").infer.network
    moved = 0.0
    for size in SIZES:
        crops = real_crops(size)
        with torch.no_grad():
            contours, members = evolve_members(network, crops)
            start = network.initial_contour(crops)
        moved = max(moved, float((contours[:, -1] - start).abs().max()) / size)
        for number in BATCHES:
            found = run(crops[:number])
            assert [list(each.shape) for each in found] == [[number, 3, 2, 16, 2], [number, 2, 2, 16, 2]]
            assert (found[0] - contours[:number]).abs().max() < LARGEST_DIFFERENCE_PX
            assert (found[1] - members[:, :number, -1].transpose(0, 1)).abs().max() < LARGEST_DIFFERENCE_PX
    assert moved > 0.1  # of the crop's side: contours that stay where they are would agree by themselves


def test_the_file_says_what_it_is(exported: tuple[dict[str, Any], Path], tiny_heart: Path, two_members: Path) -> None:
    record, path = exported
    metadata = read_export(path)
    own = json.loads((tiny_heart / "configs" / "metadata.json").read_text(encoding="utf-8"))
    assert {key: value for key, value in metadata.items() if key != "export"} == own
    assert metadata["export"] == {key: value for key, value in record.items() if key != "file"}
    assert record["file"] == str(path)
    facts = metadata["export"]
    assert facts["weights_sha256"] == hashlib.sha256(two_members.read_bytes()).hexdigest()
    assert (facts["bundle"], facts["version"]) == ("sunnybrook_lv_acdr", own["version"])
    assert facts["structures"] == ["LV endocardium", "LV epicardium"]
    assert facts["border_mm"] is None  # other weights than the bundle's
    assert (facts["members"], facts["iterations"], facts["size"]) == (2, 3, [32, 32])
    parity = facts["parity"]
    assert parity["sizes"] == [[size, size] for size in SIZES] and parity["batches"] == list(BATCHES)
    assert (parity["crops"], parity["source"]) == (3, "frames")
    assert 0 <= parity["max_difference_px"] <= parity["limit_px"] == LARGEST_DIFFERENCE_PX


def test_monai_reads_the_metadata_of_torchscript(exported: tuple[dict[str, Any], Path]) -> None:
    record, path = exported
    if record["format"] != "torchscript":
        pytest.skip("MONAI's own reader is for TorchScript")
    network, metadata, _ = load_net_with_metadata(path)
    assert metadata == read_export(path)
    assert network(real_crops(32))[0].shape == (7, 3, 2, 16, 2)


def test_one_structure_of_one_network(tiny_cavity: Path, frames: Path, tmp_path: Path) -> None:
    record = export(tiny_cavity, tmp_path / "cavity.ts", "torchscript", images=frames)
    assert (record["outputs"], record["members"], record["border_mm"]) == (["contours"], 1, [-0.4])
    (contours,) = torch.jit.load(tmp_path / "cavity.ts")(real_crops(32))
    expected = load_model(tiny_cavity, device="cpu").infer.network(real_crops(32))
    torch.testing.assert_close(contours, expected.detach())


def test_a_mass_is_cut_out_of_a_right_breast_as_for_outlines(tiny_mass: Path, mammogram: Path, tmp_path: Path) -> None:
    record = export(tiny_mass, tmp_path / "mass.ts", "torchscript", images=mammogram)
    assert (record["structures"], record["parity"]["crops"]) == (["Mass"], 1)
    model = load_model(tiny_mass, device="cpu")
    (frame,) = export_bundle.read_inputs(mammogram).frames
    rows, columns = frame.size
    box = (columns / 4, rows / 4, columns * 3 / 4, rows * 3 / 4)
    outlined = model.outline(frame.image.as_tensor(), box, laterality="R").vertices_px
    assert outlined is not None
    contour = model.infer.network(export_bundle._crop(model, frame)[None])[0, -1].detach().numpy()
    side = 1.2 * np.array([columns, rows]) / 2  # of the region, in pixels of the file
    placed = (contour / 32 - 0.5) * side * [-1, 1] + [columns / 2, rows / 2]  # flipped back
    np.testing.assert_allclose(placed, outlined[0], atol=0.01)


def test_a_size_that_is_fixed(tiny_cavity: Path, frames: Path, tmp_path: Path) -> None:
    record = export(tiny_cavity, tmp_path / "cavity.pt2", "pt2", images=frames, fixed_size=True)
    assert record["fixed_size"] and record["parity"]["sizes"] == [[32, 32]]
    run = torch.export.load(tmp_path / "cavity.pt2").module()
    assert run(real_crops(32))[0].shape == (7, 3, 16, 2)
    with pytest.raises(AssertionError, match=r"size\(\)\[2\] == 32"):
        run(real_crops(64))


def test_many_images_are_thinned_out(tiny_cavity: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(export_bundle, "MOST_CROPS", 2)
    parity = export(tiny_cavity, tmp_path / "a.ts", "torchscript")["parity"]
    assert (parity["crops"], parity["source"]) == (2, "example study of monai_acdr")


# --- Errors ---------------------------------------------------------------------------------------------------------


def test_a_file_that_differs_is_not_written(
    tiny_cavity: Path, frames: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def wrong(error: float) -> Callable[..., Any]:
        def write(module: torch.nn.Module, *_: Any) -> Any:
            return lambda _: b"", lambda image: [module(image)[0] + error], "test"

        return write

    path = tmp_path / "cavity.ts"
    for error in (0.02, float("nan")):
        monkeypatch.setitem(export_bundle._WRITERS, "torchscript", wrong(error))
        with pytest.raises(ValueError, match=r"within 0.01 px .* but got (0.02|nan) px, 1 image\(s\) of 32 x 32"):
            export(tiny_cavity, path, "torchscript", images=frames)
    monkeypatch.setitem(
        export_bundle._WRITERS, "torchscript", lambda module, *_: (None, lambda image: [module(image)[0][:, :1]], "")
    )
    with pytest.raises(ValueError, match=r"Expected contours \[1, 3, 1?,? ?16, 2\] of the file"):
        export(tiny_cavity, path, "torchscript", images=frames)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported(
    tiny_cavity: Path, frames: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="one of onnx, pt2, torchscript, but got 'tensorrt'"):
        export(tiny_cavity, tmp_path / "a.ts", "tensorrt")
    with pytest.raises(FileNotFoundError, match="Expected a bundle's folder or one of"):
        export(tmp_path / "none", tmp_path / "a.ts", "torchscript")
    with pytest.raises(FileNotFoundError, match="does not exist: make it first"):
        export(tiny_cavity, tmp_path / "none" / "a.ts", "torchscript")
    (tmp_path / "a.ts").write_text("mine")
    with pytest.raises(FileExistsError, match="ask to overwrite it"):
        export(tiny_cavity, tmp_path / "a.ts", "torchscript")
    weights = tiny_cavity / "models" / "model.pt"
    with pytest.raises(FileExistsError, match="would replace the input"):
        export(tiny_cavity, weights, "torchscript", overwrite=True)

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("\nno such operator\nfor one")

    monkeypatch.setattr(torch.jit, "script", fail)
    with pytest.raises(ValueError, match=r"exported as torchscript, but it cannot \(RuntimeError: no such operator\)"):
        export(tiny_cavity, tmp_path / "a.ts", "torchscript", images=frames, overwrite=True)
    assert (tmp_path / "a.ts").read_text() == "mine"


def test_crops_of_a_bundle_of_colors(tiny_cavity: Path, frames: Path) -> None:
    gray = load_model(tiny_cavity, device="cpu")
    one, three = (export_bundle._crops(replace(gray, channels=number), frames).crops for number in (1, 3))
    assert three.shape == (len(one), 3, *one.shape[-2:])
    torch.testing.assert_close(three, one.expand_as(three))


def test_a_name_of_another_format_is_refused(tiny_cavity: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"such as y\.ts, but \.onnx is that of onnx: change the name, or the format"):
        export(tiny_cavity, tmp_path / "y.onnx", "torchscript")
    assert list(tmp_path.iterdir()) == []


def test_onnx_needs_an_extra(tiny_cavity: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(export_bundle, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(ImportError, match=r"ONNX needs onnxscript, not installed here: .*monai_acdr\[onnx\]"):
        export(tiny_cavity, tmp_path / "a.onnx")


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a file"):
        read_export(tmp_path / "none.onnx")
    files = {"text.onnx": b"hello", "empty.onnx": b"", "half.ts": b"PK\x03\x04" + bytes(40)}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    contents: dict[str, list[tuple[str, str]]] = {
        "none.ts": [("a/data.pkl", "")],
        "list.ts": [("a/extra/metadata.json", "[1]")],
        "twice.ts": [("a/extra/metadata.json", '{"export": {}}'), ("b/extra/metadata.json", '{"export": {}}')],
        "large.ts": [("a/extra/metadata.json", '{"export": {}}' + " " * export_bundle.LARGEST_METADATA)],
        "deep.ts": [("a/extra/metadata.json", "[" * 100_000)],
        "others.ts": [("a/extra/metadata.json", '{"version": "1"}')],
    }
    for name, entries in contents.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for entry, text in entries:
                archive.writestr(entry, text)
    for name in [*files, *contents]:
        with pytest.raises(ValueError, match="has no such metadata: export the bundle again"):
            read_export(tmp_path / name)


# --- Command --------------------------------------------------------------------------------------------------------


def test_command(tiny_cavity: Path, frames: Path, tmp_path: Path) -> None:
    words = [
        "export",
        str(tiny_cavity),
        "--format",
        "torchscript",
        "-o",
        str(tmp_path / "a.ts"),
        "--images",
        str(frames),
    ]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert "1 network(s)" in lines[0]
    assert "3 crop(s) of frames, 32 x 32, 64 x 64, 96 x 96, 128 x 128 pixels, 1 and 7 at once" in lines[1]
    assert lines[2] == f"Written: {tmp_path / 'a.ts'}"
    again = CliRunner().invoke(main, words)
    assert (again.exit_code, "--overwrite" in again.output) == (4, True)
    done = CliRunner().invoke(main, [*words, "--overwrite", "--json"])
    assert json.loads(done.output)["format"] == "torchscript"
