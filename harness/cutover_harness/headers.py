"""Reading headers of consumed messages, whatever their names are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from confluent_kafka import Message


def headers_of(messages: Sequence[Message]) -> tuple[list[Any], list[int]]:
    """Return each message's headers, and the indexes of the messages whose headers cannot be read (given as None).

    Kafka allows any bytes as a header's name. The client fails on what is not UTF-8 (SystemError), and when it is asked
    again returns a list with a hole that must not be touched: so each message is asked once.
    """
    found: list[Any] = []
    unreadable: list[int] = []
    rest = iter(messages)
    while len(found) < len(messages):
        try:
            found.extend(map(Message.headers, rest))
        except (SystemError, UnicodeDecodeError):
            unreadable.append(len(found))
            found.append(None)
    return found, unreadable


def headers_or_none(message: Any) -> Any:
    """Return the headers of one message, None if there are none or they cannot be read; ask only once."""
    try:
        return message.headers()
    except (SystemError, UnicodeDecodeError):
        return None
