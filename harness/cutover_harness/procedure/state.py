"""Where a route stands: its mirror, its consumers and its producers, and the stage that follows from them.

The stage is never stored, so a rollback needs no numbering of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cutover_harness.types import Location, Role

Task = Literal["none", "created", "synchronised", "deleted"]
Moved = Literal["consumers", "producers"]
"""The clients that a step moves."""

STAGES = {
    0: "nothing is moved",
    1: "task created",
    2: "synchronising",
    3: "source consumers stopped",
    4: "consumers on target",
    5: "source producers stopped",
    6: "producers on target",
    7: "task deleted",
}
"""The stages of the documented procedure; 0 before it began, and after all of it was taken back."""
NO_WAY_BACK = 7
"""The stage from which there is no documented way back."""


class ImpossibleStepError(ValueError):
    """A step that cannot be taken from where the route stands; the message says why."""


@dataclass(frozen=True)
class RouteState:
    """Where the parts of one route are."""

    task: Task = "none"
    consumers: Location = "source"
    producers: Location = "source"
    exact: bool = False
    """Whether the offsets that the consumers resume from on the target are proved to be exact."""
    reverse: bool = False
    """Whether the mirror runs from target to source."""
    overlap: bool = False
    """Whether new members of the groups run on the target next to those on the source."""

    @property
    def stage(self) -> int:
        """The stage of the documented procedure, a key of `STAGES`."""
        if self.task == "none":
            return 0
        if self.task == "deleted":
            return 7 if self.producers == "target" else 0
        if self.producers == "target":
            return 6
        if self.producers == "hold":
            return 5
        if self.consumers == "target":
            return 4
        if self.consumers == "hold" or self.overlap:
            return 3
        return 2 if self.task == "synchronised" else 1

    @property
    def has_task(self) -> bool:
        """Whether the mirror exists."""
        return self.task in ("created", "synchronised")

    @property
    def finished(self) -> bool:
        """Whether nothing of the route needs the mirror any more: all on the target, or all back on the source."""
        return self.consumers == self.producers and self.consumers != "hold"

    def location(self, who: Moved) -> Location:
        """Return where the consumers or the producers are."""
        return self.consumers if who == "consumers" else self.producers


def role_of(who: Moved) -> Role:
    """Return the role of the clients that a step moves."""
    return "consumer" if who == "consumers" else "producer"
