"""The part of a plan that a run rehearsed: `plan` in `run.json`."""

from dataclasses import dataclass, field

from cutover_harness.judge.jsonable import Jsonable


@dataclass(frozen=True)
class PlannedTopic(Jsonable):
    """A rehearsed topic. planned_partitions: partitions in the inventory. config: properties that it has there."""

    partitions: int
    planned_partitions: int
    config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedGroup(Jsonable):
    """A rehearsed group. planned_members: members in the plan or the inventory, None if unknown. moves: as planned."""

    members: int
    planned_members: int | None
    topics: list[str]
    moves: str


@dataclass(frozen=True)
class Omitted(Jsonable):
    """Something of the plan that the run did not rehearse, and what is unknown because of that."""

    what: str
    leaves_open: str
    how: str


@dataclass(frozen=True)
class Planned(Jsonable):
    """The part of a plan that a run rehearsed, and what it left out.

    name: of the plan. file: its name. sha256: the hash of its bytes. inventory, inventory_sha256: the same for the
    inventory. route: of the report. batches: those that moved, in their order. producers: rehearsed processes of each
    application. traffic: which figures of the traffic were measured, and which were assumed, in sentences.
    """

    name: str
    file: str
    sha256: str
    inventory: str | None
    inventory_sha256: str | None
    route: str
    batches: list[str]
    topics: dict[str, PlannedTopic] = field(default_factory=dict)
    groups: dict[str, PlannedGroup] = field(default_factory=dict)
    producers: dict[str, int] = field(default_factory=dict)
    traffic: list[str] = field(default_factory=list)
    not_rehearsed: list[Omitted] = field(default_factory=list)
