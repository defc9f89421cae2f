"""The snapshot of a run: what page, metrics, JSON and terminal show."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.conductor.config import CONFIG, ConductorConfig
from cutover_harness.conductor.journal import Entry
from cutover_harness.cutover.progress import BatchProgress, batch_progress
from cutover_harness.locks import FileLock
from cutover_harness.watching import cluster_figures
from cutover_harness.watching import watcher as watcher_module
from cutover_harness.watching.cluster_figures import ClusterFigures, retention
from cutover_harness.watching.facts import BatchFacts, Figures, Statuses
from cutover_harness.watching.history import compacted, lag_history
from cutover_harness.watching.snapshot import batch_view
from cutover_harness.watching.terminal import lines_of, live_lines, sparkline
from cutover_harness.watching.views import BatchView, Snapshot
from cutover_harness.watching.watcher import Watcher

from tests.unit.conductor.run_folder import command_line
from tests.unit.watching.recorded import Recorded
from tests.waiting import wait_until


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    monkeypatch.setattr(cluster_figures, "_ANSWER_S", 0.2)  # no cluster is there
    return Recorded(tmp_path)


def facts_of(recorded: Recorded, **more: Any) -> BatchFacts:
    """Return the facts of the batch as a conductor runs it."""
    config = ConductorConfig.load(recorded.own / CONFIG)
    entries = recorded.run.entries("orders")
    with FileLock(config.lock):
        progress = batch_progress("orders", entries, config)
    found = BatchFacts(progress, entries, config, 1, lags=lag_history(entries), command="advance")
    contents = {file.stem: json.loads(file.read_text()) for file in (recorded.folder / "status").iterdir()}
    return replace(found, statuses=Statuses(contents), **more)


def view(recorded: Recorded, now: float | None = None, **more: Any) -> BatchView:
    return batch_view(facts_of(recorded, **more), now or time.time())


def test_steps_and_gates_with_their_evidence(recorded: Recorded) -> None:
    found = view(recorded.on_hold())
    states = [(step.name, step.state) for step in found.steps]
    assert states[:4] == [
        ("create-task", "done"),
        ("synchronise", "done"),
        ("stop-consumers", "in progress"),
        ("set-exact-offsets", "left"),
    ]
    (gate,) = found.steps[1].gates
    assert (gate.name, gate.state, gate.words) == ("mirror lag under the bar", "passed", "lag 3 records, bar 10")
    (waits,) = found.steps[2].gates
    assert (waits.state, waits.wait_s, waits.deadline_s) == ("waiting", 4.5, 30.0)
    assert found.steps[2].approved == "ann@host (kafka-cutover advance)"


def test_clients_that_attest_and_those_that_are_missing(recorded: Recorded) -> None:
    producers, consumers = view(recorded.on_hold()).clients
    assert (producers.attested, producers.expected, producers.missing) == (1, 1, ())
    assert (consumers.attested, consumers.expected, consumers.location) == (0, 1, "hold")
    assert consumers.missing == ("billing-1 is draining at generation 1",)
    assert consumers.restarted == ("legacy",)
    (recorded.folder / "status" / "billing-1.json").unlink()
    assert view(recorded).clients[1].missing == ("billing-1 has written no status",)


def test_a_blackout_lasts_until_the_first_message_and_is_then_the_last_one(recorded: Recorded) -> None:
    now = time.time()
    consumers = view(recorded.on_hold(now), now).blackouts[1]
    assert consumers.current_s == pytest.approx(4)
    assert (consumers.current_client, consumers.last_s) == ("billing-1", None)
    at = time.time()
    recorded.status("billing-1", "consumer", "target", left_at=at, last_delivered_at=at - 4, first_delivered_at=at - 2)
    consumers = view(recorded).blackouts[1]
    assert consumers.current_s is None
    assert consumers.last_s == pytest.approx(2)


def test_lags_of_the_journal(recorded: Recorded) -> None:
    found = view(recorded.on_hold()).lag
    assert [lag for _, lag in found.history] == [5000, 2500, 40, 3]
    assert found.records == 3


def test_until_when_going_back_is_possible(recorded: Recorded) -> None:
    figures = Figures(
        at=1.0, unread={"billing": 0}, offsets_retention_s=7200, retention_s=3600, retention_topic="orders"
    )
    found = view(recorded.on_hold(), figures=figures)
    left = next(e for e in recorded.run.entries("orders") if e.kind == "doing" and e.step == 2).time_ns / 1e9
    assert [limit.at for limit in found.rollback.limits] == [left + 3600, left + 7200]
    assert found.rollback.until == left + 3600
    assert "orders" in found.rollback.limits[0].what
    assert found.rollback.costs[0].startswith("consumption is paused")


def test_without_figures_nothing_is_claimed(recorded: Recorded) -> None:
    found = view(recorded.on_hold())
    assert (found.rollback.until, found.rollback.limits, found.figures_at) == (None, (), None)


def test_nothing_leads_back_once_the_mirror_is_deleted(recorded: Recorded) -> None:
    recorded.write("done", -1, "start")
    path = ConductorConfig.load(recorded.own / CONFIG).steps
    for number, step in enumerate(path):
        recorded.step(number, step.step)
    recorded.write("end", len(path), "completed")
    found = view(recorded, figures=Figures(at=1.0, offsets_retention_s=7200, native=5))
    assert (found.rollback.possible, found.rollback.until, found.rollback.native) == (False, None, 5)
    assert {step.state for step in found.steps} == {"done"}
    assert found.progress.progress == "completed"


def test_a_request_for_approval_has_the_step_and_the_cost_before_and_after_it(recorded: Recorded) -> None:
    found = view(recorded.asks())
    assert found.asked is not None
    assert (found.asked.step, found.asked.command) == ("create-task", "advance")
    assert found.asked.before == ("nothing: applications are on the source and stay there",)
    assert found.steps[0].state == "waits for approval"
    recorded.write("answer", 0, "approve create-task", approved=True, by="ann", how="webhook")
    assert view(recorded).asked is None


def test_a_missed_gate_belongs_to_the_step_that_was_begun(recorded: Recorded) -> None:
    recorded.on_hold().write("missed", -1, "attested consumers on hold", why="gate not open after 30 s")
    found = view(recorded)
    (gate,) = found.steps[2].gates
    assert (gate.state, gate.words) == ("missed", "gate not open after 30 s")
    assert found.progress.missed == "gate not open after 30 s"


def test_the_way_back_has_steps_of_its_own(recorded: Recorded) -> None:
    recorded.on_hold().write("back", -1, "back to the source", acts=["consumers-to-source", "delete-task"])
    found = view(recorded)
    assert [step.name for step in found.steps[-2:]] == ["consumers-to-source", "delete-task"]
    assert {step.state for step in found.steps[3:-2]} == {"dropped"}


def test_waits_that_a_later_one_replaces_are_dropped(recorded: Recorded) -> None:
    entries = recorded.on_hold().run.entries("orders")
    kept = compacted(entries)
    assert len([e for e in kept if e.kind == "waits"]) == 2
    assert [e for e in kept if e.kind != "waits"] == [e for e in entries if e.kind != "waits"]
    assert kept[-1] == entries[-1]


def test_a_watcher_reads_new_entries_and_says_what_it_cannot_read(recorded: Recorded) -> None:
    watcher = Watcher(recorded.plan, recorded.run)
    recorded.on_hold()
    first = watcher.once()
    orders, rest = first.batches
    assert rest.progress.progress == "not begun"
    assert orders.progress.step == "stop-consumers"
    assert orders.figures_at is None
    assert any("127.0.0.1:1" in problem or "source" in problem for problem in orders.problems), orders.problems
    recorded.write("done", 2, "stop-consumers")
    watcher._last = None
    assert watcher.snapshot().batches[0].steps[2].state == "done"


def test_a_batch_that_is_moved_again_is_read_from_its_beginning(recorded: Recorded) -> None:
    watcher = Watcher(recorded.plan, recorded.run)
    recorded.on_hold()
    assert watcher.snapshot().batches[0].progress.stage == 3
    recorded.run.set_aside("orders")
    watcher._last = None
    assert watcher.snapshot().batches[0].progress.progress == "not begun"


def test_statuses_that_cannot_be_read_are_named_and_read_again(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Watcher) -> None:
        raise OSError(5, "Input/output error")

    def problem() -> str | None:
        watcher._last = None
        return watcher.snapshot().problem

    recorded.on_hold()
    monkeypatch.setattr(watcher_module, "_STATUSES_EVERY_S", 0.01)
    monkeypatch.setattr(Watcher, "read_clusters", lambda _: None)
    original = Watcher.read_statuses
    monkeypatch.setattr(Watcher, "read_statuses", full)
    watcher = Watcher(recorded.plan, recorded.run)
    with watcher:
        assert wait_until(problem) == "statuses are not read: OSError: Input/output error"
        monkeypatch.setattr(watcher, "read_statuses", lambda: original(watcher))
        wait_until(lambda: problem() is None)
    assert not [thread for thread in threading.enumerate() if thread.name == "statuses"]


def test_a_damaged_journal_is_said_and_not_hidden(recorded: Recorded) -> None:
    (recorded.own / "journal.sqlite").write_text("no journal at all, but a text of some length" * 50)
    assert "journal" in str(Watcher(recorded.plan, recorded.run).snapshot().problem)


def test_a_journal_that_cannot_be_understood_is_said(recorded: Recorded) -> None:
    recorded.on_hold().write("gate", 2, "a gate without evidence")
    assert "batch orders: its journal cannot be understood (KeyError" in str(
        Watcher(recorded.plan, recorded.run).snapshot().problem
    )


def test_what_a_terminal_would_obey_is_not_printed(recorded: Recorded) -> None:
    recorded.on_hold().write("missed", -1, "attested consumers on hold", why="\x1b[2J gone")
    text = "".join(lines_of(Snapshot(time.time(), "shop", "h", [view(recorded)])))
    assert "gone" in text
    assert "\x1b" not in text


def test_figures_of_a_cluster_that_is_away_stay_with_their_age(recorded: Recorded) -> None:
    reader = ClusterFigures(ConductorConfig.load(recorded.own / CONFIG))
    reader.last = Figures(at=17.0, unread={"billing": 7}, native=0)
    found = reader.read(recorded.on_hold().run.entries("orders"))
    reader.close()
    assert (found.at, found.unread) == (17.0, {"billing": 7})
    assert found.problems


@pytest.mark.parametrize(
    ("configs", "found"),
    [
        ({"a": {"retention.ms": "1000", "cleanup.policy": "delete"}, "b": {"retention.ms": "500"}}, (0.5, "b")),
        ({"a": {"retention.ms": "1000", "cleanup.policy": "compact"}}, None),
        ({"a": {"retention.ms": "-1", "cleanup.policy": "delete"}}, None),
    ],
)
def test_retention(configs: dict[str, dict[str, str]], found: object) -> None:
    assert retention(configs) == found


def test_no_secret_of_an_address_is_in_the_json() -> None:
    progress = BatchProgress("orders", "begun", 1, "source", "source", missed="see https://u:p4ss@h/x?token=t0k")
    found = Snapshot(1.0, "shop", "h", [batch_view(BatchFacts(progress), 1.0)])
    text = json.dumps(found.to_json())
    assert "p4ss" not in text
    assert "t0k" not in text
    assert "https://***@h/x?token=***" in text


def test_the_terminal_shows_the_same_facts(recorded: Recorded) -> None:
    figures = Figures(at=1.0, unread={"billing": 0}, offsets_retention_s=7200, problems=("target: is away",))
    text = "\n".join(lines_of(Snapshot(time.time(), "shop", "h", [view(recorded.on_hold(), figures=figures)])))
    for words in (
        "[>] 3 stop-consumers, approved by ann@host",
        "attested consumers on hold: waiting (4.5/30 s): billing-1 is draining",
        "0 of 1 consumers attest hold",
        "mirror lag 3 records",
        "blackout of consumers so far",
        "going back (until ",
        "cannot be read now: target: is away",
    ):
        assert words in text


def test_live_lines_of_the_batch_that_is_moved(recorded: Recorded) -> None:
    found = Snapshot(time.time(), "shop", "h", [view(recorded.on_hold())])
    blackout, back = live_lines(found, "orders")
    assert blackout.strip().startswith("blackout of consumers so far: ")
    assert back.strip().startswith("going back: consumption is paused")
    assert live_lines(found, "rest") == []


def test_sparkline() -> None:
    assert sparkline([0, 4, 8]) == "▁▄█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == ""


def test_status_prints_the_snapshot(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.on_hold()
    with command_line(monkeypatch, capsys) as call:
        code, out, _ = call("status", str(recorded.plan.path), "--json")
        assert code == 0
        (orders, _) = json.loads(out)["batches"]
        assert (orders["progress"], orders["stage"], orders["step"]) == ("begun", 3, "stop-consumers")
        assert orders["clients"][1]["attested"] == 0
        code, out, _ = call("status", str(recorded.plan.path))
        assert "no conductor runs" in out
        assert "[!] 3 stop-consumers" in out
        code, _, err = call("status", str(recorded.plan.path), "--serve", "nowhere")
        assert (code, "is no address" in err) == (2, True)


def entry(kind: Any, name: str, **detail: Any) -> Entry:
    return Entry(1, 2_000_000_000, kind, 0, name, detail)


def test_other_words_are_no_lag() -> None:
    gate = "mirror lag under the bar"
    assert lag_history([entry("waits", gate, waits_for="a cluster is away")]) == []
    assert lag_history([entry("waits", "other", waits_for="lag 5 above 1")]) == []
    assert lag_history([entry("gate", gate, evidence="lag 5 records, bar 9")]) == [(2.0, 5)]
