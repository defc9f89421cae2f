from cutover_shim import Producer  # instead of confluent_kafka

producer = Producer({"cutover.file": "cutover.toml", "client.id": "billing"})
while True:
    producer.produce("orders", value=b"an order")
    producer.poll(0.1)
