# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A bundle as a model: its network with weights, how it wants its crops, and what it outlines."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from monai_acdr.bundle import bundle_names, bundle_root
from monai_acdr.data.text_files import read_json
from monai_acdr.dicom import BREAST_MASS, LV_ENDOCARDIUM, TISSUE, Algorithm, Structure
from monai_acdr.handlers import load_network
from monai_acdr.inferers import ContourInferer
from monai_acdr.networks.nets import ActiveContourNet

__all__ = ["ContourModel", "RegionRules", "find_bundle", "find_device", "find_weights", "load_model"]

STRUCTURES = {"lv": LV_ENDOCARDIUM, "mass": BREAST_MASS}
"""Class names of ``channel_def`` in the metadata of bundles -> what is outlined."""

LARGEST_NUMBER = 1e6
"""Sides in pixels, sizes in mm and factors of a config are below it."""

_NEEDED = ("network", "crop_transforms")


@dataclass(frozen=True)
class RegionRules:
    """How a bundle's regions of interest are made; sides in pixels of the images it was trained on.

    Attributes:
        centre_side: of the square about the image's centre; None where nothing but a box will do.
        point_side: of the square about a point or an earlier contour's centroid; None likewise.
        pixel_mm: size of a pixel of the training images, by which sides are scaled where the spacing is known; None
            counts in pixels of every image.
        box_scale: factor on both sides of a box.
        square: make boxes square.
        align_laterality: flip images of right breasts.
    """

    centre_side: float | None
    point_side: float | None
    pixel_mm: float | None
    box_scale: float
    square: bool
    align_laterality: bool


@dataclass(frozen=True)
class ContourModel:
    """A bundle, ready to outline.

    Attributes:
        name: of the bundle.
        version: of the bundle.
        checkpoint: file of its weights.
        checkpoint_sha256: of that file.
        structure: what it outlines.
        infer: crops, evolves and maps back.
        regions: how its regions are made.
        device: where it runs.
    """

    name: str
    version: str
    checkpoint: Path
    checkpoint_sha256: str
    structure: Structure
    infer: ContourInferer
    regions: RegionRules
    device: torch.device

    @property
    def algorithm(self) -> Algorithm:
        """As results name it."""
        return Algorithm(self.name, self.version, (("weights SHA-256", self.checkpoint_sha256),))


def load_model(
    model: str | os.PathLike[str],
    checkpoint: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    batch_size: int = 32,
) -> ContourModel:
    """Load a bundle. Its config is code that is run, as with ``python -m monai.bundle``: use bundles that you trust.

    Args:
        model: name of a bundle of this installation, or the folder of any bundle made like them.
        checkpoint: weights; the bundle's ``models/model.pt`` if None.
        device: as :func:`find_device`.
        batch_size: crops at once.

    Raises:
        FileNotFoundError: when there is no such bundle, or it has no weights.
        ValueError: when the bundle lacks what is needed here, or the weights are of another network.
    """
    root = find_bundle(model)
    metadata = _read_json(root / "configs" / "metadata.json")
    chosen = find_device(device)
    weights = find_weights(root, checkpoint)
    path = root / "configs" / "inference.json"
    _read_json(path)
    try:
        parser = ConfigParser()
        parser.read_config(str(path))
        config = parser.get()
        parser["bundle_root"], parser["device"] = str(root), chosen
        missing = [key for key in _NEEDED if key not in config]
        network: Any = None if missing else parser.get_parsed_content("network")
        crop: Any = None if missing else parser.get_parsed_content("crop_transforms")
        regions = _regions(config)
    except Exception as error:  # a config is code: it raises whatever it likes
        reason = (str(error).splitlines() or [""])[0][:200]
        raise ValueError(
            f"Expected a config of a bundle in {path}, but it cannot be used ({type(error).__name__}: {reason}): "
            "compare it with those of the bundles of this package."
        ) from error
    if missing:
        raise ValueError(
            f"Expected the bundle {root.name} to have {', '.join(missing)} in {path}, but it has not: add them as in "
            "the bundles of this package."
        )
    if not isinstance(network, ActiveContourNet):
        raise ValueError(
            f"Expected the network of bundle {root.name} to be an ActiveContourNet, but {path} gives "
            f"{type(network).__name__}."
        )
    load_network(network, weights, chosen).eval()
    return ContourModel(
        name=root.name,
        version=str(metadata.get("version", ""))[:64] or "unknown",
        checkpoint=weights,
        checkpoint_sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        structure=_structure(metadata),
        infer=ContourInferer(network, crop, batch_size, chosen),
        regions=regions,
        device=chosen,
    )


def find_bundle(model: str | os.PathLike[str]) -> Path:
    """The folder of a bundle, given by it or by the name of one that comes with this package.

    Raises:
        FileNotFoundError: when there is none.
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
    """The file of a bundle's weights, or another one that was given.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is a folder or a device.
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


def find_device(device: str | torch.device | None = None) -> torch.device:
    """The device of that name, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; None takes CUDA where there is one.

    Raises:
        ValueError: when the name is none, or there is no such device here.
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


def _structure(metadata: dict[str, Any]) -> Structure:
    value: Any = metadata
    for key in ("network_data_format", "outputs", "pred", "channel_def", "1"):
        value = value.get(key) if isinstance(value, dict) else None
    name = value.strip() if isinstance(value, str) else ""
    if name.lower() in STRUCTURES:
        return STRUCTURES[name.lower()]
    return Structure(name[:64], TISSUE.category, TISSUE.property_type) if name else TISSUE


def _regions(config: dict[str, Any]) -> RegionRules:
    return RegionRules(
        centre_side=_positive(config, "roi_side_centre"),
        point_side=_positive(config, "roi_side_label"),
        pixel_mm=_positive(config, "roi_pixel_mm"),
        box_scale=_positive(config, "roi_scale") or 1.0,
        square=bool(config.get("roi_square", True)),
        align_laterality=any(_is_alignment(item) for item in config.get("load_transforms", [])),
    )


def _positive(config: dict[str, Any], key: str) -> float | None:
    """A number of the config; None where it has none."""
    value = config.get(key)
    if value is not None and (type(value) not in (int, float) or not 0 < value < LARGEST_NUMBER):
        raise ValueError(f"Expected {key} to be a positive number or null, but got {str(value)[:40]!r}.")
    return value


def _is_alignment(item: Any) -> bool:
    return isinstance(item, dict) and str(item.get("_target_", "")).endswith("AlignLateralityd")
