"""Configuration of one application instance of a replay: a JSON file from the fleet for the process."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from cutover_harness.configfile import ConfigFile
from cutover_harness.types import ClusterName

Property = str | int | float | bool


class _Config(ConfigFile):
    what = "replay configuration"


class Share(_Config):
    """The part of a capture's streams that an instance replays: those whose id is `index` modulo `of`."""

    index: int = Field(default=0, ge=0)
    of: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.index >= self.of:
            raise ValueError(f"share {self.index} of {self.of}: shares are counted from 0")
        return self


class _App(_Config):
    instance: str = Field(min_length=1)
    run: int = Field(ge=0, lt=1 << 64)
    ledger: Path = Field(description="Folder of this instance's ledger; created.")
    client: dict[str, Property] = Field(default={}, description="librdkafka properties.")
    prefix: str = Field(default="", description="Prefix of the client id and the transactional id.")
    use_shim: bool = True
    cutover_file: Path | None = None
    channel: str | None = Field(default=None, description="Where it reads documents besides the file: kafka:TOPIC.")
    key_file: Path | None = Field(default=None, description="File with the key that documents are signed with.")
    status_dir: Path | None = None
    cluster: ClusterName | None = Field(
        default=None, description="Without the shim: which cluster `client` connects to."
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.use_shim and self.cutover_file is None:
            raise ValueError("cutover_file is needed with the shim")
        if not self.use_shim and self.cluster is None:
            raise ValueError("cluster is needed without the shim")
        return self


class ReplayOptions(_Config):
    """Traffic and speed of a replay."""

    capture: Path
    topics: dict[str, str] = Field(
        default={}, description="Recorded topic -> topic to write; empty: all, by their names."
    )
    speed: float | None = Field(default=1.0, gt=0, description="Speed factor; null: as fast as possible.")
    start_ns: int | None = Field(
        default=None, description="Epoch ns at which the first record is due; null: immediately."
    )
    loop: bool = Field(default=False, description="Start again at the end, until SIGTERM.")
    scale: int = Field(default=1, ge=1, description="Copies of every record, each with a key of its own.")
    clock_ms: tuple[int, int] | None = Field(
        default=None, description="Span of the capture's timestamps by which records are sent; null: determined."
    )
    from_s: float | None = Field(default=None, ge=0, description="Replay from this second of the capture on.")
    to_s: float | None = Field(default=None, gt=0, description="Replay up to this second of the capture.")
    partitioning: Literal["recorded", "client"] = Field(
        default="recorded",
        description="Write to the recorded partition, or leave records with a key to the client's partitioner.",
    )


class Transactions(_Config):
    """The transactions of a transactional producer."""

    records: int = Field(default=100, ge=1, description="A transaction is ended after this many records, …")
    ms: float = Field(default=1000.0, gt=0, description="… or this long after its first one, whichever comes first.")
    abort_every: int | None = Field(
        default=None, ge=2, description="Abort every Nth transaction on purpose; null: none."
    )


class ProducerConfig(_App):
    """A producer instance. With `transactions`, or a `transactional.id` in `client`, it sends in transactions.

    The transactional id that the brokers see is `transactional.id`, or `kafka-cutover` without one, and the instance's
    name, after the prefix: unique in a fleet, and the same again after a restart, so that what a killed process left
    open is fenced.
    """

    replay: ReplayOptions
    share: Share = Share()
    stats: Path | None = Field(default=None, description="File for the timing figures, written at the end.")
    transactions: Transactions | None = None

    @property
    def in_transactions(self) -> Transactions | None:
        """Its transactions; None if it uses none."""
        if self.transactions is None and self.client.get("transactional.id"):
            return Transactions()
        return self.transactions


class ConsumerConfig(_App):
    """A member of a consumer group."""

    group: str = Field(min_length=1)
    topics: list[str] = Field(min_length=1)
    work_ms: float = Field(default=0.0, ge=0, description="Time that the app takes for each record.")
    commit: Literal["manual", "auto"] = "manual"
    commit_every_s: float = Field(default=1.0, gt=0)
