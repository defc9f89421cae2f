"""Tokens for OAUTHBEARER by librdkafka's properties: OpenID Connect with client credentials."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping

import httpx
from kafka.net.sasl.oauth import AbstractTokenProvider

from cutover_harness.mirror.oidc import ClientCredentials

_TIMEOUT_S = 15.0
_EARLY_S = 30.0


class OidcTokens(AbstractTokenProvider):  # type: ignore[misc]
    """Fetches a token from the token endpoint, and again before it expires."""

    def __init__(self, credentials: ClientCredentials, tls: ssl.SSLContext) -> None:
        super().__init__()
        self._credentials, self._tls = credentials, tls
        self._token, self._until = "", 0.0

    def token(self) -> str:
        """Return a token that is valid now. Raises OSError without the secret, or what the endpoint answered."""
        if time.monotonic() >= self._until:
            its = self._credentials
            form = {"grant_type": "client_credentials", **({"scope": its.scope} if its.scope else {})}
            login = (its.client_id, its.client_secret)
            try:
                answer = httpx.post(its.endpoint, data=form, auth=login, timeout=_TIMEOUT_S, verify=self._tls)
                found = answer.json()
                self._token, lasts_s = str(found["access_token"]), float(found.get("expires_in", 60))
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, AttributeError):
                raise OSError("the token endpoint gave no token") from None
            self._until = time.monotonic() + max(0.0, lasts_s - _EARLY_S)
        return self._token

    def extensions(self) -> dict[str, str]:
        """Return the extensions that the properties name, such as `logicalCluster=…`."""
        return dict(self._credentials.extensions)


def tls_of_endpoint(config: Mapping[str, str]) -> ssl.SSLContext:
    """Return the TLS context of the token endpoint. Raises OSError or ValueError for certificates that are none."""
    return ssl.create_default_context(cafile=config.get("https.ca.location"), cadata=config.get("https.ca.pem"))
