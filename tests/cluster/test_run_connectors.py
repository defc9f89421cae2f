"""`kafka-cutover run` with connectors: a real worker with a source and a sink connector moves to the target."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from cutover_harness.admin import Admin
from cutover_harness.conductor.journal import Journal
from cutover_harness.processes import tail
from cutover_harness.testbed import ProcessTestbed

from tests.cluster.file_connect import FileConnect, Lines, numbers
from tests.cluster.test_run_plan import IN_PROCESS, command, run, write_plan
from tests.waiting import wait_until

TOPIC = "files.lines"
FROM_SCRATCH = ("--from-scratch", "--yes-until", "end")
RESTART = "restart its workers with the bootstrap.servers of"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "status").mkdir()
    return tmp_path


def write_plan_of_connectors(folder: Path, testbed: ProcessTestbed, connect: FileConnect) -> Path:
    """Write the plan of one batch, whose clients are both connectors, and the files that it names."""
    write_plan(folder, testbed, (TOPIC,), "unused")
    plan = folder / "files.yaml"
    plan.write_text(f"""\
format: 1
name: files
clusters:
  source: {{properties: source.properties}}
  target: {{properties: target.properties}}
connect: {{url: "{testbed.connect_url}"}}
connect_clusters:
  files: {{url: "{connect.url}", on_repoint: ["{connect.command}"]}}
reach: [{{file: cutover.toml}}]
statuses: status
batches:
  - name: files
    path: [{", ".join(IN_PROCESS)}]
    topics: [{TOPIC}]
    groups: {{connect-writer: {{moves: connector, connector: writer, connect: files, within_s: 120}}}}
    producers: {{reader: {{moves: connector, connector: reader, connect: files, within_s: 120}}}}
    gates: {{quiet_s: 2}}
""")
    return plan


def waits_for(folder: Path) -> str | None:
    """Return what the run of the batch waits for now."""
    journal = folder / "files.run" / "batches" / "files" / "journal.sqlite"
    entries = Journal(journal).read() if journal.exists() else []
    return str(entries[-1].detail["waits_for"]) if entries and entries[-1].kind == "waits" else None


def again_without_the_targets_topics(folder: Path, plan: Path, testbed: ProcessTestbed) -> None:
    """Delete the topics of a batch that came back: without `--from-scratch` its next mirror leaves a hole in them."""
    log, target = folder / "again.log", Admin(testbed.target.client_config())
    assert run("run", str(plan), "--batch", "files", *FROM_SCRATCH, log=log) == 2
    assert "the target has files.lines: delete the batch's topics there first" in log.read_text()
    target.delete_topics([TOPIC])
    assert run("run", str(plan), "--batch", "files", "--yes-until", "end", log=log) == 1, tail(log, 20)
    # Whichever gate is next when the comparison has found the hole.
    assert re.search(r"gate [a-z ]+ cannot open: files\.lines-0: ", log.read_text()), tail(log, 20)
    assert "source records are missing on the target amid others that are there" in log.read_text()
    assert run("run", str(plan), "--batch", "files", *FROM_SCRATCH, log=log) == 2
    assert "--from-scratch: batch files is in the middle of its run: roll it back first" in log.read_text()
    assert run("rollback", str(plan), "--yes", log=log) == 0, tail(log, 20)
    target.delete_topics([TOPIC])
    log.unlink()


def test_a_source_and_a_sink_connector_move_and_each_line_arrives_once(testbed: ProcessTestbed, folder: Path) -> None:
    Admin(testbed.source.client_config()).create_topics({TOPIC: 1})
    connect = FileConnect(folder / "worker", testbed)
    plan = write_plan_of_connectors(folder, testbed, connect)
    log = folder / "run.log"
    out = connect.folder / "out"
    with ExitStack() as stack:
        stack.callback(connect.stop)
        connect.start()
        lines = Lines(connect.folder / "in")
        stack.callback(lines.stop)
        connect.create(TOPIC)
        wait_until(lambda: len(numbers(out)) > 100, 60)
        assert run("run", str(plan), "--dry-run", log=folder / "dry.log") == 0, (folder / "dry.log").read_text()
        shown = (folder / "dry.log").read_text()
        assert "PUT /connectors/writer/stop (Connect files)" in shown
        assert '"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "file": "***"' in shown
        assert "PATCH /connectors/reader/offsets" in shown

        # A command that changes nothing opens no gate; a person restarts the worker then.
        connect.lies.touch()
        moving = command("run", str(plan), "--yes-until", "stop-producers", log=log)
        stack.callback(moving.kill)
        wait_until(lambda: waits_for(folder) == f"Connect files works on source: {RESTART} target", 240)
        connect.lies.unlink()
        connect.repoint("target")
        wait_until(lambda: "stop-producers waits for approval" in log.read_text(), 240)

        # Back from the target, to which the worker was pointed for the sink connector.
        assert run("advance", str(plan), "--decline", log=folder / "advance.log") == 0
        assert moving.wait(60) == 1, tail(log, 20)
        assert run("rollback", str(plan), "--yes", log=folder / "back.log") == 0, tail(folder / "back.log", 20)
        assert "connector reader on source is RUNNING; tasks: 1 RUNNING" in (folder / "back.log").read_text()
        came_back = lines.count
        wait_until(lambda: max(numbers(out)) > came_back, 60)

        again_without_the_targets_topics(folder, plan, testbed)
        assert run("run", str(plan), "--batch", "files", *FROM_SCRATCH, log=log) == 0, tail(log, 20)
        assert "removed what an earlier mirror has left: stored offsets of cutover-files-source" in log.read_text()
        assert "connector reader on target is RUNNING; tasks: 1 RUNNING; it has " in log.read_text()
        assert "connector writer on target is RUNNING; tasks: 1 RUNNING" in log.read_text()
        moved = lines.count
        wait_until(lambda: max(numbers(out)) > moved, 60)
        lines.stop()
        wait_until(lambda: max(numbers(out)) == lines.count - 1, 60)
    got = numbers(out)
    assert list(dict.fromkeys(got)) == list(range(lines.count)), "none is lost, and all are in order"
    # What the sink connector had written on the target before it came back it wrote again on the source.
    assert max([number for number, count in Counter(got).items() if count > 1], default=0) < came_back
    assert (connect.folder / "repointed").read_text().split() == ["source", "target", "source", "target"]
    kept = folder / "files.run" / "batches" / "files" / "connectors" / "reader.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json.loads(kept.read_text())["home"] == "target"
    assert str(out) not in (folder / "files.run" / "audit.jsonl").read_text(), "a configuration may hold a secret"
