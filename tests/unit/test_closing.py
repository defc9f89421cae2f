"""Clients whose close hangs are left behind, and nothing of the harness waits for one."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import cutover_harness
import pytest
from cutover_harness.closing import close_client

# An application of a replay closes its client as any application does.
OWN_CLOSE = {"replay/consumer.py"}


class Client:
    """Its close waits for `released`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.released = threading.Event()
        self.closed = threading.Event()
        self._error = error

    def close(self) -> None:
        self.released.wait()
        if self._error is not None:
            raise self._error
        self.closed.set()


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.released.set()


def test_a_client_is_closed(client: Client) -> None:
    client.released.set()
    assert close_client(client)
    assert client.closed.is_set()


def test_a_client_whose_close_hangs_is_left_behind_and_closes_when_it_can(client: Client) -> None:
    assert not close_client(client, 0.01)
    assert not client.closed.is_set()
    client.released.set()
    client.closed.wait()


def test_what_a_close_raises_is_raised() -> None:
    client = Client(RuntimeError("already closed"))
    client.released.set()
    with pytest.raises(RuntimeError, match="already closed"):
        close_client(client)


def test_no_module_waits_for_the_close_of_a_consumer() -> None:
    root = Path(cutover_harness.__file__).parent
    direct = re.compile(r"\w*consumers?(\.pop\(\))?\.close\(\)")
    found = {str(path.relative_to(root)) for path in root.rglob("*.py") if direct.search(path.read_text())}
    assert found == OWN_CLOSE
