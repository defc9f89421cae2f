"""Judge the ledgers of a run, and show the applications' own names if the clusters know them with a prefix."""

from __future__ import annotations

import json
from pathlib import Path

from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.judge import judge, verdict
from cutover_harness.judge.model import Report, RunFacts
from cutover_harness.ledger import read_ledgers
from cutover_harness.ledger.format import META, NAMES
from cutover_harness.rehearsal.facts import Evidence, run_facts


def judged(evidence: Evidence, folder: Path, prefix: str) -> tuple[RunFacts, Report]:
    """Return facts and verdict of the run in `folder`, whose processes have ended. Raises OSError, LedgerError."""
    ledgers = folder / "ledger"
    judgement = judge(read_ledgers(ledgers), run_facts(evidence))
    facts = run_facts(evidence, judgement)
    return without_prefix(facts, Report(verdict=verdict(judgement, facts), judgement=judgement), ledgers, prefix)


def without_prefix(facts: RunFacts, report: Report, ledgers: Path, prefix: str) -> tuple[RunFacts, Report]:
    """Return facts and report with the applications' names, and change the ledgers' files of names in the same way.

    A prefix contains a random number, so it is in a file only as the beginning of such names. Raises OSError.
    """
    if not prefix:
        return facts, report
    for name in (META, NAMES):
        for file in sorted(ledgers.glob(f"**/{name}")):
            write_atomic(file, file.read_text(encoding="utf-8").replace(prefix, ""), mode=PRIVATE)
    return (
        RunFacts.from_json(json.loads(json.dumps(facts.to_json()).replace(prefix, ""))),
        Report.from_json(json.loads(json.dumps(report.to_json()).replace(prefix, ""))),
    )
