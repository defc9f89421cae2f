"""Connect's messages and the traces of failed tasks, in one line and without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from cutover_harness.masking import is_secret, masked

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPES = {"n": "\n", "r": "\r"}
"""Characters that are written as letters in strings of JAAS."""
_MAX_LENGTH = 2000
_CAUSE = re.compile(r"^Caused by: (.*)$", re.MULTILINE)


def secrets_of(configs: Iterable[Mapping[str, str]]) -> frozenset[str]:
    """Return what must not appear in a message: values of sensitive properties, and the quoted strings in them."""
    found: set[str] = set()
    for config in configs:
        for value in (value for key, value in config.items() if is_secret(key)):
            quoted = _QUOTED.findall(value)
            found |= {value, *quoted, *map(_unquoted, quoted)}
    found |= {json.dumps(text)[1:-1] for text in found}  # a message may quote what was sent, which is JSON
    return frozenset(text for text in found if len(text) > 3)  # a shorter one would mask letters of other words


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text)


def one_line(text: str, secrets: Iterable[str]) -> str:
    """Return the whole text in one line, secrets replaced by ***, also those in URLs."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return masked(" ".join(text.split()))[:_MAX_LENGTH] or "no reason given"


def trace_reason(trace: str, secrets: Iterable[str]) -> str:
    """Return a Java trace's first line and its causes: often only the last cause contains the reason."""
    first = (trace.strip().splitlines() or [""])[0]
    return one_line(": caused by ".join([first, *_CAUSE.findall(trace)]), secrets)
