"""Settings of a load: traffic, number of clients, clusters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from cutover_harness.errors import UsageError
from cutover_harness.load.connection import Connection, ConsumerPart, ProducerPart
from cutover_harness.replay.config import ConsumerConfig, ProducerConfig, ReplayOptions, Share
from cutover_harness.replay.instances import stems

VARIABLE = "CUTOVER_LOAD"


class LoadSettings(Connection):
    """The settings of a load in the master; it sends each worker its part of the traffic.

    Clients are on the shim if `cutover_file` is given, otherwise plain ones on the cluster at `endpoint`.
    """

    what = "load settings"

    replay: ReplayOptions
    producers: int = Field(default=1, ge=0)
    groups: dict[str, int] = Field(default={}, description="Members by consumer group.")
    topics: list[str] = Field(min_length=1, description="Topics that are written to and read.")
    commit: Literal["manual", "auto"] = "manual"
    run_time_s: float | None = Field(default=None, gt=0, description="Ends so long after all clients run; null: never.")
    drain_s: float = Field(default=60.0, gt=0, description="How long deliveries are waited for without any progress.")
    report: Path | None = Field(default=None, description="File for the result, as JSON.")

    @property
    def members(self) -> list[str]:
        """The group of each consumer."""
        return [group for group, count in self.groups.items() for _ in range(count)]

    def producer_part(self, index: int, run: int, start_ns: int) -> ProducerPart:
        """Return the part of a producer (from 0)."""
        return ProducerPart(
            instance=f"load-producer-{index + 1}",
            run=run,
            shim=self.shim,
            replay=self.replay.model_copy(update={"start_ns": start_ns}),
            share=Share(index=index, of=self.producers),
        )

    def consumer_part(self, index: int, run: int) -> ConsumerPart:
        """Return the part of a consumer (from 0, over all groups)."""
        group = self.members[index]
        number = index - self.members.index(group) + 1
        return ConsumerPart(
            instance=f"load-{stems(self.groups)[group]}-{number}",
            run=run,
            shim=self.shim,
            group=group,
            topics=self.topics,
            commit=self.commit,
        )

    def producer(self, index: int, run: int, start_ns: int) -> ProducerConfig:
        """Return the configuration of a producer (from 0)."""
        return self.producer_of(self.producer_part(index, run, start_ns))

    def consumer(self, index: int, run: int) -> ConsumerConfig:
        """Return the configuration of a consumer (from 0, over all groups)."""
        return self.consumer_of(self.consumer_part(index, run))

    @classmethod
    def load(cls, file: Path | None = None) -> Self:
        """Return the settings in `file` (default: the file that CUTOVER_LOAD names). Raises UsageError."""
        if file is not None:
            return cls.load_from(str(file))
        named = os.environ.get(VARIABLE)
        if not named:
            raise UsageError(
                f"load: the environment variable {VARIABLE} names no settings file; see `kafka-cutover load`"
            )
        return cls.load_from(named)
