"""What scenarios of a plan are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cutover_harness.capture.format import TopicInfo
from cutover_harness.inventory.model import Listing
from cutover_harness.judge.planned import Planned
from cutover_harness.planning.model import PlanFile


@dataclass(frozen=True)
class Source:
    """What scenarios are made of.

    origin: the plan's file, for messages. about: name and hashes of plan and inventory, without a batch. recorded: the
    topics of the capture that is replayed; None: traffic is generated to the inventory's figures. connectors: whether
    the testbed can run file connectors.
    """

    plan: PlanFile
    listing: Listing
    origin: str
    about: Planned
    recorded: Mapping[str, TopicInfo] | None = None
    connectors: bool = True
