"""Faults of clusters of several brokers: they hit, or the run proves nothing."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from cutover_harness.errors import UsageError
from cutover_harness.faults import layout, of_several, reassign, roll
from cutover_harness.faults.injector import Injector
from cutover_harness.faults.layout import Replicas
from cutover_harness.faults.one_broker import LeadingBroker, leading
from cutover_harness.procedure.names import StepName
from cutover_harness.types import PartitionId

from tests.unit.faults.faults import context, fault

STOP = StepName.STOP_PRODUCERS
Now = dict[PartitionId, Replicas]


def replicas(leader: int, *of: int, in_sync: Sequence[int] | None = None) -> Replicas:
    return Replicas(leader, of, frozenset(of if in_sync is None else in_sync))


class Brokers:
    """A cluster of brokers, and its partitions, which move as soon as something is asked of them."""

    name = "source"

    def __init__(self, now: Now, *, deaf: bool = False, stays: bool = False, lags: bool = False) -> None:
        self.now = now
        self.did: list[str] = []
        self.down: set[int] = set()
        self.deaf, self.stays, self.lags = deaf, stays, lags
        self.brokers = tuple(Member(self, number) for number in (1, 2, 3))

    def client_config(self) -> dict[str, str]:
        return {}

    def fails(self, number: int) -> None:
        """Let others lead what a broker leads, unless they never notice."""
        if not self.stays:
            self.now = {
                p: Replicas(next(r for r in each.replicas if r != number), each.replicas, each.in_sync)
                if each.leader == number
                else each
                for p, each in self.now.items()
            }

    # A layout.
    def of(self, topics: Any = None) -> Now:
        if self.lags:
            return {p: Replicas(each.leader, each.replicas, frozenset({1})) for p, each in self.now.items()}
        return {p: each for p, each in self.now.items() if topics is None or p[0] in topics}

    def up(self) -> list[int]:
        return [1, 2, 3]

    def assign(self, wanted: Mapping[PartitionId, Sequence[int]]) -> None:
        self.did.append(f"assign {dict(wanted)}")
        if not self.stays:
            for partition, its in wanted.items():
                leader = self.now[partition].leader
                self.now[partition] = replicas(leader if leader in its else its[0], *its)

    def elect(self, partitions: Any) -> None:
        for partition in partitions:
            self.did.append(f"elect {partition}")
            if not self.stays:
                its = self.now[partition]
                self.now[partition] = replicas(its.replicas[0], *its.replicas)


class Member:
    def __init__(self, cluster: Brokers, node_id: int) -> None:
        self.cluster, self.node_id = cluster, node_id

    def kill(self) -> None:
        self.stop()

    def freeze(self) -> None:
        self.stop()

    def thaw(self) -> None:
        self.restart()

    def stop(self) -> None:
        self.cluster.did.append(f"stop {self.node_id}")
        if not self.cluster.deaf:
            self.cluster.down.add(self.node_id)
        self.cluster.fails(self.node_id)

    def stopped(self) -> bool:
        return self.node_id in self.cluster.down

    def restart(self) -> None:
        self.cluster.did.append(f"restart {self.node_id}")
        self.cluster.down.discard(self.node_id)


PARTITIONS: Now = {
    ("a", 0): replicas(1, 1, 2, 3),
    ("a", 1): replicas(2, 2, 3, 1),
    ("a", 2): replicas(2, 2, 1, 3),
}


@pytest.fixture
def inject(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Injector]:
    def injected(cluster: Any, kind: str, of: str = "source", **fields: Any) -> Injector:
        class Fake:
            def __init__(self, _config: Any) -> None:
                self.of, self.assign, self.elect, self.brokers = (
                    cluster.of,
                    cluster.assign,
                    cluster.elect,
                    cluster.up,
                )

        for module in (roll, of_several):
            monkeypatch.setattr(module, "Layout", Fake)
        topics: Any = type("Topics", (), {"topics": {"a": None}})
        node = {"source-broker": lambda: leading(cluster, lambda: cluster.of(["a"]), 0.05)}
        injector = Injector(
            (fault(kind, of, at=STOP, **fields),),
            context(cluster=lambda _name: cluster, topics=topics, nodes=node, patience_s=0.05),
        )
        injector.inject(STOP, "before")
        injector.finish()
        return injector

    return injected


def proof(injector: Injector) -> tuple[bool, str]:
    (precondition,) = injector.preconditions
    return precondition.held, precondition.evidence


@pytest.mark.parametrize("kind", ["kill", "freeze", "restart"])
def test_the_broker_that_leads_most_is_the_victim_and_stays_away_until_others_lead(
    inject: Callable[..., Injector], kind: str
) -> None:
    cluster = Brokers(dict(PARTITIONS))
    held, evidence = proof(inject(cluster, kind, "source-broker", seconds=0.01))
    assert held
    assert "source-broker was down at stop-producers" in evidence
    assert evidence.endswith("broker 2 led 2 partitions, others lead 2 of them now")
    assert cluster.did == ["stop 2", "restart 2"]


def test_leaders_that_stay_prove_nothing(inject: Callable[..., Injector]) -> None:
    held, evidence = proof(inject(Brokers(dict(PARTITIONS), stays=True), "kill", "source-broker", seconds=0.01))
    assert not held
    assert evidence.endswith("broker 2 led 2 partitions, others lead 0 of them now")


def test_a_broker_that_led_nothing_proves_nothing() -> None:
    assert not leading(Brokers({}), dict, 0.01).passed_on().held  # type: ignore[arg-type]


def test_an_answer_that_did_not_come_is_no_sign_that_leaders_moved() -> None:
    def read() -> Now:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    cluster: Any = Brokers(dict(PARTITIONS))
    assert not LeadingBroker(cluster.brokers[0], [("a", 0)], read, 0.01).passed_on().held


def test_brokers_on_machines_of_others_are_refused() -> None:
    cluster: Any = type("Existing", (), {"brokers": (), "name": "source"})
    with pytest.raises(UsageError, match="source's brokers run on machines that are not the rehearsal's"):
        leading(cluster, dict, 0.01)


def test_brokers_are_restarted_one_after_the_other(inject: Callable[..., Injector]) -> None:
    cluster = Brokers(dict(PARTITIONS))
    injector = inject(cluster, "roll")
    held, evidence = proof(injector)
    assert held, evidence
    assert cluster.did == [f"{what} {number}" for number in (1, 2, 3) for what in ("stop", "restart")]
    assert "brokers 1, 2, 3 were down one after the other" in evidence
    (mark,) = injector.marks
    assert mark.name == "roll source"


def test_a_rolling_restart_does_not_continue_while_replicas_lag(inject: Callable[..., Injector]) -> None:
    cluster = Brokers(dict(PARTITIONS), lags=True)
    held, evidence = proof(inject(cluster, "roll"))
    assert (held, evidence) == (False, "replicas were not in sync after broker 1")
    assert cluster.did == ["stop 1", "restart 1"]


def test_brokers_that_kept_running_were_not_restarted(inject: Callable[..., Injector]) -> None:
    held, evidence = proof(inject(Brokers(dict(PARTITIONS), deaf=True), "roll"))
    assert (held, evidence) == (False, "source: broker 1, 2, 3 kept running")


def test_partitions_leave_their_leaders_brokers_and_come_back(inject: Callable[..., Injector]) -> None:
    cluster = Brokers(dict(PARTITIONS))
    held, evidence = proof(inject(cluster, "reassign", seconds=0.01))
    assert held, evidence
    away, back = cluster.did
    assert away == f"assign { {('a', 0): [2, 3], ('a', 1): [3, 1], ('a', 2): [1, 3]} }"
    assert back == f"assign { {p: each.replicas for p, each in PARTITIONS.items()} }"


def test_partitions_that_stay_were_not_reassigned(inject: Callable[..., Injector]) -> None:
    held, evidence = proof(inject(Brokers(dict(PARTITIONS), stays=True), "reassign", seconds=0.01))
    assert not held
    assert "not all moved" in evidence


def test_a_broker_without_the_partition_gets_it() -> None:
    assert reassign.elsewhere({("a", 0): replicas(1, 1, 2, 3)}, [1, 2, 3, 4]) == {("a", 0): [2, 3, 4]}
    assert reassign.elsewhere({("a", 0): replicas(1, 1)}, [1, 2]) == {("a", 0): [2]}, "AutoMQ has one replica"


def test_other_leaders_are_elected(inject: Callable[..., Injector]) -> None:
    cluster = Brokers(dict(PARTITIONS))
    held, evidence = proof(inject(cluster, "elect"))
    assert (held, evidence) == (True, "3 of 3 partitions have another leader on the source")
    assert {p: each.leader for p, each in cluster.now.items()} == {("a", 0): 2, ("a", 1): 3, ("a", 2): 1}
    assert all({*cluster.now[p].replicas} == {1, 2, 3} for p in PARTITIONS), "nothing is copied"


def test_leaders_that_were_not_elected_prove_nothing(inject: Callable[..., Injector]) -> None:
    held, evidence = proof(inject(Brokers(dict(PARTITIONS), stays=True), "elect"))
    assert (held, evidence) == (False, "0 of 3 partitions have another leader on the source")


@pytest.mark.parametrize("kind", ["reassign", "elect"])
def test_a_cluster_without_the_topics_is_refused(inject: Callable[..., Injector], kind: str) -> None:
    with pytest.raises(UsageError, match=f"{kind} source: the source has no topic of the batch at stop-producers"):
        inject(Brokers({}), kind)


@pytest.mark.parametrize(
    ("kind", "of", "least"),
    [("kill", "source", 1), ("kill", "source-broker", 3), ("freeze", "target-broker", 3), ("restart", "consumer", 1),
     ("roll", "source", 3), ("reassign", "target", 3), ("elect", "source", 3)],
)  # fmt: skip
def test_how_many_brokers_a_fault_needs(kind: str, of: str, least: int) -> None:
    assert fault(kind, of, at=STOP).least_brokers == least


def test_the_request_is_encoded_as_the_protocol_describes() -> None:
    """Kafka protocol guide, AlterPartitionReassignments version 0: lengths plus one as varints, tags after each."""
    sent = layout.request({("ab", 7): [1, 300]})
    head = struct.pack(">hhih", 45, 0, 1, 13) + b"kafka-cutover" + b"\0"
    body = struct.pack(">i", 10_000) + b"\x02" + b"\x03ab" + b"\x02" + struct.pack(">i", 7)
    body += b"\x03" + struct.pack(">ii", 1, 300) + b"\0" + b"\0" + b"\0"
    assert sent == head + body
    many = layout.request({("a", number): [1] for number in range(200)})
    assert b"\x02a\xc9\x01" in many, "201 as a varint"


def answer(code: int, *partitions: tuple[int, int, bytes]) -> bytes:
    rows = b"".join(
        struct.pack(">ih", number, error) + bytes([len(why) + 1]) + why + b"\0" for number, error, why in partitions
    )
    topic = b"\x02" + b"\x02a" + bytes([len(partitions) + 1]) + rows + b"\0"
    return struct.pack(">i", 1) + b"\0" + struct.pack(">ih", 0, code) + b"\0" + topic + b"\0"


def test_what_the_controller_refuses_is_read() -> None:
    assert layout.problems(answer(0, (0, 0, b""), (1, 0, b""))) == []
    (problem,) = layout.problems(answer(0, (0, 0, b""), (1, KafkaError.INVALID_REPLICA_ASSIGNMENT, b"no broker 9")))
    assert problem.startswith("a-1: ")
    assert problem.endswith("no broker 9")
    assert layout.problems(answer(KafkaError.NOT_CONTROLLER))


@pytest.mark.parametrize("answered", [0, KafkaError.NOT_CONTROLLER])
def test_an_answer_that_is_cut_off_is_an_error_of_one_line(answered: int) -> None:
    row = struct.pack(">ihh", 7, 0, 3) + b"why"
    election = struct.pack(">iihih1si", 1, 0, answered, 1, 1, b"a", 1) + row
    moved = answer(answered, (0, 0, b"why"))
    for read, whole in ((layout.problems, moved), (layout.election_problems, election)):
        assert len(read(whole)) == (answered != 0)
        for length in range(len(whole)):
            with pytest.raises(UsageError, match=f"a broker's answer is cut off at {length} bytes?"):
                read(whole[:length])


def test_elections_are_encoded_and_read_as_the_protocol_describes() -> None:
    """Kafka protocol guide, ElectLeaders version 1: type of election, topics with partitions, timeout."""
    head = struct.pack(">hhih", 43, 1, 1, 13) + b"kafka-cutover"
    body = struct.pack(">bi", 0, 1) + struct.pack(">h", 2) + b"ab" + struct.pack(">iii", 2, 7, 8)
    assert layout.election([("ab", 7), ("ab", 8)]) == head + body + struct.pack(">i", 10_000)

    def answer_of(code: int, error: int) -> bytes:
        row = struct.pack(">ihh", 7, error, 3) + b"why"
        return struct.pack(">iihi", 1, 0, code, 1) + struct.pack(">h", 2) + b"ab" + struct.pack(">i", 1) + row

    assert layout.election_problems(answer_of(0, 0)) == layout.election_problems(answer_of(0, 84)) == []
    (problem,) = layout.election_problems(answer_of(0, KafkaError.PREFERRED_LEADER_NOT_AVAILABLE))
    assert problem.startswith("ab-7: ")
    assert problem.endswith("why")
    assert layout.election_problems(answer_of(KafkaError.NOT_CONTROLLER, 0))
