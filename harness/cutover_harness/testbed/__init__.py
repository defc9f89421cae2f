"""Testbeds: a source cluster, a target cluster and Kafka Connect, created for a rehearsal or given."""

from cutover_harness.testbed.base import Cluster, Node, Testbed, TestbedError
from cutover_harness.testbed.process import ProcessTestbed

__all__ = ["Cluster", "Node", "ProcessTestbed", "Testbed", "TestbedError"]
