"""What ACLs allow a principal, as Kafka's StandardAuthorizer decides it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from cutover_harness.inventory.model import Acl
from cutover_harness.preflight.planned.needs import CLUSTER_NAME, Operation, Resource

_IMPLIED = {
    "DESCRIBE": frozenset({"READ", "WRITE", "DELETE", "ALTER"}),
    "DESCRIBE_CONFIGS": frozenset({"ALTER_CONFIGS"}),
}


class Answer(StrEnum):
    """Whether a principal has a right."""

    GRANTED = "granted"
    NOT_NEEDED = "not needed"
    """It is Create on a topic that exists."""
    MISSING = "missing"
    UNKNOWN = "unknown"


class AclIndex:
    """The ACLs of a cluster by what they are about: a cluster has thousands, and they are looked up for each topic."""

    def __init__(self, acls: Iterable[Acl]) -> None:
        self._literal: dict[tuple[str, str], list[Acl]] = {}
        self._prefixed: dict[str, list[Acl]] = {}
        for acl in acls:
            if acl.pattern == "PREFIXED":
                self._prefixed.setdefault(acl.resource, []).append(acl)
            else:
                self._literal.setdefault((acl.resource, acl.name), []).append(acl)

    def about(self, resource: Resource) -> list[Acl]:
        """Return the ACLs about a resource, of any principal."""
        prefixed = [acl for acl in self._prefixed.get(resource.kind, ()) if resource.name.startswith(acl.name)]
        named, every = ((resource.kind, name) for name in (resource.name, "*"))
        return [*self._literal.get(named, ()), *self._literal.get(every, ()), *prefixed]


def allowed(acls: AclIndex, principal: str, operation: Operation, resource: Resource) -> Answer:
    """Return what the ACLs of a cluster say; UNKNOWN if it depends on the host from which the principal connects.

    Super users have rights without ACLs: MISSING is about ACLs alone.
    """
    matching = [acl for acl in acls.about(resource) if acl.principal in (principal, "User:*")]
    denied = [acl for acl in matching if acl.permission == "DENY" and acl.operation in (operation, "ALL")]
    if any(acl.host == "*" for acl in denied):
        return Answer.MISSING
    granting = {operation.value, "ALL"} | _IMPLIED.get(operation.value, frozenset())
    given = [acl for acl in matching if acl.permission == "ALLOW" and acl.operation in granting]
    if operation == Operation.CREATE and resource.kind == "TOPIC" and not given:
        return allowed(acls, principal, operation, Resource("CLUSTER", CLUSTER_NAME))
    if not given:
        return Answer.MISSING
    return Answer.GRANTED if not denied and any(acl.host == "*" for acl in given) else Answer.UNKNOWN
