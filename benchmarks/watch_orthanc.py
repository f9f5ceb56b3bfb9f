# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Does every study that a scanner pushes reach the PACS once, with its results, despite kills? Is memory constant?

Two Orthanc servers run on the loopback: the inbox of docs/examples/orthanc and a PACS, to which its Lua script sends
results. Small synthetic studies are pushed with storescu over several associations at once. `monai-acdr cohort --watch`
runs in a process that is forked from this one, where everything is imported.

- kills: the service is killed (SIGKILL) at random moments and started again, the inbox is killed once. At the end each
  study must have one SEG, one RTSTRUCT and one SR in the PACS and in the inbox.
- soak: the service runs undisturbed; its memory is read from its metrics after each study.

Needs Orthanc, without plugins, and storescu of dcmtk. Not for Windows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from timing import OUTPUT_DIR, ROOT, Table, write_record

from monai_acdr.apps.watch.queue import count_studies
from monai_acdr.apps.watch.run import watch
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.dicom.orthanc import Orthanc, OrthancError

QUESTION = (
    "studies pushed by C-STORE that are in the PACS with SEG, RTSTRUCT and SR once, after kills; memory of a soak"
)
EXAMPLES = ROOT / "docs" / "examples" / "orthanc"
RESULTS = ("RTSTRUCT", "SEG", "SR")
STABLE_SECONDS, SETTLE_SECONDS = 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both parts, print tables, write the JSON file; the status is 1 when a result is missing or duplicated."""
    options = read_options(arguments)
    results: dict[str, Any] = {}
    settings = {name: getattr(options, name) for name in ("studies", "associations", "kills", "soak", "seed")}
    for name, number, run in (("kills", options.studies, kill_service), ("soak", options.soak, soak_service)):
        if number:
            results[name] = run(options)
            print(*make_tables({name: results[name]}), flush=True)
            write_record(options.output, QUESTION, settings, results, make_tables(results))
    return 1 if any(part["faults"] for part in results.values()) else 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--output", type=Path, default=OUTPUT_DIR / "watch_orthanc.json", help="JSON file to write")
    options.add_argument("--studies", type=int, default=50, help="pushed while the service is killed; 0 for none")
    options.add_argument("--associations", type=int, default=4, help="parallel associations")
    options.add_argument("--kills", type=int, default=20, help="number of kills of the service")
    options.add_argument("--soak", type=int, default=300, help="studies of the undisturbed run; 0 for none")
    options.add_argument("--longest", type=float, default=20.0, help="seconds from a start of the service to its kill")
    options.add_argument("--minutes", type=float, default=60.0, help="after which a part is given up")
    options.add_argument("--seed", type=int, default=0, help="seed of the kill times")
    return options.parse_args(arguments)


def kill_service(options: argparse.Namespace) -> dict[str, Any]:
    """Kill the service at random moments while studies arrive, and count the results in the PACS at the end."""
    generator = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name, two_servers(Path(name)) as servers:
        work, started = Path(name), time.monotonic()
        end = started + 60 * options.minutes
        folders = make_studies(work / "made", options.studies)
        with ThreadPoolExecutor(options.associations) as scanner:
            pushed = [scanner.submit(servers.push, folder) for folder in folders]
            for kill in range(options.kills):
                process = fork_service(servers.inbox_url, work)
                time.sleep(generator.uniform(0.2, options.longest))
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
                if kill == options.kills // 2:
                    servers.kill_inbox()
            for future in pushed:
                future.result()
        done = count_studies(work / "service").states["done"]
        process = fork_service(servers.inbox_url, work)
        try:
            wait_until(lambda: not find_faults(servers, options.studies), end)
        finally:
            os.kill(process, signal.SIGTERM)
            os.waitpid(process, 0)
        return {
            "studies": options.studies,
            "kills": options.kills,
            "done when the kills ended": done,
            "seconds": round(time.monotonic() - started, 1),
            "faults": find_faults(servers, options.studies),
        }


def soak_service(options: argparse.Namespace) -> dict[str, Any]:
    """Run the service undisturbed, and read its memory after each study."""
    with tempfile.TemporaryDirectory() as name, two_servers(Path(name)) as servers:
        work, memory = Path(name), dict[int, float]()
        end = time.monotonic() + 60 * options.minutes
        folders, port = make_studies(work / "made", options.soak), free_port()
        process = fork_service(servers.inbox_url, work, port)
        try:
            with ThreadPoolExecutor(options.associations) as scanner:
                pushed = [scanner.submit(servers.push, folder) for folder in folders]
                started = time.monotonic()

                def all_done() -> bool:
                    values = metrics(port)
                    done = int(values.get('studies{state="done"}', 0))
                    if done:
                        memory.setdefault(done, values["resident_bytes"] / 2**20)
                    return done == options.soak

                wait_until(all_done, end, 0.2)
                seconds = time.monotonic() - started
                for future in pushed:
                    future.result()
            wait_until(lambda: not find_faults(servers, options.soak), min(end, time.monotonic() + 120))
        finally:
            os.kill(process, signal.SIGTERM)
            os.waitpid(process, 0)
        tenth = max(options.soak // 10, 1)
        first = [value for done, value in memory.items() if done <= tenth]
        last = [value for done, value in memory.items() if done > options.soak - tenth]
        return {
            "studies": options.soak,
            "studies per hour": round(3600 * max(memory, default=0) / seconds),
            "MiB, first tenth": round(statistics.median(first), 1) if first else None,
            "MiB, last tenth": round(statistics.median(last), 1) if last else None,
            "faults": find_faults(servers, options.soak),
        }


class Servers:
    """An inbox and a PACS behind it, with their data in a folder."""

    def __init__(self, folder: Path) -> None:
        self.configs: dict[str, Path] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        example = json.loads((EXAMPLES / "orthanc.json").read_text(encoding="utf-8"))
        ports = {name: (free_port(), free_port()) for name in ("inbox", "pacs")}
        self.dicom_port = ports["inbox"][1]
        self.inbox_url, self.pacs_url = (f"http://127.0.0.1:{ports[name][0]}" for name in ("inbox", "pacs"))
        for name, (http, dicom) in ports.items():
            storage = str(folder / name)
            config = {
                "StorageDirectory": storage,
                "IndexDirectory": storage,
                "HttpPort": http,
                "DicomPort": dicom,
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": False,
                "DicomAet": "PACS",
            }
            if name == "inbox":
                config = {**example, **config, "DicomAet": example["DicomAet"], "StableAge": STABLE_SECONDS}
                config["DicomModalities"] = {"pacs": ["PACS", "127.0.0.1", ports["pacs"][1]]}
                config["LuaScripts"] = [str(EXAMPLES / script) for script in example["LuaScripts"]]
            (folder / name).mkdir()
            self.configs[name] = folder / f"{name}.json"
            self.configs[name].write_text(json.dumps(config), encoding="utf-8")

    def start(self, name: str) -> None:
        """Start a server, and wait until it answers."""
        program = shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
        if program is None or shutil.which("storescu") is None:
            raise RuntimeError("Expected Orthanc and storescu to be installed: apt-get install orthanc dcmtk.")
        with open(self.configs[name].with_suffix(".log"), "ab") as log:
            command = [program, str(self.configs[name])]
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        server = Orthanc(self.inbox_url if name == "inbox" else self.pacs_url)
        wait_until(lambda: answers(server), time.monotonic() + 60, 0.1)

    def kill_inbox(self) -> None:
        """Kill the inbox and start it again."""
        self.processes["inbox"].kill()
        self.processes["inbox"].wait()
        self.start("inbox")

    def push(self, folder: Path) -> None:
        """Push a study as a scanner does, and retry while the inbox is down."""
        command = ["storescu", "-aet", "MR1", "-aec", "INBOX", "127.0.0.1", str(self.dicom_port)]
        for _attempt in range(30):
            if subprocess.run([*command, *map(str, sorted(folder.iterdir()))], capture_output=True).returncode == 0:
                return
            time.sleep(2)
        raise RuntimeError("Expected the inbox to take a study, but it did not.")

    def stop(self) -> None:
        """Stop both."""
        for process in self.processes.values():
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def two_servers(folder: Path) -> Iterator[Servers]:
    """Two running servers."""
    servers = Servers(folder)
    try:
        for name in servers.configs:
            servers.start(name)
        yield servers
    finally:
        servers.stop()


def make_studies(folder: Path, number: int) -> list[Path]:
    """Folders with the two images of a slice of a synthetic heart each."""
    return sorted((write_short_axis_studies(folder, number, num_slices=1, num_phases=2) / "dicoms").iterdir())


def fork_service(url: str, work: Path, port: int | None = None) -> int:
    """Start the service in a separate process."""
    rules = work / "rules.json"
    if not rules.exists():
        record = json.loads((EXAMPLES / "rules.json").read_text(encoding="utf-8"))
        record["rules"][0]["roi"] = "center"
        record.update(poll_seconds=0.5, settle_seconds=SETTLE_SECONDS)
        record["retries"]["first_seconds"] = 1
        rules.write_text(json.dumps(record), encoding="utf-8")
    process = os.fork()
    if process == 0:
        try:
            with open(work / "service.log", "ab") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            watch(url, work / "service", rules, status_port=port, device="cpu")
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
        finally:
            os._exit(1)
    return process


def find_faults(servers: Servers, studies: int) -> list[str]:
    """Missing and duplicated results, by server."""
    faults = []
    for name, url in (("pacs", servers.pacs_url), ("inbox", servers.inbox_url)):
        server = Orthanc(url)
        try:
            found = [series_of_results(server, study.identifier) for study in server.studies()]
        except OrthancError as error:
            return [f"{name}: {error}"]
        faults += [f"{name}: a study has {dict(one)}" for one in found if one != Counter(RESULTS)]
        if len(found) != studies:
            faults.append(f"{name}: {len(found)} of {studies} studies")
    return faults


def series_of_results(server: Orthanc, study: str) -> Counter[str]:
    """Instances of results of a study, by modality."""
    counts: Counter[str] = Counter()
    for series in server.series(study):
        if series.modality in RESULTS:
            counts[series.modality] += len(series.instances)
    return counts


def metrics(port: int) -> dict[str, float]:
    """Metrics of the service; empty while it starts."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    found = re.findall(r"^monai_acdr_watch_(\S+) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def answers(server: Orthanc) -> bool:
    """Whether a server answers."""
    try:
        server.last_change()
    except OrthancError:
        return False
    return True


def free_port() -> int:
    """A free port of the loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], end: float, pause: float = 1.0) -> None:
    """Wait for a condition, no longer than until `end`."""
    while not condition() and time.monotonic() < end:
        time.sleep(pause)


def make_tables(results: dict[str, Any]) -> list[Table]:
    """Counts of both parts."""
    return [
        Table(
            name,
            ["", "measured"],
            [[key, str(len(value) if isinstance(value, list) else value)] for key, value in part.items()],
        )
        for name, part in results.items()
    ]


if __name__ == "__main__":
    sys.exit(main())
