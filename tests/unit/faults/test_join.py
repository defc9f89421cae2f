"""A group that grows while it moves."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cutover_harness.faults.base import Proof
from cutover_harness.procedure.names import StepName

from tests.unit.faults.faults import context, fault

AT = StepName.STOP_CONSUMERS


def joined(tmp_path: Path, assigned: dict[str, list[int]]) -> Proof:
    def add_member(name: str) -> str:
        status = {"routes": {"r": {"cluster": "source", "assigned": assigned}}}
        (tmp_path / f"{name}-3.json").write_text(json.dumps(status), encoding="utf-8")
        return f"{name}-3"

    shape = SimpleNamespace(groups={"billing": 2, "audit": 1})
    member: Any = SimpleNamespace(shape=shape, status_dir=tmp_path, add_member=add_member)
    proof: Proof = fault("join", "group", at=AT).inject(context(fleet=member)).prove()
    return proof


def test_a_member_that_joined_was_assigned_something(tmp_path: Path) -> None:
    assert joined(tmp_path, {"t": [0, 1], "u": [2]}) == Proof(
        True, "billing-3 of billing was assigned 3 partitions on source"
    )
    assert not joined(tmp_path, {}).held


def test_the_path_continues_once_the_member_is_up_however_long_it_takes_to_start(tmp_path: Path) -> None:
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
    fault("join", "group", at=AT).inject(context(fleet=member, patience_s=60.0))
    assert (tmp_path / "billing-3.json").exists()
    started[0].join()
