"""`rehearse --plan`: what its options select, and what is refused before anything starts."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.cli.plan_options import BELONGS, PlanOptions, from_plan
from cutover_harness.cli.rehearse import rehearse
from cutover_harness.errors import UsageError
from cutover_harness.plan.load import find

from tests.unit.rehearsal.listings import PLAN, write_plan

GIVEN: dict[str, Any] = {"batch": ["orders"], "max_topics": 1, "max_partitions": 1, "max_apps": 2, "max_rate": 1.0}


@pytest.mark.parametrize("name", BELONGS)
def test_an_option_of_a_plan_without_a_plan_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=rf"--{name.replace('_', '-')}: needs --plan FILE"):
        PlanOptions(**{name: GIVEN[name]}).refuse_without_plan()


@pytest.mark.parametrize(("name", "value"), [("max_topics", 0), ("max_apps", 1), ("max_rate", 0.5)])
def test_a_limit_that_leaves_nothing_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match="must be"):
        PlanOptions(**{name: value}).limits()


def test_a_plan_gives_scenarios_settings_and_policy(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("")
    file = write_plan(tmp_path, PLAN.replace("batches:", "policy: policy.toml\nbatches:", 1))
    found = from_plan(PlanOptions(batch=["payments"]), file, None, [])
    assert [scenario.name for scenario in found.scenarios] == list(found.settings.planned) == ["payments"]
    assert found.settings.facts["batches"] == ["payments"]
    assert found.settings.facts["all_batches"] == ["orders", "payments"]
    assert found.policy == tmp_path / "policy.toml"
    assert not found.settings.replayed


def test_named_scenarios_have_the_batches_of_the_plan(tmp_path: Path) -> None:
    found = from_plan(PlanOptions(), write_plan(tmp_path), None, [find("rollback-from-4")])
    assert [scenario.name for scenario in found.scenarios] == ["orders.rollback-from-4", "payments.rollback-from-4"]


def test_a_policy_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = write_plan(tmp_path, PLAN.replace("batches:", "policy: none.toml\nbatches:", 1))
    with pytest.raises(UsageError, match=r"policy: none\.toml: no such file"):
        from_plan(PlanOptions(), file, None, [])


def test_the_whole_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--all: the catalogue has scenarios with topics of their own"):
        rehearse(names=None, every=True, plan=write_plan(tmp_path), **defaults())


def defaults() -> dict[str, Any]:
    """Return the other options of the command, as if none was given."""
    return {
        name: parameter.default
        for name, parameter in signature(rehearse).parameters.items()
        if name not in ("names", "every", "plan")
    }
