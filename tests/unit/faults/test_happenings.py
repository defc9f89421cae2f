"""Faults that are no signal to a process: that they hit has to be proved, or the run proves nothing."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cutover_harness.conductor.pointer import PointerFile, RoutePointer
from cutover_harness.faults import cutover_file
from cutover_harness.faults.cutover_file import BrokenFile
from cutover_harness.faults.group import Joining
from cutover_harness.faults.inject import Injector
from cutover_harness.faults.proof import Proof
from cutover_harness.plan.fault import Fault
from cutover_harness.plan.path import Act
from cutover_shim.cutover_file import CutoverFileError, parse

AT = Act.STOP_CONSUMERS


def fault(kind: str, of: str, **more: Any) -> Fault:
    return Fault.model_validate({"kind": kind, "of": of, "at": AT, **more})


@dataclass
class Fleet:
    """A cutover file at its second generation, and the statuses of its clients."""

    folder: Path
    pointer: PointerFile = field(init=False)
    broken: BrokenFile = field(init=False)

    def __post_init__(self) -> None:
        clusters = {"source": {"bootstrap.servers": "a:1"}, "target": {"bootstrap.servers": "b:1"}}
        self.pointer = PointerFile(self.folder / "cutover.toml", clusters, {"r": RoutePointer(["t"], ["g"])})
        self.pointer.write()
        (self.folder / "status").mkdir()
        self.broken = BrokenFile(self.pointer.path, self.folder / "status", "r")

    def says(self, instance: str, rejected: str | None, generation: int = 2) -> None:
        state = {"generation": generation, "desired": "hold", "state": "held"}
        status = {
            "instance": instance,
            "role": "consumer",
            "updated": 0.0,
            "rejected": rejected,
            "routes": {"r": state},
        }
        (self.folder / "status" / f"{instance}.json").write_text(json.dumps(status), encoding="utf-8")


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    made = Fleet(tmp_path)
    made.pointer.point("r", consumers="hold")
    return made


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutover_file, "REFUSED_WITHIN_S", 0.05)


def happen(fleet: Fleet, kind: str) -> Proof:
    return fleet.broken(fault(kind, "cutover-file", seconds=0.01))()


def test_a_torn_file_cannot_be_parsed_and_is_made_good_by_the_next_write(fleet: Fleet) -> None:
    fleet.says("a", "not valid TOML")
    proof = happen(fleet, "tear")
    assert proof == Proof(True, "1 of 1 clients refuse it and keep generation 2: not valid TOML")
    with pytest.raises(CutoverFileError):
        parse(fleet.pointer.path.read_text(encoding="utf-8"), {})
    fleet.pointer.point("r", consumers="target")
    assert parse(fleet.pointer.path.read_text(encoding="utf-8"), {}).generation == 3


def test_clients_that_notice_late_are_waited_for(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutover_file, "REFUSED_WITHIN_S", 60.0)
    late = threading.Timer(0.3, fleet.says, ("a", "not valid TOML"))
    late.start()
    assert happen(fleet, "tear").held
    late.join()


def test_a_deleted_file_is_gone(fleet: Fleet) -> None:
    fleet.says("a", "cannot be read")
    assert happen(fleet, "delete").held
    assert not fleet.pointer.path.exists()


def test_rewinding_puts_back_the_first_generation(fleet: Fleet) -> None:
    fleet.says("a", "generation 1 after 2")
    assert happen(fleet, "rewind").held
    assert parse(fleet.pointer.path.read_text(encoding="utf-8"), {}).generation == 1


def test_where_nothing_was_written_since_rewinding_proves_nothing(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.says("a", "something", 1)
    assert not happen(fleet, "rewind").held


@pytest.mark.parametrize(("rejected", "generation"), [(None, 2), ("refused", 1)], ids=["noticed nothing", "followed"])
def test_a_client_that_does_not_refuse_what_is_there_proves_nothing(
    fleet: Fleet, rejected: str | None, generation: int
) -> None:
    fleet.says("a", "not valid TOML")
    fleet.says("b", rejected, generation)
    assert not happen(fleet, "tear").held


def test_without_any_status_nothing_is_proved(fleet: Fleet) -> None:
    assert not happen(fleet, "tear").held


def joined(tmp_path: Path, assigned: dict[str, list[int]]) -> Proof:
    def add_member(name: str) -> str:
        status = {"routes": {"r": {"cluster": "source", "assigned": assigned}}}
        (tmp_path / f"{name}-3.json").write_text(json.dumps(status), encoding="utf-8")
        return f"{name}-3"

    shape = SimpleNamespace(groups={"billing": 2, "audit": 1})
    member: Any = SimpleNamespace(shape=shape, status_dir=tmp_path, add_member=add_member)
    return Joining(member, 0.05)(fault("join", "group"))()


def test_a_member_that_joined_was_assigned_something(tmp_path: Path) -> None:
    assert joined(tmp_path, {"t": [0, 1], "u": [2]}) == Proof(
        True, "billing-3 of billing was assigned 3 partitions on source"
    )
    assert not joined(tmp_path, {}).held


def test_the_path_goes_on_once_the_member_is_up_however_long_it_takes_to_start(tmp_path: Path) -> None:
    started: list[threading.Timer] = []

    def add_member(name: str) -> str:
        status = {"routes": {"r": {"cluster": "source", "assigned": {}}}}
        text = json.dumps(status)
        started.append(threading.Timer(0.3, (tmp_path / f"{name}-3.json").write_text, (text,)))
        started[0].start()
        return f"{name}-3"

    member: Any = SimpleNamespace(
        shape=SimpleNamespace(groups={"billing": 2}), status_dir=tmp_path, add_member=add_member
    )
    Joining(member, 60.0)(fault("join", "group"))
    assert (tmp_path / "billing-3.json").exists()
    started[0].join()


def test_what_happens_is_marked_and_its_proof_kept() -> None:
    seen: list[Fault] = []

    def happening(which: Fault) -> Any:
        seen.append(which)
        return lambda: Proof(False, "nothing was there")

    injector = Injector((fault("expire", "topics"),), {}, {"topics": happening})
    injector(Act.SYNCHRONISE, "before")
    assert not seen
    injector(AT, "before")
    injector.finish()
    assert [mark.name for mark in injector.marks] == ["expire topics"]
    (guard,) = injector.guards
    assert (guard.name, guard.held, guard.evidence) == ("fault expire topics hit", False, "nothing was there")
