"""The lease on a control topic: records with a key of their own, which clients leave out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cutover_shim.cutover_file import CutoverFileError

from cutover_harness.channels.control_log import TopicLog
from cutover_harness.channels.control_topic import ControlTopic, properties_of
from cutover_harness.channels.document import body_of, signed_text
from cutover_harness.channels.leases import KEY, Lease, in_force
from cutover_harness.channels.names import TopicName


class LeaseLog(TopicLog):
    """The leases in the topic. current: the one in force. Records that the keys do not verify are left out."""

    key = KEY

    def __init__(self, name: str, topic: str, config: Mapping[str, str], keys: Sequence[bytes]) -> None:
        super().__init__(name, topic, config, keys)
        self.current: Lease | None = None

    def restart(self, topic_id: str) -> None:
        """Read from the beginning: the topic is new, or was recreated."""
        super().restart(topic_id)
        self.current = None

    def scan(self) -> None:
        """Read on to the topic's end. Raises MirrorError."""
        leases = [self._lease((record.value or b"").decode(errors="surrogateescape")) for record in self._new()]
        self.current = in_force([each for each in leases if each is not None], self.current)

    def _lease(self, text: str) -> Lease | None:
        try:
            return Lease.from_text(body_of(text, self._keys))
        except CutoverFileError:
            return None


class LeaseTopic(ControlTopic[LeaseLog]):
    """The lease on the control topic `name.topic`, signed as documents are; see `TopicWriter` for the arguments."""

    def __init__(
        self,
        name: TopicName,
        config: Mapping[str, str],
        *,
        keys: Sequence[bytes] = (),
        redact: Callable[[str], str] = lambda text: text,
    ) -> None:
        log = LeaseLog(name.cluster or "named", name.topic, properties_of(config), keys)
        super().__init__(name, config, log, redact=redact)
        self._keys = keys

    def read(self) -> Lease | None:
        """Return the lease in force, None if there is none. Raises ChannelError."""
        with self._errors():
            if self._exists():
                self._log.scan()
            return self._log.current

    def offer(self, lease: Lease) -> Lease | None:
        """Append a lease if it can count, read the log back, and return the one in force.

        If another one was first, that is appended again: compaction keeps the newest record, and the order of the
        records decides only as long as all of them are there.
        """
        with self._errors():
            if not self._exists():
                self._make()
            self._log.scan()
            if lease.follows(self._log.current):
                self._append(self._text(lease))
                self._log.scan()
                if self._log.current is not None and self._log.current.id != lease.id:
                    self._append(self._text(self._log.current))
            return self._log.current

    def _text(self, lease: Lease) -> str:
        return signed_text(lease.to_text(), self._keys)
