"""The walk through both logs: every planted fault is found exactly, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from cutover_harness.verify.rows import Row
from cutover_harness.verify.tally import Count, Findings
from cutover_harness.verify.walk import Walk
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.verify.logs import Driver, Log, log, record

KINDS = ("missing", "extra", "swapped", "altered", "twice")
APART = 6


@dataclass
class Planted:
    """The target's rows with faults, and what has to be found: places in both logs."""

    rows: list[Row] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    extra: list[int] = field(default_factory=list)
    altered: list[tuple[int, int]] = field(default_factory=list)
    twice: list[tuple[int, int]] = field(default_factory=list)
    swapped: list[int] = field(default_factory=list)


def plant(source: list[Row], faults: Iterable[tuple[int, str]], dice: random.Random) -> Planted:
    found, at = Planted(), 0
    kinds = dict(faults)
    while at < len(source):
        row, place = source[at], len(found.rows)
        match kinds.get(at):
            case "missing":
                found.missing.append(at)
            case "extra":
                found.rows += [(b"foreign", b"foreign-%d" % at, None, 5), row]
                found.extra.append(place)
            case "swapped" if at + 1 < len(source):
                found.rows += [source[at + 1], row]
                found.swapped.append(at)
                at += 1
            case "altered":
                found.rows.append(altered(row, dice))
                found.altered.append((at, place))
            case "twice" if at:
                again = dice.randrange(max(0, at - 40), at)
                if again in kinds or again - 1 in kinds:
                    found.rows.append(row)
                else:
                    found.rows += [source[again], row]
                    found.twice.append((again, place))
            case _:
                found.rows.append(row)
        at += 1
    return found


def altered(row: Row, dice: random.Random) -> Row:
    key, value, headers, time = row
    return dice.choice(
        [
            (key, (value or b"") + b"!", headers, time),
            (b"other", value, headers, time),
            (key, value, [("changed", b"")], time),
            (key, value, headers, (time or 0) + 1),
            (key, None, headers, time),
        ]
    )


def places(count: Count) -> list[tuple[int | None, int | None]]:
    return [(each.source, each.target) for each in count.first]


def check(found: Findings, planted: Planted, source: Log, target: Log, short: int = 0) -> None:
    ours, theirs = [offset for offset, _ in source], [offset for offset, _ in target]
    end = len(source) - short
    missing = [(ours[n], None) for n in [*planted.missing, *range(end, len(source))]]
    assert found.missing.count == len(missing)
    assert places(found.missing) == missing[:10]
    assert (found.extra.count, places(found.extra)) == (
        len(planted.extra),
        [(None, theirs[n]) for n in planted.extra][:10],
    )
    assert (found.altered.count, places(found.altered)) == (
        len(planted.altered),
        [(ours[one], theirs[other]) for one, other in planted.altered][:10],
    )
    assert found.twice.count == len(planted.twice)
    by_offset = dict(target)
    for place, (one, other) in zip(found.twice.first, planted.twice, strict=False):
        # Of two copies next to each other either may be the second one.
        assert (place.source, by_offset[place.target or 0]) == (ours[one], target[other][1])
    assert found.reordered.count == len(planted.swapped)
    for place, at in zip(found.reordered.first, planted.swapped, strict=False):
        assert place.source in (ours[at], ours[at + 1])
    whole = len(source) - len(missing) - len(planted.altered) - len(planted.swapped)
    assert found.compared == whole
    assert found.missing_at_end >= short
    assert (found.after, found.native, found.removed_source, found.removed_target) == (0, 0, 0, 0)


faults = st.lists(st.tuples(st.integers(1, 60), st.sampled_from(KINDS)), max_size=12)


def spread(steps: list[tuple[int, str]]) -> list[tuple[int, str]]:
    found, at = [], 0
    for step, kind in steps:
        at += step + APART
        found.append((at, kind))
    return found


@settings(max_examples=300, deadline=None)
@given(faults, st.integers(0, 2**32), st.integers(2, 400))
def test_planted_faults_are_found_exactly(steps: list[tuple[int, str]], seed: int, chunk: int) -> None:
    dice, its = random.Random(seed), spread(steps)  # noqa: S311 - repeatable
    rows = [record(n) for n in range((its[-1][0] if its else 0) + 20 + dice.randrange(300))]
    planted = plant(rows, its, dice)
    source, target = log(rows, gaps=dice), log(planted.rows, gaps=dice)
    driver = Driver(Walk(), source, target, dice, most=chunk)
    check(driver.run(), planted, source, target)


@settings(max_examples=100, deadline=None)
@given(faults, st.integers(0, 2**32), st.integers(1, 200))
def test_a_short_target_lacks_exactly_the_rest(steps: list[tuple[int, str]], seed: int, short: int) -> None:
    dice, its = random.Random(seed), spread(steps)  # noqa: S311 - repeatable
    rows = [record(n) for n in range((its[-1][0] if its else 0) + 20 + short)]
    planted = plant(rows[: len(rows) - short], its, dice)
    source, target = log(rows, gaps=dice), log(planted.rows, gaps=dice)
    check(Driver(Walk(), source, target, dice).run(), planted, source, target, short)


@pytest.mark.parametrize("length", [1, 200, 1_000, 30_000])
@pytest.mark.parametrize("back", [50, 5_000, 40_000])
def test_a_restarted_mirror_repeats_any_number_of_records(length: int, back: int) -> None:
    length = min(length, back)
    rows = [record(n) for n in range(45_000)]
    at = 42_000
    source = log(rows)
    target = log(rows[:at] + rows[at - back : at - back + length] + rows[at:])
    driver = Driver(Walk(), source, target, most=3_000, back=50_000)
    found = driver.run()
    recognised = length if length > 128 or back <= 20_000 else 0  # a short repetition of long ago is extra
    assert found.twice.count == recognised
    assert found.extra.count == length - recognised
    assert (found.compared, found.missing.count, found.reordered.count) == (len(rows), 0, 0)


def test_a_missing_record_that_a_repetition_brings_is_late() -> None:
    rows = [record(n) for n in range(3_000)]
    target = [*rows[:1_000], *rows[1_001:2_000], *rows[500:2_000], *rows[2_000:]]
    driver = Driver(Walk(), log(rows), log(target))
    found = driver.run()
    assert driver.rewinds == 1
    assert (found.compared, found.missing.count, found.reordered.count) == (2_999, 0, 1)
    assert found.twice.count == 1_499
    assert [(each.source, each.target) for each in found.reordered.first] == [(1_000, 1_999 + 500)]


@pytest.mark.parametrize("hole", [1, 300, 3_000])
def test_equal_records_do_not_look_like_repetitions(hole: int) -> None:
    """Without timestamps, as with LogAppendTime: the same heartbeats before and behind a hole."""
    same: list[Row] = [(b"k", b"alive", None, None)] * 2_000
    between: list[Row] = [(b"k", b"%d" % n, None, None) for n in range(hole)]
    source = [*same, *between, *same, (b"end", b"", None, None)]
    driver = Driver(Walk(), log(source), log([*same, *same, source[-1]]))
    found = driver.run()
    assert driver.rewinds == 0
    assert (found.compared, found.missing.count, found.twice.count) == (4_001, hole, 0)


@pytest.mark.parametrize("side", ["missing", "extra"])
@pytest.mark.parametrize("length", [300, 5_000, 60_000])
def test_a_long_hole_is_counted(side: str, length: int) -> None:
    rows = [record(n) for n in range(70_000)]
    less = rows[:3_000] + rows[3_000 + length :]
    source, target = (rows, less) if side == "missing" else (less, rows)
    found = Driver(Walk(), log(source), log(target), most=5_000).run()
    counts = {"missing": found.missing.count, "extra": found.extra.count}
    assert counts == {"missing": 0, "extra": 0} | {side: length}
    assert found.compared == len(less)
    assert found.reordered.count == found.twice.count == found.altered.count == 0


def test_logs_without_a_common_record_are_given_up() -> None:
    source = log([record(n) for n in range(3_000)])
    target = log([record(n, note="other") for n in range(5_000, 8_000)])
    walk = Walk(ahead=1_000)
    found = Driver(walk, source, target).run()
    assert walk.lost is not None
    assert "source offset 0 and target offset 0" in walk.lost
    assert (found.compared, found.missing.count) == (0, 1_000)
    assert found.different


def test_a_topic_with_every_value_changed_is_altered() -> None:
    rows = [record(n) for n in range(3_000)]
    changed: list[Row] = [(key, b"%d!" % n, headers, time) for n, (key, _, headers, time) in enumerate(rows)]
    walk = Walk(ahead=1_000)
    found = Driver(walk, log(rows), log(changed)).run()
    assert walk.lost is None
    assert (found.altered.count, found.missing.count, found.extra.count) == (3_000, 0, 0)


@pytest.mark.parametrize("apart", [1, 2, 30, 2_000])
def test_two_records_that_changed_places(apart: int) -> None:
    rows = [record(n) for n in range(5_000)]
    swapped = list(rows)
    swapped[1_000], swapped[1_000 + apart] = rows[1_000 + apart], rows[1_000]
    found = Driver(Walk(), log(rows), log(swapped)).run()
    assert found.reordered.count == (1 if apart == 1 else 2)
    assert found.compared == len(rows) - found.reordered.count
    assert found.missing.count == found.extra.count == found.twice.count == found.altered.count == 0


@pytest.mark.parametrize("kind", ["missing", "extra", "altered"])
def test_behind_a_fault_whole_chunks_are_compared_again(kind: str) -> None:
    rows = [record(n) for n in range(5_000)]
    faulty = {
        "missing": [*rows[:500], *rows[501:]],
        "extra": [*rows[:500], (b"foreign", b"x", None, 5), *rows[500:]],
        "altered": [*rows[:500], (rows[500][0], b"x", None, rows[500][3]), *rows[501:]],
    }
    walk = Walk()
    driver = Driver(walk, log(rows)[:4_000], log(faulty[kind])[:4_000])
    quiet = 0
    original = walk.advance

    def counted() -> None:
        nonlocal quiet
        original()
        quiet += walk.quiet and walk.source_at > 1_000

    walk.advance = counted  # type: ignore[method-assign]
    driver.run()
    assert quiet > 50, "it can be continued from there, too"


def test_records_behind_the_bound_are_native() -> None:
    rows = [record(n) for n in range(300)]
    native = [record(n, note="native") for n in range(1_000, 1_400)]
    found = Driver(Walk(native_from=300), log(rows), log(rows + native)).run()
    assert (found.compared, found.extra.count, found.after) == (300, 0, 0)


def test_a_straggler_that_was_mirrored_among_native_records_is_compared() -> None:
    rows = [record(n) for n in range(310)]
    native = [record(n, note="native") for n in range(1_000, 1_020)]
    target = [*rows[:300], *native[:10], *rows[300:], *native[10:]]
    found = Driver(Walk(native_from=300), log(rows), log(target)).run()
    assert (found.compared, found.extra.count, found.missing.count, found.after) == (310, 0, 0, 0)
    assert found.native >= 10


def test_a_native_record_is_no_altered_copy_of_a_straggler() -> None:
    rows = [record(n) for n in range(301)]
    key, _, headers, time = rows[300]
    native = [record(n, note="native") for n in range(1_000, 1_010)] + [(key, b"other", headers, time)]
    found = Driver(Walk(native_from=300), log(rows), log([*rows[:300], *native])).run()
    assert (found.compared, found.altered.count, found.extra.count) == (300, 0, 0)
    assert [each.source for each in found.missing.first] == [300]


def test_without_a_bound_records_behind_the_last_mirrored_one_are_counted_apart() -> None:
    rows = [record(n) for n in range(300)]
    native = [record(n, note="native") for n in range(1_000, 1_400)]
    target = [*rows[:100], record(0, note="foreign"), *rows[100:], *native]
    found = Driver(Walk(), log(rows), log(target)).run()
    assert (found.compared, found.extra.count, found.after) == (300, 1, 400)


@pytest.mark.parametrize("side", ["source", "target"])
def test_retention_is_counted_and_never_missing(side: str) -> None:
    rows = [record(n) for n in range(1_000)]
    source, target = log(rows), log(rows, start=50)
    if side == "source":
        source = source[400:]
    else:
        target = target[400:]
    walk = Walk(cut_source=side == "source", cut_target=side == "target")
    found = Driver(walk, source, target).run()
    assert found.compared == 600
    assert found.different == 0
    assert (found.removed_source, found.removed_target) == ((400, 0) if side == "source" else (0, 400))


def test_a_segment_ends_with_its_source_records() -> None:
    rows = [record(n) for n in range(2_000)]
    source = log(rows)[500:700]
    target = log([*rows[:650], *rows[651:]])[450:]
    walk = Walk(open_end=True, cut_source=True, ahead=1_000)
    found = Driver(walk, source, target).run()
    assert (found.compared, found.missing.count, found.extra.count, found.after) == (199, 1, 0, 0)
    assert found.removed_source == 50


def test_context_of_a_segment_shows_its_place_and_is_not_counted() -> None:
    rows = [record(n) for n in range(2_000)]
    source, target = log(rows)[450:700], log([*rows[:470], *rows[471:600], *rows[601:]])[400:]
    walk = Walk(open_end=True, cut_source=True, ahead=1_000, count_from=500)
    found = Driver(walk, source, target).run()
    assert walk.placed
    assert (found.compared, found.missing.count, found.extra.count, found.removed_source) == (199, 1, 0, 0)
    walk = Walk(open_end=True, cut_source=True, ahead=1_000, count_from=500)
    Driver(walk, source, target[600:1_200]).run()
    assert not walk.placed
    # None of the context is on the target: what is before the segment there is no record that retention has removed.
    walk = Walk(open_end=False, cut_source=True, ahead=1_000, count_from=500)
    found = Driver(walk, log(rows)[450:700], log([*rows[:450], *rows[520:700]])[400:]).run()
    assert found.removed_source == 0


def test_timestamps_of_the_broker_are_not_compared() -> None:
    rows = [record(n) for n in range(500)]
    stamped = [(*row[:3], 7) for row in rows]
    walk = Walk()
    walk.ignore_timestamps()
    source, target = log([(*row[:3], None) for row in rows]), log([(*row[:3], None) for row in stamped])
    assert Driver(walk, source, target).run().compared == 500


edits = st.lists(
    st.tuples(st.sampled_from(["keep", "drop", "insert", "repeat", "swap"]), st.integers(0, 30)), max_size=60
)


@given(edits, st.integers(1, 60), st.integers(0, 2**32))
def test_every_record_is_accounted_for_whatever_happened(
    script: list[tuple[str, int]], distinct: int, seed: int
) -> None:
    """Equal records and faults next to each other may be counted in more than one way; nothing may be left out."""
    dice = random.Random(seed)  # noqa: S311 - repeatable
    ours = [record(dice.randrange(distinct)) for _ in range(sum(number for _, number in script) + len(script))]
    theirs: list[Row] = []
    at = 0
    for kind, number in script:
        part = ours[at : at + number + 1]
        at += number + 1
        match kind:
            case "keep":
                theirs += part
            case "drop":
                theirs += part[:-1]
            case "insert":
                theirs += [*part, record(dice.randrange(distinct), note="!")]
            case "repeat":
                theirs += [*part, *part[number // 2 :]]
            case "swap":
                theirs += part[::-1]
    walk = Walk()
    found = Driver(walk, log(ours, gaps=dice), log(theirs, gaps=dice), dice).run()
    assert walk.lost is None
    both = found.compared + found.reordered.count + found.altered.count
    assert both + found.missing.count == len(ours)
    assert both + found.twice.count + found.extra.count + found.after == len(theirs)
    if ours == theirs:
        assert (found.compared, found.different) == (len(ours), 0)
    elif sorted(map(repr, ours)) != sorted(map(repr, theirs)):
        assert found.different or found.after
