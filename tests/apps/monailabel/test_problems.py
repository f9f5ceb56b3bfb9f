# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import errno

import pytest

from monai_acdr.apps.monailabel.model_store import BusyError, NotFoundError, UnusableModelError, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError("m"), 404),
        (BusyError("m"), 409),
        (ValueError("m"), 400),
        (UnusableModelError("m"), 503),
        (ImportError("m"), 503),
    ],
)
def test_status(error: Exception, status: int) -> None:
    assert status_of(error) == (status, "m")


def test_messages_that_may_quote_anything_are_not_sent() -> None:
    status, message = status_of(OSError(errno.ENOSPC, "No space left on device", "/secret"))
    assert status == 507 and "No space left" in message and "secret" not in message
    status, message = status_of(KeyError("secret"))
    assert status == 500 and "KeyError" in message and "secret" not in message


def test_paths_are_hidden() -> None:
    assert status_of(ValueError("/srv/a.nii is bad"), "/srv/a.nii") == (400, "the image is bad")
