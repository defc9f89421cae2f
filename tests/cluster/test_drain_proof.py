"""The drain proof on a real log: it waits for every record, but not for markers and aborted records."""

from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.rehearsal.drain import prove
from cutover_harness.testbed import ProcessTestbed

from tests.waiting import eventually


def test_markers_and_aborted_records_at_the_end_are_not_left_to_read(testbed: ProcessTestbed) -> None:
    config = testbed.source.client_config()
    admin = Admin(config)
    admin.create_topics({"drained": 1})
    producer = Producer({**config, "transactional.id": "drained"})
    producer.init_transactions(20)
    for count, end in ((3, producer.commit_transaction), (2, producer.abort_transaction)):
        producer.begin_transaction()
        for _ in range(count):
            producer.produce("drained", b"x", partition=0)
        producer.flush(20)
        end(20)
    # The coordinator answers before the marker is in the log.
    assert eventually(lambda: admin.end_offsets(["drained"]) == {("drained", 0): 7}, 30)
    admin.set_committed("read-all", {("drained", 0): 3})
    admin.set_committed("one-left", {("drained", 0): 2})
    admin.set_committed("beyond", {("drained", 0): 9})
    proofs = prove(admin, "source", ["read-all", "one-left", "beyond", "nobody"], ["drained"], 1.0)
    assert [(proof.group, proof.held) for proof in proofs] == [
        ("read-all", True),
        ("one-left", False),
        ("beyond", False),
        ("nobody", False),
    ]
