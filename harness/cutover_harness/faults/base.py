"""A fault: its fields in a scenario file, its injection, and the proof that it hit."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cutover_harness.procedure.names import StepName

if TYPE_CHECKING:
    from cutover_harness.faults.context import FaultContext

Moment = Literal["before", "during", "after"]


@dataclass(frozen=True)
class Deleted:
    """A topic that a fault deleted on purpose, with all that `cluster` stored of it before `until_ns`."""

    cluster: str
    topic: str
    until_ns: int


@dataclass(frozen=True)
class Proof:
    """Whether a fault hit, the evidence, and what it deleted on purpose."""

    held: bool
    evidence: str
    deleted: tuple[Deleted, ...] = ()


@dataclass(frozen=True)
class Injected:
    """A fault that was injected.

    prove: return the proof; may wait for it, since the path continues in the meantime.
    end: end a fault that lasts; None if it is over.
    """

    prove: Callable[[], Proof]
    end: Callable[[], None] | None = None

    @classmethod
    def proved(cls, proof: Proof, end: Callable[[], None] | None = None) -> Injected:
        """Return a fault whose proof is there already."""
        return cls(lambda: proof, end)


@dataclass(frozen=True)
class Rehearsed:
    """What a scenario rehearses, as far as it decides which faults fit.

    apps, channel: `fleet.apps` and `fleet.channel`. compacted: whether the traffic has a compacted topic. mounted:
    whether each instance follows a copy of the cutover file of its own (`fleet.file_delay`).
    """

    apps: str = "shim"
    compacted: bool = False
    mounted: bool = False
    channel: str = "file"


class Fault(BaseModel):
    """One fault, injected when the path reaches a step.

    does, proved_by: one table cell each for the documentation.
    leaves_open: for each victim, what is unknown as long as the fault was not rehearsed; a noun phrase for reports.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    does: ClassVar[str]
    proved_by: ClassVar[str]
    leaves_open: ClassVar[Mapping[str, str]]

    kind: str
    of: str
    at: StepName = Field(description="Step of the path at which the fault is injected.")
    when: Moment = Field(
        default="before",
        description="before: before the step's gates. during: the gates are open and the step runs next, so that it "
        "meets the fault on any machine. after: the step was done, but its clients have not followed yet.",
    )

    @abstractmethod
    def inject(self, context: FaultContext) -> Injected:
        """Inject the fault while the path waits.

        Raises UnavailableError if this testbed cannot do it, and UsageError, OSError or KafkaException if it fails.
        """

    def unfit(self, rehearsed: Rehearsed) -> str | None:  # noqa: ARG002 - most faults fit any scenario
        """Return why a scenario cannot have this fault, None if it can."""
        return None

    @property
    def least_brokers(self) -> int:
        """How many brokers a cluster has to have for this fault."""
        return 1

    @property
    def name(self) -> str:
        """Kind and victim, as reports and policies write it."""
        return f"{self.kind} {self.of}"

    @classmethod
    def kind_of_all(cls) -> str:
        """Return the value of `kind` that stands for this class."""
        return str(get_args(cls.model_fields["kind"].annotation)[0])

    @classmethod
    def victims(cls) -> tuple[str, ...]:
        """Return the values of `of` that this class allows."""
        return get_args(cls.model_fields["of"].annotation)

    @model_validator(mode="before")
    @classmethod
    def _without_until(cls, raw: object) -> object:
        """Accept `until: null`, which says nothing, also for a fault that has no duration."""
        if isinstance(raw, dict) and raw.get("until", ...) is None and "until" not in cls.model_fields:
            return {key: value for key, value in raw.items() if key != "until"}
        return raw

    @field_validator("of", mode="before")
    @classmethod
    def _can_happen(cls, value: object) -> object:
        if isinstance(value, str) and value not in cls.victims():
            raise ValueError(f"{cls.kind_of_all()} cannot happen to {value}, only to {', '.join(cls.victims())}")
        return value


class LastingFault(Fault):
    """A fault that lasts while the path continues."""

    seconds: float = Field(
        default=3.0,
        gt=0,
        le=600,
        description="Duration of the fault, counted from its injection; with `when: during` from the moment at which "
        "the step runs; with `until` from there.",
    )
    until: StepName | Literal["missed"] | None = Field(
        default=None,
        description="What the fault outlasts by `seconds`, however long that takes. A step of the path: until it is "
        "done (and producers that it moved have acknowledgements again), the path waits for a gate before it, or its "
        "action has to be repeated because of the fault. "
        "missed: until a gate misses its deadline. The end of the path also ends the fault.",
    )
