"""JUnit XML for CI: one test case for each scenario, and one for the decision on each route."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

from cutover_harness.masking import visible

from cutover_reports import words
from cutover_reports.model import Report, RouteReport, Scenario

#: Characters that XML 1.0 cannot hold, not even escaped.
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """Return the report as JUnit XML. FAIL is a failure, what proves nothing an error: no pass for CI.

    All scenarios can pass and the policy can still give a NO-GO, so each route's decision is a case of its own.
    """
    root = ElementTree.Element("testsuites", name="kafka-cutover")
    for index, run in enumerate(report.runs):
        scenarios = [scenario for scenario in report.scenarios if scenario.run == index]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_clean(run.folder),
            tests=str(len(scenarios)),
            failures=str(sum(scenario.outcome == "FAIL" for scenario in scenarios)),
            errors=str(sum(not scenario.conclusive for scenario in scenarios)),
            time=f"{sum(scenario.seconds or 0 for scenario in scenarios):.1f}",
        )
        if run.started:
            suite.set("timestamp", _clean(run.started))
        for scenario in scenarios:
            _case(suite, scenario)
    if report.routes:
        _decisions(root, report)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _decisions(root: ElementTree.Element, report: Report) -> None:
    """Add a suite with the decisions: NO-GO is a failure as it is for the exit code, INCONCLUSIVE no pass: skipped."""
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name="decision",
        tests=str(len(report.routes)),
        failures=str(sum(route.decision == "NO-GO" for route in report.routes)),
        errors="0",
        skipped=str(sum(route.decision == "INCONCLUSIVE" for route in report.routes)),
        time="0.0",
    )
    for route in report.routes:
        case = ElementTree.SubElement(suite, "testcase", classname="decision", name=_clean(route.name), time="0.0")
        reasons = _clean("; ".join(route.reasons))
        if route.decision == "NO-GO":
            ElementTree.SubElement(case, "failure", message=f"NO-GO: {reasons}").text = _lines(route.reasons)
        elif route.decision == "INCONCLUSIVE":
            ElementTree.SubElement(case, "skipped", message=f"INCONCLUSIVE: {reasons}")
        ElementTree.SubElement(case, "system-out").text = _lines([route.decision, *_grounds(route)])


def _grounds(route: RouteReport) -> list[str]:
    return [*route.reasons, *(f"condition: {each}" for each in route.conditions)]


def _case(suite: ElementTree.Element, scenario: Scenario) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_clean(scenario.route),
        name=_clean(scenario.name),
        time=f"{scenario.seconds or 0:.1f}",
    )
    reasons = _clean("; ".join(scenario.reasons)) or scenario.outcome
    if scenario.outcome == "FAIL":
        ElementTree.SubElement(case, "failure", message=reasons).text = _summary(scenario)
    elif not scenario.conclusive:
        message = f"{scenario.outcome}: {reasons}"
        ElementTree.SubElement(case, "error", message=message).text = _summary(scenario)
    ElementTree.SubElement(case, "system-out").text = _summary(scenario)


def _summary(scenario: Scenario) -> str:
    lines = [
        f"{scenario.title}",
        f"lost {words.lost(scenario)}, reordered {words.count(scenario.reordered)}",
        f"duplicated {words.causes(scenario.duplicated)}",
        words.blackouts(scenario),
        *(
            f"precondition {'met' if each.held else 'NOT met'}: {each.name}: {each.evidence}"
            for each in scenario.preconditions
        ),
    ]
    return _lines(lines)


def _clean(text: str) -> str:
    """Return a name or a sentence as XML can hold it, in one line."""
    return FORBIDDEN.sub("\ufffd", visible(text))


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(map(_clean, lines))
