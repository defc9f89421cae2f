"""An identity provider for OAUTHBEARER, as a company has one: a token endpoint with TLS, and keys of its signatures.

Clients get a token for their id and secret (OAuth 2.0 client credentials, RFC 6749), which is a JWT (RFC 7519) with an
RSA signature. Brokers check it with the public keys (JWKS, RFC 7517), which they read from a file.
"""

from __future__ import annotations

import base64
import hmac
import http.server
import json
import ssl
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.cluster.secured import self_signed

AUDIENCE, SCOPE, ISSUER = "kafka-clusters", "kafka", "https://login.example"
LISTENER = "OAUTH"
_KEY_ID = "one"
_MODULE = "org.apache.kafka.common.security.oauthbearer"


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class _Answer(http.server.BaseHTTPRequestHandler):
    server: IdentityProvider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        kind, _, encoded = (self.headers.get("Authorization") or "").partition(" ")
        client, _, secret = base64.b64decode(encoded).decode().partition(":")
        known = self.server.clients.get(client, "")
        if kind != "Basic" or not known or not hmac.compare_digest(secret, known):
            self.server.refused[client] += 1
            self._send(401, {"error": "invalid_client"})
        elif form.get("grant_type") != ["client_credentials"] or form.get("scope") != [SCOPE]:
            self._send(400, {"error": "invalid_request"})
        else:
            self.server.given[self.headers.get("User-Agent") or "librdkafka"] += 1
            token = self.server.token(client)
            self._send(200, {"access_token": token, "token_type": "Bearer", "expires_in": self.server.lasts_s})

    def _send(self, status: int, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


class IdentityProvider(http.server.ThreadingHTTPServer):
    """`clients`: id -> secret. `given`: tokens by the software that asked; `refused`: requests by client id.

    tokens: all that were given. lasts_s: how long a token is valid.
    """

    daemon_threads = True

    def __init__(self, folder: Path, clients: Mapping[str, str], lasts_s: int) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.clients, self.lasts_s = dict(clients), lasts_s
        self.given: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.tokens: set[str] = set()
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self.key.public_key().public_numbers()
        key = {
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": _KEY_ID,
            "n": _number(public.n),
            "e": _number(public.e),
        }
        self.keys = folder / "login-keys.json"
        self.keys.write_text(json.dumps({"keys": [key]}))
        private, certificate = self_signed()
        self.ca = folder / "login-ca.pem"
        self.ca.write_text(certificate)
        pair = folder / "login.pem"
        pair.write_text(private + certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        """The token endpoint."""
        return f"https://127.0.0.1:{self.server_port}/token"

    def token(self, client: str) -> str:
        """Return a new token of a client."""
        now = int(time.time())
        claims = {"sub": client, "aud": AUDIENCE, "iss": ISSUER, "iat": now, "exp": now + self.lasts_s, "scope": SCOPE}
        parts = ({"alg": "RS256", "typ": "JWT", "kid": _KEY_ID}, claims)
        signed = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        token = f"{signed}.{_base64(signature)}"
        self.tokens.add(token)
        return token

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that does not trust the certificate

    def of_broker(self, session_s: int) -> dict[str, str]:
        """Return the properties of a broker that accepts these tokens on the listener OAUTH.

        session_s: after how long a client has to log in again (KIP-368).
        """
        mine = f"listener.name.{LISTENER.lower()}"
        return {
            f"{mine}.sasl.enabled.mechanisms": "OAUTHBEARER",
            f"{mine}.oauthbearer.sasl.jaas.config": f"{_MODULE}.OAuthBearerLoginModule required;",
            f"{mine}.oauthbearer.sasl.server.callback.handler.class": f"{_MODULE}.OAuthBearerValidatorCallbackHandler",
            f"{mine}.oauthbearer.connections.max.reauth.ms": str(session_s * 1000),
            "sasl.oauthbearer.jwks.endpoint.url": self.keys.as_uri(),
            "sasl.oauthbearer.expected.audience": AUDIENCE,
            "sasl.oauthbearer.expected.issuer": ISSUER,
        }

    def of_client(self, client: str, secret: str) -> dict[str, str]:
        """Return librdkafka's properties of a client."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": client,
            "sasl.oauthbearer.client.secret": secret,
            "sasl.oauthbearer.scope": SCOPE,
            "sasl.oauthbearer.token.endpoint.url": self.url,
            "https.ca.location": str(self.ca),
        }

    def of_java_client(self, client: str, secret: str) -> dict[str, str]:
        """Return the properties of a Java client."""
        login = f'clientId="{client}" clientSecret="{secret}" scope="{SCOPE}" '
        login += f'ssl.truststore.type="PEM" ssl.truststore.location="{self.ca}"'
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.login.callback.handler.class": f"{_MODULE}.OAuthBearerLoginCallbackHandler",
            "sasl.oauthbearer.token.endpoint.url": self.url,
            "sasl.jaas.config": f"{_MODULE}.OAuthBearerLoginModule required {login};",
        }


@contextmanager
def identity_provider(folder: Path, clients: Mapping[str, str], lasts_s: int) -> Iterator[IdentityProvider]:
    """Start an identity provider."""
    with IdentityProvider(folder, clients, lasts_s) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()
