# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""INbreast: DICOM mammograms, OsiriX outlines as property lists, one table, and the data list of its masses.

Points are ``Point_px``, strings ``"(x, y)"`` in continuous pixels of the full-resolution image. OsiriX's pixel (c, r)
covers [c, c + 1) x [r, r + 1): its ``convertPixX:pixY:toDICOMCoords:`` subtracts half a pixel on the way to DICOM's
pixel-center positions. That is this package's rule, so points are taken as they are. Programs that fill the same
numbers as pixel indices draw masks half a pixel (0.035 mm) toward the lower right of these.
"""

from __future__ import annotations

import logging
import plistlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from xml.parsers.expat import ExpatError, ParserCreate

import numpy as np
from monai.utils import optional_import

from monai_acdr.data.files import check_regular_file, walk_data_set, walk_files
from monai_acdr.data.image_headers import read_image_header
from monai_acdr.data.report import QualityReport
from monai_acdr.data.splits import Split, halves_by_patient, read_split
from monai_acdr.data.text_files import file_bytes, read_csv_rows
from monai_acdr.read_budget import check_bytes

__all__ = [
    "Archive",
    "InbreastImage",
    "InbreastRoi",
    "InbreastRow",
    "clip_to_image",
    "inbreast_data_list",
    "is_mass",
    "open_archive",
    "open_outline",
    "read_inbreast_rois",
    "read_inbreast_table",
]

MAX_NUMBER_DIGITS = 18
"""Of an image; longer ones are not numbers of INbreast, which have eight."""

_XLS_TIMES = 32
"""Ratio of a spreadsheet's memory to its file size: a cell of 10 bytes is an object of Python."""


@dataclass(frozen=True)
class InbreastRow:
    """One row; empty cells are None.

    Attributes:
        image: ``File Name``, the number that joins image, outlines and row.
        laterality: "L" or "R".
        view: "CC", "MLO", "FB", ...
        birads: ``Bi-Rads``: "1", "2", "3", "4a", "4b", "4c", "5", "6".
        density: ``ACR``, "1" to "4".
    """

    image: str
    laterality: str | None = None
    view: str | None = None
    birads: str | None = None
    density: str | None = None


def read_inbreast_table(path: str | Path) -> list[InbreastRow]:
    """Read the rows that name an image, in order; blank rows and the row of totals are left out.

    Columns may come in any order, and others are ignored. ``.xls`` needs xlrd (``pip install 'xlrd>=2'``).

    Raises:
        FileNotFoundError: when there is no such file.
        ImportError: for ``.xls`` without xlrd.
        ValueError: when it is not such a table.
    """
    path = Path(path)
    check_regular_file(path, "the table of INbreast")
    rows = _xls_rows(path) if path.suffix.lower() == ".xls" else [row for _, row in read_csv_rows(path)]
    header = [_key(cell) for cell in rows[0]] if rows else []
    if "filename" not in header or "birads" not in header:
        raise ValueError(
            f"Expected columns 'File Name' and 'Bi-Rads' in {path}, but got {header[:12]}: "
            "take the table of the INbreast archive."
        )
    return list(_parse(header, rows[1:]))


def _parse(header: list[str], rows: Sequence[Sequence[Any]]) -> Iterator[InbreastRow]:
    for row in rows:
        cells = {name: _text(cell) for name, cell in zip(header, row, strict=False)}
        image = cells.get("filename") or ""
        if image.isascii() and image.isdigit() and len(image) <= MAX_NUMBER_DIGITS:
            side = (cells.get("laterality") or "").upper()
            view = (cells.get("view") or "").upper() or None
            yield InbreastRow(image, side if side in ("L", "R") else None, view, cells.get("birads"), cells.get("acr"))


def _key(cell: Any) -> str:
    """A column's name without case, blanks and signs: ``Bi-Rads`` and ``BIRADS `` are the same."""
    return "".join(character for character in str(cell).lower() if character.isalnum())


def _text(cell: Any) -> str | None:
    """Text of a cell, trimmed; a spreadsheet's numbers are floats, 22678622.0 or 4.0; None when empty."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip() or None


def _xls_rows(path: Path) -> list[list[Any]]:
    check_bytes(path, _XLS_TIMES * path.stat().st_size)
    xlrd, found = optional_import("xlrd")
    if not found:
        raise ImportError(
            f"Expected xlrd to read {path}, but it is not installed: `pip install 'xlrd>=2'`, or put INbreast.csv "
            "beside it."
        )
    try:
        with xlrd.open_workbook(str(path), on_demand=True) as book:
            sheet = book.sheet_by_index(0)
            return [sheet.row_values(number) for number in range(sheet.nrows)]
    except Exception as error:  # xlrd raises nearly anything on damaged files
        raise ValueError(
            f"Expected an Excel 97-2003 workbook, but {path} cannot be read ({type(error).__name__}): save it as CSV."
        ) from error


_OBJECT_TIMES = 16
"""Ratio of a property list's memory to its file size: ``<dict/>`` becomes a dictionary."""

MAX_DEPTH = 32
"""Levels of elements; outlines have 9."""

MAX_ATTRIBUTES = 100
"""Of an element: XML parsers compare each attribute with all others of its element."""

MAX_DIGITS = 1000
"""Of an integer, which Python takes quadratic time to read."""

MAX_COORDINATE = 1e6
"""No image has a pixel this far out; a larger number means the file is something else."""

_NUMBER = r"([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d{1,3})?)"
_POINT = re.compile(rf"\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)", re.ASCII)
_MAX_POINT_CHARACTERS = 100


@dataclass(frozen=True)
class InbreastRoi:
    """One region that a radiologist drew.

    Attributes:
        name: as written, for example ``"Mass "``.
        texts: its points, not parsed yet.
        declared: ``NumberOfPoints``; None when absent or no integer.
        location: file and number of the region, from 1, for messages.
    """

    name: str
    texts: tuple[Any, ...]
    declared: int | None
    location: str

    def vertices(self) -> np.ndarray:
        """(N, 2) float64 points (x, y) in pixels, in order; N may be anything from 0.

        Raises:
            ValueError: when a point is not of the form ``"(x, y)"``.
        """
        points = [self._parse(number, text) for number, text in enumerate(self.texts, start=1)]
        return np.array(points, dtype=np.float64).reshape(-1, 2)

    def _parse(self, number: int, text: Any) -> tuple[float, float]:
        short = isinstance(text, str) and len(text) <= _MAX_POINT_CHARACTERS
        match = _POINT.fullmatch(text.strip()) if short else None
        x, y = map(float, match.groups()) if match else (np.inf, np.inf)
        if not max(abs(x), abs(y)) < MAX_COORDINATE:
            raise ValueError(
                f"Expected point {number} of {self.location} to be '(x, y)', but got {str(text)[:40]!r}: export it "
                "again."
            )
        return x, y


def is_mass(name: str) -> bool:
    """True for ``Mass``, however it is spelled (case, blanks around it); not for ``Spiculated Region``."""
    return name.strip().casefold() == "mass"


def read_inbreast_rois(path: str | Path) -> list[InbreastRoi]:
    """Read all regions of one property list; the first of its ``Images`` counts, as INbreast has one each.

    Entities are neither declared nor expanded, and nothing is fetched: a DOCTYPE with declarations is refused.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when the file is too large, declares entities, is nested deeply, or is not such a property list.
    """
    path = Path(path)
    plist = _load(path, file_bytes(path, "a property list", _OBJECT_TIMES))
    try:
        images = plist["Images"]
        rois = images[0].get("ROIs", []) if images else []
        return [_roi(roi, f"{path}, region {number}") for number, roi in enumerate(rois, start=1)]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"Expected Images > ROIs > Name, Point_px in {path}, but it differs: is it an outline of INbreast?"
        ) from error


def _load(path: Path, data: bytes) -> Any:
    if b"\0" in data:  # UTF-16 or UTF-32
        raise ValueError(
            f"Expected XML in UTF-8, but {path} has another encoding or is binary: export it again as XML."
        )
    try:
        _check_xml(path, data)
        return plistlib.loads(data, fmt=plistlib.FMT_XML)
    except _RefusedXMLError as error:
        raise ValueError(str(error)) from None
    except (ExpatError, plistlib.InvalidFileException, ValueError, LookupError, AttributeError, TypeError) as error:
        raise ValueError(
            f"Expected an XML property list, but {path} is damaged or another kind of file ({str(error)[:100]}): copy "
            "it again."
        ) from error


class _RefusedXMLError(Exception):
    """Error for well-formed XML that is not a usable file; the message is for the user."""


def _check_xml(path: Path, data: bytes) -> None:
    """Parse the file once without building objects, in time proportional to its length.

    Only a parser can locate a declaration reliably: a text search would have to find the end of each candidate.

    Raises:
        ExpatError: when it is not well-formed.
        _RefusedXMLError: when it declares anything, is nested deeply, or has very many attributes or very long numbers.
    """
    # No tag is parsed before this: what follows a sign < up to the next one holds at most one tag.
    if any(part.count(b"=") > MAX_ATTRIBUTES for part in data.split(b"<")):
        raise _RefusedXMLError(f"Expected at most {MAX_ATTRIBUTES} attributes, but {path} has more: copy it again.")
    parser = ParserCreate()
    depth = digits = 0

    def declare(*_: Any) -> None:
        raise _RefusedXMLError(
            f"Expected a plain property list, but {path} declares entities or a document type of its own, which can "
            "exhaust memory or fetch files: take the file from the original archive, and do not open this one."
        )

    def doctype(name: str, system: str | None, public: str | None, has_declarations: int) -> None:
        if has_declarations:
            declare()

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, digits
        depth, digits = depth + 1, 0
        if depth > MAX_DEPTH:
            raise _RefusedXMLError(
                f"Expected at most {MAX_DEPTH} levels of elements, but {path} has more: copy it again."
            )

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        if name == "integer" and digits > MAX_DIGITS:
            raise _RefusedXMLError(
                f"Expected integers of at most {MAX_DIGITS} digits, but {path} has more: copy it again."
            )

    def text(content: str) -> None:
        nonlocal digits
        digits += len(content)

    parser.StartDoctypeDeclHandler, parser.EntityDeclHandler = doctype, declare
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.Parse(data, True)


def _roi(roi: Any, location: str) -> InbreastRoi:
    name, texts, declared = roi.get("Name", ""), roi.get("Point_px", []), roi.get("NumberOfPoints")
    if not isinstance(name, str) or not isinstance(texts, list):
        raise TypeError
    return InbreastRoi(name, tuple(texts), declared if type(declared) is int else None, location)


def open_outline(vertices: np.ndarray) -> np.ndarray:
    """Drop points that repeat the one before, the last one as well where it repeats the first: (N, 2) to (M, 2)."""
    if len(vertices) < 2:
        return vertices
    repeated = np.all(vertices == np.roll(vertices, 1, axis=0), axis=1)
    if repeated.all():
        return vertices[:1]
    # Of a closed outline the last point goes, not the first.
    if repeated[0]:
        repeated[0], repeated[-1] = False, True
    return vertices[~repeated]


def clip_to_image(vertices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Clip a closed polygon to the image, [0, W] x [0, H] (Sutherland and Hodgman 1974).

    The mask within the image is exactly that of the whole polygon. One that leaves the image and comes back gets
    vertices along the border in between.

    Args:
        vertices: (N, 2) points (x, y) in pixels, not closed.
        size: (H, W) of the image.

    Returns:
        (M, 2); the same array when nothing lies outside, (0, 2) when everything does.
    """
    limit = np.array([size[1], size[0]], dtype=np.float64)
    if len(vertices) == 0 or (np.all(vertices >= 0) and np.all(vertices <= limit)):
        return vertices
    for axis in (0, 1):
        for border, sign in ((0.0, 1.0), (limit[axis], -1.0)):
            vertices = _cut(vertices, axis, border, sign)
    return open_outline(vertices)


def _cut(vertices: np.ndarray, axis: int, border: float, sign: float) -> np.ndarray:
    """Keep the half plane sign * (coordinate - border) >= 0."""
    if len(vertices) == 0:
        return vertices
    kept = []
    depths = sign * (vertices[:, axis] - border)
    for point, depth, before, depth_before in zip(
        vertices, depths, np.roll(vertices, 1, axis=0), np.roll(depths, 1), strict=True
    ):
        if (depth >= 0) != (depth_before >= 0):
            crossing = before + (point - before) * (depth_before / (depth_before - depth))
            crossing[axis] = border
            kept.append(crossing)
        if depth >= 0:
            kept.append(point)
    return np.array(kept).reshape(-1, 2)


_IMAGE = re.compile(r"(\d{1,18})_([0-9a-f]{1,64})_MG_([LR])_([A-Z]{1,5})_ANON\.dcm", re.IGNORECASE | re.ASCII)
_OUTLINE = re.compile(r"(\d{1,18})\.xml", re.IGNORECASE | re.ASCII)
_TABLES = ("inbreast.csv", "inbreast.xls")

T = TypeVar("T")


@dataclass(frozen=True)
class InbreastImage:
    """One DICOM file and what its name says; INbreast's names have ``ML`` where the table has ``MLO``."""

    path: Path
    patient: str
    laterality: str
    view: str


@dataclass(frozen=True)
class Archive:
    """Content of the archive, by the number of the image."""

    root: Path
    images: dict[str, InbreastImage]
    outlines: dict[str, Path]
    rows: dict[str, InbreastRow]

    @property
    def numbers(self) -> list[str]:
        """All image numbers, sorted."""
        return sorted(self.images.keys() | self.outlines.keys() | self.rows.keys(), key=lambda text: (int(text), text))


def open_archive(folder: Path, report: QualityReport) -> Archive:
    """Find the archive in ``folder`` or below it, and list it.

    Raises:
        FileNotFoundError: when a folder or the table is absent.
    """
    root = _find_root(folder)
    children = {child.name.lower(): child for child in sorted(root.iterdir())}
    table = next((children[name] for name in _TABLES if name in children), None)
    if "allxml" not in children or table is None:
        raise FileNotFoundError(
            f"Expected AllXML and INbreast.csv or INbreast.xls beside {children['alldicoms']}, but found "
            f"{sorted(child.name for child in children.values())[:12]}: unpack the whole archive."
        )
    rows = _unique(((row.image, row) for row in read_inbreast_table(table)), report)
    outlines = _unique(_outlines(children["allxml"], report), report)
    return Archive(root, _unique(_images(children["alldicoms"], report), report), outlines, rows)


def _find_root(folder: Path) -> Path:
    if not folder.is_dir():
        raise FileNotFoundError(f"Expected the folder of INbreast, but {folder} is not one: check `dataset_dir`.")
    for found, _ in walk_files(folder):
        if any(child.name.lower() == "alldicoms" and child.is_dir() for child in found.iterdir()):
            return found
    raise FileNotFoundError(
        f"Expected AllDICOMs, AllXML and INbreast.csv in {folder}, but found no folder AllDICOMs: unpack the archive "
        "of INbreast ('INbreast Release 1.0') and pass its folder."
    )


def _images(folder: Path, report: QualityReport) -> Iterable[tuple[str, InbreastImage]]:
    for parent, names in walk_data_set(folder, (".dcm",), report):
        for name in names:
            match = _IMAGE.fullmatch(name)
            if match:
                number, patient, side, view = match.groups()
                yield number, InbreastImage(parent / name, patient.lower(), side.upper(), view.upper())
            elif name.lower().endswith(".dcm"):
                report.add("unknown_image_name", name)


def _outlines(folder: Path, report: QualityReport) -> Iterable[tuple[str, Path]]:
    for parent, names in walk_data_set(folder, (".xml",), report):
        for name in names:
            match = _OUTLINE.fullmatch(name)
            if match:
                yield match[1], parent / name


def _unique(pairs: Iterable[tuple[str, T]], report: QualityReport) -> dict[str, T]:
    found: dict[str, T] = {}
    for number, value in pairs:
        if number in found:
            report.add("duplicate_image", number, f"{type(value).__name__}, the first one counts")
        found.setdefault(number, value)
    return found


S = TypeVar("S")

_logger = logging.getLogger(__name__)

_REMARKS = ("contour_clipped", "image_without_row", "laterality_conflict", "point_count", "duplicate_image")
"""Findings about masses that were kept."""


def inbreast_data_list(
    dataset_dir: str | Path,
    group: str | None = None,
    split: str | Path | None = None,
    report: QualityReport | None = None,
) -> list[dict[str, Any]]:
    """List the masses of INbreast, sorted by image and region.

    The folder holds ``AllDICOMs/``, ``AllXML/`` and ``INbreast.csv`` (or ``INbreast.xls``), itself or in a folder
    below it. Images, outlines and rows are joined by the image's number; the patient is known from the file's name
    only. Regions named ``Mass`` count, however spelled. Images without an outline file are normal ones.

    Args:
        dataset_dir: folder of the archive.
        group: "training" or "test", or a group of the split file; None for all.
        split: see :func:`~monai_acdr.data.splits.read_split`; None draws halves of the patients that have
            masses, the same ones everywhere (:func:`~monai_acdr.data.splits.halves_by_patient`).
        report: filled with what was left out, and why, and with counts.

    Returns:
        One dict per mass: ``image`` (path), ``contour`` ((N, 2) float64 vertices (x, y) in pixels of the file, pixel
        (c, r) covering [c, c + 1) x [r, r + 1), not closed, cut off at the image's border), ``name`` (image number and
        region, as in ``22678622-mass1``), ``patient``, ``group``, ``laterality``, ``view``, ``birads``; the last three
        are None where unknown.

    Raises:
        FileNotFoundError: when the folder or something in it is absent.
        ValueError: when no mass is found, a patient would be in two groups, or ``group`` does not occur.
    """
    report = QualityReport() if report is None else report
    archive = open_archive(Path(dataset_dir), report)
    items = [item for number in archive.numbers for item in _masses(archive, number, report)]
    if not items:
        reasons = [f"{finding.subject}: {finding.text}" for finding in report.findings[:1]]
        raise ValueError(
            f"Expected outlines named 'Mass' in AllXML of {archive.root} and images in AllDICOMs, but found none "
            f"(left out: {report.kinds() or 'nothing'}): unpack the whole archive. {' '.join(reasons)}".rstrip()
        )
    items = _assign(items, split, report)
    report.layout = report.layout or "inbreast"
    report.counts |= {
        "images": len(archive.images),
        "normal_images": sum(number not in archive.outlines for number in archive.images),
        "mass_images": len({item["image"] for item in items}),
        "masses": len(items),
        "patients": len({item["patient"] for item in items}),
    }
    report.log(_logger, archive.root, _REMARKS)
    return _of_group(items, group)


def _masses(archive: Archive, number: str, report: QualityReport) -> Iterator[dict[str, Any]]:
    """Items of one image."""
    image, path, row = archive.images.get(number), archive.outlines.get(number), archive.rows.get(number)
    if image is None:
        report.add("annotation_without_image", number, "no DICOM file" if path is None else f"no DICOM for {path.name}")
        return
    if row is None:
        report.add("image_without_row", image.path.name)
    elif row.laterality not in (None, image.laterality):
        report.add("laterality_conflict", image.path.name, f"the table says {row.laterality}")
    if path is None:
        return
    rois = _attempt(read_inbreast_rois, path, "invalid_annotation", path.name, report) or []
    rois = [roi for roi in rois if is_mass(roi.name)]
    header = _attempt(read_image_header, image.path, "invalid_image", image.path.name, report) if rois else None
    if header is None:
        return
    for index, roi in enumerate(rois, start=1):
        name = f"{number}-mass{index}"
        contour = _contour(roi, name, header.size, report)
        if contour is not None:
            yield _item(name, image, row, contour)


def _item(name: str, image: InbreastImage, row: InbreastRow | None, contour: np.ndarray) -> dict[str, Any]:
    return {
        "image": str(image.path),
        "contour": contour,
        "name": name,
        "patient": image.patient,
        "laterality": image.laterality,
        "view": (row.view if row else None) or image.view,
        "birads": row.birads if row else None,
    }


def _contour(roi: InbreastRoi, name: str, size: tuple[int, int], report: QualityReport) -> np.ndarray | None:
    """Vertices within the image; None, with a finding, when they enclose nothing there."""
    vertices = _attempt(InbreastRoi.vertices, roi, "invalid_contour", name, report)
    if vertices is None:
        return None
    if roi.declared not in (None, len(vertices)):
        report.add("point_count", name, f"says {roi.declared}, has {len(vertices)}")
    vertices = open_outline(vertices)
    if len(np.unique(vertices, axis=0)) < 3:
        report.add("too_few_points", name, f"{len(vertices)} points")
        return None
    inside = clip_to_image(vertices, size)
    if len(inside) < 3 or np.ptp(inside, axis=0).min() == 0:
        report.add("contour_outside", name, f"the image has {size[0]} x {size[1]} (H x W)")
        return None
    if inside is not vertices:
        outside = np.any((vertices < 0) | (vertices > (size[1], size[0])), axis=1)
        report.add("contour_clipped", name, f"{int(outside.sum())} of {len(vertices)} points were outside")
    return inside


def _attempt(read: Callable[[S], T], source: S, kind: str, subject: str, report: QualityReport) -> T | None:
    """Result of ``read(source)``; None, with a finding, when it raises."""
    try:
        return read(source)
    except (OSError, ValueError) as error:
        report.add(kind, subject, str(error))
        return None


def _assign(items: Sequence[dict[str, Any]], path: str | Path | None, report: QualityReport) -> list[dict[str, Any]]:
    """Write the group into each item; leave out those that the split does not name."""
    split = halves_by_patient(item["patient"] for item in items) if path is None else read_split(path)
    kept, groups = [], defaultdict[str, set[str]](set)
    for item in items:
        item["group"] = split.group_of(_keys(item))
        if item["group"] is None:
            report.add("not_in_split", item["name"])
        else:
            kept.append(item)
            groups[item["patient"]].add(item["group"])
    mixed = sorted(patient for patient, found in groups.items() if len(found) > 1)
    if mixed:
        raise ValueError(
            f"Expected each patient in one group, but {path} puts {mixed[:3]} into several: results would be too good; "
            "move all images of a patient to one group."
        )
    _check_named(split, items, report)
    if not kept:
        raise ValueError(f"Expected {path} to name patients or images of the data set, but it names none of them.")
    return kept


def _keys(item: Mapping[str, Any]) -> list[str]:
    """Names by which a split file may refer to a mass: itself, its image, its patient."""
    return [item["name"], item["name"].split("-")[0], item["patient"]]


def _check_named(split: Split, items: Sequence[Mapping[str, Any]], report: QualityReport) -> None:
    known = {key for item in items for key in _keys(item)}
    for key in split.groups:
        if key not in known:
            report.add("patient_absent", key, "is in the split file, but has no mass here")


def _of_group(items: list[dict[str, Any]], group: str | None) -> list[dict[str, Any]]:
    chosen = [item for item in items if group in (None, item["group"])]
    if not chosen:
        raise ValueError(f"Expected `group` to be one of {sorted({i['group'] for i in items})}, but got {group!r}.")
    return chosen
