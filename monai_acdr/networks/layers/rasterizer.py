# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Polygons to masks, exactly and differentiably: the face of the rasterizer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from monai_acdr.geometry import check_vertices
from monai_acdr.networks.layers.rasterizers.exact import (
    FILL_RULES,
    cut_polygons,
    rasterize_backward,
    rasterize_forward,
    rasterize_plain,
)

__all__ = ["PolygonRasterizer", "rasterize_polygons"]


def rasterize_polygons(
    vertices: Tensor,
    size: tuple[int, int],
    fill_rule: str = "nonzero",
    lengths: Tensor | None = None,
    differentiate: str = "analytic",
) -> Tensor:
    """Area of each polygon inside each pixel, with its true derivative.

    Args:
        vertices: (B, K, 2) closed polygons (x, y) in pixels; pixel (c, r) covers [c, c + 1) x [r, r + 1). float32 and
            float64 keep their dtype; half precision is computed and returned in float32, under autocast too.
            Vertices may lie outside the frame.
        size: (H, W) of the masks.
        fill_rule: ``nonzero`` (everything wound around at least once), ``evenodd`` (holes where the contour overlaps
            itself) or ``signed`` (the winding number's integral: counter-orientated parts are negative).
        lengths: (B,) number of valid vertices of each polygon, 1 .. K; the rest is ignored. All K if None.
        differentiate: ``analytic`` (fused backward pass, once differentiable) or ``autograd`` (plain operations, any
            number of times differentiable, slower).

    Returns:
        (B, 1, H, W) masks, exact for simple polygons. Where a contour crosses itself, the few pixels that hold the
        crossing are not exact: the fill rule sees a pixel's mean winding number. A polygon with NaN or Inf gives NaN
        for its own mask only.

    Raises:
        ValueError: for a wrong shape, dtype, size, fill rule or length.

    Example:
        >>> square = torch.tensor([[[0.5, 0.0], [2.0, 0.0], [2.0, 1.0], [0.5, 1.0]]])
        >>> rasterize_polygons(square, (1, 3))
        tensor([[[[0.5000, 1.0000, 0.0000]]]])
    """
    _check_arguments(vertices, size, fill_rule, differentiate)
    height, width = int(size[0]), int(size[1])
    if vertices.dtype not in (torch.float32, torch.float64):
        vertices = vertices.float()
    if lengths is not None:
        vertices = _repeat_last(vertices, lengths)
    if differentiate == "autograd":
        return rasterize_plain(vertices, (height, width), fill_rule)[:, None]
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return torch.ops.monai_acdr.rasterize(vertices, height, width, fill_rule)[0][:, None]
    return _EagerRasterize.apply(vertices, (height, width), fill_rule)[:, None]


class PolygonRasterizer(nn.Module):
    """:func:`rasterize_polygons` as a module without parameters: (B, K, 2) vertices to (B, 1, H, W) masks."""

    def __init__(self, size: tuple[int, int], fill_rule: str = "nonzero") -> None:
        super().__init__()
        self.size = (int(size[0]), int(size[1]))
        self.fill_rule = fill_rule

    def forward(self, vertices: Tensor, lengths: Tensor | None = None) -> Tensor:
        """See :func:`rasterize_polygons`."""
        return rasterize_polygons(vertices, self.size, self.fill_rule, lengths)

    def extra_repr(self) -> str:
        """Settings shown by ``print(module)``."""
        return f"size={self.size}, fill_rule={self.fill_rule!r}"


def _check_arguments(vertices: Tensor, size: tuple[int, int], fill_rule: str, differentiate: str) -> None:
    check_vertices(vertices, minimum=1)
    if vertices.ndim != 3:
        raise ValueError(f"Expected `vertices` to be (B, K, 2), but got {tuple(vertices.shape)}.")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"Expected `size` to be a positive (H, W), but got {tuple(size)}.")
    if fill_rule not in FILL_RULES:
        raise ValueError(f"Expected `fill_rule` to be one of {FILL_RULES}, but got {fill_rule!r}.")
    if differentiate not in ("analytic", "autograd"):
        raise ValueError(f"Expected `differentiate` to be 'analytic' or 'autograd', but got {differentiate!r}.")


def _repeat_last(vertices: Tensor, lengths: Tensor) -> Tensor:
    """Replace the vertices beyond ``lengths`` by the last valid one: edges of zero length cost nothing."""
    num_vertices = vertices.shape[1]
    if lengths.shape != vertices.shape[:1] or lengths.is_floating_point():
        raise ValueError(
            f"Expected `lengths` to be ({vertices.shape[0]},) integers, "
            f"but got {tuple(lengths.shape)}, {lengths.dtype}."
        )
    if not torch.compiler.is_compiling() and bool(((lengths < 1) | (lengths > num_vertices)).any()):
        raise ValueError(f"Expected `lengths` within 1 .. {num_vertices}, but got {lengths.tolist()}.")
    order = torch.arange(num_vertices, device=vertices.device)
    index = torch.minimum(order[None], lengths.to(vertices.device)[:, None] - 1)
    return vertices.gather(1, index[..., None].expand(-1, -1, 2))


class _EagerRasterize(torch.autograd.Function):
    """The passes of the operator below without its second cut of the edges: the backward pass reuses the first."""

    @staticmethod
    def forward(ctx, vertices, size, fill_rule):  # type: ignore[no-untyped-def]
        with torch.autocast(vertices.device.type, enabled=False):
            pieces = cut_polygons(vertices, size)
            mask, winding = rasterize_forward(vertices, size, fill_rule, pieces)
        ctx.save_for_backward(vertices, winding)
        ctx.pieces, ctx.fill_rule = pieces, fill_rule
        return mask

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        vertices, winding = ctx.saved_tensors
        with torch.autocast(vertices.device.type, enabled=False):
            return rasterize_backward(grad, vertices, winding, ctx.fill_rule, ctx.pieces), None, None


# One operator, so that torch.compile, export and vmap see a single node instead of data-dependent shapes.
@torch.library.custom_op("monai_acdr::rasterize", mutates_args=())
def _rasterize(vertices: Tensor, height: int, width: int, fill_rule: str) -> tuple[Tensor, Tensor]:
    with torch.autocast(vertices.device.type, enabled=False):
        return rasterize_forward(vertices, (height, width), fill_rule)


@torch.library.custom_op("monai_acdr::rasterize_backward", mutates_args=())
def _rasterize_backward(grad: Tensor, vertices: Tensor, winding: Tensor, fill_rule: str) -> Tensor:
    with torch.autocast(vertices.device.type, enabled=False):
        return rasterize_backward(grad, vertices, winding, fill_rule)


@_rasterize.register_fake
def _(vertices: Tensor, height: int, width: int, fill_rule: str) -> tuple[Tensor, Tensor]:
    shape = (vertices.shape[0], height, width)
    return vertices.new_empty(shape), vertices.new_empty(shape)


@_rasterize_backward.register_fake
def _(grad: Tensor, vertices: Tensor, winding: Tensor, fill_rule: str) -> Tensor:
    return torch.empty_like(vertices)


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    vertices, _, _, ctx.fill_rule = inputs
    ctx.save_for_backward(vertices, output[1])
    ctx.set_materialize_grads(False)


def _backward(ctx, grad_mask, grad_winding):  # type: ignore[no-untyped-def]
    vertices, winding = ctx.saved_tensors
    grad = None
    if grad_mask is not None:
        grad = torch.ops.monai_acdr.rasterize_backward(grad_mask, vertices, winding, ctx.fill_rule)
    return grad, None, None, None


_rasterize.register_autograd(_backward, setup_context=_setup_context)


def _merge(tensor: Tensor, dim: int | None, repeats: int) -> Tensor:
    """Bring a vmapped dimension in front of the batch and merge the two."""
    moved = tensor.expand(repeats, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
    return moved.flatten(0, 1)


@torch.library.register_vmap("monai_acdr::rasterize")
def _(info, in_dims, vertices, height, width, fill_rule):  # type: ignore[no-untyped-def]
    merged = _merge(vertices, in_dims[0], info.batch_size)
    outputs = torch.ops.monai_acdr.rasterize(merged, height, width, fill_rule)
    return tuple(output.unflatten(0, (info.batch_size, -1)) for output in outputs), (0, 0)


@torch.library.register_vmap("monai_acdr::rasterize_backward")
def _(info, in_dims, grad, vertices, winding, fill_rule):  # type: ignore[no-untyped-def]
    merged = [_merge(t, d, info.batch_size) for t, d in zip((grad, vertices, winding), in_dims[:3], strict=True)]
    result = torch.ops.monai_acdr.rasterize_backward(*merged, fill_rule)
    return result.unflatten(0, (info.batch_size, -1)), 0
