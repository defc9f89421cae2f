"""A testbed whose target also listens with TLS and SASL, as a production cluster does."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cutover_harness.testbed import ProcessTestbed
from cutover_harness.testbed.nodes import Broker
from cutover_harness.testbed.settings import write_properties
from cutover_harness.types import ClusterName

USER = "app"


class SecuredBroker(Broker):
    """A broker whose clients, and whose mirror, log in."""

    properties: dict[str, str]

    def client_config(self) -> dict[str, str]:
        return self.properties


class SecuredTestbed(ProcessTestbed):
    """`secured` is the address of the target's SASL_SSL listener, `ca` the file with its certificate.

    With `everywhere` the source has such a listener, too, and clients and the mirror use those of both. A subclass with
    another testbed among its bases passes that one's arguments as `more`.
    """

    def __init__(self, workdir: Path, password: str, *, everywhere: bool = False, **more: Any) -> None:
        super().__init__(workdir, **more)
        self.secured = ""
        self.ca = self.workdir / "ca.pem"
        self._password = password
        self._everywhere = everywhere
        self._key, self._certificate = self_signed()

    def _new_broker(self, name: ClusterName, classpath: list[Path]) -> Broker:
        broker = super()._new_broker(name, classpath)
        if name != "target" and not self._everywhere:
            return broker
        self.secured = f"127.0.0.1:{self._ports.take()}"
        file = self.workdir / f"{name}.properties"
        known = dict(line.split("=", 1) for line in file.read_text().replace("\\", "").splitlines())
        write_properties(file, known | self._security(known))
        return self._with_login(broker) if self._everywhere else broker

    def _with_login(self, broker: Broker) -> Broker:
        secured = SecuredBroker.__new__(SecuredBroker)
        vars(secured).update(vars(broker))
        secured.connect_bootstrap = self.secured
        secured.properties = {
            "bootstrap.servers": self.secured,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.ca),
            "sasl.mechanism": "PLAIN",
            "sasl.username": USER,
            "sasl.password": self._password,
        }
        return secured

    def _security(self, known: dict[str, str]) -> dict[str, str]:
        self.ca.write_text(self._certificate)
        login = "org.apache.kafka.common.security.plain.PlainLoginModule"
        return {
            "listeners": f"{known['listeners']},SASL_SSL://{self.secured}",
            "advertised.listeners": f"{known['advertised.listeners']},SASL_SSL://{self.secured}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.key": self._key,
            "ssl.keystore.certificate.chain": self._certificate,
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{login} required user_{USER}="{self._password}";',
        }


def self_signed() -> tuple[str, str]:
    """Return a private key and a certificate for 127.0.0.1, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()
