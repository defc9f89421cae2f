"""Whether a conductor is writing to a channel, before a person writes to it."""

from __future__ import annotations

from pathlib import Path

from cutover_shim.channel import FILE

from cutover_harness.conductor.config import BATCHES, LOCK
from cutover_harness.conductor.owner import folders_of
from cutover_harness.errors import UsageError
from cutover_harness.locks import FileLock, HeldError


def refuse_running_conductor(channel: str) -> None:
    """Raise UsageError if a conductor on this machine is writing to the cutover file that this channel names."""
    if not channel.startswith(FILE):
        return
    file = Path(channel.removeprefix(FILE)).absolute()
    for folder in [file.parent, *sorted((file.parent / BATCHES).glob("*")), *folders_of(file)]:
        try:
            FileLock.probe(folder / LOCK)
        except HeldError as why:
            raise UsageError(
                f"{channel}: a conductor is writing to it, {why.holder}, and would stop at its next step: stop it "
                f"first, or use kafka-cutover rollback"
            ) from None
