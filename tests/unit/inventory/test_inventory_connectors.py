"""Connectors by Connect's REST interface; the secrets of their configurations and of the address are in no output."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.inventory.completeness import Gaps
from cutover_harness.inventory.connectors import read_connect

from tests.unit.test_planted_secrets import Server

SECRET = "planted-41c7"


def connector(kind: str, **config: str) -> dict[str, Any]:
    tasks = [
        {"id": 0, "state": "RUNNING", "worker_id": "w1:8083"},
        {"id": 1, "state": "FAILED", "worker_id": "w2:8083"},
    ]
    return {
        "info": {"type": kind, "config": {"connector.class": "Some", "database.password": SECRET, **config}},
        "status": {"connector": {"state": "RUNNING", "worker_id": "w1:8083"}, "tasks": tasks},
    }


LISTED = {
    "sink": connector("sink"),
    "other/sink": connector("sink", **{"consumer.override.group.id": "own-group"}),
    "source": connector("source"),
    "broken": {"info": {}},
}
ANSWERS: dict[str, Any] = {
    "/": {"version": "3.9.2", "kafka_cluster_id": "abc"},
    "/connectors?expand=info&expand=status": LISTED,
    "/connectors/sink/topics": {"sink": {"topics": ["b", "a"]}},
    "/connectors/source/topics": {"source": {"topics": ["c"]}},
}


def answer(path: str, _body: bytes) -> tuple[int, dict[str, str], bytes]:
    found = ANSWERS.get(path)
    return (404 if found is None else 200), {}, json.dumps(found or {"message": SECRET}).encode()


def test_connectors_their_groups_and_topics() -> None:
    gaps = Gaps()
    with Server(answer) as server:
        found = read_connect(f"http://me:{SECRET}@127.0.0.1:{server.port}", gaps)
    assert (found.version, found.kafka_cluster_id, found.workers) == ("3.9.2", "abc", ["w1:8083", "w2:8083"])
    by_name = {each.name: (each.group, each.topics) for each in found.connectors or ()}
    assert by_name == {
        "other/sink": ("own-group", None),
        "sink": ("connect-sink", ["a", "b"]),
        "source": (None, ["c"]),
    }
    assert (found.connectors or [])[0].tasks == {"RUNNING": 1, "FAILED": 1}
    assert {(gap.what, gap.kind, *gap.names) for gap in gaps.all} == {
        ("connectors", "failed", "broken"),
        ("topics of connectors", "unsupported", "other/sink"),
    }
    assert SECRET not in found.model_dump_json() + repr(gaps.all)


@pytest.mark.parametrize(
    ("status", "content", "kind", "what"),
    [
        (401, b"{}", "forbidden", "refuses the login"),
        (403, b"", "forbidden", "refuses the login"),
    ],
)
def test_a_refused_login_is_a_gap(status: int, content: bytes, kind: str, what: str) -> None:
    gaps = Gaps()
    with Server(lambda _path, _body: (status, {}, content)) as server:
        found = read_connect(f"http://127.0.0.1:{server.port}", gaps)
    assert found.connectors is None
    assert [(gap.kind, what in gap.why) for gap in gaps.all] == [(kind, True)]


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}", b'{"version": 1'])
def test_what_is_not_connect_is_an_error(content: bytes) -> None:
    with (
        Server(lambda _path, _body: (200, {}, content)) as server,
        pytest.raises(UsageError, match="not as Kafka Connect") as raised,
    ):
        read_connect(f"http://me:{SECRET}@127.0.0.1:{server.port}", Gaps())
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", f"http://me:{SECRET}@127.0.0.1:1", "nonsense", "http://[", "x:y"]
)
def test_an_address_where_nothing_answers(url: str) -> None:
    with pytest.raises(UsageError, match=r"^--connect ") as raised:
        read_connect(url, Gaps())
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)
