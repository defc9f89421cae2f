"""Webhooks: what is sent, that a service that hangs or fails delays nothing, and answers to requests for approval."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.cli.approving import answer
from cutover_harness.cli.reporting import note_end, webhooks_if_readable, webhooks_of
from cutover_harness.conductor.journal import Entry, Journal
from cutover_harness.conductor.journalled_gates import unapproved
from cutover_harness.cutover import webhooks
from cutover_harness.cutover.audit import Audit
from cutover_harness.cutover.audit_entries import line_of
from cutover_harness.cutover.webhook_messages import Approval, Message, approval_in, body, event_of
from cutover_harness.cutover.webhooks import Webhooks
from cutover_harness.errors import UsageError
from cutover_harness.planning.model import Webhook
from cutover_harness.planning.read import ReadPlan, read_plan
from cutover_harness.procedure.bypass import Activity, Bypass, Range, Standing
from pydantic import ValidationError

from tests.hook_service import SECRET, Service
from tests.waiting import wait_until


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with Service() as found:
        monkeypatch.setenv("HOOK", found.url)
        yield found


def plan_with(folder: Path, **hook: Any) -> ReadPlan:
    content = {
        "format": 1,
        "name": "shop",
        "clusters": {"source": {"properties": "s"}, "target": {"properties": "t"}},
        "webhooks": [{"url": "${HOOK}", **hook}],
        "batches": [{"name": "orders", "path": "in-process", "topics": ["orders"]}],
    }
    file = folder / "shop.yaml"
    file.write_text(json.dumps(content))
    return read_plan(file)


def lines(folder: Path) -> list[dict[str, Any]]:
    file = folder / "audit.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def hooks(folder: Path, **hook: Any) -> Webhooks:
    journal = folder / "journal.sqlite"

    def take(asked: Entry, found: Approval) -> bool:
        return answer(journal, asked, approved=found.approved, how="webhook", by=found.by)

    return Webhooks(plan_with(folder, **hook), "orders", Audit(folder / "audit.jsonl", "run", "h"), take, pause_s=0.01)


def asked_in(folder: Path, step: str = "stop-consumers") -> Entry:
    journal = Journal(folder / "journal.sqlite")
    journal.write("ask", 2, f"approve {step}", act=step, when="approve")
    found = journal.read()[-1]
    journal.close()
    return found


def answers_in(folder: Path) -> list[dict[str, Any]]:
    journal = Journal(folder / "journal.sqlite")
    found = [entry.detail for entry in journal.read() if entry.kind == "answer"]
    journal.close()
    return found


def test_messages_arrive_in_order_and_only_those_that_are_wanted(service: Service, tmp_path: Path) -> None:
    sender = hooks(tmp_path, on=["step", "end"])
    for number in range(20):
        sender.send("step", step="create-task", number=number)
    sender.send("gate-missed", gate="g", why="w")
    sender.send("end", result="completed")
    sender.close()
    assert service.events() == ["step"] * 20 + ["end"]
    assert [each["number"] for each in service.got[:20]] == list(range(20))
    assert service.got[-1] | {"at": "", "hash": ""} == {
        "format": 1,
        "event": "end",
        "at": "",
        "plan": "shop",
        "hash": "",
        "batch": "orders",
        "result": "completed",
    }
    assert lines(tmp_path) == []


def test_a_name_that_is_no_utf8_ends_no_messages(service: Service, tmp_path: Path) -> None:
    sender = hooks(tmp_path)
    sender.send("gate-missed", gate="g", why="/var/\udcff.log: cannot be read")
    sender.send("end", result="stopped")
    sender.close()
    assert service.events() == ["gate-missed", "end"]
    assert service.got[0]["why"] == "/var/\udcff.log: cannot be read"


def test_a_message_that_cannot_be_sent_at_all_does_not_hold_up_the_others(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(message: Message, form: str) -> Any:
        if message.event == "step":
            raise TypeError("not serializable")
        return body(message, form)  # type: ignore[arg-type]

    monkeypatch.setattr(webhooks, "body", broken)
    sender = hooks(tmp_path)
    sender.send("step", step="create-task")
    sender.send("end", result="completed")
    sender.close()
    assert service.events() == ["end"]
    (line,) = lines(tmp_path)
    assert (line["message"], line["why"]) == ("step", "TypeError: not serializable")


def test_a_service_that_fails_for_a_moment_gets_the_message(service: Service, tmp_path: Path) -> None:
    service.answers = [(503, b""), (429, b""), (200, b"")]
    sender = hooks(tmp_path)
    sender.send("end", result="completed")
    sender.close()
    assert service.events() == ["end"] * 3
    assert lines(tmp_path) == []


def test_an_answer_that_cannot_be_written_is_a_line_in_the_audit_log(service: Service, tmp_path: Path) -> None:
    def full(_asked: Entry, _found: Approval) -> bool:
        raise OSError(28, "No space left on device")

    service.answers = [(200, b'{"approved": true, "by": "ann"}')]
    audit = Audit(tmp_path / "audit.jsonl", "run", "h")
    sender = Webhooks(plan_with(tmp_path), "orders", audit, full, pause_s=0.01)
    sender.ask(asked_in(tmp_path), "stop-consumers", [], "advance")
    (line,) = wait_until(lambda: lines(tmp_path))
    sender.close()
    assert (line["event"], line["message"]) == ("webhook failed", "approval-wanted")
    assert line["why"] == "its answer could not be taken: No space left on device"


@pytest.mark.parametrize(("code", "tries", "why"), [(500, 3, "answered 500"), (404, 1, "answered 404")])
def test_a_service_that_fails_is_a_line_in_the_audit_log(
    service: Service, tmp_path: Path, code: int, tries: int, why: str
) -> None:
    service.answers = [(code, b"")]
    sender = hooks(tmp_path)
    sender.send("end", result="completed")
    sender.close()
    assert len(service.got) == tries
    (line,) = lines(tmp_path)
    assert (line["event"], line["message"], line["why"]) == ("webhook failed", "end", why)
    assert line["webhook"] == "${HOOK}"
    assert SECRET not in (tmp_path / "audit.jsonl").read_text()


def test_an_address_that_does_not_answer_is_a_line_without_the_address(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:1/{SECRET}")
    sender = hooks(tmp_path)
    sender.send("end", result="completed")
    sender.close()
    assert "could not be reached" in lines(tmp_path)[0]["why"]
    assert SECRET not in (tmp_path / "audit.jsonl").read_text()


def test_a_service_that_hangs_delays_neither_messages_nor_the_end(service: Service, tmp_path: Path) -> None:
    service.hangs.clear()
    sender = hooks(tmp_path, timeout_s=3600)
    for _ in range(50):
        sender.send("step", step="create-task")  # would never return if it waited for the service
    sender.close()
    left = [line for line in lines(tmp_path) if line["why"] == "not sent before the run ended"]
    assert len(left) == 49


def test_a_time_limit_ends_a_message(service: Service, tmp_path: Path) -> None:
    service.hangs.clear()
    sender = hooks(tmp_path, timeout_s=0.05)
    sender.send("end", result="completed")
    sender.close()
    assert [line["why"] for line in lines(tmp_path)] == ["did not answer within 0.05 s"]


@pytest.mark.parametrize("approved", [True, False])
def test_the_answer_is_that_to_the_request(service: Service, tmp_path: Path, approved: bool) -> None:
    service.answers = [(200, json.dumps({"approved": approved, "by": "ann"}).encode())]
    asked = asked_in(tmp_path)
    hooks(tmp_path).ask(asked, "stop-consumers", ["now: 3 of 3"], "kafka-cutover advance shop.yaml")
    wait_until(lambda: answers_in(tmp_path), 30)
    assert answers_in(tmp_path) == [{"approved": approved, "by": "ann", "how": "webhook"}]
    (got,) = service.got
    assert (got["event"], got["step"], got["request"]) == ("approval-wanted", "stop-consumers", asked.id)
    assert got["figures"] == ["now: 3 of 3"]
    assert "approved" not in got, "a service that sends back what it got has approved nothing"


def test_an_answer_after_another_one_is_ignored_and_so_is_one_to_an_earlier_request(
    service: Service, tmp_path: Path
) -> None:
    service.hangs.clear()
    service.answers = [(200, b'{"approved": true, "by": "late"}')]
    first = asked_in(tmp_path)
    sender = hooks(tmp_path, timeout_s=60)
    sender.ask(first, "stop-consumers", [], "advance")
    wait_until(lambda: service.got, 30)
    assert answer(tmp_path / "journal.sqlite", first, approved=False, how="terminal of the run", by="ann")
    second = asked_in(tmp_path, "stop-producers")
    service.hangs.set()
    wait_until(lambda: lines(tmp_path), 30)
    assert [line["event"] for line in lines(tmp_path)] == ["webhook ignored"]
    assert [each["by"] for each in answers_in(tmp_path)] == ["ann"]
    journal = Journal(tmp_path / "journal.sqlite")
    assert unapproved(journal.read()) == second
    journal.close()


@pytest.mark.parametrize(
    "content",
    [
        b"ok",
        b"[true]",
        b'{"approved": 1, "by": "ann"}',
        b'{"approved": "true", "by": "ann"}',
        b'{"approved": true}',
        b'{"approved": true, "by": " "}',
        b'{"ok": true, "by": "ann"}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_what_is_no_answer_approves_nothing(content: bytes) -> None:
    assert approval_in(content) is None


def test_an_answer_without_what_a_terminal_would_obey() -> None:
    assert approval_in(b'{"approved": true, "by": "ann\\u001b[2J"}') == Approval(approved=True, by="ann[2J")


def test_an_error_page_with_an_approval_in_it_approves_nothing(service: Service, tmp_path: Path) -> None:
    service.answers = [(403, b'{"approved": true, "by": "ann"}')]
    asked = asked_in(tmp_path)
    hooks(tmp_path).ask(asked, "stop-consumers", [], "advance")
    wait_until(lambda: lines(tmp_path), 30)
    assert answers_in(tmp_path) == []


def test_slack_gets_a_text_without_markup_or_secrets() -> None:
    detail = {"gate": "g", "why": "<!channel> https://u:p@h/x & more"}
    found = body(Message("gate-missed", "", "shop", "h", "orders", detail), "slack")
    assert found == {"text": "shop, batch orders: stopped: &lt;!channel&gt; https://***@h/x &amp; more"}


def test_entries_that_are_reported() -> None:
    def entry(kind: Any, name: str, **detail: Any) -> Entry:
        return Entry(1, time.time_ns(), kind, 0, name, detail)

    done = entry("done", "create-task", stage=1)
    assert event_of(done, [entry("doing", "create-task"), done]) == (
        "step",
        {
            "step": "create-task",
            "number": 1,
            "state": "done",
            "stage": 1,
            "producers": "source",
            "consumers": "source",
        },
    )
    missed = entry("missed", "mirror", why="w")
    assert event_of(missed, [missed]) == ("gate-missed", {"gate": "mirror", "why": "w"})
    assert event_of(entry("waits", "mirror"), []) is None


def test_a_bypass_is_sent_when_it_is_noticed_and_when_its_standing_changes_not_when_it_grows() -> None:
    def noted(number: int, last: int, standing: Standing) -> Entry:
        records = {("orders", 0): Range(1, last, last)}
        found = Bypass(Activity("straggler", "producer", "source", "orders", records), 7, 0.0, standing)
        return Entry(number, 1, "bypass", -1, "straggler", found.detail())

    entries = [noted(1, 3, "active"), noted(2, 9, "active"), noted(3, 9, "over")]
    sent = [event_of(each, entries[: each.id]) for each in entries]
    assert sent[1] is None
    assert [(found[0], found[1]["standing"], found[1]["count"]) for found in sent if found is not None] == [
        ("bypass", "active", 3),
        ("bypass", "over", 9),
    ]
    detail = sent[0][1] if sent[0] is not None else {}
    assert (detail["kind"], detail["role"], detail["cluster"], detail["what"]) == (
        "straggler",
        "producer",
        "source",
        "orders",
    )
    assert "topic orders got 3 records" in body(Message("bypass", "", "shop", "h", "b", detail), "slack")["text"]
    line = line_of(entries[0], entries[:1])
    assert line is not None
    assert (line.event, line.detail["what"]) == ("bypass", "orders")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"url": "https://hooks.example/a?token=x"}, "may hold a secret"),
        ({"url": "https://u:p@hooks.example/a"}, "may hold a secret"),
        ({"url": "${A}?token=x"}, "may hold a secret"),
        ({"url": "https://hooks.example/a", "form": "slack"}, "write ${NAME}"),
        ({"url": "ftp://hooks.example/a"}, "pattern"),
        ({"url": "${A}", "on": []}, "at least 1"),
    ],
)
def test_secrets_in_the_plan_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message.replace("$", r"\$").replace("{", r"\{")):
        Webhook.model_validate(fields)


def test_an_address_that_cannot_be_used_is_refused_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", SECRET)
    with pytest.raises(UsageError, match=r"webhooks\.0\.url: \$\{HOOK\}: its value is no http") as found:
        hooks(tmp_path)
    assert SECRET not in str(found.value)
    monkeypatch.delenv("HOOK")
    with pytest.raises(UsageError, match="no variable HOOK"):
        hooks(tmp_path)


def test_a_file_with_an_address_is_relative_to_the_plan(service: Service, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(service.url + "\n")
    sender = hooks(tmp_path, url="${file:hook}")
    sender.send("end", result="completed")
    sender.close()
    assert service.events() == ["end"]


def test_an_address_that_cannot_be_read_stops_no_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    plan, audit = plan_with(tmp_path), Audit(tmp_path / "audit.jsonl", "rollback", "h")
    with pytest.raises(UsageError, match="HOOK"):
        webhooks_of(plan, "orders", audit, tmp_path / "journal.sqlite")
    silent = webhooks_if_readable(plan, "orders", audit, tmp_path / "journal.sqlite")
    note_end(silent, audit, "orders", "turned-back")
    silent.close()
    assert "webhooks are not sent: " in capsys.readouterr().err
    assert [line["result"] for line in lines(tmp_path)] == ["turned-back"]


def test_the_end_of_a_way_back_is_sent(tmp_path: Path, service: Service) -> None:
    audit = Audit(tmp_path / "audit.jsonl", "rollback", "h")
    sent = webhooks_if_readable(plan_with(tmp_path), "orders", audit, tmp_path / "journal.sqlite")
    note_end(sent, audit, "orders", "turned-back")
    sent.close()
    (message,) = service.got
    assert (message["event"], message["result"]) == ("end", "turned-back")
