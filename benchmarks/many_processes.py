# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Do evaluation and training in several processes equal those of one? By `torchrun`, Gloo on the CPU, or NCCL on GPUs.

On synthetic hearts, with the Sunnybrook bundle and a small network:

- evaluation: `metrics.json` and `metrics.csv` of 2, 3, ... processes are compared byte by byte with those of one;
- training: weights, averaged weights and batch-norm statistics of all processes are compared bit by bit;
- a training with a process killed in the middle of an epoch is resumed with as many processes, and compared with an
  undisturbed training up to rounding, or with two processes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from timing import ROOT, Table, parser, write_record
from torch import Tensor

from monai_acdr.bundle import bundle_root
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.handlers import load_checkpoint

QUESTION = "are evaluation and training in several processes those of one process"
TOLERANCE = 1e-4
"""Largest difference of averaged weights after a resumed training, which starts with other buckets of gradients and
so sums three or more numbers in another order."""

SMALL: dict[str, Any] = {
    "network_def#displacement_net#channels": [8, 16, 32],
    "network_def#displacement_net#num_convs": 1,
    "roi_size": 48,
    "batch_size": 6,
    "val_interval": 1,
    "train#warmup_epochs": 1,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything, print tables, write the JSON file; 1 when something differs that should not."""
    options = read_options(arguments)
    with tempfile.TemporaryDirectory() as folder:
        study = Study(Path(folder), options)
        evaluations = [study.evaluate(number) for number in options.processes]
        trainings = [study.train(number) for number in (1, *options.processes)]
        disturbed = [study.disturb(max(options.processes), number) for number in (max(options.processes), 2)]
    results = {"evaluations": evaluations, "trainings": trainings, "disturbed": disturbed}
    rows = [
        [f"evaluation, {row['processes']} processes", _yes(row["same"]), f"{row['seconds']:.0f}"] for row in evaluations
    ]
    same = Table("evaluation", ["", "same bytes as one process", "s"], rows)
    header = ["training", "all processes alike", "loss of the last step", "best mean Dice", "s"]
    rows = [
        [
            f"{row['processes']} processes" if row["processes"] > 1 else "1 process",
            _yes(row["alike"]),
            f"{row['loss']:.4f}",
            f"{row['dice']:.4f}",
            f"{row['seconds']:.0f}",
        ]
        for row in trainings
    ]
    trained = Table("training", header, rows)
    header = ["killed in epoch 2", "largest difference from undisturbed", "all processes alike", "best mean Dice"]
    rows = [
        [
            f"{row['before']}, then {row['after']} processes",
            "" if row["difference"] is None else f"{row['difference']:.1g}",
            _yes(row["alike"]),
            f"{row['dice']:.4f}",
        ]
        for row in disturbed
    ]
    tables = [same, trained, Table("resume", header, rows)]
    print(*tables, sep="\n\n")
    settings = {key: value for key, value in vars(options).items() if key != "output"}
    write_record(options.output, QUESTION, settings, results, tables)
    good = all(row["same"] for row in evaluations) and all(row["alike"] for row in (*trainings, *disturbed))
    return 0 if good and all((row["difference"] or 0) <= TOLERANCE for row in disturbed) else 1


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=1)
    options.add_argument("--processes", type=int, nargs="+", default=[2, 3])
    options.add_argument("--patients", type=int, default=8, help="half of them to train on")
    options.add_argument("--epochs", type=int, default=4)
    options.add_argument("--device", choices=("cpu", "auto"), default="cpu", help="auto: a GPU for each process")
    return options.parse_args(arguments)


class Study:
    """Synthetic hearts in a folder, and the bundle on them in any number of processes."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self.options = folder, options
        self.root = bundle_root("sunnybrook_lv_acdr")
        self.data = folder / "data"
        write_short_axis_studies(self.data, num_patients=options.patients, seed=options.seed)
        self.run("train", 1, "one", max_epochs=options.epochs)
        shutil.copyfile(folder / "one" / "model.pt", folder / "model.pt")
        self.run("evaluate", 1, "evaluation-1", checkpoint=folder / "model.pt")

    def run(self, name: str, processes: int, output: str, *, overlay: Path | None = None, **settings: Any) -> float:
        """Run a config of the bundle; returns the seconds that it took.

        Raises:
            RuntimeError: when it fails, or is not killed where it should be.
        """
        names = ["train"] if name == "train" else ["train", "evaluate"]
        configs = [str(self.root / "configs" / f"{part}.json") for part in names]
        python = [sys.executable]
        if processes > 1:
            configs.append(str(self.root / "configs" / f"multi_gpu_{name}.json"))
            python += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        configs += [] if overlay is None else [str(overlay)]
        fixed = {"dataset_dir": self.data, "output_dir": self.folder / output, "logging_file": False}
        fixed |= {"checkpoint": self.folder / output / "model.pt", **SMALL}
        fixed |= {"device": "cpu"} if self.options.device == "cpu" else {}
        command = [*python, "-m", "monai.bundle", "run", "--config_file", str(configs)]
        command += [text for key, value in (fixed | settings).items() for text in (f"--{key}", str(value))]
        start = time.perf_counter()
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.options.threads), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if (done.returncode == 0) == (overlay is not None and overlay.name == "kill.json"):
            raise RuntimeError(
                f"{name} in {processes} processes ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return time.perf_counter() - start

    def evaluate(self, processes: int) -> dict[str, Any]:
        """Compare the files of an evaluation with those of one process."""
        output = f"evaluation-{processes}"
        seconds = self.run("evaluate", processes, output, checkpoint=self.folder / "model.pt")
        one = self.folder / "evaluation-1"
        names = ("metrics.json", "metrics.csv")
        same = all((one / name).read_bytes() == (self.folder / output / name).read_bytes() for name in names)
        figures = json.loads((self.folder / output / "metrics.json").read_text(encoding="utf-8"))
        return {"processes": processes, "same": same, "mean_dice": figures["mean_dice"], "seconds": seconds}

    def train(self, processes: int) -> dict[str, Any]:
        """Train undisturbed, and compare the final states of the processes."""
        output = f"training-{processes}"
        overlay = self._overlay(processes, "watch.json", None)
        seconds = self.run("train", processes, output, overlay=overlay, max_epochs=self.options.epochs)
        return {"processes": processes, "seconds": seconds, **self._outcome(output, processes)}

    def disturb(self, before: int, after: int) -> dict[str, Any]:
        """Kill a process of a training in its second epoch, and resume with as many processes, or fewer."""
        output = f"disturbed-{before}-{after}"
        steps = load_checkpoint(self.folder / f"training-{before}" / "last.pt")["trainer"]["epoch_length"]
        overlay = self._overlay(before, "kill.json", steps + 1)
        self.run("train", before, output, overlay=overlay, max_epochs=self.options.epochs)
        overlay = self._overlay(after, "watch.json", None)
        self.run("train", after, output, overlay=overlay, max_epochs=self.options.epochs, resume=True)
        states = [load_checkpoint(self.folder / name / "last.pt")["ema"] for name in (f"training-{before}", output)]
        apart = max(float((value - states[1][name]).abs().max()) for name, value in states[0].items())
        return {
            "before": before,
            "after": after,
            "difference": apart if before == after else None,
            **self._outcome(output, after),
        }

    def _overlay(self, processes: int, name: str, kill_at: int | None) -> Path:
        """A config overlay: each process writes its weights at the end; the last one kills itself at an iteration."""
        config = "multi_gpu_train.json" if processes > 1 else "train.json"
        items = json.loads((self.root / "configs" / config).read_text(encoding="utf-8"))["initialize"]
        rank = "torch.distributed.get_rank()" if processes > 1 else "0"
        weights = "'network': @network_def.state_dict(), 'ema': @train#ema.ema_model.state_dict()"
        state = f"{{{weights}, 'loss': engine.state.output[0]['loss']}}"
        save = f"lambda engine: torch.save({state}, @output_dir + '/process-' + str({rank}) + '.pt')"
        items.append(f"$@train#trainer.add_event_handler(ignite.engine.Events.COMPLETED, {save})")
        if kill_at is not None:
            kill = f"lambda: {rank} == {processes - 1} and torch.os.kill(torch.os.getpid(), 9)"
            items.append(
                f"$@train#trainer.add_event_handler(ignite.engine.Events.ITERATION_COMPLETED(once={kill_at}), {kill})"
            )
        path = self.folder / name
        path.write_text(json.dumps({"initialize": items}), encoding="utf-8")
        return path

    def _outcome(self, output: str, processes: int) -> dict[str, Any]:
        states = [torch.load(self.folder / output / f"process-{rank}.pt") for rank in range(processes)]
        alike = all(_equal(state[part], states[0][part]) for state in states for part in ("network", "ema"))
        loss = float(torch.stack([torch.as_tensor(state["loss"]) for state in states]).mean())
        best = load_checkpoint(self.folder / output / "last.pt")["best"]["metric"]
        return {"alike": alike, "loss": loss, "dice": best}


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


if __name__ == "__main__":
    sys.exit(main())
