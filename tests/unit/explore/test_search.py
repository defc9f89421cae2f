"""Small searches: a path that is safe, paths that are not, and defects that gates once had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from cutover_harness.conductor.resume import remaining as as_it_is
from cutover_harness.explore.case import LOCK, Bounds, Case, Fleet, Removed
from cutover_harness.explore.graph import KINDS, Graph
from cutover_harness.explore.search import Result, Search
from cutover_harness.plan.load import find
from cutover_harness.plan.path import PathStep
from cutover_harness.procedure.context import StepContext
from cutover_harness.procedure.entries import Entry
from cutover_harness.procedure.gates import Gate, Reading
from cutover_harness.procedure.names import StepName

SMALL = Bounds(partitions=1, records=2, faults=0, kinds=(), crashes=False)


def case(name: str, bounds: Bounds = SMALL, *without: Removed, fleet: Fleet = "shim") -> Case:
    return Case(name, find(name).path, fleet, bounds, frozenset(without))


def explored(*args: object, **options: object) -> Result:
    return Search(case(*args, **options)).run()  # type: ignore[arg-type]


def with_fault(kind: str) -> Bounds:
    return replace(SMALL, faults=1, kinds=(kind,))


@pytest.mark.parametrize("name", ["in-process", "stop-first", "rollback-from-6-reverse"])
def test_a_path_of_the_catalogue_violates_nothing(name: str) -> None:
    result = explored(name)
    assert (result.complete, result.violation) == (True, None)
    assert result.states > 500
    assert {end[0] for end in result.ends} == {1}


def test_every_end_of_a_way_back_is_on_the_source_without_a_mirror() -> None:
    result = explored("rollback-from-4", replace(SMALL, records=1, crashes=True))
    assert (result.complete, result.violation) == (True, None)
    assert result.ends == {(1, 0, 0, 0, 0), (2, 0, 0, 0, 0)}


@pytest.mark.parametrize(
    ("name", "damage"), [("while-lagging", "reordered"), ("both-at-once", "reordered"), ("before-progress", "re-read")]
)
def test_a_negative_control_does_what_it_must(name: str, damage: str) -> None:
    violation = explored(name).violation
    assert violation is not None
    assert violation.damage.kind == damage
    assert violation.trace[-1] == violation.damage.words


@pytest.mark.parametrize(
    ("without", "name", "bounds", "damage"),
    [
        (Removed("attested held", StepName.STOP_CONSUMERS, after=True), "in-process", SMALL, "re-read"),
        (Removed("exact offsets proved", StepName.SET_EXACT_OFFSETS, after=True), "in-process", SMALL, "re-read"),
        (Removed("mirror at zero", StepName.PRODUCERS_TO_TARGET), "in-process", SMALL, "lost"),
        (Removed("target unused", StepName.CREATE_TASK), "stop-first", with_fault("foreign-record"), "phantom"),
    ],
)
def test_without_a_gate_the_damage_is_found(without: Removed, name: str, bounds: Bounds, damage: str) -> None:
    assert explored(name, bounds).violation is None
    violation = explored(name, bounds, without).violation
    assert violation is not None
    assert violation.damage.kind == damage


def test_two_conductors_at_once_do_damage() -> None:
    """As it once was: nothing kept an operator from starting a second conductor while the first one ran."""
    bounds = replace(SMALL, records=1, crashes=True)
    assert explored("stop-first", bounds).violation is None
    violation = explored("stop-first", bounds, Removed(LOCK)).violation
    assert violation is not None
    assert "while another one runs" in " ".join(violation.trace)
    assert violation.damage.kind == "journal"


def settles_while_the_mirror_is_down(gate: Gate, context: StepContext) -> Gate:
    """The gate of groups' progress as it once was: time in which the mirror was away counted."""
    if gate.name != "group progress synchronised":
        return gate
    mirror = context.mirror

    def read() -> Reading:
        reading = gate.read()
        return replace(reading, open=reading.open or bool(mirror.translating()))

    return replace(gate, read=read)


def zero_lag_is_zero(gate: Gate, context: StepContext) -> Gate:
    """The gate "mirror at zero" as it once was: no lag behind the last record was proof enough, whatever is missing."""
    if gate.name != "mirror at zero":
        return gate
    return replace(gate, read=lambda: Reading(open=context.mirror.lag().total == 0))


def looks_at_no_removed_records(gate: Gate, context: StepContext) -> Gate:
    """The gates as they once were: what the target's retention has removed was not looked for."""
    del context
    return replace(gate, read=lambda: Reading(open=True)) if gate.name == "target has what groups need" else gate


def waits_for_what_was_removed(gate: Gate, context: StepContext) -> Gate:
    """The gate as it once was: it waited for records that the target's retention has removed."""
    del context
    if gate.name != "target has what groups need":
        return gate
    return replace(gate, read=lambda: replace(gate.read(), never=False))


@pytest.mark.parametrize(
    ("substitute", "name", "kind", "damage"),
    [
        (waits_for_what_was_removed, "stop-first", "target-retention", "waits-in-vain"),
        (settles_while_the_mirror_is_down, "stop-first", "mirror-away", "re-read"),
        (looks_at_no_removed_records, "in-process", "target-retention", "in-vain"),
    ],
)
def test_a_defect_that_a_gate_once_had_is_found(substitute: object, name: str, kind: str, damage: str) -> None:
    as_it_is = case(name, with_fault(kind))
    assert Search(as_it_is).run().violation is None
    found = Search(replace(as_it_is, substitute=substitute)).run().violation  # type: ignore[arg-type]
    assert found is not None
    assert found.damage.kind == damage


def test_a_mirror_that_has_passed_removed_records_was_waited_for_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it once was: retention removed a record between two looks, and *mirror at zero* waited for it to come."""
    monkeypatch.setattr("cutover_harness.explore.world.passed_over", lambda *_args, **_options: [])
    violation = explored("in-process", with_fault("source-retention")).violation
    assert violation is not None
    assert violation.damage.kind == "waits-in-vain"
    assert violation.damage.words == "only its deadline ends the wait for producers-to-target/before/mirror at zero"


def test_zero_lag_over_a_hole_was_taken_for_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it once was: neither a gate nor the mirror's state counted a record that is missing before later ones."""
    monkeypatch.setattr("cutover_harness.explore.world.passed_over", lambda *_args, **_options: [])
    old = replace(case("in-process", with_fault("source-retention")), substitute=zero_lag_is_zero)
    violation = Search(old).run().violation
    assert violation is not None
    assert violation.damage.kind == "stranded"


def test_a_bound_ends_a_search_that_is_not_complete() -> None:
    result = explored("in-process", replace(SMALL, depth=5))
    assert (result.complete, result.depth, result.violation) == (False, 5, None)


def test_a_random_walk_finds_what_the_search_finds() -> None:
    search = Search(case("both-at-once", replace(SMALL, records=8)))
    walks = [walk for seed in range(60) if (walk := search.walk(seed)) is not None]
    assert "reordered" in {walk.damage.kind for walk in walks}


def skips_a_begun_step(step: StepName) -> object:
    """Return `remaining` of a resume that takes a step for done if it was begun, and so skips its action."""

    def remaining(entries: Sequence[Entry], path: Sequence[PathStep]) -> Sequence[tuple[int, PathStep]]:
        begun = {entry.step for entry in entries if entry.kind == "doing"}
        return [(n, each) for n, each in as_it_is(entries, path) if not (each.step == step and n in begun)]

    return remaining


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("in-process", StepName.DELETE_TASK),
        ("stop-first", StepName.DELETE_TASK),
        ("rollback-from-3", StepName.DELETE_TASK),
    ],
)
def test_a_resume_that_skips_an_action_is_found(monkeypatch: pytest.MonkeyPatch, name: str, step: StepName) -> None:
    bounds = replace(SMALL, records=1, crashes=True)
    assert explored(name, bounds).violation is None
    monkeypatch.setattr("cutover_harness.explore.journals.remaining", skips_a_begun_step(step))
    violation = explored(name, bounds).violation
    assert violation is not None
    assert violation.damage.kind == "resumed"
    assert f"{step} is begun in the journal, and the conductor dies" in " ".join(violation.trace)
    assert explored(name, replace(bounds, crashes=False)).violation is None


def test_states_that_only_a_kill_or_a_resume_reaches_are_not_undisturbed() -> None:
    graph = Graph()
    for begin, end, kind in (
        (0, 1, "progress"),
        (0, 2, "crash"),
        (1, 3, "missed"),
        (2, 4, "operator"),
        (3, 5, "resume"),
    ):
        graph.add(begin, end, KINDS.index(kind))
    assert list(graph.undisturbed(6)) == [1, 1, 0, 1, 0, 0]
