"""The judge against the obvious one, on histories that make no sense and on all that do."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cutover_harness.judge.conclude import conclude
from cutover_harness.judge.judging import judge, measure, plan
from cutover_harness.judge.measures import CAUSES
from cutover_harness.judge.model import Destroyed, DrainProof, Judgement, RunFacts
from cutover_harness.judge.partial import Partial
from cutover_harness.judge.shard import Question, judge_shard
from cutover_harness.ledger.format import CLUSTER_NAMES, EVENTS
from cutover_harness.ledger.reader import Ledgers
from hypothesis import example, given, settings
from hypothesis import strategies as st

from .brute import Producers, brute_destroyed, brute_gaps, brute_group, brute_log_order, brute_stranded
from .histories import MS, T0, Event, History

INSTANCES = ("p1", "p2", "g-1", "g-2", "h-1")
TOPICS = ("orders", "audit")
MEASURES = ("sent", "acked", "delivered", "distinct", "missing", "destroyed", "phantom", "aborted_read", "reordered")


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - repeatable histories, not secrets


def any_event(instance: str) -> st.SearchStrategy[Event]:
    kinds = ("SENT", "ACKED", "ACKED", "FAILED", "ABORTED") if instance.startswith("p") else ("DELIVERED",)
    return st.builds(
        Event,
        instance=st.just(instance),
        event=st.sampled_from(kinds),
        cluster=st.sampled_from(("source", "source", "target", "unknown")),
        key=st.sampled_from(("a", "a", "b", "c", None)),
        sequence=st.integers(-1, 5),
        offset=st.integers(-1, 7),
        topic=st.sampled_from(TOPICS),
        partition=st.integers(0, 1),
        time_ms=st.integers(0, 30).map(float),
    )


any_history = st.lists(st.sampled_from(INSTANCES).flatmap(any_event), min_size=1, max_size=60)


def facts(left: list[str], drained: set[str], destroyed: list[Destroyed] | None = None) -> RunFacts:
    return RunFacts(
        7,
        "x",
        groups={"g": ["orders"], "h": ["orders", "audit"]},
        drain=[DrainProof(g, True, "") for g in sorted(drained)],
        cluster_left=left,
        destroyed=destroyed or [],
    )


def ledgers_of(events: list[Event], piece: int | None = None) -> Ledgers:
    return History(events=events).ledgers(piece)


def check(events: list[Event], judgement: Judgement, asked: RunFacts) -> None:
    """Compare every measure with the obvious judge's."""
    producers = Producers(e for e in events if e.instance.startswith("p"))
    late = brute_log_order(events, producers)
    stranded, unknown = brute_stranded(events, producers, set(asked.cluster_left))
    gone = brute_destroyed(events, asked.destroyed)
    for group, topics in asked.groups.items():
        drained = any(proof.group == group for proof in asked.drain)
        expected = brute_group(events, producers, group, set(topics), gone, drained=drained)
        got = judgement.group(group)
        for name in MEASURES:
            assert getattr(got, name) == expected.get(name, 0), name
        assert got.lost == expected["lost"]
        for name in CAUSES:
            assert getattr(got.duplicated, name) == expected.get(name, 0), name
        assert got.gap_unexplained == brute_gaps(events, producers, group)
        assert got.log_order == sum(1 for topic, _ in late.values() if topic in topics)
        total = sum(n for (topic, _), n in stranded.items() if topic in topics)
        # Records whose offset is unknown need no proof of where the mirror was, but a drain.
        assert got.stranded == (None if unknown & set(topics) or (total and not drained) else total)
        assert got.delivered == got.distinct + got.duplicated.total
        offenders = expected["offenders"]
        assert isinstance(offenders, dict)
        for kind, found in offenders.items():
            shown = [o for o in judgement.offenders if o.group == group and o.kind == kind]
            assert len(shown) == min(len(found), 10)
            assert {(o.cluster, o.topic, o.partition, o.offset, o.sequence, o.stream) for o in shown} <= {
                (e.cluster, e.topic, e.partition, e.offset, e.sequence, e.stream) for e in found
            }
        for part in got.partitions:
            assert part.delivered == sum(
                1
                for e in events
                if e.event == "DELIVERED"
                and e.instance[0] == group
                and (e.topic, e.partition) == (part.topic, part.partition)
            )
    assert {(log.topic, log.partition): log.stranded for log in judgement.logs if log.stranded} == {
        place: n for place, n in stranded.items() if n
    }


LEFT = st.sampled_from(([], ["source"], ["target"]))
DRAINED = st.sets(st.sampled_from(("g", "h")))
DESTROYED = st.lists(
    st.builds(
        Destroyed,
        cluster=st.sampled_from(("source", "target")),
        topic=st.sampled_from(TOPICS),
        until_ns=st.integers(0, 31).map(lambda at: T0 + at * MS),
        fault=st.just("recreate topics"),
    ),
    max_size=2,
)


ACKED_WHERE_ANOTHER_WAS_READ = [
    Event("p1", "ACKED", "source", "a", 1, offset=0, topic="audit"),
    Event("h-1", "DELIVERED", "source", "a", 0, offset=0, topic="audit"),
    Event("h-1", "DELIVERED", "source", "a", 0, offset=1, topic="audit"),
]


ACKED_WITHOUT_AN_OFFSET_BEFORE_A_ROW_OF_NO_RECORD = [
    Event("p1", "ACKED", "source", "a", 0, offset=-1, time_ms=5),
    Event("p1", "ACKED", "source", "a", -1, offset=3, time_ms=6),
]


@settings(max_examples=400, deadline=None)
@given(any_history, LEFT, DRAINED, DESTROYED, st.sampled_from((None, 1, 3)))
@example(ACKED_WHERE_ANOTHER_WAS_READ, [], set(), [], None)
@example(ACKED_WITHOUT_AN_OFFSET_BEFORE_A_ROW_OF_NO_RECORD, [], {"g"}, [Destroyed("source", "orders", T0, "x")], None)
def test_same_measures_on_any_history(
    events: list[Event], left: list[str], drained: set[str], destroyed: list[Destroyed], piece: int | None
) -> None:
    asked = facts(left, drained, destroyed)
    check(events, judge(ledgers_of(events, piece), asked), asked)


def clean_run(random_: random.Random) -> list[Event]:
    """Return a cutover as it should be: retries, rebalances, crashes, a switch of consumers and then of producers.

    Every group reads each record at least once, in order; what is read again is read again from a committed offset.
    """
    history = History()
    topics = {"orders": 2, "audit": 1}
    keys = {(t, p): [f"{t}-{p}-{k}" for k in range(random_.randint(1, 3))] for t, n in topics.items() for p in range(n)}
    logs: dict[tuple[str, int], list[tuple[str, int]]] = {place: [] for place in keys}
    sequences = {key: 0 for found in keys.values() for key in found}
    moved_at = {place: random_.randint(3, 25) for place in keys}
    for place, found in keys.items():
        for n in range(random_.randint(moved_at[place], 40)):
            key = random_.choice(found)
            cluster = "source" if n < moved_at[place] else "target"
            where = {"topic": place[0], "partition": place[1]}
            history.add("p1", "SENT", random_.choice((cluster, "unknown")), key, sequences[key], -1, **where)
            if random_.random() < 0.9:
                history.add("p1", "ACKED", cluster, key, sequences[key], n, **where)
            elif random_.random() < 0.5:
                history.add("p1", "FAILED", cluster, key, sequences[key], -1, **where)
            logs[place].append((key, sequences[key]))
            sequences[key] += 1
    for group in ("g", "h"):
        for place, log in logs.items():
            read_log(history, random_, group, place, log, moved_at[place])
    return history.events


def read_log(
    history: History, random_: random.Random, group: str, place: tuple[str, int], log: list[tuple[str, int]], moved: int
) -> None:
    member = f"{group}-1"
    switch = random_.randint(0, moved)
    committed, position = 0, 0
    while position < len(log):
        if random_.random() < 0.05:  # a crash and a rebalance: another member goes on from what was committed
            member = f"{group}-{random_.randint(1, 2)}"
            floor = committed if position < switch or committed >= switch else switch
            position = floor
            continue
        cluster = "source" if position < switch else "target"
        key, sequence = log[position]
        history.add(member, "DELIVERED", cluster, key, sequence, position, topic=place[0], partition=place[1])
        position += 1
        if random_.random() < 0.2 or position == switch:
            committed = position
            history.add(member, "COMMITTED", cluster, None, -1, position, topic=place[0], partition=place[1])


@pytest.mark.parametrize("seed", range(10))
def test_no_false_alarm_in_a_thousand_clean_histories(seed: int) -> None:
    """A hundred a seed: nothing lost, phantom, out of order or stranded, and every duplicate is a re-read."""
    for number in range(100):
        events = clean_run(seeded(seed * 1000 + number))
        asked = facts(["source"], {"g", "h"})
        judgement = judge(ledgers_of(events), asked)
        for group in judgement.groups:
            assert (group.lost, group.phantom, group.aborted_read, group.reordered, group.log_order) == (0, 0, 0, 0, 0)
            assert group.duplicated.total == group.duplicated.re_read
            assert (group.offset_regression, group.gap_unexplained) == (0, 0)
            assert group.stranded in (0, None)
        check(events, judgement, asked)


def mutate(events: list[Event], random_: random.Random) -> tuple[list[Event], Callable[[Judgement, Judgement], None]]:
    """Spoil one delivery, and return what has to be found then, given the judgement before."""
    group = random_.choice("gh")
    where = [i for i, e in enumerate(events) if e.event == "DELIVERED" and e.instance[0] == group]
    at = random_.choice(where)
    chosen = events[at]
    same = [i for i in where if (events[i].stream, events[i].sequence) == (chosen.stream, chosen.sequence)]
    kind = random_.choice(("drop", "repeat", "invent", "move"))

    def found(before: Judgement, after: Judgement, what: str, more: int) -> None:
        old, new = before.group(group), after.group(group)
        for name in ("lost", "phantom", "reordered"):
            assert getattr(new, name) - getattr(old, name) == (more if name == what else 0), (kind, name)
        assert new.duplicated.total - old.duplicated.total == (more if what == "re_read" else 0) - (
            len(same) - 1 if kind in ("drop", "move") else 0
        )
        shown = [o for o in after.offenders if o.kind == what and o.group == group]
        if len(shown) < 10 and more:
            assert any((o.topic, o.partition, o.sequence) == (chosen.topic, chosen.partition, wanted) for o in shown)

    wanted = chosen.sequence
    if kind == "drop":
        left = [e for i, e in enumerate(events) if i not in same]
        acked = any(e.event == "ACKED" and (e.stream, e.sequence) == (chosen.stream, chosen.sequence) for e in events)
        return left, lambda before, after: found(before, after, "lost", int(acked))
    if kind == "repeat":
        return [*events[: at + 1], chosen, *events[at + 1 :]], lambda b, a: found(b, a, "re_read", 1)
    if kind == "invent":
        wanted = 1000
        invented = replace(chosen, sequence=wanted)
        return [*events[:at], invented, *events[at:]], lambda b, a: found(b, a, "phantom", 1)
    end = max(e.time_ms for e in events) + 1
    later = {
        e.sequence for i, e in enumerate(events) if i in where and e.stream == chosen.stream and e.sequence > wanted
    }
    moved = replace(chosen, time_ms=end)
    left = [*(e for i, e in enumerate(events) if i not in same), moved]
    return left, lambda b, a: found(b, a, "reordered", int(bool(later)))


def real_run() -> list[Event]:
    """Return some streams of a rehearsed switchover: real brokers, MirrorMaker 2, a few records re-read across."""
    rows = pq.read_table(Path(__file__).with_name("stop_first.parquet")).to_pylist()
    return [
        Event(
            row["instance"],
            EVENTS[row["event"] - 1],
            CLUSTER_NAMES[row["cluster"]],
            row["key"],
            row["sequence"],
            row["offset"],
            row["topic"],
            row["partition"],
            (row["time_ns"] - T0) / MS,
        )
        for row in rows
    ]


def test_every_mutation_of_a_real_run_is_found() -> None:
    """Drop, repeat, invent or move one delivery of a run on real clusters: exactly that one is found."""
    events = real_run()
    topics = sorted({event.topic for event in events})
    asked = replace(facts([], {"g", "h"}), groups={"g": topics, "h": topics})
    before = judge(ledgers_of(events), asked)
    assert [(g.lost, g.phantom, g.reordered) for g in before.groups] == [(0, 0, 0)] * 2
    random_ = seeded(1)
    for _ in range(60):
        spoilt, found = mutate(events, random_)
        found(before, judge(ledgers_of(spoilt), asked))


@pytest.mark.parametrize("seed", range(5))
def test_every_mutation_of_a_clean_history_is_found(seed: int) -> None:
    """Drop, repeat, invent or move one delivery: exactly that one is found, with its count and its place."""
    random_ = seeded(seed)
    for number in range(60):
        events = clean_run(seeded(seed * 1000 + number))
        asked = replace(facts([], {"g", "h"}), groups={"g": list(TOPICS), "h": list(TOPICS)})
        spoilt, found = mutate(events, random_)
        after = judge(ledgers_of(spoilt), asked)
        found(judge(ledgers_of(events), asked), after)
        check(spoilt, after, asked)


@settings(max_examples=100, deadline=None)
@given(any_history, LEFT, DRAINED, DESTROYED, st.randoms(use_true_random=False), st.integers(1, 9))
def test_shards_merge_in_any_order(
    events: list[Event],
    left: list[str],
    drained: set[str],
    destroyed: list[Destroyed],
    random_: random.Random,
    at_once: int,
) -> None:
    """Whole, by shares in any order, and by shares merged in any grouping: the same judgement."""
    asked = facts(left, drained, destroyed)
    question = Question.of(ledgers_of(events), asked)
    whole = judge(question.ledgers, asked)
    ranges = plan(question.ledgers, at_once)
    parts = [judge_shard(question, *each) for each in ranges]
    random_.shuffle(parts)
    while len(parts) > 1:
        one = parts.pop(random_.randrange(len(parts)))
        other = random_.randrange(len(parts))
        parts[other] = Partial().merge(parts[other]).merge(one)
    assert conclude(question, parts[0], asked) == whole
    machines = [measure(question, shard=(i, 3), at_once=at_once) for i in range(3)]
    assert conclude(question, reduce(Partial.merge, machines), asked) == whole
