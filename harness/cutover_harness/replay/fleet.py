"""The application fleet of a rehearsal: producers and members of consumer groups, one process each."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from cutover_harness.errors import UsageError
from cutover_harness.processes import Process, spawn, tail
from cutover_harness.replay.config import (
    ConsumerConfig,
    ProducerConfig,
    Property,
    ReplayOptions,
    Share,
)
from cutover_harness.replay.instances import stems
from cutover_harness.replay.shape import FleetShape, Following
from cutover_harness.types import ClusterName

_STOP_GRACE_S = 30.0
_START_AFTER_NS = 1_000_000_000
"""Producers get a common start this many seconds ahead: the start-up time of a process."""


class FleetError(UsageError):
    """An instance is missing or ended unexpectedly; the message contains the end of its log."""


class Member:
    """One instance of the fleet: its configuration and its process. A possible victim of faults."""

    def __init__(
        self, instance: str, role: Literal["producer", "consumer"], group: str | None, config: Path, log: Path
    ) -> None:
        self.instance = instance
        self.role = role
        self.group = group
        self.log = log
        self._config = config
        self._process: Process | None = None

    def start(self) -> None:
        """Start the process; it continues after earlier processes of the instance, with its own ledger."""
        args = [sys.executable, "-P", "-m", f"cutover_harness.replay.{self.role}", str(self._config)]
        self._process = spawn(args, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdout=self.log)

    @property
    def process(self) -> Process:
        """The latest process. Raises FleetError if it was never started."""
        if self._process is None:
            raise FleetError(f"{self.instance} was not started")
        return self._process

    @property
    def running(self) -> bool:
        """Whether the process has not ended; frozen counts as running."""
        return self._process is not None and self._process.running

    def stopped(self) -> bool:
        """Whether it is frozen or not running right now."""
        return self._process is None or self._process.stopped()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def freeze(self) -> None:
        """SIGSTOP."""
        self.process.freeze()

    def thaw(self) -> None:
        """SIGCONT."""
        self.process.thaw()

    def stop(self) -> str | None:
        """Stop it cleanly; return a message if it had to be killed."""
        if self.running and self.process.stop(grace=_STOP_GRACE_S) == -signal.SIGKILL:
            return f"not ended {_STOP_GRACE_S:.0f} s after SIGTERM, so it was killed (SIGKILL)"
        return None

    def restart(self) -> None:
        """Start it again, after a clean stop if it still runs."""
        self.stop()
        self.start()


class Fleet:
    """Starts, stops and hits the instances of a rehearsal, named `producer-1`, … and `<group>-1`, … (`stems`).

    Everything goes below `folder` (the run's): `apps/`, `status/`, `ledger/<instance>/`, `logs/<instance>.log`. With
    the shim the cutover file says where each route is, so it has to be there before the start. Without the shim
    (`follows` None) `endpoints` has the properties of each cluster, and each start says to which cluster. `prefix`:
    of the groups' names, of client ids and of transactional ids; instances are named without it.
    """

    def __init__(
        self,
        shape: FleetShape,
        replay: ReplayOptions,
        *,
        folder: Path,
        run: int,
        topics: Sequence[str],
        follows: Following | None,
        endpoints: Mapping[ClusterName, Mapping[str, Property]] | None = None,
        prefix: str = "",
    ) -> None:
        self.shape = shape
        self.folder = folder.absolute()
        self.members: dict[str, Member] = {}
        self._replay = replay
        self._run = run
        self._topics = list(topics)
        self._follows = follows
        self._endpoints = endpoints or {}
        self._prefix = prefix
        short = stems(group.removeprefix(prefix) for group in shape.groups)
        self._stems = {group: short[group.removeprefix(prefix)] for group in shape.groups}

    @property
    def status_dir(self) -> Path:
        """Folder of the shims' status files."""
        return self.folder / "status"

    @property
    def ledger_dir(self) -> Path:
        """Folder of the ledgers."""
        return self.folder / "ledger"

    def instances(self, role: Literal["producer", "consumer"] | None = None, group: str | None = None) -> list[str]:
        """Return the names of the started instances, of one role or group."""
        return [m.instance for m in self.members.values() if role in (None, m.role) and group in (None, m.group)]

    def start(self, *, cluster: ClusterName = "source") -> None:
        """Start all consumers and all producers."""
        self.start_consumers(cluster=cluster)
        self.start_producers(cluster=cluster)

    @property
    def replay_began_ns(self) -> int | None:
        """When the first pass of the capture began, None before the producers are started."""
        return self._replay.start_ns

    def producer_names(self, number: int) -> list[str]:
        """Return the instances of the set `number` (from 0) of producers."""
        sets = self.shape.producer_sets
        first = sum(each.count for each in sets[:number])
        return [f"producer-{first + index + 1}" for index in range(sets[number].count)]

    def start_producers(self, names: Collection[str] | None = None, *, cluster: ClusterName = "source") -> None:
        """Start the producers, or those in `names`; `cluster` matters only without the shim.

        They start the capture together.
        """
        replay = self._replay
        if replay.start_ns is None:
            replay = replay.model_copy(update={"start_ns": time.time_ns() + _START_AFTER_NS})
            self._replay = replay  # producers that are restarted later keep the fleet's schedule
        for number, its in enumerate(self.shape.producer_sets):
            own = replay if its.topics is None else replay.model_copy(update={"topics": self._replayed(its.topics)})
            for index, instance in enumerate(self.producer_names(number)):
                if names is None or instance in names:
                    share = Share(index=index, of=its.count)
                    self._start_producer(instance, own, share, cluster, restarts=index >= its.count - its.restarts)

    def _replayed(self, written: Collection[str]) -> dict[str, str]:
        """Return recorded topics with the names that are written to, for these of the latter."""
        known = self._replay.topics or {topic: topic for topic in written}
        return {recorded: name for recorded, name in known.items() if name in written}

    def add_producer(self, instance: str, capture: Path) -> None:
        """Start one more producer on the cutover file's cluster; it replays its own capture at the fleet's speed."""
        replay = self._replay.model_copy(update={"capture": capture, "start_ns": None, "topics": {}})
        self._start_producer(instance, replay, Share(), "source")

    def start_consumers(
        self, groups: Iterable[str] | None = None, *, cluster: ClusterName = "source", suffix: str = ""
    ) -> list[str]:
        """Start all members of `groups` (all groups by default) and return their names.

        `suffix` marks another generation of the same group, such as new members that start on the target before the
        old ones have left.
        """
        names = []
        for group in self.shape.groups if groups is None else groups:
            for index in range(self.shape.groups[group]):
                instance = f"{self._stems[group]}-{index + 1}{suffix}"
                self._start_consumer(instance, group, cluster)
                names.append(instance)
        return names

    def add_member(self, group: str) -> str:
        """Start one more member of `group` on the cutover file's cluster, and return its name."""
        instance = f"{self._stems[group]}-{len(self.instances('consumer', group)) + 1}"
        self._start_consumer(instance, group, "source")
        return instance

    def stop_producers(self, grace: float = 60.0) -> None:
        """Let the producers flush and end. Raises FleetError if one did not end cleanly."""
        self._stop([m for m in self.members.values() if m.role == "producer"], grace)

    def stop_consumers(self, groups: Iterable[str] | None = None, grace: float = 60.0) -> None:
        """Let the members of `groups` (all by default) commit and leave.

        Raises FleetError if one did not end well.
        """
        chosen = None if groups is None else set(groups)
        self._stop(
            [m for m in self.members.values() if m.role == "consumer" and (chosen is None or m.group in chosen)], grace
        )

    def stop_instances(self, instances: Iterable[str], grace: float = 60.0) -> None:
        """Stop these cleanly. Raises FleetError if one did not end cleanly, or does not exist."""
        self._stop([self.member(instance) for instance in instances], grace)

    def stop(self, grace: float = 60.0) -> None:
        """Stop producers, then consumers."""
        self.stop_producers(grace)
        self.stop_consumers(grace=grace)

    def alive(self) -> dict[str, bool]:
        """Return for each instance whether its process runs."""
        return {name: member.running for name, member in self.members.items()}

    def finished(self) -> bool:
        """Whether every producer has reached the end of the capture (never with `loop`)."""
        return not any(m.running for m in self.members.values() if m.role == "producer")

    def check(self) -> None:
        """Raise FleetError for an instance that ended with an error, with the end of its log."""
        for member in self.members.values():
            if not member.running and member.process.returncode not in (0, None):
                self._complain(member)

    def member(self, instance: str) -> Member:
        """Return an instance. Raises FleetError if there is none of that name."""
        try:
            return self.members[instance]
        except KeyError:
            raise FleetError(f"no instance {instance!r}; there are {', '.join(self.members) or 'none'}") from None

    def kill(self, instance: str) -> None:
        """SIGKILL an instance."""
        self.member(instance).kill()

    def freeze(self, instance: str) -> None:
        """SIGSTOP an instance."""
        self.member(instance).freeze()

    def thaw(self, instance: str) -> None:
        """SIGCONT an instance."""
        self.member(instance).thaw()

    def restart(self, instance: str) -> None:
        """Restart an instance that was stopped or killed."""
        self.member(instance).restart()

    def recreate(self, instance: str) -> None:
        """Stop an instance, and start it with the present cutover file, as a pod that is recreated."""
        member = self.member(instance)
        member.stop()
        if self._follows is not None:
            self._follows.file_of(instance)
        member.start()

    def _followed_by(self, instance: str, cluster: ClusterName, *, restarts: bool) -> dict[str, Any]:
        """Return the part of a configuration that decides how documents reach the instance."""
        if self._follows is None or restarts:
            return {"use_shim": False, "cluster": cluster}
        return {
            "use_shim": True,
            "cutover_file": self._follows.file_of(instance),
            "channel": self._follows.channel,
            "key_file": self._follows.key_file,
        }

    def _start_producer(
        self, instance: str, replay: ReplayOptions, share: Share, cluster: ClusterName, *, restarts: bool = False
    ) -> None:
        config = ProducerConfig(
            instance=instance,
            run=self._run,
            ledger=self.ledger_dir / instance,
            client=self._client(self.shape.producer_client, cluster, restarts=restarts),
            **self._followed_by(instance, cluster, restarts=restarts),
            status_dir=self.status_dir,
            prefix=self._prefix,
            replay=replay,
            share=share,
            stats=self.folder / "apps" / f"{instance}.stats.json",
            transactions=self.shape.transactions,
        )
        self._launch(instance, "producer", None, config)

    def _start_consumer(self, instance: str, group: str, cluster: ClusterName) -> None:
        restarts = group in self.shape.restarts
        config = ConsumerConfig(
            instance=instance,
            run=self._run,
            ledger=self.ledger_dir / instance,
            client=self._client(self.shape.consumer_client, cluster, restarts=restarts),
            **self._followed_by(instance, cluster, restarts=restarts),
            status_dir=self.status_dir,
            prefix=self._prefix,
            group=group,
            topics=list(self.shape.group_topics.get(group, self._topics)),
            commit=self.shape.commit,
            work_ms=self.shape.work_ms,
        )
        self._launch(instance, "consumer", group, config)

    def _client(
        self, overrides: Mapping[str, Property], cluster: ClusterName, *, restarts: bool
    ) -> dict[str, Property]:
        endpoint = self._endpoints[cluster] if self._follows is None or restarts else {}
        return {**endpoint, **overrides}

    def _launch(
        self,
        instance: str,
        role: Literal["producer", "consumer"],
        group: str | None,
        config: ProducerConfig | ConsumerConfig,
    ) -> None:
        known = self.members.get(instance)
        if known is not None and known.running:
            raise FleetError(f"{instance} is running already")
        file = self.folder / "apps" / f"{instance}.json"
        config.save(file, run=self.folder)
        self.status_dir.mkdir(parents=True, exist_ok=True)
        self.ledger_dir.mkdir(parents=True, exist_ok=True)
        member = Member(instance, role, group, file, self.folder / "logs" / f"{instance}.log")
        self.members[instance] = member
        member.start()

    def _stop(self, members: list[Member], grace: float) -> None:
        running = [m for m in members if m.running]
        for member in running:
            member.process.terminate()
        deadline = time.monotonic() + grace
        for member in running:
            try:
                member.process.wait(max(0.1, deadline - time.monotonic()))
            except TimeoutError:
                member.process.kill()
        for member in running:
            if member.process.returncode != 0:
                self._complain(member)

    def _complain(self, member: Member) -> None:
        last = tail(member.log, 3).replace("\n", " | ")
        raise FleetError(
            f"{member.instance} ended with {member.process.returncode}: {last or 'its log is empty'} (see {member.log})"
        )
