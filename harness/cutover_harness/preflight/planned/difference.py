"""Differences between what was rehearsed and what is there now. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from cutover_harness.judge.planned import Planned
from cutover_harness.mirror.topic_settings import FOLLOWED
from cutover_harness.preflight.model import Finding, Severity
from cutover_harness.preflight.planned.facts import Facts
from cutover_harness.preflight.planned.rehearsed import Rehearsed, RehearsedRun
from cutover_harness.preflight.planned.scope import ScopedBatch
from cutover_harness.words import counted, listed

_VERSION = re.compile(r"\d+(?:\.\d+)+")
_REPEAT = "rehearse the plan again: kafka-cutover rehearse --plan"
Steps = Callable[[ScopedBatch], list[str]]


def rehearsal(facts: Facts, steps_of: Steps) -> Iterator[Finding]:
    """Return what differs; `steps_of`: the steps of a batch's path."""
    found = facts.rehearsed
    if found is None:
        return
    if found.digest is None:
        yield _finding("rehearsal", Severity.BLOCKER, f"{found.folder}", "rehearsed no plan", _REPEAT)
        return
    if found.digest != facts.digest:
        yield _finding(
            "rehearsed-plan",
            Severity.WARNING,
            "plan",
            f"has changed since the rehearsal (SHA-256 {found.digest[:12]}, now {facts.digest[:12]})",
            _REPEAT,
        )
    for name, why in found.problems.items():
        yield _finding("not-rehearsed", Severity.WARNING, f"scenario {name}", f"was not rehearsed: {why}", _REPEAT)
    for batch in facts.scope.batches:
        runs = [run for run in found.runs if run.planned is not None and batch.name in run.planned.batches]
        yield from _batch(facts, batch, runs, steps_of)
    yield from _versions(facts, found)


def _batch(facts: Facts, batch: ScopedBatch, runs: list[RehearsedRun], steps_of: Steps) -> Iterator[Finding]:
    whole = [run for run in runs if run.whole]
    if not whole:
        why = "was rehearsed, but its path was not completed" if runs else "is not in the rehearsal"
        yield _finding("not-rehearsed", Severity.BLOCKER, "batch", why, _REPEAT, batch.name)
        return
    now = steps_of(batch)
    # A rehearsal may also have rolled the batch back, or moved it with the others.
    run = next((each for each in whole if each.steps(batch.name) == now), whole[0])
    assert run.planned is not None  # noqa: S101 - chosen above
    yield from _topics(facts, batch, run.planned)
    yield from _groups(facts, batch, run.planned)
    if (taken := run.steps(batch.name)) != now:
        words = f"has steps {' > '.join(now)}, and {' > '.join(taken)} were rehearsed"
        yield _finding("rehearsed-path", Severity.BLOCKER, "path", words, _REPEAT, batch.name)
    for part in run.planned.not_rehearsed:
        reason = f"(not rehearsed) leaves open {part.leaves_open}"
        yield _finding("not-rehearsed", Severity.NOTE, part.what, reason, part.how, batch.name)


def _topics(facts: Facts, batch: ScopedBatch, planned: Planned) -> Iterator[Finding]:
    known = {name for name in planned.topics if name in batch.topic_set}
    # What a rehearsal leaves out on purpose is named by it.
    left_out = " ".join(part.what for part in planned.not_rehearsed)
    new = [name for name in batch.topics if name not in known and name not in left_out]
    if new:
        yield _finding(
            "rehearsed-topics", Severity.WARNING, f"topics {listed(new)}", "were not rehearsed", _REPEAT, batch.name
        )
    for name in sorted(known):
        was, now = planned.topics[name], facts.source.cluster.topics.get(name)
        if now is None:
            continue
        changed = []
        if was.planned_partitions != now.partitions:
            changed.append(f"{counted(was.planned_partitions, 'partition')} -> {now.partitions}")
        own = {key: value for key, value in now.config.items() if key in now.own}
        changed += [
            f"{key} {was.config.get(key, '(default)')} -> {own.get(key, '(default)')}"
            for key in sorted(was.config.keys() | own.keys())
            if was.config.get(key) != own.get(key) and now.config
        ]
        if changed:
            matters = any(key in change for change in changed for key in (*FOLLOWED, "partitions"))
            yield _finding(
                "rehearsed-topics",
                Severity.WARNING if matters else Severity.NOTE,
                f"topic {name}",
                f"has changed since the rehearsal: {listed(changed)}",
                _REPEAT,
                batch.name,
            )


def _groups(facts: Facts, batch: ScopedBatch, planned: Planned) -> Iterator[Finding]:
    for name, mover in batch.groups.items():
        was = planned.groups.get(name)
        if was is None:
            yield _finding(
                "rehearsed-groups", Severity.WARNING, f"group {name}", "was not rehearsed", _REPEAT, batch.name
            )
            continue
        entry = facts.source.groups.get(name)
        changed = [] if was.moves == mover.moves else [f"moves: {was.moves} -> {mover.moves}"]
        members = None if entry is None or entry.members is None else len(entry.members)
        if members and was.planned_members is not None and was.planned_members != members:
            changed.append(f"{counted(was.planned_members, 'member')} -> {members}")
        read = [] if entry is None else [t.topic for t in entry.topics or () if t.topic in batch.topic_set]
        if more := sorted(set(read) - set(was.topics)):
            changed.append(f"also reads {listed(more)}")
        if changed:
            yield _finding(
                "rehearsed-groups",
                Severity.WARNING,
                f"group {name}",
                f"has changed since the rehearsal: {listed(changed)}",
                _REPEAT,
                batch.name,
            )


def _versions(facts: Facts, found: Rehearsed) -> Iterator[Finding]:
    environment: Mapping[str, str] = next((run.environment for run in found.runs), {})
    connect = facts.connect
    now = {
        "source": facts.source.cluster.version,
        "target": facts.target.cluster.version,
        "connect": None if connect is None or connect.problem is not None else connect.number,
    }
    for name, version in now.items():
        said = environment.get(name)
        match = None if said is None else _VERSION.search(said)
        if match is None or version is None:
            what = "the rehearsal does not name its version" if match is None else "does not report its version"
            yield _finding("rehearsed-version", Severity.UNKNOWN, name, what, "compare the versions by hand")
            continue
        if name == "target" and facts.target.cluster.automq:
            continue  # AutoMQ's release is compared below; its cluster reports Kafka's version
        was = tuple(int(part) for part in match[0].split("."))
        if was[: len(version)] != version:
            yield _finding(
                "rehearsed-version",
                Severity.WARNING,
                name,
                f"is {'.'.join(map(str, version))}, and {said} was rehearsed",
                "rehearse with the version that is there: --source-version, or --testbed with the clusters themselves",
            )
    if facts.target.cluster.automq and found.target_kind is not None and "automq" not in found.target_kind.lower():
        yield _finding(
            "rehearsed-target",
            Severity.WARNING,
            "target",
            f"is AutoMQ, and the rehearsal's was {found.target_kind}: times, limits and refusals differ",
            "rehearse on AutoMQ: --testbed docker, --automq-home, or --testbed with the clusters themselves",
        )


def _finding(
    rule: str, severity: Severity, subject: str, reason: str, remedy: str, batch: str | None = None
) -> Finding:
    return Finding(rule, severity, subject, reason, "comparison with the rehearsal", remedy, batch)
