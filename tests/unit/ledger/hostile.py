"""Ledgers with damaged or foreign files, for tests."""

import json
from pathlib import Path

import pytest
from cutover_harness.ledger import LedgerError, read_ledgers
from cutover_harness.ledger.columns import ALL_STREAMS
from cutover_harness.ledger.format import META

HEAD = "event,cluster,topic,partition,offset,key,sequence,time_ns\n"
DEEP = "[" * 200_000 + "]" * 200_000
ROW_TEXT = "DELIVERED,source,orders,0,7,k,7,1764000000000000000\n"
PLAIN = {"format": 1, "instance": "a", "role": "consumer", "group": "g", "run": 1}


def write(folder: Path, events: str | None, content: str | bytes = "", **meta: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / META).write_text(json.dumps(PLAIN | meta))
    if events is not None:
        (folder / events).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def refused(folder: Path, *, names: str) -> str:
    """Return what is said of a folder of ledgers, all of whose rows are asked for."""

    def read() -> None:
        for ledger in read_ledgers(folder).instances:
            ledger.rows.records(*ALL_STREAMS)
            ledger.rows.control()
            ledger.rows.sample(10)
            ledger.rows.times(10)
            ledger.names([1])

    with pytest.raises(LedgerError) as error:
        read()
    said = str(error.value)
    assert "\n" not in said
    assert len(said) < 700
    assert names in said
    said.encode()  # it can be printed
    return said
