"""What a group would skip on the target, on real brokers: removed records are counted, and an offset that is ahead."""

from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.mirror import Batch, Mirror
from cutover_harness.testbed import ProcessTestbed

from tests.cluster.traffic import mirror_spec
from tests.waiting import wait_until

NAME, GROUP = "skipped", "skipped-g"
P = (NAME, 0)


def test_removed_records_and_an_offset_that_is_ahead_are_counted(testbed: ProcessTestbed) -> None:
    source, target = testbed.source.client_config(), testbed.target.client_config()
    here, there = Admin(source), Admin(target)
    here.create_topics({NAME: 1})
    producer = Producer(source)
    for number in range(100):
        producer.produce(NAME, b"%d" % number)
    assert producer.flush(20) == 0
    here.set_committed(GROUP, {P: 10})
    with Mirror(mirror_spec(testbed, Batch(NAME, (NAME,), (GROUP,)))) as mirror:
        assert mirror.mirrored_partitions() == set()
        mirror.create()
        try:
            wait_until(lambda: mirror.drained()[0] and there.committed(GROUP))
            assert mirror.skipped([GROUP]) == []
            # MirrorMaker 2 also copies the heartbeats of other mirrors.
            assert {found for found in mirror.mirrored_partitions() if not found[0].endswith("heartbeats")} == {P}
            there.delete_records({P: 30})
            assert list(map(str, mirror.skipped([GROUP]))) == [
                f"the target has removed 20 records of {NAME}-0 that group {GROUP} has not read"
            ]
            here.set_committed(GROUP, {P: 40})
            assert mirror.skipped([GROUP]) == []
            mirror.stop_translating()
            there.set_committed(GROUP, {P: 60})
            (ahead,) = mirror.skipped([GROUP])
            assert str(ahead).startswith(
                f"group {GROUP} would skip 20 records of {NAME}-0: its offset on the target is 60"
            )
            assert mirror.skipped([GROUP], offsets=False) == []
            here.set_committed(GROUP, {P: 60})
            assert mirror.skipped([GROUP]) == []
            there.delete_records({P: 100})  # nothing is left of the target's log
            (removed,) = mirror.skipped([GROUP])
            assert str(removed).startswith("the target has removed ")
        finally:
            mirror.delete()
