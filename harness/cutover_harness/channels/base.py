"""What a channel's writer does, and the errors of channels.

A channel is how documents (the content of a cutover file) reach the applications: a file, a control topic on the
source or the target, or a key of a ConfigMap.
"""

from __future__ import annotations

from typing import Protocol

from cutover_harness.errors import FinalError, UsageError


class OvertakenError(FinalError):
    """Another writer has written the document since this one read it; nothing was written."""


class ChannelError(UsageError):
    """A channel cannot be read or written now. The message is one line, and begins with the channel's name.

    `final`: waiting does not help, for example if the channel is missing, or the right to write it.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class ChannelWriter(Protocol):
    """Reads and writes the one document of a channel. One thread at a time uses it."""

    @property
    def name(self) -> str:
        """The channel's name in messages: `file:PATH`, `kafka:TOPIC@source`, `configmap:NAMESPACE/NAME/KEY`."""
        ...

    def read(self) -> str | None:
        """Return the whole document with its signature line, None if the channel is empty.

        Bytes that are not UTF-8 are kept as surrogates (`errors="surrogateescape"`), so that any content can be
        compared, and be replaced by `write`. Raises ChannelError.
        """
        ...

    def write(self, text: str, *, replaces: str | None) -> None:
        """Replace the document `replaces` by `text`, completely or not at all; return when it is stored.

        It is refused with OvertakenError if the channel contains neither `replaces` nor `text`. A `text` that is there
        already is a success, so that a write can be repeated. Raises ChannelError; it is then unknown whether `text`
        is there, and `read` has the answer.
        """
        ...

    def close(self) -> None:
        """Close connections; more than once is harmless."""
        ...
