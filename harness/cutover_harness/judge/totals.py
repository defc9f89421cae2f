"""Totals of a judgement and of several verdicts: the only module that adds up figures and outcomes.

Terminal, report, JUnit, pytest and exit codes take them from here and so cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from cutover_harness import exit_codes
from cutover_harness.judge.measures import BY_NAME, CAUSES
from cutover_harness.judge.model import Blackout, GroupMeasures, Judgement, Verdict

#: The outcome of a requested scenario: a verdict, or none.
Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE", "not rehearsed"]
NOT_REHEARSED: Final = "not rehearsed"
#: From the worst to the best. A scenario that was not rehearsed proves as little as an inconclusive run.
OUTCOMES: tuple[Outcome, ...] = ("FAIL", "INCONCLUSIVE", NOT_REHEARSED, "PASS")
EXIT_CODES: dict[Outcome, int] = {
    "FAIL": exit_codes.FAILED,
    "INCONCLUSIVE": exit_codes.UNPROVED,
    NOT_REHEARSED: exit_codes.UNPROVED,
    "PASS": 0,
}


@dataclass(frozen=True)
class Totals:
    """Figures of all groups together. None: not known for some group, or there is no group.

    sent, acked: records sent and acknowledged, each once, whether or not a group reads them. stranded: of the group
    that misses most, since a record is stranded once, however many groups miss it.
    """

    sent: int
    acked: int
    lost: int | None
    destroyed: int
    stranded: int | None
    phantom: int
    reordered: int
    duplicated: dict[str, int]
    producer_blackout_ms: float | None
    consumer_blackout_ms: float | None

    @property
    def duplicated_total(self) -> int:
        """Deliveries beyond a record's first, whatever the cause."""
        return sum(self.duplicated.values())

    @property
    def blackout_ms(self) -> float | None:
        """The longest blackout of producers or consumers."""
        return longest((self.producer_blackout_ms, self.consumer_blackout_ms))


def totals(judgement: Judgement) -> Totals:
    """Add up the groups of one run."""
    groups = judgement.groups
    return Totals(
        sent=sum(log.sent for log in judgement.logs),
        acked=sum(log.acked for log in judgement.logs),
        lost=total(groups, "lost"),
        destroyed=total(groups, "destroyed") or 0,
        stranded=total(groups, "stranded"),
        phantom=total(groups, "phantom") or 0,
        reordered=total(groups, "reordered") or 0,
        duplicated={cause: sum(getattr(group.duplicated, cause) for group in groups) for cause in CAUSES},
        producer_blackout_ms=longest(blackout_ms(b) for b in judgement.blackouts if b.role == "producer"),
        consumer_blackout_ms=longest(blackout_ms(b) for b in judgement.blackouts if b.role == "consumer"),
    )


def total(groups: Iterable[GroupMeasures], name: str) -> int | None:
    """Return the figure of a measure for all groups together; None if it is unknown for some group.

    Without a group, a figure that can be unknown is None, any other 0.
    """
    measure = BY_NAME[name]
    counts: list[int | None] = [getattr(group, name) for group in groups]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts) or (measure.unknown and not counts):
        return None
    return max(known, default=0) if measure.once else sum(known)


def blackout_ms(blackout: Blackout) -> float | None:
    """Return a blackout of the whole fleet or group, or of its worst process if that is longer."""
    return longest((blackout.longest_ms, blackout.worst_instance_ms))


def longest(values: Iterable[float | None]) -> float | None:
    """Return the largest known value, None if none is known."""
    return max((value for value in values if value is not None), default=None)


def worst(outcomes: Iterable[Outcome]) -> Outcome | None:
    """Return the worst of `outcomes`, None if there are none."""
    found = set(outcomes)
    return next((outcome for outcome in OUTCOMES if outcome in found), None)


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """Return the exit code for `outcomes`: 0 all PASS, 1 some FAIL, 3 no FAIL but something that proves nothing."""
    found = worst(outcomes)
    return EXIT_CODES["INCONCLUSIVE" if found is None else found]


def in_words(verdict: Verdict) -> str:
    """Return the outcome; of a negative control, whether it was caught."""
    if not verdict.control or verdict.caught is None:
        return verdict.outcome
    return f"{verdict.outcome} ({'caught' if verdict.caught else 'not caught'})"
