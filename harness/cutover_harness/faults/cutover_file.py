"""A broken cutover file, until the conductor writes it next."""

from __future__ import annotations

import time
import tomllib
from abc import abstractmethod
from typing import Literal

from pydantic import Field, field_validator

from cutover_harness.faults.base import Fault, Injected, Proof, Rehearsed
from cutover_harness.faults.context import CutoverFileContext, FaultContext
from cutover_harness.waits import wait_until

REFUSED_WITHIN_S = 30.0
"""How long clients may take to refuse the file; they check it five times a second and report once a second."""
LEAVES_OPEN = {"cutover-file": "a cutover file that is torn, deleted or rewound while clients watch it"}
PROVED_BY = (
    "after `seconds`, within 30: every client reports in its status why it refuses the file, "
    "and keeps the last good generation"
)
_POLL_S = 0.1


class CutoverFileFault(Fault):
    """A fault of the cutover file. The path waits while the file is broken; the conductor's next write fixes it."""

    proved_by = PROVED_BY
    leaves_open = LEAVES_OPEN

    of: Literal["cutover-file"]
    seconds: float = Field(default=3.0, gt=0, le=600, description="How long the file is broken at least.")

    @field_validator("when")
    @classmethod
    def _before_a_write(cls, value: str) -> str:
        if value == "after":
            raise ValueError("the conductor's next write fixes the cutover file: break it before a step")
        return value

    def unfit(self, rehearsed: Rehearsed) -> str | None:
        """Refuse apps that follow no cutover file, and those that follow a copy: its proof needs the file itself."""
        if rehearsed.apps != "shim":
            return f"{self.name} is for apps with the shim (fleet.apps)"
        return f"{self.name}: with fleet.file_delay no app follows the file itself" if rehearsed.mounted else None

    @abstractmethod
    def damage(self, file: CutoverFileContext) -> None:
        """Damage the file."""

    def inject(self, context: FaultContext) -> Injected:
        """Damage the file, and leave it so until all clients refuse it, for `seconds` at least."""
        file = context.cutover_file
        good = file.path.read_bytes()
        generation = tomllib.loads(good.decode())["generation"]
        self.damage(file)
        time.sleep(self.seconds)

        def proof() -> Proof:
            broken = not file.path.exists() or file.path.read_bytes() != good
            return _proof(file, generation, broken=broken)

        left_s = max(0.0, REFUSED_WITHIN_S - self.seconds)
        return Injected.proved(wait_until(proof, left_s, done=lambda last: last.held, backoff_s=_POLL_S))


def _proof(file: CutoverFileContext, generation: int, *, broken: bool) -> Proof:
    """Every client has to refuse the file and to keep the last good generation."""
    statuses = file.statuses()
    refusing = [s for s in statuses if s.rejected is not None and s.generation == generation]
    why = "; ".join(sorted({str(s.rejected) for s in refusing}))
    return Proof(
        held=broken and bool(statuses) and len(refusing) == len(statuses),
        evidence=f"{len(refusing)} of {len(statuses)} clients refuse it and keep generation {generation}: {why}",
    )
