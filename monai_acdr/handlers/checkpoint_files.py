# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Checkpoint files: atomic writes, and errors that name the file and the next step."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from monai_acdr.files import replace_file
from monai_acdr.handlers.member_weights import network_weights, split_members
from monai_acdr.read_budget import check_bytes

__all__ = ["count_members", "load_checkpoint", "load_network", "save_checkpoint"]


def save_checkpoint(state: Any, path: str | os.PathLike[str]) -> Path:
    """Write ``state`` (tensors and plain containers) beside ``path`` and move it into place.

    Raises:
        OSError: when it cannot be written, a full disk for example; an earlier checkpoint at ``path`` stays as it was.
    """
    path = Path(path)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
    except OSError as error:
        kept = "; the earlier checkpoint of that name is kept" if path.is_file() else ""
        raise OSError(
            f"Could not write {len(buffer.getbuffer())} bytes to checkpoint {path} ({error.strerror or error}){kept}: "
            "free space or choose another folder, then go on with --resume true."
        ) from error
    return path


def load_checkpoint(path: str | os.PathLike[str], map_location: str | torch.device = "cpu") -> dict[str, Any]:
    """Read a checkpoint's dictionary; only tensors and plain containers are unpickled, never code.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is a folder, or a file that is not a checkpoint, is truncated, holds other objects, or needs
            more than both its own size and the budget of memory.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a device, pipe or socket"
        raise ValueError(f"Expected a checkpoint file, but {path} is {kind}: give the path of a file.")
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected a checkpoint, but {path} does not exist: train first, or give its path with --checkpoint."
        )
    unpacked = _unpacked_bytes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other formats, on the way to an error
            state = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:  # torch raises RuntimeError, EOFError, UnpicklingError, ... for the same broken file
        # only its first sentence: the next ones advise to load the file without protection
        reason = str(error).splitlines()[0].split(". ")[0] if str(error).strip() else type(error).__name__
        if isinstance(error, KeyError) or reason.isdigit():  # a byte of a text, where torch's older reader had a code
            reason = "torch.save did not write it"
        raise ValueError(
            f"Expected a checkpoint of tensors in {path}, but it cannot be read ({reason}): copy or train it again."
        ) from error
    if not isinstance(state, dict):
        raise ValueError(f"Expected a dictionary in checkpoint {path}, but got {type(state).__name__}.")
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in _tensors(state))
    if claimed > unpacked:  # tensors that share their memory, or repeat it
        check_bytes(path, claimed)
    return state


def load_network(
    network: nn.Module,
    path: str | os.PathLike[str],
    map_location: str | torch.device = "cpu",
    member: int | None = None,
) -> nn.Module:
    """Load weights into ``network`` from a checkpoint file.

    The file holds a state dictionary, or a training's full state, of which the averaged weights (``ema``) are taken,
    else those of ``network``. The displacement network of an ``ActiveContourNet`` becomes an ensemble of as many
    members as the weights have (:func:`join_checkpoints`), or one network if they are of one.

    Args:
        network: changed in place.
        path: the file.
        map_location: device onto which tensors are read first.
        member: take this member of an ensemble only, from 0, and leave the network one network; of weights that are no
            ensemble's, 0 is all of them.

    Returns:
        ``network``.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not a checkpoint, a checkpoint of another architecture or with NaN, or has no such
            member.
    """
    weights = network_weights(load_checkpoint(path, map_location))
    try:
        chosen = weights if member is None else _only(weights, member, path)
        match_members = getattr(network, "match_members", None)
        if match_members is not None:
            match_members(chosen)
        _check_dtypes(network, chosen, path)
        network.load_state_dict(chosen)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(
            f"Expected weights of this network ({len(network.state_dict())} tensors) in {path}, but it is a checkpoint "
            f"of another architecture: {_differences(network.state_dict(), weights)}. Use the network_def that it was "
            "trained with, or another --checkpoint."
        ) from error
    for name, value in network.state_dict().items():
        if not bool(torch.isfinite(value).all()):
            raise ValueError(
                f"Expected finite weights in {path}, but {name} has NaN or infinity: the training diverged, or the "
                "file is damaged; take an earlier checkpoint."
            )
    return network


def count_members(path: str | os.PathLike[str]) -> int:
    """Number of networks in a checkpoint file: 1 unless it is an ensemble's, and 1 where there is no such file.

    In a bundle's config it is the ``num_members`` of ``network_def``, so that MONAI's own loaders can fill it.

    Raises:
        ValueError: when it is not a checkpoint, or its members are not numbered 0, 1, ...
    """
    if not Path(path).is_file():
        return 1
    weights = network_weights(load_checkpoint(path))
    return len(split_members(weights)) if isinstance(weights, dict) else 1


def _differences(own: dict[str, Any], weights: Any) -> str:
    """Mismatches, each with the name of its first tensor."""
    if not isinstance(weights, dict):
        return f"it has a {type(weights).__name__}"
    shapes = {name: tuple(value.shape) if isinstance(value, Tensor) else None for name, value in weights.items()}
    kinds = {
        "missing": [name for name in own if name not in weights],
        "unknown": [name for name in weights if name not in own],
        "of another shape": [name for name in own if name in weights and shapes[name] != tuple(own[name].shape)],
    }
    texts = [
        f"{len(names)} tensors are {kind}, such as {str(names[0])[:60]!r}" for kind, names in kinds.items() if names
    ]
    if kinds["of another shape"]:
        name = kinds["of another shape"][0]
        texts[-1] += f", {shapes[name] or type(weights[name]).__name__} instead of {tuple(own[name].shape)}"
    return "; ".join(texts) or "a tensor cannot be copied"


def _check_dtypes(network: nn.Module, weights: Any, path: str | os.PathLike[str]) -> None:
    """Raise a ValueError where torch would round: copying integers, booleans or complex numbers into weights."""
    own = network.state_dict()
    for name, value in weights.items():
        if name in own and isinstance(value, Tensor) and value.is_floating_point() != own[name].is_floating_point():
            raise ValueError(
                f"Expected {name} in {path} to be {own[name].dtype}, but it is {value.dtype}: not a checkpoint of "
                "this network."
            )


def _unpacked_bytes(path: Path) -> int:
    """Bytes of a checkpoint once it is unpacked; torch stores tensors uncompressed, so usually those of the file.

    Raises:
        ValueError: when its parts unpack to more than the file has, and to more than the budget of memory.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    except Exception:  # torch's older format, or damaged in any way: torch will tell
        return size
    if unpacked > size:
        check_bytes(path, unpacked)
    return max(size, unpacked)


def _tensors(state: Any) -> Iterator[Tensor]:
    """All tensors in nested containers, each once."""
    stack, seen = [state], set()
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Tensor):
            yield item
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, (list, tuple, set, frozenset)):
            stack.extend(item)


def _only(weights: Any, member: int, path: str | os.PathLike[str]) -> dict[str, Any]:
    members = split_members(weights)
    if not 0 <= member < len(members):
        raise ValueError(f"Expected `member` to be from 0 to {len(members) - 1} for {path}, but got {member}.")
    return members[member]
