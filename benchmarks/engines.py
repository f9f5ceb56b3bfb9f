# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Which engine computes the displacement fields of the shipped ensemble fastest on a CPU?

Torch as `segment` uses it, other memory formats, norms folded into convolutions, the members as one network of grouped
convolutions, torch.compile, ONNX Runtime and OpenVINO; engines that are not installed are left out. On batches as
`segment` makes them, with each number of threads. How far fields differ from torch's is reported as well: where
a contour crosses itself, the repair turns a difference of 1e-7 into one of 0.05 pixels.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from timing import CLOCKS, Table, parser, ratio, spread, time_in_turns, write_record
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from monai_acdr import load_model
from monai_acdr.networks.nets import DisplacementEnsemble

QUESTION = "milliseconds per image of the shipped ensemble's displacement fields, by engine"
NAMES = {
    "torch": "torch, channels last (as shipped)",
    "contiguous": "torch, contiguous",
    "fused": "torch, norms folded into convolutions",
    "grouped": "torch, members as grouped convolutions, norms folded",
    "inductor": "torch.compile (inductor), norms folded",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON file."""
    chosen = read_options(arguments)
    torch.manual_seed(chosen.seed)
    torch.set_num_threads(chosen.threads)
    ensemble = load_model("sunnybrook_lv_acdr", device="cpu").infer.network.displacement_net
    if not isinstance(ensemble, DisplacementEnsemble):
        raise RuntimeError("Expected the shipped weights to be an ensemble.")
    results: dict[str, Any] = {}
    rows = []
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for size in chosen.sizes:
            images = torch.randn(size, 1, 96, 96)
            expected = ensemble.fields(images)
            jobs, seconds, differences = {}, {}, {}
            for name in chosen.engines:
                start = time.perf_counter()
                job = make(name, ensemble, images, chosen.threads, Path(folder))
                if job is None:
                    print(f"{NAMES[name]}: not installed, or it fails here")
                    continue
                differences[name] = float((job() - expected).abs().max())
                seconds[name], jobs[name] = time.perf_counter() - start, job
            clock = CLOCKS["process" if chosen.threads == 1 else "wall"]
            samples = time_in_turns(jobs, chosen.repeats, chosen.warmup, clock=clock)
            for name, values in samples.items():
                per_image = spread([value / size * 1e3 for value in values])
                against = ratio(values, samples["torch"]) if "torch" in samples else None
                results[f"{name}, {size}"] = {
                    "milliseconds": per_image,
                    "ratio": against,
                    "seconds_to_start": seconds[name],
                    "largest_difference": differences[name],
                }
                rows.append(
                    [
                        NAMES[name],
                        str(size),
                        f"{per_image['median']:.1f}",
                        "" if against is None else f"{against['median']:.2f}",
                        f"{seconds[name]:.1f}",
                        f"{differences[name]:.0e}",
                    ]
                )
    header = ["engine", "batch", "ms per image", "ratio", "seconds to start", "largest difference"]
    table = Table("engines", header, rows)
    print(table)
    settings = {key: value for key, value in vars(chosen).items() if key != "output"}
    settings["clock"] = "process" if chosen.threads == 1 else "wall"
    write_record(chosen.output, QUESTION, settings, results, [table])
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=5, threads=1)
    options.set_defaults(warmup=1)
    options.add_argument("--sizes", type=int, nargs="*", default=[16, 32], help="images of a batch")
    options.add_argument("--engines", nargs="*", default=list(NAMES), choices=list(NAMES))
    return options.parse_args(arguments)


def make(
    name: str, ensemble: DisplacementEnsemble, images: Tensor, threads: int, folder: Path
) -> Callable[[], Tensor] | None:
    """A job that gives the fields (M, B, 2 N, H, W) of the images; None where the engine is not installed."""
    if name == "torch":
        return lambda: ensemble.fields(images)
    if name == "contiguous":
        contiguous = copy.deepcopy(ensemble).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        return lambda: contiguous.fields(images)
    fused = fuse(ensemble)
    if name == "fused":
        return lambda: fused.fields(images)
    if name == "grouped":
        grouped, number = group(fused), len(ensemble.members)
        return lambda: grouped(images.repeat(1, number, 1, 1)).unflatten(1, (number, -1)).transpose(0, 1)
    try:
        if name == "inductor":
            compiled = torch.compile(Fields(fused))
            compiled(images)
            return lambda: compiled(images)
        return _exported(name, fused, images, threads, folder)
    except Exception as error:  # compilers and engines raise errors of their own types
        print(f"{NAMES[name]}: {type(error).__name__}: {str(error).splitlines()[0][:200]}")
        return None


def _exported(name: str, fused: nn.Module, images: Tensor, threads: int, folder: Path) -> Callable[[], Tensor]:
    path = folder / f"{len(images)}.onnx"
    if not path.exists():
        contiguous = Fields(copy.deepcopy(fused).to(memory_format=torch.contiguous_format))  # type: ignore[call-overload]
        torch.onnx.export(contiguous, (images,), str(path), dynamo=True, verbose=False)
    array = images.numpy()
    if name == "onnxruntime":
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        key = session.get_inputs()[0].name
        return lambda: torch.from_numpy(session.run(None, {key: array})[0])
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1}
    model = openvino.Core().compile_model(str(path), "CPU", settings)
    return lambda: torch.from_numpy(model(array)[0].copy())


class Fields(nn.Module):
    """The fields of all members, as the result of a call."""

    def __init__(self, ensemble: DisplacementEnsemble) -> None:
        super().__init__()
        self.ensemble = ensemble

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to (M, B, 2 N, H, W)."""
        return self.ensemble.fields(image)


def fuse(network: DisplacementEnsemble) -> DisplacementEnsemble:
    """A copy in which each batch norm that follows a convolution is folded into it."""
    fused = copy.deepcopy(network)
    for container in [module for module in fused.modules() if isinstance(module, nn.Sequential)]:
        for index in range(len(container) - 1):
            first, second = container[index], container[index + 1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                container[index], container[index + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return fused


def group(fused: DisplacementEnsemble) -> nn.Module:
    """The members as one network: every convolution has a group of channels for each member.

    Concatenations of a decoder put the features of all members before the skip connections of all members, but the
    groups of its first convolution need the channels of each member together: they are reordered before it.
    """
    number = len(fused.members)
    joined = copy.deepcopy(fused.members[0])
    convolutions = [
        [(name, module) for name, module in member.named_modules() if isinstance(module, nn.Conv2d)]
        for member in fused.members
    ]
    for parts in zip(*convolutions, strict=True):
        name, first = parts[0]
        conv = nn.Conv2d(
            number * first.in_channels,
            number * first.out_channels,
            first.kernel_size,
            padding=first.padding,
            groups=number,
        )
        conv.weight.data = torch.cat([part.weight.data for _, part in parts])
        conv.bias.data = torch.cat([part.bias.data for _, part in parts if part.bias is not None])
        parent, _, child = name.rpartition(".")
        setattr(joined.get_submodule(parent), child, conv)
    for block in joined.decoder:
        channels = block.convolutions[0].in_channels
        block.convolutions = nn.Sequential(Regroup(number, channels), *block.convolutions)
    return joined.eval().to(memory_format=torch.channels_last)


class Regroup(nn.Module):
    """Channels [features of all members, skips of all members] to [features and skips of each member]."""

    def __init__(self, number: int, channels: int) -> None:
        super().__init__()
        self.number, self.channels = number, channels

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        skip = self.channels // 3  # a decoder's features have twice the channels of its skip connection
        below, beside = features[:, : self.channels - skip], features[:, self.channels - skip :]
        parts = [below.unflatten(1, (self.number, -1)), beside.unflatten(1, (self.number, -1))]
        return torch.cat(parts, 2).flatten(1, 2).contiguous(memory_format=torch.channels_last)


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(main())
