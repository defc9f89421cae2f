"""Client properties of one cluster, for librdkafka and for Java clients."""

import re
from collections.abc import Mapping
from pathlib import Path

from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.oidc import ClientCredentials, client_credentials

_SEEN_BY_CONNECT = "connect.bootstrap.servers"
# Properties that only Java clients have. They are for Connect, and override derived ones.
_JAVA_ONLY = (
    "sasl.jaas.config",
    "sasl.client.callback.handler.class",
    "sasl.login.callback.handler.class",
    "ssl.truststore.",
    "ssl.keystore.",
)
_BOTH = (
    "bootstrap.servers",
    "security.protocol",
    "client.dns.lookup",
    "sasl.kerberos.service.name",
)
_LOGIN_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}
_OAUTHBEARER = "org.apache.kafka.common.security.oauthbearer"


def librdkafka(config: Mapping[str, str]) -> dict[str, str]:
    """Return the properties without those for Java clients or for Connect alone."""
    return {key: value for key, value in config.items() if not key.startswith((*_JAVA_ONLY, _SEEN_BY_CONNECT))}


def seen_by_connect(config: Mapping[str, str], bootstrap: str | None) -> dict[str, str]:
    """Return a cluster's properties with the address at which Connect reaches it (None: the same one)."""
    return {**config, **({_SEEN_BY_CONNECT: bootstrap} if bootstrap else {})}


def java(config: Mapping[str, str]) -> dict[str, str]:
    """Return the properties with which a Java client reaches the same cluster as the same user.

    PEM files are passed by content (KIP-651), since Connect may run elsewhere. Raises MirrorError for a SASL mechanism
    that cannot be translated; `sasl.jaas.config` in the configuration is not changed.
    """
    result = {key: config[key] for key in _BOTH if key in config}
    if _SEEN_BY_CONNECT in config:
        result["bootstrap.servers"] = config[_SEEN_BY_CONNECT]
    mechanism = config.get("sasl.mechanism", config.get("sasl.mechanisms"))
    if mechanism is not None:
        result["sasl.mechanism"] = mechanism
        if "sasl.jaas.config" not in config:
            result |= _login(mechanism, config)
    if (algorithm := config.get("ssl.endpoint.identification.algorithm")) is not None:
        result["ssl.endpoint.identification.algorithm"] = "" if algorithm == "none" else algorithm
    for store, java_key, rdkafka_key in (
        ("truststore", "ssl.truststore.certificates", "ssl.ca"),
        ("keystore", "ssl.keystore.certificate.chain", "ssl.certificate"),
        ("keystore", "ssl.keystore.key", "ssl.key"),
    ):
        if (pem := _pem(config, rdkafka_key)) is not None:
            result[f"ssl.{store}.type"] = "PEM"
            result[java_key] = pem
    if "ssl.key.password" in config:
        result["ssl.key.password"] = config["ssl.key.password"]
    return result | {key: value for key, value in config.items() if key.startswith(_JAVA_ONLY)}


def _login(mechanism: str, config: Mapping[str, str]) -> dict[str, str]:
    if mechanism != "OAUTHBEARER":
        return {"sasl.jaas.config": _jaas(mechanism, config)}
    credentials = client_credentials(config)
    if credentials is None:
        raise MirrorError(
            "sasl.mechanism OAUTHBEARER cannot be translated for MirrorMaker 2 without sasl.oauthbearer.method=oidc, "
            "client id, client secret and token endpoint: add sasl.jaas.config to the cluster's properties"
        )
    return {
        "sasl.login.callback.handler.class": f"{_OAUTHBEARER}.OAuthBearerLoginCallbackHandler",
        "sasl.oauthbearer.token.endpoint.url": credentials.endpoint,
        "sasl.jaas.config": _oauthbearer_jaas(credentials, _pem(config, "https.ca")),
    }


def _oauthbearer_jaas(credentials: ClientCredentials, ca: str | None) -> str:
    """Return the login for Kafka's handler of OpenID Connect (KIP-768). ca: of the token endpoint (PEM)."""
    options = {"clientId": credentials.client_id, "clientSecret": credentials.client_secret}
    if credentials.scope:
        options["scope"] = credentials.scope
    for name in credentials.extensions:
        if re.fullmatch("[A-Za-z]+", name) is None:  # otherwise it would be syntax of JAAS
            raise MirrorError(
                f"sasl.oauthbearer.extensions: {name!r} is no name of an extension: use letters only (RFC 7628)"
            )
    options |= {f"extension_{name}": value for name, value in credentials.extensions.items()}
    if ca is not None:
        options |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": ca}
    listed = " ".join(f"{name}={_quoted(value)}" for name, value in options.items())
    return f"{_OAUTHBEARER}.OAuthBearerLoginModule required {listed};"


def _quoted(value: str) -> str:
    """Return a value as a string of JAAS, which ends at the end of a line."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\n", "\\n") + '"'


def _jaas(mechanism: str, config: Mapping[str, str]) -> str:
    if mechanism not in _LOGIN_MODULES:
        raise MirrorError(
            f"sasl.mechanism {mechanism} cannot be translated for MirrorMaker 2: add sasl.jaas.config to the cluster's "
            f"properties, or use one of {', '.join(_LOGIN_MODULES)}"
        )

    user, password = (_quoted(config.get(key, "")) for key in ("sasl.username", "sasl.password"))
    return f"{_LOGIN_MODULES[mechanism]} required username={user} password={password};"


def _pem(config: Mapping[str, str], key: str) -> str | None:
    if f"{key}.pem" in config:
        return config[f"{key}.pem"]
    if f"{key}.location" not in config:
        return None
    path = Path(config[f"{key}.location"])
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise MirrorError(f"{key}.location: {path} cannot be read as PEM: {error}") from error
