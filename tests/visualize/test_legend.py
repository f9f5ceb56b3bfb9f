# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Names in the corner of a picture."""

from __future__ import annotations

import numpy as np

from monai_acdr.visualize.pictures import draw_legend


def test_names_are_written_in_their_colors_and_the_rest_is_kept() -> None:
    picture = np.full((100, 200, 3), 200, dtype=np.uint8)
    marked = draw_legend(picture, {"reference": (0, 255, 0), "final": (255, 255, 0)})
    assert (picture == 200).all()
    assert marked.dtype == np.uint8
    changed = (marked != 200).any(axis=-1)
    assert not changed[40:].any() and not changed[:, 120:].any()
    for color in ((0, 255, 0), (255, 255, 0)):
        assert (marked == color).all(axis=-1).sum() > 20


def test_small_pictures_cut_the_legend() -> None:
    assert draw_legend(np.zeros((5, 6, 3), dtype=np.float32), {"reference": (0, 255, 0)}).shape == (5, 6, 3)


def test_no_entries() -> None:
    assert draw_legend(np.zeros((30, 30, 3), dtype=np.uint8), {}).max() == 0
