"""Batches that MirrorMaker 2 can mirror, and settings of their connectors."""

from __future__ import annotations

import re

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.mirror import Batch, MirrorSpec
from cutover_harness.mirror.connector_configs import forward_configs

PLAIN = {"bootstrap.servers": "c:3"}
CONNECT = "http://connect"


def test_exclusions() -> None:
    batch = Batch("b", ("orders*", "*"), ("g",), ("orders-tmp*",))
    names = ["orders", "orders-tmp1", "__consumer_offsets", "heartbeats", "x.internal", "x.replica", ".hidden"]
    assert [name for name in names if batch.mirrors(name)] == ["orders", "x.replica"]


@pytest.mark.parametrize("topic", ["a.internal", "a-internal", "__a", ".a"])
def test_a_topic_that_mirrormaker_never_mirrors_is_refused(topic: str) -> None:
    with pytest.raises(UsageError, match=f"never mirrors topic {re.escape(topic)}"):
        Batch("b", ("fine", topic), ())


@pytest.mark.parametrize("group", ["a,b", " a", "a\n"])
def test_a_group_that_mirrormaker_never_translates_is_refused(group: str) -> None:
    with pytest.raises(UsageError, match=f"cannot translate offsets of group {re.escape(repr(group))}"):
        Batch("b", ("t",), ("fine", group))


def test_a_batch_name_has_to_fit_topics_and_paths() -> None:
    with pytest.raises(UsageError, match="batch name 'a/b'"):
        Batch("a/b", (), ())


def test_batches_share_no_name() -> None:
    one, other = (set(forward_configs(MirrorSpec(Batch(n, ("t",), ("g",)), CONNECT, PLAIN, PLAIN))) for n in "ab")
    assert not one & other
    assert Batch("a", (), ()).checkpoints_topic != Batch("b", (), ()).checkpoints_topic


def test_settings_on_which_correctness_depends() -> None:
    batch = Batch("b", ("t",), ("g",))
    plain = forward_configs(MirrorSpec(batch, CONNECT, PLAIN, PLAIN))
    once = forward_configs(MirrorSpec(batch, CONNECT, PLAIN, PLAIN, exactly_once=True))
    assert {config["header.converter"].rpartition(".")[2] for config in plain.values()} == {"ByteArrayConverter"}
    copying = plain[batch.source_connector]
    assert copying["source.consumer.isolation.level"] == "read_committed"
    assert copying["producer.override.enable.idempotence"] == "true"
    assert copying["offset-syncs.topic.location"] == "target"
    assert once[batch.source_connector]["exactly.once.support"] == "required"
    assert "producer.override.enable.idempotence" not in once[batch.source_connector]
