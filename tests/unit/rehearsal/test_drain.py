"""The drain proof waits for as long as groups read on, and no longer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from cutover_harness.rehearsal import drain
from cutover_harness.rehearsal.drain import prove

T = ("t", 0)


@dataclass
class Cluster:
    """A log of 1000 records that a group reads at its own rate until it stops; its own clock."""

    per_second: float
    stops_at: int = 1000
    now: float = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def end_offsets(self, _topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        return {T: 1000}

    def committed(self, _group: str, _topics: Sequence[str]) -> Mapping[tuple[str, int], int]:
        return {T: min(self.stops_at, int(self.now * self.per_second))}


def proof(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(drain, "_with_records", lambda _cluster, _where, behind, _ends, _committed: behind)
    (found,) = prove(cluster, "target", ["g"], ["t"], 60.0, clock=cluster.clock, sleep=cluster.sleep)
    return found


def test_a_group_that_reads_on_is_waited_for_however_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Cluster(per_second=2.0)
    assert proof(slow, monkeypatch).held
    assert slow.now >= 500


def test_a_group_that_stopped_reading_has_no_proof_a_minute_later(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = Cluster(per_second=2.0, stops_at=400)
    found = proof(stopped, monkeypatch)
    assert not found.held
    assert found.evidence == "600 records in 1 partition of target left, no progress for 60 s"
    assert 259 <= stopped.now <= 262
