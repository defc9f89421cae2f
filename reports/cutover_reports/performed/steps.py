"""Steps of a batch with their approvals, gates and commands, from its journal and the audit log. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.journalled_gates import APPROVE
from cutover_harness.conductor.resume import remaining
from cutover_harness.masking import masked
from cutover_harness.plan.scenario import PathStep
from cutover_harness.procedure.entries import START

from cutover_reports.performed.model import Approval, Command, GateRecord, Step
from cutover_reports.performed.reading import Line
from cutover_reports.performed.times import iso, of_ns, seconds

_OUTPUT_LINES = 5
_RESUMED = ("continue", "resume", "rollback")


@dataclass
class _Times:
    """When a step began, when its gates were open, and when it was done (ns)."""

    begun: int | None = None
    doing: int | None = None
    done: int | None = None

    def note(self, entry: Entry) -> None:
        """Note the time of an entry; a step that was resumed began when it was begun first."""
        if entry.kind == "step":
            self.begun = self.begun or entry.time_ns
        elif entry.kind == "doing":
            self.doing = self.doing or entry.time_ns
        elif entry.kind == "done":
            self.done = entry.time_ns


@dataclass
class _Seen:
    """What the entries read so far contain of one step."""

    times: _Times = field(default_factory=_Times)
    approvals: list[Approval] = field(default_factory=list)
    gates: list[GateRecord] = field(default_factory=list)


def steps_of(entries: Sequence[Entry], path: Sequence[PathStep], lines: Sequence[Line], *, running: bool) -> list[Step]:
    """Return the steps of the path, and those of the way back if it was decided."""
    names = {number: str(step.step) for number, step in enumerate(path)}
    for entry in entries:
        if entry.kind == "back":
            names |= {len(path) + number: str(name) for number, name in enumerate(entry.detail["acts"])}
    seen = _read(entries, lines)
    left = {number for number, _ in remaining(entries, path)}
    last = max((number for number, each in seen.items() if each.times.begun is not None), default=None)
    commands = _commands(lines)
    found = []
    for number, name in {START: "start", **names}.items():
        mine = seen.get(number, _Seen())
        if number == START and not mine.gates:
            continue
        found.append(
            Step(
                number=number + 1,
                name=name if number != START else "before the first step",
                back=number >= len(path),
                state=_state(number, mine.times, left, last, running=running),
                begun=None if mine.times.begun is None else of_ns(mine.times.begun),
                done=None if mine.times.done is None else of_ns(mine.times.done),
                seconds=_between(mine.times.doing, mine.times.done),
                approvals=mine.approvals,
                gates=mine.gates,
                commands=[command for at, command in commands if at == name and _within(command, mine.times)],
            )
        )
    return found


def _state(number: int, times: _Times, left: set[int], last: int | None, *, running: bool) -> Any:
    if times.done is not None or number == START:
        return "done"
    if number not in left:
        return "dropped"
    if number == last:
        return "in progress" if running else "stopped"
    return "left"


def _read(entries: Sequence[Entry], lines: Sequence[Line]) -> dict[int, _Seen]:
    found: dict[int, _Seen] = {}
    current = START
    waits: dict[tuple[int, str], Entry] = {}
    resumed = [at for line in lines if line.get("event") in _RESUMED and (at := seconds(line["at"])) is not None]
    shown = {line.get("request"): line for line in lines if line.get("event") == "approval wanted"}
    for entry in entries:
        mine = found.setdefault(entry.step, _Seen())
        mine.times.note(entry)
        if entry.kind == "step":
            current = entry.step
        match entry.kind:
            case "waits":
                waits[entry.step, entry.name] = entry
            case "gate":
                waited = waits.pop((entry.step, entry.name), None)
                mine.gates.append(_gate(entry, waited, mine.gates, resumed))
            case "missed":
                place = found.setdefault(current, _Seen())
                waited = waits.pop((current, entry.name), None)
                place.gates.append(_missed(entry, waited, place.gates, resumed))
            case "ask" if entry.detail.get("when") == APPROVE:
                mine.approvals.append(_asked(entry, shown.get(entry.id)))
            case "answer" if "approved" in entry.detail and mine.approvals:
                mine.approvals[-1] = _answered(mine.approvals[-1], entry)
    _still_waiting(found, waits, resumed)
    return found


def _still_waiting(found: dict[int, _Seen], waits: dict[tuple[int, str], Entry], resumed: Sequence[float]) -> None:
    """Add the gates that no entry has passed or missed. A repeated action of a step that is done is none of them."""
    for (step, name), entry in waits.items():
        done = found[step].times.done
        if done is None or done < entry.time_ns:
            found[step].gates.append(_waiting(name, entry, found[step].gates, resumed))


def _again(name: str, at_ns: int, before: Sequence[GateRecord], resumed: Sequence[float]) -> bool:
    """Whether another conductor has passed or missed the gate before: one was continued in between."""
    earlier = [ended for each in before if each.name == name and (ended := seconds(each.ended)) is not None]
    return any(then <= at <= at_ns / 1e9 for then in earlier for at in resumed)


def _gate(entry: Entry, waited: Entry | None, before: Sequence[GateRecord], resumed: Sequence[float]) -> GateRecord:
    begun = int(entry.detail["from_ns"])
    return GateRecord(
        name=entry.name,
        state="passed",
        evidence=masked(str(entry.detail["evidence"])),
        waited_for=None if waited is None else masked(str(waited.detail["waits_for"])),
        begun=of_ns(begun),
        ended=of_ns(entry.time_ns),
        wait_s=_between(begun, entry.time_ns),
        again=_again(entry.name, entry.time_ns, before, resumed),
    )


def _missed(entry: Entry, waited: Entry | None, before: Sequence[GateRecord], resumed: Sequence[float]) -> GateRecord:
    wait_s = None if waited is None else round(float(waited.detail["elapsed_s"]), 3)
    return GateRecord(
        name=entry.name,
        state="missed",
        evidence=masked(str(entry.detail["why"])),
        waited_for=None,
        begun=None if wait_s is None else iso(entry.time_ns / 1e9 - wait_s),
        ended=of_ns(entry.time_ns),
        wait_s=wait_s,
        again=_again(entry.name, entry.time_ns, before, resumed),
    )


def _waiting(name: str, entry: Entry, before: Sequence[GateRecord], resumed: Sequence[float]) -> GateRecord:
    wait_s = round(float(entry.detail["elapsed_s"]), 3)
    return GateRecord(
        name=name,
        state="waiting",
        evidence=masked(str(entry.detail["waits_for"])),
        waited_for=None,
        begun=iso(entry.time_ns / 1e9 - wait_s),
        ended=None,
        wait_s=wait_s,
        again=_again(name, entry.time_ns, before, resumed),
    )


def _asked(entry: Entry, line: Line | None) -> Approval:
    shown = [] if line is None else [str(each).strip() for each in line.get("now") or ()]
    return Approval(
        asked=of_ns(entry.time_ns),
        answered=None,
        waited_s=None,
        approved=None,
        by=None,
        how=None,
        shown=[masked(each) for each in shown],
    )


def _answered(asked: Approval, entry: Entry) -> Approval:
    begin = seconds(asked.asked)
    return asked.model_copy(
        update={
            "answered": of_ns(entry.time_ns),
            "waited_s": None if begin is None else round(entry.time_ns / 1e9 - begin, 3),
            "approved": entry.detail.get("approved") is True,
            "by": str(entry.detail.get("by") or "nobody named"),
            "how": str(entry.detail.get("how") or "not recorded"),
        }
    )


def _commands(lines: Iterable[Line]) -> list[tuple[str, Command]]:
    """Return the commands of the plan with the names of their steps."""
    found: list[tuple[str, Command]] = []
    for line in lines:
        step, client = str(line.get("step")), str(line.get("client"))
        argv = [str(each) for each in line.get("argv") or ()]
        if line.get("event") == "command begun":
            location = line.get("location")
            found.append(
                (
                    step,
                    Command(
                        client=client,
                        argv=argv,
                        location=None if location is None else str(location),
                        begun=str(line["at"]),
                        ended=None,
                        seconds=None,
                        exit_code=None,
                        output="",
                    ),
                )
            )
        elif line.get("event") == "command ended":
            for number, (at, command) in reversed(list(enumerate(found))):
                if (at, command.client, command.argv) == (step, client, argv) and command.ended is None:
                    found[number] = at, _ended(command, line)
                    break
    return found


def _ended(command: Command, line: Line) -> Command:
    begin, end, code = seconds(command.begun), seconds(line["at"]), line.get("exit_code")
    output = masked(str(line.get("output") or "")).strip().splitlines()[-_OUTPUT_LINES:]
    return command.model_copy(
        update={
            "ended": str(line["at"]),
            "seconds": None if begin is None or end is None else round(end - begin, 3),
            "exit_code": code if isinstance(code, int) else None,
            "output": "\n".join(output),
        }
    )


def _within(command: Command, times: _Times) -> bool:
    """Whether a command ran during a step; a path and its way back can have steps of the same name."""
    at = seconds(command.begun)
    if at is None or times.begun is None:
        return False
    # The clock is the same, its resolution is not.
    return times.begun / 1e9 - 1 <= at and (times.done is None or at <= times.done / 1e9 + 1)


def _between(begin: int | None, end: int | None) -> float | None:
    return None if begin is None or end is None else round((end - begin) / 1e9, 3)
