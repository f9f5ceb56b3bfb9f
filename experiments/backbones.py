# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Does any backbone learn? MONAI's 2-D networks as displacement networks, by the same call, on three data sets.

Each network is `ActiveContourNet(network)` with the default loss, Adam, one learning rate and crops of zero mean and
unit variance; nothing is tuned for any of them. For comparison: `DisplacementUNet`, and MONAI's UNet with Tanh instead
of the head (`bound=None`), as the README once recommended. Training is short: does the loss fall?

Data: synthetic short-axis hearts, made here; `DATA/sunnybrook_png`; `DATA/cdd_cesm`. Crops about the reference. Dice is
measured on crops of other patients, with the statistics of batch norms taken from all training crops.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.networks.nets import AttentionUnet, BasicUNet, DynUNet, FlexibleUNet, SegResNet, SwinUNETR, UNet
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, NormalizeIntensityd
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from monai_acdr.data import (
    DicomFrameReader,
    LoadMassReferenced,
    LoadReferenced,
    PictureReader,
    mass_data_list,
    sunnybrook_data_list,
)
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.files import write_text_atomically
from monai_acdr.losses import ActiveContourLoss
from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.networks.nets import ActiveContourNet, DisplacementUNet
from monai_acdr.transforms import CheckImaged, ContourToMaskd, FollowImaged, RoiCropd, RoiFromExpertd, RoiFromLabeld

Crops = tuple[Tensor, Tensor]
"""Images and masks, both (B, 1, H, W)."""

BACKBONES: dict[str, Callable[[], nn.Module]] = {
    "DisplacementUNet": lambda: DisplacementUNet(channels=(16, 32, 64, 128), num_convs=2, dropout=0.0),
    "UNet": lambda: UNet(2, 1, 2, channels=(16, 32, 64, 128), strides=(2, 2, 2)),
    "BasicUNet": lambda: BasicUNet(2, 1, 2, features=(16, 16, 32, 64, 64, 16)),
    "AttentionUnet": lambda: AttentionUnet(2, 1, 2, channels=(16, 32, 64), strides=(2, 2)),
    "SegResNet": lambda: SegResNet(2, 8, 1, 2),
    "DynUNet": lambda: DynUNet(2, 1, 2, [3, 3, 3, 3], [1, 2, 2, 2], [2, 2, 2], filters=[16, 32, 64, 128]),
    "FlexibleUNet": lambda: FlexibleUNet(1, 2, "efficientnet-b0", pretrained=False, spatial_dims=2),
    "SwinUNETR": lambda: SwinUNETR(1, 2, feature_size=12, spatial_dims=2, depths=(1,) * 4, num_heads=(1, 2, 2, 4)),
    "UNet, Tanh, no head": lambda: nn.Sequential(
        UNet(2, 1, 2, channels=(16, 32, 64, 128), strides=(2, 2, 2)), nn.Tanh()
    ),
}


def load_crops(name: str, data: Path, options: argparse.Namespace) -> tuple[Crops, Crops]:
    """Crops for training, and crops of other patients."""
    with tempfile.TemporaryDirectory() as folder:
        if name == "hearts":
            write_short_axis_studies(folder, num_patients=12, num_slices=4, num_phases=3)
            items = sunnybrook_data_list(folder)
        elif name == "sunnybrook_png":
            items = sunnybrook_data_list(data / name)
        else:
            items = mass_data_list(data / name, "pairs")
        patients = sorted({item["patient"] for item in items})
        held_out = set(patients[::3])
        groups = [
            [item for item in items if (item["patient"] in held_out) == tested][:: options.stride[name]][:number]
            for tested, number in ((False, options.train), (True, options.test))
        ]
        prepare = _preparation(name, options.size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            train, test = ([prepare(item) for item in group] for group in groups)
    return _stack(train), _stack(test)


def _preparation(name: str, size: int) -> Compose:
    if name == "cdd_cesm":
        place: list[Any] = [LoadMassReferenced("label"), RoiFromExpertd("image", scale=1.2, square=True)]
    else:
        place = [LoadReferenced("label"), RoiFromLabeld("reference", side=100)]
    return Compose(
        [
            LoadImaged("image", reader=[DicomFrameReader(), PictureReader()]),
            EnsureChannelFirstd("image"),
            CheckImaged("image"),
            *place,
            RoiCropd("image", size=(size, size)),
            NormalizeIntensityd("image"),
            FollowImaged("reference"),
            ContourToMaskd("reference", like_key="image", output_keys="mask"),
        ]
    )


def _stack(cases: Sequence[dict[str, Any]]) -> Crops:
    images, masks = (torch.stack([torch.as_tensor(case[key]).float() for case in cases]) for key in ("image", "mask"))
    return images.as_tensor() if hasattr(images, "as_tensor") else images, torch.as_tensor(masks).clone()


def train(name: str, crops: tuple[Crops, Crops], options: argparse.Namespace) -> dict[str, Any]:
    """Train one network for a few steps; loss over the first and the last steps, and Dice before and after."""
    torch.manual_seed(options.seed)
    (images, masks), tested = crops
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about MONAI's own arguments
        network = ActiveContourNet(BACKBONES[name](), bound=None if "no head" in name else 0.25)
    loss_function = ActiveContourLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    result: dict[str, Any] = {"dice_start": score(network, images, tested)}
    losses: list[float] = []
    start = time.perf_counter()
    while len(losses) < options.steps:
        for chosen in torch.randperm(len(images)).split(options.batch_size):
            loss = loss_function(network(images[chosen]), masks[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    result |= {"seconds": round(time.perf_counter() - start, 1), "steps": len(losses)}
    result["loss_start"] = sum(losses[:3]) / 3
    result["loss_end"] = sum(losses[-10:]) / 10
    result["dice_end"] = score(network, images, tested)
    return {key: round(value, 4) for key, value in result.items()}


def score(network: ActiveContourNet, images: Tensor, tested: Crops) -> float:
    """Mean Dice of the tested crops."""
    update_bn([batch for batch in images.split(16) if len(batch) > 1], network)
    network.eval()
    with torch.inference_mode():
        contours = torch.cat([network(batch)[:, -1] for batch in tested[0].split(16)])
        drawn = rasterize_polygons(contours, (images.shape[-2], images.shape[-1])) > 0.5
    network.train()
    known = tested[1] > 0.5
    both = (drawn & known).sum((1, 2, 3))
    return float((2 * both / (drawn.sum((1, 2, 3)) + known.sum((1, 2, 3)))).mean())


def table(record: dict[str, Any]) -> list[str]:
    """Rows of backbones, for docs/results.md."""
    names = list(record["results"])
    lines = [
        "| backbone | " + " | ".join(f"{name}: loss | Dice" for name in names) + " |",
        "| --- " * (1 + 2 * len(names)) + "|",
    ]
    for backbone in record["results"][names[0]]:
        cells = [backbone]
        for name in names:
            figures = record["results"][name].get(backbone)
            if figures is None:
                cells += ["", ""]
                continue
            cells += [
                f"{figures['loss_start']:.3f} to {figures['loss_end']:.3f}",
                f"{figures['dice_start']:.2f} to {figures['dice_end']:.2f}",
            ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Train every backbone on every data set, write the record after each, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of sunnybrook_png and cdd_cesm")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "records" / "backbones.json")
    parser.add_argument("--sets", nargs="+", default=["hearts", "sunnybrook_png", "cdd_cesm"])
    parser.add_argument("--backbones", nargs="+", default=list(BACKBONES), choices=list(BACKBONES))
    parser.add_argument("--train", type=int, default=96, help="crops for training")
    parser.add_argument("--test", type=int, default=48, help="crops of other patients")
    parser.add_argument("--size", type=int, default=64, help="rows and columns of a crop")
    parser.add_argument("--steps", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    options.stride = {"hearts": 1, "sunnybrook_png": 4, "cdd_cesm": 2}
    settings = {
        key: value for key, value in vars(options).items() if key not in ("data", "output", "sets", "backbones")
    }
    record: dict[str, Any] = {"settings": settings, "torch": torch.__version__, "results": {}}
    for data_set in options.sets:
        crops = load_crops(data_set, options.data, options)
        for backbone in options.backbones:
            figures = train(backbone, crops, options)
            record["results"].setdefault(data_set, {})[backbone] = figures
            print(data_set, backbone, figures, flush=True)
            write_text_atomically(options.output, json.dumps(record, indent=2) + "\n", overwrite=True)
    print("\n".join(table(record)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
