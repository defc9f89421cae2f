"""The testbed whose target is AutoMQ, run from an unpacked distribution on an S3 store."""

from cutover_harness.testbed.automq.options import AutomqOptions
from cutover_harness.testbed.automq.testbed import AutomqTestbed

__all__ = ["AutomqOptions", "AutomqTestbed"]
