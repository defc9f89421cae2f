"""Replace the cutover file with an old one."""

from __future__ import annotations

from typing import Literal

from cutover_harness.faults.context import CutoverFileContext
from cutover_harness.faults.cutover_file import CutoverFileFault


class Rewind(CutoverFileFault):
    """Replace the cutover file with an old one, as someone who restores a backup does."""

    does = "the file as it was before the path began replaces it"

    kind: Literal["rewind"]

    def damage(self, file: CutoverFileContext) -> None:
        """Replace it with its first content."""
        other = file.path.with_name(f".{file.path.name}.old")
        other.write_bytes(file.first)
        other.replace(file.path)
