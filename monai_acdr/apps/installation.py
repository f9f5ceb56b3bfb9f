# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Installed packages, devices and bundles: the function behind ``monai-acdr info``."""

from __future__ import annotations

import json
import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

import torch

from monai_acdr import __version__
from monai_acdr.bundle import bundle_names, bundle_root
from monai_acdr.files import file_sha256
from monai_acdr.networks.layers.rasterizers.operator import available_backends

__all__ = ["info"]

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(\[[^\]]*\])?[^;]*(;(.*))?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_FOR_DEVELOPERS = ("benchmark", "dev", "docs", "test")


def info() -> dict[str, Any]:
    """Versions, devices, rasterizer backends, extras and bundles, ready for JSON.

    Returns:
        ``version``, ``python``, ``platform``, ``packages`` (name -> version or None where missing), ``devices``,
        ``threads``, ``rasterizers`` (device -> names, the first one is used), ``extras`` (name -> ``installed``,
        ``missing``, ``command``) and ``bundles`` (``name``, ``version``, ``folder``, ``weights_sha256`` or None).
    """
    core, extras = _requirements()
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in core},
        "devices": _devices(),
        "threads": torch.get_num_threads(),
        "rasterizers": {kind: list(available_backends(kind)) for kind in _device_kinds()},
        "extras": {name: _extra(name, packages) for name, packages in extras.items() if name not in _FOR_DEVELOPERS},
        "bundles": [_bundle(name) for name in bundle_names()],
    }


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    """Names of the packages that are always required, and of the packages of each extra."""
    core: list[str] = []
    extras: dict[str, list[str]] = {}
    try:
        lines = requires("monai_acdr") or []
    except PackageNotFoundError:  # run from a folder that is not installed
        lines = []
    for line in lines:
        found = _REQUIREMENT.fullmatch(line.strip())
        if found is None or found[2]:  # an extra that refers to other extras
            continue
        extra = _EXTRA.search(found[4] or "")
        (extras.setdefault(extra[1], []) if extra else core).append(found[1])
    return core, extras


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _extra(name: str, packages: list[str]) -> dict[str, Any]:
    versions = {package: _version(package) for package in packages}
    missing = [package for package, found in versions.items() if found is None]
    return {
        "installed": {package: found for package, found in versions.items() if found is not None},
        "missing": missing,
        "command": f"pip install 'monai_acdr[{name}]'" if missing else None,
    }


def _device_kinds() -> list[str]:
    return ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def _devices() -> list[str]:
    names = ["cpu"]
    if torch.cuda.is_available():
        names += [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    return [*names, *(["mps"] if torch.backends.mps.is_available() else [])]


def _bundle(name: str) -> dict[str, Any]:
    folder = bundle_root(name)
    weights = folder / "models" / "model.pt"
    metadata = json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))
    return {
        "name": name,
        "version": metadata.get("version"),
        "task": metadata.get("task"),
        "folder": str(folder),
        "weights_sha256": file_sha256(weights) if weights.is_file() else None,
    }
