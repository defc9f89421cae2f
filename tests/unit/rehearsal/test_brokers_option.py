"""How many brokers a scenario's clusters have: what it asks for, what the option says, what a testbed can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cutover_harness.cli.testbed_options import TestbedOptions
from cutover_harness.errors import UsageError
from cutover_harness.plan.load import find, load_all, parse
from cutover_harness.rehearsal.settings import Settings, TestbedKind
from cutover_harness.rehearsal.testbeds import brokers_of, check_testbed, unavailable


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(out=tmp_path, capture=tmp_path, command="", seed=1)


def test_faults_of_one_broker_of_several_need_several(settings: Settings) -> None:
    killed, alone = find("source-broker-killed"), find("in-process")
    assert [brokers_of(scenario, settings) for scenario in (killed, alone)] == [3, 1]
    five = replace(settings, brokers=5)
    assert [brokers_of(scenario, five) for scenario in (killed, alone)] == [5, 5]
    assert unavailable(killed, five) is None
    one = replace(settings, brokers=1)
    why = "fault kill source-broker needs 3 brokers a cluster, and --brokers is 1"
    assert (unavailable(alone, one), unavailable(killed, one)) == (None, why)
    with pytest.raises(UsageError, match=f"scenario source-broker-killed: {why}"):
        check_testbed([killed], one, named=True)
    several = {scenario.name for scenario in load_all() if scenario.brokers > 1}
    assert {scenario.name for scenario in load_all() if unavailable(scenario, one)} == several


@pytest.mark.parametrize("kind", ["docker", "automq"])
def test_testbeds_with_one_broker_a_cluster_are_named(settings: Settings, kind: TestbedKind) -> None:
    why = unavailable(find("source-broker-killed"), replace(settings, testbed=kind))
    assert why == f"it has 3 brokers a cluster, and --testbed {kind} has one"
    with pytest.raises(UsageError, match=f"--brokers 3: is for --testbed process, not for {kind}: leave it out"):
        TestbedOptions(testbed=kind, brokers=3).kind()


@pytest.mark.parametrize("brokers", [0, -1, 10])
def test_a_number_of_brokers_that_no_cluster_has(brokers: int) -> None:
    with pytest.raises(UsageError, match=f"--brokers {brokers}: must be between 1 and 9"):
        TestbedOptions(brokers=brokers).kind()


def test_a_scenario_file_has_as_many_brokers_as_its_faults_need() -> None:
    text = "name: x\ntitle: x\npath: [create-task]\n{}faults: [{{kind: roll, of: source, at: create-task}}]\n"
    assert parse(text.format("brokers: 3\n"), "x.yaml").brokers == 3
    with pytest.raises(UsageError, match="roll source needs 3 brokers a cluster, and brokers is 1: set brokers: 3"):
        parse(text.format(""), "x.yaml")
    with pytest.raises(UsageError, match=r"x\.yaml:4: brokers: must be 9 or less, found 10"):
        parse(text.format("brokers: 10\n"), "x.yaml")
