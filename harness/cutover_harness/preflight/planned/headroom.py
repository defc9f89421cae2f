"""Head-room: bytes to mirror against free disk space, and quotas against the rate of the mirror. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cutover_harness.inventory.model import Quota
from cutover_harness.inventory.words import size
from cutover_harness.preflight.model import Finding, Severity, number
from cutover_harness.preflight.planned.facts import Facts, Seen
from cutover_harness.preflight.planned.scope import ScopedBatch
from cutover_harness.types import ClusterName
from cutover_harness.words import counted, listed

LIMITS: Mapping[ClusterName, str] = {"source": "consumer_byte_rate", "target": "producer_byte_rate"}
"""What limits the mirror on each cluster: it reads one and writes to the other."""
RESERVE = 0.1
"""The part of the free space that is left to everything else."""


def disk(facts: Facts) -> Iterator[Finding]:
    """Compare the bytes of all batches with the target's free space; AutoMQ stores them in its object store."""
    if facts.target.cluster.automq or facts.target.free_bytes is None:
        return
    needed = {batch.name: _bytes(facts, batch) for batch in facts.scope.batches}
    copies = _replication(facts.target)
    total = copies * sum(needed.values())
    free = facts.target.free_bytes
    if total > free * (1 - RESERVE):
        largest = sorted(needed, key=lambda name: -needed[name])
        yield Finding(
            "disk-space",
            Severity.BLOCKER if total > free else Severity.WARNING,
            "target",
            f"has {size(free)} free, and the mirror writes {size(total)}"
            + (f" in {copies} replicas" if copies > 1 else "")
            + f": {listed([f'{name} {size(needed[name])}' for name in largest if needed[name]])}",
            "DescribeLogDirs (KIP-827) of both clusters; log directories on one disk count twice",
            "add disk space, move batches one after the other with their retention in mind, or shorten retention first",
        )


def _bytes(facts: Facts, batch: ScopedBatch) -> int:
    return sum(facts.source.entries[name].bytes or 0 for name in batch.topics if name in facts.source.entries)


def _replication(target: Seen) -> int:
    return number(target.cluster.broker.get("default.replication.factor")) or 1


def quotas(facts: Facts) -> Iterator[Finding]:
    """Compare the quotas of the mirror's users with the rate that the plan expects."""
    rate = facts.scope.plan.mirror_rate
    users = {"source": facts.source.rights.principal, "target": facts.worker or facts.target.rights.principal}
    for name, seen in facts.seen.items():
        found = limit_of(seen.quotas or (), _user(users[name]), LIMITS[name])
        if found is None:
            continue
        entity, per_broker = found
        most = per_broker * max(1, seen.cluster.brokers)
        if most < rate:
            yield Finding(
                "quota",
                Severity.WARNING,
                f"mirror on the {name}",
                f"is limited to {size(per_broker)}/s on each of {counted(seen.cluster.brokers, 'broker')} by "
                f"{LIMITS[name]} of {entity}, and the plan's mirror_rate is {size(rate)}/s: "
                "the estimates of all batches are too short",
                "DescribeClientQuotas",
                "raise the quota until the migration is over, or set mirror_rate to what it allows",
            )


def _user(principal: str | None) -> str | None:
    return None if principal is None else principal.removeprefix("User:")


def limit_of(quotas_: Sequence[Quota], user: str | None, limit: str) -> tuple[str, float] | None:
    """Return the entity and the value of the quota that applies to a user, None if there is none.

    Kafka's order: a user with any client, the default user, any client. Quotas of a single client id are left out:
    Connect chooses the ids of its clients.
    """
    wanted: list[dict[str, str | None]] = [{"user": user, "client-id": None}, {"user": user}] if user else []
    wanted += [{"user": None, "client-id": None}, {"user": None}, {"client-id": None}]
    for entity in wanted:
        for quota in quotas_:
            if quota.entity == entity and limit in quota.limits:
                return _words(entity), quota.limits[limit]
    return None


def _words(entity: Mapping[str, str | None]) -> str:
    return " and ".join(
        f"{kind} {name}" if name is not None else f"the default {kind}" for kind, name in entity.items()
    )


RULES = (disk, quotas)
