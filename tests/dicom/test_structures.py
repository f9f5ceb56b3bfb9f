# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
from pydicom.sr._concepts_dict import concepts

from monai_acdr.dicom import regions as structures
from monai_acdr.dicom.regions import Structure, code_item, named_structure

CODED = list(structures._CODED.values())
KNOWN = [structure for name in structures.__all__ if isinstance(structure := getattr(structures, name), Structure)]


@pytest.mark.parametrize("structure", [*KNOWN, *CODED], ids=lambda s: s.label)
def test_codes_are_in_the_standard(structure: Structure) -> None:
    for code in (structure.category, structure.property_type, structure.region):
        if code is not None:
            meanings = {
                meaning.lower()
                for known in concepts[code.scheme_designator].values()
                for value, (meaning, _) in known.items()
                if value == code.value
            }
            assert code.meaning.lower() in meanings


def test_known_structures_are_all_and_have_different_labels() -> None:
    assert set(structures.KNOWN_STRUCTURES) == set(KNOWN) - {structures.TISSUE}
    assert len({structure.label.casefold() for structure in KNOWN}) == len(KNOWN)


@pytest.mark.parametrize(
    ("name", "label", "meaning", "region"),
    [
        ("kidney", "kidney", "Kidney", None),
        ("Kidneys", "Kidneys", "Kidney", None),
        ("right_ventricle", "right_ventricle", "Right ventricle", None),
        ("Breast mass", "Breast mass", "Mass", "Breast"),
        ("mass", "mass", "Mass", None),
        ("tumor", "tumor", "Tumor", None),
        ("Optic disc", "Optic disc", "Tissue", None),
    ],
)
def test_names_of_the_user_s_own(name: str, label: str, meaning: str, region: str | None) -> None:
    structure = named_structure(name)
    assert (structure.label, structure.property_type.meaning) == (label, meaning)
    assert (structure.region and structure.region.meaning) == region


def test_names_of_the_ventricle_are_the_known_structures() -> None:
    """Volumes and mass depend on them."""
    assert named_structure("lv") is named_structure(" LV Endocardium ") is structures.LV_ENDOCARDIUM
    assert named_structure("epicardium") is structures.LV_EPICARDIUM


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb", "a\\b"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="name of a structure to have 1 to 64 printable characters"):
        named_structure(name)


def test_code_item() -> None:
    item = code_item(structures.BREAST_MASS.property_type)
    assert (item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning) == ("4147007", "SCT", "Mass")


def test_labels_are_bounded() -> None:
    code = structures.TISSUE.category
    with pytest.raises(ValueError, match="1 to 64 characters, but got 65"):
        Structure("x" * 65, code, code)
    for label in ("a\\b", "a\nb", "a\x1bb"):
        with pytest.raises(ValueError, match="one line without a backslash"):
            Structure(label, code, code)
    assert Structure("心臓\u3000左 ", code, code).label == "心臓\u3000左 "
