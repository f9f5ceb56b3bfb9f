# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The studies of a source: a folder tree of any shape, a list, or a DICOMweb server.

The headers of a folder tree are kept in ``index.sqlite``, because for a large cohort reading them takes longer than
anything else: when the run is started again, only files that are new or have another size or time are read. The index
names patients, so only its owner can read it.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from monai_acdr.apps.cohort.study import Study, numbered_names
from monai_acdr.apps.study_files import DICOM_SUFFIXES, is_result
from monai_acdr.data.files import walk_files
from monai_acdr.data.image_headers import is_dicom_file
from monai_acdr.data.nifti import is_nifti
from monai_acdr.data.pictures import SUFFIXES
from monai_acdr.data.text_files import file_text, read_table
from monai_acdr.dicom import DicomWeb
from monai_acdr.dicom.elements import text
from monai_acdr.dicom.files import load_dataset
from monai_acdr.files import lock_folder

__all__ = ["Part", "Sources", "find_studies", "parse_part", "parse_queries"]

INDEX = "index"
"""Folder of the index within the run's folder; locked while a tree is read."""
_BATCH = 1000
"""Number of files after which the index is written, so that a killed scan continues from there."""
_WAIT_SECONDS = 7 * 24 * 3600.0
_KEYWORDS = ("PatientID", "StudyInstanceUID", "SOPInstanceUID")
_TABLE = """CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER, time INTEGER, kind TEXT, patient TEXT, study TEXT, reason TEXT, scan INTEGER
) WITHOUT ROWID"""
_NAMES = "CREATE TABLE IF NOT EXISTS names (path TEXT PRIMARY KEY, study TEXT, name TEXT) WITHOUT ROWID"
"""Names of the files in results and messages, which do not identify a patient."""
_COLUMNS = ("study", "path")
"""Possible names of the column with the studies in a list."""
_URL = ("http://", "https://")


@dataclass(frozen=True)
class Part:
    """A share of the studies, the same on every machine, whatever else is in the source.

    Attributes:
        number: number of the part, from 1.
        count: number of parts.
    """

    number: int = 1
    count: int = 1

    def has(self, study: Study) -> bool:
        """Whether a study is in this part: its hash modulo the number of parts is that of the part."""
        digest = hashlib.sha256(study.identity.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1


def parse_part(part: str) -> Part:
    """Parse a part such as ``3/16``.

    Raises:
        ValueError: for anything but two whole numbers of which the first is from 1 to the second.
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", part.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"Expected a part such as 3/16, the third of 16 (counted from 1), but got {part!r}.")
    return Part(int(match[1]), int(match[2]))


def parse_queries(queries: Sequence[str]) -> dict[str, str]:
    """Filters of QIDO-RS, ``KEYWORD=VALUE``, by keyword; Modality matches any series of a study.

    Raises:
        ValueError: for another form, or a repeated keyword.
    """
    filters: dict[str, str] = {}
    for query in queries:
        key, equals, value = (part.strip() for part in query.partition("="))
        if not re.fullmatch(r"[A-Za-z]{2,64}|[0-9A-Fa-f]{8}", key) or not equals or not value:
            raise ValueError(
                f"Expected a filter such as Modality=MR or StudyDate=20240101-20241231, but got {query!r}."
            )
        key = "ModalitiesInStudy" if key == "Modality" else key
        if key in filters:
            raise ValueError(f"Expected one value for each keyword of --query, but {key} has two: run twice.")
        filters[key] = value
    return filters


@dataclass
class Sources:
    """The studies of a source.

    Attributes:
        studies: the studies, sorted by identity, each once.
        left_out: reason why files of a folder tree are in no study -> number of files.
    """

    studies: list[Study]
    left_out: dict[str, int] = field(default_factory=dict)


def find_studies(
    source: str | os.PathLike[str],
    folder: Path,
    queries: Mapping[str, str] | None = None,
    say: Callable[[str], None] | None = None,
) -> Sources:
    """Find the studies of a source.

    Args:
        source: a folder, in which DICOM files are grouped by patient and StudyInstanceUID wherever they are, each
            NIfTI file is a study, and the pictures of each folder without DICOM files are one study; a list (.csv with
            a column ``study`` or ``path``, other files with a study per line) of files, folders and URLs of studies,
            relative to its folder; one file; or the URL of a DICOMweb server.
        folder: folder of the run, for the index.
        queries: filters for a server, as returned by :func:`parse_queries`.
        say: called with the progress of reading a tree.

    Raises:
        FileNotFoundError: when there is no such path.
        ValueError: when no study is found, a list has no column of studies, or filters are given for another source.
        monai_acdr.dicom.DicomWebError: when the server does not answer the query.
    """
    name = os.fspath(source)
    if name.lower().startswith(_URL):
        sources = Sources(_remote_studies(name, queries or {}))
    elif queries:
        raise ValueError(f"Expected filters for a DICOMweb server only, but {name} is not one: leave out --query.")
    elif Path(name).is_dir():
        sources = _tree_studies(Path(name).absolute(), folder, say or _ignore)
    elif _is_list(Path(name)):
        sources = Sources(_listed_studies(Path(name).absolute()))
    else:
        if not Path(name).exists():
            raise FileNotFoundError(
                f"Expected a folder, a list or a server, but {name} does not exist: check the path."
            )
        sources = Sources([Study(str(Path(name).absolute()), Path(name).name)])
    unique = {study.identity: study for study in sources.studies}
    if not unique:
        reasons = "; ".join(f"{count} file(s): {reason}" for reason, count in sources.left_out.items())
        raise ValueError(f"Expected studies in {name}, but found none ({reasons or 'it is empty'}): check the source.")
    sources.studies = [unique[identity] for identity in sorted(unique)]
    return sources


def _remote_studies(url: str, queries: Mapping[str, str]) -> list[Study]:
    server = DicomWeb(url)
    return [
        Study(f"{server.url}/studies/{study.uid}", study.uid, study.patient_id, study.uid, kind="url")
        for study in server.find_studies(queries)
    ]


def _is_list(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in (".csv", ".txt", ".list", ".lst")


def _listed_studies(path: Path) -> list[Study]:
    if path.suffix.lower() == ".csv":
        rows = read_table(path)
        column = next((name for name in _COLUMNS if rows and name in rows[0]), None)
        if column is None:
            raise ValueError(
                f"Expected a column {' or '.join(_COLUMNS)} in {path}, with the path of each study: add it."
            )
        names = [row.get(column, "") for row in rows]
    else:
        lines = file_text(path, "a list of studies").splitlines()
        names = [line.strip() for line in lines if not line.lstrip().startswith("#")]
    studies = []
    for name in filter(None, names):
        if name.lower().startswith(_URL):
            studies.append(Study(name, name, kind="url"))
            continue
        place = os.path.normpath(path.parent / name)  # different spellings of a path are one study
        studies.append(Study(place, os.path.relpath(place, path.parent)))
    return studies


def _tree_studies(root: Path, folder: Path, say: Callable[[str], None]) -> Sources:
    with lock_folder(folder / INDEX, wait=_WAIT_SECONDS) as locked:  # parts of a run that start at once take turns
        path = locked / "index.sqlite"
        path.touch(mode=0o600)
        with closing(sqlite3.connect(path)) as database:
            database.execute(_TABLE)
            database.execute(_NAMES)
            _scan(root, folder, database, say)
            return _grouped(root, database)


def _scan(root: Path, output: Path, database: sqlite3.Connection, say: Callable[[str], None]) -> None:
    """Bring the index up to date with the tree."""
    (scan,) = database.execute("SELECT COALESCE(MAX(scan), 0) + 1 FROM files").fetchone()
    known = "UPDATE files SET scan = ? WHERE path = ? AND size = ? AND time = ?"
    reported, total, read = time.monotonic(), 0, 0
    no_files: list[Path] = []
    for place, names in walk_files(root, no_files):
        if place == output or output in place.parents:
            continue
        for name in names:
            file, total = place / name, total + 1
            key = file.relative_to(root).as_posix()
            try:
                status = file.stat()
            except OSError:  # deleted since it was listed
                continue
            state = status.st_size, status.st_mtime_ns
            if not database.execute(known, (scan, key, *state)).rowcount:  # new, or changed
                read += 1
                row = (key, *state, *_header(file, key), scan)
                database.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            if total % _BATCH == 0:
                database.commit()
                if time.monotonic() - reported > 60:
                    reported = time.monotonic()
                    say(f"{total} files found, {read} headers read")
    lost = [file.relative_to(root).as_posix() for file in no_files if output not in file.parents]
    rows = [(key, 0, 0, *_NO_FILE, scan) for key in lost]
    database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    database.execute("DELETE FROM files WHERE scan <> ?", (scan,))
    database.commit()


_NO_FILE = ("", "", "", "not a file that can be read, such as a broken link")


def _header(file: Path, key: str) -> tuple[str, str, str, str]:
    """Kind, patient and study of a file, and the reason when it is in no study."""
    try:
        if is_nifti(file):
            return "nifti", "", key, ""
        if not is_dicom_file(file):
            if file.suffix.lower() in SUFFIXES:
                return "pictures", "", os.path.dirname(key), ""
            return "", "", "", "a damaged DICOM file" if file.suffix.lower() in DICOM_SUFFIXES else "no image"
        if file.name == "DICOMDIR":
            return "", "", "", "a directory of files"
        if is_result(file):
            return "", "", "", "a result, not an image"
        header = load_dataset(file, header_only=True, keywords=_KEYWORDS)
        patient, study, instance = (text(header, keyword) for keyword in _KEYWORDS)
        if not study or not instance:
            return "", "", "", "a DICOM file without StudyInstanceUID or SOPInstanceUID"
        return "dicom", patient, study, ""
    except (OSError, ValueError):
        return "", "", "", "a header that cannot be read"


def _grouped(root: Path, database: sqlite3.Connection) -> Sources:
    with_dicom = {os.path.dirname(path) for (path,) in database.execute("SELECT path FROM files WHERE kind = 'dicom'")}
    studies: list[Study] = []
    reasons: Counter[str] = Counter()
    database.execute("DELETE FROM names")
    for kind, patient, study, files, newest in _groups(database):
        if kind == "pictures" and study in with_dicom:
            reasons["a picture beside DICOM files"] += len(files)
        elif kind:
            place = os.path.commonpath([os.path.dirname(file) for file in files]) if kind != "nifti" else files[0]
            paths = tuple(str(root / file) for file in files)
            uid = study if kind == "dicom" else ""
            studies.append(Study(str(root / place), place or ".", patient, uid, paths, kind, newest))
            names = numbered_names(studies[-1])
            rows = [(file, study, names[path]) for file, path in zip(files, paths, strict=True)]
            database.executemany("INSERT INTO names VALUES (?, ?, ?)", rows)
    database.commit()
    for reason, count in database.execute("SELECT reason, COUNT(*) FROM files WHERE kind = '' GROUP BY reason"):
        reasons[reason] += count
    return Sources(studies, dict(reasons))


def _groups(database: sqlite3.Connection) -> Iterator[tuple[str, str, str, list[str], int]]:
    """Kind, patient, study, files and time of the newest file, per study."""
    order = "SELECT kind, patient, study, path, time FROM files WHERE kind <> '' ORDER BY kind, patient, study, path"
    for (kind, patient, study), group in groupby(database.execute(order), key=itemgetter(0, 1, 2)):
        rows = list(group)
        yield kind, patient, study, [path for *_, path, _ in rows], max(time for *_, time in rows)


def _ignore(_text: str) -> None:
    """No-op progress callback."""
