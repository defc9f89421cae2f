"""`kafka-cutover plan check`: all problems at once, each with its line, and none in a good plan."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cutover_harness.inventory.model import ConnectCluster, Connector, Listing

from tests.unit.conductor.run_folder import Cli, command_line
from tests.unit.planning.listings import group, listing, producer, shim_consumer, shim_producer, topic, topics_of

PLAN = """\
format: 1
name: shop
inventory: {{file: inventory.json, sha256: {digest}}}
clusters:
  source: {{properties: source.properties}}
  target: {{properties: target.properties, kind: kafka}}
connect: {{url: "https://u:${{SECRET}}@connect:8083", properties: connect.properties}}
reach: [{{file: cutover.toml}}, {{kafka: cutover-control}}]
statuses: kafka:cutover-status
policy: policy.toml
batches:
  - name: orders
    path: in-process
    topics:
      - orders.*
      - payments
    exclude: [orders.old]
    groups:
      billing: {{moves: shim}}
    producers:
      checkout: {{moves: shim}}
  - name: reports
    after: [orders]
    path: restart
    topics: [report]
    groups:
      sink: {{moves: connector, connector: s3}}
stays: [orders.old, __consumer_offsets]
stays_groups: [idle]
"""


def found() -> Listing:
    connectors = [Connector(name="s3", type="sink", class_name="x", state="RUNNING", tasks={}, group="sink")]
    return listing(
        [
            *topics_of(["orders.a", "orders.b", "orders.old", "report", "__consumer_offsets"]),
            topic("payments", producers=[producer(1, "tx")]),
        ],
        [
            group("billing", ["orders.a", "payments"], ["c"]),
            group("sink", ["report"], ["x"], connector="s3"),
            group("idle", ["orders.old", "report"], stale="yes"),
        ],
        [shim_producer("checkout", ["orders.a", "orders.b", "payments"]), shim_consumer("billing", "c")],
        connect=[ConnectCluster(url="http://connect", cluster="source", connectors=connectors)],
    )


class Folder:
    """A plan with everything that it names, all of it good."""

    def __init__(self, folder: Path, cli: Cli) -> None:
        self.folder, self._cli = folder, cli
        (folder / "inventory.json").write_text(found().model_dump_json())
        (folder / "source.properties").write_text("bootstrap.servers=h:9092\n# ${COMMENT}\nsasl.password=${SECRET}\n")
        (folder / "target.properties").write_text("bootstrap.servers=h:9092\n")
        (folder / "connect.properties").write_text("ca=ca.pem\n")
        (folder / "policy.toml").write_text("format = 1\n")
        self.write()

    def write(self, change: Callable[[str], str] = str) -> None:
        import hashlib

        digest = hashlib.sha256((self.folder / "inventory.json").read_bytes()).hexdigest()
        (self.folder / "plan.yaml").write_text(change(PLAN.format(digest=digest)))

    def said(self, *args: str) -> tuple[int, str, str]:
        return self._cli("plan", "check", *args)

    def check(self, *args: str) -> tuple[int, list[str]]:
        code, out, err = self._cli("plan", "check", *args)
        assert err == ""
        lines = [line for line in out.splitlines() if not line.startswith("not set: ")]
        count = len(lines) - 1
        assert lines[-1] == f"plan.yaml: {'no' if code == 0 else count} problem{'s' if count > 1 else ''}"
        return code, lines[:-1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Folder]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "planted")
    with command_line(monkeypatch, capsys) as cli:
        yield Folder(tmp_path, cli)


def test_a_good_plan_has_no_problem(folder: Folder) -> None:
    assert folder.check() == (0, [])


ONE: dict[str, tuple[str, str, str]] = {
    "a field that does not exist": (
        "policy: policy",
        "polcy: policy",
        "10: polcy: no such field",
    ),
    "a way to move that does not exist": (
        "billing: {moves: shim}",
        "billing: {moves: fly}",
        "19: batches.orders.groups.billing.moves",
    ),
    "a path that does not exist": (
        "path: restart",
        "path: fly",
        "24: batches.reports.path",
    ),
    "two batches of one name": (
        "name: reports",
        "name: orders",
        "22: batches.orders.name: batch orders is in line 12 too",
    ),
    "a topic by name in two batches": (
        "topics: [report]",
        "topics: [report, payments]",
        "25: batches.reports.topics.1: topic payments is in line 16 too",
    ),
    "a topic in two batches": (
        "topics: [report]",
        "topics: [report, orders.b]",
        "25: batches.reports.topics: orders.b: in batch orders (line 12) too: exclude it",
    ),
    "a topic in a batch and in stays": (
        "exclude: [orders.old]",
        "exclude: []",
        "14: batches.orders.topics: orders.old: in stays (line 28) too",
    ),
    "a group in two batches": (
        "      sink: {moves",
        "      billing: {moves: restart}\n      sink: {moves",
        "27: batches.reports.groups.billing: group billing is in line 19 too",
    ),
    "a group in a batch and in stays": (
        "stays_groups: [idle]",
        "stays_groups: [idle, sink]",
        "29: stays_groups.1: group sink is in line 27 too",
    ),
    "a batch after itself": (
        "after: [orders]",
        "after: [reports]",
        "23: batches.reports.after: reports after reports: a cycle",
    ),
    "a batch after one that does not exist": (
        "after: [orders]",
        "after: [order]",
        "23: batches.reports.after: no batch is called order",
    ),
    "a topic that does not exist": (
        "topics: [report]",
        "topics: [report, gone]",
        "25: batches.reports.topics.1: the inventory has no topic gone",
    ),
    "a glob that matches nothing": (
        "      - orders.*\n",
        "      - orders.*\n      - zz*\n",
        "16: batches.orders.topics.1: no topic of the inventory matches zz*",
    ),
    "an exclusion that matches nothing": (
        "[orders.old]\n    groups",
        "[orders.old, x]\n    groups",
        "17: batches.orders.exclude.1: the inventory has no topic x",
    ),
    "a name in stays that does not exist": (
        "stays: [",
        "stays: [x, ",
        "28: stays.0: the inventory has no topic x",
    ),
    "a group that does not exist": (
        "stays_groups: [idle]",
        "stays_groups: [idle, nobody]",
        "29: stays_groups.1: the inventory has no group nobody",
    ),
    "a connector that does not exist": (
        "connector: s3",
        "connector: s4",
        "27: batches.reports.groups.sink: the inventory has no connector s4",
    ),
    "in-process without the shim": (
        "checkout: {moves: shim}",
        "checkout: {moves: restart}",
        "13: batches.orders.path: in-process needs the shim in every client; without it: producer checkout (restart)",
    ),
    "a group that is forgotten": (
        "stays_groups: [idle]",
        "stays_groups: []",
        "11: batches: groups in no batch: idle",
    ),
    "a topic that is forgotten": (
        "stays: [orders.old, ",
        "stays: [",
        "11: batches: topics in no batch: orders.old",
    ),
    "a file that does not exist": (
        "policy: policy.toml",
        "policy: none.toml",
        "10: policy: there is no file none.toml",
    ),
    "a variable in a file's name": (
        "properties: target.properties",
        "properties: '${NONE}/t'",
        "6: clusters.target.properties: the environment has no variable NONE",
    ),
    "a variable in an address": (
        "u:${SECRET}@",
        "u:${NONE}@",
        "7: connect.url: the environment has no variable NONE",
    ),
    "a password in an address": (
        "u:${SECRET}@",
        "u:planted@",
        "7: connect.url: has a password",
    ),
    "a channel that is none": (
        "kafka: cutover-control",
        "kafka: 'no topic'",
        "8: reach.1: channel",
    ),
    "a channel twice": (
        "{kafka: cutover-control}",
        "{file: cutover.toml}",
        "8: reach: channel file:cutover.toml: is named twice",
    ),
    "statuses in no place": (
        "kafka:cutover-status",
        "configmap:a/b",
        "9: statuses: configmap:a/b: has no statuses",
    ),
}
"""What is replaced in the good plan, by what, and how the problem begins, after the name of the file."""


@pytest.mark.parametrize("what", ONE)
def test_one_problem(folder: Folder, what: str) -> None:
    old, new, says = ONE[what]
    assert PLAN.format(digest="0").count(old) >= 1

    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    folder.write(change)
    code, lines = folder.check()
    assert code == 2
    assert any(line.startswith(f"plan.yaml:{says}") for line in lines), lines
    assert "planted" not in "".join(lines)


BRINGS_OTHERS = {
    "a group in two batches",  # each of these splits a client as well
    "two batches of one name",
    "a topic in two batches",
    "a topic by name in two batches",
    "a topic in a batch and in stays",
    "a group that is forgotten",
    "a batch after itself",
}


@pytest.mark.parametrize("what", [each for each in ONE if each not in BRINGS_OTHERS])
def test_a_problem_brings_no_others(folder: Folder, what: str) -> None:
    old, new, _ = ONE[what]
    folder.write(lambda text: text.replace(old, new, 1))
    assert len(folder.check()[1]) == 1


def test_a_batch_before_the_one_that_it_comes_after(folder: Folder) -> None:
    def change(text: str) -> str:
        return text.replace("    after: [orders]\n", "").replace(
            "orders\n    path", "orders\n    after: [reports]\n    path"
        )

    folder.write(change)
    assert folder.check()[1] == [
        "plan.yaml:13: batches.orders.after: reports comes later, in line 23: move orders behind it"
    ]


def test_all_problems_at_once(folder: Folder) -> None:
    def change(text: str) -> str:
        for what in (
            "a field that does not exist",
            "a way to move that does not exist",
            "a topic in two batches",
            "a variable in a file's name",
            "a connector that does not exist",
            "a name in stays that does not exist",
            "a channel that is none",
        ):
            old, new, _ = ONE[what]
            assert old in text
            text = text.replace(old, new, 1)
        return text

    folder.write(change)
    (folder.folder / "source.properties").write_text("bootstrap.servers=h\na=${ONE}\nb=${TWO}${file:/none}\n")
    code, lines = folder.check()
    assert code == 2
    places = [line.split(": ")[0] for line in lines]
    assert places == [
        "plan.yaml:6",
        "plan.yaml:8",
        "plan.yaml:10",
        "plan.yaml:19",
        "plan.yaml:25",
        "plan.yaml:27",
        "plan.yaml:28",
        "source.properties:2",
        "source.properties:3",
        "source.properties:3",
    ]


def test_clients_that_are_split(folder: Folder) -> None:
    text = (folder.folder / "inventory.json").read_text()
    (folder.folder / "inventory.json").write_text(text.replace('"topic":"payments"', '"topic":"report"'))
    folder.write(lambda text: text.replace("      - payments\n", "").replace("[report]", "[report, payments]"))
    billing, checkout = folder.check()[1]
    assert billing.startswith("plan.yaml:18: batches.orders.groups.billing: group billing reads ")
    assert "orders.a of batch orders and report of batch reports: put all of it into one batch, or list " in billing
    assert checkout.startswith("plan.yaml:20: batches.orders.producers.checkout: app checkout uses ")
    assert "orders.a, orders.b of batch orders and payments of batch reports: put" in checkout


def test_a_group_that_would_lose_a_topic_that_stays(folder: Folder) -> None:
    folder.write(
        lambda text: text.replace("      - payments\n", "").replace("[orders.old, __", "[payments, orders.old, __")
    )
    (line,) = folder.check()[1]
    assert "group billing reads payments of stays and orders.a of batch orders" in line


def test_an_inventory_that_has_changed(folder: Folder) -> None:
    with (folder.folder / "inventory.json").open("a") as file:
        file.write("\n")
    (line,) = folder.check()[1]
    assert line.startswith("plan.yaml:3: inventory.sha256: inventory.json has changed since the plan was made")


def test_a_partial_inventory_is_not_forgotten(folder: Folder) -> None:
    file = folder.folder / "inventory.json"
    file.write_text(file.read_text().replace('"partial":false', '"partial":true'))
    folder.write()
    assert "not set: inventory: inventory.json is partial" in folder.said("plan.yaml")[1]


def test_an_inventory_that_was_not_read_is_not_forgotten(folder: Folder) -> None:
    folder.write(lambda text: text.replace("file: inventory.json", 'file: "-"'))
    assert "not set: inventory: - was not read: topics and groups were compared with" in folder.said("plan.yaml")[1]


def test_a_batch_that_cannot_be_read_is_one_problem(folder: Folder) -> None:
    folder.write(lambda text: text.replace("    topics: [report]\n", "").replace("after: [orders]", "aftr: [orders]"))
    assert [line.split(": ")[1] for line in folder.check()[1]] == [
        "batches",  # its topic is in no batch
        "batches.reports.topics",
        "batches.reports.aftr",
    ]


def one_batch(text: str) -> str:
    """Return the plan with the batch `reports` alone, and nothing to compare it with."""
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("inventory")]
    first, second = (number for number, line in enumerate(lines) if line.startswith("  - name"))
    return "".join(lines[:first] + lines[second:]).replace("    after: [orders]\n", "")


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("    topics: [report]\n", "", "batches.reports.topics"),
        ("topics: [report]", "topics: report", "batches.reports.topics"),
        ("topics: [report]", "topics: ['re port']", "batches.reports.topics.0"),  # the only topic of the only batch
        ("topics: [report]", "topics: []", "batches.reports.topics"),
        ("  - name: reports\n", "  - nme: reports\n", "batches.0.name"),
    ],
)
def test_a_list_whose_only_entry_is_wrong_is_not_also_too_short(folder: Folder, old: str, new: str, field: str) -> None:
    folder.write(lambda text: one_batch(text).replace(old, new))
    lines = [line.split(": ")[1] for line in folder.check()[1]]
    assert lines == ([field, "batches.0.nme"] if "nme" in new else [field])


def test_a_list_of_batches_that_is_empty(folder: Folder) -> None:
    folder.write(lambda text: f"{text.partition('batches:')[0]}batches: []\n")
    (line,) = folder.check()[1]
    assert line.startswith("plan.yaml:11: batches: ")
    assert "is empty" in line


def test_a_batch_after_one_that_cannot_be_read(folder: Folder) -> None:
    folder.write(lambda text: text.replace("billing: {moves: shim}", "billing: {}"))
    assert [line.split(": ")[1] for line in folder.check()[1]] == ["batches.orders.groups.billing.moves"]
    folder.write(lambda text: text.replace("      - orders.*\n      - payments\n", ""))
    assert "batches.reports.after" not in [line.split(": ")[1] for line in folder.check()[1]]


def test_properties_of_connect_that_are_none(folder: Folder) -> None:
    (folder.folder / "connect.properties").write_text("ssl.ca.location=ca.pem\n")
    (line,) = folder.check()[1]
    assert line.startswith(
        "plan.yaml:7: connect.properties: properties of Connect connect.properties, line 1: no property"
    )


def test_references_of_another_machine(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET")
    assert [line.split(": ")[0] for line in folder.check()[1]] == ["plan.yaml:7", "source.properties:3"]
    assert folder.check("--env-less") == (0, [])


def test_a_plan_without_name_and_clusters_is_checked_all_the_same(folder: Folder) -> None:
    folder.write(lambda text: "format: 1\nbatches:" + text.partition("batches:")[2].replace("[orders]", "[order]"))
    assert [line.split(": ", 1)[0] for line in folder.check()[1]] == ["plan.yaml:1", "plan.yaml:1", "plan.yaml:14"]


def test_as_json_and_what_is_not_set(folder: Folder) -> None:
    folder.write(lambda text: text.replace("policy: policy.toml\n", "").replace("after: [orders]", "after: [x]"))
    _, out, _ = folder.said("plan.yaml", "--json")
    document = json.loads(out)
    assert [(each["line"], each["field"]) for each in document["problems"]] == [(22, "batches.reports.after")]
    unset = ["connect_clusters, and connect of s3", "policy", "mirror_rate_measured", "reach"]
    assert [each.partition(":")[0] for each in document["unset"]] == unset


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "plan.yaml:1: a plan is a mapping"),
        ("a: [", "plan.yaml:1: not YAML"),
        ("a: 1\na: 2\n", "plan.yaml:2: a is there twice"),
    ],
)
def test_what_is_no_yaml(folder: Folder, text: str, says: str) -> None:
    (folder.folder / "plan.yaml").write_text(text)
    code, out, err = folder.said()
    assert (code, out) == (2, "")
    assert says in err


@pytest.mark.parametrize(
    "text", ["batches: 3\n", "batches: [3]\n", "name: x\n", "{}\n", "batches: {a: b}\nclusters: [1]\n", "1: 2\n"]
)
def test_any_shape_is_reported(folder: Folder, text: str) -> None:
    (folder.folder / "plan.yaml").write_text(text)
    code, lines = folder.check()
    assert code == 2
    assert lines
