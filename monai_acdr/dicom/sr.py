# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Measurements as a Comprehensive 3D SR of template TID 1500 (PS3.16), built with highdicom."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydicom.sr.coding import Code

from monai_acdr.dicom.elements import quiet_values, text
from monai_acdr.dicom.files import check_target, choose_transfer_syntax, save_dataset
from monai_acdr.dicom.identity import Algorithm, copy_identity, new_uid, without_identity
from monai_acdr.dicom.regions import LV_ENDOCARDIUM, LV_MYOCARDIUM, Region, Structure, as_regions, iterate_contours
from monai_acdr.dicom.source import SourceFrame, check_sources
from monai_acdr.dicom.toolkit import require_highdicom, source_errors
from monai_acdr.geometry import signed_area

__all__ = [
    "MEASURES",
    "VOLUMES",
    "WALL",
    "SrOptions",
    "clip_polygon",
    "write_sr",
]


def clip_polygon(vertices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The part of a polygon (K, 2) within [0, W] x [0, H], by Sutherland and Hodgman (1974).

    Where a concave polygon falls into pieces, the pieces stay joined along the border. A polygon within the image is
    returned as it is, one outside of it as (0, 2).
    """
    height, width = size
    if vertices.min() >= 0 and np.all(vertices <= [width, height]):
        return vertices
    for axis, limit in ((0, width), (1, height)):
        vertices = _cut(vertices, axis, 0.0, 1.0)
        vertices = _cut(vertices, axis, float(limit), -1.0)
    return vertices


def _cut(vertices: np.ndarray, axis: int, limit: float, sign: float) -> np.ndarray:
    """Keep where ``sign * (coordinate - limit) >= 0``."""
    kept: list[np.ndarray] = []
    inside = sign * (vertices[:, axis] - limit) >= 0 if len(vertices) else np.zeros(0, dtype=bool)
    for index, vertex in enumerate(vertices):
        previous = vertices[index - 1]
        if inside[index] != inside[index - 1]:
            share = (limit - previous[axis]) / (vertex[axis] - previous[axis])
            crossing = previous + share * (vertex - previous)
            crossing[axis] = limit  # not a rounding error beyond it
            kept.append(crossing)
        if inside[index]:
            kept.append(vertex)
    return np.array(kept).reshape(-1, 2)


_MM = Code("mm", "UCUM", "millimeter")
_ML = Code("ml", "UCUM", "milliliter")

MEASURES: dict[str, tuple[Code, Code]] = {
    "area_mm2": (Code("42798000", "SCT", "Area"), Code("mm2", "UCUM", "square millimeter")),
    "longest_diameter_mm": (Code("103339001", "SCT", "Long axis"), _MM),
    "perpendicular_diameter_mm": (Code("103340004", "SCT", "Short axis"), _MM),
    "perimeter_mm": (Code("131191004", "SCT", "Perimeter"), _MM),
}
"""Measures of a contour: name -> concept and unit."""

VOLUMES: dict[str, tuple[Code, Code]] = {
    "edv_ml": (Code("8821-1", "LN", "Left Ventricular ED Volume"), _ML),
    "esv_ml": (Code("8823-7", "LN", "Left Ventricular ES Volume"), _ML),
    "stroke_volume_ml": (Code("90096001", "SCT", "Stroke Volume"), _ML),
    "ejection_fraction_percent": (Code("70822001", "SCT", "Cardiac ejection fraction"), Code("%", "UCUM", "Percent")),
}
"""Measures of a ventricle: name -> concept and unit."""

WALL: dict[str, tuple[Code, Code]] = {
    "mass_g": (Code("18087-7", "LN", "Left Ventricle Mass"), Code("g", "UCUM", "gram")),
    "mean_thickness_mm": (Code("122445", "DCM", "Wall Thickness"), _MM),
}
"""Measures of a ventricle's wall at end-diastole: name -> concept (CID 12203 and PS3.16 Annex D) and unit."""

_DERIVATIONS = {"mean_thickness_mm": Code("373098007", "SCT", "Mean")}
"""Derivation of a value, of CID 7464."""

_PROCEDURES = {
    "MR": Code("241620005", "SCT", "Cardiac MRI"),
    "MG": Code("71651007", "SCT", "Mammography"),
}
_IMAGING = Code("363679005", "SCT", "Imaging")


@dataclass(frozen=True)
class SrOptions:
    """How :func:`write_sr` writes a structured report.

    Attributes:
        coordinates: ``image`` (SCOORD, in pixels of the named image) or ``patient`` (SCOORD3D, mm, which names no
            image, so phases of a cine series cannot be distinguished).
        structure: the structure that plain contours outline.
        algorithm: what made them; by default this package.
        procedure: code of the imaging procedure; by default from the modality.
        series_number: of the new series.
        overwrite: replace an existing file.

    Raises:
        ValueError: for other coordinates.
    """

    coordinates: str = "image"
    structure: Structure | None = None
    algorithm: Algorithm | None = None
    procedure: Code | None = None
    series_number: int = 903
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.coordinates not in ("image", "patient"):
            raise ValueError(f"Expected `coordinates` to be 'image' or 'patient', but got {self.coordinates!r}.")


def write_sr(
    path: str | os.PathLike[str],
    contours: Sequence[Any],
    sources: Sequence[SourceFrame],
    measures: Sequence[Mapping[str, float] | None] | None = None,
    volumes: Mapping[str, float] | None = None,
    wall: Mapping[str, float] | None = None,
    *,
    options: SrOptions | None = None,
    **shortcuts: Any,
) -> Path:
    """Write a planar ROI measurement group for each contour, and groups for the ventricle's volumes and its wall.

    In image coordinates contours are clipped to their image; values are those of the whole contour.

    Args:
        path: file to write; nothing about the patient is added to its name.
        contours: see :func:`as_regions`.
        sources: frames of one study.
        measures: names of :data:`MEASURES` to values, for each contour in the order of :func:`iterate_contours`. The
            area is added where the spacing is known and none is given.
        volumes: names of :data:`VOLUMES` to values.
        wall: names of :data:`WALL` to values at end-diastole.
        options: coordinates, algorithm, series and the like.
        **shortcuts: fields of :class:`SrOptions` by their names, instead of those of ``options``:
            ``write_sr(path, contours, sources, coordinates="patient")``.

    Returns:
        The path.

    Raises:
        FileExistsError: when the file exists and `overwrite` is false.
        TypeError: for a shortcut that is not a field of SrOptions.
        ImportError: when highdicom cannot be imported.
        ValueError: for contours, sources, names or values that do not fit.
    """
    options = replace(options or SrOptions(), **shortcuts)
    path, coordinates = check_target(path, options.overwrite), options.coordinates
    algorithm = options.algorithm or Algorithm()
    check_sources(sources)
    if coordinates == "patient" and not all(source.has_place for source in sources):
        raise ValueError("Expected images with a frame of reference for patient coordinates: pass coordinates='image'.")
    regions = _without_holes(as_regions(contours, sources, options.structure))
    values = _values(regions, sources, measures)
    highdicom = require_highdicom("Writing a structured report")
    with quiet_values(), source_errors("a structured report", sources[0].path, "leave out --sr"):
        groups = [
            _planar_group(highdicom, region, sources[index], vertices, numbers, coordinates, algorithm)
            for (region, index, vertices), numbers in zip(iterate_contours(regions), values, strict=True)
        ]
        report = highdicom.sr.MeasurementReport(
            observation_context=_observer(highdicom, algorithm),
            procedure_reported=options.procedure or _procedure(sources[0]),
            imaging_measurements=[*groups, *_heart_groups(highdicom, volumes, wall, algorithm)],
        )
        used = {source.key[0]: without_identity(source.header) for source in sources}
        result = highdicom.sr.Comprehensive3DSR(
            evidence=list(used.values()),
            content=report,
            series_instance_uid=new_uid(),
            series_number=options.series_number,
            sop_instance_uid=new_uid(),
            instance_number=1,
            manufacturer=algorithm.manufacturer,
            manufacturer_model_name=algorithm.model_name,
            software_versions=algorithm.software_version,
            series_description="Measurements",
            is_complete=True,
            is_final=False,
            is_verified=False,
            transfer_syntax_uid=choose_transfer_syntax(_lengths(regions, sources, coordinates)),
        )
        copy_identity(sources[0].header, result)
        return save_dataset(result, path, options.overwrite)


def _without_holes(regions: list[Region]) -> list[Region]:
    if any(region.has_holes for region in regions):
        raise ValueError(
            "Expected contours without holes for a structured report, whose regions have none: write RTSTRUCT or SEG."
        )
    return regions


def _procedure(source: SourceFrame) -> Code:
    return _PROCEDURES.get(text(source.header, "Modality"), _IMAGING)


def _lengths(regions: Sequence[Region], sources: Sequence[SourceFrame], coordinates: str) -> Iterator[int]:
    """Bytes of the coordinates of each contour, float32, its first vertex repeated."""
    for _, index, vertices in iterate_contours(regions):
        if coordinates == "image":
            yield 8 * (len(clip_polygon(vertices, sources[index].size)) + 1)
        else:
            yield 12 * (len(vertices) + 1)


def _values(
    regions: Sequence[Region], sources: Sequence[SourceFrame], measures: Sequence[Mapping[str, float] | None] | None
) -> list[dict[str, float]]:
    """Values of each contour, checked, the area among them."""
    drawn = list(iterate_contours(regions))
    given = [None] * len(drawn) if measures is None else list(measures)
    if len(given) != len(drawn):
        raise ValueError(f"Expected `measures` for each of the {len(drawn)} contours, but got {len(given)}.")
    result = []
    for (_, index, vertices), numbers in zip(drawn, given, strict=True):
        spacing, merged = sources[index].spacing, dict(numbers or {})
        if spacing is not None and "area_mm2" not in merged:
            merged = {"area_mm2": area(vertices, spacing), **merged}
        _check_numbers(merged, MEASURES, "measures")
        result.append(merged)
    return result


def area(vertices: np.ndarray, spacing: tuple[float, float]) -> float:
    """Area in mm2 of a polygon (K, 2) in pixels of (row, column) spacing in mm."""
    return abs(float(signed_area(torch.from_numpy(vertices)))) * spacing[0] * spacing[1]


def _check_numbers(numbers: Mapping[str, float], known: Mapping[str, Any], name: str) -> None:
    unknown = sorted(set(numbers) - set(known))
    if unknown:
        raise ValueError(f"Expected names of `{name}` to be of {sorted(known)}, but got {unknown}.")
    if not all(math.isfinite(value) for value in numbers.values()):
        raise ValueError(f"Expected finite numbers in `{name}`, but got {dict(numbers)}: leave out what is not known.")


def _measurements(highdicom: Any, numbers: Mapping[str, float], known: Mapping[str, tuple[Code, Code]]) -> list[Any]:
    return [
        highdicom.sr.Measurement(
            name=known[key][0], value=_short(value), unit=known[key][1], derivation=_DERIVATIONS.get(key)
        )
        for key, value in numbers.items()
    ]


def _short(value: float) -> float:
    """Nine digits: a decimal string has 16 characters."""
    return float(f"{value:.9g}")


def _algorithm(highdicom: Any, algorithm: Algorithm) -> Any:
    return highdicom.sr.AlgorithmIdentification(
        name=algorithm.name,
        version=algorithm.version,
        parameters=[f"{name}={value}" for name, value in algorithm.parameters] or None,
    )


def _planar_group(
    highdicom: Any,
    region: Region,
    source: SourceFrame,
    vertices: np.ndarray,
    numbers: Mapping[str, float],
    coordinates: str,
    algorithm: Algorithm,
) -> Any:
    """TID 1410 of one contour, its first vertex repeated at the end."""
    sr = highdicom.sr
    if coordinates == "image":
        vertices = clip_polygon(vertices, source.size)
        if len(vertices) < 3:
            raise ValueError(f"Expected contours on their images, but one lies outside of {source.path}: leave it out.")
    closed = np.concatenate([vertices, vertices[:1]])
    if coordinates == "image":
        image = sr.SourceImageForRegion(
            referenced_sop_class_uid=str(source.header.SOPClassUID),
            referenced_sop_instance_uid=str(source.header.SOPInstanceUID),
            referenced_frame_numbers=[source.frame] if source.num_frames > 1 else None,
        )
        drawn = sr.ImageRegion(graphic_type="POLYLINE", graphic_data=closed, source_image=image)
    else:
        reference = str(source.frame_of_reference)
        drawn = sr.ImageRegion3D("POLYGON", source.to_world(closed), frame_of_reference_uid=reference)
    structure = region.structure
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=str(region.tracking_uid), identifier=structure.label),
        referenced_region=drawn,
        finding_type=structure.property_type,
        finding_category=structure.category,
        finding_sites=[sr.FindingSite(anatomic_location=structure.region)] if structure.region else None,
        algorithm_id=_algorithm(highdicom, algorithm),
        measurements=_measurements(highdicom, numbers, MEASURES),
    )


def _heart_groups(
    highdicom: Any, volumes: Mapping[str, float] | None, wall: Mapping[str, float] | None, algorithm: Algorithm
) -> list[Any]:
    """TID 1501 of the ventricle's volumes and of its wall, as far as they are given."""
    groups = []
    if volumes:
        _check_numbers(volumes, VOLUMES, "volumes")
        finding = LV_ENDOCARDIUM.property_type
        groups.append(_heart_group(highdicom, "LV volumes", finding, volumes, VOLUMES, algorithm))
    if wall:
        _check_numbers(wall, WALL, "wall")
        finding = LV_MYOCARDIUM.property_type
        groups.append(_heart_group(highdicom, "LV wall at end-diastole", finding, wall, WALL, algorithm))
    return groups


def _heart_group(
    highdicom: Any,
    name: str,
    finding: Code,
    numbers: Mapping[str, float],
    known: Mapping[str, tuple[Code, Code]],
    algorithm: Algorithm,
) -> Any:
    """TID 1501 of the left ventricle or its wall."""
    return highdicom.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=highdicom.sr.TrackingIdentifier(uid=str(new_uid()), identifier=name),
        finding_type=finding,
        algorithm_id=_algorithm(highdicom, algorithm),
        measurements=_measurements(highdicom, numbers, known),
    )


def _observer(highdicom: Any, algorithm: Algorithm) -> Any:
    attributes = highdicom.sr.DeviceObserverIdentifyingAttributes(
        uid=str(algorithm.device_uid),
        name=algorithm.model_name,
        manufacturer_name=algorithm.manufacturer,
        model_name=algorithm.model_name,
        serial_number=algorithm.serial_number,
    )
    device = highdicom.sr.ObserverContext(
        observer_type=Code("121007", "DCM", "Device"), observer_identifying_attributes=attributes
    )
    if not algorithm.reader:
        return highdicom.sr.ObservationContext(observer_device_context=device)
    person = highdicom.sr.ObserverContext(
        observer_type=Code("121006", "DCM", "Person"),
        observer_identifying_attributes=highdicom.sr.PersonObserverIdentifyingAttributes(name=algorithm.reader),
    )
    return highdicom.sr.ObservationContext(observer_person_context=person, observer_device_context=device)
