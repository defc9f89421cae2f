"""An HTTP service that writes orders; its producer changes the cluster while it serves."""

import atexit

from cutover_shim import Producer
from flask import Flask, request

app = Flask(__name__)
producer = Producer({"client.id": "web-orders", "acks": "all"})  # the address comes from CUTOVER_FILE
atexit.register(producer.flush)


@app.post("/orders")
def order() -> tuple[str, int]:
    try:
        producer.produce("orders", value=request.get_data(), key=request.args.get("customer", ""))
    except BufferError:  # the queue is full: the producer is held, or the cluster is slow
        return "try again", 503
    producer.poll(0)
    return "accepted", 202


@app.get("/health")
def health() -> dict[str, str | None]:
    return {"cluster": producer.cutover_cluster("orders")}
