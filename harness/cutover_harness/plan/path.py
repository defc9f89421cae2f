"""Acts and stages: which steps a path may take and where a route stands after each.

A *path* is a sequence of acts. The stage is never stored, it follows from where the mirror task, the consumers and the
producers of the route are (`RouteState.stage`), so a rollback needs no numbering of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

Place = Literal["source", "hold", "target"]
Task = Literal["none", "created", "synchronised", "deleted"]


class Act(StrEnum):
    """One step of a path."""

    CREATE_TASK = "create-task"
    SYNCHRONISE = "synchronise"
    OVERLAP_CONSUMERS = "overlap-consumers"
    STOP_CONSUMERS = "stop-consumers"
    SET_EXACT_OFFSETS = "set-exact-offsets"
    CONSUMERS_TO_TARGET = "consumers-to-target"
    CONSUMERS_TO_SOURCE = "consumers-to-source"
    STOP_PRODUCERS = "stop-producers"
    REVERSE_MIRROR = "reverse-mirror"
    PRODUCERS_TO_TARGET = "producers-to-target"
    PRODUCERS_TO_SOURCE = "producers-to-source"
    DELETE_TASK = "delete-task"


class ImpossibleActError(ValueError):
    """An act that cannot be taken where the route stands; the message says why."""


@dataclass(frozen=True)
class RouteState:
    """Where the parts of one route are."""

    task: Task = "none"
    consumers: Place = "source"
    producers: Place = "source"
    exact: bool = False
    """Whether the offsets that the consumers resume from on the target are proved to be exact."""
    reverse: bool = False
    """Whether the mirror runs from target to source."""
    overlap: bool = False
    """Whether new members of the groups run on the target beside those on the source."""

    @property
    def stage(self) -> int:
        """The stage of the documented procedure: 1 to 7, 0 before it began and after all of it was taken back."""
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
    def finished(self) -> bool:
        """Whether nothing of the route needs the mirror any more: all on the target, or all back on the source."""
        return self.consumers == self.producers and self.consumers != "hold"

    def after(self, act: Act) -> RouteState:  # noqa: C901, PLR0912 - one case an act
        """Return the state once `act` is done. Raises ImpossibleActError."""
        match act:
            case Act.CREATE_TASK:
                if self.task in ("created", "synchronised"):
                    raise ImpossibleActError("the mirror task exists already")
                return replace(self, task="created")
            case Act.SYNCHRONISE:
                self._needs_task(act)
                return replace(self, task="synchronised")
            case Act.DELETE_TASK:
                self._needs_task(act)
                if not self.finished:
                    raise ImpossibleActError(
                        f"consumers are on {self.consumers}, producers on {self.producers}: bring both to one first"
                    )
                return replace(self, task="deleted", reverse=False)
            case Act.OVERLAP_CONSUMERS:
                self._needs_task(act)
                if self.consumers != "source" or self.overlap:
                    raise ImpossibleActError("it needs consumers on source, and none on target yet")
                return replace(self, overlap=True)
            case Act.STOP_CONSUMERS:
                if self.overlap:
                    raise ImpossibleActError("consumers overlap: consumers-to-target ends those on the source")
                return replace(self, consumers=self._move("consumers", self.consumers, "hold"), exact=False)
            case Act.SET_EXACT_OFFSETS:
                self._needs_task(act)
                if self.consumers != "hold" or self.producers != "source":
                    raise ImpossibleActError("it needs consumers on hold and producers on source")
                return replace(self, exact=True)
            case Act.REVERSE_MIRROR:
                self._needs_task(act)
                if self.producers != "hold" or self.consumers != "target" or self.reverse:
                    raise ImpossibleActError("it needs producers on hold and consumers on target")
                return replace(self, reverse=True)
            case Act.STOP_PRODUCERS:
                return replace(self, producers=self._move("producers", self.producers, "hold"))
            case Act.CONSUMERS_TO_TARGET | Act.CONSUMERS_TO_SOURCE:
                self._needs_mirror_once(act)
                if self.overlap and act == Act.CONSUMERS_TO_SOURCE:
                    return replace(self, overlap=False)  # the new ones end
                moved = self._move("consumers", self.consumers, destination(act))
                return replace(self, consumers=moved, exact=False, overlap=False)
            case Act.PRODUCERS_TO_TARGET | Act.PRODUCERS_TO_SOURCE:
                self._needs_mirror_once(act)
                return replace(self, producers=self._move("producers", self.producers, destination(act)))

    def _needs_task(self, act: Act) -> None:
        if self.task not in ("created", "synchronised"):
            raise ImpossibleActError(f"{act} needs a mirror task: put create-task before it")

    def _needs_mirror_once(self, act: Act) -> None:
        if self.task == "none" and destination(act) == "target":
            raise ImpossibleActError(f"{act} needs the topics on the target: put create-task before it")

    @staticmethod
    def _move(who: str, now: Place, to: Place) -> Place:
        if now == to:
            raise ImpossibleActError(f"{who} are on {to} already")
        return to


def destination(act: Act) -> Place:
    """Return where `act` brings its clients. Raises KeyError for acts that move no client."""
    return {
        Act.STOP_CONSUMERS: "hold",
        Act.STOP_PRODUCERS: "hold",
        Act.CONSUMERS_TO_TARGET: "target",
        Act.PRODUCERS_TO_TARGET: "target",
        Act.CONSUMERS_TO_SOURCE: "source",
        Act.PRODUCERS_TO_SOURCE: "source",
    }[act]  # type: ignore[return-value]


def moves(act: Act) -> Literal["consumers", "producers"] | None:
    """Return which clients `act` moves, None where it moves none."""
    if act in (Act.STOP_CONSUMERS, Act.CONSUMERS_TO_TARGET, Act.CONSUMERS_TO_SOURCE):
        return "consumers"
    if act in (Act.STOP_PRODUCERS, Act.PRODUCERS_TO_TARGET, Act.PRODUCERS_TO_SOURCE):
        return "producers"
    return None


def walk(acts: Iterable[Act], start: RouteState | None = None) -> list[RouteState]:
    """Return the state after each act. Raises ImpossibleActError at the first that cannot be taken."""
    state = start or RouteState()
    states = []
    for act in acts:
        state = state.after(act)
        states.append(state)
    return states


def way_back(state: RouteState) -> list[Act]:
    """Return the acts that bring everything back to the source and delete the task; empty where nothing is to be done.

    Producers go first: what they produce on the source from then on still reaches consumers on the target.
    """
    acts = []
    if state.producers == "target":
        acts.append(Act.STOP_PRODUCERS)
    if state.producers != "source":
        acts.append(Act.PRODUCERS_TO_SOURCE)
    if state.consumers == "target":
        acts.append(Act.STOP_CONSUMERS)
    if state.consumers != "source" or state.overlap:
        acts.append(Act.CONSUMERS_TO_SOURCE)
    if state.task in ("created", "synchronised"):
        acts.append(Act.DELETE_TASK)
    return acts
