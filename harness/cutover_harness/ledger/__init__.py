"""The ledger: what every application process sent, had acknowledged, was delivered and committed."""

from cutover_harness.ledger.identity import HEADER, Identity, decode, encode, stream_id
from cutover_harness.ledger.writer import LedgerWriter

__all__ = ["HEADER", "Identity", "LedgerWriter", "decode", "encode", "stream_id"]
