"""Detection of a consumer that waits to join a group which has long been stable without it.

librdkafka 2.16.1 waited for ever, in one of two tries, for a coordinator that shut down between JoinGroup and
SyncGroup. Such a client is replaced.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import ConsumerGroupState, KafkaException

from cutover_shim import config, native

CHECK_S = 5.0
ANSWER_S = 5.0


class JoinWatch:
    """Detects a join that hangs: it takes longer than the session timeout, and the group is stable twice in a row.

    A group with a join under way is not stable. The group is described on a thread of its own.
    """

    def __init__(self, group: str) -> None:
        self._group = group
        self._since: float | None = None
        self._next = 0.0
        self._looking = False
        self._stable = 0

    def tick(
        self, now: float, *, joining: bool, conf: Callable[[], Mapping[str, Any]], hangs: Callable[[], None]
    ) -> None:
        """Look at the group if that is due; `now` is in seconds of `time.monotonic()`.

        `conf` returns the client's properties. `hangs` is called, on a thread of the shim, if the join hangs.
        """
        if not joining:
            self._since, self._stable = None, 0
            return
        if self._since is None:
            self._since = now
        if self._looking or now < self._next:
            return
        properties = conf()
        if now - self._since < config.number(properties, ("session.timeout.ms",), 45_000) / 1000:
            return
        self._looking, self._next = True, now + CHECK_S

        def look() -> None:
            try:
                self._stable = self._stable + 1 if stable(properties, self._group) else 0
                if self._stable >= 2:
                    self._since, self._stable = None, 0
                    hangs()
            finally:
                self._looking = False

        native.start_thread(look, f"cutover-join-{self._group}")


def stable(conf: Mapping[str, Any], group: str) -> bool:
    """Return whether the group's coordinator reports it as stable, with members; False if it does not answer."""
    from cutover_shim.admin import RawAdminClient  # noqa: PLC0415 - slow to import, and seldom needed

    asking = RawAdminClient(config.connection(conf) | {"log_level": 0})
    deadline = time.monotonic() + ANSWER_S
    try:
        future = asking.describe_consumer_groups([group], request_timeout=ANSWER_S)[group]
        found = future.result(max(0.0, deadline - time.monotonic()))
    except (KafkaException, TimeoutError):
        return False
    return bool(found.members) and found.state == ConsumerGroupState.STABLE
