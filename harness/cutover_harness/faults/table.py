"""The table of faults in docs/scenarios.md, from the classes: `python -m cutover_harness.faults.table`."""

from __future__ import annotations

from cutover_harness import markdown
from cutover_harness.faults.union import FAULTS

HEAD = ("`kind`", "`of`", "effect", "proof that it hit")


def table() -> str:
    """Return the table."""
    return markdown.table(
        HEAD,
        (
            (f"`{kind}`", ", ".join(f"`{victim}`" for victim in fault.victims()), fault.does, fault.proved_by)
            for kind, fault in FAULTS.items()
        ),
    )


if __name__ == "__main__":
    print(table(), end="")
