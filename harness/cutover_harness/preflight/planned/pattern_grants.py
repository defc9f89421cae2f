"""Grants for patterns of which the source shows no topic, so that rights on its topics cannot be tested. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cutover_harness.globs import is_glob
from cutover_harness.preflight.planned.facts import Facts
from cutover_harness.preflight.planned.grants import UNKNOWN_PRINCIPAL, Grant
from cutover_harness.preflight.planned.needs import Resource

_SPECIAL = "*?["


def of_patterns(facts: Facts) -> Iterator[Grant]:
    """Return the grant with which the topics of a pattern can be seen; the next preflight then tests rights on them.

    Only for batches of which no topic is shown: whether others have topics that are hidden cannot be known.
    """
    rights = facts.source.rights
    if rights.authorizer is False:
        return
    for batch in facts.scope.batches:
        for pattern in batch.planned.topics if not batch.topics else ():
            if not is_glob(pattern):
                continue  # its rights are tested by its name
            prefix = pattern[: min(pattern.index(c) for c in _SPECIAL if c in pattern)]
            yield Grant(
                "source",
                rights.principal or UNKNOWN_PRINCIPAL,
                ("Describe",),
                (Resource("TOPIC", prefix or "*"),),
                f"batch {batch.name}: the source shows no topic that matches {pattern}; repeat the preflight then",
                prefixed=bool(prefix),
            )
