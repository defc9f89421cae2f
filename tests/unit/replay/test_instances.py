"""Names of instances, which are names of files too, for every name that Kafka allows for a group."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.load.settings import LoadSettings
from cutover_harness.plan.load import parse
from cutover_harness.replay.config import ReplayOptions
from cutover_harness.replay.instances import stems

ODD = [
    "a,b",
    "Team X/eu#1",
    "orders[blue]",
    "weiß",
    "g+1",
    "$pay",
    "(x|y)",
    "^all",
    "dot.dash-under_score",
    "../up",
    "a_b",
]


def test_plain_names_stay_and_no_two_groups_share_one() -> None:
    found = stems([*ODD, "producer", "x" * 200, "x" * 199])
    assert found["dot.dash-under_score"] == "dot.dash-under_score"
    assert found["a_b"] == "a_b"
    assert found["a,b"] == "a_b.2"
    assert found["producer"] == "producer.2", "producers have that one"
    assert found["../up"] == "_up"
    assert len(set(found.values())) == len(found)
    for stem in found.values():
        assert Path(stem).name == stem
        assert not set(stem) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
        assert len(stem) <= 64


def test_a_scenario_takes_every_group_name() -> None:
    groups = ", ".join(f"'{group}': 1" for group in ODD)
    scenario = parse(f"name: x\ntitle: x\npath: [create-task]\nfleet: {{groups: {{{groups}}}}}\n", "x.yaml")
    assert list(scenario.fleet.groups) == ODD


def test_control_characters_in_a_group_name_are_a_mistake() -> None:
    with pytest.raises(UsageError, match=r"fleet\.groups"):
        parse('name: x\ntitle: x\npath: [create-task]\nfleet: {groups: {"a\\tb": 1}}\n', "x.yaml")


def test_a_load_takes_every_group_name() -> None:
    settings = LoadSettings(
        replay=ReplayOptions(capture=Path("x")), groups=dict.fromkeys(ODD, 2), topics=["t"], endpoint={"a": "b"}
    )
    names = [settings.consumer(index, 1).instance for index in range(2 * len(ODD))]
    assert names[:4] == ["load-a_b.2-1", "load-a_b.2-2", "load-Team_X_eu_1-1", "load-Team_X_eu_1-2"]
    assert len(set(names)) == len(names)
