"""Forged and replayed documents on the control topic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import field_validator

from cutover_harness.errors import UnavailableError
from cutover_harness.faults.base import Fault, Injected, Proof, Rehearsed
from cutover_harness.faults.context import ControlTopicContext, CutoverFileContext, FaultContext
from cutover_harness.faults.forgeries import Forgery, forgeries
from cutover_harness.waits import wait_until

REFUSED_WITHIN_S = 30.0
"""How long clients may take to refuse a document: they read it in milliseconds and report once a second."""
_POLL_S = 0.05


class Forge(Fault):
    """Write documents to the control topic that no client may put in force, as someone without the key could."""

    does = (
        "documents that are unsigned, altered, empty, signed with another key, larger than 1 MiB, torn, binary and old "
        "are written to the control topic on both clusters, one after the other; the path waits"
    )
    proved_by = "every client reports for each of them, within 30 s, why it is refused, and keeps its generation"
    leaves_open: ClassVar[Mapping[str, str]] = {"documents": "forged or replayed documents on a control topic"}

    kind: Literal["forge"]
    of: Literal["documents"]

    @field_validator("when")
    @classmethod
    def _while_nothing_moves(cls, value: str) -> str:
        if value == "after":
            raise ValueError("clients follow the conductor's own document then: forge before a step, or during it")
        return value

    def unfit(self, rehearsed: Rehearsed) -> str | None:
        """Refuse apps that read no control topic."""
        return None if rehearsed.channel == "kafka" else f"{self.name} needs a control topic: set fleet.channel: kafka"

    def inject(self, context: FaultContext) -> Injected:
        """Write one after the other; each has to be refused by all clients before the next one is written."""
        control, file = context.control, context.cutover_file
        if control is None:
            raise UnavailableError("apps read no control topic")
        before = {status.instance: status.generation for status in file.statuses()}
        refused: list[str] = []
        for forgery in forgeries(file.path.read_bytes(), file.first):
            for cluster in control.clusters:
                control.produce(cluster, forgery.content)
            proof = _refused(forgery, before, control, file)
            if not proof.held:
                return Injected.proved(proof)
            refused.append(forgery.name)
        where = " and ".join(control.clusters)
        return Injected.proved(
            Proof(True, f"{len(before)} of {len(before)} clients refuse each on {where}: {', '.join(refused)}")
        )


def _refused(
    forgery: Forgery, before: Mapping[str, int], control: ControlTopicContext, file: CutoverFileContext
) -> Proof:
    """Wait until every client names the document's refusal on every cluster; its generation has to stay."""
    channels = [control.channel(cluster) for cluster in control.clusters]

    def read() -> tuple[list[str], int]:
        statuses = file.statuses()
        moved = [each.instance for each in statuses if each.generation > before.get(each.instance, each.generation)]
        refusing = [s for s in statuses if all(_names(s.rejected or "", each, forgery.refused) for each in channels)]
        return moved, len(refusing)

    moved, refusing = wait_until(
        read, REFUSED_WITHIN_S, done=lambda last: bool(last[0]) or last[1] == len(before), backoff_s=_POLL_S
    )
    if moved:
        return Proof(False, f"{forgery.name}: put in force by {', '.join(moved)}")
    held = 0 < len(before) == refusing
    return Proof(held, f"{forgery.name}: {refusing} of {len(before)} clients report that it is refused")


def _names(rejected: str, channel: str, reason: str) -> bool:
    """Return whether a status names this reason for this channel; reasons of several channels follow each other."""
    _, found, after = rejected.partition(f"{channel}: ")
    return bool(found) and reason in after.partition("; kafka:")[0]
