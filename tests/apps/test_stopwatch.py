# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest

from monai_acdr.apps import segment_results
from monai_acdr.apps.segment_results import Stopwatch


def test_steps_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 3.5, 10.0, 10.25, 20.0, 21.0])
    monkeypatch.setattr(segment_results.time, "perf_counter", lambda: next(times))
    watch = Stopwatch()
    with watch("read"):
        pass
    with watch("write"):
        pass
    with pytest.raises(KeyError, match="x"), watch("read"):
        raise KeyError("x")
    assert watch.seconds == {"read": 3.5, "write": 0.25}
