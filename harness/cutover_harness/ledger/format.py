"""Version 1 of the ledger's format: names, numbers and widths shared by writer, readers and imports.

`docs/ledger.md` is the specification for those who write a ledger with another tool.
"""

import struct
from typing import Final

import numpy as np

VERSION: Final = 1

#: Files of one process's folder.
META: Final = "ledger.json"
JOURNAL: Final = "journal.bin"
NAMES: Final = "names.jsonl"
SEALED: Final = "events.parquet"
CSV: Final = "events.csv"
JSON_LINES: Final = "events.jsonl"

SENT, ACKED, FAILED, DELIVERED, COMMITTED, ASSIGNED, REVOKED, ABORTED = range(1, 9)
EVENTS: Final = ("SENT", "ACKED", "FAILED", "DELIVERED", "COMMITTED", "ASSIGNED", "REVOKED", "ABORTED")

SOURCE, TARGET, UNKNOWN = 0, 1, 255
CLUSTER_NAMES: Final = {SOURCE: "source", TARGET: "target", UNKNOWN: "unknown"}

NO_OFFSET: Final = -1
NO_SEQUENCE: Final = -1

# The event comes last in a row: a row counts once its event is not zero, so a kill in mid-write leaves an empty row.
ROW: Final = struct.Struct("<qqQqiHBB")
ROW_DTYPE: Final = np.dtype(
    [
        ("offset", "<i8"),
        ("sequence", "<i8"),
        ("stream", "<u8"),
        ("time_ns", "<i8"),
        ("partition", "<i4"),
        ("topic", "<u2"),
        ("cluster", "u1"),
        ("event", "u1"),
    ]
)
assert ROW_DTYPE.itemsize == ROW.size  # noqa: S101 - the two describe the same bytes

MAGIC: Final = b"KCLEDGER"
HEADER_SIZE: Final = 64
HEADER: Final = struct.pack("<8sHH", MAGIC, VERSION, ROW.size).ljust(HEADER_SIZE, b"\0")


#: The values that a row's numbers can have; a value outside was not written by any tool that follows the format.
RANGES: Final = {
    "partition": (0, 2**31 - 1),
    "offset": (NO_OFFSET, 2**63 - 1),
    "stream": (0, 2**64 - 1),
    "sequence": (NO_SEQUENCE, 2**63 - 1),
    "time_ns": (-(2**63), 2**63 - 1),
}
MAX_TOPICS: Final = 1 << 16
MAX_LEDGERS: Final = 1 << 15
_LONGEST_TOPIC = 249


def is_topic(name: str) -> bool:
    """Return whether it is a possible topic name: not empty, not longer than Kafka allows, and printable."""
    return 0 < len(name) <= _LONGEST_TOPIC and name.isprintable()
