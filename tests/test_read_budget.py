# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The budget of memory: what it counts, where it comes from, and that it is put back."""

from __future__ import annotations

import pytest

from monai_acdr.read_budget import (
    DEFAULT_BYTES,
    ENVIRONMENT,
    ReadBudget,
    check_bytes,
    check_pixels,
    read_budget,
    read_budget_bytes,
)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)


def test_the_block_changes_the_budget_and_puts_it_back():
    assert read_budget_bytes() == DEFAULT_BYTES
    with read_budget(1):
        assert read_budget_bytes() == 2**20
        with read_budget(None):
            assert read_budget_bytes() == 2**20
    assert read_budget_bytes() == DEFAULT_BYTES


def test_the_environment_gives_a_budget_and_the_block_wins(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, "0.5")
    assert read_budget_bytes() == 2**19
    with read_budget(2):
        assert read_budget_bytes() == 2**21


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "much"])
def test_a_wrong_environment_is_an_error(monkeypatch, text):
    monkeypatch.setenv(ENVIRONMENT, text)
    with pytest.raises(ValueError, match=f"Expected {ENVIRONMENT} to be a positive number of MiB, but got '{text}'"):
        read_budget_bytes()


@pytest.mark.parametrize("mebibytes", [0, -1, float("nan"), float("inf")])
def test_a_wrong_budget_is_an_error(mebibytes):
    with pytest.raises(ValueError, match="positive number of MiB"), read_budget(mebibytes):
        pass


def test_what_fits_passes_and_one_byte_more_does_not():
    with read_budget(1):
        check_bytes("a.nii", 2**20)
        with pytest.raises(ValueError, match=r"Expected a.nii to need at most 1 MiB .* asks for 1 MiB.*--read-budget"):
            check_bytes("a.nii", 2**20 + 1)


def test_samples_count_as_float32():
    with read_budget(1):
        check_pixels("a.png", (512, 512))
        with pytest.raises(ValueError, match="asks for 3 MiB"):
            check_pixels("a.png", (512, 512, 3))


def test_absurd_extents_do_not_overflow():
    with pytest.raises(ValueError, match="asks for"):
        check_pixels("a.json", (2**62, 2**62))
    check_pixels("a.json", (-(2**62), 5))


def test_large_files_may_become_large_images():
    with read_budget(1):
        check_pixels("a.dcm", (1024, 1024), on_disk=2**20)
        with pytest.raises(ValueError, match="at most 2 MiB .* asks for 4 MiB"):
            check_pixels("a.dcm", (1024, 1024), on_disk=2**19)
        budget = ReadBudget("the series", on_disk=2**20)
        budget.add_pixels((1024, 1024))
        with pytest.raises(ValueError, match="the series to need at most 4 MiB"):
            budget.add_bytes(1)


def test_images_of_a_run_add_up():
    with read_budget(1):
        budget = ReadBudget("the study")
        budget.add_pixels((512, 256))
        budget.add_pixels((512, 256))
        with pytest.raises(ValueError, match="Expected the study to need at most 1 MiB"):
            budget.add_pixels((1, 1))
