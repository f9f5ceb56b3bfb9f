# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import http.client
import re
from pathlib import Path
from typing import Any

import pytest

from monai_acdr.apps.watch.queue import WatchQueue, count_studies
from monai_acdr.apps.watch.service import Processed
from monai_acdr.apps.watch.status import resident_bytes, serve_status


def get(port: int, path: str, host: str = "127.0.0.1", method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, headers={"Host": host})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_numbers_and_no_identity(bench: Any) -> None:
    watcher = bench.start()
    bench.outcomes = [Processed(kind="input", reason="s3cret"), Processed(kind="memory", reason="s3cret")]
    studies = [bench.server.receive(name, description="s3cret") for name in "abc"]
    bench.server.receive("ct", modality="CT")
    while watcher.step():
        pass
    bench.now += 5
    with serve_status(bench.folder, watcher.health, 0, lambda: bench.now) as port:
        status, metrics = get(port, "/metrics")
        assert status == 200
        values = dict(re.findall(r"^monai_acdr_watch_(\S+) (\S+)$", metrics, re.MULTILINE))
        assert {
            key: values[f'studies{{state="{key}"}}'] for key in ("waiting", "running", "done", "failed", "ignored")
        } == {
            "waiting": "1",
            "running": "0",
            "done": "1",
            "failed": "1",
            "ignored": "1",
        }
        assert (
            values['given_up{kind="input"}'] == values["again"] == values["server_up"] == values["stored_total"] == "1"
        )
        assert (values["attempts_total"], values["failures_total"], values["last_change"]) == ("3", "2", "4")
        assert values["oldest_seconds"] == values["look_age_seconds"] == "5"
        assert float(values["resident_bytes"]) > 1e6
        assert metrics.count("# TYPE") == metrics.count("# HELP")
        status, page = get(port, "/", host="localhost:1")
        assert status == 200
        assert "<th>Studies done</th><td>1</td>" in page
        assert get(port, "/health") == (200, "up\n")
        watcher.health.server_up = False
        assert get(port, "/health") == (503, "down\n")
        for secret in ("s3cret", *studies, *(study.uid + "<" for study in bench.server.known.values())):
            assert secret not in page + metrics
        # Another site's page in the user's browser gets nothing.
        assert get(port, "/", host="evil.example")[0] == 403
        assert get(port, "/queue.sqlite")[0] == 404
        assert get(port, "/", method="POST")[0] == 501
        with (
            pytest.raises(OSError, match=f"port {port} of 127.0.0.1 to be free"),
            serve_status(bench.folder, watcher.health, port),
        ):
            pass


def test_counting_needs_a_queue(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="read and write the queue"):
        count_studies(tmp_path)
    WatchQueue(tmp_path).close()
    assert count_studies(tmp_path).last_change == 0
    assert (tmp_path / "queue.sqlite").stat().st_mode & 0o077 == 0
    (tmp_path / "queue.sqlite").write_bytes(b"x" * 5000)
    with pytest.raises(OSError, match="file is not a database"):
        WatchQueue(tmp_path)
    assert resident_bytes() >= 0
