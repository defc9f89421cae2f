"""Bypasses: how they stand, what is said of them, and when they close gates."""

from __future__ import annotations

import json
from typing import Any

from cutover_harness.procedure.bypass import Activity, Bypass, Bypasses, Range, Sample, of_detail

P0, P1 = ("orders", 0), ("orders", 1)
SAMPLE = Sample(0, 120, 1_750_000_000_000, "a1b2c3d4e5f6", ("trace",))


def straggler(first: int = 120, last: int = 122, **more: Any) -> Activity:
    records = {P0: Range(first, last, last - first + 1)}
    return Activity("straggler", "producer", "source", "orders", records, samples=(SAMPLE,), **more)


def early() -> Activity:
    return Activity("early", "producer", "target", "orders", {P1: Range(7, 7, 1)})


def group(*members: str) -> Activity:
    return Activity("straggler", "consumer", "source", "billing", {}, members)


def look(
    bypasses: Bypasses, *activities: Activity, at: float = 0.0, copied: bool | None = True, may: Any = ()
) -> list[Bypass]:
    return bypasses.look(activities, lambda _partition, _offset: copied, may, at, int(at * 1e9) + 1)


def test_without_activity_nothing_is_found_and_no_gate_is_closed() -> None:
    bypasses = Bypasses(10)
    assert look(bypasses) == []
    assert bypasses.closing() == []


def test_a_straggler_is_named_with_topic_offsets_writer_and_a_sample_without_its_value() -> None:
    bypasses = Bypasses(10)
    (found,) = look(bypasses, straggler(writers=("producer id 4001 epoch 0",)))
    assert found.words() == (
        "straggler producer on the source: topic orders got 3 records (orders-0 offsets 120 to 122; written by "
        "producer id 4001 epoch 0; offset 120 of 15:06:40 UTC: key digest a1b2c3d4e5f6, headers trace): stop it, or "
        "point it to the right cluster"
    )
    assert bypasses.closing() == [found.words()]


def test_a_straggler_that_is_quiet_and_was_copied_is_over() -> None:
    bypasses = Bypasses(10)
    look(bypasses, straggler())
    assert look(bypasses, at=9) == []
    assert [each.standing for each in look(bypasses, at=10)] == ["over"]
    assert bypasses.closing() == []


def test_what_the_mirror_has_not_copied_keeps_gates_closed() -> None:
    bypasses = Bypasses(10)
    look(bypasses, straggler(), copied=False)
    assert [each.standing for each in look(bypasses, at=10, copied=False)] == ["quiet"]
    (words,) = bypasses.closing()
    assert words.endswith("it is quiet now, and the mirror has to copy its records")
    assert [each.standing for each in look(bypasses, at=11)] == ["over"]


def test_records_that_nothing_copies_stay_until_a_person_accepts_them() -> None:
    bypasses = Bypasses(10)
    look(bypasses, straggler(), copied=None)
    (stays,) = look(bypasses, at=10, copied=None)
    assert stays.standing == "stays"
    assert "nothing copies them to the target: roll back, or accept that with" in stays.words()
    assert stays.closes
    assert not stays.accepted().closes
    bypasses.known[stays.activity.key] = stays.accepted()
    assert look(bypasses, at=500, copied=None) == []
    (again,) = look(bypasses, straggler(123, 123), at=501, copied=None)
    assert (again.standing, again.count) == ("active", 4), "what comes later was not accepted"


def test_an_early_writers_records_stay_on_the_target_whatever_the_mirror_has_copied() -> None:
    bypasses = Bypasses(10)
    look(bypasses, early())
    assert [each.standing for each in look(bypasses, at=10)] == ["stays"]
    assert "nothing copies them to the source" in bypasses.closing()[0]


def test_a_group_is_over_once_it_is_quiet_and_members_that_stay_are_no_news() -> None:
    bypasses = Bypasses(10)
    (found,) = look(bypasses, group("java at 10.0.0.7"))
    assert found.words() == (
        "straggler group on the source: billing has members (java at 10.0.0.7): stop it, or point it to the right "
        "cluster"
    )
    assert look(bypasses, group("java at 10.0.0.7"), at=9) == []
    assert look(bypasses, at=18) == []
    assert [each.standing for each in look(bypasses, at=19)] == ["over"]


def test_one_that_comes_again_is_a_new_one() -> None:
    bypasses = Bypasses(10)
    look(bypasses, straggler())
    look(bypasses, at=10)
    (again,) = look(bypasses, straggler(130, 130), at=20)
    assert (again.count, again.since_ns) == (1, int(20e9) + 1)


def test_after_a_move_back_it_is_where_it_should_be() -> None:
    bypasses = Bypasses(10)
    look(bypasses, straggler())
    assert [each.standing for each in look(bypasses, may={("producer", "source")})] == ["over"]


def test_what_was_accepted_stays_accepted_when_producers_have_moved_there() -> None:
    bypasses = Bypasses(10)
    (found,) = look(bypasses, early())
    bypasses.known[found.activity.key] = found.accepted()
    assert look(bypasses, at=20, may={("producer", "target")}) == []


def test_the_journal_keeps_all_of_it() -> None:
    (found,) = look(Bypasses(10), straggler(writers=("producer id 1 epoch 0",)))
    detail = json.loads(json.dumps(found.detail()))
    back = of_detail(detail, 99.0)
    assert (back.activity, back.since_ns, back.standing) == (found.activity, found.since_ns, "active")
    assert back.active_s == 99.0
