"""How long a document took to reach the clients of the shim, measured with a generation that changes nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cutover_harness.preflight.model import Finding, Severity
from cutover_harness.preflight.planned.facts import Facts
from cutover_harness.words import counted, listed

MEASURED = "a generation with unchanged content, and the statuses of the clients"


def unmeasured(facts: Facts) -> Iterator[Finding]:
    """Find plans whose channels were not measured."""
    names = [each.channel for each in facts.scope.plan.reach]
    if facts.spread is None and names and facts.fleet is not None and facts.fleet.clients:
        yield Finding(
            "spread",
            Severity.UNKNOWN,
            f"channels {listed(names)}",
            "were not measured: how long a document takes to reach all clients is not known",
            "what could not be read is no pass",
            "repeat with --measure-spread, which writes the present document to them with the next generation",
        )


def measured(facts: Facts) -> Iterator[Finding]:
    """Report how long the document took, and find clients that it did not reach, or too late for the gates."""
    found = facts.spread
    if found is None:
        return
    if found.missing:
        yield Finding(
            "spread",
            Severity.BLOCKER,
            f"clients {listed(list(found.missing))}",
            f"did not see generation {found.generation} within {found.waited_s:g} s: they would not follow a switch",
            MEASURED,
            "check their channel, key and status with kafka-cutover fleet",
        )
    if not found.seen_s:
        return
    first, last = min(found.seen_s.values()), max(found.seen_s.values())
    slowest = max(found.seen_s, key=lambda name: found.seen_s[name])
    patience = min((batch.planned.gates.deadline_s for batch in facts.scope.batches), default=last)
    yield Finding(
        "spread",
        Severity.WARNING if last >= patience else Severity.NOTE,
        f"generation {found.generation}",
        f"reached {counted(len(found.seen_s), 'client')} {first:.2f} to {last:.2f} s after it was written, "
        f"{slowest} last" + (f": a gate's deadline is {patience:g} s" if last >= patience else ""),
        MEASURED + "; a client's time is by the clock of its own host",
        "set gates.deadline_s above it, or use a faster channel: a control topic, or the ConfigMap itself"
        if last >= patience
        else "nothing: applications are on hold for so long at each switch",
    )


RULES = (unmeasured, measured)
