"""Requests to the Kubernetes API server with the service account of the pod: http.client and ssl, nothing else.

Everything is bounded: the time of a request, the length of an answer and of a line. `close` from another thread ends a
request that waits. No message contains the token.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cutover_shim import native
from cutover_shim.tls import TlsConnection, authority

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where kubelet mounts the token and the certificate authority of a pod's service account."""
MAX_ANSWER = 8 << 20
"""The API server stores at most 1 MiB in a ConfigMap; as JSON a byte of it can be six characters."""
_PIECE = 1 << 16
_MAX_TOKEN = 1 << 16
_TOKEN = re.compile(r"[\x21-\x7e]+")
_REFUSALS = {401, 403, 404}
_NO_POD = "this channel works in a pod with a service account only: use cutover.file or kafka:TOPIC"


class ApiError(Exception):
    """The answer is not there; one line. `final`: waiting does not help. `status`: of HTTP, 0 without an answer."""

    def __init__(self, why: str, *, final: bool = False, status: int = 0, retry_after_s: float = 0.0) -> None:
        super().__init__(why)
        self.final = final
        self.status = status
        self.retry_after_s = retry_after_s


class ClosedError(Exception):
    """`close` was called."""


class ApiServer:
    """The API server of the cluster that this pod is in. One thread sends requests; `close` comes from any.

    Raises ApiError here and in every method; ClosedError once it is closed.
    """

    def __init__(self, account: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        self._account = account or ACCOUNT
        self._env = os.environ if env is None else env
        self._lock = native.allocate_lock()
        self._tls: TlsConnection | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._closed = False

    def close(self) -> None:
        """End the request that waits, and refuse the next one."""
        with self._lock:
            self._closed = True
            if self._tls is not None:
                self._tls.shut()

    def get(self, path: str, within_s: float) -> Any:
        """Return the JSON of an answer that is complete after `within_s` seconds."""
        with self._request(path, within_s) as answer:
            return parsed(b"".join(answer.pieces()))

    @contextlib.contextmanager
    def stream(self, path: str, within_s: float) -> Iterator[Iterator[Any]]:
        """Yield an iterator over the JSON lines of an answer that ends after `within_s` seconds."""
        with self._request(path, within_s) as answer:
            yield answer.lines()

    @contextlib.contextmanager
    def _request(self, path: str, within_s: float) -> Iterator[_Answer]:
        try:
            token = self._token()
            answer = self._send(path, token, time.monotonic() + within_s)
            answer.require_success(token)
            yield answer
        except BaseException:
            self.disconnect()
            if self._closed:
                raise ClosedError from None
            raise
        if not answer.complete:
            self.disconnect()

    def _send(self, path: str, token: str, deadline: float) -> _Answer:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "cutover-shim"}
        with _in_our_words():
            if self._connection is not None:
                with contextlib.suppress(ConnectionError, ssl.SSLError, http.client.HTTPException):
                    return self._ask(self._connection, path, headers, deadline)
                self.disconnect()  # the server has closed it in between
            return self._ask(self._connect(), path, headers, deadline)

    def _ask(
        self, connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str], deadline: float
    ) -> _Answer:
        if self._tls is not None:
            self._tls.deadline = deadline
        connection.request("GET", path, headers=dict(headers))
        return _Answer(connection.getresponse())

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._address()
        try:
            context = authority(self._account / "ca.crt")
        except (OSError, ValueError) as why:
            raise ApiError(f"{self._account}/ca.crt cannot be used: {_reason(why)}", final=True) from None
        tls = TlsConnection(host, port, context)
        with self._lock:
            if self._closed:
                tls.close()
                raise ClosedError
            self._tls = tls
        tls.handshake()
        connection = http.client.HTTPConnection(host, port)
        connection.auto_open = 0  # or it would connect by itself again, without TLS
        connection.sock = tls
        self._connection = connection
        return connection

    def disconnect(self) -> None:
        """Close the connection; the next request opens another one."""
        with self._lock:
            self._connection = None
            tls, self._tls = self._tls, None
        if tls is not None:
            tls.close()

    def _address(self) -> tuple[str, int]:
        host = self._env.get("KUBERNETES_SERVICE_HOST", "")
        port = self._env.get("KUBERNETES_SERVICE_PORT_HTTPS") or self._env.get("KUBERNETES_SERVICE_PORT") or "443"
        if not host:
            raise ApiError(f"KUBERNETES_SERVICE_HOST is not set: {_NO_POD}", final=True)
        if not port.isdecimal():
            raise ApiError("KUBERNETES_SERVICE_PORT is not a number", final=True)
        return host, int(port)

    def _token(self) -> str:
        # Read for every request: kubelet replaces the file before the token expires.
        path = self._account / "token"
        try:
            with path.open("rb") as file:
                token = file.read(_MAX_TOKEN + 1).decode("ascii").strip()
        except FileNotFoundError:
            raise ApiError(f"{path} does not exist: {_NO_POD}", final=True) from None
        except (OSError, ValueError) as why:
            raise ApiError(f"{path} cannot be read: {_reason(why)}", final=True) from None
        if len(token) > _MAX_TOKEN or not _TOKEN.fullmatch(token):
            raise ApiError(f"{path} contains no token", final=True)
        return token


class _Answer:
    """An answer; `complete` once the connection can be used again."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.complete = False
        self._response = response

    def pieces(self) -> Iterator[bytes]:
        """Yield what arrives, at most MAX_ANSWER bytes."""
        size = 0
        for piece in self._arriving():
            size += len(piece)
            if size > MAX_ANSWER:
                raise ApiError(f"the answer of the API server is larger than {MAX_ANSWER >> 20} MiB")
            yield piece

    def lines(self) -> Iterator[Any]:
        """Yield the JSON of each line that has arrived completely."""
        buffer = bytearray()
        for piece in self._arriving():
            buffer += piece
            *whole, rest = buffer.split(b"\n") if b"\n" in piece else [buffer]
            for line in whole:
                yield parsed(line)
            buffer = rest
            if len(buffer) > MAX_ANSWER:
                raise ApiError(f"a line of the API server's answer is longer than {MAX_ANSWER >> 20} MiB")

    def require_success(self, token: str) -> None:
        """Raise what the server says in an answer that is not 200."""
        if self._response.status == 200:
            return
        found: Any = None
        with contextlib.suppress(ApiError):
            found = parsed(b"".join(self.pieces()))
        raise refusal(self._response.status, found, token, self._response.getheader("Retry-After", ""))

    def _arriving(self) -> Iterator[bytes]:
        while True:
            with _in_our_words():
                piece = self._response.read1(_PIECE)
                if not piece and not self._response.length:
                    self._response.read()  # its end, after which the connection can be used again
            if not piece:
                self.complete = self._response.isclosed() and not self._response.will_close
                return
            yield piece


def refusal(code: int, status: Any, token: str = "", retry_after: str = "") -> ApiError:
    """Return the error for a code of HTTP and a Status object of the API server, if there is one."""
    message = status.get("message") if isinstance(status, dict) else None
    text = " ".join(re.sub(r"[^\x20-\x7e]+", " ", message).split())[:300] if isinstance(message, str) else ""
    if token:
        text = text.replace(token, "***")
    why = f"the API server refuses: {code} {http.client.responses.get(code, '')}".rstrip() + (
        f": {text}" if text else ""
    )
    seconds = float(retry_after) if re.fullmatch(r"\d{1,4}", retry_after) else 0.0
    return ApiError(why, final=code in _REFUSALS, status=code, retry_after_s=seconds)


def parsed(text: bytes | bytearray) -> Any:
    """Return the value of a JSON text. Raises ApiError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ApiError("the answer of the API server is not JSON") from None


@contextlib.contextmanager
def _in_our_words() -> Iterator[None]:
    """Raise ApiError for what the system, OpenSSL and http.client raise."""
    try:
        yield
    except (OSError, ValueError, http.client.HTTPException) as why:
        raise ApiError(f"the API server does not answer: {_reason(why)}") from None


def _reason(error: BaseException) -> str:
    """Return the cause in the words of the system, never a text that may contain what was sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, http.client.IncompleteRead | http.client.RemoteDisconnected):
        return "connection closed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
