"""Tear the cutover file."""

from __future__ import annotations

from typing import Literal

from cutover_harness.faults.context import CutoverFileContext
from cutover_harness.faults.cutover_file import CutoverFileFault


class Tear(CutoverFileFault):
    """Truncate the cutover file in place, as an editor or a full disk does."""

    does = "half of it is left, written in place"

    kind: Literal["tear"]

    def damage(self, file: CutoverFileContext) -> None:
        """Cut it in the middle of a string, so that it cannot be parsed."""
        good = file.path.read_bytes()
        file.path.write_bytes(good[: good.rindex(b'"', 0, len(good) // 2)])
