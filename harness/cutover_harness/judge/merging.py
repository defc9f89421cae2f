"""Merge partials of several machines: what they may differ in, and what is missing from them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations

import numpy as np

from cutover_harness.errors import UsageError
from cutover_harness.judge.conclude import conclude
from cutover_harness.judge.model import Judgement, RunFacts
from cutover_harness.judge.partial import Partial
from cutover_harness.judge.portable import Part, Portable, Range, StoredRows, gaps_between, joined, shards_complete
from cutover_harness.judge.shard import Question
from cutover_harness.judge.window import Window
from cutover_harness.ledger.columns import ALL_STREAMS
from cutover_harness.ledger.names import StreamName
from cutover_harness.ledger.reader import InstanceLedger, Ledgers
from cutover_harness.words import listed

_MOST = 10


@dataclass(frozen=True)
class Merged:
    """One judgement's worth of partials; missing: the parts that were not given, in words."""

    question: Question
    partial: Partial
    facts: RunFacts | None
    known: RunFacts
    missing: tuple[str, ...]

    def judgement(self) -> Judgement:
        """Conclude. Nothing passes if a part is missing."""
        found = conclude(self.question, self.partial, self.known)
        return replace(found, doubts=[*found.doubts, *self.missing])


def merge(parts: Mapping[str, Portable]) -> Merged:
    """Return the partials as one, as if all ledgers had been measured together; keys are the names of their files.

    The measures in `parts` are used up. Raises UsageError, with the names of the files, for partials that are not of
    one run, that measured the same streams, or of which one lacks something that another one's ledgers decide.
    """
    if not parts:
        raise UsageError("no partial to merge")
    _require_alike(parts)
    hosts: dict[int, dict[str, Portable]] = defaultdict(dict)
    for name, part in parts.items():
        hosts[part.host.number][name] = part
    for shards in hosts.values():
        _require_shards(shards)
    _require_hosts_apart(parts, hosts)
    firsts = {name: part for shards in hosts.values() for name, part in list(shards.items())[:1]}
    question = _question(firsts, parts)
    _require_same_topics(parts, question)
    missing = _missing(parts, hosts)
    first = next(iter(parts.values()))
    partial = reduce(Partial.merge, (part.partial for part in parts.values()), Partial())
    return Merged(question, partial, first.facts, replace(first.known, run=question.ledgers.run), missing)


def _require_alike(parts: Mapping[str, Portable]) -> None:
    (one, first), *others = parts.items()
    for other, part in others:
        runs, hosts = (first.question.ledgers.run, part.question.ledgers.run), (first.host.of, part.host.of)
        if runs[0] != runs[1]:
            raise UsageError(f"{one} and {other} have another run: {runs[0]} and {runs[1]}; judge one run at a time")
        if first.facts != part.facts:
            raise UsageError(f"{one} and {other} have another run.json: measure again with the same one")
        if hosts[0] != hosts[1]:
            raise UsageError(
                f"{one} and {other} have another number of hosts: {hosts[0]} and {hosts[1]}; measure again with the "
                "same N in --host I/N"
            )


def _require_shards(shards: Mapping[str, Portable]) -> None:
    """Raise UsageError unless partials of one host are of the same ledgers, and of different streams."""
    for (one, part), (other, its) in combinations(shards.items(), 2):
        if part.ledgers_id != its.ledgers_id:
            raise UsageError(
                f"{one} and {other} are of different ledgers, and both of host {part.host.number} of {part.host.of}: "
                "measure again, with another --host I/N on each machine that has ledgers of its own"
            )
        try:
            joined((*part.ranges, *its.ranges))
        except ValueError:
            alike = part.shard.of == its.shard.of
            what = (
                "give each shard once"
                if alike
                else f"they are shards {part.shard} and {its.shard}: measure again with the same N in --shard I/N"
            )
            raise UsageError(f"{one} and {other} contain measures of the same streams: {what}") from None


def _require_hosts_apart(parts: Mapping[str, Portable], hosts: Mapping[int, Mapping[str, Portable]]) -> None:
    """Raise UsageError if ledgers or streams of two hosts are the same: their measures cannot be added."""
    labels: dict[str, tuple[str, int]] = {}
    for number, shards in hosts.items():
        name, part = next(iter(shards.items()))
        for instance in part.question.ledgers.instances:
            before, _ = labels.setdefault(instance.label, (name, number))
            if before != name:
                raise UsageError(
                    f"{before} and {name} both have a ledger {instance.label!r}: give it another folder on one host"
                )
    streams = [(name, part.host.number, part.partial.streams) for name, part in parts.items()]
    for (one, host, mine), (other, its_host, its) in combinations(streams, 2):
        if host == its_host:
            continue
        shared = np.intersect1d(mine, its, assume_unique=True)
        if len(shared):
            raise UsageError(
                f"{one} and {other} both have records of stream {int(shared[0]):016x}{_name_of(parts, int(shared[0]))} "
                f"({len(shared):,} such streams): judge ledgers that share streams together, from one folder or with "
                "--shard I/N on each host"
            )


def _name_of(parts: Mapping[str, Portable], stream: int) -> str:
    for part in parts.values():
        name = part.question.ledgers.names([stream]).get(stream)
        if name is not None:
            return f", {name.topic}"
    return ""


def _question(firsts: Mapping[str, Portable], parts: Mapping[str, Portable]) -> Question:
    """Return the question that all ledgers together would have been asked."""
    instances = [i for part in firsts.values() for i in part.question.ledgers.instances]
    if len(firsts) > 1:
        instances.sort(key=lambda i: i.label.split("/"))
    _require_one_kind(firsts)
    labels = {i.label for i in instances}
    absent = sorted({label for p in firsts.values() for label in p.question.ledgers.absent} - labels)
    ledgers = Ledgers(tuple(_with_names(instances, parts)), tuple(absent))
    first = next(iter(firsts.values()))
    groups: dict[str, frozenset[str]] = {}
    for part in firsts.values():
        for group, topics in part.question.groups.items():
            groups[group] = groups.get(group, frozenset()) | topics
    return replace(first.question, ledgers=ledgers, groups=groups, window=_window(firsts))


def _with_names(instances: Iterable[InstanceLedger], parts: Mapping[str, Portable]) -> Iterable[InstanceLedger]:
    """Yield the ledgers with the names that any shard kept."""
    known: dict[str, dict[int, StreamName]] = defaultdict(dict)
    for part in parts.values():
        for instance in part.question.ledgers.instances:
            known[instance.label] |= _stored(instance).names
    for instance in instances:
        yield replace(instance, rows=replace(_stored(instance), names=known[instance.label]))


def _stored(instance: InstanceLedger) -> StoredRows:
    rows = instance.rows
    assert isinstance(rows, StoredRows)  # noqa: S101 - what a Portable's ledgers have
    return rows


def _require_one_kind(firsts: Mapping[str, Portable]) -> None:
    """Raise UsageError for ledgers of several hosts that would have been measured otherwise together."""
    seen: dict[str, tuple[str, str]] = {}
    for name, part in firsts.items():
        consumers = [i.meta for i in part.question.ledgers.instances if i.meta.role == "consumer"]
        kinds = {"identity": part.question.ledgers.instances[0].meta.identity}
        for meta in consumers:
            # One member that reads uncommitted records is enough for its group.
            if kinds.setdefault(f"isolation of group {meta.group!r}", meta.isolation) == "read_committed":
                kinds[f"isolation of group {meta.group!r}"] = meta.isolation
        for what, value in kinds.items():
            before, file = seen.setdefault(what, (value, name))
            if before != value:
                raise UsageError(f"{file} and {name}: {what} is {before} and {value}; it must be the same")


def _window(firsts: Mapping[str, Portable]) -> Window:
    """Return the time of the run by all hosts. Raises UsageError if they do not agree on it."""
    windows = [(name, part.question.window) for name, part in firsts.items()]
    merged = Window(min(w.low for _, w in windows), max(w.high for _, w in windows))
    if len({window for _, window in windows}) == 1:
        return merged
    in_order = sorted(windows, key=lambda each: each[1].low)
    reach, before = in_order[0][1].high, in_order[0][0]
    for name, window in in_order[1:]:
        if window.low > reach:
            raise UsageError(
                f"{before} and {name} are of different times, more than two weeks apart: give the run's started_ns and "
                "finished_ns in run.json"
            )
        if window.high > reach:
            reach, before = window.high, name
    return merged


def _require_same_topics(parts: Mapping[str, Portable], question: Question) -> None:
    """Raise UsageError if a host has records of a topic that a group reads, as only another host's ledgers show."""
    for name, part in parts.items():
        produced = {topic for topic, _ in part.partial.logs}
        for group, topics in question.groups.items():
            unknown = sorted((topics & produced) - part.question.groups.get(group, frozenset()))
            if unknown:
                raise UsageError(
                    f"{name}: has records of {unknown[0]!r}, which group {group!r} of another host reads: name the "
                    "groups' topics in run.json on each host, and measure again"
                )


def _missing(parts: Mapping[str, Portable], hosts: Mapping[int, Mapping[str, Portable]]) -> tuple[str, ...]:
    of = next(iter(parts.values())).host.of
    found = []
    absent = [str(Part(number, of)) for number in range(1, of + 1) if number not in hosts]
    if absent:
        found.append(f"no partial of host {listed(absent, _MOST)} was given")
    for number, shards in sorted(hosts.items()):
        its = list(shards.values())
        if not shards_complete(its):
            where = f" of host {Part(number, of)}" if of > 1 else ""
            measured = f"{_share(its):.0%} of the range of streams was measured"
            found.append(f"no partial of {_missing_shards(its)}{where} was given: {measured}")
    if of > 1:
        windows = {shards_part.question.window for shards_part in parts.values()}
        odd = sorted({label for part in parts.values() for label in part.partial.odd_times})
        if odd and len(windows) > 1:
            found.append(
                f"{', '.join(odd[:_MOST])}: rows with a time outside of the run on its host; whether all hosts "
                "together would take them for the run's is unknown: give started_ns and finished_ns in run.json"
            )
    return tuple(found)


def _missing_shards(parts: Sequence[Portable]) -> str:
    """Return which shards of a host are missing, in words; their streams, if the given ones do not say."""
    given, counts = {part.shard.number for part in parts}, {part.shard.of for part in parts}
    if len(counts) == 1:
        (of,) = counts
        # Ranges go to the shards in turn: if one has none, those after it have none either.
        idle = min((part.shard.number for part in parts if not part.ranges), default=of + 1)
        if absent := [str(Part(number, of)) for number in range(1, idle) if number not in given]:
            return f"shard {listed(absent, _MOST)}"
    gaps = [f"{low:016x}-{high:016x}" for low, high in gaps_between(each for part in parts for each in part.ranges)]
    return f"streams {listed(gaps, _MOST)}"


def _share(parts: Sequence[Portable]) -> float:
    ranges: tuple[Range, ...] = joined(each for part in parts for each in part.ranges)
    return sum(high - low + 1 for low, high in ranges) / (ALL_STREAMS[1] + 1)
