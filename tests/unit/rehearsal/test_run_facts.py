"""Facts of a run: what each batch did."""

from __future__ import annotations

from cutover_harness.conductor.timeline import Timeline
from cutover_harness.judge.model import RunFacts
from cutover_harness.plan.batch import ResolvedBatch
from cutover_harness.plan.load import find
from cutover_harness.procedure.names import StepName
from cutover_harness.procedure.state import RouteState
from cutover_harness.rehearsal.facts import Evidence, RouteEvidence, run_facts

WHOLE = [StepName.CREATE_TASK, StepName.SYNCHRONISE, StepName.DELETE_TASK]


def batch(name: str, steps: list[StepName] | None) -> RouteEvidence:
    """Return the evidence of a batch that took some steps; None: its conductor was never started."""
    resolved = ResolvedBatch(name, (name,), (), (), (name,))
    line = None if steps is None else Timeline(RouteState(), [], [], [], [], None, steps)
    return RouteEvidence(resolved, line, [name], ["source"])


def facts(*routes: RouteEvidence) -> RunFacts:
    return run_facts(
        Evidence(
            scenario=find("stop-first"),
            number=1,
            seed=1,
            speed=1.0,
            testbed={},
            capture={},
            around_s=1.0,
            started_ns=0,
            finished_ns=1,
            routes=routes,
            stays=None,
            marks=[],
            fault_proofs=[],
            grown=None,
            lag=[],
            drain=[],
            copied=[],
            destroyed=[],
            reach=None,
            failure=None,
        )
    )


def test_the_steps_of_every_batch_are_there() -> None:
    found = facts(batch("first", WHOLE[:1]), batch("second", WHOLE), batch("third", None))
    assert found.path == WHOLE
    assert found.paths == {"first": WHOLE[:1], "second": WHOLE}
    assert RunFacts.from_json(found.to_json()) == found


def test_a_run_of_one_batch_has_one_path() -> None:
    found = facts(batch("first", WHOLE))
    assert (found.path, found.paths) == (WHOLE, {})
