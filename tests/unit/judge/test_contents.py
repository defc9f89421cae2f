"""Records without our header, identified by their content."""

from dataclasses import replace

from cutover_harness.judge.model import Duplicated, Judgement
from cutover_harness.ledger import fingerprint
from hypothesis import given, settings
from hypothesis import strategies as st

from .histories import Event, History
from .test_against_brute_force import clean_run, seeded


def by_content(history: History, contents: dict[tuple[str, int], str] | None = None) -> History:
    """Return the history as processes log it that see keys and contents, and no sequence."""

    def seen(event: Event) -> Event:
        if event.key is None or event.sequence < 0:
            return event
        content = (contents or {}).get((event.key, event.sequence), f"content {event.sequence}")
        return replace(event, sequence=fingerprint(content.encode()))

    result = History(events=[seen(event) for event in history.events])
    for name in {event.instance for event in history.events}:
        result.meta(name, identity="fingerprint")
    return result


def measures(judgement: Judgement) -> list[object]:
    return [
        (g.group, g.sent, g.acked, g.delivered, g.lost, g.phantom, g.reordered, g.duplicated, g.stranded, g.log_order)
        for g in judgement.groups
    ]


def test_a_fingerprint_differs_for_other_values_and_headers() -> None:
    found = [
        fingerprint(None),
        fingerprint(b""),
        fingerprint(b"a"),
        fingerprint(b"a", [("h", b"")]),
        fingerprint(b"a", [("h", None)]),
        fingerprint(b"a", [("", b"h")]),
    ]
    assert len(set(found)) == len(found)
    assert all(0 <= each < 2**62 for each in found)
    assert fingerprint(b"a", [("h", b"x")]) == fingerprint(b"a", [("h", b"x")])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10), st.booleans())
def test_distinct_contents_are_as_good_as_a_header(seed: int, spoil: int, swap: bool) -> None:
    """Whatever the history, with distinct contents the judge finds the same as with identities."""
    random_ = seeded(seed)
    events = clean_run(random_)
    sends = sum(event.instance == "p1" for event in events)  # they come first, and their order is what counts
    for _ in range(spoil):
        del events[random_.randrange(sends, len(events))]
    if swap:
        at = random_.randrange(sends, len(events) - 1)
        events[at], events[at + 1] = replace(events[at + 1], time_ms=events[at].time_ms), events[at]
    history = History(events=events)
    assert measures(by_content(history).judge(cluster_left=["source"])) == measures(
        history.judge(cluster_left=["source"])
    )


def same(*sequences: int) -> dict[tuple[str, int], str]:
    return {("k", n): "the same" for n in sequences}


def test_equal_contents_are_distinguished_by_their_acknowledged_offset() -> None:
    history = History()
    history.produce("k", 0, 4)
    history.read("g-1", "k", 0, 1)
    history.read("g-1", "k", 3, 4)
    judgement = by_content(history, same(0, 2, 4)).judge()
    assert judgement.group("g").lost == 1
    assert [(o.kind, o.sequence, o.offset) for o in judgement.offenders] == [("lost", 2, 2)]
    assert judgement.notes == []


def test_equal_contents_on_the_other_cluster_are_taken_in_order() -> None:
    history = History()
    history.produce("k", 0, 4)
    history.read("g-1", "k", 0, 4, cluster="target", shift=50)
    got = by_content(history, same(0, 2, 4)).judge()
    assert (got.group("g").lost, got.group("g").reordered, got.group("g").duplicated.total) == (0, 0, 0)
    assert got.notes == []


def test_after_a_resumption_the_last_ones_are_taken() -> None:
    history = History()
    history.produce("k", 0, 4)
    history.read("g-1", "k", 0, 2)
    history.read("g-1", "k", 3, 4, cluster="target", shift=50)
    got = by_content(history, same(0, 2, 4)).judge()
    assert (got.group("g").lost, got.group("g").reordered, got.group("g").duplicated.total) == (0, 0, 0)
    assert got.notes == [
        "1 deliveries have the same content as others of their stream: which is which was decided by their order"
    ]


def test_a_second_copy_of_repeated_content_is_a_duplicate() -> None:
    history = History()
    history.produce("k", 0, 1)
    history.read("g-1", "k", 0, 1, cluster="target", shift=50)
    history.deliver("g-1", "k", 1, 52, cluster="target")
    got = by_content(history, same(0, 1)).judge().group("g")
    assert (got.duplicated, got.lost) == (Duplicated(mirrored_twice=1), 0)


def test_content_that_was_never_sent_is_a_phantom() -> None:
    history = History()
    history.produce("k", 0, 1)
    history.read("g-1", "k", 0, 2)
    assert by_content(history).judge().group("g").phantom == 1


def test_acknowledgements_alone_are_enough() -> None:
    history = History()
    for n in range(3):
        history.acked("k", n, n)
    history.read("g-1", "k", 0, 1)
    got = by_content(history, same(0, 1)).judge().group("g")
    assert (got.sent, got.acked, got.lost) == (3, 3, 1)
