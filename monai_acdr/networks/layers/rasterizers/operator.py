# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The exact rasterizer as one differentiable operation, whatever backend computes it.

Eagerly and in the transforms of ``torch.func`` it is a ``torch.autograd.Function`` with all its derivatives up to the
second: reverse mode by the backend, forward mode and second order in plain torch. Third derivatives raise an error.
To ``torch.compile`` and ``torch.export`` it is the operator ``monai_acdr::rasterize``: a single node, instead of shapes
that depend on data.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from monai_acdr.networks.layers.rasterizers import exact
from monai_acdr.networks.layers.rasterizers.backends import run
from monai_acdr.networks.layers.rasterizers.dense import rasterize_dense

__all__ = ["rasterize"]

_NO_THIRD_ORDER = (
    "Expected at most second derivatives of `rasterize_polygons`, at most one of them in forward mode: use "
    "backend='dense', which has derivatives of every kind."
)


class _Settings(NamedTuple):
    """What is not a tensor; ``pieces`` takes what the forward pass keeps for the backward pass of the same call."""

    size: tuple[int, int]
    fill_rule: str
    rings: int
    backend: str
    pieces: list[Any] | None = None


def rasterize(vertices: Tensor, size: tuple[int, int], fill_rule: str, rings: int, backend: str) -> Tensor:
    """Masks (B, H, W) of polygons (B * R, K, 2) float32 or float64, twice differentiable; R rings for each mask."""
    is_transformed = torch._C._are_functorch_transforms_active()
    if torch.compiler.is_compiling():
        if is_transformed:  # the operator has no forward mode, and nobody would tell
            return rasterize_dense(vertices, size, fill_rule, rings)
        return torch.ops.monai_acdr.rasterize(vertices, *size, fill_rule, rings, backend)[0]
    is_differentiated = vertices.requires_grad and torch.is_grad_enabled()
    if not (is_transformed or is_differentiated or forward_ad.unpack_dual(vertices).tangent is not None):
        return _run_forward(vertices, size, fill_rule, rings, backend, needs_winding=False)[0]
    settings = _Settings(size, fill_rule, rings, backend, None if is_transformed else [])
    return _Mask.apply(vertices, settings)[0]


class _Mask(torch.autograd.Function):
    """Masks and signed coverage, which has no derivative of its own, of vertices (P, K, 2)."""

    @staticmethod
    def forward(vertices, settings):  # type: ignore[no-untyped-def]
        size, fill_rule, rings, backend, pieces = settings
        mask, winding, kept = _run_forward(vertices, size, fill_rule, rings, backend, needs_winding=True)
        if pieces is not None:
            pieces.append(kept)
        return mask, winding

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
        if torch.is_grad_enabled():
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
    """What first derivatives share: three tensors and the settings are their inputs, and all that they save."""

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
        with _own_precision(vertices.device.type):
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
    kept = settings.pieces[0] if settings.pieces else None
    # autograd's `is_grads_batched`: only plain operations take such tensors
    backend = "torch" if torch._C._functorch.is_legacy_batchedtensor(grad) else settings.backend
    return _run_backward(grad, vertices, winding, settings.fill_rule, settings.rings, backend, kept)


def _apply_merged(function, info, in_dims, tensors, settings):  # type: ignore[no-untyped-def]
    """Apply a function of three tensors with vmap's dimension merged into the batch."""
    merged = [_merge(tensor, dim, info.batch_size) for tensor, dim in zip(tensors, in_dims[:3], strict=True)]
    return function.apply(*merged, settings).unflatten(0, (info.batch_size, -1)), 0


def _run_forward(
    vertices: Tensor, size: tuple[int, int], fill_rule: str, rings: int, backend: str, needs_winding: bool
) -> tuple[Tensor, Tensor, Any]:
    with _own_precision(vertices.device.type):
        return run(
            backend, vertices.device, lambda kernel: kernel.forward(vertices, size, fill_rule, rings, needs_winding)
        )


def _run_backward(  # type: ignore[no-untyped-def]
    grad: Tensor, vertices: Tensor, winding: Tensor, fill_rule: str, rings: int, backend: str, kept=None
) -> Tensor:
    with _own_precision(vertices.device.type):
        return run(
            backend,
            vertices.device,
            lambda kernel: kernel.backward(grad, vertices, winding, fill_rule, rings, kept),
        )


def _own_precision(device_type: str) -> AbstractContextManager[object]:
    """Autocast off, where it is on: to enter that context for nothing takes as long as a small polygon."""
    return torch.autocast(device_type, enabled=False) if torch.is_autocast_enabled(device_type) else nullcontext()


@torch.library.custom_op("monai_acdr::rasterize", mutates_args=())
def _rasterize(
    vertices: Tensor, height: int, width: int, fill_rule: str, rings: int, backend: str
) -> tuple[Tensor, Tensor]:
    return _run_forward(vertices, (height, width), fill_rule, rings, backend, needs_winding=True)[:2]


@torch.library.custom_op("monai_acdr::rasterize_backward", mutates_args=())
def _rasterize_backward(
    grad: Tensor, vertices: Tensor, winding: Tensor, fill_rule: str, rings: int, backend: str
) -> Tensor:
    return _run_backward(grad, vertices, winding, fill_rule, rings, backend)


@_rasterize.register_fake
def _(vertices: Tensor, height: int, width: int, fill_rule: str, rings: int, backend: str) -> tuple[Tensor, Tensor]:
    shape = (vertices.shape[0] // rings, height, width)
    return vertices.new_empty(shape), vertices.new_empty(shape)


@_rasterize_backward.register_fake
def _(grad: Tensor, vertices: Tensor, winding: Tensor, fill_rule: str, rings: int, backend: str) -> Tensor:
    return torch.empty_like(vertices)


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    vertices, _, _, *ctx.settings = inputs
    ctx.save_for_backward(vertices, output[1])
    ctx.set_materialize_grads(False)


def _backward(ctx, grad_mask, grad_winding):  # type: ignore[no-untyped-def]
    vertices, winding = ctx.saved_tensors
    grad = None
    if grad_mask is not None:
        grad = torch.ops.monai_acdr.rasterize_backward(grad_mask, vertices, winding, *ctx.settings)
    return grad, None, None, None, None, None


_rasterize.register_autograd(_backward, setup_context=_setup_context)


def _merge(tensor: Tensor, dim: int | None, repeats: int) -> Tensor:
    """Bring a vmapped dimension in front of the batch and merge the two."""
    moved = tensor.expand(repeats, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
    return moved.flatten(0, 1)
