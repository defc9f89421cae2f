"""`kafka-cutover plan --explain`: the chain of clients, the system, how clients move, and the figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.conductor.run_folder import Cli, command_line
from tests.unit.planning.listings import CREATED, group, listing, shim_producer, topic, topics_of

WITHOUT = "1 of 1 members without a status of the shim: c on 10.0.0.1"


@pytest.fixture
def explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    monkeypatch.chdir(tmp_path)
    found = listing(
        [
            topic("web.clicks", bytes=10**9, grown=60, grown_per_s=2.0, retention_ms=86_400_000, first_write=CREATED),
            *topics_of(["sales.facts", "sales.days", "sales.weeks", "web.views"]),
            topic("old", stale="yes", stale_why="last written 90 d ago; no reader"),
        ],
        [
            group("loader", ["web.clicks", "sales.facts"], ["c"]),
            group("mailer", ["sales.days", "sales.weeks"]),
            group("none", []),
        ],
        [shim_producer("ranker", ["sales.facts", "sales.days"])],
    )
    Path("inventory.json").write_text(found.model_dump_json())
    with command_line(monkeypatch, capsys) as cli:
        yield lambda name: cli("plan", "inventory.json", "--explain", name)


def test_a_topic_of_another_system_with_the_chain_of_clients(explained: Cli) -> None:
    code, out, err = explained("web.clicks")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "topic web.clicks: batch sales",
        "  its route has 4 topics, which move together: sales.days, sales.facts, sales.weeks, web.clicks",
        "  its own system is web; 3 of the route's topics belong to sales:",
        "    web.clicks and sales.facts: group loader (has committed offsets of 2 topics)",
        "  Order: 2.0 records/s",
        f"  group loader: has committed offsets of 2 topics; moves by restart: {WITHOUT}",
        "  figures (inventory.json, 2026-11-30 12:00):",
        "    1.0 GB, 10 records: log directories and offsets of the brokers",
        "    grows by 2.0 records/s, 0 B/s: two readings 30 s apart",
        "    retention.ms 86,400,000, oldest record of 2026-11-30 12:00",
        "  batch sales: 1.0 GB at 20.0 MB/s (assumed): 0.8 min",
        "    first to expire, in 24 h: records of web.clicks: retention.ms 24 h, oldest record of 2026-11-30 12:00",
    ]


def test_a_group(explained: Cli) -> None:
    _, out, _ = explained("mailer")
    assert out.splitlines()[:4] == [
        "group mailer: batch sales, as it reads sales.days, sales.weeks",
        "  has committed offsets of 2 topics; moves by restart: no member now, and no status of the shim",
        "  its route has 4 topics, which move together: sales.days, sales.facts, sales.weeks, web.clicks",
        "  its system is sales, guessed from its name",
    ]


def test_what_stays_and_what_does_not_exist(explained: Cli) -> None:
    assert explained("old")[1] == "topic old: stays on the source: stale: last written 90 d ago; no reader\n"
    assert explained("none")[1] == "group none: stays on the source: which topics it reads is not known\n"
    assert "no group and no known producer uses it" in explained("web.views")[1]
    code, out, err = explained("web.click")
    assert (code, out) == (2, "")
    assert "did you mean web.clicks" in err
