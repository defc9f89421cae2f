"""The conductor as a process of its own: `python -m cutover_harness.conductor.process CONFIG.json [--back]`.

It can be killed at any moment and started again with the same configuration: the journal says where it was. The
configuration holds no secrets; the clusters' properties are in the cutover file, which keeps them as references.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Literal

from cutover_shim.cutover_file import parse
from pydantic import Field

from cutover_harness.admin import Admin
from cutover_harness.conductor.conductor import Conductor, Route, When
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.pointer import PointerFile
from cutover_harness.conductor.statuses import Role
from cutover_harness.configfile import ConfigFile
from cutover_harness.errors import UsageError
from cutover_harness.mirror.clients import seen_by_connect
from cutover_harness.mirror.task import MirrorTask
from cutover_harness.plan.path import Act
from cutover_harness.plan.scenario import Gates, Precondition, Step

WALKED, NOT_WALKED = 0, 4
"""Exit codes: the path was walked to its end; it stopped at a gate or was turned back."""


class ConductorConfig(ConfigFile):
    """What a conductor is started with."""

    what = "conductor configuration"

    route: str
    topics: list[str]
    exclude: list[str] = Field(default=[])
    groups: list[str]
    clients: dict[str, Role]
    members: dict[str, int] | None = None
    steps: list[Step]
    gates: Gates
    preconditions: list[tuple[Act, Precondition]] = Field(default=[])
    traffic_within_s: float = 0.0
    asks: list[tuple[Act, When]] = Field(default=[])
    on_missed: Literal["stop", "rollback"] = "stop"
    connect_url: str
    reverse_connect_url: str | None = None
    connect_bootstrap: dict[str, str] = Field(default={})
    """How Connect reaches `source` and `target` where not at the address in the cutover file."""
    connect_logs: list[Path] = Field(default=[])
    """The Connect workers' logs if they can be read here."""
    exactly_once: bool = False
    cutover_file: Path
    statuses: Path
    journal: Path


def conduct(config: ConductorConfig, *, back: bool = False) -> int:
    """Walk what is left of the path, or back to the source; return the exit code."""
    pointer = PointerFile.open(config.cutover_file)
    clusters = parse(config.cutover_file.read_text(encoding="utf-8"), os.environ).clusters
    source, target = (
        {name: str(value) for name, value in clusters[cluster].properties.items()} for cluster in ("source", "target")
    )
    journal = Journal(config.journal)
    with MirrorTask(
        config.connect_url,
        seen_by_connect(source, config.connect_bootstrap.get("source")),
        seen_by_connect(target, config.connect_bootstrap.get("target")),
        config.route,
        config.topics,
        config.groups,
        exclude=config.exclude,
        exactly_once=config.exactly_once,
        reverse_connect_url=config.reverse_connect_url,
        connect_logs=config.connect_logs,
    ) as mirror:
        conductor = Conductor(
            route=Route(config.route, config.groups, config.clients, config.members),
            steps=config.steps,
            journal=journal,
            pointer=pointer,
            statuses=config.statuses,
            mirror=mirror,
            source=Admin(source),
            target=Admin(target),
            gates=config.gates,
            preconditions=config.preconditions,
            traffic_within_s=config.traffic_within_s,
            asks=config.asks,
            on_missed=config.on_missed,
        )
        if back:
            conductor.turn_back()
        return WALKED if conductor.walk() else NOT_WALKED


def main() -> None:
    """Conduct what the file in the first argument describes; with --back, bring everything back to the source."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the whole group; the tool ends us in order
    try:
        sys.exit(conduct(ConductorConfig.load(Path(sys.argv[1])), back="--back" in sys.argv[2:]))
    except UsageError as why:
        print(why, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
