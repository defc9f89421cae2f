"""Injecting faults into brokers, the Connect worker and app processes, and having others happen."""

# ruff: noqa: D102 - signals by their names
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cutover_harness.errors import UsageError
from cutover_harness.faults import network
from cutover_harness.faults.proof import Happening
from cutover_harness.judge.model import Destroyed, Guard, Mark
from cutover_harness.plan.fault import Fault
from cutover_harness.plan.path import Act
from cutover_harness.testbed.base import UnavailableError


class Victim(Protocol):
    """Anything a fault can hit: a broker, the Connect worker, an app instance."""

    def kill(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...
    def restart(self) -> None: ...
    def stopped(self) -> bool:
        """Return whether it is frozen or not running right now."""
        ...


@dataclass
class Injector:
    """Injects the faults of a scenario when the conductor reaches their acts.

    A fault is ended by a thread of its own, so that the path goes on while it lasts; `finish` waits for all of them.
    `victims` are processes; `happenings` is what can befall the rest, by what it befalls.
    """

    faults: tuple[Fault, ...]
    victims: Mapping[str, Callable[[], Victim]]
    happenings: Mapping[str, Happening] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    destroyed: list[Destroyed] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list, init=False)

    def __call__(self, act: Act, when: str) -> None:
        """Inject what is due at `act`."""
        for fault in self.faults:
            if fault.at == act and fault.when == when:
                if happening := self.happenings.get(fault.of):
                    self._have_happen(fault, happening)
                else:
                    self._inject(fault)

    def finish(self) -> None:
        """Wait until every injected fault is over."""
        for thread in self._threads:
            thread.join()

    def _inject(self, fault: Fault) -> None:
        name = f"{fault.kind} {fault.of}"
        victim = self.victims[fault.of]()
        if fault.kind in network.NETWORK:
            self._on_network(fault, victim, name)
            return
        begin = time.time_ns()
        if fault.kind == "freeze":
            victim.freeze()
        elif fault.kind == "kill":
            victim.kill()
        hit = fault.kind == "restart" or victim.stopped()
        self.guards.append(
            Guard(
                name=f"fault {name} hit",
                held=hit,
                evidence=f"{fault.of} {'was down' if hit else 'kept running'} at {fault.at}",
            )
        )

        def end() -> None:
            if fault.kind != "restart":
                time.sleep(fault.seconds)
            if fault.kind == "freeze":
                victim.thaw()
            else:
                victim.restart()
            self.marks.append(
                Mark(time_ns=begin, kind="fault", name=name, stage=None, detail=f"at {fault.at}", end_ns=time.time_ns())
            )

        self._start(end, name)

    def _on_network(self, fault: Fault, victim: Victim, name: str) -> None:
        began = time.time_ns()
        proof, heal = network.begin(fault, victim)
        self.guards.append(Guard(f"fault {name} hit", proof.held, proof.evidence))
        if heal is None:
            return

        def end() -> None:
            time.sleep(fault.seconds)
            try:
                heal()
            except (UnavailableError, UsageError) as why:
                self.guards.append(Guard(f"fault {name} ended", False, str(why)))
            self.marks.append(Mark(began, "fault", name, None, f"at {fault.at}", time.time_ns()))

        self._start(end, name)

    def _have_happen(self, fault: Fault, happening: Happening) -> None:
        name, begin = f"{fault.kind} {fault.of}", time.time_ns()
        prove = happening(fault)
        self.marks.append(Mark(begin, "fault", name, None, f"at {fault.at}", time.time_ns()))

        def end() -> None:
            proof = prove()
            self.guards.append(Guard(f"fault {name} hit", proof.held, proof.evidence))
            self.destroyed += proof.destroyed

        self._start(end, name)

    def _start(self, end: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=end, name=f"fault-{name}", daemon=True)
        thread.start()
        self._threads.append(thread)
