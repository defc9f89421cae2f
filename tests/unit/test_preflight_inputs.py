"""Client files, cutover files and options of preflight, and its command."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from cutover_harness.cli import preflight as command
from cutover_harness.cli.app import run
from cutover_harness.errors import UsageError
from cutover_harness.preflight import read
from cutover_harness.preflight.read import read_client

from tests.unit.preflight_clusters import SOURCE, TARGET


# What is read
def test_client_files_are_javas_or_librdkafkas(tmp_path: Path) -> None:
    file = tmp_path / "app.properties"
    text = "# comment\n! another\nacks=all\nlinger.ms : 5\nretries 3\nsasl.jaas.config=a.B required \\\n   x=y;\n"
    file.write_text(text)
    expected = {"acks": "all", "linger.ms": "5", "retries": "3", "sasl.jaas.config": "a.B required x=y;"}
    assert read_client(file).properties == expected
    file.write_text(text + "acks-all\n")
    with pytest.raises(UsageError, match=r"--client .*app.properties, line 8: expected name=value"):
        read_client(file)
    file.write_text("\n")
    with pytest.raises(UsageError, match="contains no property"):
        read_client(file)
    with pytest.raises(UsageError, match="none: cannot be read"):
        read_client(tmp_path / "none")


@pytest.mark.parametrize("reads", [read_client, read.read_target_acks])
def test_a_pipe_without_a_writer_is_not_waited_for(tmp_path: Path, reads: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe: is no regular file"):
        reads(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("name", "globs", "wanted"),
    [
        ("orders", [], True),
        ("__consumer_offsets", [], False),
        ("mm2-offset-syncs.a.internal", [], False),
        ("app.internal", [], True),
        ("orders", ["ord*"], True),
        ("bills", ["ord*"], False),
        ("__mine", ["*"], False),
        ("__mine", ["__mine"], True),
    ],
)
def test_scope_excludes_kafkas_internal_topics(name: str, globs: list[str], wanted: bool) -> None:
    assert read._wanted(name, globs) is wanted


@pytest.mark.parametrize(
    ("broker", "version"),
    [
        ({"inter.broker.protocol.version": "3.9-IV0"}, (3, 9)),
        ({"inter.broker.protocol.version": "2.8-IV1"}, (2, 8)),
        ({"process.roles": "broker"}, (4,)),
        ({}, None),
    ],
)
def test_the_version_is_read_from_a_brokers_settings(broker: dict[str, str], version: tuple[int, ...] | None) -> None:
    assert read.kafka_version(broker) == version


@pytest.mark.parametrize(
    ("text", "acks"),
    [
        ('[clusters.target]\nacks = "all"\n"sasl.password" = "${file:/not/here}"', "all"),
        ("[clusters.target]\nacks=1", "1"),
        ("[clusters.target]\n", None),
    ],
)
def test_acks_of_a_cutover_file(tmp_path: Path, text: str, acks: str | None) -> None:
    (tmp_path / "cutover.toml").write_text(text)
    assert read.read_target_acks(tmp_path / "cutover.toml") == acks


@pytest.mark.parametrize(
    ("text", "says"), [("[clusters", "not TOML"), ("generation = 1", "has no table"), ("clusters = 1", "has no table")]
)
def test_file_that_is_no_cutover_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "cutover.toml").write_text(text)
    with pytest.raises(UsageError, match=rf"--cutover-file .*cutover.toml: {re.escape(says)}"):
        read.read_target_acks(tmp_path / "cutover.toml")


# The command
def preflight(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *args: str) -> SimpleNamespace:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sys, "argv", ["kafka-cutover", "preflight", *args])
    try:
        with pytest.raises(SystemExit) as ended:
            run()
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr()
    return SimpleNamespace(code=ended.value.code, out=said.out, err=said.err)


@pytest.fixture
def properties(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A properties file; what would be read from its cluster is the good source."""
    file = tmp_path / "source.properties"
    file.write_text("bootstrap.servers=127.0.0.1:1\n")
    monkeypatch.setattr(command, "read_cluster", lambda name, *_, **__: SOURCE if name == "source" else TARGET)
    return str(file)


def test_exit_codes_say_whether_there_is_a_blocker(
    properties: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["--source", properties, "--target", properties]
    done = preflight(monkeypatch, capsys, *base)
    looked = "checked 1 topic, 1 group, 0 clients, the target is AutoMQ (finalized feature automq.version 6)"
    assert (done.code, done.out) == (0, f"0 blockers, 0 warnings, 0 notes ({looked})\n")
    done = preflight(monkeypatch, capsys, *base, "--exactly-once")
    assert (done.code, done.out.split(":")[0]) == (0, "WARNING  mirror-exactly-once")
    (tmp_path / "app").write_text("group.protocol=consumer\ngroup.id=g\nauto.offset.reset=earliest\n")
    done = preflight(monkeypatch, capsys, *base, "--client", str(tmp_path / "app"), "--json")
    assert done.code == 1
    output = json.loads(done.out)
    assert output["counts"]["blocker"] == 1
    assert output["findings"][0]["rule"] == "group-protocol"
    assert set(output["findings"][0]) == {"rule", "severity", "subject", "reason", "source", "remedy"}


def test_a_source_without_topics_is_no_good_source(
    properties: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "read_cluster", lambda *_, **__: replace(SOURCE, topics={}))
    done = preflight(monkeypatch, capsys, "--source", properties)
    assert (done.code, done.out) == (2, "")
    assert "shows no topic to check" in done.err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--automq-version", "new"], "--automq-version new: expected a version as in 1.7.3"),
        (["--hours", "0"], "--hours 0: must be above 0"),
        (["--topics", "a,,b"], "an empty name in 'a,,b'"),
        (["--client", "none.properties"], "--client none.properties: cannot be read"),
        (["--cutover-file", "none.toml"], "--cutover-file none.toml: cannot be read"),
    ],
)
def test_bad_input_is_one_line(
    args: list[str],
    says: str,
    properties: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = preflight(monkeypatch, capsys, "--source", properties, *args)
    assert done.code == 2
    assert says in done.err
    assert done.err.count("\n") == 1


def test_a_cluster_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(read, "TIMEOUT_S", 0.5)
    file = tmp_path / "source.properties"
    file.write_text("bootstrap.servers=127.0.0.1:1\n")
    done = preflight(monkeypatch, capsys, "--source", str(file))
    assert done.code == 2
    assert "source cluster 127.0.0.1:1: " in done.err
