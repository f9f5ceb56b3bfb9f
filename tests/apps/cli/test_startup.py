# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Start of a command: stand-ins of modules that are loaded when they are used, and gone afterwards."""

from __future__ import annotations

import atexit
import gc
import importlib
import subprocess
import sys

import pytest

from monai_acdr.apps import startup
from monai_acdr.apps.startup import COLLECTION_THRESHOLDS, DeferredName, deferred_imports, rare_collections

LARGE = """
class Thing:
    kind = "real"
    def __init__(self, value=0):
        self.value = value

def double(number):
    return 2 * number
"""
USER = """
from __future__ import annotations
import large_one.part as part
from large_one.part import Thing, double

def is_thing(value) -> bool:
    return isinstance(value, Thing)
"""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A package `large_one`, deferred, and the module `user_of_it`, which imports names of it."""
    (tmp_path / "large_one").mkdir()
    (tmp_path / "large_one" / "__init__.py").write_text("")
    (tmp_path / "large_one" / "part.py").write_text(LARGE)
    (tmp_path / "user_of_it.py").write_text(USER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(startup, "DEFERRED", ("large_one", "absent_one"))
    importlib.invalidate_caches()
    yield
    for name in ("user_of_it", "large_one.part", "large_one"):
        sys.modules.pop(name, None)


def test_names_are_loaded_when_they_are_used(modules):
    before = list(sys.meta_path)
    with deferred_imports():
        user = importlib.import_module("user_of_it")
    assert sys.meta_path == before and "large_one" not in sys.modules and "large_one.part" not in sys.modules
    assert not user.is_thing(1) and "large_one.part" not in sys.modules
    assert isinstance(user.Thing, DeferredName)
    assert user.double(21) == 42
    real = importlib.import_module("large_one.part")
    assert real.Thing is not user.Thing
    assert user.is_thing(real.Thing()) and not user.is_thing(1)
    assert user.Thing(7).value == 7 and user.Thing.kind == "real" and user.part.double is real.double
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = user.part.nothing_of_that_name


def test_modules_that_are_loaded_or_absent_are_left_alone(modules):
    real = importlib.import_module("large_one.part")
    with deferred_imports():
        user = importlib.import_module("user_of_it")
        with pytest.raises(ModuleNotFoundError, match="absent_one"):
            importlib.import_module("absent_one")
    assert user.Thing is real.Thing and sys.modules["large_one.part"] is real


def test_the_collector_is_put_back():
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="stop"), rare_collections():
        assert gc.get_threshold() == COLLECTION_THRESHOLDS
        raise ValueError("stop")
    assert gc.get_threshold() == before


def test_what_stays_is_not_looked_through_again(modules, monkeypatch):
    """Not after the imports, which are frozen once, and not at the end of the process, once for all commands."""
    frozen, last = [], []
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(1))
    monkeypatch.setattr(atexit, "register", last.append)
    monkeypatch.setattr(atexit, "unregister", lambda function: function in last and last.remove(function))
    for _ in range(2):
        with deferred_imports():
            importlib.import_module("user_of_it")
        assert len(frozen) == 1
    for _ in range(2):
        with rare_collections():
            (freeze,) = last
    freeze()
    assert len(frozen) == 2
    monkeypatch.setitem(sys.modules, "triton", startup)  # which would warn of what it finds at the end
    freeze()
    assert len(frozen) == 2


def test_a_command_loads_none_of_the_deferred_modules():
    """And MONAI's names of them work afterwards, as a function of scipy.signal."""
    code = f"""
import sys
from monai_acdr.apps.startup import deferred_imports
with deferred_imports():
    import monai_acdr.apps.segment_study
loaded = sorted(set({startup.DEFERRED!r}) & set(sys.modules))
assert not loaded, loaded
import numpy as np
from monai.data.ultrasound_confidence_map import hilbert
assert np.allclose(np.abs(hilbert(np.cos(np.arange(64) * np.pi / 8))), 1)
from monai_acdr.measures.ventricle import linear_sum_assignment
assert linear_sum_assignment(np.array([[1.0, 0.0], [0.0, 1.0]]))[1].tolist() == [1, 0]
import scipy.signal, scipy.stats
assert scipy.stats.norm.cdf(0.0) == 0.5
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
