"""Rights that steps of a plan need and a principal lacks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cutover_harness.inventory.model import Acl
from cutover_harness.preflight.model import Finding, Severity
from cutover_harness.preflight.planned.acl_rules import AclIndex, Answer, allowed
from cutover_harness.preflight.planned.needs import Demand, Need, Operation, Part, Party, Resource
from cutover_harness.types import ClusterName
from cutover_harness.words import listed

SOURCE = "the rights that each step needs, docs/preflight.md"
_SHOWN = 5


@dataclass(frozen=True)
class Rights:
    """What is known about the rights on one cluster.

    authorizer: whether the cluster checks rights, None if unknown. principal: whose properties the plan has, None if it
    cannot be derived from them. acls: None if they cannot be read. observed: what the cluster answered about the
    principal, without a write.
    """

    authorizer: bool | None
    principal: str | None
    acls: Sequence[Acl] | None
    observed: Mapping[tuple[Resource, Operation], Answer] = field(default_factory=dict)

    def answer(self, operation: Operation, resource: Resource) -> Answer:
        """Return whether the principal of the properties has a right."""
        if self.authorizer is False:
            return Answer.GRANTED
        observed = self.observed.get((resource, operation), Answer.UNKNOWN)
        if observed != Answer.UNKNOWN or self.principal is None or self.acls is None:
            return observed
        by_acl = allowed(self.index, self.principal, operation, resource)
        # A super user has rights that no ACL grants, and a cluster may allow what has no ACL.
        return Answer.GRANTED if by_acl == Answer.MISSING and self._beyond_acls(resource) else by_acl

    @cached_property
    def index(self) -> AclIndex:
        """The ACLs by what they are about."""
        return AclIndex(self.acls or ())

    def _beyond_acls(self, resource: Resource) -> bool:
        """Return whether the principal has rights without an ACL: as a super user, or where there is no ACL."""
        return self._is_super or (self._is_open and not self.index.about(resource))

    @cached_property
    def _is_super(self) -> bool:
        """Whether the cluster grants all that it was asked for, and something of that against what its ACLs say."""
        lacks = Answer.MISSING in self.observed.values()
        return not lacks and any(self.index.about(resource) for resource in self._unexplained)

    @cached_property
    def _is_open(self) -> bool:
        """Whether the cluster grants something that has no ACL."""
        return any(not self.index.about(resource) for resource in self._unexplained)

    @cached_property
    def _unexplained(self) -> list[Resource]:
        """The resources on which something is granted that no ACL explains."""
        name = self.principal or ""
        return [
            resource
            for (resource, operation), answer in self.observed.items()
            if answer == Answer.GRANTED and allowed(self.index, name, operation, resource) == Answer.MISSING
        ]

    def answer_of_worker(self, worker: str | None, operation: Operation, resource: Resource) -> Answer:
        """Return whether Connect's workers have a right, of which only ACLs tell, and nothing if it is a super user."""
        if self.authorizer is False:
            return Answer.GRANTED
        if worker is None or self.acls is None:
            return Answer.UNKNOWN
        if worker == self.principal:
            return self.answer(operation, resource)
        granted = allowed(self.index, worker, operation, resource) == Answer.GRANTED
        return Answer.GRANTED if granted else Answer.UNKNOWN


NOTHING_KNOWN = Rights(None, None, None)


@dataclass(frozen=True)
class Lack:
    """One right that a principal lacks (`missing`), or of which nothing is known. principal: None if not known."""

    cluster: ClusterName
    principal: str | None
    operation: Operation
    resource: Resource
    missing: bool
    demands: tuple[Demand, ...]

    @property
    def optional(self) -> bool:
        """Whether all steps work without it."""
        return all(demand.need.optional for demand in self.demands)


def lacks(demands: Iterable[Demand], rights: Mapping[ClusterName, Rights], worker: str | None = None) -> list[Lack]:
    """Return each right that is needed and not known to be there; `worker`: the principal of Connect's workers."""
    wanted: dict[tuple[ClusterName, bool, Operation, Resource], list[Demand]] = {}
    for demand in demands:
        key = (demand.need.cluster, demand.need.party == "worker", demand.operation, demand.resource)
        wanted.setdefault(key, []).append(demand)
    found = []
    for (cluster, of_worker, operation, resource), its in wanted.items():
        known = rights[cluster]
        answer = known.answer_of_worker(worker, operation, resource) if of_worker else known.answer(operation, resource)
        if answer not in (Answer.GRANTED, Answer.NOT_NEEDED):
            principal = worker if of_worker else known.principal
            found.append(Lack(cluster, principal, operation, resource, answer == Answer.MISSING, tuple(its)))
    return found


def findings(lacking: Iterable[Lack]) -> list[Finding]:
    """Return a finding for each principal, operation and kind of resource."""
    grouped: dict[tuple[ClusterName, str | None, Party, Part, Operation, bool], list[Lack]] = {}
    for lack in lacking:
        first = lack.demands[0].need
        party: Party = "worker" if first.party == "worker" else "conductor"
        key = (lack.cluster, lack.principal, party, first.part, lack.operation, lack.missing)
        grouped.setdefault(key, []).append(lack)
    return [_finding(party, its) for (_, _, party, _, _, _), its in grouped.items()]


def _finding(party: Party, its: Sequence[Lack]) -> Finding:
    first = its[0]
    batches = {demand.batch for lack in its for demand in lack.demands}
    steps = dict.fromkeys(_purpose(demand.need) for lack in its for demand in lack.demands)
    what = f"{first.operation.words} on {_resources([lack.resource for lack in its])}"
    purposes = "; ".join(steps)
    if first.missing:
        severity = Severity.WARNING if first.optional else Severity.BLOCKER
        reason = f"lacks {what} ({purposes})"
        remedy = "grant it: --acl prints the commands"
    else:
        severity = Severity.UNKNOWN
        reason = f"may lack {what} ({purposes}): {_why_unknown(party, first)}"
        remedy = _remedy(party, first.principal)
    return Finding(
        "missing-right" if first.missing else "unknown-right",
        severity,
        f"{_who(party, first.principal)} on the {first.cluster}",
        reason,
        SOURCE,
        remedy,
        next(iter(batches)) if len(batches) == 1 else None,
    )


def _who(party: Party, principal: str | None) -> str:
    if party == "worker":
        return f"Connect's worker {principal}" if principal else "Connect's workers"
    return principal or "the user of the properties"


def _why_unknown(party: Party, lack: Lack) -> str:
    if party == "worker" and lack.principal is None:
        return "their records are written with the login of the workers, which Connect does not report"
    if party == "worker":
        return "no ACL that can be read grants it, which only a super user does not need"
    if lack.principal is None:
        return "the resource does not exist yet, and the name of the principal is not known"
    return "the resource does not exist yet, and the ACLs could not be read, or depend on the host"


def _remedy(party: Party, principal: str | None) -> str:
    if party == "worker" and principal is None:
        return "give the principal of Connect's workers with --connect-principal User:NAME"
    if party == "worker":
        return "grant it, --acl prints the commands; nothing if it is a super user"
    return "grant Describe on the cluster so that ACLs can be read, or grant the right; --acl prints commands"


def _purpose(need: Need) -> str:
    return f"{need.step}: {need.why}"


def _resources(resources: Sequence[Resource]) -> str:
    kind, names = resources[0].kind, [resource.name for resource in resources]
    if kind == "CLUSTER":
        return "the cluster"
    word = kind.lower() + ("s" if len(names) > 1 else "")
    return f"{word} {listed(names, _SHOWN)}"
