"""Exact resume on real brokers: what a group is delivered after it, and when it is not proved."""

import threading
import time
from collections.abc import Iterator, Mapping

import pytest
from confluent_kafka import Consumer
from cutover_harness.admin import Admin
from cutover_harness.mirror import ExactOffset, ExactResume, MirrorError
from cutover_harness.testbed import ProcessTestbed
from cutover_harness.types import PartitionId

from tests.cluster.traffic import (
    eventually,
    log,
    mirroring,
    produce,
    produce_transactions,
    read_on,
    values,
    wait_drained,
)


@pytest.fixture(scope="module")
def exactly_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessTestbed]:
    with ProcessTestbed(tmp_path_factory.mktemp("exactly-once"), exactly_once=True) as bed:
        yield bed


@pytest.fixture
def resume(testbed: ProcessTestbed) -> Iterator[ExactResume]:
    with ExactResume(testbed.source.client_config(), testbed.target.client_config()) as exact:
        yield exact


def create(bed: ProcessTestbed, topic: str, count: int = 1, config: Mapping[str, str] | None = None) -> None:
    Admin(bed.source.client_config()).create_topics({topic: count}, config)


def commit(bed: ProcessTestbed, group: str, offsets: Mapping[PartitionId, int]) -> None:
    Admin(bed.source.client_config()).set_committed(group, offsets)


def delivered_from(bed: ProcessTestbed, group: str, topic: str, rows: list[ExactOffset]) -> None:
    """Read on as the group: each partition begins with the first source record that was not committed."""
    assert all(row.proved for row in rows), rows
    source, target = log(bed.source.client_config(), topic), read_on(bed.target.client_config(), group, topic)
    for row in rows:
        partition = row.topic, row.partition
        due = [record for record in source[partition] if record.offset >= row.source_committed]
        passed = set(values(source[partition])) - set(values(due))
        arrived = target[partition]
        assert arrived[:1] == values(due[:1]), "the very record"
        assert list(dict.fromkeys(arrived)) == values(due), "none is lost"
        assert not passed & set(arrived), "none is read again"


def lagging_and_at_the_end(bed: ProcessTestbed, exact: ExactResume, topic: str) -> None:
    lagging, ended = f"{topic}-lagging", f"{topic}-ended"
    source, target = Admin(bed.source.client_config()), Admin(bed.target.client_config())
    create(bed, topic, 4)
    with mirroring(bed, topic, [lagging, ended]) as mirror:
        for part in range(4):  # several commits of the mirror
            produce(bed.source.client_config(), topic, range(1000 * part, 1000 * part + 1000))
            time.sleep(0.3)
        ends = source.end_offsets([topic])
        places = {p: end * (n + 1) // 7 for n, (p, end) in enumerate(ends.items())}
        commit(bed, lagging, places)
        commit(bed, ended, ends)
        wait_drained(mirror)
        assert eventually(lambda: target.committed(ended).keys() == ends.keys())
        syncs = mirror.offset_syncs()
        for group, committed in ((lagging, places), (ended, ends)):
            began = time.monotonic()
            rows = exact.compute(group, [topic], syncs)
            print(group, f"{(time.monotonic() - began) * 1000:.0f} ms", *(row.evidence for row in rows), sep="\n  ")
            assert {(r.topic, r.partition): r.source_committed for r in rows} == committed
            before = target.committed(group)
            exact.apply(group, rows)
            after = target.committed(group)
            print("  MirrorMaker 2 had", before, "now", after)
            assert all(after[p] >= offset for p, offset in before.items())
        time.sleep(3.5)  # several intervals of MirrorMaker 2's own synchronisation
        assert target.committed(group) == after
        delivered_from(bed, ended, topic, exact.compute(ended, [topic], syncs))
        delivered_from(bed, lagging, topic, exact.compute(lagging, [topic], syncs))


def test_lagging_and_at_the_end(testbed: ProcessTestbed, resume: ExactResume) -> None:
    lagging_and_at_the_end(testbed, resume, "exact")


def test_lagging_and_at_the_end_exactly_once(exactly_once: ProcessTestbed) -> None:
    with ExactResume(exactly_once.source.client_config(), exactly_once.target.client_config()) as exact:
        lagging_and_at_the_end(exactly_once, exact, "exact")


def test_a_killed_worker_mirrors_twice(testbed: ProcessTestbed, resume: ExactResume) -> None:
    topic, groups = "exact-killed", [f"exact-killed-{n}" for n in range(8)]
    source = testbed.source.client_config()
    create(testbed, topic)
    stop = threading.Event()
    sent = [0]

    def traffic() -> None:
        while not stop.is_set():
            produce(source, topic, range(sent[0], sent[0] + 40))
            sent[0] += 40
            time.sleep(0.02)

    with mirroring(testbed, topic, groups) as mirror:

        def copied_more() -> bool:
            """Whether the mirror copies while producers write; on a busy machine it may not keep up with them."""
            before = sent[0] - mirror.lag().total
            return eventually(lambda: sent[0] - mirror.lag().total > before + 200)

        thread = threading.Thread(target=traffic)
        thread.start()
        try:
            for _ in range(2):
                assert copied_more()
                time.sleep(1.5)
                testbed.worker.kill()
                testbed.worker.restart()
                assert copied_more()
        finally:
            stop.set()
            thread.join()
        wait_drained(mirror)
        arrived = log(testbed.target.client_config(), topic)[topic, 0]
        twice = len(arrived) - len(set(values(arrived)))
        assert twice > 0, "the worker was killed between two flushes of its offsets"
        # Around what was repeated, and elsewhere.
        seen: set[bytes | None] = set()
        repeated = [record for record in arrived if record.value in seen or seen.add(record.value)]  # type: ignore[func-returns-value]
        first, last = int(repeated[0].value or 0), int(repeated[-1].value or 0)
        places = [0, first - 1, first, first + 1, (first + last) // 2, last, last + 1, sent[0]]
        counts = []
        for group, place in zip(groups, places, strict=True):
            commit(testbed, group, {(topic, 0): place})
            rows = resume.compute(group, [topic], mirror.offset_syncs())
            resume.apply(group, rows)
            counts.append(rows[0].skipped_duplicates)
            delivered_from(testbed, group, topic, rows)
        print(f"{twice} records mirrored twice", dict(zip(places, counts, strict=True)))
        commit(testbed, groups[0], {(topic, 0): sent[0] - 1})
        assert sum(row.skipped_duplicates for row in resume.compute(groups[0], [topic], [])) == twice


def test_transactions(testbed: ProcessTestbed, resume: ExactResume) -> None:
    topic = "exact-transactions"
    create(testbed, topic)
    with mirroring(testbed, topic, ["exact-t.*"]) as mirror:
        produce_transactions(testbed.source.client_config(), topic, 30)
        wait_drained(mirror)
        (end,) = Admin(testbed.source.client_config()).end_offsets([topic]).values()
        assert end == 30 * 21
        for place in (0, 5, 20, 21, 30, 42, 43, 333, end - 22, end - 1, end):
            group = f"exact-t-{place}"
            commit(testbed, group, {(topic, 0): place})
            rows = resume.compute(group, [topic], mirror.offset_syncs())
            resume.apply(group, rows)
            delivered_from(testbed, group, topic, rows)


def test_compaction(testbed: ProcessTestbed, resume: ExactResume) -> None:
    """Compacted on both sides, each at its own time: no record that the source still has is passed over."""
    topic, group = "exact-compacted", "exact-compacted-group"
    source, target = testbed.source.client_config(), testbed.target.client_config()
    config = {"cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01"}
    create(testbed, topic, 1, config)
    with mirroring(testbed, topic, [group]) as mirror:
        for n in range(6):
            produce(source, topic, range(1000 * n, 1000 * n + 1000))
            time.sleep(1.1)
        wait_drained(mirror)
        (end,) = Admin(source).end_offsets([topic]).values()
        assert eventually(lambda: len(log(source, topic)[topic, 0]) < end)
        places = (0, 1, end // 2, end - 500, end - 1, end)
        for place in places:
            commit(testbed, group, {(topic, 0): place})
            (row,) = resume.compute(group, [topic], mirror.offset_syncs())
            assert row.proved, row
            print(row)
            left = log(source, topic)[topic, 0]
            behind = [r for r in log(target, topic)[topic, 0] if r.offset >= (row.target_offset or 0)]
            last = {record.key: record.value for record in behind}
            assert last == {record.key: record.value for record in left if record.offset >= place}


def test_a_mirror_that_lags_is_waited_for(testbed: ProcessTestbed, resume: ExactResume) -> None:
    topic, group = "exact-waits", "exact-waits-group"
    create(testbed, topic)
    with mirroring(testbed, topic, [group]) as mirror:
        produce(testbed.source.client_config(), topic, range(300))
        wait_drained(mirror)
        mirror.pause()
        produce(testbed.source.client_config(), topic, range(300, 310))
        for place in (300, 305, 310):
            commit(testbed, group, {(topic, 0): place})
            (row,) = resume.compute(group, [topic], mirror.offset_syncs())
            assert (row.proved, row.waits) == (False, True)
            assert "is not on the target yet; MirrorMaker 2" in row.evidence
        mirror.resume()
        wait_drained(mirror)
        rows = resume.compute(group, [topic], mirror.offset_syncs())
        resume.apply(group, rows)
        delivered_from(testbed, group, topic, rows)


def test_records_that_are_not_from_the_source_prove_nothing(testbed: ProcessTestbed, resume: ExactResume) -> None:
    topic, group = "exact-native", "exact-native-group"
    source, target = testbed.source.client_config(), testbed.target.client_config()
    create(testbed, topic)
    with mirroring(testbed, topic, [group]) as mirror:
        produce(source, topic, range(150))
        commit(testbed, group, {(topic, 0): 150})
        wait_drained(mirror)
        assert eventually(lambda: Admin(target).committed(group))
        produce(target, topic, ["native"])
        (row,) = resume.compute(group, [topic], mirror.offset_syncs())
        assert (row.proved, row.waits) == (False, False)
        assert row.target_offset == Admin(target).committed(group)[topic, 0]
        assert "target record 150 is not what the source has: it has no more; MirrorMaker 2 resumes at" in row.evidence
        before = Admin(target).committed(group)
        resume.apply(group, [row])
        assert Admin(target).committed(group) == before
        # Mirrored records behind the native one: before it the place is known, behind it by no pair from before.
        produce(source, topic, range(150, 200))
        wait_drained(mirror)
        syncs = [sync for sync in mirror.offset_syncs() if sync.upstream < 150]
        for place, proved in ((100, True), (149, True), (150, False), (160, False)):
            commit(testbed, group, {(topic, 0): place})
            (row,) = resume.compute(group, [topic], syncs)
            assert row.proved == proved, row
        commit(testbed, group, {(topic, 0): 201})
        (row,) = resume.compute(group, [topic], syncs)
        assert "the source's log ends at 200" in row.evidence


def test_a_group_at_work_on_the_target_is_left_alone(testbed: ProcessTestbed, resume: ExactResume) -> None:
    topic, group = "exact-member", "exact-member-group"
    create(testbed, topic)
    with mirroring(testbed, topic) as mirror:
        produce(testbed.source.client_config(), topic, range(10))
        commit(testbed, group, {(topic, 0): 5})
        wait_drained(mirror)
        rows = resume.compute(group, [topic], mirror.offset_syncs())
        member = Consumer({**testbed.target.client_config(), "group.id": group})
        member.subscribe([topic])
        assert eventually(lambda: member.poll(0.1) is None and member.assignment())
        with pytest.raises(MirrorError, match="group exact-member-group has members on the target"):
            resume.apply(group, rows)
        member.close()
        resume.apply(group, rows)
        delivered_from(testbed, group, topic, rows)


def test_translating_stops(testbed: ProcessTestbed, resume: ExactResume) -> None:
    topic, group = "exact-stopped", "exact-stopped-group"
    create(testbed, topic)
    with mirroring(testbed, topic, [group]) as mirror:
        produce(testbed.source.client_config(), topic, range(500))
        wait_drained(mirror)
        assert eventually(lambda: not mirror.running())
        began = time.monotonic()
        mirror.stop_translating()
        print(f"stopped in {(time.monotonic() - began) * 1000:.0f} ms")
        commit(testbed, group, {(topic, 0): 500})
        time.sleep(2.5)
        assert Admin(testbed.target.client_config()).committed(group) == {}
        produce(testbed.source.client_config(), topic, range(500, 510))
        wait_drained(mirror)
        rows = resume.compute(group, [topic], mirror.offset_syncs())
        resume.apply(group, rows)
        delivered_from(testbed, group, topic, rows)
        mirror.resume_translating()


def test_many_records_are_quick(testbed: ProcessTestbed, resume: ExactResume) -> None:
    """A figure to read (`-s`), not a limit: 20 partitions of a topic with 100,000 records, half of them unread."""
    topic, group = "exact-many", "exact-many-group"
    create(testbed, topic, 20)
    with mirroring(testbed, topic, [group]) as mirror:
        produce(testbed.source.client_config(), topic, range(100_000))
        wait_drained(mirror)
        ends = Admin(testbed.source.client_config()).end_offsets([topic])
        commit(testbed, group, {partition: end // 2 for partition, end in ends.items()})
        for syncs in (mirror.offset_syncs(), mirror.offset_syncs()[:0]):
            began = time.monotonic()
            rows = resume.compute(group, [topic], syncs)
            print(f"{len(syncs)} pairs: {(time.monotonic() - began) * 1000:.0f} ms; {rows[0].evidence}")
            assert all(row.proved for row in rows)
