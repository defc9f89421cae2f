"""Accounting for many records at once: rows in flight, rows in the ledger, and reading ahead."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cutover_harness.ledger import LedgerWriter, read_ledger
from cutover_harness.ledger.format import ACKED, ROW_DTYPE, SENT
from cutover_harness.load.ledger import ProducerLedger
from cutover_harness.replay import ahead
from cutover_harness.replay.ahead import Ahead
from cutover_harness.replay.inflight import InFlight
from cutover_harness.replay.sender import Sender
from cutover_harness.types import ClusterName

from .conftest import send
from .test_sender import Client, Message, ledger_at


def rows(sequences: list[int]) -> Any:
    out = np.zeros(len(sequences), ROW_DTYPE)
    out["sequence"] = sequences
    return out


def test_rows_in_flight_come_back_by_their_slots() -> None:
    chance = random.Random(3)  # noqa: S311 - the same course each time
    table = InFlight()
    held: dict[int, int] = {}
    number = 0
    for _ in range(400):
        size = chance.choice([1, 64, 700])
        slots = table.put(rows(list(range(number, number + size))))
        assert not held.keys() & set(slots), "a slot is not given out twice"
        held |= dict(zip(slots, range(number, number + size), strict=True))
        number += size
        back = chance.sample(sorted(held), min(len(held), chance.choice([0, 50, 600])))
        assert table.take(back)["sequence"].tolist() == [held.pop(slot) for slot in back]
        assert len(table) == len(held)


class Moving(Client):
    """Its cluster changes before the third record is produced."""

    def produce(self, *args: Any, **kwargs: Any) -> None:
        if len(self.taken) == 2:
            self.cluster = "target"
        super().produce(*args, **kwargs)
        self.waiting[-1] = (*self.waiting[-1][:2], self.in_cluster(self.waiting[-1][2], self.cluster))

    def in_cluster(self, callback: Any, cluster: ClusterName | None) -> Any:
        def report(error: Any, message: Message) -> None:
            now, self.cluster = self.cluster, cluster
            callback(error, message)
            self.cluster = now

        return report


@pytest.mark.parametrize("values", [(b"0", b"1", b"2", b"3"), (b"0", b"1")])
def test_records_around_a_change_of_cluster_do_not_claim_to_have_gone_to_one(
    tmp_path: Path, values: tuple[bytes, ...]
) -> None:
    client, ledger = Moving(), ledger_at(tmp_path / "l")
    sender = Sender(client, ledger, 9)
    send(sender, *(("t", 0, b"k", value, None, 5, 0) for value in values))
    sender.flush(1)
    ledger.close()
    found = read_ledger(tmp_path / "l").rows.everything()
    moved = len(values) > 2
    assert found.cluster[found.event == SENT].tolist() == ([255] * 4 if moved else [0, 0])
    assert found.cluster[found.event == ACKED].tolist() == ([0, 0, 1, 1] if moved else [0, 0])


def test_rows_reach_a_log_that_takes_events_only() -> None:
    client, ledger = Client(), ProducerLedger()
    sender = Sender(client, ledger, 9)
    send(sender, *(("t", 0, b"k", value, None, 5, 0) for value in (b"0", b"lost", b"2", b"refused")))
    sender.flush(1)
    assert ledger.summary.sent == {5: 4}
    assert list(ledger.summary.acked[5].flat) == [0, 1, 2, 3], "0 to 1 and 2 to 3"
    assert ledger.summary.failed == 2
    assert ledger.summary.names == {5: ("t", b"k")}


def numbers(count: int, error: Exception | None = None) -> Iterator[int]:
    yield from range(count)
    if error is not None:
        raise error


@pytest.mark.parametrize("patched", [False, True])
def test_reading_ahead_changes_only_the_time(monkeypatch: pytest.MonkeyPatch, patched: bool) -> None:
    monkeypatch.setattr(ahead, "patched", lambda: patched)
    with Ahead(numbers(50)) as items:
        items.wait()
        assert list(items) == list(range(50))
    with Ahead(numbers(3, ZeroDivisionError())) as items:
        found = iter(items)
        assert [next(found) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ZeroDivisionError):
            next(found)


def test_reading_ahead_ends_when_it_is_left() -> None:
    with Ahead(numbers(10**9)) as items:
        assert next(iter(items)) == 0
    assert not [t for t in threading.enumerate() if t.name == "replay-ahead"]


def test_many_rows_and_single_events_share_a_ledger(tmp_path: Path) -> None:
    ledger = LedgerWriter(tmp_path / "l", instance="p", role="producer", group=None, run=9)
    number = ledger.topic_number("t")
    at = 0
    for size in (1, 3, 500, 7000, 20_000):  # past the first chunks
        many = rows(list(range(at, at + size)))
        many["topic"] = number
        place = ledger.append_rows(many, SENT)
        ledger.acked("t", 0, 5, 0, at, 1)
        at += size
    ledger.set_cluster(place, 10, 255)
    unclosed = read_ledger(tmp_path / "l").rows.everything()
    ledger.close()
    found = read_ledger(tmp_path / "l").rows.everything()
    assert found.sequence[found.event == SENT].tolist() == list(range(at))
    assert (found.event == ACKED).sum() == 5
    assert (found.time_ns > 0).all()
    assert (found.cluster == 255).sum() == 10
    assert found.cluster[found.event == SENT][-20_000:-19_990].tolist() == [255] * 10
    assert unclosed.sequence.tolist() == found.sequence.tolist()
