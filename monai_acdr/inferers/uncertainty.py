# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Spread of the members of an ensemble at each vertex of a contour.

Each member's field moves a separate contour, all from the same start. The spread of a vertex is the standard
deviation of its positions along the outward normal of the resulting contour. Only displacements across the contour are
errors: a vertex that slides along the contour changes neither the outline nor the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from monai_acdr.geometry import check_vertices, signed_area
from monai_acdr.networks.nets import ActiveContourNet, DisplacementEnsemble

__all__ = ["MemberContours", "evolve_members", "has_members", "outward_normals", "spread_in_mm", "vertex_spread"]


class MemberContours(NamedTuple):
    """Contours of an ensemble.

    Attributes:
        contours: (B, T, K, 2) pixels, or (B, T, N, K, 2) of N structures, through the mean field: the output of the
            network.
        members: (M, B, T, K, 2) or (M, B, T, N, K, 2) pixels, through the field of each member.
    """

    contours: Tensor
    members: Tensor


class _Known(nn.Module):
    """A displacement network whose field is known already."""

    def __init__(self, field: Tensor) -> None:
        super().__init__()
        self.field = field

    def forward(self, image: Tensor) -> Tensor:
        return self.field


def ensemble_of(network: ActiveContourNet) -> DisplacementEnsemble | None:
    """The displacement network if it is an ensemble of at least two members, otherwise None."""
    ensemble = network.displacement_net
    return ensemble if isinstance(ensemble, DisplacementEnsemble) and len(ensemble.members) > 1 else None


def has_members(network: ActiveContourNet) -> bool:
    """Whether the displacement network is an ensemble of at least two members."""
    return ensemble_of(network) is not None


def evolve_members(network: ActiveContourNet, image: Tensor, vertices: Tensor | None = None) -> MemberContours:
    """Evolve the contour of the ensemble and one contour per member; each member's field is inferred once.

    Args:
        network: with an ensemble of at least two displacement networks.
        image: (B, C, H, W).
        vertices: (B, K, 2) or (B, N, K, 2) initial contours in pixels; the oracle's if None.

    Raises:
        ValueError: when the network is not an ensemble.
    """
    ensemble = ensemble_of(network)
    if ensemble is None:
        raise ValueError(
            "Expected an ensemble of at least two displacement networks, which can disagree, but got one "
            f"{type(network.displacement_net).__name__}: train several with other seeds and join their checkpoints "
            "(monai_acdr.handlers.join_checkpoints, configs/ensemble.json of a bundle)."
        )
    fields = ensemble.fields(image)
    start = network.initial_contour(image) if vertices is None else vertices
    number = len(fields)
    starts = start.repeat([number] + [1] * (start.ndim - 1))
    members = _follow(network, fields.flatten(0, 1), image.repeat(number, 1, 1, 1), starts)
    return MemberContours(_follow(network, fields.mean(0), image, start), members.unflatten(0, (number, len(image))))


def outward_normals(vertices: Tensor) -> Tensor:
    """Unit normals at the vertices, perpendicular to the line from the previous to the next vertex.

    Args:
        vertices: (..., K, 2) closed polygons in pixels, K >= 3, in either orientation.

    Returns:
        (..., K, 2). At the tip of a spike, where the neighbors coincide, it points from them to the tip; zero where
        all three coincide.
    """
    check_vertices(vertices)
    before, after = vertices.roll(1, dims=-2), vertices.roll(-1, dims=-2)
    chord = after - before
    sign = torch.where(signed_area(vertices) < 0, -1.0, 1.0).to(vertices.dtype)[..., None, None]
    turned = sign * torch.stack([chord[..., 1], -chord[..., 0]], dim=-1)
    turned = torch.where((chord == 0).all(-1, keepdim=True), vertices - before, turned)
    length = torch.linalg.vector_norm(turned, dim=-1, keepdim=True)
    return turned / torch.where(length > 0, length, torch.ones_like(length))


def vertex_spread(contours: Tensor, members: Tensor) -> Tensor:
    """Standard deviation over the members (divisor M - 1) along the outward normals of a contour.

    Args:
        contours: (..., K, 2) pixels, whose normals are taken: (B, K, 2), or (B, N, K, 2) of N structures.
        members: (M, ..., K, 2) pixels, M >= 2, positions of the same vertices by each member.

    Returns:
        (..., K) pixels.

    Raises:
        ValueError: when shapes do not fit or there is one member only.
    """
    if members.ndim != contours.ndim + 1 or members.shape[1:] != contours.shape or len(members) < 2:
        raise ValueError(
            f"Expected `members` to be (M >= 2, *{list(contours.shape)}), but got {list(members.shape)}: one contour a "
            "member."
        )
    return ((members - contours) * outward_normals(contours)).sum(-1).std(dim=0)


def spread_in_mm(spread: Tensor, vertices: Tensor, spacing: Sequence[float]) -> Tensor:
    """Spread in mm: along the normal of the contour in mm, also where pixels are not square.

    Args:
        spread: (..., K) pixels, along the normals of ``vertices``.
        vertices: (..., K, 2) pixels.
        spacing: (between rows, between columns) in mm.

    Returns:
        (..., K) mm: pixels times spacing where pixels are square. In general the spread is divided by the length of
        (n_x / s_x, n_y / s_y), the direction of the normal in mm, with n the unit normal in pixels.
    """
    scale = torch.as_tensor([spacing[1], spacing[0]], dtype=vertices.dtype, device=vertices.device)
    length = torch.linalg.vector_norm(outward_normals(vertices) / scale, dim=-1)
    return spread / torch.where(length > 0, length, torch.ones_like(length))


def _follow(network: ActiveContourNet, field: Tensor, image: Tensor, vertices: Tensor) -> Tensor:
    """Algorithm 1 with a field that is known."""
    known = ActiveContourNet(_Known(field), network.initial_contour, network.num_iterations, network.clamp, bound=None)
    return known(image, vertices)
