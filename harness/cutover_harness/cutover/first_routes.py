"""The routes of a plan's batches for a fleet that has no document yet."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from cutover_shim.cutover_file import Cluster

from cutover_harness.admin import Admin
from cutover_harness.cutover.routes import shim_groups, with_route
from cutover_harness.errors import UsageError
from cutover_harness.globs import is_glob, matches
from cutover_harness.planning.model import PlanFile, PlannedBatch
from cutover_harness.planning.read import ReadPlan
from cutover_harness.properties_file import read_properties
from cutover_harness.types import ClusterName

_LOGIN = re.compile(r"sasl\.(username|password|oauthbearer\.)|ssl\.(key|certificate|keystore)\b")


def first_routes(plan: PlanFile, source: Callable[[], Cluster]) -> dict[str, Any]:
    """Return a route for each batch, with its topics and those of its groups that move by `shim`, on the source.

    source: the source cluster, asked for its topics if a batch excludes some by a pattern. Raises UsageError.
    """
    patterns = [pattern for batch in plan.batches for pattern in batch.exclude if is_glob(pattern)]
    return routes_of(plan, _topics(source()) if patterns else ())


def routes_of(plan: PlanFile, topics: Iterable[str]) -> dict[str, Any]:
    """Return the routes of a plan. topics: those of the source, if a batch excludes some by a pattern."""
    data: dict[str, Any] = {"routes": {}}
    for batch in plan.batches:
        staying = {name for name in topics if matches(name, batch.topics) and matches(name, batch.exclude)}
        staying |= {name for name in batch.exclude if not is_glob(name)}
        data = with_route(data, batch, staying)
    routes: dict[str, Any] = data["routes"]
    return routes


def endpoint_of(cluster: ClusterName, given: Path | None, plans: Path) -> Path:
    """Return the file with a cluster's properties for applications.

    Those of the plan are the conductor's; its login would replace the applications' own, so it is refused.
    """
    if given is not None:
        return given
    login = sorted(name for name in read_properties(plans, resolve=False) if _LOGIN.match(name))
    if login:
        raise UsageError(
            f"properties {plans}: {login[0]} is kafka-cutover's own login, and what the document has wins over the "
            f"applications' properties: give --{cluster} FILE with the properties that applications use"
        )
    return plans


def command_of(read: ReadPlan, batch: PlannedBatch) -> str:
    """Return the command that adds the batch's route to the document that is there."""
    plan = read.plan
    words = [str(read.file(way.file)) if way.file is not None else way.channel for way in plan.reach]
    words.append(f"{batch.name}.topics+={','.join(batch.topics)}")
    if groups := shim_groups(batch):
        words.append(f"{batch.name}.groups+={','.join(groups)}")
    if all(way.file is None for way in plan.reach):
        for name, cluster in (("source", plan.clusters.source), ("target", plan.clusters.target)):
            words += ["--cluster", f"{name}={read.file(cluster.properties)}"]
    if plan.key is not None:
        words += ["--key", plan.key]
    return f"kafka-cutover file set {shlex.join(words)}"


def _topics(cluster: Cluster) -> list[str]:
    try:
        return sorted(Admin({key: str(value) for key, value in cluster.properties.items()}).partitions())
    except KafkaException as why:
        raise UsageError(
            f"source: its topics cannot be listed, and a batch excludes some by a pattern: {why.args[0].str()}"
        ) from None
