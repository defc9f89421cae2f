"""Connect's answers: what is repeated, what is an error, and what is shown of it."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cutover_harness.mirror import MirrorError
from cutover_harness.mirror.connect_rest import Connect

SECRET = 'pass"wo\\rd'


class Answers(http.server.ThreadingHTTPServer):
    """A Connect that gives these answers, and then repeats the last one."""

    def __init__(self, *answers: tuple[int, object]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.asked: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Answers

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(f"{self.command} {self.path}")
        code, body = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        content = json.dumps(body).encode() if not isinstance(body, bytes) else body
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815 - the base's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def connect(request: pytest.FixtureRequest) -> Iterator[tuple[Connect, Answers]]:
    server = Answers(*request.param)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    client = Connect(f"http://user:hidden@127.0.0.1:{server.server_port}", patience_s=1)
    yield client, server
    client.close()
    server.shutdown()
    server.server_close()


def answers(*each: tuple[int, object]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("connect", [each], indirect=True)


@answers((409, {"message": "rebalance"}), (500, b"not json"), (503, {}), (204, b""))
def test_temporary_errors_are_retried(connect: tuple[Connect, Answers]) -> None:
    connect[0].set_state("c", "pause")
    assert connect[1].asked == ["PUT /connectors/c/pause"] * 4


GET, PUT = "GET /connectors/c/config", "PUT /connectors/c/config"


@answers((404, {}), (404, {}), (404, {}), (409, {"message": "rebalance"}), (200, {"a": "old"}), (201, {"name": "c"}))
def test_a_configuration_is_read_before_each_time_that_it_is_sent(connect: tuple[Connect, Answers]) -> None:
    connect[0].put_config("c", {"a": "b"})
    assert connect[1].asked == [GET, PUT] * 3


@answers((404, {}), (500, {"message": "Request timed out"}), (200, {"a": "b", "name": "c"}))
def test_a_configuration_that_was_applied_late_is_not_sent_again(connect: tuple[Connect, Answers]) -> None:
    connect[0].put_config("c", {"a": "b"})
    assert connect[1].asked == [GET, PUT, GET]


@answers((200, {"a": "b", "name": "c"}))
def test_a_configuration_that_is_there_is_not_sent(connect: tuple[Connect, Answers]) -> None:
    connect[0].put_config("c", {"a": "b"})
    assert connect[1].asked == [GET]


@answers((200, {"a": "b", "name": "c"}))
def test_a_change_has_the_time_that_connect_needs(
    connect: tuple[Connect, Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    answer = httpx.Client.request

    def record(self: httpx.Client, method: str, url: str, **options: Any) -> httpx.Response:
        given.append((method, options["timeout"].read))
        return answer(self, method, url, **options)

    monkeypatch.setattr(httpx.Client, "request", record)
    connect[0].put_config("c", {"a": "new"})
    assert [read > 90 for method, read in given if method == "PUT"] == [True]
    assert all(read <= 5 for method, read in given if method == "GET")


REFUSAL = f"""Connector configuration is invalid and contains the following 1 error(s):
Invalid value {SECRET} for configuration x
You can also find the above list of errors at the endpoint"""


@answers((404, {}), (400, {"message": REFUSAL}))
def test_a_refusal_is_reported_whole_in_one_line_without_secrets(connect: tuple[Connect, Answers]) -> None:
    says = (
        r"answered 400 \(.* following 1 error\(s\): Invalid value \*\*\* for configuration x You can .* endpoint\) to"
    )
    with pytest.raises(MirrorError, match=says) as caught:
        connect[0].put_config("c", {"password": SECRET})
    assert len(connect[1].asked) == 2
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)


@answers((500, {"message": "request timed out"}))
def test_patience_ends(connect: tuple[Connect, Answers]) -> None:
    with pytest.raises(MirrorError, match=r"answered 500 \(request timed out\)"):
        connect[0].set_state("c", "pause")
    assert len(connect[1].asked) > 1, "it was asked again"


@answers((404, {"error_code": 404}))
def test_missing_objects(connect: tuple[Connect, Answers]) -> None:
    assert connect[0].status("c") is None
    assert connect[0].offsets("c") == []
    connect[0].delete("c")


TRACE = "Error: callback failed\n\tat x\nCaused by: TooLarge: 900000 bytes\n\tat y\n\t... 3 more\n"


@answers(
    (
        200,
        {
            "connector": {"state": "RUNNING"},
            "tasks": [{"id": 0, "state": "FAILED", "trace": TRACE}, {"id": 1, "state": "RUNNING"}],
        },
    )
)
def test_a_failed_task_shows_its_reason(connect: tuple[Connect, Answers]) -> None:
    status = connect[0].status("c")
    assert status is not None
    assert (status.connector, status.tasks) == ("RUNNING", ("FAILED", "RUNNING"))
    assert status.failure == "Error: callback failed: caused by TooLarge: 900000 bytes"
