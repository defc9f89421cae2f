"""Client properties from a file, so that secrets are neither on a command line nor in a shell's history."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_text_input

_REFERENCE = re.compile(r"\$\{(?:(file):)?([^}]+)\}")
_JAVA_ONLY = {
    "sasl.jaas.config": "sasl.username and sasl.password",
    "ssl.truststore.location": "ssl.ca.location (PEM)",
    "ssl.truststore.password": "ssl.ca.location (PEM, which has no password)",
    "ssl.truststore.type": "ssl.ca.location (PEM)",
    "ssl.keystore.type": "ssl.keystore.location (PKCS#12) or ssl.certificate.location (PEM)",
}


def read_properties(file: Path, env: Mapping[str, str] | None = None, *, resolve: bool = True) -> dict[str, str]:
    """Return librdkafka's properties in `file`, one `name=value` per line; `#` and `!` begin comments.

    `${NAME}` stands for a variable of the environment, `${file:PATH}` for the content of a file, relative to the folder
    of `file`; without `resolve` they are left as they are. Raises UsageError naming file, line and remedy; messages
    never hold a value.
    """
    env = os.environ if env is None else env
    found: dict[str, str] = {}
    for where, name, value in property_lines(file, "properties"):
        if name in _JAVA_ONLY:
            raise UsageError(f"{where}: {name} is for Java clients; use {_JAVA_ONLY[name]}")
        found[name] = resolved(value, where, env, file.parent) if resolve else value
    if "bootstrap.servers" not in found and "metadata.broker.list" not in found:
        raise UsageError(f"properties {file}: bootstrap.servers is missing")
    return found


def property_lines(file: Path, what: str) -> Iterator[tuple[str, str, str]]:
    """Yield place, name and value of each `name=value` in a file; `#` and `!` begin comments.

    The place is for messages, and begins with `what`. Raises UsageError for a line of another form.
    """
    for number, line in enumerate(read_text_input(file, what).splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#!":
            continue
        name, equals, value = (part.strip() for part in stripped.partition("="))
        where = f"{what} {file}, line {number}"
        if not equals:
            raise UsageError(f"{where}: expected name=value")
        yield where, name, value


def resolved(text: str, where: str, env: Mapping[str, str], folder: Path = Path()) -> str:
    """Return the text with the values that its references stand for.

    folder: what the PATH of `${file:PATH}` is relative to. Raises UsageError that begins with `where`.
    """
    return _REFERENCE.sub(lambda found: _look_up(found, where, env, folder), text)


def _look_up(found: re.Match[str], where: str, env: Mapping[str, str], folder: Path) -> str:
    kind, name = found.groups()
    if kind is None:
        if name not in env:
            raise UsageError(f"{where}: the environment has no variable {name}")
        return env[name]
    return read_text_input(folder / name, where + ":").rstrip("\r\n")
