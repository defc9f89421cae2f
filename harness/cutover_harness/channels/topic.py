"""A control topic as a channel: compacted, with one partition, whose records with the key `cutover` are documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cutover_harness.channels.base import ChannelError, OvertakenError
from cutover_harness.channels.control_log import ControlLog
from cutover_harness.channels.control_topic import ANSWER_S, ControlTopic, properties_of
from cutover_harness.channels.names import TopicName


class TopicWriter(ControlTopic[ControlLog]):
    """Writes the control topic `name.topic` on the cluster with these librdkafka properties.

    keys: those of the documents' signatures; a record that they do not verify is no other writer's document. redact:
    removes secret values from the client's messages. create: whether to create the topic if it is missing.
    """

    def __init__(
        self,
        name: TopicName,
        config: Mapping[str, str],
        *,
        keys: Sequence[bytes] = (),
        redact: Callable[[str], str] = lambda text: text,
        create: bool = True,
    ) -> None:
        log = ControlLog(name.cluster or "named", name.topic, properties_of(config), keys)
        super().__init__(name, config, log, redact=redact, create=create)

    def read(self) -> str | None:
        """Return the document that applications have in force, None if there is none. Raises ChannelError.

        That need not be the newest record: what applications refuse, such as a forged or older document, is left out if
        they have accepted another one before.
        """
        with self._errors():
            if self._exists():
                self._log.scan()
            elif not self._create:
                raise self._missing()
            return self._in_force()

    @property
    def newest(self) -> str | None:
        """The content of the newest record, None for a tombstone or no record, as `read` has found it."""
        return self._log.newest

    @property
    def signed(self) -> bool:
        """Whether a record has a signature, whichever key has made it, as `read` has found it."""
        return self._log.signed

    def write(self, text: str, *, replaces: str | None) -> None:
        """Append `text`; return when all in-sync replicas have it and it was read back at its offset.

        Nothing prevents two writers from appending at the same time. Of two documents of one generation the first one
        counts: the writer of the second one appends the first one again, for readers of the newest record, and raises
        OvertakenError.
        """
        log = self._log
        with self._errors():
            if not self._exists():
                self._make()
            log.scan()
            if log.newest == text:
                self._producing().list_topics(self._topic, ANSWER_S)  # a new producer takes half a second: now
                return
            if log.best is not None and log.best.text not in (replaces, text):
                raise OvertakenError(f"{self.name}: its content has changed since it was read")
            offset = self._append(text)
            read = log.scan()
            mine = next((each for each in read if each.offset == offset and each.text == text), None)
            if mine is None:
                raise ChannelError(f"{self.name}: offset {offset}, which was acknowledged, does not have the document")
            if (first := next((e for e in read if e.offset < offset and e.preferred_to(mine)), None)) is not None:
                self._append(first.text)
                log.scan()
                raise OvertakenError(f"{self.name}: another writer's document arrived first, and was restored")

    def _in_force(self) -> str | None:
        return self._log.newest if self._log.best is None else self._log.best.text
