# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Training and evaluation in several processes, one for each GPU, as ``torchrun`` starts them.

The bundles' overlays ``multi_gpu_train.json`` and ``multi_gpu_evaluate.json`` use this module. All processes hold the
same weights after each step: gradients are averaged by DistributedDataParallel, statistics of batch norms by
:class:`SyncBatchStatistics`, so that averaged networks (EMA) are the same everywhere too. Results of an evaluation
equal those of one process, in the order of the data set: samples that a sampler repeats to fill its last batches are
recognized by their position, not by their content, since two cases may be equal.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from monai.utils import IgniteInfo, min_version, optional_import
from torch import distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DistributedSampler

if TYPE_CHECKING:
    from ignite.engine import Engine

__all__ = ["SyncBatchStatistics", "distribute", "join_processes", "process_device"]

Events, _ = optional_import("ignite.engine", IgniteInfo.OPT_IMPORT_VERSION, min_version, "Events")

_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables that torchrun sets in each process."""


def process_device() -> torch.device:
    """The device of this process: its own GPU, by the ``LOCAL_RANK`` of torchrun; the CPU where there is no GPU.

    Raises:
        RuntimeError: when torchrun did not start this process, or started more processes than there are GPUs.
    """
    _check_torchrun()
    if not torch.cuda.is_available():
        return torch.device("cpu")
    rank, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if rank >= count:
        raise RuntimeError(
            f"Expected a GPU for each process of this machine, but process {rank} has none of {count}: start with "
            f"--nproc_per_node {count}, or set the device to cpu."
        )
    return torch.device("cuda", rank)


def join_processes(device: str | torch.device) -> None:
    """Join the processes that torchrun started: by NCCL if ``device`` is a GPU, by Gloo if it is the CPU.

    Args:
        device: of this process, as :func:`process_device` gives it.

    Raises:
        RuntimeError: when torchrun did not start this process.
    """
    if distributed.is_initialized():
        return
    _check_torchrun()
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")


def _check_torchrun() -> None:
    missing = [name for name in _VARIABLES if name not in os.environ]
    if missing:
        raise RuntimeError(
            f"Expected a process that torchrun started, but {', '.join(missing)} is not set: start with `torchrun "
            "--nproc_per_node NUMBER -m monai.bundle run ...`, or leave out the config multi_gpu_*.json."
        )


def distribute(network: nn.Module, device: str | torch.device) -> DistributedDataParallel:
    """Wrap a network for training in all processes; it starts everywhere with the weights of the first one.

    On GPUs batch norms take their statistics over the batches of all processes (``torch.nn.SyncBatchNorm``), as one
    process does with the whole batch; on the CPU, where torch lacks that layer, over the batch of each process.

    Args:
        network: moved to ``device`` and changed in place; names of its weights stay.
        device: of this process.

    Raises:
        RuntimeError: when torchrun did not start this process.
    """
    join_processes(device)
    device = torch.device(device)
    network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    ids = [device] if device.type == "cuda" else None
    return DistributedDataParallel(network, device_ids=ids)


class SyncBatchStatistics:
    """Average the running means and variances of batch norms over all processes after each step of a trainer.

    So the processes always have the same network, not only the same weights. Attach it before other handlers
    that read the network after a step, such as ignite's ``EMAHandler``.

    Args:
        network: network whose batch norms are averaged.
    """

    def __init__(self, network: nn.Module) -> None:
        norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
        statistics = [tensor for norm in norms for tensor in (norm.running_mean, norm.running_var)]
        self.statistics = [tensor for tensor in statistics if tensor is not None]

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, _engine: Engine | None = None) -> None:
        """Average them now; no-op in a single process."""
        if not self.statistics or count_processes() == 1:
            return
        joined = torch.cat([tensor.detach().flatten() for tensor in self.statistics])
        distributed.all_reduce(joined)
        joined /= count_processes()
        for tensor, values in zip(self.statistics, joined.split([t.numel() for t in self.statistics]), strict=True):
            tensor.copy_(values.view_as(tensor))


def count_processes() -> int:
    """Number of processes in the group; 1 where there is none."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def sampled_positions(engine: Engine, count: int) -> list[int] | None:
    """Positions, in the order of one process, of the cases of an engine's present batch.

    Args:
        engine: MONAI's evaluator, or any engine of ignite, that runs over a ``DataLoader``.
        count: number of cases in the batch.

    Returns:
        One for each case of the batch that counts; the cases that follow, if any, are repeated by the sampler so that
        all processes have equally many. None (unknown) where no ``DistributedSampler`` deals the samples out.
    """
    loader: Any = getattr(engine, "data_loader", None)  # of MONAI's engines
    loader = getattr(engine.state, "dataloader", None) if loader is None else loader
    sampler = getattr(loader, "sampler", None)
    # A sampler with another order, such as MONAI's DistributedWeightedRandomSampler, repeats samples on purpose.
    if not isinstance(sampler, DistributedSampler) or type(sampler).__iter__ is not DistributedSampler.__iter__:
        return None
    batches = engine.state.iteration - 1
    if engine.state.epoch_length:
        batches %= engine.state.epoch_length
    first = batches * (loader.batch_size or 1)
    positions = [sampler.rank + index * sampler.num_replicas for index in range(first, first + count)]
    total = len(sampler.dataset)  # type: ignore[arg-type]
    return [position for position in positions if position < total]
