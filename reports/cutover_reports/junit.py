"""JUnit XML for CI: one test case for each scenario."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from cutover_reports import words
from cutover_reports.model import Report, Scenario

#: Characters that XML 1.0 cannot hold, not even escaped.
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """Return the report as JUnit XML. FAIL is a failure, what proves nothing an error: no pass for CI."""
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
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


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
        ElementTree.SubElement(case, "failure", message=reasons).text = _clean(_summary(scenario))
    elif not scenario.conclusive:
        message = f"{scenario.outcome}: {reasons}"
        ElementTree.SubElement(case, "error", message=message).text = _clean(_summary(scenario))
    ElementTree.SubElement(case, "system-out").text = _clean(_summary(scenario))


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
    return "\n".join(lines)


def _clean(text: str) -> str:
    return FORBIDDEN.sub("\ufffd", text)
