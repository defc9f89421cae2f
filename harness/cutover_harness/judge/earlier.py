"""Names in `run.json` and `verdict.json` of earlier versions: a run folder stays readable after a rename."""

from typing import Any

MEASURES = {"disordered": "reordered"}
"""Measures by the name that an earlier version gave them."""
_LIMITED = (
    "lost",
    "reordered",
    "phantom",
    "stranded",
    "aborted_read",
    "log_order",
    "offset_regression",
    "gap_unexplained",
)
"""Counts whose limits were fields of an expectation, next to those of the causes in `duplicated`."""


def measure(name: Any) -> Any:
    """Return the present name of a measure; anything else unchanged."""
    return MEASURES.get(name, name) if isinstance(name, str) else name


def facts(data: Any) -> Any:
    """Return the content of a `run.json` with present names."""
    inside = {"expectation": expectation, "marks": lambda marks: _each(marks, _mark)}
    return _renamed(data, {"guards": "preconditions"}, inside)


def expectation(data: Any) -> Any:
    """Return an expectation with present names, and with all limits in `limits`."""
    named = _renamed(data, MEASURES, {"must_fail": lambda names: _each(names, measure)})
    if not isinstance(named, dict) or "limits" in named or not isinstance(named.get("duplicated", {}), dict):
        return named
    limits = {key: value for key, value in named.items() if key in _LIMITED} | named.get("duplicated", {})
    return {key: value for key, value in named.items() if key not in (*_LIMITED, "duplicated")} | {"limits": limits}


def verdict(data: Any) -> Any:
    """Return a verdict with present names."""
    return _renamed(data, {"guards": "preconditions"}, {})


def judgement(data: Any) -> Any:
    """Return a judgement with present names."""
    return _renamed(
        data,
        {},
        {
            "groups": lambda groups: _each(groups, _group),
            "offenders": lambda found: _each(found, lambda one: _renamed(one, {}, {"kind": measure})),
        },
    )


def report(data: Any) -> Any:
    """Return the content of a `verdict.json` with present names."""
    return _renamed(data, {}, {"verdict": verdict, "judgement": judgement})


def _mark(data: Any) -> Any:
    return data | {"kind": "step"} if isinstance(data, dict) and data.get("kind") == "act" else data


def _group(data: Any) -> Any:
    inside = {
        "unmeasured": lambda why: _renamed(why, MEASURES, {}),
        "partitions": lambda found: _each(found, lambda one: _renamed(one, MEASURES, {})),
    }
    return _renamed(data, MEASURES, inside)


def _renamed(data: Any, keys: dict[str, str], inside: dict[str, Any]) -> Any:
    """Return `data` with other keys, and its values changed by `inside`; what is no object stays as it is."""
    if not isinstance(data, dict):
        return data
    # If a file has both names, the earlier one stays, and is refused as a field that is not known.
    named = {keys[key] if key in keys and keys[key] not in data else key: value for key, value in data.items()}
    return {key: inside[key](value) if key in inside else value for key, value in named.items()}


def _each(values: Any, change: Any) -> Any:
    return [change(value) for value in values] if isinstance(values, list | tuple) else values
