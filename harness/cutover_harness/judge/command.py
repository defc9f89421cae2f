"""`kafka-cutover judge DIR`: the verdict on any ledger, with the records that speak against it."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from cutover_harness.console import plain, standard_output
from cutover_harness.errors import UsageError
from cutover_harness.judge.judging import judge
from cutover_harness.judge.loading import load_facts
from cutover_harness.judge.measures import CAUSES, COUNTS, WORDS
from cutover_harness.judge.model import GroupMeasures, Offender, Report, RunFacts
from cutover_harness.judge.totals import exit_code
from cutover_harness.judge.verdicts import verdict
from cutover_harness.ledger.files import is_there
from cutover_harness.ledger.reader import Ledgers, read_ledgers
from cutover_harness.named_rows import print_rows

RUN, LEDGER = "run.json", "ledger"

_STYLE = {"PASS": "bold green", "FAIL": "bold red", "INCONCLUSIVE": "bold yellow"}
#: Skipped offsets and the order of a log are left out: compaction, transaction markers and retries cause them as well.
_SUMMARY = (
    "lost", "destroyed", *CAUSES, *(name for name in COUNTS if name not in ("lost", "log_order", "gap_unexplained")),
)  # fmt: skip


def judge_command(folder: Path, as_json: bool) -> int:
    """Judge a run's folder, a folder of ledgers, or a folder of runs, print it, and return the exit code.

    0 all PASS, 1 some FAIL, 3 no FAIL but some INCONCLUSIVE. Raises UsageError if there is nothing to judge.
    """
    return show({path.name: judge_folder(path) for path in run_folders(folder)}, as_json=as_json)


def show(runs: Mapping[str, tuple[Report, RunFacts | None]], *, as_json: bool) -> int:
    """Print the reports of some runs, and return the exit code."""
    if as_json:
        documents = {name: report.to_json() for name, (report, _) in runs.items()}
        found = documents if len(documents) > 1 else next(iter(documents.values()))
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    else:
        # Output to a file or a pipe is not cut to a width.
        console = standard_output(highlight=False)
        for name, (report, facts) in runs.items():
            _print(console, name if facts is None else facts.scenario, report)
    return exit_code(report.verdict.outcome for report, _ in runs.values())


def run_folders(folder: Path) -> list[Path]:
    """Return the runs in a folder that `rehearse` left, or the folder itself."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    folder = folder.resolve()
    if (folder / LEDGER).is_dir() or (folder / RUN).exists():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{RUN}")) or [folder]


def judge_folder(folder: Path) -> tuple[Report, RunFacts | None]:
    """Judge one run. Without `run.json` each group should have had every topic that it subscribed to."""
    ledgers, facts = open_folder(folder)
    known = facts or RunFacts(run=ledgers.run, scenario=folder.name)
    judgement = judge(ledgers, known)
    return Report(verdict(judgement, known), judgement), facts


def open_folder(folder: Path) -> tuple[Ledgers, RunFacts | None]:
    """Open the ledgers of one run, and read its `run.json` if there is one. Raises UsageError."""
    ledgers = read_ledgers(folder / LEDGER if (folder / LEDGER).is_dir() else folder)
    beside = [path for path in (folder / RUN, folder.parent / RUN) if is_there(path)]
    facts = load_facts(beside[0]) if beside and (beside[0].parent == folder or folder.name == LEDGER) else None
    if facts is not None and facts.run != ledgers.run:
        raise UsageError(f"{beside[0]}: is of run {facts.run}, but the ledgers are of run {ledgers.run}")
    return ledgers, facts


def summary(group: GroupMeasures) -> str:
    """Return the findings in a group's deliveries, such as "3 lost, 2 re-read, 1 reordered"."""
    counts = {name: getattr(group.duplicated if name in CAUSES else group, name) for name in _SUMMARY}
    found = [f"{count:,} {WORDS[name]}" for name, count in counts.items() if count]
    if group.lost is None:
        found.insert(0, f"{group.missing:,} not delivered (lost or not yet read)")
    nothing = "nothing lost, repeated or out of order" if group.acked or group.delivered else "nothing to judge"
    return ", ".join(found) or nothing


def _print(console: Console, name: str, report: Report) -> None:
    found, judgement = report.verdict, report.judgement
    control = "  (negative control)" if found.control else ""
    console.print(f"[{_STYLE[found.outcome]}]{found.outcome}[/]  [bold]{plain(name)}[/]{control}")
    for group in judgement.groups:
        console.print(f"  {plain(group.group)}: {summary(group)}")
        console.print(
            f"    [dim]{group.delivered:,} deliveries of {group.distinct:,} records; "
            f"{group.acked:,} acknowledged in {plain(', '.join(group.topics)) or 'no topic'}[/]"
        )
    because = "caught" if found.control and found.outcome == "PASS" else "because"
    for label, lines in ((because, found.reasons), ("note", judgement.notes)):
        for line in lines:
            console.print(f"  [dim]{label}[/] {plain(line)}")
    if judgement.offenders:
        _print_offenders(judgement.offenders, console)


def _print_offenders(offenders: list[Offender], console: Console) -> None:
    headings = ("what", "group", "record", "cluster", "key", "sequence", "when (UTC)", "seen by", "why")
    rows = []
    worst_first = list(WORDS)
    for each in sorted(offenders, key=lambda o: (worst_first.index(o.kind), o.group or "")):
        when = datetime.fromtimestamp(each.time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        cells = (
            WORDS.get(each.kind, each.kind),
            each.group or "",
            f"{each.topic}/{each.partition} @ {each.offset if each.offset >= 0 else '?'}",
            each.cluster,
            each.key if each.key is not None else "",
            str(each.sequence) if each.sequence >= 0 else "",
            when,
            ", ".join(each.seen_by),
            each.detail,
        )
        rows.append(cells)
    folded = ("what", "group", "record", "key", "seen by", "why")
    print_rows(console, headings, rows, folded=folded, right=("sequence",), header_style="bold")
