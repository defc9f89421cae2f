"""Names of channels as users write them."""

from __future__ import annotations

import pytest
from cutover_harness.channels.names import channel_name, parse_channels
from cutover_harness.errors import UsageError


def test_channels_are_named_as_in_statuses_and_errors() -> None:
    found = parse_channels("file:/etc/cutover.toml, kafka:cutover ,configmap:prod/billing,configmap:prod/billing/other")
    assert [str(name) for name in found] == [
        "file:/etc/cutover.toml",
        "kafka:cutover@source",
        "kafka:cutover@target",
        "configmap:prod/billing/cutover.toml",
        "configmap:prod/billing/other",
    ]


def test_a_topic_of_one_cluster_stays_one() -> None:
    assert [str(name) for name in parse_channels(["kafka:cutover@target"])] == ["kafka:cutover@target"]
    assert str(channel_name("kafka:cutover")) == "kafka:cutover"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cutover", "is no channel: write file:PATH, kafka:TOPIC or configmap:NAMESPACE/NAME"),
        ("file:", "is no channel"),
        ("kafka:", "'' is no name of a topic"),
        ("kafka:a b", "'a b' is no name of a topic"),
        ("kafka:..", "is no name of a topic"),
        ("kafka:" + "x" * 250, "is no name of a topic"),
        ("kafka:t@both", "there is no cluster 'both': write @source or @target, or neither"),
        ("configmap:name", "'' is no name of a ConfigMap"),
        ("configmap:Prod/name", "'Prod' is no namespace"),
        ("configmap:prod/a/b/c", "'b/c' is no key"),
        ("configmap:prod/name/..", "'..' is no key"),
        ("configmap:prod/name/", "'' is no key"),
        ("kafka:t,kafka:t@target", "channel kafka:t@target: is named twice"),
    ],
)
def test_anything_else_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_channels(text)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)
