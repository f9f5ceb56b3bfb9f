# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints of ensembles, joined from those of several trainings."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from monai_acdr.handlers.checkpoint_files import load_checkpoint, save_checkpoint
from monai_acdr.handlers.member_weights import FIELD, join_members, network_weights, split_members

__all__ = ["join_checkpoints", "write_ensemble"]

Weights = dict[str, Tensor]

_logger = logging.getLogger(__name__)


def join_checkpoints(paths: Sequence[str | os.PathLike[str]]) -> Weights:
    """Join networks that were trained alike, from other seeds or on other folds, to the weights of their ensemble.

    Args:
        paths: checkpoints as :func:`~monai_acdr.handlers.load_network` takes them, of at least two networks together;
            one that is an ensemble's gives all its members.

    Returns:
        Weights by name, for :func:`~monai_acdr.handlers.load_network` once they are saved: an ``ActiveContourNet``
        whose displacement network is one of the members becomes their ensemble.

    Raises:
        FileNotFoundError: when a file does not exist.
        ValueError: when a file is not a checkpoint of an ``ActiveContourNet``, when architectures or initial contours
            differ, when two networks are the same, or when there is only one.
    """
    if isinstance(paths, (str, os.PathLike)) or not isinstance(paths, Sequence) or not paths:
        raise ValueError(
            f"Expected `paths` to be a list of checkpoints, but got {paths!r}: give --members \"['a.pt','b.pt']\"."
        )
    members: list[tuple[Path, Weights]] = []
    for path in map(Path, paths):
        for weights in _read_members(path):
            for earlier, others in members:
                _check_alike(weights, path, others, earlier)
            members.append((path, weights))
    if len(members) < 2:
        raise ValueError(f"Expected at least two networks, but got only that of {members[0][0]}: add others.")
    return join_members([weights for _, weights in members])


def write_ensemble(members: Sequence[str | os.PathLike[str]], checkpoint: str | os.PathLike[str]) -> Path:
    """Join checkpoints as :func:`join_checkpoints` does, write the result, and log what was written.

    Args:
        members: checkpoints of separate trainings.
        checkpoint: file to write.

    Returns:
        Its path.

    Raises:
        FileExistsError: when ``checkpoint`` exists.
        FileNotFoundError, ValueError: as :func:`join_checkpoints`.
        OSError: when it cannot be written.
    """
    path = Path(checkpoint)
    if path.exists():
        raise FileExistsError(f"Expected a new file, but {path} exists: choose another --checkpoint, or move it away.")
    weights = join_checkpoints(members)
    save_checkpoint(weights, path)
    content = path.read_bytes()
    number, digest = len(split_members(weights)), hashlib.sha256(content).hexdigest()
    _logger.info("Wrote an ensemble of %d members: %s, %d bytes, SHA-256 %s", number, path, len(content), digest)
    return path


def _read_members(path: Path) -> list[Weights]:
    weights = network_weights(load_checkpoint(path))
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ValueError(f"Expected weights by name in checkpoint {path}, but it holds others: give the model.pt.")
    if not any(str(name).startswith(FIELD) for name in weights):
        raise ValueError(
            f"Expected weights of an ActiveContourNet in checkpoint {path}, but no name starts with {FIELD!r}."
        )
    try:
        return split_members(weights)
    except ValueError as error:
        raise ValueError(f"{error} In checkpoint {path}.") from None


def _check_alike(weights: Weights, path: Path, others: Weights, earlier: Path) -> None:
    """Raise a ValueError unless two networks are of one architecture, start alike, and have different fields."""
    names = sorted(set(weights) & set(others))
    shapes = [name for name in names if _form(weights[name]) != _form(others[name])]
    more, less = len(set(weights) - set(others)), len(set(others) - set(weights))
    if shapes or more or less:
        example = (
            f", such as {shapes[0]}: {list(weights[shapes[0]].shape)} and {list(others[shapes[0]].shape)}"
            if shapes
            else ""
        )
        raise ValueError(
            f"Expected checkpoints of one architecture, but {path} has {more} tensors that {earlier} has not, lacks "
            f"{less}, and {len(shapes)} differ in shape or dtype{example}. Join networks that were trained with the "
            "same network_def."
        )
    different = [name for name in names if not torch.equal(weights[name], others[name])]
    if not any(name.startswith(FIELD) for name in different):
        raise ValueError(
            f"Expected different networks, but those of {path} and {earlier} are the same: train from other seeds "
            "(--seed), and name each file once."
        )
    common = [name for name in different if not name.startswith(FIELD)]
    if common:
        raise ValueError(
            f"Expected networks that differ in their displacement network only, but {common[0]} differs between {path} "
            f"and {earlier}: use the same initial contour."
        )


def _form(tensor: Tensor) -> tuple[torch.Size, torch.dtype]:
    return tensor.shape, tensor.dtype
