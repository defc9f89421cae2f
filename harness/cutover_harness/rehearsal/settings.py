"""What one invocation of `rehearse` is asked for, apart from the scenarios."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cutover_harness.testbed.automq.options import AutomqOptions
from cutover_harness.testbed.docker.options import DockerOptions

TestbedKind = Literal["process", "docker", "automq"]
TARGET_RUN_S = 30.0
"""How long one pass over the capture lasts where no speed is given."""


@dataclass(frozen=True)
class Settings:
    """Where a rehearsal writes, what it replays and on which brokers.

    `speed` is the factor on the capture's rhythm; None lets one pass over the capture last 30 seconds. `ports` are
    those of source, target and Connect; None takes free ones. `jobs`: how many scenarios run at once, each on a testbed
    of its own; they disturb each other's times. `target_ack_delay_ms` holds the target's acknowledgements back;
    `exactly_once` has MirrorMaker 2 write in transactions (KIP-618). `source_version` is of brokers that run as
    processes, `docker` is for testbeds of containers, `automq` for an AutoMQ that runs as a process. `replace`: an
    earlier run in `out` is removed, not kept beside.
    """

    out: Path
    capture: Path
    command: str
    seed: int
    speed: float | None = None
    testbed: TestbedKind = "process"
    docker: DockerOptions = field(default_factory=DockerOptions)
    automq: AutomqOptions | None = None
    source_version: str = "3.9.2"
    target_ack_delay_ms: int = 0
    exactly_once: bool = False
    ports: tuple[int, int, int] | None = None
    keep: bool = False
    jobs: int = 1
    replace: bool = False
