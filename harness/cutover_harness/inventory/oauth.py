"""Tokens for OAUTHBEARER by librdkafka's properties: OpenID Connect with client credentials."""

from __future__ import annotations

import time
from collections.abc import Mapping

import httpx
from kafka.net.sasl.oauth import AbstractTokenProvider

_TIMEOUT_S = 15.0
_EARLY_S = 30.0
_PREFIX = "sasl.oauthbearer."


def can_fetch(config: Mapping[str, str]) -> bool:
    """Return whether the properties say how to get a token in the one way that is known here."""
    named = all(config.get(f"{_PREFIX}{name}") for name in ("token.endpoint.url", "client.id", "client.secret"))
    return config.get(f"{_PREFIX}method", "").lower() == "oidc" and named


class OidcTokens(AbstractTokenProvider):  # type: ignore[misc]
    """Fetches a token from the token endpoint, and again before it expires."""

    def __init__(self, config: Mapping[str, str]) -> None:
        super().__init__()
        self._config = {name.removeprefix(_PREFIX): value for name, value in config.items()}
        self._token, self._until = "", 0.0

    def token(self) -> str:
        """Return a token that is valid now. Raises OSError without the secret, or what the endpoint answered."""
        if time.monotonic() >= self._until:
            config = self._config
            form = {"grant_type": "client_credentials", **({"scope": config["scope"]} if config.get("scope") else {})}
            login = (config["client.id"], config["client.secret"])
            try:
                answer = httpx.post(config["token.endpoint.url"], data=form, auth=login, timeout=_TIMEOUT_S)
                found = answer.json()
                self._token, lasts_s = str(found["access_token"]), float(found.get("expires_in", 60))
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, AttributeError):
                raise OSError("the token endpoint gave no token") from None
            self._until = time.monotonic() + max(0.0, lasts_s - _EARLY_S)
        return self._token

    def extensions(self) -> dict[str, str]:
        """Return the extensions that the properties name, such as `logicalCluster=…`."""
        pairs = (part.partition("=") for part in self._config.get("extensions", "").split(",") if part)
        return {name.strip(): value.strip() for name, _, value in pairs}
