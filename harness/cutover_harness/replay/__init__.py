"""Replay of a capture through real application processes, each keeping a ledger of what it did."""

from cutover_harness.replay.config import ConsumerConfig, ProducerConfig, Share, Transactions
from cutover_harness.replay.fleet import Fleet, FleetShape, Member

__all__ = ["ConsumerConfig", "Fleet", "FleetShape", "Member", "ProducerConfig", "Share", "Transactions"]
