"""A run that an earlier version's conductor began is resumed, or rolled back, by today's, on real brokers."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.journal import checksum
from cutover_harness.testbed import ProcessTestbed

from tests.cluster.test_resume_and_rollback import Clients
from tests.unit.conductor.run_folder import command_line
from tests.written_earlier import unpack

ADDRESSES = ("127.0.0.1:20996", "127.0.0.1:30867", "http://127.0.0.1:22650")
"""Source, target and Connect of the run in the archive."""


@pytest.fixture(params=["resume", "rollback"])
def command(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def begun(command: str, testbed: ProcessTestbed, tmp_path: Path) -> Path:
    """The folder of the archive, with the topic, group, route and addresses of this testbed, and a running mirror."""
    folder = unpack(tmp_path) / "begun"
    topic, group, route = f"earlier.{command}", f"earlier-{command}-group", f"earlier-{command}"
    source, target = testbed.source.client_config(), testbed.target.client_config()
    here = (source["bootstrap.servers"], target["bootstrap.servers"], testbed.connect_url)
    words = dict(zip(ADDRESSES, map(str, here), strict=True)) | {
        "rolled.back": topic, "rolled-group": group, "routes.rolled]": f"routes.{route}]", '"rolled"': f'"{route}"'
    }  # fmt: skip
    for name in ("conductor.json", "cutover.toml", ".cutover.toml.last"):
        replace(folder / name, words)
    admins = Admin(source), Admin(target)
    admins[0].create_topics({topic: 1})
    producer = Producer(source)
    producer.produce(topic, b"x")
    assert producer.flush(20) == 0
    admins[0].set_committed(group, {(topic, 0): 0})
    with ConductorConfig.load(folder / "conductor.json").mirror(source, target) as mirror:
        mirror.create()
    ids = [admin.topic_ids([topic]) for admin in admins]
    details: dict[tuple[str, str], dict[str, Any]] = {
        ("clusters", "ids"): {"source": admins[0].cluster_id(), "target": admins[1].cluster_id()},
        ("topics", "ids"): {"source": ids[0], "target": ids[1]},
    }
    rewrite(folder / "journal.sqlite", words, details)
    for file in (folder / "status").iterdir():
        file.unlink()
    (folder / "status").rmdir()
    return folder


def replace(file: Path, words: dict[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for old, new in words.items():
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def rewrite(journal: Path, words: dict[str, str], details: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Say in the journal what depends on the testbed; everything else stays as the earlier version wrote it."""
    with sqlite3.connect(journal) as db:
        for number, at, kind, step, name, detail, _ in db.execute("SELECT * FROM entry").fetchall():
            text = json.dumps(details[kind, name]) if (kind, name) in details else detail
            for old, new in words.items():
                text = text.replace(old, new)
            row = (text, checksum(at, kind, step, name, text), number)
            db.execute("UPDATE entry SET detail = ?, checksum = ? WHERE id = ?", row)
    db.close()


def test_an_earlier_run_comes_to_its_end(
    command: str, begun: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((begun / "conductor.json").read_text(encoding="utf-8"))
    assert all("act" in step for step in config["steps"]), "it is the earlier version's file"
    # Of the path only what the conductor has not begun may differ: here it ends on the source.
    config["steps"][3]["act"] = "consumers-to-source"
    (begun / "conductor.json").write_text(json.dumps(config), encoding="utf-8")
    clients = Clients(begun, f"earlier-{command}")
    clients.obey = True
    try:
        with command_line(monkeypatch, capsys) as cli:
            code, out, err = cli(command, str(begun), *(["--yes"] if command == "rollback" else []))
        assert code == 0, out + err
        assert "read back: Connect has none of the mirror's connectors" in out
    finally:
        clients.close()
