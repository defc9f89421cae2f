"""Faults of a scenario: what can happen to what, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from cutover_harness.plan.path import Act

Kind = Literal[
    "freeze", "kill", "restart", "disconnect", "delay", "loss",
    "tear", "delete", "rewind", "join", "expire", "recreate", "compact"
]  # fmt: skip
Moment = Literal["before", "during", "after"]
Victim = Literal[
    "connect", "source", "target", "producer", "consumer", "conductor", "cutover-file", "group", "topics"
]  # fmt: skip

_PROCESS = ("freeze", "kill", "restart")
NETWORK = ("disconnect", "delay", "loss")
"""What can happen to a node's network, on testbeds of containers."""
_NODE = (*_PROCESS, *NETWORK)
KINDS: Mapping[str, tuple[str, ...]] = {
    "connect": _NODE,
    "source": _NODE,
    "target": _NODE,
    "producer": _PROCESS,
    "consumer": _PROCESS,
    "conductor": ("kill",),
    "cutover-file": ("tear", "delete", "rewind"),
    "group": ("join",),
    "topics": ("expire", "recreate", "compact"),
}
"""What can happen to each."""
_AT_ONCE = ("join", "expire", "recreate")
"""What does not last."""


class Fault(BaseModel):
    """One fault, injected when the path reaches an act."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind = Field(
        description="freeze: SIGSTOP for a while; kill: SIGKILL and start; restart: SIGTERM and start. On "
        "testbeds of containers, elsewhere the run is INCONCLUSIVE: disconnect (off the network), delay and loss (of "
        "what the node sends, where the kernel has netem). Of the cutover "
        "file: tear (half of it is there), delete, rewind (an old one is put back). Of a group: join (a further member "
        "starts and stays). Of the source's topics: expire (records that all groups have read are removed, mirrored or "
        "not, as retention does), recreate (the first topic is deleted and made again), compact (the path waits until "
        "the log cleaner has removed records on both clusters; then min.compaction.lag.ms is raised, as is done before "
        "groups are held)."
    )
    of: Victim
    at: Act = Field(description="The act of the path at which the fault is injected.")
    when: Moment = Field(
        default="before",
        description="before: before the act's gates. during: the gates are passed, and the act is carried out next, so "
        "that it meets the fault on any machine. after: the act was carried out, before its clients have followed.",
    )
    seconds: float = Field(
        default=3.0,
        gt=0,
        le=600,
        description="How long it stays frozen, or down before it is started; how long the cutover file is broken, "
        "until the conductor writes it next; how long compaction is waited for; how long its network is broken. "
        "Counted from when the fault is injected, with `when: during` from when the act is carried out, with `until` "
        "from there.",
    )
    until: Act | Literal["missed"] | None = Field(
        default=None,
        description="What the fault outlasts by `seconds`, however long that takes: an act of the path, until it is "
        "done (and producers that it moved have acknowledgements again) or the path waits for a gate before it; "
        "missed: until a gate is missed. The end of the path ends the fault, too.",
    )
    delay_ms: int = Field(default=250, gt=0, le=60_000, description="How much is added by delay.")
    loss_percent: float = Field(default=10, gt=0, le=100, description="How much is lost by loss.")

    @field_validator("of")
    @classmethod
    def _can_happen(cls, value: str, info: ValidationInfo) -> str:
        kind = info.data.get("kind")
        if kind is not None and kind not in KINDS[value]:
            raise ValueError(f"{kind} cannot happen to {value}: {' or '.join(KINDS[value])} can")
        return value

    @field_validator("when")
    @classmethod
    def _is_healed(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("of") == "cutover-file" and value == "after":
            raise ValueError("the conductor's next write makes the cutover file good again: break it before an act")
        return value

    @field_validator("seconds")
    @classmethod
    def _lasts(cls, value: float, info: ValidationInfo) -> float:
        if (kind := info.data.get("kind")) in _AT_ONCE:
            raise ValueError(f"{kind} happens at once: leave seconds out")
        return value

    @field_validator("until")
    @classmethod
    def _goes_on_meanwhile(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and (info.data.get("kind") not in _NODE or info.data.get("of") == "conductor"):
            raise ValueError(f"the path waits for {info.data.get('kind')}, or it does not last: leave until out")
        return value

    @field_validator("delay_ms", "loss_percent")
    @classmethod
    def _is_of_its_kind(cls, value: float, info: ValidationInfo) -> float:
        wanted = str(info.field_name).partition("_")[0]
        if info.data.get("kind") != wanted:
            raise ValueError(f"is for {wanted} alone: leave it out")
        return value
