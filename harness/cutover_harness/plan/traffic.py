"""Traffic of a scenario, for shapes that the capture lacks."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]+$", max_length=249)]
Part = Annotated[float, Field(ge=0, le=1)]


class TopicTraffic(BaseModel):
    """The records of one topic; the same seed generates the same records."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partitions: int = Field(default=3, ge=1, le=64)
    per_second: float = Field(default=50.0, gt=0, le=10_000, description="Records per second.")
    keys: int = Field(
        default=100, ge=0, le=100_000, description="Number of different keys; 0: every record has a null key."
    )
    unkeyed: Part = Field(default=0.0, description="Fraction of records with a null key.")
    tombstones: Part = Field(default=0.0, description="Fraction of records with a null value.")
    headers: Part = Field(default=0.0, description="Fraction of records with headers of their own, one of them null.")
    bytes: int = Field(default=200, ge=0, le=1_000_000, description="Size of a value in bytes.")
    large_every: int | None = Field(default=None, ge=1, description="Every Nth value has large_bytes; null: none.")
    large_bytes: int = Field(default=900_000, ge=1, le=10_000_000)
    config: dict[str, str | int | float | bool] = Field(default={}, description="The topic's properties.")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.compacted and (self.unkeyed or not self.keys):
            raise ValueError("cleanup.policy compact needs a key in every record: brokers refuse others")
        return self

    @property
    def compacted(self) -> bool:
        """Whether the log cleaner keeps only the last record of each key."""
        return "compact" in str(self.config.get("cleanup.policy", ""))

    @property
    def properties(self) -> dict[str, str]:
        """The topic's properties as the broker reads them."""
        return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in self.config.items()}
