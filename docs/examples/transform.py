"""Read orders and write invoices, exactly once: the group's offsets and the invoices are in one transaction."""

import signal
from contextlib import suppress

from cutover_shim import Consumer, KafkaException, Message, Producer, TopicPartition

stopped: list[int] = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _frame: stopped.append(number))

consumer = Consumer({"group.id": "invoicing", "auto.offset.reset": "earliest", "enable.auto.commit": False})
producer = Producer({"transactional.id": "invoicing-1", "cutover.route": "orders"})
consumer.subscribe(["orders"])
producer.init_transactions()


def read_again(messages: list[Message]) -> None:
    """Go back to the first of these messages in each partition."""
    for message in reversed(messages):
        first = TopicPartition(message.topic() or "", message.partition() or 0, message.offset() or 0)
        with suppress(KafkaException):  # the partition is another member's now, which begins at the committed offset
            consumer.seek(first)


while not stopped:
    messages = [each for each in consumer.consume(100, timeout=0.5) if not each.error()]
    if not messages:
        continue
    if producer.cutover_cluster("invoices") != consumer.cutover_cluster():
        read_again(messages)  # a switch is under way: the next call of consume() carries it out
        continue
    producer.begin_transaction()
    try:
        for message in messages:
            producer.produce("invoices", value=b"invoice for " + (message.value() or b""))
        position = consumer.position(consumer.assignment())
        producer.send_offsets_to_transaction(position, consumer.consumer_group_metadata())
        producer.commit_transaction()
    except KafkaException:
        producer.abort_transaction()
        read_again(messages)
consumer.close()
producer.close()
