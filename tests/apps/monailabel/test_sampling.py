# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math

from monai_acdr.apps.monailabel.sampling import MAX_IMAGES, choose_uncertain


def test_the_most_uncertain() -> None:
    values = {"a": 0.1, "b": 0.5, "c": 0.3}
    assert choose_uncertain(list(values), values.__getitem__) == ("b", 0.5)
    assert choose_uncertain([], values.__getitem__) is None


def test_images_that_cannot_be_judged() -> None:
    assert choose_uncertain(["broken", "a"], {"a": 0.1}.__getitem__) == ("a", 0.1)
    chosen = choose_uncertain(["broken"], {}.__getitem__)
    assert chosen is not None and chosen[0] == "broken" and math.isnan(chosen[1])


def test_it_ends_in_time() -> None:
    seen: list[str] = []

    def look(name: str) -> float:
        seen.append(name)
        return 0.0

    choose_uncertain([str(number) for number in range(1000)], look)
    assert len(seen) == MAX_IMAGES
    seen.clear()
    choose_uncertain(["a", "b"], look, max_seconds=-1)
    assert seen == ["a"]
