"""Read the file that a plan names for Connect: certificates, login, and Connect's own way to the clusters."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from cutover_harness.configfile import with_paths
from cutover_harness.errors import UsageError
from cutover_harness.mirror.connect_access import ConnectAccess
from cutover_harness.mistake_words import first_words
from cutover_harness.properties_file import property_lines


def read_connect_properties(file: Path) -> ConnectAccess:
    """Return the access in `file`, one `name=value` per line with the fields of ConnectAccess as names.

    Files in it, also those of references, are relative to its folder. Raises UsageError naming file and line or field;
    messages hold no value.
    """
    what = "properties of Connect"
    found: dict[str, str] = {}
    for where, name, value in property_lines(file, what):
        if name not in ConnectAccess.model_fields:
            known = ", ".join(ConnectAccess.model_fields)
            raise UsageError(f"{where}: no property of this name: use {known}")
        found[name] = value
    try:
        return with_paths(ConnectAccess.model_validate(found), lambda path: file.parent / path)
    except ValidationError as errors:
        raise UsageError(f"{what} {file}: {first_words(errors)}") from None
