"""Each measure's definition as a tiny history, and the same history without the anomaly."""

from dataclasses import replace
from typing import Any

import pytest
from cutover_harness.judge.model import Copied, Destroyed, Duplicated, Judgement

from .histories import MS, T0, History


def clean(last: int = 4) -> History:
    """Return a history in which a group got all records of one key, once and in order."""
    history = History()
    history.produce("k", 0, last)
    history.read("g-1", "k", 0, last)
    return history


def kinds(judgement: Judgement) -> list[str]:
    return [offender.kind for offender in judgement.offenders]


def test_clean() -> None:
    got = clean().judge().group("g")
    assert (got.sent, got.acked, got.delivered, got.distinct) == (5, 5, 5, 5)
    assert (got.lost, got.missing, got.phantom, got.reordered, got.stranded, got.aborted_read) == (0, 0, 0, 0, 0, 0)
    assert got.duplicated == Duplicated()
    assert (got.log_order, got.offset_regression, got.gap_unexplained) == (0, 0, 0)


def test_lost_is_acknowledged_and_not_delivered_after_a_proven_drain() -> None:
    history = History()
    history.produce("k", 0, 4)
    history.read("g-1", "k", 0, 1)
    history.read("g-1", "k", 3, 3)
    judgement = history.judge()
    assert (judgement.group("g").missing, judgement.group("g").lost) == (2, 2)
    lost = [o for o in judgement.offenders if o.kind == "lost"]
    assert [(o.key, o.sequence, o.offset, o.cluster, o.topic, o.partition) for o in lost] == [
        ("k", 2, 2, "source", "orders", 0),
        ("k", 4, 4, "source", "orders", 0),
    ]
    assert lost[0].seen_by == ["p1"]


def test_without_a_drain_only_what_the_group_went_past_is_lost() -> None:
    history = History()
    history.produce("k", 0, 4)
    history.read("g-1", "k", 0, 1)
    history.read("g-1", "k", 3, 3)
    got = history.judge(drained=False)
    assert (got.group("g").missing, got.group("g").lost) == (2, 1)
    assert [(o.kind, o.sequence) for o in got.offenders] == [("lost", 2), ("missing", 4)]


def test_without_a_drain_the_tail_is_unknown() -> None:
    history = History()
    history.produce("k", 0, 4)
    history.read("g-1", "k", 0, 3)
    got = history.judge(drained=False).group("g")
    assert (got.missing, got.lost) == (1, None)


def test_not_acknowledged_but_delivered_is_no_error() -> None:
    history = clean()
    history.sent("k", 5)  # the process died before the report came
    history.sent("k", 6)
    history.add("p1", "FAILED", "source", "k", 6, -1)  # an error, although the record is in the log
    history.read("g-1", "k", 5, 6)
    judgement = history.judge()
    got = judgement.group("g")
    assert (got.phantom, got.lost, got.distinct, got.duplicated.total) == (0, 0, 7, 0)
    assert (judgement.logs[0].in_doubt, judgement.logs[0].failed, judgement.logs[0].acked) == (1, 1, 5)


def test_not_acknowledged_and_not_delivered_is_not_lost() -> None:
    history = clean()
    history.sent("k", 5)
    assert history.judge().group("g").lost == 0


def test_lost_is_per_group_and_of_its_topics() -> None:
    history = clean()
    history.add("p1", "SENT", "source", "k", 0, -1, topic="audit")
    history.add("p1", "ACKED", "source", "k", 0, 0, topic="audit")
    history.read("h-1", "k", 0, 2)
    judgement = history.judge(groups={"g": ["orders"], "h": ["orders", "audit"]})
    assert judgement.group("g").lost == 0
    assert judgement.group("h").lost == 3
    assert [(p.topic, p.missing) for p in judgement.group("h").partitions] == [("audit", 1), ("orders", 2)]


def test_a_group_that_never_came_lost_everything() -> None:
    got = clean().judge(groups={"g": ["orders"], "late": ["orders"]}).group("late")
    assert (got.missing, got.lost, got.members) == (5, None, [])


def test_phantom_was_never_sent() -> None:
    history = clean()
    history.deliver("g-1", "k", 5)  # beyond what was sent
    history.deliver("g-1", "stranger", 0, 6)  # a stream that nobody has
    history.deliver("g-1", None, -1, 7)  # no identity of this run
    history.deliver("g-1", None, -1, 8)
    history.deliver("g-1", None, -1, 8)
    judgement = history.judge()
    got = judgement.group("g")
    assert got.phantom == 4
    assert (got.duplicated, got.distinct, got.lost) == (Duplicated(re_read=1), 9, 0)
    assert kinds(judgement) == ["phantom"] * 4 + ["re_read"]
    assert judgement.offenders[0].seen_by == ["g-1"]


def test_aborted_read_was_in_an_aborted_transaction() -> None:
    history = clean()
    for sequence in (5, 6):
        history.sent("k", sequence)
        history.add("p1", "ABORTED", "source", "k", sequence, sequence)
    history.deliver("g-1", "k", 5)
    judgement = history.judge()
    got = judgement.group("g")
    assert (got.aborted_read, got.phantom, got.lost, judgement.logs[0].aborted) == (1, 0, 0, 2)
    history.meta("g-1", isolation="read_uncommitted")
    assert history.judge().group("g").aborted_read == 0


def test_an_aborted_record_that_was_sent_again_counts() -> None:
    history = History()
    history.sent("k", 0)
    history.acked("k", 0, 0)  # by a tool that logs reports before the transaction ends
    history.add("p1", "ABORTED", "source", "k", 0, 0)
    history.deliver("g-1", "k", 1, 9)  # another record, so that the group exists
    assert history.judge().group("g").missing == 0
    history.acked("k", 0, 1)
    assert history.judge().group("g").missing == 1


def test_re_read_is_the_same_offset_again() -> None:
    history = clean()
    history.read("g-2", "k", 3, 4)  # g-1 died before it committed
    judgement = history.judge()
    assert judgement.group("g").duplicated == Duplicated(re_read=2)
    assert judgement.group("g").reordered == 0
    assert judgement.offenders[0].seen_by == ["p1", "g-1", "g-2"]


def test_re_read_across_was_delivered_by_the_other_cluster_before() -> None:
    history = clean()
    history.read("g-1", "k", 3, 4, cluster="target", shift=100)  # resumed two records too early
    assert history.judge().group("g").duplicated == Duplicated(re_read_across=2)


def test_a_second_copy_on_a_cluster_without_producers_was_mirrored_twice() -> None:
    history = History()
    history.produce("k", 0, 4)
    history.read("g-1", "k", 0, 4, cluster="target")
    history.read("g-1", "k", 4, 4, cluster="target", shift=1)
    assert history.judge().group("g").duplicated == Duplicated(mirrored_twice=1)


def test_producer_retry_is_a_second_copy_on_the_cluster_of_its_producer() -> None:
    history = clean()
    history.deliver("g-1", "k", 4, 5)
    history.sent("k", 5, "target")
    history.acked("k", 5, 7, "target")
    history.deliver("g-1", "k", 5, 6, "target")
    history.deliver("g-1", "k", 5, 7, "target")
    assert history.judge().group("g").duplicated == Duplicated(producer_retry=2)


def test_a_failed_send_that_reached_the_source_and_was_sent_again_to_the_target_is_a_retry() -> None:
    history = History()
    history.sent("k", 0, "source")
    history.add("p1", "FAILED", "source", "k", 0, -1)
    history.sent("k", 0, "target")
    history.acked("k", 0, 3, "target")
    history.deliver("g-1", "k", 0, 2, "target")  # the mirrored copy
    history.deliver("g-1", "k", 0, 3, "target")
    assert history.judge().group("g").duplicated == Duplicated(producer_retry=1)


def test_causes_are_distinguished_if_one_record_has_several() -> None:
    history = clean(0)
    history.deliver("g-1", "k", 0, 50, "target")  # across
    history.deliver("g-1", "k", 0, 51, "target")  # a second copy there
    history.deliver("g-1", "k", 0, 50, "target")  # and again
    history.deliver("g-1", "k", 0, 0, "source")
    assert history.judge().group("g").duplicated == Duplicated(re_read=2, re_read_across=1, mirrored_twice=1)


def test_reordered_comes_after_a_later_record_of_its_stream() -> None:
    history = History()
    history.produce("k", 0, 4)
    for sequence in (0, 3, 1, 2, 4):
        history.deliver("g-1", "k", sequence)
    judgement = history.judge()
    assert judgement.group("g").reordered == 2
    assert [(o.kind, o.sequence, o.detail) for o in judgement.offenders] == [
        ("reordered", 1, "delivered after sequence 3 of the same stream"),
        ("reordered", 2, "delivered after sequence 3 of the same stream"),
    ]


def test_duplicates_are_taken_out_before_order_is_looked_at() -> None:
    history = clean()
    history.read("g-1", "k", 0, 4)
    got = history.judge().group("g")
    assert (got.duplicated.re_read, got.reordered) == (5, 0)


def test_streams_are_not_ordered_among_each_other() -> None:
    history = History()
    history.produce("a", 0, 2)
    history.produce("b", 0, 2, shift=3)
    history.read("g-1", "b", 0, 2, shift=3)
    history.read("g-1", "a", 0, 2)
    assert history.judge().group("g").reordered == 0


def test_members_are_put_in_order_by_time_and_each_ledger_by_itself() -> None:
    history = History()
    history.produce("k", 0, 5)
    history.read("g-2", "k", 0, 2)
    history.at -= 2  # the clock is set back within g-2: its ledger still says what came first
    history.read("g-2", "k", 3, 3)
    history.at += 10
    history.read("g-1", "k", 4, 5)
    assert history.judge().group("g").reordered == 0


def test_log_order_is_the_target_behind_the_source() -> None:
    history = History()
    history.produce("k", 0, 3)
    for sequence, offset in ((0, 10), (1, 13), (2, 11), (3, 12)):
        history.deliver("g-1", "k", sequence, offset, "target")
    judgement = history.judge()
    assert (judgement.group("g").log_order, judgement.group("g").reordered) == (1, 0)
    assert judgement.logs[0].log_order == 1
    assert [(o.kind, o.sequence) for o in judgement.offenders] == [("log_order", 1)]


def test_log_order_sees_a_producer_that_overtook_the_mirror() -> None:
    history = History()
    history.produce("k", 0, 1)
    history.sent("k", 2, "target")
    history.acked("k", 2, 1, "target")
    history.deliver("g-1", "k", 0, 0, "target")
    history.deliver("g-1", "k", 2, 1, "target")
    history.deliver("g-1", "k", 1, 2, "target")
    got = history.judge().group("g")
    assert (got.log_order, got.reordered) == (1, 1)


def test_log_order_excuses_what_the_source_has_in_that_order() -> None:
    history = History()
    history.sent("k", 0)
    history.sent("k", 1)
    history.acked("k", 0, 6)  # a retry without idempotence
    history.acked("k", 1, 5)
    history.deliver("g-1", "k", 1, 0, "target")
    history.deliver("g-1", "k", 0, 1, "target")
    got = history.judge().group("g")
    assert (got.log_order, got.reordered) == (0, 1)


def rolled_back(*, arrived: int | None = None) -> History:
    """Return a rollback from the target, where 3..6 were produced; of these the source got up to `arrived`."""
    history = clean(2)
    history.produce("k", 3, 6, "target", shift=100)
    history.read("g-1", "k", 3, 6, "target", shift=100)
    if arrived is not None:
        history.read("g-1", "k", 3, arrived, "source", shift=0)
    history.produce("k", 7, 8, "source", shift=50)
    history.read("g-1", "k", 7, 8, "source", shift=50)
    return history


def test_stranded_is_acknowledged_where_the_producers_left_and_nowhere_else() -> None:
    judgement = rolled_back().judge(cluster_left=["target"])
    assert judgement.group("g").stranded == 4
    assert judgement.group("g").lost == 0
    assert judgement.logs[0].stranded == 4
    assert [(o.kind, o.sequence, o.cluster, o.offset) for o in judgement.offenders] == [
        ("stranded", n, "target", n + 100) for n in (3, 4, 5, 6)
    ]
    assert rolled_back().judge().group("g").stranded == 0  # nobody left


def test_stranded_is_not_copied_by_a_reverse_mirror() -> None:
    assert rolled_back(arrived=6).judge(cluster_left=["target"]).group("g").stranded == 0
    judgement = rolled_back(arrived=4).judge(cluster_left=["target"])
    assert judgement.group("g").stranded == 2
    assert [o.sequence for o in judgement.offenders if o.kind == "stranded"] == [5, 6]


def test_stranded_is_unknown_until_the_group_has_drained() -> None:
    assert rolled_back(arrived=4).judge(drained=False, cluster_left=["target"]).group("g").stranded is None


def test_records_that_the_mirror_is_proven_to_have_copied_are_not_stranded() -> None:
    copied = [Copied("target", "orders", 0, 0, 106)]
    got = rolled_back().judge(cluster_left=["target"], copied=copied, drained=False).group("g")
    assert got.stranded == 1


def switched(*, copied_from: int = 3) -> History:
    """Return a switchover: 0..5 on the source, of which the group read 0..2 there and from `copied_from` mirrored."""
    history = History()
    history.produce("k", 0, 5)
    history.read("g-1", "k", 0, 2)
    history.read("g-1", "k", copied_from, 5, "target", shift=100)
    history.produce("k", 6, 7, "target", shift=100)
    history.read("g-1", "k", 6, 7, "target", shift=100)
    return history


def test_records_read_before_the_switch_are_not_stranded() -> None:
    assert switched().judge(cluster_left=["source"]).group("g").stranded == 0


def test_reading_the_source_to_its_end_proves_nothing_about_the_mirror() -> None:
    history = clean()
    history.produce("k", 5, 6, "target")
    history.read("g-1", "k", 5, 6, "target")
    assert history.judge(cluster_left=["source"]).group("g").stranded is None
    copied = [Copied("source", "orders", 0, 0, 5)]
    assert history.judge(cluster_left=["source"], copied=copied).group("g").stranded == 0


def test_offset_regression_is_a_commit_below_an_earlier_one() -> None:
    history = clean()
    for instance, offset, cluster in (("g-1", 3, "source"), ("g-1", 2, "source"), ("g-1", 1, "target")):
        history.add(instance, "COMMITTED", cluster, None, -1, offset)
    history.add("g-2", "COMMITTED", "source", None, -1, 1)  # immediately: it may be the clocks
    history.at += 1500
    history.add("g-2", "COMMITTED", "source", None, -1, 2)
    history.add("g-2", "COMMITTED", "source", None, -1, 3)
    judgement = history.judge()
    assert judgement.group("g").offset_regression == 2
    assert [(o.kind, o.offset, o.seen_by) for o in judgement.offenders] == [
        ("offset_regression", 2, ["g-1"]),
        ("offset_regression", 2, ["g-2"]),
    ]


def test_gap_unexplained_is_skipped_and_nothing_is_known_to_be_there() -> None:
    history = History()
    history.produce("k", 0, 2)
    history.sent("k", 3)
    history.acked("k", 3, 8)
    history.read("g-1", "k", 0, 1)  # 2 is lost: explained by that
    history.deliver("g-1", "k", 3, 8)  # 3 to 7: transaction markers, compaction, or a broker's fault
    history.deliver("h-1", None, -1, 4)  # another group found a record at 4
    history.deliver("g-1", None, -1, 9)
    judgement = history.judge()
    assert judgement.group("g").gap_unexplained == 4
    assert judgement.group("h").gap_unexplained == 0


def test_measures_are_per_partition_too() -> None:
    history = clean()
    for event, offset in (("SENT", -1), ("ACKED", 0)):
        history.add("p1", event, "source", "z", 0, offset, partition=3)
    history.add("g-1", "DELIVERED", "source", "z", 0, 0, partition=3)
    history.add("g-1", "DELIVERED", "source", "z", 0, 0, partition=3)
    found = {p.partition: (p.acked, p.delivered, p.duplicated.re_read) for p in history.judge().group("g").partitions}
    assert found == {0: (5, 5, 0), 3: (1, 2, 1)}


def test_topics_that_stayed_are_not_stranded_if_others_left() -> None:
    def left_on_source(**facts: Any) -> int | None:
        history = History()
        history.produce("k", 0, 4)  # nobody has it on the target
        history.read("g-1", "k", 0, 4)
        return (
            history.judge(cluster_left=["source"], copied=[Copied("source", "orders", 0, 0, 2)], **facts)
            .group("g")
            .stranded
        )

    assert left_on_source() == 3
    assert left_on_source(topic_left={"orders": []}) == 0
    assert left_on_source(topic_left={"payments": []}) == 3
    assert left_on_source(topic_left={"orders": ["target"]}) == 0


DELETED = Destroyed("source", "orders", T0 + 100 * MS, "recreate topics")


def recreated(first: int = 6) -> History:
    """Return a topic of which the group read 0..2 before it was deleted at 100 ms, with 3..5 in it.

    The producer goes on with 6, which is taken for a duplicate, and 7..9, acknowledged from offset `first` - 6 on.
    """
    history = History()
    history.produce("k", 0, 5)
    history.read("g-1", "k", 0, 2)
    history.at = 100
    history.sent("k", 6)
    history.acked("k", 6, -1)
    for sequence in (7, 8, 9):
        history.sent("k", sequence)
        history.acked("k", sequence, max(-1, sequence - 1 - first))
    return history


def test_destroyed_records_are_counted_apart_from_lost_ones() -> None:
    history = recreated()
    history.read("g-1", "k", 7, 9, shift=-7)
    judgement = history.judge(destroyed=[DELETED])
    got = judgement.group("g")
    assert (got.destroyed, got.missing, got.lost) == (4, 0, 0)
    assert judgement.offenders == []
    plain = history.judge().group("g")
    assert (plain.destroyed, plain.lost) == (0, 4)


def test_lost_records_of_the_recreated_topic_were_not_destroyed_on_purpose() -> None:
    history = recreated()
    history.read("g-1", "k", 7, 8, shift=-7)
    judgement = history.judge(destroyed=[DELETED])
    assert (judgement.group("g").destroyed, judgement.group("g").lost) == (4, 1)
    assert [(o.kind, o.sequence) for o in judgement.offenders] == [("lost", 9)]


def test_if_acknowledgements_never_have_an_offset_only_earlier_records_count_as_destroyed() -> None:
    judgement = recreated(first=99).judge(destroyed=[DELETED])
    assert (judgement.group("g").destroyed, judgement.group("g").lost) == (3, 4)


@pytest.mark.parametrize(
    "other", [replace(DELETED, topic="payments"), replace(DELETED, cluster="target"), replace(DELETED, until_ns=T0)]
)
def test_only_records_that_the_fault_hit_are_destroyed(other: Destroyed) -> None:
    history = recreated()
    history.read("g-1", "k", 7, 9, shift=-7)
    got = history.judge(destroyed=[other]).group("g")
    assert (got.destroyed, got.lost) == (0, 4)
