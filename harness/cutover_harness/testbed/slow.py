"""A listener that acknowledges late: a proxy before a broker, as AutoMQ answers a write only after its upload.

Run as a script, `slow.py PORT BROKER_PORT DELAY_MS`, both ports on loopback. Answers to writes are held back for the
delay from when the broker gave them, and what comes after them on the same connection with them, since clients rely on
the order. Requests are forwarded immediately, so what is sent without waiting is as fast as before. Only the standard
library is imported, so that it starts quickly.
"""

import asyncio
import contextlib
import struct
import sys
from collections import deque
from collections.abc import Iterator

# What a client waits for that the broker has written to a log (Kafka protocol guide, "API keys").
PRODUCE, OFFSET_COMMIT, END_TXN, TXN_OFFSET_COMMIT = 0, 8, 26, 28
WRITES = frozenset({PRODUCE, OFFSET_COMMIT, END_TXN, TXN_OFFSET_COMMIT})
_REQUEST_HEAD = struct.Struct(">ihhi")  # length, API key, API version, correlation id
_RESPONSE_HEAD = struct.Struct(">ii")  # length, correlation id
_PIECE = 1 << 18


class Frames:
    """Finds where messages begin in a stream that arrives in pieces; `head` is what to read of each."""

    def __init__(self, head: struct.Struct) -> None:
        self._head = head
        self._held = b""
        self._left = 0

    def feed(self, data: bytes) -> Iterator[tuple[tuple[int, ...] | None, bytes]]:
        """Yield the data in parts of one message each, with the head where a message begins.

        A few bytes are held back if they are not a whole head yet.
        """
        data, self._held = self._held + data, b""
        at = 0
        while at < len(data):
            head = None
            if not self._left:
                if len(data) - at < self._head.size:
                    self._held = data[at:]
                    return
                head = self._head.unpack_from(data, at)
                self._left = 4 + head[0]
            part = data[at : at + self._left]
            self._left -= len(part)
            at += len(part)
            yield head, part


class Connection:
    """One client's connection, and the one to the broker that belongs to it."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        # Correlation ids whose answers are still to come, in the order of requests, and whether they acknowledge.
        self._asked: deque[tuple[int, bool]] = deque()
        # No limit: it holds no more than what the client has asked for.
        self._answers: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def run(self, client: tuple[asyncio.StreamReader, asyncio.StreamWriter], broker_port: int) -> None:
        """Pass everything on until one side closes, then close the other."""
        with contextlib.closing(client[1]), contextlib.suppress(OSError):
            broker = await asyncio.open_connection("127.0.0.1", broker_port)
            with contextlib.closing(broker[1]):
                jobs = [
                    asyncio.create_task(job)
                    for job in (self._ask(client[0], broker[1]), self._hear(broker[0]), self._answer(client[1]))
                ]
                try:
                    await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for job in jobs:
                        job.cancel()
                    await asyncio.gather(*jobs, return_exceptions=True)

    async def _ask(self, client: asyncio.StreamReader, broker: asyncio.StreamWriter) -> None:
        frames = Frames(_REQUEST_HEAD)
        while data := await client.read(_PIECE):
            for head, part in frames.feed(data):
                if head is not None:
                    self._asked.append((head[3], head[1] in WRITES))
                broker.write(part)
            await broker.drain()

    async def _hear(self, broker: asyncio.StreamReader) -> None:
        frames, loop, due = Frames(_RESPONSE_HEAD), asyncio.get_running_loop(), 0.0
        while data := await broker.read(_PIECE):
            for head, part in frames.feed(data):
                if head is not None:
                    due = loop.time() + (self._delay_s if self._acknowledges(head[1]) else 0)
                self._answers.put_nowait((due, part))

    def _acknowledges(self, correlation: int) -> bool:
        # What is produced without acknowledgement has no answer, so it is passed over.
        while self._asked:
            asked, writes = self._asked.popleft()
            if asked == correlation:
                return writes
        return False

    async def _answer(self, client: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, part = await self._answers.get()
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            client.write(part)
            await client.drain()


async def main(port: int, broker_port: int, delay_ms: int) -> None:
    """Serve until the process is ended."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(delay_ms / 1000).run((reader, writer), broker_port)

    server = await asyncio.start_server(serve, "127.0.0.1", port, limit=_PIECE)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
