"""A cluster's finalized features, read from ApiVersions answers."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cutover_harness.features import finalized_features, parse


def compact(text: str) -> bytes:
    return bytes([len(text) + 1]) + text.encode()


def answer(features: dict[str, int] | None = None, error: int = 0) -> bytes:
    """Answer as a broker does: two requests with their versions, then what is tagged."""
    keys = b"\x03" + struct.pack(">hhh", 0, 0, 11) + b"\0" + struct.pack(">hhh", 18, 0, 4) + b"\0"
    tags = [(1, struct.pack(">q", 7))]
    if features is not None:
        each = [compact(name) + struct.pack(">hh", level, level) + b"\0" for name, level in features.items()]
        tags.append((2, bytes([len(each) + 1]) + b"".join(each)))
    tagged = bytes([len(tags)]) + b"".join(bytes([tag, len(data)]) + data for tag, data in tags)
    return struct.pack(">ih", 1, error) + keys + struct.pack(">i", 0) + tagged


@pytest.mark.parametrize("features", [{}, {"metadata.version": 21}, {"automq.version": 6, "metadata.version": 21}])
def test_features_are_read(features: dict[str, int]) -> None:
    assert parse(answer(features)) == (features, {0: 11, 18: 4})


def test_a_broker_without_features_or_too_old_for_the_question_has_none() -> None:
    assert parse(answer()).features == {}
    assert parse(struct.pack(">ih", 1, 35) + b"whatever") == ({}, {})


@pytest.mark.parametrize("data", [b"", answer({"automq.version": 6})[:-3], answer(error=41), b"HTTP/1.1 400 Bad"])
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, struct.error, IndexError)):
        parse(data)


@contextmanager
def broker(data: bytes) -> Iterator[str]:
    """Listen, and answer the first request with this."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                (length,) = struct.unpack(">i", connection.recv(4))
                asked.append(connection.recv(length))
                connection.sendall(data)

        asked: list[bytes] = []
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            thread.join()
    assert asked[0].startswith(struct.pack(">hh", 18, 3)), "ApiVersions 3"


def framed(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def test_the_first_broker_that_answers_is_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = closed.getsockname()[1]
    with broker(framed(answer({"automq.version": 6}))) as address:
        servers = f"127.0.0.1:{gone},PLAINTEXT://{address}"
        assert finalized_features({"bootstrap.servers": servers}) == {"automq.version": 6}


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request", framed(b"no"), struct.pack(">i", 1 << 30), b""])
def test_server_that_is_no_broker_has_no_features(data: bytes) -> None:
    with broker(data) as address:
        assert finalized_features({"bootstrap.servers": address}) is None


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"bootstrap.servers": "127.0.0.1"},
        {"bootstrap.servers": "127.0.0.1:1", "security.protocol": "ssl", "ssl.ca.location": "/not/here"},
    ],
)
def test_unreachable_broker_has_no_features(config: dict[str, str]) -> None:
    assert finalized_features(config) is None
