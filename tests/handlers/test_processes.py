# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Several processes: who has which samples, and that results are those of one process, to the last bit."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from monai.data import DataLoader, Dataset, DistributedSampler
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import from_engine
from torch import nn
from torch.utils.data import DistributedSampler as PaddedSampler

from monai_acdr.handlers import (
    BoundaryF,
    EvaluationReport,
    Hausdorff95,
    PooledDice,
    SyncBatchStatistics,
    WeightedCoverage,
    distribute,
    join_processes,
    load_network,
    process_device,
    save_checkpoint,
)
from monai_acdr.handlers.processes import sampled_positions
from monai_acdr.metrics import Hausdorff95Metric

NAMES = ("pooled", "boundary", "distance", "coverage")


def cases(number: int) -> list[dict[str, Any]]:
    """Masks of which the last two are equal, and no names: nothing but their places tells them apart."""
    shared = torch.Generator().manual_seed(3)
    items = []
    for _ in range(max(1, number - 1)):
        masks = [torch.zeros(1, 12, 12) for _ in range(2)]
        for mask, (height, width) in zip(masks, torch.randint(3, 9, (2, 2), generator=shared).tolist(), strict=True):
            mask[:, 1 : 1 + height, 1 : 1 + width] = 1
        items.append({"image": masks[0], "label": masks[1]})
    return [*items, copy.deepcopy(items[-1])][:number]


def evaluate(folder: Path, number: int, sampler: str | None, batch_size: int) -> dict[str, Any]:
    """Report and metrics of some cases; in several processes each has its share of them."""
    dataset = Dataset(cases(number))
    samplers: dict[str | None, Any] = {
        None: lambda: None,
        "padded": lambda: PaddedSampler(dataset, shuffle=False),
        "uneven": lambda: DistributedSampler(dataset, even_divisible=False, shuffle=False),
    }
    transform = from_engine(["pred_mask", "label"])
    metrics = (
        PooledDice(transform),
        BoundaryF(output_transform=transform),
        Hausdorff95(output_transform=transform),
        WeightedCoverage(transform),
    )
    named = dict(zip(NAMES, metrics, strict=True))
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(dataset, batch_size=batch_size, sampler=samplers[sampler]()),
        network=nn.Identity(),
        prepare_batch=lambda batch, *_, **__: (batch["image"], batch["label"]),
        postprocessing=lambda case: {**case, "pred_mask": case["pred"]},
        key_val_metric={NAMES[0]: named[NAMES[0]]},
        additional_metrics={name: named[name] for name in NAMES[1:]},
        val_handlers=[EvaluationReport(folder, num_samples=20, contour_key=None)],
    )
    evaluator.run()
    details = {name: values.tolist() for name, values in evaluator.state.metric_details.items()}
    return {"metrics": dict(evaluator.state.metrics), "details": details}


def evaluate_all(folder: Path, tasks: list[tuple[int, str, int]]) -> None:
    """In each process."""
    join_processes("cpu")
    rank = torch.distributed.get_rank()
    results = [evaluate(folder / f"{task[0]}-{task[1]}-{task[2]}", *task) for task in tasks]
    (folder / f"{rank}.json").write_text(json.dumps(results))
    assert process_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    torch.distributed.destroy_process_group()


def test_results_are_those_of_one_process(tmp_path: Path, in_processes: Callable[..., None]) -> None:
    """Shares of one and of two samples, batches of one and of two, and a process that has no sample of its own."""
    tasks = [(5, "padded", 1), (5, "padded", 2), (5, "uneven", 2), (1, "padded", 1)]
    in_processes(evaluate_all, 2, tmp_path, tasks)
    for rank in range(2):
        results = json.loads((tmp_path / f"{rank}.json").read_text())
        for (number, sampler, batch_size), result in zip(tasks, results, strict=True):
            one = tmp_path / f"one-{number}"
            expected = evaluate(one, number, None, 1)
            assert result == json.loads(json.dumps(expected))
            several = tmp_path / f"{number}-{sampler}-{batch_size}"
            for name in ("metrics.csv", "metrics.json"):
                assert (several / name).read_bytes() == (one / name).read_bytes()
    rows = (tmp_path / "5-padded-2" / "metrics.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == [f"case_{index:04d}" for index in range(5)]
    assert rows[3].split(",")[1:] == rows[4].split(",")[1:]  # equal cases are two cases


def step_together(folder: Path) -> None:
    """In each process: one step on its own half of a batch, from weights of its own."""
    join_processes("cpu")
    rank = torch.distributed.get_rank()
    torch.manual_seed(rank)
    network = nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 1))
    wrapped = distribute(network, "cpu")
    save_checkpoint(network.state_dict(), folder / f"start-{rank}.pt")
    batch = {"image": torch.rand(2, 1, 6, 6) + rank, "label": torch.ones(2, 1)}
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[batch],
        network=wrapped,
        optimizer=torch.optim.SGD(wrapped.parameters(), lr=0.1),
        loss_function=nn.MSELoss(),
        decollate=False,
    )
    SyncBatchStatistics(wrapped).attach(trainer)
    trainer.run()
    save_checkpoint(network.state_dict(), folder / f"end-{rank}.pt")
    torch.save(batch["image"], folder / f"batch-{rank}.pt")
    torch.distributed.barrier()
    load_network(wrapped, folder / "start-0.pt")
    assert all(
        torch.equal(value, torch.load(folder / "start-0.pt")[name]) for name, value in network.state_dict().items()
    )
    torch.distributed.destroy_process_group()


def test_a_step_leaves_one_network(tmp_path: Path, in_processes: Callable[..., None]) -> None:
    in_processes(step_together, 2, tmp_path)
    starts, ends = ([torch.load(tmp_path / f"{part}-{rank}.pt") for rank in range(2)] for part in ("start", "end"))
    for states in (starts, ends):
        assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert not torch.equal(starts[0]["3.weight"], ends[0]["3.weight"])
    # The statistics are the mean of those that each process has seen: 0.9 of the old, 0.1 of its batch.
    batches = [torch.load(tmp_path / f"batch-{rank}.pt") for rank in range(2)]
    features = [nn.functional.conv2d(batch, starts[0]["0.weight"]) for batch in batches]
    means = torch.stack([0.1 * values.mean((0, 2, 3)) for values in features]).mean(0)
    variances = torch.stack([0.9 + 0.1 * values.var((0, 2, 3)) for values in features]).mean(0)
    torch.testing.assert_close(ends[0]["1.running_mean"], means)
    torch.testing.assert_close(ends[0]["1.running_var"], variances)


def test_one_process_averages_nothing() -> None:
    network = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2, track_running_stats=False), nn.Linear(2, 2))
    before = copy.deepcopy(network.state_dict())
    SyncBatchStatistics(network)()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("rank", "iteration", "expected"),
    [(0, 1, [0, 3]), (0, 2, [6]), (1, 2, [7]), (2, 1, [2, 5]), (2, 2, []), (2, 4, [])],
)
def test_positions_of_a_batch(rank: int, iteration: int, expected: list[int]) -> None:
    """Eight samples for three processes, of which the last one repeats the first sample; then the next epoch."""
    sampler = PaddedSampler(range(8), num_replicas=3, rank=rank, shuffle=False)  # type: ignore[arg-type]
    loader = DataLoader(Dataset(list(range(8))), batch_size=2, sampler=sampler)
    state = SimpleNamespace(iteration=iteration, epoch_length=2)
    count = 2 if iteration == 1 else 1
    assert sampled_positions(SimpleNamespace(data_loader=loader, state=state), count) == expected  # type: ignore[arg-type]
    taken = list(sampler)[:2] if iteration == 1 else list(sampler)[2:]
    assert taken[: len(expected)] == expected


def test_nothing_is_known_of_other_samplers() -> None:
    loader = DataLoader(Dataset([1, 2]), batch_size=1)
    state = SimpleNamespace(iteration=1, epoch_length=2, dataloader=loader)
    assert sampled_positions(SimpleNamespace(state=state), 1) is None  # type: ignore[arg-type]


def differing(folder: Path) -> None:
    """In each process: masks with another number of channels."""
    join_processes("cpu")
    metric = Hausdorff95Metric()
    masks = torch.ones(1, 1 + torch.distributed.get_rank(), 4, 4)
    metric(masks, masks)
    with pytest.raises(ValueError, match="one shape and dtype in all processes"):
        metric.aggregate()
    torch.distributed.destroy_process_group()


def test_values_that_do_not_fit_together(tmp_path: Path, in_processes: Callable[..., None]) -> None:
    in_processes(differing, 2, tmp_path)


def test_without_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(RuntimeError, match=r"torchrun started, but WORLD_SIZE, LOCAL_RANK, .* is not set: start with"):
        process_device()
    with pytest.raises(RuntimeError, match="leave out the config multi_gpu"):
        join_processes("cpu")


def test_more_processes_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    place = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "3", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(RuntimeError, match="process 3 has none of 2: start with --nproc_per_node 2"):
        process_device()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert process_device() == torch.device("cuda", 3)
