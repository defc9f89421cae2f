"""Names of the steps, as scenario files, journals and reports spell them."""

from __future__ import annotations

from enum import StrEnum

EXACT_OFFSETS = "exact offsets proved"
PROGRESS = "group progress synchronised"
LAG_UNDER_BAR = "mirror lag under the bar"
"""Gates whose evidence is read from journals, also from those of earlier versions."""


class StepName(StrEnum):
    """One step of a path."""

    CREATE_TASK = "create-task"
    SYNCHRONISE = "synchronise"
    OVERLAP_CONSUMERS = "overlap-consumers"
    STOP_CONSUMERS = "stop-consumers"
    SET_EXACT_OFFSETS = "set-exact-offsets"
    CONSUMERS_TO_TARGET = "consumers-to-target"
    CONSUMERS_TO_SOURCE = "consumers-to-source"
    STOP_PRODUCERS = "stop-producers"
    REVERSE_MIRROR = "reverse-mirror"
    PRODUCERS_TO_TARGET = "producers-to-target"
    PRODUCERS_TO_SOURCE = "producers-to-source"
    DELETE_TASK = "delete-task"
