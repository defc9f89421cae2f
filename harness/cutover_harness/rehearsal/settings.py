"""Settings of one invocation of `rehearse`, apart from the scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cutover_harness.judge.planned import Planned
from cutover_harness.testbed.automq.options import AutomqOptions
from cutover_harness.testbed.docker.options import DockerOptions
from cutover_harness.testbed.existing.description import ExistingClusters

TestbedKind = Literal["process", "docker", "automq", "existing"]
FILE_CONNECTORS: tuple[TestbedKind, ...] = ("process", "automq")
"""Testbeds that can run Kafka's file connectors."""
NEEDS_PROCESSES = "connectors of a batch need brokers that run as processes"
TARGET_RUN_S = 30.0
"""How long one pass over the capture takes if no speed is given."""


@dataclass(frozen=True)
class PlanSettings:
    """The plan that is rehearsed.

    facts: its name and hashes, for `rehearsal.json`. planned: what of it each scenario rehearses, by the scenario's
    name. replayed: whether a capture is replayed; otherwise each scenario has traffic of its own.
    """

    facts: Mapping[str, Any]
    planned: Mapping[str, Planned]
    replayed: bool


@dataclass(frozen=True)
class Settings:
    """Where a rehearsal writes, what it replays and on which brokers.

    `speed` is the replay speed factor; None replays the capture in 30 seconds. `ports` are those of source, target and
    Connect; None takes free ones. `jobs`: how many scenarios run in parallel, each on a testbed of its own; timings get
    longer then. `target_ack_delay_ms` delays the target's acknowledgements; with `exactly_once` MirrorMaker 2 writes in
    transactions (KIP-618). `brokers`: of each cluster; None: as many as each scenario asks for. `source_version` is for
    brokers that run as processes, `docker` for testbeds of containers, `automq` for an AutoMQ that runs as a process,
    `existing` for clusters that exist already. `replace`: an earlier run in `out` is removed instead of kept. `plan`:
    the plan that the scenarios were generated from, if they were. `policy`: the policy of the report; None: the one in
    `out`.
    `explored`: the result file of `scenarios explore`, for the report; None: the one in `out`.
    """

    out: Path
    capture: Path
    command: str
    seed: int
    speed: float | None = None
    testbed: TestbedKind = "process"
    docker: DockerOptions = field(default_factory=DockerOptions)
    automq: AutomqOptions | None = None
    existing: ExistingClusters | None = None
    source_version: str = "3.9.2"
    brokers: int | None = None
    target_ack_delay_ms: int = 0
    exactly_once: bool = False
    ports: tuple[int, int, int] | None = None
    keep: bool = False
    jobs: int = 1
    replace: bool = False
    plan: PlanSettings | None = None
    policy: Path | None = None
    explored: Path | None = None

    def planned(self, scenario: str) -> Planned | None:
        """Return the part of the plan that a scenario rehearses, None without a plan."""
        return None if self.plan is None else self.plan.planned.get(scenario)
