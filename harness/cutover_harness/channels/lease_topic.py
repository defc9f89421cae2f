"""The lease on a control topic: records with a key of their own, which clients leave out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cutover_shim.cutover_file import CutoverFileError

from cutover_harness.channels.base import ChannelError
from cutover_harness.channels.control_log import TopicLog
from cutover_harness.channels.control_topic import ControlTopic, properties_of
from cutover_harness.channels.document import body_of, signed_text
from cutover_harness.channels.leases import KEY, Lease, in_force, is_newer
from cutover_harness.channels.names import TopicName


class LeaseLog(TopicLog):
    """The leases in the topic. Records that the keys do not verify are left out.

    current: the one in force. hidden: whether the last record is no lease, and no lease was read before it: compaction
    may have removed one. newer: whether the last record is of a later version, so that it is not known who has it.
    """

    key = KEY

    def __init__(self, name: str, topic: str, config: Mapping[str, str], keys: Sequence[bytes]) -> None:
        super().__init__(name, topic, config, keys)
        self.current: Lease | None = None
        self.newer = self.hidden = False

    def restart(self, topic_id: str) -> None:
        """Read from the beginning: the topic is new, or was recreated."""
        super().restart(topic_id)
        self.current, self.newer, self.hidden = None, False, False

    def scan(self) -> None:
        """Read on to the topic's end. Raises MirrorError."""
        for record in self._new():
            self.hidden = self.current is None
            try:
                body = body_of((record.value or b"").decode(errors="surrogateescape"), self._keys)
            except CutoverFileError:
                continue
            self.newer = is_newer(body)
            if (lease := Lease.from_text(body)) is not None:
                self.current, self.hidden = in_force([lease], self.current), False


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

    @property
    def hidden(self) -> bool:
        """Whether a record that is no lease may hide one."""
        return self._log.hidden

    def read(self) -> Lease | None:
        """Return the lease in force, None if there is none. Raises ChannelError."""
        with self._errors():
            if self._exists():
                self._scan()
            return self._log.current

    def offer(self, lease: Lease) -> Lease | None:
        """Append a lease if it can count, read the log back, and return the one in force.

        If another one was first, that is appended again: compaction keeps the newest record, and the order of the
        records decides only as long as all of them are there.
        """
        with self._errors():
            if not self._exists():
                self._make()
            self._scan()
            if lease.follows(self._log.current):
                self._append(self._text(lease))
                self._scan()
                if self._log.current is not None and self._log.current.id != lease.id:
                    self._append(self._text(self._log.current))
            return self._log.current

    def _scan(self) -> None:
        self._log.scan()
        if self._log.newer:
            raise ChannelError(
                f"{self.name}: a later version of kafka-cutover has written the lease: use that version", final=True
            )

    def _text(self, lease: Lease) -> str:
        return signed_text(lease.to_text(), self._keys)
