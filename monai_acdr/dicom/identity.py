# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Identity of a result: patient and study from the source, equipment and algorithm from this package."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from monai_acdr import __version__
from monai_acdr.dicom.elements import items, text

__all__ = [
    "Algorithm",
    "copy_identity",
    "long_string",
    "new_result",
    "new_uid",
    "repeatable_uids",
    "without_identity",
]

_REQUIRED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
)
"""Patient and General Study modules (PS3.3 C.7.1.1 and C.7.2.1), type 1 and 2: written even when empty."""

_OPTIONAL = (
    *("IssuerOfPatientID", "QualityControlSubject", "PatientIdentityRemoved"),
    *("DeidentificationMethod", "DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified"),
    *("StudyDescription", "IssuerOfAccessionNumberSequence", "PatientAge", "PatientSize", "PatientWeight"),
)

CHARACTER_SET = "ISO_IR 192"
"""UTF-8: that of the source, or none, may lack a letter of a structure's label. pydicom writes copied values anew."""

_FORMATS = {
    "PatientBirthDate": r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])",
    "StudyDate": r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])",
    "StudyTime": r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?",
    "PatientSex": r"[MFO]",
    "PatientAge": r"\d{3}[DWMY]",
    **dict.fromkeys(("PatientSize", "PatientWeight"), r"\d{1,8}(\.\d*)?"),
}
"""Anonymizers leave dates such as 20120000, which no validator and few viewers accept: such values are left empty."""


LONGEST_NAME = 64
"""Characters of a value of VR LO, and of each of the three groups of one of VR PN (PS3.5 6.2)."""


def long_string(text: str, longest: int = LONGEST_NAME) -> str:
    """Text as one value of VR LO or SH (PS3.5 6.2): without backslashes, which separate values, and control characters.

    Args:
        text: any text.
        longest: characters of the result, at most.
    """
    return re.sub(r"[\\\x00-\x1f\x7f-\x9f]", " ", text).strip()[:longest].rstrip()


@dataclass(frozen=True)
class Algorithm:
    """Producer of the contours, written as equipment and as algorithm identification.

    Texts are kept as far as DICOM can hold them (:func:`long_string`): bundles may have any name.

    Attributes:
        name: of the algorithm, such as the bundle's name.
        version: of the algorithm, such as the bundle's version.
        parameters: settings worth keeping, name to value.
        manufacturer: of the software.
        model_name: of the software.
        software_version: of the software.
        reader: name of the person who corrected or accepted the contours, as given; empty where nobody did. It is
            written as operator, content creator, reviewer and observer.
    """

    name: str = "monai_acdr"
    version: str = __version__
    parameters: tuple[tuple[str, str], ...] = ()
    manufacturer: str = "monai_acdr"
    model_name: str = "monai_acdr"
    software_version: str = __version__
    reader: str = ""

    def __post_init__(self) -> None:
        for key in ("name", "version", "manufacturer", "model_name", "software_version"):
            object.__setattr__(self, key, long_string(getattr(self, key)) or "unknown")
        object.__setattr__(self, "reader", long_string(self.reader, 3 * LONGEST_NAME + 2))

    family = Code("123110", "DCM", "Artificial Intelligence")
    """CID 7162."""

    @property
    def device_uid(self) -> UID:
        """UID of this version of the software, as the observer of a report; the same everywhere."""
        return generate_uid(
            entropy_srcs=["monai_acdr device", self.manufacturer, self.model_name, self.software_version]
        )

    @property
    def serial_number(self) -> str:
        """DeviceSerialNumber, which segmentations require; for software it is the version."""
        return self.software_version


_seeded: ContextVar[Iterator[UID] | None] = ContextVar("_seeded", default=None)


@contextmanager
def repeatable_uids(seed: str) -> Iterator[None]:
    """Derive new UIDs within the block from the seed and their order, so that repeating a run gives the same results.

    An archive treats an instance with a known UID as a copy, and one with a new UID as another result.

    Args:
        seed: everything that the results depend on, such as the hashes of images and weights.
    """

    def uids() -> Iterator[UID]:
        number = 0
        while True:
            number += 1
            digest = bytearray(hashlib.sha256(f"{seed} {number}".encode()).digest()[:16])
            digest[6], digest[8] = digest[6] & 0x0F | 0x80, digest[8] & 0x3F | 0x80  # a UUID of version 8 (RFC 9562)
            yield UID(f"2.25.{int.from_bytes(digest, 'big')}")

    token = _seeded.set(uids())
    try:
        yield
    finally:
        _seeded.reset(token)


def new_uid() -> UID:
    """A new UID under 2.25 (PS3.5 B.2): random, or that of :func:`repeatable_uids`."""
    seeded = _seeded.get()
    return generate_uid(prefix=None) if seeded is None else next(seeded)


def copy_identity(source: Dataset, target: Dataset) -> None:
    """Copy the modules of patient and study, name by name: a result belongs to its source's study.

    Dates, times, ages, sexes, sizes and weights that are not valid are left empty, private elements out. Text is
    converted to UTF-8, whatever the character set of the source.
    """
    target.SpecificCharacterSet = CHARACTER_SET
    for keyword in (*_REQUIRED, *_OPTIONAL):
        pattern, value = _FORMATS.get(keyword), source.get(keyword)
        valid = value not in (None, "") and (pattern is None or re.fullmatch(pattern, str(value).strip()) is not None)
        if valid:
            target[keyword] = copy.deepcopy(source[keyword])
            if target[keyword].VR == "SQ":
                for item in target[keyword].value:
                    item.remove_private_tags()
        elif keyword in _REQUIRED:
            setattr(target, keyword, "")
        elif keyword in target:
            del target[keyword]


def without_identity(source: Dataset) -> Dataset:
    """A header for other libraries, without the patient's name and dates, because their checks log values."""
    header = Dataset()
    for element in source:
        header.add(
            copy.copy(element)
        )  # setting an attribute changes the element itself, which must not be the source's
    header.file_meta = source.file_meta
    for keyword in (*_REQUIRED, *_OPTIONAL, "SpecificCharacterSet"):
        if keyword != "StudyInstanceUID" and keyword in header:
            del header[keyword]
    for keyword in _REQUIRED:
        if keyword not in ("StudyInstanceUID", "PatientID"):
            setattr(header, keyword, "")
    header.PatientID = ""
    for keyword in _REFERENCES:
        if keyword in header and not _replace_references(header, keyword):
            del header[keyword]
    return header


_REFERENCES = ("ReferencedStudySequence", "ReferencedPatientSequence")
"""Sequences that highdicom copies: many scanners write them without items, or items without the two UIDs."""


def _replace_references(header: Dataset, keyword: str) -> bool:
    """Replace a sequence of references by one with the valid ones, and nothing else; whether there are any."""
    kept = []
    for item in items(header, keyword, ""):
        uids = text(item, "ReferencedSOPClassUID"), text(item, "ReferencedSOPInstanceUID")
        if all(uids):
            reference = Dataset()
            reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = uids
            kept.append(reference)
    header[keyword] = DataElement(tag_for_keyword(keyword) or 0, "SQ", DicomSequence(kept))
    return bool(kept)


def new_result(
    sop_class: UID,
    modality: str,
    source: Dataset,
    algorithm: Algorithm,
    series_number: int,
    description: str,
    transfer_syntax: UID = ExplicitVRLittleEndian,
) -> FileDataset:
    """An empty result in a new series of the source's study.

    Args:
        sop_class: of the result.
        modality: of the result.
        source: header of a source instance.
        algorithm: what made it.
        series_number: of the new series, positive.
        description: SeriesDescription; at most 64 characters.
        transfer_syntax: uncompressed and little endian.
    """
    instance, now = new_uid(), datetime.now()
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, instance
    meta.TransferSyntaxUID = transfer_syntax
    meta.ImplementationClassUID = generate_uid(entropy_srcs=["monai_acdr implementation"])
    meta.ImplementationVersionName = "MONAI_ACDR"
    implicit = transfer_syntax.is_implicit_VR
    result = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128, is_implicit_VR=implicit, is_little_endian=True)
    copy_identity(source, result)
    result.SOPClassUID, result.SOPInstanceUID = sop_class, instance
    result.InstanceCreationDate, result.InstanceCreationTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    result.Modality, result.SeriesInstanceUID, result.SeriesNumber = modality, new_uid(), series_number
    result.SeriesDescription, result.InstanceNumber, result.OperatorsName = description, 1, algorithm.reader
    result.Manufacturer, result.ManufacturerModelName = algorithm.manufacturer, algorithm.model_name
    result.SoftwareVersions = algorithm.software_version
    return result
