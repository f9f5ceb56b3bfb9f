# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
from pydicom.sr._concepts_dict import concepts

from monai_acdr.dicom import regions
from monai_acdr.dicom.regions import Structure, code_item

KNOWN = [structure for name in regions.__all__ if isinstance(structure := getattr(regions, name), Structure)]


@pytest.mark.parametrize("structure", KNOWN, ids=lambda s: s.label)
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
    assert set(regions.KNOWN_STRUCTURES) == set(KNOWN) - {regions.TISSUE}
    assert len({structure.label.casefold() for structure in KNOWN}) == len(KNOWN)


def test_code_item() -> None:
    item = code_item(regions.BREAST_MASS.property_type)
    assert (item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning) == ("4147007", "SCT", "Mass")


def test_labels_are_bounded() -> None:
    code = regions.TISSUE.category
    with pytest.raises(ValueError, match="1 to 64 characters, but got 65"):
        Structure("x" * 65, code, code)
