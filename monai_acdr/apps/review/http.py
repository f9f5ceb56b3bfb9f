# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The review page over HTTP: routes, and access checks.

Every request must name this server as its host (a page of another site that resolves to this address does not).
Requests from pages must come from this page (``Origin``). Everything but the page itself needs the token, which is in
the part of the address that browsers do not send. The page may load from this server only.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from monai_acdr.apps.review.server import RefusedError, ReviewSession
from monai_acdr.apps.review.state import ReviewConflictError
from monai_acdr.apps.review.study import PAGE

__all__ = ["make_app"]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
STATIC = Path(__file__).with_name("static")
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/contours.js": ("contours.js", "text/javascript; charset=utf-8"),
    "/review.js": ("review.js", "text/javascript; charset=utf-8"),
    "/review.css": ("review.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
MAX_BODY = 16 << 20
"""Limit of a request in bytes: a contour of 200,000 vertices has about 4 MB."""
MAX_DIGITS = 15
"""Limit of an integer's digits; float64 represents all integers of this length exactly."""


def make_app(session: ReviewSession, hosts: Sequence[str], port: int) -> Any:
    """The ASGI application.

    Args:
        session: the review to serve.
        hosts: names of this server, beside the loopback addresses, that requests may use.
        port: port that requests use.
    """
    endpoints = _Endpoints(session)
    routes = [Route(path, _static, methods=["GET"]) for path in FILES]
    routes += [
        Route("/api/study", endpoints.got(lambda _: session.describe()), methods=["GET"]),
        Route("/api/contours/{number}", endpoints.got(endpoints.contours), methods=["GET"]),
        Route("/api/frame/{number}", endpoints.got(endpoints.frame), methods=["GET"]),
        Route("/api/sheet/{number}", endpoints.got(endpoints.sheet), methods=["GET"]),
        Route("/api/open", endpoints.posted(session.claim, for_holder=False), methods=["POST"]),
        Route("/api/alive", endpoints.posted(lambda body: {}), methods=["POST"]),
        Route("/api/leave", endpoints.posted(lambda body: session.leave()), methods=["POST"]),
        Route("/api/change", endpoints.posted(session.change), methods=["POST"]),
        Route("/api/outline", endpoints.posted(session.outline), methods=["POST"]),
        Route("/api/finish", endpoints.posted(session.finish), methods=["POST"]),
    ]
    return _Guard(Starlette(routes=routes), session.token, hosts, port)


async def _static(request: Request) -> Response:
    name, kind = FILES[request.url.path]
    return FileResponse(STATIC / name, media_type=kind)


async def _respond(work: Callable[[], Any]) -> Response:
    """Do the work in a thread, and turn errors into messages."""
    try:
        result = await run_in_threadpool(work)
    except RefusedError as error:
        return JSONResponse({"error": str(error)}, error.status)
    except ReviewConflictError as error:
        return JSONResponse({"error": str(error)}, 409)
    except ValueError as error:
        return JSONResponse({"error": str(error)}, 400)
    except (OSError, ImportError) as error:
        return JSONResponse({"error": str(error)}, 500)
    return result if isinstance(result, Response) else JSONResponse(result)


class _Endpoints:
    """Maps requests to calls of the session."""

    def __init__(self, session: ReviewSession) -> None:
        self.session = session

    def got(self, answer: Callable[[Request], Any]) -> Any:
        """The endpoint of a GET request."""

        async def endpoint(request: Request) -> Response:
            return await _respond(lambda: answer(request))

        return endpoint

    def posted(self, action: Callable[[Mapping[str, Any]], Any], for_holder: bool = True) -> Any:
        """The endpoint of a POST request with a JSON object; with `for_holder`, only for the page that was let in."""

        async def endpoint(request: Request) -> Response:
            received = bytearray()
            async for part in request.stream():
                received += part
                if len(received) > MAX_BODY:
                    return JSONResponse({"error": f"Expected at most {MAX_BODY} bytes, but got more."}, 413)

            def work() -> Any:
                body = _parse(bytes(received))
                if for_holder:
                    self.session.check_holder(request.headers.get("x-review-session", ""))
                return action(body)

            return await _respond(work)

        return endpoint

    def contours(self, request: Request) -> dict[str, Any]:
        """Contours of a page of frames."""
        return self.session.contours_of(self._number(request, self._pages))

    def frame(self, request: Request) -> Response:
        """Pixels of a frame, with their encoding in a header."""
        data, encoding = self.session.study.packed(self._number(request, len(self.session.review.names)))
        return Response(data, media_type="application/octet-stream", headers={"x-frame": json.dumps(encoding)})

    def sheet(self, request: Request) -> Response:
        """Thumbnails of a page of frames."""
        return Response(self.session.study.sheet(self._number(request, self._pages)), media_type="image/png")

    @property
    def _pages(self) -> int:
        return max(1, -(-len(self.session.review.names) // PAGE))

    @staticmethod
    def _number(request: Request, limit: int) -> int:
        # Not Starlette's `int`: Python refuses thousands of digits, and that error would not become an answer.
        text = str(request.path_params["number"])
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and int(text) < limit):
            raise RefusedError(404, f"Expected a number from 0 to {limit - 1}, but got {text[:40]!r}.")
        return int(text)


def _integer(text: str) -> int | float:
    """An integer of JSON; long ones become floats, up to infinity, which are refused where a count is expected."""
    return int(text) if len(text) <= MAX_DIGITS else float(text)


def _parse(received: bytes) -> dict[str, Any]:
    try:
        body = json.loads(received or b"{}", parse_int=_integer)
    except (ValueError, RecursionError):
        raise ValueError("Expected a JSON object, but got something else.") from None
    if not isinstance(body, dict):
        raise ValueError("Expected a JSON object, but got something else.")
    return body


class _Guard:
    """Checks host, origin and token of each request, and adds security headers to each answer."""

    def __init__(self, app: Any, token: str, hosts: Sequence[str], port: int) -> None:
        self.app = app
        self.token = token.encode()
        names = {*LOOPBACK, *hosts}
        self.hosts = {f"{name}:{port}".lower() for name in names} | ({*names} if port == 80 else set())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                own = {name for name, _ in extra}
                message["headers"] = [item for item in message.get("headers", []) if item[0].lower() not in own] + extra
            await send(message)

        refusal = self.refusal(scope)
        if refusal is None:
            await self.app(scope, receive, guarded)
            return
        status, text = refusal
        body = json.dumps({"error": text}).encode()
        await guarded(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await guarded({"type": "http.response.body", "body": body})

    def refusal(self, scope: Any) -> tuple[int, str] | None:
        """Status and message of a request that is not served."""
        given: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            given.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        host = given.get("host", [])
        if len(host) != 1 or host[0].lower() not in self.hosts:
            return 403, "This server is not called that: open the address that it printed."
        origins = {f"http://{host[0].lower()}"}
        if any(origin.lower() not in origins for origin in given.get("origin", [])):
            return 403, "Requests from other pages are not served."
        if given.get("sec-fetch-site", ["same-origin"])[0] not in ("same-origin", "none"):
            return 403, "Requests from other pages are not served."
        if scope["path"] in FILES:
            return None
        if scope["method"] not in ("GET", "HEAD") and "origin" not in given:
            return 403, "Changes are taken from the page alone."
        token = given.get("authorization", [""])[0].removeprefix("Bearer ").encode("latin-1")
        if not hmac.compare_digest(token, self.token):
            return 401, "The token is missing or wrong: open the address that the server printed when it started."
        return None
