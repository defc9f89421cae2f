"""Inject the faults of a scenario when the path reaches their steps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from cutover_harness.errors import UnavailableError, UsageError, in_one_line
from cutover_harness.faults.base import Fault, Injected, LastingFault, Moment, Proof
from cutover_harness.faults.context import FaultContext
from cutover_harness.faults.path_progress import PathProgress
from cutover_harness.judge.model import Destroyed, Mark, Precondition
from cutover_harness.procedure.names import StepName

_FAILED = (UnavailableError, UsageError, KafkaException, OSError)


@dataclass
class Injector:
    """Injects `faults`, and collects their marks on the time line, their proofs and what they destroyed.

    A thread of its own ends each fault, so that the path continues while the fault lasts; `finish` waits for all.
    """

    faults: Sequence[Fault]
    context: FaultContext
    marks: list[Mark] = field(default_factory=list)
    preconditions: list[Precondition] = field(default_factory=list)
    destroyed: list[Destroyed] = field(default_factory=list)
    progress: PathProgress = field(default_factory=PathProgress, init=False)
    _injected: set[int] = field(default_factory=set, init=False)
    _threads: list[threading.Thread] = field(default_factory=list, init=False)

    def inject(self, step: StepName, when: Moment) -> None:
        """Inject what is due. Raises UsageError, OSError or KafkaException if a fault cannot be injected."""
        for number, fault in enumerate(self.faults):
            # Once: a path with a way back reaches some steps twice.
            if (fault.at, fault.when) == (step, when) and number not in self._injected:
                self._injected.add(number)
                self._inject(fault)

    def finish(self) -> None:
        """Wait until every injected fault is over, also if the step that it was to outlast was never reached."""
        self.progress.end()
        for thread in self._threads:
            thread.join()

    def _inject(self, fault: Fault) -> None:
        began_ns, since = time.time_ns(), self.progress.here()
        try:
            injected = fault.inject(self.context)
        except UnavailableError as why:
            self._prove(fault, Proof(held=False, evidence=f"unavailable: {why}"))
            return
        if injected.end is None:
            self._mark(fault, began_ns)
        thread = threading.Thread(
            target=self._watch, args=(fault, injected, began_ns, since), name=f"fault-{fault.name}", daemon=True
        )
        thread.start()
        self._threads.append(thread)

    def _watch(self, fault: Fault, injected: Injected, began_ns: int, since: int) -> None:
        """Wait for the proof, and end a fault that lasts when its time has come."""
        self._attempt(fault, "hit", lambda: self._prove(fault, injected.prove()))
        if injected.end is not None:
            if isinstance(fault, LastingFault):
                self.progress.await_end(fault, since)
            self._attempt(fault, "ended", injected.end)
            self._mark(fault, began_ns)

    def _attempt(self, fault: Fault, what: str, do: Callable[[], None]) -> None:
        try:
            do()
        except _FAILED as why:
            self.preconditions.append(Precondition(f"fault {fault.name} {what}", False, in_one_line(why)))
        except Exception as why:  # noqa: BLE001 - the thread's end would hide that nothing is proved
            unexpected = f"{type(why).__name__}: {in_one_line(why)}"
            self.preconditions.append(Precondition(f"fault {fault.name} {what}", False, unexpected))

    def _prove(self, fault: Fault, proof: Proof) -> None:
        self.preconditions.append(Precondition(f"fault {fault.name} hit", proof.held, proof.evidence))
        self.destroyed += [Destroyed(each.cluster, each.topic, each.until_ns, fault.name) for each in proof.deleted]

    def _mark(self, fault: Fault, began_ns: int) -> None:
        self.marks.append(Mark(began_ns, "fault", fault.name, None, f"at {fault.at}", time.time_ns()))
