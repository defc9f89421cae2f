"""The shape of an application fleet: how many instances of each kind, and how documents reach them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cutover_harness.replay.config import Property, Transactions


@dataclass(frozen=True)
class ProducerSet:
    """Producers that share the streams of some topics.

    topics: None for all. restarts: how many of them, the last ones, move by a restart although the others follow
    documents.
    """

    count: int
    topics: Sequence[str] | None = None
    restarts: int = 0


@dataclass(frozen=True)
class FleetShape:
    """The number of instances of each kind.

    `groups`: members by group. Clients: librdkafka properties beyond the replay's defaults. `transactions`: producers
    send in transactions of this shape; a `transactional.id` in `producer_client` does the same with the default one.
    `sets`: the producers if not all of them share all topics; `producers` does not count then. `restarts`: groups that
    move by a restart although the others follow documents.
    """

    producers: int = 2
    groups: Mapping[str, int] = field(default_factory=lambda: {"billing": 2, "audit": 1})
    producer_client: Mapping[str, Property] = field(default_factory=dict)
    consumer_client: Mapping[str, Property] = field(default_factory=dict)
    group_topics: Mapping[str, Sequence[str]] = field(default_factory=dict)
    commit: Literal["manual", "auto"] = "manual"
    work_ms: float = 0.0
    transactions: Transactions | None = None
    sets: Sequence[ProducerSet] = ()
    restarts: Collection[str] = ()

    @property
    def producer_sets(self) -> Sequence[ProducerSet]:
        """All producers."""
        return self.sets or (ProducerSet(self.producers),)


@dataclass(frozen=True)
class Following:
    """How documents reach the instances.

    file: the cutover file. mount: returns the copy of it that an instance follows instead. channel: where instances
    read documents besides the file, such as `kafka:cutover-control`. key_file: the key that documents are signed with.
    """

    file: Path
    mount: Callable[[str], Path] | None = None
    channel: str | None = None
    key_file: Path | None = None

    def file_of(self, instance: str) -> Path:
        """Return the file that an instance follows; its copy is mounted afresh."""
        return self.file if self.mount is None else self.mount(instance)
