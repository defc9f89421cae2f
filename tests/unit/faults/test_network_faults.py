"""Faults of the network hit or say why not; a run whose fault did not hit proves nothing."""

from __future__ import annotations

import pytest
from cutover_harness.faults.inject import Injector
from cutover_harness.plan.fault import Fault
from cutover_harness.plan.path import Act
from cutover_harness.testbed.base import UnavailableError
from pydantic import ValidationError

AT = Act.CONSUMERS_TO_TARGET


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


def inject(victim: Process, **fault: object) -> Injector:
    injector = Injector(
        (Fault.model_validate({"of": "target", "at": AT, "seconds": 0.01, **fault}),), {"target": lambda: victim}
    )
    injector(AT, "before")
    injector.finish()
    return injector


@pytest.mark.parametrize("kind", ["disconnect", "delay", "loss"])
def test_a_testbed_of_processes_says_that_it_cannot(kind: str) -> None:
    injector = inject(Process(), kind=kind)
    assert [(g.name, g.held) for g in injector.guards] == [(f"fault {kind} target hit", False)]
    assert "unavailable" in injector.guards[0].evidence
    assert not injector.marks


def test_disconnected_for_a_while() -> None:
    victim = Container()
    injector = inject(victim, kind="disconnect")
    assert injector.guards[0].held
    assert victim.did == ["reconnect"]
    assert [mark.name for mark in injector.marks] == ["disconnect target"]


@pytest.mark.parametrize(("fault", "does"), [({"kind": "delay", "delay_ms": 40}, (40, 0)), ({"kind": "loss"}, (0, 10))])
def test_netem_for_a_while(fault: dict[str, object], does: tuple[int, float]) -> None:
    victim = Container(netem="qdisc netem 8001: root refcnt 2 limit 1000")
    assert inject(victim, **fault).guards[0].held
    assert victim.did == [does, "heal"]


def test_a_kernel_without_netem() -> None:
    guard = inject(Container(), kind="delay").guards[0]
    assert not guard.held
    assert guard.evidence == "unavailable: netem: Specified qdisc kind is unknown."


def test_a_kernel_that_accepts_it_and_does_nothing() -> None:
    assert not inject(Container(netem="qdisc noqueue 0: root refcnt 2"), kind="loss").guards[0].held


def test_what_did_not_heal_is_told() -> None:
    class Stuck(Container):
        def heal(self) -> None:
            raise UnavailableError("no")

    guards = inject(Stuck(netem="qdisc netem 1:"), kind="loss").guards
    assert [guard.held for guard in guards] == [True, False]


@pytest.mark.parametrize("fault", [{"kind": "kill", "delay_ms": 5}, {"kind": "delay", "loss_percent": 5}])
def test_figures_of_another_kind(fault: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="alone: leave it out"):
        Fault.model_validate({"of": "target", "at": AT, **fault})


def test_apps_have_no_network_of_their_own() -> None:
    with pytest.raises(ValidationError, match="disconnect cannot happen to producer"):
        Fault.model_validate({"kind": "disconnect", "of": "producer", "at": AT})
