# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A synthetic cine study with its truth, a mammogram, and a bundle with a tiny untrained network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
import torch
from monai.bundle import ConfigParser
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.bundle import bundle_root
from monai_acdr.data.phantoms import write_inbreast_cases, write_short_axis_studies
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM
from monai_acdr.geometry import circle
from monai_acdr.handlers import load_checkpoint, save_checkpoint
from monai_acdr.handlers.checkpoints import join_members
from monai_acdr.inferers import InferredContours

NUM_SLICES, NUM_PHASES, SIZE = 3, 4, (100, 112)


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of one patient: ``dicoms/SYN0000001`` and ``contourfiles``; 3 slices, 4 phases, 100 x 112 pixels."""
    folder = tmp_path_factory.mktemp("phantom") / "data"
    return write_short_axis_studies(folder, 1, NUM_SLICES, NUM_PHASES, SIZE)


@pytest.fixture(scope="session")
def study(phantom: Path) -> Path:
    """The folder of DICOM files; not to be changed."""
    return next((phantom / "dicoms").iterdir())


@pytest.fixture()
def own_study(study: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    return Path(shutil.copytree(study, tmp_path / "study"))


@pytest.fixture(scope="session")
def edit() -> Callable[..., Path]:
    """Change elements of a DICOM file; None takes one away. ``to`` writes a copy."""

    def change(path: Path, to: Path | None = None, **values: object) -> Path:
        dataset = pydicom.dcmread(path)
        for keyword, value in values.items():
            if value is None:
                del dataset[keyword]
            else:
                setattr(dataset, keyword, value)
        if "SOPInstanceUID" in values:
            dataset.file_meta.MediaStorageSOPInstanceUID = values["SOPInstanceUID"]
        dataset.save_as(str(to or path))
        return to or path

    return change


def _item(**values: object) -> Sequence:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return Sequence([item])


@pytest.fixture(scope="session")
def enhance() -> Callable[..., Path]:
    """Make one enhanced MR object of classic files, its frames in the order given.

    ``timed`` puts trigger delay and temporal position into the frames; ``components`` names one for each frame.
    """

    def make(files: list[Path], path: Path, timed: bool = True, components: list[str] | None = None) -> Path:
        datasets = [pydicom.dcmread(file) for file in files]
        times = sorted({float(dataset.TriggerTime) for dataset in datasets})
        result, groups = pydicom.dcmread(files[0]), []
        for number, dataset in enumerate(datasets):
            group = Dataset()
            group.PlanePositionSequence = _item(ImagePositionPatient=dataset.ImagePositionPatient)
            group.PlaneOrientationSequence = _item(ImageOrientationPatient=dataset.ImageOrientationPatient)
            group.PixelMeasuresSequence = _item(PixelSpacing=dataset.PixelSpacing, SliceThickness=8)
            if timed:
                trigger = float(dataset.TriggerTime)
                group.CardiacSynchronizationSequence = _item(NominalCardiacTriggerDelayTime=trigger)
                group.FrameContentSequence = _item(TemporalPositionIndex=times.index(trigger) + 1)
            if components is not None:
                group.MRImageFrameTypeSequence = _item(ComplexImageComponent=components[number])
            groups.append(group)
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
            del result[keyword]
        del result.TriggerTime, result.SliceLocation, result.SpacingBetweenSlices
        result.SharedFunctionalGroupsSequence = Sequence([Dataset()])
        result.PerFrameFunctionalGroupsSequence = Sequence(groups)
        result.NumberOfFrames = len(datasets)
        result.PixelData = b"".join(dataset.PixelData for dataset in datasets)
        result.SOPClassUID = result.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.4.1")
        result.save_as(str(path))
        return path

    return make


@pytest.fixture(scope="session")
def mammogram(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One DICOM mammogram of a right breast."""
    folder = tmp_path_factory.mktemp("mammogram")
    write_inbreast_cases(folder / "data", num_patients=2)
    for path in sorted((folder / "data").rglob("*.dcm")):
        if str(pydicom.dcmread(path, stop_before_pixels=True).get("ImageLaterality")) == "R":
            return path
    raise AssertionError("the phantom has no right breast")


def _tiny_bundle(name: str, folder: Path, **changes: object) -> Path:
    root = folder / name
    shutil.copytree(bundle_root(name) / "configs", root / "configs")
    path = root / "configs" / "inference.json"
    config = json.loads(path.read_text())
    config |= {
        "network_def#displacement_net#channels": [4, 8],
        "network_def#displacement_net#num_convs": 1,
        "roi_size": 32,
        "network_def#initial_contour#num_vertices": 16,
        **changes,
    }
    path.write_text(json.dumps(config))
    parser = ConfigParser()
    parser.read_config(str(path))
    parser["bundle_root"], parser["device"] = str(root), torch.device("cpu")  # no weights yet: one network
    torch.manual_seed(0)
    network = parser.get_parsed_content("network_def")
    (root / "models").mkdir()
    torch.save(network.state_dict(), root / "models" / "model.pt")
    localizer = bundle_root(name) / "models" / "localizer.pt"
    if localizer.is_file():
        shutil.copy(localizer, root / "models")
    return root


@pytest.fixture(scope="session")
def tiny_heart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Sunnybrook bundle, endocardium and epicardium, with a tiny untrained network, whose contours hardly move."""
    return _tiny_bundle("sunnybrook_lv_acdr", tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def tiny_cavity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Likewise, of the endocardium alone."""
    changes = {"structures": ["endocardium"], "network_def#initial_contour#diameter": 0.25, "nested": False}
    root = _tiny_bundle("sunnybrook_lv_acdr", tmp_path_factory.mktemp("bundle"), **changes)
    path = root / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["network_data_format"]["outputs"]["pred"]["channel_def"] = {"0": "background", "1": "lv"}
    path.write_text(json.dumps(metadata))
    return root


@pytest.fixture(scope="session")
def ensemble_weights(tiny_heart: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two members for the bundle `tiny_heart`: its own weights, and some that push contours about 2 pixels right."""
    state = load_checkpoint(tiny_heart / "models" / "model.pt")
    other = {name: value.clone() for name, value in state.items()}
    other["displacement_net.head.0.bias"][0::2] += 0.02  # x of each structure
    return save_checkpoint(join_members([state, other]), tmp_path_factory.mktemp("ensemble") / "ensemble.pt")


@pytest.fixture(scope="session")
def tiny_mass(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The INBreast bundle, likewise."""
    return _tiny_bundle("inbreast_mass_acdr", tmp_path_factory.mktemp("bundle"))


class NestedCircles:
    """Stands in for an inferer of two structures: circles of 8 and 12 pixels about the middle of each region.

    The vertices of the outer one disagree by 0.5, those of the inner one by 0.25 pixels.
    """

    batch_size = 8

    def __call__(self, images: list[torch.Tensor], rois: list[torch.Tensor]) -> list[torch.Tensor]:
        found = []
        for roi in rois:
            rings = [circle(roi[:2], torch.tensor(radius, dtype=torch.float64), 32) for radius in (8.0, 12.0)]
            last = torch.stack(rings)
            found.append(torch.stack([roi[:2] + 0.5 * (last - roi[:2]), last]))
        return found

    def outline(self, images: list[torch.Tensor], rois: list[torch.Tensor]) -> list[InferredContours]:
        spread = torch.tensor([0.25, 0.5], dtype=torch.float64)[:, None].expand(2, 32)
        return [InferredContours(each, spread, ((), ("nesting",))) for each in self(images, rois)]


@pytest.fixture(scope="session")
def nested_model(tiny_heart: Path) -> ContourModel:
    """A model of endocardium and epicardium that draws circles; confidences below 0.5 are doubtful."""
    model = load_model(tiny_heart, device="cpu")
    return replace(
        model,
        structures=(LV_ENDOCARDIUM, LV_EPICARDIUM),
        nested=True,
        infer=NestedCircles(),  # type: ignore[arg-type]
        doubtful_below=0.5,
        border_mm=None,
    )
