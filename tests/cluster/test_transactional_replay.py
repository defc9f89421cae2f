"""A fleet of transactional producers on real brokers: killed, started again, and moved to another cluster."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from cutover_harness.admin import Admin
from cutover_harness.ledger import decode, read_ledger, read_ledgers
from cutover_harness.ledger.format import ABORTED, ACKED, FAILED, META, SENT, SOURCE, TARGET
from cutover_harness.replay import Fleet, FleetShape, Transactions
from cutover_harness.replay.config import ReplayOptions
from cutover_harness.replay.shape import Following
from cutover_harness.testbed import ProcessTestbed
from cutover_scenarios import sample_capture

from tests.waiting import eventually, wait_until

PARTITIONS = 6
Record = tuple[int, int, int]  # cluster, stream, sequence


def write_file(path: Path, testbed: ProcessTestbed, topic: str, generation: int, place: str) -> None:
    clusters = "".join(
        f'[clusters.{name}]\n"bootstrap.servers" = "{getattr(testbed, name).bootstrap}"\n'
        for name in ("source", "target")
    )
    new = path.with_suffix(".new")
    new.write_text(
        f'generation = {generation}\n{clusters}[routes.all]\ntopics = ["{topic}"]\ngroups = []\n'
        f'producers = "{place}"\nconsumers = "source"\n'
    )
    new.replace(path)


def log(client: dict[str, Any], topic: str, cluster: int, isolation: str) -> set[Record]:
    """Return what a consumer that began now would be delivered."""
    consumer = Consumer(
        {**client, "group.id": uuid.uuid4().hex, "isolation.level": isolation, "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
    found: list[Record] = []
    ends, deadline = 0, time.monotonic() + 60
    while ends < PARTITIONS:
        assert time.monotonic() < deadline
        for message in consumer.consume(500, 0.5):
            error = message.error()
            if error is None:
                headers: Any = message.headers()
                identity = decode(headers[0][1])
                found.append((cluster, identity.stream, identity.sequence))
            else:
                assert error.code() == KafkaError._PARTITION_EOF
                ends += 1
    consumer.close()
    assert len(found) == len(set(found)), "nothing is there twice"
    return set(found)


def ledgered(folder: Path) -> dict[int, set[Record]]:
    """Return the records of each kind of event."""
    found: dict[int, set[Record]] = {}
    for instance in read_ledgers(folder).instances:
        rows = instance.rows.everything()
        for event in np.unique(rows.event).tolist():
            chosen = rows.event == event
            columns = rows.cluster[chosen].tolist(), rows.stream[chosen].tolist(), rows.sequence[chosen].tolist()
            found.setdefault(event, set()).update(zip(*columns, strict=True))
    return found


def acknowledged(folder: Path, count: int) -> None:
    """Wait until a process has had so many records acknowledged."""

    def reached() -> bool:
        return (folder / META).exists() and bool((read_ledger(folder).rows.everything().event == ACKED).sum() >= count)

    wait_until(reached, 60, backoff_s=0.1)


@pytest.mark.parametrize("shim", [True, False], ids=["shim", "raw"])
def test_commits_match_the_ledgers(testbed: ProcessTestbed, tmp_path: Path, shim: bool) -> None:
    topic = f"tx-{uuid.uuid4().hex[:8]}"
    clients: dict[str, dict[str, Any]] = {
        "source": dict(testbed.source.client_config()),
        "target": dict(testbed.target.client_config()),
    }
    for client in clients.values():
        Admin(client).create_topics({topic: PARTITIONS})
    cutover = tmp_path / "cutover.toml"
    write_file(cutover, testbed, topic, 1, "source")
    fleet = Fleet(
        FleetShape(producers=2, groups={}, transactions=Transactions(records=20, ms=200, abort_every=4)),
        ReplayOptions(capture=sample_capture(), speed=30_000, topics={"flights.departed": topic}),
        folder=tmp_path,
        run=5,
        topics=[topic],
        follows=Following(cutover) if shim else None,
        endpoints={"source": testbed.source.client_config(), "target": testbed.target.client_config()},
    )
    fleet.start()
    try:
        acknowledged(tmp_path / "ledger" / "producer-1", 200)
        fleet.kill("producer-1")
        fleet.restart("producer-1")
        acknowledged(tmp_path / "ledger" / "producer-1~2", 100)
        if shim:
            write_file(cutover, testbed, topic, 2, "hold")
            time.sleep(1)
            write_file(cutover, testbed, topic, 3, "target")
        finished = eventually(fleet.finished, 90)
        fleet.check()
        assert finished
    finally:
        fleet.stop()
    events = ledgered(tmp_path / "ledger")
    committed: set[Record] = set()
    everything: set[Record] = set()
    for number, client in ((SOURCE, clients["source"]), (TARGET, clients["target"])):
        committed |= log(client, topic, number, "read_committed")
        everything |= log(client, topic, number, "read_uncommitted")
    assert len({record[1:] for record in events[SENT]}) == 6064, "every record of the topic was sent once"
    assert FAILED not in events
    assert events[ACKED] <= committed, "nothing acknowledged is lost"
    assert events[ABORTED], "some are aborted on purpose"
    assert events[ABORTED] <= everything - committed, "aborted ones are in the log, and nobody is delivered them"
    known = {record[1:] for record in events[ACKED] | events[ABORTED]}
    doubtful = {record[1:] for record in events[SENT]} - known
    assert {record[1:] for record in committed - events[ACKED]} <= doubtful, "the one that was killed, if at all"
    assert len(doubtful) <= 20, "at most the open transaction of the one that was killed"
    assert {cluster for cluster, *_ in events[ACKED]} == ({SOURCE, TARGET} if shim else {SOURCE})
