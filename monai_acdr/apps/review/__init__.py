# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Review of contours in the browser: a page to inspect, drag and sign them off.

``state`` keeps the contours and the log of their changes, ``study`` their images, ``results`` writes a new version,
``server`` does what the page asks for, and ``http`` says who may ask. The page in ``static`` is plain HTML, CSS and
JavaScript, and loads nothing from elsewhere.
"""

from __future__ import annotations

from monai_acdr.apps.review.server import ReviewOptions, start_review

__all__ = ["ReviewOptions", "start_review"]
