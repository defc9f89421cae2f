"""ACLs of applications that the source has for what a plan moves, and the target lacks: nothing copies them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from cutover_harness.inventory.model import Acl
from cutover_harness.preflight.model import Finding, Severity
from cutover_harness.preflight.planned.acl_rules import AclIndex, Answer, allowed
from cutover_harness.preflight.planned.needs import Operation, Resource, operation_words
from cutover_harness.preflight.planned.scope import Scope, ScopedBatch
from cutover_harness.words import listed

_CHECKED = frozenset(operation.value for operation in Operation)


@dataclass(frozen=True)
class AclCopy:
    """An ACL to create on the target, and the batches that it is about."""

    acl: Acl
    batches: tuple[str, ...]


def copies(scope: Scope, source: Sequence[Acl], target: Sequence[Acl], ours: Iterable[str] = ()) -> list[AclCopy]:
    """Return the source's ACLs on topics, groups and transactional ids of the plan that the target lacks.

    ours: principals of the plan's own properties, whose rights are checked by what each step needs.
    """
    own = set(ours)
    there, index = {_key(acl) for acl in target}, AclIndex(target)
    writers = {
        batch.name: {acl.principal for acl in source if acl.operation in ("WRITE", "ALL") and _covered(acl, batch)}
        for batch in scope.batches
    }
    found = []
    for acl in source:
        if acl.principal in own or _key(acl) in there:
            continue
        covered = {batch.name: _covered(acl, batch) for batch in scope.batches}
        if acl.resource == "TRANSACTIONAL_ID":  # an application's, if it may write to a topic of the batch
            about = tuple(batch.name for batch in scope.batches if acl.principal in writers[batch.name])
        else:
            about = tuple(name for name, resources in covered.items() if resources)
        resources = [each for its in covered.values() for each in its]
        if about and not _granted_otherwise(acl, resources, index):
            found.append(AclCopy(acl, about))
    return found


def _key(acl: Acl) -> tuple[str, ...]:
    return acl.principal, acl.host, acl.permission, acl.operation, acl.resource, acl.name, acl.pattern


def _covered(acl: Acl, batch: ScopedBatch) -> list[Resource]:
    """Return the batch's topics or groups that an ACL is about."""
    names: Collection[str]
    if acl.resource == "TOPIC":
        names, kind = batch.topic_set, "TOPIC"
    elif acl.resource == "GROUP":
        names, kind = batch.groups.keys(), "GROUP"
    else:
        return []
    if acl.pattern == "PREFIXED":
        chosen = [name for name in names if name.startswith(acl.name)]
    else:
        chosen = list(names) if acl.name == "*" else [acl.name] if acl.name in names else []
    return [Resource(kind, name) for name in chosen]  # type: ignore[arg-type]


def _granted_otherwise(acl: Acl, resources: Sequence[Resource], target: AclIndex) -> bool:
    """Return whether other ACLs of the target grant the same on all topics and groups that this one is about."""
    if acl.permission != "ALLOW" or acl.operation not in _CHECKED or not resources:
        return False
    operation = Operation(acl.operation)
    return all(allowed(target, acl.principal, operation, each) == Answer.GRANTED for each in resources)


def findings(found: Iterable[AclCopy]) -> list[Finding]:
    """Return a finding for each principal."""
    by_principal: dict[str, list[AclCopy]] = {}
    for each in found:
        by_principal.setdefault(each.acl.principal, []).append(each)
    return [_finding(principal, its) for principal, its in sorted(by_principal.items())]


def _finding(principal: str, its: Sequence[AclCopy]) -> Finding:
    batches = {name for each in its for name in each.batches}
    shown = listed([_shown(each.acl) for each in its])
    return Finding(
        "acls-on-target",
        Severity.WARNING,
        f"{principal} on the target",
        f"has ACLs on the source that the target lacks: {shown}; MirrorMaker 2 as kafka-cutover sets it up copies none",
        "comparison of source and target",
        "create them on the target before the batch moves, --acl prints the commands; ignore this if the application "
        "logs in there as another principal",
        next(iter(batches)) if len(batches) == 1 else None,
    )


def _shown(acl: Acl) -> str:
    prefix = "prefix " if acl.pattern == "PREFIXED" else ""
    deny = "Deny " if acl.permission == "DENY" else ""
    return f"{deny}{operation_words(acl.operation)} on {acl.resource.lower().replace('_', ' ')} {prefix}{acl.name}"
