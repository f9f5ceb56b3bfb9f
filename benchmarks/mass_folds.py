# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours against a pixel-wise twin on masses of mammograms: cross-validation by patient, both in one run.

Data, regions of interest, augmentation, network and optimizer are those of the bundle `inbreast_mass_acdr`. The
pixel-wise twin is the same network, whose first output channel is taken as logits, with MONAI's DiceCELoss; its 64 x 64
mask is brought back to the image's pixels and thresholded there. Both are measured on those pixels. No fold chooses its
weights: averaged weights after the last epoch are tested.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from mass_pictures import draw_cases
from monai.bundle import ConfigParser
from monai.data import Dataset
from monai.losses import DiceCELoss
from monai.utils import set_determinism
from timing import parser, prepare, table, write_record
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from monai_acdr.bundle import bundle_root
from monai_acdr.data import mass_data_list
from monai_acdr.handlers import evaluate_output
from monai_acdr.metrics import summarize_cases
from monai_acdr.transforms import paste_roi

QUESTION = "Dice of evolving contours and of a pixel-wise twin on masses, cross-validation by patient"
CONFIG = Path(bundle_root("inbreast_mass_acdr")) / "configs" / "train.json"
SHOWN = ("mean_dice", "pooled_dice", "median_dice", "mean_iou", "hd95_px", "boundf")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and test both networks on every fold, print a table, write JSON and pictures."""
    options = read_options(arguments)
    prepare(options)
    records: dict[str, list[dict[str, Any]]] = {"contour": [], "pixel-wise": []}
    cases: list[dict[str, Any]] = []
    seconds = dict.fromkeys(records, 0.0)
    for fold in range(options.folds):
        for kind in records:
            config = read_config(options, fold)
            start = time.perf_counter()
            network = train(config, kind, options)
            seconds[kind] += time.perf_counter() - start
            tested = test(config, kind, network, options)
            records[kind] += [evaluate_output(case, contour_key=None) for case in tested]
            cases += tested if kind == "contour" else []
        print(f"fold {fold + 1} of {options.folds} is done", flush=True)
    summaries = {kind: summarize_cases(found) for kind, found in records.items()}
    print(table(["", *SHOWN], [row(kind, summary) for kind, summary in summaries.items()]))
    results = {"summaries": summaries, "cases": records, "training_seconds": seconds}
    settings = {key: str(value) for key, value in vars(options).items() if key not in ("output", "dataset_dir")}
    write_record(options.output, QUESTION, settings, results)
    draw_cases(cases, records["contour"], options.output.with_suffix(".png"))
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=1)
    options.add_argument("--dataset-dir", required=True, help="folder with images/, masks/ and index.csv")
    options.add_argument("--where", type=json.loads, default={}, help='rows to use, as in \'{"mass_like": "1"}\'')
    options.add_argument("--folds", type=int, default=5)
    options.add_argument("--epochs", type=int, default=300)
    options.add_argument("--batch-size", type=int, default=16)
    options.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64, 128])
    return options.parse_args(arguments)


def read_config(options: argparse.Namespace, fold: int) -> ConfigParser:
    """The bundle's training configuration for one fold, from the same random state for both networks."""
    set_determinism(options.seed + fold)
    config = ConfigParser()
    config.read_config(str(CONFIG))
    where = {"where": options.where} if options.where else {}
    config.update(
        {
            "dataset_dir": str(options.dataset_dir),
            "source": "pairs",
            "source_options": {**where, "folds": options.folds, "fold": fold},
            "holdout": 0.0,
            "max_epochs": options.epochs,
            "batch_size": options.batch_size,
            "channels": options.channels,
            "device": "$torch.device('cpu')",
        }
    )
    return config


def train(config: ConfigParser, kind: str, options: argparse.Namespace) -> nn.Module:
    """Train one network; its averaged weights."""
    if kind == "pixel-wise":
        config["network_def"] = "@displacement_net"
        config["activation"] = "none"
    loader = config.get_parsed_content("train#dataloader")
    network = config.get_parsed_content("network")
    optimizer, schedule = config.get_parsed_content("optimizer"), config.get_parsed_content("lr_scheduler")
    loss = loss_function(config, kind)
    momentum = config.get_parsed_content("ema_momentum")
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(1 - momentum), use_buffers=True)
    network.train()
    for _ in range(options.epochs):
        for batch in loader:
            optimizer.zero_grad()
            loss(network(batch["image"].as_tensor()), batch["label"].as_tensor()).backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(network)
    return average.module.eval()


def loss_function(config: ConfigParser, kind: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The bundle's loss, or Dice and cross-entropy of the first channel."""
    if kind == "contour":
        return config.get_parsed_content("loss")
    pixel_wise = DiceCELoss(sigmoid=True)
    return lambda output, label: pixel_wise(output[:, :1], label)


def test(config: ConfigParser, kind: str, network: nn.Module, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Cases of the fold that was left out, with `pred_mask` on the window's own pixels."""
    items = mass_data_list(options.dataset_dir, "pairs", "test", **config.get_parsed_content("source_options"))
    finish = config.get_parsed_content("validate#postprocessing")
    cases = []
    for case in Dataset(items, config.get_parsed_content("validate#preprocessing")):
        with torch.no_grad():
            output = network(case["image"].as_tensor()[None])[0]
        if kind == "contour":
            case = finish({**case, "pred": output})
        else:
            size = (int(case["window"].shape[-2]), int(case["window"].shape[-1]))
            case["pred_mask"] = (paste_roi(output[:1].sigmoid(), case["roi"], size) >= 0.5).float()
        cases.append(case)
    return cases


def row(kind: str, summary: dict[str, Any]) -> list[str]:
    """One line of the table: figures with their intervals over patients."""
    cells = [kind]
    for name in SHOWN:
        low, high = summary[f"{name}_ci95"]
        cells.append(f"{summary[name]:.4f} ({low:.3f} .. {high:.3f})")
    return cells


if __name__ == "__main__":
    sys.exit(main())
