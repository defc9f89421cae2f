"""Writer of a fleet's documents: one for each generation, to the cutover file and to the other channels."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import InitVar, dataclass, field, replace
from pathlib import Path

import tomli_w
from cutover_shim.cutover_file import Cluster, parse

from cutover_harness.channels.base import OvertakenError
from cutover_harness.channels.document import Document, unresolved
from cutover_harness.channels.names import TopicName, parse_channels
from cutover_harness.channels.opening import Kubernetes, adopted, keys_of, publisher_of
from cutover_harness.channels.publish import Publisher
from cutover_harness.types import Location, Role
from cutover_harness.waits import wait_until

__all__ = ["CutoverFileWriter", "Kubernetes", "RouteLocations"]

_LAST_WAIT_S = 3.0


@dataclass
class RouteLocations:
    """One route of the cutover file."""

    topics: Sequence[str]
    groups: Sequence[str]
    producers: Location = "source"
    consumers: Location = "source"

    def by_role(self) -> dict[Role, Location]:
        """Return the location of each role."""
        return {"producer": self.producers, "consumer": self.consumers}


@dataclass
class CutoverFileWriter:
    """The cutover file of a fleet, its other channels, and the last generation written to them.

    `clusters` maps `source` and `target` to librdkafka properties. A document that exists already belongs to another
    writer, unless it was read by `open`. `channels`: names of the channels in addition to the file; `key`: references
    to the keys of signatures, of which the first one signs.
    """

    path: Path
    clusters: Mapping[str, Mapping[str, str]]
    routes: dict[str, RouteLocations]
    channels: InitVar[Sequence[str]] = ()
    key: InitVar[str | None] = None
    note: Callable[[int, Mapping[str, int], Sequence[str]], object] = field(default=lambda *_seen: None, repr=False)
    """Called when channels have got a generation, with the time of each (nanoseconds since 1970) and with remarks."""
    fence: Callable[[], object] = field(default=lambda: None, repr=False)
    """Called before anything is written; raises if somebody else writes now."""
    resolves: bool = True
    """Whether this machine can resolve the references in the document."""
    publisher: Publisher = field(init=False, repr=False)
    _noted: tuple[int, Mapping[str, int], Sequence[str]] | None = field(default=None, init=False, repr=False)

    def __post_init__(self, channels: Sequence[str], key: str | None) -> None:
        names = parse_channels(channels)
        with_topics = any(isinstance(name, TopicName) for name in names)
        clusters = parse(self.document(0), os.environ).clusters if with_topics else {}
        self.publisher = publisher_of(self.path, names, keys_of(key), clusters)

    @classmethod
    def open(
        cls,
        path: Path,
        channels: Sequence[str] = (),
        key: str | None = None,
        kubernetes: Kubernetes | None = None,
        own: Mapping[str, Cluster] | None = None,
    ) -> CutoverFileWriter:
        """Return a writer for the next generations of a fleet's document; secrets in it stay references.

        The highest generation of all channels counts. A channel that lacks it gets it: one that was left behind when a
        writer was killed, that was broken, or that was replaced by an older one. If no channel has a document, the copy
        that `write` keeps next to the file counts. `own`: how this machine reaches the clusters of control topics, by
        name; references in the document are then resolved by applications alone. Raises UsageError if there is no copy
        either.
        """
        writer = cls.peek(path, channels, key, kubernetes, own)
        writer.restore()
        return writer

    @classmethod
    def peek(
        cls,
        path: Path,
        channels: Sequence[str] = (),
        key: str | None = None,
        kubernetes: Kubernetes | None = None,
        own: Mapping[str, Cluster] | None = None,
    ) -> CutoverFileWriter:
        """Return the same writer as `open`, and change nothing."""
        publisher, document = adopted(path, parse_channels(channels), keys_of(key), kubernetes, own)
        writer = cls._of(path, publisher, document)
        writer.resolves = own is None
        return writer

    @classmethod
    def _of(cls, path: Path, publisher: Publisher, document: Document) -> CutoverFileWriter:
        found = tomllib.loads(document.body)
        routes = {
            name: RouteLocations(r.get("topics", []), r.get("groups", []), r["producers"], r["consumers"])
            for name, r in found["routes"].items()
        }
        writer = cls(path, found["clusters"], routes)
        writer.publisher = publisher
        return writer

    @property
    def generation(self) -> int:
        """The last generation that was written or read."""
        return self.publisher.generation

    def point(self, route: str, *, producers: Location | None = None, consumers: Location | None = None) -> int:
        """Move the clients of `route`, write the next generation and return it.

        If the file names these locations already, nothing is written, so that a step can be repeated. If it cannot be
        written, no client moves.
        """
        before = self.routes[route]
        after = replace(before, producers=producers or before.producers, consumers=consumers or before.consumers)
        if after == before:
            return self.generation
        self.routes[route] = after
        try:
            return self.write()
        except BaseException:
            self.routes[route] = before
            raise

    def write(self) -> int:
        """Write the next generation to all channels and return it; see `Publisher.publish`.

        Raises OvertakenError, and leaves everything as it was, if a channel has a document that this writer has neither
        written nor read.
        """
        self.fence()
        generation = self.publisher.next_generation
        body = self.document(generation)
        # A document that the shim would refuse never reaches an app.
        parse(body if self.resolves else unresolved(tomllib.loads(body)), os.environ)
        self.publisher.publish(body, generation)
        self._note()
        return generation

    def restore(self) -> None:
        """Restore this writer's generation on the channels that lack it."""
        self.publisher.restore()

    def behind(self) -> Sequence[str]:
        """Return the channels that lack the present generation, each with the reason. Raises OvertakenError."""
        found = self.publisher.behind()
        self._note()
        return found

    def close(self) -> None:
        """Close the channels, after a last wait for those that lack the present generation.

        What they lack then they get when the next writer opens them.
        """
        with suppress(OvertakenError):
            wait_until(self.publisher.behind, _LAST_WAIT_S, done=lambda behind: not behind)
        self.publisher.close()

    def _note(self) -> None:
        now = (self.generation, self.publisher.told(), self.publisher.remarks())
        if now != self._noted and now[1]:
            self._noted = now
            self.note(*now)

    def document(self, generation: int) -> str:
        """Return the content of the file at this generation, without a signature."""
        return tomli_w.dumps(
            {
                "generation": generation,
                "clusters": {name: dict(properties) for name, properties in self.clusters.items()},
                "routes": {
                    name: {
                        "topics": list(route.topics),
                        "groups": list(route.groups),
                        "producers": route.producers,
                        "consumers": route.consumers,
                    }
                    for name, route in self.routes.items()
                },
            }
        )
