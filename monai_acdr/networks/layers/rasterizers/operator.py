# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The exact rasterizer as operators of torch with a kernel per device, and as one differentiable function.

``monai_acdr::rasterize`` and ``monai_acdr::rasterize_backward`` are the two passes. The kernels registered for the CPU
and for CUDA are compiled, by numba and by triton; the default for any other device, and their fallback, is plain torch.
The kernel for CUDA is compared with plain torch at its first use: where they differ, ``auto`` takes plain torch.
To ``torch.compile`` and ``torch.export`` a rasterization is one node.

Eagerly, and in the transforms of ``torch.func``, the passes belong to a ``torch.autograd.Function``, which adds what
an operator cannot register: forward mode, second derivatives (both in plain torch) and vmap. Third derivatives raise an
error. It calls the kernels without torch's dispatcher, which takes 15 us in Python, longer than the kernel takes for
one small polygon.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from monai_acdr.networks.layers.rasterizers import exact
from monai_acdr.networks.layers.rasterizers.dense import rasterize_dense

__all__ = [
    "BACKENDS",
    "available_backends",
    "check_parity",
    "is_dense",
    "is_transformed",
    "load_kernel",
    "rasterize",
    "rasterizer_backend",
    "resolve_backend",
]

BACKENDS = ("auto", "torch", "numba", "triton", "dense")
"""``torch``: any device. ``numba``: CPU. ``triton``: CUDA. ``dense``: elementwise, for export, never by ``auto``."""

_COMPILED = {"cpu": "numba", "cuda": "triton"}
"""Compiled kernel of each kind of device that has one."""

_CHECKED = ("triton",)
"""Compiled kernels that are compared with plain torch before they are used: those that no test runs on their device."""

_TOLERANCES = {torch.float32: (1e-5, 1e-4), torch.float64: (1e-9, 1e-8)}
"""Largest difference of masks, and of gradients relative to the largest one, that rounding explains."""

_INSTALL = {
    "numba": "The fast CPU rasterizer needs numba: pip install 'monai_acdr[fast]'",
    "triton": "The fast GPU rasterizer needs triton, which torch brings: install torch for CUDA on Linux",
}

_NO_THIRD_ORDER = (
    "Expected at most second derivatives of `rasterize_polygons`, at most one of them in forward mode: use "
    "backend='dense', which has derivatives of every kind."
)

_logger = logging.getLogger(__name__)
_preferred = "auto"
_failed: dict[str, str] = {}


# --- Choice of the backend ------------------------------------------------------------------------------------------


@contextmanager
def rasterizer_backend(name: str) -> Iterator[None]:
    """Let ``auto`` mean this backend within the block, in all threads: for comparisons, or for bit-identical results.

    Args:
        name: one of :data:`BACKENDS`.

    Raises:
        ValueError: for another name.

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
    name = _COMPILED.get(torch.device(device).type)
    compiled = (name,) if name is not None and _is_installed(name) and name not in _failed else ()
    return (*compiled, "torch", "dense")


def resolve_backend(backend: str, device: torch.device) -> str:
    """Name of the backend that runs: ``auto`` becomes the fastest one that is installed and fits the device.

    Raises:
        ValueError: for an unknown name, or a backend that does not run on this device.
        ImportError: for a backend that is named, but not installed.
    """
    name = _preferred if backend == "auto" else backend
    if name == "auto":
        return _fastest(device.type)
    _check_name(name)
    if name in _INSTALL:
        fitting = [kind for kind, compiled in _COMPILED.items() if compiled == name]
        if name == "triton" and os.environ.get("TRITON_INTERPRET") == "1":
            fitting.append("cpu")  # triton's interpreter, for tests
        if device.type not in fitting:
            raise ValueError(
                f"Expected vertices on {' or '.join(fitting)} for backend {name!r}, but got {device.type}."
            )
        if not _is_installed(name):
            raise ImportError(f"{_INSTALL[name]}. Or leave `backend` at 'auto'.")
    return name


def is_dense(backend: str) -> bool:
    """True where the elementwise form is asked for, which is not a kernel but plain operations of torch."""
    return (_preferred if backend == "auto" else backend) == "dense"


def is_transformed(tensor: Tensor) -> bool:
    """True within a transform of ``torch.func`` that this tensor is an argument of."""
    return torch.func.debug_unwrap(tensor, recurse=False) is not tensor


def _check_name(name: str) -> None:
    if name not in BACKENDS:
        raise ValueError(f"Expected `backend` to be one of {BACKENDS}, but got {name!r}.")


@cache
def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


@cache
def _fastest(device_type: str) -> str:
    name = available_backends(device_type)[0]
    _logger.info(f"Exact rasterizer on {device_type}: backend {name!r}.")
    return name


def _kernel(backend: str, vertices: Tensor, fill_rule: str) -> ModuleType | None:
    """Module of the compiled passes for these vertices; None if plain torch is to compute them."""
    name = resolve_backend(backend, vertices.device)
    if name not in _INSTALL:
        return None
    try:
        return load_kernel(name, vertices.device, vertices.dtype, fill_rule)
    except (MemoryError, torch.OutOfMemoryError, _NotCheckedError):
        raise
    except Exception as error:
        if backend != "auto" or _preferred != "auto":
            raise
        _failed[name] = f"{type(error).__name__}: {error}".partition("\n")[0]
        _fastest.cache_clear()
        warnings.warn(
            f"The {name} rasterizer does not work here ({_failed[name]}); plain torch takes its place, more slowly.",
            RuntimeWarning,
            stacklevel=3,
        )
        return None


class _NotCheckedError(RuntimeError):
    """A kernel cannot be tried at this moment, which says nothing about the kernel."""


@cache
def load_kernel(name: str, device: torch.device, dtype: torch.dtype, fill_rule: str) -> ModuleType:
    """Import a compiled kernel when it is first needed, and try it: once for each device, dtype and fill rule.

    Raises:
        ImportError: when its compiler is not installed.
        ArithmeticError: when it does not agree with plain torch (:func:`check_parity`).
        RuntimeError: when a CUDA graph is being captured; and errors of its compiler.
    """
    if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        raise _NotCheckedError(
            f"Expected the {name} rasterizer to be in use before a CUDA graph is captured, but this is its first call "
            f"with {dtype} and fill rule {fill_rule!r} on {device}: make one call before the capture."
        )
    module = import_module(f"monai_acdr.networks.layers.rasterizers.{name}_kernel")
    if name in _CHECKED:
        check_parity(module, device, dtype, fill_rule)
    else:
        triangle = torch.tensor([[[1.0, 1.0], [5.5, 1.5], [2.5, 6.0]]], device=device, dtype=dtype)
        module.rasterize_forward(triangle, (8, 8), fill_rule, 1, True)
    return module


def check_parity(kernel: Any, device: torch.device, dtype: torch.dtype, fill_rule: str) -> dict[str, float]:
    """Compare both passes of a compiled kernel on its device with plain torch on the CPU, in float64.

    Args:
        kernel: with ``rasterize_forward`` and ``rasterize_backward``, as the module of each compiled kernel.
        device: on which the kernel runs.
        dtype: of its vertices, float32 or float64.
        fill_rule: one of ``exact.FILL_RULES``.

    Returns:
        Largest differences: ``mask`` and ``winding`` in pixels' areas, ``gradient`` relative to the largest gradient.

    Raises:
        ArithmeticError: when they differ by more than rounding does; the message says by how much.
    """
    vertices, size = _check_polygons(dtype), (7, 11)
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        masks, windings = exact.rasterize_forward(vertices.double(), size, fill_rule, 2)
        grad = torch.linspace(-1.0, 1.0, masks.numel(), dtype=torch.float64).mul(40.0).sin().view_as(masks)
        gradients = exact.rasterize_backward(grad, vertices.double(), windings, fill_rule, 2)
        on_device = vertices.to(device)
        found = kernel.rasterize_forward(on_device, size, fill_rule, 2, True)
        alone, _ = kernel.rasterize_forward(on_device, size, fill_rule, 2, False)
        gradient = kernel.rasterize_backward(
            grad.to(device, dtype), on_device, windings.to(device, dtype), fill_rule, 2
        )
        differences = {
            "mask": max(_difference(found[0], masks), _difference(alone, masks)),
            "winding": _difference(found[1], windings),
            "gradient": _difference(gradient, gradients) / float(gradients.abs().max()),
        }
    of_masks, of_gradients = _TOLERANCES[dtype]
    limits = {"mask": of_masks, "winding": of_masks, "gradient": of_gradients}
    wrong = [f"{name} by {difference:.2g}" for name, difference in differences.items() if difference > limits[name]]
    if wrong:
        raise ArithmeticError(f"{dtype} polygons by rule {fill_rule!r} differ from plain torch: {', '.join(wrong)}")
    return differences


def _check_polygons(dtype: torch.dtype) -> Tensor:
    """(8, 12, 2): four masks of two rings each, with every case a kernel has to distinguish, in a frame of 7 x 11."""

    def star(x: float, y: float, radius: float, turns: int, depth: float) -> list[tuple[float, float]]:
        angles = [2 * math.pi * turns * index / 12 + 0.1 for index in range(12)]
        radii = [radius * (1 + depth * math.sin(3 * angle + 0.7)) for angle in angles]
        return [(x + r * math.cos(a), y + r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]

    corners = [(1.0, 2.0), (9.0, 2.0), (9.0, 6.0), (1.0, 6.0)]  # on grid lines
    square = [corner for corner in corners for _ in range(3)]  # and edges of no length
    rings = [
        *(star(4.8, 3.6, 2.9, 1, 0.3), star(4.9, 3.4, 1.1, -1, 0.2)),  # a hole
        *(square, star(8.7, 4.6, 4.1, 1, 0.25)),  # across two sides of the frame
        *(star(5.6, 3.4, 3.3, 5, 0.0), star(2.4, 2.7, 1.7, 1, 0.6)),  # around several times, crossing itself
        *(star(-30.0, 3.0, 5.0, 1, 0.1), star(5.0, 3.0, 900.0, 1, 0.0)),  # outside, and around the frame
    ]
    return torch.tensor(rings, dtype=torch.float64).to(dtype)


def _difference(found: Tensor, expected: Tensor) -> float:
    """Largest absolute difference; infinite where one of the two is not finite."""
    difference = (found.detach().cpu().double() - expected).abs()
    return float(torch.where(difference.isfinite(), difference, torch.inf).max())


# --- Operators ------------------------------------------------------------------------------------------------------


def _rasterize_torch(
    vertices: Tensor, height: int, width: int, fill_rule: str, rings: int, backend: str, keep_winding: bool = True
) -> tuple[Tensor, Tensor]:
    """Masks and signed coverage (B, H, W) in plain torch; the latter is empty unless ``keep_winding``."""
    with torch.autocast(vertices.device.type, enabled=False):
        mask, winding = exact.rasterize_forward(vertices, (height, width), fill_rule, rings)
    return mask, winding if keep_winding else winding.new_empty(0, 0, 0)


_rasterize = torch.library.custom_op("monai_acdr::rasterize", _rasterize_torch, mutates_args=())


@_rasterize.register_kernel(["cpu", "cuda"])
def _rasterize_compiled(
    vertices: Tensor, height: int, width: int, fill_rule: str, rings: int, backend: str, keep_winding: bool = True
) -> tuple[Tensor, Tensor]:
    kernel = _kernel(backend, vertices, fill_rule)
    if kernel is None:
        return _rasterize_torch(vertices, height, width, fill_rule, rings, backend, keep_winding)
    return kernel.rasterize_forward(vertices, (height, width), fill_rule, rings, keep_winding)


def _rasterize_backward_torch(
    grad: Tensor, vertices: Tensor, winding: Tensor, fill_rule: str, rings: int, backend: str
) -> Tensor:
    """Gradient of the vertices, given that of the masks, in plain torch."""
    with torch.autocast(vertices.device.type, enabled=False):
        return exact.rasterize_backward(grad, vertices, winding, fill_rule, rings)


_rasterize_backward = torch.library.custom_op(
    "monai_acdr::rasterize_backward", _rasterize_backward_torch, mutates_args=()
)


@_rasterize_backward.register_kernel(["cpu", "cuda"])
def _rasterize_backward_compiled(
    grad: Tensor, vertices: Tensor, winding: Tensor, fill_rule: str, rings: int, backend: str
) -> Tensor:
    kernel = _kernel(backend, vertices, fill_rule)
    if kernel is None:
        return _rasterize_backward_torch(grad, vertices, winding, fill_rule, rings, backend)
    return kernel.rasterize_backward(grad, vertices, winding, fill_rule, rings)


@_rasterize.register_fake
def _(
    vertices: Tensor, height: int, width: int, fill_rule: str, rings: int, backend: str, keep_winding: bool = True
) -> tuple[Tensor, Tensor]:
    shape = (vertices.shape[0] // rings, height, width)
    return vertices.new_empty(shape), vertices.new_empty(shape if keep_winding else (0, 0, 0))


@_rasterize_backward.register_fake
def _(grad: Tensor, vertices: Tensor, winding: Tensor, fill_rule: str, rings: int, backend: str) -> Tensor:
    return torch.empty_like(vertices)


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    vertices, _, _, *ctx.settings, _ = inputs
    ctx.save_for_backward(vertices, output[1])
    ctx.set_materialize_grads(False)


def _backward(ctx, grad_mask, grad_winding):  # type: ignore[no-untyped-def]
    grad = None if grad_mask is None else _BACKWARD(grad_mask, *ctx.saved_tensors, *ctx.settings)
    return grad, None, None, None, None, None, None


_rasterize.register_autograd(_backward, setup_context=_setup_context)

_FORWARD, _BACKWARD = torch.ops.monai_acdr.rasterize.default, torch.ops.monai_acdr.rasterize_backward.default


# --- Differentiable function ----------------------------------------------------------------------------------------


class _Settings(NamedTuple):
    """Arguments that are not tensors; ``pieces`` receives the edge pieces that the plain backward pass reuses."""

    size: tuple[int, int]
    fill_rule: str
    rings: int
    backend: str
    pieces: list[exact.EdgePieces] | None = None


def rasterize(vertices: Tensor, size: tuple[int, int], fill_rule: str, rings: int, backend: str) -> Tensor:
    """Masks (B, H, W) of polygons (B * R, K, 2) float32 or float64, twice differentiable; R rings for each mask."""
    if torch.compiler.is_compiling():
        return _TRACED(vertices, *size, fill_rule, rings, backend)
    transformed = is_transformed(vertices)
    is_differentiated = vertices.requires_grad and torch.is_grad_enabled()
    if transformed or is_differentiated or forward_ad.unpack_dual(vertices).tangent is not None:
        return _Mask.apply(vertices, _Settings(size, fill_rule, rings, backend, None if transformed else []))[0]
    return _rasterize_compiled(vertices, *size, fill_rule, rings, backend, keep_winding=False)[0]


def _rasterize_traced(vertices: Tensor, height: int, width: int, fill_rule: str, rings: int, backend: str) -> Tensor:
    """One operator in a graph; within transforms elementwise operations, since an operator has no forward mode."""
    if is_transformed(vertices) or forward_ad.unpack_dual(vertices).tangent is not None:
        return rasterize_dense(vertices, (height, width), fill_rule, rings)
    return _FORWARD(vertices, height, width, fill_rule, rings, backend, True)[0]


# A composite operator: torch.compile and torch.export put it into their graph as one node, and transforms of torch.func
# run its function. `torch.compiler.allow_in_graph` does the same, but loads the whole compiler at import, 0.7 s.
_LIBRARY = torch.library.Library("monai_acdr", "FRAGMENT")
_LIBRARY.define(
    "rasterize_traced(Tensor vertices, SymInt height, SymInt width, str fill_rule, SymInt rings, str backend) -> Tensor"
)
_LIBRARY.impl("rasterize_traced", _rasterize_traced, "CompositeImplicitAutograd")
_TRACED = torch.ops.monai_acdr.rasterize_traced.default


@torch.library.register_vmap("monai_acdr::rasterize_traced", lib=_LIBRARY)
def _(info, in_dims, vertices, *settings):  # type: ignore[no-untyped-def]
    mask = _TRACED(_merge(vertices, in_dims[0], info.batch_size), *settings)
    return mask.unflatten(0, (info.batch_size, -1)), 0


class _Mask(torch.autograd.Function):
    """Masks and signed coverage, which has no separate derivative, of vertices (P, K, 2)."""

    @staticmethod
    def forward(vertices, settings):  # type: ignore[no-untyped-def]
        size, fill_rule, rings, backend, pieces = settings
        kernel = _kernel(backend, vertices, fill_rule)
        if kernel is not None:
            return kernel.rasterize_forward(vertices, size, fill_rule, rings, True)
        with torch.autocast(vertices.device.type, enabled=False):
            cut = exact.cut_polygons(vertices, size)
            if pieces is not None:
                pieces.append(cut)
            return exact.rasterize_forward(vertices, size, fill_rule, rings, cut)

    @staticmethod
    def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]
        vertices, ctx.settings = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(vertices, output[1])
        ctx.save_for_forward(vertices, output[1])

    @staticmethod
    def backward(ctx, grad, _grad_winding):  # type: ignore[no-untyped-def]
        if grad is None:
            return None, None
        vertices, winding = ctx.saved_tensors
        if torch.is_grad_enabled() or is_transformed(grad):
            return _Gradient.apply(grad, vertices, winding, ctx.settings), None
        return _gradient(grad, vertices, winding, ctx.settings), None

    @staticmethod
    def jvp(ctx, tangent, _settings):  # type: ignore[no-untyped-def]
        vertices, winding = ctx.saved_tensors
        return (None if tangent is None else _Tangent.apply(tangent, vertices, winding, ctx.settings)), None

    @staticmethod
    def vmap(info, in_dims, vertices, settings):  # type: ignore[no-untyped-def]
        outputs = _Mask.apply(_merge(vertices, in_dims[0], info.batch_size), settings)
        return tuple(output.unflatten(0, (info.batch_size, -1)) for output in outputs), (0, 0)


class _Derivative(torch.autograd.Function):
    """Base of the first derivatives, whose inputs, all of them saved, are three tensors and the settings."""

    @staticmethod
    def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]
        *tensors, ctx.settings = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)


class _Gradient(_Derivative):
    """Gradient (P, K, 2) of the vertices given that of the mask, :func:`exact.rasterize_backward`."""

    @staticmethod
    def forward(grad, vertices, winding, settings):  # type: ignore[no-untyped-def]
        return _gradient(grad, vertices, winding, settings)

    @staticmethod
    def backward(ctx, direction):  # type: ignore[no-untyped-def]
        grad, vertices, winding = ctx.saved_tensors
        of_grad = _Tangent.apply(direction, vertices, winding, ctx.settings)
        return of_grad, _SecondOrder.apply(grad, vertices, direction, ctx.settings), None, None

    @staticmethod
    def jvp(ctx, grad_tangent, tangent, _winding_tangent, _settings):  # type: ignore[no-untyped-def]
        grad, vertices, winding = ctx.saved_tensors
        result = torch.zeros_like(vertices)
        if grad_tangent is not None:
            result = result + _Gradient.apply(grad_tangent, vertices, winding, ctx.settings)
        if tangent is not None:  # second derivatives are symmetric
            result = result + _SecondOrder.apply(grad, vertices, tangent, ctx.settings)
        return result

    @staticmethod
    def vmap(info, in_dims, grad, vertices, winding, settings):  # type: ignore[no-untyped-def]
        return _apply_merged(_Gradient, info, in_dims, (grad, vertices, winding), settings)


class _Tangent(_Derivative):
    """Tangent (B, H, W) of the mask given that of the vertices, :func:`exact.rasterize_tangent`."""

    @staticmethod
    def forward(tangent, vertices, winding, settings):  # type: ignore[no-untyped-def]
        return exact.rasterize_tangent(tangent, vertices, winding, settings.fill_rule, settings.rings)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        tangent, vertices, winding = ctx.saved_tensors
        of_tangent = _Gradient.apply(grad, vertices, winding, ctx.settings)
        return of_tangent, _SecondOrder.apply(grad, vertices, tangent, ctx.settings), None, None

    @staticmethod
    def jvp(ctx, tangent_tangent, vertices_tangent, _winding_tangent, _settings):  # type: ignore[no-untyped-def]
        if vertices_tangent is not None:
            raise NotImplementedError(_NO_THIRD_ORDER)
        _, vertices, winding = ctx.saved_tensors
        return _Tangent.apply(tangent_tangent, vertices, winding, ctx.settings)

    @staticmethod
    def vmap(info, in_dims, tangent, vertices, winding, settings):  # type: ignore[no-untyped-def]
        return _apply_merged(_Tangent, info, in_dims, (tangent, vertices, winding), settings)


class _SecondOrder(torch.autograd.Function):
    """The Hessian (P, K, 2) of <grad, mask> times a direction, :func:`exact.rasterize_second_order`."""

    @staticmethod
    def forward(grad, vertices, direction, settings):  # type: ignore[no-untyped-def]
        with torch.autocast(vertices.device.type, enabled=False):
            return exact.rasterize_second_order(grad, vertices, direction, settings.fill_rule, settings.rings)

    @staticmethod
    def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]
        pass

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        raise NotImplementedError(_NO_THIRD_ORDER)

    @staticmethod
    def jvp(ctx, *tangents):  # type: ignore[no-untyped-def]
        raise NotImplementedError(_NO_THIRD_ORDER)

    @staticmethod
    def vmap(info, in_dims, grad, vertices, direction, settings):  # type: ignore[no-untyped-def]
        return _apply_merged(_SecondOrder, info, in_dims, (grad, vertices, direction), settings)


def _gradient(grad: Tensor, vertices: Tensor, winding: Tensor, settings: _Settings) -> Tensor:
    size, fill_rule, rings, backend, pieces = settings
    kernel = None if pieces else _kernel(backend, vertices, fill_rule)
    if kernel is None:
        with torch.autocast(vertices.device.type, enabled=False):
            return exact.rasterize_backward(grad, vertices, winding, fill_rule, rings, pieces[0] if pieces else None)
    try:
        return kernel.rasterize_backward(grad, vertices, winding, fill_rule, rings)
    except RuntimeError:  # gradients of autograd's `is_grads_batched` have no storage: torch splits the batch
        return _BACKWARD(grad, vertices, winding, fill_rule, rings, backend)


def _apply_merged(function, info, in_dims, tensors, settings):  # type: ignore[no-untyped-def]
    """Apply a function of three tensors with vmap's dimension merged into the batch."""
    merged = [_merge(tensor, dim, info.batch_size) for tensor, dim in zip(tensors, in_dims[:3], strict=True)]
    settings = settings._replace(pieces=None)  # those of the polygons before the merge
    return function.apply(*merged, settings).unflatten(0, (info.batch_size, -1)), 0


def _merge(tensor: Tensor, dim: int | None, repeats: int) -> Tensor:
    """Bring a vmapped dimension in front of the batch and merge the two."""
    moved = tensor.expand(repeats, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
    return moved.flatten(0, 1)
