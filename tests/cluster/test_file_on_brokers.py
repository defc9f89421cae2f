"""`kafka-cutover file` on control topics of real brokers, and a conductor whose fleet has them."""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.channels.names import TopicName
from cutover_harness.channels.topic import TopicWriter
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.process import COMPLETED, conduct
from cutover_harness.plan.scenario import Gates, PathStep
from cutover_harness.procedure.names import StepName
from cutover_harness.testbed import ProcessTestbed
from cutover_shim.kafka_channel import KEY
from cutover_shim.signature import verify

from tests.cluster.test_resume_and_rollback import Clients
from tests.unit.conductor.run_folder import Cli, command_line

SECRET = "0123456789abcdef0123456789abcdef"


class Place:
    """A working folder with the properties of both clusters and a key, and the name of a control topic."""

    def __init__(self, testbed: ProcessTestbed, folder: Path) -> None:
        self.source, self.target = testbed.source.client_config(), testbed.target.client_config()
        self.topic = f"control-{uuid.uuid4().hex[:8]}"
        for name, config in (("s.properties", self.source), ("t.properties", self.target)):
            lines = [f"{key}={value}" for key, value in config.items()]
            (folder / name).write_text("\n".join(lines), encoding="utf-8")
        (folder / "key").write_text(SECRET, encoding="utf-8")

    def newest(self, config: dict[str, str]) -> str:
        topic = TopicWriter(TopicName(self.topic, "source"), config, keys=[SECRET.encode()])
        try:
            topic.read()
            return topic.newest or ""
        finally:
            topic.close()


@pytest.fixture
def place(testbed: ProcessTestbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(testbed, tmp_path)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    with command_line(monkeypatch, capsys) as call:
        yield call


INIT = ("--source", "s.properties", "--target", "t.properties", "--topic", "orders", "--group", "billing", "--yes")
SIGNED = ("--key", "${file:key}")


def test_topics_are_steered_from_the_command_line(cli: Cli, place: Place) -> None:
    both = f"kafka:{place.topic}"
    code, out, err = cli("file", "init", "cutover.toml", both, *INIT)
    assert (code, out) == (2, "")
    assert f"{both}@source: needs --key, as applications refuse unsigned documents of a topic" in err
    assert Admin(place.source).describe_topic(place.topic) is None
    code, out, err = cli("file", "init", "cutover.toml", both, *INIT, *SIGNED)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{name}: generation 1" for name in ("file:cutover.toml", f"{both}@source", f"{both}@target")
    ]
    text = Path("cutover.toml").read_text(encoding="utf-8")
    assert {place.newest(place.source), place.newest(place.target)} == {text}
    assert b"generation = 1" in verify(text.encode(), [SECRET.encode()])
    code, _, err = cli("file", "set", "--yes", "cutover.toml", both, "all.consumers=hold", *SIGNED)
    assert (code, err) == (0, "")
    text = Path("cutover.toml").read_text(encoding="utf-8")
    assert "generation = 2" in text
    assert {place.newest(place.source), place.newest(place.target)} == {text}
    # Without a file: the document on the source names the target.
    code, out, _ = cli(
        "file", "set", "--yes", both, "--cluster", "source=s.properties", "all.consumers=source", *SIGNED
    )
    assert (code, out.splitlines()[-2:]) == (0, [f"{both}@source: generation 3", f"{both}@target: generation 3"])
    code, out, _ = cli("file", "check", "cutover.toml", both, *SIGNED)
    assert (code, out.splitlines()[-1]) == (2, f"file:cutover.toml: has generation 2, and {both}@source has 3")
    assert cli("file", "set", "cutover.toml", both, *SIGNED)[0] == 0
    code, out, _ = cli("file", "check", "cutover.toml", both, *SIGNED)
    assert (code, out.count("generation 3, good")) == (0, 3)
    code, out, _ = cli("file", "show", both, "--cluster", "t.properties", "--json")
    assert json.loads(out)[0]["generation"] == 3
    assert json.loads(out)[0]["channel"] == both
    assert cli("file", "diff", "cutover.toml", f"{both}@target", *SIGNED) == (0, "", "")


def test_the_example_of_a_control_topic_alone_works(cli: Cli, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "cutover-file.md").read_text(encoding="utf-8")
    example = page.split("A control topic alone, without a cutover file:\n\n```sh\n")[1].split("```")[0]
    for written, here in (
        ("/etc/cutover-key", "key"),
        ("source.properties", "s.properties"),
        ("automq.properties", "t.properties"),
        ("cutover-control", place.topic),
    ):
        assert written in example
        example = example.replace(written, here)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda _question: True)
    topic, printed = f"kafka:{place.topic}", {}
    for line in example.splitlines():
        words = shlex.split(line, comments=True)
        if words[0] == "export":
            monkeypatch.setenv(*words[1].split("=", 1))
        elif words[0] == "kafka-cutover":
            code, out, err = cli(*words[1:])
            assert (code, err) == (0, ""), line
            printed[words[2]] = out
    assert list(printed) == ["init", "check", "set", "show"]
    for command, said in (("init", "generation 1"), ("check", "generation 1, good"), ("set", "generation 2")):
        assert printed[command].endswith(f"{topic}@source: {said}\n{topic}@target: {said}\n")
    assert printed["show"].startswith(f"{topic}: generation 2, signed\n")


def test_forged_documents_are_found_and_overwritten(cli: Cli, place: Place) -> None:
    name = f"kafka:{place.topic}@source"
    assert cli("file", "init", "cutover.toml", name, *INIT, *SIGNED)[0] == 0
    good = place.newest(place.source)
    producer = Producer(place.source)
    producer.produce(place.topic, key=KEY, value="generation = 9\n")
    assert producer.flush(20) == 0
    code, out, _ = cli("file", "check", "cutover.toml", name, *SIGNED)
    assert code == 2
    assert f"{name}: its newest record is another document, or none, which applications refuse" in out
    unchecked = f"{name}: signatures were not checked, and the topic has signed documents and others: give --key"
    assert unchecked not in out
    code, out, _ = cli("file", "check", name, "--cluster", "source=s.properties")
    assert (code, out.startswith(unchecked), "write the document again" in out) == (2, True, False)
    assert "note: the signature was not checked" not in out, "it is said once"
    assert cli("file", "set", "cutover.toml", name, *SIGNED)[0] == 0
    assert place.newest(place.source) == good
    assert cli("file", "check", "cutover.toml", name, *SIGNED)[0] == 0
    code, out, _ = cli("file", "check", f"kafka:{place.topic}", "--cluster", "s.properties")
    assert (code, "give --key" in out) == (2, True), "the forged one is still in the log"


def test_unsigned_documents_and_those_of_another_key_do_not_replace_signed_ones(cli: Cli, place: Place) -> None:
    name, cluster = f"kafka:{place.topic}@source", ("--cluster", "source=s.properties")
    code, _, err = cli("file", "init", name, *INIT[:-1], *SIGNED)
    assert code == 2
    assert "no terminal to confirm the change: give --yes" in err
    assert Admin(place.source).describe_topic(place.topic) is None, "nothing was created"
    assert cli("file", "init", name, *INIT, *SIGNED)[0] == 0
    good = place.newest(place.source)
    code, out, _ = cli("file", "check", name, *cluster)
    assert (code, out) == (
        0,
        f"{name}: generation 1, good\n{name}: note: the signature was not checked: give --key\n",
    )
    change = ("--yes", name, *cluster, "all.consumers=hold")
    code, _, err = cli("file", "set", *change, "--unsigned")
    assert code == 2
    assert f"{name}: the present document is signed, and applications with a key refuse an unsigned one" in err
    Path("other").write_text(SECRET[::-1], encoding="utf-8")
    code, _, err = cli("file", "set", *change, "--key", "${file:other}")
    assert (code, f"check the key: {name} has a document that it does not verify" in err) == (2, True)
    assert place.newest(place.source) == good
    producer = Producer(place.source)  # an unsigned one that is the newest, and claims the highest generation
    producer.produce(place.topic, key=KEY, value=good.split("\n", 1)[1].replace("generation = 1", "generation = 9"))
    assert producer.flush(20) == 0
    code, _, err = cli("file", "set", *change, "--key", "${file:other}")
    assert (code, "not signed" in err, "check the key" in err, "first one" in err) == (2, True, True, False)
    assert cli("file", "set", *change, "--unsigned")[0] == 2, "the document in force is the signed one"
    assert cli("file", "set", *change, *SIGNED)[0] == 0


@pytest.mark.parametrize(("partitions", "policy"), [(3, "compact"), (1, "delete")])
def test_a_topic_that_is_no_control_topic_is_refused(cli: Cli, place: Place, partitions: int, policy: str) -> None:
    name = f"kafka:{place.topic}@source"
    Admin(place.source).create_topics({place.topic: partitions}, {"cleanup.policy": policy})
    code, out, err = cli("file", "init", "cutover.toml", name, *INIT, *SIGNED)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert f"{name}: has {'3 partitions' if partitions == 3 else 'cleanup.policy=delete'}" in err
    assert not Path("cutover.toml").exists()
    code, out, _ = cli("file", "check", f"kafka:{place.topic}", "--cluster", "s.properties", *SIGNED)
    assert code == 2
    assert "kafka:" in out


def test_a_missing_topic_and_a_cluster_that_is_away_are_problems(cli: Cli, place: Place) -> None:
    Path("away.properties").write_text("bootstrap.servers=127.0.0.1:9\n", encoding="utf-8")
    code, out, _ = cli("file", "check", f"kafka:{place.topic}", "--cluster", "s.properties")
    assert (code, out) == (2, f"kafka:{place.topic}: the topic does not exist: create it, or check the name\n")
    assert Admin(place.source).describe_topic(place.topic) is None
    code, out, err = cli("file", "show", f"kafka:{place.topic}", "--cluster", "away.properties")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert f"kafka:{place.topic}: " in err


def test_live_facts_of_the_source_strand_groups(cli: Cli, place: Place) -> None:
    topics = [f"live-{uuid.uuid4().hex[:6]}-{name}" for name in "ab"]
    group = f"{topics[0]}-group"
    admin = Admin(place.source)
    admin.create_topics(dict.fromkeys(topics, 1))
    admin.set_committed(group, {(topics[0], 0): 0, (topics[1], 0): 0})
    names = ("--topic", topics[0], "--group", group)
    assert cli("file", "init", "cutover.toml", *INIT[:4], *names, "--yes")[0] == 0
    assert cli("file", "check", "cutover.toml")[0] == 0
    code, out, _ = cli("file", "check", "cutover.toml", "--live")
    stranded = f"group {group!r} is in route all, and topic {topics[1]!r}, which it has read, in no route"
    assert code == 2
    assert stranded in out
    code, _, err = cli("file", "set", "--yes", "--live", "cutover.toml", "all.consumers=hold")
    assert code == 2
    assert f"the change is refused: {stranded}" in err
    assert (
        cli("file", "set", "--yes", "--live", "cutover.toml", f"all.topics+={topics[1]}", "all.consumers=hold")[0] == 0
    )


def test_a_conductor_writes_control_topics_and_mirrors_none(
    testbed: ProcessTestbed, place: Place, tmp_path: Path
) -> None:
    folder, topic = tmp_path / "run", f"moved-{uuid.uuid4().hex[:6]}"
    folder.mkdir()
    admin = Admin(place.source)
    admin.create_topics({topic: 1})
    admin.set_committed(f"{topic}-group", {(topic, 0): 0})
    key, channels = f"${{file:{tmp_path / 'key'}}}", [f"kafka:{place.topic}"]
    # The pattern of the route matches the control topic as well.
    routes = {"wide": RouteLocations([topic, f"{place.topic[:-2]}*"], [f"{topic}-group"])}
    clusters = {"source": place.source, "target": place.target}
    first = CutoverFileWriter(folder / "cutover.toml", clusters, routes, channels, key)
    first.write()
    first.close()
    clients = Clients(folder, "wide")
    clients.obey = True
    config = ConductorConfig(
        route="wide",
        topics=[topic, f"{place.topic[:-2]}*"],
        groups=[f"{topic}-group"],
        clients={"producer": "producer", "consumer": "consumer"},
        steps=[PathStep(step=step, dwell_s=0) for step in (StepName.CREATE_TASK, StepName.STOP_CONSUMERS)],
        gates=Gates(deadline_s=60),
        connect_url=testbed.connect_url,
        cutover_file=folder / "cutover.toml",
        channels=channels,
        key=key,
        statuses=folder / "status",
        journal=folder / "journal.sqlite",
    )
    try:
        assert conduct(config) == COMPLETED
        text = (folder / "cutover.toml").read_text(encoding="utf-8")
        assert "generation = 2" in text
        assert {place.newest(place.source), place.newest(place.target)} == {text}
        noted = [entry.detail for entry in Journal(config.journal).read() if entry.kind == "published"]
        assert [entry["generation"] for entry in noted][-1] == 2
        assert sorted(noted[-1]["channels"]) == [
            f"file:{folder}/cutover.toml", f"kafka:{place.topic}@source", f"kafka:{place.topic}@target",
        ]  # fmt: skip
        assert Admin(place.target).end_offsets([place.topic]) == {(place.topic, 0): 2}, "nothing was mirrored into it"
        assert conduct(config, back=True) in (COMPLETED, 5)
        text = (folder / "cutover.toml").read_text(encoding="utf-8")
        assert "generation = 3" in text
        assert {place.newest(place.source), place.newest(place.target)} == {text}
    finally:
        clients.close()
