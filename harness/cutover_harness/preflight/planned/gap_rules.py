"""What could not be read, as findings: unknown is not a pass. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cutover_harness.inventory.model import Gap
from cutover_harness.preflight.model import Finding, Severity
from cutover_harness.preflight.planned.facts import Facts
from cutover_harness.words import listed

_CONSEQUENCE = {
    "ACLs": "rights on what does not exist yet, and the applications' rights, are not compared",
    "sizes of topics": "the bytes to mirror are not known",
    "free disk space": "the bytes to mirror are not compared with it",
    "quotas": "they are not compared with the rate of the mirror",
    "configuration of brokers": "versions, limits and defaults are not compared",
    "configurations of topics": "the settings of these topics are not compared",
    "producers of topics": "who writes these topics is not known",
    "statuses of clients": "who runs the shim is not known",
    "members of groups": "the members of these groups are not checked",
    "committed offsets of groups": "the offsets of these groups are not checked",
    "groups": "groups are not checked",
    "hidden topics": "whether they belong to the plan is not known",
    "topics that are not shown": "whether the plan lacks topics is not known",
    "groups that are not shown": "whether the plan lacks groups is not known",
}


def gaps(facts: Facts) -> Iterator[Finding]:
    """Return a finding for each thing that the check lacks."""
    for gap in facts.gaps:
        if gap.what == "last writes" and gap.kind == "unsupported":
            continue  # whether there is a recent one, which is all that counts here, is known
        names = f" ({listed(gap.names)}{_more(gap)})" if gap.names else ""
        consequence = _CONSEQUENCE.get(gap.what)
        yield Finding(
            "not-checked",
            Severity.UNKNOWN,
            f"{gap.what}{'' if gap.cluster is None else f' of the {gap.cluster}'}{names}",
            f"{_what(gap)} ({gap.why})" + (f": {consequence}" if consequence else ""),
            "what could not be read is no pass",
            gap.remedy or "check it by hand",
        )


def _what(gap: Gap) -> str:
    return "may exist" if gap.what.endswith("not shown") else "exist" if "hidden" in gap.what else "could not be read"


def _more(gap: Gap) -> str:
    hidden = gap.count - len(gap.names)
    return f" and {hidden} more" if hidden > 0 else ""


RULES = (gaps,)
