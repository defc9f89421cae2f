"""Admin calls to one cluster: in slices, at a limited rate, with what fails as gaps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from itertools import islice
from typing import Any, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from cutover_harness.answer import answer_of
from cutover_harness.inventory.completeness import Gaps, kind_of, reason_of
from cutover_harness.token_bucket import TokenBucket
from cutover_harness.types import ClusterName

K = TypeVar("K")
V = TypeVar("V")

TIMEOUT_S = 30.0
"""How long one call may take."""
_LINE_S = 5.0
_FAILED = (KafkaException, TimeoutError, RuntimeError)
"""RuntimeError: the client's, for an answer that lacks something of what was asked."""


class Calls:
    """Calls to one cluster. `pace` is shared by all clusters' calls; `tell` gets lines of progress."""

    def __init__(
        self, client: AdminClient, cluster: ClusterName, gaps: Gaps, pace: TokenBucket, tell: Callable[[str], None]
    ) -> None:
        self.client = client
        self.cluster: ClusterName = cluster
        self.gaps = gaps
        self._pace, self._tell = pace, tell

    def wait(self, requests: int = 1) -> None:
        """Wait until so many requests to brokers are within the rate."""
        while (wait_s := self._pace.wait_s) > 0:
            time.sleep(wait_s)
        self._pace.take(requests)

    def slices(self, items: Iterable[V], size: int, doing: str, total: int) -> Iterator[list[V]]:
        """Return the items in slices, with a line of progress from time to time."""
        done, told, source = 0, time.monotonic(), iter(items)
        while part := list(islice(source, size)):
            yield part
            done += len(part)
            if time.monotonic() - told > _LINE_S and done < total:
                told = time.monotonic()
                self.tell(f"{doing}: {done:,} of {total:,}")
        if total:
            self.tell(f"{doing}: {total:,}")

    def tell(self, text: str) -> None:
        """Write a line of progress."""
        self._tell(f"{self.cluster}: {text}")

    def results(
        self, what: str, futures: Mapping[K, Future[V]], name: Callable[[K], str] = str, remedy: str = ""
    ) -> Iterator[tuple[K, V]]:
        """Return what succeeded of the calls; what failed becomes a gap about `what`."""
        for key, future in futures.items():
            try:
                yield key, answer_of(future, TIMEOUT_S)
            except _FAILED as error:
                self.failed(what, error, [name(key)], remedy)

    def one(self, what: str, call: Callable[[], Future[Any]], remedy: str = "") -> Any:
        """Return the result of one call, None if it failed, which becomes a gap about `what`."""
        self.wait()
        try:
            return answer_of(call(), TIMEOUT_S)
        except _FAILED as error:
            self.failed(what, error, remedy=remedy)
            return None

    def failed(self, what: str, error: BaseException, names: Iterable[str] = (), remedy: str = "") -> None:
        """Add a gap for a failed call; `remedy` is for a missing right."""
        kind = kind_of(error)
        remedy = remedy if kind == "forbidden" else ""
        self.gaps.add(what, kind, reason_of(error), cluster=self.cluster, names=names, remedy=remedy)
