"""The offsets that a consumer's group has on one cluster, and the commits that are due when the consumer leaves it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException, TopicPartition

from cutover_shim import codes, config
from cutover_shim.positions import Positions, starts_at_end

log = logging.getLogger("cutover_shim")

ATTEST_S = 10.0
COMMIT_S = 15.0


class GroupOffsets:
    """The committed offsets of one consumer's partitions on the cluster in use, and what is wrong with them (`flaw`).

    `conf` is the configuration of the client in use, `handle` that client.
    """

    def __init__(self, group: str | None, positions: Positions) -> None:
        self.group = group
        self.committed: dict[tuple[str, int], int] = {}
        self.flaw: str | None = None
        self._positions = positions
        self._final = False
        self._failing_since: float | None = None

    def forget(self) -> None:
        """Forget the cluster that was left."""
        self.committed, self.flaw, self._final = {}, None, False

    def confirmed(self, partitions: Iterable[TopicPartition]) -> None:
        """Note offsets that the cluster has confirmed as committed. After `attest` nothing is noted any more."""
        if self._final:
            return
        for found in partitions:
            if found.error is None and found.offset >= 0:
                self.committed[found.topic, found.partition] = found.offset

    def commit_before_leaving(
        self, handle: Any, partitions: list[TopicPartition], conf: Mapping[str, Any]
    ) -> str | None:
        """Commit what is due and return None; or return why it has to be tried again.

        A cluster that refuses for COMMIT_S seconds is left without the commit, and `flaw` is set.
        """
        try:
            self.commit_stored(handle, partitions, conf)
            self.flaw = self._commit_starts(handle, partitions, conf)
        except KafkaException as error:
            first, self._failing_since = self._failing_since, self._failing_since or time.monotonic()
            if first is None or time.monotonic() - first < COMMIT_S:
                return f"the final commit fails, retrying: {error}"
            self.flaw = f"left without the final commit: {error}"
            log.warning("cutover shim: group %s: %s", self.group, self.flaw)
        self._failing_since = None
        return None

    def commit_stored(self, handle: Any, partitions: list[TopicPartition], conf: Mapping[str, Any]) -> None:
        """Commit the stored offsets, as automatic commit would. Raises KafkaException."""
        if not automatic(conf) or not partitions:
            return
        try:
            handle.commit(asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() != codes.NO_OFFSET:  # nothing is stored, nothing is due
                raise

    def _commit_starts(self, handle: Any, partitions: list[TopicPartition], conf: Mapping[str, Any]) -> str | None:
        """Commit where reading began in partitions without a committed offset; return a text about what is left.

        Only with automatic commit: otherwise nothing is committed that the application did not commit.
        """
        if not partitions or self.group is None or not starts_at_end(conf):
            return None
        known, unknown = self._positions.uncommitted(handle.committed(partitions, timeout=ATTEST_S))
        if known and automatic(conf):
            handle.commit(offsets=known, asynchronous=False)
            known = []
        if not (left := [*known, *unknown]):
            return None
        why = (
            f"no committed offset in {len(left)} of {len(partitions)} partitions ({left[0].topic} "
            f"[{left[0].partition}] first): with auto.offset.reset=latest records that arrive there during the switch "
            "are skipped: commit a position there"
        )
        log.warning("cutover shim: group %s: %s", self.group, why)
        return why

    def commit_seeks(self, handle: Any, partitions: list[TopicPartition], conf: Mapping[str, Any]) -> None:
        """Commit the offsets that were sought and not read from yet, with automatic commit.

        Call it after the partitions were revoked: until then the client commits what it stored before the seek.
        """
        sought = [
            TopicPartition(p.topic, p.partition, offset)
            for p in partitions
            if (offset := self._positions.seeks.get((p.topic, p.partition), -1)) >= 0
        ]
        if not sought or not automatic(conf):
            return
        try:
            handle.commit(offsets=sought, asynchronous=False)
        except KafkaException as error:
            self.flaw = f"sought positions could not be committed: {error}"

    def attest(self, handle: Any, partitions: list[TopicPartition]) -> None:
        """Read the committed offsets of these partitions: they are final."""
        try:
            if partitions:
                self.confirmed(handle.committed(partitions, timeout=ATTEST_S))
        except (KafkaException, RuntimeError) as error:
            self.flaw = f"committed offsets could not be read: {error}"
        self._final = True  # on_commit of an earlier commit may still be called while the client closes


def automatic(conf: Mapping[str, Any]) -> bool:
    """Return whether a client with these properties commits automatically."""
    return config.flag(conf, "enable.auto.commit", default=True)
