"""The forward and the reverse mirror without brokers, on a Connect that keeps states and offsets as the real one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx
import pytest
from cutover_harness.mirror import (
    Batch,
    MirrorError,
    MirrorSpec,
    ReverseMirror,
    TwoWayMirror,
    connectors,
    lag,
    log_comparer,
    one_way,
)
from cutover_harness.mirror.connector_configs import reverse_configs
from cutover_harness.types import PartitionId

SECRET = "s3cret-word"
SOURCE = {"bootstrap.servers": "127.0.0.1:1", "client.id": "source"}
TARGET = {"bootstrap.servers": "127.0.0.1:2", "client.id": "target", "sasl.password": SECRET}
SPEC = MirrorSpec(Batch("b", ("t",), ("g",)), "http://connect", SOURCE, TARGET, reverse_connect_url="http://reverse")
FORWARD, BACK = "cutover-b-source", "cutover-b.reverse-source"
CUT: dict[PartitionId, int] = {("t", 0): 100, ("t", 1): 0}


class FakeConnect:
    """One Connect cluster: its connectors' configurations, states and stored offsets."""

    def __init__(self) -> None:
        self.configs: dict[str, dict[str, str]] = {}
        self.states: dict[str, str] = {}
        self.offsets: dict[str, dict[tuple[str, str, int], int]] = {}
        self.keeps = False
        """Whether it answers that it has deleted offsets, and keeps them."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.strip("/").split("/")[1:]
        body: Any = json.loads(request.content) if request.content else None
        if not parts:
            self._put(body["name"], body["config"], body.get("initial_state", "RUNNING"))
            return httpx.Response(201, json={})
        name, what = parts[0], parts[1] if len(parts) > 1 else ""
        if what == "config" and request.method == "PUT":
            self._put(name, body, self.states.get(name, "RUNNING"))
            return httpx.Response(200, json={})
        if name not in self.configs:
            return httpx.Response(404, json={"message": "not found"})
        return self._of_connector(request.method, name, what, body)

    def _put(self, name: str, config: Mapping[str, str], state: str) -> None:
        self.configs[name] = {**config, "name": name}
        self.states[name] = state

    def _of_connector(self, method: str, name: str, what: str, body: Any) -> httpx.Response:
        if method in ("DELETE", "PATCH") and what == "offsets" and self.states[name] != "STOPPED":
            return httpx.Response(400, json={"message": "the connector is not stopped"})
        if method == "DELETE" and what == "offsets":
            self.offsets[name] = self.offsets.get(name, {}) if self.keeps else {}
        elif method == "DELETE":
            del self.configs[name], self.states[name]
        elif what in {"pause", "resume", "stop"}:
            self.states[name] = {"pause": "PAUSED", "resume": "RUNNING", "stop": "STOPPED"}[what]
        elif what == "config":
            return httpx.Response(200, json=self.configs[name])
        elif what == "status":
            tasks = [] if self.states[name] == "STOPPED" else [{"id": 0, "state": self.states[name]}]
            return httpx.Response(200, json={"connector": {"state": self.states[name]}, "tasks": tasks})
        elif method == "PATCH":
            for each in body["offsets"]:
                its = each["partition"]
                self.offsets.setdefault(name, {})[its["cluster"], its["topic"], its["partition"]] = each["offset"][
                    "offset"
                ]
        else:
            stored = [
                {"partition": {"cluster": cluster, "topic": topic, "partition": number}, "offset": {"offset": offset}}
                for (cluster, topic, number), offset in self.offsets.get(name, {}).items()
            ]
            return httpx.Response(200, json={"offsets": stored})
        return httpx.Response(200, json={})


class FakeCluster:
    """A cluster with topic t, two partitions, and other topics that no batch mirrors."""

    newer: frozenset[str] = frozenset()
    """Clusters whose version has a topic property that earlier ones refuse."""

    def __init__(self, config: Mapping[str, str], **_: object) -> None:
        self.config = config
        self.own = ["mm2-offset-syncs.b.source.internal"] if config["client.id"] == "target" else []
        self.ends = {("t", 0): 100, ("t", 1): 7} if config["client.id"] == "source" else {("t", 0): 120, ("t", 1): 9}

    def partitions(self, topics: Iterable[str] | None = None) -> dict[str, int]:
        found = {"t": 2, "other": 1, **dict.fromkeys(self.own, 1)}
        return found if topics is None else {name: found[name] for name in topics if name in found}

    def delete_topics(self, topics: Iterable[str]) -> None:
        for topic in topics:
            self.own.remove(topic)

    def end_offsets(self, _topics: Iterable[str]) -> dict[PartitionId, int]:
        return dict(self.ends)

    def start_offsets(self, _topics: Iterable[str]) -> dict[PartitionId, int]:
        return dict.fromkeys(self.ends, 0)

    def topic_configs(self, topics: Iterable[str]) -> dict[str, dict[str, str]]:
        newer = {"compression.lz4.level": "9"} if self.config["client.id"] in self.newer else {}
        return {name: {"retention.ms": "1", **newer} for name in topics}

    def topic_entries(self, topics: Iterable[str]) -> dict[str, dict[str, Any]]:
        return {name: {} for name in topics}

    def broker_config(self) -> dict[str, str]:
        return {}


Clusters = dict[str, FakeConnect]


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> Clusters:
    """The Connect clusters of both directions by host."""
    found = {"connect": FakeConnect(), "reverse": FakeConnect()}
    transport = httpx.MockTransport(lambda request: found[request.url.host].answer(request))
    client = httpx.Client

    def build(**options: Any) -> httpx.Client:
        return client(**options, transport=transport)

    monkeypatch.setattr(httpx, "Client", build)
    for module in (lag, log_comparer):
        monkeypatch.setattr(module, "Admin", FakeCluster)
    monkeypatch.setattr(one_way, "any_compressed", lambda *_: False)
    return found


@pytest.fixture
def mirror(connects: Clusters) -> Iterator[TwoWayMirror]:
    made = TwoWayMirror(SPEC)
    yield made
    made.close()


@pytest.fixture
def reverse(connects: Clusters) -> Iterator[ReverseMirror]:
    with ReverseMirror(SPEC) as made:
        yield made


def test_the_reverse_spec_swaps_everything() -> None:
    back = SPEC.reverse
    assert (back.source, back.target, back.connect_url) == (TARGET, SOURCE, "http://reverse")
    assert (back.batch.name, back.batch.topics, back.batch.groups) == ("b.reverse", ("t",), ())
    assert back.reverse.connect_url == SPEC.connect_url
    assert MirrorSpec(SPEC.batch, "http://one", SOURCE, TARGET).reverse.connect_url == "http://one"


def test_a_spec_shows_no_secret() -> None:
    assert SECRET in str(SPEC.target)
    assert SECRET not in repr(SPEC)


def test_the_reverse_mirror_writes_records_only() -> None:
    (config,) = reverse_configs(SPEC.reverse).values()
    assert config["offset-syncs.topic.location"] == "source"
    assert config["sync.topic.configs.enabled"] == "false"
    assert config["producer.override.bootstrap.servers"] == SOURCE["bootstrap.servers"]


def test_there_and_back(connects: Clusters, mirror: TwoWayMirror, reverse: ReverseMirror) -> None:
    forward, back = connects["connect"], connects["reverse"]
    mirror.create()
    assert set(forward.states) == set(SPEC.batch.connectors)
    assert mirror.running() == []
    with pytest.raises(MirrorError, match=f"{FORWARD} is RUNNING: stop the mirror before"):
        reverse.start(CUT)
    mirror.stop()
    with pytest.raises(MirrorError, match=r"no offset for t-1 \(1 are missing\)"):
        reverse.start({("t", 0): 100})
    assert back.configs == {}
    reverse.start(CUT)
    assert back.states == {BACK: "RUNNING"}
    # The last record before the cut; an empty partition has none.
    assert back.offsets[BACK] == {("b.reverse.source", "t", 0): 99}
    assert reverse._begins() == {("t", 0): (100, 100), ("t", 1): (0, 7)}
    for again in (mirror.create, mirror.resume):
        with pytest.raises(MirrorError, match=f"{BACK} is RUNNING: end the reverse mirror first"):
            again()
    reverse.hand_back({("t", 0): 130, ("t", 1): 8})
    assert back.states == {}
    assert forward.offsets[FORWARD] == {("b.source", "t", 0): 129, ("b.source", "t", 1): 7}
    mirror.resume()
    assert mirror.running() == []


def test_a_second_start_with_the_same_cut_keeps_where_it_was(connects: Clusters, reverse: ReverseMirror) -> None:
    back = connects["reverse"]
    reverse.start(CUT)
    back.offsets[BACK]["b.reverse.source", "t", 0] = 117  # it has copied some
    begins = reverse._begins()
    reverse.start(CUT)
    assert back.offsets[BACK]["b.reverse.source", "t", 0] == 117
    assert reverse._begins() == begins
    assert back.states == {BACK: "RUNNING"}


@pytest.mark.parametrize(("newer", "excluded"), [({"target"}, True), ({"source", "target"}, False)])
def test_properties_that_an_older_source_refuses_are_not_written_there(
    connects: Clusters, reverse: ReverseMirror, monkeypatch: pytest.MonkeyPatch, newer: set[str], excluded: bool
) -> None:
    """MirrorMaker 2 could not create its topic there, and would wait for it with every record."""
    monkeypatch.setattr(FakeCluster, "newer", frozenset(newer))
    reverse.start(CUT)
    exclude = connects["reverse"].configs[BACK]["config.properties.exclude"]
    assert (r"compression\.lz4\.level" in exclude) is excluded
    assert r",retention\.ms" not in exclude


def test_nothing_can_be_handed_back_to_a_mirror_that_runs_or_does_not_exist(
    connects: Clusters, mirror: TwoWayMirror, reverse: ReverseMirror
) -> None:
    with pytest.raises(MirrorError, match=f"{FORWARD} does not exist"):
        reverse.hand_back(CUT)
    mirror.create()
    with pytest.raises(MirrorError, match=f"{FORWARD} is RUNNING: stop it first"):
        reverse.hand_back(CUT)


def test_translation_alone_can_be_stopped(connects: Clusters, mirror: TwoWayMirror) -> None:
    forward = connects["connect"]
    mirror.create()
    mirror.stop_translating()
    checkpoint = SPEC.batch.checkpoint_connector
    assert {name for name, state in forward.states.items() if state == "STOPPED"} == {checkpoint}
    assert mirror.translating() == [f"{checkpoint} is STOPPED"]
    mirror.resume_translating()
    assert set(forward.states.values()) == {"RUNNING"}
    mirror.pause()
    assert set(forward.states.values()) == {"PAUSED"}


def test_both_directions_are_deleted(connects: Clusters, mirror: TwoWayMirror) -> None:
    mirror.create()
    mirror.stop()
    mirror.reverse(CUT)
    assert connects["reverse"].states == {BACK: "RUNNING"}
    assert mirror.exists()
    mirror.delete()
    assert connects["connect"].states == connects["reverse"].states == {}
    assert not mirror.exists()


def with_offsets(connects: Clusters) -> None:
    for connect, name in (("connect", FORWARD), ("connect", "cutover-other-source"), ("reverse", BACK)):
        connects[connect].offsets[name] = {("b.source", "t", 0): 99}


def test_what_deleted_mirrors_have_left_is_forgotten(connects: Clusters, mirror: TwoWayMirror) -> None:
    with_offsets(connects)
    removed = mirror.forget()
    assert removed == [
        *(f"stored offsets of {name}" for name in SPEC.batch.connectors),
        "topic mm2-offset-syncs.b.source.internal",
        f"stored offsets of {BACK}",
    ]
    stored = connects["connect"].offsets
    assert [name for name, offsets in stored.items() if offsets] == ["cutover-other-source"], "of another batch"
    assert connects["reverse"].offsets == {BACK: {}}
    assert not mirror.exists()
    mirror.create()
    assert mirror.connectors.stored_offsets() == {}
    mirror.delete()
    assert mirror.forget() == [line for line in removed if not line.startswith("topic")], "repeating changes nothing"


def test_offsets_that_are_still_there_are_an_error(
    connects: Clusters, mirror: TwoWayMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connectors, "_STATE_LIMIT_S", 0.2)
    with_offsets(connects)
    connects["connect"].keeps = True
    with pytest.raises(MirrorError, match=f"not without stored offsets within .*: {FORWARD}"):
        mirror.forget()
