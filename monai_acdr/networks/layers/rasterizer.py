# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Polygons to masks, differentiably: one function and one module for all rasterizers, with typed options per method."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor, nn

from monai_acdr.geometry import check_vertices
from monai_acdr.networks.layers.rasterizers.dense import rasterize_dense
from monai_acdr.networks.layers.rasterizers.exact import FILL_RULES, rasterize_plain
from monai_acdr.networks.layers.rasterizers.first_order import check_reverse_mode
from monai_acdr.networks.layers.rasterizers.operator import BACKENDS, is_dense, is_transformed, rasterize

__all__ = [
    "RASTERIZER_METHODS",
    "ExactOptions",
    "MeshOptions",
    "PolygonRasterizer",
    "Pytorch3dOptions",
    "RasterizerOptions",
    "SoftOptions",
    "rasterize_polygons",
    "rasterizer_options",
]


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"Expected `{name}` to be one of {choices}, but got {value!r}.")


@dataclass(frozen=True)
class ExactOptions:
    """Area of the polygon inside each pixel, with its true derivative.

    Masks are exact for simple polygons. Where a contour crosses itself, the few pixels that hold the crossing are not:
    the fill rule sees a pixel's mean winding number.

    Args:
        fill_rule: ``nonzero`` (everything wound around at least once), ``evenodd`` (holes where the contour overlaps
            itself) or ``signed`` (the winding number's integral: counter-oriented parts are negative).
        rings: the dimension before the vertices counts rings that make one mask together: (B, R, K, 2) gives
            (B, 1, H, W), and (B, N, R, K, 2) gives (B, N, H, W). Their signed coverages are added before the fill
            rule: a hole is a ring of the other orientation, or any ring under ``evenodd``.
        differentiate: ``analytic`` (fused backward pass; second derivatives, one of them in forward mode, also in the
            transforms of ``torch.func``) or ``autograd`` (plain operations, differentiable any number of times, slower,
            no ``vmap``).
        backend: ``auto`` takes the fastest one installed that fits (``numba`` on the CPU, ``triton`` on CUDA, otherwise
            ``torch``); ``dense`` is elementwise, for export, derivatives of any order and any transform of torch.

    Raises:
        ValueError: for an unknown fill rule, form of differentiation or backend.
    """

    method: ClassVar[str] = "exact"
    fill_rule: str = "nonzero"
    rings: bool = False
    differentiate: str = "analytic"
    backend: str = "auto"

    def __post_init__(self) -> None:
        _check_choice("fill_rule", self.fill_rule, FILL_RULES)
        _check_choice("differentiate", self.differentiate, ("analytic", "autograd"))
        _check_choice("backend", self.backend, BACKENDS)


@dataclass(frozen=True)
class SoftOptions:
    """Sigmoid of the signed distance to the polygon.

    Args:
        softness: distance in pixels at which the mask is sigmoid(1) = 0.73.
        fill_rule: ``nonzero`` or ``evenodd``.
        rings: as in :class:`ExactOptions`.

    Raises:
        ValueError: for another fill rule, or a softness that is not positive.
    """

    method: ClassVar[str] = "soft"
    softness: float = 0.25
    fill_rule: str = "nonzero"
    rings: bool = False

    def __post_init__(self) -> None:
        if self.fill_rule not in ("nonzero", "evenodd"):
            raise ValueError(
                f"Expected `fill_rule` of method 'soft' to be 'nonzero' or 'evenodd', but got {self.fill_rule!r}: a "
                "distance has no winding number; use ExactOptions."
            )
        if not 0 < self.softness < float("inf"):
            raise ValueError(f"Expected `softness` to be a positive number of pixels, but got {self.softness}.")


@dataclass(frozen=True, eq=False)
class MeshOptions:
    """The paper's renderer: silhouettes of the triangles of the initial contour, moved with its vertices.

    Args:
        faces: (M, 3) or (B, M, 3) vertex indices of the triangles; a circle's Delaunay triangulation if None.
        anti_aliasing: samples per pixel along x and along y.

    Raises:
        ValueError: if ``anti_aliasing`` is not a positive whole number.
    """

    method: ClassVar[str] = "mesh"
    faces: Tensor | None = None
    anti_aliasing: int = 2

    def __post_init__(self) -> None:
        if int(self.anti_aliasing) != self.anti_aliasing or self.anti_aliasing < 1:
            raise ValueError(f"Expected `anti_aliasing` to be a positive whole number, but got {self.anti_aliasing}.")


@dataclass(frozen=True, eq=False)
class Pytorch3dOptions:
    """pytorch3d's soft silhouette of the triangles of :class:`MeshOptions`; needs pytorch3d.

    Args:
        faces: (M, 3) or (B, M, 3) vertex indices of the triangles; a circle's Delaunay triangulation if None.
        sigma: softness of the silhouette, in squared units of pytorch3d's normalized coordinates.
        faces_per_pixel: largest number of triangles that count for a pixel.

    Raises:
        ValueError: if ``sigma`` or ``faces_per_pixel`` is not positive.
    """

    method: ClassVar[str] = "pytorch3d"
    faces: Tensor | None = None
    sigma: float = 1e-4
    faces_per_pixel: int = 50

    def __post_init__(self) -> None:
        if not self.sigma > 0 or self.faces_per_pixel < 1:
            raise ValueError(
                f"Expected `sigma` > 0 and `faces_per_pixel` >= 1, but got sigma={self.sigma}, "
                f"faces_per_pixel={self.faces_per_pixel}."
            )


RasterizerOptions = ExactOptions | SoftOptions | MeshOptions | Pytorch3dOptions
"""Options of one method; their class names the method."""

_OPTIONS: dict[str, type[RasterizerOptions]] = {
    kind.method: kind for kind in (ExactOptions, SoftOptions, MeshOptions, Pytorch3dOptions)
}

RASTERIZER_METHODS = tuple(_OPTIONS)
"""``exact``: area coverage. ``soft``: sigmoid of the signed distance. ``mesh``: the paper's silhouette of triangles.
``pytorch3d``: that library's soft silhouette of the same triangles."""

_EXACT = ExactOptions()


def rasterizer_options(method: str = "exact", **settings: Any) -> RasterizerOptions:
    """Options from names, as a JSON file has them: ``rasterizer_options("soft", softness=0.5)``.

    Args:
        method: one of :data:`RASTERIZER_METHODS`.
        settings: fields of the options of that method.

    Raises:
        ValueError: for another method, or a setting that the method does not have.
    """
    _check_choice("method", method, RASTERIZER_METHODS)
    known = [field.name for field in dataclasses.fields(_OPTIONS[method])]
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(f"Expected settings of method {method!r} to be among {known}, but got {unknown}.")
    return _OPTIONS[method](**settings)


def rasterize_polygons(
    vertices: Tensor,
    size: tuple[int, int],
    options: RasterizerOptions = _EXACT,
    lengths: Tensor | None = None,
) -> Tensor:
    """Turn polygons into masks: by default the area of each polygon inside each pixel, with its true derivative.

    Args:
        vertices: closed polygons of (x, y) in pixels; pixel (c, r) covers [c, c + 1) x [r, r + 1). (B, K, 2), one per
            image, or (B, N, K, 2), N per image. float32 and float64 keep their dtype; half precision is computed and
            returned in float32, under autocast too. Vertices may lie outside the frame.
        size: (H, W) of the masks.
        options: :class:`ExactOptions`, :class:`SoftOptions`, :class:`MeshOptions` or :class:`Pytorch3dOptions`.
        lengths: number of valid vertices of each polygon, integers of the shape of ``vertices`` without its last two
            dimensions; the rest is ignored. At least 1, or 0 for an absent ring. All K if None.

    Returns:
        (B, 1, H, W) or (B, N, H, W) masks. A polygon with NaN or Inf gives NaN for its own mask only.

    Raises:
        TypeError: for options of another type.
        ValueError: for a wrong shape, dtype, size or length.
        ImportError: for a method or a backend that is named but not installed.
        NotImplementedError: for third derivatives of the ``analytic`` form; for derivatives of ``soft``, ``mesh`` and
            ``pytorch3d`` other than the gradient, and for these within ``torch.func``.

    Example:
        >>> square = torch.tensor([[[0.5, 0.0], [2.0, 0.0], [2.0, 1.0], [0.5, 1.0]]])
        >>> rasterize_polygons(square, (1, 3))
        tensor([[[[0.5000, 1.0000, 0.0000]]]])
        >>> rasterize_polygons(square, (1, 3), SoftOptions(softness=0.5)).shape
        torch.Size([1, 1, 1, 3])
    """
    if not isinstance(options, (ExactOptions, SoftOptions, MeshOptions, Pytorch3dOptions)):
        raise TypeError(
            f"Expected `options` to be ExactOptions, SoftOptions, MeshOptions or Pytorch3dOptions, but got {options!r}:"
            " rasterizer_options() makes them from names."
        )
    rings = isinstance(options, (ExactOptions, SoftOptions)) and options.rings
    _check_arguments(vertices, size, rings)
    if isinstance(vertices, MetaTensor):
        vertices = vertices.as_tensor()  # masks do not inherit the metadata of the vertices' image
    if vertices.dtype not in (torch.float32, torch.float64):
        vertices = vertices.float()
    if lengths is not None:
        vertices = _repeat_last(vertices, lengths, rings)
    leading, num_rings = (vertices.shape[:-3], vertices.shape[-3]) if rings else (vertices.shape[:-2], 1)
    polygons = vertices.flatten(0, -3)
    if not isinstance(options, ExactOptions):
        masks = _rasterize_approximately(polygons, size, num_rings, options)
    elif is_dense(options.backend) or _is_exported():
        masks = rasterize_dense(polygons, size, options.fill_rule, num_rings)
    elif options.differentiate == "autograd":
        masks = _rasterize_plain(polygons, size, options.fill_rule, num_rings)
    else:
        masks = rasterize(polygons, size, options.fill_rule, num_rings, options.backend)
    return masks[:, None] if len(leading) == 1 else masks.unflatten(0, leading)


class PolygonRasterizer(nn.Module):
    """:func:`rasterize_polygons` as a module without parameters: (B, K, 2) vertices to (B, 1, H, W) masks.

    Args:
        size: (H, W) of the masks.
        options: of the method, or a mapping of names as :func:`rasterizer_options` takes them, for configurations.

    Example:
        >>> PolygonRasterizer((8, 8), {"method": "soft", "softness": 0.5})(torch.rand(2, 5, 2) * 8).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(self, size: tuple[int, int], options: RasterizerOptions | Mapping[str, Any] = _EXACT) -> None:
        super().__init__()
        self.size = (int(size[0]), int(size[1]))
        self.options = rasterizer_options(**options) if isinstance(options, Mapping) else options

    def forward(self, vertices: Tensor, lengths: Tensor | None = None) -> Tensor:
        """See :func:`rasterize_polygons`."""
        return rasterize_polygons(vertices, self.size, self.options, lengths)

    def extra_repr(self) -> str:
        """Arguments shown by ``print(module)``."""
        return f"size={self.size}, options={self.options}"


def _is_exported() -> bool:
    """Whether this is an export to ONNX; torch.onnx, which takes 0.1 s to load, is not loaded to find out."""
    return "torch.onnx" in sys.modules and torch.onnx.is_in_onnx_export()


def _rasterize_plain(polygons: Tensor, size: tuple[int, int], fill_rule: str, rings: int) -> Tensor:
    try:
        return rasterize_plain(polygons, size, fill_rule, rings)
    except RuntimeError as error:
        if not is_transformed(polygons):
            raise
        raise NotImplementedError(
            "Expected a transform of torch.func with data-dependent shapes (not vmap) for "
            "differentiate='autograd', but got another: use 'analytic', or backend='dense'."
        ) from error


def _rasterize_approximately(
    polygons: Tensor, size: tuple[int, int], rings: int, options: SoftOptions | MeshOptions | Pytorch3dOptions
) -> Tensor:
    """The methods other than ``exact``, whose modules are imported when they are first needed."""
    check_reverse_mode(polygons, options.method)
    with torch.autocast(polygons.device.type, enabled=False):
        if isinstance(options, SoftOptions):
            from monai_acdr.networks.layers.rasterizers.soft import rasterize_soft

            return rasterize_soft(polygons, size, options.softness, options.fill_rule, rings)
        if isinstance(options, MeshOptions):
            from monai_acdr.networks.layers.rasterizers.mesh import rasterize_mesh

            return rasterize_mesh(polygons, size, options.faces, options.anti_aliasing)
        from monai_acdr.networks.layers.rasterizers.pytorch3d_mesh import rasterize_pytorch3d

        return rasterize_pytorch3d(polygons, size, options.faces, options.sigma, options.faces_per_pixel)


def _check_arguments(vertices: Tensor, size: tuple[int, int], rings: bool) -> None:
    check_vertices(vertices, minimum=1)
    dimensions, shapes = ((4, 5), "(B, R, K, 2) or (B, N, R, K, 2)") if rings else ((3, 4), "(B, K, 2) or (B, N, K, 2)")
    if vertices.ndim not in dimensions:
        raise ValueError(f"Expected `vertices` to be {shapes}, but got {tuple(vertices.shape)}.")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"Expected `size` to be a positive (H, W), but got {tuple(size)}.")


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
