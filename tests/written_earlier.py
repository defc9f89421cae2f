"""What version 0.1.0 wrote, as of 2026-11-29: a rehearsal, a conductor's folder in the middle of a run, scenario files.

`rehearsal/` is what `rehearse` left of the five files in `scenarios/` (ledgers of two, no logs); `begun/` belongs to a
conductor that was killed while it waited for consumers to attest `hold`.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

ARCHIVE = Path(__file__).parent / "data" / "written-by-0.1.0.tar.xz"


def unpack(folder: Path) -> Path:
    """Unpack everything into `folder` and return it."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder
