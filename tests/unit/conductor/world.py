"""A mirror, clusters and clients without brokers, and a conductor on them, for tests."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover_harness.conductor.conductor import Conductor
from cutover_harness.conductor.contexts import Contexts
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.statuses import FolderStatuses
from cutover_harness.conductor.timeline import Timeline, timeline
from cutover_harness.plan.scenario import Gates, PathStep
from cutover_harness.procedure.context import RouteClients
from cutover_harness.procedure.names import StepName


@dataclass
class Lag:
    total: int = 0
    records: Mapping[tuple[str, int], int] = field(default_factory=dict)
    not_compared: int = 0
    amid: int = 0


@dataclass
class Progress:
    topic: str = "t"
    partition: int = 0
    source_committed: int | None = 5
    target_committed: int | None = 5
    synchronised: bool = True


@dataclass
class Resume:
    topic: str = "t"
    partition: int = 0
    source_committed: int = 5
    target_offset: int | None = 5
    proved: bool = True


@dataclass
class Skip:
    """Records that a group would skip; `removed`: by the target, otherwise because of the group's offset."""

    words: str
    removed: bool = True
    sure: bool = True

    def __str__(self) -> str:
        return self.words


@dataclass
class World:
    """Mirror and both clusters in one, with adjustable answers; it records requests."""

    asked: list[str] = field(default_factory=list)
    lag_records: int = 0
    is_drained: bool = True
    synchronised: bool = True
    target_committed: int | None = 5
    down: list[str] = field(default_factory=list)
    is_broken: str | None = None
    is_stalled: str | None = None
    unprovable: str | None = None
    not_compared: int = 0
    gone: list[str] = field(default_factory=list)
    topic_id: str = "id-1"
    counts: dict[str, int] = field(default_factory=lambda: {"t": 1})
    skips: list[Skip] = field(default_factory=list)
    # Of both clusters.
    starts: dict[tuple[str, int], int] = field(default_factory=dict)
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    mirrored: list[tuple[str, int]] = field(default_factory=list)
    active_members: int = 0

    def mirrored_partitions(self) -> Sequence[tuple[str, int]]:
        return self.mirrored

    def skipped(self, groups: Sequence[str], *, offsets: bool = True) -> Sequence[Skip]:
        return [skip for skip in self.skips if offsets or skip.removed]

    def start_offsets(self, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        return self.starts

    def cluster_id(self) -> str:
        return "one"

    def member_names(self, group: str) -> list[str]:
        return [f"member at host {n}" for n in range(self.active(group))]

    def active(self, group: str) -> int:
        return self.active_members

    def gaps(self, *, look: bool = True) -> Sequence[str]:
        return self.gone

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        return dict.fromkeys(self.partitions(topics), self.topic_id)

    def topics(self) -> Sequence[str]:
        return ["t"]

    def exists(self) -> bool:
        return "create" in self.asked

    def create(self) -> None:
        self.asked.append("create")

    def delete(self) -> None:
        self.asked.append("delete")

    def running(self) -> Sequence[str]:
        return []

    notes: Sequence[str] = ()

    def reason(self) -> str | None:
        return None

    def translating(self) -> Sequence[str]:
        return self.down

    def broken(self) -> str | None:
        return self.is_broken

    def reverse_broken(self) -> str | None:
        return self.is_broken

    def stalled(self) -> str | None:
        return self.is_stalled

    def set_absent_offsets(self, group: str, partitions: Collection[tuple[str, int]]) -> str | None:
        self.asked.append(f"absent offsets of {group} in {list(partitions)}")
        if self.unprovable is None:
            self.target_committed = 5
        return self.unprovable

    def lag(self) -> Lag:
        return Lag(self.lag_records, not_compared=self.not_compared)

    def drained(self) -> tuple[bool, str]:
        self.asked.append("drained?")
        return self.is_drained, "3 records left"

    def group_progress(self, group: str) -> Sequence[Progress]:
        self.asked.append(f"progress of {group}?")
        return [Progress(synchronised=self.synchronised, target_committed=self.target_committed)]

    def stop_translating(self) -> None:
        self.asked.append("stop translating")

    def set_exact_offsets(self, group: str) -> tuple[bool, str]:
        self.asked.append(f"exact offsets of {group}")
        return self.synchronised, "2 of 2 partitions proved"

    def resumes(self, group: str) -> Sequence[Resume]:
        return [Resume()]

    def cut(self) -> Mapping[tuple[str, int], int]:
        self.asked.append("cut")
        return {("t", 0): 7}

    def reverse(self, cut: Mapping[tuple[str, int], int]) -> None:
        self.asked.append(f"reverse from {cut['t', 0]}")

    def reverse_drained(self) -> tuple[bool, str]:
        self.asked.append("reverse drained?")
        return self.is_drained, "4 records left"

    def partitions(self, topics: Sequence[str] | None = None) -> Mapping[str, int]:
        return {topic: self.counts[topic] for topic in topics or self.counts if topic in self.counts}

    def end_offsets(self, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        return self.ends

    def committed(self, group: str, topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        return self.offsets

    def members(self, group: str) -> int:
        return 1


class ObedientFleet(CutoverFileWriter):
    """A cutover file whose clients follow each generation immediately."""

    def write(self) -> int:
        generation = super().write()
        route = self.routes["r"]
        for instance, role, place in (("p", "producer", route.producers), ("c", "consumer", route.consumers)):
            state = {"generation": generation, "desired": place, "state": "held" if place == "hold" else place}
            status = {"instance": instance, "role": role, "updated": 0.0, "routes": {"r": state}}
            (self.path.parent / "status" / f"{instance}.json").write_text(json.dumps(status), encoding="utf-8")
        return generation


class SwitchingFleet(ObedientFleet):
    """Clients that also report their last change of cluster: 2.5 s without an acknowledgement or a delivery."""

    def write(self) -> int:
        files = {name: self.path.parent / "status" / f"{name}.json" for name in ("p", "c")}
        before = {name: json.loads(file.read_text()) if file.exists() else {} for name, file in files.items()}
        generation = super().write()
        route = self.routes["r"]
        for name, done, place in (("p", "acked", route.producers), ("c", "delivered", route.consumers)):
            content, then = json.loads(files[name].read_text()), before[name].get("routes", {}).get("r", {})
            switch = then.get("switch")
            if then and then["desired"] != place:
                if then["desired"] != "hold":
                    at = time.time() - 2.5
                    switch = {"left_at": at + 0.5, f"last_{done}_at": at, f"first_{done}_at": None}
                switch["generation"] = generation
                if place != "hold":
                    switch[f"first_{done}_at"] = switch[f"last_{done}_at"] + 2.5
            content |= {"group": "g" if name == "c" else None, "app": "checkout" if name == "p" else None}
            content["routes"]["r"] |= {"cluster": None if place == "hold" else place, "switch": switch}
            files[name].write_text(json.dumps(content), encoding="utf-8")
        return generation


class QuickJournal(Journal):
    """A journal that is not synchronised to disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._db.execute("PRAGMA synchronous=OFF")


def new_conductor(
    tmp_path: Path, world: World, path: list[PathStep], deadline_s: float = 0.02, **options: Any
) -> Conductor:
    """Return a conductor on the journal in `tmp_path`: the first, or one that resumes."""
    (tmp_path / "status").mkdir(exist_ok=True)
    file, channels = tmp_path / "cutover.toml", options.pop("channels", [])
    fleet: type[ObedientFleet] = options.pop("fleet", ObedientFleet)
    if file.exists():
        writer: CutoverFileWriter = fleet.open(file, channels)
    else:
        clusters = {"source": {"bootstrap.servers": "a:1"}, "target": {"bootstrap.servers": "b:1"}}
        writer = fleet(file, clusters, {"r": RouteLocations(["t"], ["g"])}, channels)
        writer.write()
    gates = Gates(deadline_s=deadline_s, progress_wait_s=deadline_s)
    seen: dict[str, Any] = {"target": world, "journal": QuickJournal(tmp_path / "journal.sqlite"), "gates": gates}
    seen |= {name: options.pop(name) for name in [*seen, "route", "write_fence"] if name in options}
    seen = {"route": RouteClients("r", ["g"], {"p": "producer", "c": "consumer"})} | seen
    contexts = Contexts(
        steps=path,
        cutover_file=writer,
        statuses=FolderStatuses(tmp_path / "status"),
        mirror=world,
        source=world,
        **seen,
    )
    return Conductor(contexts, sleep=lambda _: None, **options)


def timeline_of(conductor: Conductor) -> Timeline:
    return timeline(conductor.journal.read(), ["g"])


def steps(*names: StepName, safety: bool = True) -> list[PathStep]:
    return [PathStep(step=step, safety=safety) for step in names]


FORWARD = (
    StepName.CREATE_TASK, StepName.SYNCHRONISE, StepName.STOP_CONSUMERS, StepName.CONSUMERS_TO_TARGET,
    StepName.STOP_PRODUCERS, StepName.PRODUCERS_TO_TARGET, StepName.DELETE_TASK,
)  # fmt: skip


EXACT = (
    StepName.CREATE_TASK, StepName.SYNCHRONISE, StepName.STOP_CONSUMERS,
    StepName.SET_EXACT_OFFSETS, StepName.CONSUMERS_TO_TARGET,
    StepName.STOP_PRODUCERS, StepName.PRODUCERS_TO_TARGET, StepName.DELETE_TASK,
)  # fmt: skip
