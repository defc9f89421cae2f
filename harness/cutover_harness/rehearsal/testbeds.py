"""Which testbed a rehearsal gets: the one place that knows their kinds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cutover_harness.mirror import Mirror
from cutover_harness.mirror.clients import seen_by_connect
from cutover_harness.plan.batch import Route
from cutover_harness.rehearsal.settings import Settings
from cutover_harness.testbed import ProcessTestbed, Testbed
from cutover_harness.testbed.automq import AutomqTestbed
from cutover_harness.testbed.docker.testbed import DockerTestbed


def new_testbed(settings: Settings, workdir: Path) -> Testbed:
    """Return a testbed of the kind that `settings` asks for, not started yet, which writes below `workdir`.

    Raises UsageError where this environment cannot have one.
    """
    if settings.testbed == "docker":
        return DockerTestbed(
            workdir,
            settings.docker,
            exactly_once=settings.exactly_once,
            ports=settings.ports,
            target_ack_delay_ms=settings.target_ack_delay_ms,
        )
    source_port, target_port, connect_port = settings.ports or (None, None, None)
    if settings.testbed == "automq" and settings.automq is not None:
        return AutomqTestbed(
            workdir,
            settings.automq,
            source_version=settings.source_version,
            exactly_once=settings.exactly_once,
            source_port=source_port,
            target_port=target_port,
            connect_port=connect_port,
        )
    return ProcessTestbed(
        workdir,
        source_version=settings.source_version,
        exactly_once=settings.exactly_once,
        target_ack_delay_ms=settings.target_ack_delay_ms,
        source_port=source_port,
        target_port=target_port,
        connect_port=connect_port,
    )


def mirror_on(testbed: Testbed, source: Mapping[str, str], target: Mapping[str, str], route: Route) -> Mirror:
    """Return a mirror of `route` between the clusters of `testbed`, whose librdkafka properties are given."""
    return Mirror(
        testbed.connect_url,
        seen_by_connect(source, testbed.source.connect_bootstrap),
        seen_by_connect(target, testbed.target.connect_bootstrap),
        batch=route.name,
        topics=route.patterns,
        exclude=route.exclude,
        groups=route.groups,
        exactly_once=testbed.exactly_once,
    )
