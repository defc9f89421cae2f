"""The section `expect` of a scenario file: a limit for each measure, and what a negative control must violate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from cutover_harness.judge.measures import BY_NAME, CAUSES, CONTROLS, COUNTS

Ended = Literal["completed", "turned-back", "stopped"]
"""How a path ends: to its end, back on the source, or stopped at a gate."""

if TYPE_CHECKING:  # A type checker cannot read a Literal that is built from a tuple.
    Cause = str
    Control = str
else:
    Cause = Literal[CAUSES]
    Control = Literal[CONTROLS]

Limit = Annotated[int, Field(ge=0)]


class ExpectBase(BaseModel):
    """What the run must show; a figure is the largest allowed, null allows any."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    duplicated: dict[Cause, Limit | None] = Field(
        default={name: BY_NAME[name].scenario_limit for name in CAUSES if BY_NAME[name].scenario_limit is not None},
        description="Largest number of duplicates by cause; a cause that is left out is allowed and counted.",
    )
    ends: Ended = Field(
        default="completed",
        description="How the path ends: to its end, brought back after a missed gate, or left there.",
    )
    max_blackout_ms: float | None = Field(default=None, gt=0)
    must_fail: tuple[Control, ...] = Field(
        default=(), description="A negative control: the measures that have to be violated."
    )

    @model_validator(mode="after")
    def _has_a_limit_for_its_control(self) -> Self:
        if "blackout" in self.must_fail and self.max_blackout_ms is None:
            raise ValueError("must_fail: every switch has some blackout: set max_blackout_ms, or leave blackout out")
        return self

    def limit(self, name: str) -> int | None:
        """Return the largest allowed number of a count or a cause, None for any number."""
        most: int | None = self.duplicated.get(name) if name in CAUSES else getattr(self, name)
        return most

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> int | None: ...  # a count of the table


def _counts() -> dict[str, Any]:
    return {
        name: (int | None, Field(default=BY_NAME[name].scenario_limit, ge=0, description=BY_NAME[name].definition))
        for name in COUNTS
    }


if TYPE_CHECKING:
    Expect = ExpectBase
else:
    Expect = create_model("Expect", __base__=ExpectBase, __doc__=ExpectBase.__doc__, **_counts())
