"""The replay step in transactions: what is accounted for when, what is aborted, what ends the process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from cutover_harness.ledger import LedgerWriter, read_ledger
from cutover_harness.ledger.format import ABORTED, ACKED, FAILED, SENT
from cutover_harness.replay import Fleet, FleetShape, ProducerConfig, Transactions
from cutover_harness.replay.clients import open_producer
from cutover_harness.replay.config import ReplayOptions
from cutover_harness.replay.shape import Following
from cutover_harness.replay.transactions import TransactionalSender, TransactionError
from cutover_harness.types import ClusterName
from pydantic import ValidationError

from .conftest import send as send_all


class Message:
    def __init__(self, partition: int, offset: int) -> None:
        self._at = partition, offset

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return self._at[0]

    def offset(self) -> int:
        return self._at[1]


class Client:
    """Takes everything, acknowledges at flush; `answers` has the errors of the next calls by method."""

    def __init__(self, **answers: list[KafkaError | None]) -> None:
        self.answers = answers
        self.calls: list[str] = []
        self.waiting: list[Any] = []
        self.offset = 0

    def _call(self, name: str) -> None:
        self.calls.append(name)
        answers = self.answers.get(name)
        error = answers.pop(0) if answers else None
        if error is not None:
            raise KafkaException(error)

    def init_transactions(self, timeout: float = -1) -> None:
        self._call("init")

    def begin_transaction(self) -> None:
        self._call("begin")

    def commit_transaction(self, timeout: float = -1) -> None:
        self._call("commit")

    def abort_transaction(self, timeout: float = -1) -> None:
        self._call("abort")

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
        self.calls.append("produce")
        self.waiting.append((value, partition, callback))

    def poll(self, timeout: float = 0) -> int:
        return 0

    def flush(self, timeout: float = -1) -> int:
        served, self.waiting = self.waiting, []
        for value, partition, callback in served:
            failed = KafkaError(KafkaError._MSG_TIMED_OUT) if value == b"lost" else None
            callback(failed, Message(partition, self.offset))
            self.offset += 1
        return 0

    def cutover_cluster(self, topic: str | None = None) -> ClusterName | None:
        return "target"

    def __len__(self) -> int:
        return len(self.waiting)


def ledger_at(folder: Path) -> LedgerWriter:
    return LedgerWriter(folder, instance="p", role="producer", group=None, run=9)


def send(sender: TransactionalSender, *values: bytes) -> None:
    send_all(sender, *(("t", 1, b"k", value, None, 5, 0) for value in values))


def events(ledger: LedgerWriter, folder: Path) -> list[tuple[int, int, int, int]]:
    ledger.close()
    rows = read_ledger(folder).rows.everything()
    return list(
        zip(rows.event.tolist(), rows.sequence.tolist(), rows.offset.tolist(), rows.cluster.tolist(), strict=True)
    )


def test_records_are_acknowledged_when_their_transaction_is_committed(tmp_path: Path) -> None:
    client, ledger = Client(), ledger_at(tmp_path / "l")
    sender = TransactionalSender(client, ledger, 9, Transactions(records=2, ms=60_000))
    send(sender, b"0", b"1", b"2")
    assert client.calls == ["init", "begin", "produce", "produce", "commit", "begin", "produce"]
    assert sender.acked == 2
    sender.flush(1)
    assert sender.acked == 2, "the delivery report of an open transaction is no acknowledgement"
    sender.finish()
    sender.finish()
    assert client.calls[-1:] == ["commit"]
    assert events(ledger, tmp_path / "l") == [
        (SENT, 0, -1, 1), (SENT, 1, -1, 1), (ACKED, 0, 0, 1), (ACKED, 1, 1, 1), (SENT, 2, -1, 1), (ACKED, 2, 2, 1),
    ]  # fmt: skip


def test_every_so_manieth_is_aborted_and_its_records_not_sent_again(tmp_path: Path) -> None:
    client, ledger = Client(), ledger_at(tmp_path / "l")
    sender = TransactionalSender(client, ledger, 9, Transactions(records=1, abort_every=3))
    send(sender, *(b"%d" % n for n in range(7)))
    assert [c for c in client.calls if c in ("commit", "abort")] == [
        "commit",
        "commit",
        "abort",
        "commit",
        "commit",
        "abort",
        "commit",
    ]
    assert (sender.sent, sender.acked, sender.aborted, sender.failed) == (7, 5, 2, 0)
    found = events(ledger, tmp_path / "l")
    assert [(s, o) for e, s, o, _ in found if e == ABORTED] == [(2, 2), (5, 5)], (
        "with their offsets: they are in the log"
    )
    assert [s for e, s, *_ in found if e == ACKED] == [0, 1, 3, 4, 6]


def test_a_transaction_ends_when_its_time_is_over(tmp_path: Path) -> None:
    client = Client()
    sender = TransactionalSender(client, ledger_at(tmp_path / "l"), 9, Transactions(records=100, ms=1))
    sender.tick()
    send(sender, b"0")
    time.sleep(0.002)
    sender.tick()
    assert client.calls == ["init", "begin", "produce", "commit"]
    slow = TransactionalSender(client, ledger_at(tmp_path / "m"), 9, Transactions(records=100, ms=60_000))
    send(slow, b"0")
    slow.tick()
    assert client.calls[-1] == "produce"


def abortable() -> KafkaError:
    return KafkaError(KafkaError._TIMED_OUT, txn_requires_abort=True)


def test_an_error_that_asks_for_it_aborts_and_the_next_transaction_is_fine(tmp_path: Path) -> None:
    client, ledger = Client(commit=[abortable()]), ledger_at(tmp_path / "l")
    sender = TransactionalSender(client, ledger, 9, Transactions(records=2))
    send(sender, b"0", b"lost", b"2", b"3")
    assert client.calls[4:6] == ["commit", "abort"]
    found = events(ledger, tmp_path / "l")
    assert [s for e, s, *_ in found if e == ABORTED] == [0, 1]
    assert [s for e, s, *_ in found if e == ACKED] == [2, 3]
    assert not [s for e, s, *_ in found if e == FAILED]
    assert (sender.acked, sender.aborted, sender.failed) == (2, 2, 1)


def test_retriable_errors_are_retried(tmp_path: Path) -> None:
    again: list[KafkaError | None] = [KafkaError(KafkaError._TIMED_OUT, retriable=True) for _ in range(3)]
    client = Client(init=again[:1], commit=again[1:])
    sender = TransactionalSender(client, ledger_at(tmp_path / "l"), 9, Transactions(records=1))
    send(sender, b"0")
    assert client.calls == ["init", "init", "begin", "produce", "commit", "commit", "commit"]
    assert sender.acked == 1


@pytest.mark.parametrize("flags", [{"fatal": True}, {"fatal": True, "txn_requires_abort": True}, {}])
def test_a_fenced_producer_ends_and_its_records_are_in_doubt(tmp_path: Path, flags: Any) -> None:
    client, ledger = Client(commit=[KafkaError(KafkaError._FENCED, **flags)]), ledger_at(tmp_path / "l")
    sender = TransactionalSender(client, ledger, 9, Transactions(records=2))
    with pytest.raises(TransactionError, match=r"commit_transaction: .*_FENCED"):
        send(sender, b"0", b"1")
    assert [(e, s) for e, s, *_ in events(ledger, tmp_path / "l")] == [(SENT, 0), (SENT, 1), (FAILED, 0), (FAILED, 1)]


def config(**more: Any) -> ProducerConfig:
    return ProducerConfig(
        instance="producer-3",
        run=1,
        ledger=Path("l"),
        use_shim=False,
        cluster="source",
        replay=ReplayOptions(capture=Path("c")),
        **more,
    )


@pytest.mark.parametrize(
    ("given", "shape", "seen"),
    [
        ({}, None, None),
        ({"client": {"transactional.id": "app"}}, Transactions(), "app-producer-3"),
        ({"transactions": Transactions(records=7)}, Transactions(records=7), "kafka-cutover-producer-3"),
    ],
)
def test_each_instance_has_a_transactional_id_of_its_own(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], shape: Transactions | None, seen: str | None
) -> None:
    opened: list[dict[str, Any]] = []
    monkeypatch.setattr("cutover_harness.replay.clients.RawProducer", lambda found, _: opened.append(found))
    found = config(**given)
    open_producer(found)
    assert found.in_transactions == shape
    assert opened[0].get("transactional.id") == seen


def test_a_fleet_hands_the_shape_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cutover_harness.replay.fleet.Member.start", lambda _: None)
    shape = Transactions(records=50, abort_every=10)
    fleet = Fleet(
        FleetShape(producers=2, transactions=shape),
        ReplayOptions(capture=tmp_path / "c"),
        folder=tmp_path,
        run=1,
        topics=["t"],
        follows=Following(tmp_path / "f"),
    )
    fleet.start_producers()
    for name in ("producer-1", "producer-2"):
        assert ProducerConfig.load(tmp_path / "apps" / f"{name}.json").transactions == shape
    with pytest.raises(ValidationError):
        Transactions(abort_every=1)
