"""Topics that change while they are recorded: what is noticed, when, and what comes of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message
from cutover_harness.capture import command as command_module
from cutover_harness.capture import watch as watch_module
from cutover_harness.capture.changes import Change, Confirmed, Layout, What, compare
from cutover_harness.capture.recorder import Recorded
from cutover_harness.capture.watch import Watch
from cutover_harness.cli.app import app
from cutover_harness.headers import headers_of
from typer.testing import CliRunner

from tests.waiting import wait_until

BEFORE = Layout({"same": 3, "grew": 2, "gone": 1, "made-again": 4}, {"same": "a", "made-again": "b"})
NOW = Layout({"same": 3, "grew": 5, "made-again": 4, "new": 2}, {"same": "a", "made-again": "c", "grew": "d"})


def test_each_kind_of_change_is_found() -> None:
    assert compare(BEFORE, NOW) == [
        Change(What.GREW, "grew", 2, 5),
        Change(What.RECREATED, "made-again", 4, 4),
        Change(What.APPEARED, "new", 0, 2),
        Change(What.DELETED, "gone", 1, 0),
    ]
    assert compare(NOW, NOW) == []
    assert compare(Layout({"t": 5}), Layout({"t": 3})) == [], "fewer partitions are a broker that knows too little"


def test_deletion_is_reported_after_two_checks_and_other_changes_once() -> None:
    confirmed = Confirmed(BEFORE)
    assert [each.what for each in confirmed.look(NOW)] == [What.GREW, What.RECREATED, What.APPEARED]
    assert confirmed.doubtful
    assert confirmed.look(NOW) == [Change(What.DELETED, "gone", 1, 0)]
    assert Confirmed(NOW).doubtful is False
    assert confirmed.look(NOW) == []


def test_empty_metadata_for_a_moment_is_no_deletion() -> None:
    confirmed = Confirmed(BEFORE)
    for now in (Layout(), BEFORE, Layout(), BEFORE):
        assert confirmed.look(now) == []


def test_a_watch_looks_again_and_again_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "EVERY_S", 0.01)
    monkeypatch.setattr(watch_module, "AGAIN_S", 0.01)
    now = [Layout({"t": 1})]
    looks = threading.Semaphore(0)

    def look() -> Layout:
        looks.release()
        if len(now) == 1 and not now[0].partitions.get("fine"):
            now.append(now[0])
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return now[-1]

    with Watch(look, Layout({"t": 1})) as watch:
        for _ in range(3):
            assert looks.acquire(timeout=30)
        now.append(Layout({"t": 3}))
        assert wait_until(watch.changes, 30) == [Change(What.GREW, "t", 1, 3)]
        now.append(Layout())
        assert watch.last() == [Change(What.DELETED, "t", 3, 0)]


@pytest.mark.parametrize(
    ("missing", "interrupted", "code"), [((), False, 0), (("x",), False, 3), (("x",), True, 130), ((), True, 130)]
)
def test_missing_records_give_an_exit_code_and_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...], interrupted: bool, code: int
) -> None:
    out = tmp_path / "c.parquet"
    out.touch()

    class Fake:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def record(self, *, resume: bool) -> Recorded:
            return Recorded(out, 1, 1, 1.0, interrupted, {}, ("topic t grew",), missing)

    monkeypatch.setattr(command_module, "Recorder", Fake)
    done = CliRunner().invoke(app, ["record", "t", "--bootstrap", "h:1", "--out", str(out)], standalone_mode=False)
    assert done.return_value == code
    assert "changed: topic t grew\n" in done.stdout
    assert ("missing: x\n" in done.stdout) == bool(missing)


class Unreadable(Message):
    """A message as the client gives it whose header has a name that is not UTF-8."""

    asked = 0

    def headers(self) -> Any:
        self.asked += 1
        assert self.asked == 1, "the client returns a list with a hole when it is asked again"
        raise SystemError("returned a result with an exception set")


def test_headers_that_cannot_be_read_are_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    by_class = type("Asked", (), {"headers": staticmethod(lambda message: message.headers())})
    monkeypatch.setattr("cutover_harness.headers.Message", by_class)
    made = [Message(headers=[("a", b"1")]), Unreadable(), Message(), Unreadable(), Message(headers=[("b", b"2")])]
    monkeypatch.setattr(
        "cutover_harness.headers.Message", type("M", (), {"headers": staticmethod(lambda m: m.headers())})
    )
    assert headers_of(made) == ([[("a", b"1")], None, None, None, [("b", b"2")]], [1, 3])
    assert headers_of([]) == ([], [])
