"""Steps of a path, and the gates before and after them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cutover_harness.procedure.names import StepName


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PathStep(_Model):
    """One step of the path; in YAML a plain string if only its name is given."""

    step: StepName
    safety: bool = Field(
        default=True,
        description="Whether to wait for the gates that make the step safe; a negative control switches them off.",
    )
    dwell_s: float = Field(default=1.5, ge=0, le=3600, description="Seconds of traffic after the step.")
    deadline_s: float | None = Field(
        default=None, gt=0, le=86_400, description="Deadline of the gates before the step, instead of gates.deadline_s."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        if isinstance(value, str):
            return {"step": value}
        if isinstance(value, dict) and "act" in value and "step" not in value:  # what earlier versions wrote
            return {"step" if key == "act" else key: its for key, its in value.items()}
        return value


class Gates(_Model):
    """Bars and deadlines of the gates."""

    lag_bar: int = Field(default=500, ge=0, description="Largest mirror lag, in records, that counts as synchronised.")
    deadline_s: float = Field(
        default=60.0,
        gt=0,
        le=86_400,
        description="Seconds without progress after which a gate is missed (default on AutoMQ: longer).",
    )
    progress_wait_s: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        description="Seconds to wait for consumer progress if it is not proved earlier (documented: 60).",
    )
    settle_s: float = Field(
        default=4.0,
        gt=0,
        le=3600,
        description="Seconds after which unchanged consumer progress has settled; several intervals of the mirror.",
    )
    quiet_s: float = Field(
        default=10.0,
        gt=0,
        le=86_400,
        description="Seconds without a new record after which producers without the shim count as stopped; longer than "
        "they pause by themselves.",
    )

    def on(self, deadline_s: float) -> Gates:
        """Return these gates with the deadline that the target needs, unless the scenario sets its own.

        The wait for progress is at least as long: while Connect is away nothing can settle.
        """
        needed = {"deadline_s": deadline_s, "progress_wait_s": max(self.progress_wait_s, deadline_s)}
        return self.model_copy(update={k: v for k, v in needed.items() if k not in self.model_fields_set})
