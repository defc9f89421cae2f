"""What is verified of a plan, and the errors in it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from cutover_harness.cli.app import app
from cutover_harness.errors import UsageError
from cutover_harness.planning.read import read_plan
from cutover_harness.verify.request import mirrored, of_plan
from cutover_harness.verify.workers import how_many
from typer.testing import CliRunner

PLAN = """
format: 1
name: shop
clusters: {source: {properties: a.properties}, target: {properties: b.properties}}
reach: [{file: cutover.toml}, {kafka: cutover-control}]
statuses: kafka:cutover-status
batches:
  - {name: first, path: in-process, topics: ["*"], exclude: [old], groups: {billing: {moves: shim}}}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN)
    for name in ("a", "b"):
        (tmp_path / f"{name}.properties").write_text(f"bootstrap.servers={name}:1\n")
    return file


def test_topics_of_the_cutover_itself_are_not_compared(plan: Path) -> None:
    batch = mirrored(read_plan(plan), "first")
    assert batch.groups == ("billing",)
    assert [name for name in ("orders", "old", "cutover-control", "cutover-status") if batch.mirrors(name)] == [
        "orders"
    ]


def test_properties_are_read_next_to_the_plan(plan: Path) -> None:
    wanted = of_plan(read_plan(plan), "first")
    assert (wanted.source["bootstrap.servers"], wanted.target["bootstrap.servers"]) == ("a:1", "b:1")
    assert wanted.run is None
    assert "a:1" not in repr(wanted), "properties may hold secrets"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--batch", "none"], "has no batch of this name: choose one of first"),
        (["--batch", "first", "--seed", "1"], "--seed: belongs to --sample"),
        (["--batch", "first", "--rate", "0"], "--rate 0: must be above 0"),
        (["--batch", "first", "--sample", "2"], "expected a percentage"),
        (["--batch", "first", "--resume"], "is not there: begin without --resume"),
        (["--batch", "first", "-o", "/dev/null/x"], "is a file: give a file in a folder"),
        (["--batch", "first", "-o", "/"], "--output /: is a folder: give a file"),
    ],
)
def test_bad_input_is_refused(plan: Path, options: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["verify", str(plan), *options])
    assert isinstance(done.exception, UsageError)
    assert words in str(done.exception)


def test_a_cluster_that_does_not_answer_is_named(plan: Path) -> None:
    with socket.socket() as taken:  # bound, and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        (plan.parent / "a.properties").write_text(f"bootstrap.servers={address}\n")
        done = CliRunner().invoke(app, ["verify", str(plan), "--batch", "first"])
    assert isinstance(done.exception, UsageError)
    assert str(done.exception).startswith(f"source {address}: ")


def test_number_of_workers() -> None:
    assert how_many(1, None, None) == 1
    assert how_many(100, None, 7) == 7
    assert how_many(3, None, 7) == 3
    assert how_many(100, 1_000_000, None) == 1, "one reads as fast as the limit"
    assert how_many(0, None, None) == 1
