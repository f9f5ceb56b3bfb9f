# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A stand-in for the network sees bright discs; what is made of several slices and phases is the localizer's part."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from monai_acdr.inferers import Localizer, count_frames, doubtful_frames, fit_heart_line
from monai_acdr.inferers.localizer import _chunks


class SeesBrightness(nn.Module):
    """Heat where the view is bright, presence by how bright it is there, the radius that it is told."""

    def __init__(self, radius: float = 0.1, sharpness: float = 40.0) -> None:
        super().__init__()
        self.radius, self.sharpness = radius, sharpness
        self.seen: list[Tensor] = []

    def forward(self, frame: Tensor) -> Tensor:
        self.seen.append(frame)
        bright = nn.functional.avg_pool2d(frame[:, :1], 2)
        level = bright / 10
        return torch.cat(
            [self.sharpness * level, torch.full_like(bright, math.log(2 * self.radius)), 12 * level - 4], 1
        )


def draw(spots: list[tuple[float, float, float]], size: tuple[int, int] = (96, 128)) -> Tensor:
    """Gaussian spots (x, y, height) of 3 pixels on black with a little texture, (1, H, W)."""
    y, x = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="ij")
    pixels = torch.zeros(size)
    for at_x, at_y, height in spots:
        pixels = pixels + height * torch.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / 18)
    return pixels[None]


def localizer(**changes: float) -> Localizer:
    return Localizer(SeesBrightness(), **changes)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=20)
@given(
    x=st.floats(0.15, 0.85),
    y=st.floats(0.15, 0.85),
    height=st.integers(70, 300),
    width=st.integers(70, 300),
)
def test_places_are_in_pixels_of_the_image(x: float, y: float, height: int, width: int) -> None:
    (heart,) = localizer()([draw([(x * width, y * height, 1.0)], (height, width))])
    longer = max(height, width)
    assert heart.center.tolist() == pytest.approx([x * width, y * height], abs=longer / 128)
    assert heart.radius == pytest.approx(0.1 * longer, rel=1e-4)
    assert heart.region((30, 20)).tolist() == [*heart.center.tolist(), 30, 20, 0]


@pytest.mark.parametrize("size", [(3, 200), (200, 3)])
def test_centers_lie_in_narrow_images(size: tuple[int, int]) -> None:
    """The heat is highest in a corner of the padded view, whose cells are wider than the image."""
    (heart,) = Localizer(SeesBrightness(sharpness=0.0))([torch.randn(1, *size)])
    x, y = heart.center.tolist()
    assert 0 <= x <= size[1] and 0 <= y <= size[0]


def test_single_frames_have_no_motion_and_no_neighbors() -> None:
    find = localizer()
    images = [draw([(30, 40, 1.0)]), draw([(90, 40, 1.0)], (128, 128)), draw([(30, 80, 1.0)])]
    together = find(images)
    for image, heart in zip(images, together, strict=True):
        (alone,) = find([image])
        torch.testing.assert_close(alone.center, heart.center)
        assert not heart.moved
    network = find.network
    assert isinstance(network, SeesBrightness)
    assert all(float(frame[:, 1].abs().max()) == 0 for frame in network.seen)


def test_motion_is_the_range_over_the_phases_of_a_slice() -> None:
    find = localizer()
    images = [draw([(30, 40, 1.0)], (128, 128)), draw([(34, 40, 1.0)], (128, 128)), draw([(60, 60, 1.0)], (128, 128))]
    find(images, [0, 0, 1], [0, 1, 0])
    assert isinstance(find.network, SeesBrightness)
    (seen,) = find.network.seen
    expected = (images[0] - images[1]).abs()[0] / images[0].std(correction=0)
    torch.testing.assert_close(seen[0, 1], expected, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(
        seen[1, 1], (images[0] - images[1]).abs()[0] / images[1].std(correction=0), atol=1e-4, rtol=1e-3
    )
    assert float(seen[2, 1].abs().max()) == 0


def test_phases_share_a_center() -> None:
    """Something brighter at one of five phases does not win against what is there at all of them."""
    images = [draw([(30, 40, 1.0), (100, 60, 1.05 if phase == 2 else 0.0)]) for phase in range(5)]
    hearts = localizer()(images, [0] * 5, list(range(5)))
    for heart in hearts:
        assert heart.center.tolist() == pytest.approx([30, 40], abs=0.6)


def stack(wrong: int | None = None) -> list[Tensor]:
    """Seven slices on a slanted axis; in one of them something else is brighter."""
    images = []
    for number in range(7):
        spots = [(40 + 3.0 * number, 50.0, 1.0)]
        if number == wrong:
            spots.append((110.0, 20.0, 1.3))
        images.append(draw(spots))
    return images


@pytest.mark.parametrize("wrong", [0, 3, 6])
def test_a_center_off_the_line_is_pulled(wrong: int) -> None:
    hearts = localizer()(stack(wrong), list(range(7)))
    for number, heart in enumerate(hearts):
        assert heart.moved == (number == wrong)
        assert heart.center.tolist() == pytest.approx([40 + 3 * number, 50], abs=0.7)


def test_scattered_centers_stay() -> None:
    """Where most slices show something else, nobody knows which ones are right."""
    images = [
        draw([(40.0, 50.0, 1.0), (110.0 if n % 2 else 12.0, 15.0 + 10 * n, 1.3 if n < 5 else 0)]) for n in range(7)
    ]
    hearts = localizer()(images, list(range(7)))
    assert all(heart.scattered and not heart.moved for heart in hearts)
    for number, heart in enumerate(hearts):
        place = (110.0 if number % 2 else 12.0, 15.0 + 10 * number) if number < 5 else (40.0, 50.0)
        assert heart.center.tolist() == pytest.approx(place, abs=0.7)
    assert not any(heart.scattered for heart in localizer()(stack(3), list(range(7))))
    assert not any(heart.scattered for heart in localizer()(images))


@pytest.mark.parametrize("far", [(110.0, 20.0), (12.0, 85.0)])
def test_three_slices_are_no_line(far: tuple[float, float]) -> None:
    """Two of three lie on one, whatever they show."""
    places = [(40.0, 50.0), (43.0, 50.0), far]
    hearts = localizer()([draw([(x, y, 1.0)]) for x, y in places], [0, 1, 2])
    assert not any(heart.moved or heart.scattered for heart in hearts)
    assert [heart.center.tolist() for heart in hearts] == [pytest.approx(place, abs=0.7) for place in places]


def test_a_slanted_axis_is_left_alone() -> None:
    assert not any(heart.moved for heart in localizer()(stack(), list(range(7))))


def test_the_line_is_one_of_the_stack_not_of_its_images() -> None:
    """Slices that are missing or moved within their plane leave the axis straight in space."""
    numbers, moved = [0, 1, 2, 3, 8, 9, 10], [0.0, 0.0, 25.0, 0.0, 0.0, -20.0, 0.0]
    images = []
    for number, shift in zip(numbers, moved, strict=True):
        spots = [(30 + 6.0 * number - shift, 50.0 + shift / 2, 1.0)]
        images.append(draw([*spots, (12.0, 20.0, 1.3)] if number == 3 else spots))
    origins = [(shift, -shift / 2, 8.0 * number) for number, shift in zip(numbers, moved, strict=True)]
    hearts = localizer()(images, list(range(7)), origins=origins)
    assert [heart.moved for heart in hearts] == [number == 3 for number in numbers]
    for number, shift, heart in zip(numbers, moved, hearts, strict=True):
        assert heart.center.tolist() == pytest.approx([30 + 6 * number - shift, 50 + shift / 2], abs=0.7)
    assert sum(heart.moved for heart in localizer()(images, list(range(7)))) > 1


@pytest.mark.parametrize("origin", [(0.0, 0.0), (0.0, 0.0, math.nan)])
def test_origins_are_three_finite_numbers(origin: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"three finite numbers \(x, y, z\) per image"):
        localizer()([draw([(30, 40, 1.0)])], [0], origins=[origin])


class SeesCorner(SeesBrightness):
    """As above, but with more heat and presence in the upper left of the view: directions are not alike."""

    def forward(self, frame: Tensor) -> Tensor:
        maps = super().forward(frame)
        tilt = torch.linspace(2, -2, maps.shape[-1])
        maps[:, 0] += tilt + tilt[:, None]
        maps[:, 2] = tilt + tilt[:, None]
        return maps


@pytest.mark.parametrize("phases", [1, 2, 10])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_heart_is_found_alike_in_all_orientations(phases: int, mirrored: bool) -> None:
    images = [draw([(30, 40, 1.0), (90, 100, 1.02)], (128, 128)) for _ in range(phases)]
    other = [image.rot90(1, (-2, -1)).flip(-1) if mirrored else image.rot90(1, (-2, -1)) for image in images]
    numbers = [0] * phases, list(range(phases))
    for orientations in (1, 4, 8):
        find = Localizer(SeesCorner(), orientations=orientations)  # type: ignore[arg-type]
        here, there = find(images, *numbers)[0], find(other, *numbers)[0]
        x, y = there.center.tolist()
        alike = orientations == 8 or (orientations == 4 and not mirrored)
        if alike:
            assert here.center.tolist() == pytest.approx([128 - y, 128 - x if mirrored else x], abs=0.5)
            assert here.center.tolist() == pytest.approx([90, 100], abs=0.7)
            assert here.presence == pytest.approx(there.presence, abs=1e-3)
        elif orientations == 1:
            assert here.presence != pytest.approx(there.presence, abs=1e-3)
    views = sum(len(frames) for frames in find.network.seen[-1:])  # type: ignore[union-attr]
    assert views == {1: 8, 2: 16, 10: 20}[phases]  # a cine is not looked at eight times as long


def test_many_frames_are_seen_in_chunks() -> None:
    """Of which no more views are held than a few batches, with the same places as one by one."""
    find = localizer(orientations=8, batch_size=3)
    images = [draw([(20.0 + 5 * number, 40, 1.0)], (96, 96)) for number in range(7)]
    hearts = find(images)
    assert max(len(frames) for frames in find.network.seen) == 3  # type: ignore[union-attr]
    assert sum(len(frames) for frames in find.network.seen) == 7 * 8  # type: ignore[union-attr]
    for image, heart in zip(images, hearts, strict=True):
        torch.testing.assert_close(find([image])[0].center, heart.center)
    assert _chunks([8] * 7, 12) == [[number] for number in range(7)]
    assert _chunks([8, 4, 8, 20, 1, 1], 12) == [[0, 1], [2], [3], [4, 5]]


def test_orientations_of_a_plain_network_change_nothing() -> None:
    images = [draw([(30.0 + phase, 40, 1.0)], (128, 128)) for phase in range(3)]
    plain = localizer()(images, [0] * 3, list(range(3)))[0]
    for orientations in (1, 4, 8):
        (heart, *_) = localizer(orientations=orientations)(images, [0] * 3, list(range(3)))
        assert heart.center.tolist() == pytest.approx([31, 40], abs=0.7)
        assert heart.presence == pytest.approx(plain.presence, rel=1e-4)
    with pytest.raises(ValueError, match="`orientations` to be 1, 4 or 8, but got 3"):
        localizer(orientations=3)


@pytest.mark.parametrize(
    ("size", "offset"), [((400, 480), (200, 150)), ((480, 150), (15, 240)), ((200, 480), (260, 90))]
)
def test_the_middle_of_a_large_field_of_view(size: tuple[int, int], offset: tuple[int, int]) -> None:
    """Of sides of up to 480 mm 300 are seen; centers are in pixels of the whole image."""
    find = localizer(field_mm=300.0)
    (heart,) = find([draw([(*offset, 1.0)], size)], spacing=[(1.0, 1.0)])
    assert heart.center.tolist() == pytest.approx(list(offset), abs=2.5)
    (unseen,) = find([draw([(*offset, 1.0), (470 if size[1] == 480 else 145, 5, 3.0)], size)], spacing=[(1.0, 1.0)])
    assert unseen.center.tolist() == pytest.approx(list(offset), abs=2.5)
    assert heart.radius == pytest.approx(0.1 * min(300, max(size)), rel=1e-4)
    # Unknown or impossible scales cut nothing.
    for spacing in (None, [None], [(2.0, 2.0)]):
        (whole,) = find([draw([(*offset, 1.0)], size)], spacing=spacing)
        assert whole.radius == pytest.approx(0.1 * 480, rel=1e-4)


def test_the_line_goes_through_middles_of_other_sizes() -> None:
    images = [nn.functional.pad(image, (60, 60, 0, 0)) for image in stack(3)]
    for field in (None, 150.0):
        hearts = localizer(field_mm=field)(images, list(range(7)), spacing=[(1.0, 1.0)] * 7)
        for number, heart in enumerate(hearts):
            assert heart.moved == (number == 3)
            assert heart.center.tolist() == pytest.approx([100 + 3 * number, 50], abs=1.6)


def test_temperature_divides_the_logit_and_leaves_the_places() -> None:
    """Presence comes nearer to a half, with the wrong slice still replaced by the same place."""
    plain = localizer(presence_threshold=0.2)(stack(3), list(range(7)))
    softer = localizer(presence_threshold=1 / (1 + 2.0), presence_temperature=2.0)(stack(3), list(range(7)))
    for before, after in zip(plain, softer, strict=True):
        odds = before.presence / (1 - before.presence)
        assert after.presence == pytest.approx(math.sqrt(odds) / (1 + math.sqrt(odds)), rel=1e-9)
        # odds of 1 to 4 are 1 to 2 at a temperature of 2
        assert after.counted == before.counted
        assert after.moved == before.moved
        assert after.center.tolist() == before.center.tolist()
    assert any(heart.moved for heart in softer)


def test_order_does_not_matter() -> None:
    images = [*stack(2), *stack(2)]
    slices, phases = [*range(7), *range(7)], [0] * 7 + [1] * 7
    order = torch.randperm(14, generator=torch.Generator().manual_seed(0)).tolist()
    plain = localizer()(images, slices, phases)
    mixed = localizer()([images[i] for i in order], [slices[i] for i in order], [phases[i] for i in order])
    for place, index in enumerate(order):
        torch.testing.assert_close(mixed[place].center, plain[index].center)
        assert mixed[place].presence == pytest.approx(plain[index].presence)


def test_presence_is_smoothed_over_the_cycle() -> None:
    """One dim phase of eight: less presence there, a little less beside it, also across the end of the cycle."""
    heights = [0.05] + [1.0] * 7
    images = [draw([(30, 40, height), (31, 41, 0.0)]) + 0.02 * draw([(90, 60, 1.0)]) for height in heights]
    texture = draw([(90, 60, 0.8)])
    hearts = localizer()([image + texture for image in images], [0] * 8, list(range(8)))
    values = [heart.presence for heart in hearts]
    assert values[0] < values[1] < values[2]
    assert values[2] == pytest.approx(values[3])
    assert values[1] == pytest.approx(values[7]) and values[2] == pytest.approx(values[6])
    assert values[3] == pytest.approx(values[4])


def test_of_many_phases_some_are_looked_at() -> None:
    """Presence falls over the first half of the cycle and rises again; phases between are interpolated."""
    count = 24
    heights = [1 - 0.6 * min(phase, count - phase) / (count / 2) for phase in range(count)]
    find = localizer()
    hearts = find([draw([(30, 40, height), (90, 60, 0.5)]) for height in heights], [0] * count, list(range(count)))
    assert isinstance(find.network, SeesBrightness)
    assert sum(len(frames) for frames in find.network.seen) == 10
    logits = [math.log(heart.presence / (1 - heart.presence)) for heart in hearts]
    assert len(logits) == count
    for phase in range(3, count // 2 - 2):
        assert logits[phase] < logits[phase - 1] + 1e-9
        assert logits[-phase] == pytest.approx(logits[phase], abs=0.6)


def test_images_of_several_sizes_in_a_slice() -> None:
    images = [draw([(30, 40, 1.0)]), draw([(60, 80, 1.0)], (192, 256))]
    hearts = localizer()(images, [0, 0], [0, 1])
    assert hearts[0].center.tolist() == pytest.approx([30, 40], abs=0.6)
    assert hearts[1].center.tolist() == pytest.approx([60, 80], abs=1.2)


def test_a_constant_image_is_finite() -> None:
    (heart,) = localizer()([torch.full((1, 40, 40), 7.0)])
    assert bool(torch.isfinite(heart.center).all()) and 0 <= heart.presence < 0.5 and not heart.counted


def test_a_diverged_network() -> None:
    class Broken(SeesBrightness):
        def forward(self, frame: Tensor) -> Tensor:
            return super().forward(frame) * math.nan

    with pytest.raises(ValueError, match="the localizer gave NaN or infinity"):
        Localizer(Broken())([draw([(30, 40, 1.0)])])  # type: ignore[arg-type]


def test_the_line_of_least_squares_without_outliers() -> None:
    numbers = torch.arange(8.0)
    centers = torch.stack([10 + 2 * numbers, 50 - numbers], 1) + 0.5 * torch.randn(
        8, 2, generator=torch.Generator().manual_seed(0)
    )
    line = fit_heart_line(numbers, centers, torch.ones(8), 20.0)
    design = torch.stack([torch.ones(8), numbers], 1).double()
    expected = design @ torch.linalg.lstsq(design, centers.double()).solution
    torch.testing.assert_close(torch.stack([line(float(n)) for n in numbers]), expected, atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=40)
@given(
    count=st.integers(5, 14),
    slope=st.tuples(st.floats(-6, 6), st.floats(-6, 6)),
    bad=st.tuples(st.integers(0, 13), st.floats(-200, 200), st.floats(-200, 200)),
)
def test_a_wrong_center_hardly_moves_the_line(
    count: int, slope: tuple[float, float], bad: tuple[int, float, float]
) -> None:
    numbers = torch.arange(float(count), dtype=torch.float64)
    centers = torch.tensor([100.0, 120.0], dtype=torch.float64) + numbers[:, None] * torch.tensor(slope)
    truth = centers.clone()
    centers[bad[0] % count] += torch.tensor(bad[1:])
    line = fit_heart_line(numbers, centers, torch.ones(count), 25.0)
    found = torch.stack([line(float(n)) for n in numbers])
    assert float((found - truth).norm(dim=1).max()) < 0.7 * 25


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), slope=st.tuples(st.floats(-6, 6), st.floats(-6, 6)))
def test_the_line_is_that_of_the_centers_that_agree(seed: int, slope: tuple[float, float]) -> None:
    """Six of ten slices show something else, each at another place."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.arange(10.0, dtype=torch.float64)
    truth = torch.tensor([100.0, 120.0], dtype=torch.float64) + numbers[:, None] * torch.tensor(slope)
    centers, wrong = truth.clone(), torch.randperm(10, generator=generator)[:6]
    angle = torch.arange(6.0) * 2.4 + seed  # the golden angle: in all directions
    centers[wrong] += 150 * torch.stack([angle.cos(), angle.sin()], 1) * (1 + 0.3 * torch.arange(6.0))[:, None]
    line = fit_heart_line(numbers, centers, torch.ones(10), 20.0)
    found = torch.stack([line(float(n)) for n in numbers])
    assert float((found - truth).norm(dim=1).max()) < 0.1 * 20


def test_stacks_of_many_slices_need_little_memory() -> None:
    numbers = torch.arange(3000.0)
    line = fit_heart_line(numbers, torch.stack([numbers, 2 * numbers], 1), torch.ones(3000), 10.0)
    torch.testing.assert_close(line(7.0), torch.tensor([7.0, 14.0], dtype=torch.float64), atol=1e-6, rtol=0)


def test_unsure_slices_hardly_count() -> None:
    numbers = torch.arange(6.0)
    centers = torch.stack([numbers, numbers], 1)
    centers[3:] += 100
    line = fit_heart_line(numbers, centers, torch.tensor([1, 1, 1, 1e-6, 1e-6, 1e-6]), 10.0)
    torch.testing.assert_close(line(5.0), torch.tensor([5.0, 5.0], dtype=torch.float64), atol=0.1, rtol=0)


def test_one_slice_is_a_line() -> None:
    line = fit_heart_line(torch.tensor([4.0]), torch.tensor([[7.0, 8.0]]), torch.ones(1), 10.0)
    assert line(9.0).tolist() == [7, 8]


def test_between_two_present_slices_all_count() -> None:
    presence = [0.1, 0.6, 0.2, 0.9, 0.4]
    assert count_frames(presence, 0.5) == [False, True, False, True, False]
    assert count_frames(presence, 0.5, range(5)) == [False, True, True, True, False]
    assert count_frames(presence, 0.6, range(5)) == [False, True, True, True, False]  # the threshold itself counts
    assert count_frames(presence, 0.95, range(5)) == [False] * 5


def test_each_phase_counts_by_itself() -> None:
    slices, phases = [0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1]
    presence = [0.9, 0.1, 0.9, 0.1, 0.1, 0.9]
    assert count_frames(presence, 0.5, slices, phases) == [True, True, True, False, False, True]
    # without phases the order within each slice is that of time
    assert count_frames([0.9, 0.1, 0.1, 0.1, 0.9, 0.9], 0.5, [0, 0, 1, 1, 2, 2]) == [
        True,
        False,
        True,
        False,
        True,
        True,
    ]


def test_doubtful_are_the_ends() -> None:
    presence = [0.1, 0.45, 0.9, 0.52, 0.9, 0.55, 0.2]
    assert doubtful_frames(presence, 0.5, 0.1, range(7)) == [False, True, False, False, False, True, False]
    assert doubtful_frames(presence, 0.5, 0.02, range(7)) == [False] * 7
    assert doubtful_frames(presence, 0.5, 0.1) == [False, True, False, True, False, True, False]
    assert doubtful_frames([0.1, 0.45, 0.2], 0.5, 0.1, range(3)) == [False, True, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "at least one image"),
        (([torch.zeros(8, 8)],), r"images \(1, H, W\)"),
        (([torch.zeros(1, 8, 8)], [0, 1]), "`slice_index` to have one entry per image, but got 2 for 1"),
        (([torch.zeros(1, 8, 8)], None, [0]), "`slice_index` with `phase`"),
    ],
)
def test_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        localizer()(*arguments)  # type: ignore[arg-type]


def test_refused_settings() -> None:
    for settings_, message in (
        ({"presence_threshold": 2}, "from 0 to 1, but got 2"),
        ({"presence_temperature": 0}, "`presence_temperature` to be positive and finite, but got 0"),
        ({"presence_temperature": math.inf}, "`presence_temperature` to be positive and finite, but got inf"),
        ({"line_distance": 0}, "positive `line_distance`"),
        ({"size": 100}, "multiple of 32"),
        ({"field_mm": math.nan}, "`field_mm` to be positive and finite, or None, but got nan"),
    ):
        with pytest.raises(ValueError, match=message):
            localizer(**settings_)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a slice with a weight above 0"):
        fit_heart_line(torch.zeros(2), torch.zeros(2, 2), torch.zeros(2), 1.0)
    with pytest.raises(ValueError, match="a positive radius"):
        fit_heart_line(torch.zeros(2), torch.zeros(2, 2), torch.ones(2), 0.0)
