"""What existing clusters and their Connect must have before anything is created on them."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from cutover_harness.errors import UsageError
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.testbed.existing import check as checked
from cutover_harness.testbed.existing.cluster import ExistingCluster
from cutover_harness.testbed.existing.description import ExistingClusters
from cutover_harness.testbed.existing.remains import Finder, Remains

SECRET = "planted-31b7"
PREFIX = "cutover-rehearsal-0a1b2c-"
MIRROR = "org.apache.kafka.connect.mirror"
PLUGINS = [{"class": f"{MIRROR}.{name}"} for name in ("MirrorSourceConnector", "MirrorCheckpointConnector")]
FINE: Mapping[str, Any] = {
    "/": {"version": "3.9.2", "kafka_cluster_id": "the-target"},
    "/connector-plugins": PLUGINS,
    "validate": {"configs": [{"value": {"name": "topics", "errors": []}}]},
    "/connectors": [f"{PREFIX}all-source", "others"],
}


class Rest(http.server.HTTPServer):
    """A Connect with these answers by path."""

    answers: Mapping[str, Any] = FINE


class Handler(http.server.BaseHTTPRequestHandler):
    server: Rest

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        content = json.dumps(self.server.answers[self.path if self.command == "GET" else "validate"]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = answer  # noqa: N815 - the base's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def rest() -> Iterator[Rest]:
    server = Rest(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class Cluster:
    """Stands where the Admin is; `refused` is what a creation is answered with, by the beginning of the topic."""

    refused: Mapping[str, KafkaError] = {}

    def __init__(self, _config: Mapping[str, str]) -> None:
        pass

    def would_create(self, topic: str, _partitions: int, _config: Mapping[str, str]) -> KafkaError | None:
        return next((error for name, error in self.refused.items() if topic.startswith(name)), None)


def run(
    rest: Rest,
    monkeypatch: pytest.MonkeyPatch,
    *,
    exactly_once: bool = False,
    ids: tuple[str, str] = ("s", "the-target"),
    login: Mapping[str, str] = {},
    access: Mapping[str, str] = {},
) -> checked.Checked:
    url = f"http://127.0.0.1:{rest.server_port}"
    described = ExistingClusters.model_validate({"source": "s", "target": "t", "connect": {"url": url, **access}})
    clusters = {
        name: ExistingCluster(name, "3.9", {"bootstrap.servers": f"{name}:1", **login}) for name in ("source", "target")
    }
    monkeypatch.setattr(
        checked, "_reached", lambda cluster: dict(zip(("source", "target"), ids, strict=True))[cluster.name]
    )
    monkeypatch.setattr(checked, "Admin", Cluster)
    connect = Connect(url, patience_s=0)
    try:
        return checked.check(described, clusters, connect, prefix=PREFIX, exactly_once=exactly_once)  # type: ignore[arg-type]
    finally:
        connect.close()


def test_what_is_complete_passes(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(rest, monkeypatch, exactly_once=True)
    assert (found.connect_version, found.ids) == ("3.9.2", {"source": "s", "target": "the-target"})


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"/": {"version": "3.5.2"}}, "is version 3.5.2, and 3.6 or later is needed"),
        ({"/": {"hello": "you"}}, "answers, but not as Kafka Connect"),
        (
            {"/connector-plugins": PLUGINS[:1]},
            "its workers have no .*MirrorCheckpointConnector: add",
        ),
        ({"/connector-plugins": []}, "MirrorSourceConnector and no .*MirrorCheckpointConnector"),
        (
            {"validate": {"configs": [{"value": {"name": "producer.override.x", "errors": ["policy None"]}}]}},
            "refuses the configuration of MirrorMaker 2: producer.override.x: policy None",
        ),
    ],
)
def test_what_connect_lacks_is_named(
    rest: Rest, monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], said: str
) -> None:
    rest.answers = {**FINE, **answers}
    with pytest.raises(UsageError, match=said):
        run(rest, monkeypatch)


def test_clusters_that_do_not_fit(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="source and target are the same cluster"):
        run(rest, monkeypatch, ids=("one", "one"))
    with pytest.raises(UsageError, match="keeps its state on cluster the-target, and its transactions"):
        run(rest, monkeypatch, exactly_once=True, ids=("s", "another"))


def test_a_login_that_cannot_be_translated_needs_properties_for_connect(
    rest: Rest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    login = {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.client.secret": SECRET}
    with pytest.raises(
        UsageError, match=r"^source: sasl.mechanism OAUTHBEARER cannot .*: give connect.source"
    ) as caught:
        run(rest, monkeypatch, login=login)
    assert SECRET not in str(caught.value)
    (tmp_path / "java").write_text("bootstrap.servers=inside:1\nsasl.mechanism=OAUTHBEARER\n")
    java = {"source": str(tmp_path / "java"), "target": str(tmp_path / "java")}
    assert run(rest, monkeypatch, login=login, access=java).connect_version == "3.9.2"


@pytest.mark.parametrize(
    ("topic", "code", "said"),
    [
        (
            PREFIX,
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            "may not create topics that begin with cutover-rehearsal-:",
        ),
        (
            "mm2-offset-syncs.",
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            "target .*may not create topics that begin with mm2-offset-syncs.cutover-rehearsal-:",
        ),
        (PREFIX, KafkaError.POLICY_VIOLATION, "does not create a topic cutover-rehearsal-0a1b2c-check"),
    ],
)
def test_a_creation_that_is_refused_names_the_right(
    rest: Rest, monkeypatch: pytest.MonkeyPatch, topic: str, code: int, said: str
) -> None:
    monkeypatch.setattr(Cluster, "refused", {topic: KafkaError(code)})
    with pytest.raises(UsageError, match=said):
        run(rest, monkeypatch)


def test_a_place_that_does_not_answer_is_named_and_the_others_are_searched(rest: Rest) -> None:
    def prefix_of(name: str) -> str | None:
        return PREFIX if name.startswith(PREFIX) else None

    connect = Connect(f"http://127.0.0.1:{rest.server_port}", patience_s=0)
    finder = Finder({"source": {"bootstrap.servers": "127.0.0.1:1"}}, connect, prefix_of)

    def away(_cluster: str) -> Any:
        raise KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN))

    finder._admin = away  # type: ignore[method-assign, assignment]
    remains, silent = finder.find()
    assert remains == [Remains(PREFIX, {("connector", "Connect"): [f"{PREFIX}all-source"]})]
    assert remains[0].words() == [f"1 connector on Connect: {PREFIX}all-source"]
    assert len(silent) == 1
    assert silent[0].startswith("what runs created on source is unknown: a cluster refused or did not answer")
    connect.close()
