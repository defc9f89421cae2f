"""When a Connect worker counts as ready."""

import httpx
import pytest
from cutover_harness.testbed.connect_ready import _NO_CONNECTOR, connect_serves

URL = "http://127.0.0.1:8083"
NOT_FOUND = {"error_code": 404, "message": "HTTP 404 Not Found"}


@pytest.mark.parametrize(
    ("health", "connector", "ready"),
    [
        (httpx.Response(200, json={"status": "healthy"}), None, True),
        (httpx.Response(503, json={"status": "starting"}), None, False),
        (httpx.Response(500, json={"status": "unhealthy"}), None, False),
        # Before Connect 3.9.
        (httpx.Response(404, json=NOT_FOUND), httpx.Response(404, json={"message": f"No {_NO_CONNECTOR}"}), True),
        (httpx.Response(404, json=NOT_FOUND), httpx.Response(404, json=NOT_FOUND), False),
        (httpx.Response(404, json=NOT_FOUND), httpx.Response(500, json={}), False),
        # The web server alone, before Connect's resources are there: its page has the path that was asked for.
        (httpx.Response(404, text="<html>"), httpx.Response(404, text=f"<td>/connectors/{_NO_CONNECTOR}</td>"), False),
        (httpx.Response(404, text="<html>"), httpx.Response(404, json=[_NO_CONNECTOR]), False),
        (None, None, False),
    ],
)
def test_ready(
    monkeypatch: pytest.MonkeyPatch, health: httpx.Response | None, connector: httpx.Response | None, ready: bool
) -> None:
    def get(url: str, **_: object) -> httpx.Response:
        answer = health if url == f"{URL}/health" else connector
        if answer is None:
            raise httpx.ReadTimeout("no answer")
        assert not url.endswith("/connectors"), "answered before the herder has started"
        return answer

    monkeypatch.setattr(httpx, "get", get)
    assert connect_serves(URL) is ready
