# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_acdr.transforms import frame_view, standardize_frames


@settings(deadline=None, max_examples=40)
@given(height=st.integers(40, 300), width=st.integers(40, 300), x=st.floats(0.2, 0.8), y=st.floats(0.2, 0.8))
def test_a_blob_stays_where_the_geometry_says(height: int, width: int, x: float, y: float) -> None:
    """The center of mass of a blob in the view, mapped to the frame, is that in the frame; and back."""
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    center = torch.tensor([x * width, y * height])
    spread = 0.03 * max(height, width) + 1
    frame = torch.exp(-((columns - center[0]) ** 2 + (rows - center[1]) ** 2) / (2 * spread**2))
    mass = torch.stack([(frame * columns).sum(), (frame * rows).sum()]) / frame.sum()
    view = frame_view(frame[None, None], 64)
    line = (torch.arange(64) + 0.5) / 64
    total = view.image.sum()
    seen = torch.stack([(view.image[0, 0] * line).sum(), (view.image[0, 0] * line[:, None]).sum()]) / total
    # at the frame's border what is cut off differs by a fraction of a pixel of the view
    torch.testing.assert_close(view.to_frame(seen), mass, atol=0.35 * max(height, width) / 64, rtol=0)
    torch.testing.assert_close(view.to_frame(view.from_frame(mass)), mass, atol=1e-3, rtol=0)


def test_a_frame_of_the_same_size_is_unchanged() -> None:
    frame = torch.rand(2, 2, 64, 64)
    view = frame_view(frame, 64)
    torch.testing.assert_close(view.image, frame)
    assert (view.side, view.offset) == (64.0, (0.0, 0.0))


def test_beside_a_narrow_frame_is_zero() -> None:
    view = frame_view(torch.ones(1, 1, 128, 64), 64)
    assert view.offset == (32.0, 0.0)
    assert float(view.image[..., 16:48].min()) == pytest.approx(1) and float(view.image[..., :16].max()) == 0
    assert float(view.image[..., 48:].max()) == 0


def test_large_frames_are_averaged() -> None:
    """A checkerboard is gray when four of its pixels make one."""
    board = (torch.arange(256)[:, None] + torch.arange(256)) % 2
    torch.testing.assert_close(frame_view(board[None, None].float(), 64).image, torch.full((1, 1, 64, 64), 0.5))


def test_standardized() -> None:
    frames = torch.cat([torch.rand(3, 1, 32, 32) * 50 + 7, torch.rand(3, 1, 32, 32)], 1)
    frames[0, 1] = 0
    out = standardize_frames(frames)
    torch.testing.assert_close(out[:, 0].mean((1, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(out[:, 0].std((1, 2), correction=0), torch.ones(3))
    deviation = frames[:, 0].std((1, 2), correction=0)
    torch.testing.assert_close(out[:, 1], frames[:, 1] / deviation[:, None, None])
    assert float(out[0, 1].abs().max()) == 0
    assert bool(torch.isfinite(standardize_frames(torch.full((1, 2, 8, 8), 3.0))).all())


def test_refused() -> None:
    for frames, size in ((torch.zeros(2, 8, 8), 64), (torch.zeros(1, 1, 8, 8, dtype=torch.int16), 64)):
        with pytest.raises(ValueError, match=r"Expected `frames` \(B, C, H, W\)"):
            frame_view(frames, size)
    with pytest.raises(ValueError, match="positive `size`"):
        frame_view(torch.zeros(1, 1, 8, 8), 0)
