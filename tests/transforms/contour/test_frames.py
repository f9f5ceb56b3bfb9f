# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import monai.transforms as mt
import pytest
import torch
from monai.data import MetaTensor

from monai_acdr.transforms.contour import file_grid, file_name, present_grid, vertices_in
from monai_acdr.transforms.contour.functional import check_same_frame, plain_vertices

AFFINE = torch.diag(torch.tensor([1.2, 0.8, 1.0, 1.0], dtype=torch.float64))


def make_image(**meta: object) -> MetaTensor:
    return MetaTensor(torch.zeros(1, 8, 10), affine=AFFINE, meta={"filename_or_obj": "/home/Jane Doe/a.dcm", **meta})


def test_present_grid_counts_pending_work() -> None:
    image = make_image()
    size, affine = present_grid(image)
    assert size == (8, 10)
    assert torch.equal(affine, AFFINE)
    lazy = mt.Rotate90(lazy=True)(image)
    eager = mt.Rotate90()(image)
    assert lazy.shape == (1, 8, 10)
    assert present_grid(lazy)[0] == (10, 8)
    torch.testing.assert_close(present_grid(lazy)[1], eager.affine)
    with pytest.raises(ValueError, match="a MetaTensor image, but got Tensor: .* LoadImaged"):
        present_grid(torch.zeros(1, 8, 10))


def test_file_grid() -> None:
    size, affine = file_grid(make_image(spatial_shape=(80, 100), original_affine=AFFINE.numpy() * 2))
    assert size == (80, 100)
    torch.testing.assert_close(affine, AFFINE * 2)
    for meta in ({}, {"spatial_shape": (80, 100)}, {"spatial_shape": (1, 8, 10), "original_affine": AFFINE}):
        with pytest.raises(ValueError, match=r"(?s)but a\.dcm has .*put CheckImaged after LoadImaged"):
            file_grid(make_image(**meta))


def test_file_name_hides_folders() -> None:
    assert file_name(make_image()) == "a.dcm"
    assert file_name(MetaTensor(torch.zeros(1), meta={"filename_or_obj": r"C:\data\Jane Doe\b.png"})) == "b.png"
    assert file_name(torch.zeros(1)) == "the image"


def test_vertices_carry_the_affine() -> None:
    vertices = torch.rand(1, 5, 2)
    wrapped = vertices_in(vertices, AFFINE)
    assert torch.equal(wrapped.affine, AFFINE)
    assert torch.equal(plain_vertices(wrapped), vertices)
    assert type(plain_vertices(wrapped)) is torch.Tensor
    moved = vertices_in(wrapped, AFFINE * 2)
    assert torch.equal(moved.affine, AFFINE * 2)
    assert torch.equal(wrapped.affine, AFFINE)


def test_same_frame() -> None:
    vertices = vertices_in(torch.rand(1, 5, 2), AFFINE)
    check_same_frame(vertices, AFFINE + 1e-6)
    check_same_frame(torch.rand(1, 5, 2), AFFINE)
    with pytest.raises(ValueError, match="use FollowImaged"):
        check_same_frame(vertices, AFFINE + 1e-2)
