# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Bundles are found beside the package in a checkout and inside it in a wheel (see also test_packaging.py)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_acdr import bundle

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two empty places for bundles, as in a wheel and in a checkout."""
    places = (tmp_path / "wheel" / "bundles", tmp_path / "checkout" / "bundles")
    monkeypatch.setattr(bundle, "_FOLDERS", places)
    return places


def add_bundle(folder: Path) -> Path:
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "metadata.json").write_text("{}")
    return folder


def test_checkout_bundles_are_found() -> None:
    expected = sorted(path.parents[1].name for path in (ROOT / "bundles").glob("*/configs/metadata.json"))
    assert bundle.bundle_names() == expected
    assert all((bundle.bundle_root(name) / "configs" / "metadata.json").is_file() for name in expected)


def test_either_place_is_searched(folders: tuple[Path, Path]) -> None:
    heart, mass = add_bundle(folders[0] / "heart"), add_bundle(folders[1] / "mass")
    assert bundle.bundle_names() == ["heart", "mass"]
    assert bundle.bundle_root("heart") == heart
    assert bundle.bundle_root("mass") == mass


def test_folder_without_metadata_is_no_bundle(folders: tuple[Path, Path]) -> None:
    (folders[1] / "scratch" / "configs").mkdir(parents=True)
    assert bundle.bundle_names() == []


def test_unknown_name_lists_the_known_ones(folders: tuple[Path, Path]) -> None:
    add_bundle(folders[0] / "heart")
    with pytest.raises(ValueError, match=r"one of \['heart'\], but got 'lung'"):
        bundle.bundle_root("lung")


def test_name_is_never_a_path(folders: tuple[Path, Path]) -> None:
    add_bundle(folders[0] / "heart")
    with pytest.raises(ValueError, match="to be a bundle of this installation"):
        bundle.bundle_root("../bundles/heart")


def test_configs_find_their_bundle_from_its_folder_and_elsewhere(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed, copied = add_bundle(folders[1] / "heart"), add_bundle(tmp_path / "copy" / "heart")
    monkeypatch.chdir(tmp_path)
    assert bundle.find_bundle_root("heart") == str(installed)
    monkeypatch.chdir(copied)
    assert bundle.find_bundle_root("heart") == str(copied)
    monkeypatch.chdir(add_bundle(tmp_path / "copy" / "other"))
    assert bundle.find_bundle_root("heart") == str(installed)


@pytest.mark.parametrize(("value", "expected"), [(True, True), ("true", True), ("False", False), (" TRUE ", True)])
def test_flag(value: bool | str, expected: bool) -> None:
    assert bundle.flag(value) is expected


def test_flag_of_something_else() -> None:
    with pytest.raises(ValueError, match="true or false, but got 'yes'"):
        bundle.flag("yes")


def fail_as_the_runner_does() -> None:
    try:
        try:
            raise ValueError("line 3: remove that point")
        except ValueError as error:
            raise RuntimeError("applying transform") from error
    except RuntimeError as error:
        raise RuntimeError("Failed to evaluate ConfigExpression") from error


def printed(capsys: pytest.CaptureFixture[str], function: Callable[[], None]) -> str:
    """What Python prints when a function fails."""
    try:
        function()
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    return capsys.readouterr().err


def test_a_failed_run_ends_with_the_error_that_helps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    bundle.explain_errors()
    bundle.explain_errors()
    text = printed(capsys, fail_as_the_runner_does)
    assert text.startswith("Traceback (most recent call last)")
    assert text.endswith(
        "RuntimeError: Failed to evaluate ConfigExpression\n\nThe run stopped: line 3: remove that point\n"
    )
    assert text.count("The run stopped") == 1


@pytest.mark.parametrize("error", [ValueError("alone"), RuntimeError("alone"), KeyboardInterrupt("alone")])
def test_an_error_that_nobody_wrapped_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    bundle.explain_errors()
    assert printed(capsys, fail).endswith(f"{type(error).__name__}: alone\n")
