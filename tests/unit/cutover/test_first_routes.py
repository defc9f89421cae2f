"""`kafka-cutover file init --plan`: a route for each batch before there is a client, and the hints that ask for it."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.cli.questions import show_route
from cutover_harness.cutover.first_routes import command_of, routes_of
from cutover_harness.cutover.preparation import RouteChange
from cutover_harness.cutover.routes import with_route
from cutover_harness.errors import UsageError
from cutover_harness.planning.model import PlannedBatch
from cutover_harness.planning.read import read_plan
from cutover_shim.cutover_file import parse

from tests.unit.conductor.run_folder import Cli, command_line

ON_SOURCE = {"producers": "source", "consumers": "source"}
PLAN = """\
name: shop
clusters: {source: {properties: s.properties}, target: {properties: t.properties}}
reach: [{file: cutover.toml}]
batches:
  - name: first
    path: in-process
    topics: [orders, payments]
    groups: {billing: {moves: shim}, legacy: {moves: restart}}
    producers: {checkout: {moves: shim}}
  - {name: second, path: in-process, topics: ["audit.*"], exclude: [audit.tmp, audit.log]}
  - {name: third, path: in-process, topics: [audit.log], groups: {audit: {moves: shim}}}
"""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Cli]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUTOVER_KEY", raising=False)
    Path("s.properties").write_text("bootstrap.servers=127.0.0.1:1\n")
    Path("t.properties").write_text("bootstrap.servers=b:1\nacks=all\n")
    Path("plan.yaml").write_text(PLAN)
    Path("key").write_text("0123456789abcdef")
    with command_line(monkeypatch, capsys) as call:
        yield call


def routes() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(Path("cutover.toml").read_text())["routes"]
    return found


def test_each_batch_gets_its_route_with_the_groups_that_move_by_shim(cli: Cli) -> None:
    code, out, err = cli("file", "init", "--plan", "plan.yaml", "--yes")
    assert (code, err) == (0, "")
    assert "route first: topics orders, payments; groups billing" in out
    assert routes() == {
        "first": {"topics": ["orders", "payments"], "groups": ["billing"], **ON_SOURCE},
        "second": {"topics": ["audit.*"], "groups": [], **ON_SOURCE},
        "stays": {"topics": ["audit.tmp"], "groups": [], **ON_SOURCE},
        "third": {"topics": ["audit.log"], "groups": ["audit"], **ON_SOURCE},
    }
    file = parse(Path("cutover.toml").read_text())
    assert (file.clusters["target"].properties["acks"], file.generation) == ("all", 1)
    for batch in read_plan(Path("plan.yaml")).plan.batches:
        document = {"routes": routes()}
        assert with_route(document, batch, ["audit.tmp", "audit.log"]) == document, "run finds nothing to add"


def test_topics_that_a_pattern_excludes_are_read_from_the_source(cli: Cli) -> None:
    Path("plan.yaml").write_text(PLAN.replace("[audit.tmp, audit.log]", '["*.tmp", audit.log]'))
    plan = read_plan(Path("plan.yaml")).plan
    assert routes_of(plan, ["audit.x.tmp", "other.tmp", "audit.log"])["stays"]["topics"] == ["audit.x.tmp"]
    code, _, err = cli("file", "init", "--plan", "plan.yaml", "--yes")
    assert (code, "its topics cannot be listed, and a batch excludes some by a pattern" in err) == (2, True)
    assert not Path("cutover.toml").exists()


def test_channels_key_and_applications_properties_can_be_given(cli: Cli) -> None:
    Path("plan.yaml").write_text(PLAN.replace("batches:", "key: '${file:key}'\nbatches:"))
    Path("apps.properties").write_text("bootstrap.servers=c:1\n")
    code, _, err = cli("file", "init", "other.toml", "--plan", "plan.yaml", "--source", "apps.properties", "--yes")
    assert (code, err) == (0, "")
    text = Path("other.toml").read_text()
    assert text.startswith("# cutover-signature: ")
    assert tomllib.loads(text)["clusters"]["source"] == {"bootstrap.servers": "c:1"}


@pytest.mark.parametrize(
    ("change", "arguments", "why"),
    [
        (("", ""), ("--topic", "x"), "--plan has the routes: leave --topic, --group and --route out"),
        (("reach: [{file: cutover.toml}]", "reach: []"), (), "plan.yaml: reach: is empty"),
        (
            ("[orders, payments]", "[orders, audit.log]"),
            (),
            "has topics audit.log, which the plan moves in batch third",
        ),
    ],
)
def test_init_of_a_plan_refuses(cli: Cli, change: tuple[str, str], arguments: tuple[str, ...], why: str) -> None:
    Path("plan.yaml").write_text(PLAN.replace(*change) if change[0] else PLAN)
    code, _, err = cli("file", "init", "--plan", "plan.yaml", "--yes", *arguments)
    assert (code, why in err, len(err.splitlines())) == (2, True, 1), err
    assert not Path("cutover.toml").exists()


@pytest.mark.parametrize("login", ["sasl.username=conductor", "sasl.password=${PW}", "ssl.key.location=/k"])
def test_the_login_of_the_conductor_is_no_applications_login(cli: Cli, login: str) -> None:
    Path("s.properties").write_text(f"bootstrap.servers=127.0.0.1:1\n{login}\n")
    code, _, err = cli("file", "init", "--plan", "plan.yaml", "--yes")
    assert (code, "is kafka-cutover's own login" in err, "give --source FILE" in err) == (2, True, True), err
    Path("apps.properties").write_text("bootstrap.servers=127.0.0.1:1\n")
    assert cli("file", "init", "--plan", "plan.yaml", "--source", "apps.properties", "--yes")[0] == 0


def test_without_a_plan_what_is_missing_is_named(cli: Cli) -> None:
    code, _, err = cli("file", "init", "cutover.toml", "--source", "s.properties", "--yes")
    assert (code, "init: lacks --target, --topic: give them, or --plan FILE" in err) == (2, True), err
    code, _, err = cli("file", "init", "--topic", "x", "--yes")
    assert (code, "init: names no channel" in err) == (2, True), err


def test_the_command_that_is_printed_adds_the_route(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("file", "init", "--plan", "plan.yaml", "--yes")[0] == 0
    read = read_plan(Path("plan.yaml"))
    first = read.plan.batches[0]
    before = {"routes": {name: route for name, route in routes().items() if name != "first"}}
    text = Path("cutover.toml").read_text()
    Path("cutover.toml").write_text(text.replace("[routes.first]", "[routes.other]").replace("orders", "elsewhere"))
    text = Path("cutover.toml").read_text().replace("payments", "nowhere").replace("billing", "nobody")
    Path("cutover.toml").write_text(text.replace("generation = 1", "generation = 2"))
    code, _, err = cli(*shlex.split(command_of(read, first))[1:], "--yes")
    assert (code, err) == (0, "")
    assert routes()["first"] == {"topics": ["orders", "payments"], "groups": ["billing"], **ON_SOURCE}

    show_route(RouteChange(before, with_route(before, first, [])), read, first)
    shown = capsys.readouterr().out
    assert f"add it before the clients start: {command_of(read, first)}" in shown
    there = {"routes": routes()}
    show_route(RouteChange(there, there), read, first)
    assert "note:" not in capsys.readouterr().out


def test_without_a_file_the_command_names_clusters_and_key(cli: Cli) -> None:
    text = PLAN.replace("[{file: cutover.toml}]", "[{kafka: ctl}]").replace("batches:", "key: '${file:key}'\nbatches:")
    Path("plan.yaml").write_text(text)
    read = read_plan(Path("plan.yaml"))
    assert command_of(read, read.plan.batches[2]) == (
        "kafka-cutover file set kafka:ctl third.topics+=audit.log third.groups+=audit "
        "--cluster source=s.properties --cluster target=t.properties --key '${file:key}'"
    )


def test_plan_check_names_routes_that_the_document_lacks(cli: Cli) -> None:
    assert "cutover.toml does not exist: kafka-cutover file init --plan plan.yaml" in cli("plan", "check")[1]
    assert cli("file", "init", "--plan", "plan.yaml", "--yes")[0] == 0
    assert "reach:" not in cli("plan", "check")[1]
    Path("cutover.toml").write_text(Path("cutover.toml").read_text().replace("[routes.first]", "[routes.other]"))
    assert "cutover.toml lacks the routes of first, which clients keep" in cli("plan", "check")[1]


def test_a_topic_that_another_batch_names_is_taken_from_those_that_stay() -> None:
    batch = PlannedBatch.model_validate({"name": "b", "path": "in-process", "topics": ["x"]})
    before = {"routes": {"stays": {"topics": ["x"], "groups": [], **ON_SOURCE}}}
    assert with_route(before, batch, []) == {"routes": {"b": {"topics": ["x"], "groups": [], **ON_SOURCE}}}
    held = {"routes": {"stays": {"topics": ["x"], "groups": [], "producers": "hold", "consumers": "source"}}}
    with pytest.raises(UsageError, match="route stays of the document has topics x"):
        with_route(held, batch, [])
