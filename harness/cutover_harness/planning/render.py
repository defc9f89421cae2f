"""A plan as YAML with comments, and YAML that a person has edited with what changed in it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import SingleQuotedScalarString
from yaml import ScalarNode
from yaml.resolver import Resolver

from cutover_harness.planning.make import At, Made
from cutover_harness.planning.model import Estimate, PlanFile, PlannedBatch

MODELINE = "yaml-language-server: $schema=./{}"
SCHEMA = "plan.schema.json"
"""Written next to the plan, so that editors find it without a network, wherever the folder is."""
_HEAD = """\
{modeline}
Made by `kafka-cutover plan` from {inventory}. Change what you like: `kafka-cutover plan` on a newer inventory keeps
your edits, and `kafka-cutover plan check` reports all problems. The fields are in docs/plan.md.
{rate}"""
_MEASURED = "mirror_rate was measured."
_ASSUMED = "mirror_rate is an assumption: measure it (docs/plan.md), as all minutes depend on it."
_RESOLVER = Resolver()
_FLOW = frozenset({"groups", "producers"})


def data_of(plan: PlanFile) -> dict[str, Any]:
    """Return the plan as plain data, without empty fields and defaults that need not be shown."""
    data = plan.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    shown = {"format": 1, "name": plan.name, "inventory": None, "clusters": None, "connect": None, "reach": None}
    shown |= {"statuses": None, "policy": None, "mirror_rate": plan.mirror_rate}
    ordered = {key: data.get(key, value) for key, value in shown.items() if data.get(key, value) is not None}
    ordered |= {key: value for key, value in data.items() if key not in ordered}
    ordered["batches"] = [_batch_data(batch) for batch in plan.batches]
    return ordered


def _batch_data(batch: PlannedBatch) -> dict[str, Any]:
    data = batch.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    # Shown although they are defaults, or not known.
    data["rollback_window_h"] = batch.rollback_window_h
    if batch.estimate is not None:
        data["estimate"] = estimate_data(batch.estimate)
    return {key: data[key] for key in PlannedBatch.model_fields if key in data}


def estimate_data(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate as plain data, also what is not known."""
    return estimate.model_dump(mode="json")


def text_of(made: Made) -> str:
    """Return the text of a plan file."""
    plan = made.plan
    document = commented(data_of(plan))
    inventory = "an inventory" if plan.inventory is None else plan.inventory.file
    rate = _MEASURED if plan.mirror_rate_measured else _ASSUMED
    head = _HEAD.format(modeline=MODELINE.format(SCHEMA), inventory=inventory, rate=rate)
    document.yaml_set_start_comment(head)
    set_comments(document, made.comments)
    return dumped(document)


def yaml() -> YAML:
    """Return a reader and writer that keeps comments."""
    made = YAML()
    made.width = 4096
    made.preserve_quotes = True
    made.indent(mapping=2, sequence=4, offset=2)
    return made


def dumped(document: Any) -> str:
    """Return the text of a document."""
    out = io.StringIO()
    yaml().dump(document, out)
    return out.getvalue()


def commented(data: Any, key: str = "") -> Any:
    """Return data in the classes that carry comments; short mappings are written in one line."""
    if isinstance(data, dict):
        found = CommentedMap({_quoted(name): commented(value, key=name) for name, value in data.items()})
        if key in {"estimate", "gates", "inventory", "source", "target", "connect"} or not any(
            isinstance(value, dict | list) for value in data.values()
        ):
            found.fa.set_flow_style()
        if key in _FLOW:
            found.fa.set_block_style()
        return found
    if isinstance(data, list):
        return CommentedSeq([commented(value) for value in data])
    return _quoted(data)


def _quoted(value: Any) -> Any:
    """Return a text so that it is written in quotes if YAML 1.1, as which plans are read, takes it for no text."""
    if not isinstance(value, str):
        return value
    is_text = _RESOLVER.resolve(ScalarNode, value, (True, False)) == "tag:yaml.org,2002:str"  # type: ignore[no-untyped-call]
    return value if is_text else SingleQuotedScalarString(value)


def set_comments(document: Any, comments: Mapping[At, str]) -> None:
    """Write each comment at the end of its line."""
    indexes: dict[int, Mapping[str, int]] = {}
    for at, text in comments.items():
        if (found := _place(document, at, indexes)) is not None:
            parent, key = found
            _set_comment(parent, key, _line(text))


def _set_comment(parent: Any, key: int | str, text: str) -> None:
    """Set the comment at the end of a line; lines of comments behind it stay."""
    tokens = parent.ca.items.get(key)
    token = tokens[2 if isinstance(parent, CommentedMap) else 0] if tokens else None
    if token is None:
        parent.yaml_add_eol_comment(text, key, column=0)
    else:
        token.value = f"# {text}\n{token.value.partition(chr(10))[2]}"


def _place(document: Any, at: At, indexes: dict[int, Mapping[str, int]]) -> tuple[Any, int | str] | None:
    """Return the mapping or list that contains a place, and its key or index there; None if it is not there.

    indexes: of lists by their identity, found once.
    """
    parent: Any = None
    key: int | str | None = None
    node = document
    for part in at:
        parent = node
        if isinstance(node, dict):
            key = part if part in node else None
        elif isinstance(node, list):
            if id(node) not in indexes:
                indexes[id(node)] = {_title(each): number for number, each in reversed(list(enumerate(node)))}
            key = indexes[id(node)].get(part)
        else:
            key = None
        if key is None:
            return None
        node = parent[key]
    return None if key is None else (parent, key)


def _title(item: Any) -> str:
    return str(item.get("name")) if isinstance(item, dict) else str(item)


def comment_at(document: Any, at: At) -> str | None:
    """Return the comment at the end of the line of a place; None if there is none."""
    if (found := _place(document, at, {})) is None:
        return None
    parent, key = found
    tokens = parent.ca.items.get(key) or [None] * 3
    token = tokens[2 if isinstance(parent, CommentedMap) else 0]
    text = "" if token is None else token.value.partition("\n")[0].removeprefix("#").strip()
    return text or None


def _line(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)
