"""Three-way merge of plans: what was generated last, what a person has made of it, and what is generated now. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

_GENERATED = frozenset({"inventory", "estimate"})
"""Facts, not decisions: always those of the new plan."""
_MISSING: Any = object()
Item = dict[str, Any]
Three = tuple[Any, Any, Any]
"""Base, mine, new."""


@dataclass
class Merged:
    """The result. kept: what the person has and the new plan has differently; not merged, in one line each.

    names: the person's names of batches, by the generated ones.
    """

    data: dict[str, Any]
    kept: list[str] = field(default_factory=list)
    names: Mapping[str, str] = field(default_factory=dict)


def merge(base: Mapping[str, Any], mine: Mapping[str, Any], new: Mapping[str, Any]) -> Merged:
    """Return `mine` with the changes from `base` to `new`; if both changed the same thing, mine stays."""
    names = renamed(base, mine)
    base, new = _with_names(base, names), _with_names(new, names)
    merged = Merged({}, names=names)
    merged.data = _mapping(base, mine, new, (), merged.kept)
    _in_one_place(base, mine, merged)
    for batch in [each for each in merged.data["batches"] if not each["topics"]]:
        merged.data["batches"].remove(batch)
        merged.kept.append(f"batch {batch['name']}: removed, as your edits leave it no topic")
    return merged


def renamed(base: Mapping[str, Any], mine: Mapping[str, Any]) -> dict[str, str]:
    """Return the new name of each batch that a person has renamed: its system is still the same."""
    before, now = ({each["name"]: each.get("system") for each in data["batches"]} for data in (base, mine))
    found = {}
    for name, system in before.items():
        others = [other for other, its in now.items() if its == system and other not in before]
        if name not in now and system is not None and len(others) == 1:
            found[name] = others[0]
    return found


def _with_names(data: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    if not names:
        return data
    batches = []
    for batch in data["batches"]:
        after = {"after": [names.get(each, each) for each in batch["after"]]} if "after" in batch else {}
        batches.append({**batch, **after, "name": names.get(batch["name"], batch["name"])})
    return {**data, "batches": batches}


def _mapping(
    base: Mapping[str, Any], mine: Mapping[str, Any], new: Mapping[str, Any], at: tuple[str, ...], kept: list[str]
) -> dict[str, Any]:
    found = {}
    for key in [*mine, *(key for key in new if key not in mine)]:
        value = _value(_pick(key, base, mine, new), (*at, key), kept)
        if value is not _MISSING:
            found[key] = value
    return found


def _pick(key: str, *parts: Mapping[str, Any]) -> Three:
    base, mine, new = (each.get(key, _MISSING) for each in parts)
    return base, mine, new


def _value(three: Three, at: tuple[str, ...], kept: list[str]) -> Any:
    base, mine, new = three
    if mine == new or new == base:  # noqa: PLR1714 - values may not be hashable
        return mine
    if mine == base or (at[-1] in _GENERATED and len(at) < 4):
        return new
    if isinstance(mine, dict) and isinstance(new, dict):
        return _mapping(base if isinstance(base, dict) else {}, mine, new, at, kept)
    if isinstance(mine, list) and isinstance(new, list):
        before = base if isinstance(base, list) else []
        items = [*before, *mine, *new]
        if all(isinstance(item, str) for item in items):
            return _names(before, mine, new)
        if all(isinstance(item, dict) and "name" in item for item in items):
            return _named(before, mine, new, at, kept)
    kept.append(f"{'.'.join(at)}: kept {_shown(mine)}; the new plan has {_shown(new)}")
    return mine


def _names(base: list[str], mine: list[str], new: list[str]) -> list[str]:
    removed, added = set(base) - set(new), [name for name in new if name not in base and name not in mine]
    return [name for name in mine if name not in removed] + added


def _named(
    base: list[dict[str, Any]],
    mine: list[dict[str, Any]],
    new: list[dict[str, Any]],
    at: tuple[str, ...],
    kept: list[str],
) -> list[dict[str, Any]]:
    """Merge lists of mappings that have names; the order is mine if the person has changed it."""
    of_base, of_mine, of_new = ({each["name"]: each for each in part} for part in (base, mine, new))
    found = _mapping(of_base, of_mine, of_new, at, kept)
    order = [name for name in of_mine if name in found]
    if [name for name in of_base if name in found] == order:  # the person has not changed the order
        order = [name for name in of_new if name in found] + [name for name in order if name not in of_new]
    for number, name in enumerate(of_new):
        if name in found and name not in order:
            before = [each for each in list(of_new)[:number] if each in order]
            order.insert(order.index(before[-1]) + 1 if before else 0, name)
    return [found[name] for name in order]


def _in_one_place(base: Mapping[str, Any], mine: Mapping[str, Any], merged: Merged) -> None:
    """Remove what the new plan has added in one place, and the person has put into another."""
    for places, what in ((_topic_places, "topic"), (_group_places, "group")):
        put = _by_name(places(mine), without=places(base))
        for name, at in _by_name(places(merged.data)).items():
            if len(at) > 1 and name in put:
                for place, remove in at.items():
                    if place not in put[name]:
                        remove()
                        merged.kept.append(
                            f"{what} {name}: kept in {', '.join(put[name])}; the new plan has it in {place}"
                        )


Places = list[tuple[str, str, Callable[[], object]]]
"""Name, place, and what removes it from there."""


def _by_name(places: Places, without: Places | None = None) -> dict[str, dict[str, Callable[[], object]]]:
    left_out = {(name, place) for name, place, _ in without or ()}
    found: dict[str, dict[str, Callable[[], object]]] = {}
    for name, place, remove in places:
        if (name, place) not in left_out:
            found.setdefault(name, {})[place] = remove
    return found


def _topic_places(data: Mapping[str, Any]) -> Places:
    lists = [(f"batch {batch['name']}", batch.get("topics") or []) for batch in data.get("batches") or ()]
    lists.append(("stays", data.get("stays") or []))
    return [(name, place, partial(its.remove, name)) for place, its in lists for name in its]


def _group_places(data: Mapping[str, Any]) -> Places:
    found: Places = []
    for batch in data.get("batches") or ():
        its = batch.get("groups") or {}
        found += [(name, f"batch {batch['name']}", partial(its.pop, name)) for name in its]
    stays = data.get("stays_groups") or []
    return found + [(name, "stays_groups", partial(stays.remove, name)) for name in stays]


def _shown(value: Any) -> str:
    text = "nothing" if value is _MISSING else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
