"""The secrets that a plan's files hold, so that the output of its commands can be shown without them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from cutover_shim.cutover_file import redacted

from cutover_harness.channels.opening import cluster_of
from cutover_harness.cutover.settings import key_of
from cutover_harness.errors import UsageError
from cutover_harness.masking import masked
from cutover_harness.mirror.connect_properties import read_connect_properties
from cutover_harness.planning.model import Connect
from cutover_harness.planning.read import ReadPlan

_SHORTEST = 4
"""A shorter value would be found in ordinary words."""


def secrets_of(plan: ReadPlan) -> frozenset[str]:
    """Return the values that are secret in the properties, the keys and the addresses that a plan names.

    What cannot be read now is left out: whoever needs it says so.
    """
    found: set[str] = set()
    for read in _readers(plan):
        try:
            found |= set(read())
        except UsageError:
            continue
    return frozenset(value for value in found if len(value) >= _SHORTEST)


def shown(text: str, secrets: Iterable[str]) -> str:
    """Return the output of a command without these values and without what addresses may hold."""
    return redacted(masked(text), secrets)


def _readers(plan: ReadPlan) -> Iterator[Callable[[], Iterable[str]]]:
    content = plan.plan
    for name, cluster in (("source", content.clusters.source), ("target", content.clusters.target)):
        yield lambda name=name, cluster=cluster: cluster_of(name, plan.file(cluster.properties)).secrets  # type: ignore[misc]
    connects: list[Connect] = [each for each in (content.connect, *content.connect_clusters.values()) if each]
    connects += [each.target for each in content.connect_clusters.values() if each.target is not None]
    for connect in connects:
        if connect.properties is not None:
            yield lambda file=connect.properties: read_connect_properties(plan.file(file)).secrets()  # type: ignore[misc]
    if (key := key_of(plan)) is not None:
        yield lambda: [part.strip() for part in plan.secret(key).split(",")]
    for hook in content.webhooks:
        yield lambda url=hook.url: [plan.secret(url)] if "${" in url else []  # type: ignore[misc]
