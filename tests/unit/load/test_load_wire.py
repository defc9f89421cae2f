"""What can be read and said on the wire between a master and its workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.load.handover import hand_over, take
from cutover_harness.load.secret import check_open, is_local, read_secret

TALK = """
import json, os, sys
from cutover_harness.load import transport
from cutover_harness.load.handover import take
import gevent, socket, zmq.green
from gevent.server import StreamServer
from locust.rpc import Message, zmqrpc

stranger_socket = zmq.green.Context().socket
plain = zmqrpc.BaseSocket.__init__
transport.install()
server = zmqrpc.Server("127.0.0.1", 0)
seen = bytearray()

def pump(source, sink):
    while data := source.recv(65536):
        seen.extend(data)
        sink.sendall(data)

def proxy(near, _):
    far = socket.create_connection(("127.0.0.1", server.port))
    gevent.joinall([gevent.spawn(pump, near, far), gevent.spawn(pump, far, near)])

between = StreamServer(("127.0.0.1", 0), proxy)
between.start()

def answered(client):
    client.send(Message("client_ready", "marker-up", client_id))
    heard = None
    with gevent.Timeout(float(sys.argv[1]), False):
        _, message = server.recv_from_client()
        server.send_to_client(Message("spawn", {"is": "marker-down"}, message.node_id))
        heard = client.recv().data
    return heard

client_id = "worker"
found = {"worker": answered(zmqrpc.Client("127.0.0.1", between.server_port, client_id))}
found["readable"] = b"marker-up" in seen or b"marker-down" in seen
keys = transport.Keys.of(b"another secret, which is as long")
client_id = "stranger"
zmqrpc.BaseSocket.__init__ = plain
found["plain"] = answered(zmqrpc.Client("127.0.0.1", server.port, client_id))
client_id = "wrong"
def wrong(self, kind, *rest):
    plain(self, kind, *rest)
    keys.secure(self.socket, server=False)
zmqrpc.BaseSocket.__init__ = wrong
found["wrong"] = answered(zmqrpc.Client("127.0.0.1", server.port, client_id))
print(json.dumps(found))
os._exit(0)
"""


def talk(secret: Path | None, patience_s: float) -> dict[str, Any]:
    variables = {"CUTOVER_LOAD_SECRET": str(secret)} if secret else {}
    done = subprocess.run(
        [sys.executable, "-P", "-c", TALK, str(patience_s)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.stdout, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_with_a_secret_the_wire_is_closed_and_unreadable(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef\n", encoding="utf-8")
    found = talk(secret, 5)
    assert found == {"worker": {"is": "marker-down"}, "readable": False, "plain": None, "wrong": None}


def test_without_a_secret_the_wire_is_open_to_who_reaches_the_port() -> None:
    """As negative control of the test before."""
    found = talk(None, 30)
    assert (found["worker"], found["readable"], found["plain"]) == ({"is": "marker-down"}, True, {"is": "marker-down"})


OPEN = """
import sys
from cutover_harness.load import transport
from locust.rpc import zmqrpc
transport.install()
if sys.argv[1] == "server":
    zmqrpc.Server(sys.argv[2], 0)
else:
    zmqrpc.Client(sys.argv[2], 1, "worker")
"""


@pytest.mark.parametrize(("end", "host"), [("server", "*"), ("server", "0.0.0.0"), ("client", "192.0.2.1")])  # noqa: S104
def test_no_open_address_without_a_secret_however_it_was_given(end: str, host: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", OPEN, end, host], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert done.stderr.splitlines()[-1].startswith("kafka-cutover: load: --master-")
    assert "is open to other machines: give --secret FILE" in done.stderr


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("*", False),
        ("", False),
        ("0.0.0.0", False),  # noqa: S104
        ("10.0.0.1", False),
        ("no.such.host.invalid", False),
    ],
)
def test_addresses_of_this_machine(host: str, local: bool) -> None:
    assert is_local(host) == local
    check_open("--x", host, b"secret")
    if not local:
        with pytest.raises(UsageError, match="give --secret FILE"):
            check_open("--x", host, None)


def test_a_secret_that_is_missing_or_short_is_one_line_without_it(tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_text("hunter2", encoding="utf-8")
    with pytest.raises(UsageError, match="7 bytes, too few: use 16 or more") as error:
        read_secret(str(short))
    assert "hunter2" not in str(error.value)
    for bad in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match="--secret"):
            read_secret(str(bad))


def test_handed_over_content_has_no_name_in_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    content = b"x" * 3_000_000
    reference = hand_over(content)
    assert list(tmp_path.iterdir()) == []
    assert take(reference, "x") == content
    command = [
        sys.executable,
        "-c",
        "import sys\nfrom cutover_harness.load.handover import take\nprint(len(take(sys.argv[1], str())))",
    ]
    for _ in range(2):
        done = subprocess.run([*command, reference], capture_output=True, text=True, check=True, close_fds=False)
        assert int(done.stdout) == len(content)
    os.close(int(reference.removeprefix("fd:")))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="cannot be written"):
        hand_over(b"x")
