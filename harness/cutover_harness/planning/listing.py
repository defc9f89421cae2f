"""Read an inventory for a plan."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import ValidationError

from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_input
from cutover_harness.inventory.model import PARTIAL, Gap, Listing
from cutover_harness.mistake_words import first_words

MOST_BYTES = 1 << 30
"""An inventory of 200,000 partitions has some tens of megabytes."""


def read_listing(path: Path) -> tuple[Listing, str]:
    """Return the inventory in a file, and the SHA-256 of its bytes. Raises UsageError."""
    content = read_input(path, "inventory", MOST_BYTES)
    try:
        return Listing.model_validate_json(content), hashlib.sha256(content).hexdigest()
    except ValidationError as why:
        raise UsageError(
            f"inventory {path}: {first_words(why, 'the file')}: "
            "give a file that `kafka-cutover inventory -o` has written"
        ) from None


def refuse_partial(listing: Listing, path: Path) -> None:
    """Raise UsageError, which names what is missing, if the inventory may lack topics or groups."""
    if not listing.partial:
        return
    gaps = "; ".join(_gap(gap) for gap in listing.gaps if gap.kind in PARTIAL) or "gaps are not named"
    raise UsageError(
        f"inventory {path}: is partial, so the plan could split clients that the inventory lacks: {gaps}: grant the "
        "rights and take it again, or plan with --partial"
    )


def _gap(gap: Gap) -> str:
    names = f" ({', '.join(gap.names[:3])}{f' and {gap.count - 3} more' if gap.count > 3 else ''})" if gap.names else ""
    return f"{'' if gap.cluster is None else f'{gap.cluster}: '}{gap.what}{names}"
