"""Rules about Connect: version, plugins, cluster, configurations, reach, and connectors that move. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cutover_harness.mirror.spec import Batch
from cutover_harness.planning.model import Mover
from cutover_harness.preflight.model import Finding, Severity, Version
from cutover_harness.preflight.planned.connect_facts import PLUGINS, PREFIX, ConnectSeen, RunningConnector
from cutover_harness.preflight.planned.facts import Facts
from cutover_harness.procedure.names import StepName
from cutover_harness.words import listed

REST = "Connect's REST interface"
STOPS: Version = (3, 5)
"""KIP-875: a connector can be stopped, and its offsets read."""
REVERSES: Version = (3, 7)
"""KIP-875 and KIP-980: offsets can be set, and a connector can be created stopped."""


def usable(facts: Facts) -> Iterator[Finding]:
    """Find plans without Connect, and a Connect that does not answer."""
    if facts.connect is None:
        yield _unknown("plan", "names no Connect: nothing of the mirror was checked", "set connect.url in the plan")
    elif facts.connect.problem is not None:
        yield Finding(
            "connect",
            Severity.BLOCKER,
            f"Connect at {facts.connect.address}",
            f"cannot be used: {facts.connect.problem}",
            REST,
            "correct connect.url and connect.properties in the plan, or start Connect",
        )


def _answering(facts: Facts) -> ConnectSeen | None:
    return facts.connect if facts.connect is not None and facts.connect.problem is None else None


def version(facts: Facts) -> Iterator[Finding]:
    """Find a Connect that lacks what the mirror needs."""
    connect = _answering(facts)
    if connect is None:
        return
    number = connect.number
    subject = f"Connect at {connect.address}, version {connect.version}"
    if number is None:
        yield _unknown(subject, "is not compared: it has another form than Kafka's", "check that it is 3.7 or later")
    elif number < STOPS:
        yield Finding(
            "connect-version",
            Severity.BLOCKER,
            subject,
            "cannot stop a connector or report its offsets (KIP-875, 3.5), which the mirror needs; MirrorMaker 2 "
            "before 3.4.1 also translates offsets too far, so that records are lost (KAFKA-12468)",
            "Kafka's release notes",
            "use Connect 3.7 or later: it may be newer than both clusters",
        )
    elif number < REVERSES:
        paths = [batch.planned.path for batch in facts.scope.batches]
        steps = {step.step for path in paths if not isinstance(path, str) for step in path}
        yield Finding(
            "connect-version",
            Severity.BLOCKER if StepName.REVERSE_MIRROR in steps else Severity.WARNING,
            subject,
            "cannot set the offsets of a connector (3.6) or create it stopped (3.7): without the reverse mirror there "
            "is no rollback once producers write to the target",
            "KIP-875 and KIP-980",
            "use Connect 3.7 or later",
        )


def plugins(facts: Facts) -> Iterator[Finding]:
    """Find a Connect without MirrorMaker 2."""
    connect = _answering(facts)
    if connect is not None and (missing := [each for each in PLUGINS if each not in connect.plugins]):
        yield Finding(
            "connect-plugins",
            Severity.BLOCKER,
            f"Connect at {connect.address}",
            f"lacks {listed([each.rpartition('.')[2] for each in missing])}",
            REST,
            "add connect-mirror and connect-mirror-client of the same version to its workers' class path",
        )


def cluster(facts: Facts) -> Iterator[Finding]:
    """Find a Connect whose workers write to another cluster than the target."""
    connect = _answering(facts)
    if connect is None:
        return
    subject = f"Connect at {connect.address}"
    if connect.cluster_id is None or facts.target.cluster_id is None:
        yield _unknown(subject, "does not tell which cluster it works on, or the target has no id", "check it by hand")
    elif connect.cluster_id != facts.target.cluster_id:
        where = "the source" if connect.cluster_id == facts.source.cluster_id else f"cluster {connect.cluster_id}"
        yield Finding(
            "connect-cluster",
            Severity.BLOCKER,
            subject,
            f"works on {where}, not on the target: MirrorMaker 2 writes records with its workers' producers, which "
            "would write them there",
            "kafka_cluster_id of Connect, and the id of the target",
            "use a Connect whose bootstrap.servers are the target's",
        )


def configurations(facts: Facts) -> Iterator[Finding]:
    """Find configurations of the mirror that Connect refuses, as by its policy for overrides of clients."""
    connect = _answering(facts)
    for batch, errors in ({} if connect is None else connect.invalid).items():
        yield Finding(
            "mirror-config",
            Severity.BLOCKER,
            "mirror",
            f"has a configuration that Connect refuses: {listed(list(errors))}",
            "PUT /connector-plugins/…/config/validate, which creates nothing",
            "correct what is named; overrides of clients need connector.client.config.override.policy=All on workers",
            batch,
        )


def reach(facts: Facts) -> Iterator[Finding]:
    """Find clusters that Connect does not reach, or of which that is not known."""
    connect = _answering(facts)
    if connect is None:
        return
    subject, probe = f"Connect at {connect.address}", connect.probe
    if probe is None:
        yield _unknown(
            subject,
            "may not reach both clusters: only a connector can prove it",
            "repeat with --probe-connect, which creates a connector and a topic on the target, and removes them",
        )
        return
    for name, reached in probe.reached.items():
        if reached is None:
            yield _unknown(
                subject,
                f"may not reach the {name}: no group has committed offsets there, by which a probe could tell",
                "commit offsets of a group, and repeat",
            )
    if unreached := [name for name, reached in probe.reached.items() if reached is False]:
        yield Finding(
            "connect-reach",
            Severity.BLOCKER,
            subject,
            f"does not reach the {' and the '.join(unreached)}: {probe.why or 'the probe ended before'}",
            "a connector of --probe-connect, which was removed again",
            "check addresses, firewalls, certificates and logins from Connect's workers; addresses and properties "
            "of their own can be in the properties of Connect",
        )
    if probe.left:
        yield _left(subject, listed(list(probe.left)))


def left_behind(facts: Facts) -> Iterator[Finding]:
    """Find what an earlier probe could not remove, and mirrors that exist already."""
    connect = _answering(facts)
    if connect is None:
        return
    subject = f"Connect at {connect.address}"
    if old := [f"connector {name}" for name in connect.names if name.startswith(PREFIX)]:
        yield _left(subject, listed(old))
    for batch in facts.scope.batches:
        theirs = set(Batch(batch.name, (), ()).connectors) | set(Batch(batch.name, (), ()).reverse.connectors)
        if there := sorted(theirs & set(connect.names)):
            yield Finding(
                "existing-mirror",
                Severity.WARNING,
                subject,
                f"has connectors of this batch already: {listed(there)}",
                REST,
                "resume the run that created them, or delete them",
                batch.name,
            )


def _left(subject: str, what: str) -> Finding:
    return Finding(
        "probe-left",
        Severity.WARNING,
        subject,
        f"was probed, and this could not be removed: {what}",
        "a connector of --probe-connect",
        "delete it",
    )


def movers(facts: Facts) -> Iterator[Finding]:
    """Find connectors that the plan moves, and that do not exist or do not run."""
    for batch in facts.scope.batches:
        for kind, found in (("group", batch.groups), ("producer", batch.planned.producers)):
            for name, mover in found.items():
                if mover.connector is not None:
                    yield from _mover(facts, batch.name, f"{kind} {name}", name if kind == "group" else None, mover)


def _mover(facts: Facts, batch: str, subject: str, group: str | None, mover: Mover) -> Iterator[Finding]:
    running = facts.connectors.get(mover.connector or "")
    why = _wrong(running, group)
    if why is not None:
        yield Finding(
            "connector",
            Severity.BLOCKER,
            subject,
            f"moves with connector {mover.connector}, which {why}",
            REST,
            "correct the name in the plan, start the connector, or name its Connect cluster in connect_clusters",
            batch,
        )


def _wrong(running: RunningConnector | None, group: str | None) -> str | None:
    if running is None:
        return "no Connect that was asked has"
    if running.state != "RUNNING":
        return f"is {running.state}" + (f": {running.failure}" if running.failure else "")
    if others := [state for state in running.tasks if state != "RUNNING"]:
        return f"has a task that is {others[0]}" + (f": {running.failure}" if running.failure else "")
    if not running.tasks:
        return "has no task"
    if group is not None and running.group != group:
        return "is no sink connector" if running.group is None else f"reads as group {running.group}"
    return None


def _unknown(subject: str, reason: str, remedy: str) -> Finding:
    return Finding("connect-unknown", Severity.UNKNOWN, subject, reason, "what could not be read is no pass", remedy)


RULES = (usable, version, plugins, cluster, configurations, reach, left_behind, movers)
