"""Words of the tables and errors."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.inventory.model import (
    ClusterListing,
    ConnectCluster,
    Gap,
    GroupEntry,
    Listing,
    ShimClient,
    TopicEntry,
)
from cutover_harness.inventory.page import html
from cutover_harness.inventory.tables import print_listing
from cutover_harness.inventory.words import workers_of
from cutover_harness.words import counted
from rich.console import Console

from tests.unit.conductor.run_folder import command_line


def test_one_is_not_many() -> None:
    assert [counted(n, "broker") for n in (0, 1, 2, 1500)] == ["0 brokers", "1 broker", "2 brokers", "1,500 brokers"]


def test_the_workers_of_connect_are_those_with_work() -> None:
    def words(workers: list[str], connectors: list[Any] | None) -> str:
        return workers_of(ConnectCluster(url="u", workers=workers, connectors=connectors))

    assert words([], []) == "0 workers run connectors"
    assert words(["a"], []) == "1 worker runs connectors"
    assert words(["a", "b"], []) == "2 workers run connectors"
    assert words([], None) == "workers not known"


def test_the_listing_of_a_small_cluster() -> None:
    topics = [TopicEntry(name="orders", partitions=1, replication=1, internal=False)]
    found = Listing(created=datetime.now(UTC), tool="1", stale_days=30, sample_s=0, partial=True, clusters={})
    found.clusters = {"source": ClusterListing(bootstrap="b:1", brokers=1, topics=topics)}
    found.connect = [ConnectCluster(url="u", version="3.9.2", connectors=[])]
    found.clients = [ShimClient(instance="i", role="producer")]
    out = io.StringIO()
    print_listing(found, Console(file=out, width=200))
    text = out.getvalue()
    assert "1 broker, 1 topic (0 stale) with 1 partition, 0 groups (0 stale)" in text
    assert "Connect u: 3.9.2, 0 workers run connectors" in text
    assert "shim: 1 producer, 0 consumers" in text
    page = html(found)
    assert "1 broker" in page
    assert "1 brokers" not in page
    assert "0 workers run connectors" in page


def test_names_do_not_reach_the_terminal_or_the_page_as_commands() -> None:
    hostile = "g\x1b]0;title\x07\x1b[2J\x9b31m[/bold][red]<script>\nforged"
    found = Listing(created=datetime.now(UTC), tool="1", stale_days=30, sample_s=0, partial=True, clusters={})
    groups = [GroupEntry(name=hostile, type="classic", state=hostile)]
    found.clusters = {"source": ClusterListing(bootstrap=hostile, version=hostile, brokers=1, topics=[], groups=groups)}
    found.connect = [ConnectCluster(url=hostile, version=hostile, connectors=[])]
    found.gaps = [Gap(kind="failed", what="offsets", cluster="source", why=hostile, count=1, names=[hostile])]
    out = io.StringIO()
    print_listing(found, Console(file=out, width=400))
    text = out.getvalue()
    assert text.count("[/bold][red]<script>") == 8, "nothing is left out"
    assert [c for c in text if not c.isprintable() and c != "\n"] == []
    assert "\nforged" not in text
    assert "<script>" not in html(found)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sasl.pasword=planted-41c7", 'No such configuration property: "sasl.pasword": check the properties file'),
        ("security.protocol=planted-41c7", ": check the properties file"),
        ("security.protocol=plaintext", ": check address and credentials"),
    ],
)
def test_a_property_that_is_none_is_looked_for_in_the_file(
    line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "source.properties"
    file.write_text(f"bootstrap.servers=127.0.0.1:1\n{line}\n", encoding="utf-8")
    with command_line(monkeypatch, capsys) as call:
        code, _, err = call("inventory", "--source", str(file))
    assert code == 2
    assert err.startswith("kafka-cutover: source cluster 127.0.0.1:1: ")
    assert err.rstrip().endswith(message)
    assert "planted-41c7" not in err
