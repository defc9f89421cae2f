"""Faults that need a cluster of several brokers, besides those of one broker of several."""

from __future__ import annotations

from cutover_harness.faults.elect import Elect
from cutover_harness.faults.reassign import Reassign
from cutover_harness.faults.roll import Roll

OfSeveral = Roll | Reassign | Elect
