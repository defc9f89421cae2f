"""A whole listing of a stub cluster: everything is filled in, and what is refused is null with a gap."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError
from cutover_harness.inventory.broker_calls import BrokerCallError, settings_of
from cutover_harness.inventory.calls import Calls
from cutover_harness.inventory.cluster import ClusterReader
from cutover_harness.inventory.collect import finished, read
from cutover_harness.inventory.completeness import Gaps
from cutover_harness.inventory.history import Times
from cutover_harness.inventory.linking import mark_own
from cutover_harness.inventory.model import ConnectCluster, Connector, Listing, ShimClient
from cutover_harness.inventory.options import Options
from cutover_harness.inventory.page import html
from cutover_harness.inventory.schema import schema
from cutover_harness.token_bucket import TokenBucket

from tests.unit.inventory.stub_cluster import NOW_MS, StubBrokers, StubCluster, without_sockets
from tests.unit.test_planted_secrets import Server


def listing(
    stub: StubCluster,
    brokers: StubBrokers | None = None,
    *,
    sample_s: float = 0.01,
    stale_days: float = 30.0,
    lines: list[str] | None = None,
) -> Listing:
    gaps, client = Gaps(), stub
    untyped: Any = client
    calls = Calls(untyped, "source", gaps, TokenBucket(None), (lines if lines is not None else []).append)
    reader = ClusterReader(calls, brokers or StubBrokers(stub), {"bootstrap.servers": "b:1"}, stale_days=stale_days)
    with without_sockets(before_3=stub.before_3):
        options = Options(sample_s=sample_s, stale_days=stale_days)
        return finished(read({"source": reader}, options, gaps, lambda _line: None), gaps)


def kinds(found: Listing) -> dict[str, tuple[str, int]]:
    return {gap.what: (gap.kind, gap.count) for gap in found.gaps}


BROKERS_ONLY = {"configuration of brokers": ("forbidden", 0)}
"""The stub has no broker's configuration."""


def test_everything_is_filled_in() -> None:
    lines: list[str] = []
    found = listing(StubCluster(30, 4, 5, moves=7), lines=lines)
    cluster = found.clusters["source"]
    assert kinds(found) == BROKERS_ONLY
    assert (len(cluster.topics), len(cluster.groups)) == (30, 5)
    topic = cluster.topics[0]
    assert (topic.partitions, topic.replication, topic.records, topic.end) == (4, 3, 4 * 990, 4000)
    assert (topic.bytes, topic.bytes_on_disk, topic.grown) == (4 * 5000, 3 * 4 * 5000, 4 * 7)
    assert topic.last_write == datetime.fromtimestamp(NOW_MS / 1000, UTC)
    assert (topic.first_write, topic.times_complete) == (datetime.fromtimestamp(NOW_MS / 1000 - 1, UTC), True)
    assert (topic.config, topic.compacted, topic.retention_ms) == ({"retention.ms": "604800000"}, False, 604_800_000)
    assert [(each.id, each.partitions) for each in topic.producers or ()] == [(7, [0, 1, 2, 3])]
    group = cluster.groups[0]
    assert group.members is not None
    assert [(each.host, each.partitions) for each in group.members] == [("10.0.0.1", 20), ("10.0.0.1", 20)]
    assert [(each.committed, each.assigned, each.lag) for each in group.topics or ()] == [(4, 4, 4 * 107)] * 10
    assert (group.lag, group.commits_moved) == (10 * 4 * 107, False)
    assert cluster.topics[0].readers == ["group-00000"]
    assert "source: 30 topics with 120 partitions on 3 brokers" in lines


def test_what_one_call_refuses_is_null_and_the_rest_is_there() -> None:
    refused = frozenset({"topic-00001", "group-00002"})
    found = listing(StubCluster(20, 2, 4, refused=refused))
    cluster = found.clusters["source"]
    bad, good = cluster.topics[1], cluster.topics[0]
    assert (bad.config, bad.records, bad.end, bad.last_write, bad.producers, bad.grown) == (None,) * 6
    assert not bad.times_complete
    assert (good.records, good.config is not None, good.producers is not None) == (1980, True, True)
    assert (cluster.groups[2].members, cluster.groups[2].topics) == (None, None)
    assert cluster.groups[2].stale == "unknown"
    assert found.partial
    assert {gap.kind for gap in found.gaps} == {"forbidden"}
    assert kinds(found)["last writes"] == ("forbidden", 1)
    assert kinds(found)["producers of topics"] == ("forbidden", 1)


def test_an_error_that_is_no_missing_right_is_a_failure() -> None:
    stub = StubCluster(20, 2, 4, frozenset({"topic-00001"}), refusal=KafkaError.NOT_LEADER_FOR_PARTITION)
    assert kinds(listing(stub))["ends of logs"][0] == "failed"


@pytest.mark.parametrize(("kind", "partial"), [("forbidden", True), ("failed", True), ("unsupported", True)])
def test_without_the_calls_of_the_other_client_sizes_are_null_never_zero(kind: Any, partial: bool) -> None:
    stub = StubCluster(20, 2, 4)
    found = listing(stub, StubBrokers(stub, error=BrokerCallError(kind, "why")))
    cluster = found.clusters["source"]
    assert {(topic.bytes, topic.producers, topic.transactional) for topic in cluster.topics} == {(None, None, None)}
    assert (cluster.acls, cluster.quotas) == (None, None)
    assert kinds(found)["sizes of topics"][0] == kind
    assert kinds(found)["topics that are not shown"][0] == "unknown"
    assert found.partial is partial


def test_topics_that_are_only_on_the_disks_are_named() -> None:
    stub = StubCluster(20, 2, 4)
    found = listing(stub, StubBrokers(stub, hidden=("secret",)))
    (gap,) = [gap for gap in found.gaps if gap.what == "hidden topics"]
    assert (gap.names, gap.kind) == (["secret"], "forbidden")


def test_without_a_sample_nothing_is_claimed_about_growth() -> None:
    found = listing(StubCluster(20, 2, 4), sample_s=0)
    assert {(topic.grown, topic.bytes_per_s) for topic in found.clusters["source"].topics} == {(None, None)}
    assert {group.commits_moved for group in found.clusters["source"].groups} == {None}
    assert kinds(found)["growth and commits"] == ("skipped", 0)


def test_old_brokers_report_only_whether_a_topic_was_written_since_the_limit() -> None:
    days = (datetime.now(UTC).timestamp() * 1000 - NOW_MS) / 86_400_000
    recent = listing(StubCluster(3, 2, 0, before_3=True), stale_days=days + 1)
    old = listing(StubCluster(3, 2, 0, before_3=True), stale_days=days - 1)
    assert kinds(recent)["last writes"] == kinds(old)["last writes"] == ("unsupported", 0)
    for found, verdict in ((recent, "no"), (old, "yes")):
        topic = found.clusters["source"].topics[0]
        assert topic.last_write is None
        assert (topic.written_since is None, topic.unwritten_since is None) == (verdict == "yes", verdict == "no")
        assert topic.stale == verdict, topic.stale_why
    refused = listing(StubCluster(3, 2, 0, frozenset({"topic-00000"}), before_3=True), stale_days=days - 1)
    assert [topic.stale for topic in refused.clusters["source"].topics] == ["unknown", "yes", "yes"]


def test_connectors_are_linked_to_the_cluster_they_work_on() -> None:
    found = listing(StubCluster(20, 2, 4))
    parts: dict[str, Any] = {"class_name": "C", "state": "RUNNING", "tasks": {}}
    sink = Connector(name="s", type="sink", group="group-00001", topics=["topic-00000"], **parts)
    source = Connector(name="o", type="source", topics=["topic-00003", "gone"], **parts)
    found.connect = [
        ConnectCluster(url="u", kafka_cluster_id="stub", connectors=[sink, source]),
        ConnectCluster(url="v", kafka_cluster_id="other", connectors=[source]),
    ]
    gaps = Gaps()
    finished(found, gaps)
    cluster = found.clusters["source"]
    assert [each.cluster for each in found.connect] == ["source", None]
    assert [group.connector for group in cluster.groups] == [None, "s", None, None]
    assert [topic.name for topic in cluster.topics if topic.writers == ["connector o"]] == ["topic-00003"]
    assert [gap.what for gap in gaps.all] == ["cluster of a Connect cluster"]


def test_the_page_escapes_names_and_the_document_is_read_back() -> None:
    found = listing(StubCluster(3, 1, 1))
    found.clusters["source"].topics[0].name = "<script>alert(1)</script>"
    found.clusters["source"].groups[0].name = "<b>&"
    page = html(found)
    assert "<script>" not in page
    assert "&lt;b&gt;&amp;" in page
    assert Listing.model_validate_json(found.model_dump_json()) == found


def test_the_schema_in_the_docs_is_that_of_the_model() -> None:
    documented = (Path(__file__).parents[3] / "docs" / "inventory.schema.json").read_text(encoding="utf-8")
    assert documented == schema(), "python -m cutover_harness.inventory.schema > docs/inventory.schema.json"


def key(version: int, group: str, rest: bytes = b"") -> bytes:
    return struct.pack(">hh", version, len(group)) + group.encode() + rest


def test_times_of_groups_from_the_records_of_their_topic() -> None:
    times = Times()
    times.add(key(1, "g", b"topic"), b"v", 10)
    times.add(key(0, "g"), b"v", 7)
    times.add(key(2, "g"), b"v", 12)
    times.add(key(5, "new", b"member"), b"v", 13)
    times.add(key(1, "expired"), None, 99)
    for odd in (None, b"", b"\0", struct.pack(">hh", 1, 50) + b"short", struct.pack(">hh", 1, -1), key(1, "")[:3]):
        times.add(odd, b"v", 50)
    assert (times.commits, times.changes) == ({"g": 10}, {"g": 12, "new": 13})


OIDC = {
    "bootstrap.servers": "b:1",
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "OAUTHBEARER",
    "sasl.oauthbearer.method": "oidc",
    "sasl.oauthbearer.client.id": "me",
    "sasl.oauthbearer.client.secret": "planted-secret",
    "sasl.oauthbearer.extensions": "a=1,b=2",
}


def test_a_token_is_fetched_once_until_it_expires() -> None:
    asked: list[bytes] = []

    def answer(_path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        asked.append(body)
        return 200, {}, b'{"access_token": "t%d", "expires_in": %d}' % (len(asked), 10 if len(asked) == 1 else 600)

    with Server(answer) as server:
        endpoint = {"sasl.oauthbearer.token.endpoint.url": f"http://127.0.0.1:{server.port}/token"}
        tokens = settings_of({**OIDC, **endpoint})["sasl_oauth_token_provider"]
        assert [tokens.token() for _ in range(3)] == ["t1", "t2", "t2"]
    assert asked == [b"grant_type=client_credentials"] * 2
    assert tokens.extensions() == {"a": "1", "b": "2"}
    nowhere = settings_of({**OIDC, "sasl.oauthbearer.token.endpoint.url": "http://127.0.0.1:1"})
    with pytest.raises(OSError, match="no token") as raised:
        nowhere["sasl_oauth_token_provider"].token()
    assert "planted-secret" not in repr(raised.value)


@pytest.mark.parametrize("mechanism", ["GSSAPI", "OAUTHBEARER"])
def test_a_login_that_the_other_client_lacks_is_unsupported(mechanism: str) -> None:
    with pytest.raises(BrokerCallError, match=mechanism) as raised:
        settings_of({"bootstrap.servers": "b:1", "security.protocol": "sasl_plaintext", "sasl.mechanism": mechanism})
    assert raised.value.kind == "unsupported"


def test_settings_of_the_other_client() -> None:
    login = {"sasl.mechanisms": "SCRAM-SHA-512", "sasl.username": "u", "sasl.password": "p"}
    found = settings_of({"bootstrap.servers": "SASL_SSL://b:1, c:2", "security.protocol": "SASL_SSL", **login})
    assert found.pop("ssl_context").check_hostname
    assert found == {
        "bootstrap_servers": ["b:1", "c:2"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "u",
        "sasl_plain_password": "p",
    }
    with pytest.raises(BrokerCallError, match="TLS as configured cannot be used"):
        settings_of({"bootstrap.servers": "b:1", "security.protocol": "ssl", "ssl.ca.location": "/no/such/file"})


def test_topics_of_kafka_cutover_itself_are_internal() -> None:
    found = listing(StubCluster(4, 1, 1))
    names = [topic.name for topic in found.clusters["source"].topics]
    assert not any(topic.internal for topic in found.clusters["source"].topics)
    found.clients = [
        ShimClient(instance="a", role="producer", channel=f"kafka:{names[1]}@source"),
        ShimClient(instance="b", role="producer", channel="file:/etc/cutover.toml"),
        ShimClient(instance="c", role="producer", channel="kafka:"),
    ]
    mark_own(found, f"kafka:{names[2]}")
    assert [topic.name for topic in found.clusters["source"].topics if topic.internal] == names[1:3]
