"""A broker that is fenced for a moment sends metadata that name no broker; the harness gets over that."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaException
from cutover_harness.admin import Admin
from cutover_harness.mirror import log_reader
from cutover_harness.mirror.errors import MirrorError

from tests.waiting import wait_until

_API_VERSIONS, _METADATA = 18, 3
_UNSUPPORTED_VERSION, _LEADER_NOT_AVAILABLE = 35, 5


class FencedBroker:
    """Answers ApiVersions and Metadata (version 1) of one topic; while `fenced`, no broker is in the metadata."""

    def __init__(self) -> None:
        self.fenced = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(ConnectionError), connection, connection.makefile("rb") as requests:
            while head := requests.read(4):
                key, version, number = struct.unpack_from(">hhi", requests.read(*struct.unpack(">i", head)))
                body = self._metadata() if key == _METADATA else self._versions(version)
                connection.sendall(struct.pack(">ii", 4 + len(body), number) + body)

    def _versions(self, version: int) -> bytes:
        error = _UNSUPPORTED_VERSION if version else 0
        return struct.pack(">hi6h", error, 2, _METADATA, 1, 1, _API_VERSIONS, 0, 0)

    def _metadata(self) -> bytes:
        host, port = self.address.split(":")
        broker = struct.pack(f">ih{len(host)}sih", 1, len(host), host.encode(), int(port), -1)
        brokers = struct.pack(">i", 0) if self.fenced else struct.pack(">i", 1) + broker
        error, leader = (_LEADER_NOT_AVAILABLE, -1) if self.fenced else (0, 1)
        partition = struct.pack(">hiiiiii", error, 0, leader, 1, 1, 1, 1)
        return brokers + struct.pack(">iihh1sbi", 1, 1, 0, 1, b"t", 0, 1) + partition


@pytest.fixture
def broker() -> Iterator[FencedBroker]:
    broker = FencedBroker()
    yield broker
    broker.close()


def answers(admin: Admin) -> bool:
    try:
        return admin.partitions() == {"t": 1}
    except KafkaException:
        return False


def fence(broker: FencedBroker, admin: Admin) -> None:
    """Have the client take metadata without a broker, and then have the broker back."""
    assert answers(admin)
    broker.fenced = True
    wait_until(lambda: not answers(admin))
    broker.fenced = False


def test_client_with_empty_metadata_is_replaced(broker: FencedBroker) -> None:
    admin = Admin({"bootstrap.servers": broker.address}, timeout_s=0.5)
    fence(broker, admin)
    wait_until(lambda: answers(admin))


def test_without_a_new_client_it_would_never_answer_again(
    broker: FencedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = Admin({"bootstrap.servers": broker.address}, timeout_s=0.5)
    monkeypatch.setattr(admin.clients, "renew", lambda: None)
    fence(broker, admin)
    assert not any(answers(admin) for _ in range(5))


def test_reader_without_an_answer_continues_with_a_new_client(
    broker: FencedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "_READ_LIMIT_S", 0.5)
    reader = log_reader.LogReader({"bootstrap.servers": broker.address}, "source")
    before = reader._consumer
    with pytest.raises(MirrorError):  # the broker has no answer to Fetch
        reader.read({("t", 0): 0})
    assert reader._consumer is not before
    reader.close()
