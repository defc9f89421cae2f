"""Prove that Connect reaches both clusters, with a connector that copies nothing and is removed again.

Connect validates configurations without a connection, so that only a connector can prove it. A checkpoint connector
creates its topic on the target as soon as it reaches it, and gets a task as soon as it has found a group on the source.
It copies no record and sets no offset.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from confluent_kafka import KafkaException

from cutover_harness.admin import Admin
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.connector_configs import forward_configs
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.spec import Batch
from cutover_harness.preflight.planned.connect_facts import PREFIX, Probe
from cutover_harness.preflight.planned.read_connect import ConnectAsked, mirror_spec
from cutover_harness.types import ClusterName
from cutover_harness.waits import wait_until

WITHIN_S = 30.0
_LOOK_S = 0.5
_ADMIN_MS = 10_000


def prober(group: str | None, tell: Callable[[str], None], *, within_s: float = WITHIN_S) -> Callable[..., Probe]:
    """Return the probe; `group`: one with committed offsets on the source, None if there is none.

    `tell` gets what is created and removed.
    """

    def probe(connect: Connect, asked: ConnectAsked) -> Probe:
        return _Probe(connect, asked, group, tell, within_s).run()

    return probe


class _Probe:
    def __init__(
        self, connect: Connect, asked: ConnectAsked, group: str | None, tell: Callable[[str], None], within_s: float
    ) -> None:
        self._connect, self._asked, self._group, self._tell, self._within_s = connect, asked, group, tell, within_s
        self._name = PREFIX + secrets.token_hex(4)
        self._target = Admin(asked.clusters["target"])
        self._topic = Batch(self._name, (), ()).checkpoints_topic

    def run(self) -> Probe:
        """Create the connector, look, and remove everything."""
        self._tell(f"probe: connector {self._name} on Connect and topic {self._topic} on the target; both are removed")
        reached: dict[ClusterName, bool | None] = {"source": None if self._group is None else False, "target": False}
        why = ""
        try:
            self._connect.put_config(self._name, self._config())
            why = self._look(reached)
        except (MirrorError, KafkaException) as error:
            why = str(error.args[0].str() if isinstance(error, KafkaException) else error)
        finally:
            left = self._remove()
        return Probe(reached, why, left)

    def _config(self) -> dict[str, str]:
        groups = () if self._group is None else (self._group,)
        spec = mirror_spec(self._asked, Batch(self._name, ("*",), groups))
        config = dict(forward_configs(spec)[spec.batch.checkpoint_connector])
        return config | {"sync.group.offsets.enabled": "false", "admin.timeout.ms": str(_ADMIN_MS)}

    def _look(self, reached: dict[ClusterName, bool | None]) -> str:
        """Note what is reached until all is, or the connector FAILED, or the time is over; return the reason."""
        deadline = time.monotonic() + self._within_s
        while time.monotonic() < deadline:
            status = self._connect.status(self._name)
            reached["target"] = bool(self._target.partitions([self._topic]))
            if status is not None and status.tasks and self._group is not None:
                reached["source"] = True
            if status is not None and status.connector == "FAILED":
                return status.failure or "the connector FAILED"
            if False not in reached.values():
                return ""
            time.sleep(_LOOK_S)
        return f"no answer within {self._within_s:.0f} s"

    def _remove(self) -> tuple[str, ...]:
        """Remove the connector, then its topics, which it could create again; return what is left."""
        left: list[str] = []
        try:
            self._connect.delete(self._name)
            wait_until(lambda: self._connect.status(self._name) is None, self._within_s, backoff_s=_LOOK_S)
        except MirrorError as error:
            left.append(f"connector {self._name} ({error})")
        try:
            topics = [name for name in self._target.partitions() if self._name in name]
            if topics:
                self._target.delete_topics(topics)
            left += [f"topic {name}" for name in self._target.partitions(topics)]
        except KafkaException as error:
            left.append(f"topic {self._topic} ({error.args[0].str()})")
        self._tell("probe: removed" if not left else f"probe: could not be removed: {'; '.join(left)}")
        return tuple(left)
