"""The app fleet of a rehearsal: producers and members of consumer groups, one operating-system process each."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cutover_harness.errors import UsageError
from cutover_harness.processes import Process, spawn, tail
from cutover_harness.replay.config import (
    ClusterName,
    ConsumerConfig,
    ProducerConfig,
    Property,
    ReplayOptions,
    Share,
    Transactions,
)
from cutover_harness.replay.instances import stems

_STOP_GRACE_S = 30.0
_START_AFTER_NS = 1_000_000_000
"""Producers get a common start this far ahead, the time that a process needs to come up."""


class FleetError(UsageError):
    """An instance is not there, or ended when it should not have; the message has the end of its log."""


@dataclass(frozen=True)
class FleetShape:
    """How many of which apps.

    `groups`: members by group. Clients: librdkafka properties beyond the replay's defaults. `transactions`: producers
    send in transactions of this shape; a `transactional.id` in `producer_client` does the same with the default one.
    """

    producers: int = 2
    groups: Mapping[str, int] = field(default_factory=lambda: {"billing": 2, "audit": 1})
    producer_client: Mapping[str, Property] = field(default_factory=dict)
    consumer_client: Mapping[str, Property] = field(default_factory=dict)
    group_topics: Mapping[str, Sequence[str]] = field(default_factory=dict)
    commit: Literal["manual", "auto"] = "manual"
    work_ms: float = 0.0
    transactions: Transactions | None = None


class Member:
    """One instance of the fleet: a configuration, and the process that runs it. Also what a fault hits."""

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
        """Start the process; it goes on where an earlier one of the same instance was, in a ledger of its own."""
        args = [sys.executable, "-P", "-m", f"cutover_harness.replay.{self.role}", str(self._config)]
        self._process = spawn(args, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdout=self.log)

    @property
    def process(self) -> Process:
        """The latest process; raises FleetError where it was never started."""
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
        """Have it end in good order; return in words that it was killed, where it did not."""
        if self.running and self.process.stop(grace=_STOP_GRACE_S) == -signal.SIGKILL:
            return f"not ended {_STOP_GRACE_S:.0f} s after SIGTERM, so it was killed (SIGKILL)"
        return None

    def restart(self) -> None:
        """Start it again, after a clean stop where it still runs."""
        self.stop()
        self.start()


class Fleet:
    """Starts, stops and hits the instances of a rehearsal, named `producer-1`, … and `<group>-1`, … (`stems`).

    Everything goes below `folder` (the run's): `apps/`, `status/`, `ledger/<instance>/`, `logs/<instance>.log`. With
    the shim the cutover file says where each route is, so it has to be there before the start. Without it
    (`cutover_file` None) `endpoints` has the properties of each cluster, and each start says to which cluster.
    """

    def __init__(
        self,
        shape: FleetShape,
        replay: ReplayOptions,
        *,
        folder: Path,
        run: int,
        topics: Sequence[str],
        cutover_file: Path | None,
        endpoints: Mapping[ClusterName, Mapping[str, Property]] | None = None,
    ) -> None:
        self.shape = shape
        self.folder = folder.absolute()
        self.members: dict[str, Member] = {}
        self._replay = replay
        self._run = run
        self._topics = list(topics)
        self._cutover_file = cutover_file
        self._endpoints = endpoints or {}
        self._stems = stems(shape.groups)

    @property
    def status_dir(self) -> Path:
        """Where the shims write their statuses."""
        return self.folder / "status"

    @property
    def ledger_dir(self) -> Path:
        """Where the ledgers are."""
        return self.folder / "ledger"

    def instances(self, role: Literal["producer", "consumer"] | None = None, group: str | None = None) -> list[str]:
        """Return the names of the instances that were started, of one role or group."""
        return [m.instance for m in self.members.values() if role in (None, m.role) and group in (None, m.group)]

    def start(self, *, cluster: ClusterName = "source") -> None:
        """Start all consumers and all producers."""
        self.start_consumers(cluster=cluster)
        self.start_producers(cluster=cluster)

    def start_producers(self, *, cluster: ClusterName = "source") -> None:
        """Start the producers; `cluster` matters only without the shim. They begin the capture together."""
        replay = self._replay
        if replay.start_ns is None:
            replay = replay.model_copy(update={"start_ns": time.time_ns() + _START_AFTER_NS})
            self._replay = replay  # producers that are started again later keep the fleet's schedule
        for index in range(self.shape.producers):
            share = Share(index=index, of=self.shape.producers)
            self._start_producer(f"producer-{index + 1}", replay, share, cluster)

    def add_producer(self, instance: str, capture: Path) -> None:
        """Start one more producer where the cutover file says; it replays a capture of its own at the fleet's speed."""
        replay = self._replay.model_copy(update={"capture": capture, "start_ns": None})
        self._start_producer(instance, replay, Share(), "source")

    def start_consumers(
        self, groups: Iterable[str] | None = None, *, cluster: ClusterName = "source", suffix: str = ""
    ) -> list[str]:
        """Start all members of `groups` (all groups by default) and return their names.

        `suffix` tells another generation of the same group apart, as where new members start on the target before the
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
        """Start one more member of `group` where the cutover file says, and return its name."""
        instance = f"{self._stems[group]}-{len(self.instances('consumer', group)) + 1}"
        self._start_consumer(instance, group, "source")
        return instance

    def stop_producers(self, grace: float = 60.0) -> None:
        """Have the producers flush and end; raises FleetError where one did not end well."""
        self._stop([m for m in self.members.values() if m.role == "producer"], grace)

    def stop_consumers(self, groups: Iterable[str] | None = None, grace: float = 60.0) -> None:
        """Have the members of `groups` (all by default) commit and leave.

        Raises FleetError where one did not end well.
        """
        chosen = None if groups is None else set(groups)
        self._stop(
            [m for m in self.members.values() if m.role == "consumer" and (chosen is None or m.group in chosen)], grace
        )

    def stop_instances(self, instances: Iterable[str], grace: float = 60.0) -> None:
        """Have these end in good order. Raises FleetError where one did not, or where there is none of that name."""
        self._stop([self.member(instance) for instance in instances], grace)

    def stop(self, grace: float = 60.0) -> None:
        """Stop producers, then consumers."""
        self.stop_producers(grace)
        self.stop_consumers(grace=grace)

    def alive(self) -> dict[str, bool]:
        """Return for each instance whether its process runs."""
        return {name: member.running for name, member in self.members.items()}

    def finished(self) -> bool:
        """Whether every producer has come to the end of the capture (never with `loop`)."""
        return not any(m.running for m in self.members.values() if m.role == "producer")

    def check(self) -> None:
        """Raise FleetError naming an instance that ended by itself with an error, with the end of its log."""
        for member in self.members.values():
            if not member.running and member.process.returncode not in (0, None):
                self._complain(member)

    def member(self, instance: str) -> Member:
        """Return an instance; raises FleetError where there is none of that name."""
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
        """Start an instance again, where it stopped or was killed."""
        self.member(instance).restart()

    def _start_producer(self, instance: str, replay: ReplayOptions, share: Share, cluster: ClusterName) -> None:
        config = ProducerConfig(
            instance=instance,
            run=self._run,
            ledger=self.ledger_dir / instance,
            client=self._client(self.shape.producer_client, cluster),
            use_shim=self._cutover_file is not None,
            cutover_file=self._cutover_file,
            status_dir=self.status_dir,
            cluster=cluster if self._cutover_file is None else None,
            replay=replay,
            share=share,
            stats=self.folder / "apps" / f"{instance}.stats.json",
            transactions=self.shape.transactions,
        )
        self._launch(instance, "producer", None, config)

    def _start_consumer(self, instance: str, group: str, cluster: ClusterName) -> None:
        config = ConsumerConfig(
            instance=instance,
            run=self._run,
            ledger=self.ledger_dir / instance,
            client=self._client(self.shape.consumer_client, cluster),
            use_shim=self._cutover_file is not None,
            cutover_file=self._cutover_file,
            status_dir=self.status_dir,
            cluster=cluster if self._cutover_file is None else None,
            group=group,
            topics=list(self.shape.group_topics.get(group, self._topics)),
            commit=self.shape.commit,
            work_ms=self.shape.work_ms,
        )
        self._launch(instance, "consumer", group, config)

    def _client(self, overrides: Mapping[str, Property], cluster: ClusterName) -> dict[str, Property]:
        endpoint = {} if self._cutover_file is not None else self._endpoints[cluster]
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
