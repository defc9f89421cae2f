"""The app fleet of a scenario: its shape, and how the cutover file reaches it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cutover_harness.plan.batch import Group
from cutover_harness.replay.config import Transactions


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileDelay(_Model):
    """How much later than the cutover file the copy of an instance changes; drawn per instance and generation."""

    least_s: float = Field(ge=0, le=600, description="Least delay in seconds.")
    most_s: float = Field(gt=0, le=600, description="Most delay in seconds.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.most_s < self.least_s:
            raise ValueError(f"least_s {self.least_s:g} is above most_s {self.most_s:g}: exchange them")
        return self


class Fleet(_Model):
    """The shape of the app fleet, and how the cutover file reaches it."""

    producers: int = Field(default=2, ge=1, le=64)
    groups: dict[Group, Annotated[int, Field(ge=1, le=64)]] = Field(
        default={"billing": 2, "audit": 1}, min_length=1, description="Members per consumer group."
    )
    apps: Literal["shim", "restart"] = Field(
        default="shim",
        description="shim: apps follow the cutover file. restart: apps are stopped and started on the other cluster.",
    )
    work_ms: float = Field(default=0, ge=0, le=10_000, description="Time in ms that a consumer takes for each record.")
    commit: Literal["manual", "auto"] = Field(default="manual", description="How consumers commit; both once a second.")
    producer: dict[str, str | int | float | bool] = Field(
        default={}, description="librdkafka properties of the producers."
    )
    consumer: dict[str, str | int | float | bool] = Field(
        default={}, description="librdkafka properties of the consumers."
    )
    transactions: Transactions | None = Field(
        default=None, description="Producers send in transactions; some are aborted on purpose."
    )

    file_delay: FileDelay | None = Field(
        default=None,
        description="Each instance follows a copy of the cutover file that changes late, as a mounted ConfigMap does; "
        "null: all follow the one file.",
    )
    channel: Literal["file", "kafka"] = Field(
        default="file",
        description="kafka: apps also read the documents from a control topic on both clusters, signed.",
    )

    @field_validator("producer", "consumer")
    @classmethod
    def _no_endpoint(cls, value: dict[str, object]) -> dict[str, object]:
        for key in ("bootstrap.servers", "metadata.broker.list", "group.id"):
            if key in value:
                raise ValueError(f"{key} is set by the rehearsal: leave it out")
        return value

    @model_validator(mode="after")
    def _followed(self) -> Self:
        if self.apps == "restart" and (self.file_delay is not None or self.channel != "file"):
            raise ValueError("file_delay and channel are for apps with the shim (apps: shim)")
        return self

    @property
    def late_s(self) -> float:
        """The longest time in seconds that a generation takes to reach an instance by file."""
        return 0.0 if self.file_delay is None else self.file_delay.most_s
