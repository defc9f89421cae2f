"""Secrets planted in every place that needs no broker appear in no output, no error and no file."""

from __future__ import annotations

import base64
import gzip
import http.server
import json
import sqlite3
import subprocess
import sys
import threading
import urllib.parse
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka import KafkaException
from cutover_harness import admin
from cutover_harness.capture import cluster as capture_cluster
from cutover_harness.inventory import calls, topics
from cutover_harness.load import topics as load_topics
from cutover_harness.load.settings import LoadSettings
from cutover_harness.mirror import Batch, Mirror, MirrorError, MirrorSpec
from cutover_harness.preflight import read
from cutover_harness.replay.config import ReplayOptions
from cutover_shim import Consumer, Producer
from cutover_shim.cutover_file import CutoverFileError, parse

from tests.planted import Planted, command_lines, watching
from tests.unit.conductor.run_folder import Cli, command_line
from tests.waiting import wait_until

NOWHERE = "127.0.0.1:1"


def to_parquet(file: Path, text: str) -> None:
    pq.write_table(pa.table({"a": ["x", text] * 50}), file, compression="zstd")


def to_parquet_metadata(file: Path, text: str) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({"k": base64.b64encode(text.encode())})
    pq.write_table(table, file)


def to_arrow(file: Path, text: str) -> None:
    table = pa.table({"a": ["x", text] * 50})
    with pa.ipc.new_file(file, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)


def to_sqlite(file: Path, text: str) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE entries (detail TEXT)")
        database.execute("INSERT INTO entries VALUES (?)", (json.dumps({"why": text}),))
        database.commit()


def to_base64(file: Path, text: str, before: int) -> None:
    file.write_bytes(base64.b64encode(b"y" * before + text.encode() + b"z"))


SHAPES: dict[str, Callable[[Path, str], Any]] = {
    "text": lambda file, text: file.write_text(f"before {text} behind"),
    "JSON": lambda file, text: file.write_text(json.dumps({"a": [f'"{text}\n']})),
    "percent-encoded": lambda file, text: file.write_text(urllib.parse.quote(text, safe="")),
    "percent-encoded wholly": lambda file, text: file.write_text("".join(f"%{byte:02X}" for byte in text.encode())),
    "hexadecimal": lambda file, text: file.write_text(text.encode().hex()),
    "UTF-16": lambda file, text: file.write_text(text, encoding="utf-16"),
    **{f"base64 behind {before} bytes": partial(to_base64, before=before) for before in range(4)},
    "gzip": lambda file, text: file.write_bytes(gzip.compress(b"x" * 100 + text.encode())),
    "base64 in gzip": lambda file, text: file.write_bytes(gzip.compress(base64.b64encode(text.encode()))),
    "zlib": lambda file, text: file.write_bytes(zlib.compress(text.encode())),
    "Parquet": to_parquet,
    "metadata of Parquet": to_parquet_metadata,
    "Arrow": to_arrow,
    "SQLite": to_sqlite,
    "a file's name": lambda file, text: file.with_name(text.replace("/", "-")).touch(),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_search_finds_what_is_there(tmp_path: Path, shape: str) -> None:
    """As negative control of every other test with planted secrets."""
    planted = Planted.at("one", "other")
    SHAPES[shape](tmp_path / "file", planted["one"])
    (found,) = planted.below(tmp_path).values()
    assert found == {"one"}
    assert not Planted.at("one").below(tmp_path)


def test_the_search_finds_what_is_on_a_command_line() -> None:
    planted = Planted.at("argument")
    with (
        watching(planted, command_lines) as look,
        subprocess.Popen([sys.executable, "-c", "input()", planted["argument"]], stdin=subprocess.PIPE) as process,
    ):
        wait_until(lambda: look.sightings)
        process.communicate(b"\n")
    assert all(sighting.startswith("argument in command line of") for sighting in look.sightings)


class Server:
    """Answers each request with what `answer` returns for its path and body: a status, header fields, content."""

    def __init__(self, answer: Callable[[str, bytes], tuple[int, dict[str, str], bytes]]) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, fields, content = answer(self.path, body)
                self.send_response(status)
                for name, value in {**fields, "content-length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - named by http.server

            def log_message(self, *_: Any) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class PlantedCli:
    """The command line within this process; its temporary folder, cache and working folder are below `folder`.

    The planted secrets are in none of its output and in no file below those folders.
    """

    def __init__(self, folder: Path, planted: Planted, call: Cli) -> None:
        self.planted = planted
        self.inputs = folder / "inputs"
        self.places = {name: folder / name for name in ("tmp", "cache", "run", "cwd")}
        for each in (self.inputs, *self.places.values()):
            each.mkdir()
        self._call = call

    def file(self, name: str, text: str) -> Path:
        """Write an input file, which is not searched."""
        path = self.inputs / name
        path.write_text(text, encoding="utf-8")
        return path

    def __call__(self, *arguments: str | Path, code: int = 2, says: str = "") -> str:
        found, out, err = self._call(*map(str, arguments))
        text = out + err
        assert found == code, text
        assert says in text
        assert "Traceback" not in text
        assert self.planted.in_text(text) == set(), text
        for name, place in self.places.items():
            assert self.planted.below(place) == {}, name
        return text


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[PlantedCli]:
    planted = Planted.at(
        "user", "token", "fragment", "password", "key password", "client option", "s3 key", "s3 secret", "environment"
    )
    with command_line(monkeypatch, capsys) as call:
        cli = PlantedCli(tmp_path, planted, call)
        for name, place in (("TMPDIR", "tmp"), ("XDG_CACHE_HOME", "cache"), ("XDG_RUNTIME_DIR", "run")):
            monkeypatch.setenv(name, str(cli.places[place]))
        monkeypatch.setattr("tempfile.tempdir", None)
        monkeypatch.chdir(cli.places["cwd"])
        for name, place in (
            ("KAFKA_S3_ACCESS_KEY", "s3 key"),
            ("KAFKA_S3_SECRET_KEY", "s3 secret"),
            ("AWS_SECRET_ACCESS_KEY", "s3 secret"),
            ("PLANTED", "environment"),
        ):
            monkeypatch.setenv(name, planted[place])
        wait_less(monkeypatch)
        yield cli


def wait_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a second for a cluster: none is there."""
    for module in (capture_cluster, load_topics, read, calls, topics):
        monkeypatch.setattr(module, "TIMEOUT_S", 1.0)
    for function in (admin.connect, admin.Admin.__init__):
        monkeypatch.setattr(function, "__kwdefaults__", {"timeout_s": 1.0})


def refuse(_path: str, _body: bytes) -> tuple[int, dict[str, str], bytes]:
    return 403, {}, b"no"


def echo(path: str, _body: bytes) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, f"<html>{path}</html>".encode()


def redirect(path: str, _body: bytes) -> tuple[int, dict[str, str], bytes]:
    return 302, {"location": f"http://{NOWHERE}{path}&again=1"}, b""


@pytest.mark.parametrize("answer", [refuse, echo, redirect])
@pytest.mark.parametrize("checksum", ["unverified", "0" * 64])
def test_an_address_with_a_user_and_tokens(cli: PlantedCli, answer: Any, checksum: str) -> None:
    user, token, fragment = (cli.planted.cores[name] for name in ("user", "token", "fragment"))
    with Server(answer) as server:
        address = f"http://me:{user}@127.0.0.1:{server.port}/a.tgz?sig={token}#{fragment}"
        arguments = ["rehearse", "--testbed", "automq", "--automq-url", address, "--automq-sha256", checksum]
        cli(*arguments, "stop-first", says="127.0.0.1")
    cli(*arguments, "stop-first", says="cannot fetch AutoMQ")
    cli(*arguments[:-2], "stop-first", says="its checksum is needed")


def test_credentials_of_a_store(cli: PlantedCli) -> None:
    secret = cli.planted["s3 secret"]
    home = cli.inputs / "automq"
    (home / "libs").mkdir(parents=True)
    rehearse: list[str | Path] = ["rehearse", "--testbed", "automq", "--automq-home", home, "stop-first"]
    cli(*rehearse, "--s3-endpoint", f"http://me:{cli.planted.cores['s3 key']}@{NOWHERE}")
    for text in (
        f"[default]\naws_access_key_id = a\naws_secret_access_key {secret}\n",
        f"aws_secret_access_key = {secret}\n",
        f"[default]\naws_secret_access_key = {secret}\naws_secret_access_key = {secret}\n",
        f"[default]\n[default]\naws_secret_access_key = {secret}\n",
        f"[{secret}\n",
        f"[default]\naws_secret_access_key = {secret}\n",
    ):
        cli(*rehearse, "--s3-endpoint", f"http://{NOWHERE}", "--s3-credentials", cli.file("credentials", text))
    cli("doctor", code=0)


LOGIN = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=app\n"


def bad_properties(planted: Planted, folder: Path) -> Iterator[tuple[str, str]]:
    """Client properties with a secret, by what is wrong with them."""
    password, key = planted["password"], planted["key password"]
    secret = folder / "secret"
    secret.write_text(password, encoding="utf-8")
    good = f"bootstrap.servers={NOWHERE}\n{LOGIN}sasl.password={password}\n"
    # Each that is not refused is waited for.
    more = f"ssl.key.password=${{file:{secret}}}\nsasl.oauthbearer.client.secret=${{PLANTED}}\n"
    yield "nothing answers there", f"{good}{more}"
    yield "no equals sign", f"bootstrap.servers={NOWHERE}\nsasl.password {password}\n"
    yield "a key that is none, with TLS", f"bootstrap.servers={NOWHERE}\nsecurity.protocol=SSL\nssl.key.pem={key}\n"
    yield "a value that is no number", f"{good}socket.timeout.ms={key}\n"
    yield "a reference that is not closed", f"{good}ssl.key.password={key}${{\n"
    yield "a reference to nothing", f"{good}ssl.key.password={key}${{NOT_THERE}}\n"


def test_client_properties_that_cannot_be_used(cli: PlantedCli) -> None:
    for what, text in bad_properties(cli.planted, cli.inputs):
        file = cli.file("cluster.properties", text)
        print(what)
        print(cli("preflight", "--source", file, "--topics", "orders"))
        print(cli("record", "orders", "--cluster", file, "--out", cli.places["cwd"] / "out.parquet"))
        load: list[str | Path] = ["load", "--cluster", file, "--once", "--speed", "max"]
        print(cli(*load, "--client", f"ssl.key.password={cli.planted['client option']}"))


TOML = """\
generation = 1
[clusters.source]
"bootstrap.servers" = "127.0.0.1:1"
{source}
[clusters.target]
"bootstrap.servers" = "127.0.0.1:1"
{target}
[routes.r]
topics = ["orders"]
groups = ["billing"]
producers = "source"
consumers = "source"
{route}
"""


def test_an_inventory_of_a_cluster_that_does_not_answer(cli: PlantedCli) -> None:
    password, out = cli.planted["password"], cli.places["cwd"] / "inventory.json"
    login = f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=me\nsasl.password={password}\n"
    for text in (f"{login}ssl.key.password", f"{login}no.such.property={password}\n", login):
        file = cli.file("cluster.properties", f"bootstrap.servers={NOWHERE}\n{text}")
        print(cli("inventory", "--source", file, "-o", out))


def test_the_address_of_connect(cli: PlantedCli) -> None:
    file = cli.file("good.properties", f"bootstrap.servers={NOWHERE}\n")
    for url in ("http://{user}:{password}@127.0.0.1:1", "http://{user}:{password}@[", "http://x?{token}#{fragment}"):
        secret = url.format(**{name: cli.planted[name] for name in ("user", "password", "token", "fragment")})
        print(cli("inventory", "--source", file, "--connect", secret, says="--connect http://"))
    print(cli("inventory", "--source", file, "--connect", "http://me:${PLANTED}@127.0.0.1:1", says="--connect http://"))


PLAN = """\
name: shop
clusters: {{source: {{properties: good.properties}}, target: {{properties: {target}}}}}
connect: {{url: "{url}", properties: {connect}}}
batches: [{{name: first, path: restart, topics: [orders]}}]
"""


def test_a_preflight_of_a_plan_with_secrets_in_each_of_its_files(cli: PlantedCli) -> None:
    password, url = cli.planted["password"], f"http://me:{cli.planted['user']}@{NOWHERE}"
    good = f"bootstrap.servers={NOWHERE}\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=me\n"
    cli.file("good.properties", f"{good}sasl.password={password}\n")
    cli.file("bad.properties", f"{good}sasl.password={password}\nssl.key.password {cli.planted['key password']}\n")
    cli.file("login.properties", "user=me\npassword=${PLANTED}\n")
    cli.file("plain.properties", f"user=me\npassword={password}\n")
    cli.file("odd.properties", f"user=me\n{cli.planted['token']}=x\n")
    addresses = (url, "http://me:${PLANTED}@127.0.0.1:1", f"http://[{cli.planted['fragment']}")
    for connect in ("login.properties", "plain.properties", "odd.properties"):
        for address in addresses:
            plan = cli.file("plan.yaml", PLAN.format(target="bad.properties", connect=connect, url=address))
            cli("preflight", plan)
    plan = cli.file("plan.yaml", PLAN.format(target="good.properties", connect="odd.properties", url=url))
    print(cli("preflight", plan))
    plan = cli.file("plan.yaml", PLAN.format(target="good.properties", connect="login.properties", url=url))
    print(cli("preflight", plan, "--connect", url))


def bad_documents(planted: Planted) -> Iterator[str]:
    """Cutover files with secrets, each wrong in its own way but for the last."""
    line = f'"sasl.password" = "{planted["password"]}"'
    key = planted["key password"]
    for bad in (
        f'"ssl.key.password" = "{key}',
        f'"ssl.key.password" = {key}',
        f'"ssl.key.password" = "{key}" "{key}"',
        f'"ssl.key.password" = ["{key}"]',
        f'"ssl.key.password" = {{a = "{key}"}}',
        f'"ssl.key.password" = "${{NOT_THERE}}{key}"',
        f'"ssl.key.password" = "${{file:/not/there}}{key}"',
        f'"ssl.key.password" = "{key}${{"',
        f'"ssl.key.password" = "{key}"\n"ssl.key.password" = "{key}"',
        f'"ssl.key.password" = "\\q{key}"',
    ):
        yield TOML.format(source=line, target=bad, route="")
    yield TOML.format(source=line, target=line, route=f'password = "{key}"')
    yield TOML.format(source=line, target='"group.id" = "x"', route=f'"{key}" = 1').replace("generation = 1", "")
    yield TOML.format(source=line, target=line, route="")


def test_cutover_files_that_cannot_be_used(cli: PlantedCli, caplog: pytest.LogCaptureFixture) -> None:
    for text in bad_documents(cli.planted):
        file = cli.file("cutover.toml", text)
        with suppress(CutoverFileError):
            parse(text, {})
        for kind, more in ((Producer, {}), (Consumer, {"group.id": "billing"})):
            errors = []
            try:
                client = kind({"cutover.file": str(file), "cutover.status": str(cli.places["run"]), **more})
            except Exception as error:
                errors = [str(error), repr(error), str(error.__cause__), str(error.__context__)]
            else:
                errors = [repr(client)]
                client.close()
            assert cli.planted.in_text(" ".join([*errors, caplog.text])) == set(), errors
        cli("load", "--cutover-file", file, "--once", "--speed", "max")
        assert cli.planted.below(cli.places["run"]) == {}


def test_an_error_of_the_client_itself(caplog: pytest.LogCaptureFixture) -> None:
    planted = Planted.at("password", "key", "key password", "client secret")
    properties = {
        "sasl.password": planted["password"],
        "ssl.key.pem": planted["key"],
        "ssl.key.password": planted["key password"],
        "sasl.oauthbearer.client.secret": planted["client secret"],
    }
    for bad in ({"security.protocol": "ssl"}, {"no.such.property": "1"}, {"linger.ms": "x"}, {"acks": "maybe"}):
        with pytest.raises(KafkaException) as raised:
            Producer({"bootstrap.servers": NOWHERE, **properties, **bad})
        assert planted.in_text(f"{raised.value!s}{raised.value!r}{caplog.text}") == set()


def test_connects_messages_about_configurations() -> None:
    """Connect quotes all that it was sent, in a refusal and in a trace."""
    planted = Planted.at("password", "key", "key password", "given")
    source = {
        "bootstrap.servers": NOWHERE,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "app",
        "sasl.password": planted["password"] + '"\\',
        "ssl.keystore.key": planted["key"],
        "ssl.key.password": planted["key password"],
    }
    target = {
        "bootstrap.servers": NOWHERE,
        "sasl.jaas.config": f'org.example.Login required x="y" password="{planted["given"]}";',
    }
    received = bytearray()

    def answer(_path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        received.extend(body)
        values = " ".join(json.loads(body).values()) if body else ""
        message = f"Connector configuration is invalid: {body.decode()} {values} {bytes(received).decode()}"
        return 400 if body else 404, {}, json.dumps({"error_code": 400, "message": message}).encode()

    with (
        Server(answer) as server,
        Mirror(MirrorSpec(Batch("b", ("t",), ("g",)), f"http://127.0.0.1:{server.port}", source, target)) as mirror,
    ):
        connectors = mirror.connectors
        for connector, config in connectors.configs.items():
            with pytest.raises(MirrorError) as raised:
                connectors.connect.put_config(connector, config)
            assert planted.in_text(str(raised.value)) == set()
            assert "invalid" in str(raised.value)
    assert planted.in_bytes(bytes(received)) == set(planted.cores), "as negative control: Connect was sent them"


def test_parts_of_a_load_for_its_workers() -> None:
    planted = Planted.at("endpoint", "client")
    settings = LoadSettings(
        replay=ReplayOptions(capture=Path("/x.parquet"), topics={"a": "a"}, speed=None),
        groups={"g": 1},
        topics=["a"],
        endpoint={"bootstrap.servers": NOWHERE, "sasl.password": planted["endpoint"]},
        producer_client={"ssl.key.password": planted["client"]},
        consumer_client={"ssl.key.password": planted["client"]},
    )
    parts = settings.producer_part(0, 1, 2).model_dump_json() + settings.consumer_part(0, 1).model_dump_json()
    assert planted.in_text(parts) == set()
    whole = settings.producer(0, 1, 2).model_dump_json() + settings.consumer(0, 1).model_dump_json()
    assert planted.in_text(whole) == {"endpoint", "client"}, "as negative control"
