"""One container of the testbed, which the engine starts, breaks and starts again."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cutover_harness.testbed import settings, zookeeper
from cutover_harness.testbed.base import TestbedError
from cutover_harness.testbed.docker import engine, netem
from cutover_harness.testbed.docker.nodes import DATA, Node
from cutover_harness.types import ClusterName

READY_LIMIT_S = 180.0
_FREEZE_LIMIT_S = 10.0
_POLL_S = 0.05
_SIGKILLED = 128 + 9
_CAUSE = re.compile(r"ERROR|FATAL|Exception|Caused by|Error:|^Error|Unrecognized|not found|denied")


class ContainerNode:
    """A container, always at the same addresses and on the same data, until the testbed removes it."""

    def __init__(
        self, client: Any, node: Node, run: str, network: Any, serves: Callable[[], bool], netem_image: str, cpus: float
    ) -> None:
        self.node = node
        self._client = client
        self._run = run
        self._network = network
        self._serves = serves
        self._netem_image = netem_image
        self._cpus = cpus
        self._container: Any = None

    @property
    def container_name(self) -> str:
        """Its name in the engine."""
        return f"{engine.PREFIX}-{self._run}-{self.node.alias}"

    def launch(self) -> None:
        """Create and start it without waiting until it serves."""
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - an extra

        node = self.node
        container = DockerContainer(node.image).with_command(list(node.command)).with_name(self.container_name)
        published: dict[str, Any] = container.ports  # narrower in its annotation than in what it takes
        container.with_envs(**node.env).with_network(self._network).with_network_aliases(node.alias)
        for inside, outside in node.ports.items():
            published[f"{inside}/tcp"] = ("127.0.0.1", outside)
        for path, text in node.files.items():
            container.with_copy_into_container(text.encode(), path)
        reading: dict[str, str] = {}
        if node.secrets is not None:
            container.with_volume_mapping(node.secrets, str(node.secrets), "ro,z")  # z: SELinux lets containers read it
            reading = engine.reading_options(self._client)
        container.with_kwargs(
            labels=engine.labels(self._run),
            hostname=node.alias,
            init=True,
            mem_limit=node.memory,
            **reading,
            **({"nano_cpus": int(self._cpus * 1e9)} if self._cpus else {}),
        )
        with engine.explained(f"{node.label} ({node.image})"):
            self._container = container.start().get_wrapped_container()

    def await_ready(self, limit: float = READY_LIMIT_S) -> None:
        """Return when it serves. Raises TestbedError if it ended, or did not come up within `limit` seconds."""
        deadline = time.monotonic() + limit
        while not self._serves():
            state = self._state()
            if not state["Running"]:
                oom = ", out of memory: raise --memory" if state.get("OOMKilled") else ""
                raise self._failure(f"ended with {state['ExitCode']} while it was starting{oom}")
            if time.monotonic() > deadline:
                raise self._failure(f"did not answer within {limit:.0f} s")
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """End it without warning (SIGKILL)."""
        with engine.explained(f"killing the {self.node.label}"):
            state = self._state()
            if state["Paused"]:
                self._container.unpause()
            if state["Running"]:
                self._container.kill()
                self._container.wait(timeout=30)

    def freeze(self) -> None:
        """Freeze it with its connections open (the engine's pause)."""
        deadline = time.monotonic() + _FREEZE_LIMIT_S
        while True:
            try:
                with engine.explained(f"pausing the {self.node.label}"):
                    self._container.pause()
            except TestbedError as why:
                # With cgroup v1 runc fails, and undoes it, if a process of the container starts others just then.
                if "unable to freeze" not in str(why) or time.monotonic() > deadline:
                    raise
            else:
                return
            time.sleep(_POLL_S)

    def thaw(self) -> None:
        """Resume it after `freeze`."""
        with engine.explained(f"resuming the {self.node.label}"):
            if self._state()["Paused"]:
                self._container.unpause()

    def stopped(self) -> bool:
        """Return whether it is frozen or does not run."""
        if self._container is None:
            return True
        state = self._state()
        return bool(state["Paused"] or not state["Running"])

    def stop(self) -> str | None:
        """Shut it down; return a text that it was killed if it did not end by itself, otherwise None."""
        with engine.explained(f"stopping the {self.node.label}"):
            self.thaw()
            self._container.stop(timeout=self.node.stop_grace_s)
            killed = self._state().get("ExitCode") == _SIGKILLED
        return f"not shut down {self.node.stop_grace_s} s after SIGTERM, so it was killed (SIGKILL)" if killed else None

    def restart(self) -> None:
        """Stop it if it runs, start it again, return when it serves."""
        self.stop()
        with engine.explained(f"starting the {self.node.label}"):
            self._container.start()
        self.await_ready()

    def disconnect(self) -> None:
        """Take it off the network: no other container and no client of the host reaches it."""
        with engine.explained(f"disconnecting the {self.node.label}"):
            self._docker_network().disconnect(self._container)

    def reconnect(self) -> None:
        """Put it back on the network after `disconnect`."""
        with engine.explained(f"connecting the {self.node.label}"):
            if self.disconnected():
                self._docker_network().connect(self._container, aliases=[self.node.alias])

    def disconnected(self) -> bool:
        """Whether it is off the network."""
        self._container.reload()
        return self._network.name not in self._container.attrs["NetworkSettings"]["Networks"]

    def impair(self, delay_ms: int, loss_percent: float) -> str:
        """Delay what it sends or lose a part of it; return what the kernel reports.

        Raises UnavailableError if the kernel or the engine cannot.
        """
        self._tc(netem.impair_command(netem.device(self._tc(netem.SHOW_COMMAND)), delay_ms, loss_percent))
        return self._tc(netem.SHOW_COMMAND)

    def heal(self) -> None:
        """Remove delay and loss."""
        self._tc(netem.heal_command(netem.device(self._tc(netem.SHOW_COMMAND))))

    def listing(self, path: str) -> str:
        """Return the names in a folder inside, empty if there is none."""
        with engine.explained(f"looking into the {self.node.label}"):
            code, said = self._container.exec_run(["ls", path])
        return said.decode(errors="replace") if code == 0 else ""

    def reads(self, folder: Path) -> bool:
        """Return whether a file (0600) that is written to a folder of this machine can be read inside at that path."""
        content = secrets.token_hex(8)
        descriptor, name = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(content)
            with engine.explained(f"looking into the {self.node.label}"):
                code, output = self._container.exec_run(["cat", name])
        finally:
            Path(name).unlink()
        return bool(code == 0 and output.decode(errors="replace") == content)

    def save_log(self, file: Path) -> None:
        """Write its output so far to a file."""
        if self._container is not None:
            with engine.explained(f"reading the log of the {self.node.label}"), file.open("wb") as log:
                for piece in self._container.logs(stream=True, follow=False):
                    log.write(piece)

    def _tc(self, command: list[str]) -> str:
        return netem.run(self._client, self._netem_image, self._container.id, self._run, command)

    def _docker_network(self) -> Any:
        return self._client.networks.get(self._network.id)

    def _state(self) -> dict[str, Any]:
        with engine.explained(f"asking for the {self.node.label}"):
            self._container.reload()
        state: dict[str, Any] = self._container.attrs["State"]
        return state

    def _failure(self, what: str) -> TestbedError:
        with engine.explained(f"{self.node.label} {what}"):
            lines = self._container.logs(tail=400).decode(errors="replace").splitlines()
        # Of a cascade of errors the first is the cause.
        causes = [line for line in lines if _CAUSE.search(line)][:12] or lines[-12:] or ["(nothing)"]
        return TestbedError(f"{self.node.label} {what}; its container wrote:\n" + "\n".join(causes))


class ContainerBroker(ContainerNode):
    """A cluster of one broker in a container."""

    def __init__(self, name: ClusterName, bootstrap: str, connect_bootstrap: str, *args: Any) -> None:
        super().__init__(*args)
        self.name: ClusterName = name
        self.bootstrap = bootstrap
        self.connect_bootstrap = connect_bootstrap
        self.version = ""  # known once it runs
        self.node_id = int(settings.NODE["node.id"])

    @property
    def brokers(self) -> Sequence[ContainerBroker]:
        """The brokers of the cluster that it is."""
        return (self,)

    def client_config(self) -> dict[str, str]:
        """Return the librdkafka properties that reach it."""
        return {"bootstrap.servers": self.bootstrap}


class ContainerBrokerOnZooKeeper(ContainerBroker):
    """A broker that ZooKeeper refuses to register again until the session of its last start has ended."""

    def __init__(self, zookeeper_port: int, *args: Any) -> None:
        super().__init__(*args)
        self._zookeeper_port = zookeeper_port

    def restart(self) -> None:
        """Stop it if it runs, start it again after ZooKeeper has dropped its registration, return when it serves."""
        self.stop()
        zookeeper.await_unregistered(self._zookeeper_port)
        super().restart()

    def await_ready(self, limit: float = READY_LIMIT_S) -> None:
        """Return when it serves its topics. Raises TestbedError as the brokers of later versions do."""
        super().await_ready(limit)
        zookeeper.await_topics(self.bootstrap, zookeeper.topics_of(self.listing(DATA).split()))
