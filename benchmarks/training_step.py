# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What does a training step with the contour loss cost, compared with a pixel-wise Dice loss and the same network?

Both steps are forward pass, loss, backward pass and optimizer step of the same DisplacementUNet on the same batch. The
pixel-wise step takes the first of the two output channels as logits. So every convolution is the same, and only the
rest differs: a sigmoid and MONAI's DiceLoss there; T steps of the contour, rasterizer and ActiveContourLoss here.
The network is that of the Sunnybrook bundle.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import torch
from monai.losses import DiceLoss
from timing import Job, Table, parser, prepare, ratio, spread, time_in_turns, write_record
from torch import Tensor

from monai_acdr.geometry import ellipse
from monai_acdr.losses import ActiveContourLoss
from monai_acdr.networks.blocks import CenteredCircle
from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.networks.nets import ActiveContourNet, DisplacementUNet

QUESTION = "time of a training step with ActiveContourLoss over the same step with a pixel-wise Dice loss"
TARGET = 1.15
"""Target: largest ratio, at the default options."""

# The loss and the optimizer of the Sunnybrook bundle's configs/train.json.
LOSS: dict[str, Any] = {"balloon_weight": 0.01, "curvature_weight": 0.3}
OPTIMIZER: dict[str, Any] = {"lr": 2e-3, "weight_decay": 1e-4}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON file."""
    options = read_options(arguments)
    prepare(options)
    image, label = make_batch(options.batch_size, options.size)
    jobs = {"contour": contour_step(options, image, label), "pixel-wise": pixel_step(options, image, label)}
    samples = time_in_turns(jobs, options.repeats, options.warmup)
    times = {name: spread(values) for name, values in samples.items()}
    quotient = ratio(samples["contour"], samples["pixel-wise"])
    rows = [
        [name, f"{1000 * t['median']:.1f}", f"{1000 * t['q25']:.1f} - {1000 * t['q75']:.1f}"]
        for name, t in times.items()
    ]
    times_table = Table("times", ["training step", "median, ms", "quartiles, ms"], rows)
    measured = f"{quotient['median']:.2f} ({quotient['q25']:.2f} .. {quotient['q75']:.2f})"
    ratio_table = Table(
        "ratio", ["ratio", "measured (quartiles)", "target"], [["contour / pixel-wise", measured, f"<= {TARGET}"]]
    )
    print(times_table, ratio_table, sep="\n\n")
    settings = {key: value for key, value in vars(options).items() if key != "output"}
    results = {"seconds": times, "ratio": quotient, "target": TARGET, "target_met": quotient["median"] <= TARGET}
    settings |= {"loss": LOSS, "optimizer": OPTIMIZER}
    write_record(options.output, QUESTION, settings, results, [times_table, ratio_table])
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=15, threads=1)
    options.add_argument("--batch-size", type=int, default=100)
    options.add_argument("--size", type=int, default=64, help="rows and columns of the image")
    options.add_argument("--num-vertices", type=int, default=32, help="K")
    options.add_argument("--num-iterations", type=int, default=3, help="T")
    options.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64, 128])
    options.add_argument("--num-convs", type=int, default=2)
    options.add_argument("--dropout", type=float, default=0.1)
    options.add_argument("--initial-diameter", type=float, default=0.25, help="of the first circle, in image sides")
    return options.parse_args(arguments)


def make_batch(batch_size: int, size: int) -> tuple[Tensor, Tensor]:
    """Bright ellipses in noise (B, 1, H, W), and their exact masks."""
    center = size * (0.4 + 0.2 * torch.rand(batch_size, 2))
    radii = size * (0.1 + 0.2 * torch.rand(batch_size, 2))
    label = rasterize_polygons(ellipse(center, radii, 64), (size, size))
    image = label + 0.3 * torch.randn_like(label)
    return image.contiguous(memory_format=torch.channels_last), label


def contour_step(options: argparse.Namespace, image: Tensor, label: Tensor) -> Job:
    """The step with the contour loss."""
    start = CenteredCircle(options.num_vertices, options.initial_diameter)
    network = ActiveContourNet(make_network(options, "tanh"), start, options.num_iterations)
    optimizer = torch.optim.AdamW(network.parameters(), **OPTIMIZER)
    loss_function = ActiveContourLoss("dice", **LOSS)

    def step() -> None:
        optimizer.zero_grad()
        loss_function(network(image), label).backward()
        optimizer.step()

    return step


def pixel_step(options: argparse.Namespace, image: Tensor, label: Tensor) -> Job:
    """The pixel-wise counterpart."""
    network = make_network(options, "none")
    optimizer = torch.optim.AdamW(network.parameters(), **OPTIMIZER)
    loss_function = DiceLoss(sigmoid=True)

    def step() -> None:
        optimizer.zero_grad()
        loss_function(network(image)[:, :1], label).backward()
        optimizer.step()

    return step


def make_network(options: argparse.Namespace, activation: str) -> DisplacementUNet:
    """The same network for both steps: same seed, hence the same weights."""
    torch.manual_seed(options.seed)
    network = DisplacementUNet(1, options.channels, options.num_convs, options.dropout, activation)
    return network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(main())
