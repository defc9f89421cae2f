"""The replay step: identity, accounting, a full queue, refusals, and going on after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import KafkaError, KafkaException
from cutover_harness.ledger import LedgerWriter, decode, read_ledger
from cutover_harness.ledger.format import ACKED, DELIVERED, FAILED, SENT
from cutover_harness.replay.consumer import Receiver, identity
from cutover_harness.replay.sender import Sender
from cutover_harness.replay.sequences import earlier, next_folder
from cutover_harness.types import ClusterName

from .conftest import send


class Message:
    def __init__(self, partition: int, offset: int, headers: Any = None) -> None:
        self._all = partition, offset, headers

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return self._all[0]

    def offset(self) -> int:
        return self._all[1]

    def headers(self) -> Any:
        return self._all[2]

    def error(self) -> None:
        return None


class Client:
    """Takes two records, then is full until it was polled; acknowledges at poll. Refuses the value b'refused'."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.waiting: list[Any] = []
        self.polls = 0
        self.cluster: ClusterName | None = "source"

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,
        callback: Any = None,
        on_delivery: Any = None,
        timestamp: int = 0,
        headers: Any = None,
    ) -> None:
        if value == b"refused":
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
        if len(self.waiting) == 2:
            raise BufferError
        self.taken.append((topic, value, key, partition, timestamp, headers))
        self.waiting.append((partition, value, callback))

    def poll(self, timeout: float = 0) -> int:
        self.polls += 1
        served, self.waiting = self.waiting, []
        for partition, value, callback in served:
            if value == b"lost":
                callback(KafkaError(KafkaError._MSG_TIMED_OUT), Message(partition, -1))
            else:
                callback(None, Message(partition, len(self.taken)))
        return len(served)

    def flush(self, timeout: float = -1) -> int:
        self.poll()
        return 0

    def cutover_cluster(self, topic: str | None = None) -> ClusterName | None:
        return self.cluster

    def __len__(self) -> int:
        return len(self.waiting)


def ledger_at(folder: Path) -> LedgerWriter:
    return LedgerWriter(folder, instance="p", role="producer", group=None, run=9)


def test_records_carry_their_identity_before_their_own_headers(tmp_path: Path) -> None:
    client = Client()
    sender = Sender(client, ledger_at(tmp_path / "l"), 9)
    for stream in (5, 5, 6, 5):
        send(sender, ("t", 1, b"k", b"v", [("h", b"x")], stream, 1234))
    sender.flush(1)
    assert [tuple(decode(headers[0][1])) for *_, headers in client.taken] == [
        (9, 5, 0),
        (9, 5, 1),
        (9, 6, 0),
        (9, 5, 2),
    ]
    assert all(headers[0][0] == "cutover-id" and headers[1:] == [("h", b"x")] for *_, headers in client.taken)
    assert {taken[4] for taken in client.taken} == {1234}


def test_an_acknowledgement_may_come_without_an_offset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for an idempotent producer's retry that the broker had taken already."""
    monkeypatch.setattr(Message, "offset", lambda _: None)
    ledger = ledger_at(tmp_path / "l")
    sender = Sender(Client(), ledger, 9)
    send(sender, ("t", 1, b"k", b"v", None, 5, 0))
    sender.flush(1)
    ledger.close()
    rows = read_ledger(tmp_path / "l").rows.everything()
    assert rows.offset[rows.event == ACKED].tolist() == [-1]


def test_full_queue_makes_the_replay_wait_and_drops_nothing(tmp_path: Path) -> None:
    client = Client()
    ledger = ledger_at(tmp_path / "l")
    sender = Sender(client, ledger, 9)
    for number in range(7):
        send(sender, ("t", 0, b"k", b"%d" % number, None, 5, 0))
    sender.flush(1)
    ledger.close()
    assert [value for _, value, *_ in client.taken] == [b"%d" % n for n in range(7)]
    assert (sender.sent, sender.acked, sender.failed) == (7, 7, 0)
    assert sender.full == 3
    rows = read_ledger(tmp_path / "l").rows.everything()
    assert rows.sequence[rows.event == ACKED].tolist() == list(range(7))
    assert set(rows.cluster.tolist()) == {0}


def test_refused_and_failed_records_are_logged(tmp_path: Path) -> None:
    client = Client()
    ledger = ledger_at(tmp_path / "l")
    sender = Sender(client, ledger, 9, wait=lambda: False)
    for value in (b"refused", b"lost", b"fine", b"no room left"):
        send(sender, ("t", 0, b"k", value, None, 5, 0))
    client.cluster = None
    sender.flush(1)
    ledger.close()
    rows = read_ledger(tmp_path / "l").rows.everything()
    assert rows.sequence[rows.event == SENT].tolist() == [0, 1, 2, 3]
    assert sorted(rows.sequence[rows.event == FAILED].tolist()) == [0, 1, 3]
    assert rows.sequence[rows.event == ACKED].tolist() == [2]
    assert rows.cluster[rows.event == ACKED].tolist() == [255]
    assert (sender.sent, sender.acked, sender.failed) == (4, 1, 3)


def test_the_client_may_place_records_with_a_key(tmp_path: Path) -> None:
    client = Client()
    sender = Sender(client, ledger_at(tmp_path / "l"), 9, keep_partition=False)
    send(sender, ("t", 3, b"k", b"v", None, 5, 0))
    send(sender, ("t", 3, None, b"v", None, 6, 0))
    assert [partition for _, _, _, partition, *_ in client.taken] == [-1, 3]


def test_restarted_process_continues_in_its_own_ledger(tmp_path: Path) -> None:
    base = tmp_path / "p"
    assert earlier(base)[0] == base
    for expected in (base, tmp_path / "p~2"):
        folder, before = earlier(base)
        assert folder == expected
        ledger = ledger_at(folder)
        sender = Sender(Client(), ledger, 9, sequences=before.sequences)
        send(sender, ("t", 0, b"k", b"v", None, 5, 0))
        send(sender, ("t", 0, b"k", b"v", None, 5, 0))
        # killed: the ledger is not closed
    folder, before = earlier(base)
    assert folder == next_folder(base) == tmp_path / "p~3"
    assert before.sent == 4
    assert before.sequences == {5: 4}


def test_deliveries_are_distinguished_by_run(tmp_path: Path) -> None:
    mine = ("cutover-id", (9).to_bytes(8, "big") + (5).to_bytes(8, "big") + (3).to_bytes(8, "big"))
    assert identity([("x", b""), mine], 9) == (5, 3)
    assert identity([mine], 8) == (0, -1)
    assert identity(None, 9) == (0, -1)
    assert identity([("cutover-id", b"short")], 9) == (0, -1)


def test_a_consumer_accounts_for_deliveries_and_commits(tmp_path: Path) -> None:
    class Consumer:
        commits = 0

        def subscribe(self, topics: list[str], **callbacks: Any) -> None:
            self.callbacks = callbacks

        def poll(self, timeout: float) -> Any:
            return Message(2, 40, None)

        def cutover_cluster(self, topic: str | None = None) -> ClusterName:
            return "target"

        def commit(self, asynchronous: bool) -> Any:
            self.commits += 1
            if self.commits == 1:
                raise KafkaException(KafkaError(KafkaError._NO_OFFSET))
            return []

    ledger = LedgerWriter(tmp_path / "c", instance="c", role="consumer", group="g", run=9)
    receiver = Receiver(ledger, 9, manual=True)
    consumer = Consumer()
    receiver.attach(consumer, ["t"])
    receiver.commit()
    assert consumer.commits == 0, "nothing to commit yet"
    assert receiver.receive(0.1)
    receiver.commit()
    receiver.commit()
    receiver.commit()
    assert consumer.commits == 2, "a failed commit is tried again, a done one is not"
    ledger.close()
    rows = read_ledger(tmp_path / "c").rows.everything()
    assert (rows.event.tolist(), rows.offset.tolist(), rows.cluster.tolist()) == ([DELIVERED], [40], [1])


@pytest.mark.parametrize("count", [1, 3])
def test_sequences_of_many_streams(tmp_path: Path, count: int) -> None:
    ledger = ledger_at(tmp_path / "p")
    sender = Sender(Client(), ledger, 9)
    chance = np.random.default_rng(1)
    streams = chance.integers(0, 2**63, 5).tolist()
    for stream in chance.choice(streams, 200 * count).tolist():
        send(sender, ("t", 0, b"k", b"v", None, stream, 0))
    ledger.close()
    rows = read_ledger(tmp_path / "p").rows.everything()
    for stream in streams:
        assert rows.sequence[(rows.event == SENT) & (rows.stream == stream)].tolist() == list(
            range(int(((rows.event == SENT) & (rows.stream == stream)).sum()))
        )
