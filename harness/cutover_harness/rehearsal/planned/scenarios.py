"""From a plan and an inventory to scenarios: one for each batch, and one in which the batches move in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pydantic import ValidationError

from cutover_harness.errors import UsageError
from cutover_harness.judge.planned import Planned, PlannedGroup, PlannedTopic
from cutover_harness.plan.batch import WHOLE
from cutover_harness.plan.load import find
from cutover_harness.plan.mistakes import first_mistake
from cutover_harness.plan.scenario import Scenario
from cutover_harness.planning.model import PlanFile, PlannedBatch
from cutover_harness.rehearsal.planned.expectations import loosest
from cutover_harness.rehearsal.planned.fleet import as_connectors, fleet_of, overlaps, restarts_of
from cutover_harness.rehearsal.planned.limits import MOST_OF_ONE, Chosen, Limits, select
from cutover_harness.rehearsal.planned.omitted import omitted
from cutover_harness.rehearsal.planned.order import order_of
from cutover_harness.rehearsal.planned.parts import Part, part_of
from cutover_harness.rehearsal.planned.source import Source
from cutover_harness.rehearsal.planned.traffic import traffic_of

IN_ORDER = "batches-in-order"


@dataclass(frozen=True)
class PlannedScenario:
    """A scenario, and the part of the plan that it rehearses."""

    scenario: Scenario
    planned: Planned


def scenarios_of(source: Source, limits: Limits, names: Sequence[str] = ()) -> list[PlannedScenario]:
    """Return a scenario for each batch in `names` (default: all), in the plan's order.

    If it is all of several batches, one more in which they move one after the other, as many as fit. Raises UsageError.
    """
    batches = _named(source.plan.batches, names, source.origin)
    templates = [template_of(batch) for batch in batches]
    parts = [part_of(batch, source.listing, source.origin) for batch in batches]
    found = [
        _scenario(source, limits, [part], [template], part.batch.name)
        for part, template in zip(parts, templates, strict=True)
    ]
    if len(batches) < 2 or names:
        return found
    order = order_of(parts, templates, limits)
    if order.count:
        found.append(_scenario(source, limits, parts[: order.count], templates[: order.count], _in_order(parts)))
    if order.omitted is None:
        return found
    last = found[-1]
    entries = [*last.planned.not_rehearsed, order.omitted]
    return [*found[:-1], replace(last, planned=replace(last.planned, not_rehearsed=entries))]


def named_scenarios(
    source: Source, limits: Limits, templates: Sequence[Scenario], names: Sequence[str] = ()
) -> list[PlannedScenario]:
    """Return scenarios of the catalogue, or of a user, with topics, clients and traffic of the batches in `names`.

    Each is that of one batch (default: of every batch). Raises UsageError if one has topics or batches of its own.
    """
    for template in templates:
        own = [field for field in ("traffic", "batches", "growth") if getattr(template, field)]
        if own:
            raise UsageError(
                f"{template.name}: has {own[0]} of its own, which a plan replaces: rehearse it without --plan"
            )
    parts = [
        part_of(batch, source.listing, source.origin) for batch in _named(source.plan.batches, names, source.origin)
    ]
    return [
        _scenario(source, limits, [part], [template], f"{part.batch.name}.{template.name}")
        for part in parts
        for template in templates
    ]


def template_of(batch: PlannedBatch) -> Scenario:
    """Return the scenario whose path, expectations and settings a batch has: of the catalogue, or of its steps."""
    if isinstance(batch.path, str):
        return _of_catalogue(batch.path)
    return Scenario(name=batch.name, title="its own path", path=batch.path)


@cache
def _of_catalogue(name: str) -> Scenario:
    return find(name)


def _named(batches: Sequence[PlannedBatch], names: Sequence[str], origin: str) -> list[PlannedBatch]:
    known = [batch.name for batch in batches]
    for name in names:
        if name not in known:
            raise UsageError(f"--batch {name}: {origin} has no such batch; it has {', '.join(known)}")
    return [batch for batch in batches if not names or batch.name in names]


def _scenario(
    source: Source, limits: Limits, parts: Sequence[Part], templates: Sequence[Scenario], name: str
) -> PlannedScenario:
    template, replayed = templates[0], source.recorded is not None
    selection = [
        as_connectors(chosen, own, available=source.connectors)
        for chosen, own in zip(select(parts, limits, all_partitions=replayed), templates, strict=True)
    ]
    entries = {name: chosen.part.topics[name] for chosen in selection for name in chosen.topics}
    partitions = {name: count for chosen in selection for name, count in chosen.topics.items()}
    made = traffic_of(entries, {name: min(count, MOST_OF_ONE) for name, count in partitions.items()}, limits)
    data: dict[str, Any] = template.model_dump(exclude_unset=True) | {
        "name": name,
        "title": _title(source.plan, parts, template),
        "default": False,
        "batches": {
            chosen.part.batch.name: _batch(chosen, own) for chosen, own in zip(selection, templates, strict=True)
        },
        "fleet": fleet_of(source.plan, selection, template),
        "traffic": {} if replayed else {topic: shape.model_dump() for topic, shape in made.topics.items()},
        "expect": loosest([each.expect for each in templates]),
    }
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as why:
        raise UsageError(f"{source.origin}: {name}: {first_mistake(why, Scenario, data)}") from None
    planned = replace(
        source.about,
        route=parts[0].batch.name if len(parts) == 1 else WHOLE,
        batches=[part.batch.name for part in parts],
        topics={
            topic: PlannedTopic(count, entries[topic].partitions, _config(source, entries[topic].config, topic))
            for topic, count in partitions.items()
        },
        groups=dict(_groups(selection)),
        producers={app: count or 1 for part in parts for app, count in part.producers.items()},
        traffic=["records: those of the capture"] if replayed else list(made.sentences),
        not_rehearsed=omitted(source.plan, selection, templates, made.smaller, replayed=replayed),
    )
    return PlannedScenario(scenario, planned)


def _in_order(parts: Sequence[Part]) -> str:
    """Return a name that no batch has."""
    name = IN_ORDER
    while any(part.batch.name == name for part in parts):
        name += ".all"
    return name


def _title(plan: PlanFile, parts: Sequence[Part], template: Scenario) -> str:
    if len(parts) == 1:
        return f"Batch {parts[0].batch.name} of {plan.name}: {template.title}"[:200]
    return f"The batches of {plan.name} in their order: {', then '.join(part.batch.name for part in parts)}"[:200]


def _batch(chosen: Chosen, template: Scenario) -> dict[str, Any]:
    """Return a batch of a scenario with the plan's own patterns, which the mirror and the cutover file then have."""
    batch = chosen.part.batch
    gates = batch.gates if batch.gates.model_fields_set else template.gates
    data: dict[str, Any] = {
        "topics": batch.topics,
        "exclude": batch.exclude,
        "groups": tuple(chosen.groups),
        "reads": {name: topics for name, topics in chosen.reads.items() if len(topics) < len(chosen.topics)},
        "path": [step.model_dump(exclude_unset=True) for step in template.path],
        "gates": gates.model_dump(exclude_unset=True),
    }
    if not overlaps(template):
        data |= {"producers": chosen.producers, "restarts": restarts_of(chosen)}
        data["connectors"] = None if chosen.connectors is None else chosen.connectors.model_dump()
    return data


def _config(source: Source, config: Mapping[str, str] | None, topic: str) -> dict[str, str]:
    if config is None and source.recorded is not None:
        return dict(source.recorded[topic].config)
    return dict(config or {})


def _groups(selection: Sequence[Chosen]) -> Iterator[tuple[str, PlannedGroup]]:
    for chosen in selection:
        for name, members in chosen.groups.items():
            group = chosen.part.groups[name]
            yield name, PlannedGroup(members, group.members, list(chosen.reads[name]), group.moves)
