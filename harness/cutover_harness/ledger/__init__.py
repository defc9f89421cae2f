"""The ledger: what every application process sent, had acknowledged, was delivered and committed."""

from cutover_harness.ledger.identity import HEADER, Identity, decode, encode, stream_id

__all__ = ["HEADER", "Identity", "decode", "encode", "stream_id"]
