"""The rights that each step needs, in one table: for the check, for `--acl` and for docs/preflight.md.

`python -m cutover_harness.preflight.planned.needs` prints the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from cutover_harness import markdown
from cutover_harness.channels.names import TopicName, parse_channels
from cutover_harness.conductor.statuses import place_of, topic_of
from cutover_harness.mirror.spec import Batch
from cutover_harness.preflight.planned.scope import Scope, ScopedBatch
from cutover_harness.types import ClusterName

Party = Literal["conductor", "mirror", "worker"]
"""Who needs a right: kafka-cutover, MirrorMaker 2's clients (both with the properties of the plan), or the producers of
the Connect workers, which log in as the workers do."""
ResourceKind = Literal["TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID"]
CLUSTER_NAME = "kafka-cluster"


class Operation(StrEnum):
    """Operations of Kafka's ACLs; the values are the names of AclOperation."""

    READ = "READ"
    WRITE = "WRITE"
    CREATE = "CREATE"
    DELETE = "DELETE"
    ALTER = "ALTER"
    DESCRIBE = "DESCRIBE"
    DESCRIBE_CONFIGS = "DESCRIBE_CONFIGS"
    ALTER_CONFIGS = "ALTER_CONFIGS"

    @property
    def words(self) -> str:
        """The name as kafka-acls.sh has it."""
        return operation_words(self.value)


def operation_words(operation: str) -> str:
    """Return the name of an AclOperation as kafka-acls.sh has it."""
    return "".join(part.capitalize() for part in operation.split("_"))


class Part(StrEnum):
    """What a right is for; the values are used in sentences."""

    TOPICS = "the batch's topics"
    GROUPS = "the batch's groups"
    SYNCS = "mm2-offset-syncs.BATCH.source.internal"
    REVERSE_SYNCS = "mm2-offset-syncs.BATCH.reverse.target.internal"
    CHECKPOINTS = "BATCH.source.checkpoints.internal"
    HEARTBEATS = "heartbeats"
    CONTROL = "the control topic"
    STATUSES = "the topic of statuses"
    CLUSTER = "the cluster"
    FENCE = "the cluster, for batches with `fence`"


@dataclass(frozen=True)
class Need:
    """A row of the table. `optional`: without it the step works, and something stays unknown."""

    step: str
    party: Party
    cluster: ClusterName
    operations: tuple[Operation, ...]
    part: Part
    why: str
    optional: bool = False


_O = Operation
_EVERYTHING = "see all topics, groups, sizes and ACLs"
_SETTINGS = "read the brokers' settings and quotas"
_PUT_BACK = "set the groups' offsets to those of a snapshot"
_FORGET = "remove what earlier mirrors have left"
NEEDS: tuple[Need, ...] = (
    Need("preflight", "conductor", "source", (_O.DESCRIBE,), Part.CLUSTER, _EVERYTHING, True),
    Need("preflight", "conductor", "target", (_O.DESCRIBE,), Part.CLUSTER, _EVERYTHING, True),
    Need("preflight", "conductor", "source", (_O.DESCRIBE_CONFIGS,), Part.CLUSTER, _SETTINGS, True),
    Need("preflight", "conductor", "target", (_O.DESCRIBE_CONFIGS,), Part.CLUSTER, _SETTINGS, True),
    Need(
        "create-task",
        "conductor",
        "source",
        (_O.DESCRIBE, _O.DESCRIBE_CONFIGS),
        Part.TOPICS,
        "copy partition counts and settings",
    ),
    Need(
        "create-task",
        "conductor",
        "target",
        (_O.CREATE, _O.DESCRIBE, _O.DESCRIBE_CONFIGS, _O.ALTER_CONFIGS),
        Part.TOPICS,
        "create the topics with the source's settings",
    ),
    Need("create-task", "mirror", "source", (_O.READ, _O.DESCRIBE_CONFIGS), Part.TOPICS, "copy records and settings"),
    Need("create-task", "mirror", "source", (_O.DESCRIBE,), Part.GROUPS, "read the groups' offsets"),
    Need(
        "create-task",
        "mirror",
        "target",
        (_O.CREATE, _O.ALTER, _O.DESCRIBE_CONFIGS, _O.ALTER_CONFIGS),
        Part.TOPICS,
        "create new topics and partitions, and follow settings",
    ),
    Need("create-task", "mirror", "target", (_O.CREATE, _O.WRITE, _O.READ), Part.SYNCS, "write pairs of offsets"),
    Need("create-task", "mirror", "target", (_O.CREATE, _O.READ), Part.CHECKPOINTS, "keep translated offsets"),
    Need("create-task", "mirror", "target", (_O.CREATE,), Part.HEARTBEATS, "create MirrorMaker 2's topic"),
    Need("create-task", "mirror", "target", (_O.READ, _O.DESCRIBE), Part.GROUPS, "set the groups' offsets"),
    Need("create-task", "worker", "target", (_O.WRITE,), Part.TOPICS, "write the mirrored records"),
    Need("create-task", "worker", "target", (_O.WRITE,), Part.CHECKPOINTS, "write translated offsets"),
    Need("create-task", "worker", "target", (_O.WRITE,), Part.HEARTBEATS, "write heartbeats"),
    Need("synchronise", "conductor", "source", (_O.READ,), Part.TOPICS, "compare the logs"),
    Need("synchronise", "conductor", "target", (_O.READ,), Part.TOPICS, "compare the logs"),
    Need("synchronise", "conductor", "target", (_O.READ,), Part.SYNCS, "find mirrored records"),
    Need("synchronise", "conductor", "target", (_O.READ,), Part.CHECKPOINTS, "find translated offsets"),
    Need("stop-consumers", "conductor", "source", (_O.DESCRIBE,), Part.GROUPS, "read members and offsets"),
    Need("consumers-to-target", "conductor", "target", (_O.READ, _O.DESCRIBE), Part.GROUPS, "set exact offsets"),
    Need("consumers-to-target", "conductor", "target", (_O.READ,), Part.TOPICS, "set exact offsets"),
    Need(
        "every switch",
        "conductor",
        "source",
        (_O.READ, _O.WRITE, _O.CREATE, _O.DESCRIBE_CONFIGS),
        Part.CONTROL,
        "write the document and the lease",
    ),
    Need(
        "every switch",
        "conductor",
        "target",
        (_O.READ, _O.WRITE, _O.CREATE, _O.DESCRIBE_CONFIGS),
        Part.CONTROL,
        "write the document and the lease",
    ),
    Need("every switch", "conductor", "source", (_O.READ,), Part.STATUSES, "see who has followed"),
    Need("stop-producers", "conductor", "source", (_O.ALTER,), Part.FENCE, "make and remove the fence's ACLs"),
    Need("verify", "conductor", "source", (_O.READ,), Part.TOPICS, "compare all records"),
    Need("verify", "conductor", "target", (_O.READ,), Part.TOPICS, "compare all records"),
    Need("verify", "conductor", "source", (_O.DESCRIBE,), Part.GROUPS, "compare the groups' offsets"),
    Need("verify", "conductor", "target", (_O.DESCRIBE,), Part.GROUPS, "compare the groups' offsets"),
    Need("rollback", "mirror", "source", (_O.WRITE,), Part.TOPICS, "the reverse mirror writes to the source"),
    Need("rollback", "mirror", "target", (_O.READ,), Part.TOPICS, "the reverse mirror reads the target"),
    Need("rollback", "mirror", "target", (_O.CREATE, _O.WRITE), Part.REVERSE_SYNCS, "write pairs of offsets"),
    Need("rollback --offsets", "conductor", "source", (_O.READ,), Part.GROUPS, _PUT_BACK, True),
    Need("rollback --offsets", "conductor", "source", (_O.READ,), Part.TOPICS, _PUT_BACK, True),
    Need("run --from-scratch", "conductor", "target", (_O.DELETE,), Part.SYNCS, _FORGET, True),
    Need("run --from-scratch", "conductor", "target", (_O.DELETE,), Part.CHECKPOINTS, _FORGET, True),
)
HEAD = ("step", "who", "cluster", "operations", "resource", "why")
_WHO = {"conductor": "kafka-cutover", "mirror": "MirrorMaker 2", "worker": "Connect's workers"}


@dataclass(frozen=True)
class Resource:
    """One resource of ACLs."""

    kind: ResourceKind
    name: str


@dataclass(frozen=True)
class Demand:
    """A right that a need of the plan comes to: one operation on one resource. `batch`: None for the whole plan."""

    need: Need
    operation: Operation
    resource: Resource
    batch: str | None


def demands_of(scope: Scope) -> list[Demand]:
    """Return all rights that the plan needs."""
    found = []
    for need in NEEDS:
        for batch, resource in _resources(need, scope):
            found += [Demand(need, operation, resource, batch) for operation in need.operations]
    return found


def _resources(need: Need, scope: Scope) -> Iterator[tuple[str | None, Resource]]:
    if need.part == Part.CLUSTER or (need.part == Part.FENCE and any(b.planned.fence for b in scope.batches)):
        yield None, Resource("CLUSTER", CLUSTER_NAME)
    elif need.part == Part.HEARTBEATS:
        yield None, Resource("TOPIC", "heartbeats")
    elif need.part in (Part.CONTROL, Part.STATUSES):
        yield from ((None, Resource("TOPIC", topic)) for topic in _own_topics(need, scope))
    elif need.part != Part.FENCE:
        for batch in scope.batches:
            for resource in _of_batch(need.part, batch):
                yield batch.name, resource


def _own_topics(need: Need, scope: Scope) -> Iterator[str]:
    """Return the control topics on the need's cluster, or the topic of statuses."""
    if need.part == Part.CONTROL:
        names = [name for reached in scope.plan.reach for name in parse_channels(reached.channel)]
        yield from (each.topic for each in names if isinstance(each, TopicName) and each.cluster == need.cluster)
    elif (statuses := scope.plan.statuses) is not None and (topic := topic_of(place_of(statuses))) is not None:
        yield topic


def _of_batch(part: Part, batch: ScopedBatch) -> Iterator[Resource]:
    mirrored = Batch(batch.name, (), ())
    if part == Part.TOPICS:
        yield from (Resource("TOPIC", topic) for topic in (*batch.topics, *batch.missing))
    elif part == Part.GROUPS:
        yield from (Resource("GROUP", group) for group in batch.groups)
    elif part == Part.SYNCS:
        yield Resource("TOPIC", mirrored.offset_syncs_topic)
    elif part == Part.CHECKPOINTS:
        yield Resource("TOPIC", mirrored.checkpoints_topic)
    else:
        yield Resource("TOPIC", f"mm2-offset-syncs.{mirrored.reverse.target_alias}.internal")


def table() -> str:
    """Return the table of docs/preflight.md."""
    return markdown.table(HEAD, map(_row, NEEDS))


def _row(need: Need) -> tuple[str, ...]:
    step = need.step if need.step in ("preflight", "every switch", "verify", "rollback") else f"`{need.step}`"
    operations = ", ".join(operation.words for operation in need.operations)
    part = f"`{need.part}`" if need.part.endswith(("internal", "heartbeats")) else str(need.part)
    return step, _WHO[need.party], need.cluster, operations, part, need.why + (" (optional)" if need.optional else "")


if __name__ == "__main__":
    print(table(), end="")
