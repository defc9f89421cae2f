"""Commands of kafka-acls.sh that grant what is missing. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cutover_harness.preflight.planned.acl_copies import AclCopy
from cutover_harness.preflight.planned.needs import Resource, operation_words
from cutover_harness.preflight.planned.rights import Lack
from cutover_harness.types import ClusterName

UNKNOWN_PRINCIPAL = "User:PRINCIPAL"
"""Stands in commands for a principal that is not known."""
_FLAGS = {"TOPIC": "--topic", "GROUP": "--group", "TRANSACTIONAL_ID": "--transactional-id"}
_MOST = 50


@dataclass(frozen=True)
class Grant:
    """Operations that a principal needs on resources of one kind. `why` is a comment."""

    cluster: ClusterName
    principal: str
    operations: tuple[str, ...]
    resources: tuple[Resource, ...]
    why: str
    prefixed: bool = False
    deny: bool = False

    def command(self, bootstrap: str) -> str:
        """Return the command for a POSIX shell."""
        words = ["kafka-acls.sh", "--bootstrap-server", bootstrap, "--command-config", "admin.properties", "--add"]
        words += ["--deny-principal" if self.deny else "--allow-principal", self.principal]
        for operation in self.operations:
            words += ["--operation", operation]
        for resource in self.resources:
            words += ["--cluster"] if resource.kind == "CLUSTER" else [_FLAGS[resource.kind], resource.name]
        if self.prefixed:
            words += ["--resource-pattern-type", "prefixed"]
        return shlex.join(words)

    def to_json(self, bootstrap: str) -> dict[str, object]:
        """Return it as a JSON object."""
        return {
            "cluster": self.cluster,
            "principal": self.principal,
            "permission": "Deny" if self.deny else "Allow",
            "operations": list(self.operations),
            "resources": [{"type": each.kind.lower(), "name": each.name} for each in self.resources],
            "pattern": "prefixed" if self.prefixed else "literal",
            "why": self.why,
            "command": self.command(bootstrap),
        }


def grants(lacking: Iterable[Lack], copies: Iterable[AclCopy] = ()) -> list[Grant]:
    """Return grants of all that is missing or may be missing, and of the applications' ACLs that the target lacks."""
    by_resource: dict[tuple[ClusterName, str, Resource], list[Lack]] = {}
    for lack in lacking:
        key = (lack.cluster, lack.principal or UNKNOWN_PRINCIPAL, lack.resource)
        by_resource.setdefault(key, []).append(lack)
    together: dict[tuple[ClusterName, str, str, tuple[str, ...], str], list[Resource]] = {}
    for (cluster, principal, resource), its in by_resource.items():
        operations = tuple(dict.fromkeys(lack.operation.words for lack in its))
        together.setdefault((cluster, principal, resource.kind, operations, _why(its)), []).append(resource)
    found = [
        Grant(cluster, principal, operations, part, why)
        for (cluster, principal, _, operations, why), resources in together.items()
        for part in _parts(resources)
    ]
    return [*found, *(_copied(copy) for copy in copies)]


def _copied(copy: AclCopy) -> Grant:
    acl = copy.acl
    resource = Resource(acl.resource, acl.name)  # type: ignore[arg-type]
    return Grant(
        "target",
        acl.principal,
        (operation_words(acl.operation),),
        (resource,),
        "the source has this ACL, and the target lacks it",
        acl.pattern == "PREFIXED",
        acl.permission == "DENY",
    )


def commands(given: Sequence[Grant], bootstrap: Mapping[ClusterName, str]) -> list[str]:
    """Return the lines of a shell script: a comment before the commands that share it."""
    lines: list[str] = []
    last = ""
    for grant in given:
        comment = f"# {grant.principal} on the {grant.cluster}: {grant.why}"
        if comment != last:
            lines.append(comment)
            last = comment
        lines.append(grant.command(bootstrap[grant.cluster]))
    return lines


def _why(its: Sequence[Lack]) -> str:
    steps = ", ".join(dict.fromkeys(demand.need.step for lack in its for demand in lack.demands))
    unknown = [lack.operation.words for lack in its if not lack.missing]
    return steps + (f" (not known whether {', '.join(unknown)} is missing)" if unknown else "")


def _parts(resources: Sequence[Resource]) -> Iterator[tuple[Resource, ...]]:
    for first in range(0, len(resources), _MOST):
        yield tuple(resources[first : first + _MOST])
