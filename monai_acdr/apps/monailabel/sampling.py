# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Which image a person should outline next: the one of which the network is least sure."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

__all__ = ["choose_uncertain"]

MAX_IMAGES = 50
"""Images that are looked at for one answer: the first ones that are not labeled."""

_logger = logging.getLogger(__name__)


def choose_uncertain(
    candidates: Sequence[str], uncertainty: Callable[[str], float], max_seconds: float = 5.0
) -> tuple[str, float] | None:
    """The most uncertain of the candidates.

    Args:
        candidates: image ids.
        uncertainty: of an image; images for which it fails are passed over, and logged.
        max_seconds: look at no further image when that much time has passed.

    Returns:
        The id and its uncertainty; None without candidates. Where none can be judged, the first one with NaN.
    """
    start, best = time.monotonic(), None
    for image_id in list(candidates)[:MAX_IMAGES]:
        try:
            value = uncertainty(image_id)
        except Exception as error:  # whatever is wrong with one image, another one can be chosen
            _logger.warning("An image cannot be judged and is passed over (%s).", type(error).__name__)
            continue
        if best is None or value > best[1]:
            best = (image_id, value)
        if time.monotonic() - start > max_seconds:
            break
    if best is None and candidates:
        return candidates[0], float("nan")
    return best
