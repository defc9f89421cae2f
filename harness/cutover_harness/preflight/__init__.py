"""What a migration to AutoMQ meets that Kafka never had, found before it starts."""

from cutover_harness.preflight.check import check
from cutover_harness.preflight.model import Client, Cluster, Finding, Group, Inventory, Plan, Severity, Topic

__all__ = ["Client", "Cluster", "Finding", "Group", "Inventory", "Plan", "Severity", "Topic", "check"]
