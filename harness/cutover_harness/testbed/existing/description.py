"""The file of `--testbed FILE`: two existing clusters, a Connect, and the prefix of every name that a run creates.

`python -m cutover_harness.testbed.existing.description > docs/testbed.schema.json` writes its schema.
"""

from __future__ import annotations

import re
import secrets
import sys
from pathlib import Path
from typing import Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cutover_harness.json_schema import schema_text
from cutover_harness.mirror.connect_access import ConnectAccess

_ID_BYTES = 3
_ID = rf"[0-9a-f]{{{2 * _ID_BYTES}}}-"
OF_MIRROR = "mm2-offset-syncs."
"""What MirrorMaker 2 puts before the one name that no setting lets begin with the prefix."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceFile(_Model):
    """An existing cluster; in YAML a plain string if only the file is given."""

    properties: Path = Field(description="librdkafka properties that reach the cluster, as for record and preflight.")
    version: str | None = Field(default=None, max_length=40, description="Version, for the report.")

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"properties": value} if isinstance(value, str) else value


class TargetFile(SourceFile):
    """The existing target."""

    kind: Literal["kafka", "automq"] = Field(
        default="kafka", description="automq: the target is AutoMQ; kafka: Apache Kafka, which stands in for it."
    )


class ConnectFile(ConnectAccess):
    """The existing Connect."""

    url: str = Field(description="Address of its REST interface, without user and password.")

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            url = httpx.URL(value)
        except (httpx.InvalidURL, ValueError, TypeError):
            raise ValueError("is no address: write https://HOST:PORT") from None
        if url.userinfo:
            raise ValueError("contains a user or a password: give them as user and password")
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("is no address: write https://HOST:PORT")
        return value

    @property
    def access(self) -> ConnectAccess:
        """Everything but the address."""
        return ConnectAccess(**{name: getattr(self, name) for name in ConnectAccess.model_fields})


class ExistingClusters(_Model):
    """A testbed of existing clusters."""

    prefix: str = Field(
        default="cutover-rehearsal-",
        pattern=r"^[A-Za-z][A-Za-z0-9._-]*$",
        min_length=3,
        max_length=100,
        description="Beginning of every name that a run creates; a random number and a dash follow it.",
    )
    source: SourceFile = Field(description="The cluster that applications move away from.")
    target: TargetFile = Field(description="The cluster that they move to.")
    connect: ConnectFile = Field(description="The Connect cluster that runs MirrorMaker 2.")

    def new_prefix(self) -> str:
        """Return the prefix of a new run."""
        return f"{self.prefix}{secrets.token_hex(_ID_BYTES)}-"

    def prefix_of(self, name: str) -> str | None:
        """Return the prefix of the run that created something of this name; None if no run did."""
        found = re.match(re.escape(self.prefix) + _ID, name.removeprefix(OF_MIRROR))
        return None if found is None else found[0]


def schema() -> str:
    """Return the schema of the file (JSON Schema, draft 2020-12) as text."""
    content: dict[str, Any] = ExistingClusters.model_json_schema()
    for name in ("SourceFile", "TargetFile"):  # the short form
        its = content["$defs"][name]
        content["$defs"][name] = {"anyOf": [{"type": "string", "description": its["description"]}, its]}
    return schema_text(content, "kafka-cutover testbed")


if __name__ == "__main__":
    sys.stdout.write(schema())
