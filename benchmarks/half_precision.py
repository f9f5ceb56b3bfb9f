# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How far does half precision move contours, and does a training learn as well? On the real study of the package.

- vertices: final contours of the shipped Sunnybrook network (its first member) on 96 x 96 crops of the example study,
  under autocast against float32, in evaluation and in training mode; with all of the network in half precision, and
  with parts of it kept in float32;
- loss: a network of the bundle trained from the same start by MONAI's SupervisedTrainer with GradScaler and
  GradientClip, in float32, bfloat16 and float16.

Runs on the CPU, whose autocast rounds as a GPU's does, or on CUDA.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from timing import Table, parser, prepare, write_record
from torch import Tensor, nn

from monai_acdr.bundle import bundle_root, read_configs
from monai_acdr.data import example_study
from monai_acdr.handlers import EpochSeed, GradientClip, load_network
from monai_acdr.losses import ActiveContourLoss
from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.transforms import FollowImage

QUESTION = "largest distance of final vertices from float32 in pixels of 96 x 96, and loss by epoch, in half precision"
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
KEPT = {
    "nothing": (),
    "head": ("head",),
    "head, last decoder": ("head", "decoder.2"),
    "head, last decoder, first encoder": ("head", "decoder.2", "encoder.0"),
    "all of the two finest levels": ("head", "decoder.2", "decoder.1", "encoder.0", "encoder.1"),
}
"""Parts of the displacement network that stay float32."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, write the JSON file."""
    options = read_options(arguments)
    prepare(options)
    parser = bundle_config(options)
    images, masks = study_batch(parser)
    images, masks = images.to(options.device), masks.to(options.device)
    network = parser.get_parsed_content("network")
    start = copy.deepcopy(network)
    load_network(network, bundle_root("sunnybrook_lv_acdr") / "models" / "model.pt", options.device, member=0)
    vertices = [
        {"kept": kept, "dtype": dtype, "mode": mode, **distances(network, images, parts, DTYPES[dtype], mode)}
        for dtype in DTYPES
        for kept, parts in KEPT.items()
        for mode in ("evaluation", "training")
    ]
    rows = [
        [row["dtype"], row["kept"], row["mode"], f"{row['mean']:.4f}", f"{row['p99']:.3f}", f"{row['max']:.3f}"]
        for row in vertices
    ]
    header = ["half precision", "kept in float32", "mode", "mean, px", "99 %, px", "max, px"]
    moved = Table("vertices", header, rows)
    curves = {name: train(start, images, masks, name, options) for name in ("float32", *DTYPES)}
    epochs = [str(epoch + 1) for epoch in range(options.epochs)]
    loss = Table(
        "loss",
        ["epoch", *curves],
        [[epoch, *(f"{curve[index]:.4f}" for curve in curves.values())] for index, epoch in enumerate(epochs)],
    )
    print(moved, loss, sep="\n\n")
    settings = {key: value for key, value in vars(options).items() if key != "output"}
    write_record(options.output, QUESTION, settings, {"vertices": vertices, "loss": curves}, [moved, loss])
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=1)
    options.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options.add_argument("--epochs", type=int, default=5)
    options.add_argument("--batch-size", type=int, default=6)
    options.add_argument("--steps", type=int, default=6, help="steps of an epoch")
    return options.parse_args(arguments)


def bundle_config(options: argparse.Namespace) -> Any:
    """The Sunnybrook bundle's validation on the example study."""
    root = bundle_root("sunnybrook_lv_acdr")
    result = read_configs([root / "configs" / f"{name}.json" for name in ("train", "evaluate")])
    result.update({"bundle_root": str(root), "dataset_dir": str(example_study()), "device": options.device})
    result.update({"group": None, "network_def#initial_contour#num_vertices": 32})
    result.parse(reset=True)
    return result


def study_batch(parser: Any) -> tuple[Tensor, Tensor]:
    """Crops (B, 1, 96, 96) of the study's labeled frames; masks (B, 2, 96, 96), NaN where a contour is missing."""
    images, masks = [], []
    for case in parser.get_parsed_content("validate#dataset"):
        image = case["image"]
        contours = torch.as_tensor(FollowImage()(case["reference"], image)).as_subclass(Tensor).float()
        mask = rasterize_polygons(contours[:, None].nan_to_num(0), (96, 96))[:, 0]
        mask[~contours.isfinite().all(-1).all(-1)] = torch.nan
        images.append(image.as_tensor())
        masks.append(mask)
    return torch.stack(images), torch.stack(masks)


class Float32(nn.Module):
    """A part that autocast leaves alone."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, *inputs: Tensor) -> Tensor:
        """Apply the part to the inputs in float32."""
        with torch.autocast(inputs[0].device.type, enabled=False):
            result: Tensor = self.part(*(value.float() for value in inputs))
        return result


def distances(
    network: nn.Module, images: Tensor, parts: Sequence[str], dtype: torch.dtype, mode: str
) -> dict[str, float]:
    """Distances in pixels of the final vertices under autocast from those in float32."""
    final = []
    for half in (False, True):
        copied = copy.deepcopy(network).train(mode == "training")
        for name in parts if half else ():
            parent, _, leaf = f"displacement_net.{name}".rpartition(".")
            owner: Any = copied.get_submodule(parent)
            owner._modules[leaf] = Float32(owner._modules[leaf])
        torch.manual_seed(0)  # the same dropout
        with torch.no_grad(), torch.autocast(images.device.type, dtype, enabled=half):
            final.append(copied(images)[:, -1])
    moved = (final[0] - final[1]).norm(dim=-1).flatten()
    return {"mean": float(moved.mean()), "p99": float(moved.quantile(0.99)), "max": float(moved.max())}


@contextmanager
def amp_on(device: str) -> Iterator[None]:
    """Let MONAI's trainer, which hard-codes CUDA, use autocast and a GradScaler on this device."""
    autocast = torch.autocast
    if device == "cuda":
        yield
        return
    with (
        mock.patch.object(torch, "autocast", lambda _, **options: autocast(device, **options)),
        mock.patch.object(torch.cuda.amp, "GradScaler", lambda: torch.amp.GradScaler(device)),
    ):
        yield


def train(start: nn.Module, images: Tensor, masks: Tensor, precision: str, options: argparse.Namespace) -> list[float]:
    """Mean loss of each epoch of a training from the start; all have the same batches and the same dropout."""
    network = copy.deepcopy(start)
    generator = torch.Generator().manual_seed(options.seed)
    batches = []
    for _ in range(options.steps):
        chosen = torch.randint(len(images), (options.batch_size,), generator=generator)
        batches.append({"image": images[chosen], "label": masks[chosen]})
    trainer = SupervisedTrainer(
        device=torch.device(options.device),
        max_epochs=options.epochs,
        train_data_loader=batches,
        network=network,
        optimizer=torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-4),
        loss_function=ActiveContourLoss("dice", curvature_weight=0.3),
        amp=precision in DTYPES,
        amp_kwargs={"dtype": DTYPES.get(precision)},
        decollate=False,
    )
    losses: list[float] = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: losses.append(trainer.state.output["loss"].item()))
    EpochSeed(options.seed).attach(trainer)
    GradientClip(network, 5.0).attach(trainer)
    with amp_on(options.device):
        trainer.run()
    return torch.tensor(losses).view(options.epochs, options.steps).mean(1).tolist()


if __name__ == "__main__":
    sys.exit(main())
