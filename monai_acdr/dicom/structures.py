# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What a region shows, in words and codes: SNOMED CT, as DICOM's context groups (PS3.16 CID 7150 and 7151) name it."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

__all__ = [
    "BREAST_MASS",
    "KNOWN_STRUCTURES",
    "LV_BLOOD_POOL",
    "LV_ENDOCARDIUM",
    "LV_EPICARDIUM",
    "LV_MYOCARDIUM",
    "TISSUE",
    "Structure",
    "code_item",
]


@dataclass(frozen=True)
class Structure:
    """A structure that is outlined.

    Attributes:
        label: name in viewers: ROI name, segment label. At most 64 characters.
        category: kind of property, one of CID 7150.
        property_type: what it is.
        region: where in the body, None where `property_type` says it.
        interpreted_type: RTROIInterpretedType of an RT structure set, such as ORGAN; empty where no term fits.
        color: (R, G, B) that viewers are recommended, 0 to 255.
    """

    label: str
    category: Code
    property_type: Code
    region: Code | None = None
    interpreted_type: str = ""
    color: tuple[int, int, int] = (255, 220, 0)

    def __post_init__(self) -> None:
        if not self.label.strip() or len(self.label) > 64:
            raise ValueError(f"Expected `label` to have 1 to 64 characters, but got {len(self.label)}.")


_ANATOMY = Code("91723000", "SCT", "Anatomical Structure")
_LEFT_VENTRICLE = Code("87878005", "SCT", "Left ventricle")

LV_ENDOCARDIUM = Structure("LV endocardium", _ANATOMY, _LEFT_VENTRICLE, interpreted_type="ORGAN")
"""Within the inner border of the left ventricle; there is no code for the border itself in DICOM's context groups."""

LV_BLOOD_POOL = Structure(
    "LV blood pool",
    Code("91720002", "SCT", "Body Substance"),
    Code("87612001", "SCT", "Blood"),
    _LEFT_VENTRICLE,
    "CAVITY",
    (220, 40, 40),
)
LV_EPICARDIUM = Structure(
    "LV epicardium", _ANATOMY, Code("6871001", "SCT", "Epicardium"), _LEFT_VENTRICLE, "ORGAN", (0, 180, 80)
)
"""Within the outer border of the left ventricle's wall: contains the endocardium's region."""

LV_MYOCARDIUM = Structure(
    "LV myocardium",
    _ANATOMY,
    Code("49848007", "SCT", "Left Ventricle Myocardium"),
    interpreted_type="ORGAN",
    color=(0, 180, 80),
)
"""The wall of the left ventricle: the epicardium's region without the endocardium's."""

BREAST_MASS = Structure(
    "Mass",
    Code("49755003", "SCT", "Morphologically Abnormal Structure"),
    Code("4147007", "SCT", "Mass"),
    Code("76752008", "SCT", "Breast"),
)
TISSUE = Structure("Region", Code("85756007", "SCT", "Tissue"), Code("85756007", "SCT", "Tissue"))
"""Something that only has a name."""

KNOWN_STRUCTURES = (LV_ENDOCARDIUM, LV_BLOOD_POOL, LV_EPICARDIUM, LV_MYOCARDIUM, BREAST_MASS)
"""Structures that are recognized by their label, or by the code of their property type, the first one of a code."""


def code_item(code: Code) -> Dataset:
    """The item of a code sequence (PS3.3 section 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item
