"""Keys and values of earlier versions of the scenario file: still read, with one line of warning."""

from __future__ import annotations

import logging
from typing import Any

from cutover_harness.judge.earlier import MEASURES

log = logging.getLogger(__name__)

EARLIER: dict[str, list[str]] = {"step": ["act"]}
"""The earlier names of each key of this version."""
for _before, _now in MEASURES.items():
    EARLIER.setdefault(_now, []).append(_before)


def renamed(data: dict[Any, Any], origin: str) -> dict[Any, Any]:
    """Return `data` with the names of this version; log one warning that lists the earlier names in `origin`."""
    found: list[str] = []
    data = _steps(data, found)
    data = _ends(data, found)
    data = _measures(data, found)
    if found:
        log.warning("%s: names of an earlier version: %s: rename them", origin, ", ".join(found))
    return data


def _steps(data: dict[Any, Any], found: list[str]) -> dict[Any, Any]:
    path = data.get("path")
    if not isinstance(path, list) or not any(_is_earlier(step) for step in path):
        return data
    found.append("act (now step)")
    steps = [
        {"step" if key == "act" else key: value for key, value in step.items()} if _is_earlier(step) else step
        for step in path
    ]
    return data | {"path": steps}


def _is_earlier(step: object) -> bool:
    return isinstance(step, dict) and "act" in step and "step" not in step


def _ends(data: dict[Any, Any], found: list[str]) -> dict[Any, Any]:
    expect = data.get("expect")
    if not isinstance(expect, dict) or expect.get("ends") != "walked":
        return data
    found.append("ends: walked (now completed)")
    return data | {"expect": expect | {"ends": "completed"}}


def _measures(data: dict[Any, Any], found: list[str]) -> dict[Any, Any]:
    expect = data.get("expect")
    if not isinstance(expect, dict):
        return data
    named = {key: value for key, value in expect.items() if key not in MEASURES or MEASURES[key] in expect}
    named |= {MEASURES[key]: value for key, value in expect.items() if key in MEASURES and key not in named}
    controls = named.get("must_fail")
    if isinstance(controls, list):
        named["must_fail"] = [MEASURES.get(name, name) if isinstance(name, str) else name for name in controls]
    if named == expect:
        return data
    earlier = [name for name in MEASURES if name in expect or (isinstance(controls, list) and name in controls)]
    found += [f"{name} (now {MEASURES[name]})" for name in earlier]
    return data | {"expect": named}
