"""Which lease is in force, by the order of its records; who may take it when; and the lease in a file."""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from cutover_harness.channels.lease_file import LeaseFile
from cutover_harness.channels.lease_topic import LeaseLog
from cutover_harness.channels.leases import Holder, Lease, in_force, refusal
from cutover_harness.errors import UsageError
from cutover_harness.mirror.log_reader import Record

ANN = Holder("ann@ops1", 11, "run", "shop", "/home/ann/shop.run")
BOB = Holder("bob@ops2", 22, "rollback", "shop", "/home/bob/shop.run")


def lease(name: str, holder: Holder = ANN, replaces: Lease | None = None, since: float = 100.0) -> Lease:
    return Lease(name, 1, holder, since, since + 60, 60, None if replaces is None else replaces.version)


A = lease("a")
A2, A3 = A.renewed(120), A.renewed(120).renewed(140)
ENDED = A3.end(150)


def test_of_two_that_take_over_only_the_first_one_has_it() -> None:
    first, second = lease("b", BOB, A), lease("c", BOB, A)
    assert in_force([A, first, second]) == first
    assert in_force([A, second, first]) == second
    assert in_force([first.renewed(200), second], in_force([A, first])) == first.renewed(200)


def test_a_holder_that_was_taken_over_cannot_renew_or_end_it() -> None:
    taken = lease("b", BOB, A)
    assert in_force([A, taken, A2, A2.end(300)]) == taken


def test_a_renewal_before_the_take_over_keeps_it_out() -> None:
    assert in_force([A, A2, lease("b", BOB, A)]) == A2


def test_what_ended_is_free_and_is_not_renewed() -> None:
    assert in_force([A, A2, A3, ENDED, A3.renewed(200)]) == ENDED
    after = lease("b", BOB, ENDED)
    assert in_force([A, A2, A3, ENDED, after]) == after


def test_records_that_are_repeated_or_replayed_change_nothing() -> None:
    assert in_force([A, A2, A, A3, A2]) == A3
    claim = lease("b", BOB, A3)
    assert in_force([A, A2, A3, claim, A3, claim, A]) == claim


def test_compaction_of_any_beginning_changes_nothing_after_the_loser_has_restored_the_winner() -> None:
    won, lost = lease("b", BOB, A3), lease("c", BOB, A3)
    log = [A, A2, A3, won, lost, won, won.renewed(220), won.renewed(220).renewed(240)]
    for first in range(6, len(log)):
        assert in_force([log[first - 1], *log[first:]]) == log[-1]
    older, newer = won.renewed(220), won.renewed(220).renewed(240)
    claim = lease("d", ANN, newer)
    assert in_force([older, claim]) == claim, "an older record of what it replaces is left"


@pytest.mark.parametrize(
    ("current", "now", "given", "why"),
    [
        (None, 100, {}, None),
        (ENDED, 151, {}, None),
        (A, 120, {"gone": True, "same_run": True}, None),
        (A, 161, {"take_over": True}, None),
        (A, 120, {}, "ann@ops1 (kafka-cutover run, process 11, batch shop, run /home/ann/shop.run) holds the lease"),
        (A, 120, {}, "since 1970-01-01 00:01:40 UTC, until 1970-01-01 00:02:40 UTC: wait for its end; if that run is"),
        (A, 120, {"take_over": True}, "--take-over works when it has expired, at 1970-01-01 00:02:40 UTC"),
        (A, 161, {}, "it has expired at 1970-01-01 00:02:40 UTC: make sure that this run has ended, then repeat with"),
        (A, 99, {}, "by a clock that is ahead of this machine's: make sure that this run has ended"),
        (A, 99, {"take_over": True}, None),  # it is watched first
        (A, 120, {"gone": True}, "its process has ended, so continue in /home/ann/shop.run; if that run is lost"),
        (A, 120, {"same_run": True}, "wait for its end"),
    ],
)
def test_who_may_take_it_when(current: Lease | None, now: float, given: dict[str, bool], why: str | None) -> None:
    found = refusal(current, now, **{"take_over": False, "gone": False, "same_run": False, **given})
    assert (found is None) == (why is None), found
    assert why is None or why in (found or ""), found


def test_content() -> None:
    assert Lease.from_text(A2.to_text()) == A2
    harms: list[dict[str, object]] = [
        {"format": 2},
        {"until": "noon"},
        {"holder": {}},
        {"until": 1e30},
        {"number": None},
        {"more": 1},
        {"ended": "false"},
        {"replaces": 5},
        {"lasts_s": float("inf")},
        {"lasts_s": 0},
        {"holder": {**vars(ANN), "started": "5"}},
        {"holder": {**vars(ANN), "machine": []}},
    ]
    for harm in harms:
        assert Lease.from_text(json.dumps({**json.loads(A2.to_text()), **harm})) is None, harm
    for text in ("", "[]", "null", "[" * 100_000, "{}"):
        assert Lease.from_text(text) is None


def test_a_lease_of_a_later_version_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    log = LeaseLog("source", "cutover", {}, ())
    later = json.dumps({**json.loads(A2.to_text()), "format": 2})
    for texts, newer in (([A.to_text(), later], True), (["garbage"], False), ([later, A2.to_text()], False)):
        records = [Record(at, LeaseLog.key, text.encode(), (), None) for at, text in enumerate(texts)]
        monkeypatch.setattr(log, "_new", lambda records=records: records)
        log.scan()
        assert log.newer == newer
    assert log.current == A2


def test_a_record_that_is_no_lease_hides_at_most_one_that_compaction_has_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for texts, hidden in ((["garbage"], True), ([A.to_text(), "garbage"], False), (["garbage", A.to_text()], False)):
        log = LeaseLog("source", "cutover", {}, ())
        records = [Record(at, LeaseLog.key, text.encode(), (), None) for at, text in enumerate(texts)]
        monkeypatch.setattr(log, "_new", lambda records=records: records)
        log.scan()
        assert log.hidden == hidden, texts


def test_a_file_lets_one_of_many_win(tmp_path: Path) -> None:
    file = LeaseFile(tmp_path / "new" / "lease.json")
    assert file.read() is None
    barrier, found = threading.Barrier(8), []

    def offer(number: int) -> None:
        barrier.wait()
        found.append(LeaseFile(file.path).offer(lease(f"l{number}")))

    threads = [threading.Thread(target=offer, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.id for each in found if each is not None}) == 1
    assert file.read() == found[0]
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.offer(replace(A2, id="other")) == found[0]


def test_a_file_that_is_no_lease_is_refused(tmp_path: Path) -> None:
    file = LeaseFile(tmp_path / "lease.json")
    for content in (b"", b"{}", b"\xff"):
        file.path.write_bytes(content)
        for call in (file.read, lambda: file.offer(A)):
            with pytest.raises(UsageError, match=r"lease\.json: (is no lease: delete it|cannot be read: not UTF-8)"):
                call()


def test_every_order_of_two_operators_has_one_holder() -> None:
    """Each interleaving of two holders' records: nobody is in force who was not first."""
    one, two = lease("b", BOB, A), lease("c", BOB, A)
    for order in itertools.permutations([one, one.renewed(200), two, two.renewed(200)]):
        if order.index(one) > order.index(one.renewed(200)) or order.index(two) > order.index(two.renewed(200)):
            continue
        winner = one if order.index(one) < order.index(two) else two
        found = in_force([A, *order])
        assert found is not None
        assert found.id == winner.id
