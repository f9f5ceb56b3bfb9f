# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A bundle as a model: its network with weights, the rules for its crops, and its structures."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from torch import Tensor

from monai_acdr.bundle import bundle_names, bundle_root
from monai_acdr.data.text_files import read_json
from monai_acdr.dicom import BREAST_MASS, LV_ENDOCARDIUM, LV_EPICARDIUM, TISSUE, Algorithm, Structure, named_structure
from monai_acdr.dicom.identity import long_string
from monai_acdr.files import file_sha256
from monai_acdr.handlers import has_own_weights, load_network
from monai_acdr.inferers import ContourInferer, Localizer
from monai_acdr.networks.nets import ActiveContourNet
from monai_acdr.transforms import OffsetContour

__all__ = [
    "VOLUME_KEYS",
    "ContourModel",
    "Limits",
    "RegionRules",
    "VolumeAgreement",
    "bundle_structures",
    "find_bundle",
    "find_device",
    "find_weights",
    "load_model",
    "name_structures",
    "weights_sha256",
]

STRUCTURES = {"lv": LV_ENDOCARDIUM, "lv_epicardium": LV_EPICARDIUM, "mass": BREAST_MASS}
"""Class names of ``channel_def`` in the metadata of the shipped bundles -> structure; see `named_structure`."""

MAX_STRUCTURES = 16
"""Limit of a bundle's structures; more are not read."""

VOLUME_KEYS = {
    "edv_ml": "mL",
    "esv_ml": "mL",
    "sv_ml": "mL",
    "ef_percent": "%",
    "mass_g": "g",
    "wall_mm": "mm",
}
"""Measures of the heart whose agreement with a reference a bundle may state -> their unit."""

LARGEST_NUMBER = 1e6
"""Limit of sides in pixels, sizes in mm and factors in a config."""

MAX_BORDER = 5.0
"""Largest distance in mm of a result's border from the network's contour: more is a wrong unit."""

_REQUIRED_KEYS = ("network", "crop_transforms")


@dataclass(frozen=True)
class RegionRules:
    """Rules for a bundle's regions of interest from its metadata; sides in pixels of its training images.

    Attributes:
        center_side: side of the square about the image's center; None where the bundle needs a box.
        point_side: side of the square about a point or an earlier contour's centroid; None where it needs a box.
        pixel_mm: pixel size in mm of the training images, by which sides are scaled where the spacing is known; with
            None, sides are in pixels of every image.
        box_scale: factor on both sides of a box.
        square: make boxes square.
        align_laterality: flip images of right breasts.
        localized_scale: side of the region about a located heart as a multiple of its diameter, where the spacing is
            unknown; with None, ``point_side`` is used there, too.
    """

    center_side: float | None
    point_side: float | None
    pixel_mm: float | None
    box_scale: float
    square: bool
    align_laterality: bool
    localized_scale: float | None = None


@dataclass(frozen=True)
class Limits:
    """Agreement of one measure with its reference (Bland and Altman): measured minus reference.

    Attributes:
        lower: lower limit of agreement, bias - 1.96 SD of the differences.
        upper: upper limit of agreement.
        bias: mean difference; None where it is not stated.
    """

    lower: float
    upper: float
    bias: float | None = None


@dataclass(frozen=True)
class VolumeAgreement:
    """Agreement of the volumes of a bundle's own weights with a reference, from its metadata.

    Attributes:
        limits: limits by the names of :data:`VOLUME_KEYS`, each in its unit.
        source: data set, region of interest and record that they were measured with.
    """

    limits: Mapping[str, Limits]
    source: str


@dataclass(frozen=True)
class ContourModel:
    """A bundle, ready to outline.

    Attributes:
        name: name of the bundle: that of its folder if it comes with this installation, otherwise that of its metadata,
            since the bundle of every training is in a folder called ``bundle``.
        version: version of the bundle.
        checkpoint: file of its weights.
        checkpoint_sha256: SHA-256 of that file.
        structures: the N structures that it outlines, from the innermost to the outermost.
        infer: crops an image, evolves the contours, and maps them back to the image.
        regions: rules for its regions.
        device: device of the network.
        channels: channels of its images: 1 for gray values, 3 for colors. A model of colors gets gray images as three
            equal channels.
        modality: DICOM's code of its training images, such as MR; empty if the metadata does not state it.
        nested: whether each structure contains the one before it.
        doubtful_below: confidence below which a contour is doubtful; None if the bundle does not state it.
        thinnest_wall: share of the median wall thickness below which the slice next to the base is not part of the
            ventricle (:func:`monai_acdr.measures.slices_above_base`); None if the bundle does not state it.
        widest_cavity: multiple of the cavity's width in other slices above which a cavity is implausible
            (:func:`monai_acdr.measures.cavities_too_wide`); None if the bundle does not state it.
        border_mm: distance in mm by which results are moved outward from the network's contours, for each structure;
            None where they are not moved, and with other weights than the bundle's, for which it was not measured. See
            :meth:`place_border`.
        agreement: limits of agreement of its volumes; None where the metadata has none, or with other weights than the
            bundle's.
        localizer: finds the object without a click, for ROI ``auto``; None if the bundle has no localizer.
        localizer_sha256: SHA-256 of the localizer's weights.
        no_localizer: why it has no localizer.
    """

    name: str
    version: str
    checkpoint: Path
    checkpoint_sha256: str
    structures: tuple[Structure, ...]
    infer: ContourInferer
    regions: RegionRules
    device: torch.device
    channels: int = 1
    modality: str = ""
    nested: bool = False
    doubtful_below: float | None = None
    thinnest_wall: float | None = None
    widest_cavity: float | None = None
    border_mm: tuple[float, ...] | None = None
    agreement: VolumeAgreement | None = None
    localizer: Localizer | None = None
    localizer_sha256: str = ""
    no_localizer: str = ""

    @property
    def label(self) -> str:
        """The labels of its structures, for messages."""
        return " and ".join(structure.label for structure in self.structures)

    @property
    def algorithm(self) -> Algorithm:
        """The name used in results."""
        return Algorithm(self.name, self.version, (("weights SHA-256", self.checkpoint_sha256),))

    def place_border(self, contours: Tensor, spacing: tuple[float, float] | None) -> Tensor:
        """Contours of the network (..., N, K, 2) in pixels, moved by ``border_mm`` where the spacing is known."""
        if self.border_mm is None or spacing is None:
            return contours
        return OffsetContour(self.border_mm)(contours, spacing)

    def outline(
        self,
        image: np.ndarray | Tensor | Sequence[np.ndarray | Tensor],
        roi: Any = None,
        *,
        spacing: Any = None,
        laterality: str | Sequence[str] = "",
    ) -> Any:
        """Outline the structures of this model on one or several images, as `monai-acdr segment` does.

        Args:
            image: gray values of any dtype and range, a numpy array, tensor or MetaTensor: (H, W) or (1, H, W) for one
                image, (B, 1, H, W) for several, or a list of images, which may differ in size. A model of colors also
                takes (3, H, W), (H, W, 3) and (B, 3, H, W), red, green and blue.
            roi: region: ``"auto"`` (the model's localizer), ``"center"``, a point (x, y), a box (x0, y0, x1, y1) in
                pixels, or a list or (B, 2) or (B, 4) array with one for each image. None is ``"auto"`` if the model has
                a localizer, otherwise ``"center"`` if the model defines it, otherwise an error. ``"auto"`` processes
                each image alone, `segment` all slices and phases of a study together: contours differ.
            spacing: mm (between rows, between columns), as one number, two, or (B, 2); if None, from the affine of a
                MetaTensor, unless it is the identity. Unknown spacing assumes the pixels of the training images.
            laterality: ``"L"`` or ``"R"`` of a breast, for all images or for each; models of masses flip right ones.

        Returns:
            :class:`monai_acdr.apps.image_contours.ImageContours` for one image, a list of them for several. An image
            without contrast in its region, or in which nothing was found, has ``vertices_px`` None and a ``reason``.

        Raises:
            TypeError: when `image` is neither an array nor a tensor.
            ValueError: for other shapes, values that are not finite, regions that miss the image or that the model does
                not define, or a spacing that is not positive or not plausible.

        Example:
            >>> model = load_model("sunnybrook_lv_acdr")  # doctest: +SKIP
            >>> contours = model.outline(image, roi="center", spacing=1.4)  # doctest: +SKIP
            >>> contours.vertices_mm.shape, contours.mask().shape  # doctest: +SKIP
            ((2, 64, 2), (2, 256, 256))
        """
        from monai_acdr.apps.image_contours import outline_images  # here, because it imports this module

        return outline_images(self, image, roi, spacing, laterality)


def load_model(
    model: str | os.PathLike[str],
    checkpoint: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    batch_size: int = 16,
) -> ContourModel:
    """Load a bundle. Its config is code that is run, as by ``python -m monai.bundle``: use only bundles that you trust.

    Args:
        model: name of a bundle of this installation, or the folder of any bundle with the same structure.
        checkpoint: weights; the bundle's ``models/model.pt`` if None.
        device: as :func:`find_device`.
        batch_size: crops per batch.

    Raises:
        FileNotFoundError: when there is no such bundle, or it has no weights.
        ValueError: when the bundle lacks a required entry, or the weights are of another network.
    """
    root = find_bundle(model)
    metadata = _read_json(root / "configs" / "metadata.json")
    chosen = find_device(device)
    weights = find_weights(root, checkpoint)
    path = root / "configs" / "inference.json"
    _read_json(path)
    try:
        parser = _read_config(path, root, chosen)
        config = parser.get()
        missing = [key for key in _REQUIRED_KEYS if key not in config]
        network: Any = None if missing else parser.get_parsed_content("network")
        crop: Any = None if missing else parser.get_parsed_content("crop_transforms")
        localizer: Any = parser.get_parsed_content("localizer") if config.get("localizer") else None
        nested = _nested(config)
        doubtful_below, thinnest_wall = _share(config, "doubtful_below"), _share(config, "thinnest_wall")
        widest_cavity = _multiple(config, "widest_cavity")
    except Exception as error:  # a config is code, which may raise any error
        reason = (str(error).splitlines() or [""])[0][:200]
        raise ValueError(
            f"Expected a config of a bundle in {path}, but it cannot be used ({type(error).__name__}: {reason}): "
            "compare it with those of the bundles of this package."
        ) from error
    if missing:
        raise ValueError(
            f"Expected a bundle to have {', '.join(missing)} in {path}, but it does not: add them as in the bundles of "
            "this package."
        )
    if not isinstance(network, ActiveContourNet):
        raise ValueError(
            f"Expected the network of a bundle to be an ActiveContourNet, but {path} gives {type(network).__name__}."
        )
    load_network(network, weights, chosen).eval()
    structures = bundle_structures(metadata)
    digest = file_sha256(weights)
    border_mm = _border(config, len(structures)) if has_own_weights(weights, root, digest) else None
    name = _name(metadata, root)
    localizer, localizer_sha256, no_localizer = _load_localizer(localizer, root, name, chosen, batch_size)
    return ContourModel(
        name=name,
        version=str(metadata.get("version", ""))[:64] or "unknown",
        checkpoint=weights,
        checkpoint_sha256=digest,
        structures=structures,
        infer=ContourInferer(network, crop, batch_size, chosen, nested),
        regions=_regions(metadata, root / "configs" / "metadata.json"),
        device=chosen,
        channels=_channels(metadata, root / "configs" / "metadata.json"),
        modality=_modality(metadata),
        nested=nested,
        doubtful_below=doubtful_below,
        thinnest_wall=thinnest_wall,
        widest_cavity=widest_cavity,
        border_mm=border_mm,
        agreement=_agreement(metadata, root / "configs" / "metadata.json") if checkpoint is None else None,
        localizer=localizer,
        localizer_sha256=localizer_sha256,
        no_localizer=no_localizer,
    )


def _read_config(path: Path, root: Path, device: torch.device) -> ConfigParser:
    """The config for this machine, with one network: load_network makes the members from the chosen file.

    The config itself would count the members of models/model.pt, and fail when that file is damaged.
    """
    parser = ConfigParser()
    parser.read_config(str(path))
    parser["bundle_root"], parser["device"] = str(root), device
    definition = parser.get("network_def")
    if isinstance(definition, dict) and "num_members" in definition:
        parser["network_def#num_members"] = 1
    return parser


def find_bundle(model: str | os.PathLike[str]) -> Path:
    """The folder of a bundle, from its path or the name of a bundle that comes with this package.

    Raises:
        FileNotFoundError: when there is no such bundle.
    """
    path = Path(model)
    if (path / "configs" / "inference.json").is_file() and (path / "configs" / "metadata.json").is_file():
        return path.resolve()
    if str(model) in bundle_names():
        return bundle_root(str(model))
    raise FileNotFoundError(
        f"Expected a bundle's folder or one of {bundle_names()}, but got {str(model)!r}: a bundle has "
        "configs/metadata.json and configs/inference.json."
    )


def find_weights(root: Path, checkpoint: str | os.PathLike[str] | None = None) -> Path:
    """The file of a bundle's weights, or the given one.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when the path is a folder or a device.
    """
    weights = root / "models" / "model.pt" if checkpoint is None else Path(checkpoint)
    if weights.exists() and not weights.is_file():
        kind = "a folder" if weights.is_dir() else "a device, pipe or socket"
        raise ValueError(f"Expected a file of weights, but {weights} is {kind}: give the path of a file.")
    if not weights.is_file():
        raise FileNotFoundError(
            f"Expected weights at {weights}, but there is no such file: train the bundle, or give --checkpoint."
        )
    return weights


def weights_sha256(root: Path, checkpoint: str | os.PathLike[str] | None = None) -> dict[str, str]:
    """SHA-256 of a bundle's weights, ``weights_sha256``, and of its localizer's if it has one.

    Raises:
        FileNotFoundError, ValueError: as :func:`find_weights`.
    """
    hashes = {"weights_sha256": file_sha256(find_weights(root, checkpoint))}
    localizer = root / "models" / "localizer.pt"
    return hashes | ({"localizer_sha256": file_sha256(localizer)} if localizer.is_file() else {})


def _load_localizer(
    localizer: Any, root: Path, name: str, device: torch.device, batch_size: int
) -> tuple[Localizer | None, str, str]:
    """The localizer with its weights and their SHA-256, or None and the reason; it is not needed for given regions."""
    path = root / "models" / "localizer.pt"
    if localizer is None:
        return None, "", f'the bundle "{name}" has no localizer'
    if not isinstance(localizer, Localizer):
        raise ValueError(
            f"Expected the localizer of {root} to be a monai_acdr.inferers.Localizer, but its "
            f"inference.json gives {type(localizer).__name__}."
        )
    if not path.exists():
        return None, "", f"the weights of the localizer are missing at {path} (configs/localizer.json trains them)"
    load_network(localizer.network, path, device).eval()
    localizer.network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    localizer.device, localizer.batch_size = device, batch_size
    return localizer, file_sha256(path), ""


def find_device(device: str | torch.device | None = None) -> torch.device:
    """The device with a name, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; None takes CUDA where available.

    Raises:
        ValueError: when the name is invalid, or there is no such device here.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ValueError(f"Expected a device such as cpu, cuda, cuda:1 or mps, but got {device!r}.") from None
    found = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    if (chosen.index or 0) >= found.get(chosen.type, 0):
        number = found.get(chosen.type, 0)
        raise ValueError(
            f"Expected a device of this machine, but {device} is none of {number} {chosen.type} device(s)."
        )
    return chosen


def _read_json(path: Path) -> dict[str, Any]:
    content = read_json(path, "a bundle's config")
    if not isinstance(content, dict):
        raise ValueError(f"Expected an object in {path}, but got {type(content).__name__}.")
    return content


def _stated(metadata: Mapping[str, Any], *keys: str) -> Any:
    """Value of nested keys of the network's data in the metadata; None if absent."""
    value: Any = metadata
    for key in ("network_data_format", *keys):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def bundle_structures(metadata: Mapping[str, Any]) -> tuple[Structure, ...]:
    """The structures of a bundle: entries "1", "2", ... of its ``channel_def``, known ones by their class name.

    Args:
        metadata: content of its metadata.json.

    Returns:
        At least one structure, unnamed if the metadata names none.
    """
    value = _stated(metadata, "outputs", "pred", "channel_def")
    names: list[str] = []
    while isinstance(value, dict) and len(names) < MAX_STRUCTURES:
        name = value.get(str(len(names) + 1))
        if not isinstance(name, str) or not name.strip():
            break
        names.append(name.strip())
    return tuple(map(_class_structure, names)) or (TISSUE,)


def _class_structure(name: str) -> Structure:
    printable = "".join(letter for letter in name if letter.isprintable() and letter != "\\").strip()
    return STRUCTURES.get(name.lower()) or (named_structure(printable[:64]) if printable else TISSUE)


def name_structures(model: ContourModel, names: str | Sequence[str] | None) -> ContourModel:
    """A model that uses the user's names for its structures in results.

    Args:
        model: the model.
        names: one per structure, from the innermost to the outermost; see :func:`monai_acdr.dicom.named_structure`.
            None leaves the model as it is.

    Raises:
        ValueError: when their number is not the model's, two are equal, or one cannot be a label.
    """
    if names is None:
        return model
    names = [names] if isinstance(names, str) else list(names)
    if len(names) != len(model.structures):
        raise ValueError(
            f"Expected a name for each structure of {model.name} ({model.label}), but got {len(names)}: give "
            f"--structure {len(model.structures)} times, from the innermost to the outermost."
        )
    structures = tuple(map(named_structure, names))
    if len({structure.label.lower() for structure in structures}) != len(structures):
        raise ValueError(f"Expected different names for the structures, but got {names}.")
    return replace(model, structures=structures)


def _channels(metadata: Mapping[str, Any], path: Path) -> int:
    """Channels of the network's input, 1 if the metadata does not state them."""
    value = _stated(metadata, "inputs", "image", "num_channels")
    if value not in (None, 1, 3):
        raise ValueError(f"Expected num_channels of {path} to be 1 or 3, but got {str(value)[:40]!r}.")
    return value or 1


def _name(metadata: Mapping[str, Any], root: Path) -> str:
    """The bundle's name in its metadata, if it is one of 64 characters, as DICOM takes them; otherwise the folder's."""
    value = metadata.get("name")
    if root.name in bundle_names() or not isinstance(value, str) or not value.strip() or not value.isprintable():
        return root.name
    return long_string(value.replace("\\", "/"))


def _modality(metadata: Mapping[str, Any]) -> str:
    """The modality of the network's input, if it is a DICOM code: two capital letters."""
    value = _stated(metadata, "inputs", "image", "modality")
    return value if isinstance(value, str) and re.fullmatch(r"[A-Z]{2}", value) else ""


def _nested(config: dict[str, Any]) -> bool:
    value = config.get("nested", False)
    if not isinstance(value, bool):
        raise ValueError(f"Expected nested to be true or false, but got {str(value)[:40]!r}.")
    return value


def _share(config: dict[str, Any], key: str) -> float | None:
    value = config.get(key)
    if value is not None and (type(value) not in (int, float) or not 0 <= value <= 1):
        raise ValueError(f"Expected {key} to be a number from 0 to 1 or null, but got {str(value)[:40]!r}.")
    return value


def _multiple(config: dict[str, Any], key: str) -> float | None:
    value = config.get(key)
    if value is not None and (type(value) not in (int, float) or not 1 <= value < math.inf):
        raise ValueError(f"Expected {key} to be a number of at least 1 or null, but got {str(value)[:40]!r}.")
    return value


def _border(config: dict[str, Any], number: int) -> tuple[float, ...] | None:
    value = config.get("border_mm")
    if value is None:
        return None
    numbers = isinstance(value, list) and all(type(each) in (int, float) and abs(each) <= MAX_BORDER for each in value)
    if not numbers or len(value) < number:
        raise ValueError(
            f"Expected border_mm to be null or a list of {number} number(s) of at most {MAX_BORDER:g} mm, one for each "
            f"structure from the innermost, but got {str(value)[:40]!r}."
        )
    return tuple(float(each) for each in value[:number])


def _agreement(metadata: Mapping[str, Any], path: Path) -> VolumeAgreement | None:
    """Limits of agreement that the metadata states; None if absent."""
    stated = metadata.get("volume_agreement")
    if stated is None:
        return None
    source = stated.get("source") if isinstance(stated, dict) else None
    if not isinstance(source, str) or not source.strip() or not source.isprintable():
        raise ValueError(
            f'Expected "volume_agreement" of {path} to be an object with a "source" in words: say what was measured.'
        )
    limits = {key: _limits(stated[key], f"{key} of {path}") for key in VOLUME_KEYS if stated.get(key) is not None}
    return VolumeAgreement(limits, source.strip()[:200])


def _limits(item: Any, place: str) -> Limits:
    values: list[Any] = [item.get(key) if isinstance(item, dict) else None for key in ("lower", "upper", "bias")]
    lower, upper, bias = values
    if not _is_number(lower) or not _is_number(upper) or lower > upper or not (bias is None or _is_number(bias)):
        raise ValueError(f'Expected {place} to have numbers "lower" <= "upper", and "bias": correct the metadata.')
    return Limits(float(lower), float(upper), None if bias is None else float(bias))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= LARGEST_NUMBER  # NaN fails too


def _regions(metadata: Mapping[str, Any], path: Path) -> RegionRules:
    """The object ``regions`` of the metadata; without it, only boxes can be regions, and are used unchanged."""
    stated = metadata.get("regions", {})
    known = [field.name for field in fields(RegionRules)]
    unknown = sorted(set(stated) - set(known)) if isinstance(stated, dict) else ["no object"]
    if unknown:
        raise ValueError(f'Expected "regions" of {path} to be an object with {known}, but got {unknown}: correct it.')
    sides = ("center_side", "point_side", "pixel_mm", "localized_scale")
    switches = {"square": True, "align_laterality": False}
    for name, default in switches.items():
        if not isinstance(stated.get(name, default), bool):
            raise ValueError(f"Expected {name} of {path} to be true or false, but got {str(stated[name])[:40]!r}.")
    values: dict[str, Any] = {name: _positive(stated, name, path) for name in sides}
    return RegionRules(
        **values,
        **{name: stated.get(name, default) for name, default in switches.items()},
        box_scale=_positive(stated, "box_scale", path) or 1.0,
    )


def _positive(stated: Mapping[str, Any], key: str, path: Path) -> float | None:
    """A number of the metadata; None if absent."""
    value = stated.get(key)
    if value is not None and (type(value) not in (int, float) or not 0 < value < LARGEST_NUMBER):
        raise ValueError(f"Expected {key} of {path} to be a positive number or null, but got {str(value)[:40]!r}.")
    return value
