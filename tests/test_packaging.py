# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What the wheel holds, and whether versions, bounds, pins and documents agree."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import monai_acdr

ROOT = Path(__file__).resolve().parents[1]
PIN_FILES = ("constraints.txt", "constraints-oldest.txt", "requirements-label.txt")
# Bounds below what constraints-oldest.txt tests, each explained there.
BELOW_OLDEST = {"torch"}
PYTHONS = re.findall(r"(?m)Python :: (3\.\d+)$", (ROOT / "setup.cfg").read_text(encoding="utf-8"))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def metadata() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string(read("setup.cfg"))
    return parser


def requirements(*extras: str) -> dict[str, Requirement]:
    """What setup.cfg asks for, with all extras, or with none if `extras` is ("",)."""
    parser = metadata()
    texts = [parser["options"]["install_requires"]]
    if extras != ("",):
        texts += parser["options.extras_require"].values()
    found = [Requirement(line) for text in texts for line in text.splitlines() if line.strip()]
    return {canonicalize_name(r.name): r for r in found if canonicalize_name(r.name) != "monai-acdr"}


def pins(name: str, python_version: str) -> dict[str, Version]:
    """The pins of a constraints file that apply to one version of Python; each must be `name==version`."""
    found: dict[str, Version] = {}
    for line in read(name).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        pin = Requirement(line)
        (specifier,) = pin.specifier
        assert specifier.operator == "==", f"{name}: expected `name==version`, but got {line}"
        if pin.marker is None or pin.marker.evaluate({"python_version": python_version}):
            key = canonicalize_name(pin.name)
            assert key not in found, f"{name}: two pins of {pin.name} for Python {python_version}"
            found[key] = Version(specifier.version)
    return found


def test_versions_agree() -> None:
    assert re.findall(r"(?m)^version: (\S+)$", read("CITATION.cff")) == [monai_acdr.__version__]
    assert re.search(rf"(?m)^## \[{re.escape(monai_acdr.__version__)}\]", read("CHANGELOG.md"))
    assert metadata()["metadata"]["version"] == "attr: monai_acdr.__version__"


def test_citation_names_the_paper() -> None:
    citation = read("CITATION.cff")
    assert "End to End Trainable Active Contours via Differentiable Rendering" in citation
    assert all(name in citation for name in ("Gur", "Shaharabany", "Wolf", "arXiv:1912.00367"))


def test_readme_names_the_two_commands() -> None:
    readme = read("README.md")
    assert "make demo" in readme
    assert "make test" in readme


@pytest.mark.parametrize("python_version", PYTHONS)
def test_constraints_satisfy_the_bounds(python_version: str) -> None:
    pinned = pins("constraints.txt", python_version)
    for name, requirement in requirements().items():
        if requirement.marker is not None and not requirement.marker.evaluate({"python_version": python_version}):
            continue
        assert name in pinned, f"constraints.txt has no pin of {name} for Python {python_version}"
        assert requirement.specifier.contains(pinned[name]), f"{name}: {pinned[name]} is outside {requirement}"


def test_torch_is_pinned_without_a_build() -> None:
    assert len({pins(name, "3.11")["torch"] for name in PIN_FILES}) == 1
    assert all(pins(name, "3.11")["torch"].local is None for name in PIN_FILES)
    assert pins("requirements-label.txt", "3.11")["torchvision"].local is None


def test_what_only_torch_needs_is_left_to_torch() -> None:
    """Its wheel asks for one version of triton and of each CUDA library; a pin of ours could only contradict it."""
    named = {*requirements(), *(name for file in PIN_FILES for name in pins(file, "3.11"))}
    assert not [name for name in named if name == "triton" or name.startswith(("cuda-", "nvidia-"))]


@pytest.mark.parametrize(
    ("name", "refused", "accepted"),
    [
        ("click", ["8.3.2"], ["8.3.3"]),
        ("h5py", ["3.12.1"], ["3.13.0"]),
        ("jinja2", ["3.1.5"], ["3.1.6"]),
        ("monai", ["1.5.2"], ["1.6.0"]),
        ("onnx", ["1.20.1"], ["1.21.0"]),
        ("opencv-python-headless", ["4.11.0.86"], ["4.12.0.88"]),
        ("pillow", ["11.3.0", "12.2.0"], ["12.3.0"]),
        ("pydicom", ["2.4.4", "3.0.0", "3.0.1"], ["2.4.5", "3.0.2"]),
        ("pytest", ["9.0.2"], ["9.0.3"]),
        ("setuptools", ["78.1.0"], ["78.1.1"]),
        ("torch", ["2.9.1"], ["2.10.0"]),
        ("tqdm", ["4.66.2"], ["4.66.3"]),
    ],
)
def test_releases_with_known_advisories_are_refused(name: str, refused: list[str], accepted: list[str]) -> None:
    """The last affected release and the first mended one; setup.cfg names the advisories."""
    requirement = requirements()[name]
    assert not any(requirement.specifier.contains(version) for version in refused)
    assert all(requirement.specifier.contains(version) for version in accepted)


def test_the_label_environment_satisfies_the_bounds() -> None:
    """pip does not check it: most of that environment is installed without looking at what packages ask for."""
    pinned = pins("requirements-label.txt", "3.11")
    for name, requirement in requirements("").items():
        assert requirement.specifier.contains(pinned[name]), f"{name}: {pinned[name]} is outside {requirement}"


@pytest.mark.parametrize("python_version", PYTHONS)
def test_oldest_constraints_satisfy_the_bounds(python_version: str) -> None:
    pinned = pins("constraints-oldest.txt", python_version)
    for name, requirement in requirements().items():
        if name in requirements("") or name in pinned:
            assert requirement.specifier.contains(pinned[name]), f"{name}: {pinned[name]} is outside {requirement}"


def test_oldest_constraints_are_the_lower_bounds() -> None:
    pinned = pins("constraints-oldest.txt", "3.11")
    for name, requirement in requirements("").items():
        (bound,) = (Version(s.version) for s in requirement.specifier if s.operator == ">=")
        if name not in BELOW_OLDEST:
            assert pinned[name].release[:2] == bound.release[:2], f"{name}: {bound} is promised, {pinned[name]} tested"


def build_wheel(tmp_path: Path) -> Path:
    """Build a wheel from a copy of the sources, since a build leaves folders behind."""
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("monai_acdr", "bundles", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(source)], check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def test_wheel_holds_package_and_bundles_and_nothing_else(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "monai_acdr").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    bundles = {
        f"monai_acdr/{path.relative_to(ROOT).as_posix()}"
        for kind in ("LICENSE", "configs/*", "docs/*", "models/*")
        for path in (ROOT / "bundles").glob(f"*/{kind}")
        if path.is_file()
    }
    assert held == package | bundles
    assert any(name.endswith("configs/metadata.json") for name in bundles)


def test_wheel_metadata(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    text = archive.read(name).decode()
    assert f"\nVersion: {monai_acdr.__version__}\n" in text
    assert "Apache-2.0" in text
    assert any(name.endswith("LICENSE") and ".dist-info/" in name for name in archive.namelist())


def test_the_command_line_of_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    """Away from the repository: all bundles, one by its name with its weights, and the example study."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "from monai_acdr.bundle import bundle_names, bundle_root\n"
        "print(*(bundle_root(name) for name in bundle_names()))\n"
        "from monai_acdr.data import example_study\n"
        "study = example_study() / 'dicoms'\n"
        "from monai_acdr.apps.cli import main\n"
        "main(['segment', str(study), '-o', 'out', '-m', 'sunnybrook_lv_acdr', '--roi', 'center', '-d', 'cpu'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, rest = done.stdout.split("\n", 1)
    bundles = (tmp_path / "site" / "monai_acdr" / "bundles").glob("*/configs/metadata.json")
    assert set(map(Path, first.split())) == {path.parents[1] for path in bundles} != set()
    assert "22 of 22 frame(s) outlined" in rest
    assert (tmp_path / "out" / "contours.json").is_file()
