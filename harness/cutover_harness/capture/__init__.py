"""Recorded traffic: the capture file, its recorder, and its statistics."""

from cutover_harness.capture.format import (
    SCHEMA,
    CaptureError,
    CaptureInfo,
    CaptureReader,
    GroupOffsets,
    TopicInfo,
)
from cutover_harness.capture.options import RecordOptions
from cutover_harness.capture.writer import CaptureWriter, record_batch

__all__ = [
    "SCHEMA",
    "CaptureError",
    "CaptureInfo",
    "CaptureReader",
    "CaptureWriter",
    "GroupOffsets",
    "RecordOptions",
    "TopicInfo",
    "record_batch",
]
