# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Real MONAI Label servers, started with the Label environment's Python; their studies are synthetic."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from monai_acdr.apps.monailabel.app_folder import make_app_folder
from monai_acdr.bundle import bundle_root
from monai_acdr.data.phantoms import write_inbreast_cases, write_short_axis_studies
from monai_acdr.files import LOCK

requests = pytest.importorskip("requests")

ROOT = Path(__file__).resolve().parents[3]
STANDIN = Path(__file__).parent / "torchvision_standin"
HEART, MASS = "sunnybrook_lv_acdr", "inbreast_mass_acdr"
SLICES, PHASES, SIZE, SPACING = 3, 4, (120, 100), (1.4, 1.3)
START_SECONDS = 300


class Server:
    """A server on a free port of the loopback, in a process group of its own."""

    def __init__(self, python: Path, folder: Path, studies: str, environment: dict[str, str] | None = None) -> None:
        self.python = python
        self.app, self.studies, self.environment = make_app_folder(folder / "app"), studies, environment or {}
        self.log, self.temporary = folder / "server.log", folder / "tmp"
        self.temporary.mkdir()
        self.session = requests.Session()
        self.session.trust_env = False

    def start(self) -> Server:
        for _attempt in range(3):  # the port may be taken between the look and the start
            self._launch()
            deadline = time.monotonic() + START_SECONDS
            while time.monotonic() < deadline and self.process.poll() is None:
                try:
                    if self.session.get(f"{self.url}/info/", timeout=5).ok:
                        return self
                except requests.RequestException:
                    time.sleep(0.2)
            self.kill()
            log = self.log.read_text(errors="replace")
            if "address already in use" not in log:
                break
        pytest.fail(f"The server does not start: {log[-3000:]}")

    def _launch(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{port}"
        command = [str(self.python), "-m", "monailabel.main", "start_server", "--app", str(self.app)]
        command += ["--studies", self.studies, "--host", "127.0.0.1", "--port", str(port)]
        if shutil.which("setpriv"):  # the kernel ends it with this process
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(STANDIN), str(ROOT)]),
            "OMP_NUM_THREADS": "1",
            "HOME": str(self.app.parent / "home"),
            "TMPDIR": str(self.temporary),
            "no_proxy": "127.0.0.1",
            **self.environment,
        }
        with open(self.log, "ab") as stream:
            self.process = subprocess.Popen(
                command, cwd=self.app, env=environment, stdout=stream, stderr=stream, start_new_session=True
            )

    def kill(self) -> None:
        """End it and its trainings at once."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def call(self, method: str, path: str, **options: Any) -> Any:
        return self.session.request(method, f"{self.url}{path}", timeout=300, **options)

    def temporary_files(self, seconds: float = 60) -> list[str]:
        """What is left of requests and answers; the server removes it after it has answered."""
        deadline = time.monotonic() + seconds
        while True:
            files = [path.name for path in self.temporary.rglob("*/*") if path.is_file() and path.name != LOCK]
            if not files or time.monotonic() > deadline:
                return files
            time.sleep(0.1)

    def infer(self, image: str, params: dict[str, Any], output: str = "json", model: str = HEART) -> Any:
        query = {"image": image, "output": output}
        return self.call("POST", f"/infer/{model}", params=query, data={"params": json.dumps(params)})

    def contours(self, image: str, params: dict[str, Any], model: str = HEART) -> list[dict[str, Any]]:
        answer = self.infer(image, params, model=model)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["contours"])

    def cavities(self, image: str, params: dict[str, Any], model: str = HEART) -> list[dict[str, Any]]:
        """The endocardia of an answer about hearts, in which each frame has an epicardium, too."""
        contours = self.contours(image, params, model)
        names = [contour["structure"] for contour in contours]
        assert names == ["LV endocardium", "LV epicardium"] * (len(names) // 2)
        return contours[::2]

    def save(self, image: str, label: Path, **query: str) -> Any:
        with open(label, "rb") as stream:
            return self.call(
                "PUT", "/datastore/label", params={"image": image, **query}, files={"label": (label.name, stream)}
            )

    def info(self) -> dict[str, Any]:
        return dict(self.call("GET", "/info/").json())

    def wait_for_training(self, seconds: float = 300) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            task = self.call("GET", "/train/").json()
            if task["status"] in ("DONE", "ERROR", "STOPPED"):
                return dict(task)
            time.sleep(0.3)
        raise AssertionError("The training does not end.")


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cine studies and mammograms."""
    folder = tmp_path_factory.mktemp("phantoms")
    write_short_axis_studies(folder / "hearts", 2, SLICES, PHASES, SIZE, SPACING)
    write_inbreast_cases(folder / "breasts", num_patients=1)
    return folder


def series_of(phantoms: Path, number: int = 0) -> Path:
    return sorted((phantoms / "hearts" / "dicoms").iterdir())[number]


def mammogram_of(phantoms: Path, side: str = "R") -> Path:
    for path in sorted((phantoms / "breasts").rglob("*.dcm")):
        if pydicom.dcmread(path, stop_before_pixels=True).get("ImageLaterality") == side:
            return path
    raise AssertionError("no such mammogram")


def stack_of(series: Path) -> np.ndarray:
    """(X, Y, Z, T) of a series whose frames are numbered slice by slice."""
    files = sorted(series.rglob("*.dcm"), key=lambda path: int(pydicom.dcmread(path).InstanceNumber))
    pixels = np.stack([pydicom.dcmread(path).pixel_array.T for path in files], axis=-1)
    return pixels.reshape(*pixels.shape[:2], SLICES, PHASES).astype(np.int16)


# Oblique, left-handed, anisotropic: every mistake with an axis shows.
AFFINE = np.array(
    [[-1.24, 0.28, 1.1, 60.0], [0.29, 1.36, 0.6, -70.0], [0.21, -0.17, -7.9, 25.0], [0, 0, 0, 1]], dtype=np.float64
)


@pytest.fixture(scope="session")
def studies(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A studies folder with an image of every kind."""
    folder = tmp_path_factory.mktemp("label") / "studies"
    folder.mkdir()
    shutil.copytree(series_of(phantoms), folder / "series")
    shutil.copyfile(mammogram_of(phantoms), folder / "mammogram.dcm")
    for name, number in (("volume", 0), ("other", 1)):
        stack = stack_of(series_of(phantoms, number))
        nib.save(nib.Nifti1Image(stack[..., 0], AFFINE), folder / f"{name}.nii.gz")
    nib.save(nib.Nifti1Image(stack_of(series_of(phantoms)), AFFINE), folder / "cine.nii.gz")
    frame = stack_of(series_of(phantoms))[:, :, 1, 0].T.astype(np.float64)
    Image.fromarray((frame / frame.max() * 255).astype(np.uint8)).save(folder / "picture.png")
    return folder


@pytest.fixture(scope="session")
def mass_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of an untrained mass network: there are no trained ones to come with the package."""
    parser = ConfigParser()
    parser.read_config(str(bundle_root(MASS) / "configs" / "inference.json"))
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "model.pt"
    torch.save(parser.get_parsed_content("network_def").state_dict(), path)
    return path


@pytest.fixture(scope="session")
def start_server(
    label_python: Path, mass_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, dict[str, str]], Server]]:
    """Start servers; all are ended with the tests."""
    servers: list[Server] = []

    def start(studies: str, environment: dict[str, str] | None = None) -> Server:
        server = Server(label_python, tmp_path_factory.mktemp("server"), studies, environment)
        (server.app / "model" / MASS).mkdir(parents=True)
        shutil.copyfile(mass_weights, server.app / "model" / MASS / "model.pt")
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def server(start_server: Any, studies: Path) -> Server:
    """A server of a folder; tests leave its images and models as they are."""
    return start_server(str(studies))
