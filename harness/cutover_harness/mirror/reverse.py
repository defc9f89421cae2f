"""The reverse mirror: what was produced on the target is copied to the source, so that a batch can be rolled back.

IdentityReplicationPolicy does not protect from cycles: what decides which records are copied is where each direction
begins. So one direction may run at a time, and each begins behind what the other one brought.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cutover_harness.admin import Admin, Partition
from cutover_harness.mirror.clients import java, librdkafka
from cutover_harness.mirror.config import Batch, connectors
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.logs import answering, partitions
from cutover_harness.mirror.mirror import STALL_S, Mirror

# A property of the connector that MirrorMaker 2 does not know.
_BEGINS = "kafka.cutover.begins"


class ReverseMirror(Mirror):
    """MirrorMaker 2 from the target back to the source, for one batch.

    `source`, `target`, `batch`, `topics` and `exclude` are those of the forward mirror. With `exactly_once` the Connect
    cluster has to be one that keeps its state on the *source*, as transactions are those of the worker's own cluster;
    `forward_connect_url` is then where the forward mirror is. Without, the forward mirror's Connect serves both ways.

    `lag`, `drained`, `running`, `pause`, `resume`, `stop` and `delete` are the forward mirror's, the other way round:
    `drained` proves that all that was produced on the target is on the source.
    """

    def __init__(
        self,
        connect_url: str,
        source: Mapping[str, str],
        target: Mapping[str, str],
        *,
        batch: str,
        topics: Sequence[str],
        exclude: Sequence[str] = (),
        exactly_once: bool = False,
        interval_s: int = 1,
        tasks: int = 1,
        forward_connect_url: str | None = None,
        connect_logs: Sequence[Path] = (),
        secrets_folder: Path | None = None,
        stall_s: float = STALL_S,
        compare_rate: float | None = None,
    ) -> None:
        self.forward = Batch(batch, tuple(topics), (), tuple(exclude))
        back = self.forward.reverse
        super().__init__(
            connect_url,
            target,
            source,
            batch=back.name,
            topics=topics,
            groups=(),
            exclude=exclude,
            connect_logs=connect_logs,
            secrets_folder=secrets_folder,
            stall_s=stall_s,
            compare_rate=compare_rate,
        )
        self._configure = partial(_configure, back, source, target, exactly_once, interval_s, tasks)
        self._configs = self._configure()
        self._forward_connect = Connect(forward_connect_url or connect_url)

    def close(self) -> None:
        """Close clients and connections; the connector stays as it is."""
        super().close()
        self._forward_connect.close()

    def create(self) -> None:
        """Refuse: without a cut it would bring back what the forward mirror brought."""
        raise MirrorError("a reverse mirror begins at a cut: use start()")

    def start(self, cut: Mapping[Partition, int]) -> None:
        """Begin to copy what the target has from `cut` on, see `capture_cut`; returns when it runs.

        Once more with the same cut it goes on where it was. Raises MirrorError where the forward mirror is not stopped,
        or where the cut leaves out a partition, which would be copied from its beginning.
        """
        name, forward = self.batch.source_connector, self.forward.source_connector
        status = self._forward_connect.status(forward)
        if status is not None and {status.connector, *status.tasks} != {"STOPPED"}:
            raise MirrorError(
                f"{forward} is {status.connector}: stop the mirror before its reverse starts, or records go in a cycle"
            )
        if missing := sorted(partition for partition in partitions(self._progress.topics()) if partition not in cut):
            raise MirrorError(f"the cut has no offset for {missing[0][0]}-{missing[0][1]} ({len(missing)} are missing)")
        begins = {p: at for p, at in self._begins().items() if cut.get(p) == at[0]}
        with answering("source"):
            ends = self._progress.target.end_offsets({topic for topic, _ in cut})
        begins = {p: (at, ends[p]) for p, at in cut.items() if p in ends} | begins
        written = json.dumps([[*partition, *at] for partition, at in sorted(begins.items())])
        self._tune(self._progress.topics())
        self._connect.create_stopped(name, self._configs[name] | {_BEGINS: written})
        self._await("stopped", lambda: self._not_in("STOPPED", [name]))
        _skip_to(self._connect, name, self.batch.source_alias, cut)
        self._walker.reset()
        self.resume()

    def drained(self) -> tuple[bool, str]:
        """Tell whether all that was produced on the target is on the source, as the forward mirror does."""
        done, evidence = super().drained()
        return done, f"reverse mirror, whose source is the target cluster: {evidence}"

    def _starts(self) -> Mapping[Partition, tuple[int, int]]:
        return self._begins()

    def _begins(self) -> dict[Partition, tuple[int, int]]:
        """Return where native records begin on the target and their copies on the source, as noted at the first start.

        It is kept in the connector's configuration, so that it is known to whoever goes on after a kill.
        """
        config = self._glance.config(self.batch.source_connector) or {}
        return {(topic, number): (cut, end) for topic, number, cut, end in json.loads(config.get(_BEGINS, "[]"))}

    def hand_back(self, cut: Mapping[Partition, int]) -> None:
        """Delete the reverse mirror, and let the forward one begin at `cut` of the source when it is resumed.

        `cut` is `capture_cut` of the *source*, taken while producers are held and this mirror is drained: what is there
        until then came from the target, and must not go there again.
        """
        self.delete()
        connect, name = self._forward_connect, self.forward.source_connector
        if (status := connect.status(name)) is None:
            raise MirrorError(f"{name} does not exist, so it cannot be told where to go on")
        if {status.connector, *status.tasks} != {"STOPPED"}:
            raise MirrorError(f"{name} is {status.connector}: stop it first")
        _skip_to(connect, name, self.forward.source_alias, cut)


def capture_cut(config: Mapping[str, str], topics: Sequence[str], exclude: Sequence[str] = ()) -> dict[Partition, int]:
    """Return where each partition of the batch's topics ends now, on the cluster with these librdkafka properties.

    It is a cut between mirrored and native records only while producers are held and the mirror is drained: before the
    first record is produced on the cluster that they move to.
    """
    batch, admin = Batch("cut", tuple(topics), (), tuple(exclude)), Admin(librdkafka(config))
    with answering(config.get("bootstrap.servers", "")):
        return admin.end_offsets([name for name in admin.partitions() if batch.mirrors(name)])


def _configure(
    back: Batch,
    source: Mapping[str, str],
    target: Mapping[str, str],
    exactly_once: bool,
    interval_s: int,
    tasks: int,
    **by_topics: Any,
) -> dict[str, dict[str, str]]:
    """Return the configuration of the reverse batch `back`, which has one connector.

    The source is given records and nothing else: no topic of MirrorMaker 2's own, no settings of topics.
    """
    config = connectors(
        back, target, source, exactly_once=exactly_once, interval_s=interval_s, tasks=tasks, **by_topics
    )
    copying = config[back.source_connector]
    copying |= {"offset-syncs.topic.location": "source", "sync.topic.configs.enabled": "false"}
    if not exactly_once:
        copying |= {f"producer.override.{key}": value for key, value in java(source).items()}
    return {back.source_connector: copying}


def _skip_to(connect: Connect, connector: str, alias: str, cut: Mapping[Partition, int]) -> None:
    """Let a stopped connector begin at the cut; where it is already behind it, it stays there."""
    stored = {
        (partition["topic"], partition["partition"]): int(offset["offset"])
        for partition, offset in connect.offsets(connector)
        if offset is not None and partition.get("cluster") == alias
    }
    # What is stored is the last record mirrored; in an empty partition there is none, and nothing to skip.
    last = {partition: end - 1 for partition, end in cut.items() if stored.get(partition, -1) < end - 1}
    if last:
        connect.patch_offsets(
            connector,
            [
                ({"cluster": alias, "topic": topic, "partition": number}, {"offset": offset})
                for (topic, number), offset in sorted(last.items())
            ],
        )
