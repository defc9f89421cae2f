"""The reverse mirror on real brokers: what was produced natively comes back once, and nothing goes in a cycle."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cutover_harness.admin import Admin
from cutover_harness.mirror import Batch, ExactResume, Mirror, MirrorError, ReverseMirror, capture_cut
from cutover_harness.testbed import ProcessTestbed

from tests.cluster.traffic import (
    eventually,
    log,
    mirror_spec,
    mirroring,
    produce,
    produce_transactions,
    read_on,
    values,
    wait_drained,
)


@contextmanager
def reversing(bed: ProcessTestbed, topic: str) -> Iterator[ReverseMirror]:
    """The topic's reverse mirror, not started, deleted at the end."""
    with ReverseMirror(mirror_spec(bed, Batch(topic, (topic,), ()), bed.reverse_connect_url())) as mirror:
        try:
            yield mirror
        finally:
            mirror.delete()


def everything(bed: ProcessTestbed, topic: str) -> tuple[list[list[bytes | None]], list[list[bytes | None]]]:
    """The values of each partition on the source and on the target."""
    sides = (log(cluster.client_config(), topic) for cluster in (bed.source, bed.target))
    source, target = ([values(records) for _, records in sorted(side.items())] for side in sides)
    return source, target


def forward_stopped(bed: ProcessTestbed, mirror: Mirror, topic: str) -> dict[tuple[str, int], int]:
    """All is mirrored, the mirror is stopped, and the target is cut there."""
    wait_drained(mirror)
    mirror.stop()
    return capture_cut(bed.target.client_config(), [topic])


def test_there_and_back_and_there_again(testbed: ProcessTestbed) -> None:
    topic, group = "reverse", "reverse-group"
    source, target = testbed.source.client_config(), testbed.target.client_config()
    Admin(source).create_topics({topic: 3})
    with mirroring(testbed, topic, [group]) as forward, reversing(testbed, topic) as reverse:
        produce(source, topic, range(500))
        cut = forward_stopped(testbed, forward, topic)
        produce(target, topic, range(500, 800))  # native ones, before and after the start
        began = time.monotonic()
        reverse.start(cut)
        produce(target, topic, range(800, 1000))
        wait_drained(reverse)
        print(f"500 native records on the source {time.monotonic() - began:.2f} s after the start")
        assert reverse.lag().total == 0
        assert reverse.running() == []
        on_source, on_target = everything(testbed, topic)
        assert on_source == on_target, "once, in order, and none of the mirrored ones came back"
        assert sum(map(len, on_source)) == 1000

        for again in (forward.create, forward.resume):
            with pytest.raises(MirrorError, match=r"cutover-reverse\.reverse-source is RUNNING: end the"):
                again()
        reverse.start(cut)
        wait_drained(reverse)
        assert everything(testbed, topic)[0] == on_source, "once more with the same cut changes nothing"

        # Rolled back: producers are on the source again, and later the forward mirror goes on.
        reverse.hand_back(capture_cut(source, [topic]))
        produce(source, topic, range(1000, 1100))
        forward.resume()
        wait_drained(forward)
        on_source, on_target = everything(testbed, topic)
        assert on_source == on_target
        assert sum(map(len, on_source)) == 1100
        ends = Admin(source).end_offsets([topic])
        Admin(source).set_committed(group, {partition: end - 20 for partition, end in ends.items()})
        with ExactResume(source, target) as exact:
            rows = exact.compute(group, [topic], forward.offset_syncs())
            assert all(row.proved for row in rows), rows
            exact.apply(group, rows)
        assert [arrived for _, arrived in sorted(read_on(target, group, topic).items())] == [
            records[-20:] for records in on_source
        ]

        # And once more there and back: the second cut is behind what the first time brought.
        cut = forward_stopped(testbed, forward, topic)
        produce(target, topic, range(1100, 1200))
        reverse.start(cut)
        wait_drained(reverse)
        on_source, on_target = everything(testbed, topic)
        assert on_source == on_target
        assert sum(map(len, on_source)) == 1200


def test_exactly_once(tmp_path: Path) -> None:
    """By a worker of its own; at the cut the target's log ends with the marker of a transaction."""
    topic = "reverse-once"
    with ProcessTestbed(tmp_path, exactly_once=True) as bed:
        source, target = bed.source.client_config(), bed.target.client_config()
        Admin(source).create_topics({topic: 2, f"{topic}-empty": 1})
        with mirroring(bed, topic, (), bed.reverse_connect_url()) as forward, reversing(bed, topic) as reverse:
            produce(source, topic, range(500))
            wait_drained(forward)
            with pytest.raises(MirrorError, match="stop the mirror before"):
                reverse.start(capture_cut(target, [topic]))
            cut = forward_stopped(bed, forward, topic)
            assert sum(cut.values()) > 500
            produce(target, topic, range(500, 800))
            reverse.start(cut)
            wait_drained(reverse)
            on_source, on_target = everything(bed, topic)
            assert on_source == on_target
            assert sum(map(len, on_source)) == 800
            for again in (forward.create, forward.resume):
                with pytest.raises(MirrorError, match="end the reverse"):
                    again()
            reverse.hand_back(capture_cut(source, [topic]))
            produce(source, topic, range(800, 900))
            forward.resume()
            wait_drained(forward)
            on_source, on_target = everything(bed, topic)
            assert on_source == on_target
            assert sum(map(len, on_source)) == 900


def test_transactions_on_the_target(testbed: ProcessTestbed) -> None:
    """Aborted records of the target never arrive, and markers at the cut are no records."""
    topic = "reverse-transactions"
    source, target = testbed.source.client_config(), testbed.target.client_config()
    Admin(source).create_topics({topic: 1})
    with mirroring(testbed, topic) as forward, reversing(testbed, topic) as reverse:
        produce_transactions(source, topic, 5)
        cut = forward_stopped(testbed, forward, topic)
        produce_transactions(target, topic, 5)
        reverse.start(cut)
        wait_drained(reverse)
        on_source, on_target = everything(testbed, topic)
        assert on_source == on_target
        assert len(on_source[0]) == 2 * 60


def test_refusals(testbed: ProcessTestbed) -> None:
    topic = "reverse-guards"
    source, target = testbed.source.client_config(), testbed.target.client_config()
    Admin(source).create_topics({topic: 2})
    with mirroring(testbed, topic) as forward, reversing(testbed, topic) as reverse:
        produce(source, topic, range(100))
        wait_drained(forward)
        cut = capture_cut(target, [topic])
        assert eventually(lambda: not forward.running())
        for state in ("RUNNING", "PAUSED"):
            with pytest.raises(MirrorError, match=f"cutover-{topic}-source is {state}: stop the mirror before"):
                reverse.start(cut)
            forward.pause()
        forward.stop()
        with pytest.raises(MirrorError, match=f"no offset for {topic}-1 \\(1 are missing\\)"):
            reverse.start({(topic, 0): cut[topic, 0]})
        assert reverse.running() == [f"cutover-{topic}.reverse-source does not exist, or Connect is still starting"]
        # Not started: what is native on the target is missing on the source, and says so.
        assert "does not exist" in reverse.drained()[1]
        produce(target, topic, range(100, 150))
        done, evidence = reverse.drained()
        assert not done
        assert evidence.startswith("reverse mirror, whose source is the target cluster:")
        reverse.start(cut)
        wait_drained(reverse)
        reverse.stop()
        produce(target, topic, range(150, 170))
        assert reverse.lag().total == 20
        reverse.hand_back(capture_cut(source, [topic]))
        assert reverse.running() == [f"cutover-{topic}.reverse-source does not exist, or Connect is still starting"]
