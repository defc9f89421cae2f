"""While leaders and coordinators move no answer reads as an empty log or an empty group; and every wait has an end."""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cutover_harness
import pytest
from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from cutover_harness.admin import Admin
from cutover_harness.group_offsets import ask_committed, committed_in
from cutover_harness.mirror import lag, log_reader
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.lag import LagEstimator
from cutover_harness.mirror.log_reader import LogReader
from cutover_harness.mirror.spec import Batch
from cutover_harness.rehearsal.drain import prove
from cutover_harness.renewable import Renewable
from cutover_harness.stale_metadata import COORDINATOR_COMES, LEADER_COMES, repeated, sound
from cutover_harness.types import PartitionId

PARTITION = ("t", 0)
LEADERS = [
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
]
COORDINATORS = [
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
]


class Client:
    """An AdminClient whose answers about offsets and groups are taken from a list, the last one for ever.

    An answer is a value, or the code of an error. Group `g` has two members and has committed 7.
    """

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked = self.described = 0

    def _next(self) -> Any:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return _future(answer)

    def list_topics(self, timeout: float) -> Any:
        topic = SimpleNamespace(partitions={0: None}, error=None)
        return SimpleNamespace(topics={"t": topic}, brokers={1: None})

    def list_offsets(self, wanted: Mapping[TopicPartition, Any], **_: Any) -> Any:
        return {partition: self._next() for partition in wanted}

    def list_consumer_group_offsets(self, request: Sequence[Any], **_: Any) -> Any:
        return {request[0].group_id: self._next()}

    def describe_consumer_groups(self, groups: Sequence[str], **_: Any) -> Any:
        self.described += 1
        return {groups[0]: self._next()}


def _future(answer: Any) -> Future[Any]:
    future = Future[Any]()
    if isinstance(answer, int) and not isinstance(answer, bool):
        future.set_exception(KafkaException(KafkaError(answer)))
    else:
        future.set_result(answer)
    return future


def admin(*answers: Any, timeout_s: float = 5.0) -> tuple[Admin, Client]:
    made, client = Admin({"bootstrap.servers": "127.0.0.1:1"}, timeout_s=timeout_s), Client(*answers)
    made.clients = Renewable(lambda: client)  # type: ignore[arg-type, return-value]
    return made, client


END = SimpleNamespace(offset=9)
OFFSETS = SimpleNamespace(topic_partitions=[TopicPartition("t", 0, 7)])
MEMBERS = SimpleNamespace(
    state=ConsumerGroupState.STABLE,
    members=[SimpleNamespace(member_id=each, client_id=each, host="/h") for each in "ab"],
)


@pytest.mark.parametrize("code", LEADERS)
def test_offsets_are_asked_again_until_a_leader_answers(code: int) -> None:
    asked, client = admin(code, code, END)
    assert asked.end_offsets(["t"]) == {PARTITION: 9}
    assert client.asked == 3


def test_an_offset_that_is_none_is_no_end_of_a_log() -> None:
    none = SimpleNamespace(offset=-1001)
    assert admin(none, none, END)[0].end_offsets(["t"]) == {PARTITION: 9}
    with pytest.raises(KafkaException, match="no offset of t-0"):
        admin(none, timeout_s=0.1)[0].end_offsets(["t"])


@pytest.mark.parametrize("code", COORDINATORS)
def test_groups_are_asked_again_until_their_coordinator_answers(code: int) -> None:
    # Described first: described, refused; described, answered.
    assert admin(MEMBERS, code, MEMBERS, OFFSETS)[0].committed("g") == {PARTITION: 7}
    assert admin(code, code, MEMBERS, OFFSETS)[0].committed("g") == {PARTITION: 7}
    assert admin(code, MEMBERS)[0].members("g") == 2
    assert admin(code, MEMBERS)[0].active("g") == 2


@pytest.mark.parametrize("code", LEADERS)
def test_offsets_that_do_not_come_are_an_error_and_not_an_empty_log(code: int) -> None:
    with pytest.raises(KafkaException):
        admin(code, timeout_s=0.1)[0].end_offsets(["t"])


@pytest.mark.parametrize("code", COORDINATORS)
@pytest.mark.parametrize("ask", [Admin.committed, Admin.members, Admin.active, Admin.member_names])
def test_a_coordinator_that_does_not_come_is_an_error_and_not_an_empty_group(
    ask: Callable[[Admin, str], Any], code: int
) -> None:
    with pytest.raises(KafkaException):
        ask(admin(code, timeout_s=0.1)[0], "g")


class Coordinator:
    """A broker that coordinates every group, answers everything about them with `codes` in turn, and 0 in the end.

    As in Kafka's protocol guide: ApiVersions 0, Metadata 1, FindCoordinator 0, DescribeGroups 0, OffsetFetch 2.
    """

    SERVED = ((18, 0, 0), (3, 1, 1), (10, 0, 0), (15, 0, 0), (9, 2, 2))

    def __init__(self, *codes: int) -> None:
        self._codes = list(codes)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection = self._listener.accept()[0]
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(ConnectionError), connection, connection.makefile("rb") as requests:
            while head := requests.read(4):
                key, version, number = struct.unpack_from(">hhi", requests.read(*struct.unpack(">i", head)))
                body = self._answer(key, version)
                connection.sendall(struct.pack(">ii", 4 + len(body), number) + body)

    def _answer(self, key: int, version: int) -> bytes:
        address = struct.pack(">ih9si", 1, 9, b"127.0.0.1", self.port)
        if key == 18:
            rows = b"".join(struct.pack(">3h", *each) for each in self.SERVED)
            return struct.pack(">hi", 35 if version else 0, len(self.SERVED)) + rows
        if key == 3:
            return struct.pack(">i", 1) + address + struct.pack(">hii", -1, 1, 0)
        if key == 10:
            return struct.pack(">h", 0) + address
        code = self._codes.pop(0) if self._codes else 0
        if key == 15:
            return struct.pack(">ihh1s", 1, code, 1, b"g") + struct.pack(">h5shhi", 5, b"Empty", 0, 0, 0)
        if code:
            return struct.pack(">ih", 0, code)
        return struct.pack(">ih1siiqhhh", 1, 1, b"t", 1, 0, 7, 0, 0, 0)


LIST = """
import sys
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient
client = AdminClient({"bootstrap.servers": sys.argv[1]})
client.list_consumer_group_offsets([ConsumerGroupTopicPartitions("g")], request_timeout=5)["g"].exception()
"""


def test_a_coordinator_that_has_moved_does_not_end_the_process() -> None:
    moved = Coordinator(KafkaError.NOT_COORDINATOR, KafkaError.NOT_COORDINATOR)
    assert Admin({"bootstrap.servers": f"127.0.0.1:{moved.port}"}).committed("g") == {PARTITION: 7}


def test_it_is_an_error_of_the_group_for_who_asks_about_many() -> None:
    moved = Coordinator(KafkaError.NOT_COORDINATOR)
    client = AdminClient({"bootstrap.servers": f"127.0.0.1:{moved.port}"})
    answers = ask_committed(client, ["g"], 5)
    with pytest.raises(KafkaException) as refused:
        committed_in(answers, "g", 5)
    assert refused.value.args[0].code() == KafkaError.NOT_COORDINATOR
    assert committed_in(ask_committed(client, ["g"], 5), "g", 5) == {PARTITION: 7}


def test_offsets_are_asked_for_in_one_place() -> None:
    sources = Path(cutover_harness.__file__).parent
    asking = {file.name for file in sources.rglob("*.py") if ".list_consumer_group_offsets(" in file.read_text()}
    assert asking == {"group_offsets.py"}


def test_without_the_description_it_would() -> None:
    """If this fails, a version of librdkafka heals it, and `ask_committed` need not describe the groups first."""
    moved = Coordinator(KafkaError.NOT_COORDINATOR)
    done = subprocess.run([sys.executable, "-c", LIST, f"127.0.0.1:{moved.port}"], timeout=60, check=False)
    assert done.returncode == -signal.SIGSEGV


def test_a_group_that_does_not_exist_has_no_members() -> None:
    gone = admin(KafkaError.GROUP_ID_NOT_FOUND)[0]
    assert (gone.members("g"), gone.active("g")) == (0, 0)


def test_other_errors_are_raised_immediately() -> None:
    asked, client = admin(KafkaError.GROUP_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaException):
        asked.committed("g")
    assert client.asked == 1


def test_metadata_without_a_broker_are_no_list_of_topics() -> None:
    asked, client = admin(END, timeout_s=0.1)
    client.list_topics = lambda timeout: SimpleNamespace(topics={}, brokers={})  # type: ignore[method-assign]
    with pytest.raises(KafkaException, match="names no broker"):
        asked.partitions()


def test_a_topic_whose_leaders_are_not_known_is_not_left_out() -> None:
    asked, client = admin(END, timeout_s=0.1)
    topic = SimpleNamespace(partitions={}, error=KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
    client.list_topics = lambda timeout: SimpleNamespace(topics={"t": topic}, brokers={1: None})  # type: ignore[method-assign]
    with pytest.raises(KafkaException):
        asked.partitions()


def test_a_lasting_error_of_one_partition_comes_first() -> None:
    def partition(code: int) -> Any:
        return SimpleNamespace(error=KafkaError(code))

    with pytest.raises(KafkaException) as raised:
        sound([partition(KafkaError.NOT_COORDINATOR), partition(KafkaError.TOPIC_AUTHORIZATION_FAILED)])
    assert raised.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    with pytest.raises(KafkaException):
        repeated(lambda: sound([partition(KafkaError.NOT_COORDINATOR)]), COORDINATOR_COMES, 0.1)
    assert not LEADER_COMES & COORDINATOR_COMES


class Consumer:
    """A client whose leader has just been elected: it first takes offset 5 for the end, then learns of a record."""

    def __init__(self, *messages: Any) -> None:
        self._messages = list(messages)

    def consume(self, *_: Any) -> list[Any]:
        return [self._messages.pop(0)] if self._messages else []

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def end(offset: int) -> Any:
    error = KafkaError(KafkaError._PARTITION_EOF)
    return SimpleNamespace(error=lambda: error, topic=lambda: "t", partition=lambda: 0, offset=lambda: offset)


def message(offset: int) -> Any:
    return SimpleNamespace(
        error=lambda: None,
        topic=lambda: "t",
        partition=lambda: 0,
        offset=lambda: offset,
        timestamp=lambda: (1, 1),
        key=lambda: None,
        value=lambda: b"v",
        headers=lambda: None,
    )


def test_the_end_that_a_new_leader_takes_for_the_last_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "Consumer", lambda _config: Consumer(end(5), message(5), end(6)))
    assert [r.offset for r in LogReader({}, "source").read({PARTITION: 5}, least={PARTITION: 6})[PARTITION]] == [5]
    assert LogReader({}, "source").read({PARTITION: 5})[PARTITION] == [], "as it was read before"
    monkeypatch.setattr(log_reader, "Consumer", lambda _config: Consumer(end(5)))
    monkeypatch.setattr(log_reader, "_READ_LIMIT_S", 0.1)
    with pytest.raises(MirrorError, match="did not answer within"):
        LogReader({}, "source").read({PARTITION: 5}, least={PARTITION: 6})


class Listing:
    """A source that lists other topics each time it is asked, and the last ones for ever."""

    def __init__(self, *listings: Iterable[str]) -> None:
        self._listings: Iterator[Iterable[str]] = iter(listings)
        self._last: Iterable[str] = ()

    def partitions(self) -> dict[str, int]:
        self._last = next(self._listings, self._last)
        return dict.fromkeys(self._last, 1)


@pytest.fixture
def estimator() -> LagEstimator:
    nowhere = {"bootstrap.servers": "127.0.0.1:1"}
    return LagEstimator(Batch("b", ("a", "b"), ()), nowhere, nowhere, dict)


def test_a_topic_that_is_not_listed_for_a_moment_is_waited_for(estimator: LagEstimator) -> None:
    estimator.source = Listing("ab", "", "a", "ab")  # type: ignore[assignment]
    assert estimator.topics() == estimator.topics() == {"a": 1, "b": 1}


def test_a_topic_that_stays_away_was_deleted(estimator: LagEstimator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "_ANSWER_S", 0.1)
    estimator.source = Listing("ab", "a")  # type: ignore[assignment]
    assert [estimator.topics() for _ in range(2)] == [{"a": 1, "b": 1}, {"a": 1}]


def test_no_topic_at_all_is_no_lag_of_zero(estimator: LagEstimator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "_ANSWER_S", 0.1)
    estimator.source = Listing("ab", "")  # type: ignore[assignment]
    estimator.topics()
    for _ in range(2):
        with pytest.raises(MirrorError, match="lists no topic of the batch now, and did before"):
            estimator.lag()


def test_a_topic_that_is_not_listed_is_not_drained() -> None:
    class Cluster:
        now = 0.0

        def end_offsets(self, _topics: Sequence[str]) -> Mapping[PartitionId, int]:
            return {("a", 0): 3}

        def committed(self, _group: str, _topics: Sequence[str]) -> Mapping[PartitionId, int]:
            return {("a", 0): 3}

        def sleep(self, seconds: float) -> None:
            self.now += seconds

    cluster: Any = Cluster()
    (whole,) = prove(cluster, "target", ["g"], ["a"], 5.0, clock=lambda: cluster.now, sleep=cluster.sleep)
    assert (whole.held, cluster.now) == (True, 0.0)
    (part,) = prove(cluster, "target", ["g"], ["a", "b"], 5.0, clock=lambda: cluster.now, sleep=cluster.sleep)
    assert (part.held, part.evidence) == (False, "target does not list b")
    assert cluster.now >= 5
