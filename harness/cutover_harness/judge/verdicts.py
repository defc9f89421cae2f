"""Derive the verdict from the measures."""

from collections.abc import Iterator

from cutover_harness.judge.exercised import measured_in_vain, unexercised
from cutover_harness.judge.measures import CAUSES, COUNTS, FIGURES, WORDS
from cutover_harness.judge.model import Expectation, GroupMeasures, Judgement, Precondition, RunFacts, Verdict


def verdict(judgement: Judgement, facts: RunFacts) -> Verdict:
    """Return the verdict on a run.

    FAIL: a measure exceeds its limit; what was found is a fact, whatever else is not proven. INCONCLUSIVE: no measure
    does, but a precondition does not hold, a group is not proven to have drained, something cannot be known, was not
    exercised or not measured, a ledger may be missing, or the path was not completed. A negative control passes
    if the measures that it names are violated and no other is, and its preconditions hold.
    """
    expected = facts.expectation
    preconditions = [*facts.preconditions, *(_drain_precondition(group) for group in judgement.groups)]
    unproven = [f"{each.name} not proven: {each.evidence}" for each in preconditions if not each.held]
    unproven += [
        f"{group.group}: {measure.unknown.format(missing=f'{group.missing:,}')}"
        for group in judgement.groups
        for measure in FIGURES
        if measure.unknown and getattr(group, measure.name) is None and expected.limit(measure.name) is not None
    ]
    unproven += [*judgement.doubts, *unexercised(judgement)]
    limited = [name for name in (*COUNTS, *CAUSES) if expected.limit(name) is not None]
    unproven += measured_in_vain(judgement, expected, limited)
    if not facts.completed:
        unproven.append(f"the path was not completed: {facts.failure or 'no reason given'}")
    violated = dict(_violations(judgement, expected))
    if expected.must_fail:
        return _control(violated, expected, unproven, preconditions)
    outcome = "FAIL" if violated else "INCONCLUSIVE" if unproven else "PASS"
    return Verdict(outcome, reasons=[*_flat(violated), *unproven], preconditions=preconditions)  # type: ignore[arg-type]


def _control(
    violated: dict[str, list[str]], expected: Expectation, unproven: list[str], preconditions: list[Precondition]
) -> Verdict:
    unexpected = {name: found for name, found in violated.items() if name not in expected.must_fail}
    quiet = [name for name in expected.must_fail if name not in violated]
    caught = [text for name in expected.must_fail for text in violated.get(name, [])]
    if unexpected:
        reasons = [f"unexpected violation: {text}" for text in _flat(unexpected)]
        return Verdict(
            "FAIL", control=True, caught=not quiet, reasons=[*reasons, *unproven], preconditions=preconditions
        )
    if unproven:
        return Verdict(
            "INCONCLUSIVE", control=True, caught=None, reasons=[*unproven, *caught], preconditions=preconditions
        )
    if quiet:
        reasons = [f"this control must violate {WORDS.get(name, name)!r} and did not" for name in quiet]
        return Verdict("FAIL", control=True, caught=False, reasons=reasons, preconditions=preconditions)
    return Verdict("PASS", control=True, caught=True, reasons=caught, preconditions=preconditions)


def _violations(judgement: Judgement, expected: Expectation) -> Iterator[tuple[str, list[str]]]:
    for name in (*COUNTS, *CAUSES):
        most_allowed = expected.limit(name)
        found = []
        for group in judgement.groups:
            count = getattr(group.duplicated if name in CAUSES else group, name)
            if most_allowed is not None and count is not None and count > most_allowed:
                allowed = f" (allowed: {most_allowed:,})" if most_allowed else ""
                found.append(f"{group.group}: {count:,} {WORDS[name]}{allowed}")
        if found:
            yield name, found
    most = expected.blackout_limit_ms()
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


def _drain_precondition(group: GroupMeasures) -> Precondition:
    evidence = group.drain_evidence or "nothing shows whether the group had read everything"
    return Precondition(f"{group.group} drained", group.drained, evidence)


def _flat(violated: dict[str, list[str]]) -> list[str]:
    return [text for found in violated.values() for text in found]
