# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The command that writes twins; what each writes is tested beside its writer."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_acdr.data import find_mass_source
from monai_acdr.data.phantoms.__main__ import WRITERS, main


@pytest.mark.parametrize("kind", ["inbreast", "ddsm", "cbis_ddsm", "pairs"])
def test_twins_are_recognized(tmp_path: Path, kind: str) -> None:
    assert main([str(tmp_path / "twin"), "--kind", kind, "--num-patients", "4", "--size", "96", "80"]) == 0
    assert find_mass_source(tmp_path / "twin") == kind


def test_all_writers_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    printed = capsys.readouterr().out
    assert all(kind in printed for kind in WRITERS)


def test_options_of_cine_studies_are_refused_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), "--kind", "inbreast", "--num-slices", "3"])
    assert "--num-slices can be given for short_axis only, not for inbreast" in capsys.readouterr().err
