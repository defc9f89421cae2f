"""Continue after an application process was restarted: its new ledger, and the records sent before."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np

from cutover_harness.ledger import read_ledger
from cutover_harness.ledger.format import META, SENT


@dataclass(frozen=True)
class Earlier:
    """Records sent by earlier processes of an instance: their number, and the next sequence number by stream."""

    sent: int = 0
    sequences: dict[int, int] = field(default_factory=dict)


def folders(ledger: Path) -> list[Path]:
    """Return the ledgers of the instance whose first one is `ledger`, oldest first: `x`, then `x~2` and so on."""
    found: list[Path] = []
    for number in count(1):
        folder = ledger if number == 1 else ledger.with_name(f"{ledger.name}~{number}")
        if not folder.exists():
            return found
        found.append(folder)
    raise AssertionError("unreachable")


def next_folder(ledger: Path) -> Path:
    """Return the folder for the ledger of a process that starts now."""
    number = len(folders(ledger)) + 1
    return ledger if number == 1 else ledger.with_name(f"{ledger.name}~{number}")


def earlier(ledger: Path) -> tuple[Path, Earlier]:
    """Return the folder for a ledger that begins now, and what the instance's earlier processes sent."""
    sent = 0
    sequences: dict[int, int] = {}
    for folder in folders(ledger):
        if not (folder / META).exists():
            continue  # killed before it started
        rows = read_ledger(folder).rows.everything()
        of_sent = rows.event == SENT
        sent += int(of_sent.sum())
        streams, place = np.unique(rows.stream[of_sent], return_inverse=True)
        last = np.full(len(streams), -1, np.int64)
        np.maximum.at(last, place, rows.sequence[of_sent])
        for stream, sequence in zip(streams.tolist(), last.tolist(), strict=True):
            sequences[stream] = max(sequence + 1, sequences.get(stream, 0))
    return next_folder(ledger), Earlier(sent, sequences)
