"""From run folders to a report and its series."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cutover_harness.errors import UsageError
from cutover_harness.judge.model import Reach, RunFacts
from cutover_harness.mistake_words import first_words
from pydantic import ValidationError

from cutover_reports.deciding import given
from cutover_reports.explored import explored_file
from cutover_reports.model import Report, Scenario
from cutover_reports.policy import APPLIED_NAME, Policy, policy_in, read_policy
from cutover_reports.reach import reached
from cutover_reports.reading import Frames, Rhythm, RunFolder, ScenarioFolder, read_run, read_scenario
from cutover_reports.run_described import described
from cutover_reports.scenarios import UNNAMED_ROUTE, figures, with_paths
from cutover_reports.series import thin
from cutover_reports.whole import unapplied, whole_report

log = logging.getLogger(__name__)

#: Points of all series of a page together: about 2 MB of it: 200 scenarios stay under 5 MB.
POINTS = 300_000
#: A screen cannot show more than this in one series.
POINTS_A_SERIES = 1500


@dataclass
class Built:
    """A report, and the thinned series of each scenario by its id."""

    report: Report
    series: dict[str, Frames]
    rhythms: dict[str, Rhythm] = field(default_factory=dict)


def build(folders: Sequence[Path], policy_file: Path | None = None, explored: Path | None = None) -> Built:
    """Read `folders` (one or more run folders) and build one report of them.

    Scenarios are read one after the other and their series thinned immediately: memory holds one whole run at most.
    explored: the result file of `scenarios explore`; None: that of the last folder that has one.
    Raises UsageError if a folder is no run folder, a run is given twice, or policy or result file is not valid.
    """
    _refuse_same_folder(folders)
    read = [read_run(folder) for folder in folders]
    policy = _policy(read, policy_file)
    total = sum(len(run.names) for run in read)
    scenarios: list[Scenario] = []
    series: dict[str, Frames] = {}
    ids: set[str] = set()
    counted: dict[tuple[int, int, str], Path] = {}
    reaches: dict[str, Reach] = {}
    rhythms: dict[str, Rhythm] = {}
    for index, run in enumerate(read):
        for name in run.names:
            found = read_scenario(run, name)
            scenarios.append(scenario := _figures(found, index, ids, policy))
            if found.facts:
                _refuse_counted(found.folder, found.facts, counted)
                if found.facts.reach is not None:
                    reaches[scenario.id] = found.facts.reach
            if found.rhythm is not None:
                rhythms[scenario.id] = found.rhythm
            points = max(60, min(POINTS_A_SERIES, POINTS // max(1, total * max(1, len(found.series)))))
            series[scenario.id] = {key: thin(values, points) for key, values in found.series.items()}
    options = given(policy_file, explored)
    runs = [described(run, scenarios, index, options) for index, run in enumerate(read)]
    named = {batch: path for run in runs if run.plan is not None for batch, path in run.plan.paths.items()}
    scenarios = with_paths(_routed(scenarios), named)
    for line in unapplied(policy, scenarios):
        log.warning("%s", line)
    searched = explored_file([run.folder for run in read], explored)
    report = whole_report(runs, scenarios, policy, read, reached(scenarios, reaches), searched, options)
    return Built(report, series, rhythms)


def _refuse_same_folder(folders: Sequence[Path]) -> None:
    """Raise UsageError if a folder is given twice: its runs would count twice as evidence."""
    seen: dict[Path, Path] = {}
    for folder in folders:
        first = seen.setdefault(folder.resolve(), folder)
        if first is not folder:
            raise UsageError(f"{folder}: the same folder as {first}, given before: give each run once")


def _refuse_counted(folder: Path, facts: RunFacts, counted: dict[tuple[int, int, str], Path]) -> None:
    """Raise UsageError if the run in `folder` was counted before, from a copy of the folder."""
    first = counted.setdefault((facts.run, facts.started_ns, facts.scenario), folder)
    if first != folder:
        raise UsageError(f"{folder}: a copy of the run in {first}: one run counts once as evidence: give one of them")


def _figures(found: ScenarioFolder, run: int, ids: set[str], policy: Policy) -> Scenario:
    """Return a scenario's figures; without any if its files have values that no rehearsal writes."""
    taken = set(ids)
    try:
        return figures(found, run, ids, policy.evidence.not_taken)
    except (ValidationError, ValueError, TypeError, ArithmeticError) as why:
        found.discard(_first_line(why))
    ids.intersection_update(taken)
    return figures(found, run, ids, policy.evidence.not_taken)


def _first_line(why: Exception) -> str:
    if isinstance(why, ValidationError):
        return first_words(why)
    return " ".join(str(why).split())


def _routed(scenarios: list[Scenario]) -> list[Scenario]:
    """Put scenarios whose route is not recorded into the only one that is, if there is only one."""
    known = {scenario.route for scenario in scenarios} - {UNNAMED_ROUTE}
    if len(known) != 1:
        return scenarios
    (route,) = known
    return [scenario.model_copy(update={"route": route}) for scenario in scenarios]


def _policy(read: Sequence[RunFolder], given: Path | None) -> Policy:
    """Return the policy that was given, else the newest folder's own, else the defaults."""
    if given:
        return read_policy(given)
    own = [(file, run) for run in read if (file := policy_in(run.folder)) is not None]
    if not own:
        return Policy()
    file, run = own[-1]
    name = run.rehearsal.get("policy")
    return read_policy(file, name if file.name == APPLIED_NAME and isinstance(name, str) else None)
