"""The reverse mirror: it copies to the source what was produced on the target, so that a batch can be rolled back.

IdentityReplicationPolicy does not protect from cycles: which records are copied depends on where each direction begins.
So only one direction may run at a time, and each begins behind the records that the other one has copied.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from cutover_harness.admin import Admin
from cutover_harness.closing import Closing
from cutover_harness.mirror.client_properties import librdkafka
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.connector_configs import reverse_configs
from cutover_harness.mirror.connectors import is_in, skip_to
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.lag import Lag
from cutover_harness.mirror.log_comparer import LogComparer
from cutover_harness.mirror.log_reader import answering, partitions
from cutover_harness.mirror.one_way import OneWayMirror
from cutover_harness.mirror.spec import Batch, MirrorSpec
from cutover_harness.types import PartitionId

# A property of the connector that MirrorMaker 2 ignores.
_BEGINS = "kafka.cutover.begins"


class ReverseMirror(Closing):
    """MirrorMaker 2 from the target back to the source, for the batch of `spec`, the settings of the forward mirror.

    Methods raise MirrorError if Connect or a cluster refuses or does not answer. Not thread-safe.
    """

    def __init__(self, spec: MirrorSpec) -> None:
        self.forward = spec.batch
        self._back = OneWayMirror(spec.reverse, reverse_configs, starts=self._begins)
        self._forward_connect = Connect(spec.connect_url, access=spec.access)

    def close(self) -> None:
        """Close clients and connections; the connector stays as it is."""
        self._back.close()
        self._forward_connect.close()

    def start(self, cut: Mapping[PartitionId, int]) -> None:
        """Copy what the target has from `cut` on (see `capture_cut`), and wait until the connector runs.

        A second call with the same cut resumes it. Raises MirrorError if the forward mirror is not stopped, or if a
        partition is not in the cut, as it would be copied from its beginning.
        """
        back, name = self._back, self._back.batch.source_connector
        forward = self.forward.source_connector
        status = self._forward_connect.status(forward)
        if status is not None and {status.connector, *status.tasks} != {"STOPPED"}:
            raise MirrorError(
                f"{forward} is {status.connector}: stop the mirror before its reverse starts, or records go in a cycle"
            )
        with answering("target"):
            topics = {each: n for each, n in back.source.partitions().items() if self.forward.mirrors(each)}
        if missing := sorted(partition for partition in partitions(topics) if partition not in cut):
            raise MirrorError(f"the cut has no offset for {missing[0][0]}-{missing[0][1]} ({len(missing)} are missing)")
        begins = {p: at for p, at in self._begins().items() if cut.get(p) == at[0]}
        with answering("source"):
            ends = back.target.end_offsets({topic for topic, _ in cut})
        begins = {p: (at, ends[p]) for p, at in cut.items() if p in ends} | begins
        written = json.dumps([[*partition, *at] for partition, at in sorted(begins.items())])
        back.tune(topics, self._unknown(topics))
        connectors = back.connectors
        connectors.connect.create_stopped(name, {**connectors.configs[name], _BEGINS: written})
        connectors.wait("stopped", lambda: connectors.not_in("STOPPED", [name]))
        skip_to(connectors.connect, name, back.batch.source_alias, cut)
        back.comparer.reset()
        connectors.resume(self.running)

    def stop(self) -> None:
        """Stop the connector and end its tasks."""
        self._back.stop()

    def delete(self) -> None:
        """Stop and delete the connector if it exists."""
        self._back.delete()

    def forget(self) -> list[str]:
        """Delete the offsets that Connect has stored of a deleted reverse mirror; return it in words."""
        return [f"stored offsets of {name}" for name in self._back.connectors.forget()]

    def hand_back(self, cut: Mapping[PartitionId, int]) -> None:
        """Delete the reverse mirror, and let the forward mirror begin at `cut` of the source when it is resumed.

        `cut` is `capture_cut` of the *source*, taken while producers are held and this mirror is drained: the records
        before it came from the target and must not be copied there again.
        """
        self.delete()
        connect, name = self._forward_connect, self.forward.source_connector
        if (status := connect.status(name)) is None:
            raise MirrorError(f"{name} does not exist: create the mirror, then stop it")
        if not is_in("STOPPED", connect, name):
            raise MirrorError(f"{name} is {status.connector}: stop it first")
        skip_to(connect, name, self.forward.source_alias, cut)

    def watch(self) -> None:
        """Compare both logs in the background from now on."""
        self._back.watch()

    @property
    def comparer(self) -> LogComparer:
        """The comparison of both logs, whose source is the target cluster."""
        return self._back.comparer

    def running(self) -> list[str]:
        """Return, in words, what is not RUNNING yet; empty if everything is."""
        return self._back.running()

    def lag(self) -> Lag:
        """Return the records produced on the target that are not on the source yet."""
        return self._back.lag()

    def broken(self) -> str | None:
        """Return what waiting does not heal, None if there is nothing of the kind."""
        return self._back.broken()

    def reason(self) -> str | None:
        """Return the last WARN or ERROR about the connector in the workers' logs."""
        return self._back.reason()

    def drained(self) -> tuple[bool, str]:
        """Return whether everything produced on the target is on the source, with the evidence or what is missing."""
        done, evidence = self._back.drained()
        return done, f"reverse mirror, whose source is the target cluster: {evidence}"

    def _unknown(self, topics: Collection[str]) -> frozenset[str]:
        """Return the topic properties that the source's version does not have.

        MirrorMaker 2 creates its heartbeats' topic there, and does not copy a record until that topic exists.
        """
        if not topics:
            return frozenset()
        with answering("target"):
            given = self._back.source.topic_configs(topics)
        with answering("source"):
            known = self._back.target.topic_configs([next(iter(topics))])
        return frozenset(name for each in given.values() for name in each) - {
            name for each in known.values() for name in each
        }

    def _begins(self) -> dict[PartitionId, tuple[int, int]]:
        """Return where native records begin on the target and their copies on the source, as noted at the first start.

        The offsets are in the connector's configuration, so that they survive the process that started it.
        """
        name = self._back.batch.source_connector
        config = self._back.connectors.glance.config(name) or {}
        return {(topic, number): (cut, end) for topic, number, cut, end in json.loads(config.get(_BEGINS, "[]"))}


def capture_cut(
    config: Mapping[str, str], topics: Sequence[str], exclude: Sequence[str] = ()
) -> dict[PartitionId, int]:
    """Return the end offsets of the batch's partitions, on the cluster with these librdkafka properties.

    They separate mirrored from native records only while producers are held and the mirror is drained: before the
    first record is produced on the cluster that producers move to.
    """
    batch, admin = Batch("cut", tuple(topics), (), tuple(exclude)), Admin(librdkafka(config))
    with answering(config.get("bootstrap.servers", "")):
        return admin.end_offsets([name for name in admin.partitions() if batch.mirrors(name)])
