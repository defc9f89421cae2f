"""Whether a broker serves: it takes connections well before it answers them."""

import socket
import struct

from cutover_harness.features import read_exactly

_CLIENT = b"kafka-cutover"
_API_VERSIONS, _METADATA = 18, 3


def serves(host: str, port: int, timeout: float = 0.5, *, node_id: int | None = None) -> bool:
    """Tell whether the broker answers ApiVersions, and Metadata with a broker in it (it is registered and unfenced).

    `node_id` is its own, which has to be in it: in a cluster of several it may know the others first.
    """
    try:
        with socket.create_connection((host, port), timeout) as connection:
            _ask(connection, _API_VERSIONS, 0, b"")
            answer = _ask(connection, _METADATA, 1, struct.pack(">i", 0))  # of no topics
    except OSError:
        return False
    brokers = _brokers(answer)
    return bool(brokers) if node_id is None else node_id in brokers


def listens(host: str, port: int, timeout: float = 0.5) -> bool:
    """Tell whether a controller answers ApiVersions: it takes no requests for metadata."""
    try:
        with socket.create_connection((host, port), timeout) as connection:
            _ask(connection, _API_VERSIONS, 0, b"")
    except OSError:
        return False
    return True


def _brokers(answer: bytes) -> list[int]:
    """Return the node ids in a Metadata response of version 1, whose brokers have host, port and rack as well."""
    (count,), at, found = struct.unpack_from(">i", answer, 4), 8, list[int]()
    for _ in range(count):
        node_id, host = struct.unpack_from(">ih", answer, at)
        (rack,) = struct.unpack_from(">h", answer, at + 6 + host + 4)
        found.append(node_id)
        at += 6 + host + 4 + 2 + max(0, rack)
    return found


def _ask(connection: socket.socket, key: int, version: int, body: bytes) -> bytes:
    """Send a request with header version 1 and return the answer, correlation id first (Kafka protocol guide)."""
    request = struct.pack(f">hhih{len(_CLIENT)}s", key, version, 1, len(_CLIENT), _CLIENT) + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    (length,) = struct.unpack(">i", read_exactly(connection, 4))
    return read_exactly(connection, length)
