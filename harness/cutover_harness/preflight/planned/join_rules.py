"""Rules about how long groups take to join the target. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cutover_harness.preflight.model import Finding, Severity, number
from cutover_harness.preflight.planned.facts import Facts
from cutover_harness.words import listed

SETTING = "group.initial.rebalance.delay.ms"
_SHORT_MS = 500


def initial_delay(facts: Facts) -> Iterator[Finding]:
    """Find batches whose groups wait on the target before their first member gets a record."""
    # Without it its settings could not be read, which is a gap.
    delay_ms = number(facts.target.cluster.broker.get(SETTING))
    if delay_ms is None or delay_ms <= _SHORT_MS:
        return
    for batch in facts.scope.batches:
        if batch.groups:
            yield Finding(
                "join-delay",
                Severity.WARNING,
                f"group{'s' if len(batch.groups) > 1 else ''} {listed(sorted(batch.groups))}",
                f"get no record for at least {delay_ms / 1000:g} s after the switch, and about twice as long with "
                f"several members: the target has {SETTING}={delay_ms}, for which a new group waits when its first "
                "member joins, and once more if others have joined meanwhile",
                "Kafka's broker settings, and measured: docs/preflight.md",
                f"set {SETTING} to 0 on the target's brokers, which needs their restart, or accept the blackout",
                batch.name,
            )


RULES = (initial_delay,)
