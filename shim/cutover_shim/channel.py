"""What a channel is: a way that documents reach this process by, besides the watched file."""

# ruff: noqa: D102 - the comments of the classes explain the methods
from __future__ import annotations

from typing import Protocol

FILE, KAFKA, CONFIGMAP = "file:", "kafka:", "configmap:"
"""What the name of each kind of channel begins with."""
DEFAULT_KEY = "cutover.toml"
"""The key of a ConfigMap that is read if its channel names none."""


class Receiver(Protocol):
    """Takes what a channel reads. `channel` is the channel's name; every method may be called from any thread.

    begins: reading begins, or begins again, with documents that may be older than those of before (a channel without a
    history need not call it). document: one document, in the order of the channel. complete: everything that was there
    when reading began has been delivered, perhaps nothing. failed: it cannot be read now; `final`: waiting does not
    help (it is missing, or reading it is not allowed). works: it can be read, again.
    """

    def begins(self, channel: str) -> None: ...
    def document(self, channel: str, content: bytes) -> None: ...
    def complete(self, channel: str) -> None: ...
    def failed(self, channel: str, why: str, *, final: bool) -> None: ...
    def works(self, channel: str) -> None: ...


class Channel(Protocol):
    """Reads documents on a thread of its own, from `start` on until `stop`.

    `name` appears in statuses, logs and errors. `stop` returns soon, and the receiver is not called after it.
    """

    @property
    def name(self) -> str: ...
    def start(self, receiver: Receiver) -> None: ...
    def stop(self) -> None: ...
