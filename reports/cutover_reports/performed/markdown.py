"""The report of a cutover in Markdown. Names and texts are escaped: they stay text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cutover_harness.markdown import table

from cutover_reports import words
from cutover_reports.markdown import STATES, text
from cutover_reports.performed.first_screen import ROLES, key_figures
from cutover_reports.performed.model import Approval, Batch, CutoverReport, Step


def markdown(report: CutoverReport) -> str:
    """Return the report in GitHub-flavoured Markdown."""
    plan = "cannot be read" if report.plan is None else f"{report.plan.name}, SHA-256 {report.plan.sha256}"
    parts = [
        f"# Cutover report: {report.verdict}",
        text(report.headline),
        _table(
            ("", ""),
            [
                ("plan", plan),
                ("run folder", report.folder),
                ("first and last record (UTC)", f"{words.at(report.begun)} to {words.at(report.ended)}"),
            ],
        ),
    ]
    rows = [(f.title, f.value, f.limit, STATES[f.state], f.note or "-") for f in key_figures(report)]
    parts += ["## Key figures", _table(("figure", "worst measured", "limit", "", "note"), rows)]
    signs = [(role, "", "", "") for role in ROLES]
    parts += ["## Sign-off", f"{report.verdict}.", _table(("", "name", "date", "signature"), signs)]
    if report.missing:
        parts += ["## This record is not whole", _items(report.missing)]
    for batch in [*report.batches, *report.earlier]:
        parts += _batch(batch)
    parts += _beside(report)
    people = [(words.at(line.at), line.who, line.command, line.batch or "", _what(line)) for line in report.people]
    parts += ["## People and commands", _table(("at (UTC)", "who", "command", "batch", "what"), people)]
    if report.notes:
        parts += ["## Notes", _items(report.notes)]
    return "\n\n".join(parts) + "\n"


def _batch(batch: Batch) -> list[str]:
    attempt = "" if batch.attempt is None else f" (earlier attempt, {batch.attempt})"
    parts = [f"## Batch {text(batch.name + attempt)}: {batch.state}"]
    if batch.reasons:
        parts.append(_items(batch.reasons))
    if batch.bypass:
        parts += ["Clients on the wrong cluster:", _items(f"{each.at}: {each.words}" for each in batch.bypass)]
    if batch.steps:
        head = ("step", "state", "begun (UTC)", "done (UTC)", "took", "approved")
        parts.append(_table(head, [_step(step) for step in batch.steps]))
        gates = [
            (
                step.name,
                gate.name + (" (asked again)" if gate.again else ""),
                gate.state,
                words.duration(gate.wait_s),
                gate.evidence,
            )
            for step in batch.steps
            for gate in step.gates
        ]
        parts.append(_table(("step", "gate", "state", "wait", "evidence"), gates))
    if commands := [(step.name, command) for step in batch.steps for command in step.commands]:
        ran = [(name, c.client, " ".join(c.argv), c.exit_code, words.duration(c.seconds)) for name, c in commands]
        parts.append(_table(("step", "client", "command", "exit code", "took"), ran))
    if batch.blackouts:
        blackouts = [
            (
                each.client,
                each.role,
                each.to_cluster or words.NOTHING,
                "not known"
                if each.seconds is None
                else f"{'' if each.bound == 'exact' else each.bound + ' '}{words.duration(each.seconds)}",
                each.note,
            )
            for each in batch.blackouts
        ]
        parts.append(_table(("client", "role", "to", "blackout", "note"), blackouts))
    if batch.read_again:
        again = [(each.group, each.cluster, words.count(each.at_most), each.note) for each in batch.read_again]
        parts.append(_table(("group", "on", "read again, at most", "from"), again))
    return [*parts, *_proof(batch)]


def _proof(batch: Batch) -> list[str]:
    parts = []
    if batch.verified is not None:
        head = ("partition", "outcome", "compared", "missing", "extra", "reordered", "altered", "twice", "note")
        rows = [
            (
                f"{p.topic}-{p.partition}",
                p.outcome,
                p.compared,
                p.missing,
                p.extra,
                p.reordered,
                p.altered,
                p.twice,
                p.note,
            )
            for p in batch.verified.partitions
        ]
        parts += [f"Compared: {batch.verified.outcome}.", _table(head, rows)]
    if batch.read_back is not None:
        found = batch.read_back
        lines = [*found.proved, *(f"not so: {x}" for x in found.wrong), *(f"not known: {x}" for x in found.unknown)]
        parts += [f"Read back {words.at(found.at)} UTC:", _items(lines)] if lines else []
    if batch.going_back is not None:
        back = batch.going_back
        lines = [*([] if back.possible else ["no way back without loss"]), *back.costs]
        lines += [f"possible until {words.at(limit.at)} UTC: then {limit.what}" for limit in back.limits]
        lines += [] if back.problem is None else [back.problem]
        when = "" if back.recorded is None else f", as recorded {words.at(back.recorded)} UTC"
        parts += [f"Going back{when}:", _items(lines)]
    return parts


def _beside(report: CutoverReport) -> list[str]:
    parts = ["## Rehearsed and happened"]
    if report.rehearsals:
        parts.append(_items(f"rehearsal {each.folder}: {each.note}" for each in report.rehearsals))
    for batch in report.batches:
        if batch.beside is not None:
            rows = [
                (row.what, row.rehearsed, row.happened, "more than rehearsed" if row.more else "")
                for row in batch.beside.rows
            ]
            parts += [
                f"### Batch {text(batch.name)}: {batch.beside.outcome} in the rehearsal",
                _table(("figure", "rehearsed", "happened", ""), rows),
            ]
        elif batch.not_beside is not None:
            parts.append(f"Batch {text(batch.name)}: {text(batch.not_beside)}.")
    return parts if len(parts) > 1 else [*parts, "Nothing was rehearsed that could be compared."]


def _step(step: Step) -> tuple[object, ...]:
    approved = "; ".join(map(_approval, step.approvals)) or words.NOTHING
    name = f"{step.number} {step.name}" if step.number > 0 else step.name
    return name, step.state, words.at(step.begun), words.at(step.done), words.duration(step.seconds), approved


def _approval(each: Approval) -> str:
    if each.approved is None:
        return "no answer"
    return f"{'by' if each.approved else 'declined by'} {each.by} ({each.how}), after {words.duration(each.waited_s)}"


def _what(line: object) -> str:
    event, detail = getattr(line, "event", ""), getattr(line, "detail", "")
    return f"{event}: {detail}" if detail else str(event)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return table(head, ([text("" if cell is None else cell) for cell in row] for row in rows)).removesuffix("\n")


def _items(items: Iterable[str]) -> str:
    return "\n".join(f"- {text(item)}" for item in items)
