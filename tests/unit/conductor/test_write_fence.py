"""The fence: made once producers have left, removed before they return and at the end, and never more than its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from cutover_harness.conductor.conductor import Conductor
from cutover_harness.conductor.write_fence import WriteFence
from cutover_harness.procedure.denials import Denial, standing, words
from cutover_harness.procedure.names import StepName

from tests.unit.conductor.world import EXACT, QuickJournal, World, new_conductor, steps

APPS, ERP = "User:apps", "User:erp"
MINE = {Denial(APPS, "t"), Denial(ERP, "t")}


class Cluster:
    """The denials of a cluster. events: each change. fails: changes that only seem to be made."""

    def __init__(self, *there: Denial) -> None:
        self.there = set(there)
        self.events: list[str] = []
        self.refuses: str | None = None
        self.forgets = False
        self.keeps = False
        self.on_create: Callable[[], object] = lambda: None

    def read(self) -> set[Denial]:
        return set(self.there)

    def create(self, denials: Iterable[Denial]) -> None:
        self.on_create()
        new = set(denials)
        self.events += [f"deny {each}" for each in sorted(new)]
        if not self.forgets:
            self.there |= new

    def delete(self, denials: Iterable[Denial]) -> None:
        old = set(denials)
        self.events += [f"remove {each}" for each in sorted(old)]
        if not self.keeps:
            self.there -= old

    def refusal(self, principals: Iterable[str]) -> str | None:
        return self.refuses


def fenced(folder: Path, cluster: Cluster, path: Iterable[StepName] = EXACT, world: World | None = None) -> Conductor:
    fence = WriteFence([APPS, ERP], lambda: ["t"], cluster, QuickJournal(folder / "journal.sqlite"))  # type: ignore[arg-type]
    return new_conductor(folder, world or World(), steps(*path), write_fence=fence)


def test_the_fence_is_made_when_producers_have_left_and_removed_with_the_mirror(tmp_path: Path) -> None:
    cluster = Cluster()
    conductor = fenced(tmp_path, cluster)
    at: dict[str, set[Denial]] = {}
    cluster.on_create = lambda: at.setdefault(conductor.cutover_file.routes["r"].producers, cluster.read())
    assert conductor.run()
    assert at == {"hold": set()}  # never while producers were on the source
    assert cluster.events == [f"deny {each}" for each in sorted(MINE)] + [f"remove {each}" for each in sorted(MINE)]
    its = [(entry.name, entry.step) for entry in conductor.journal.read() if entry.kind == "fence"]
    assert its == [("made", EXACT.index(StepName.STOP_PRODUCERS)), ("removed", EXACT.index(StepName.DELETE_TASK))]
    assert cluster.there == set()


def test_without_a_fence_in_the_plan_nothing_is_made(tmp_path: Path) -> None:
    conductor = new_conductor(tmp_path, World(), steps(*EXACT))
    assert conductor.run()
    assert not [entry for entry in conductor.journal.read() if entry.kind == "fence"]


def test_a_rollback_removes_it_before_producers_return(tmp_path: Path) -> None:
    cluster = Cluster()
    path = EXACT[: EXACT.index(StepName.PRODUCERS_TO_TARGET) + 1]
    assert fenced(tmp_path, cluster, path).run()
    assert cluster.there == MINE
    back = fenced(tmp_path, cluster, EXACT)
    back.turn_back()
    assert not back.run()  # turned back
    names = [(e.kind, e.name) for e in back.journal.read()]
    assert names.index(("fence", "removed")) < names.index(("doing", "producers-to-source"))
    assert cluster.there == set()


def test_producers_do_not_return_while_a_denial_is_left(tmp_path: Path) -> None:
    cluster = Cluster()
    assert fenced(tmp_path, cluster, EXACT[: EXACT.index(StepName.PRODUCERS_TO_TARGET) + 1]).run()
    cluster.keeps = True
    back = fenced(tmp_path, cluster)
    back.turn_back()
    assert not back.run()
    assert back.cutover_file.routes["r"].producers == "hold"
    assert "the source still has denials: User:apps may not write to t" in missed(back)
    assert set(standing(back.journal.read())) == MINE


def test_a_denial_of_somebody_else_stays(tmp_path: Path) -> None:
    theirs = Denial(APPS, "t")
    cluster = Cluster(theirs, Denial("User:x", "u"))
    assert fenced(tmp_path, cluster).run()
    assert cluster.there == {theirs, Denial("User:x", "u")}
    assert cluster.events == ["deny User:erp on t", "remove User:erp on t"]


def test_a_conductor_that_was_killed_when_it_had_noted_the_fence_finds_it_its_own(tmp_path: Path) -> None:
    cluster = Cluster()

    def killed() -> None:
        raise KeyboardInterrupt

    cluster.on_create = killed
    with pytest.raises(KeyboardInterrupt):
        fenced(tmp_path, cluster).run()
    cluster.there = set(MINE)  # the request was on its way
    cluster.on_create = lambda: None
    again = fenced(tmp_path, cluster)
    assert set(standing(again.journal.read())) == MINE
    assert again.run()
    assert cluster.there == set()


def test_the_run_stops_before_the_hold_if_acls_cannot_be_altered(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.refuses = "the fence needs the right to alter ACLs"
    conductor = fenced(tmp_path, cluster)
    assert not conductor.run()
    assert conductor.cutover_file.routes["r"].producers == "source"
    assert "the fence needs the right to alter ACLs" in missed(conductor)


def test_the_run_stops_if_the_source_does_not_have_the_fence(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.forgets = True
    conductor = fenced(tmp_path, cluster)
    assert not conductor.run()
    assert conductor.cutover_file.routes["r"].producers == "hold"
    assert "the source lacks denials: User:apps may not write to t; User:erp may not write to t" in missed(conductor)


def test_words_name_a_few_topics_of_each_principal() -> None:
    many = [Denial(APPS, f"t{n}") for n in range(7)]
    assert words(many) == "User:apps may not write to t0, t1, t2, t3, t4 and 2 more"


def missed(conductor: Conductor) -> str:
    return next(str(e.detail["why"]) for e in reversed(conductor.journal.read()) if e.kind == "missed")
