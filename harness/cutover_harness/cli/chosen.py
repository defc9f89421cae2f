"""The scenarios that a command line names."""

from __future__ import annotations

from cutover_harness.errors import UsageError
from cutover_harness.plan.catalogue import expanded
from cutover_harness.plan.load import find, load_all
from cutover_harness.plan.scenario import Scenario


def chosen(names: list[str] | None, every: bool) -> list[Scenario]:
    """Return the scenarios of names, globs and files; without any, the default ones or every one. Raises UsageError."""
    if names and every:
        raise UsageError("--all runs the whole catalogue: leave out the names")
    if not names:
        return [scenario for scenario in load_all() if every or scenario.default]
    scenarios = [find(name) for name in expanded(names)]
    doubles = {s.name for s in scenarios if sum(other.name == s.name for other in scenarios) > 1}
    if doubles:
        raise UsageError(f"scenario {', '.join(sorted(doubles))} is given twice: leave one of them out")
    return scenarios
