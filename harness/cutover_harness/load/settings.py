"""What a load is: which traffic, how many clients, on which clusters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from cutover_harness.configfile import ConfigFile
from cutover_harness.errors import UsageError
from cutover_harness.replay.config import ConsumerConfig, ProducerConfig, Property, ReplayOptions, Share
from cutover_harness.replay.instances import stems

VARIABLE = "CUTOVER_LOAD"


class LoadSettings(ConfigFile):
    """The settings of a load, as the master has them; workers get from it what concerns them.

    Clients are on the shim where `cutover_file` is given, else plain ones on the cluster at `endpoint`.
    """

    what = "load settings"

    replay: ReplayOptions
    producers: int = Field(default=1, ge=0)
    groups: dict[str, int] = Field(default={}, description="Members by consumer group.")
    topics: list[str] = Field(min_length=1, description="Topics that are written to and read.")
    producer_client: dict[str, Property] = Field(default={})
    consumer_client: dict[str, Property] = Field(default={})
    cutover_file: Path | None = None
    status_dir: Path | None = None
    endpoint: dict[str, Property] | None = None
    commit: Literal["manual", "auto"] = "manual"
    drain_s: float = Field(default=60.0, gt=0, description="How long deliveries are waited for without any progress.")
    report: Path | None = Field(default=None, description="File for the result, as JSON.")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if (self.cutover_file is None) == (self.endpoint is None):
            raise ValueError("give either cutover_file or endpoint")
        return self

    @property
    def members(self) -> list[str]:
        """The group of each consumer."""
        return [group for group, count in self.groups.items() for _ in range(count)]

    def producer(self, index: int, run: int, start_ns: int) -> ProducerConfig:
        """Return the configuration of a producer (from 0)."""
        return ProducerConfig(
            instance=f"load-producer-{index + 1}",
            run=run,
            ledger=Path("unused"),
            client={**(self.endpoint or {}), **self.producer_client},
            use_shim=self.cutover_file is not None,
            cutover_file=self.cutover_file,
            status_dir=self.status_dir,
            cluster="source" if self.cutover_file is None else None,
            replay=self.replay.model_copy(update={"start_ns": start_ns}),
            share=Share(index=index, of=self.producers),
        )

    def consumer(self, index: int, run: int) -> ConsumerConfig:
        """Return the configuration of a consumer (from 0, over all groups)."""
        group = self.members[index]
        number = index - self.members.index(group) + 1
        return ConsumerConfig(
            instance=f"load-{stems(self.groups)[group]}-{number}",
            run=run,
            ledger=Path("unused"),
            client={**(self.endpoint or {}), **self.consumer_client},
            use_shim=self.cutover_file is not None,
            cutover_file=self.cutover_file,
            status_dir=self.status_dir,
            cluster="source" if self.cutover_file is None else None,
            group=group,
            topics=self.topics,
            commit=self.commit,
        )

    @classmethod
    def load(cls, file: Path | None = None) -> Self:
        """Return the settings in `file`, by default the one that CUTOVER_LOAD names; raises UsageError."""
        if file is None:
            named = os.environ.get(VARIABLE)
            if not named:
                raise UsageError(f"load: the variable {VARIABLE} names no file of settings; see `kafka-cutover load`")
            file = Path(named)
        return super().load(file)
