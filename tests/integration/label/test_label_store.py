# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Labels stored, training, the next sample; and what may go wrong there: nothing that was stored is lost."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

pytestmark = pytest.mark.slow

HEART = "sunnybrook_lv_acdr"
Start = Callable[..., Any]


@pytest.fixture(scope="module")
def own_server(start_server: Start, studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server with studies of its own."""
    folder = tmp_path_factory.mktemp("own") / "studies"
    folder.mkdir()
    for name in ("volume.nii.gz", "other.nii.gz", "cine.nii.gz"):
        shutil.copyfile(studies / name, folder / name)
    return start_server(str(folder))


def save(path: Path, labels: np.ndarray, like: Path) -> Path:
    nib.save(nib.Nifti1Image(labels.astype(np.uint8), nib.load(like).affine), path)
    return path


def label_of(server: Any, name: str, folder: Path) -> Path:
    """What the server itself says, as a file; a label as a person would have drawn it."""
    path = folder / f"{name}-label.nii.gz"
    path.write_bytes(server.infer(name, {"result_extension": ".nii.gz"}, "image").content)
    return path


def test_labels_are_stored(own_server: Any, tmp_path: Path) -> None:
    label = label_of(own_server, "volume", tmp_path)
    assert own_server.save("volume", label).json() == {"image": "volume", "label": "volume"}
    assert own_server.info()["datastore"]["label_tags"] == {"final": 1}
    stored = Path(own_server.studies) / "labels" / "final" / "volume.nii.gz"
    assert stored.read_bytes() == label.read_bytes()
    answer = own_server.call("GET", "/datastore/label", params={"label": "volume", "tag": "final"})
    assert answer.content == label.read_bytes()


def test_labels_of_the_server_itself_are_stored(own_server: Any) -> None:
    params = {"foreground": [[52, 61, 1]], "save_label": True, "label_tag": "original"}
    assert own_server.infer("volume", params).status_code == 200
    assert (Path(own_server.studies) / "labels" / "original" / "volume.nii.gz").is_file()
    information = own_server.call("GET", "/datastore/label/info", params={"label": "volume", "tag": "original"}).json()
    assert information["params"]["contours"][0]["slice"] == 1


def test_labels_that_do_not_fit(own_server: Any, tmp_path: Path) -> None:
    stored = Path(own_server.studies) / "labels" / "final" / "volume.nii.gz"
    before, volume = stored.read_bytes(), Path(own_server.studies) / "volume.nii.gz"
    small = save(tmp_path / "small.nii.gz", np.ones((100, 120, 2)), volume)
    turned = save(tmp_path / "turned.nii.gz", np.ones((120, 100, 3)), volume)
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(volume.read_bytes()[:200])
    for label, message in (
        (small, "Expected a label of the shape of its image, (100, 120, 3)"),
        (turned, "Expected a label of the shape of its image, (100, 120, 3)"),
        (broken, "Expected a label map, but the label cannot be read"),
        (volume, "Expected a label map of whole numbers"),
    ):
        answer = own_server.save("volume", label)
        assert answer.status_code == 400 and message in answer.json()["detail"], answer.text
    good = save(tmp_path / "good.nii.gz", np.ones((100, 120, 3)), volume)
    assert own_server.save("nothing", good).status_code == 404
    for tag in ("../../outside", "/tmp/outside", ".hidden"):
        assert own_server.save("volume", good, tag=tag).status_code == 400
    assert stored.read_bytes() == before
    assert sorted(path.name for path in Path(own_server.studies).parent.iterdir()) == ["studies"]
    assert own_server.temporary_files() == []


def test_images_stay_in_the_folder(own_server: Any) -> None:
    with open(Path(own_server.studies) / "volume.nii.gz", "rb") as stream:
        content = stream.read()
    for name in ("../evil", "/tmp/evil", "a/b", ".hidden"):
        answer = own_server.call(
            "PUT", "/datastore/image", params={"image": name}, files={"file": ("x.nii.gz", content)}
        )
        assert answer.status_code == 400 and "a plain file name" in answer.json()["detail"]
    assert own_server.call("GET", "/datastore/image", params={"image": "../../../etc/passwd"}).status_code == 404
    answer = own_server.call(
        "PUT", "/datastore/image", params={"image": "added"}, files={"file": ("x.nii.gz", content)}
    )
    assert answer.json() == {"image": "added"} and own_server.contours("added", {"slice": 1})


def test_next_sample(own_server: Any) -> None:
    answer = own_server.call("POST", f"/activelearning/uncertainty_{HEART}").json()
    assert answer["id"] in ("added", "other", "cine") and 0 <= answer["uncertainty"] <= 1
    assert own_server.call("POST", "/activelearning/random").json()["id"] != "volume"
    assert own_server.call("POST", "/activelearning/nothing").status_code == 404


def test_training_needs_labels(own_server: Any) -> None:
    answer = own_server.call("POST", f"/train/{HEART}", params={"run_sync": True}, json={"max_epochs": 1})
    assert answer.status_code == 400 and "saved labels of at least 2 images" in answer.json()["detail"]


def test_scores(own_server: Any) -> None:
    answer = own_server.call("POST", f"/scoring/dice_{HEART}", params={"run_sync": True})
    assert answer.json()["scores"]["volume"]["dice"] > 0.8
    information = own_server.call("GET", "/datastore/label/info", params={"label": "volume", "tag": "final"}).json()
    assert information["scores"][HEART]["frames"] >= 2


def test_training(own_server: Any, tmp_path: Path) -> None:
    """Labels that are larger than the model's: it learns that, and is published; a second training is refused."""
    from scipy import ndimage

    for name in ("volume", "other"):
        label = label_of(own_server, name, tmp_path)
        cavity, heart = (
            ndimage.binary_dilation(mask, np.ones((3, 3, 1)), iterations=3)
            for drawn in [np.asarray(nib.load(label).dataobj)]
            for mask in (drawn == 1, drawn > 0)
        )
        labels = np.where(cavity, 1, 2 * heart)
        own_server.save(name, save(label, labels, Path(own_server.studies) / f"{name}.nii.gz"))
    model = own_server.app / "model" / HEART / "model.pt"
    shipped = model.read_bytes()
    before = own_server.contours("volume", {"foreground": [[52, 61, 1]]})
    options = {"max_epochs": 10, "learning_rate": 0.003, "device": ["cpu"]}
    status = own_server.call("POST", f"/train/{HEART}", json=options).json()["status"]
    assert status in ("SUBMITTED", "RUNNING")  # it may have begun before the answer is made
    time.sleep(0.5)
    assert own_server.call("POST", f"/train/{HEART}", json=options).status_code == 429
    assert own_server.contours("volume", {"foreground": [[52, 61, 1]]}) == before  # it answers meanwhile
    task = own_server.wait_for_training()
    assert task["status"] == "DONE", task
    record = own_server.info()["train_stats"][HEART]["1"]
    assert record["published"] and record["dice_after"] > record["dice_before"]
    assert model.read_bytes() != shipped and (model.parent / "model.previous.pt").read_bytes() == shipped
    after = own_server.contours("volume", {"foreground": [[52, 61, 1]]})
    assert after != before
    assert not (own_server.app / "training" / HEART).exists()


def test_trainings_exclude_each_other(own_server: Any) -> None:
    """One at once beside one in the background, which MONAI Label itself would let through."""
    import filelock

    with filelock.FileLock(own_server.app / "model" / HEART / ".training.lock", timeout=5):
        answer = own_server.call("POST", f"/train/{HEART}", params={"run_sync": True}, json={"max_epochs": 1})
    assert answer.status_code == 409 and "one is running" in answer.json()["detail"]
    answer = own_server.call("POST", f"/train/{HEART}", params={"run_sync": True}, json={"max_epochs": "many"})
    assert answer.status_code == 400 and "Expected numbers" in answer.json()["detail"]


def test_a_missing_or_damaged_model(own_server: Any) -> None:
    model = own_server.app / "model" / HEART / "model.pt"
    weights, params = model.read_bytes(), {"foreground": [[52, 61, 1]]}
    assert own_server.call("DELETE", f"/model/{HEART}").status_code == 200
    answer = own_server.infer("volume", params)
    assert answer.status_code == 503 and "its model file is missing" in answer.json()["detail"]
    for content in (weights[:1000], b"nothing"):
        answer = own_server.call("PUT", f"/model/{HEART}", files={"file": ("model.pt", content)})
        assert answer.status_code == 200
        answer = own_server.infer("volume", params)
        assert answer.status_code == 503 and "damaged or of another network" in answer.json()["detail"]
        assert "kept as model.previous.pt" in answer.json()["detail"]
    own_server.call("PUT", f"/model/{HEART}", files={"file": ("model.pt", weights)})
    assert own_server.infer("volume", params).status_code == 200


def test_killed_in_mid_training(own_server: Any) -> None:
    labels = Path(own_server.studies) / "labels"
    stored = {path: path.read_bytes() for path in labels.rglob("*") if path.is_file()}
    model = own_server.app / "model" / HEART / "model.pt"
    weights, trained = model.read_bytes(), own_server.info()["train_stats"][HEART]
    own_server.call("POST", f"/train/{HEART}", json={"max_epochs": 5000, "device": "cpu"})
    checkpoint = own_server.app / "training" / HEART / "output" / "last.pt"
    deadline = time.monotonic() + 300
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert checkpoint.exists()
    own_server.kill()
    own_server.start()
    assert {path: path.read_bytes() for path in labels.rglob("*") if path.is_file()} == stored
    assert own_server.info()["datastore"]["label_tags"] == {"final": 2, "original": 1}
    assert model.read_bytes() == weights and own_server.info()["train_stats"][HEART] == trained
    assert own_server.infer("volume", {"foreground": [[52, 61, 1]]}).status_code == 200
    answer = own_server.call(
        "POST", f"/train/{HEART}", params={"run_sync": True}, json={"max_epochs": 1, "device": "cpu"}
    )
    assert answer.status_code == 200, answer.text
    assert json.loads((model.parent / "history.json").read_text())[-1]["epoch"] == 1


def test_all_images_at_once(own_server: Any) -> None:
    query, options = {"images": "unlabeled", "run_sync": True}, {"max_workers": 1, "multi_gpu": False}
    answer = own_server.call("POST", f"/batch/infer/{HEART}_auto", params=query, json=options)
    assert answer.status_code == 200, answer.text
    assert own_server.info()["datastore"]["label_tags"] == {"final": 2, "original": 3}


def test_a_series_that_grows(own_server: Any, phantoms: Path) -> None:
    """A folder of DICOM files that comes while the server runs, and then gets more of them."""
    files = sorted((phantoms / "hearts" / "dicoms").rglob("*.dcm"))[:6]
    folder = Path(own_server.studies) / "late"
    folder.mkdir()
    for path in files[:4]:
        shutil.copyfile(path, folder / path.name)
    deadline = time.monotonic() + 120
    while own_server.infer("late", {"slice": 0}).status_code == 404 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert own_server.infer("late", {"slice": 0}).json()["image"]["shape"] == [100, 120, 4]
    for path in files[4:]:
        shutil.copyfile(path, folder / path.name)
    assert own_server.infer("late", {"slice": 0}).json()["image"]["shape"] == [100, 120, 6]


def test_labels_saved_while_files_come(own_server: Any, studies: Path, tmp_path: Path) -> None:
    """The watcher of the folder goes through the list of labels at the moments when labels are saved."""
    from concurrent.futures import ThreadPoolExecutor

    server, folder = own_server, Path(own_server.studies)
    names = [f"image{number}" for number in range(12)]
    for name in names:
        shutil.copyfile(studies / "volume.nii.gz", folder / f"{name}.nii.gz")
    deadline = time.monotonic() + 120
    while any(server.infer(name, {"slice": 1}).status_code == 404 for name in names) and time.monotonic() < deadline:
        time.sleep(0.5)
    before = server.info()["datastore"]["label_tags"]["final"]
    label = label_of(server, names[0], tmp_path)

    def save_and_copy(name: str) -> int:
        shutil.copyfile(studies / "volume.nii.gz", folder / f"more-{name}.nii.gz")
        return int(server.save(name, label).status_code)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(save_and_copy, names)) == [200] * len(names)
    assert server.info()["datastore"]["label_tags"]["final"] == before + len(names)
