"""Names with a prefix on clusters that others use, too, and the applications' own names in the results."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from cutover_harness.capture.format import TopicInfo
from cutover_harness.errors import UsageError
from cutover_harness.judge import judge, verdict
from cutover_harness.judge.model import DrainProof, Report, RunFacts
from cutover_harness.ledger import LedgerWriter, read_ledgers, stream_id
from cutover_harness.ledger.format import SOURCE
from cutover_harness.mirror import Batch
from cutover_harness.mirror.connector_configs import forward_configs, reverse_configs
from cutover_harness.mirror.spec import MirrorSpec
from cutover_harness.plan.batch import resolve
from cutover_harness.plan.load import load_all, parse
from cutover_harness.plan.scenario import Scenario
from cutover_harness.rehearsal.judged import without_prefix
from cutover_harness.rehearsal.replay_input import ReplayInput
from cutover_harness.rehearsal.run_names import RunNames
from cutover_harness.replay.clients import properties
from cutover_harness.replay.config import ConsumerConfig

PREFIX = "cutover-rehearsal-0a1b2c-"
NAMES = RunNames(PREFIX)
CAPTURED = {"orders": TopicInfo(2), "payments": TopicInfo(1), "audit-log": TopicInfo(1)}


def replayed(topics: dict[str, TopicInfo]) -> ReplayInput:
    return ReplayInput(Path("c.parquet"), topics, 10, (0, 1), 1.0, 1.0, None)


def batches_of(scenario: Scenario) -> list[Batch]:
    topics = {**CAPTURED, **dict.fromkeys(scenario.traffic, TopicInfo(1))}
    if scenario.batches:
        topics |= {topic.replace("*", "x"): TopicInfo(1) for each in scenario.batches.values() for topic in each.topics}
    changed, replay = NAMES.scenario(scenario), NAMES.replay(replayed(topics))
    return [
        Batch(each.name, each.patterns, each.groups, each.exclude, PREFIX)
        for each in resolve(changed.batches, replay.topics, changed.fleet.groups)
    ]


@pytest.mark.parametrize("scenario", load_all(), ids=lambda scenario: scenario.name)
def test_everything_that_a_mirror_of_any_scenario_reads_and_writes_has_the_prefix(scenario: Scenario) -> None:
    for batch in batches_of(scenario):
        spec = MirrorSpec(batch, "http://connect", {"bootstrap.servers": "s"}, {"bootstrap.servers": "t"})
        configs = {**forward_configs(spec), **reverse_configs(spec.reverse)}
        assert all(name.startswith(PREFIX) for name in configs)
        assert not any(config["connector.class"].endswith("HeartbeatConnector") for config in configs.values())
        for config in configs.values():
            patterns = [*config["topics"].split(","), *filter(None, config.get("groups", "").split(","))]
            quoted = PREFIX.replace("-", r"\-")
            assert all(pattern.startswith((PREFIX, quoted)) for pattern in patterns), patterns
            assert config["source.cluster.alias"].startswith(PREFIX)
            assert config["target.cluster.alias"].startswith(PREFIX)
        for neighbour in (*CAPTURED, "heartbeats", "cutover-rehearsal-notes", *scenario.fleet.groups):
            assert not batch.mirrors(neighbour)
        assert batch.checkpoints_topic.startswith(PREFIX)
        assert batch.offset_syncs_topic.startswith(f"mm2-offset-syncs.{PREFIX}")


def test_every_name_of_a_batch_gets_the_prefix() -> None:
    text = """
name: planned
title: Batches as a plan describes them
path: [create-task, synchronise, delete-task]
batches:
  one:
    topics: [orders, "pay*"]
    exclude: [payments-old]
    groups: [billing, audit]
    reads: {audit: [orders]}
    producers: 2
    restarts: {groups: [audit], producers: 1}
fleet:
  groups: {billing: 1, audit: 1}
"""
    one = NAMES.scenario(parse(text, "planned.yaml")).batches["one"]
    assert one.topics == (f"{PREFIX}orders", f"{PREFIX}pay*")
    assert one.reads == {f"{PREFIX}audit": (f"{PREFIX}orders",)}
    # No name is left without it, whatever fields a batch gets.
    names = {"orders", "pay*", "payments-old", "billing", "audit"}
    assert not names & set(re.findall(r"[\w.*-]+", one.model_dump_json()))


def test_without_a_prefix_nothing_changes() -> None:
    plain, scenario = RunNames(""), load_all()[0]
    assert plain.scenario(scenario) is scenario
    replay = replayed(CAPTURED)
    assert plain.replay(replay) is replay
    assert Batch("all", ("t",), ()).connectors == (
        "cutover-all-source",
        "cutover-all-checkpoint",
        "cutover-all-heartbeat",
    )


def test_a_capture_is_written_to_topics_with_the_prefix() -> None:
    replay = NAMES.replay(replayed(CAPTURED))
    assert set(replay.topics) == {PREFIX + name for name in CAPTURED}
    assert replay.written["orders"] == f"{PREFIX}orders"
    assert replay.recorded(f"{PREFIX}orders") == "orders"
    assert replayed(CAPTURED).recorded("orders") == "orders"


def test_names_that_are_too_long_with_the_prefix_are_refused() -> None:
    with pytest.raises(UsageError, match=r"with the testbed's prefix .* is no name of a topic"):
        NAMES.replay(replayed({"t" * 240: TopicInfo(1)}))
    scenario = load_all()[0]
    long = scenario.model_copy(update={"fleet": scenario.fleet.model_copy(update={"groups": {"g" * 240: 1}})})
    with pytest.raises(UsageError, match=r"fleet.groups: .* more than 249 characters with the testbed's prefix"):
        NAMES.scenario(long)


def test_client_ids_have_the_prefix(tmp_path: Path) -> None:
    config = ConsumerConfig(
        instance="billing-1",
        run=1,
        ledger=tmp_path,
        use_shim=False,
        cluster="source",
        group=f"{PREFIX}billing",
        topics=["t"],
        prefix=PREFIX,
    )
    assert properties(config, {})["client.id"] == f"{PREFIX}billing-1"
    own = config.model_copy(update={"client": {"client.id": "mine"}})
    assert properties(own, {})["client.id"] == f"{PREFIX}mine"
    assert properties(config.model_copy(update={"prefix": ""}), {})["client.id"] == "billing-1"


def test_results_have_the_names_of_the_applications(tmp_path: Path) -> None:
    topic, group = f"{PREFIX}orders", f"{PREFIX}billing"
    stream = stream_id(topic, b"k", 0)
    producer = LedgerWriter(tmp_path / "producer-1", instance="producer-1", role="producer", group=None, run=7)
    with contextlib.closing(producer) as ledger:
        ledger.name_stream(stream, topic, b"k", 0)
        ledger.sent(topic, 0, stream, 0, SOURCE)
        ledger.acked(topic, 0, 0, stream, 0, SOURCE)
    consumer = LedgerWriter(
        tmp_path / "billing-1", instance="billing-1", role="consumer", group=group, run=7, topics=[topic]
    )
    with contextlib.closing(consumer) as ledger:
        ledger.committed(topic, 0, 0, SOURCE)
    facts = RunFacts(
        run=7, scenario="s", groups={group: [topic]}, drain=[DrainProof(group, True, f"{topic} is drained")]
    )
    judgement = judge(read_ledgers(tmp_path), facts)
    report = Report(verdict(judgement, facts), judgement)
    assert PREFIX in str(report)
    same = without_prefix(facts, report, tmp_path, "")
    assert same == (facts, report)

    plain, shown = without_prefix(facts, report, tmp_path, PREFIX)
    assert PREFIX not in str(shown)
    assert plain == replace(
        facts, groups={"billing": ["orders"]}, drain=[DrainProof("billing", True, "orders is drained")]
    )
    again = read_ledgers(tmp_path)
    assert again.topics == ("orders",)
    assert Report(verdict(judge(again, plain), plain), judge(again, plain)).to_json() == shown.to_json()
