# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Which code computes the exact rasterizer: plain torch, or a compiled kernel where one is installed and fits."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

import torch
from torch import Tensor

from monai_acdr.networks.layers.rasterizers import exact

__all__ = ["BACKENDS", "Kernel", "available_backends", "is_dense", "rasterizer_backend", "resolve_backend", "run"]

BACKENDS = ("auto", "torch", "numba", "triton", "dense")
"""``torch``: any device. ``numba``: CPU. ``triton``: CUDA. ``dense``: elementwise, for export, never by ``auto``."""

_INSTALL = {
    "numba": "The fast CPU rasterizer needs numba: pip install 'monai_acdr[fast]'",
    "triton": "The fast GPU rasterizer needs triton, which torch brings: install torch for CUDA on Linux",
}

_logger = logging.getLogger(__name__)
_preferred = "auto"
_failed: dict[str, str] = {}
_announced: set[tuple[str, str]] = set()

Result = TypeVar("Result")


@dataclass(frozen=True)
class Kernel:
    """The two passes of a backend, see ``exact.py``.

    What the forward pass returns third is given to the backward pass last. The forward pass's last argument says
    whether the signed coverage is needed; if not, it may be empty.
    """

    forward: Callable[[Tensor, tuple[int, int], str, int, bool], tuple[Tensor, Tensor, Any]]
    backward: Callable[[Tensor, Tensor, Tensor, str, int, Any], Tensor]


@contextmanager
def rasterizer_backend(name: str) -> Iterator[None]:
    """Let ``auto`` mean this backend within the block, in all threads: to compare, or for the same bits everywhere.

    Example:
        >>> with rasterizer_backend("torch"):
        ...     pass  # train here
    """
    global _preferred
    _check_name(name)
    previous, _preferred = _preferred, name
    try:
        yield
    finally:
        _preferred = previous


def available_backends(device: torch.device | str = "cpu") -> tuple[str, ...]:
    """Names of the backends that can run on a device, the one that ``auto`` picks first."""
    kind = torch.device(device).type
    names = ["triton"] if kind == "cuda" else ["numba"] if kind == "cpu" else []
    return (*(name for name in names if _is_installed(name) and name not in _failed), "torch", "dense")


def resolve_backend(backend: str, device: torch.device) -> str:
    """Name of the backend that runs: ``auto`` becomes the fastest one that is installed and fits the device.

    Raises:
        ValueError: for an unknown name, or a backend that does not run on this device.
        ImportError: for a backend that is named, but not installed.
    """
    _check_name(backend)
    name = _preferred if backend == "auto" else backend
    if name == "auto":
        name = available_backends(device)[0]
        if (name, device.type) not in _announced:
            _announced.add((name, device.type))
            _logger.info(f"Exact rasterizer on {device.type}: backend {name!r}.")
        return name
    fitting = {"numba": ("cpu",), "triton": ("cuda", "cpu") if _interprets_triton() else ("cuda",)}.get(name)
    if fitting is not None and device.type not in fitting:
        raise ValueError(f"Expected vertices on {' or '.join(fitting)} for backend {name!r}, but got {device.type}.")
    if name in _INSTALL and not _is_installed(name):
        raise ImportError(f"{_INSTALL[name]}. Or leave `backend` at 'auto'.")
    return name


def is_dense(backend: str) -> bool:
    """True where the elementwise form is asked for, which is not a kernel but plain operations of torch."""
    return (_preferred if backend == "auto" else backend) == "dense"


def run(backend: str, device: torch.device, use: Callable[[Kernel], Result]) -> Result:
    """Call ``use`` with the kernel of a backend; one that ``auto`` picked and that fails gives way to plain torch."""
    name = resolve_backend(backend, device)
    if name == "torch":
        return use(_TORCH)
    try:
        return use(_compiled(name))
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if backend != "auto" or _preferred != "auto":
            raise
        _failed[name] = f"{type(error).__name__}: {error}".partition("\n")[0]
        warnings.warn(
            f"The {name} rasterizer does not work here ({_failed[name]}); plain torch takes its place, more slowly.",
            RuntimeWarning,
            stacklevel=3,
        )
        return use(_TORCH)


def _check_name(name: str) -> None:
    if name not in BACKENDS:
        raise ValueError(f"Expected `backend` to be one of {BACKENDS}, but got {name!r}.")


@cache
def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


def _interprets_triton() -> bool:
    """True where triton's kernels run in its interpreter, on tensors of the CPU: for tests."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def _torch_forward(
    vertices: Tensor, size: tuple[int, int], fill_rule: str, rings: int, keep_winding: bool
) -> tuple[Tensor, Tensor, Any]:
    pieces = exact.cut_polygons(vertices, size)
    return *exact.rasterize_forward(vertices, size, fill_rule, rings, pieces), pieces


_TORCH = Kernel(_torch_forward, exact.rasterize_backward)


@cache
def _compiled(name: str) -> Kernel:
    """The kernel of a module that is imported where it is first wanted."""
    module = import_module(f"monai_acdr.networks.layers.rasterizers.{name}_kernel")

    def forward(*arguments: Any) -> tuple[Tensor, Tensor, Any]:
        return *module.rasterize_forward(*arguments), None

    def backward(*arguments: Any) -> Tensor:
        return module.rasterize_backward(*arguments[:-1])

    return Kernel(forward, backward)
