"""What happens to the source's topics: retention ahead of the mirror, a topic made again, log compaction."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cutover_harness.admin import Admin, Partition
from cutover_harness.faults.proof import Proof
from cutover_harness.judge.facts import Destroyed
from cutover_harness.mirror import Mirror
from cutover_harness.mirror.logs import LogReader, partitions
from cutover_harness.plan.fault import Fault

_POLL_S = 0.25
_LONG_MS = 3_600_000


class TopicLike(Protocol):
    """A topic as it was made."""

    @property
    def partitions(self) -> int:
        """Partition count."""
        ...

    @property
    def config(self) -> Mapping[str, str]:
        """Its own properties."""
        ...


@dataclass(frozen=True)
class SourceTopics:
    """The topics of a batch as victims; `source` and `target` are librdkafka properties.

    `mirror` makes an instance of the mirror, for its lag.
    """

    source: Mapping[str, str]
    target: Mapping[str, str]
    topics: Mapping[str, TopicLike]
    groups: Sequence[str]
    mirror: Callable[[], Mirror]
    within_s: float
    """How long groups may take to read beyond what is mirrored."""

    def __call__(self, fault: Fault) -> Callable[[], Proof]:
        """Do it while the path waits. Returns the proof."""
        if fault.kind == "expire":
            proof = self._expire()
        elif fault.kind == "recreate":
            proof = self._recreate()
        else:
            proof = self._compact(fault.seconds)
        return lambda: proof

    def _expire(self) -> Proof:
        """Remove what all groups have read, so that nobody on the source misses it, once the mirror is behind that."""
        admin = Admin(self.source)
        deadline = time.monotonic() + self.within_s
        with self.mirror() as mirror:
            while True:
                read = self._read_by_all(admin)
                # The ends after the lag, so that what is mirrored is never taken for less than it is.
                lag = mirror.lag().records
                mirrored = {p: end - lag.get(p, 0) for p, end in admin.end_offsets(self.topics).items()}
                gone = {p: (mirrored[p], offset) for p, offset in read.items() if offset > mirrored[p]}
                if gone or time.monotonic() > deadline:
                    break
                time.sleep(_POLL_S)
        admin.delete_records(read)
        example = "".join(f", such as {t}-{n} from {a} to {b - 1}" for (t, n), (a, b) in list(gone.items())[:1])
        return Proof(
            held=bool(gone),
            evidence=f"removed what was read of {len(read)} partitions, {sum(b - a for a, b in gone.values())} records "
            f"of it not mirrored{example}",
        )

    def _read_by_all(self, admin: Admin) -> dict[Partition, int]:
        """Return up to which offset all groups have read, in the partitions whose logs start before it."""
        committed = [admin.committed(group, self.topics) for group in self.groups]
        starts = admin.start_offsets(self.topics)
        read = {p: min(at.get(p, 0) for at in committed) for p in starts}
        return {p: offset for p, offset in read.items() if offset > starts[p]}

    def _recreate(self) -> Proof:
        admin, (name, topic) = Admin(self.source), next(iter(self.topics.items()))
        before = admin.topic_ids([name])
        admin.delete_topics([name])
        # Read before the topic can exist again, so that no record of the new one counts as destroyed.
        until_ns = time.time_ns()
        admin.create_topics({name: topic.partitions}, topic.config)
        after = admin.topic_ids([name])
        return Proof(
            before != after,
            f"{name} had the id {before.get(name)} and has {after.get(name)}",
            (Destroyed("source", name, until_ns, "recreate topics"),),
        )

    def _compact(self, seconds: float) -> Proof:
        """Wait until both clusters' logs have gaps; then have the cleaner wait, as one does before groups are held."""
        compacted = [name for name, topic in self.topics.items() if "compact" in topic.config.get("cleanup.policy", "")]
        deadline = time.monotonic() + seconds
        with _reader(self.source, "source") as source, _reader(self.target, "target") as target:
            while True:
                found = [
                    _removed(Admin(config), log, compacted)
                    for config, log in ((self.source, source), (self.target, target))
                ]
                if all(found) or time.monotonic() > deadline:
                    break
                time.sleep(_POLL_S)
        for config in (self.source, self.target):
            for name in compacted:
                Admin(config).set_topic_config(name, {"min.compaction.lag.ms": str(_LONG_MS)})
        evidence = f"the log cleaner has removed {found[0]} records of {', '.join(compacted)} on the source and "
        return Proof(all(found), f"{evidence}{found[1]} on the target")


@contextlib.contextmanager
def _reader(config: Mapping[str, str], name: str) -> Iterator[LogReader]:
    reader = LogReader(config, name)
    try:
        yield reader
    finally:
        reader.close()


def _removed(admin: Admin, log: LogReader, topics: Sequence[str]) -> int:
    """Return how many offsets of the logs of `topics` have no record any more."""
    logs = log.read(dict.fromkeys(partitions(admin.partitions(topics)), 0))
    return sum(records[-1].offset + 1 - len(records) for records in logs.values() if records)
