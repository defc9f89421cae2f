"""Answers that Connect does not send, for example of a proxy: one error line, and no state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.errors import MirrorError


def connect(content: bytes) -> Connect:
    made = Connect("http://user:hunter2@connect.example:8083", patience_s=0)
    answer = httpx.MockTransport(lambda _request: httpx.Response(200, content=content))
    made._client = httpx.Client(base_url="http://connect.example:8083", transport=answer)
    return made


@pytest.mark.parametrize("content", [b"<html>maintenance</html>", b"null", b"7", b"[" * 100_000, b"\xff\xfe"])
@pytest.mark.parametrize("ask", [Connect.status, Connect.config, Connect.offsets, Connect.delete])
def test_an_answer_of_something_else_is_refused(content: bytes, ask: Callable[..., Any]) -> None:
    with pytest.raises(MirrorError, match="answered 200 with something that is not Connect's") as told:
        ask(connect(content), "c")
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"connector": {}}', b'{"connector": "x", "tasks": [1]}'])
def test_an_answer_without_a_state_is_refused(content: bytes) -> None:
    with pytest.raises(MirrorError, match="answered with no state"):
        connect(content).status("c")


@pytest.mark.parametrize(
    "content", [b"[1]", b'{"offsets": [1]}', b'{"offsets": 1}', b'{"offsets": [{"partition": 1}]}']
)
def test_an_answer_without_offsets_is_refused(content: bytes) -> None:
    with pytest.raises(MirrorError, match="answered with no offsets"):
        connect(content).offsets("c")
