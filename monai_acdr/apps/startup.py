# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Start of a command: deferred imports of MONAI's optional dependencies, and rare garbage collection.

``import monai`` takes 4 to 6 seconds, most of it for what no command of this package needs: PyTorch-Ignite imports
``torch.distributed.optim``, and with it sympy, only to ask whether an optimizer is a ``ZeroRedundancyOptimizer``; MONAI
imports ``scipy.signal``, and with it all of ``scipy.stats``, for two transforms of signals, ``scipy.optimize`` for one
metric, nibabel and h5py for their files, and ``matplotlib.pyplot`` and TensorBoard for pictures of training. Within
:func:`deferred_imports` these modules are stand-ins. A name of a stand-in is a :class:`DeferredName`: calling it, or
reading one of its attributes, loads the module and does the same with the real object; ``isinstance`` is false as long
as the module is not loaded, because nothing can be an instance of a class that does not exist. Afterwards an import of
these modules finds the real ones.

Only the command line does this: a library must not change the import system and the garbage collector of its users.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["DEFERRED", "DeferredName", "deferred_imports", "rare_collections"]

DEFERRED = (
    *("h5py", "matplotlib", "nibabel"),
    *("scipy.optimize", "scipy.signal", "scipy.sparse.linalg", "scipy.stats"),
    *("torch.distributed.optim", "torch.utils.tensorboard"),
)
"""Modules that are replaced by stand-ins, with all submodules."""

COLLECTION_THRESHOLDS = (200_000, 50, 1000)
"""Arguments of :func:`gc.set_threshold`. Headers of a study and highdicom's tables are a million permanent objects,
which the collector with Python's own thresholds scans repeatedly, for a quarter of a command's time."""


class DeferredName(type):
    """A class that replaces a name of a module that is not loaded, even if the name is a function.

    It is a class because MONAI and Ignite use such names in annotations and in ``isinstance``.
    """

    def __new__(cls, module: str, name: str) -> Any:
        """A stand-in for ``module.name``."""
        return super().__new__(cls, name, (), {"__module__": module, "_deferred": (module, name)})

    def __init__(cls, module: str, name: str) -> None:
        super().__init__(name, (), {})

    def _load(cls) -> Any:
        module, name = cls._deferred
        return getattr(importlib.import_module(module), name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._load()(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        module, name = cls._deferred
        loaded = sys.modules.get(module)
        if loaded is None or isinstance(loaded, _StandIn):
            return False
        return isinstance(instance, getattr(loaded, name))

    def __getattr__(cls, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(cls._load(), attribute)


class _StandIn(ModuleType):
    """A module whose names are deferred; modules that imported it keep it when the real one is loaded."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        loaded = sys.modules.get(self.__name__)
        if loaded is not None and loaded is not self:
            return getattr(loaded, name)
        return DeferredName(self.__name__, name)


class _Finder:
    """Meta path finder and loader of stand-ins."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if not any(name == deferred or name.startswith(f"{deferred}.") for deferred in DEFERRED):
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        real = next((spec for spec in others if spec is not None), None)
        if real is None:  # not installed: the import fails as usual
            return None
        spec = ModuleSpec(name, self, origin=real.origin)  # type: ignore[arg-type]
        spec.submodule_search_locations = real.submodule_search_locations
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self.made.append(spec.name)
        module = _StandIn(spec.name)
        module.__file__ = spec.origin  # MONAI takes a package without a file for a namespace package
        return module

    def exec_module(self, _module: ModuleType) -> None:
        """Nothing is executed."""


@contextmanager
def deferred_imports() -> Iterator[None]:
    """Defer the modules of :data:`DEFERRED` within the block, as far as they are installed and not yet imported."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        with rare_collections():
            yield
    finally:
        if finder.made:  # only once per process: modules are permanent and need no further scan
            _freeze()
        sys.meta_path.remove(finder)
        for name in finder.made:
            stand_in = sys.modules.pop(name, None)
            parent, _, child = name.rpartition(".")
            if parent in sys.modules and vars(sys.modules[parent]).get(child) is stand_in:
                delattr(sys.modules[parent], child)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let Python's garbage collector scan new objects rarely within the block.

    At the end of the process it scans none: the system gets all memory back anyway, and collecting the objects of
    modules and headers takes a second and a half.
    """
    atexit.unregister(_freeze)
    atexit.register(_freeze)
    before = gc.get_threshold()
    gc.set_threshold(*COLLECTION_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _freeze() -> None:
    """Exclude all present objects from collection.

    Not with triton, which prints a page of warnings at exit about objects that were not collected.
    """
    if "triton" not in sys.modules:
        gc.freeze()
