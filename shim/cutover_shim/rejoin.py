"""A consumer that waits to join a group which has long been stable without it: its client is made anew.

librdkafka 2.16.1 waited for ever, in one of two tries, on a coordinator that shut down between JoinGroup and SyncGroup.
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
    """Tells when a join hangs: longer than the session timeout, while the group is stable at two looks in a row.

    A group with a join under way is not stable. The looks are on a thread of their own.
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
        """Look, if it is time to; `conf` gives the client's properties, `hangs` is called once the join hangs."""
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
    """Whether the group's coordinator says that it is stable, with members. False where it does not answer."""
    from cutover_shim.admin import RawAdminClient  # noqa: PLC0415 - takes its time to import, and is seldom needed

    asking = RawAdminClient(config.connection(conf) | {"log_level": 0})
    deadline = time.monotonic() + ANSWER_S
    try:
        future = asking.describe_consumer_groups([group], request_timeout=ANSWER_S)[group]
        found = future.result(max(0.0, deadline - time.monotonic()))
    except (KafkaException, TimeoutError):
        return False
    return bool(found.members) and found.state == ConsumerGroupState.STABLE
