"""The ConfigMap channel against a server that hangs, lies, floods and is not the one that the authority has signed."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cutover_shim import api_server, configmap_channel
from cutover_shim.configmap_channel import ConfigMapChannel
from cutover_shim.errors import CutoverFileError

from tests.cluster.secured import self_signed
from tests.receiver import Heard
from tests.waiting import wait_until

TOKEN = "a-token-that-must-not-be-told"
ROOT = Path(__file__).parents[3]
Talk = Callable[[bytes, socket.socket], None]


class Server:
    """A TLS server on 127.0.0.1 that has a talk with each connection: gets the request, and the socket."""

    def __init__(self, folder: Path) -> None:
        self.account, self.requests = folder, list[bytes]()
        key, certificate = self_signed()
        (folder / "key.pem").write_text(key)
        (folder / "ca.crt").write_text(certificate)
        (folder / "token").write_text(f"{TOKEN}\n")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "ca.crt", folder / "key.pem")
        self.talk: Talk = lambda _request, _sock: None
        self._context, self._open = context, list[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.env = {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self._listener.getsockname()[1]),
        }
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(raw)
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with suppress(OSError), self._context.wrap_socket(raw, server_side=True) as sock:
            self._open.append(sock)
            data = b""
            while piece := sock.recv(65536):
                data += piece
                while b"\r\n\r\n" in data:
                    request, data = data.split(b"\r\n\r\n", 1)
                    self.requests.append(request)
                    self.talk(request, sock)

    def close(self) -> None:
        for sock in [self._listener, *self._open]:
            with suppress(OSError):
                sock.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path)
    yield found
    found.close()


@contextmanager
def watching(server: Server) -> Iterator[Heard]:
    heard = Heard()
    channel = ConfigMapChannel("shop", "cutover", account=server.account, env=server.env)
    channel.start(heard)
    try:
        yield heard
    finally:
        channel.stop()
        assert TOKEN not in repr(heard.calls)
        assert heard.names <= {"configmap:shop/cutover/cutover.toml"}


def config_map(text: str, version: int = 1) -> dict[str, object]:
    return {"metadata": {"name": "cutover", "resourceVersion": str(version)}, "data": {"cutover.toml": text}}


def whole(sock: socket.socket, body: bytes, status: str = "200 OK") -> None:
    sock.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


def chunk(sock: socket.socket, body: bytes) -> None:
    sock.sendall(f"{len(body):x}\r\n".encode() + body + b"\r\n")


def chunked(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


def says(*pieces: bytes) -> Talk:
    """Begin an answer in chunks that does not end."""

    def answer(_request: bytes, sock: socket.socket) -> None:
        chunked(sock)
        for piece in pieces:
            chunk(sock, piece)

    return answer


def talk(watch: Talk, text: str = "generation = 1") -> Talk:
    """Answer the get with a document, and every watch by `watch`."""

    def both(request: bytes, sock: socket.socket) -> None:
        if b"watch=true" in request:
            watch(request, sock)
        else:
            whole(sock, json.dumps(config_map(text)).encode())

    return both


def event(text: str, version: int = 2, kind: str = "MODIFIED") -> bytes:
    return json.dumps({"type": kind, "object": config_map(text, version)}).encode() + b"\n"


def test_events_may_arrive_in_any_pieces_and_one_connection_serves_all_requests(server: Server) -> None:
    def watch(_request: bytes, sock: socket.socket) -> None:
        chunked(sock)
        data = event("generation = 2", 2) + event("generation = 3 # é", 3)
        for byte in data:
            chunk(sock, bytes([byte]))
        chunk(sock, event("generation = 4", 4) + event("generation = 5", 5))
        sock.sendall(b"0\r\n\r\n")
        server.talk = says()

    server.talk = talk(watch)
    with watching(server) as heard:
        heard.wait("document", b"generation = 5")
        wait_until(lambda: len(server.requests) == 3)
    assert heard.documents == [f"generation = {n}".encode() for n in (1, 2)] + [
        "generation = 3 # é".encode(),
        b"generation = 4",
        b"generation = 5",
    ]
    assert [kind for kind, _ in heard.calls] == ["document", "complete", *["document"] * 4]
    assert b"resourceVersion=1" in server.requests[1]
    assert b"resourceVersion=5" in server.requests[2]
    assert all(f"Authorization: Bearer {TOKEN}".encode() in request for request in server.requests)
    assert len(server._open) == 2  # one connection: the raw socket and its TLS


def test_a_certificate_that_the_authority_has_not_signed_gets_no_token(server: Server) -> None:
    (server.account / "ca.crt").write_text(self_signed()[1])
    with watching(server) as heard:
        heard.failure("certificate is not valid")
    assert server.requests == []


def test_a_certificate_for_another_host_gets_no_token(server: Server) -> None:
    server.env["KUBERNETES_SERVICE_HOST"] = "localhost"
    with watching(server) as heard:
        heard.failure("certificate is not valid")
    assert server.requests == []


def test_a_server_without_tls_gets_no_token(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        server.env["KUBERNETES_SERVICE_PORT"] = str(plain.getsockname()[1])
        with watching(server) as heard:
            sock, _ = plain.accept()
            with sock:
                received = sock.recv(65536)
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                heard.failure("the API server does not answer")
    assert TOKEN.encode() not in received


def test_after_an_answer_that_closes_the_connection_the_next_one_has_tls_again(server: Server) -> None:
    def answer(request: bytes, sock: socket.socket) -> None:
        body = json.dumps(config_map("generation = 1")).encode()
        sock.sendall(f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        server.talk = talk(says())

    server.talk = answer
    with watching(server) as heard:
        wait_until(lambda: any(b"watch=true" in request for request in server.requests))
    assert heard.calls == [("document", b"generation = 1"), ("complete", None)]


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        (b"not json\n", "is not JSON"),
        (b"[" * 100_000 + b"\n", "is not JSON"),
        (b"\xff\xfe\x00\n", "is not JSON"),
        (
            b'{"type": "ERROR", "object": {"code": 500, "message": "etcd\\nis away"}}\n',
            "refuses: 500 Internal Server Error: etcd is",
        ),
        (b'{"type": "ERROR", "object": 7}\n', "refuses: 500"),
        (b'{"type": "ERROR"}\n', "refuses: 500"),
        (b'{"type": "MODIFIED", "object": {"data": 7}}\n', "has no key cutover.toml"),
        (b'{"type": "MODIFIED", "object": {"data": {"cutover.toml": 7}}}\n', "has no key cutover.toml"),
        (b'{"type": "MODIFIED", "object": {"data": {"cutover.toml": "\\ud800"}}}\n', "neither text nor base64"),
        (b'{"type": "MODIFIED", "object": {"binaryData": {"cutover.toml": "???"}}}\n', "neither text nor base64"),
        (b'{"type": "MODIFIED", "object": null}\n', "does not exist"),
    ],
)
def test_a_lie_in_the_stream_is_a_failure_and_the_next_document_arrives(server: Server, lie: bytes, why: str) -> None:
    def watch(_request: bytes, sock: socket.socket) -> None:
        chunked(sock)
        chunk(sock, lie)
        server.talk = talk(says(event("generation = 9")))
        chunk(sock, event("generation = 8"))

    server.talk = talk(watch)
    with watching(server) as heard:
        wait_until(lambda: any(kind in {"failed", "final"} and why in str(what) for kind, what in heard.calls))
        wait_until(lambda: heard.documents[-1] in {b"generation = 8", b"generation = 9"}, state=lambda: heard.calls)


def test_lines_and_answers_are_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_server, "MAX_ANSWER", 1 << 20)

    def watch(_request: bytes, sock: socket.socket) -> None:
        chunked(sock)
        with suppress(OSError):
            while True:
                chunk(sock, b"x" * 65536)

    server.talk = talk(watch)
    with watching(server) as heard:
        heard.failure("longer than 1 MiB")
        server.talk = lambda _request, sock: whole(sock, b" " * (2 << 20))
        heard.wait("failed", "the answer of the API server is larger than 1 MiB")


def test_a_document_of_more_than_a_mebibyte_is_no_document(server: Server) -> None:
    big = "#" * ((1 << 20) + 1)
    server.talk = talk(says(event(big[:-1])), text=big)
    with watching(server) as heard:
        heard.failure("larger than 1 MiB", final=True)
        heard.wait("document", big[:-1].encode())
    assert heard.documents == [big[:-1].encode()]


def test_a_server_that_hangs_is_left_after_a_time_and_asked_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configmap_channel, "_GET_S", 0.3)
    monkeypatch.setattr(configmap_channel, "_GRACE_S", 0.3)
    monkeypatch.setattr(configmap_channel, "WATCH_S", 0)
    server.talk = lambda _request, _sock: None
    with watching(server) as heard:
        heard.failure("the API server does not answer: timed out")
        server.talk = talk(says())
        heard.wait("works")
        heard.failure("timed out", after=heard.calls.index(("works", None)))  # the watch does not end by itself
        assert heard.documents == [b"generation = 1"]


@pytest.mark.parametrize("hangs", ["get", "watch", "handshake", "half a line"])
def test_stop_ends_a_read_that_hangs_and_nothing_is_called_afterwards(server: Server, hangs: str) -> None:
    heard = Heard()
    silent = socket.create_server(("127.0.0.1", 0))
    if hangs == "handshake":
        server.env["KUBERNETES_SERVICE_PORT"] = str(silent.getsockname()[1])
    if hangs in {"watch", "half a line"}:
        server.talk = talk(says() if hangs == "watch" else says(b'{"type"'))
    channel = ConfigMapChannel("shop", "cutover", account=server.account, env=server.env)
    channel.start(heard)
    if hangs == "handshake":
        server._open.append(silent.accept()[0])
    else:
        wait_until(lambda: len(server.requests) >= (1 if hangs == "get" else 2))
    channel.stop()
    calls = list(heard.calls)
    # The thread of the channel has ended, long before the 15 or 40 s of a request are over.
    wait_until(lambda: not any(t.name == "cutover-shim-configmap" for t in threading.enumerate()), 10)
    assert heard.calls == calls
    assert not any(kind in {"failed", "final"} for kind, _ in calls)
    silent.close()


def test_a_receiver_may_stop_the_channel(server: Server) -> None:
    server.talk = talk(says())
    channel = ConfigMapChannel("shop", "cutover", account=server.account, env=server.env)

    class Stops(Heard):
        def document(self, channel_name: str, content: bytes) -> None:
            super().document(channel_name, content)
            channel.stop()

    heard = Stops()
    channel.start(heard)
    wait_until(lambda: heard.calls and not any(t.name == "cutover-shim-configmap" for t in threading.enumerate()))
    assert heard.calls == [("document", b"generation = 1")]


def test_a_refusal_is_told_in_one_line_without_the_token(server: Server) -> None:
    body = json.dumps({"message": f'User "orders"\ncannot get: {TOKEN} ' + "x" * 1000}).encode()
    server.talk = lambda _request, sock: whole(sock, body, "403 Forbidden")
    with watching(server) as heard:
        why = heard.failure("the API server refuses", final=True)
    assert why.startswith('the API server refuses: 403 Forbidden: User "orders" cannot get: *** xxx')
    assert "\n" not in why
    assert len(why) < 400


@pytest.mark.parametrize("content", ["", "two\nlines", "a b", "x" * 100_000 + " ", "\x00"])
def test_a_token_that_is_none_is_not_sent(server: Server, content: str) -> None:
    (server.account / "token").write_text(content)
    with watching(server) as heard:
        heard.failure("contains no token", final=True)
        assert content == "" or content not in repr(heard.calls)
    assert server.requests == []


def test_outside_of_a_pod_the_failure_names_what_is_missing(server: Server) -> None:
    def failure(why: str) -> None:
        with watching(server) as heard:
            heard.failure(why, final=True)

    (server.account / "ca.crt").write_text("")
    failure("ca.crt cannot be used")
    server.env["KUBERNETES_SERVICE_PORT"] = "https"
    failure("KUBERNETES_SERVICE_PORT is not a number")
    del server.env["KUBERNETES_SERVICE_HOST"]
    advice = "this channel works in a pod with a service account only: use cutover.file or kafka:TOPIC"
    failure(f"KUBERNETES_SERVICE_HOST is not set: {advice}")
    (server.account / "token").unlink()
    failure(f"{server.account}/token does not exist: {advice}")
    (server.account / "token").mkdir()  # there, and of no use: that is another mistake
    with watching(server) as heard:
        assert advice not in heard.failure("token cannot be read: Is a directory", final=True)


@pytest.mark.parametrize(
    "name",
    ["configmap:shop", "configmap:shop/a/b/c", "configmap:Shop/cutover", "configmap:shop/../secrets/x", "kafka:x"],
)
def test_names_that_kubernetes_does_not_allow_are_refused(name: str) -> None:
    with pytest.raises(CutoverFileError, match="write configmap:NAMESPACE/NAME"):
        ConfigMapChannel.named(name)


def test_the_key_has_a_default() -> None:
    assert ConfigMapChannel.named("configmap:shop/cutover").name == "configmap:shop/cutover/cutover.toml"
    assert ConfigMapChannel.named("configmap:shop/cutover/orders.toml").name == "configmap:shop/cutover/orders.toml"


PROGRAM = """
import os, sys, time
from gevent import monkey
if sys.argv[2] == "patched":
    monkey.patch_all()
import gevent
from pathlib import Path
from cutover_shim.configmap_channel import ConfigMapChannel
from tests.receiver import Heard

heard = Heard()
channel = ConfigMapChannel("shop", "cutover", account=Path(sys.argv[1]))
channel.start(heard)
if sys.argv[2] == "forks":
    while not heard.documents:
        time.sleep(0.01)
    if os.fork() == 0:
        sys.exit()  # in order, with everything that it has inherited
    os.wait()
ticks = 0
while len(heard.documents) < 2 and ticks < 6000:
    time.sleep(0.01)
    ticks += 1
channel.stop()
print([kind for kind, _ in heard.calls], ticks > 10)
"""


@pytest.mark.parametrize("how", ["patched", "plain", "forks"])
def test_a_process_watches_under_gevent_and_after_a_child_has_ended(server: Server, how: str) -> None:
    def watch(_request: bytes, sock: socket.socket) -> None:
        chunked(sock)
        time.sleep(1)
        chunk(sock, event("generation = 2"))

    server.talk = talk(watch)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(server.account), how],
        env={**os.environ, **server.env, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("['document', 'complete', 'document'] True", "")
    assert len(server.requests) == 2
