"""Read `run.json`, and refuse what the judge could not use, or would pass over in silence."""

from collections.abc import Iterator
from pathlib import Path

from cutover_harness.errors import UsageError
from cutover_harness.judge.facts import RunFacts
from cutover_harness.judge.measures import CAUSES, CONTROLS, COUNTS
from cutover_harness.ledger.format import CLUSTER_NAMES, RANGES


def load_facts(path: Path) -> RunFacts:
    """Return the facts in a file. Raises UsageError naming file and field."""
    facts = RunFacts.load(path)
    for field, name in _clusters(facts):
        if name not in CLUSTER_NAMES.values():
            raise UsageError(f"{path}: {field} is {name!r:.60}; it is one of {', '.join(CLUSTER_NAMES.values())}")
    low, high = RANGES["time_ns"]
    for field, value in _times(facts):
        if not low <= value <= high:
            raise UsageError(f"{path}: {field} is {value!r:.60}, not nanoseconds since 1970")
    expected = facts.expectation
    for field, names, known in (
        ("limits", expected.limits, (*COUNTS, *CAUSES)),
        ("must_fail", expected.must_fail, CONTROLS),
    ):
        for name in names:
            if name not in known:
                raise UsageError(
                    f"{path}: expectation.{field} names {name!r:.60}; known are {', '.join(sorted(known))}"
                )
    return facts


def _clusters(facts: RunFacts) -> Iterator[tuple[str, str]]:
    yield from (("cluster_left", name) for name in facts.cluster_left)
    yield from ((f"topic_left.{topic}", name) for topic, left in facts.topic_left.items() for name in left)
    yield from (("copied.cluster", each.cluster) for each in facts.copied)
    yield from (("destroyed.cluster", each.cluster) for each in facts.destroyed)


def _times(facts: RunFacts) -> Iterator[tuple[str, int]]:
    yield from (("started_ns", facts.started_ns), ("finished_ns", facts.finished_ns))
    yield from (("destroyed.until_ns", each.until_ns) for each in facts.destroyed)
    for cut in facts.cuts:
        yield from (("cuts.time_ns_from", cut.time_ns_from), ("cuts.time_ns_to", cut.time_ns_to))
