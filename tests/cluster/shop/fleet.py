"""The clients of one batch: processes on the shim, and plain ones that a command of the plan stops and starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover_harness.processes import Process, spawn
from cutover_harness.types import ClusterName

from tests.cluster.shop.client import STREAMS
from tests.cluster.shop.ledgers import Ledger
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
SERVICE = """#!/bin/bash
# service stop|start: one process for each client of the plan, its pid in a file. A file .mode makes it misbehave.
cd "$(dirname "$0")"
case "$(cat "$CUTOVER_CLIENT.mode" 2>/dev/null)" in
    hang) sleep 600 ;;
    fail) echo "no such service"; exit 3 ;;
    lie) exit 0 ;;
esac
pid=$(cat "$CUTOVER_CLIENT.pid" 2>/dev/null)
if [ "$1" = stop ]; then
    [ -n "$pid" ] && kill "$pid" 2>/dev/null
    while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    exit 0
fi
[ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && exit 0
PYTHONPATH="@ROOT@" setsid "@PYTHON@" -m tests.cluster.shop.client "$CUTOVER_CLIENT-$CUTOVER_LOCATION.json" \\
    >>"$CUTOVER_CLIENT.log" 2>&1 &
echo $! >"$CUTOVER_CLIENT.pid"
"""
Login = Callable[[ClusterName], Mapping[str, str]]
"""Returns the properties with which applications reach a cluster."""


@dataclass(frozen=True)
class Clients:
    """Groups and producers of a batch: how many processes of each are on the shim, 0 for one that is restarted."""

    batch: str
    topics: Sequence[str]
    groups: Mapping[str, int]
    producers: Mapping[str, int]

    def movers(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return `groups` and `producers` of the batch in the plan. fields: of clients that are restarted."""

        def mover(count: int) -> dict[str, Any]:
            return {"moves": "shim", "instances": count} if count else {"moves": "restart", **fields}

        groups = {name: mover(count) | {"instances": count or 1} for name, count in self.groups.items()}
        return {"groups": groups, "producers": {name: mover(count) for name, count in self.producers.items()}}


class Fleet:
    """The running clients of a batch. follow: properties by which those on the shim find documents, and report."""

    def __init__(self, clients: Clients, folder: Path, login: Login, follow: Mapping[str, str]) -> None:
        self.clients, self._folder, self._login, self._follow = clients, folder, login, follow
        self._shim: dict[str, Process] = {}
        self.service = folder / "service"
        self.service.write_text(SERVICE.replace("@ROOT@", str(ROOT)).replace("@PYTHON@", sys.executable))
        self.service.chmod(0o755)

    def start(self) -> None:
        """Start all clients on the source; return when each group has been delivered something of each stream."""
        for name, count in self.clients.producers.items():
            self._start("producer", name, count)
        for name, count in self.clients.groups.items():
            self._start("consumer", name, count)
        streams = self.expected_streams()
        wait_until(
            lambda: all(len(self.read(group).streams) == streams for group in self.clients.groups), state=self._said
        )

    def mode(self, client: str, mode: str) -> None:
        """Make the command of a client hang, fail, lie or, with an empty mode, work."""
        (self._folder / f"{client}.mode").write_text(mode)

    def acked(self) -> Ledger:
        """Return what was acknowledged to all producers."""
        return Ledger.of(self._files(self.clients.producers))

    def read(self, group: str) -> Ledger:
        """Return what was delivered to the members of a group."""
        return Ledger.of(self._files({group: self.clients.groups[group]}))

    def on_shim(self, role: str) -> dict[str, Ledger]:
        """Return the ledger of each client on the shim."""
        names = self.clients.producers if role == "producer" else self.clients.groups
        shim = {name: count for name, count in names.items() if count}
        return {file.stem: Ledger.of([file]) for file in self._files(shim)}

    def finish(self) -> None:
        """Stop the producers, let the groups read everything, and stop all."""
        self._stop(self.clients.producers)
        sent = self._lines(self.clients.producers)
        with suppress(AssertionError):  # what is missing then is the result
            wait_until(lambda: all(self._lines({g: n}) >= sent for g, n in self.clients.groups.items()), 60)
        self._stop(self.clients.groups)

    def stop(self) -> None:
        """End all clients, whatever their state."""
        for process in self._shim.values():
            process.kill()
        for name in (*self.clients.groups, *self.clients.producers):
            with suppress(OSError, ValueError):
                os.kill(int((self._folder / f"{name}.pid").read_text()), 9)

    def _lines(self, names: Mapping[str, int]) -> int:
        """Return how many lines the ledgers of these clients have."""
        return sum(file.read_bytes().count(b"\n") for file in self._files(names))

    def _start(self, role: str, name: str, count: int) -> None:
        for number in range(1, count + 1):
            instance = f"{name}-{number}"
            conf = {**self._login("source"), **self._follow, **self._conf(role, name, instance)}
            self._write(f"{instance}.json", role, instance, conf | {"cutover.instance": instance, "cutover.app": name})
            self._shim[instance] = spawn(
                [sys.executable, "-m", "tests.cluster.shop.client", str(self._folder / f"{instance}.json")],
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=self._folder / f"{instance}.log",
            )
        if not count:
            clusters: tuple[ClusterName, ...] = ("source", "target")
            for cluster in clusters:
                conf = {**self._login(cluster), **self._conf(role, name, name)}
                self._write(f"{name}-{cluster}.json", role, name, conf)
            self._serve(name, "start")

    def _conf(self, role: str, name: str, client_id: str) -> dict[str, Any]:
        if role == "producer":
            return {"client.id": client_id, "linger.ms": 5, "enable.idempotence": True}
        return {
            "client.id": client_id,
            "group.id": name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 10_000,
        }

    def _write(self, file: str, role: str, instance: str, conf: Mapping[str, Any]) -> None:
        ledger = self._folder / f"{instance}.ledger"
        ledger.touch()
        config = {
            "role": role,
            "shim": "cutover.instance" in conf,
            "properties": dict(conf),
            "topics": list(self.clients.topics),
            "ledger": str(ledger),
            "key": f"{instance}." if role == "producer" else "",
        }
        (self._folder / file).write_text(json.dumps(config))

    def _serve(self, name: str, what: str) -> None:
        environment = {**os.environ, "CUTOVER_CLIENT": name, "CUTOVER_LOCATION": "source"}
        subprocess.run([str(self.service), what], env=environment, check=True)

    def _stop(self, names: Mapping[str, int]) -> None:
        stopping = [self._shim[f"{name}-{n}"] for name, count in names.items() for n in range(1, count + 1)]
        for process in stopping:
            process.terminate()
        for name, count in names.items():
            if not count:
                self._serve(name, "stop")
        for process in stopping:
            process.wait(60)

    def _files(self, names: Mapping[str, int]) -> list[Path]:
        instances = [f"{name}-{n}" for name, count in names.items() for n in range(1, count + 1)]
        instances += [name for name, count in names.items() if not count]
        return [self._folder / f"{instance}.ledger" for instance in instances]

    def _said(self) -> str:
        return "; ".join(f"{log.name}: {log.read_text()[-300:]}" for log in self._folder.glob("*.log"))

    def expected_streams(self) -> int:
        """Return how many streams the producers write."""
        return STREAMS * len(self.clients.topics) * sum(count or 1 for count in self.clients.producers.values())
