"""Collect a listing: clusters, Connect clusters and clients of the shim, put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from cutover_harness import __version__
from cutover_harness.inventory.cluster import ClusterReader
from cutover_harness.inventory.completeness import Gaps, is_partial
from cutover_harness.inventory.connectors import read_connect
from cutover_harness.inventory.linking import link_clients, link_connectors, mark_own, set_stale
from cutover_harness.inventory.model import Listing
from cutover_harness.inventory.opening import opened
from cutover_harness.inventory.options import Options
from cutover_harness.inventory.writers import read_clients
from cutover_harness.token_bucket import TokenBucket
from cutover_harness.types import ClusterName


def collect(
    clusters: Mapping[ClusterName, Mapping[str, str]], options: Options, tell: Callable[[str], None]
) -> Listing:
    """Return the listing of the clusters with these librdkafka properties. Only reads.

    Raises UsageError if a cluster or Connect does not answer; everything else that cannot be read is a gap.
    """
    gaps, pace = Gaps(), TokenBucket(options.rate)
    clients = [] if options.statuses is None else read_clients(options.statuses, clusters["source"], gaps)
    connects = [read_connect(url, gaps) for url in options.connect]
    with ExitStack() as stack:
        readers = {
            name: stack.enter_context(opened(name, config, options, gaps, pace, tell))
            for name, config in clusters.items()
        }
        found = read(readers, options, gaps, tell)
    found.clients, found.connect = clients, connects
    return finished(found, gaps, options.statuses)


def finished(listing: Listing, gaps: Gaps, statuses: Path | str | None = None) -> Listing:
    """Return the listing with its parts linked, what is stale, and the gaps. statuses: where they were read."""
    mark_own(listing, statuses)
    link_clients(listing, gaps)
    link_connectors(listing, gaps)
    set_stale(listing, gaps)
    listing.gaps = gaps.all
    listing.partial = is_partial(listing.gaps)
    return listing


def read(
    readers: Mapping[ClusterName, ClusterReader],
    options: Options,
    gaps: Gaps,
    tell: Callable[[str], None],
) -> Listing:
    """Return what the readers find, with a sample between its two readings."""
    for reader in readers.values():
        reader.begin()
    begun = time.monotonic()
    for reader in readers.values():
        reader.details()
    if options.sample_s > 0:
        if (left := begun + options.sample_s - time.monotonic()) > 0:
            tell(f"sample of growth and commits: {left:.0f} s more")
            time.sleep(left)
        for reader in readers.values():
            reader.end()
    else:
        gaps.add("growth and commits", "skipped", "no sample was taken (--sample 0)")
    listings = {name: reader.listing() for name, reader in readers.items()}
    return Listing(
        created=datetime.now(UTC),
        tool=__version__,
        stale_days=options.stale_days,
        sample_s=options.sample_s,
        partial=True,
        clusters=listings,
    )
