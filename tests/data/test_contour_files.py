# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from monai_acdr.data import read_contour, sunnybrook_data_list, write_contour
from monai_acdr.data.contour_files import MAX_CLOSING_STEPS, MAX_CONTOUR_BYTES, closing_steps
from monai_acdr.geometry import centroid


def _write(folder: Path, content: str | bytes) -> Path:
    path = folder / "IM-0001-0048-icontour-manual.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_pixel_centers_become_pixels(tmp_path: Path) -> None:
    vertices = read_contour(_write(tmp_path, "130.50 118.00\n130.00 118.50\n129 119\n"))
    assert vertices.dtype == torch.float64
    assert vertices.tolist() == [[131.0, 118.5], [130.5, 119.0], [129.5, 119.5]]


@pytest.mark.parametrize("closing", ["0 0\n", "0.0 0.00\n0 0\n"])
def test_repeated_closing_point_is_dropped(tmp_path: Path, closing: str) -> None:
    assert len(read_contour(_write(tmp_path, "0 0\n4 0\n4 4\n" + closing))) == 3


def test_byte_order_mark_crlf_tabs_and_empty_lines(tmp_path: Path) -> None:
    vertices = read_contour(_write(tmp_path, b"\xef\xbb\xbf\r\n1 2\r\n\r\n3\t2\r\n  3   4  \r\n\r\n"))
    assert vertices.tolist() == [[1.5, 2.5], [3.5, 2.5], [3.5, 4.5]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty: delete it"),
        ("\n  \n", "is empty"),
        ("x y\n1 2\n", r"line 1: remove headers"),
        ("1 2\n3 4 5\n", r"3 column\(s\) in .*line 2"),
        ("1,2\n", r"1 column\(s\) in .*line 1"),
        ("1 2\n3 4\n", "at least 3 different points in .* got 2"),
        ("1 2\n3 4\n1 2\n", "at least 3 different points in .* got 2"),
        ("1 1\n1 1\n1 1\n", "at least 3 different points in .* got 1"),
        ("1 2\nnan 3\n", "Expected finite numbers, but got 'nan 3' in .*line 2"),
        ("1 2\n3 inf\n", "Expected finite numbers"),
        ("1 2\n3 1e300\n", "millimeters or damaged"),
        (b"\xff\xfe\x00\x01" * 8, "Expected text, but .* is it a contour file"),
        (b"1 2\n" * (MAX_CONTOUR_BYTES // 4 + 1), "at most 1000000 bytes"),
    ],
)
def test_unusable_files_are_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = _write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as caught:
        read_contour(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "a.txt"))):
        read_contour(tmp_path / "a.txt")
    with pytest.raises(ValueError, match="not a regular file"):
        read_contour(tmp_path)


@given(
    st.lists(
        st.tuples(st.floats(-500, 500, allow_subnormal=False), st.floats(-500, 500, allow_subnormal=False)),
        min_size=3,
        max_size=20,
        unique_by=lambda p: (round(p[0]), round(p[1])),
    )
)
def test_writing_and_reading_is_a_round_trip(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[float, float]]
) -> None:
    path = tmp_path_factory.mktemp("contours") / "c.txt"
    vertices = torch.tensor(points, dtype=torch.float64)
    write_contour(path, vertices)
    torch.testing.assert_close(read_contour(path), vertices, rtol=0, atol=5.1e-5)


def test_written_text(tmp_path: Path) -> None:
    write_contour(tmp_path / "c.txt", torch.tensor([[131.0, 118.5], [130.5, 119.0], [129.5, 119.5]]), decimals=2)
    assert (tmp_path / "c.txt").read_bytes() == b"130.50 118.00\n130.00 118.50\n129.00 119.00\n"
    assert [path.name for path in tmp_path.iterdir()] == ["c.txt"]


@pytest.mark.parametrize(
    ("vertices", "message"),
    [
        (torch.zeros(2, 2), "Expected `vertices`"),
        (torch.zeros(1, 3, 2), r"\(N, 2\), but got \(1, 3, 2\)"),
        (torch.full((3, 2), float("nan")), "Expected finite `vertices`"),
    ],
)
def test_unusable_vertices_are_not_written(tmp_path: Path, vertices: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_contour(tmp_path / "c.txt", vertices)
    assert not list(tmp_path.iterdir())


@pytest.mark.real_data
def test_convention_against_the_published_masks(shared_data: Path) -> None:
    """The published masks are Pillow's fill of the file's numbers, truncated: number k names pixel k.

    So integers name pixel centers, k + 0.5 in pixels, and truncation of the numbers k and k.5 moves the masks by a
    quarter pixel on average. Without the half pixel the masks would lie +0.25 away, with a whole pixel -0.75.
    """
    masks = {item["name"]: item["label"] for item in sunnybrook_data_list(shared_data / "sunnybrook_png", exclude=())}
    offsets = []
    for item in sunnybrook_data_list(shared_data / "sunnybrook_dicom"):
        vertices = read_contour(item["label"])
        published = np.asarray(Image.open(masks[item["name"]]).convert("L")) > 127
        drawn = Image.new("1", published.shape[::-1])
        numbers = np.trunc(vertices.numpy() - 0.5)
        ImageDraw.Draw(drawn).polygon([(x, y) for x, y in numbers], fill=1)
        assert np.array_equal(np.asarray(drawn), published), item["name"]
        rows, columns = np.nonzero(published)
        offsets.append(np.array([columns.mean() + 0.5, rows.mean() + 0.5]) - centroid(vertices).numpy())
    assert len(offsets) == 74
    np.testing.assert_allclose(np.mean(offsets, axis=0), -0.25, atol=0.02)


def test_the_gap_of_a_contour_in_steps() -> None:
    angles = 2 * np.pi * np.arange(40) / 40
    circle = torch.from_numpy(np.stack([30 + 10 * np.cos(angles), 30 + 10 * np.sin(angles)], axis=1))
    assert closing_steps(circle) == pytest.approx(1)
    # Half of it: the chord of 19 steps of 9 degrees, over that of one.
    assert closing_steps(circle[:20]) == pytest.approx(np.sin(np.radians(19 * 4.5)) / np.sin(np.radians(4.5)))
    jumped = circle[:20].clone()
    jumped[-1] = torch.tensor([0.0, 300.0])  # a number cut off within
    assert closing_steps(jumped) > MAX_CLOSING_STEPS
    assert closing_steps(torch.tensor([[0.0, 0], [0, 0], [5, 5]])) == np.inf
