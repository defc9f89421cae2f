"""Whether a broker serves: it takes connections well before it answers them."""

import socket
import struct

from cutover_harness.features import read_exactly

_CLIENT = b"kafka-cutover"
_API_VERSIONS, _METADATA = 18, 3


def serves(host: str, port: int, timeout: float = 0.5) -> bool:
    """Tell whether the broker answers ApiVersions, and Metadata with a broker in it (it is registered and unfenced)."""
    try:
        with socket.create_connection((host, port), timeout) as connection:
            _ask(connection, _API_VERSIONS, 0, b"")
            answer = _ask(connection, _METADATA, 1, struct.pack(">i", 0))  # of no topics
    except OSError:
        return False
    (brokers,) = struct.unpack_from(">i", answer, 4)
    return bool(brokers > 0)


def _ask(connection: socket.socket, key: int, version: int, body: bytes) -> bytes:
    """Send a request with header version 1 and return the answer, correlation id first (Kafka protocol guide)."""
    request = struct.pack(f">hhih{len(_CLIENT)}s", key, version, 1, len(_CLIENT), _CLIENT) + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    (length,) = struct.unpack(">i", read_exactly(connection, 4))
    return read_exactly(connection, length)
