"""The web server of a run: what it serves, and whom it refuses."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.watching.address import Address, parse_address
from cutover_harness.watching.server import Server, allowed
from cutover_harness.watching.server import style as page_style
from cutover_harness.watching.watcher import Watcher
from cutover_reports.html import style as report_style

from tests.unit.watching.recorded import Recorded

ROOT = Path(__file__).parents[3]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    recorded = Recorded(tmp_path).on_hold()
    watcher = Watcher(recorded.plan, recorded.run)
    watcher.snapshot()
    watcher.read_statuses()
    with Server(watcher, Address("127.0.0.1", 0)) as found:
        yield found


def port_of(server: Server) -> int:
    return int(server.url.rsplit(":", 1)[1].strip("/"))


def ask(server: Server, path: str, method: str = "GET", host: str | None = None) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=60)
    connection.request(method, path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer.status, content, {name.lower(): value for name, value in answer.getheaders()}


def test_page_snapshot_and_metrics(server: Server) -> None:
    for path, kind in (("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")):
        code, content, headers = ask(server, path)
        assert (code, headers["content-type"].split(";")[0], bool(content)) == (200, kind, True)
        assert "default-src 'none'" in headers["content-security-policy"]
    code, content, _ = ask(server, "/snapshot.json")
    assert (code, json.loads(content)["batches"][0]["step"]) == (200, "stop-consumers")
    code, content, _ = ask(server, "/metrics")
    assert code == 200
    assert 'kafka_cutover_stage{batch="orders",plan="shop"} 3.0' in content


def test_events_are_snapshots(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=60)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    assert answer.getheader("Content-Type", "").startswith("text/event-stream")
    for _ in range(2):
        line = answer.readline().decode()
        assert json.loads(line.removeprefix("data: "))["plan"] == "shop"
        assert answer.readline() == b"\n"
    connection.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/metrics", "/snapshot.json", "/events"])
def test_nothing_but_reading_is_possible(server: Server, method: str, path: str) -> None:
    assert ask(server, path, method)[0] == 405


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8300", "127.0.0.1.evil.example", "localhost.evil", ""])
@pytest.mark.parametrize("path", ["/", "/metrics", "/snapshot.json", "/events", "/page.js", "/none"])
def test_a_name_that_somebody_points_here_reads_nothing(server: Server, host: str, path: str) -> None:
    code, content, _ = ask(server, path, host=host)
    assert code in (400, 403)
    assert "shop" not in content


def test_names_that_are_allowed(server: Server) -> None:
    for host in ("localhost", f"localhost:{port_of(server)}", "127.0.0.1:1", "[::1]:8300", "10.0.0.7"):
        assert ask(server, "/snapshot.json", host=host)[0] == 200, host
    assert allowed("moved.example:8300", {"moved.example"})
    assert not allowed("[evil]", set())


def test_a_page_that_is_open_does_not_keep_the_server(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path).on_hold()
    with Server(Watcher(recorded.plan, recorded.run), Address("127.0.0.1", 0)) as found:
        connection = http.client.HTTPConnection("127.0.0.1", port_of(found), timeout=60)
        connection.request("GET", "/events")
        connection.getresponse().readline()
    assert not [thread for thread in threading.enumerate() if thread.name == "page" and thread.is_alive()]
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port_of(found)), 5)
    connection.close()


def test_an_address_that_is_taken_is_refused(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"--serve 127.0.0.1:{port}: cannot be used: .*: give another address"):
            Server(Watcher(recorded.plan, recorded.run), Address("127.0.0.1", port))


@pytest.mark.parametrize(
    ("given", "host", "loopback"),
    [
        ("8300", "127.0.0.1", True),
        (":8300", "127.0.0.1", True),
        ("localhost:8300", "localhost", True),
        ("[::1]:8300", "::1", True),
        ("0.0.0.0:8300", "0.0.0.0", False),  # noqa: S104 - nothing is bound here
        ("ops.example:8300", "ops.example", False),
    ],
)
def test_only_this_machine_unless_another_address_is_given(given: str, host: str, loopback: bool) -> None:
    found = parse_address(given)
    assert (found.host, found.port, found.is_loopback) == (host, 8300, loopback)


@pytest.mark.parametrize("given", ["", "nowhere", "127.0.0.1", "127.0.0.1:99999", "a b:1", "http://127.0.0.1:1"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        parse_address(given)


def tokens(sheet: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"(--[\w-]+):\s*([^;]+);", sheet):
        found.setdefault(name, []).append(value)
    return found


def test_the_page_has_the_design_of_the_report() -> None:
    page = tokens(page_style())
    report = tokens(report_style())
    assert len(page) > 20
    assert page == {name: report[name] for name in page}


def test_the_page_needs_nothing_from_elsewhere() -> None:
    for file in (ROOT / "harness/cutover_harness/watching/assets").iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", text), file
