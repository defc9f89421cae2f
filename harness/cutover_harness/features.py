"""A cluster's finalized features (KIP-584) and the requests that it serves, which librdkafka does not expose.

Both are read with ApiVersions over a socket.

A broker answers ApiVersions before authentication, so no credentials are needed; TLS follows librdkafka's properties.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Mapping
from typing import NamedTuple

AUTOMQ = "automq.version"
_TIMEOUT_S = 5.0
_LARGEST_ANSWER = 1 << 20
_API_VERSIONS, _VERSION = 18, 3
_UNSUPPORTED_VERSION = 35
_FINALIZED = 2
"""The tag of the finalized features in the answer."""
_NAME = b"kafka-cutover"


def finalized_features(config: Mapping[str, str], *, timeout_s: float = _TIMEOUT_S) -> dict[str, int] | None:
    """Return each finalized feature's level, None if no broker of `config` (librdkafka properties) answers.

    Brokers before Kafka 2.4 have none.
    """
    answer = _answer(config, timeout_s)
    return None if answer is None else answer.features


def served_versions(config: Mapping[str, str], *, timeout_s: float = _TIMEOUT_S) -> dict[int, int] | None:
    """Return the highest version of each request (by its key) that a broker serves, None if no broker answers.

    Empty for brokers before Kafka 2.4, which do not answer this version of the question.
    """
    answer = _answer(config, timeout_s)
    return None if answer is None else answer.versions


class Answer(NamedTuple):
    """Finalized features with their levels, and the highest version of each request."""

    features: dict[str, int]
    versions: dict[int, int]


def _answer(config: Mapping[str, str], timeout_s: float) -> Answer | None:
    for address in config.get("bootstrap.servers", "").split(","):
        try:
            host, port = _address(address)
            with socket.create_connection((host, port), timeout_s) as plain:
                if config.get("security.protocol", "plaintext").lower() in {"ssl", "sasl_ssl"}:
                    with tls_context(config).wrap_socket(plain, server_hostname=host) as secured:
                        return _ask(secured)
                return _ask(plain)
        except (OSError, ValueError, struct.error, IndexError):
            continue
    return None


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.strip().rpartition("://")[2].rpartition(":")
    return host.strip("[]"), int(port)


def tls_context(config: Mapping[str, str]) -> ssl.SSLContext:
    """Return the TLS context for librdkafka's properties. Raises OSError or ValueError for what it cannot use."""
    context = ssl.create_default_context(cafile=config.get("ssl.ca.location"), cadata=config.get("ssl.ca.pem"))
    if config.get("ssl.endpoint.identification.algorithm", "https").lower() == "none":
        context.check_hostname = False
    if config.get("enable.ssl.certificate.verification", "true").lower() == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate := config.get("ssl.certificate.location"):
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, config.get("ssl.key.location"), config.get("ssl.key.password", ""))
    elif {"ssl.certificate.pem", "ssl.keystore.location"} & config.keys():
        raise ValueError("this client certificate cannot be used here")
    return context


def _ask(connection: socket.socket) -> Answer:
    name = _compact(_NAME)
    header = struct.pack(">hhih", _API_VERSIONS, _VERSION, 1, len(_NAME)) + _NAME + b"\0"
    request = header + name + name + b"\0"
    connection.sendall(struct.pack(">i", len(request)) + request)
    (length,) = struct.unpack(">i", read_exactly(connection, 4))
    if not 0 < length < _LARGEST_ANSWER:
        raise ValueError("not an answer of Kafka's")
    return parse(read_exactly(connection, length))


def parse(answer: bytes) -> Answer:
    """Return what is in an answer to ApiVersions 3, correlation id first (Kafka's protocol guide).

    Raises ValueError, struct.error or IndexError for anything else.
    """
    reader = _Reader(answer)
    reader.number(">i")
    error = reader.number(">h")
    if error == _UNSUPPORTED_VERSION:
        return Answer({}, {})
    if error:
        raise ValueError(f"error {error}")
    versions = {}
    for _ in range(reader.varint() - 1):
        key = reader.number(">h")
        reader.skip(2)  # the lowest version
        versions[key] = reader.number(">h")
        reader.tags()
    reader.number(">i")  # throttled for
    finalized = reader.tags().get(_FINALIZED)
    return Answer({} if finalized is None else _features(_Reader(finalized)), versions)


def _features(reader: _Reader) -> dict[str, int]:
    found = {}
    for _ in range(reader.varint() - 1):
        name = reader.take(reader.varint() - 1).decode()
        found[name] = reader.number(">h")  # the highest level
        reader.skip(2)
        reader.tags()
    return found


class _Reader:
    """Reads Kafka's compact types from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._data) - self._at:
            raise ValueError("the answer is cut off")
        self._at += count
        return self._data[self._at - count : self._at]

    def skip(self, count: int) -> None:
        self.take(count)

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
            shift += 7

    def tags(self) -> dict[int, bytes]:
        return {self.varint(): self.take(self.varint()) for _ in range(self.varint())}


def _compact(text: bytes) -> bytes:
    return bytes([len(text) + 1]) + text  # shorter than 127


def read_exactly(connection: socket.socket, length: int) -> bytes:
    """Return the next `length` bytes; raises ConnectionError if the broker closes before, OSError if it is silent."""
    data = b""
    while len(data) < length:
        if not (part := connection.recv(length - len(data))):
            raise ConnectionError("closed by the broker")
        data += part
    return data
