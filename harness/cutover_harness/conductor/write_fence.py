"""The fence of a batch on its source: reads, creates and deletes ACLs, which the journal has before they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from cutover_harness.admin import CLIENT_DEFAULTS, TIMEOUT_S
from cutover_harness.answer import answer_of
from cutover_harness.conductor.journal import Journal
from cutover_harness.errors import UsageError
from cutover_harness.preflight.planned.principals import principal_of
from cutover_harness.procedure.denials import MADE, REMOVED, Denial, detail, standing, wanted
from cutover_harness.procedure.protocols import ClusterLike

_EVERY_HOST = "*"
_DISABLED = frozenset({KafkaError.SECURITY_DISABLED})
_FORBIDDEN = frozenset({KafkaError.CLUSTER_AUTHORIZATION_FAILED})


class Denials:
    """The denials of Write on topics of a cluster. config: librdkafka properties. Methods raise KafkaException."""

    def __init__(self, config: Mapping[str, str]) -> None:
        self._config = config
        self._made: AdminClient | None = None

    @property
    def _client(self) -> AdminClient:
        if self._made is None:  # most batches have no fence
            self._made = AdminClient({**CLIENT_DEFAULTS, **self._config})
        return self._made

    def read(self) -> set[Denial]:
        """Return all denials of Write on single topics, from every host, no matter who created them."""
        found = self._get(self._client.describe_acls(_any_denial(), request_timeout=TIMEOUT_S))
        return {Denial(each.principal, each.name) for each in found if each.host == _EVERY_HOST}

    def create(self, denials: Iterable[Denial]) -> None:
        """Create denials; one that exists is left as it is."""
        bindings = [AclBinding(*_binding(each)) for each in denials]
        if bindings:
            for future in self._client.create_acls(bindings, request_timeout=TIMEOUT_S).values():
                self._get(future)

    def delete(self, denials: Iterable[Denial]) -> None:
        """Delete denials; one that does not exist is left out."""
        filters = [AclBindingFilter(*_binding(each)) for each in denials]
        if filters:
            for future in self._client.delete_acls(filters, request_timeout=TIMEOUT_S).values():
                self._get(future)

    def refusal(self, principals: Iterable[str]) -> str | None:
        """Return why a fence against these principals cannot be made here, None if it can."""
        own = principal_of(self._config)
        if own is not None and own in principals:
            return f"fence: names {own}, as which kafka-cutover itself logs in to the source: take it out"
        try:
            self.read()
        except KafkaException as why:
            if why.args[0].code() in _DISABLED:
                return "the source has no authorizer, so a fence would have no effect: remove fence from the batch"
            if why.args[0].code() in _FORBIDDEN:
                return f"the fence needs the right to alter ACLs on the source, Alter on the cluster, which {_who(own)}"
            raise
        asked = self._client.describe_cluster(include_authorized_operations=True, request_timeout=TIMEOUT_S)
        granted = {each.name for each in self._get(asked).authorized_operations or ()}
        if granted & {"ALTER", "ALL"}:
            return None
        return f"the fence needs the right to alter ACLs on the source, Alter on the cluster, which {_who(own)}"

    @staticmethod
    def _get(future: Future[Any]) -> Any:
        return answer_of(future, TIMEOUT_S)


class WriteFence:
    """The fence that a plan wants for its batch. topics: those of the batch that the source has."""

    def __init__(
        self, principals: Sequence[str], topics: Callable[[], Sequence[str]], denials: Denials, journal: Journal
    ) -> None:
        self._principals, self._topics, self._denials, self._journal = principals, topics, denials, journal

    def refusal(self) -> str | None:
        """Return why it cannot be made, None if it can."""
        return self._denials.refusal(self._principals)

    def make(self, step: int) -> None:
        """Make the denials that the source lacks; those that are there already are somebody else's, and stay."""
        lacking, _ = self.lacking()
        if new := [each for each in lacking if each not in self._ours]:
            self._journal.write("fence", step, MADE, **detail(new))
        self._denials.create(lacking)

    def lacking(self) -> tuple[list[Denial], list[Denial]]:
        """Return the denials that the source lacks, and all that it has to have."""
        every, there = wanted(self._principals, self._topics()), self._denials.read()
        return [each for each in every if each not in there], every

    def remove(self) -> None:
        """Remove the denials that the run has made."""
        self._denials.delete(self.left())

    def left(self) -> list[Denial]:
        """Return the denials of the run that the source still has."""
        ours = self._ours
        there = self._denials.read() if ours else set()
        return [each for each in ours if each in there]

    def note_removal(self, step: int) -> None:
        """Note that the source has none of the run's denials any more."""
        if ours := self._ours:
            self._journal.write("fence", step, REMOVED, **detail(ours))

    @property
    def _ours(self) -> list[Denial]:
        return standing(self._journal.read())


def fence_of(
    principals: Sequence[str],
    mirrors: Callable[[str], bool],
    source: ClusterLike,
    config: Mapping[str, str],
    journal: Journal,
) -> WriteFence | None:
    """Return the fence of a batch, None if its plan has none and the journal knows of none.

    mirrors: whether the batch moves a topic. config: properties of the source.
    """
    if not principals and not standing(journal.read()):
        return None
    return WriteFence(
        principals, lambda: [topic for topic in source.partitions() if mirrors(topic)], Denials(config), journal
    )


def refuse_without_rights(route: str, principals: Sequence[str], source: Mapping[str, str]) -> None:
    """Raise UsageError if a fence against these principals cannot be made or removed on the source."""
    try:
        why = Denials(source).refusal(principals)
    except KafkaException as error:
        why = f"the source's ACLs cannot be read: {error.args[0].str()}"
    if why is not None:
        raise UsageError(f"batch {route}: {why}; nothing was changed")


def _binding(denial: Denial) -> tuple[Any, ...]:
    return (
        ResourceType.TOPIC,
        denial.topic,
        ResourcePatternType.LITERAL,
        denial.principal,
        _EVERY_HOST,
        AclOperation.WRITE,
        AclPermissionType.DENY,
    )


def _any_denial() -> AclBindingFilter:
    anything: Any = None  # its types want names
    literal, deny = ResourcePatternType.LITERAL, AclPermissionType.DENY
    return AclBindingFilter(ResourceType.TOPIC, anything, literal, anything, anything, AclOperation.WRITE, deny)


def _who(own: str | None) -> str:
    return f"{own or 'the user of its properties'} lacks: kafka-cutover preflight --acl prints the command"
