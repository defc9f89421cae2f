"""The section "How the endpoint change reaches the clients": how long generations took to arrive, by channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cutover_harness.judge.model import Arrival, Reach
from cutover_harness.judge.spread import spread

from cutover_reports import words
from cutover_reports.model import ReachedBy, Scenario

KUBELET_S = (60, 90)
"""How late the kubelet refreshes a mounted ConfigMap: its sync period and the delay of its cache."""
LOCAL_FILE = (
    "Times of a file on a local disk do not apply to a mounted ConfigMap: the kubelet refreshes it 60 to 90 s late, at "
    "another moment for each pod, and with subPath never. If your clients mount theirs, rehearse "
    "configmap-without-channel and sub-path, or let them read a control topic or watch the ConfigMap directly."
)
_FILE, _KAFKA = "file", "kafka:"


@dataclass
class _Way:
    """The arrivals by one channel, and the scenarios that used it."""

    arrivals: list[Arrival] = field(default_factory=list)
    never: dict[str, list[str]] = field(default_factory=dict)
    scenarios: list[Scenario] = field(default_factory=list)


def reached(scenarios: Sequence[Scenario], reaches: Mapping[str, Reach]) -> list[ReachedBy]:
    """Return a row for each channel; `reaches`: of scenarios by their id, apart from those of earlier versions."""
    ways: dict[tuple[str, float | None, float | None], _Way] = {}
    for scenario in scenarios:
        reach = reaches.get(scenario.id)
        if reach is None:
            continue
        late = reach.least_s, reach.most_s
        for each in reach.arrivals:
            # With a control topic it is open which channel should have brought a generation that never arrived.
            channel = each.channel or (_FILE if reach.channel == "file" else "no channel")
            way = ways.setdefault((channel, *(late if channel == _FILE else (None, None))), _Way())
            if scenario not in way.scenarios:
                way.scenarios.append(scenario)
            if each.channel is not None:
                way.arrivals.append(each)
            elif each.instance not in way.never.setdefault(scenario.name, []):
                way.never[scenario.name].append(each.instance)
    return [_row(*key, way) for key, way in sorted(ways.items(), key=lambda item: _order(item[0]))]


def notes(rows: Sequence[ReachedBy]) -> list[str]:
    """Return how these figures apply to production, in one or two sentences each."""
    found = [LOCAL_FILE] if any(row.channel == _FILE and row.most_s is None for row in rows) else []
    mounted = [(row.least_s, row.most_s) for row in rows if row.least_s is not None and row.most_s is not None]
    if mounted:
        least, most = KUBELET_S
        rehearsed = " and ".join(f"{low:g} to {high:g} s" for low, high in mounted)
        found.append(
            f"Mounted files were rehearsed {rehearsed} late; the kubelet's are {least} to {most} s late. Producers "
            f"wait for two generations, hold and target: each would be held for {least} to {2 * most - least} s."
        )
    return found


def _order(key: tuple[str, float | None, float | None]) -> tuple[int, float, str]:
    channel, _, most = key
    return (0 if channel == _FILE else 1), most or 0.0, channel


def _row(channel: str, least_s: float | None, most_s: float | None, way: _Way) -> ReachedBy:
    found = next(iter(spread(way.arrivals)), None)
    undisturbed = [scenario for scenario in way.scenarios if not scenario.faults and scenario.kind != "control"]
    return ReachedBy(
        channel=channel,
        title=_title(channel, least_s, most_s),
        least_s=least_s,
        most_s=most_s,
        arrivals=len(way.arrivals),
        seen_p50_ms=None if found is None else found.seen_p50_ms,
        seen_p99_ms=None if found is None else found.seen_p99_ms,
        seen_max_ms=None if found is None else found.seen_max_ms,
        applied_p50_ms=None if found is None else found.applied_p50_ms,
        applied_p99_ms=None if found is None else found.applied_p99_ms,
        applied_max_ms=None if found is None else found.applied_max_ms,
        never=[f"{words.listed(instances)} in {name}" for name, instances in way.never.items()],
        producer_blackout_ms=_longest(scenario.producer_blackout_ms for scenario in undisturbed),
        consumer_blackout_ms=_longest(scenario.consumer_blackout_ms for scenario in undisturbed),
        scenarios=[scenario.id for scenario in way.scenarios],
    )


def _title(channel: str, least_s: float | None, most_s: float | None) -> str:
    if channel == _FILE:
        return "file on a local disk" if most_s is None else f"mounted file, {least_s:g} to {most_s:g} s late"
    if channel.startswith(_KAFKA):
        topic, _, cluster = channel.removeprefix(_KAFKA).partition("@")
        return f"control topic {topic} on the {cluster}"
    return channel


def _longest(found: Iterable[float | None]) -> float | None:
    return max((each for each in found if each is not None), default=None)
