"""Find and remove what runs created on existing clusters and on Connect; it is known by its prefix."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException

from cutover_harness.admin import CLIENT_DEFAULTS, connect
from cutover_harness.answer import answer_of, description_of
from cutover_harness.errors import UsageError, in_one_line
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.connectors import is_in
from cutover_harness.types import ClusterName
from cutover_harness.waits import wait_until

Kind = Literal["connector", "group", "topic"]
CONNECT = "Connect"
_Found = dict[str, dict[tuple[Kind, str], list[str]]]
_ERRORS = (UsageError, KafkaException)
TIMEOUT_S = 15.0
MEMBERS_LEAVE_S = 60.0
"""How long a group may keep members that died: longer than the default session timeout of 45 s."""
_STOPPED_S = 30.0
_POLL_S = 0.25
_GONE = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND, KafkaError.UNKNOWN_TOPIC_ID})


@dataclass(frozen=True)
class Remains:
    """What one run left: names by kind and place, which is a cluster or Connect.

    used_by: why it may belong to a run that has not ended; None if nothing shows that.
    """

    prefix: str
    names: Mapping[tuple[Kind, str], Sequence[str]]
    used_by: str | None = None

    def words(self) -> list[str]:
        """Return a line for each kind and place."""
        return [
            f"{len(names)} {kind}{'s' if len(names) > 1 else ''} on {place}: {', '.join(names)}"
            for (kind, place), names in self.names.items()
        ]


@dataclass
class Finder:
    """Finds and removes; `prefix_of` returns the prefix of the run that a name belongs to, None if it is no run's.

    clusters: librdkafka properties.
    """

    clusters: Mapping[ClusterName, Mapping[str, str]]
    connect: Connect
    prefix_of: Callable[[str], str | None]
    note: Callable[[str], None] = lambda _: None
    _admins: dict[ClusterName, Any] = field(default_factory=dict, init=False)

    def find(self) -> tuple[list[Remains], list[str]]:
        """Return what there is of each run, and which places do not answer, in words."""
        found: _Found = defaultdict(dict)
        used: dict[str, str] = {}
        silent: list[str] = []
        looks: list[tuple[str, Callable[[], None]]] = [(CONNECT, lambda: self._on_connect(found))]
        looks += [(cluster, partial(self._on_cluster, cluster, found, used)) for cluster in self.clusters]
        for place, look in looks:
            try:
                look()
            except _ERRORS as why:
                silent.append(f"what runs created on {place} is unknown: {in_one_line(why)}")
        return [Remains(prefix, names, used.get(prefix)) for prefix, names in sorted(found.items())], silent

    def remove(self, found: Remains) -> list[str]:
        """Remove all of `found`; return what is still there afterwards and why, in words."""
        failed: dict[tuple[str, str], str] = {}
        for name in found.names.get(("connector", CONNECT), ()):
            self._attempt(failed, CONNECT, name, partial(self._remove_connector, name))
        for cluster in self.clusters:
            for name in found.names.get(("group", cluster), ()):
                self._attempt(failed, cluster, name, partial(self._remove_group, cluster, name))
            for name in found.names.get(("topic", cluster), ()):
                self._attempt(failed, cluster, name, partial(self._remove_topic, cluster, name))
        return self._left(found.prefix, failed)

    def _left(self, prefix: str, failed: Mapping[tuple[str, str], str]) -> list[str]:
        """Read back what there is of the run; a deletion is known to all brokers a moment later."""

        def look() -> tuple[list[tuple[Kind, str, str]], list[str]]:
            remains, silent = self.find()
            its = [each.names for each in remains if each.prefix == prefix]
            return [(*at, name) for names in its for at, found in names.items() for name in found], silent

        there, silent = wait_until(
            look, TIMEOUT_S, done=lambda seen: all(at[1:] in failed for at in seen[0]), backoff_s=_POLL_S
        )
        return [
            *(
                f"{kind} {name} on {place}: {failed.get((place, name), 'is still there after it was deleted')}"
                for kind, place, name in there
            ),
            *silent,
        ]

    def _on_connect(self, found: _Found) -> None:
        for name in sorted(self.connect.names()):
            self._sort("connector", CONNECT, name, found)

    def _on_cluster(self, cluster: ClusterName, found: _Found, used: dict[str, str]) -> None:
        admin = self._admin(cluster)
        for name in _groups(admin):
            self._sort("group", cluster, name, found)
            prefix = self.prefix_of(name)
            if prefix is not None and name == claim_of(prefix) and members(admin, name):
                used[prefix] = f"a run uses it, or was killed a few seconds ago: group {name} has a member"
        for name in sorted(admin.list_topics(timeout=TIMEOUT_S).topics):
            self._sort("topic", cluster, name, found)

    def _sort(self, kind: Kind, place: str, name: str, found: _Found) -> None:
        if (prefix := self.prefix_of(name)) is not None:
            found[prefix].setdefault((kind, place), []).append(name)

    def _admin(self, cluster: ClusterName) -> Any:
        if cluster not in self._admins:
            self._admins[cluster] = connect({**CLIENT_DEFAULTS, **self.clusters[cluster]})
        return self._admins[cluster]

    def _remove_connector(self, name: str) -> None:
        self.connect.set_state(name, "stop")
        wait_until(lambda: is_in("STOPPED", self.connect, name), _STOPPED_S, backoff_s=_POLL_S)
        self.connect.delete_offsets(name)
        self.connect.delete(name)

    def _remove_topic(self, cluster: ClusterName, name: str) -> None:
        answer_of(self._admin(cluster).delete_topics([name], operation_timeout=TIMEOUT_S)[name], TIMEOUT_S)

    def _remove_group(self, cluster: ClusterName, name: str) -> None:
        admin = self._admin(cluster)
        deadline, told = time.monotonic() + MEMBERS_LEAVE_S, False
        while True:
            try:
                answer_of(admin.delete_consumer_groups([name], request_timeout=TIMEOUT_S)[name], TIMEOUT_S)
            except KafkaException as why:
                if why.args[0].code() != KafkaError.NON_EMPTY_GROUP or time.monotonic() > deadline:
                    raise
                if not told:
                    self.note(f"group {name} still has members: it is deleted when their sessions have ended")
                told = True
                time.sleep(_POLL_S)
            else:
                return

    @staticmethod
    def _attempt(failed: dict[tuple[str, str], str], place: str, name: str, do: Callable[[], object]) -> None:
        try:
            do()
        except _ERRORS as why:
            if not (isinstance(why, KafkaException) and why.args[0].code() in _GONE):
                failed[place, name] = in_one_line(why)


def _groups(admin: Any) -> list[str]:
    listed = answer_of(admin.list_consumer_groups(request_timeout=TIMEOUT_S), TIMEOUT_S)
    if listed.errors:
        raise listed.errors[0]
    return sorted(group.group_id for group in listed.valid)


def claim_of(prefix: str) -> str:
    """Return the group that has a member while the run with this prefix lives."""
    return f"{prefix}claim"


def members(admin: Any, group: str) -> int:
    """Return how many members a group has; 0 if it does not exist."""
    found = description_of(admin.describe_consumer_groups([group], request_timeout=TIMEOUT_S)[group], TIMEOUT_S)
    return 0 if found is None else len(found.members)
