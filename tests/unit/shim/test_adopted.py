"""After install(), at any time: every client is the shim's, whatever was imported or wrapped before.

Each case is an application of its own, since a process installs once.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Switch
from .test_adoption import run

INSTALL = "import cutover_shim; cutover_shim.install()\n"
PATHS = {
    "install first": INSTALL,
    "confluent_kafka first": "import confluent_kafka\n" + INSTALL,
    "admin first": "import confluent_kafka.admin\n" + INSTALL,
    "names first": (
        "from confluent_kafka.admin import AdminClient\nfrom confluent_kafka import SerializingProducer, Consumer\n"
        "from confluent_kafka.serializing_producer import SerializingProducer\n" + INSTALL
    ),
    "twice": INSTALL + INSTALL,
    "aio first": "import confluent_kafka.aio\n" + INSTALL,
}
ADMIN = """
from confluent_kafka.admin import AdminClient
import cutover_shim.admin
assert AdminClient is cutover_shim.AdminClient
a = AdminClient({'bootstrap.servers': 'ignored:1', 'log_level': 0})
print(a.cutover_cluster(), TOPIC in a.list_topics(timeout=10).topics)
a.poll(0)
"""
SERIALIZING = """
import confluent_kafka, cutover_shim
from confluent_kafka.serialization import StringSerializer, StringDeserializer
from confluent_kafka.serializing_producer import SerializingProducer
from confluent_kafka.deserializing_consumer import DeserializingConsumer
assert SerializingProducer is confluent_kafka.SerializingProducer is cutover_shim.SerializingProducer
assert DeserializingConsumer is confluent_kafka.DeserializingConsumer is cutover_shim.DeserializingConsumer
p = SerializingProducer({'bootstrap.servers': 'ignored:1', 'log_level': 0, 'value.serializer': StringSerializer()})
p.produce(TOPIC, value='x')
assert p.flush(10) == 0
print(p.cutover_cluster())
c = DeserializingConsumer({'bootstrap.servers': 'ignored:1', 'log_level': 0, 'group.id': GROUP,
    'auto.offset.reset': 'earliest', 'group.protocol': 'consumer', 'value.deserializer': StringDeserializer()})
c.subscribe([TOPIC])
m = None
while m is None: m = c.poll(0.2)
print(m.value(), c.cutover_cluster())
c.close(); p.close()
"""
ASYNC = """
import asyncio
from confluent_kafka.aio import AIOProducer
async def main():
    p = AIOProducer({'bootstrap.servers': 'ignored:1', 'log_level': 0})
    await asyncio.wait_for(await p.produce(TOPIC, b'x'), 20)
    print(p._producer.cutover_cluster(TOPIC))
    await p.close()
asyncio.run(main())
"""


def expect(head: str, body: str, stdout: str, switch: Switch, topic: str, tmp_path: Path) -> None:
    switch.write(producers="target", consumers="target")
    app = tmp_path / "app.py"
    app.write_text(f"TOPIC, GROUP = {topic!r}, {switch.groups[0]!r}\n{head}{body}")
    done = run(str(app), CUTOVER_FILE=str(switch.path))
    assert (done.stdout, done.returncode) == (stdout, 0), done.stdout + done.stderr


@pytest.mark.parametrize("head", PATHS.values(), ids=PATHS)
def test_an_admin_client_works_and_follows_its_route(head: str, switch: Switch, topic: str, tmp_path: Path) -> None:
    expect(head, ADMIN, "target True\n", switch, topic, tmp_path)


@pytest.mark.parametrize("head", PATHS.values(), ids=PATHS)
def test_serializing_clients_are_the_shims_under_each_of_their_names(
    head: str, switch: Switch, topic: str, tmp_path: Path
) -> None:
    expect(head, SERIALIZING, "target\nx target\n", switch, topic, tmp_path)


@pytest.mark.parametrize("head", [PATHS["install first"], PATHS["aio first"]])
def test_asyncio_clients_are_switched(head: str, switch: Switch, topic: str, tmp_path: Path) -> None:
    expect(head, ASYNC, "target\n", switch, topic, tmp_path)


@pytest.mark.parametrize(
    "option", [["-m", "cutover_shim"], ["-m", "pytest", "-q", "-p", "no:ddtrace", "-p", "cutover_shim.pytest_plugin"]]
)
def test_an_admin_client_works_under_each_way_to_start(
    option: list[str], switch: Switch, topic: str, tmp_path: Path
) -> None:
    switch.write(producers="target")
    app = tmp_path / "test_app.py"
    body = ADMIN.replace("\n", "\n    ").replace("print(", "found = (")
    app.write_text(
        f"TOPIC = {topic!r}\ndef test_it():{body}\n    assert found == ('target', True)\n"
        "if __name__ == '__main__': test_it()\n"
    )
    done = run(*option, str(app), CUTOVER_FILE=str(switch.path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_existing_admin_clients_keep_working(switch: Switch, topic: str, tmp_path: Path) -> None:
    head = (
        "from confluent_kafka.admin import AdminClient\n"
        f"old = AdminClient({{'bootstrap.servers': {switch.source.bootstrap!r}, 'log_level': 0}})\n{INSTALL}"
    )
    expect(head, "print(TOPIC in old.list_topics(timeout=10).topics)", "True\n", switch, topic, tmp_path)


def test_classes_of_confluent_kafka_that_were_derived_before_are_switched(
    switch: Switch, topic: str, tmp_path: Path
) -> None:
    avro = tmp_path / "avro.txt"
    avro.write_text(
        "class AvroProducer(Producer):\n"
        "    def __init__(self, conf): super(AvroProducer, self).__init__(conf)\n"
        "    def produce(self, **kw): super(AvroProducer, self).produce(kw['topic'], b'avro')\n"
    )
    head = (
        "import sys, types\nfrom confluent_kafka import Producer\n"
        "avro = sys.modules['confluent_kafka.avro'] = types.ModuleType('confluent_kafka.avro')\n"
        f"avro.Producer = Producer\nexec(open({str(avro)!r}).read(), avro.__dict__)\n{INSTALL}"
    )
    body = (
        "from confluent_kafka.avro import AvroProducer\n"
        "p = AvroProducer({'bootstrap.servers': 'ignored:1', 'log_level': 0})\n"
        "p.produce(topic=TOPIC)\nassert p.flush(10) == 0\nprint(p.cutover_cluster())\np.close()\n"
    )
    expect(head, body, "target\n", switch, topic, tmp_path)
