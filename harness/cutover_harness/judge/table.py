"""The tables of measures in docs/measures.md, from the code: `python -m cutover_harness.judge.table`."""

import sys
from collections.abc import Iterable

from cutover_harness import markdown
from cutover_harness.judge.measures import ANY, MEASURES, Measure


def table(measures: Iterable[Measure] = MEASURES) -> str:
    """Return the table of counts and times of docs/measures.md."""
    rows = [
        (f"`{each.name}`", each.words, each.unit, each.definition, _limit(each), _code(each.jepsen))
        for each in measures
        if each.kind != "cause"
    ]
    return markdown.table(("measure", "in reports", "unit", "counts if ...", "default limit", "Jepsen"), rows)


def cause_table(measures: Iterable[Measure] = MEASURES) -> str:
    """Return the table of the causes of duplicates of docs/measures.md."""
    rows = [
        (f"`{each.name}`", each.words, each.definition, _limit(each), _code(each.jepsen))
        for each in measures
        if each.kind == "cause"
    ]
    return markdown.table(
        ("cause", "in reports", "the record was delivered to the group before ...", "default limit", "Jepsen"), rows
    )


def _limit(measure: Measure) -> str:
    if not measure.is_control:
        return "no limit"
    limits = [ANY if most is None else str(most) for most in (measure.limit, measure.scenario_limit)]
    return limits[0] if limits[0] == limits[1] else f"{limits[0]} (scenario: {limits[1]})"


def _code(text: str) -> str:
    return f"`{text}`" if text else "none"


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n{cause_table()}")
