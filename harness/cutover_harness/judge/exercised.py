"""Whether a judgement rests on anything: without records, groups and complete ledgers its counts prove nothing."""

from collections.abc import Iterable

from cutover_harness.judge.model import Expectation, GroupMeasures, Judgement
from cutover_harness.judge.partial import LOG_COUNTS, Partial
from cutover_harness.judge.shard import Question
from cutover_harness.judge.window import describe
from cutover_harness.ledger.format import TARGET
from cutover_harness.ledger.reader import Ledgers

_MOST = 10
_ACKED = LOG_COUNTS.index("acked")


def unexercised(judgement: Judgement) -> list[str]:
    """Return in words why a judgement without violations proves nothing; empty if it does prove something."""
    if not judgement.groups:
        return ["there is no consumer group, so there are no deliveries to judge"]
    found = []
    for group in judgement.groups:
        if not group.topics:
            found.append(
                f"{group.group}: its topics are unknown: it was delivered nothing, and neither its ledgers nor "
                "run.json list any"
            )
        elif not group.acked:
            found.append(f"{group.group}: no record was acknowledged in {_listed(group.topics)}: none could be lost")
        if group.topics and not group.delivered:
            found.append(f"{group.group}: it was delivered nothing")
    return [*found, *_before_everything(judgement)]


def _before_everything(judgement: Judgement) -> list[str]:
    series = judgement.series
    acks = next((step for step, count in enumerate(series.total("acks")) if count), None)
    found = []
    for group in judgement.groups:
        counts = series.total("deliveries", group.group)
        last = next((step for step in reversed(range(len(counts))) if counts[step]), None)
        if acks is not None and last is not None and last < acks:
            found.append(
                f"{group.group}: every delivery is earlier than the first acknowledgement: the clocks of its processes "
                "and of the producers' disagree, or the ledgers are not of one run"
            )
    return found


def unmeasured(question: Question, partial: Partial, group: str, *, commits: bool) -> dict[str, str]:
    """Return which of a group's measures cannot be anything but 0, and why."""
    found = {}
    topics = question.groups[group]
    read = [offsets for (who, _), offsets in partial.delivered.items() if who == group]
    if not commits:
        found["offset_regression"] = "its ledgers hold no commit"
    if read and not any(offsets.bounds for offsets in read):
        why = "its ledgers hold no offset of a delivery"
        found |= dict.fromkeys(("gap_unexplained", "mirrored_twice", "producer_retry"), why)
    on_target = [
        offsets
        for log, offsets in (
            *((log, offsets) for (_, log), offsets in partial.delivered.items()),
            *partial.held.items(),
        )
        if log[0] == TARGET and log[1] in topics
    ]
    if not any(offsets.bounds for offsets in on_target):
        found["log_order"] = "no offset of a record on the target is known"
    members = [i.label for i in question.ledgers.instances if i.meta.role == "consumer" and i.meta.group == group]
    odd = sorted(set(members) & partial.odd_times.keys())
    if odd and len(members) > 1:
        found["reordered"] = (
            f"the clock of {_listed(odd)} is wrong (see the notes), so which member was delivered first is unknown"
        )
    return found


def measured_in_vain(judgement: Judgement, expected: Expectation, limits: Iterable[str]) -> list[str]:
    """Return which of the measures that are limited were not measured; `limits` names those of groups."""
    found = [
        f"{group.group}: {name} was not measured: {group.unmeasured[name]}"
        for group in judgement.groups
        for name in limits
        if name in group.unmeasured
    ]
    if expected.blackout_limit_ms() is None:
        return found
    if not judgement.blackouts:
        found.append("blackout was not measured: the run has no switch")
    found += [
        f"blackout of {b.group or 'producers'} from {b.from_cluster} to {b.to_cluster} was not measured: "
        f"{'no delivery' if b.role == 'consumer' else 'no acknowledgement'} comes after it, or none comes before it"
        for b in judgement.blackouts
        if b.longest_ms is None
    ]
    return found


def doubts(ledgers: Ledgers, partial: Partial) -> list[str]:
    """Return why the ledgers may lack something that the processes logged."""
    found = [f"{each.label}: {each.doubt}" for each in ledgers.instances if each.doubt]
    found += [f"{label}: its ledger is missing, but that of a later process of it is there" for label in ledgers.absent]
    if partial.first_unlogged is not None:
        stream, sequence = partial.first_unlogged
        name = ledgers.names([stream]).get(stream)
        where = f"stream {stream:016x}" if name is None else f"{name.topic}, key {name.text!r}"
        found.append(
            f"no ledger of a producer has {partial.unlogged:,} records that come before others of "
            f"their stream, sequence {sequence} of {where} the first: a ledger is missing, or rows of one"
        )
    return found


def notes(question: Question, partial: Partial, groups: Iterable[GroupMeasures]) -> list[str]:
    """Return notes on the measures, in words."""
    found = []
    torn = sum(instance.torn for instance in question.ledgers.instances)
    if torn:
        found.append(f"{torn} unfinished row(s) of killed processes were cut off; none of them had been appended")
    if partial.ambiguous:
        found.append(
            f"{partial.ambiguous} deliveries have the same content as others of their stream: "
            "which is which was decided by their order"
        )
    odd = sorted(partial.odd_times.items())
    found += [
        f"{label}: {each.count:,} row(s) with a time outside of the run ({describe(question.window)}) count, but not "
        f"in series, blackouts and recovery; the first: {each.row}"
        for label, each in odd[:_MOST]
    ]
    if len(odd) > _MOST:
        found.append(f"{len(odd) - _MOST} more ledgers have rows with a time outside of the run")
    acked = {topic for (topic, _), counts in partial.logs.items() if counts[_ACKED]}
    for group in groups:
        silent = sorted(set(group.topics) - acked)
        if group.acked and silent:
            found.append(f"{group.group}: nothing was acknowledged in {_listed(silent)}: nothing is proven about them")
    return found


def _listed(names: Iterable[str]) -> str:
    known = sorted(names)
    return ", ".join(known[:_MOST]) + (f" and {len(known) - _MOST} more" if len(known) > _MOST else "")
