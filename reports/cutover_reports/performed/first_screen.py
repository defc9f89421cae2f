"""The first screen of the report of a cutover: its key figures, beside the rehearsed ones. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cutover_reports import words
from cutover_reports.key_figures import State
from cutover_reports.model import KeyFigure
from cutover_reports.performed.model import Batch, CutoverReport
from cutover_reports.performed.rehearsed import longest

ROLES = ("Operator", "Approver", "Application owners")
NOT_KNOWN = "not known"
_WRONG = ("missing", "extra", "reordered", "altered", "twice")
_VERIFIED = "complete and verified"


def key_figures(report: CutoverReport) -> list[KeyFigure]:
    """Return the figures of all batches that count, without earlier attempts."""
    batches = [batch for batch in report.batches if batch.begun is not None]
    return [
        _batches(report.batches),
        _different(batches),
        _read_again(batches),
        *(_blackout(batches, role) for role in ("producer", "consumer")),
        _way_back(batches),
    ]


def _batches(batches: Sequence[Batch]) -> KeyFigure:
    done = sum(batch.state == _VERIFIED for batch in batches)
    state: State = "within" if batches and done == len(batches) else "beyond"
    return KeyFigure(
        id="batches", title="Batches moved and verified", value=str(done), limit=str(len(batches)), state=state
    )


def _different(batches: Sequence[Batch]) -> KeyFigure:
    """Return the records that differ between both clusters, and how many were compared."""
    verified = [batch.verified for batch in batches if batch.verified is not None]
    counts = {name: sum(getattr(p, name) for v in verified for p in v.partitions) for name in _WRONG}
    wrong = sum(counts.values())
    whole = bool(batches) and len(verified) == len(batches) and all(v.outcome == "equal" for v in verified)
    found = ", ".join(f"{words.count(number)} {name}" for name, number in counts.items() if number)
    compared = (
        f"{words.count(sum(v.compared for v in verified))} compared in {words.plural(len(verified), 'batch', '', 'es')}"
    )
    state: State = "beyond" if wrong else "within" if whole else "unknown"
    return KeyFigure(
        id="different",
        title="Records that differ",
        value=words.count(wrong) if verified else NOT_KNOWN,
        limit="0",
        state=state,
        note="; ".join(part for part in (found, compared) if part),
    )


def _read_again(batches: Sequence[Batch]) -> KeyFigure:
    known = [each.at_most for batch in batches for each in batch.read_again]
    rehearsed = [row for batch in batches if batch.beside for row in batch.beside.rows if "read again" in row.what]
    total = None if None in known or not known else sum(each or 0 for each in known)
    return KeyFigure(
        id="read-again",
        title="Records read again, at most",
        value=NOT_KNOWN if total is None else words.count(total),
        limit=_rehearsed([row.rehearsed for row in rehearsed]),
        state="unknown" if total is None else "beyond" if any(row.more for row in rehearsed) else _state(rehearsed),
    )


def _blackout(batches: Sequence[Batch], role: str) -> KeyFigure:
    known = [value for batch in batches if (value := longest(batch, role)) is not None]
    rows = [
        row
        for batch in batches
        if batch.beside
        for row in batch.beside.rows
        if row.what == f"longest blackout of {role}s"
    ]
    worst = max(known, default=None)
    return KeyFigure(
        id=f"{role}-blackout",
        title=f"{role.capitalize()}s' longest blackout",
        value=NOT_KNOWN if worst is None else words.duration(worst),
        limit=_rehearsed([row.rehearsed for row in rows]),
        state="unknown" if worst is None else "beyond" if any(row.more for row in rows) else _state(rows),
    )


def _way_back(batches: Sequence[Batch]) -> KeyFigure:
    """Return until when each batch can go back: the first limit of any that still has a way back."""
    back = [batch.going_back for batch in batches if batch.going_back is not None]
    limits = sorted((limit for each in back if each.possible for limit in each.limits), key=lambda limit: str(limit.at))
    none = sum(not each.possible for each in back)
    first = next(iter(limits), None)
    if first is not None:
        value, note = f"{words.at(first.at)} UTC", f"then {first.what}"
    elif back and none == len(back):
        value, note = "no way back without loss", ""
    else:
        value, note = NOT_KNOWN, "nothing recorded a deadline"
    return KeyFigure(
        id="way-back",
        title="Way back until",
        value=value,
        limit="-",
        state="unknown" if value == NOT_KNOWN else "within",
        note=note,
    )


def _rehearsed(figures: Sequence[str]) -> str:
    shown = list(dict.fromkeys(figures))
    return f"rehearsed: {', '.join(shown)}" if shown else "not rehearsed"


def _state(rows: Sequence[object]) -> State:
    return "within" if rows else "no limit"
