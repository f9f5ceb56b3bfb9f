# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What may be imported where, as tests; the layers themselves are contracts in pyproject.toml (`lint-imports`)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "monai_acdr"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEADER = "# Copyright 2026 The monai_acdr authors\n# SPDX-License-Identifier: Apache-2.0\n"

# Import names of packages that only an extra or another project installs, and of highdicom, whose slow import waits
# until an object is written.
OPTIONAL = (
    *("fire", "tqdm", "tensorboard", "yaml", "torch_contour"),
    *("httpx", "hypothesis", "jsonschema", "pytest", "selenium", "shapely"),
    *(
        "cv2",
        "dask",
        "dask_jobqueue",
        "dicomweb_client",
        "distributed",
        "h5py",
        "highdicom",
        "imagecodecs",
        "monailabel",
        "nrrd",
        "SimpleITK",
        "itk",
        "numba",
        "pandas",
        "pyarrow",
        "pytorch3d",
        "requests",
        "skimage",
        "starlette",
        "torchvision",
        "triton",
        "uvicorn",
        "xlrd",
    ),
)

# Files that import an optional package, by the start of their names: imported only where that package is wanted.
BACKENDS = {
    "monai_acdr.networks.layers.rasterizers.numba_": "numba",
    "monai_acdr.networks.layers.rasterizers.triton_": "triton",
    "monai_acdr.apps.monailabel.server": "monailabel",
    "monai_acdr.apps.review.http": "starlette",
}

# Folders of tests/ that mirror no part of the package.
OTHER_TESTS = {"benchmarks", "bundles", "docs", "experiments", "fuzz", "integration", "properties"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported_modules(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file; `from a import b` yields "a.b" for our own package."""
    package = dotted(path) if path.name == "__init__.py" else dotted(path).rpartition(".")[0]
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *filter(None, [base])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sorted((PACKAGE / "geometry").rglob("*.py")), ids=relative)
def test_geometry_needs_torch_only(path: Path) -> None:
    foreign = {name.split(".")[0] for name in imported_modules(path)} - set(sys.stdlib_module_names)
    assert foreign <= {"torch", "monai_acdr"}


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, monai_acdr; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = set(run_python(code).split())
    assert "monai_acdr" in loaded
    assert not loaded & {*OPTIONAL, "monai", "ignite", "torch"}


def test_every_module_imports_without_optional_packages() -> None:
    names = [dotted(path) for path in MODULES if path.name != "__main__.py"]
    names = [name for name in names if not name.startswith(tuple(BACKENDS))]
    # None stands for "cannot be imported", and `find_spec`, which torch asks, says that there is not one.
    code = f"""
import importlib, sys
sys.modules.update(dict.fromkeys({OPTIONAL!r}))
for name in {names!r}:
    importlib.import_module(name)
assert "torch._dynamo" not in sys.modules, "torch.compile's machinery, 0.7 s, is loaded by an import"
"""
    run_python(code)


@pytest.mark.parametrize("start", BACKENDS)
def test_backends_import_their_own_package_only(start: str) -> None:
    files = [path for path in MODULES if dotted(path).startswith(start)]
    assert files
    foreign = {name.split(".")[0] for path in files for name in imported_modules(path)} & set(OPTIONAL)
    assert foreign == {BACKENDS[start]}


def test_test_folders_mirror_the_package() -> None:
    """A folder of tests is about a folder of the package or about one module of it."""
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    folders = {folder for folder in folders if folder.parts[:1] not in {(other,) for other in OTHER_TESTS}}
    strange = [str(f) for f in folders if not (PACKAGE / f).is_dir() and not (PACKAGE / f"{f}.py").is_file()]
    assert not strange, f"Folders of tests/ that are neither in the package nor in OTHER_TESTS: {strange}"


def test_every_folder_is_a_package() -> None:
    missing = {relative(path.parent) for path in MODULES if not (path.parent / "__init__.py").exists()}
    assert not missing, f"Without an __init__.py these are left out of the wheel: {sorted(missing)}"


@pytest.mark.parametrize("folder", ["monai_acdr", "tests", "benchmarks", "experiments"])
def test_files_name_their_license(folder: str) -> None:
    missing = [p for p in (ROOT / folder).rglob("*.py") if not p.read_text(encoding="utf-8").startswith(HEADER)]
    assert not missing, f"These do not start with the two header lines: {[relative(path) for path in missing]}"
