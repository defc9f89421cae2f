"""What a look of a gate writes, no conductor writes any more that was suspended and taken over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from cutover_harness.errors import LeaseLostError
from cutover_harness.mirror import Batch, MirrorSpec, TwoWayMirror
from cutover_harness.mirror.exact_resume import ExactOffset

NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}
ROW = ExactOffset("t", 0, 5, 5, proved=True, evidence="record 4", skipped_duplicates=0)


class Exact:
    """Offsets that are proved; it notes what is set."""

    def __init__(self) -> None:
        self.applied: list[str] = []

    def compute(self, *_: object) -> Sequence[ExactOffset]:
        return [ROW]

    def apply(self, group: str, _rows: Sequence[ExactOffset]) -> None:
        self.applied.append(group)

    def close(self) -> None:
        pass


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoWayMirror]:
    """A mirror whose offsets are proved, and which has new topics to create."""
    mirror = TwoWayMirror(MirrorSpec(Batch("b", ("t",), ("g",)), "http://127.0.0.1:1", NOWHERE, NOWHERE))
    asked: list[str] = []
    monkeypatch.setattr(mirror, "stop_translating", lambda: asked.append("stop_translating"))
    monkeypatch.setattr(mirror, "topics", lambda: ["t"])
    monkeypatch.setattr(mirror, "offset_syncs", list)
    monkeypatch.setattr(mirror, "_exact", Exact())
    monkeypatch.setattr(mirror._lag, "topics", lambda: {"t": 1})
    monkeypatch.setattr(mirror._target_topics, "follow", lambda _topics: asked.append("topics"))
    monkeypatch.setattr(mirror, "asked", asked, raising=False)
    yield mirror
    mirror.close()


LOOKS: dict[str, Callable[[Any], object]] = {
    "exact offsets": lambda mirror: mirror.set_exact_offsets("g"),
    "absent offsets": lambda mirror: mirror.set_absent_offsets("g", [("t", 0)]),
    "new topics": lambda mirror: mirror._follow(),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_look_writes_nothing_once_the_lease_is_lost(mirror: Any, look: Callable[[Any], object]) -> None:
    def lost() -> None:
        raise LeaseLostError("this run was taken over")

    mirror.fence = lost
    with pytest.raises(LeaseLostError):
        look(mirror)
    assert (mirror._exact.applied, mirror.asked) == ([], [])


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_look_writes_while_the_lease_is_held(mirror: Any, look: Callable[[Any], object]) -> None:
    """The negative control."""
    look(mirror)
    assert mirror._exact.applied or mirror.asked


def test_a_lease_that_is_lost_while_translation_is_stopped_keeps_the_offsets(mirror: Any) -> None:
    def lost_by_then() -> None:
        if "stop_translating" in mirror.asked:
            raise LeaseLostError("this run was taken over")

    mirror.fence = lost_by_then
    with pytest.raises(LeaseLostError):
        mirror.set_exact_offsets("g")
    assert mirror._exact.applied == []
