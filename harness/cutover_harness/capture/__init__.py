"""Recorded traffic: the capture file, the recorder that makes it, and what can be said about it."""

from cutover_harness.capture.format import (
    SCHEMA,
    CaptureError,
    CaptureInfo,
    CaptureReader,
    GroupOffsets,
    TopicInfo,
)
from cutover_harness.capture.writer import CaptureWriter, record_batch

__all__ = [
    "SCHEMA",
    "CaptureError",
    "CaptureInfo",
    "CaptureReader",
    "CaptureWriter",
    "GroupOffsets",
    "TopicInfo",
    "record_batch",
]
