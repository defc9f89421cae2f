"""Rules about clients: each is attested by the shim, or the plan says that it is restarted or a connector. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from cutover_harness.inventory.model import ActiveProducer, Member, ShimClient
from cutover_harness.planning.model import Mover
from cutover_harness.preflight.model import Finding, Severity
from cutover_harness.preflight.planned.facts import ACTIVE, Facts, ShimFleet
from cutover_harness.preflight.planned.scope import ScopedBatch
from cutover_harness.words import listed

RULE = "a client follows the document only with the shim"
_DEFAULT_ID = "rdkafka"
"""The client id of a librdkafka client that sets none."""


def no_statuses(facts: Facts) -> Iterator[Finding]:
    """Find plans that move clients by the shim, and do not say where these write their statuses."""
    if facts.fleet is not None or facts.scope.plan.statuses is not None:  # the latter: see `gaps`
        return
    for batch in facts.scope.batches:
        movers = [*batch.groups.items(), *batch.planned.producers.items()]
        names = sorted(name for name, mover in movers if mover.moves == "shim")
        if names:
            yield Finding(
                "no-statuses",
                Severity.UNKNOWN,
                f"clients of {listed(names)}",
                "move by the shim, and the plan does not say where they write their statuses: who runs it is not known",
                RULE,
                "set statuses in the plan: a folder, or kafka:TOPIC",
                batch.name,
            )


def members(facts: Facts) -> Iterator[Finding]:
    """Find members of groups that move by the shim, and that no status names."""
    if facts.fleet is None:
        return
    for batch, name, mover in _groups(facts, "shim"):
        entry = facts.source.groups.get(name)
        attested = _consumers(facts, name)
        if entry is None or not entry.members:
            if not attested and (entry is None or entry.members is not None):
                yield _no_members(batch, name)
            continue
        left = _unattested(entry.members, attested)
        if left:
            yield Finding(
                "unattested-members",
                Severity.BLOCKER,
                f"group {name}",
                f"moves by the shim, and no status names {len(left)} of its {len(entry.members)} members: "
                f"{listed(_shown(left))}; they would stay on the source",
                RULE,
                "start them with the shim and cutover.status, or set moves: restart for the group in the plan",
                batch.name,
            )
        if mover.instances is not None and mover.instances != len(entry.members):
            yield _other_number(batch, f"group {name}", mover.instances, len(entry.members), "members")


def _no_members(batch: ScopedBatch, group: str) -> Finding:
    return Finding(
        "no-members",
        Severity.WARNING,
        f"group {group}",
        "moves by the shim, and has no member and no status now: whether its clients run the shim cannot be seen",
        RULE,
        "check again while they run, or set moves: restart for the group",
        batch.name,
    )


def not_shim(facts: Facts) -> Iterator[Finding]:
    """Find clients of the shim in groups that the plan restarts or moves as connectors."""
    for moves in ("restart", "connector"):
        for batch, name, _ in _groups(facts, moves):
            if found := _consumers(facts, name):
                yield Finding(
                    "moves-otherwise",
                    Severity.WARNING,
                    f"group {name}",
                    f"has moves: {moves} in the plan, and runs the shim: {listed([each.instance for each in found])}; "
                    "it follows the document as soon as a route names the group",
                    RULE,
                    "set moves: shim for the group",
                    batch.name,
                )


def producers(facts: Facts) -> Iterator[Finding]:
    """Find producing applications that move by the shim, and that no status names."""
    if facts.fleet is None:
        return
    for batch in facts.scope.batches:
        for name, mover in batch.planned.producers.items():
            if mover.moves != "shim":
                continue
            found = [each for each in _producers(facts) if name in (each.app, each.client_id)]
            if not found:
                yield Finding(
                    "unattested-producer",
                    Severity.BLOCKER,
                    f"producer {name}",
                    "moves by the shim, and no status names a producer with this cutover.app or client.id",
                    RULE,
                    "start it with the shim and cutover.status, correct its name, or set moves: restart",
                    batch.name,
                )
            elif mover.instances is not None and mover.instances != len(found):
                yield _other_number(batch, f"producer {name}", mover.instances, len(found), "instances")


def writers(facts: Facts) -> Iterator[Finding]:
    """Find topics that are written to by producers without a status."""
    for batch in facts.scope.batches:
        if any(mover.moves != "shim" for mover in batch.planned.producers.values()):
            continue  # a producer that is restarted cannot be told from others
        unnamed, others = [], []
        for topic in batch.topics:
            entry = facts.source.entries.get(topic)
            if entry is None:
                continue
            active = [each for each in entry.producers or () if _is_recent(facts, each)]
            # Brokers before 3.0 tell only whether there is a record since then.
            recent = entry.written_since or (entry.last_write and facts.at - entry.last_write <= ACTIVE)
            attested = [each for each in _producers(facts) if topic in each.topics]
            if (active or recent) and not attested:
                unnamed.append(_written(topic, active))
            elif len(active) > len(attested):
                others.append(f"{_written(topic, active)} of which statuses name {len(attested)}")
        if unnamed:
            yield _writing(batch, unnamed, Severity.BLOCKER, "and no status names a producer of them")
        if others:
            yield _writing(batch, others, Severity.WARNING, "by more producers than statuses name, or by earlier runs")


def _written(topic: str, active: Sequence[ActiveProducer]) -> str:
    ids = [each.transactional_id or f"producer id {each.id}" for each in active]
    return f"{topic} (by {listed(ids)})" if ids else topic


def _writing(batch: ScopedBatch, topics: Sequence[str], severity: Severity, why: str) -> Finding:
    return Finding(
        "unattested-writers",
        severity,
        f"topics {listed(list(topics))}",
        f"were written to in the last 10 minutes, {why}: such records stay on the source after the switch",
        "DescribeProducers (KIP-664), the newest timestamps, and the statuses of the shim",
        "start the producers with the shim, or list them under producers with moves: restart or connector",
        batch.name,
    )


def silent(facts: Facts) -> Iterator[Finding]:
    """Find clients of planned groups and topics that do not renew their statuses."""
    fleet = facts.fleet or ShimFleet()
    for client in fleet.clients:
        if client.instance not in fleet.silent:
            continue
        for batch in facts.scope.batches:
            if client.group in batch.groups or not set(client.topics).isdisjoint(batch.topics):
                yield Finding(
                    "silent-client",
                    Severity.WARNING,
                    f"client {client.instance}" + (f" on {client.host}" if client.host else ""),
                    "does not renew its status: it was killed, hangs, or cannot write there",
                    RULE,
                    "check it; remove the status if the client is gone for good",
                    batch.name,
                )


def _other_number(batch: ScopedBatch, subject: str, planned: int, found: int, what: str) -> Finding:
    return Finding(
        "instances",
        Severity.WARNING,
        subject,
        f"has {found} {what}, and the plan says {planned}",
        "comparison of plan and clusters",
        "correct instances in the plan, or start what is missing",
        batch.name,
    )


def _groups(facts: Facts, moves: str) -> Iterator[tuple[ScopedBatch, str, Mover]]:
    for batch in facts.scope.batches:
        for name, mover in batch.groups.items():
            if mover.moves == moves:
                yield batch, name, mover


def _alive(facts: Facts) -> list[ShimClient]:
    fleet = facts.fleet
    return [] if fleet is None else [each for each in fleet.clients if each.instance not in fleet.silent]


def _consumers(facts: Facts, group: str) -> list[ShimClient]:
    return [each for each in _alive(facts) if each.role == "consumer" and each.group == group]


def _producers(facts: Facts) -> list[ShimClient]:
    return [each for each in _alive(facts) if each.role == "producer"]


def _unattested(found: Sequence[Member], attested: Sequence[ShimClient]) -> list[Member]:
    """Return the members without a status: of members with one client id, as many as there are fewer statuses."""
    left = Counter(each.client_id or _DEFAULT_ID for each in attested)
    unattested = []
    for member in found:
        if left[member.client_id] > 0:
            left[member.client_id] -= 1
        else:
            unattested.append(member)
    return unattested


def _shown(found: Sequence[Member]) -> list[str]:
    return [f"{each.client_id} on {each.host}" for each in found]


def _is_recent(facts: Facts, producer: ActiveProducer) -> bool:
    return producer.last_write is not None and facts.at - producer.last_write <= ACTIVE


RULES = (no_statuses, members, not_shim, producers, writers, silent)
