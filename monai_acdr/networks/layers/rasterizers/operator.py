# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The exact rasterizer as one differentiable operation, whatever backend computes it.

Eagerly it is a ``torch.autograd.Function``, which may keep the pieces of the forward pass for the backward pass. To
``torch.compile``, ``torch.export`` and ``vmap`` it is the operator ``monai_acdr::rasterize``: a single node, instead of
shapes that depend on data.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from monai_acdr.networks.layers.rasterizers.backends import run

__all__ = ["rasterize"]


def rasterize(vertices: Tensor, size: tuple[int, int], fill_rule: str, rings: int, backend: str) -> Tensor:
    """Masks (B, H, W) of polygons (B * R, K, 2) float32 or float64, once differentiable; R rings for each mask."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return torch.ops.monai_acdr.rasterize(vertices, *size, fill_rule, rings, backend)[0]
    if not (vertices.requires_grad and torch.is_grad_enabled()):
        return _run_forward(vertices, size, fill_rule, rings, backend, needs_winding=False)[0]
    return _EagerRasterize.apply(vertices, size, fill_rule, rings, backend)


class _EagerRasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, vertices, size, fill_rule, rings, backend):  # type: ignore[no-untyped-def]
        mask, winding, kept = _run_forward(vertices, size, fill_rule, rings, backend, needs_winding=True)
        ctx.save_for_backward(vertices, winding)
        ctx.kept, ctx.settings = kept, (fill_rule, rings, backend)
        return mask

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        vertices, winding = ctx.saved_tensors
        fill_rule, rings, backend = ctx.settings
        if torch._C._functorch.is_legacy_batchedtensor(grad):
            backend = "torch"  # autograd's `is_grads_batched`: only plain operations take such tensors
        return _run_backward(grad, vertices, winding, fill_rule, rings, backend, ctx.kept), None, None, None, None


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


@torch.library.register_vmap("monai_acdr::rasterize")
def _(info, in_dims, vertices, *settings):  # type: ignore[no-untyped-def]
    outputs = torch.ops.monai_acdr.rasterize(_merge(vertices, in_dims[0], info.batch_size), *settings)
    return tuple(output.unflatten(0, (info.batch_size, -1)) for output in outputs), (0, 0)


@torch.library.register_vmap("monai_acdr::rasterize_backward")
def _(info, in_dims, grad, vertices, winding, *settings):  # type: ignore[no-untyped-def]
    merged = [_merge(t, d, info.batch_size) for t, d in zip((grad, vertices, winding), in_dims[:3], strict=True)]
    result = torch.ops.monai_acdr.rasterize_backward(*merged, *settings)
    return result.unflatten(0, (info.batch_size, -1)), 0
