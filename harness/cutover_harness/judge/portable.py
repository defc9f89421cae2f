"""A partial with all that a judgement needs besides: measured on one machine, merged and concluded on another."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple

from cutover_harness.errors import UsageError
from cutover_harness.judge.facts import RunFacts
from cutover_harness.judge.judging import ROWS_AT_ONCE, measure_ranges, plan
from cutover_harness.judge.partial import Partial
from cutover_harness.judge.shard import Question
from cutover_harness.ledger.columns import ALL_STREAMS, Columns
from cutover_harness.ledger.format import COMMITTED
from cutover_harness.ledger.imports import MemoryRows
from cutover_harness.ledger.names import StreamName
from cutover_harness.ledger.reader import InstanceLedger, Ledgers

Range = tuple[int, int]


class Part(NamedTuple):
    """Part `number` of `of`, counted from 1."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str, option: str) -> "Part":
        """Return the part that `I/N` describes. Raises UsageError."""
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of) <= 1 << 16):
            raise UsageError(f"{option} {text!r:.40}: expected I/N, such as 1/3: part 1 of 3")
        return cls(int(number), int(of))

    def __str__(self) -> str:
        """Return it as it is typed."""
        return f"{self.number}/{self.of}"


@dataclass
class StoredRows(MemoryRows):
    """What is left of a measured ledger: its commits, how many events it had, and names of some streams."""

    events: int = 0

    @property
    def count(self) -> int:
        """Number of events of the ledger that was measured."""
        return self.events


@dataclass(frozen=True)
class Portable:
    """The measures of some streams of some ledgers, with what `conclude` needs to know about the ledgers.

    question: the ledgers have `StoredRows`. facts: as given; None without a run.json. name: of the run, without facts.
    host: which of the machines that have ledgers of their own. shard: which part of the host's streams. ranges: the
    streams that were measured, [low, high]; none if the host has fewer ranges of streams than shards.
    ledgers_id: a digest of what all ledgers of the host are; equal for the shards of the same ledgers.
    """

    question: Question
    partial: Partial
    facts: RunFacts | None
    name: str
    host: Part
    shard: Part
    ranges: tuple[Range, ...]
    ledgers_id: str

    @property
    def known(self) -> RunFacts:
        """The facts, or what stands for them."""
        return self.facts or RunFacts(run=self.question.ledgers.run, scenario=self.name)


def measure_part(ledgers: Ledgers, facts: RunFacts | None, name: str, *, host: Part, shard: Part,
                 at_once: int = ROWS_AT_ONCE, workers: int | None = None) -> Portable:  # fmt: skip
    """Measure one shard of the streams of some ledgers."""
    question = Question.of(ledgers, facts or RunFacts(run=ledgers.run, scenario=name), keep_streams=host.of > 1)
    ranges = plan(ledgers, at_once, least=shard.of)[shard.number - 1 :: shard.of]
    partial = measure_ranges(question, ranges, workers=workers)
    kept = stored(question, partial)
    return Portable(kept, partial, facts, name, host, shard, joined(ranges), ledgers_id(ledgers))


def joined(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return ranges in order, those that touch as one. Raises ValueError if two overlap."""
    found: list[Range] = []
    for low, high in sorted(ranges):
        if not ALL_STREAMS[0] <= low <= high <= ALL_STREAMS[1] or (found and low <= found[-1][1]):
            raise ValueError("ranges of streams overlap")
        if found and low == found[-1][1] + 1:
            found[-1] = found[-1][0], high
        else:
            found.append((low, high))
    return tuple(found)


def gaps_between(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return the streams that are in none of the ranges. Raises ValueError if two overlap."""
    found: list[Range] = []
    first = ALL_STREAMS[0]
    for low, high in joined(ranges):
        if first < low:
            found.append((first, low - 1))
        first = high + 1
    if first <= ALL_STREAMS[1]:
        found.append((first, ALL_STREAMS[1]))
    return tuple(found)


def stored(question: Question, partial: Partial) -> Question:
    """Return the question with ledgers that hold only what a conclusion needs, also on another machine."""
    ledgers = question.ledgers
    streams = named_streams(partial)
    instances = []
    for instance in ledgers.instances:
        control = instance.rows.control()
        commits = control.take(control.event == COMMITTED)
        if not len(commits) or instance.meta.role != "consumer":
            commits = Columns.empty()
        rows = StoredRows(commits, instance.rows.topics, names(instance, streams), instance.rows.count)
        instances.append(InstanceLedger(instance.label, instance.meta, rows, instance.torn, None, instance.doubt))
    return replace(question, ledgers=Ledgers(tuple(instances), ledgers.absent))


def names(instance: InstanceLedger, streams: set[int]) -> dict[int, StreamName]:
    """Return the names that this process gave to some streams."""
    return instance.names(streams) if streams else {}


def named_streams(partial: Partial) -> set[int]:
    """Return the streams that a judgement may show a name of."""
    shown = [each for found in (*partial.offenders.values(), *partial.candidates.values()) for each in found]
    streams = {each.stream for each in shown if each.sequence >= 0}
    return streams if partial.first_unlogged is None else streams | {partial.first_unlogged[0]}


def ledgers_id(ledgers: Ledgers) -> str:
    """Return a digest of what the ledgers are, without reading all of their rows."""
    digest = sha256()
    for each in ledgers.instances:
        digest.update(repr((each.label, each.meta, each.rows.count, each.torn, each.rows.topics)).encode())
    return digest.hexdigest()


def shards_complete(parts: Sequence[Portable]) -> bool:
    """Return whether shards of the same ledgers cover all streams."""
    return joined(each for part in parts for each in part.ranges) == (ALL_STREAMS,)
