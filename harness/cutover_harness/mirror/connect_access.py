"""Access to a Connect that exists already: its REST interface with TLS and a login, and its way to both clusters."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cutover_harness.mirror.errors import MirrorError
from cutover_harness.properties_file import property_lines, resolved
from cutover_harness.types import ClusterName

_REFERENCES = re.compile(r"\$\{[^}]+\}")
_OF_THE_ENVIRONMENT = re.compile(r"\$\{[^}:]+\}")


class ConnectAccess(BaseModel):
    """Access to Connect, without secrets: references to them are resolved when they are used.

    Without anything the REST interface is open, and Connect reaches the clusters with the properties of the clients.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ca: Path | None = Field(default=None, description="CA certificates of Connect's REST interface (PEM).")
    certificate: Path | None = Field(default=None, description="Client certificate for it (PEM).")
    key: Path | None = Field(default=None, description="Key of the client certificate (PEM, without a password).")
    user: str | None = Field(default=None, min_length=1, description="User of its basic authentication.")
    password: str | None = Field(default=None, description="The user's password: ${NAME} or ${file:PATH}.")
    source: Path | None = Field(
        default=None,
        description="Java client properties with which Connect reaches the source (default: those of the source).",
    )
    target: Path | None = Field(
        default=None,
        description="Java client properties with which Connect reaches the target (default: those of the target).",
    )

    @field_validator("password")
    @classmethod
    def _only_references(cls, value: str | None) -> str | None:
        if value is not None and _REFERENCES.sub("", value):
            raise ValueError("holds something that is no reference: write ${NAME} or ${file:PATH}")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together: give both or none")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: give both or none")
        return self

    @property
    def reverse(self) -> ConnectAccess:
        """The access of the reverse mirror: source and target swapped."""
        return self.model_copy(update={"source": self.target, "target": self.source})

    def secrets(self) -> frozenset[str]:
        """Return what must not appear in a message. Raises UsageError."""
        return frozenset() if self.password is None else frozenset({self._password(self.password)})

    def client_options(self) -> dict[str, Any]:
        """Return what httpx needs for TLS and the login. Raises UsageError if a file or a variable is missing."""
        options: dict[str, Any] = {}
        if self.user is not None and self.password is not None:
            options["auth"] = (self.user, self._password(self.password))
        if self.ca is not None or self.certificate is not None:
            options["verify"] = self._tls()
        return options

    def properties(self, cluster: ClusterName) -> dict[str, str] | None:
        """Return the Java properties with which Connect reaches a cluster, None for those of the clients.

        Raises UsageError.
        """
        file = self.source if cluster == "source" else self.target
        return None if file is None else read_java_properties(file, os.environ)

    @staticmethod
    def _password(reference: str) -> str:
        return resolved(reference, "password of Connect", os.environ)

    def _tls(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as why:  # ssl.SSLError is one
            raise MirrorError(f"ca {self.ca}: no CA certificates in PEM: {why.strerror or why}") from None
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate, self.key, password="")
            except OSError as why:
                raise MirrorError(
                    f"certificate {self.certificate} with key {self.key}: no pair in PEM: {why.strerror or why}"
                ) from None
        return context


OPEN = ConnectAccess()
"""Access to a REST interface without a login, for clusters that Connect reaches as their clients do."""


def read_java_properties(file: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Return the properties in `file`, one `name=value` per line; `#` and `!` begin comments.

    `${NAME}` is a variable of the environment. A reference with a colon, as in `${directory:/opt/secrets:password}`, is
    one of Connect's config providers, and stays for its workers. Raises UsageError; messages never hold a value.
    """
    what = "properties for Connect"
    found: dict[str, str] = {}
    for where, name, value in property_lines(file, what):
        if name.startswith(("sasl.username", "sasl.password", "ssl.ca.", "ssl.certificate.", "ssl.key.location")):
            raise MirrorError(f"{where}: {name} is for librdkafka; Connect needs the properties of Java clients")
        found[name] = _OF_THE_ENVIRONMENT.sub(partial(_value, where, env), value)
    if "bootstrap.servers" not in found:
        raise MirrorError(f"{what} {file}: bootstrap.servers is missing")
    return found


def _value(where: str, env: Mapping[str, str], reference: re.Match[str]) -> str:
    return resolved(reference[0], where, env)
