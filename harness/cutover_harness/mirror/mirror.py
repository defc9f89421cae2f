"""A batch's mirror: its connectors made, paused and deleted, and how far they are."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from cutover_harness.admin import Partition
from cutover_harness.mirror import health
from cutover_harness.mirror.compression import any_compressed
from cutover_harness.mirror.config import Batch, connectors
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.connect_text import one_line, secrets_of
from cutover_harness.mirror.copying import copying
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.groups import GroupProgress, InternalTopics, group_progress
from cutover_harness.mirror.logs import LogReader, answering
from cutover_harness.mirror.offsets_topics import OffsetSync
from cutover_harness.mirror.overtaken import Gap
from cutover_harness.mirror.progress import Lag, Progress
from cutover_harness.mirror.proof import Proof
from cutover_harness.mirror.secrets import SHOWN, SecretFiles, beside_references, in_the_clear
from cutover_harness.mirror.skip_finder import SkipFinder
from cutover_harness.mirror.skipped import Skipped
from cutover_harness.mirror.target_topics import TargetTopics
from cutover_harness.mirror.topic_settings import Difference, Harm, differences
from cutover_harness.mirror.walker import Walker
from cutover_harness.mirror.worker_log import last_reason

STALL_S = 60.0
_STATE_LIMIT_S = 30.0
_POLL_S = 0.05
_FOLLOW_S = 1.0


class Mirror:
    """MirrorMaker 2 for one batch, on a Connect cluster that writes to the target.

    `source` and `target` are librdkafka properties of the two clusters, with secrets where needed; properties that only
    Java knows (`sasl.jaas.config`, `ssl.truststore.*`) may be among them and are for Connect alone. `topics`, `groups`
    and `exclude` are names or globs. `exactly_once` has to be what the Connect cluster is set to (KIP-618).
    `interval_s` is how often MirrorMaker 2 looks for topics and groups and copies offsets. `reverse_connect_url` is the
    Connect cluster where the batch's reverse mirror may run, where that is another one. `connect_logs` are the files of
    the workers' logs if they can be read here, `secrets_folder` one that they read secrets from (`secrets.py`).
    `stall_s`: see `broken`. `compare_rate`: records per second that the comparison in the background reads at most.

    Methods raise MirrorError (a UsageError) where Connect or a cluster refuses or does not answer. Not for several
    threads at once: one instance each.
    """

    def __init__(
        self,
        connect_url: str,
        source: Mapping[str, str],
        target: Mapping[str, str],
        *,
        batch: str,
        topics: Sequence[str],
        groups: Sequence[str],
        exclude: Sequence[str] = (),
        exactly_once: bool = False,
        interval_s: int = 1,
        tasks: int = 1,
        reverse_connect_url: str | None = None,
        connect_logs: Sequence[Path] = (),
        secrets_folder: Path | None = None,
        stall_s: float = STALL_S,
        compare_rate: float | None = None,
    ) -> None:
        self.batch = Batch(batch, tuple(topics), tuple(groups), tuple(exclude))
        self._configure = partial(
            connectors, self.batch, source, target, exactly_once=exactly_once, interval_s=interval_s, tasks=tasks
        )
        self._configs = self._configure()
        self._connect_logs = tuple(connect_logs)
        secrets = secrets_of(self._configs.values())
        files = None if secrets_folder is None else SecretFiles(secrets_folder)
        shown = in_the_clear if files is None else beside_references
        self._shows_secrets = any(map(shown, self._configs.values()))
        self._connect = Connect(connect_url, secrets=secrets, files=files)
        self._reverse_connect = Connect(reverse_connect_url or connect_url, secrets=secrets)
        # For looks: what does not answer now is asked again at the next one.
        self._glance = Connect(connect_url, patience_s=0, timeout_s=1.0, secrets=secrets)
        self._progress = Progress(self.batch, source, target, self._stored_offsets, self.offset_syncs)
        self._target_topics = TargetTopics(self._progress.source, self._progress.target)
        self._notes: list[str] = []
        self._follows = False
        self._followed_at = 0.0
        self._compressed: bool | None = None
        self._internal_log = LogReader(target, "target")
        self._internal = InternalTopics(self.batch, self._progress.target, self._internal_log)
        self._skips = SkipFinder(
            self._progress.source,
            self._progress.target,
            LogReader(source, "source"),
            self._internal_log,
            self.offset_syncs,
            self._stored_offsets,
        )
        self._walker = Walker(self.batch, source, target, starts=self._starts, rate=compare_rate)
        self._proof = Proof(
            self._progress,
            self._walker,
            self._glance,
            copying=self.batch.source_connector,
            translating=self.batch.checkpoint_connector if groups else None,
            stall_s=stall_s,
            reason=self.reason,
        )

    def close(self) -> None:
        """Close clients and connections; the connectors stay as they are."""
        self._walker.close()
        self._progress.close()
        self._internal_log.close()
        self._skips.source_log.close()
        self._connect.close()
        self._reverse_connect.close()
        self._glance.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def create(self) -> None:
        """Create the connectors, or bring their configuration up to date; they begin to work a second later.

        Topics that the target lacks are created first, with the source's properties in force; from then on `running`
        looks for new ones. Raises MirrorError while the batch's reverse mirror runs, as records would go in a cycle.
        """
        self._refuse_cycle()
        topics = self._progress.topics()
        self._target_topics.follow(topics)
        self._tune(topics)
        self._follows = True
        for name, config in self._configs.items():
            self._connect.put_config(name, config)
            if (status := self._connect.status(name)) is not None and status.failure is not None:
                self._connect.restart_failed(name)
        self._notes = self._find_notes()

    def exists(self) -> bool:
        """Return whether any of the connectors exists."""
        return any(self._connect.status(name) is not None for name in self._configs)

    def delete(self) -> None:
        """Stop and delete the connectors that exist. Offsets stay, so that the same batch made again goes on."""
        present = [name for name in self._configs if self._connect.status(name) is not None]
        for name in present:
            self._connect.set_state(name, "stop")
        self._await("stopped", lambda: self._not_in("STOPPED", present))
        for name in present:
            self._connect.delete(name)
        self._await("deleted", lambda: [name for name in present if self._connect.status(name) is not None])

    def pause(self) -> None:
        """Pause the connectors; returns when their tasks say so. Nothing is copied from then on."""
        self._change("pause", "PAUSED")

    def resume(self) -> None:
        """Resume after `pause` or `stop`; returns when the tasks run again. Refuses as `create` does."""
        self._refuse_cycle()
        for name in self._configs:
            self._connect.set_state(name, "resume")
        self._await("resumed", self.running)

    def stop(self) -> None:
        """Stop the connectors and end their tasks (KIP-875); stored offsets can then be changed."""
        self._change("stop", "STOPPED")

    def stop_translating(self) -> None:
        """Stop the connector that writes groups' offsets to the target, so that nobody else sets them."""
        name = self.batch.checkpoint_connector
        if (status := self._connect.status(name)) is not None and {status.connector, *status.tasks} != {"STOPPED"}:
            self._connect.set_state(name, "stop")
            self._await("stopped", lambda: self._not_in("STOPPED", [name]))

    def resume_translating(self) -> None:
        """Resume after `stop_translating`; returns when the connector runs."""
        self._connect.set_state(self.batch.checkpoint_connector, "resume")
        self._await("resumed", self.running)

    def watch(self) -> None:
        """Compare both clusters' logs in the background from now on, so that proofs need only the rest."""
        self._walker.start()

    def running(self) -> list[str]:
        """Return what is not RUNNING yet, in words, nothing where all is.

        A checkpoint connector has no task until a group exists, so its tasks are not waited for.
        """
        try:
            found = health.states(self._glance, self._configs)
            waits = health.waits(found, [self.batch.source_connector] if self._progress.topics() else [])
            if not waits:
                self._follow()
        except MirrorError as error:
            return [str(error)]
        return waits

    def translating(self) -> list[str]:
        """Return what of translating the groups' offsets is not RUNNING, in words: copying, and the checkpoints."""
        try:
            names = [self.batch.source_connector, self.batch.checkpoint_connector]
            return health.waits(health.states(self._glance, names), names)
        except MirrorError as error:
            return [str(error)]

    def broken(self) -> str | None:
        """Return what no waiting heals, None if there is nothing of the kind.

        That is a connector or task that FAILED (with Connect's reason), a record that is missing although later ones
        are there, and a mirror that is RUNNING but has copied nothing for `stall_s` although records wait.
        """
        return self._proof.broken()

    def stalled(self) -> str | None:
        """Return that nothing is copied although records wait, and why as far as it is known, after some seconds."""
        return self._proof.stalled()

    def reason(self) -> str | None:
        """Return what the worker's log reported last, as WARN or ERROR, about the batch's connectors.

        None if it reported nothing within the last minute, or if the log cannot be read here. Connect keeps a task
        RUNNING while its producer retries for ever, so this may be the only explanation of a lag that does not fall.
        """
        found = last_reason(self._connect_logs, self._configs)
        return None if found is None else one_line(found, secrets_of(self._configs.values()))

    @property
    def notes(self) -> Sequence[str]:
        """What somebody should know of the mirror that was created, a line each."""
        return self._notes

    def _find_notes(self) -> list[str]:
        harmful = [
            f"topic {topic}, which the target had before, may cost records or stop the mirror: {each}"
            for topic, found in self.differences().items()
            for each in found
            if each.harm != Harm.BEHAVIOUR
        ]
        shown = [SHOWN] if self._shows_secrets else []
        return [*self._target_topics.notes, *harmful, *shown]

    def differences(self) -> dict[str, list[Difference]]:
        """Return the properties in force that differ, of each topic that both clusters have; see `Difference.harm`."""
        topics = self._progress.topics()
        with answering("target"):
            there = self._progress.target.topic_configs(self._progress.target.partitions(topics))
        with answering("source"):
            here = self._progress.source.topic_configs(there)
        found = {topic: differences(here[topic], there[topic]) for topic in sorted(there)}
        return {topic: different for topic, different in found.items() if different}

    def topics(self) -> list[str]:
        """Return the source topics that the batch mirrors: those that match now, as new ones may appear at any time."""
        return sorted(self._progress.topics())

    def lag(self) -> Lag:
        """Return the source records that are not on the target yet, by the records themselves.

        Works without Connect, too. Where the target is away, it is counted from what Connect stored last. Before
        `create` it is all that the source has.
        """
        return self._proof.lag()

    def gaps(self, *, look: bool = True) -> list[Gap]:
        """Return what retention removed from the source before it was mirrored.

        It is seen only until MirrorMaker 2 has gone on behind it; what this instance has seen it remembers.
        Every look at lag or progress sees it, too; without `look` only what they saw is returned.
        """
        return self._progress.gaps(look=look)

    def drained(self) -> tuple[bool, str]:
        """Tell whether all that the source has is on the target, with the evidence or with what is missing.

        Every record is compared, and the mirror has to be running. Never raises: a cluster that does not answer is
        evidence of nothing.
        """
        return self._proof.drained()

    def group_progress(self, group: str) -> list[GroupProgress]:
        """Return the group's offsets on both sides, a row for each partition that it has committed on the source."""
        source, target = self._progress.source, self._progress.target
        with answering("source"):
            committed = {p: at for p, at in source.committed(group).items() if self.batch.mirrors(p[0])}
            topics = {topic for topic, _ in committed}
            ends = source.end_offsets(topics)
        with answering("target"):
            translated = target.committed(group, topics)
            return group_progress(committed, translated, self._internal.checkpoints(group), ends)

    def offset_syncs(self) -> list[OffsetSync]:
        """Return the pairs of offsets that MirrorMaker 2 wrote down, oldest first."""
        with answering("target"):
            return self._internal.offset_syncs()

    def _starts(self) -> Mapping[Partition, tuple[int, int]]:
        """Return where the comparison begins, of partitions in which it does not begin with the logs."""
        return {}

    def mirrored_partitions(self) -> set[Partition]:
        """Return the partitions of which this batch has mirrored records, in this task or in an earlier one."""
        return {(sync.topic, sync.partition) for sync in self.offset_syncs()}

    def skipped(self, groups: Sequence[str], *, offsets: bool = True) -> list[Skipped]:
        """Return what each group would skip if it resumed on the target now; empty proves that it would skip nothing.

        Without `offsets` only what the target has removed counts, as the groups' offsets are about to be set.
        """
        return self._skips.find(groups, self.topics(), offsets=offsets)

    def _follow(self) -> None:
        """Give topics that have appeared the source's properties, and the mirror what they ask of it."""
        if not self._follows or time.monotonic() - self._followed_at < _FOLLOW_S:
            return
        topics = self._progress.topics()
        if self._target_topics.follow(topics):
            before = dict(self._configs)
            self._tune(topics)
            for name, config in self._configs.items():
                if config != before[name]:
                    self._connect.put_config(name, config)
        self._followed_at = time.monotonic()

    def _tune(self, topics: Mapping[str, int]) -> None:
        """Configure the connectors by the topics' limits on the target, and by what the source's records are."""
        source, target = self._progress.source, self._progress.target
        with answering("target"):
            configs = target.topic_configs(target.partitions(topics))
            broker = target.broker_config()
        if self._compressed is None and topics:
            with answering("source"):
                starts, ends = source.start_offsets(topics), source.end_offsets(topics)
            by_producer = [name for name, each in configs.items() if each.get("compression.type") == "producer"]
            self._compressed = any_compressed(source.config, by_producer, starts, ends)
        self._configs = self._configure(
            copying=copying(configs, broker, compressed_on_source=bool(self._compressed)),
            not_known=self._target_topics.unknown,
        )

    def _stored_offsets(self) -> dict[Partition, int]:
        stored = {}
        for partition, offset in self._glance.offsets(self.batch.source_connector):
            if offset is not None and partition.get("cluster") == self.batch.source_alias:
                stored[str(partition["topic"]), int(partition["partition"])] = int(offset["offset"])
        return stored

    def _refuse_cycle(self) -> None:
        name = self.batch.reverse.source_connector
        if (status := self._reverse_connect.status(name)) is not None and status.connector != "STOPPED":
            raise MirrorError(f"{name} is {status.connector}: end the reverse mirror first, or records go in a cycle")

    def _change(self, action: str, state: str) -> None:
        for name in self._configs:
            self._connect.set_state(name, action)
        self._await(action, lambda: self._not_in(state, self._configs))

    def _not_in(self, state: str, names: Sequence[str] | Mapping[str, object]) -> list[str]:
        waits = []
        for name in names:
            status = self._connect.status(name)
            if status is None or {status.connector, *status.tasks} != {state}:
                waits.append(name)
        return waits

    def _await(self, what: str, waits: Callable[[], list[str]]) -> None:
        deadline = time.monotonic() + _STATE_LIMIT_S
        while left := waits():
            if time.monotonic() > deadline:
                raise MirrorError(f"not {what} within {_STATE_LIMIT_S:.0f} s: {'; '.join(left)}")
            time.sleep(_POLL_S)
