"""The fence of a batch: refused where it keeps nobody, or ourselves, out; the right is needed only with a fence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cutover_harness.planning.model import PlannedBatch
from cutover_harness.preflight.model import Severity
from cutover_harness.preflight.planned.check import check
from cutover_harness.preflight.planned.needs import CLUSTER_NAME, Operation, Resource, demands_of
from cutover_harness.preflight.planned.rights import Rights
from cutover_harness.preflight.planned.scope import scope_of
from pydantic import ValidationError

from tests.unit.preflight.plan_facts import OURS, WORKER, acl, batch, facts, found, plan, secured

APPS = "User:apps"
FENCED = batch(fence=[APPS])
ALTER = (Resource("CLUSTER", CLUSTER_NAME), Operation.ALTER)


def source(*acls: Any, alters: bool = True) -> dict[str, Any]:
    its: Rights = secured()["source"]["rights"]
    from cutover_harness.preflight.planned.acl_rules import Answer

    observed = {**its.observed, ALTER: Answer.GRANTED if alters else Answer.MISSING}
    return {"rights": replace(its, acls=[*(its.acls or ()), *acls], observed=observed)}


def test_only_a_fence_needs_the_right_to_alter_acls() -> None:
    def alters(document: Any) -> set[str]:
        demands = demands_of(scope_of(document, {"orders"}))
        return {each.need.cluster for each in demands if (each.resource, each.operation) == ALTER}

    assert alters(FENCED) == {"source"}
    assert alters(plan()) == set()


def test_a_fence_that_can_be_made_and_leaves_nobody_out_is_no_finding() -> None:
    given = facts(
        FENCED, worker=WORKER, source=source(acl("TOPIC", "orders", "WRITE", APPS)), target=secured()["target"]
    )
    assert not [rule for rule in found(given) if rule.startswith("fence") or rule == "missing-right"]


def test_a_missing_right_is_granted_by_a_command() -> None:
    given = facts(FENCED, worker=WORKER, source=source(alters=False), target=secured()["target"])
    (finding,) = found(given)["missing-right"]
    assert finding.severity == Severity.BLOCKER
    assert "lacks Alter on the cluster (stop-producers: make and remove the fence's ACLs)" in finding.reason
    assert [("--cluster" in grant.command("s:1"), grant.operations) for grant in check(given).grants] == [
        (True, ("Alter",))
    ]


def test_a_source_without_an_authorizer_is_a_blocker() -> None:
    (finding,) = found(facts(FENCED))["fence-no-authorizer"]
    assert (finding.severity, finding.batch) == (Severity.BLOCKER, "first")
    assert "fence-no-authorizer" not in found(facts())


@pytest.mark.parametrize(("ours", "words"), [(OURS, "kafka-cutover itself"), (WORKER, "the reverse mirror")])
def test_a_fence_against_ourselves_is_a_blocker(ours: str, words: str) -> None:
    given = facts(batch(fence=[APPS, ours]), worker=WORKER, source=source(), target=secured()["target"])
    (finding,) = found(given)["fence-of-ours"]
    assert finding.severity == Severity.BLOCKER
    assert words in finding.reason


def test_writers_that_the_fence_leaves_out_are_named() -> None:
    others = [
        acl("TOPIC", "ord", "WRITE", "User:batch", pattern="PREFIXED"),
        acl("TOPIC", "payments", "WRITE", "User:other"),
        acl("TOPIC", "orders", "READ", "User:reader"),
    ]
    (finding,) = found(facts(FENCED, worker=WORKER, source=source(*others), target=secured()["target"]))[
        "fence-not-all"
    ]
    assert "leaves out User:batch, whom" in finding.reason


@pytest.mark.parametrize("principal", ["User:*", "apps", "User:", "Us er:x"])
def test_principals_that_cannot_be_are_refused(principal: str) -> None:
    with pytest.raises(ValidationError, match="fence"):
        PlannedBatch(name="b", path="in-process", topics=("t",), fence=(principal,))


@pytest.mark.parametrize(("delay", "words"), [("3000", "at least 3 s"), ("0", None), ("500", None), (None, None)])
def test_a_target_that_delays_the_first_join_is_named(delay: str | None, words: str | None) -> None:
    given = facts()
    setting = {} if delay is None else {"group.initial.rebalance.delay.ms": delay}
    cluster = replace(given.target.cluster, broker={**given.target.cluster.broker, **setting})
    its = found(facts(target={"cluster": cluster})).get("join-delay", [])
    assert [words in each.reason for each in its if words] == ([True] if words else [])
    assert bool(its) == bool(words)
