"""Client properties of one cluster for Java clients and for librdkafka."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.mirror.client_properties import java, librdkafka
from cutover_harness.mirror.connect_messages import one_line, secrets_of

SECRET = 'pass"wo\\rd'
SASL = {
    "bootstrap.servers": "a:1,b:2",
    "security.protocol": "SASL_SSL",
    "sasl.mechanisms": "SCRAM-SHA-512",
    "sasl.username": "me",
    "sasl.password": SECRET,
    "client.id": "app",
    "linger.ms": "5",
}
OAUTHBEARER = "org.apache.kafka.common.security.oauthbearer"
OIDC = {
    "sasl.oauthbearer.method": "OIDC",
    "sasl.oauthbearer.client.id": "mover",
    "sasl.oauthbearer.client.secret": SECRET,
    "sasl.oauthbearer.token.endpoint.url": "https://login.example/token",
    "sasl.oauthbearer.scope": "kafka",
    "sasl.oauthbearer.extensions": "logicalCluster=lkc-1, pool=p",
}
PLAIN = {"bootstrap.servers": "c:3"}


def test_sasl_for_java() -> None:
    assert java(SASL) == {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
        'username="me" password="pass\\"wo\\\\rd";',
    }


def test_tls_for_java(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("CA")
    config = {
        **PLAIN,
        "security.protocol": "SSL",
        "ssl.ca.location": str(tmp_path / "ca.pem"),
        "ssl.certificate.pem": "CERT",
        "ssl.key.pem": "KEY",
        "ssl.key.password": "key-password",
        "ssl.endpoint.identification.algorithm": "none",
    }
    assert java(config) == {
        **PLAIN,
        "security.protocol": "SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": "CA",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": "CERT",
        "ssl.keystore.key": "KEY",
        "ssl.key.password": "key-password",
        "ssl.endpoint.identification.algorithm": "",
    }
    with pytest.raises(UsageError, match=r"ssl\.ca\.location: .*nothing cannot be read"):
        java({**config, "ssl.ca.location": str(tmp_path / "nothing")})


def test_java_properties_override_there_and_are_hidden_from_librdkafka() -> None:
    config = {**SASL, "sasl.jaas.config": "${file:/run/secrets:jaas}", "ssl.truststore.location": "/at/connect"}
    assert java(config)["sasl.jaas.config"] == "${file:/run/secrets:jaas}"
    assert java(config)["ssl.truststore.location"] == "/at/connect"
    assert librdkafka(config) == SASL


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"sasl.oauthbearer.method": "default"},
        {**OIDC, "sasl.oauthbearer.client.secret": ""},
        {**OIDC, "sasl.oauthbearer.grant.type": "urn:ietf:params:oauth:grant-type:jwt-bearer"},
        {**OIDC, "sasl.oauthbearer.metadata.authentication.type": "azure_imds"},
        {"sasl.mechanisms": "GSSAPI"},
    ],
)
def test_a_login_that_cannot_be_translated(more: dict[str, str]) -> None:
    config = {**SASL, "sasl.mechanisms": "OAUTHBEARER", **more}
    with pytest.raises(UsageError, match=rf"{config['sasl.mechanisms']} .* add sasl\.jaas\.config") as error:
        java(config)
    assert SECRET not in str(error.value)
    assert java({**config, "sasl.jaas.config": "x"})["sasl.mechanism"] == config["sasl.mechanisms"]


def test_openid_connect_for_java(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN\nMII\r\n-----END\n")
    config = {**PLAIN, "security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER", **OIDC}
    found = java({**config, "https.ca.location": str(tmp_path / "ca.pem")})
    assert found == {
        **PLAIN,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.login.callback.handler.class": f"{OAUTHBEARER}.OAuthBearerLoginCallbackHandler",
        "sasl.oauthbearer.token.endpoint.url": "https://login.example/token",
        "sasl.jaas.config": f"{OAUTHBEARER}.OAuthBearerLoginModule required "
        'clientId="mover" clientSecret="pass\\"wo\\\\rd" scope="kafka" extension_logicalCluster="lkc-1" '
        'extension_pool="p" ssl.truststore.type="PEM" '
        'ssl.truststore.certificates="-----BEGIN\\nMII\\n-----END\\n";',
    }
    assert {SECRET, found["sasl.jaas.config"]} <= secrets_of([found])
    assert "https://login.example/token" not in secrets_of([found])
    plain = {key: value for key, value in config.items() if not key.endswith(("scope", "extensions"))}
    alias = {key.replace(".client.id", ".client.credentials.client.id"): value for key, value in plain.items()}
    for each in (plain, alias):
        assert java(each)["sasl.jaas.config"].endswith(' required clientId="mover" clientSecret="pass\\"wo\\\\rd";')


@pytest.mark.parametrize("name", ["a b", 'x" y', "a;b", "\n", "", "pool.1", "x ssl.truststore.type"])
def test_a_name_of_an_extension_cannot_be_syntax_of_a_login(name: str) -> None:
    config = {**PLAIN, "sasl.mechanism": "OAUTHBEARER", **OIDC, "sasl.oauthbearer.extensions": f"pool=p,{name}=v"}
    with pytest.raises(UsageError, match=r"sasl\.oauthbearer\.extensions: .* is no name of an extension") as caught:
        java(config)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_secrets_are_the_sensitive_values_and_the_passwords_in_a_login() -> None:
    jaas = java(SASL)["sasl.jaas.config"]
    found = secrets_of([{"target.cluster.sasl.jaas.config": jaas, "topics": "orders", "ssl.key.password": "abc"}])
    assert {SECRET, jaas} <= found
    assert not {"orders", "abc"} & found
    assert one_line(f"x {jaas}\ny {SECRET}", found) == "x *** y ***"
    assert one_line("no jdbc:postgresql://db/crm?password=hunter2 there", []) == (
        "no jdbc:postgresql://db/crm?password=*** there"
    )


@pytest.mark.parametrize("secret", ['one"\ntwo-secret', "one\r\ntwo-secret", "back\\nslash-secret", "tab\tsecret;"])
def test_a_secret_of_several_lines_is_one_string_of_a_login_and_in_no_message(secret: str) -> None:
    config = {**PLAIN, "sasl.mechanism": "OAUTHBEARER", **OIDC, "sasl.oauthbearer.client.secret": secret}
    jaas = java(config)["sasl.jaas.config"]
    assert "\n" not in jaas
    assert "\r" not in jaas
    found = secrets_of([java(config)])
    assert secret in found
    assert one_line(f"x {secret} y {jaas}", found) == "x *** y ***"
