"""The ledger: records that each application process sent, got acknowledged, received and committed."""

from typing import TYPE_CHECKING

from cutover_harness.lazy import lazily
from cutover_harness.ledger.fingerprint import fingerprint  # here, as a module has this name too

if TYPE_CHECKING:
    from cutover_harness.ledger.errors import LedgerError
    from cutover_harness.ledger.identity import HEADER, Identity, decode, encode, stream_id
    from cutover_harness.ledger.reader import InstanceLedger, Ledgers, read_ledger, read_ledgers, seal_ledgers
    from cutover_harness.ledger.writer import LedgerWriter

__all__ = [
    "HEADER",
    "Identity",
    "InstanceLedger",
    "LedgerError",
    "LedgerWriter",
    "Ledgers",
    "decode",
    "encode",
    "fingerprint",
    "read_ledger",
    "read_ledgers",
    "seal_ledgers",
    "stream_id",
]

__getattr__ = lazily(
    __name__,
    {
        "HEADER": "identity",
        "Identity": "identity",
        "InstanceLedger": "reader",
        "LedgerError": "errors",
        "LedgerWriter": "writer",
        "Ledgers": "reader",
        "decode": "identity",
        "encode": "identity",
        "read_ledger": "reader",
        "read_ledgers": "reader",
        "seal_ledgers": "reader",
        "stream_id": "identity",
    },
)
