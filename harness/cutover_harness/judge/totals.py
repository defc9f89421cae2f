"""What a judgement and several verdicts come to: the one place where figures and outcomes are added up.

Terminal, report, JUnit, pytest and exit codes all take them from here, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from cutover_harness.judge.model import CAUSES, Blackout, Expectation, Judgement, Verdict

#: Of what was asked for: a verdict, or none.
Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE", "not rehearsed"]
NOT_REHEARSED: Final = "not rehearsed"
#: From the worst to the best. What was asked for and not rehearsed proves as little as a run that is inconclusive.
OUTCOMES: tuple[Outcome, ...] = ("FAIL", "INCONCLUSIVE", NOT_REHEARSED, "PASS")
EXIT_CODES: dict[Outcome, int] = {"FAIL": 1, "INCONCLUSIVE": 3, NOT_REHEARSED: 3, "PASS": 0}


@dataclass(frozen=True)
class Totals:
    """Figures of all groups together. None: not known for some group, or there is no group.

    acked: records acknowledged, whoever reads them. destroyed: what a fault destroyed on purpose, apart from lost.
    stranded: of the group that misses most, for a record is stranded once, however many groups miss it.
    """

    acked: int
    lost: int | None
    destroyed: int
    stranded: int | None
    phantom: int
    disordered: int
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
    lost = [group.lost for group in groups]
    stranded = [group.stranded for group in groups]
    return Totals(
        acked=sum(log.acked for log in judgement.logs),
        lost=sum(count or 0 for count in lost) if lost and None not in lost else None,
        destroyed=sum(group.destroyed for group in groups),
        stranded=max(count or 0 for count in stranded) if stranded and None not in stranded else None,
        phantom=sum(group.phantom for group in groups),
        disordered=sum(group.disordered for group in groups),
        duplicated={cause: sum(getattr(group.duplicated, cause) for group in groups) for cause in CAUSES},
        producer_blackout_ms=longest(felt_ms(b) for b in judgement.blackouts if b.role == "producer"),
        consumer_blackout_ms=longest(felt_ms(b) for b in judgement.blackouts if b.role == "consumer"),
    )


def felt_ms(blackout: Blackout) -> float | None:
    """Return a blackout of the whole fleet or group, or of its worst process where that is longer."""
    return longest((blackout.longest_ms, blackout.worst_instance_ms))


def longest(values: Iterable[float | None]) -> float | None:
    """Return the largest known value, None where none is known."""
    return max((value for value in values if value is not None), default=None)


def limit(expected: Expectation, name: str) -> int | None:
    """Return the most of a measure that is allowed, None for any number.

    What a control has to violate counts from the first on where no limit is given.
    """
    most: int | None = expected.duplicated.get(name) if name in CAUSES else getattr(expected, name)
    return 0 if most is None and name in expected.must_fail else most


def worst(outcomes: Iterable[Outcome]) -> Outcome | None:
    """Return the worst of `outcomes`, None where there are none."""
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
