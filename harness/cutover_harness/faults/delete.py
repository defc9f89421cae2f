"""Delete the cutover file."""

from __future__ import annotations

from typing import Literal

from cutover_harness.faults.context import CutoverFileContext
from cutover_harness.faults.cutover_file import CutoverFileFault


class Delete(CutoverFileFault):
    """Delete the cutover file."""

    does = "it is deleted"

    kind: Literal["delete"]

    def damage(self, file: CutoverFileContext) -> None:
        """Delete it."""
        file.path.unlink()
