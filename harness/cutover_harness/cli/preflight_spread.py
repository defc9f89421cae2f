"""Measure how a document reaches the clients: the present one, with the next generation and no other change."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from cutover_shim.channel import FILE

from cutover_harness.channels.editing import edited
from cutover_harness.cli.file_channels import ChannelOptions, WriteOptions, opened
from cutover_harness.cli.file_write import refuse_to_unsign, refuse_unsigned
from cutover_harness.cli.fleet_rows import integer, mapping, number, text
from cutover_harness.cli.preflight_asked import PlanOptions
from cutover_harness.cli.preflight_fleet import statuses_of
from cutover_harness.conductor.running import refuse_running_conductor
from cutover_harness.conductor.statuses import StatusSource
from cutover_harness.cutover.settings import key_of
from cutover_harness.errors import UsageError
from cutover_harness.planning.read import ReadPlan
from cutover_harness.preflight.planned.facts import Facts, ShimFleet, Spread
from cutover_harness.properties_file import read_properties

_LOOK_S = 0.1
_CHANNELS_S = 10.0
"""How long to wait for channels besides the first one that takes the document."""


def spread_channels(read: ReadPlan) -> tuple[str, ...]:
    """Return the plan's channels as `kafka-cutover file` names them. Raises UsageError if there is none."""
    if not read.plan.reach:
        raise UsageError(f"--measure-spread: the plan {read.path} names no channel: set reach in it")
    if read.plan.statuses is None:
        raise UsageError(f"--measure-spread: the plan {read.path} names no statuses: set statuses in it")
    return tuple(f"{FILE}{read.file(each.file)}" if each.file is not None else each.channel for each in read.plan.reach)


def measured(
    read: ReadPlan, channels: tuple[str, ...], facts: Facts, options: PlanOptions, tell: Callable[[str], None]
) -> Spread | None:
    """Write the document and wait for the clients; None without a client. Raises UsageError if it cannot be written."""
    fleet = facts.fleet or ShimFleet()
    wanted = {each.instance: each.host or "" for each in fleet.clients if each.instance not in fleet.silent}
    if not wanted:
        tell("spread: no client reports, so nothing was written")
        return None
    clusters = [f"{name}={read.file(part.properties)}" for name, part in _clusters(read).items()]
    with opened(list(channels), ChannelOptions(options.key or key_of(read), clusters)) as found:
        refuse_unsigned(found, WriteOptions(unsigned=options.unsigned))
        publisher = found.publisher(deadline_s=_CHANNELS_S)
        adopted = publisher.adopt()
        refuse_to_unsign(found, publisher, adopted.text)
        if publisher.edited_since():
            raise UsageError(
                "--measure-spread: the cutover file was changed since its generation was written, and a higher one "
                "would put the change into force: write it with kafka-cutover file set first, or undo it"
            )
        for writer in found.writers:
            refuse_running_conductor(writer.name)
        generation = publisher.next_generation
        body = edited(adopted.body, {**tomllib.loads(adopted.body), "generation": generation})
        names = ", ".join(writer.name for writer in found.writers)
        tell(f"spread: generation {generation}, without another change, to {names}")
        publisher.publish(body, generation)
        written_at = min(publisher.told().values()) / 1e9
        with closing(statuses_of(read, read_properties(read.file(read.plan.clusters.source.properties)))) as statuses:
            result = _wait(statuses, wanted, generation, written_at, options.spread_within)
        for line in publisher.behind():
            tell(f"spread: lacks generation {generation}: {line}")
        return result


def _clusters(read: ReadPlan) -> Mapping[str, Any]:
    return {"source": read.plan.clusters.source, "target": read.plan.clusters.target}


def _wait(
    statuses: StatusSource, wanted: Mapping[str, str], generation: int, written_at: float, within_s: float
) -> Spread:
    seen_s: dict[str, float] = {}
    deadline = time.monotonic() + within_s
    contents: Mapping[str, Mapping[str, Any]] = {}
    while time.monotonic() < deadline and len(seen_s) < len(wanted):
        contents = statuses.read()
        for name in wanted.keys() - seen_s.keys():
            status = contents.get(name)
            if status is not None and (integer(status.get("seen_generation")) or 0) >= generation:
                seen_s[name] = max(0.0, _seen_at(status, generation) - written_at)
        time.sleep(_LOOK_S)
    missing = [_missing(name, host, contents.get(name)) for name, host in sorted(wanted.items()) if name not in seen_s]
    return Spread(generation, seen_s, missing, within_s)


def _seen_at(status: Mapping[str, Any], generation: int) -> float:
    """Return when the client has seen it, by its own clock; now, if it has seen a later one since."""
    seen = mapping(status.get("seen"))
    at = number(seen.get("at"))
    return at if at is not None and integer(seen.get("generation")) == generation else time.time()


def _missing(name: str, host: str, status: Mapping[str, Any] | None) -> str:
    at = None if status is None else integer(status.get("seen_generation"))
    why = None if status is None else text(status.get("rejected"))
    where = f"{name} on {host}" if host else name
    return f"{where} (at generation {at}{'' if why is None else f', refuses: {why}'})"
