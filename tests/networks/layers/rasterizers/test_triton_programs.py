# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The GPU programs compile where there is no GPU; what they compute is tested in test_triton_kernel.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

triton = pytest.importorskip("triton", minversion="3.7", reason=".ci/run installs it beside a CPU build of torch")

OPTIONS = {"num_warps": 1, "enable_fp_fusion": True}


@pytest.mark.skipif(torch.cuda.is_available(), reason="test_triton_kernel.py compiles them for the GPU that is here")
def test_compiles_for_gpus_that_are_not_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    spec = importlib.util.find_spec("monai_acdr.networks.layers.rasterizers.triton_programs")
    assert spec is not None
    assert spec.loader is not None
    programs = importlib.util.module_from_spec(spec)  # a second copy, which is not interpreted
    spec.loader.exec_module(programs)
    settings = {
        "forward": {"KEEP_WINDING": True, "ROWS": 2, "COLUMNS": 64, "EDGES": 32, "axis_stride": 1},
        "backward": {"VERTICES": 16, "axis_stride": 1, "column_stride": 1, "width": 1},  # as triton treats any 1
    }
    pointers = ("vertices", "mask", "winding", "grad", "result")
    for (name, constants), (rule, dtype) in zip(
        [*settings.items()] * 2, [(0, "fp32"), (1, "fp32"), (2, "fp64"), (1, "fp64")], strict=True
    ):
        function = getattr(programs, name)
        constants = {"RULE": rule, **constants}
        signature = {key: f"*{dtype}" if key in pointers else "i32" for key in function.arg_names}
        signature.update(dict.fromkeys(constants, "constexpr"))
        source = ASTSource(function, signature, constexprs=constants)
        compiled = triton.compile(source, target=GPUTarget("cuda", 80, 32), options=OPTIONS)
        assert compiled.asm["cubin"]
