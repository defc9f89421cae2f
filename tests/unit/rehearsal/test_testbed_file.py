"""The file of `--testbed FILE`: what it may contain, and errors with line and field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cutover_harness.cli.testbed_options import TestbedOptions
from cutover_harness.errors import UnavailableError, UsageError
from cutover_harness.plan.load import find, load_all
from cutover_harness.rehearsal.settings import Settings
from cutover_harness.rehearsal.testbed_file import read_testbed_file
from cutover_harness.rehearsal.testbeds import check_testbed, unavailable
from cutover_harness.testbed.existing.cluster import ForeignNode, read_cluster
from cutover_harness.testbed.existing.description import ExistingClusters, schema
from cutover_harness.testbed.existing.testbed import ExistingTestbed

ROOT = Path(__file__).parents[3]
SECRET = "planted-51aa"
WHOLE = """
prefix: team-x-
source: source.properties
target:
  properties: /etc/kafka/target.properties
  kind: automq
  version: 1.7.3
connect:
  url: https://connect:8083
  ca: ca.pem
  user: rehearsal
  password: ${file:connect.password}
  source: inside-source.properties
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "testbed.yaml"
    file.write_text(text)
    return file


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    found = read_testbed_file(written(tmp_path, WHOLE))
    assert found.source.properties == tmp_path / "source.properties"
    assert found.target.properties == Path("/etc/kafka/target.properties")
    assert found.connect.ca == tmp_path / "ca.pem"
    assert found.connect.access.source == tmp_path / "inside-source.properties"
    assert found.connect.access.password == f"${{file:{tmp_path}/connect.password}}"
    assert (found.prefix, found.target.kind) == ("team-x-", "automq")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("source: source.properties\n", "", ":2: source: is missing: add it"),
        ("  kind: automq", "  kind: pulsar", ":6: target.kind: expected 'kafka' or 'automq', found 'pulsar'"),
        ("  kind: automq", "  brokers: 3", ":6: target.brokers: no such field: there are "),
        ("prefix: team-x-", "prefix: team x", ":2: prefix: expected letters, digits"),
        ("prefix: team-x-", "prefix: __team-", ":2: prefix: expected letters, digits"),
        ("${file:connect.password}", SECRET, ":12: connect.password: holds something that is no reference"),
        ("  user: rehearsal\n", "", ": connect: user and password belong together"),
        ("https://connect:8083", f"https://me:{SECRET}@connect", ":9: connect.url: contains a user or a password"),
        ("https://connect:8083", "connect:8083", ":9: connect.url: is no address"),
        ("  ca: ca.pem", f"  passwort: {SECRET}", ":10: connect.passwort: no such field: did you mean password?"),
        (WHOLE, "", "a testbed file is a mapping with source, target and connect; found nothing"),
        (WHOLE, "source: [", "not YAML"),
    ],
)
def test_errors_name_line_and_field(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in WHOLE
    with pytest.raises(UsageError) as caught:
        read_testbed_file(written(tmp_path, WHOLE.replace(old, new)))
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_sample_and_the_schema_in_the_docs_are_those_of_the_code(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "testbed.sample.yaml").read_text(encoding="utf-8")
    assert read_testbed_file(written(tmp_path, text)).prefix == "cutover-rehearsal-"
    assert (ROOT / "docs" / "testbed.schema.json").read_text(encoding="utf-8") == schema()
    assert json.loads(schema())["required"] == ["source", "target", "connect"]


def described(folder: Path) -> ExistingClusters:
    for name in ("source", "target"):
        (folder / f"{name}.properties").write_text(f"bootstrap.servers={name}:1\n")
    text = "source: source.properties\ntarget: target.properties\nconnect: {url: 'http://c:1'}\n"
    return read_testbed_file(written(folder, text))


def test_only_names_of_runs_belong_to_runs(tmp_path: Path) -> None:
    found = described(tmp_path)
    mine = found.new_prefix()
    assert mine.startswith("cutover-rehearsal-")
    assert mine != found.new_prefix()
    for name in (f"{mine}orders", f"mm2-offset-syncs.{mine}all.source.internal", f"{mine}all-source"):
        assert found.prefix_of(name) == mine
    for name in ("orders", "cutover-rehearsal-notes", "cutover-rehearsal-0a1b2-x", "mm2-offset-syncs.a.internal"):
        assert found.prefix_of(name) is None
    assert found.prefix_of(f"x-{mine}orders") is None


def test_a_testbed_of_existing_clusters(tmp_path: Path) -> None:
    bed = ExistingTestbed(tmp_path, described(tmp_path))
    assert bed.source.client_config() == {"bootstrap.servers": "source:1"}
    assert bed.target_kind == "stand-in"
    assert bed.reverse_connect_url() == bed.connect_url == "http://c:1"
    bed.stop()
    assert bed.left == ()
    with pytest.raises(UsageError, match="--exactly-once: a reverse mirror needs a Connect of its own"):
        ExistingTestbed(tmp_path, described(tmp_path), exactly_once=True).reverse_connect_url()
    node = ForeignNode()
    for act in (node.kill, node.freeze, node.thaw, node.stop, node.restart):
        with pytest.raises(UnavailableError, match="machines that are not the rehearsal's"):
            act()
    assert not node.stopped()


def test_properties_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.properties"
    for line, said in (
        ("ssl.keystore.location=k.p12", "give the certificate and its key as PEM"),
        ("group.id=g", "group.id is set by the rehearsal"),
    ):
        file.write_text(f"bootstrap.servers=a:1\n{line}\n")
        with pytest.raises(UsageError, match=said):
            read_cluster("source", file, None)
    file.write_text("metadata.broker.list=a:1\n")
    assert read_cluster("source", file, "3.9").bootstrap == "a:1"


def settings_of(folder: Path, *, existing: bool = True) -> Settings:
    found = described(folder) if existing else None
    kind = "existing" if existing else "process"
    return Settings(out=folder, capture=folder, command="", seed=1, testbed=kind, existing=found)  # type: ignore[arg-type]


def test_faults_of_machines_are_unavailable(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    names = {scenario.name for scenario in load_all() if unavailable(scenario, settings) is not None}
    assert names >= {"connect-killed", "connect-restarted", "source-frozen", "target-killed", "channel-broker-killed"}
    assert not names & {
        "producer-killed",
        "consumer-frozen",
        "conductor-killed-producers",
        "topic-made-again",
        "sub-path",
    }
    process = settings_of(tmp_path, existing=False)
    assert not [scenario for scenario in load_all() if unavailable(scenario, process)]
    for chosen, named in (([find("stop-first"), find("source-killed")], True), ([find("source-killed")], False)):
        with pytest.raises(UsageError, match="scenario source-killed: fault kill source is unavailable"):
            check_testbed(chosen, settings, named=named)


def test_options_of_other_testbeds_are_refused(tmp_path: Path) -> None:
    file = str(written(tmp_path, WHOLE))
    assert TestbedOptions(testbed=file).kind() == "existing"
    assert TestbedOptions(testbed=file).existing() is not None
    assert TestbedOptions().existing() is None
    for option, given in (
        ("--ports", TestbedOptions(testbed=file, ports="1,2,3")),
        ("--target-ack-delay", TestbedOptions(testbed=file, target_ack_delay=5)),
        ("--source-version 3.4.1: is for --testbed process", TestbedOptions(testbed=file, source_version="3.4.1")),
        ("--testbed existing: not one of: process, docker, automq, nor a YAML file", TestbedOptions("existing")),
    ):
        with pytest.raises(UsageError, match=option):
            given.kind()
