"""A read-only web server: the page, its events, the snapshot as JSON, and metrics.

It answers GET and HEAD alone. A request has to name an address, localhost or this host, so that a web site that points
a name of its own at this machine (DNS rebinding) reads nothing.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib.resources import files
from types import TracebackType
from typing import Any, Self

from flask import Flask, Response, request
from werkzeug.exceptions import Forbidden, ServiceUnavailable
from werkzeug.serving import WSGIRequestHandler, make_server

from cutover_harness.errors import UsageError
from cutover_harness.palette import palette
from cutover_harness.watching.address import Address
from cutover_harness.watching.metrics import metrics_of
from cutover_harness.watching.watcher import Watcher

_EVERY_S = 1.0
_STOP_POLL_S = 0.05
_MOST_STREAMS = 20
_ASSETS = files("cutover_harness.watching") / "assets"
_TYPES = {"page.html": "text/html", "page.js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Server:
    """Serves a watcher's snapshots, from entering the context until leaving it. Raises UsageError."""

    def __init__(self, watcher: Watcher, address: Address) -> None:
        self._watcher = watcher
        self._ending = threading.Event()
        self._streams = threading.BoundedSemaphore(_MOST_STREAMS)
        self._names = {"localhost", address.host, socket.gethostname(), socket.getfqdn()}
        _refuse_taken(address)
        self._server = make_server(address.host, address.port, self._app(), threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_STOP_POLL_S,), name="page", daemon=True
        )
        self.url = Address(address.host, self._server.server_port).url

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.socket.close()

    def _app(self) -> Flask:
        app = Flask("kafka-cutover", static_folder=None)
        app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
        app.before_request(self._check_host)
        app.after_request(_with_headers)
        routes: dict[str, Any] = {
            "/": lambda: _asset("page.html"),
            "/page.css": lambda: Response(style(), content_type="text/css; charset=utf-8"),
            "/page.js": lambda: _asset("page.js"),
            "/snapshot.json": lambda: Response(self._json(), content_type="application/json"),
            "/events": self._events,
            "/metrics": lambda: Response(
                metrics_of(self._watcher.snapshot()), content_type="text/plain; version=0.0.4; charset=utf-8"
            ),
        }
        for path, view in routes.items():
            app.add_url_rule(path, path.strip("/") or "page", view, methods=["GET"])
        return app

    def _check_host(self) -> None:
        if not allowed(request.headers.get("Host", ""), self._names):
            raise Forbidden("This name is not allowed: use the address that kafka-cutover printed.")

    def _json(self) -> str:
        return json.dumps(self._watcher.snapshot().to_json())

    def _events(self) -> Response:
        if not self._streams.acquire(blocking=False):
            raise ServiceUnavailable(f"{_MOST_STREAMS} pages are open already: close one.")
        response = Response(self._stream(), content_type="text/event-stream")
        response.call_on_close(self._streams.release)
        return response

    def _stream(self) -> Iterator[str]:
        while not self._ending.is_set():
            yield f"data: {self._json()}\n\n"
            self._ending.wait(_EVERY_S)


class _Quiet(WSGIRequestHandler):
    """Logs no requests: the terminal is for the run."""

    timeout = 30.0

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - as the base class
        """Write nothing."""


def _refuse_taken(address: Address) -> None:
    """Raise UsageError if the address cannot be listened on; werkzeug would end the process."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
            probe.listen()
        except OSError as why:
            raise UsageError(f"--serve {address}: cannot be used: {why.strerror}: give another address") from None


def allowed(host: str, names: set[str]) -> bool:
    """Whether a request may name this host: an address, which no one else can point here, or one of the names."""
    name = host if host.endswith("]") else host.rsplit(":", 1)[0]
    if name in names:
        return True
    with suppress(ValueError):
        return bool(ipaddress.ip_address(name.removeprefix("[").removesuffix("]")))
    return False


def style() -> str:
    """Return the page's style sheet."""
    return palette() + (_ASSETS / "page.css").read_text(encoding="utf-8")


def _asset(name: str) -> Response:
    return Response((_ASSETS / name).read_text(encoding="utf-8"), content_type=f"{_TYPES[name]}; charset=utf-8")


def _with_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response
