"""Rehearse and run the cutover of applications from Apache Kafka to AutoMQ: testbed, mirror, replay, judge, conductor."""

from importlib.metadata import version

__version__ = version("kafka-cutover")
