"""A mounted cutover file that is never refreshed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from cutover_harness.errors import UnavailableError
from cutover_harness.faults.base import Injected, LastingFault, Proof, Rehearsed
from cutover_harness.faults.context import FaultContext, Mounted
from cutover_harness.waits import wait_until

_POLL_S = 0.05


class Pin(LastingFault):
    """Leave one instance with the cutover file that it has, as a pod that mounts it with `subPath`."""

    does = (
        "the copy of `instance` (default: the fleet's first consumer) is not refreshed any more, as a file that is "
        "mounted with `subPath`; at the end the instance is stopped and started with the present file, as a pod that "
        "is recreated"
    )
    proved_by = "its copy is older than another instance's"
    leaves_open: ClassVar[Mapping[str, str]] = {"mount": "a pod whose cutover file is never refreshed (subPath)"}

    kind: Literal["pin"]
    of: Literal["mount"]
    instance: str | None = Field(default=None, description="Instance that never follows, such as billing-1.")

    def unfit(self, rehearsed: Rehearsed) -> str | None:
        """Refuse apps that all follow the one file."""
        return None if rehearsed.mounted else f"{self.name} needs mounted files: set fleet.file_delay"

    def inject(self, context: FaultContext) -> Injected:
        """Pin it; it is recreated at the end."""
        fleet, mounts = context.fleet, context.mounts
        if mounts is None:
            raise UnavailableError("instances follow the cutover file itself: no copy can be pinned")
        instance = self.instance or fleet.instances("consumer")[0]
        fleet.member(instance)  # raises if there is none
        mounts.pin(instance)
        return Injected(lambda: _proof(mounts, instance, context.patience_s), lambda: fleet.recreate(instance))


def _proof(mounts: Mounted, instance: str, within_s: float) -> Proof:
    def proof() -> Proof:
        has = {name: -1 if generation is None else generation for name, generation in mounts.generations().items()}
        newest = max(has.values())
        late = has[instance] < newest
        return Proof(late, f"the copy of {instance} has generation {has[instance]}, the newest copy {newest}")

    return wait_until(proof, within_s, done=lambda last: last.held, backoff_s=_POLL_S)
