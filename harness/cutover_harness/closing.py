"""Objects that a `with` block closes, and clients whose close may hang."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Protocol, Self

CLOSE_S = 5.0
"""How long the close of a client is waited for, in seconds."""


class Closing(ABC):
    """Is closed at the end of a `with` block."""

    @abstractmethod
    def close(self) -> None:
        """Release what it holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Closable(Protocol):
    """A client of the client library."""

    def close(self) -> None:
        """Release what it holds."""
        ...


def close_client(client: Closable, within_s: float = CLOSE_S) -> bool:
    """Close a consumer, and return whether that ended within so many seconds; raises what its close raises until then.

    Otherwise it is left behind with its threads: after a broker has been away, the client may wait for ever for the
    thread of that broker (confluentinc/librdkafka#1872, #3954; seen with 2.16 and a broker that was killed).
    """
    raised: list[BaseException] = []

    def close() -> None:
        try:
            client.close()
        except BaseException as error:  # noqa: BLE001 - raised again below
            raised.append(error)

    thread = threading.Thread(target=close, name="client-close", daemon=True)
    thread.start()
    thread.join(within_s)
    if raised:
        raise raised[0]
    return not thread.is_alive()
