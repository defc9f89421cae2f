"""Documents as they may be shown: references as they are, and *** in place of secrets that are written out."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w
from cutover_shim.cutover_file import SENSITIVE

from cutover_harness.channels.document import REFERENCE
from cutover_harness.channels.problems import flat
from cutover_harness.masking import masked

HIDDEN = "***"
_ENDPOINT = "token.endpoint.url"
"""An address that is public, unless it contains a password."""


def holds_secret(name: str, value: object) -> bool:
    """Whether a property's value is a secret itself, and no reference to one."""
    if not isinstance(value, str) or name.endswith(".location"):
        return False
    plain = REFERENCE.sub("", value).strip()
    if name.endswith(_ENDPOINT):
        return masked(plain) != plain
    return bool(SENSITIVE.search(name) and plain)


def secrets_in(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return cluster and name of each property that holds a secret itself."""
    return [
        (cluster, name) for cluster, table in _tables(data) for name, value in flat(table) if holds_secret(name, value)
    ]


def redacted(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a document with *** in place of secrets."""
    clusters = data.get("clusters")
    if not isinstance(clusters, dict):
        return dict(data)
    return {**data, "clusters": {name: _hidden(table, "") for name, table in clusters.items()}}


def redacted_text(body: str) -> str:
    """Return the text of a valid document with *** in place of secrets; comments are kept if that is possible."""
    data = tomllib.loads(body)
    text, shown = body, redacted(data)
    if shown == data:
        return body
    values = {value for _, table in _tables(data) for name, value in flat(table) if holds_secret(name, value)}
    for value in sorted(map(str, values), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    try:
        # As TOML: a value with escapes is written otherwise, and a short one may be part of other words.
        same = tomllib.loads(text) == shown
    except ValueError:
        same = False
    return text if same else tomli_w.dumps(shown)


def _hidden(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(each, f"{name}.{key}" if name else key) for key, each in value.items()}
    if holds_secret(name, value):
        return HIDDEN
    return masked(value) if isinstance(value, str) else value


def _tables(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    clusters = data.get("clusters")
    for name, table in clusters.items() if isinstance(clusters, dict) else ():
        if isinstance(table, dict):
            yield name, table
