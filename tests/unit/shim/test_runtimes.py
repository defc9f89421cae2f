"""Many threads, asyncio, gevent, fork, subinterpreters; no thread or descriptor is left."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cutover_shim
import psutil
import pytest
from cutover_shim import AIOProducer, Consumer, Producer

from .conftest import Switch, until
from .test_consumer_switch import FAST, fill

SWITCHES = int(os.environ.get("CUTOVER_SWITCHES", "40"))


def test_stress_four_threads_under_switches(switch: Switch, topic: str) -> None:
    producer = Producer(switch.conf(**{"linger.ms": 2}))
    reports: Counter[str] = Counter()
    sent = [0] * 4
    stop = threading.Event()

    def report(error: Any, message: Any) -> None:
        reports[message.value().decode() if error is None else f"failed: {error}"] += 1

    def work(thread: int) -> None:
        while not stop.is_set():
            for _ in range(20):
                try:
                    producer.produce(topic, value=f"{thread}-{sent[thread]}", partition=thread, on_delivery=report)
                    sent[thread] += 1
                except BufferError:
                    producer.poll(0.01)
                producer.poll(0)
            time.sleep(0.002)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(SWITCHES):
            switch.until_attested(switch.write(producers=("target", "hold", "source")[number % 3]), timeout=30)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    switch.until_attested(switch.write(producers="target"), lambda: producer.poll(0.01))
    assert producer.flush(30) == 0
    producer.close()
    assert set(reports.values()) == {1}
    assert sorted(reports) == sorted(f"{t}-{n}" for t in range(4) for n in range(sent[t]))
    logs = {name: cluster.read(topic) for name, cluster in switch.clusters.items()}
    for partition in range(4):
        numbers = {name: [int(v.split(b"-")[1]) for v in log[partition]] for name, log in logs.items()}
        assert all(n == sorted(n) for n in numbers.values())
        assert sorted(numbers["source"] + numbers["target"]) == list(range(sent[partition]))


def resources() -> tuple[int, int]:
    process = psutil.Process()
    return process.num_threads(), process.num_fds()


def switch_often(switch: Switch, topic: str) -> None:
    producer = Producer(switch.conf())
    for number in range(SWITCHES):
        producer.produce(topic, b"x")
        switch.until_attested(
            switch.write(producers=("target", "source")[number % 2]), lambda: producer.poll(0.005), timeout=30
        )
    producer.close()


def test_switching_leaks_no_thread_and_no_descriptor(switch: Switch, topic: str) -> None:
    """CUTOVER_SWITCHES=1000 takes two minutes; a raw client that is left open is a thread and descriptors each."""
    gc.collect()
    before = resources()
    switch_often(switch, topic)
    gc.collect()
    until(lambda: resources()[0] <= before[0] and resources()[1] <= before[1], what=lambda: (before, resources()))


def test_closing_while_a_target_does_not_answer_is_prompt_and_leaks_nothing(switch: Switch, topic: str) -> None:
    gc.collect()
    before = resources()
    for _ in range(3):
        switch.write(producers="source", consumers="source")
        producer, consumer = Producer(switch.conf("p")), Consumer(switch.conf("c", **{"group.id": f"g-{topic}"}))
        consumer.subscribe([topic])
        switch.write(producers="target", consumers="target", target="127.0.0.1:1")
        until(lambda: switch.status_or({"routes": {}}, "p")["routes"].get("r", {}).get("state") == "preparing")
        consumer.poll(0)
        consumer.close()
        producer.close()
    until(lambda: resources()[0] <= before[0] and resources()[1] <= before[1], what=lambda: (before, resources()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_refused_and_its_parent_keeps_working(switch: Switch, topic: str) -> None:
    producer = Producer(switch.conf("p"))
    consumer = Consumer(switch.conf("c", **{"group.id": "fork"}))
    producer.produce(topic, b"x")
    assert producer.flush(10) == 0
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for call in (lambda: producer.produce(topic, b"y"), lambda: producer.poll(0), lambda: consumer.poll(0)):
                with pytest.raises(RuntimeError, match="make it in the child process"):
                    call()
            producer.close()
            consumer.close()
            child = Producer(switch.conf("child"))
            child.produce(topic, b"from the child")
            code = 0 if child.flush(10) == 0 else 3
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    producer.produce(topic, b"z")
    assert producer.flush(10) == 0
    producer.close()
    consumer.close()


def test_gevent(switch: Switch, topic: str, tmp_path: Path) -> None:
    pytest.importorskip("gevent")
    app = tmp_path / "app.py"
    app.write_text(
        f"""
from gevent import monkey; monkey.patch_all()
import gevent, json, os, time, pathlib
from cutover_shim import Producer
seen = []
p = Producer({{'bootstrap.servers': 'x:1', 'cutover.file': {str(switch.path)!r}, 'log_level': 0}})
def work():
    for n in range(400):
        p.produce({topic!r}, str(n), partition=0, on_delivery=lambda e, m: seen.append((int(m.value()), e)))
        p.poll(0)
        gevent.sleep(0.001)
def change():
    gevent.sleep(0.1)
    path = pathlib.Path({str(switch.path)!r})
    new = path.with_suffix('.new')
    text = path.read_text().replace('generation = 1', 'generation = 2')
    new.write_text(text.replace('producers = "source"', 'producers = "target"'))
    new.replace(path)
gevent.joinall([gevent.spawn(work), gevent.spawn(change)])
end = time.time() + 10
while p.cutover_cluster({topic!r}) != 'target' and time.time() < end:
    p.poll(0.05); gevent.sleep(0.01)
assert p.flush(10) == 0
assert [n for n, e in seen if e is None] == list(range(400)), seen
print(p.cutover_cluster({topic!r}))
p.close()
"""
    )
    done = subprocess.run([sys.executable, str(app)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("target\n", 0), done.stderr


def test_subinterpreters_are_refused() -> None:
    interpreters = pytest.importorskip("_xxsubinterpreters")
    made = interpreters.create(isolated=False)
    try:
        with pytest.raises(interpreters.RunFailedError, match="subinterpreter"):
            interpreters.run_string(made, f"import sys; sys.path[:] = {sys.path!r}\nimport cutover_shim")
    finally:
        interpreters.destroy(made)


def test_asyncio(switch: Switch, topic: str) -> None:
    fill(switch.source, topic, range(4))
    fill(switch.target, topic, range(10, 12))

    async def main() -> None:
        seen: list[tuple[int, Any]] = []
        assigned: list[Any] = []
        producer = cutover_shim.AIOProducer(switch.conf("p"), batch_size=5, buffer_timeout=0.05)
        consumer = cutover_shim.AIOConsumer(
            switch.conf("c", **{"group.id": f"g-{topic}", "auto.offset.reset": "earliest", **FAST})
        )

        async def on_assign(which: Any, partitions: Any) -> None:
            assigned.append(which)
            await which.incremental_assign(partitions)

        await consumer.subscribe([topic], on_assign=on_assign)

        async def read(count: int) -> None:
            while len(seen) < count:
                message = await consumer.poll(0.1)
                if message is not None and message.error() is None:
                    seen.append((int(message.value()), consumer.cutover_cluster()))

        await asyncio.wait_for(read(4), 20)
        switch.write(producers="target", consumers="target")
        await asyncio.wait_for(read(6), 20)
        assert {n for n, c in seen if c == "target"} == {10, 11}
        while producer.cutover_cluster(topic) != "target":
            await producer.poll(0.01)
        futures = [await producer.produce(topic, str(n).encode()) for n in range(20, 25)]
        await producer.flush()
        assert all(m.error() is None for m in await asyncio.gather(*futures))
        assert set(assigned) == {consumer}
        assert len(assigned) == 2
        await consumer.close()
        await producer.close()

    asyncio.run(main())


def test_an_asyncio_producers_own_buffer_counts_as_queued(switch: Switch, topic: str) -> None:
    switch.write(producers="hold")

    async def main() -> None:
        producer = AIOProducer(switch.conf(), batch_size=1000, buffer_timeout=0)
        waiting = [await producer.produce(topic, b"x") for _ in range(3)]
        deadline = time.monotonic() + 20
        while switch.status_or({"routes": {"r": {"queued": 0}}})["routes"]["r"]["queued"] != 3:
            assert time.monotonic() < deadline, switch.read_status()
            await asyncio.sleep(0.05)
        switch.write(producers="target")
        await asyncio.wait_for(producer.flush(), 20)
        await asyncio.gather(*waiting)
        await producer.close()

    asyncio.run(main())
