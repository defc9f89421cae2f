"""Replay of a capture through real application processes, each with a ledger of its events."""

from cutover_harness.replay.config import ConsumerConfig, ProducerConfig, Share, Transactions
from cutover_harness.replay.fleet import Fleet, Member
from cutover_harness.replay.shape import FleetShape

__all__ = ["ConsumerConfig", "Fleet", "FleetShape", "Member", "ProducerConfig", "Share", "Transactions"]
