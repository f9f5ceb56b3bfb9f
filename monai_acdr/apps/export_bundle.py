# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A bundle as one file for other runtimes, image to contours: the function behind ``monai-acdr export``.

The file holds the whole of Algorithm 1: displacement network, initial contours and all iterations, for any number of
images at once. It is compared with the network on crops of real images before it is written; its metadata state the
difference.
"""

from __future__ import annotations

import io
import json
import logging
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_acdr import __version__
from monai_acdr.apps.inputs import Frame, read_inputs
from monai_acdr.apps.model import ContourModel, find_bundle, load_model
from monai_acdr.apps.outlines import network_input
from monai_acdr.apps.regions import RegionRequest, make_region
from monai_acdr.data import example_study
from monai_acdr.data.text_files import read_json
from monai_acdr.files import check_free, check_inputs_kept, check_parent, replace_file
from monai_acdr.inferers import ensemble_of, evolve_members
from monai_acdr.networks.blocks import evolve_contour
from monai_acdr.networks.nets import ActiveContourNet, DisplacementEnsemble

__all__ = ["FORMATS", "LARGEST_DIFFERENCE_PX", "export", "read_export"]

FORMATS = {"onnx": ".onnx", "pt2": ".pt2", "torchscript": ".ts"}
"""Name of a format -> suffix of its files."""

LARGEST_DIFFERENCE_PX = 0.01
"""Largest allowed difference between file and network, in pixels of the network's input."""

OPSET = 18
"""Version of the ONNX operators: the oldest one with all of them (GridSample came with 16), for older runtimes."""

SIZES = (64, 96, 128)
"""Sides of square inputs on which a file for any size is compared, besides the bundle's own."""

BATCHES = (1, 7)
"""Batch sizes of the comparison."""

MOST_CROPS = 50
"""Limit of the crops of the comparison, evenly spaced over the images."""

METADATA = "metadata.json"
"""Name of the metadata in a file: MONAI's name in TorchScript archives, used in all formats."""

LARGEST_METADATA = 1 << 20
"""Limit of a file's metadata in bytes; more are not read."""

_ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")

Run = Callable[[Tensor], Sequence[Tensor]]


class _Parity(NamedTuple):
    """Crops for the comparison, (n, C, H, W) of the bundle's own size, and their source."""

    crops: Tensor
    source: str


class _Contours(nn.Module):
    """The network as a function of one argument."""

    def __init__(self, network: ActiveContourNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor]:
        return (self.network(image),)


class _EnsembleContours(nn.Module):
    """Contours of an ensemble and, at no extra cost, the final contours of its members, for their spread.

    :func:`monai_acdr.inferers.evolve_members` gives the same. This class can be scripted, and moves all contours at
    once.
    """

    def __init__(self, network: ActiveContourNet, ensemble: DisplacementEnsemble) -> None:
        super().__init__()
        self.ensemble = ensemble
        self.initial_contour = network.initial_contour
        self.num_iterations = network.num_iterations
        self.clamp = network.clamp

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) to (B, T, N, K, 2) and (B, M, N, K, 2), without the axis N for a network of one structure."""
        members = self.ensemble.fields(image)
        fields = torch.cat([members.mean(0)[None], members])  # (M + 1, B, 2 N, h, w)
        start = self.initial_contour(image)
        vertices = start.repeat([fields.shape[0]] + [1] * (start.ndim - 1))
        size = (image.shape[-2], image.shape[-1])
        contours = []
        for _ in range(self.num_iterations):
            vertices = evolve_contour(vertices, fields.flatten(0, 1), size, self.clamp)
            contours.append(vertices.unflatten(0, (fields.shape[0], image.shape[0])))
        return torch.stack([each[0] for each in contours], dim=1), contours[-1][1:].transpose(0, 1)


def export(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    file_format: str = "onnx",
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    images: str | os.PathLike[str] | None = None,
    fixed_size: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a bundle's network with its weights as one file, image to contours, and compare the file with the network.

    The input ``image`` is (B, C, H, W) float32: crops made by the bundle's ``crop_transforms``. ``contours`` is
    (B, T, N, K, 2) float32, or (B, T, K, 2) where the network gives that for one structure, in pixels of the crop;
    ``[:, -1]`` is the result. An ensemble also gives ``members``, the result of each of its M networks, (B, M, N, K, 2)
    or (B, M, K, 2). B is any number, and H and W any size that the network takes, unless ``fixed_size``.

    Args:
        model: a bundle's name or folder. A bundle's config is code: use only bundles that you trust.
        output: file to write; ``NAME.onnx``, ``.pt2`` or ``.ts`` in the current folder if None.
        file_format: ``onnx``, ``pt2`` (``torch.export``) or ``torchscript``.
        checkpoint: other weights than the bundle's.
        images: study, picture or folder, as for :func:`monai_acdr.apps.segment`, for the crops of the comparison; the
            example study of this package if None.
        fixed_size: accept only inputs of the bundle's own size: for networks that cannot be exported for any size, and
            for runtimes that need static shapes. TorchScript takes any size in either case.
        overwrite: replace an existing file.

    Returns:
        The entry ``export`` of the file's metadata, see :func:`read_export`, and ``file``, its path.

    Raises:
        FileExistsError, OSError: when the file cannot be written.
        FileNotFoundError, ValueError: for a bundle, weights or images that cannot be used, or a network that cannot be
            exported; and when contours of the file are more than :data:`LARGEST_DIFFERENCE_PX` from the network's: then
            nothing is written.
        ImportError: without the extra ``onnx``, for that format.
    """
    if file_format not in FORMATS:
        raise ValueError(f"Expected `file_format` to be one of {', '.join(FORMATS)}, but got {file_format!r}.")
    if file_format == "onnx":
        _require_onnx()
    fixed_size = fixed_size and file_format != "torchscript"
    root = find_bundle(model)
    path = check_parent(output if output is not None else f"{root.name}{FORMATS[file_format]}")
    others = {suffix: name for name, suffix in FORMATS.items() if name != file_format}
    if path.suffix.lower() in others:
        raise ValueError(
            f"Expected a name for {file_format}, such as {path.stem}{FORMATS[file_format]}, but {path.suffix} is that "
            f"of {others[path.suffix.lower()]}: change the name, or the format."
        )
    if not overwrite:
        check_free(path)
    contour_model = load_model(model, checkpoint, "cpu")
    check_inputs_kept([path], [contour_model.checkpoint, images])
    network = contour_model.infer.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    parity = _crops(contour_model, images)
    module = _exportable(network).eval()
    with torch.no_grad(), _quiet():
        write, run, runtime = _WRITERS[file_format](module, parity.crops[:1].repeat(2, 1, 1, 1), fixed_size)
        facts = _facts(contour_model, file_format, parity.crops, fixed_size)
        facts["parity"] = _compare(network, run, parity, fixed_size) | {"runtime": runtime}
        metadata = read_json(root / "configs" / METADATA, "a bundle's config")
        content = write(json.dumps({**metadata, "export": facts}, indent=1, allow_nan=False))
    with replace_file(path, overwrite) as temporary:
        temporary.write_bytes(content)
    return {**facts, "file": str(path)}


def read_export(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the metadata of a file that :func:`export` has written; its network is not loaded.

    Args:
        path: path of the file, in any of the formats.

    Returns:
        The bundle's ``metadata.json``, and under ``export``: ``format``, ``bundle``, ``version``, ``weights_sha256``,
        ``structures`` (names, from the innermost to the outermost), ``nested``, ``border_mm``, ``regions`` (rules for
        crops), ``iterations``, ``size`` (H, W) of the bundle's crops, ``fixed_size``, ``outputs`` (names), ``members``
        (networks of an ensemble, otherwise 1), ``made_by`` (versions), and ``parity``: ``source`` and number of
        ``crops``, ``sizes`` (H, W) and ``batches``, ``max_difference_px``, ``limit_px``, ``runtime``.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not a file of :func:`export`.
        ImportError: without the extra ``onnx``, for that format.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected an exported bundle, but {path} is not a file: check the path.")
    text = _zip_metadata(path) if zipfile.is_zipfile(path) else _onnx_metadata(path)
    try:
        metadata = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("export"), dict):
        raise ValueError(
            f"Expected a file of `monai-acdr export`, but {path} has no such metadata: export the bundle again."
        )
    return metadata


def _exportable(network: ActiveContourNet) -> nn.Module:
    ensemble = ensemble_of(network)
    return _Contours(network) if ensemble is None else _EnsembleContours(network, ensemble)


def _output_names(ensemble: bool) -> list[str]:
    return ["contours", "members"] if ensemble else ["contours"]


def _facts(model: ContourModel, file_format: str, crops: Tensor, fixed_size: bool) -> dict[str, Any]:
    network = model.infer.network
    ensemble = ensemble_of(network)
    return {
        "format": file_format,
        "bundle": model.name,
        "version": model.version,
        "weights_sha256": model.checkpoint_sha256,
        "structures": [structure.label for structure in model.structures],
        "nested": model.nested,
        "border_mm": None if model.border_mm is None else list(model.border_mm),
        "regions": asdict(model.regions),
        "iterations": network.num_iterations,
        "size": list(crops.shape[-2:]),
        "fixed_size": fixed_size,
        "outputs": _output_names(ensemble is not None),
        "members": 1 if ensemble is None else len(ensemble.members),
        "made_by": {"monai_acdr": __version__, "torch": str(torch.__version__)},
    }


# --- Crops and comparison -------------------------------------------------------------------------------------------


def _crops(model: ContourModel, images: str | os.PathLike[str] | None) -> _Parity:
    """Inputs of the network, cropped from the center of images as the bundle does: any place will do."""
    path = example_study() / "dicoms" if images is None else Path(images)
    frames = read_inputs(path, color=model.channels == 3).frames
    if len(frames) > MOST_CROPS:
        frames = [frames[int(index)] for index in np.linspace(0, len(frames) - 1, MOST_CROPS).round()]
    crops = torch.stack([_crop(model, frame) for frame in frames])
    # only the last part of the path: a parent folder may have a user's or a patient's name
    return _Parity(crops, "example study of monai_acdr" if images is None else path.name)


def _crop(model: ContourModel, frame: Frame) -> Tensor:
    height, width = frame.size
    middle = RegionRequest("box", (width / 4, height / 4, width * 3 / 4, height * 3 / 4))
    request = middle if model.regions.center_side is None else RegionRequest("center")
    crop = model.infer.cut(*network_input(frame, make_region(request, frame, model.regions), model))
    return crop.as_tensor().float()


def _compare(network: ActiveContourNet, run: Run, parity: _Parity, fixed_size: bool) -> dict[str, Any]:
    """Differences between a file and the network: all crops, in all sizes and batch sizes.

    Raises:
        ValueError: when the largest difference is above the limit, or is not a number.
    """
    own = tuple(parity.crops.shape[-2:])
    sizes = [own, *((side, side) for side in SIZES if not fixed_size and (side, side) != own)]
    largest = 0.0
    for size in sizes:
        resized = F.interpolate(parity.crops, size, mode="bilinear", align_corners=False)
        for number in BATCHES:
            for batch in _batches(resized, number):
                difference = max(map(_difference, run(batch), _expected(network, batch)))
                largest = max(largest, difference) if difference <= LARGEST_DIFFERENCE_PX else difference
                if not largest <= LARGEST_DIFFERENCE_PX:
                    raise ValueError(
                        f"Expected contours within {LARGEST_DIFFERENCE_PX} px of the network's, but got {largest:.3g} "
                        f"px, {number} image(s) of {size[0]} x {size[1]} pixels: the file is not written. Try another "
                        "format, or other versions of torch and onnxruntime."
                    )
    return {
        "source": parity.source,
        "crops": len(parity.crops),
        "sizes": [list(size) for size in sizes],
        "batches": list(BATCHES),
        "max_difference_px": largest,
        "limit_px": LARGEST_DIFFERENCE_PX,
    }


def _batches(crops: Tensor, number: int) -> Iterator[Tensor]:
    """All crops in batches of `number`; the last batch is filled up with the first crops."""
    missing = -len(crops) % number
    filled = crops if missing == 0 else torch.cat([crops, crops.repeat(number, 1, 1, 1)[:missing]])
    return iter(filled.split(number))


def _expected(network: ActiveContourNet, image: Tensor) -> list[Tensor]:
    if ensemble_of(network) is None:
        return [network(image)]
    contours, members = evolve_members(network, image)
    return [contours, members[:, :, -1].transpose(0, 1)]


def _difference(found: Tensor, expected: Tensor) -> float:
    if found.shape != expected.shape:
        raise ValueError(
            f"Expected contours {list(expected.shape)} of the file, as the network gives, but got {list(found.shape)}: "
            "the file is not written. Try another format."
        )
    return float((found - expected).abs().max())


# --- Formats --------------------------------------------------------------------------------------------------------

Written = tuple[Callable[[str], bytes], Run, str]
"""Function that makes the file's bytes with metadata, function that runs it, and the runtime's name."""


def _write_torchscript(module: nn.Module, _example: Tensor, _fixed_size: bool) -> Written:
    scripted = _with_export_errors(lambda: torch.jit.script(module), "torchscript")

    def write(metadata: str) -> bytes:
        buffer = io.BytesIO()
        torch.jit.save(scripted, buffer, {METADATA: metadata.encode()})
        return buffer.getvalue()

    return write, torch.jit.load(io.BytesIO(write("{}"))), f"torch {torch.__version__}"


def _write_pt2(module: nn.Module, example: Tensor, fixed_size: bool) -> Written:
    shapes = _dynamic_shapes(fixed_size)
    program = _with_export_errors(lambda: torch.export.export(module, (example,), dynamic_shapes=shapes), "pt2")

    def write(metadata: str) -> bytes:
        buffer = io.BytesIO()
        torch.export.save(program, buffer, extra_files={METADATA: metadata})
        return buffer.getvalue()

    return write, torch.export.load(io.BytesIO(write("{}"))).module(), f"torch {torch.__version__}"


def _write_onnx(module: nn.Module, example: Tensor, fixed_size: bool) -> Written:
    import onnx
    import onnxruntime

    names = _output_names(isinstance(module, _EnsembleContours))
    program = _with_export_errors(
        lambda: torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            dynamic_shapes=_dynamic_shapes(fixed_size),
            input_names=["image"],
            output_names=names,
            opset_version=OPSET,
            verbose=False,
        ),
        "onnx",
    )
    proto = program.model_proto
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])

    def write(metadata: str) -> bytes:
        onnx.helper.set_model_props(proto, {METADATA: metadata})
        content: bytes = proto.SerializeToString()
        return content

    def run(image: Tensor) -> list[Tensor]:
        return [torch.from_numpy(value) for value in session.run(names, {"image": image.contiguous().numpy()})]

    return write, run, f"onnxruntime {onnxruntime.__version__}"


_WRITERS: dict[str, Callable[[nn.Module, Tensor, bool], Written]] = {
    "onnx": _write_onnx,
    "pt2": _write_pt2,
    "torchscript": _write_torchscript,
}


def _dynamic_shapes(fixed_size: bool) -> tuple[dict[int, Any]]:
    any_number = torch.export.Dim.DYNAMIC
    return ({0: any_number},) if fixed_size else ({0: any_number, 2: any_number, 3: any_number},)


def _with_export_errors(make: Callable[[], Any], file_format: str) -> Any:
    """Result of `make`; an error of any kind from torch becomes one that says what to do.

    Raises:
        ValueError: when `make` fails.
    """
    try:
        return make()
    except Exception as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "")[:300]
        raise ValueError(
            f"Expected a network that can be exported as {file_format}, but it cannot ({type(error).__name__}: "
            f"{reason}): try --fixed-size, or another format."
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings and logs of torch and its exporters."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _require_onnx() -> None:
    missing = [name for name in _ONNX_PACKAGES if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Exporting to ONNX needs {' and '.join(missing)}, not installed here: pip install 'monai_acdr[onnx]'"
        )


# --- Metadata -------------------------------------------------------------------------------------------------------


def _zip_metadata(path: Path) -> bytes:
    """The metadata of a TorchScript or PT2 archive, empty where it has none."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(f"/extra/{METADATA}")]
            if len(entries) != 1 or entries[0].file_size > LARGEST_METADATA:
                return b""
            with archive.open(entries[0]) as stream:
                return stream.read(LARGEST_METADATA)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError):  # damaged or encrypted
        return b""


def _onnx_metadata(path: Path) -> bytes:
    if find_spec("onnx") is None:
        _require_onnx()
    import onnx

    try:
        proto = onnx.load(str(path), load_external_data=False)
    except Exception:  # protobuf's DecodeError, whose module differs between versions
        return b""
    values = [entry.value for entry in proto.metadata_props if entry.key == METADATA]
    return values[0].encode()[:LARGEST_METADATA] if len(values) == 1 else b""
