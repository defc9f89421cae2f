"""Blackouts, records read again and mirror lag of a batch, from its journal, snapshots and verification. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.snapshots import Snapshot
from cutover_harness.procedure.names import StepName
from cutover_harness.types import PartitionId
from cutover_harness.verify.model import Verification
from cutover_harness.watching.history import lag_history

from cutover_reports import words
from cutover_reports.performed.model import ClientBlackout, LagPoint, ReadAgain, Step
from cutover_reports.performed.times import iso, seconds

_LEFT, _JOINED = "restarted {} have left ", "restarted consumers have joined "


def blackouts(entries: Sequence[Entry], config: ConductorConfig, steps: Sequence[Step]) -> list[ClientBlackout]:
    """Return those that clients of the shim report, then those of restarted clients, the longest first."""
    found = [*_reported(entries), *_restarted(config, steps)]
    return sorted(found, key=lambda each: (each.role != "producer", each.seconds is None, -(each.seconds or 0)))


def _reported(entries: Sequence[Entry]) -> list[ClientBlackout]:
    """Return the last report on each change of cluster that this journal's documents caused."""
    own = [int(e.detail["generation"]) for e in entries if e.kind == "published"]
    reports = {
        (row["client"], row["left_at"] if row["left_at"] is not None else f"generation {row['generation']}"): row
        for entry in entries
        if entry.kind == "switched"
        for row in entry.detail["clients"]
        if not own or row["generation"] >= min(own)
    }
    found = []
    for row in reports.values():
        last, first = row["last_at"], row["first_at"]
        done = "acknowledgement" if row["role"] == "producer" else "delivery"
        note = ""
        if last is None:
            note = f"no {done} before it: there was no traffic, or the producer has no delivery callback"
        elif first is None:
            note = f"no {done} after it when it was read last"
        found.append(
            ClientBlackout(
                client=row["client"],
                role=row["role"],
                group=row["group"],
                to_cluster=row["cluster"],
                last=iso(last),
                first=iso(first),
                seconds=None if last is None or first is None else round(max(0.0, first - last), 3),
                bound="exact",
                note=note,
            )
        )
    return found


def _restarted(config: ConductorConfig, steps: Sequence[Step]) -> list[ClientBlackout]:
    """Return bounds for clients that report nothing: of consumers from members of groups, of producers from logs."""
    found: list[ClientBlackout] = []
    for client in config.restarts:
        begin: tuple[str | None, str] | None = None
        for step in steps:
            for gate in step.gates:
                if gate.state != "passed" or gate.ended is None:
                    continue
                if gate.name.startswith(_LEFT.format(f"{client.role}s")):
                    stop = [c.begun for c in step.commands if c.client == client.name and c.location == "hold"]
                    at = stop[-1] if stop else step.begun
                    if client.role == "producer":
                        ended = seconds(gate.ended)
                        at = None if ended is None else iso(ended - config.gates.quiet_s)
                    begin = at, gate.name.rpartition(" ")[2]
                elif gate.name.startswith(_JOINED) and client.role == "consumer" and begin is not None:
                    found.append(_bound(client.name, "consumer", begin[0], gate.ended, gate.name.rpartition(" ")[2]))
                    begin = None
            started = [c.ended for c in step.commands if c.client == client.name and c.location in ("source", "target")]
            if client.role == "producer" and begin is not None and step.name.startswith("producers-to-"):
                to = step.name.removeprefix("producers-to-")
                found.append(_bound(client.name, "producer", begin[0], started[-1] if started else step.done, to))
                begin = None
    return found


def _bound(client: str, role: str, last: str | None, first: str | None, to: str) -> ClientBlackout:
    begin, end = seconds(last), seconds(first)
    producer = role == "producer"
    return ClientBlackout(
        client=client,
        role="producer" if producer else "consumer",
        group=None if producer else client,
        to_cluster=to,
        last=last,
        first=first,
        seconds=None if begin is None or end is None or last is None or first is None else round(end - begin, 3),
        bound="at least" if producer else "at most",
        note="restarted: from the quiet time of the topics to the end of its start; no gate sees its first record"
        if producer
        else "restarted: from its stop to the moment when all members of the group had joined",
    )


def read_again(
    entries: Sequence[Entry], snapshots: Sequence[Snapshot], verification: Verification | None
) -> list[ReadAgain]:
    """Return for each group how much it has read again on the target, and on the source if it came back."""
    exact: dict[tuple[str, PartitionId], int] = {}
    for its in () if verification is None else verification.groups:
        if its.topic is not None and its.partition is not None and its.exact is not None:
            exact[its.group, (its.topic, its.partition)] = its.exact
    by_step: dict[tuple[int, str], ReadAgain] = {}
    resumed: dict[str, dict[PartitionId, int]] = {}
    for entry in entries:
        if entry.kind == "resumes":  # again if a conductor was killed: then the last one of a step counts
            for group, rows in entry.detail["groups"].items():
                by_step[entry.step, group] = _on_target(group, rows, exact)
                resumed[group] = {(row[0], row[1]): row[3] for row in rows if row[3] is not None}
    found = list(by_step.values())
    back = [each for each in snapshots if each.step == StepName.CONSUMERS_TO_SOURCE]
    if back:  # several if a conductor was killed: groups may have read on until the last one
        last = max(back, key=lambda each: each.at)
        found += [_on_source(group, last.of("target", group), its) for group, its in resumed.items()]
    return found


def _on_target(group: str, rows: Sequence[Sequence[object]], exact: Mapping[tuple[str, PartitionId], int]) -> ReadAgain:
    count, unknown, proved = 0, 0, 0
    for topic, partition, _, target, is_proved in rows:
        wanted = exact.get((group, (str(topic), int(str(partition)))))
        if is_proved:
            proved += 1
        elif wanted is None or not isinstance(target, int):
            unknown += 1
        else:
            count += max(0, wanted - target)
    if not rows:
        note = "it had no offset on the source, so that nothing shows where it resumed"
    elif unknown:
        note = f"not known for {words.plural(unknown, 'partition')}: no proof of the record from which it had to resume"
    elif proved == len(rows):
        note = "resumed at the very record in every partition"
    else:
        note = "MirrorMaker 2's offsets against the exact ones that verify has found"
    return ReadAgain(
        group=group,
        cluster="target",
        partitions=len(rows),
        proved=proved,
        at_most=None if unknown or not rows else count,
        note=note,
    )


def _on_source(group: str, then: Mapping[PartitionId, int], began: Mapping[PartitionId, int]) -> ReadAgain:
    count = sum(max(0, at - began.get(partition, at)) for partition, at in then.items())
    return ReadAgain(
        group=group,
        cluster="source",
        partitions=len(then),
        proved=0,
        at_most=count,
        note="what it had consumed on the target when it came back",
    )


def lag(entries: Sequence[Entry]) -> list[LagPoint]:
    """Return the mirror lags that gates have read."""
    return [LagPoint(at=str(iso(at)), records=records) for at, records in lag_history(entries)]
