"""The command line that repeats a run."""

from __future__ import annotations

import shlex

from cutover_harness.masking import masked_command


def repeat_command(arguments: list[str], seed: int | None) -> str:
    """Return the command that repeats the run, secrets masked; `seed`: chosen by the tool, None if it was given."""
    words = masked_command(arguments)
    if seed is not None:
        after = words.index("rehearse") + 1 if "rehearse" in words else len(words)
        words = [*words[:after], "--seed", str(seed), *words[after:]]
    return shlex.join(["kafka-cutover", *words])
