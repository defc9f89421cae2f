"""Replay in transactions: an application that commits after every N records, and aborts some on purpose.

A record is accounted for as acknowledged once its transaction is committed, with the offset that its delivery report
had, and as aborted once it is aborted. What was aborted is not sent again, whether on purpose or after an error: like a
request that an application rolls back. So a record of the capture is sent once, and its sequence is used once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from confluent_kafka import KafkaException

from cutover_harness.errors import UsageError
from cutover_harness.ledger.columns import Array
from cutover_harness.ledger.format import ABORTED
from cutover_harness.replay.config import Transactions
from cutover_harness.replay.sender import EventLog, Prepared, ReplayProducer, Sender

log = logging.getLogger(__name__)
STEP_S = 5.0
"""Duration of a client call after which the log reports the wait."""
INIT_S = 120.0


class TransactionError(UsageError):
    """A transaction can neither be committed nor aborted: the producer is fenced, or the client is broken."""


class TransactionalProducer(ReplayProducer, Protocol):
    """A producer with a transactional.id."""

    def init_transactions(self, timeout: float = ...) -> None:
        """As the client's."""
        ...

    def begin_transaction(self) -> None:
        """As the client's."""
        ...

    def commit_transaction(self, timeout: float = ...) -> None:
        """As the client's."""
        ...

    def abort_transaction(self, timeout: float = ...) -> None:
        """As the client's."""
        ...


class TransactionalSender(Sender):
    """Sends in transactions of `transactions.records` records or `.ms` ms, whichever is reached first.

    Making one fences what an earlier process of the same instance left open. `aborted`: records of aborted
    transactions. Raises TransactionError if the client reports that it cannot continue.
    """

    producer: TransactionalProducer

    def __init__(
        self,
        producer: TransactionalProducer,
        ledger: EventLog,
        run: int,
        transactions: Transactions,
        *,
        keep_partition: bool = True,
        sequences: dict[int, int] | None = None,
        wait: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(producer, ledger, run, keep_partition=keep_partition, sequences=sequences, wait=wait)
        self.commits = self.aborts = 0
        self._shape = transactions
        self._count = 0  # records in the open transaction; 0: none is open
        self._end_ns = 0
        self._acks: list[Array] = []
        self._failures: list[Array] = []
        deadline = time.monotonic() + INIT_S
        self._insist("init_transactions", producer.init_transactions, lambda: time.monotonic() > deadline)

    def send(self, batch: Prepared, start: int, end: int) -> None:
        """Send records, in transactions that are begun if none is open, and ended if they are full."""
        while start < end:
            if not self._count:
                self._insist("begin_transaction", lambda _: self.producer.begin_transaction())
                self._end_ns = time.monotonic_ns() + int(self._shape.ms * 1e6)
            upto = min(end, start + self._shape.records - self._count)
            self._count += upto - start
            super().send(batch, start, upto)
            start = upto
            if self._count >= self._shape.records:
                self.finish()

    def tick(self) -> None:
        """End the open transaction if its time is over."""
        if self._count and time.monotonic_ns() >= self._end_ns:
            self.finish()

    def finish(self) -> None:
        """End the open transaction: commit it, or abort it if it is its turn."""
        if not self._count:
            return
        while self.flush(STEP_S):  # ends: the client fails a record after its delivery timeout
            pass
        number = self.commits + self.aborts + 1
        on_purpose = self._shape.abort_every is not None and number % self._shape.abort_every == 0
        if not on_purpose and self._commit():
            self._committed()
        else:
            self._insist("abort_transaction", self.producer.abort_transaction)
            self.flush(STEP_S)  # reports of purged records
            self._aborted()
        self._count = 0
        self._acks, self._failures = [], []

    def _commit(self) -> bool:
        """Commit; return False if the transaction must be aborted."""
        try:
            self._insist("commit_transaction", self.producer.commit_transaction)
        except KafkaException as why:
            log.warning("a transaction of %d records is aborted: %s", self._count, why)
            return False
        return True

    def _insist(self, name: str, call: Callable[[float], None], late: Callable[[], bool] = lambda: False) -> None:
        """Repeat the call until it succeeds.

        Raises KafkaException if the transaction must be aborted, otherwise TransactionError.
        A call that can be repeated is repeated for as long as it takes: a route may be held, a coordinator away.
        """
        complained = False
        while True:
            try:
                call(STEP_S)
            except KafkaException as why:
                error = why.args[0]
                if error.txn_requires_abort() and not error.fatal():
                    raise
                if error.fatal() or not error.retriable() or late():
                    self._in_doubt()
                    raise TransactionError(f"{name}: {error.str()} ({error.name()})") from why
                if not complained:
                    log.warning("%s: %s; trying again", name, error.str())
                    complained = True
            else:
                return

    def _acknowledge(self, rows: Array) -> None:
        self._acks.append(rows)

    def _fail(self, rows: Array) -> None:
        self._failures.append(rows)

    def _committed(self) -> None:
        self.commits += 1
        for rows in self._acks:
            super()._acknowledge(rows)
        for rows in self._failures:  # refused before they were part of it; otherwise the commit would have failed
            super()._fail(rows)

    def _aborted(self) -> None:
        self.aborts += 1
        for rows in [*self._acks, *self._failures]:
            self._ledger.append_rows(rows, ABORTED)
            self.aborted += len(rows)

    def _in_doubt(self) -> None:
        """Log the records of the open transaction as unknown."""
        for rows in [*self._acks, *self._failures]:
            super()._fail(rows)
