# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import json
import math
import shutil
from pathlib import Path

import pytest
import torch

from monai_acdr.apps.model import Limits, bundle_structures, find_bundle, find_device, find_weights, load_model
from monai_acdr.bundle import bundle_root
from monai_acdr.dicom import BREAST_MASS, LV_ENDOCARDIUM, LV_EPICARDIUM, TISSUE, Structure
from monai_acdr.networks.nets import DisplacementEnsemble, DisplacementUNet


def test_hearts(tiny_heart: Path) -> None:
    model = load_model(tiny_heart, device="cpu")
    weights = tiny_heart / "models" / "model.pt"
    assert model.structures == (LV_ENDOCARDIUM, LV_EPICARDIUM)
    assert model.nested and model.infer.nested
    assert model.name == "sunnybrook_lv_acdr"
    assert model.checkpoint_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert (model.regions.center_side, model.regions.point_side, model.regions.pixel_mm) == (112, 100, 1.3)
    assert not model.regions.align_laterality
    assert not model.infer.network.training
    assert model.algorithm.name == "sunnybrook_lv_acdr"
    loaded = torch.load(weights, weights_only=True)
    torch.testing.assert_close(model.infer.network.state_dict(), loaded)


def test_a_heart_of_one_structure(tiny_cavity: Path) -> None:
    model = load_model(tiny_cavity, device="cpu")
    assert (model.structures, model.nested) == ((LV_ENDOCARDIUM,), False)


def test_masses(tiny_mass: Path) -> None:
    model = load_model(tiny_mass, device="cpu")
    assert model.structures == (BREAST_MASS,)
    assert model.regions.center_side is None
    assert (model.regions.box_scale, model.regions.square, model.regions.align_laterality) == (1.2, False, True)


def test_bundles_by_name(tmp_path: Path) -> None:
    assert find_bundle("sunnybrook_lv_acdr") == bundle_root("sunnybrook_lv_acdr")
    assert find_bundle(bundle_root("inbreast_mass_acdr")).name == "inbreast_mass_acdr"
    with pytest.raises(FileNotFoundError, match=r"one of \['contour_acdr', 'ddsm"):
        find_bundle(tmp_path)


def test_devices() -> None:
    assert find_device("cpu") == torch.device("cpu")
    assert find_device().type in ("cpu", "cuda")
    with pytest.raises(ValueError, match="Expected a device such as cpu"):
        find_device("toaster")
    with pytest.raises(ValueError, match="device of this machine"):
        find_device("cuda:99")
    with pytest.raises(ValueError, match="device of this machine"):
        find_device("meta")


def test_damaged_weights_of_a_bundle(tiny_heart: Path, ensemble_weights: Path, tmp_path: Path) -> None:
    """They are named as such, not as a wrong config, and do not matter where others are chosen."""
    root = Path(shutil.copytree(tiny_heart, tmp_path / "bundle"))
    (root / "models" / "model.pt").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"Expected a checkpoint of tensors in .*model\.pt"):
        load_model(root, device="cpu")
    joined = load_model(root, ensemble_weights, "cpu").infer.network.displacement_net
    assert isinstance(joined, DisplacementEnsemble) and len(joined.members) == 2
    single = load_model(root, tiny_heart / "models" / "model.pt", "cpu").infer.network.displacement_net
    assert isinstance(single, DisplacementUNet)


def test_refused(tiny_heart: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="give --checkpoint"):
        load_model(tiny_heart, tmp_path / "absent.pt")
    (tmp_path / "broken.pt").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="Expected a checkpoint of tensors"):
        load_model(tiny_heart, tmp_path / "broken.pt")
    copy = Path(shutil.copytree(tiny_heart, tmp_path / "bundle"))
    path = copy / "configs" / "inference.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in config.items() if k not in ("preprocessing", "crop_transforms")}))
    with pytest.raises(ValueError, match="to have crop_transforms in .*inference.json"):
        load_model(copy)
    path.write_text(json.dumps({**config, "network": {"_target_": "torch.nn.Identity"}}))
    with pytest.raises(ValueError, match="to be an ActiveContourNet, but .*inference.json gives Identity"):
        load_model(copy)
    path.write_text(json.dumps(config))
    for wrong in ('{"network": ', "[]", "[" * 100_000, json.dumps({**config, "network": {"_target_": "no.such"}})):
        path.write_text(wrong)
        with pytest.raises(ValueError, match=r"Expected .*inference\.json"):
            load_model(copy)
    path.write_text(json.dumps(config))
    stated = json.loads((copy / "configs" / "metadata.json").read_text())
    for key, value in (("center_side", "wide"), ("pixel_mm", -1), ("box_scale", float("nan")), ("square", "yes")):
        wrong_regions = {**stated["regions"], key: value}
        (copy / "configs" / "metadata.json").write_text(json.dumps({**stated, "regions": wrong_regions}))
        with pytest.raises(ValueError, match=rf"Expected {key} of .*metadata\.json to be"):
            load_model(copy)
    for wrong_regions in ([], {"centre_side": 5}):
        (copy / "configs" / "metadata.json").write_text(json.dumps({**stated, "regions": wrong_regions}))
        with pytest.raises(ValueError, match=r'Expected "regions" of .*metadata\.json to be an object'):
            load_model(copy)
    for wrong in ({"network_data_format": 3}, {"network_data_format": {"outputs": ["pred"]}, "version": [1] * 99}):
        (copy / "configs" / "metadata.json").write_text(json.dumps(wrong))
        model = load_model(copy)
        assert model.structures == (TISSUE,)
        assert len(model.version) <= 64
    (copy / "configs" / "metadata.json").write_text("[]")
    with pytest.raises(ValueError, match="Expected an object"):
        load_model(copy)
    (copy / "configs" / "metadata.json").write_text("{")
    with pytest.raises(ValueError, match="as JSON"):
        load_model(copy)


def test_weights_that_are_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder: give the path of a file"):
        find_weights(tmp_path, tmp_path)


def test_several_structures() -> None:
    """By their class names, up to the first number that is missing; others only have a label."""

    def named(**classes: object) -> tuple[Structure, ...]:
        return bundle_structures({"network_data_format": {"outputs": {"pred": {"channel_def": classes}}}})

    assert named(**{"0": "background", "1": "lv", "2": "LV_epicardium"}) == (LV_ENDOCARDIUM, LV_EPICARDIUM)
    assert [s.label for s in named(**{"1": "Infarct", "3": "lv"})] == ["Infarct"]
    assert named(**{"1": 5}) == named() == (TISSUE,)


def test_trust_that_a_bundle_states(tiny_heart: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_heart, tmp_path / "bundle"))
    config, metadata = (copy / "configs" / name for name in ("inference.json", "metadata.json"))
    told, stated = json.loads(config.read_text()), json.loads(metadata.read_text())
    border = [0.25] * len(told["structures"])
    config.write_text(
        json.dumps(
            {
                **told,
                "doubtful_below": 0.5,
                "thinnest_wall": 0.6,
                "widest_cavity": 1.5,
                "nested": True,
                "border_mm": border,
            }
        )
    )
    limits = {"edv_ml": {"bias": 1, "lower": -12, "upper": 9.5}, "source": "acdc_dev"}
    metadata.write_text(json.dumps({**stated, "volume_agreement": limits}))
    model = load_model(copy, device="cpu")
    assert (model.doubtful_below, model.nested, model.infer.nested) == (0.5, True, True)
    assert (model.thinnest_wall, model.widest_cavity) == (0.6, 1.5)
    assert model.border_mm == tuple(border)
    assert model.agreement is not None and model.agreement.source == "acdc_dev"
    assert model.agreement.limits == {"edv_ml": Limits(-12.0, 9.5, 1.0)}
    other = load_model(copy, copy / "models" / "model.pt", device="cpu")
    assert other.agreement is None  # measured with the bundle's own weights
    assert other.border_mm == tuple(border)  # of the same weights
    weights = torch.load(copy / "models" / "model.pt", weights_only=True)
    torch.save(
        {name: value + 1e-6 if value.is_floating_point() else value for name, value in weights.items()},
        tmp_path / "other.pt",
    )
    assert load_model(copy, tmp_path / "other.pt", device="cpu").border_mm is None
    for wrong in ([], {"edv_ml": limits["edv_ml"]}, {"source": "x", "edv_ml": {"lower": 3, "upper": 2}}):
        metadata.write_text(json.dumps({**stated, "volume_agreement": wrong}))
        with pytest.raises(ValueError, match=r"Expected .*metadata\.json"):
            load_model(copy, device="cpu")
    metadata.write_text(json.dumps(stated))
    for key, value in (
        ("doubtful_below", 1.5),
        ("doubtful_below", True),
        ("thinnest_wall", -1),
        ("widest_cavity", 0.5),
        ("widest_cavity", math.inf),
        ("nested", 1),
        ("border_mm", []),
        ("border_mm", [9.0]),
        ("border_mm", "0"),
    ):
        config.write_text(json.dumps({**told, key: value}))
        with pytest.raises(ValueError, match=f"Expected {key} to be"):
            load_model(copy, device="cpu")


def test_the_localizer(tiny_heart: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(tiny_heart, tmp_path / "heart"))
    path = root / "models" / "localizer.pt"
    model = load_model(root, device="cpu", batch_size=7)
    assert model.localizer is not None and not model.localizer.network.training
    assert model.localizer.batch_size == 7
    assert model.localizer_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    torch.testing.assert_close(dict(model.localizer.network.state_dict()), torch.load(path, weights_only=True))
    config = json.loads((root / "configs" / "inference.json").read_text())
    assert model.localizer.presence_threshold == config["localizer"]["presence_threshold"]
    assert model.localizer.presence_margin == config["localizer"]["presence_margin"]
    metadata = json.loads((root / "configs" / "metadata.json").read_text())
    assert model.regions.localized_scale == metadata["regions"]["localized_scale"]


def test_a_localizer_without_weights(tiny_heart: Path, tmp_path: Path) -> None:
    """The bundle works with a region of yours; the reason is told where one is missing."""
    root = Path(shutil.copytree(tiny_heart, tmp_path / "heart"))
    (root / "models" / "localizer.pt").unlink()
    model = load_model(root, device="cpu")
    assert model.localizer is None
    assert model.no_localizer.startswith(f"the weights of the localizer are missing at {root / 'models'}")
    assert "configs/localizer.json" in model.no_localizer


def test_hostile_weights_of_a_localizer(tiny_heart: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(tiny_heart, tmp_path / "heart"))
    path = root / "models" / "localizer.pt"
    good = torch.load(path, weights_only=True)

    class Harm:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "harm",)

    name = next(iter(good))
    for content, message in (
        ({"a": Harm()}, "checkpoint of tensors in .*localizer.pt"),
        ({**good, name: torch.full_like(good[name], float("nan"))}, "finite weights in .*localizer.pt"),
        ({**good, name: good[name][:1]}, "of another architecture"),
        ([1, 2], "dictionary in checkpoint .*localizer.pt"),
    ):
        torch.save(content, path)
        with pytest.raises(ValueError, match=message):
            load_model(root, device="cpu")
    assert not (tmp_path / "harm").exists()
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="localizer.pt, but it cannot be read"):
        load_model(root, device="cpu")
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match="localizer.pt is a folder"):
        load_model(root, device="cpu")


def test_something_else_than_a_localizer(tiny_heart: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(tiny_heart, tmp_path / "heart"))
    path = root / "configs" / "inference.json"
    config = json.loads(path.read_text())
    for value, message in (
        ({"_target_": "torch.nn.Identity"}, "monai_acdr.inferers.Localizer, but its inference.json gives Identity"),
        ({**config["localizer"], "line_distance": -1}, "cannot be used .*instantiate component"),
    ):
        path.write_text(json.dumps({**config, "localizer": value}))
        with pytest.raises(ValueError, match=message):
            load_model(root, device="cpu")
    path.write_text(json.dumps({**config, "localizer": None}))
    model = load_model(root, device="cpu")
    assert model.name == model.algorithm.name == "Left ventricle contours in cine MR (ACDR)"
    assert model.no_localizer == f'the bundle "{model.name}" has no localizer'
    metadata = json.loads((root / "configs" / "metadata.json").read_text())
    (root / "configs" / "metadata.json").write_text(json.dumps({**metadata, "name": "a\\b" * 99}))
    assert load_model(root, device="cpu").name == ("a/b" * 99)[:64]  # as DICOM takes it
    for given in (7, " ", "two\nlines"):  # not a name: that of the folder
        (root / "configs" / "metadata.json").write_text(json.dumps({**metadata, "name": given}))
        assert load_model(root, device="cpu").name == "heart"
