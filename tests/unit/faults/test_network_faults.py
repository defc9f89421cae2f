"""Faults of the network hit or say why not; a run whose fault did not hit proves nothing."""

from __future__ import annotations

from typing import Any

import pytest
from cutover_harness.errors import UnavailableError
from cutover_harness.faults.injector import Injector
from cutover_harness.procedure.names import StepName
from pydantic import ValidationError

from tests.unit.faults.faults import context
from tests.unit.faults.faults import fault as make

AT = StepName.CONSUMERS_TO_TARGET


class Process:
    """What a node of the process testbed offers."""

    def kill(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...
    def restart(self) -> None: ...
    def stop(self) -> str | None:
        return None

    def stopped(self) -> bool:
        return False


class Container(Process):
    """A node with a network, on a kernel that has netem or not."""

    def __init__(self, netem: str | None = None) -> None:
        self.netem = netem
        self.did: list[object] = []
        self.off = False

    def disconnect(self) -> None:
        self.off = True

    def reconnect(self) -> None:
        self.did.append("reconnect")
        self.off = False

    def disconnected(self) -> bool:
        return self.off

    def impair(self, delay_ms: int, loss_percent: float) -> str:
        if self.netem is None:
            raise UnavailableError("netem: Specified qdisc kind is unknown.")
        self.did.append((delay_ms, loss_percent))
        return self.netem

    def heal(self) -> None:
        self.did.append("heal")


def inject(victim: Process, *, kind: str, **fields: object) -> Injector:
    fault = make(kind, "target", at=AT, seconds=0.01, **fields)
    injector = Injector((fault,), context(nodes={"target": lambda: victim}))
    injector.inject(AT, "before")
    injector.finish()
    return injector


@pytest.mark.parametrize("kind", ["disconnect", "delay", "loss"])
def test_a_testbed_of_processes_refuses_network_faults(kind: str) -> None:
    injector = inject(Process(), kind=kind)
    assert [(g.name, g.held) for g in injector.preconditions] == [(f"fault {kind} target hit", False)]
    assert "unavailable" in injector.preconditions[0].evidence
    assert not injector.marks


def test_disconnected_for_a_while() -> None:
    victim = Container()
    injector = inject(victim, kind="disconnect")
    assert injector.preconditions[0].held
    assert victim.did == ["reconnect"]
    assert [mark.name for mark in injector.marks] == ["disconnect target"]


@pytest.mark.parametrize(("fault", "does"), [({"kind": "delay", "delay_ms": 40}, (40, 0)), ({"kind": "loss"}, (0, 10))])
def test_netem_for_a_while(fault: dict[str, Any], does: tuple[int, float]) -> None:
    victim = Container(netem="qdisc netem 8001: root refcnt 2 limit 1000")
    assert inject(victim, **fault).preconditions[0].held
    assert victim.did == [does, "heal"]


def test_a_kernel_without_netem() -> None:
    precondition = inject(Container(), kind="delay").preconditions[0]
    assert not precondition.held
    assert precondition.evidence == "unavailable: netem: Specified qdisc kind is unknown."


def test_a_kernel_that_accepts_it_and_does_nothing() -> None:
    assert not inject(Container(netem="qdisc noqueue 0: root refcnt 2"), kind="loss").preconditions[0].held


def test_a_network_that_did_not_heal_is_reported() -> None:
    class Stuck(Container):
        def heal(self) -> None:
            raise UnavailableError("no")

    preconditions = inject(Stuck(netem="qdisc netem 1:"), kind="loss").preconditions
    assert [precondition.held for precondition in preconditions] == [True, False]


@pytest.mark.parametrize(("kind", "field"), [("kill", "delay_ms"), ("delay", "loss_percent")])
def test_a_figure_belongs_to_its_kind_only(kind: str, field: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        make(kind, "target", at=AT, **{field: 5})


def test_apps_have_no_network_of_their_own() -> None:
    with pytest.raises(ValidationError, match="disconnect cannot happen to producer"):
        make("disconnect", "producer", at=AT)
