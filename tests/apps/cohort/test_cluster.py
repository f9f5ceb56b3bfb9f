# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Cohorts on workers: a cluster of this machine, one started by its own commands, and jobs of SLURM."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from monai_acdr.apps.cohort import CohortOptions, CohortReport, run_cohort
from monai_acdr.apps.cohort import run as engine
from monai_acdr.data.phantoms import write_short_axis_studies

from .conftest import NUM_STUDIES, OPTIONS
from .test_run import rows_of, without_seconds

pytest.importorskip("distributed")
Do = Callable[..., CohortReport]
CRASH = "$lambda data: data if data['image'].shape[-1] != 100 else __import__('os')._exit(11)"


@pytest.fixture()
def crashing_heart(tiny_heart: Path, tmp_path: Path) -> Path:
    """A bundle that ends the process at images with 100 columns, as a fault in a compiled codec does."""
    root = Path(shutil.copytree(tiny_heart, tmp_path / "heart"))
    path = root / "configs" / "inference.json"
    config = json.loads(path.read_text())
    config["crop_transforms"].insert(0, CRASH)
    path.write_text(json.dumps(config))
    return root


@pytest.mark.slow
def test_a_study_that_ends_its_workers(
    crashing_heart: Path, cohort_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried on two, then recorded; the other studies are done, and the table is that of a run without workers.

    Dask gives the workers up at once, as it does on a machine so busy that they take long to start anew.
    """
    monkeypatch.setattr(engine, "_LOST_SECONDS", 0)
    monkeypatch.setattr(engine, "_LOOK_SECONDS", 0.5)
    root = Path(shutil.copytree(cohort_tree, tmp_path / "root"))
    phantom = write_short_axis_studies(tmp_path / "odd", 1, 2, 2, (96, 100), (1.4, 1.4), seed=1)
    told: list[str] = []

    def do(source: Path, output: str, workers: int) -> CohortReport:
        how = CohortOptions(workers=workers, salt=tmp_path / "salt", key=tmp_path / f"{output}.csv")
        return run_cohort(
            source, tmp_path / output, crashing_heart, "center", options=OPTIONS, cohort=how, say=told.append
        )

    do(root, "alone", 0)
    shutil.copytree(next((phantom / "dicoms").iterdir()), root / "odd")
    report = do(root, "run", 2)
    assert (report.done, report.failed) == (NUM_STUDIES, 1)
    rows = rows_of(tmp_path / "run" / "cohort.csv")
    (failed,) = [name for name, row in rows.items() if row["state"] == "failed"]
    assert rows[failed]["kind"] == "process_died" and "2 processes ended during it" in rows[failed]["reason"]
    others = [row for row in without_seconds(tmp_path / "run" / "cohort.csv") if row["study"] != failed]
    assert others == without_seconds(tmp_path / "alone" / "cohort.csv")
    assert any(line.startswith("Dask: http://127.0.0.1:") for line in told)
    assert [path for path in (tmp_path / "run").rglob("*") if path.name.startswith(".")] == []


@pytest.mark.slow
def test_a_worker_that_is_lost_with_a_result(
    do: Do, cohort_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was the last one, and Dask does not start it again: another is asked for while the result is waited for."""
    monkeypatch.setattr(engine, "_LOST_SECONDS", 0)
    monkeypatch.setattr(engine, "_LOOK_SECONDS", 0.5)
    outcome_of, killed = engine._outcome_of, []

    def kill_and_ask(future: Any, *args: Any) -> Any:
        if not killed:
            killed.extend(future.client.run(os.getpid).values())
            os.kill(killed[0], signal.SIGKILL)
            deadline = time.monotonic() + 60
            while future.client.cluster.workers or future.client.nthreads():
                assert time.monotonic() < deadline
                time.sleep(0.1)
        return outcome_of(future, *args)

    monkeypatch.setattr(engine, "_outcome_of", kill_and_ask)
    report = do(cohort_tree, workers=1)
    assert killed and (report.done, report.failed) == (NUM_STUDIES, 0)
    assert len(rows_of(tmp_path / "run" / "cohort.csv")) == NUM_STUDIES


@pytest.mark.slow
def test_workers_are_not_profiled() -> None:
    """Dask's profiler keeps call stacks of an hour: a worker grew by 55 MiB in 1,000 studies."""
    with engine._client(CohortOptions(workers=1), 1, lambda _text: None) as client:
        (callbacks,) = client.run(lambda dask_worker: sorted(dask_worker.periodic_callbacks)).values()
    assert "heartbeat" in callbacks and not {"profile", "profile-cycle"} & set(callbacks)


@contextmanager
def started(*command: object) -> Iterator[None]:
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def test_scheduler_and_worker_of_their_own_commands(
    do: Do, cohort_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a cluster; when the scheduler is gone, that is said."""
    file = tmp_path / "scheduler.json"
    dask, where = (sys.executable, "-m", "dask"), ("--scheduler-file", file, "--no-dashboard")
    with ExitStack() as stack:
        stack.enter_context(started(*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *where))
        stack.enter_context(started(*dask, "worker", "--nthreads", "1", "--no-nanny", *where))
        deadline = time.monotonic() + 120
        while not file.exists() or not file.read_text().endswith("}"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        report = do(cohort_tree, scheduler=address)
    assert (report.done, report.failed) == (NUM_STUDIES, 0)
    assert len(rows_of(tmp_path / "run" / "cohort.csv")) == NUM_STUDIES
    monkeypatch.setattr(engine, "_WAIT_SECONDS", 1)
    shutil.rmtree(tmp_path / "run" / "studies")
    with pytest.raises(ValueError, match=f"Expected a Dask scheduler at {address}, but got none"):
        do(cohort_tree, scheduler=address)


SBATCH = """#!/bin/sh
cp "$1" {folder}/job.sh
{run}
echo "Submitted batch job 1"
"""


# The script's own copy is run: that of dask_jobqueue is removed as soon as sbatch has ended.
SHORT_FIRST_JOB = """echo job >> {folder}/jobs
[ "$(wc -l < {folder}/jobs)" -gt 1 ] || sed -i '$s/$/ --lifetime 1s/' {folder}/job.sh
cp {folder}/job.sh {folder}/job-$$.sh
(sh {folder}/job-$$.sh > {folder}/job-$$.log 2>&1 &)"""


def install_slurm(folder: Path, monkeypatch: pytest.MonkeyPatch, run: str) -> Path:
    """Programs in place of SLURM's, and options as users write them."""
    programs = folder / "programs"
    programs.mkdir()
    for name, text in (("sbatch", SBATCH.format(folder=folder, run=run)), ("scancel", "#!/bin/sh\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    options = "queue: imaging\ncores: 1\nprocesses: 1\nmemory: 4GB\nwalltime: '02:00:00'\ninterface: lo\n"
    (folder / "slurm.yaml").write_text(options + "job_extra_directives: ['--gres=gpu:1']\n")
    return folder / "slurm.yaml"


def check_job(script: str) -> None:
    lines = script.splitlines()
    assert lines[0].startswith("#!/")
    for option in ("-p imaging", "-n 1", "--cpus-per-task=1", "--mem=4G", "-t 02:00:00", "--gres=gpu:1"):
        assert f"#SBATCH {option}" in lines
    assert "export DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False" in lines
    assert "distributed.cli.dask_worker tcp://127.0.0.1:" in lines[-1] and "--nthreads 1" in lines[-1]


def test_the_job_script_of_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask_jobqueue")
    options = install_slurm(tmp_path, monkeypatch, ":")
    with engine._slurm_cluster(options, 1) as cluster:
        check_job(cluster.job_script())
        deadline = time.monotonic() + 30
        while not (tmp_path / "job.sh").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    check_job((tmp_path / "job.sh").read_text().strip())
    for text, message in (
        ("[1, 2]", "Expected options of dask_jobqueue.SLURMCluster in .*, such as cores: 8, but got none"),
        ("a: [", "Expected YAML in .*slurm.yaml"),
        ("cores: 1\nmemory: 1GB\nnonsense: 1\n", "but it refuses them .*nonsense"),
    ):
        options.write_text(text)
        with pytest.raises(ValueError, match=message), engine._slurm_cluster(options, 1):
            pass


@pytest.mark.slow
def test_jobs_of_slurm(do: Do, cohort_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script of a job, run by a program in the place of sbatch, starts a worker that does the studies.

    The first job ends as soon as its worker is there, as at its wall time: another one is asked for.
    """
    pytest.importorskip("dask_jobqueue")
    dask = pytest.importorskip("dask")
    monkeypatch.setattr(engine, "_LOOK_SECONDS", 0.5)
    monkeypatch.setattr(engine, "_PATIENCE_SECONDS", 0)
    options = install_slurm(tmp_path, monkeypatch, SHORT_FIRST_JOB.format(folder=tmp_path))
    told: list[str] = []
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "100ms"}):
        report = do(cohort_tree, slurm=options, workers=1, say=told.append)
    assert (report.done, report.failed) == (NUM_STUDIES, 0)
    assert len((tmp_path / "jobs").read_text().splitlines()) >= 2
    assert [line for line in told if line.startswith("No worker for ") and "squeue" in line]
