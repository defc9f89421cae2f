"""The files that decide on a report's verdict besides its runs: what a follow-up command has to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover_harness.explore.explored import NAME as EXPLORED
from cutover_harness.explore.explored import explored_in

from cutover_reports.policy import APPLIED_NAME, policy_in


@dataclass(frozen=True)
class Deciding:
    """Policy and result of `scenarios explore` of a report, None if it has none, as a command names them.

    from_folder: options whose file is in a folder of the report, so that a report of the same folders finds it.
    """

    policy: str | None = None
    explored: str | None = None
    from_folder: frozenset[str] = frozenset()

    def options(self, *, of_folders: bool = True) -> list[str]:
        """Return the options, each with its value. of_folders: also those of files in folders of the report."""
        both = {"--policy": self.policy, "--explored": self.explored}
        return [
            word
            for option, file in both.items()
            if file is not None and (of_folders or option not in self.from_folder)
            for word in (option, file)
        ]


def given(policy: Path | None, explored: Path | None) -> Deciding:
    """Return what a report was given by options."""
    return Deciding(None if policy is None else str(policy), None if explored is None else str(explored))


def deciding(
    options: Deciding,
    folders: Sequence[Path],
    outs: Sequence[str],
    rehearsed_with: Sequence[str | None],
) -> Deciding:
    """Return what decides on a report of `folders`: the options that it was given, otherwise what the folders have.

    outs: the folders as commands name them. rehearsed_with: for each the `--policy` of its rehearsal. A folder has
    only a copy of that file, and a person edits the file itself.
    """
    its_policy, its_explored = options.policy, options.explored
    from_folder: set[str] = set()
    own = [(n, file) for n, folder in enumerate(folders) if (file := policy_in(folder)) is not None]
    if its_policy is None and own:
        number, file = own[-1]
        original = rehearsed_with[number] if file.name == APPLIED_NAME else None
        its_policy = original or f"{outs[number]}/{file.name}"
        if original is None:
            from_folder.add("--policy")
    results = [number for number, folder in enumerate(folders) if explored_in(folder) is not None]
    if its_explored is None and results:
        its_explored = f"{outs[results[-1]]}/{EXPLORED}"
        from_folder.add("--explored")
    return Deciding(its_policy, its_explored, frozenset(from_folder))
