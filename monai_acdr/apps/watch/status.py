# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""State of a service for people and for Prometheus: a page, ``/metrics`` and ``/health``, on the loopback only.

Numbers only: no identifier, no name, no reason of a failure, which may repeat values of a study.
"""

from __future__ import annotations

import html
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from monai_acdr import __version__
from monai_acdr.apps.watch.queue import Counts, count_studies
from monai_acdr.apps.watch.service import Health

__all__ = ["metrics_text", "serve_status", "status_page"]

HOST = "127.0.0.1"
_HOSTS = (HOST, "localhost", "::1")
_SECONDS = 10.0
"""Timeout for a client to send its request."""
_PLAIN = "text/plain; version=0.0.4; charset=utf-8"
"""Content type of Prometheus' text format."""


def metrics_text(counts: Counts, health: Health, now: float) -> str:
    """The state in Prometheus' text format.

    Args:
        counts: counts of the queue.
        health: health of the service.
        now: time in seconds since 1970.
    """
    lines: list[str] = []

    def add(name: str, kind: str, description: str, values: dict[str, float]) -> None:
        full = f"monai_acdr_watch_{name}"
        lines.extend((f"# HELP {full} {description}", f"# TYPE {full} {kind}"))
        lines.extend(f"{full}{labels} {value:.10g}" for labels, value in values.items())

    add("studies", "gauge", "Studies by state.", {f'{{state="{k}"}}': v for k, v in counts.states.items()})
    add("urgent", "gauge", "Waiting studies that go first.", {"": counts.urgent})
    add("again", "gauge", "Waiting studies that failed before.", {"": counts.again})
    add("oldest_seconds", "gauge", "Longest wait of a study.", {"": counts.oldest_seconds})
    failures = {f'{{kind="{kind}"}}': float(number) for kind, number in sorted(counts.failures.items())}
    add("given_up", "gauge", "Studies given up, by kind of failure.", failures)
    add("done_seconds_total", "counter", "Time spent on studies that are done.", {"": counts.seconds})
    add("last_change", "gauge", "Number of the last event of the server that was read.", {"": counts.last_change})
    add("server_up", "gauge", "Whether the server answered the last time.", {"": health.server_up})
    add("busy", "gauge", "Whether a study is being done.", {"": health.busy})
    add("attempts_total", "counter", "Studies begun since the start.", {"": health.attempts})
    add("failures_total", "counter", "Attempts that failed since the start.", {"": health.failures})
    add("stored_total", "counter", "Instances stored since the start.", {"": health.stored})
    add("look_age_seconds", "gauge", "Time since the events were read.", {"": _age(health, now)})
    add("resident_bytes", "gauge", "Memory of the service.", {"": resident_bytes()})
    return "\n".join(lines) + "\n"


def status_page(counts: Counts, health: Health, now: float) -> str:
    """The state as an HTML page without scripts."""
    rows = [
        ("Server", "answers" if health.server_up else "does not answer"),
        ("Last look at it", f"{_age(health, now):.0f} s ago" if health.last_look else "not yet"),
        *((f"Studies {state}", str(number)) for state, number in counts.states.items()),
        ("Of those waiting, urgent", str(counts.urgent)),
        ("Of those waiting, failed before", str(counts.again)),
        ("Longest wait", f"{counts.oldest_seconds:.0f} s"),
        *((f"Given up: {kind}", str(number)) for kind, number in sorted(counts.failures.items())),
        ("Begun, failed, stored since the start", f"{health.attempts}, {health.failures}, {health.stored}"),
        ("Memory", f"{resident_bytes() / 2**20:.0f} MiB"),
    ]
    cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="10">'
        "<title>monai-acdr: arriving studies</title><style>body{font:16px sans-serif;margin:2em}"
        "th{text-align:left;padding-right:2em;font-weight:normal}td{font-weight:bold}</style></head>"
        f"<body><h1>Arriving studies</h1><table>{cells}</table><p>monai_acdr {html.escape(__version__)}, for research "
        "only. Reasons of failures are in the folder <code>dead_letters</code>.</p></body></html>"
    )


@contextmanager
def serve_status(
    folder: str | os.PathLike[str], health: Health, port: int, clock: Callable[[], float] = time.time
) -> Iterator[int]:
    """Serve the state of a service while the block runs.

    Args:
        folder: folder of the service.
        health: health of the service.
        port: port on the loopback; 0 takes a free one.
        clock: returns the time in seconds since 1970.

    Yields:
        The port.

    Raises:
        OSError: when the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = _SECONDS
        server_version, sys_version = "monai-acdr", ""

        def do_GET(self) -> None:
            if urlsplit(f"//{self.headers.get('Host', '')}").hostname not in _HOSTS:  # a page under another host name
                self.send_error(403)
                return
            path = urlsplit(self.path).path
            if path not in ("/", "/metrics", "/health"):
                self.send_error(404)
                return
            if path == "/health":
                self._answer(200 if health.server_up else 503, "text/plain", "up\n" if health.server_up else "down\n")
                return
            try:
                counts = count_studies(folder, clock)
            except OSError:
                self.send_error(503)
                return
            if path == "/metrics":
                self._answer(200, _PLAIN, metrics_text(counts, health, clock()))
            else:
                self._answer(200, "text/html; charset=utf-8", status_page(counts, health, clock()))

        def _answer(self, status: int, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not logged."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Ignore clients that hang up."""

    try:
        server = Server((HOST, port), Handler)
    except OSError as error:
        raise OSError(
            f"Expected port {port} of {HOST} to be free for the status page, but got {error.strerror}: choose another "
            "one with --status-port."
        ) from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def resident_bytes() -> int:
    """Memory of this process in bytes; 0 where the system does not report it."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _age(health: Health, now: float) -> float:
    return max(now - health.last_look, 0.0) if health.last_look else 0.0
