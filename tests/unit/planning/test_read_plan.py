"""Reading a plan file: what is right is read, and a mistake is one line with file, line and field."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.planning.check import check_plan
from cutover_harness.planning.read import read_plan

PLAN = """\
format: 1
name: shop
clusters:
  source: {properties: source.properties}
  target: {properties: target.properties, kind: automq, version: 1.7.3}
connect: {url: "https://connect:8083", properties: connect.properties}
reach: [{file: cutover.toml}, {kafka: cutover-control}, {configmap: shop/cutover}]
statuses: kafka:cutover-status
policy: policy.toml
batches:
  - name: reporting
    path: in-process
    topics: [report.*]
    groups:
      billing: {moves: shim}
      legacy: {moves: restart, on_stop: ["kubectl", "scale", "deploy/legacy", "--replicas=0"]}
      connect-s3: {moves: connector, connector: s3}
    producers:
      checkout: {moves: shim, instances: 3}
    gates: {lag_bar: 500, deadline_s: 300}
"""


def test_the_plan_of_the_docs(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN)
    read = read_plan(file)
    assert read.digest == hashlib.sha256(PLAN.encode()).hexdigest()
    assert [way.channel for way in read.plan.reach] == [
        "file:cutover.toml",
        "kafka:cutover-control",
        "configmap:shop/cutover",
    ]
    assert read.plan.batches[0].producers["checkout"].instances == 3
    assert read.file(read.plan.clusters.source.properties) == tmp_path / "source.properties"


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        ("moves: shim, instances", "moves: shimm, instances", 19, "batches.0.producers.checkout.moves"),
        ("moves: connector, connector: s3", "moves: connector", 17, "moves: connector needs the connector's name"),
        (
            "moves: connector, connector: s3",
            "moves: shim, connector: s3",
            17,
            "connector is set, and moves is shim",
        ),
        ("{file: cutover.toml}", "{}", 7, "has no channel: add one of file, kafka and configmap"),
        ("moves: shim}", "moves: shim, on_stop: [x]}", 15, "on_stop and on_start are for moves: restart"),
        ("path: in-process", "path: rollback-from-4", 12, "batches.0.path"),
        ("path: in-process", "path: []", 11, "path: has no step"),
        ("name: reporting", "name: stays", 11, "stays is reserved"),
        (
            "{file: cutover.toml}",
            "{file: cutover.toml, kafka: x}",
            7,
            "has file and kafka: make an entry",
        ),
        ("format: 1", "format: 2", 1, "format"),
        ("policy: policy.toml", "polcy: policy.toml", 9, "polcy"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, why: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN.replace(old, new, 1))
    with pytest.raises(UsageError) as error:
        read_plan(file)
    assert str(error.value).startswith(f"{file}:{line}: ")
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("format: 1", "key: hunter2"),
        ("format: 1", "password: hunter2"),
        ("properties: connect.properties", "password: hunter2"),
        ('url: "https://connect:8083"', 'url: "u:hunter2@connect"'),
        ("format: 1", 'webhooks: [{url: "https://u:hunter2@hook"}]'),
        ("format: 1", 'webhooks: [{url: "https://hook/hunter2", form: slack}]'),
        ("on_stop: [", "on_start: stop --token=hunter2, on_stop: ["),
    ],
)
def test_a_secret_in_a_wrong_place_is_not_shown(tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN.replace(old, new, 1))
    with pytest.raises(UsageError) as error:
        read_plan(file)
    problems = [str(each) for each in check_plan(file, None).problems]
    assert problems
    assert not any("hunter2" in each for each in [str(error.value), *problems])


@pytest.mark.parametrize("text", ["", "- a", "\udcff"])
def test_what_is_no_plan(tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UsageError):
        read_plan(file)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("name: other\n", ":3002: name is there twice, first in line 2"),
        (f"policy: {'[' * 40}x{']' * 40}\n", ":3002: nested more than 30 levels deep"),
        ("policy: [\n", "not YAML"),
        ("statuses2: !!python/name:os.system\n", "not YAML"),
    ],
)
def test_a_large_plan_is_read_as_carefully(tmp_path: Path, more: str, says: str) -> None:
    file = tmp_path / "plan.yaml"
    names = "".join(f"  - {'x' * 30}-{number}\n" for number in range(3000 - PLAN.count("\n")))
    large = f"{PLAN}stays:\n{names}"
    file.write_text(large)
    assert len(read_plan(file).plan.stays) == 3000 - PLAN.count("\n")
    file.write_text(large + more)
    with pytest.raises(UsageError) as error:
        read_plan(file)
    assert says in str(error.value)
    assert len(str(error.value).splitlines()) == 1
