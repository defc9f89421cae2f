"""Login with OpenID Connect: librdkafka's properties of the client credentials grant, for other clients. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_PREFIX = "sasl.oauthbearer."
_GRANT = "client_credentials"


@dataclass(frozen=True)
class ClientCredentials:
    """What a token is fetched with. `extensions`: name -> value, which go to the broker with the token."""

    endpoint: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str
    extensions: Mapping[str, str]


def client_credentials(config: Mapping[str, str]) -> ClientCredentials | None:
    """Return what librdkafka's properties fetch a token with, None if they do so in another way.

    Other ways are a callback of the application, an assertion in a file, and metadata of a cloud.
    """
    given = {
        name.removeprefix(_PREFIX).removeprefix("client.credentials."): value  # an alias of two names
        for name, value in config.items()
        if name.startswith(_PREFIX)
    }
    named = all(given.get(name) for name in ("token.endpoint.url", "client.id", "client.secret"))
    grant = given.get("grant.type", _GRANT).lower()
    cloud = given.get("metadata.authentication.type", "none").lower()
    if given.get("method", "").lower() != "oidc" or not named or grant != _GRANT or cloud != "none":
        return None
    pairs = (part.partition("=") for part in given.get("extensions", "").split(",") if part.strip())
    return ClientCredentials(
        given["token.endpoint.url"],
        given["client.id"],
        given["client.secret"],
        given.get("scope", ""),
        {name.strip(): value.strip() for name, _, value in pairs},
    )
