"""Accounts for the file connectors of all batches while a path runs, and writes their ledgers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from confluent_kafka import KafkaException

from cutover_harness.admin import Admin
from cutover_harness.errors import UsageError, in_one_line
from cutover_harness.rehearsal.connectors.configs import Place
from cutover_harness.rehearsal.connectors.ledgers import Commit, sink_rows, source_rows, write_ledger
from cutover_harness.rehearsal.connectors.logs import Logs
from cutover_harness.rehearsal.connectors.moving import BatchConnectors
from cutover_harness.types import ClusterName

LINES_PER_S = 10.0
_LOOK_S, _READ_S = 0.02, 1.0


class Account:
    """Appends lines for the source connectors, and notes what the sink connectors write and commit.

    batches: the connectors of each batch that has any, by its name.
    """

    def __init__(
        self, batches: Mapping[str, BatchConnectors], endpoints: Mapping[ClusterName, Mapping[str, str]], run: int
    ) -> None:
        self.batches, self._run = batches, run
        self._clusters = {name: Admin(endpoint) for name, endpoint in endpoints.items()}
        self._sources = [each for batch in batches.values() for each in batch.sources.values()]
        self._sinks = [each for batch in batches.values() for each in batch.sinks.values()]
        topics = {topic for sink in self._sinks for topic in sink.topics} | {each.topic for each in self._sources}
        self._logs = Logs(self._clusters, run, sorted(topics), [each.stream for each in self._sources])
        self._commits: dict[str, list[Commit]] = {sink.group: [] for sink in self._sinks}
        self._written, self._ended = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=self._until_ended, args=(_LOOK_S, self._look), daemon=True),
            threading.Thread(target=self._until_ended, args=(_READ_S, self._read), daemon=True),
        ]
        self._due = 0.0
        self._failure: Exception | None = None

    def launch(self) -> None:
        """Start the Connect workers, without waiting until they serve."""
        for batch in self.batches.values():
            batch.worker.launch()

    def start(self) -> None:
        """Create the connectors, wait until they run, and begin. Raises UsageError."""
        for batch in self.batches.values():
            batch.start()
        for thread in self._threads:
            thread.start()

    def stop_lines(self) -> None:
        """Append no more lines, and wait until the source connectors have sent all of them. Raises UsageError."""
        self._written.set()
        self._refuse_failed()
        for batch in self.batches.values():
            batch.await_stored()

    def write(self, ledgers: Path) -> None:
        """End, and write a ledger for each connector below `ledgers`. Raises UsageError, KafkaException or OSError."""
        self._end()
        self._refuse_failed()
        self._look()
        self._logs.read_on()
        self._note_commits()
        now = time.time_ns()
        for batch in self.batches.values():
            stored = batch.stored()
            for name, source in batch.sources.items():
                rows = source_rows(
                    source.name, source.topic, source.lines, self._logs.written[source.stream], stored[name], now
                )
                write_ledger(ledgers / name, rows, {"role": "producer", "run": self._run})
            for name, sink in batch.sinks.items():
                about = {"role": "consumer", "group": sink.group, "run": self._run, "topics": list(sink.topics)}
                rows = sink_rows(sink.topics[0], sink.file.seen, self._logs.identities, self._commits[sink.group])
                write_ledger(ledgers / name, rows, about)

    def close(self) -> None:
        """End the threads and close the connections. Closing again does nothing."""
        self._end()
        self._logs.close()

    def _end(self) -> None:
        self._written.set()
        self._ended.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _until_ended(self, every_s: float, do: Callable[[], None]) -> None:
        try:
            while not self._ended.wait(every_s):
                do()
        except Exception as why:  # noqa: BLE001 - raised again when the ledgers are wanted, which lack something now
            self._failure = why

    def _refuse_failed(self) -> None:
        """Raise UsageError if a thread has ended early: what the connectors did since is not known."""
        if self._failure is not None:
            raise UsageError(
                f"file connectors: their lines are not known completely: {in_one_line(self._failure)}: correct it, and "
                "rehearse again"
            ) from self._failure

    def _look(self) -> None:
        for sink in self._sinks:
            sink.file.look()
        if not self._written.is_set() and time.monotonic() >= self._due:
            self._due = time.monotonic() + 1 / LINES_PER_S
            for source in self._sources:
                source.append()

    def _read(self) -> None:
        self._logs.read_on_if_possible()
        with suppress(UsageError, KafkaException):
            self._note_commits()

    def _note_commits(self) -> None:
        """Note the positions of the groups on the cluster on which their connectors work."""
        for batch in self.batches.values():
            for sink in batch.sinks.values():
                place, known = batch.worker.place, self._commits[sink.group]
                latest = {(each.place.topic, each.place.partition): each.place for each in known}
                for (topic, partition), at in self._clusters[place].committed(sink.group, sink.topics).items():
                    found = Place(place, topic, partition, at)
                    if latest.get((topic, partition)) != found:
                        known.append(Commit(time.time_ns(), found))
