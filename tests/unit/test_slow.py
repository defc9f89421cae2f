"""The slow listener without a broker: where messages begin, which answers wait, and their order."""

import asyncio
import struct
import time

from cutover_harness.testbed.slow import END_TXN, OFFSET_COMMIT, PRODUCE, TXN_OFFSET_COMMIT, Connection, Frames
from hypothesis import given
from hypothesis import strategies as st

FETCH = 1
HEAD = struct.Struct(">ii")


def message(correlation: int, body: bytes = b"") -> bytes:
    return HEAD.pack(4 + len(body), correlation) + body


def request(key: int, correlation: int, body: bytes = b"body") -> bytes:
    return struct.pack(">ihhi", 8 + len(body), key, 0, correlation) + body


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 30), max_size=30))
def test_messages_are_found_however_they_arrive(bodies: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(message(n, body) for n, body in enumerate(bodies))
    frames, heads, passed, at = Frames(HEAD), [], b"", 0
    for size in [*sizes, len(stream)]:
        for head, part in frames.feed(stream[at : at + size]):
            if head is not None:
                heads.append(head)
            passed += part
        at += size
    assert passed == stream
    assert heads == [(4 + len(body), n) for n, body in enumerate(bodies)]


async def talk(keys: list[int], delay_s: float, *, unanswered: frozenset[int] = frozenset()) -> list[tuple[int, float]]:
    """Send the requests together through the proxy to a broker that answers immediately; return when answers came."""

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(12):
            length, _key, _version, correlation = struct.unpack(">ihhi", head)
            await reader.readexactly(length - 8)
            if correlation not in unanswered:
                writer.write(message(correlation, b"x" * 1000))

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(delay_s).run((reader, writer), behind)

    back = await asyncio.start_server(broker, "127.0.0.1", 0)
    behind = back.sockets[0].getsockname()[1]
    front = await asyncio.start_server(proxy, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*front.sockets[0].getsockname())
    began = time.monotonic()
    writer.write(b"".join(request(key, n) for n, key in enumerate(keys)))
    answers = []
    for _ in range(len(keys) - len(unanswered)):
        length, correlation = struct.unpack(">ii", await reader.readexactly(8))
        answers.append((correlation, time.monotonic() - began))
        await reader.readexactly(length - 4)
    writer.close()
    front.close()
    back.close()
    return answers


def test_only_acknowledgements_wait_and_order_is_kept() -> None:
    answers = asyncio.run(talk([FETCH, PRODUCE, FETCH, OFFSET_COMMIT, PRODUCE], 0.5))
    assert [correlation for correlation, _ in answers] == [0, 1, 2, 3, 4]
    times = [came for _, came in answers]
    assert times[0] < 0.5, "a fetch before"
    assert all(came >= 0.5 for came in times[1:])
    # Five together take one delay and not four.
    assert times[-1] < 1.5


def test_all_kinds_of_acknowledgements() -> None:
    for key in (PRODUCE, OFFSET_COMMIT, END_TXN, TXN_OFFSET_COMMIT):
        ((_, came),) = asyncio.run(talk([key], 0.1))
        assert came >= 0.1
    ((_, came),) = asyncio.run(talk([FETCH], 60))
    assert came < 60


def test_a_request_without_an_answer() -> None:
    """Produced with acks=0: the answer of the next request is that one's."""
    ((correlation, came),) = asyncio.run(talk([PRODUCE, FETCH], 60, unanswered=frozenset({0})))
    assert correlation == 1
    assert came < 60
