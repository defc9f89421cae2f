"""The connectors of one direction of a mirror: create, pause, stop and delete them, and read their states."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from cutover_harness.mirror import health
from cutover_harness.mirror.connect_messages import one_line, secrets_of
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.connector_configs import Configs
from cutover_harness.mirror.copy_settings import CopySettings
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.secret_files import SecretFiles, beside_references, in_the_clear
from cutover_harness.mirror.spec import MirrorSpec
from cutover_harness.mirror.worker_log import last_reason
from cutover_harness.types import PartitionId
from cutover_harness.waits import wait_until

_STATE_LIMIT_S = 30.0
_POLL_S = 0.05


class Configure(Protocol):
    """See `connector_configs`."""

    def __call__(self, spec: MirrorSpec, copy: CopySettings = ..., unknown: Collection[str] = ...) -> Configs:
        """Return the configurations of a mirror's connectors."""
        ...


class Connectors:
    """The connectors that `configure` describes for `spec`. Methods raise MirrorError.

    Not thread-safe.
    """

    def __init__(self, spec: MirrorSpec, configure: Configure) -> None:
        self._spec = spec
        self._configure = configure
        self.configs = configure(spec)
        secrets = secrets_of(self.configs.values())
        files = None if spec.secrets_folder is None else SecretFiles(spec.secrets_folder)
        shown = in_the_clear if files is None else beside_references
        self.show_secrets = any(map(shown, self.configs.values()))
        self.connect = Connect(spec.connect_url, secrets=secrets, files=files, access=spec.access)
        # For looks: a request that fails now is repeated at the next look.
        self.glance = Connect(spec.connect_url, patience_s=0, timeout_s=1.0, secrets=secrets, access=spec.access)

    def close(self) -> None:
        """Close the connections; the connectors stay as they are."""
        self.connect.close()
        self.glance.close()

    def configure(self, copy: CopySettings, unknown: Collection[str]) -> None:
        """Compute the configurations again, without sending them."""
        self.configs = self._configure(self._spec, copy, unknown)

    def put(self, names: Collection[str] | None = None) -> None:
        """Create the connectors (or only those with these names), or change their configurations."""
        for name, config in self.configs.items():
            if names is None or name in names:
                self.connect.put_config(name, config)

    def restart_failed(self) -> None:
        """Restart the connectors and tasks that FAILED."""
        for name in self.configs:
            if (status := self.connect.status(name)) is not None and status.failure is not None:
                self.connect.restart_failed(name)

    def exists(self) -> bool:
        """Return whether any of the connectors exists."""
        return any(self.connect.status(name) is not None for name in self.configs)

    def delete(self) -> None:
        """Stop and delete the connectors that exist. Their stored offsets stay."""
        present = [name for name in self.configs if self.connect.status(name) is not None]
        self.stop(present)
        for name in present:
            self.connect.delete(name)
        self.wait("deleted", lambda: [name for name in present if self.connect.status(name) is not None])

    def forget(self) -> list[str]:
        """Delete the offsets that Connect has stored of connectors that do not exist, and return their names.

        A connector's offsets can be deleted only while it is stopped, so each is created stopped, and deleted again
        (KIP-875 and KIP-980). Repeating it changes nothing.
        """
        for name, config in self.configs.items():
            self.connect.create_stopped(name, config)
        self.wait("stopped", lambda: self.not_in("STOPPED", self.configs))
        for name in self.configs:
            self.connect.delete_offsets(name)
        # Read back: a connector that is deleted shows none.
        self.wait("without stored offsets", lambda: [name for name in self.configs if self.connect.offsets(name)])
        self.delete()
        return list(self.configs)

    def pause(self) -> None:
        """Pause all connectors and wait for their tasks."""
        for name in self.configs:
            self.connect.set_state(name, "pause")
        self.wait("paused", lambda: self.not_in("PAUSED", self.configs))

    def stop(self, names: Collection[str] | None = None) -> None:
        """Stop the connectors (or only those with these names) and wait for the end of their tasks (KIP-875)."""
        chosen = list(self.configs if names is None else names)
        for name in chosen:
            self.connect.set_state(name, "stop")
        self.wait("stopped", lambda: self.not_in("STOPPED", chosen))

    def resume(self, running: Callable[[], Sequence[str]], names: Collection[str] | None = None) -> None:
        """Resume connectors and wait until `running` returns nothing."""
        for name in self.configs if names is None else names:
            self.connect.set_state(name, "resume")
        self.wait("resumed", running)

    def not_in(self, state: str, names: Collection[str]) -> list[str]:
        """Return the connectors of which the connector or a task has another state, or that do not exist."""
        return [name for name in names if not is_in(state, self.connect, name)]

    def running(self, *, needs_task: bool) -> list[str]:
        """Return, in words, the connectors that are not RUNNING yet; `needs_task`: the copying one has to have a task.

        A checkpoint connector has no task until a group exists, so its tasks are not waited for.
        """
        found = health.states(self.glance, self.configs)
        return health.waits(found, [self._spec.batch.source_connector] if needs_task else [])

    def stored_offsets(self) -> dict[PartitionId, int]:
        """Return the last source offset of each partition that Connect has stored as mirrored."""
        stored = {}
        for partition, offset in self.glance.offsets(self._spec.batch.source_connector):
            if offset is not None and partition.get("cluster") == self._spec.batch.source_alias:
                stored[str(partition["topic"]), int(partition["partition"])] = int(offset["offset"])
        return stored

    def reason(self) -> str | None:
        """Return the last WARN or ERROR about the connectors in the workers' logs, None if there is none."""
        found = last_reason(self._spec.connect_logs, self.configs)
        return None if found is None else one_line(found, secrets_of(self.configs.values()))

    def wait(self, what: str, waits: Callable[[], Sequence[str]]) -> None:
        """Wait until `waits` returns nothing. Raises MirrorError after 30 s."""
        wait_until(
            waits,
            _STATE_LIMIT_S,
            done=lambda left: not left,
            backoff_s=_POLL_S,
            failure=lambda left: MirrorError(f"not {what} within {_STATE_LIMIT_S:.0f} s: {'; '.join(left)}"),
        )


def is_in(state: str, connect: Connect, name: str) -> bool:
    """Return whether a connector and all of its tasks are in the state."""
    status = connect.status(name)
    return status is not None and {status.connector, *status.tasks} == {state}


def skip_to(connect: Connect, connector: str, alias: str, cut: Mapping[PartitionId, int]) -> None:
    """Move a stopped connector's stored offsets to the cut; an offset that is already beyond it stays."""
    stored = {
        (partition["topic"], partition["partition"]): int(offset["offset"])
        for partition, offset in connect.offsets(connector)
        if offset is not None and partition.get("cluster") == alias
    }
    # The stored offset is that of the last record mirrored; an empty partition has none, and nothing to skip.
    last = {partition: end - 1 for partition, end in cut.items() if stored.get(partition, -1) < end - 1}
    if last:
        connect.patch_offsets(
            connector,
            [
                ({"cluster": alias, "topic": topic, "partition": number}, {"offset": offset})
                for (topic, number), offset in sorted(last.items())
            ],
        )
