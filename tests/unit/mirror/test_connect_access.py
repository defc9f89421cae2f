"""Access to a Connect that exists already: TLS, login, and the properties with which it reaches the clusters."""

from __future__ import annotations

import base64
import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.mirror import Batch, MirrorSpec
from cutover_harness.mirror.connect_access import ConnectAccess, read_java_properties
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.connector_configs import forward_configs, reverse_configs
from cutover_harness.mirror.errors import MirrorError
from pydantic import ValidationError

from tests.cluster.secured import self_signed

SECRET = "planted-88d1"


class Server(http.server.HTTPServer):
    """A Connect with TLS; `logins` are the headers that it got."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.logins: list[str | None] = []
        self.accepts = True
        key, certificate = self_signed()
        (folder / "pair.pem").write_text(key + certificate)
        (folder / "ca.pem").write_text(certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "pair.pem")
        self.socket = context.wrap_socket(self.socket, server_side=True)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.logins.append(self.headers.get("Authorization"))
        content = f'{{"version": "3.9.2", "echo": "{SECRET}"}}'.encode()
        self.send_response(200 if self.server.accepts else 401)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_tls_and_login(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECT_PASSWORD", SECRET)
    access = ConnectAccess(ca=tmp_path / "ca.pem", user="me", password="${CONNECT_PASSWORD}")
    url = f"https://127.0.0.1:{server.server_port}"
    connect = Connect(url, patience_s=0, access=access)
    assert connect.root()["version"] == "3.9.2"
    connect.close()
    assert server.logins == ["Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()]

    stranger = Connect(url, patience_s=0)
    with pytest.raises(MirrorError, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.root()
    stranger.close()


def test_a_refused_login_does_not_show_the_password(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P", SECRET)
    monkeypatch.setattr(server, "accepts", False)
    access = ConnectAccess(ca=tmp_path / "ca.pem", user="me", password="${P}")
    connect = Connect(f"https://127.0.0.1:{server.server_port}", patience_s=0, access=access)
    with pytest.raises(MirrorError, match="answered 401") as caught:
        connect.root()
    connect.close()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"user": "me", "password": SECRET}, "holds something that is no reference"),
        ({"user": "me"}, "user and password belong together"),
        ({"password": "${P}"}, "user and password belong together"),
        ({"key": "k.pem"}, "certificate and key belong together"),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ConnectAccess.model_validate(given)


def test_missing_files_and_variables_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    with pytest.raises(UsageError, match="password of Connect: the environment has no variable NOT_THERE"):
        Connect("https://c", access=ConnectAccess(user="me", password="${NOT_THERE}"))
    (tmp_path / "no.pem").write_text("no certificate")
    with pytest.raises(UsageError, match=r"ca .*no.pem: no CA certificates in PEM"):
        Connect("https://c", access=ConnectAccess(ca=tmp_path / "no.pem"))
    pair = ConnectAccess(certificate=tmp_path / "no.pem", key=tmp_path / "no.pem")
    with pytest.raises(UsageError, match="no pair in PEM"):
        Connect("https://c", access=pair)


JAVA = """
# Connect reaches the cluster by another address.
bootstrap.servers=inside:9092
security.protocol=SASL_SSL
sasl.mechanism=OAUTHBEARER
sasl.jaas.config=Login required clientSecret="${directory:/opt/secrets:source.password}" id="${ID}";
ssl.truststore.location=/opt/${file:/opt/names:store}.p12
"""


def test_references_of_connects_providers_go_through(tmp_path: Path) -> None:
    file = tmp_path / "c.properties"
    file.write_text(JAVA)
    found = read_java_properties(file, {"ID": "me"})
    assert found["sasl.jaas.config"] == (
        'Login required clientSecret="${directory:/opt/secrets:source.password}" id="me";'
    )
    assert found["ssl.truststore.location"] == "/opt/${file:/opt/names:store}.p12"
    with pytest.raises(UsageError, match=r"c.properties, line 6: the environment has no variable ID"):
        read_java_properties(file, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("security.protocol=SSL", "bootstrap.servers is missing"),
        ("bootstrap.servers", "line 1: expected name=value"),
        (f"bootstrap.servers=a:1\nsasl.password={SECRET}", "line 2: sasl.password is for librdkafka"),
    ],
)
def test_java_properties_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "c.properties").write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        read_java_properties(tmp_path / "c.properties", {})
    assert SECRET not in str(caught.value)


def test_connectors_use_connects_own_way_to_the_clusters(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("bootstrap.servers=inside-source:1\nsasl.jaas.config=${directory:/s:jaas}")
    access = ConnectAccess(source=tmp_path / "source")
    ours = {"bootstrap.servers": "outside-source:1"}, {"bootstrap.servers": "target:1"}
    spec = MirrorSpec(Batch("b", ("p-t",), ("p-g",), prefix="p-"), "http://c", *ours, access=access)
    configs = forward_configs(spec)
    forward = configs["p-b-source"]
    assert forward["source.cluster.bootstrap.servers"] == "inside-source:1"
    assert forward["source.cluster.sasl.jaas.config"] == "${directory:/s:jaas}"
    assert forward["target.cluster.bootstrap.servers"] == "target:1"
    # The workers' own producers may belong to another cluster.
    for each in configs.values():
        assert each["producer.override.bootstrap.servers"] == "target:1"
        assert each["producer.override.security.protocol"] == "PLAINTEXT"
    back = reverse_configs(spec.reverse)["p-b.reverse-source"]
    assert back["source.cluster.bootstrap.servers"] == "target:1"
    assert back["producer.override.bootstrap.servers"] == "inside-source:1"
    assert back["producer.override.sasl.jaas.config"] == "${directory:/s:jaas}"
    once = forward_configs(
        MirrorSpec(Batch("b", ("p-t",), ("p-g",), prefix="p-"), "http://c", *ours, exactly_once=True)
    )
    assert not [key for key in once["p-b-source"] if key.startswith("producer.override.bootstrap")]
    own = forward_configs(MirrorSpec(Batch("b", ("t",), ("g",)), "http://c", *ours))
    assert not [key for key in own["cutover-b-source"] if key.startswith("producer.override.bootstrap")]
