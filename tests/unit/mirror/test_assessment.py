"""What a mirror's state means for a gate, without a broker: failed tasks by Connect's answers alone, and stalls."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from cutover_harness.mirror import Batch, MirrorSpec, TwoWayMirror
from cutover_harness.mirror.assessment import Assessment
from cutover_harness.mirror.comparison import Comparison, Entry
from cutover_harness.mirror.connect_rest import Status
from cutover_harness.mirror.health import Stall
from cutover_harness.mirror.partition_logs import LogEnds, PartitionLogs
from cutover_harness.procedure.client_status import StatusWatch
from cutover_harness.procedure.conditions import Conditions
from cutover_harness.procedure.gates import Gate, Reading
from cutover_harness.procedure.protocols import ClusterLike

NOWHERE = {"bootstrap.servers": "127.0.0.1:1", "sasl.mechanisms": "PLAIN", "sasl.password": "s3cret-word"}
TRACE = """org.apache.kafka.connect.errors.ConnectException: Unrecoverable exception from producer send callback
\tat org.apache.kafka.connect.runtime.AbstractWorkerSourceTask.maybeThrowProducerSendException(X.java:333)
Caused by: org.apache.kafka.common.errors.RecordTooLargeException: 900000 bytes, login was s3cret-word
\t... 9 more
"""


def status(state: str) -> dict[str, object]:
    task = {"id": 0, "state": state, "worker_id": "w"} | ({"trace": TRACE} if state == "FAILED" else {})
    return {"name": "c", "connector": {"state": "RUNNING", "worker_id": "w"}, "tasks": [task]}


class Handler(http.server.BaseHTTPRequestHandler):
    """A Connect whose connectors have one task each."""

    state = "RUNNING"

    def do_GET(self) -> None:
        content = json.dumps(status(self.state if "-source/" in self.path else "RUNNING")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


Gates = Callable[[str], list[Gate]]


@pytest.fixture
def gates() -> Iterator[Gates]:
    """The gates that look at the mirror, of a mirror whose workers' logs cannot be read."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    mirror = TwoWayMirror(MirrorSpec(Batch("b", ("t",), ("g",)), address, NOWHERE, NOWHERE, connect_logs=()))
    nothing = cast("ClusterLike", None)

    def build(state: str) -> list[Gate]:
        Handler.state = state
        checks = Conditions(dict, StatusWatch(), mirror, nothing, nothing)
        return [checks.mirroring(60), checks.lag_under(0, 60), checks.drained(60), checks.exact_offsets(["g"], 60)]

    yield build
    mirror.close()
    server.shutdown()
    server.server_close()


def test_every_gate_of_the_mirror_names_a_failed_tasks_trace_without_the_workers_log(gates: Gates) -> None:
    for gate in gates("FAILED"):
        reading = gate.read()
        assert (reading.open, reading.never) == (False, True), gate
        assert reading.waits_for == (
            "cutover-b-source FAILED: org.apache.kafka.connect.errors.ConnectException: Unrecoverable exception from "
            "producer send callback: caused by org.apache.kafka.common.errors.RecordTooLargeException: 900000 bytes, "
            "login was ***"
        )


def test_a_task_that_runs_is_not_named(gates: Gates) -> None:
    """The negative control: the same mirror, whose clusters do not answer."""
    reading: Reading = gates("RUNNING")[2].read()
    assert (reading.open, reading.never) == (False, False)
    assert "FAILED" not in reading.waits_for


@dataclass
class Nothing:
    """Neither gaps nor topics, and what Connect has stored."""

    stored: dict[tuple[str, int], int] = field(default_factory=dict)

    def gaps(self, *, look: bool) -> list[Any]:
        return []

    def ends(self) -> dict[tuple[str, int], int]:
        return {}

    def topics(self) -> dict[str, int]:
        return {}


@dataclass
class Compared:
    """A comparison of one partition."""

    pair: PartitionLogs
    failure: str | None = None
    looks: int = 1

    def read(self, reading: Callable[..., Any]) -> Any:
        return reading({("t", 0): self.pair}, {})

    def step(self) -> bool:
        return True


@dataclass
class Running:
    """A Connect whose connectors run."""

    def status(self, _name: str) -> Status:
        return Status("RUNNING", ("RUNNING",), None)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Watched:
    """An assessment of a mirror that runs, at times of our choice."""

    pair: PartitionLogs
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.compared = Compared(self.pair)
        self.assessment = Assessment(
            cast("Any", Nothing()),
            cast("Any", self.compared),
            cast("Any", Running()),
            "c",
            None,
            30,
            lambda: None,
        )
        self.assessment._stall = Stall(self.clock)

    def broken_after(self, seconds: float, *, looks: int = 1) -> str | None:
        self.assessment._asked = None
        self.assessment.broken()
        self.clock.now += seconds
        self.compared.looks += looks
        self.assessment._asked = None
        return self.assessment.broken()


def waiting(*, ahead: int) -> PartitionLogs:
    """The source has records that the target lacks; the target has one that the source does not have."""
    comparison = Comparison(compacted=True, ahead=ahead)
    comparison.feed_target([Entry(0, 99, 1)])
    comparison.feed_source([Entry(n, n, 2) for n in range(3)])
    comparison.advance(source_ended=ahead > 3)
    return PartitionLogs(comparison, LogEnds(0, 9, 9, 0, 1), 3, 1, stamped=False)


def test_a_mirror_that_copies_nothing_is_broken() -> None:
    words = Watched(waiting(ahead=9)).broken_after(31)
    assert words is not None
    assert "has copied nothing for 31 s" in words


def test_a_comparison_that_stands_still_is_no_evidence_of_a_stall() -> None:
    """On a busy machine nobody may look at the logs for longer than a mirror may copy nothing."""
    watched = Watched(waiting(ahead=9))
    assert watched.broken_after(31, looks=0) is None
    assert "has copied nothing for 62 s" in (watched.broken_after(31) or "")


def test_a_comparison_by_keys_is_no_stall() -> None:
    """It takes minutes, and the comparison in order makes no progress in that time."""
    pair = waiting(ahead=3)
    assert pair.comparison.overrun
    assert Watched(pair).broken_after(31) is None
    pair.begin_by_key()
    assert Watched(pair).broken_after(31) is None


def test_records_removed_unseen_that_connect_has_passed_close_every_gate() -> None:
    """Only a look at everything compares Connect's offset with all that the target has; what it found stays found."""
    comparison = Comparison()
    comparison.source_removed(0, 3)
    pair = PartitionLogs(comparison, LogEnds(3, 3, 3, 0, 0), 3, 0, stamped=False, source_read=3)
    watched = Watched(pair)
    seen = cast("Nothing", watched.assessment.estimator)
    seen.stored = {("t", 0): 1}
    assert watched.assessment.drained()[0] is False
    assert watched.broken_after(1) is None, "the mirror may still copy the last one"
    seen.stored = {("t", 0): 2}
    assert watched.broken_after(1) is None
    assert watched.assessment.drained()[0] is False
    assert "the mirror has continued behind them" in (watched.broken_after(1) or "")
