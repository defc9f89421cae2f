"""Parts of a plan that a scenario does not rehearse, in words: for `run.json` and the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cutover_harness.judge.planned import Omitted
from cutover_harness.plan.scenario import Scenario
from cutover_harness.planning.model import PlanFile
from cutover_harness.rehearsal.connectors.account import LINES_PER_S
from cutover_harness.rehearsal.planned.fleet import common_assignor, overlaps, transactional
from cutover_harness.rehearsal.planned.limits import LIMITED, Chosen
from cutover_harness.rehearsal.planned.traffic import LARGEST
from cutover_harness.words import listed

HIGHER = "kafka-cutover rehearse --plan with a higher {}, on a larger machine"


def omitted(
    plan: PlanFile,
    selection: Sequence[Chosen],
    templates: Sequence[Scenario],
    smaller: Sequence[str],
    *,
    replayed: bool,
) -> list[Omitted]:
    """Return what of the plan's batches a scenario leaves out.

    smaller: topics whose largest records are too large to be generated. replayed: the traffic is a capture.
    """
    found = [
        line for chosen, template in zip(selection, templates, strict=True) for line in _of_batch(chosen, template)
    ]
    if not replayed:
        found += _of_traffic(selection, smaller)
    return [*found, *_of_clients(plan, selection)]


def _of_batch(chosen: Chosen, template: Scenario) -> Iterator[Omitted]:
    part, name = chosen.part, chosen.part.batch.name
    if topics := chosen.without_topics:
        yield Omitted(
            f"Batch {name}: {len(topics)} of {len(part.topics)} topics: {listed(topics)}",
            "whether these topics and their settings survive the move; the rehearsed ones are one of each kind, and "
            "those with the most traffic",
            HIGHER.format(LIMITED["topics"]),
        )
    if groups := chosen.without_groups:
        yield Omitted(
            f"Batch {name}: {len(groups)} of {len(part.groups)} groups: {listed(groups)}",
            "whether these groups resume without loss on the target",
            HIGHER.format(LIMITED["apps"]),
        )
    fewer = [f"{topic} {n} of {part.topics[topic].partitions}" for topic, n in chosen.topics.items()
             if n < part.topics[topic].partitions]  # fmt: skip
    if fewer:
        yield _fewer(f"Batch {name}: all partitions", listed(fewer), LIMITED["partitions"])
    fewer = [f"{group} {n} of {members}" for group, n in chosen.groups.items()
             if (members := part.groups[group].members) is not None and n < members
             and part.groups[group].moves != "connector"]  # fmt: skip
    if fewer:
        yield _fewer(f"Batch {name}: all members of groups", listed(fewer), LIMITED["apps"])
    if guessed := [group for group in part.guessed if group in chosen.groups]:
        yield Omitted(
            f"Batch {name}: subscriptions of {listed(guessed)}",
            "the inventory has no offsets or members of these groups in the batch, so they read all of its topics here",
            "take the inventory while the groups run",
        )
    if not part.producers:
        yield Omitted(
            f"Batch {name}: its producers: the plan names none",
            f"who writes these topics, and how they move: {chosen.producers} processes stand for them",
            "name them in the plan under producers",
        )
    elif chosen.producers < part.all_producers:
        yield _fewer(f"Batch {name}: all producers", f"{chosen.producers} of {part.all_producers}", LIMITED["apps"])
    yield from _of_movers(chosen, template)


def _of_movers(chosen: Chosen, template: Scenario) -> Iterator[Omitted]:
    name, movers = chosen.part.batch.name, chosen.part.movers
    if connectors := [who for who, mover in movers.items() if mover.moves == "connector"]:
        yield from _of_connectors(chosen, connectors)
    if overlaps(template) and (shim := [who for who, mover in movers.items() if mover.moves == "shim"]):
        yield Omitted(
            f"Batch {name}: the shim in {listed(shim)}",
            f"how they move without a restart: with the path {template.name} all applications are restarted here",
            "choose another path, in which each application moves as the plan says",
        )
    if hooks := [who for who, mover in movers.items() if mover.on_stop or mover.on_start]:
        yield Omitted(
            f"Batch {name}: the commands on_stop and on_start of {listed(hooks)}",
            "whether they stop and start the applications: the rehearsal has processes of its own",
            "run them in staging",
        )


def _of_connectors(chosen: Chosen, names: Sequence[str]) -> Iterator[Omitted]:
    """Return what Kafka's file connectors, or restarted clients if there are none, leave open about connectors."""
    name, here = f"Batch {chosen.part.batch.name}", chosen.connectors
    staging = "move one of them in staging with kafka-cutover run"
    if here is None:
        yield Omitted(
            f"{name}: connectors: {listed(names)}",
            "how the connectors themselves move: they are restarted consumers and producers here",
            f"rehearse on brokers that run as processes, with another path than overlap, or {staging}",
        )
        return
    yield Omitted(
        f"{name}: the plugins of connectors {listed(names)}: Kafka's file connectors, with one task each, move here",
        "whether these plugins stop in time, store their offsets with their records, and resume at offsets that are "
        "set; how long that takes with all tasks; what a sink repeats in the system that it writes to",
        staging,
    )
    if here.producers:
        yield Omitted(
            f"{name}: traffic of source connectors: each writes {LINES_PER_S:g} lines per second to "
            f"{next(iter(here.producers.values()))}",
            "the connectors' own rates and sizes: restarted producers send the rest of their traffic here",
            staging,
        )
    absent = [who for who, mover in chosen.part.batch.producers.items() if mover.moves == "connector"
              and who not in here.producers]  # fmt: skip
    if absent:
        yield Omitted(f"{name}: source connectors {listed(absent)}", "how these connectors move", staging)
    yield Omitted(
        f"{name}: the Connect clusters of the plan: one worker without a login is re-pointed here",
        "whether the command on_repoint restarts your workers on the other cluster, and what rights they need there",
        staging,
    )


def _of_traffic(selection: Sequence[Chosen], smaller: Sequence[str]) -> Iterator[Omitted]:
    yield Omitted(
        "Recorded traffic: the records were generated to the inventory's rates and sizes",
        "the order, keys, bursts and contents of the real records",
        "kafka-cutover record, then rehearse --plan with --capture",
    )
    if smaller:
        yield Omitted(
            f"Records of more than {LARGEST // 1000} kB: {listed(smaller)}",
            "whether the largest records fit through mirror and target",
            "kafka-cutover preflight, then rehearse with a capture that contains them",
        )
    some, every = transactional(selection), [name for chosen in selection for name in chosen.topics]
    if some and len(some) < len(every):
        yield Omitted(
            f"Producers without transactions, which write {len(every) - len(some)} of {len(every)} topics",
            "their timing: all producers send in transactions here",
            "rehearse with a capture of these topics alone",
        )


def _of_clients(plan: PlanFile, selection: Sequence[Chosen]) -> Iterator[Omitted]:
    groups = {name: chosen.part.groups[name] for chosen in selection for name in chosen.groups}
    if newer := [name for name, group in groups.items() if group.type == "consumer"]:
        yield Omitted(
            f"The group protocol of KIP-848: {listed(newer)}",
            "how these groups rebalance: they use the classic protocol here",
            "move one of them in staging",
        )
    assignors = {group.assignor for group in groups.values()} - {None, ""}
    if assignors and common_assignor(selection) is None:
        yield Omitted(
            f"The partition assignors {listed(sorted(str(name) for name in assignors))}",
            "how long rebalances take: groups use librdkafka's defaults here",
            "rehearse one group at a time, or compare in staging",
        )
    if any(way.configmap is not None for way in plan.reach):
        yield Omitted(
            "Documents that arrive by a ConfigMap",
            "how late a mounted ConfigMap is: the rehearsed file is on a local disk",
            "kafka-cutover rehearse configmap-without-channel configmap-with-channel",
        )


def _fewer(what: str, how_many: str, option: str) -> Omitted:
    return Omitted(
        f"{what}: {how_many}",
        "how long rebalances and the mirror take with all of them; order and loss do not depend on their number",
        HIGHER.format(option),
    )
