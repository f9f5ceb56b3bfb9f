# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The soft silhouette of pytorch3d: what we tell that library, and, where it is installed, what it draws."""

from __future__ import annotations

import math
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from monai_acdr.geometry import circle, ellipse
from monai_acdr.networks.layers.rasterizers.exact import rasterize_forward
from monai_acdr.networks.layers.rasterizers.mesh import circle_faces, rasterize_mesh
from monai_acdr.networks.layers.rasterizers.pytorch3d_mesh import is_available, pixel_to_ndc, rasterize_pytorch3d

VERTICES = torch.tensor([[[0.0, 0.0], [48.0, 0.0], [48.0, 32.0], [24.0, 16.0], [0.5, 0.5]]])


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((32, 32), [[1, 1], [-2, 1], [-2, -1], [-0.5, 0], [31 / 32, 31 / 32]]),
        ((32, 48), [[1.5, 1], [-1.5, 1], [-1.5, -1], [0, 0], [47 / 32, 31 / 32]]),
        ((64, 48), [[1, 64 / 48], [-1, 64 / 48], [-1, 0], [0, 32 / 48], [47 / 48, 63 / 48]]),
    ],
)
def test_normalized_coordinates(size: tuple[int, int], expected: list[list[float]]) -> None:
    torch.testing.assert_close(pixel_to_ndc(VERTICES, size), torch.tensor([expected]).float())


class FakePytorch3d:
    """Only notes what it is given; the masks it returns are the number of the row."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given: dict[str, Any] = {}
        structures, renderer = ModuleType("pytorch3d.structures"), ModuleType("pytorch3d.renderer")
        structures.Meshes = self.note("meshes", device=torch.device("cpu"))  # type: ignore[attr-defined]
        for name in ("RasterizationSettings", "OrthographicCameras", "BlendParams"):
            setattr(renderer, name, self.note(name))
        renderer.MeshRasterizer = self.note("MeshRasterizer", call=lambda meshes: ("fragments", meshes))  # type: ignore[attr-defined]
        renderer.SoftSilhouetteShader = self.note("SoftSilhouetteShader", call=self.shade)  # type: ignore[attr-defined]
        for name, module in {"pytorch3d": ModuleType("pytorch3d"), structures.__name__: structures}.items():
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setitem(sys.modules, renderer.__name__, renderer)

    def note(self, name: str, call: Any = None, **attributes: Any) -> Any:
        def make(**arguments: Any) -> Any:
            self.given[name] = arguments
            return call or SimpleNamespace(**attributes)

        return make

    def shade(self, fragments: tuple[str, Any], meshes: Any) -> torch.Tensor:
        assert fragments == ("fragments", meshes)
        height, width = self.given["RasterizationSettings"]["image_size"]
        color = torch.zeros(len(self.given["meshes"]["verts"]), height, width, 4)
        color[..., 3] = torch.arange(height)[:, None]
        return color


def test_what_pytorch3d_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePytorch3d(monkeypatch)
    vertices = torch.cat([VERTICES, VERTICES + 1]).double()
    masks = rasterize_pytorch3d(vertices, (32, 48), sigma=1e-3, faces_per_pixel=7)
    assert masks.dtype == torch.float64
    torch.testing.assert_close(masks[1], torch.arange(32.0).double()[:, None].expand(32, 48))
    points, faces = fake.given["meshes"]["verts"], fake.given["meshes"]["faces"]
    assert points.dtype == torch.float32
    torch.testing.assert_close(points[..., :2], pixel_to_ndc(vertices, (32, 48)).float())
    assert (points[..., 2] == 1).all()
    assert torch.equal(faces, circle_faces(5).expand(2, 3, 3))
    settings = fake.given["RasterizationSettings"]
    assert settings["image_size"] == (32, 48)
    assert settings["faces_per_pixel"] == 7
    # Where the outermost sigmoid(-d / sigma) that counts is 1e-4.
    assert 1 / (1 + math.exp(settings["blur_radius"] / 1e-3)) == pytest.approx(1e-4)
    assert fake.given["BlendParams"] == {"sigma": 1e-3}


def test_faces_and_bad_vertices_with_the_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePytorch3d(monkeypatch)
    vertices = torch.cat([VERTICES, VERTICES])
    vertices[0, 1, 1] = float("nan")
    masks = rasterize_pytorch3d(vertices, (32, 48), torch.tensor([[0, 1, 2]]))
    assert masks[0].isnan().all()
    assert masks[1].isfinite().all()
    assert fake.given["meshes"]["verts"].isfinite().all()
    assert torch.equal(fake.given["meshes"]["faces"], torch.tensor([[[0, 1, 2]], [[0, 1, 2]]]))


def test_no_triangles_with_the_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePytorch3d(monkeypatch)
    vertices = torch.rand(3, 2, 2, requires_grad=True)
    masks = rasterize_pytorch3d(vertices, (8, 9))
    assert masks.shape == (3, 8, 9)
    assert not masks.any()
    masks.sum().backward()
    assert not fake.given


def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pytorch3d"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pytorch3d", None)  # type: ignore[arg-type]  # what is not installed
    assert not is_available()
    with pytest.raises(ImportError, match=r"rasterizer 'pytorch3d' needs pytorch3d.*pip install.*facebookresearch"):
        rasterize_pytorch3d(VERTICES, (8, 8))


@pytest.mark.parametrize("settings", [{"sigma": 0.0}, {"sigma": float("nan")}, {"faces_per_pixel": 0}])
def test_bad_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected `sigma` > 0 and `faces_per_pixel` >= 1, but got"):
        rasterize_pytorch3d(VERTICES, (8, 8), **settings)


@pytest.mark.parametrize("size", [(40, 40), (32, 48), (48, 32)])
def test_real_library_draws_in_our_coordinates(size: tuple[int, int]) -> None:
    pytest.importorskip("pytorch3d.renderer")
    vertices = ellipse(torch.tensor([[20.1, 12.2], [15.3, 18.4]]), torch.tensor([[8.0, 5.0], [4.0, 9.0]]), 24)
    exact, _ = rasterize_forward(vertices, size, "nonzero")
    hard = rasterize_pytorch3d(vertices, size, sigma=1e-8)
    # Hard-edged: one sample a pixel, in the middle.
    assert ((hard - rasterize_mesh(vertices, size, anti_aliasing=1)).abs() > 0.3).sum() <= 2
    assert (hard - exact).abs().mean() < 0.01
    assert (rasterize_pytorch3d(vertices, size) - exact).abs().mean() < 0.03


def test_real_library_s_gradient() -> None:
    pytest.importorskip("pytorch3d.renderer")
    vertices = circle(torch.full((2, 2), 16.0), 8.0, 16)
    vertices[1, 0, 0] = float("inf")
    leaf = vertices.requires_grad_()
    masks = rasterize_pytorch3d(leaf, (32, 32))
    assert masks[1].isnan().all()
    (gradient,) = torch.autograd.grad(masks[0].sum(), leaf)
    assert not gradient[1].any()
    # The area grows where vertices move outwards.
    assert ((gradient[0] * (leaf[0] - 16)).sum(-1) > 0).all()
