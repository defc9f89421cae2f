"""Forged documents: the shim refuses each of them, and a fleet that accepts one is found."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.faults import forge
from cutover_harness.faults.base import Proof, Rehearsed
from cutover_harness.faults.context import CutoverFileContext
from cutover_harness.faults.forgeries import AHEAD, Forgery, forgeries
from cutover_harness.faults.injector import Injector
from cutover_harness.procedure.client_status import ClientStatus
from cutover_harness.procedure.names import StepName
from cutover_shim.signature import sign, verify
from cutover_shim.watched import Watched
from pydantic import ValidationError

from tests.documents import text
from tests.unit.faults.faults import context, fault

AT = StepName.STOP_PRODUCERS
KEY, OTHER = b"k" * 32, b"o" * 32
CHANNELS = ("kafka:control@source", "kafka:control@target")


def document(generation: int) -> bytes:
    return sign(text(generation, consumers="hold", groups=["g"]).encode(), KEY)


FIRST, PRESENT = document(1), document(3)


class Still:
    """A channel that a test writes to."""

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self, receiver: Any) -> None:
        receiver.complete(self.name)

    def stop(self) -> None:
        pass


class Topic:
    """A control topic on both clusters, and the clients that read it: real ones of the shim, with these keys."""

    def __init__(self, tmp_path: Path, *keys: Callable[[], tuple[bytes, ...]] | None) -> None:
        self.clusters: Sequence[Any] = ("source", "target")
        self.file = tmp_path / "cutover.toml"
        self.file.write_bytes(PRESENT)
        self.written: list[tuple[str, bytes]] = []
        self.clients = [Watched(None, [Still(name) for name in CHANNELS], keys=k) for k in keys]
        for client in self.clients:
            client._start_pending()
            for each in CHANNELS:
                client.document(each, FIRST)
                client.document(each, PRESENT)

    def channel(self, cluster: str) -> str:
        return f"kafka:control@{cluster}"

    def produce(self, cluster: Any, content: bytes) -> None:
        self.written.append((cluster, content))
        for client in self.clients:
            client.document(self.channel(cluster), content)

    def statuses(self) -> list[ClientStatus]:
        return [
            ClientStatus(
                f"client-{n}", "producer", None, 0.0, client.good.generation, "", "", 0, 0, None, client.rejected
            )
            for n, client in enumerate(self.clients)
            if client.good is not None
        ]

    def forged(self) -> Proof:
        """Write forged documents as the fault does, and return the proof."""
        file = CutoverFileContext(self.file, FIRST, self.statuses)
        proof: Proof = fault("forge", "documents", at=AT).inject(context(control=self, cutover_file=file)).prove()
        return proof


def guarded() -> tuple[bytes, ...]:
    return (KEY,)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forge, "REFUSED_WITHIN_S", 0.05)


@pytest.mark.parametrize("forgery", forgeries(PRESENT, FIRST), ids=lambda forgery: forgery.name)
def test_the_shim_refuses_each_for_its_own_reason(tmp_path: Path, forgery: Forgery) -> None:
    topic = Topic(tmp_path, guarded)
    topic.produce("source", forgery.content)
    (status,) = topic.statuses()
    assert status.generation == 3
    assert forgery.refused in (status.rejected or "")


def test_forged_documents_would_move_everything_were_they_accepted() -> None:
    unsigned, altered = forgeries(PRESENT, FIRST)[:2]
    assert tomllib.loads(unsigned.content.decode())["routes"]["r"]["consumers"] == "target"
    assert tomllib.loads(altered.content.decode())["generation"] == 3 + AHEAD
    assert altered.content.splitlines()[0] == PRESENT.splitlines()[0]
    assert verify(forgeries(PRESENT, FIRST)[-1].content, (KEY,))  # the old one is genuine


def test_reasons_that_follow_each_other_differ() -> None:
    reasons = [each.refused for each in forgeries(PRESENT, FIRST)]
    assert all(one != other for one, other in itertools.pairwise(reasons))


def test_a_fleet_that_refuses_them_all_proves_it(tmp_path: Path) -> None:
    topic = Topic(tmp_path, guarded, guarded)
    proof = topic.forged()
    assert proof.held, proof.evidence
    assert proof.evidence.startswith("2 of 2 clients refuse each on source and target: unsigned, altered, empty")
    assert len(topic.written) == 2 * len(forgeries(PRESENT, FIRST))


@pytest.mark.parametrize(
    ("keys", "accepted"),
    [(None, "unsigned"), (lambda: (KEY, OTHER), "signed with another key")],
    ids=["a client without a key", "a client with the attacker's key"],
)
def test_a_client_that_accepts_one_is_found(
    tmp_path: Path, keys: Any, accepted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutover_harness.faults.forgeries.secrets.token_bytes", lambda _: OTHER)
    topic = Topic(tmp_path, guarded, keys)
    proof = topic.forged()
    assert (proof.held, proof.evidence) == (False, f"{accepted}: put in force by client-1")


def test_a_client_that_reports_nothing_proves_nothing(tmp_path: Path) -> None:
    topic = Topic(tmp_path, guarded)
    status = topic.statuses()[0]
    topic.statuses = lambda: [status]  # type: ignore[method-assign]
    assert topic.forged() == Proof(False, "unsigned: 0 of 1 clients report that it is refused")


def test_a_client_that_reports_another_reason_proves_nothing(tmp_path: Path) -> None:
    topic = Topic(tmp_path, guarded)
    genuine = topic.produce
    topic.produce = lambda cluster, content: genuine(cluster, b"")  # type: ignore[method-assign]
    assert topic.forged().evidence == "unsigned: 0 of 1 clients report that it is refused"


def test_a_client_that_refuses_on_one_cluster_alone_proves_nothing(tmp_path: Path) -> None:
    topic = Topic(tmp_path, guarded)
    genuine = topic.produce
    topic.produce = lambda cluster, content: genuine("source", content)  # type: ignore[method-assign]
    assert not topic.forged().held


def test_without_clients_nothing_is_proved(tmp_path: Path) -> None:
    assert not Topic(tmp_path).forged().held


def test_without_a_control_topic_it_is_unavailable_and_does_not_fit() -> None:
    which = fault("forge", "documents", at=AT)
    injector = Injector((which,), context())
    injector.inject(AT, "before")
    assert [each.held for each in injector.preconditions] == [False]
    assert which.unfit(Rehearsed()) == "forge documents needs a control topic: set fleet.channel: kafka"
    assert which.unfit(Rehearsed(channel="kafka")) is None


def test_clients_that_move_prove_nothing() -> None:
    with pytest.raises(ValidationError, match="clients follow the conductor's own document then"):
        fault("forge", "documents", at=AT, when="after")
