# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monai_acdr.apps.cli import main
from monai_acdr.apps.watch import run as service
from monai_acdr.apps.watch.queue import WatchQueue
from monai_acdr.apps.watch.rules import parse_rules

URL = "http://127.0.0.1:8042"


@pytest.fixture()
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"rules": [{"name": "heart", "roi": "center"}]}))
    return path


def command(*words: object) -> Result:
    return CliRunner().invoke(main, ["cohort", *map(str, words)])


def test_other_settings_are_another_run(tmp_path: Path) -> None:
    def open_runs(**values: Any) -> str:
        rules = parse_rules({"rules": [{"name": "heart", "roi": "center", **values}]})
        return service.open_runs(tmp_path, rules, "cpu")["heart"].folder.name

    assert open_runs() == open_runs() == "heart"
    assert open_runs(options={"sr": False}) == "heart-2"
    assert open_runs(options={"sr": False}) == "heart-2"
    assert open_runs() == "heart"
    assert len({path.read_text() for path in tmp_path.glob("**/salt")}) == 1


def test_the_command_follows_the_server(rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[Any] = []
    monkeypatch.setattr(service.Watcher, "run", lambda watcher: followed.append(watcher))
    output = tmp_path / "service"
    done = command("--watch", URL, "--rules", rules, "-o", output, "--status-port", 0, "-d", "cpu", "--retry-failed")
    assert done.exit_code == 0, done.output
    assert "Status: http://127.0.0.1:" in done.stderr
    assert f"Following {URL} with 1 rule(s)" in done.stderr
    (watcher,) = followed
    assert (watcher.server.url, watcher.folder) == (URL, output)
    done = command("--watch", "http://127.0.0.1:8043", "--rules", rules, "-o", output)
    assert done.exit_code == 3
    assert "choose another folder for another server" in done.stderr
    with_queue = WatchQueue(output)
    assert with_queue.fact("server") == URL
    with_queue.close()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Expected SOURCE, or --watch URL"),
        (("x", "--rules", "r.json"), "Expected SOURCE, or --watch URL"),
        (("--watch", URL), "Expected --rules FILE with --watch"),
        (
            ("x", "--watch", URL, "--rules", "r.json", "--sr", "--workers", "2"),
            "Expected no --sr, SOURCE, --workers with",
        ),
    ],
)
def test_options_that_do_not_go_together(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = command(*words, "-o", tmp_path / "service")
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert not (tmp_path / "service").exists()
