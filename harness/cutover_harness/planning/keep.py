"""Re-planning: a new plan onto a file that a person has edited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_text_input
from cutover_harness.inventory.model import Listing
from cutover_harness.plan.mistakes import first_mistake
from cutover_harness.plan.yaml_tree import read_yaml
from cutover_harness.planning.editing import apply
from cutover_harness.planning.make import At, Made, with_estimates
from cutover_harness.planning.merge import merge
from cutover_harness.planning.model import SECRET, PlanFile
from cutover_harness.planning.read import MOST_BYTES, read_plan
from cutover_harness.planning.render import comment_at, dumped, estimate_data, set_comments, text_of, yaml


def base_of(file: Path) -> Path:
    """Return the file that keeps what was generated last for the plan in `file`."""
    return file.with_name(f".{file.name}.generated")


@dataclass(frozen=True)
class Replanned:
    """text: the new content of the plan. generated: that of its base. kept: what could not be merged."""

    text: str
    generated: str
    kept: list[str]


def replanned(file: Path, made: Made, listing: Listing) -> Replanned:
    """Return what a new plan makes of the file, which may not exist. Raises UsageError if it is no plan."""
    generated = text_of(made)
    if not file.exists():
        return Replanned(generated, generated, [])
    read_plan(file)
    base_file = base_of(file)
    has_base = base_file.exists()
    mine = read_text_input(file, "plan")
    base = read_text_input(base_file, "plan") if has_base else generated
    if mine == base:
        return Replanned(generated, generated, [])
    content = _data(mine, file)
    merged = merge(_data(base, base_file), content, _data(generated, file))
    data = _estimated(merged.data, file, listing)
    document, of_base = _document(mine, file), _document(base, base_file)
    before = dumped(document)
    if data != content:
        apply(document, data)
    set_comments(document, _renewed(document, of_base, made.comments, merged.names))
    after = dumped(document)
    kept = merged.kept
    if not has_base and kept:
        kept = [f"{base_file} is missing, so every difference counts as your edit", *kept]
    # Without a change the file stays as it is, whatever its format.
    return Replanned(mine if after == before else after, generated, kept)


def _estimated(data: dict[str, Any], file: Path, listing: Listing) -> dict[str, Any]:
    """Return the data with the estimates for the topics that the batches have after the merge."""
    try:
        plan = PlanFile.model_validate(data)
    except ValidationError as errors:
        mistake = first_mistake(errors, PlanFile, data, secret=SECRET)
        raise UsageError(
            f"{file}: cannot be merged with the new plan: {mistake}: correct it, or write another file"
        ) from None
    plan = with_estimates(plan, listing, notes=False)
    for batch, planned in zip(data["batches"], plan.batches, strict=True):
        if planned.estimate is not None:
            batch["estimate"] = estimate_data(planned.estimate)
    return data


def _renewed(
    document: CommentedMap, base: CommentedMap, comments: Mapping[At, str], names: Mapping[str, str]
) -> dict[At, str]:
    """Return the comments to write: not those that a person has changed or removed."""
    found = {}
    for at, text in comments.items():
        place = (at[0], names.get(at[1], at[1]), *at[2:]) if at[0] == "batches" else at
        now, generated = comment_at(document, place), comment_at(base, at)
        if now == generated and now != text:
            found[place] = text
    return found


def _data(text: str, file: Path) -> dict[str, Any]:
    _, data = read_yaml(text, str(file), MOST_BYTES)
    if not isinstance(data, dict):
        raise UsageError(f"{file}: is no plan that kafka-cutover has generated: remove it, which makes all edits yours")
    return data


def _document(text: str, file: Path) -> CommentedMap:
    try:
        document: CommentedMap = yaml().load(text)  # a mapping, as `_data` has checked
    except YAMLError as why:
        raise UsageError(f"{file}: not YAML 1.2: {' '.join(str(why).split())[:160]}") from None
    return document
