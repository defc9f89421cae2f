"""Rehearse and run the cutover of applications from Apache Kafka to AutoMQ."""

from importlib.metadata import version

__version__ = version("kafka-cutover")
