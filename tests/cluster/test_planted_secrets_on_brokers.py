"""Secrets planted in every place of clusters with TLS and SASL appear nowhere: a rehearsal, a conductor, a load."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from cutover_harness.rehearsal import testbeds
from cutover_harness.testbed.process import ProcessTestbed

from tests.cluster.secured import SecuredTestbed
from tests.cluster.test_load import CLI, Proxy, create, finished, started
from tests.planted import Look, Planted, answers, command_lines, watching
from tests.unit.conductor.run_folder import command_line

SCENARIO = """\
name: planted
title: A switchover between clusters whose clients need passwords
path: [create-task, synchronise, stop-consumers, consumers-to-target, stop-producers, producers-to-target, delete-task]
fleet:
  producers: 1
  groups: {billing: 1}
  producer: {ssl.key.password: PRODUCER}
  consumer: {ssl.key.password: READER}
traffic: {orders: {partitions: 2, per_second: 40, keys: 20}}
"""
OURS = ("cutover.toml", ".cutover.toml.last")
"""Files with the secrets of a rehearsal's clusters: what clients are configured with, and the writer's copy of it."""


def connect_answers(address: Callable[[], str]) -> Callable[[str], Any]:
    """Return what asks Connect, at an address that is known once it runs; None while it does not answer."""

    def get(path: str) -> httpx.Response | None:
        try:
            return httpx.get(f"{address()}{path}", timeout=2, trust_env=False)
        except (httpx.HTTPError, ValueError):
            return None

    return get


def everywhere(look: Look, get: Callable[[str], Any]) -> None:
    command_lines(look, environment_of="java")
    answers(
        look, get, "/connectors?expand=info&expand=status", "/admin/loggers", "/connectors/cutover-all-source/tasks"
    )
    answers(look, get, *(f"/connectors/cutover-all-{each}/config" for each in ("source", "checkpoint", "heartbeat")))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own for everything that is started."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def test_a_rehearsal_between_clusters_with_passwords(
    tmp_path: Path, folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = Planted.at("password", "producer", "consumer", "variable", "s3 secret", "key")
    began = time.time()
    monkeypatch.setenv("PLANTED", planted["variable"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", planted["s3 secret"])
    beds: list[SecuredTestbed] = []

    def secured(workdir: Path, **_: object) -> ProcessTestbed:
        beds.append(SecuredTestbed(workdir, planted["password"], everywhere=True))
        return beds[-1]

    monkeypatch.setattr(testbeds, "ProcessTestbed", secured)
    text = SCENARIO.replace("PRODUCER", planted["producer"]).replace("READER", planted["consumer"])
    (tmp_path / "planted.yaml").write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    get = connect_answers(lambda: beds[0].connect_url if beds else "")
    with (
        command_line(monkeypatch, capsys) as cli,
        watching(planted, partial(everywhere, get=get)) as look,
    ):
        rehearsed, said, errors = cli("rehearse", str(tmp_path / "planted.yaml"), "--out", str(out), "--keep")
        reported = [cli("report", str(out), "--out", str(tmp_path / "report"))]
        judged = cli("judge", str(out / "planted"))
    assert rehearsed == 0, said + errors
    texts = said + errors + "".join(each for found in (*reported, judged) for each in found[1:])
    assert planted.in_text(texts) == set()

    assert look.sightings == set()
    assert {"GET /connectors/cutover-all-source/config", "GET /connectors/cutover-all-source/tasks"} <= look.seen
    assert {"command line of java", "environment of java"} <= look.seen

    found = planted.below(out)
    kept = {name for name in found if Path(name).name in OURS}
    assert kept, "as negative control: the cutover file has the password"
    # What the brokers are configured with was planted there by this test, as was the scenario's client property.
    given = {name for name in found if name.endswith(("testbed/source.properties", "testbed/target.properties"))}
    assert given
    fleet = {name for name in found if name.endswith(".json") and Path(name).parent.name == "apps"}
    assert set(found) - kept - given - fleet == set(), found
    for name in kept | fleet:
        assert (out / name).stat().st_mode & 0o077 == 0, name
    assert planted.below(tmp_path / "report") == {}
    assert planted.below(folders) == {}
    assert planted.below(Path.home() / ".cache" / "kafka-cutover", since=began) == {}


def test_a_load_on_a_cluster_with_passwords(tmp_path: Path, folders: Path) -> None:
    planted = Planted.at("password", "option", "environment")
    (tmp_path / "secret").write_text(planted["password"], encoding="utf-8")
    with SecuredTestbed(tmp_path / "bed", planted["password"], everywhere=True) as bed:
        create(bed, "planted")
        properties = tmp_path / "cluster.properties"
        lines = {**bed.source.client_config(), "sasl.password": f"${{file:{tmp_path / 'secret'}}}"}
        lines["sasl.oauthbearer.client.secret"] = "${PLANTED}"
        properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()), encoding="utf-8")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        proxy = Proxy(port)
        common = ["--cluster", str(properties), "--client", f"ssl.key.password={planted['option']}"]
        master = ["load", *common, "--topic-prefix", "planted.", "--group", "planted", "--speed", "max", "--once"]
        master += ["--master", "--master-bind-port", str(port), "--expect-workers", "1"]
        master += ["--report", str(tmp_path / "report.json"), "--html", str(tmp_path / "report.html")]
        master += ["--csv", str(tmp_path / "figures")]
        worker = ["load", "--worker", *common, "--master-host", "127.0.0.1", "--master-port", str(proxy.port)]
        (tmp_path / "worker").mkdir()
        variables = {"PLANTED": planted["environment"]}
        with (
            started([*CLI, *master], tmp_path, **variables) as process,
            started([*CLI, *worker], tmp_path / "worker", **variables) as other,
        ):
            time.sleep(1)
            report = finished(process, tmp_path, 0)
            other.wait(60)
    assert report["outcome"] == "PASS"
    assert b"planted." in proxy.seen, "as negative control: what is sent over the wire can be found"
    assert planted.in_bytes(bytes(proxy.seen)) == set()
    found = planted.below(tmp_path)
    assert set(found) == {"secret", "bed/source.properties", "bed/target.properties"}, found
