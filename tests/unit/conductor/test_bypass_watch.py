"""Looks for bypasses on clusters without brokers: what is counted, from when on, and what closes gates."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor import bypass_watch
from cutover_harness.conductor.bypass_records import Side, Written, sample
from cutover_harness.conductor.bypass_watch import BypassWatch
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.journalled_gates import unless
from cutover_harness.conductor.statuses import FolderStatuses
from cutover_harness.mirror.foreign import Foreign
from cutover_harness.mirror.log_reader import Record
from cutover_harness.procedure.bypass import Range
from cutover_harness.procedure.context import RouteClients
from cutover_harness.procedure.entries import START
from cutover_harness.procedure.gates import Reading
from cutover_harness.procedure.mirror_turn import REVERSED
from cutover_harness.types import PartitionId

from tests.waiting import wait_until

P: PartitionId = ("t", 0)
TO_STAGE_4 = ("create-task", "synchronise", "stop-consumers", "set-exact-offsets", "consumers-to-target")


@dataclass
class Cluster:
    """Admin and reader of one cluster. markers: offsets that hold no record."""

    end: int = 0
    markers: set[int] = field(default_factory=set)
    members: dict[str, str] = field(default_factory=dict)
    commits: dict[PartitionId, int] = field(default_factory=dict)
    has: set[int] = field(default_factory=set)
    """Offsets of the other cluster whose records this one has."""

    @property
    def admin(self) -> Cluster:
        return self

    def close(self) -> None: ...

    def end_offsets(self, topics: Sequence[str]) -> Mapping[PartitionId, int]:
        return {P: self.end}

    def member_ids(self, group: str) -> Mapping[str, str]:
        return self.members

    def committed(self, group: str, topics: Sequence[str]) -> Mapping[PartitionId, int]:
        return self.commits

    def written(self, begins: Mapping[PartitionId, int], ends: Mapping[PartitionId, int]) -> dict[PartitionId, Written]:
        found = {}
        for partition, begin in begins.items():
            offsets = [at for at in range(begin, ends[partition]) if at not in self.markers]
            if offsets:
                first = sample(partition, record(offsets[0]))
                found[partition] = Written(Range(offsets[0], offsets[-1], len(offsets)), [first])
        return found

    def at(self, offsets: Mapping[PartitionId, Collection[int]]) -> dict[PartitionId, list[Record]]:
        return {partition: [record(at) for at in its] for partition, its in offsets.items()}

    def lacks(self, records: Mapping[PartitionId, Sequence[Record]]) -> dict[PartitionId, list[Record]]:
        left = {partition: [each for each in its if each.offset not in self.has] for partition, its in records.items()}
        return {partition: its for partition, its in left.items() if its}

    def writers(self, partitions: Collection[PartitionId], since_ms: int | None) -> tuple[str, ...]:
        return ("producer id 7 epoch 0",)


def record(offset: int) -> Record:
    return Record(offset, b"secret-key", b"secret-value", (("trace", b"secret-header"),), 1_000 + offset)


@dataclass
class Copies:
    extra: dict[str, list[int]] = field(default_factory=dict)
    begin: int = 0
    upto: int = 0

    def foreign(self, cluster: str) -> Mapping[PartitionId, Foreign]:
        return {P: Foreign(self.begin, self.extra.get(cluster, []))}

    def copied(self) -> Mapping[PartitionId, int]:
        return {P: self.upto}


class Bench:
    """A watch on a journal that the test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, 0.0
        (folder / "status").mkdir(exist_ok=True)
        self.journal = Journal(folder / "journal.sqlite")
        self.source, self.target, self.copies = Cluster(end=100), Cluster(end=40), Copies()
        self.number = -1
        self.status("p", "producer", "source")
        self.status("c", "consumer", "source")
        self.journal.write("done", START, "start")
        self.watch = self.new_watch()

    def new_watch(self, *, accepts: bool = False) -> BypassWatch:
        sides: Any = {"source": self.source, "target": self.target}
        clients = RouteClients("r", ["g"], {"p": "producer", "c": "consumer"})
        return BypassWatch(
            self.journal.path,
            clients,
            lambda: FolderStatuses(self.folder / "status"),
            sides,
            self.copies,
            lambda: ["t"],
            quiet_s=10,
            accepts=accepts,
            clock=lambda: self.now,
        )

    def status(self, instance: str, role: str, state: str) -> None:
        on_route = {"generation": 1, "desired": state, "state": state}
        content = {"instance": instance, "role": role, "updated": 1.0, "routes": {"r": on_route}}
        (self.folder / "status" / f"{instance}.json").write_text(json.dumps(content))

    def begin(self, name: str) -> None:
        self.number += 1
        self.journal.write("doing", self.number, name)

    def do(self, *names: str) -> None:
        for name in names:
            self.begin(name)
            self.journal.write("done", self.number, name)
            who, _, place = name.partition("-to-")
            if place or name.startswith("stop-"):
                role = "producer" if "producers" in name else "consumer"
                self.status(role[0], role, place if who != name and place else "held")

    def look(self, after: float = 0.0) -> str | None:
        """Look once; return why it proves nothing, None if it does."""
        self.now += after
        with closing(FolderStatuses(self.folder / "status")) as statuses:
            return self.watch.look(self.journal, statuses)[1]

    def moved(self) -> None:
        """Move everything to the target, and look until something is proved."""
        self.do(*TO_STAGE_4, "stop-producers", "producers-to-target")
        assert self.look() is not None, "the first look after a move shows where it begins, and proves nothing"
        assert self.look() is None

    def found(self) -> list[dict[str, Any]]:
        return [entry.detail for entry in self.journal.read() if entry.kind == "bypass"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.journal.close()


def test_without_a_straggler_nothing_is_found(bench: Bench) -> None:
    bench.moved()
    bench.target.end, bench.copies.extra = 90, {"target": [80, 81]}
    for _ in range(3):
        assert bench.look(after=5) is None
    assert bench.found() == []
    assert bench.watch.closing() is None


def test_a_look_that_cannot_even_begin_keeps_the_gate_closed_and_says_why(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path) -> Journal:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bypass_watch, "Journal", full)
    gate = bench.watch.gate(1.0)
    with bench.watch.running():
        wait_until(lambda: "has ended: OSError: No space left on device" in gate.read().waits_for)
    assert not gate.read().open


def test_a_straggler_on_the_source_is_named_without_key_value_or_header(bench: Bench) -> None:
    bench.moved()
    bench.source.end = 103
    bench.look()
    (found,) = bench.found()
    assert found["writers"] == [], "it is named before the brokers are asked who has written it"
    bench.look()
    found = bench.found()[-1]
    assert (found["bypass"], found["role"], found["cluster"], found["what"]) == ("straggler", "producer", "source", "t")
    assert (found["count"], found["partitions"]) == (3, [["t", 0, 100, 102, 3]])
    assert found["writers"] == ["producer id 7 epoch 0"]
    assert "secret" not in json.dumps(found)
    assert (bench.watch.closing() or "").startswith("straggler producer on the source: topic t got 3 records")


def test_markers_of_transactions_are_no_records(bench: Bench) -> None:
    bench.moved()
    bench.source.end, bench.source.markers = 102, {100, 101}
    assert bench.look() is None
    assert bench.found() == []


def test_a_straggler_is_over_when_it_is_quiet_and_was_copied(bench: Bench) -> None:
    bench.moved()
    bench.source.end = 103
    bench.look()
    bench.look(after=11)
    assert bench.found()[-1]["standing"] == "quiet"
    bench.copies.upto = 103
    bench.look(after=1)
    assert bench.found()[-1]["standing"] == "over"
    assert bench.watch.closing() is None


def test_what_is_written_while_a_step_is_in_progress_counts_once_it_is_done(bench: Bench) -> None:
    bench.do(*TO_STAGE_4, "stop-producers")
    bench.look()
    bench.begin("producers-to-target")
    bench.source.end = 101
    bench.look()
    assert bench.found() == []
    bench.journal.write("done", bench.number, "producers-to-target")
    bench.status("p", "producer", "target")
    bench.look()
    assert [each["count"] for each in bench.found()] == [1]


def test_it_counts_only_while_every_client_attests_where_it_is(bench: Bench) -> None:
    bench.moved()
    bench.status("p", "producer", "source")
    bench.source.end = 103
    assert "p is source" in (bench.look() or "")
    assert bench.found() == []
    bench.status("p", "producer", "target")
    bench.look()
    assert [each["count"] for each in bench.found()] == [3]


@pytest.mark.parametrize("step", ["stop-consumers", "stop-producers"])
def test_clients_that_are_being_moved_may_be_on_either_side_of_the_step(bench: Bench, step: str) -> None:
    """A conductor that was killed right after it had begun a step: they have not followed what it has not written."""
    bench.moved() if step == "stop-consumers" else bench.do("create-task")
    bench.begin(step)
    for _ in range(3):
        why = bench.look(1)
    assert why is None
    bench.status(*(("p", "producer") if step == "stop-consumers" else ("c", "consumer")), "elsewhere")
    assert "not every client attests where it is" in str(bench.look(1))


def test_a_look_during_which_the_conductor_has_moved_on_counts_nothing(bench: Bench) -> None:
    bench.moved()
    bench.source.end = 103

    def topics() -> Sequence[str]:
        bench.begin("stop-producers")
        return ["t"]

    bench.watch.topics = topics
    assert bench.look() == "a step is in progress"
    assert bench.found() == []


def test_copies_of_the_mirror_are_no_early_producer_and_natives_are(bench: Bench) -> None:
    bench.do("create-task", "synchronise")
    bench.look()
    bench.target.end = 60
    bench.copies.extra = {"target": [12, 50, 51]}  # 12 was there before; 50 is a copy whose source record is gone
    bench.source.has = {50}
    assert bench.look() is None
    (found,) = bench.found()
    assert (found["bypass"], found["cluster"], found["partitions"]) == ("early", "target", [["t", 0, 51, 51, 1]])
    bench.look(after=20)
    assert bench.found()[-1]["standing"] == "stays"
    assert "--accept-bypass" in (bench.watch.closing() or "")


def test_copies_of_the_reverse_mirror_are_no_straggler_and_natives_are(bench: Bench) -> None:
    bench.do(*TO_STAGE_4, "stop-producers")
    bench.look()
    bench.begin("reverse-mirror")
    bench.journal.write("cut", START, "target", offsets=[["t", 0, 40]])
    bench.journal.write("done", bench.number, "reverse-mirror")
    bench.begin("producers-to-target")
    bench.journal.write("cut", START, REVERSED)
    bench.journal.write("done", bench.number, "producers-to-target")
    bench.status("p", "producer", "target")
    bench.copies.begin, bench.source.end = 100, 150
    assert bench.look() is None
    assert bench.found() == []
    bench.copies.extra = {"source": [120]}
    bench.look()
    assert [each["partitions"] for each in bench.found()] == [[["t", 0, 120, 120, 1]]]
    bench.look(after=11)
    assert bench.found()[-1]["standing"] == "stays"


def test_a_group_on_the_source_is_named_by_its_members_and_by_its_commits(bench: Bench) -> None:
    bench.source.members, bench.source.commits = {"killed": "app at h1"}, {P: 10}
    bench.do(*TO_STAGE_4)
    bench.look()
    bench.look(after=5)
    assert bench.found() == [], "a member that was killed stays until its session ends"
    bench.source.members = {"killed": "app at h1", "new": "java at h2"}
    bench.look()
    assert [each["members"] for each in bench.found()] == [["java at h2"]]
    bench.source.members, bench.source.commits = {}, {P: 12}
    bench.look(after=6)
    assert bench.found()[-1]["partitions"] == [["t", 0, 10, 12, 1]]
    bench.look(after=11)
    assert bench.found()[-1]["standing"] == "over"


def test_an_early_group_is_named_and_offsets_on_the_target_are_the_mirrors(bench: Bench) -> None:
    bench.do("create-task", "synchronise")
    bench.look()
    bench.target.commits = {P: 30}
    bench.look()
    assert bench.found() == []
    bench.target.members = {"m": "java at h2"}
    bench.look()
    assert [(each["bypass"], each["cluster"], each["what"]) for each in bench.found()] == [("early", "target", "g")]


def test_a_conductor_that_resumes_counts_on_from_the_journal(bench: Bench) -> None:
    bench.moved()
    bench.source.end = 103
    bench.look()
    bench.source.end = 105
    bench.watch = bench.new_watch()
    assert bench.watch.closing() is not None
    bench.look()
    bench.look(after=11)
    assert (bench.found()[-1]["count"], bench.found()[-1]["standing"]) == (5, "quiet")


def test_what_a_person_accepts_opens_gates_until_more_is_written(bench: Bench) -> None:
    bench.do("create-task", "synchronise")
    bench.look()
    bench.copies.extra = {"target": [50]}
    bench.look()
    bench.watch = bench.new_watch(accepts=True)
    assert bench.watch.closing() is not None, "an earlier run has not named it as lost"
    bench.look()
    bench.look(after=11)
    bench.watch = bench.new_watch(accepts=True)
    assert bench.watch.closing() is None
    assert bench.found()[-1]["standing"] == "accepted"
    bench.copies.extra = {"target": [50, 60]}
    bench.look()
    assert "got 2 records" in (bench.watch.closing() or "")


def test_the_gate_wants_a_look_that_began_after_it_was_asked(bench: Bench) -> None:
    gate = bench.watch.gate(5.0)
    assert not gate.read().open

    def look() -> bool:
        bench.now += 0.001
        return gate.read().open

    with bench.watch.running():
        wait_until(look, 60)  # each reading wakes the thread
    assert "1 topic and 1 group looked at" in gate.read().evidence


def test_a_bypass_closes_an_open_gate_and_says_why() -> None:
    assert unless(lambda: None, lambda: Reading(open=True, evidence="e"))() == Reading(open=True, evidence="e")
    closed = unless(lambda: "straggler", lambda: Reading(open=True, evidence="e", enough=True))()
    assert (closed.open, closed.enough, closed.waits_for) == (False, False, "straggler")
    both = unless(lambda: "straggler", lambda: Reading(open=False, waits_for="lag 3"))()
    assert both.waits_for == "lag 3; straggler"


def test_a_side_opens_no_client_before_it_reads() -> None:
    side: Side = Side("source", {"bootstrap.servers": "127.0.0.1:1"}, Cluster())  # type: ignore[arg-type]
    side.close()
    assert side.written({}, {}) == {}
