"""The lease of a command that writes documents: taken before its first write, renewed, and ended with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cutover_harness import runs
from cutover_harness.channels.leases import Holder, Lease
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.holders import this_process
from cutover_harness.conductor.leasing import (
    Hold,
    Renewal,
    folder_of,
    refuse_held,
    stores_of,
    take,
)
from cutover_harness.cutover.audit import Audit, who
from cutover_harness.cutover.batches import hooks_of
from cutover_harness.errors import LeaseLostError, UsageError

TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Take over the lease of a run that is lost, when it has expired.")
]


@dataclass(frozen=True)
class Held:
    """A lease that this command holds; without one (a rehearsal's folder) all of it does nothing."""

    hold: Hold | None = None
    renewal: Renewal | None = None

    @property
    def id(self) -> str | None:
        """What the conductor is given, which looks itself before it writes."""
        return None if self.hold is None else self.hold.id

    def check(self) -> None:
        """Raise LeaseLostError if a renewal found that somebody else has the lease. Asks nothing."""
        if self.renewal is not None and self.renewal.lost is not None:
            raise self.renewal.lost

    def fence(self) -> None:
        """Look whether this command still has the lease, before it writes. Raises LeaseLostError."""
        if self.hold is not None:
            self.hold.check()


NO_LEASE = Held()


@dataclass(frozen=True)
class Leasing:
    """How a command takes the lease. audit: None for a folder without an audit log."""

    config: ConductorConfig
    command: str
    take_over: bool
    audit: Audit | None

    def refuse(self) -> None:
        """Raise UsageError if somebody else has the lease. Changes nothing."""
        if not self.config.leased:
            return
        stores = stores_of(self.config)
        try:
            refuse_held(stores, self._me, time.time(), take_over=self.take_over)
        finally:
            for store in stores:
                store.close()

    @contextmanager
    def held(self) -> Iterator[Held]:
        """Hold the lease until the context ends. Raises UsageError if somebody else has it."""
        config = self.config
        if not config.leased:
            yield NO_LEASE
            return
        stores = stores_of(config)
        try:
            taken = take(stores, self._me, config.lease_s, take_over=self.take_over, watching=_watching)
            ended = {"event": "lease ended"}
            try:
                self._note("lease taken", lease=taken.hold.id, lasts_s=config.lease_s, replaced=_facts(taken.replaced))
                with Renewal(taken.hold, config.lease_s) as renewal:
                    yield Held(taken.hold, renewal)
            except LeaseLostError as why:
                ended = {"event": "lease lost", "why": str(why)}
                raise
            finally:
                taken.hold.end()
                with suppress(UsageError):  # what ended the command is more important than its log
                    self._note(lease=taken.hold.id, **ended)
        finally:
            for store in stores:
                store.close()

    @classmethod
    def of(cls, config: ConductorConfig, folder: Path, command: runs.What, *, take_over: bool) -> Leasing:
        """Return how a command for a batch's folder takes the lease; with the audit log if it is that of a plan."""
        hooks = hooks_of(folder, command)
        return cls(config, command, take_over, None if hooks is None else hooks.audit)

    @property
    def _me(self) -> Holder:
        return this_process(who(), self.command, self.config.route, folder_of(self.config))

    def _note(self, event: str, **detail: object) -> None:
        if self.audit is not None:
            self.audit.write(event, batch=self.config.route, **detail)


def _watching(seconds: float) -> None:
    typer.echo(f"watching the lease for {seconds:.0f} s, to make sure that nobody renews it", err=True)


def _facts(lease: Lease | None) -> dict[str, object] | None:
    return None if lease is None else {"lease": lease.id, "who": lease.holder.who, "pid": lease.holder.pid}
