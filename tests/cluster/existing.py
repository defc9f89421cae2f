"""Clusters and a Connect as a company has them, which a rehearsal finds there, with neighbours that it must not touch.

The source listens with SASL_SSL and SCRAM, the target with client certificates, and both also with OAUTHBEARER; both
check ACLs, which give the users of rehearsals rights on their prefix alone. In front of Connect is a proxy with TLS and
basic authentication.
"""

from __future__ import annotations

import base64
import hmac
import http.client
import http.server
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka import admin as typed_kafka
from cutover_harness.admin import Admin
from cutover_harness.testbed import ProcessTestbed
from cutover_harness.testbed.base import Progress, silent
from cutover_harness.testbed.nodes import Broker, JvmNode
from cutover_harness.testbed.settings import write_properties
from cutover_harness.types import ClusterName

from tests.cluster.oidc import LISTENER, IdentityProvider, identity_provider
from tests.cluster.secured import self_signed

kafka: Any = typed_kafka  # its types leave these names out

PREFIX = "cutover-rehearsal-"
USER, CERTIFIED, TOKENS = "rehearsal", "CN=127.0.0.1", "rehearsal-with-tokens"
TOKEN_S, SESSION_S = 30, 20
"""How long a token is valid, and a connection with it: clients get and show several in a rehearsal."""
GROUPS = ("billing", "audit", "cutover-rehearsal-notes-readers")
TOPICS = (
    "flights.departed",
    "weather.observed",
    "cutover-rehearsal-notes",
    "heartbeats",
    "mm2-offset-syncs.a.internal",
)
"""Topics of neighbours, some with the names that the applications of the rehearsal have, or names that look alike."""


class ExistingBed(ProcessTestbed):
    """Without a login, `bootstrap` of each cluster, clients may do everything; the tests use that."""

    def __init__(self, workdir: Path, passwords: Mapping[str, str], provider: IdentityProvider) -> None:
        super().__init__(workdir)
        self.passwords = passwords
        self.provider = provider
        self.secured: dict[str, str] = {}
        self.with_tokens: dict[str, str] = {}
        self.key, self.certificate = self_signed()
        self.client_key, self.client_certificate = self_signed()

    def _new_broker(self, name: ClusterName, classpath: list[Path]) -> Broker:
        broker = super()._new_broker(name, classpath)
        self.secured[name] = f"127.0.0.1:{self._ports.take()}"
        self.with_tokens[name] = f"127.0.0.1:{self._ports.take()}"
        file = self.workdir / f"{name}.properties"
        known = dict(line.split("=", 1) for line in file.read_text().replace("\\", "").splitlines())
        kind = "SASL_SSL" if name == "source" else "SSL"
        more = f"{kind}://{self.secured[name]},{LISTENER}://{self.with_tokens[name]}"
        protocols = f"PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{kind}:{kind},{LISTENER}:SASL_SSL"
        mine = {
            **self.provider.of_broker(SESSION_S),
            "listeners": f"{known['listeners']},{more}",
            "advertised.listeners": f"{known['advertised.listeners']},{more}",
            "listener.security.protocol.map": protocols,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.key": self.key,
            "ssl.keystore.certificate.chain": self.certificate,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
        if name == "source":
            mine |= {
                "listener.name.sasl_ssl.sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{scram} required;",
            }
        else:
            mine |= {
                "listener.name.ssl.ssl.client.auth": "required",
                "ssl.truststore.type": "PEM",
                "ssl.truststore.certificates": self.client_certificate,
            }
        write_properties(file, known | mine)
        return broker

    def _new_worker(self, name: str, bootstrap: str, port: int) -> tuple[JvmNode, str]:
        # Not on the target: the mirror's records must not go to the cluster that Connect happens to use.
        return super()._new_worker(name, self.source.bootstrap, port)

    def start(self, progress: Progress = silent) -> None:
        """Start all nodes; create the user, and give it rights on its prefix."""
        super().start(progress)
        info = kafka.ScramCredentialInfo(kafka.ScramMechanism.SCRAM_SHA_512, 4096)
        user = kafka.UserScramCredentialUpsertion(USER, info, self.passwords["SOURCE_PASSWORD"].encode())
        client = self.plain("source")  # a client that is collected ends its calls
        for future in client.alter_user_scram_credentials([user]).values():
            future.result(30)
        for name in ("source", "target"):
            self.allow(name, [*rights(name), *rights(name, TOKENS)])

    def plain(self, name: str) -> Any:
        """Return a client that may do everything."""
        return kafka.AdminClient(self.everything(name))

    def everything(self, name: str) -> dict[str, str]:
        """Return the properties of a client that may do everything."""
        return {"bootstrap.servers": (self.source if name == "source" else self.target).bootstrap}

    def allow(self, name: str, bindings: list[Any]) -> None:
        """Grant these rights."""
        client = self.plain(name)
        for future in client.create_acls(bindings).values():
            future.result(30)

    @contextmanager
    def without(self, name: str, binding: Any) -> Iterator[None]:
        """Take a right away for the time of the context."""
        its = kafka.AclBindingFilter(
            binding.restype,
            binding.name,
            binding.resource_pattern_type,
            binding.principal,
            binding.host,
            binding.operation,
            binding.permission_type,
        )
        client = self.plain(name)
        for future in client.delete_acls([its]).values():
            future.result(30)
        try:
            yield
        finally:
            self.allow(name, [binding])


def rights(name: str, user: str | None = None) -> list[Any]:
    """Return the rights that docs/testbeds.md gives; user: another one than the cluster's own user of rehearsals."""
    topic, group = kafka.ResourceType.TOPIC, kafka.ResourceType.GROUP
    may = kafka.AclOperation
    topics = [may.CREATE, may.READ, may.WRITE, may.DELETE, may.DESCRIBE_CONFIGS, may.ALTER, may.ALTER_CONFIGS]
    wanted = [(topic, PREFIX, each) for each in topics] + [(group, PREFIX, each) for each in (may.READ, may.DELETE)]
    wanted += [(kafka.ResourceType.TRANSACTIONAL_ID, PREFIX, each) for each in (may.WRITE, may.DESCRIBE)]
    if name == "target":
        wanted += [(topic, f"mm2-offset-syncs.{PREFIX}", each) for each in topics]
    principal = f"User:{user or (USER if name == 'source' else CERTIFIED)}"
    pattern, allow = kafka.ResourcePatternType.PREFIXED, kafka.AclPermissionType.ALLOW
    return [kafka.AclBinding(kind, its, pattern, principal, "*", operation, allow) for kind, its, operation in wanted]


class Neighbours:
    """Topics, groups and a connector of others, on both clusters and Connect."""

    def __init__(self, bed: ExistingBed) -> None:
        self.bed = bed
        for name in ("source", "target"):
            admin = Admin(bed.everything(name))
            admin.create_topics(dict.fromkeys(TOPICS, 2), {"retention.ms": "86400000"})
            producer = Producer(bed.everything(name))
            for topic in TOPICS:
                for number in range(50):
                    producer.produce(topic, f"{name} {number}", b"%d" % number, headers=[("of", b"a neighbour")])
            assert producer.flush(30) == 0
            for group in GROUPS:
                admin.set_committed(group, {(topic, 0): 3 for topic in TOPICS[:3]})

    def snapshot(self) -> dict[str, Any]:
        """Return everything that neighbours have: records, properties and ids of topics, and offsets of groups."""
        found: dict[str, Any] = {}
        for name in ("source", "target"):
            admin = Admin(self.bed.everything(name))
            client = self.bed.plain(name)
            listed = client.list_consumer_groups().result().valid
            groups = sorted(each.group_id for each in listed if each.group_id in GROUPS)
            found[name] = {
                "topics": admin.topic_ids(TOPICS),
                "configs": admin.topic_configs(TOPICS),
                "records": _records(self.bed.everything(name)),
                "groups": {group: admin.committed(group) for group in groups},
            }
        return found

    def strangers(self) -> list[str]:
        """Return the names of topics and groups that neither the neighbours nor Connect have."""
        names = []
        for name in ("source", "target"):
            client = self.bed.plain(name)
            names += [topic for topic in client.list_topics(timeout=30).topics if topic not in TOPICS]
            names += [each.group_id for each in client.list_consumer_groups().result().valid]
        return [each for each in names if each not in GROUPS and not each.startswith(("__", "kafka-cutover-connect"))]


def _records(config: Mapping[str, str]) -> list[tuple[Any, ...]]:
    consumer = Consumer({**config, "group.id": "looks", "enable.auto.commit": False, "enable.partition.eof": True})
    parts = [TopicPartition(topic, number, 0) for topic in TOPICS for number in range(2)]
    consumer.assign(parts)
    found, ended = [], 0
    while ended < len(parts):
        for each in consumer.consume(1000, 1):
            if each.error() is not None:
                ended += 1
            else:
                at = (each.topic(), each.partition(), each.offset())
                found.append((*at, each.key(), each.value(), each.headers(), each.timestamp()))
    consumer.close()
    return sorted(found)


class _Forward(http.server.BaseHTTPRequestHandler):
    """Forwards to Connect what has the right user and password."""

    server: Front
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not hmac.compare_digest(self.headers.get("Authorization") or "", self.server.login):
            self._send(401, b'{"message": "Unauthorized"}')
            return
        connect = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=100)
        connect.request(self.command, self.path, body, {"Content-Type": "application/json"})
        answer = connect.getresponse()
        self._send(answer.status, answer.read())
        connect.close()

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - the base's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


class Front(http.server.ThreadingHTTPServer):
    """The proxy in front of Connect."""

    daemon_threads = True

    def __init__(self, bed: ExistingBed, user: str, password: str) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.port = int(bed.connect_url.rpartition(":")[2])
        self.login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        pair = bed.workdir / "front.pem"
        pair.write_text(bed.key + bed.certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that was killed


@dataclass(frozen=True)
class Existing:
    """The clusters, what is there of others, and in `folder` the testbed file of this name that describes them."""

    bed: ExistingBed
    neighbours: Neighbours
    folder: Path
    name: str = "testbed.yaml"

    @property
    def file(self) -> Path:
        """The testbed file."""
        return self.folder / self.name


def _write(bed: ExistingBed, folder: Path, port: int) -> None:
    for name, content in (
        ("ca.pem", bed.certificate),
        ("client.pem", bed.client_certificate),
        ("client-key.pem", bed.client_key),
    ):
        (folder / name).write_text(content)
    (folder / "source.properties").write_text(
        f"bootstrap.servers={bed.secured['source']}\nsecurity.protocol=SASL_SSL\nssl.ca.location={folder}/ca.pem\n"
        f"sasl.mechanism=SCRAM-SHA-512\nsasl.username={USER}\nsasl.password=${{SOURCE_PASSWORD}}\n"
    )
    (folder / "target.properties").write_text(
        f"bootstrap.servers={bed.secured['target']}\nsecurity.protocol=SSL\nssl.ca.location={folder}/ca.pem\n"
        f"ssl.certificate.location={folder}/client.pem\nssl.key.location={folder}/client-key.pem\n"
    )
    # The worker of the process testbed has a config provider for files in one folder.
    assert bed.secrets_folder is not None
    for name, content in (("source-password", bed.passwords["SOURCE_PASSWORD"]), ("source-ca", bed.certificate)):
        (bed.secrets_folder / name).write_text(content)
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
    provided = f"${{cutover:{bed.secrets_folder}:"
    (folder / "connect-source.properties").write_text(
        f"bootstrap.servers={bed.secured['source']}\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n"
        f"ssl.truststore.type=PEM\nssl.truststore.certificates={provided}source-ca}}\n"
        f'sasl.jaas.config={scram} required username="{USER}" password="{provided}source-password}}";\n'
    )
    (folder / "testbed.yaml").write_text(
        "source: source.properties\ntarget: {properties: target.properties, version: 3.9.1}\n"
        f"connect: {{{_connect(port)}, source: connect-source.properties}}\n"
    )


def _connect(port: int) -> str:
    return f"url: 'https://127.0.0.1:{port}', ca: ca.pem, user: operator, password: '${{CONNECT_PASSWORD}}'"


def _write_with_tokens(bed: ExistingBed, folder: Path, port: int) -> None:
    """Write two testbed files for OAUTHBEARER: `tokens.yaml`, and one with which Connect's REST shows references."""
    assert bed.secrets_folder is not None
    (bed.secrets_folder / "client-secret").write_text(bed.passwords["CLIENT_SECRET"])
    reference = f"${{cutover:{bed.secrets_folder}:client-secret}}"
    for name in ("source", "target"):
        start = {"bootstrap.servers": bed.with_tokens[name]}
        client = {**start, **bed.provider.of_client(TOKENS, "${CLIENT_SECRET}"), "ssl.ca.location": f"{folder}/ca.pem"}
        trusted = {"ssl.truststore.type": "PEM", "ssl.truststore.location": f"{folder}/ca.pem"}
        java = {**start, **bed.provider.of_java_client(TOKENS, reference), **trusted}
        for file, properties in ((f"{name}-tokens", client), (f"connect-{name}-tokens", java)):
            text = "".join(f"{key}={value}\n" for key, value in properties.items())
            (folder / f"{file}.properties").write_text(text)
    clusters = "source: source-tokens.properties\ntarget: {properties: target-tokens.properties, version: 3.9.1}\n"
    own = "source: connect-source-tokens.properties, target: connect-target-tokens.properties"
    (folder / "tokens.yaml").write_text(f"{clusters}connect: {{{_connect(port)}}}\n")
    (folder / "tokens-by-reference.yaml").write_text(f"{clusters}connect: {{{_connect(port)}, {own}}}\n")


@contextmanager
def existing(folder: Path, passwords: Mapping[str, str]) -> Iterator[Existing]:
    """Start clusters, Connect, the proxy and the identity provider.

    `passwords`: SOURCE_PASSWORD, CONNECT_PASSWORD and CLIENT_SECRET.
    """
    with (
        identity_provider(folder, {TOKENS: passwords["CLIENT_SECRET"]}, TOKEN_S) as provider,
        ExistingBed(folder / "bed", passwords, provider) as bed,
    ):
        front = Front(bed, "operator", passwords["CONNECT_PASSWORD"])
        threading.Thread(target=front.serve_forever, args=(0.05,), daemon=True).start()
        _write(bed, folder, front.server_port)
        _write_with_tokens(bed, folder, front.server_port)
        yield Existing(bed, Neighbours(bed), folder)
        front.shutdown()
        front.server_close()
