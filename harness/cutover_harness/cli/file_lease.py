"""Whether somebody holds the lease of documents that a person is about to write."""

from __future__ import annotations

import time
from contextlib import closing

from cutover_harness.channels.base import ChannelWriter
from cutover_harness.channels.file import FileWriter
from cutover_harness.channels.lease_file import LeaseFile, lease_file_of
from cutover_harness.channels.lease_topic import LeaseTopic
from cutover_harness.channels.leases import LeaseStore, moment
from cutover_harness.channels.topic import TopicWriter
from cutover_harness.cli.file_channels import Opened
from cutover_harness.conductor.holders import is_gone
from cutover_harness.errors import UsageError


def refuse_leased(found: Opened) -> None:
    """Raise UsageError if a run, on whatever machine, holds the lease of a channel: it would find a foreign document.

    A lease that has expired, or whose process has ended, keeps nobody from writing by hand.
    """
    for writer in found.writers:
        store = _store(writer, found.keys)
        if store is None:
            continue
        with closing(store):
            lease = store.read()
        if lease is not None and not lease.ended and time.time() < lease.until and not is_gone(lease.holder):
            raise UsageError(
                f"{writer.name}: {lease.words}, until {moment(lease.until)}: a document of somebody else would stop "
                f"that run: wait for its end, or use kafka-cutover rollback in its folder; nothing was changed"
            )


def _store(writer: ChannelWriter, keys: tuple[bytes, ...]) -> LeaseStore | None:
    if isinstance(writer, TopicWriter):
        return LeaseTopic(writer.topic_name, writer.config, keys=keys, redact=writer.redact)
    return LeaseFile(lease_file_of(writer.path)) if isinstance(writer, FileWriter) else None
