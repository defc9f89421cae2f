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
from cutover_harness.faults.proof import Happening, Proof
from cutover_harness.faults.way import Way
from cutover_harness.judge.model import Destroyed, Guard, Mark
from cutover_harness.plan.fault import Fault
from cutover_harness.plan.path import Act
from cutover_harness.testbed.base import UnavailableError


class Victim(Protocol):
    """Anything a fault can hit: a broker, the Connect worker, an app instance."""

    def kill(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...
    def stop(self) -> str | None:
        """Shut it down in good order; return in words that it was killed, where it did not end by itself."""
        ...

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
    way: Way = field(default_factory=Way, init=False)
    _threads: list[threading.Thread] = field(default_factory=list, init=False)

    def __call__(self, act: Act, when: str) -> None:
        """Inject what is due at `act`."""
        for fault in self.faults:
            if fault.at == act and fault.when == when:
                if happening := self.happenings.get(fault.of):
                    self._have_happen(fault, happening)
                elif fault.of in self.victims:
                    self._inject(fault)

    def finish(self) -> None:
        """Wait until every injected fault is over, also those that were to outlast what the path never came to."""
        self.way.end()
        for thread in self._threads:
            thread.join()

    def _inject(self, fault: Fault) -> None:
        victim = self.victims[fault.of]()
        began, since = time.time_ns(), self.way.here()
        if fault.kind in network.NETWORK:
            proof, end = network.begin(fault, victim)
        else:
            proof, end = _on_process(fault, victim)
        self.guards.append(Guard(f"fault {_name(fault)} hit", proof.held, proof.evidence))
        if end is not None:
            self._start(lambda: self._end(fault, began, since, end), _name(fault))

    def _end(self, fault: Fault, began: int, since: int, end: Callable[[], None]) -> None:
        self.way.await_end(fault, since)
        try:
            end()
        except (UnavailableError, UsageError) as why:
            self.guards.append(Guard(f"fault {_name(fault)} ended", False, " ".join(str(why).split())))
        self.marks.append(Mark(began, "fault", _name(fault), None, f"at {fault.at}", time.time_ns()))

    def _have_happen(self, fault: Fault, happening: Happening) -> None:
        begin = time.time_ns()
        prove = happening(fault)
        self.marks.append(Mark(begin, "fault", _name(fault), None, f"at {fault.at}", time.time_ns()))

        def end() -> None:
            proof = prove()
            self.guards.append(Guard(f"fault {_name(fault)} hit", proof.held, proof.evidence))
            self.destroyed += proof.destroyed

        self._start(end, _name(fault))

    def _start(self, end: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=end, name=f"fault-{name}", daemon=True)
        thread.start()
        self._threads.append(thread)


def _name(fault: Fault) -> str:
    return f"{fault.kind} {fault.of}"


def _on_process(fault: Fault, victim: Victim) -> tuple[Proof, Callable[[], None]]:
    """Signal a process; return whether that hit it, and what ends the fault."""
    said = None
    if fault.kind == "freeze":
        victim.freeze()
    elif fault.kind == "kill":
        victim.kill()
    else:
        said = victim.stop()
    hit = victim.stopped()
    how = f" ({said})" if said else ""
    proof = Proof(hit, f"{fault.of} {'was down' if hit else 'kept running'} at {fault.at}{how}")
    return proof, victim.thaw if fault.kind == "freeze" else victim.restart
