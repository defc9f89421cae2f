"""An asynchronous HTTP service that answers once the order is acknowledged."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cutover_shim import AIOProducer
from fastapi import FastAPI, Request


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # The address comes from CUTOVER_FILE. Messages are sent in batches, at the latest after buffer_timeout seconds.
    app.state.producer = AIOProducer({"client.id": "api-orders", "acks": "all"}, buffer_timeout=0.05)
    yield
    await app.state.producer.close()  # sends what is buffered


app = FastAPI(lifespan=lifespan)


@app.post("/orders")
async def order(request: Request) -> dict[str, int]:
    delivery = await app.state.producer.produce("orders", value=await request.body())
    message = await delivery
    return {"partition": message.partition(), "offset": message.offset()}


@app.get("/health")
async def health() -> dict[str, str | None]:
    return {"cluster": app.state.producer.cutover_cluster("orders")}
