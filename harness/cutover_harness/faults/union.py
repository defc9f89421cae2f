"""All faults, as a scenario file may list them: `kind` decides which one it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, get_args

from pydantic import Field

from cutover_harness.faults.base import Fault
from cutover_harness.faults.compact import Compact
from cutover_harness.faults.delay import Delay
from cutover_harness.faults.delete import Delete
from cutover_harness.faults.disconnect import Disconnect
from cutover_harness.faults.expire import Expire
from cutover_harness.faults.forge import Forge
from cutover_harness.faults.freeze import Freeze
from cutover_harness.faults.join import Join
from cutover_harness.faults.kill import Kill
from cutover_harness.faults.loss import Loss
from cutover_harness.faults.pin import Pin
from cutover_harness.faults.recreate import Recreate
from cutover_harness.faults.restart import Restart
from cutover_harness.faults.rewind import Rewind
from cutover_harness.faults.several import OfSeveral
from cutover_harness.faults.tear import Tear

_Faults = (
    Freeze
    | Kill
    | Restart
    | OfSeveral
    | Disconnect
    | Delay
    | Loss
    | Tear
    | Delete
    | Rewind
    | Pin
    | Forge
    | Join
    | Expire
    | Recreate
    | Compact
)
AnyFault = Annotated[_Faults, Field(discriminator="kind")]
"""The type of one entry of `faults`."""

FAULTS: Mapping[str, type[Fault]] = {fault.kind_of_all(): fault for fault in get_args(_Faults)}
"""Every fault by its kind, in the order of the documentation."""


def leaves_open() -> dict[str, str]:
    """Return, for each victim, what is unknown as long as no fault of it was rehearsed."""
    phrases: dict[str, list[str]] = {}
    for fault in FAULTS.values():
        for victim, phrase in fault.leaves_open.items():
            known = phrases.setdefault(victim, [])
            if phrase not in known:
                known.append(phrase)
    return {victim: ", ".join(found) for victim, found in phrases.items()}
