"""A conductor that was killed when clients on the shim had followed a step, and those that are restarted had not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.conductor import Conductor
from cutover_harness.conductor.journal import Kind
from cutover_harness.plan.scenario import PathStep
from cutover_harness.procedure.context import RouteClients
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.restarted import RestartedClient
from cutover_harness.procedure.steps import STEPS

from tests.unit.conductor.test_half_done_steps import REVERSE
from tests.unit.conductor.test_kills import KilledError
from tests.unit.conductor.world import EXACT, FORWARD, Skip, World, new_conductor, steps, timeline_of

ROUTE = RouteClients(
    "r", ["g", "batch"], {"p": "producer", "c": "consumer"}, None, [RestartedClient("batch", "consumer", 1, 0.02, True)]
)
ASKS = [(step.name, "move") for step in STEPS if step.moves_apps]
GONE = "t-0: source records 4 to 8 are gone"


@dataclass
class MixedWorld(World):
    """A world that knows which group has members on the target, and which one would skip records there."""

    there: dict[str, int] = field(default_factory=dict)
    skips_of: dict[str, str] = field(default_factory=dict)

    def active(self, group: str) -> int:
        return self.there.get(group, 0)

    def skipped(self, groups: Sequence[str], *, offsets: bool = True) -> Sequence[Skip]:
        return [Skip(self.skips_of[group]) for group in groups if group in self.skips_of]


def conductor_of(
    tmp_path: Path,
    world: World,
    path: Sequence[PathStep],
    killed: StepName | None = None,
    route: RouteClients = ROUTE,
    **options: Any,
) -> Conductor:
    """Return a conductor whose requests are answered at once, or that is killed before it asks to move apps."""
    conductor = new_conductor(tmp_path, world, list(path), asks=ASKS, route=route, **options)
    write = conductor.journal.write

    def answering(kind: Kind, step: int, name: str, **detail: Any) -> int:
        if kind == "ask" and killed is not None and name == f"move {killed}":
            raise KilledError
        number = write(kind, step, name, **detail)
        if kind == "ask":
            write("answer", step, name)
        return number

    conductor.journal.write = answering  # type: ignore[method-assign]
    return conductor


def killed_at(tmp_path: Path, path: Sequence[PathStep], step: StepName, route: RouteClients = ROUTE) -> None:
    with pytest.raises(KilledError):
        conductor_of(tmp_path, MixedWorld(), path, step, route).run()


@pytest.mark.parametrize("path", [FORWARD, EXACT])
def test_gates_look_only_at_groups_that_have_not_moved(tmp_path: Path, path: tuple[StepName, ...]) -> None:
    """The group on the shim reads on the target, ahead of what it has committed on the source."""
    killed_at(tmp_path, steps(*path), StepName.CONSUMERS_TO_TARGET)
    world = MixedWorld(there={"g": 2}, skips_of={"g": "g would skip 7 records"})
    conductor = conductor_of(tmp_path, world, steps(*path))
    assert conductor.run(), timeline_of(conductor).failure


@pytest.mark.parametrize(
    ("world", "why"),
    [
        (MixedWorld(there={"g": 2, "batch": 1}), "group batch has 1 member on the target"),
        (MixedWorld(there={"g": 2}, skips_of={"batch": "batch would skip 9 records"}), "batch would skip 9 records"),
        (MixedWorld(there={"g": 2}, gone=[GONE]), GONE),
    ],
    ids=["members", "skipped", "missed"],
)
def test_a_group_that_has_not_moved_is_guarded_as_before(tmp_path: Path, world: MixedWorld, why: str) -> None:
    killed_at(tmp_path, steps(*FORWARD), StepName.CONSUMERS_TO_TARGET)
    conductor = conductor_of(tmp_path, world, steps(*FORWARD))
    assert not conductor.run()
    assert why in str(timeline_of(conductor).failure)


@pytest.mark.parametrize(
    ("path", "step"),
    [
        (FORWARD, StepName.PRODUCERS_TO_TARGET),
        (REVERSE, StepName.PRODUCERS_TO_TARGET),
        (REVERSE, StepName.PRODUCERS_TO_SOURCE),
    ],
)
def test_producers_on_the_shim_that_were_released_do_not_have_to_be_on_hold(
    tmp_path: Path, path: tuple[StepName, ...], step: StepName
) -> None:
    killed_at(tmp_path, steps(*path), step)
    world = MixedWorld(is_drained=False)  # as what they write is not mirrored yet
    conductor = conductor_of(tmp_path, world, steps(*path[: path.index(step) + 1]))
    assert conductor.run(), timeline_of(conductor).failure


def test_producers_that_still_write_are_not_stopped_in_vain(tmp_path: Path) -> None:
    """Those on the shim are held, the others were not asked: the step is guarded again, and only once."""
    app = RestartedClient("app", "producer", None, 0.02, True)
    route = RouteClients("r", ["g"], {"p": "producer", "c": "consumer"}, None, [app])
    path = steps(*FORWARD[: FORWARD.index(StepName.STOP_PRODUCERS) + 1])
    killed_at(tmp_path, path, StepName.STOP_PRODUCERS, route)
    conductor = conductor_of(tmp_path, MixedWorld(gone=[GONE]), path, route=route)
    assert not conductor.run()
    assert GONE in str(timeline_of(conductor).failure)
    assert conductor.journal.find("ask", len(path) - 1, f"move {StepName.STOP_PRODUCERS}") is None


def test_a_step_whose_clients_are_all_on_the_shim_is_not_guarded_again(tmp_path: Path) -> None:
    """Commands of the other role alone are no reason to wait for what cannot come."""
    app = RestartedClient("app", "producer", None, 0.02, True)
    route = RouteClients("r", ["g"], {"c": "consumer"}, None, [app])
    path = steps(*FORWARD[:4])
    killed_at(tmp_path, path, StepName.CONSUMERS_TO_TARGET, route)
    conductor = conductor_of(tmp_path, MixedWorld(there={"g": 2}, gone=[GONE]), path, route=route)
    assert conductor.run(), timeline_of(conductor).failure


@pytest.mark.parametrize("step", [StepName.STOP_CONSUMERS, StepName.CONSUMERS_TO_TARGET, StepName.PRODUCERS_TO_TARGET])
def test_where_all_apps_are_restarted_everything_is_guarded_again(tmp_path: Path, step: StepName) -> None:
    route = RouteClients("r", ["g"], {}, {"g": 1})
    killed_at(tmp_path, steps(*FORWARD), step, route)
    conductor = conductor_of(tmp_path, MixedWorld(gone=[GONE]), steps(*FORWARD), route=route)
    assert not conductor.run()
    assert GONE in str(timeline_of(conductor).failure)


@pytest.mark.parametrize(
    ("step", "options", "world", "why"),
    [
        (StepName.PRODUCERS_TO_TARGET, {"closing": lambda: "a straggler"}, MixedWorld(), "a straggler"),
        (StepName.CONSUMERS_TO_TARGET, {}, MixedWorld(is_broken="a task FAILED"), "a task FAILED"),
    ],
    ids=["bypass", "broken"],
)
def test_nothing_is_restarted_while_something_closes_every_gate(
    tmp_path: Path, step: StepName, options: dict[str, Any], world: World, why: str
) -> None:
    """Of producers that were released, no gate before the step is asked again; nor once a request was written."""
    killed_at(tmp_path, steps(*FORWARD), step)
    if step == StepName.CONSUMERS_TO_TARGET:  # and the commands had not ended
        journal = new_conductor(tmp_path, MixedWorld(), steps(*FORWARD)).journal
        journal.write("ask", FORWARD.index(step), f"move {step}", act=step, when="move")
    before = len(new_conductor(tmp_path, MixedWorld(), steps(*FORWARD)).journal.read())
    conductor = conductor_of(tmp_path, world, steps(*FORWARD), **options)
    assert not conductor.run()
    new = conductor.journal.read()[before:]
    assert why in str(timeline_of(conductor).failure)
    assert not [entry for entry in new if entry.kind == "ask"]
