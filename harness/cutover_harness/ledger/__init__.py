"""The ledger: records that each application process sent, got acknowledged, received and committed."""

from cutover_harness.ledger.fingerprint import fingerprint
from cutover_harness.ledger.format import LedgerError
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
