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


def test_a_mechanism_that_cannot_be_translated() -> None:
    config = {**SASL, "sasl.mechanisms": "OAUTHBEARER"}
    with pytest.raises(UsageError, match=r"OAUTHBEARER .* add sasl\.jaas\.config"):
        java(config)
    assert java({**config, "sasl.jaas.config": "x"})["sasl.mechanism"] == "OAUTHBEARER"


def test_secrets_are_the_sensitive_values_and_the_passwords_in_a_login() -> None:
    jaas = java(SASL)["sasl.jaas.config"]
    found = secrets_of([{"target.cluster.sasl.jaas.config": jaas, "topics": "orders", "ssl.key.password": "abc"}])
    assert {SECRET, jaas} <= found
    assert not {"orders", "abc"} & found
    assert one_line(f"x {jaas}\ny {SECRET}", found) == "x *** y ***"
    assert one_line("no jdbc:postgresql://db/crm?password=hunter2 there", []) == (
        "no jdbc:postgresql://db/crm?password=*** there"
    )
