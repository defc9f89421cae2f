"""A TLS connection for a thread of the shim: a socket of the operating system, also if gevent has replaced Python's.

TLS is done in memory next to a plain socket, because gevent's own sockets belong to one event loop, and Python's TLS
sockets do not work once gevent has replaced them. Reads and writes are bounded by a deadline, and `shut` from another
thread ends them.
"""

from __future__ import annotations

import contextlib
import encodings.idna  # noqa: F401 - for getaddrinfo, which would import it on the channel's thread: see status.py
import io
import socket
import ssl
import time
from pathlib import Path
from typing import Any

from cutover_shim import native

CONNECT_S = 5.0
_PIECE = 1 << 16


def authority(file: Path) -> ssl.SSLContext:
    """Return what verifies servers by the certificates in a file alone. Raises OSError."""
    # Not create_default_context, which from Python 3.13 on refuses the authorities of many clusters, since their
    # certificates lack an extension.
    context: ssl.SSLContext = native.original("ssl", "SSLContext", ssl.SSLContext)(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(file)
    return context


class TlsConnection:
    """A connected socket with TLS, as far as http.client uses one.

    `deadline`, on the monotonic clock, ends every read and write with TimeoutError. Raises OSError, ssl.SSLError among
    them.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self.deadline = time.monotonic() + CONNECT_S
        self._socket = _dial(host, port)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def handshake(self) -> None:
        """Agree on keys, and verify the server. Nothing may be sent before."""
        self.deadline = time.monotonic() + CONNECT_S
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                if not self._receive():
                    raise ConnectionResetError("closed during the TLS handshake") from None
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush()  # the alert
                raise
            else:
                self._flush()
                return

    def sendall(self, data: bytes) -> None:
        """Send everything."""
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view) :]
            self._flush()

    def read_into(self, buffer: Any) -> int:
        """Wait for data, and return the number of bytes that were put into a buffer, 0 at the end."""
        while True:
            try:
                count: Any = self._tls.read(len(buffer), buffer)  # a number, since it gets a buffer
                return int(count)
            except ssl.SSLWantReadError:
                self._flush()
                self._receive()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return 0

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a reader; closing it leaves the connection open."""
        return io.BufferedReader(_Reader(self), _PIECE)

    def shut(self) -> None:
        """End what waits for this connection, in any thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self.shut()
        self._socket.close()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._limit()
            self._socket.sendall(self._outgoing.read())

    def _receive(self) -> bool:
        self._limit()
        data = self._socket.recv(_PIECE)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return bool(data)

    def _limit(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)


class _Reader(io.RawIOBase):
    def __init__(self, connection: TlsConnection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.read_into(buffer)


def _dial(host: str, port: int) -> Any:
    """Return a connected socket of the operating system, that notices within 30 s that its peer is gone."""
    make = native.original("socket", "socket", socket.socket)
    found = native.original("socket", "getaddrinfo", socket.getaddrinfo)(host, port, type=socket.SOCK_STREAM)
    why: OSError = ConnectionError("no address")
    for family, kind, protocol, _, address in found[:4]:
        sock = make(family, kind, protocol)
        try:
            sock.settimeout(CONNECT_S)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
                if hasattr(socket, option):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        except OSError as error:
            sock.close()
            why = error
        else:
            return sock
    raise why
