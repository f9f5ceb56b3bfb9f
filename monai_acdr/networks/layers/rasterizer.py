# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Polygons to masks, differentiably: the face of all rasterizers, which picks a method and a backend."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

from monai_acdr.geometry import check_vertices
from monai_acdr.networks.layers.rasterizers.dense import rasterize_dense
from monai_acdr.networks.layers.rasterizers.exact import FILL_RULES, rasterize_plain
from monai_acdr.networks.layers.rasterizers.first_order import check_reverse_mode
from monai_acdr.networks.layers.rasterizers.operator import BACKENDS, is_dense, is_transformed, rasterize

__all__ = ["RASTERIZER_METHODS", "rasterize_polygons"]

RASTERIZER_METHODS = ("exact", "soft", "mesh", "pytorch3d")
"""``exact``: area coverage. ``soft``: sigmoid of the signed distance. ``mesh``: the paper's silhouette of triangles.
``pytorch3d``: that library's soft silhouette of the same triangles."""


_PACKAGE = "monai_acdr.networks.layers.rasterizers"
_MODULES = {"soft": "soft", "mesh": "mesh", "pytorch3d": "pytorch3d_mesh"}
_CHOICES = {
    "fill_rule": FILL_RULES,
    "differentiate": ("analytic", "autograd"),
    "method": RASTERIZER_METHODS,
    "backend": BACKENDS,
}


def rasterize_polygons(
    vertices: Tensor,
    size: tuple[int, int],
    fill_rule: str = "nonzero",
    lengths: Tensor | None = None,
    differentiate: str = "analytic",
    method: str = "exact",
    backend: str = "auto",
    rings: bool = False,
    **settings: Any,
) -> Tensor:
    """Turn polygons into masks: by default the area of each polygon inside each pixel, with its true derivative.

    Args:
        vertices: closed polygons of (x, y) in pixels; pixel (c, r) covers [c, c + 1) x [r, r + 1). (B, K, 2), one for
            each image, or (B, N, K, 2), N for each image. float32 and float64 keep their dtype; half precision is
            computed and returned in float32, under autocast too. Vertices may lie outside the frame.
        size: (H, W) of the masks.
        fill_rule: ``nonzero`` (everything wound around at least once), ``evenodd`` (holes where the contour overlaps
            itself) or ``signed`` (the winding number's integral: counter-oriented parts are negative).
        lengths: number of valid vertices of each polygon, integers of the shape of ``vertices`` without its last two
            dimensions; the rest is ignored. At least 1, or 0 for a ring that is not there. All K if None.
        differentiate: ``analytic`` (fused backward pass; second derivatives and one in forward mode, in the transforms
            of ``torch.func`` too) or ``autograd`` (plain operations, any number of times differentiable, slower, no
            ``vmap``).
        method: one of :data:`RASTERIZER_METHODS`. Fill rules other than ``nonzero``, rings and backends belong to
            ``exact``; ``soft`` knows ``evenodd`` and rings as well.
        backend: of the exact method: ``auto`` takes the fastest one installed that fits (``numba`` on the CPU,
            ``triton`` on CUDA, else ``torch``); ``dense`` is elementwise, for export, derivatives of any order and any
            transform of torch.
        rings: the dimension before the vertices counts rings that make one mask together: (B, R, K, 2) gives
            (B, 1, H, W), and (B, N, R, K, 2) gives (B, N, H, W). Their signed coverages are added before the fill
            rule: a hole is a ring of the other orientation, or any ring under ``evenodd``.
        settings: of the method: ``softness`` in pixels (soft); ``faces`` and ``anti_aliasing`` (mesh); ``faces``,
            ``sigma`` and ``faces_per_pixel`` (pytorch3d).

    Returns:
        (B, 1, H, W) or (B, N, H, W) masks. Those of ``exact`` are exact for simple polygons; where a contour crosses
        itself, the few pixels that hold the crossing are not: the fill rule sees a pixel's mean winding number.
        A polygon with NaN or Inf gives NaN for its own mask only.

    Raises:
        ValueError: for a wrong shape, dtype, size, fill rule, length, method, backend or setting.
        ImportError: for a method or a backend that is named but not installed.
        NotImplementedError: for third derivatives of the ``analytic`` form; for derivatives of ``soft``, ``mesh`` and
            ``pytorch3d`` other than the gradient, and for these within ``torch.func``.

    Example:
        >>> square = torch.tensor([[[0.5, 0.0], [2.0, 0.0], [2.0, 1.0], [0.5, 1.0]]])
        >>> rasterize_polygons(square, (1, 3))
        tensor([[[[0.5000, 1.0000, 0.0000]]]])
    """
    _check_arguments(vertices, size, rings)
    _check_choices(fill_rule=fill_rule, differentiate=differentiate, method=method, backend=backend)
    if isinstance(vertices, MetaTensor):
        vertices = vertices.as_tensor()  # a mask has none of the metadata of the image that vertices stem from
    if vertices.dtype not in (torch.float32, torch.float64):
        vertices = vertices.float()
    if lengths is not None:
        vertices = _repeat_last(vertices, lengths, rings)
    leading, num_rings = (vertices.shape[:-3], vertices.shape[-3]) if rings else (vertices.shape[:-2], 1)
    polygons = vertices.flatten(0, -3)
    if method == "exact":
        masks = _rasterize_exact(polygons, size, fill_rule, num_rings, differentiate, backend, settings)
    else:
        masks = _rasterize_otherwise(polygons, size, fill_rule, num_rings, method, settings)
    return masks[:, None] if len(leading) == 1 else masks.unflatten(0, leading)


def _rasterize_exact(
    polygons: Tensor,
    size: tuple[int, int],
    fill_rule: str,
    rings: int,
    differentiate: str,
    backend: str,
    settings: dict[str, Any],
) -> Tensor:
    if settings:
        raise ValueError(f"Expected no settings for method 'exact', but got {sorted(settings)}.")
    if is_dense(backend) or torch.onnx.is_in_onnx_export():
        return rasterize_dense(polygons, size, fill_rule, rings)
    if differentiate == "autograd":
        return _rasterize_plain(polygons, size, fill_rule, rings)
    return rasterize(polygons, size, fill_rule, rings, backend)


def _rasterize_plain(polygons: Tensor, size: tuple[int, int], fill_rule: str, rings: int) -> Tensor:
    try:
        return rasterize_plain(polygons, size, fill_rule, rings)
    except RuntimeError as error:
        if not is_transformed(polygons):
            raise
        raise NotImplementedError(
            "Expected a transform of torch.func that shapes may depend on data in (not vmap) for "
            "differentiate='autograd', but got another: use 'analytic', or backend='dense'."
        ) from error


def _rasterize_otherwise(
    polygons: Tensor,
    size: tuple[int, int],
    fill_rule: str,
    rings: int,
    method: str,
    settings: dict[str, Any],
) -> Tensor:
    """Call another method with the settings that it has; say which ones those are if it does not have them all."""
    function = _function(method)
    known = inspect.signature(function).parameters
    shared = {"fill_rule": (fill_rule, "nonzero"), "rings": (rings, 1)}
    for name, (value, usual) in shared.items():
        if name in known:
            settings = {**settings, name: value}
        elif value != usual:
            raise ValueError(
                f"Expected `{name}` to be {usual!r} for method {method!r}, but got {value!r}: use 'exact'."
            )
    unknown = sorted(set(settings) - set(known))
    if unknown:
        names = sorted(set(known) - {"vertices", "size", *shared})
        raise ValueError(f"Expected settings of method {method!r} to be among {names}, but got {unknown}.")
    check_reverse_mode(polygons, method)
    with torch.autocast(polygons.device.type, enabled=False):
        return function(polygons, size, **settings)


def _function(name: str) -> Callable[..., Tensor]:
    """The function of a module that is imported where it is first wanted."""
    return getattr(import_module(f"{_PACKAGE}.{_MODULES[name]}"), f"rasterize_{name}")


def _check_arguments(vertices: Tensor, size: tuple[int, int], rings: bool) -> None:
    check_vertices(vertices, minimum=1)
    dimensions, shapes = ((4, 5), "(B, R, K, 2) or (B, N, R, K, 2)") if rings else ((3, 4), "(B, K, 2) or (B, N, K, 2)")
    if vertices.ndim not in dimensions:
        raise ValueError(f"Expected `vertices` to be {shapes}, but got {tuple(vertices.shape)}.")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"Expected `size` to be a positive (H, W), but got {tuple(size)}.")


def _check_choices(**choices: str) -> None:
    for name, value in choices.items():
        if value not in _CHOICES[name]:
            raise ValueError(f"Expected `{name}` to be one of {_CHOICES[name]}, but got {value!r}.")


def _repeat_last(vertices: Tensor, lengths: Tensor, rings: bool) -> Tensor:
    """Replace the vertices beyond ``lengths`` by the last valid one: edges of zero length cost nothing."""
    num_vertices, shape, least = vertices.shape[-2], vertices.shape[:-2], 0 if rings else 1
    if lengths.shape != shape or lengths.is_floating_point():
        raise ValueError(
            f"Expected `lengths` to be {tuple(shape)} integers, but got {tuple(lengths.shape)}, {lengths.dtype}."
        )
    if not torch.compiler.is_compiling() and bool(((lengths < least) | (lengths > num_vertices)).any()):
        raise ValueError(f"Expected `lengths` within {least} .. {num_vertices}, but got {lengths.tolist()}.")
    lengths = lengths.to(vertices.device)[..., None]
    order = torch.arange(num_vertices, device=vertices.device)
    index = torch.minimum(order, (lengths - 1).clamp(min=0))
    repeated = vertices.gather(-2, index[..., None].expand(*index.shape, 2))
    return repeated.masked_fill(lengths[..., None] == 0, 0) if rings else repeated
