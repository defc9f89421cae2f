"""The search for the resumed record, against brute force over how MirrorMaker 2 wrote; what the search must refuse."""

from dataclasses import dataclass, field

from cutover_harness.mirror.resume_search import Entry, Kind, OffsetPair, Outcome, ResumeSearch, search_starts
from hypothesis import assume, given
from hypothesis import strategies as st

LIMIT = 1000


@dataclass
class Logs:
    """Both logs of one partition, and what really happened: `copied` is the source's index of each target record."""

    source: list[Entry]
    target: list[Entry]
    copied: list[int]
    life_starts: list[int] = field(default_factory=list)  # indexes in target
    source_start: int = 0
    target_start: int = 0

    @property
    def pairs(self) -> list[OffsetPair]:
        return [(self.source[s][0], t[0]) for s, t in zip(self.copied, self.target, strict=True)]

    @property
    def known(self) -> list[OffsetPair]:
        """As MirrorMaker 2 writes them: a pair at the beginning of each task, and some later."""
        return [p for n, p in enumerate(self.pairs) if n in self.life_starts or n % 7 == 3]


def solve(
    logs: Logs,
    committed: int,
    pairs: list[OffsetPair] | None = None,
    *,
    compacted: bool = False,
    chunk: int = 3,
    window: int = LIMIT,
) -> tuple[Outcome, int]:
    """Search as the reader of real logs does: a round feeds some of the target, then some of the source."""
    pairs = logs.known if pairs is None else pairs
    outcome, duplicates = Outcome(Kind.REFUSED, None, "nowhere to begin"), 0
    for start in search_starts(
        committed, pairs, logs.source_start, logs.target_start, compacted=compacted, limit=LIMIT
    ):
        search = ResumeSearch(committed, start, pairs, limit=LIMIT, window=window, gap=chunk + 1)
        at = start.pair or (0, 0)
        left = [[e for e in log if e[0] >= start] for log, start in zip((logs.source, logs.target), at, strict=True)]
        while search.outcome is None:
            if search.wants_target:
                search.feed((), left[1][:chunk])
                del left[1][:chunk]
            if search.wants_source:
                search.feed(left[0][: chunk + 2], ())
                del left[0][: chunk + 2]
            search.advance(source_ended=not left[0], target_ended=not left[1])
        outcome, duplicates = search.outcome, search.duplicates
        if outcome.kind != Kind.REFUSED:
            break
    return outcome, duplicates


@st.composite
def spread(draw: st.DrawFn, prints: list[int]) -> list[Entry]:
    """Offsets with holes: markers of transactions and aborted records."""
    offset, log = 0, []
    for fingerprint in prints:
        offset += draw(st.sampled_from([0, 0, 0, 1, 4]))
        log.append((offset, fingerprint))
        offset += 1
    return log


@st.composite
def mirrored(draw: st.DrawFn, *, alike: bool = False, least: int = 0) -> Logs:
    """A source log, copied by tasks that begin again where they were, or earlier."""
    count = draw(st.integers(least, 25))
    prints = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)) if alike else list(range(count))
    copied: list[int] = []
    life_starts = []
    end = 0
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, end))
        end = draw(st.integers(begin, count))
        if end > begin:
            life_starts.append(len(copied))
            copied.extend(range(begin, end))
    target = draw(spread([prints[n] for n in copied]))
    return Logs(draw(spread(prints)), target, copied, life_starts)


def next_record(logs: Logs, committed: int) -> int | None:
    return next((n for n, (offset, _) in enumerate(logs.source) if offset >= committed), None)


def subsequence(wanted: list[int], log: list[int]) -> bool:
    rest = iter(log)
    return all(each in rest for each in wanted)


def loses_nothing(logs: Logs, committed: int, resume: int) -> bool:
    """Return whether all unread records follow `resume`, once the mirror has finished its repetition."""
    first = next_record(logs, committed)
    reached = max(logs.copied, default=-1) + 1
    wanted = [] if first is None else [fingerprint for _, fingerprint in logs.source[first:reached]]
    repeated = [fingerprint for _, fingerprint in logs.source[logs.copied[-1] + 1 : reached]] if logs.copied else []
    return subsequence(wanted, [fingerprint for offset, fingerprint in logs.target if offset >= resume] + repeated)


def expected(logs: Logs, committed: int) -> tuple[Kind, int | None]:
    """The last copy of the next record; nothing while a task is before it, or the record is not there."""
    first = next_record(logs, committed)
    due = len(logs.source) - 1 if first is None else first
    if due < 0:
        return Kind.PROVED, 0
    if due not in logs.copied or logs.copied[-1] < due:
        return Kind.WAITS, None
    if first is None:
        return Kind.PROVED, logs.target[-1][0] + 1
    last = max(n for n, source in enumerate(logs.copied) if source == first)
    return Kind.PROVED, logs.target[last][0]


COMMITTED = st.integers(0, 70)
CHUNKS = st.integers(1, 9)


@given(mirrored(), COMMITTED, CHUNKS)
def test_exactly_the_next_record(logs: Logs, committed: int, chunk: int) -> None:
    outcome, duplicates = solve(logs, committed, chunk=chunk)
    assert (outcome.kind, outcome.resume) == expected(logs, committed), outcome
    assert duplicates <= len(logs.copied) - len(set(logs.copied))


@given(mirrored(), COMMITTED, CHUNKS)
def test_without_any_pair(logs: Logs, committed: int, chunk: int) -> None:
    outcome, _ = solve(logs, committed, [], chunk=chunk)
    assert (outcome.kind, outcome.resume) == expected(logs, committed), outcome


@given(mirrored(), COMMITTED, CHUNKS, st.data())
def test_with_any_pairs_nothing_is_lost(logs: Logs, committed: int, chunk: int, data: st.DataObject) -> None:
    """Pairs may be lost: to compaction of their topic, or with a worker that was killed."""
    pairs = data.draw(st.lists(st.sampled_from(logs.pairs), unique=True)) if logs.pairs else []
    outcome, _ = solve(logs, committed, pairs, chunk=chunk)
    if outcome.resume is not None:
        assert loses_nothing(logs, committed, outcome.resume), outcome
    assert outcome.kind == expected(logs, committed)[0] or outcome.kind == Kind.PROVED


@given(mirrored(alike=True), COMMITTED, CHUNKS)
def test_equal_records_lose_nothing(logs: Logs, committed: int, chunk: int) -> None:
    for pairs in ([], logs.known):
        outcome, _ = solve(logs, committed, pairs, chunk=chunk)
        if outcome.resume is not None:
            assert loses_nothing(logs, committed, outcome.resume), outcome


@given(mirrored(least=2), COMMITTED, CHUNKS, st.data())
def test_a_log_that_differs_is_refused(logs: Logs, committed: int, chunk: int, data: st.DataObject) -> None:
    """A record missing, one that is the target's own, one that is another, two in the wrong order."""
    assume(len(logs.target) > 1)
    where = data.draw(st.integers(1, len(logs.target) - 1))
    target = list(logs.target)
    (before, one), (at, other) = target[where - 1 : where + 1]
    match data.draw(st.sampled_from(["missing", "native", "changed", "swapped"])):
        case "missing":
            del target[where]
        case "native":
            target[where:] = [(at, 1000), *((offset + 1, each) for offset, each in target[where:])]
        case "changed":
            target[where] = (at, 1000)
        case _:
            target[where - 1 : where + 1] = [(before, other), (at, one)]
    changed = Logs(logs.source, target, logs.copied, logs.life_starts)
    outcome, _ = solve(changed, committed, [], chunk=chunk)
    if outcome.resume is None:
        return
    due = next_record(logs, committed)
    wanted = [fingerprint for _, fingerprint in logs.source[: None if due is None else due + 1]]
    passed = [fingerprint for offset, fingerprint in target if offset <= outcome.resume]
    first = passed.index(wanted[-1]) + 1 if wanted else 0
    assert subsequence(wanted, passed[:first])
    assert set(passed[: len(passed) if due is None else first]) <= set(wanted)


@given(mirrored(least=1), COMMITTED, st.integers(0, 30))
def test_the_targets_own_record_at_its_end(logs: Logs, committed: int, offset: int) -> None:
    native = (logs.target[-1][0] + 1 + offset if logs.target else offset, 1000)
    changed = Logs(logs.source, [*logs.target, native], logs.copied, logs.life_starts)
    outcome, _ = solve(changed, committed, logs.known)
    if (due := next_record(logs, committed)) is None or due not in logs.copied:
        assert outcome.kind == Kind.REFUSED
    else:
        assert outcome.resume is None or outcome.resume < native[0]


@given(mirrored(least=1), COMMITTED, CHUNKS, st.data())
def test_retention(logs: Logs, committed: int, chunk: int, data: st.DataObject) -> None:
    """Each side removes some of its first records; the group may have missed some of them."""
    cut = data.draw(st.integers(0, len(logs.source)))
    behind = data.draw(st.integers(0, len(logs.target)))
    source, target = logs.source[cut:], logs.target[behind:]
    starts = (
        0 if not cut else logs.source[cut - 1][0] + 1,
        0 if not behind else logs.target[behind - 1][0] + 1,
    )
    left = Logs(source, target, [n - cut for n in logs.copied[behind:]], [], *starts)
    known = [p for p in logs.known if p[0] >= starts[0] and p[1] >= starts[1]]
    outcome, _ = solve(left, committed, known, chunk=chunk)
    if outcome.resume is None:
        return
    due = next((fingerprint for offset, fingerprint in source if offset >= committed), None)
    if due is None:
        assert outcome.resume > max(offset for offset, _ in target)
    else:
        assert (outcome.resume, due) in target


@given(mirrored(least=1), COMMITTED, CHUNKS, st.data())
def test_compaction(logs: Logs, committed: int, chunk: int, data: st.DataObject) -> None:
    """Each side removes some records that have a later one of their key: no remaining record is skipped."""
    assume(bool(logs.copied) and logs.copied[-1] == max(logs.copied))
    keys = data.draw(st.lists(st.integers(0, 4), min_size=len(logs.source), max_size=len(logs.source)))

    def compact(log: list[Entry]) -> list[Entry]:
        upto = data.draw(st.integers(0, len(log)))
        latest = {keys[fingerprint]: n for n, (_, fingerprint) in enumerate(log[:upto])}
        return [e for n, e in enumerate(log) if n >= upto or latest[keys[e[1]]] == n]

    left = Logs(compact(logs.source), compact(logs.target), logs.copied, logs.life_starts)
    outcome, _ = solve(left, committed, logs.known, compacted=True, chunk=chunk)
    if outcome.resume is None:
        return
    reached = max(logs.copied)
    behind = [fingerprint for offset, fingerprint in left.target if offset >= outcome.resume]
    later = {keys[fingerprint]: fingerprint for fingerprint in behind}
    for offset, fingerprint in left.source:
        if committed <= offset and fingerprint <= reached:
            assert fingerprint in behind or later.get(keys[fingerprint], -1) > fingerprint
    if len(set(logs.copied)) == len(logs.copied):
        passed = {fingerprint for offset, fingerprint in left.source if offset < committed}
        assert not passed & set(behind), "nothing is read again"


def test_compaction_is_no_excuse_elsewhere() -> None:
    source = [(n, n) for n in range(10)]
    target = [(n, n) for n in range(10) if n != 4]
    logs = Logs(source, target, [n for n in range(10) if n != 4])
    assert solve(logs, 7, [], compacted=True)[0].resume == 7
    outcome, _ = solve(logs, 7, [])
    assert outcome == Outcome(Kind.REFUSED, None, "target record 5 is not what the source has: 4 is next there")


def test_the_evidence_names_the_records() -> None:
    source = [(n, n) for n in range(10)]
    target = [(n + 5, each) for n, each in enumerate([0, 1, 2, 3, 4, 2, 3, 4, 5])]
    logs = Logs(source, target, [0, 1, 2, 3, 4, 2, 3, 4, 5], [0, 5])
    outcome, duplicates = solve(logs, 3, [])
    assert outcome.resume == 11
    assert duplicates == 3
    assert outcome.evidence == (
        "source record 3 equals target record 8, as do 2 and 7 before them, resumed at 11; "
        "9 records compared, 3 of them mirrored twice"
    )
    waits, _ = solve(logs, 8, [])
    assert waits == Outcome(Kind.WAITS, None, "source record 8 is not on the target yet")


def test_pairs_of_other_logs_are_not_used() -> None:
    """The topic was recreated: the pairs are those of the deleted one, and all records are equal."""
    source, target = [(n, 1) for n in range(10)], [(2 * n, 1) for n in range(10)]
    outcome, _ = solve(Logs(source, target, list(range(10))), 5, [(2, 7)])
    assert outcome.resume == 10
    assert outcome.evidence.startswith("source record 5 equals target record 10, as do 4 and 8")


def test_a_search_is_bounded() -> None:
    source = [(n, n) for n in range(3 * LIMIT)]
    logs = Logs(source, list(source), list(range(3 * LIMIT)))
    assert search_starts(2 * LIMIT, [], 0, 0, compacted=False, limit=LIMIT) == []
    assert solve(logs, 2 * LIMIT, [(LIMIT + 10, LIMIT + 10)])[0].resume == 2 * LIMIT
    late = Logs([*source[:5], *source[2000:]], [(n, n + 5000) for n in range(5, 2900)], [])
    late.source_start = 1
    assert "records compared" in solve(late, 10, [])[0].evidence
