"""A worker on asyncio: one consumer of a group, which commits what it has handled."""

import asyncio
import signal

from cutover_shim import AIOConsumer


async def handle(value: bytes | None) -> None:
    print(value.decode() if value else "", flush=True)


async def work() -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    consumer = AIOConsumer({"group.id": "billing", "auto.offset.reset": "earliest", "enable.auto.commit": False})
    await consumer.subscribe(["orders"])
    while not stopped.is_set():
        message = await consumer.poll(timeout=0.5)
        if message is None or message.error():
            continue
        await handle(message.value())
        await consumer.commit(message=message, asynchronous=False)
    await consumer.close()


asyncio.run(work())
