"""The clusters of one process's clients; never sent to another machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from cutover_harness.configfile import ConfigFile
from cutover_harness.errors import UsageError
from cutover_harness.load.handover import is_handed_over, take
from cutover_harness.replay.config import ConsumerConfig, ProducerConfig, Property, ReplayOptions, Share

VARIABLE = "CUTOVER_LOAD_CONNECTION"
_UNUSED = Path("unused")


class ProducerPart(ConfigFile):
    """The master's message to a worker about one producer."""

    what = "a producer's part of a load"

    instance: str
    run: int
    shim: bool
    replay: ReplayOptions
    share: Share


class ConsumerPart(ConfigFile):
    """The master's message to a worker about one member of a group."""

    what = "a consumer's part of a load"

    instance: str
    run: int
    shim: bool
    group: str
    topics: list[str]
    commit: Literal["manual", "auto"]


class Connection(ConfigFile):
    """How clients reach their cluster: on the shim if `cutover_file` is given, otherwise plain ones at `endpoint`."""

    what = "load connection"

    producer_client: dict[str, Property] = Field(default={})
    consumer_client: dict[str, Property] = Field(default={})
    cutover_file: Path | None = None
    status_dir: Path | None = None
    endpoint: dict[str, Property] | None = None

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if (self.cutover_file is None) == (self.endpoint is None):
            raise ValueError("give either cutover_file or endpoint")
        return self

    @property
    def shim(self) -> bool:
        """Whether the clients use the shim."""
        return self.cutover_file is not None

    def producer_of(self, part: ProducerPart) -> ProducerConfig:
        """Return the configuration of a producer; raises UsageError."""
        self._check(part)
        return ProducerConfig(
            instance=part.instance,
            run=part.run,
            ledger=_UNUSED,
            client={**(self.endpoint or {}), **self.producer_client},
            use_shim=self.shim,
            cutover_file=self.cutover_file,
            status_dir=self.status_dir,
            cluster=None if self.shim else "source",
            replay=part.replay,
            share=part.share,
        )

    def consumer_of(self, part: ConsumerPart) -> ConsumerConfig:
        """Return the configuration of a consumer; raises UsageError."""
        self._check(part)
        return ConsumerConfig(
            instance=part.instance,
            run=part.run,
            ledger=_UNUSED,
            client={**(self.endpoint or {}), **self.consumer_client},
            use_shim=self.shim,
            cutover_file=self.cutover_file,
            status_dir=self.status_dir,
            cluster=None if self.shim else "source",
            group=part.group,
            topics=part.topics,
            commit=part.commit,
        )

    def _check(self, part: ProducerPart | ConsumerPart) -> None:
        if part.shim != self.shim:
            ours, theirs = ("with", "without") if self.shim else ("without", "with")
            raise UsageError(
                f"load: this worker runs {ours} --cutover-file and the master {theirs}: do the same on both"
            )

    @classmethod
    def given(cls) -> Connection | None:
        """Return the connection from this worker's options, None without them. Raises UsageError."""
        named = os.environ.get(VARIABLE)
        return None if named is None else Connection.load_from(named)

    @classmethod
    def load_from(cls, reference: str) -> Self:
        """Return the configuration in `reference`: a file's name or a value of `hand_over`."""
        if is_handed_over(reference):
            return cls.parse(take(reference, cls.what), reference)
        return super().load(Path(reference))
