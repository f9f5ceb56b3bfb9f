# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Speed is measured for what can be, within limits; no test looks at a time."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
import torch

from monai_acdr.networks.layers import ExactOptions, rasterize_polygons


@pytest.fixture
def script() -> ModuleType:
    return import_module("rasterizer_speed")


@pytest.fixture
def registry() -> ModuleType:
    return import_module("rasterizer_registry")


def options(**changes: Any) -> Any:
    arguments = ["--cases", "2,8,4", "--repeats", "2", "--warmup", "0", "--sweep-sizes", "8", "--sweep-vertices", "4"]
    result = import_module("rasterizers").read_options(arguments)
    vars(result).update(changes)
    return result


def test_cases(script: ModuleType) -> None:
    assert script.parse_case("32,64,16") == (32, 64, 16, True)
    assert script.parse_case("32,64,16,forward") == (32, 64, 16, False)
    assert script.parse_case(script.CASES[0]) == (32, 64, 32, True)
    with pytest.raises(ValueError, match="not enough values"):
        script.parse_case("32,64")


def test_passes_samples_and_curves(script: ModuleType, registry: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "SAMPLE_SECONDS", 1e-6)
    entries = {
        "ours": registry.Entry(registry.make_exact("torch")),
        "floor": registry.RASTERIZERS["torch.cumsum"],
        "limited": registry.Entry(registry.make_exact("torch"), largest=1, largest_in_sweep=1e6),
    }
    speed = script.measure_speed(entries, "cpu", options())
    (case,) = speed["cases"]
    assert (case["batch_size"], case["size"], case["num_vertices"]) == (2, 8, 4)
    assert set(case["forward"]) == {"ours", "floor"}
    assert set(case["forward_backward"]) == {"ours"}
    figures = case["forward_backward"]["ours"]
    assert len(figures["values"]) == figures["samples"] == 2
    assert figures["q25"] <= figures["median"] <= figures["q75"]
    assert [set(point["seconds"]) for point in speed["sweep"]["size"]] == [{"ours", "floor", "limited"}]
    assert speed["sweep"]["num_vertices"][0]["num_vertices"] == 4


def test_forward_only(script: ModuleType, registry: ModuleType) -> None:
    entries = {"ours": registry.Entry(registry.make_exact("torch"))}
    assert "forward_backward" not in script.measure_case(entries, (2, 8, 4, False), "cpu", options())


def test_slow_jobs_take_part_in_fewer_rounds(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = dict.fromkeys("ab", 0)

    def count(name: str) -> None:
        calls[name] += 1

    jobs = {name: lambda name=name: count(name) for name in calls}
    seconds = {"a": 2 * script.SLOW_SECONDS, "b": script.SAMPLE_SECONDS / 3}
    monkeypatch.setattr(script, "time_once", lambda name, *rest: seconds[name])
    result = script.time_jobs(jobs, "cpu", options(repeats=5, warmup=1))
    assert {name: figures["samples"] for name, figures in result.items()} == {"a": 3, "b": 5}
    assert {name: figures["calls"] for name, figures in result.items()} == {"a": 1, "b": 3}
    assert calls == {"a": 3, "b": 18}


def test_backward_job_gives_the_gradient_of_the_loss(script: ModuleType) -> None:
    vertices, reference = script.make_inputs(2, 16, 8, "cpu", 0)
    given = script.backward_job(lambda v: rasterize_polygons(v, (16, 16))[:, 0], vertices, reference)()
    leaf = vertices.clone().requires_grad_()
    (
        rasterize_polygons(leaf, (16, 16), ExactOptions(differentiate="autograd"))[:, 0] - reference
    ).square().mean().backward()
    assert torch.allclose(given, leaf.grad, atol=1e-6)
    assert float(given.abs().max()) > 1e-4


def test_given_gradient_is_taken_as_it_is(script: ModuleType) -> None:
    vertices, gradient = script.make_inputs(2, 16, 8, "cpu", 0)
    given = script.given_job(lambda v: rasterize_polygons(v, (16, 16))[:, 0], vertices, gradient)()
    leaf = vertices.clone().requires_grad_()
    (rasterize_polygons(leaf, (16, 16), ExactOptions(differentiate="autograd"))[:, 0] * gradient).sum().backward()
    assert torch.allclose(given, leaf.grad, atol=1e-4)


def test_cuda_runs_wait_and_are_replayed_from_graphs(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waits.append(1))
    monkeypatch.setattr(script, "as_graph", lambda job: None if job is jobs["b"] else job)
    jobs = {"a": lambda: None, "b": lambda: [].clear()}
    result = script.time_jobs(jobs, "cuda", options(repeats=2, warmup=0))
    assert set(result) == {"a", "b", "a, CUDA graph"}
    assert len(waits) == 3 * 2 + 2 * 2 * 3


def test_what_does_not_fit_is_said_and_left_out(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    def large() -> None:
        raise torch.OutOfMemoryError("too large")

    result = script.time_jobs({"large": large, "small": lambda: None}, "cpu", options())
    assert set(result) == {"small"}
    assert capsys.readouterr().out == "large: out of memory\n"


def test_large_case_on_cuda_only(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "measure_case", lambda entries, case, device, options: case)
    given = options(cases=list(script.CASES), sweep_sizes=[], sweep_vertices=[])
    assert (100, 512, 128, False) in script.measure_speed({}, "cuda", given)["cases"]
    assert (100, 512, 128, False) not in script.measure_speed({}, "cpu", given)["cases"]
