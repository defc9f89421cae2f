"""From measures to a verdict."""

from collections.abc import Iterator

from cutover_harness.judge.exercised import measured_in_vain, unexercised
from cutover_harness.judge.model import CAUSES, Expectation, GroupMeasures, Guard, Judgement, RunFacts, Verdict
from cutover_harness.judge.totals import limit

_COUNTS = (
    "lost",
    "phantom",
    "aborted_read",
    "disordered",
    "log_order",
    "stranded",
    "offset_regression",
    "gap_unexplained",
)
#: How counts read in a sentence.
WORDS = {
    "lost": "lost",
    "missing": "not delivered",
    "destroyed": "destroyed by a fault on purpose",
    "phantom": "phantom",
    "aborted_read": "delivered from aborted transactions",
    "disordered": "disordered",
    "log_order": "out of order in the target's log",
    "stranded": "stranded",
    "offset_regression": "commits that went back",
    "gap_unexplained": "offsets skipped without an explanation",
    "re_read": "re-read",
    "re_read_across": "re-read across clusters",
    "mirrored_twice": "mirrored twice",
    "producer_retry": "duplicated by a producer's retry",
}


def verdict(judgement: Judgement, facts: RunFacts) -> Verdict:
    """Decide what the run is worth.

    FAIL: a measure exceeds what is expected; what was found is a fact, whatever else was not proven. INCONCLUSIVE: no
    such measure, but a guard does not hold, a group is not proven to have drained, something cannot be known, was not
    exercised or not measured, a ledger may be missing, or the path was not walked to its end. A negative control passes
    if the measures that it names are violated and no other is, and its guards hold.
    """
    expected = facts.expectation
    guards = [*facts.guards, *(_drain_guard(group) for group in judgement.groups)]
    unproven = [f"{guard.name} not proven: {guard.evidence}" for guard in guards if not guard.held]
    unproven += [
        f"{group.group}: {_unknown(group, name)}"
        for group in judgement.groups
        for name in ("lost", "stranded")
        if getattr(group, name) is None and limit(expected, name) is not None
    ]
    unproven += [*judgement.doubts, *unexercised(judgement)]
    limited = [name for name in (*_COUNTS, *CAUSES) if limit(expected, name) is not None]
    unproven += measured_in_vain(judgement, expected, limited)
    if not facts.completed:
        unproven.append(f"the path was not walked to its end: {facts.failure or 'no reason given'}")
    violated = dict(_violations(judgement, expected))
    if expected.must_fail:
        return _control(violated, expected, unproven, guards)
    outcome = "FAIL" if violated else "INCONCLUSIVE" if unproven else "PASS"
    return Verdict(outcome, reasons=[*_flat(violated), *unproven], guards=guards)  # type: ignore[arg-type]


def _control(
    violated: dict[str, list[str]], expected: Expectation, unproven: list[str], guards: list[Guard]
) -> Verdict:
    unexpected = {name: found for name, found in violated.items() if name not in expected.must_fail}
    quiet = [name for name in expected.must_fail if name not in violated]
    caught = [text for name in expected.must_fail for text in violated.get(name, [])]
    if unexpected:
        reasons = [f"besides what it shows: {text}" for text in _flat(unexpected)]
        return Verdict("FAIL", control=True, caught=not quiet, reasons=[*reasons, *unproven], guards=guards)
    if unproven:
        return Verdict("INCONCLUSIVE", control=True, caught=None, reasons=[*unproven, *caught], guards=guards)
    if quiet:
        reasons = [f"this control must violate {WORDS.get(name, name)!r} and did not" for name in quiet]
        return Verdict("FAIL", control=True, caught=False, reasons=reasons, guards=guards)
    return Verdict("PASS", control=True, caught=True, reasons=caught, guards=guards)


def _violations(judgement: Judgement, expected: Expectation) -> Iterator[tuple[str, list[str]]]:
    for name in (*_COUNTS, *CAUSES):
        most_allowed = limit(expected, name)
        found = []
        for group in judgement.groups:
            count = getattr(group.duplicated if name in CAUSES else group, name)
            if most_allowed is not None and count is not None and count > most_allowed:
                allowed = f" (allowed: {most_allowed:,})" if most_allowed else ""
                found.append(f"{group.group}: {count:,} {WORDS[name]}{allowed}")
        if found:
            yield name, found
    most = expected.max_blackout_ms
    if most is None and "blackout" in expected.must_fail:
        most = 0.0
    long = [b for b in judgement.blackouts if most is not None and b.longest_ms is not None and b.longest_ms > most]
    if long and most is not None:
        yield (
            "blackout",
            [
                f"{b.group or 'producers'}: nothing for {b.longest_ms:,.0f} ms around the switch "
                f"from {b.from_cluster} to {b.to_cluster} (allowed: {most:,.0f} ms)"
                for b in long
            ],
        )


def _drain_guard(group: GroupMeasures) -> Guard:
    evidence = group.drain_evidence or "nothing says whether the group had read everything"
    return Guard(f"{group.group} drained", group.drained, evidence)


def _unknown(group: GroupMeasures, name: str) -> str:
    if name == "lost":
        return f"{group.missing:,} acknowledged records not delivered: lost or not yet read, nothing tells"
    return "whether records were stranded cannot be told: nothing shows how far the mirror had come"


def _flat(violated: dict[str, list[str]]) -> list[str]:
    return [text for found in violated.values() for text in found]
