"""Connectors that cannot be moved are refused before anything is changed, and requests are shown without secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cutover_harness.cli.payloads import start_calls, stop_calls
from cutover_harness.cutover.connector_check import connector_problem, lacking
from cutover_harness.procedure.connectors import ConnectorState, MovedConnector
from cutover_harness.types import Role

SINK = MovedConnector("s3", "connect-s3", "consumer", "etl", True, 60)
SOURCE = MovedConnector("crm", "crm", "producer", "etl", True, 60)
RUNS = ConnectorState("RUNNING", ("RUNNING",))


def test_connectors_that_can_be_moved() -> None:
    assert connector_problem(SINK, "sink", {"topics": "a"}, RUNS) is None
    assert connector_problem(SOURCE, "source", {}, RUNS) is None


@pytest.mark.parametrize(
    ("kind", "config", "state", "words"),
    [
        (None, {}, RUNS, "there is no connector of this name"),
        ("source", {}, RUNS, "is a source connector, and the plan has it under groups"),
        (
            "sink",
            {"consumer.override.group.id": "mine"},
            RUNS,
            "reads as group mine, and the plan has it as connect-s3",
        ),
        ("sink", {"consumer.override.bootstrap.servers": "a:1"}, RUNS, "has consumer.override.bootstrap.servers"),
        ("sink", {"history.kafka.bootstrap.servers": "a:1"}, RUNS, "has history.kafka.bootstrap.servers"),
        ("sink", {}, ConnectorState("RUNNING", ("FAILED",), "no disk"), "1 FAILED (no disk)"),
        ("sink", {}, ConnectorState("STOPPED"), "is STOPPED"),
    ],
)
def test_connectors_that_cannot(kind: str | None, config: dict[str, str], state: Any, words: str) -> None:
    assert words in str(connector_problem(SINK, kind, config, state))


@pytest.mark.parametrize(
    ("version", "role", "words"),
    [
        ("2.8.2", "consumer", "cannot stop a connector (3.5)"),
        ("3.6.0", "producer", "cannot create a connector stopped (3.7)"),
        ("7.6.0-ccs", "producer", "cannot create a connector stopped (3.7)"),
        ("3.6.0", "consumer", None),
        ("3.7.0", "producer", None),
        ("other", "producer", None),
    ],
)
def test_what_a_version_of_connect_lacks(version: str, role: Role, words: str | None) -> None:
    found = lacking({"version": version}, {role})
    assert found is None if words is None else words in str(found)


def test_requests_are_shown_without_the_values_of_a_plugin() -> None:
    config = {
        "name": "crm",
        "connector.class": "Crm",
        "crm.dsn": "me:hunter2@db",
        "producer.override.sasl.jaas.config": "x",
    }
    calls = start_calls(SOURCE, config, [({"table": "a"}, {"row": 7})])
    body = json.loads(calls[0].removeprefix("POST /connectors "))
    assert body["initial_state"] == "STOPPED"
    assert body["config"] == {
        "name": "crm",
        "connector.class": "Crm",
        "crm.dsn": "***",
        "producer.override.sasl.jaas.config": "***",
    }
    assert calls[1].startswith('PATCH /connectors/crm/offsets {"offsets": [{"partition": {"table": "a"}')
    assert calls[2] == "PUT /connectors/crm/resume"
    assert "GET /connectors/crm/offsets, kept in the run's folder" in stop_calls(SOURCE)
    assert not any("offsets" in call for call in [*stop_calls(SINK), *start_calls(SINK, {}, [])])
