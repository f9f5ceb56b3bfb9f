# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Algorithm 1, held against a computation by hand."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from importlib import import_module

import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader
from monai.engines import SupervisedTrainer
from monai.networks.nets import FlexibleUNet, UNet
from monai.networks.utils import convert_to_torchscript
from torch import Tensor, nn

from monai_acdr.geometry import circle
from monai_acdr.losses import ActiveContourLoss
from monai_acdr.networks.blocks import BoxContour, CenteredCircle, GivenContour
from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.networks.nets import ActiveContourNet, DisplacementUNet


class Field(nn.Module):
    """A displacement network that gives one field for any image, and counts how often it is asked."""

    def __init__(self, field: Tensor) -> None:
        super().__init__()
        self.field = nn.Parameter(field)
        self.calls = 0

    def forward(self, image: Tensor) -> Tensor:
        self.calls += 1
        return self.field.expand(image.shape[0], -1, -1, -1)


def small_net(**settings: object) -> ActiveContourNet:
    net = DisplacementUNet(in_channels=1, channels=(4, 8), num_convs=1, dropout=0.0)
    return ActiveContourNet(net, CenteredCircle(8), **settings)  # type: ignore[arg-type]


# --- Shapes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(16, 16), (16, 26), (31, 18)])
@pytest.mark.parametrize("num_iterations", [1, 4])
def test_shapes(size: tuple[int, int], num_iterations: int) -> None:
    contours = small_net(num_iterations=num_iterations)(torch.rand(2, 1, *size))
    assert contours.shape == (2, num_iterations, 8, 2)
    assert contours.dtype == torch.float32


def test_defaults() -> None:
    net = ActiveContourNet(DisplacementUNet(channels=(4, 8)))
    assert net(torch.rand(2, 1, 64, 64)).shape == (2, 3, 32, 2)


# --- Values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(20, 20), (12, 30)])
def test_a_constant_field_shifts_by_as_much_each_step(size: tuple[int, int]) -> None:
    height, width = size
    field = Field(torch.tensor([0.1, -0.05]).view(1, 2, 1, 1))
    contours = ActiveContourNet(field, CenteredCircle(8, 0.25), num_iterations=3, bound=None)(torch.rand(2, 1, *size))
    start = circle(torch.tensor([width / 2, height / 2]), min(size) / 8, 8)
    for step in range(3):
        shift = (step + 1) * torch.tensor([0.1 * width / 2, -0.05 * height / 2])
        torch.testing.assert_close(contours[1, step], start + shift)
    assert field.calls == 1  # J is inferred once


def test_a_linear_field_by_hand() -> None:
    """x' = x + a (x - c): the distance from c grows by 1 + a each step, whatever the resolution of the field."""
    height, width, slope, center = 24, 32, 0.125, 16.0
    start = [[12.0, 9.0], [19.0, 7.5], [21.0, 14.0], [13.0, 15.0]]
    for scale in (1, 2):  # a linear function survives bilinear sampling at half the resolution
        columns = (torch.arange(width // scale, dtype=torch.float64) + 0.5) * scale
        field = torch.zeros(1, 2, height // scale, width // scale, dtype=torch.float64)
        field[0, 0] = slope * (columns - center) / (width / 2)
        net = ActiveContourNet(Field(field), num_iterations=3, bound=None)
        contours = net(torch.rand(1, 1, height, width), torch.tensor([start], dtype=torch.float64))
        for step in range(3):
            for k, (x, y) in enumerate(start):
                expected = [center + (x - center) * (1 + slope) ** (step + 1), y]
                assert contours[0, step, k].tolist() == pytest.approx(expected, abs=1e-12)


def test_the_field_is_read_where_the_contour_has_moved() -> None:
    """A vertex on a step function stops where the field ends: it is not moved thrice by its first displacement."""
    field = torch.zeros(1, 2, 8, 32)
    field[..., :10] = 0.25  # 4 pixels of 32 along x
    net = ActiveContourNet(Field(field * torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)), num_iterations=3, bound=None)
    contours = net(torch.rand(1, 1, 8, 32), torch.tensor([[[3.0, 4.0], [9.0, 4.0], [20.0, 4.0]]]))
    assert contours[0, :, 0, 0].tolist() == [7.0, 11.0, 11.0]
    assert contours[0, :, 1, 0].tolist() == [13.0, 13.0, 13.0]
    assert contours[0, :, 2, 0].tolist() == [20.0, 20.0, 20.0]


def test_clamp_truncates_each_step_and_can_be_left_out() -> None:
    field = Field(torch.tensor([0.5, -0.75]).view(1, 2, 1, 1))
    image, start = torch.rand(1, 1, 8, 20), torch.tensor([[[12.0, 4.0], [2.0, 8.0]]])
    clamped = ActiveContourNet(field, bound=None)(image, start)
    assert clamped[0, :, 0].tolist() == [[17.0, 1.0], [20.0, 0.0], [20.0, 0.0]]
    assert clamped[0, :, 1].tolist() == [[7.0, 5.0], [12.0, 2.0], [17.0, 0.0]]
    free = ActiveContourNet(field, clamp=False, bound=None)(image, start)
    assert free[0, 2].tolist() == [[27.0, -5.0], [17.0, -1.0]]


def test_given_vertices_replace_the_oracle() -> None:
    net, image = small_net().eval(), torch.rand(2, 1, 16, 24)
    start = CenteredCircle(8)(image)
    assert torch.equal(net(image, start), net(image))
    triangles = torch.rand(2, 3, 2) * 16
    assert net(image, triangles).shape == (2, 3, 3, 2)
    functional = ActiveContourNet(net.displacement_net, lambda image: triangles).eval()
    assert torch.equal(functional(image), net(image, triangles))


def test_the_number_of_iterations_may_change_after_training() -> None:
    net, image = small_net(num_iterations=2).eval(), torch.rand(1, 1, 16, 16)
    short = net(image)
    net.num_iterations = 5
    assert torch.equal(net(image)[:, :2], short)


def test_the_same_contours_in_training_and_in_evaluation() -> None:
    unet = UNet(2, 1, 2, channels=(4, 8), strides=(2,), norm="instance", act="relu")
    net, image = ActiveContourNet(unet), torch.rand(2, 1, 32, 24)
    assert torch.equal(net.train()(image), net.eval()(image))


# --- Several structures ---------------------------------------------------------------------------------------------


def two_structures(**settings: object) -> ActiveContourNet:
    net = DisplacementUNet(channels=(4, 8), num_convs=1, dropout=0.0, num_structures=2)
    return ActiveContourNet(net, CenteredCircle(8, (0.3, 0.6)), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_each_structure_moves_as_it_would_alone_in_its_two_channels(memory_format: torch.memory_format) -> None:
    field = (0.2 * torch.randn(2, 6, 12, 16)).to(memory_format=memory_format)
    image = torch.rand(2, 1, 24, 32)
    starts = torch.rand(2, 3, 7, 2) * 24
    together = ActiveContourNet(Given(field), bound=None)(image, starts)
    assert together.shape == (2, 3, 3, 7, 2)
    for index in range(3):
        alone = ActiveContourNet(Given(field[:, 2 * index : 2 * index + 2]), bound=None)(image, starts[:, index])
        assert torch.equal(together[:, :, index], alone)


def test_the_initial_contours_say_how_many_structures_there_are() -> None:
    image = torch.rand(2, 1, 16, 24)
    assert two_structures()(image).shape == (2, 3, 2, 8, 2)
    assert two_structures(num_iterations=1)(image, torch.rand(2, 2, 5, 2) * 16).shape == (2, 1, 2, 5, 2)
    one = ActiveContourNet(DisplacementUNet(channels=(4, 8)), CenteredCircle(8, (0.5,)))
    assert one(image).shape == (2, 3, 1, 8, 2)


def test_several_structures_compile_script_and_export() -> None:
    net, image = two_structures().eval(), torch.rand(2, 1, 16, 24)
    expected = net(image)
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="aot_eager")(image), expected)
    scripted = convert_to_torchscript(net)
    torch.testing.assert_close(scripted(image), expected)
    start = torch.rand(2, 2, 5, 2) * 16
    torch.testing.assert_close(scripted(image, start), net(image, start))
    exported = torch.export.export(net, (image,), dynamic_shapes={"image": {0: torch.export.Dim("batch", max=64)}})
    more = torch.rand(5, 1, 16, 24)
    torch.testing.assert_close(exported.module()(more), net(more))


def test_a_network_in_channels_last_learns_several_structures() -> None:
    net = two_structures().to(memory_format=torch.channels_last)
    image = torch.rand(2, 1, 16, 24).to(memory_format=torch.channels_last)
    masks = rasterize_polygons(circle(torch.tensor([[12.0, 8.0]]), 4.0, 16), (16, 24)).expand(2, 2, -1, -1)
    ActiveContourLoss()(net(image), masks).backward()
    weight = net.displacement_net.head[-1].weight  # type: ignore[union-attr, index]
    assert weight.shape[0] == 4
    assert weight.grad is not None
    assert weight.grad.abs().sum((1, 2, 3)).gt(0).all()


# --- Gradients ------------------------------------------------------------------------------------------------------


def test_gradcheck_in_the_field_and_in_the_initial_contour() -> None:
    image = torch.rand(1, 1, 8, 10)
    start = (torch.rand(1, 5, 2, dtype=torch.float64) * 5 + 1.7).requires_grad_()
    field = (0.1 * torch.randn(1, 2, 4, 5, dtype=torch.float64)).requires_grad_()

    def contours(displacement: Tensor, vertices: Tensor) -> Tensor:
        net = ActiveContourNet(nn.Identity(), clamp=False, bound=None)
        net.displacement_net = Given(displacement)
        return net(image, vertices)

    assert torch.autograd.gradcheck(contours, (field, start))


class Given(nn.Module):
    """The displacement itself, not a copy of it: a parameter would cut the graph."""

    def __init__(self, displacement: Tensor) -> None:
        super().__init__()
        self.displacement = displacement

    def forward(self, image: Tensor) -> Tensor:
        return self.displacement


def test_all_steps_reach_the_network() -> None:
    net = small_net()
    for step in range(3):
        net.zero_grad()
        net(torch.rand(2, 1, 16, 16))[:, step].square().sum().backward()
        weight = net.displacement_net.encoder[0].convolutions[0].weight  # type: ignore[union-attr, index]
        assert weight.grad is not None
        assert weight.grad.any()


# --- Other networks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_channels", [1, 3])
def test_monai_s_unet(in_channels: int) -> None:
    unet = UNet(2, in_channels, 2, channels=(4, 8, 16), strides=(2, 2))
    contours = ActiveContourNet(unet)(torch.rand(2, in_channels, 32, 48))
    assert contours.shape == (2, 3, 32, 2)
    contours.sum().backward()


def test_monai_s_flexible_unet() -> None:
    unet = FlexibleUNet(in_channels=3, out_channels=2, backbone="efficientnet-b0", pretrained=False)
    net = ActiveContourNet(unet, CenteredCircle(16)).eval()
    with torch.no_grad():
        assert net(torch.rand(1, 3, 32, 64)).shape == (1, 3, 16, 2)


# --- Compile, script, export ----------------------------------------------------------------------------------------


def test_compile() -> None:
    net, image = small_net().eval(), torch.rand(2, 1, 16, 24)
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")(image)
    torch.testing.assert_close(compiled, net(image))
    compiled.sum().backward()
    assert net.displacement_net.head[-1].weight.grad is not None  # type: ignore[union-attr, index]


@pytest.mark.parametrize(
    "oracle",
    [CenteredCircle(8), BoxContour((2.0, 2.0, 9.0, 8.0), 8), GivenContour([[2.0, 2.0], [9.0, 3.0], [5.0, 9.0]], 8)],
    ids=["circle", "box", "given"],
)
def test_script_as_monai_s_ckpt_export_does(oracle: nn.Module) -> None:
    net = ActiveContourNet(DisplacementUNet(channels=(4, 8), num_convs=1), oracle).eval()
    buffer = io.BytesIO()
    torch.jit.save(convert_to_torchscript(net), buffer)
    buffer.seek(0)
    loaded = torch.jit.load(buffer)
    for size in [(16, 24), (20, 12)]:
        image, start = torch.rand(2, 1, *size), torch.rand(2, 5, 2) * 12
        torch.testing.assert_close(loaded(image), net(image))
        torch.testing.assert_close(loaded(image, start), net(image, start))
    with pytest.raises(torch.jit.Error, match=r"Expected `vertices` to be \(1, K, 2\)"):
        loaded(torch.rand(1, 1, 16, 16), torch.rand(2, 5, 2))


def test_export_with_any_batch() -> None:
    net, image = small_net().eval(), torch.rand(2, 1, 16, 24)
    exported = torch.export.export(net, (image,), dynamic_shapes={"image": {0: torch.export.Dim("batch", max=64)}})
    more = torch.rand(5, 1, 16, 24)
    torch.testing.assert_close(exported.module()(more), net(more))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_trace_for_one_image_size() -> None:
    net, image = small_net().eval(), torch.rand(2, 1, 16, 24)
    traced = torch.jit.trace(net, image)
    torch.testing.assert_close(traced(image + 0.1), net(image + 0.1))


def _infer_anew() -> None:
    """In a process that has torch and MONAI, but forgets this package."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "monai_acdr"]:
        del sys.modules[name]
    nets = import_module("monai_acdr.networks.nets")
    nets.ActiveContourNet(nets.DisplacementUNet(channels=(2, 4)))(torch.zeros(1, 1, 8, 8))
    assert [name for name in sys.modules if "rasteriz" in name and name.startswith("monai_acdr")] == []


def test_inference_does_not_load_the_rasterizer(in_processes: Callable[..., None]) -> None:
    in_processes(_infer_anew, 1)


# --- Errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 5, 2), (2, 5, 3), (5, 2), (2, 1, 1, 5, 2), (1, 2, 5, 2)])
def test_vertices_of_a_wrong_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"Expected `vertices` to be \(2, K, 2\), one .*\(2, N, K, 2\) for N structures"
    ):
        small_net()(torch.rand(2, 1, 16, 16), torch.rand(shape))


@pytest.mark.parametrize("channels", [1, 3])
def test_displacement_networks_with_other_than_two_channels(channels: int) -> None:
    net = ActiveContourNet(nn.Conv2d(1, channels, 1))
    with pytest.raises(
        ValueError, match=rf"Expected `displacement_net` to give.*but got \[2, {channels}, 2, 2\].*2 out"
    ):
        net(torch.rand(2, 1, 8, 8))


@pytest.mark.parametrize(("structures", "channels"), [(2, 2), (2, 6), (3, 4), (1, 4)])
def test_a_field_for_another_number_of_structures_names_the_channels_it_needs(structures: int, channels: int) -> None:
    net = ActiveContourNet(nn.Conv2d(1, channels, 1), CenteredCircle(8, [0.5] * structures))
    message = (
        rf"Expected `displacement_net` to give \(B, {2 * structures}, h, w\).*for each of {structures} structures.*"
        rf"got \[2, {channels}, 2, 2\]: build it with {2 * structures} output channels"
    )
    with pytest.raises(ValueError, match=message):
        net(torch.rand(2, 1, 8, 8))


@pytest.mark.parametrize("num_iterations", [0, -1])
def test_no_iterations(num_iterations: int) -> None:
    with pytest.raises(ValueError, match=f"Expected `num_iterations` to be at least 1, but got {num_iterations}"):
        small_net(num_iterations=num_iterations)


def disks(number: int, size: int = 32) -> list[dict[str, Tensor]]:
    """Bright disks of several sizes and places, and their masks."""
    generator = torch.Generator().manual_seed(3)
    items = []
    for _ in range(number):
        center = size / 2 + (torch.rand(2, generator=generator) - 0.5) * size / 4
        radius = size * (0.15 + 0.15 * torch.rand(1, generator=generator))
        mask = rasterize_polygons(circle(center, radius[0], 64)[None], (size, size))[0]
        items.append({"image": mask + 0.1 * torch.randn(mask.shape, generator=generator), "label": mask})
    return items


@pytest.mark.slow
def test_a_monai_trainer_with_amp_in_bfloat16_learns_as_one_in_float32_does() -> None:
    losses = {}
    for amp in (False, True):
        torch.manual_seed(0)
        network = ActiveContourNet(DisplacementUNet(channels=(8, 16), blocks="normalized"), CenteredCircle(16))
        trainer = SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=12,
            train_data_loader=DataLoader(disks(16), batch_size=8),
            network=network,
            optimizer=torch.optim.Adam(network.parameters(), 3e-3),
            loss_function=ActiveContourLoss(),
            amp=amp,
            amp_kwargs={"dtype": torch.bfloat16},
        )
        values: list[float] = []
        dtypes: set[torch.dtype] = set()

        def keep(engine: SupervisedTrainer, values: list[float] = values, dtypes: set[torch.dtype] = dtypes) -> None:
            values.append(float(engine.state.output[0]["loss"]))
            dtypes.add(engine.state.output[0]["pred"].dtype)

        trainer.add_event_handler(Events.ITERATION_COMPLETED, keep)
        trainer.run()
        assert dtypes == {torch.float32}
        losses[amp] = values
    assert losses[True][0] == pytest.approx(losses[False][0], rel=0.01)
    for values in losses.values():
        assert sum(values[-4:]) < 0.5 * sum(values[:4])
    assert sum(losses[True][-4:]) == pytest.approx(sum(losses[False][-4:]), rel=0.25)
