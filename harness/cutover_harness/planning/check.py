"""All checks of a plan file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_input, read_text_input
from cutover_harness.inventory.model import Listing
from cutover_harness.plan.yaml_tree import read_yaml
from cutover_harness.planning.check_connectors import check_connectors, without_connect
from cutover_harness.planning.check_files import FileCheck
from cutover_harness.planning.check_inventory import check_inventory
from cutover_harness.planning.check_names import check_names
from cutover_harness.planning.listing import read_listing
from cutover_harness.planning.model import PlanFile
from cutover_harness.planning.problems import PlanText, Problem, shape_of
from cutover_harness.planning.read import MOST_BYTES
from cutover_harness.words import listed


@dataclass(frozen=True)
class Checked:
    """problems: what has to be corrected. unset: what a person has to fill in before a cutover."""

    problems: list[Problem]
    unset: list[str]
    plan: PlanFile | None


def check_plan(file: Path, env: Mapping[str, str] | None) -> Checked:
    """Return everything that is wrong with a plan. env: without one, references are not resolved.

    Raises UsageError if the file cannot be read as YAML.
    """
    content = read_input(file, "plan", MOST_BYTES)
    try:
        node, data = read_yaml(content.decode("utf-8-sig"), str(file), MOST_BYTES)
    except UnicodeDecodeError:
        raise UsageError(f"plan {file}: cannot be read: not UTF-8 text") from None
    if not isinstance(data, dict):
        found = "nothing" if data is None else type(data).__name__
        raise UsageError(f"{file}:1: a plan is a mapping with name, clusters and batches; found {found}")
    text = PlanText(str(file), node, data)
    plan, problems = shape_of(text, data)
    if plan is None:
        return Checked(sorted(problems), [], None)
    problems += check_names(plan, text)
    problems += check_connectors(plan, text)
    files = FileCheck(plan, text, file.parent, env)
    problems += files.problems()
    unset = [*_unset(plan), *_without_route(file, plan, files)]
    if plan.inventory is not None:
        path, missing = files.path(("inventory", "file"), plan.inventory.file)
        problems += missing
        if path is None and not missing:
            unset.append(f"inventory: {plan.inventory.file} was not read: topics and groups were compared with nothing")
        if plan.inventory.systems is not None:
            problems += files.path(("inventory", "systems"), plan.inventory.systems)[1]
        if path is not None:
            try:
                listing, digest = read_listing(path)
                problems += _against_inventory(plan, text, path, listing, digest, data)
                if listing.partial:
                    unset.append(f"inventory: {path} is partial: take it again with more rights")
            except UsageError as why:
                problems.append(text.problem(("inventory", "file"), str(why)))
    return Checked(sorted(set(problems)), unset, plan)


def refuse_problems(file: Path) -> None:
    """Raise UsageError if the plan has a problem, with the references of this environment."""
    if found := check_plan(file, os.environ).problems:
        more = f" (and {len(found) - 1} more: kafka-cutover plan check {file})" if len(found) > 1 else ""
        raise UsageError(f"{found[0]}{more}")


def _against_inventory(
    plan: PlanFile, text: PlanText, path: Path, listing: Listing, digest: str, data: dict[str, Any]
) -> Iterable[Problem]:
    if plan.inventory is not None and plan.inventory.sha256 not in (None, digest):
        yield text.problem(
            ("inventory", "sha256"),
            f"{path} has changed since the plan was made: run `kafka-cutover plan` again, which keeps your edits",
        )
    if "source" not in listing.clusters:
        yield text.problem(("inventory", "file"), f"{path} has no source cluster: take it with --source")
        return
    yield from check_inventory(plan, text, listing, _unreadable(text, data))


def _unreadable(text: PlanText, data: dict[str, Any]) -> dict[str, set[str]]:
    """Return topics of batches that are not in the model, and groups that the text has anywhere."""
    found: dict[str, set[str]] = {"topics": set(), "groups": set()}
    rows = data.get("batches")
    for number, batch in enumerate(rows if isinstance(rows, list) else []):
        if isinstance(batch, dict):
            topics, groups = batch.get("topics"), batch.get("groups")
            if number not in text.rows and isinstance(topics, list):
                found["topics"] |= {str(each) for each in topics}
            if isinstance(groups, dict):
                found["groups"] |= {str(each) for each in groups}
    return found


def _without_route(file: Path, plan: PlanFile, files: FileCheck) -> Iterable[str]:
    """Return the batches whose route the cutover file lacks. A topic or a ConfigMap is not asked here."""
    if not any(mover.moves == "shim" for batch in plan.batches for mover in batch.movers):
        return
    for number, way in enumerate(plan.reach):
        if way.file is None:
            continue
        path, missing = files.path(("reach", number, "file"), way.file)
        if missing:
            yield f"reach: {way.file} does not exist: kafka-cutover file init --plan {file}"
        elif path is not None:
            try:
                routes = tomllib.loads(read_text_input(path, "cutover file"))["routes"]
                lacking = [batch.name for batch in plan.batches if batch.name not in routes]
            except (UsageError, KeyError, TypeError, ValueError):
                continue  # `kafka-cutover file check` reports it
            if lacking:
                yield (
                    f"reach: {way.file} lacks the routes of {', '.join(lacking)}, which clients keep from their start "
                    f"on: kafka-cutover run {file} --batch {lacking[0]} --dry-run prints the command that adds it"
                )


def _unset(plan: PlanFile) -> Iterable[str]:
    shim = any(mover.moves == "shim" for batch in plan.batches for mover in batch.movers)
    if plan.inventory is None:
        yield "inventory: topics and groups were compared with nothing"
    if plan.connect is None:
        yield "connect: the Connect cluster that runs the mirror"
    if connectors := without_connect(plan):
        yield f"connect_clusters, and connect of {listed(connectors)}: where these connectors run"
    if shim and not plan.reach:
        yield "reach: the channels by which clients with the shim get the target's address"
    if shim and plan.statuses is None:
        yield "statuses: where clients with the shim write their statuses"
    if plan.clusters.target.kind is None:
        yield "clusters.target.kind: automq or kafka"
    if plan.clusters.target.kind == "automq" and plan.clusters.target.version is None:
        yield "clusters.target.version: a cluster does not report AutoMQ's"
    if plan.policy is None:
        yield "policy: the limits that the report applies"
    if not plan.mirror_rate_measured:
        yield "mirror_rate_measured: minutes rest on an assumed rate"
