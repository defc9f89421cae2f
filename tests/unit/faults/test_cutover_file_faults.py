"""A broken cutover file: every client has to refuse it, or the run proves nothing."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.conductor.statuses import FolderStatuses, read_statuses
from cutover_harness.faults import cutover_file
from cutover_harness.faults.base import Proof
from cutover_harness.faults.context import CutoverFileContext
from cutover_harness.procedure.names import StepName
from cutover_shim.cutover_file import CutoverFileError, parse

from tests.unit.faults.faults import context, fault

AT = StepName.STOP_CONSUMERS


@dataclass
class Fleet:
    """A cutover file at its second generation, and the statuses of its clients."""

    folder: Path
    pointer: CutoverFileWriter = field(init=False)
    file: CutoverFileContext = field(init=False)

    def __post_init__(self) -> None:
        clusters = {"source": {"bootstrap.servers": "a:1"}, "target": {"bootstrap.servers": "b:1"}}
        self.pointer = CutoverFileWriter(self.folder / "cutover.toml", clusters, {"r": RouteLocations(["t"], ["g"])})
        self.pointer.write()
        (self.folder / "status").mkdir()
        self.file = CutoverFileContext(
            self.pointer.path,
            self.pointer.path.read_bytes(),
            lambda: list(read_statuses(FolderStatuses(self.folder / "status"), "r").values()),
        )

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
    proof: Proof = fault(kind, "cutover-file", at=AT, seconds=0.01).inject(context(cutover_file=fleet.file)).prove()
    return proof


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


def test_rewinding_proves_nothing_if_nothing_was_written_since(tmp_path: Path) -> None:
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
