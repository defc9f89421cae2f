"""The conductor as a process of its own: `python -m cutover_harness.conductor.process CONFIG.json [--back]`.

It can be killed at any moment and started again with the same configuration: the journal says where it was. The
configuration holds no secrets; the clusters' properties are in the cutover file, which keeps them as references.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from confluent_kafka import KafkaException
from cutover_shim.cutover_file import parse
from pydantic import Field, model_validator

from cutover_harness.admin import Admin
from cutover_harness.conductor.conductor import START, Conductor, Route, When
from cutover_harness.conductor.inspection import inspect
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.owner import Owner, claim, refuse_other, this_run
from cutover_harness.conductor.pointer import PointerFile
from cutover_harness.conductor.statuses import Role
from cutover_harness.configfile import ConfigFile, with_paths
from cutover_harness.errors import UsageError
from cutover_harness.locks import FileLock
from cutover_harness.mirror.clients import seen_by_connect
from cutover_harness.mirror.config import Batch
from cutover_harness.mirror.task import MirrorTask
from cutover_harness.plan.path import Act
from cutover_harness.plan.scenario import Gates, Precondition, Step

WALKED, REFUSED, STOPPED, TURNED_BACK = 0, 2, 4, 5
"""Exit codes: walked to the end; bad input, or an error that ends it; stopped at a gate; back on the source."""
CONFIG, LOCK = "conductor.json", "conductor.lock"
BATCHES = "batches"
"""Folder of a run in which each batch has a folder of its own."""


def run_folder(folder: Path) -> Path:
    """Return the folder of the run that a conductor's folder belongs to."""
    return folder.parent.parent if folder.parent.name == BATCHES else folder


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
    secrets_folder: Path | None = None
    """The folder from which the Connect workers read secrets."""
    exactly_once: bool = False
    cutover_file: Path
    statuses: Path
    journal: Path

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, raw: Any) -> Any:
        """Leave out what earlier versions wrote, and what a run can be resumed without."""
        return {key: value for key, value in raw.items() if key != "lag_at"} if isinstance(raw, dict) else raw

    @classmethod
    def load(cls, file: Path) -> Self:
        """Return the configuration in `file`; one that was written with absolute paths follows its folder, too."""
        found = super().load(file)
        was, here = run_folder(found.journal.parent), run_folder(file.parent.absolute())
        return with_paths(found, lambda path: here / path.relative_to(was) if path.is_relative_to(was) else path)

    @property
    def lock(self) -> Path:
        """The file that the one conductor of the journal holds a lock on."""
        return self.journal.with_name(LOCK)

    @property
    def external(self) -> bool:
        """Whether the cutover file lies outside of the run's folder, as on real clusters."""
        return not self.cutover_file.is_relative_to(run_folder(self.journal.parent))

    def refuse_other_run(self, begun_ns: int) -> Owner:
        """Return this run as its cutover file's record names it. Raises UsageError if that names another one."""
        mine = this_run(self.journal.parent, begun_ns)
        if self.external:
            refuse_other(self.cutover_file, self.route, mine, has_ended)
        return mine

    @property
    def batch(self) -> Batch:
        """What its mirror moves."""
        return Batch(self.route, tuple(self.topics), tuple(self.groups), tuple(self.exclude))

    def clusters(self, text: str) -> tuple[dict[str, str], dict[str, str]]:
        """Return the properties of source and target in the text of a cutover file, references resolved."""
        clusters = parse(text, os.environ).clusters
        source, target = (
            {name: str(value) for name, value in clusters[cluster].properties.items()}
            for cluster in ("source", "target")
        )
        return source, target

    def mirror(self, source: Mapping[str, str], target: Mapping[str, str]) -> MirrorTask:
        """Return the mirror of the route; it has to be closed."""
        return MirrorTask(
            self.connect_url,
            seen_by_connect(source, self.connect_bootstrap.get("source")),
            seen_by_connect(target, self.connect_bootstrap.get("target")),
            self.route,
            self.topics,
            self.groups,
            exclude=self.exclude,
            exactly_once=self.exactly_once,
            reverse_connect_url=self.reverse_connect_url,
            connect_logs=self.connect_logs,
            secrets_folder=self.secrets_folder,
            stall_s=self.gates.deadline_s / 2,  # what is long enough for a gate to be missed is twice too long
        )


def has_ended(folder: Path) -> bool:
    """Whether the run in `folder` has come to its end; False if that cannot be read."""
    try:
        config = ConductorConfig.load(folder / CONFIG)
        return inspect(config.journal, config.steps, config.groups)[-1].kind == "end"
    except UsageError:
        return False


def conduct(config: ConductorConfig, *, back: bool = False) -> int:
    """Walk what is left of the path, or back to the source; return the exit code.

    Raises HeldError while another conductor has this journal.
    """
    with FileLock(config.lock):
        pointer = PointerFile.open(config.cutover_file)
        source, target = config.clusters(config.cutover_file.read_text(encoding="utf-8"))
        journal = Journal(config.journal)
        clusters = Admin(source), Admin(target)
        _note_clusters(journal, *clusters)
        mine = config.refuse_other_run(journal.read()[0].time_ns)
        if config.external:
            claim(config.cutover_file, config.route, mine)
        with config.mirror(source, target) as mirror:
            conductor = Conductor(
                route=Route(config.route, config.groups, config.clients, config.members),
                steps=config.steps,
                journal=journal,
                pointer=pointer,
                statuses=config.statuses,
                mirror=mirror,
                source=clusters[0],
                target=clusters[1],
                gates=config.gates,
                preconditions=config.preconditions,
                traffic_within_s=config.traffic_within_s,
                asks=config.asks,
                on_missed=config.on_missed,
            )
            if back:
                conductor.turn_back()
            walked = conductor.walk()
        if walked:
            return WALKED
        return TURNED_BACK if journal.read()[-1].kind == "end" else STOPPED


def _note_clusters(journal: Journal, source: Admin, target: Admin) -> None:
    """Note which clusters the run began on: `resume` and `rollback` refuse others at the same addresses."""
    if journal.read():
        return
    ids = {}
    for name, cluster in (("source", source), ("target", target)):
        with contextlib.suppress(KafkaException):  # the gates wait for a cluster that is away
            ids[name] = cluster.cluster_id()
    journal.write("clusters", START, "ids", **{name: found for name, found in ids.items() if found})


def main() -> None:
    """Conduct what the file in the first argument describes; with --back, bring everything back to the source."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the whole group; the tool ends us in order
    try:
        sys.exit(conduct(ConductorConfig.load(Path(sys.argv[1])), back="--back" in sys.argv[2:]))
    except (UsageError, KafkaException, OSError) as why:
        print(" ".join(str(why).split()), file=sys.stderr)
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
