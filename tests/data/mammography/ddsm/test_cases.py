# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Cases on disk and lists of cases."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_acdr.data.mammography.ddsm import find_cases, read_case_list, select_cases
from monai_acdr.data.report import QualityReport


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    touch(
        tmp_path,
        "cancers/cancer_01/case3013/B-3013-1.ics",
        "cancers/cancer_01/case3013/B_3013_1.LEFT_CC.LJPEG",
        "cancers/cancer_01/case3013/B_3013_1.LEFT_CC.OVERLAY.gz",
        "cancers/cancer_01/case3013/B_3014_1.LEFT_CC.OVERLAY",
        "cancers/cancer_01/case3013/TAPE_B_3013_1.COMB.16_PGM",
        "cancers/cancer_10/case0002/A-0002-1.ics.gz",
        "cancers/cancer_02/case0001/A-0001-1.ics",
    )
    return tmp_path


def test_files_are_joined_by_name(root: Path) -> None:
    report = QualityReport()
    cases = find_cases(root, report)
    assert [case.name for case in cases] == ["B_3013_1", "A_0001_1", "A_0002_1"]
    assert cases[0].patient == "B_3013"
    assert cases[0].films["LEFT_CC"].name == "B_3013_1.LEFT_CC.LJPEG"
    assert cases[0].overlays["LEFT_CC"].name == "B_3013_1.LEFT_CC.OVERLAY.gz"
    assert report.kinds() == {"stray_outline": 1}
    assert report.findings[0].subject == "cancers/cancer_01/case3013/B_3014_1.LEFT_CC.OVERLAY"


def test_second_copies_and_odd_names(root: Path) -> None:
    touch(root, "copy/B-3013-1.ics", "copy/B_3013_1.LEFT_CC.OVERLAY", "odd/case.ics", "odd/case.OVERLAY")
    report = QualityReport()
    assert len(find_cases(root, report)) == 3
    assert report.kinds() == {"duplicate_image": 1, "invalid_case": 1, "stray_outline": 3}


def test_lists(root: Path, tmp_path: Path) -> None:
    cases, report = find_cases(root, QualityReport()), QualityReport()
    path = tmp_path / "bcrp.txt"
    path.write_text("# BCRP\ncancer_02/case0001\r\n\n ./cancer_01\\case3013 \ncancer_99/case0001\n../../etc/passwd\n")
    chosen = select_cases(cases, path, report)
    assert [case.name for case in chosen] == ["B_3013_1", "A_0001_1"]
    assert [finding.subject for finding in report.of("case_absent")] == ["cancer_99/case0001", "../../etc/passwd"]
    assert [case.name for case in select_cases(cases, ["A-0002-1", "case3013"], report)] == ["B_3013_1", "A_0002_1"]
    assert select_cases(cases, None, report) == cases


def test_errors(root: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Expected a list of DDSM cases, .*DDSM does not come with one.*BCRP"):
        read_case_list(tmp_path / "absent.txt")
    (tmp_path / "empty.txt").write_text("\n# nothing\n")
    with pytest.raises(ValueError, match="Expected case folders in .*empty.txt, but it names none"):
        read_case_list(tmp_path / "empty.txt")
    with pytest.raises(ValueError, match="none of its 1 is there, first .*cancer_07/case1"):
        select_cases(find_cases(root, QualityReport()), ["cancer_07/case1"], QualityReport())
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="Expected the .ics files of DDSM's cases in .*nothing"):
        find_cases(tmp_path / "nothing", QualityReport())
    with pytest.raises(FileNotFoundError, match="Expected the folder of DDSM, but .* is not one"):
        find_cases(tmp_path / "absent", QualityReport())


def test_films_without_case_and_what_is_no_file(root: Path) -> None:
    folder = "cancers/cancer_02/case0001"
    touch(root, f"{folder}/B_3014_1.LEFT_CC.LJPEG", "normals/case0004/A_0004_1.LEFT_CC.LJPEG")
    os.mkfifo(root / folder / "A_0001_1.LEFT_CC.OVERLAY")
    report = QualityReport()
    assert len(find_cases(root, report)) == 3
    assert [finding.subject for finding in report.of("film_without_case")] == [
        f"{folder}/B_3014_1.LEFT_CC.LJPEG",
        "normals/case0004/A_0004_1.LEFT_CC.LJPEG",
    ]
    assert [finding.subject for finding in report.of("not_a_file")] == [f"{folder}/A_0001_1.LEFT_CC.OVERLAY"]
