"""The master's side of a load: it distributes the clients, ends the load cleanly, and judges it."""

from __future__ import annotations

import json
import logging
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import gevent

from cutover_harness import exit_codes
from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.load.connection import ConsumerPart, ProducerPart
from cutover_harness.load.interruption import INTERRUPTIONS
from cutover_harness.load.messages import COUNTS, PHASE, SLOT, SLOT_WANTED, SUMMARY
from cutover_harness.load.settings import LoadSettings
from cutover_harness.load.summary import GroupResult, GroupSummary, ProducerSummary, compare
from cutover_harness.masking import visible
from cutover_harness.waits import wait_until

log = logging.getLogger(__name__)
_START_AFTER_NS = 2_000_000_000
_POLL_S = 0.2
_ALL_STARTED_S = 60.0
_FLUSH_S = 330.0
_SUMMARY_S = 60.0


@dataclass
class LoadResult:
    """The result of a load: PASS, FAIL or INCONCLUSIVE, the reasons, and the counts."""

    outcome: str
    reasons: list[str]
    sent: int
    acked: int
    failed: int
    groups: list[GroupResult]
    seconds: float

    @property
    def exit_code(self) -> int:
        """The exit code of the outcome."""
        return {"PASS": 0, "FAIL": exit_codes.FAILED}.get(self.outcome, exit_codes.UNPROVED)

    def lines(self) -> list[str]:
        """Return the result as lines of text."""
        head = f"load: {self.outcome}: {self.sent:,} sent, {self.acked:,} acknowledged, {self.failed:,} failed"
        out = [f"{head}, in {self.seconds:.0f} s"]
        for group in self.groups:
            again = ", ".join(f"{count:,} {cause}" for cause, count in sorted(group.duplicated.items())) or "0"
            out.append(
                f"  group {group.group}: {group.delivered:,} of {group.expected:,} delivered, {group.lost:,} lost, "
                f"{group.phantom:,} phantom, {group.reordered:,} reordered, delivered again: {again}"
            )
            out += [f"    lost: {example}" for example in group.examples]
        return [visible(line) for line in [*out, *(f"  {reason}" for reason in self.reasons)]]


@dataclass
class _Worker:
    """A worker's clients and its latest counts."""

    clients: list[str] = field(default_factory=list)
    counts: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] | None = None


class Coordinator:
    """Runs in the master, or in the only process of a local run."""

    def __init__(self, environment: Any, settings: LoadSettings) -> None:
        self.result: LoadResult | None = None
        self._environment = environment
        self._settings = settings
        runner = environment.runner
        runner.register_message(SLOT_WANTED, self._on_slot_wanted)
        runner.register_message(COUNTS, self._on_counts)
        runner.register_message(SUMMARY, self._on_summary)
        self.begin()
        if not settings.replay.loop:
            gevent.spawn(self._end_with_the_capture)

    def started(self) -> None:
        """Begin a load: Locust starts its clients."""
        self.begin()
        if self._settings.run_time_s is not None:
            gevent.spawn(self._end_in_time, self._run, self._settings.run_time_s)

    def begin(self) -> None:
        """Reset after the previous load: all slots are free, and records get a new run number."""
        self.result = None
        self._finishing = self._shown = False
        self._workers: dict[str, _Worker] = {}
        self._taken = {"producer": 0, "consumer": 0}
        self._run = secrets.randbits(63)
        self._begun = time.monotonic()
        self._start_ns = time.time_ns() + _START_AFTER_NS

    def _on_slot_wanted(self, environment: Any, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust's signature
        role = msg.data["role"]
        index = self._taken[role]
        settings = self._settings
        part: ProducerPart | ConsumerPart | None = None
        if not self._finishing and index < (settings.producers if role == "producer" else len(settings.members)):
            self._taken[role] += 1
            if role == "producer":
                part = settings.producer_part(index, self._run, self._start_ns)
            else:
                part = settings.consumer_part(index, self._run)
            self._workers.setdefault(msg.node_id, _Worker()).clients.append(part.instance)
        answer = {"user": msg.data["user"], "part": None if part is None else part.model_dump_json()}
        self._environment.runner.send_message(SLOT, answer, client_id=msg.node_id)

    def _on_counts(self, environment: Any, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust's signature
        log.debug("counts %s", msg.data)
        self._workers.setdefault(msg.node_id, _Worker()).counts = msg.data

    def _on_summary(self, environment: Any, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust's signature
        self._workers.setdefault(msg.node_id, _Worker()).summary = msg.data

    def finish(self) -> LoadResult | None:
        """End the load once: producers flush, consumers catch up, workers send summaries. Return None if none ran."""
        if self._finishing or not self._workers:
            return self.result
        self._finishing = INTERRUPTIONS.ending = True
        try:
            return self._finish()
        finally:
            INTERRUPTIONS.ending = False

    def _finish(self) -> LoadResult:
        drain_s = self._settings.drain_s
        print(f"load: ending: producers flush, groups read the rest (up to {drain_s:g} s without progress)", flush=True)
        self._environment.runner.send_message(PHASE, {"phase": "drain"})
        flushed = self._wait(_FLUSH_S, lambda: not any(w.counts.get("producing", 1) for w in self._alive()))
        self._wait_for_deliveries()
        self._environment.runner.send_message(PHASE, {"phase": "finish"})
        self._wait(_SUMMARY_S, lambda: all(w.summary is not None for w in self._alive()))
        self.result = self._judge(flushed=flushed)
        if getattr(self._environment, "web_ui", None) is not None:
            self.show()  # the page goes on; without one, Locust prints its tables next, and then this is called
        self._environment.process_exit_code = self.result.exit_code
        self._report(self.result)
        return self.result

    def show(self) -> None:
        """Print the result, if there is one, once."""
        if self.result is not None and not self._shown:
            self._shown = True
            print("\n".join(self.result.lines()), flush=True)

    def _report(self, result: LoadResult) -> None:
        file = self._settings.report
        if file is None:
            return
        try:
            write_atomic(file, json.dumps(asdict(result), indent=1, default=str), mode=PRIVATE)
        except OSError as why:
            print(f"kafka-cutover: --report {file}: cannot be written ({why.strerror})", file=sys.stderr, flush=True)
            self._environment.process_exit_code = exit_codes.REFUSED

    def _end_with_the_capture(self) -> None:
        """Quit when every producer was started and has reached the end of its part."""
        while self._taken["producer"] < self._settings.producers or any(
            worker.counts.get("producing", 1) for worker in self._workers.values()
        ):
            gevent.sleep(_POLL_S)
        if not self._finishing:
            self._environment.runner.quit()

    def _end_in_time(self, run: int, run_time_s: float) -> None:
        """Quit, or stop if there is a web page, `run_time_s` after all clients of the load `run` were started.

        It uses the monotonic clock: the event loop's own clock stops while Locust starts, so the time would end early.
        """
        self._wait(_ALL_STARTED_S, lambda: self._all_taken and time.time_ns() >= self._start_ns)
        self._begun = time.monotonic()
        print(f"load: the clients run, for {run_time_s:g} s", flush=True)
        while time.monotonic() - self._begun < run_time_s:
            if self._run != run or self._finishing:
                return
            gevent.sleep(min(_POLL_S, run_time_s))
        if self._run != run or self._finishing:
            return
        runner = self._environment.runner
        if getattr(self._environment.parsed_options, "headless", True):
            runner.quit()
        else:
            runner.stop()

    @property
    def _all_taken(self) -> bool:
        settings = self._settings
        return self._taken == {"producer": settings.producers, "consumer": len(settings.members)}

    def _alive(self) -> list[_Worker]:
        """Return the workers that have clients and are still connected."""
        clients = getattr(self._environment.runner, "clients", None)
        gone = (
            set()
            if clients is None
            else {n for n in self._workers if n not in clients or clients[n].state == "missing"}
        )
        return [worker for name, worker in self._workers.items() if worker.clients and name not in gone]

    @staticmethod
    def _wait(seconds: float, condition: Callable[[], bool]) -> bool:
        return wait_until(condition, seconds, backoff_s=_POLL_S, sleep=gevent.sleep)

    def _wait_for_deliveries(self) -> None:
        """Wait until every group was delivered as many records as were acknowledged, or until there is no progress."""
        quiet_since, before = time.monotonic(), -1
        groups = list(self._settings.groups)
        while time.monotonic() - quiet_since < self._settings.drain_s:
            workers = self._alive()
            acked = sum(w.counts.get("acked", 0) for w in workers)
            delivered = [sum(w.counts.get("delivered", {}).get(g, 0) for w in workers) for g in groups]
            if all(count >= acked for count in delivered):
                return
            if sum(delivered) != before:
                quiet_since, before = time.monotonic(), sum(delivered)
            gevent.sleep(_POLL_S)

    def _judge(self, *, flushed: bool) -> LoadResult:
        producers = ProducerSummary()
        groups = {group: GroupSummary() for group in self._settings.groups}
        reasons = [] if flushed else ["producers did not finish in time, so later acknowledgements are missing"]
        for worker in self._workers.values():
            if worker.summary is None:
                if worker.clients:
                    reasons.append(f"lost a worker and its statistics: {', '.join(worker.clients)}")
                continue
            reasons += worker.summary["errors"]
            for wire in worker.summary["producers"]:
                producers.merge_wire(wire)
            for group, wire in worker.summary["groups"]:
                groups[group].merge_wire(wire)
        for role, wanted in (("producer", self._settings.producers), ("consumer", len(self._settings.members))):
            if self._taken[role] < wanted:
                reasons.append(f"only {self._taken[role]} of {wanted} {role}s were started")
        acked = sum(map(len, producers.acked.values()))
        if not acked:
            reasons.append("nothing was acknowledged")
        results = [compare(producers, group, summary, None) for group, summary in groups.items()]
        outcome = "INCONCLUSIVE" if reasons else "PASS"
        bad = [r for r in results if r.lost or r.phantom or r.reordered]
        if bad and not reasons:
            outcome = "FAIL"
            reasons = [f"group {r.group}: {r.lost} lost, {r.phantom} phantom, {r.reordered} reordered" for r in bad]
        return LoadResult(
            outcome,
            reasons,
            sum(producers.sent.values()),
            acked,
            producers.failed,
            results,
            time.monotonic() - self._begun,
        )
