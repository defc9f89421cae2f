"""Recording from a broker, replaying to it, and recording that again."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from cutover_harness.admin import Admin
from cutover_harness.capture import CaptureError, CaptureReader
from cutover_harness.capture import alignment as alignment_module
from cutover_harness.capture import collect as collect_module
from cutover_harness.capture import recorder as recorder_module
from cutover_harness.capture.alignment import Alignment
from cutover_harness.capture.masking import Mask
from cutover_harness.capture.merging import merge
from cutover_harness.capture.options import RecordOptions, Shard
from cutover_harness.capture.recorder import Pace, Recorded, Recorder
from cutover_harness.replay.config import ReplayOptions
from cutover_harness.replay.fleet import Fleet, FleetError
from cutover_harness.replay.shape import FleetShape, Following
from cutover_harness.testbed import ProcessTestbed
from cutover_scenarios import sample_capture

from tests.waiting import eventually, wait_until

Row = tuple[bytes | None, bytes | None, Any, int]
Log = dict[tuple[str, int], list[Row]]


@pytest.fixture
def prefix() -> str:
    return f"rr-{uuid.uuid4().hex[:8]}."


def client_of(testbed: ProcessTestbed) -> dict[str, Any]:
    return dict(testbed.source.client_config())


def create(testbed: ProcessTestbed, topics: Mapping[str, int]) -> None:
    Admin(testbed.source.client_config()).create_topics(dict(topics))


def produce(testbed: ProcessTestbed, rows: list[tuple[str, int, Row]]) -> None:
    producer = Producer({**client_of(testbed), "enable.idempotence": True})
    for topic, partition, (key, value, headers, stamp) in rows:
        while True:
            try:
                producer.produce(topic, value, key, partition, timestamp=stamp, headers=headers)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0


def record(testbed: ProcessTestbed, out: Path, *topics: str, resume: bool = False, **options: Any) -> Recorded:
    recorder = Recorder(client_of(testbed), out, RecordOptions(topics, **options))
    return recorder.record(resume=resume)


def logs(path: Path, prefix: str = "") -> Log:
    found: Log = {}
    with CaptureReader(path) as reader:
        for batch in reader.batches():
            for row in batch.to_pylist():
                headers = row["headers"] and [(h["name"], h["value"]) for h in row["headers"]]
                where = (row["topic"].removeprefix(prefix), row["partition"])
                found.setdefault(where, []).append((row["key"], row["value"], headers, row["timestamp"]))
    return found


def values(path: Path) -> list[bytes]:
    with CaptureReader(path) as reader:
        return [v for batch in reader.batches(columns=["value"]) for v in batch.column(0).to_pylist()]


def replay(testbed: ProcessTestbed, capture: Path, prefix: str, folder: Path, *, shim: bool) -> None:
    """Replay through a real app process, as fast as it goes, to topics with `prefix`."""
    with CaptureReader(capture) as reader:
        topics = {name: prefix + name for name in reader.info.topics}
        create(testbed, {prefix + name: info.partitions for name, info in reader.info.topics.items()})
    cutover = folder / "cutover.toml"
    folder.mkdir()
    clusters = {"source": testbed.source.client_config(), "target": testbed.target.client_config()}
    text = "generation = 1\n"
    for name, config in clusters.items():
        text += f"[clusters.{name}]\n" + "".join(f'"{k}" = "{v}"\n' for k, v in config.items())
    text += f'[routes.all]\ntopics = ["{prefix}*"]\ngroups = []\nproducers = "source"\nconsumers = "source"\n'
    cutover.write_text(text, encoding="utf-8")
    fleet = Fleet(
        FleetShape(producers=1, groups={}),
        ReplayOptions(capture=capture, speed=None, topics=topics),
        folder=folder,
        run=1,
        topics=list(topics.values()),
        follows=Following(cutover) if shim else None,
        endpoints={"source": client_of(testbed)},
    )
    fleet.start()
    eventually(fleet.finished, 120)
    fleet.check()
    fleet.stop()
    stats = json.loads((folder / "apps" / "producer-1.stats.json").read_text(encoding="utf-8"))
    assert stats["sent"] == stats["acked"]
    assert not stats["failed"]


def same_but_shifted(one: Log, other: Log) -> None:
    assert one.keys() == other.keys()
    shifts = set()
    for where, rows in one.items():
        assert len(rows) == len(other[where]), where
        for (key, value, headers, stamp), (key2, value2, headers2, stamp2) in zip(rows, other[where], strict=True):
            assert (key, value, headers) == (key2, value2, headers2)
            shifts.add(stamp2 - stamp)
    assert len(shifts) == 1, "timestamps are shifted by one distance only"


@pytest.mark.parametrize("shim", [True, False], ids=["shim", "raw"])
def test_the_flights_make_the_round_trip(testbed: ProcessTestbed, tmp_path: Path, prefix: str, shim: bool) -> None:
    replay(testbed, sample_capture(), prefix, tmp_path / "run", shim=shim)
    record(testbed, tmp_path / "again.parquet", prefix + "*")
    same_but_shifted(logs(sample_capture()), logs(tmp_path / "again.parquet", prefix))


def test_shards_of_several_machines_become_one_recording(testbed: ProcessTestbed, tmp_path: Path, prefix: str) -> None:
    create(testbed, {prefix + "a": 5, prefix + "b": 1})
    now = int(time.time() * 1000)
    rows: list[tuple[str, int, Row]] = [
        (prefix + ("a" if n % 6 else "b"), n % 5 if n % 6 else 0, (b"k%d" % n, b"%d" % n, None, now + n // 3))
        for n in range(3_000)
    ]
    produce(testbed, rows)
    record(testbed, tmp_path / "whole.parquet", prefix + "*")
    files = [tmp_path / f"{number}.parquet" for number in (1, 2)]
    for number, file in enumerate(files, 1):
        assert record(testbed, file, prefix + "*", shard=Shard(number, 2)).changed == ()
    assert 0 < len(values(files[0])) < len(rows)
    with pytest.raises(CaptureError, match=r"was begun with --shard 1/2 \(now --shard 2/2\)"):
        record(testbed, files[0], prefix + "*", shard=Shard(2, 2), resume=True)
    assert merge(files, tmp_path / "merged.parquet").records == len(rows)
    assert logs(tmp_path / "merged.parquet") == logs(tmp_path / "whole.parquet")
    assert sorted(values(tmp_path / "merged.parquet")) == sorted(b"%d" % n for n in range(3_000))


def test_awkward_records_make_the_round_trip(testbed: ProcessTestbed, tmp_path: Path, prefix: str) -> None:
    chance = random.Random(11)  # noqa: S311 - the same traffic each time
    topic = prefix + "awkward"
    create(testbed, {topic: 64})
    now = int(time.time() * 1000) - 60_000
    rows: list[tuple[str, int, Row]] = []
    for number in range(2000):
        key = chance.choice([None, b"", b"k", chance.randbytes(8), b"key-%d" % (number % 30)])
        value = chance.choice([None, b"", b"{}", chance.randbytes(chance.randrange(2000))])
        headers = [
            (chance.choice(["h", "h", "", "ü"]), chance.choice([None, b"", b"x", b"\xff"]))
            for _ in range(chance.choice([0, 0, 1, 20]))
        ]
        rows.append(
            (topic, chance.randrange(64), (key, value, headers or None, now + number + chance.randrange(-50, 50)))
        )
    rows += [(topic, n, (b"big", chance.randbytes(900_000), None, now + 3000 + n)) for n in range(6)]
    produce(testbed, rows)
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    recorded = record(testbed, first, topic)
    assert recorded.records == len(rows)
    written: Log = {}
    for name, partition, row in rows:
        written.setdefault((name, partition), []).append(row)
    assert logs(first) == written
    replay(testbed, first, prefix + "again.", tmp_path / "run", shim=True)
    record(testbed, second, prefix + "again.*")
    same_but_shifted(logs(first), logs(second, prefix + "again."))


def numbered(topic: str, partitions: int, count: int, start: int, step: int = 10) -> list[tuple[str, int, Row]]:
    return [(topic, n % partitions, (b"k%d" % (n % 7), b"%d" % n, None, start + n * step)) for n in range(count)]


def test_windows_limits_patterns(testbed: ProcessTestbed, tmp_path: Path, prefix: str) -> None:
    create(testbed, {prefix + "a": 3, prefix + "b": 1, prefix + "skip": 1})
    start = int(time.time() * 1000) - 100_000
    produce(testbed, numbered(prefix + "a", 3, 300, start) + numbered(prefix + "skip", 1, 10, start))
    out = tmp_path / "w.parquet"
    record(testbed, out, prefix + "a", since_ms=start + 500, until_ms=start + 1500)
    assert values(out) == [b"%d" % n for n in range(50, 150)], "in time order over all partitions"
    out = tmp_path / "n.parquet"
    assert record(testbed, out, prefix + "*", exclude=(prefix + "skip",), max_records=120).records == 120
    with CaptureReader(out) as reader:
        assert set(reader.info.topics) == {prefix + "a", prefix + "b"}
    found = record(testbed, tmp_path / "s.parquet", prefix + "a", max_bytes=100)
    assert 100 <= found.bytes < 110
    with pytest.raises(CaptureError, match="nothing was recorded"):
        record(testbed, tmp_path / "empty.parquet", prefix + "b")
    with pytest.raises(CaptureError, match="has no topic"):
        record(testbed, tmp_path / "none.parquet", prefix + "none")
    with pytest.raises(CaptureError, match="none of its"):
        record(testbed, tmp_path / "none.parquet", prefix + "none*")
    with pytest.raises(CaptureError, match="exists already"):
        record(testbed, out, prefix + "a")


def test_partitions_far_apart_in_time_are_recorded_in_order_and_little_memory(
    testbed: ProcessTestbed, tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour with much traffic, the hour after it, and both hours with little: the last is read far ahead."""
    create(testbed, {prefix + name: 3 for name in ("first", "second", "little")})
    hour, begin = 3_600_000, int(time.time() * 1000) - 10_000_000
    expected = {
        "first": [(n % 3, begin + n * hour // 6000) for n in range(6000)],
        "second": [(n % 3, begin + hour + n * hour // 6000) for n in range(6000)],
        "little": [(n % 3, begin + n * 2 * hour // 300) for n in range(300)],
    }
    for name, made in expected.items():
        produce(testbed, [(prefix + name, p, (None, b"x" * 1000, None, stamp)) for p, stamp in made])
    monkeypatch.setattr(recorder_module, "_BATCH", 100)
    monkeypatch.setattr(alignment_module, "HIGH", 1 << 20)
    monkeypatch.setattr(alignment_module, "LOW", 1 << 19)
    monkeypatch.setattr(alignment_module, "STEP", 1 << 18)
    monkeypatch.setattr(collect_module, "_LOOK_BYTES", 50_000)
    monkeypatch.setattr(collect_module, "GROUP_BYTES", 100_000)
    held: list[int] = []
    waited: set[tuple[str, int]] = set()
    update = Alignment.update

    def watched(self: Alignment, bytes_: int, *more: Any) -> Any:
        held.append(bytes_)
        change = update(self, bytes_, *more)
        waited.update(self.waiting)
        return change

    monkeypatch.setattr(Alignment, "update", watched)
    out = tmp_path / "c.parquet"
    record(testbed, out, prefix + "*")
    assert max(held) < 3 << 20, "of 12 MB"
    assert {topic for topic, _ in waited} >= {prefix + "second"}
    with CaptureReader(out) as reader:
        rows = [row for batch in reader.batches() for row in batch.to_pylist()]
    stamps = [row["timestamp"] for row in rows]
    assert stamps == sorted(stamps)
    for name, wanted in expected.items():
        found = [(row["partition"], row["timestamp"]) for row in rows if row["topic"] == prefix + name]
        assert sorted(found, key=itemgetter(1)) == found
        assert sorted(found) == sorted(wanted), "each record once"


def test_a_recording_is_gone_on_with(testbed: ProcessTestbed, tmp_path: Path, prefix: str) -> None:
    topic = prefix + "t"
    create(testbed, {topic: 2})
    start = int(time.time() * 1000) - 100_000
    produce(testbed, numbered(topic, 2, 200, start))
    out = tmp_path / "c.parquet"
    record(testbed, out, topic, max_records=70)
    with pytest.raises(CaptureError, match="was begun with topics "):
        record(testbed, out, prefix + "*", resume=True)
    record(testbed, out, topic, resume=True)
    assert values(out) == [b"%d" % n for n in range(200)]
    more = numbered(topic, 2, 260, start)[200:]
    produce(testbed, more)
    assert record(testbed, out, topic, resume=True).records == 260
    assert values(out) == [b"%d" % n for n in range(260)]


def test_a_recording_continues_from_the_parts_of_a_crash(
    testbed: ProcessTestbed, tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = prefix + "t"
    create(testbed, {topic: 3})
    produce(testbed, numbered(topic, 3, 3000, int(time.time() * 1000) - 100_000))
    monkeypatch.setattr(recorder_module, "_BATCH", 100)
    monkeypatch.setattr(collect_module, "_LOOK_BYTES", 1000)
    monkeypatch.setattr(collect_module, "GROUP_BYTES", 1000)
    out = tmp_path / "c.parquet"
    recorder = Recorder(client_of(testbed), out, RecordOptions((topic,)))
    monkeypatch.setattr(collect_module.Collector, "flow", crash_after(5, collect_module.Collector.flow))
    with pytest.raises(ZeroDivisionError):
        recorder.record()
    assert not out.exists()
    monkeypatch.undo()
    with pytest.raises(CaptureError, match="continue with --resume"):
        record(testbed, out, topic)
    assert record(testbed, out, topic, resume=True).records == 3000
    assert values(out) == [b"%d" % n for n in range(3000)]


def crash_after(calls: int, method: Any) -> Any:
    left = [calls]

    def crash(self: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            raise ZeroDivisionError
        return method(self)

    return crash


def test_a_killed_recording_is_gone_on_with(testbed: ProcessTestbed, tmp_path: Path, prefix: str) -> None:
    topic = prefix + "t"
    create(testbed, {topic: 3})
    rows = numbered(topic, 3, 3000, int(time.time() * 1000) - 100_000)
    produce(testbed, rows)
    out = tmp_path / "c.parquet"
    arguments = [sys.executable, "-c", KILLED, testbed.source.bootstrap, topic, str(out)]
    process = subprocess.Popen(arguments)
    try:
        state = tmp_path / ".c.parquet.parts" / "state.json"

        def under_way() -> bool:
            assert process.poll() is None
            return state.exists() and json.loads(state.read_text(encoding="utf-8"))["records"] >= 500

        wait_until(under_way, 60, backoff_s=0.01)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    with pytest.raises(CaptureError, match="continue with --resume"):
        record(testbed, out, topic)
    before = json.loads(state.read_text(encoding="utf-8"))["records"]
    assert 0 < before < 3000
    assert record(testbed, out, topic, resume=True).records == 3000
    assert values(out) == [value for _, _, (_, value, *_) in rows], "each record once, in its place"
    assert [each.name for each in tmp_path.iterdir()] == ["c.parquet"]


KILLED = """
import sys
from pathlib import Path
from cutover_harness.capture import collect, recorder
from cutover_harness.capture.options import RecordOptions
recorder._BATCH, collect._LOOK_BYTES, collect.GROUP_BYTES = 20, 1000, 1000
bootstrap, topic, out = sys.argv[1:]
recorder.Recorder({"bootstrap.servers": bootstrap}, Path(out), RecordOptions((topic,), rate_bytes=1_500)).record()
"""


def test_topics_that_change_while_they_are_recorded(testbed: ProcessTestbed, tmp_path: Path, prefix: str) -> None:
    names = {name: prefix + name for name in ("grows", "goes", "again", "new")}
    create(testbed, {names["grows"]: 2, names["goes"]: 1, names["again"]: 1})
    admin, now = Admin(client_of(testbed)), int(time.time() * 1000)

    def say(name: str, partition: int, value: bytes) -> None:
        produce(testbed, [(names[name], partition, (None, value, None, now))])

    notices: list[str] = []
    count = [0]

    def progress(records: int, *_: Any) -> None:
        count[0] = records

    out = tmp_path / "c.parquet"
    recorder = Recorder(
        client_of(testbed),
        out,
        RecordOptions((prefix + "*",), duration_s=600),
        notify=notices.append,
        progress=progress,
    )
    done: list[Recorded] = []
    thread = threading.Thread(target=lambda: done.append(recorder.record()))
    thread.start()

    def wait_for(condition: Callable[[], object]) -> None:
        wait_until(lambda: condition() or not thread.is_alive(), 180, state=lambda: notices)
        assert condition(), notices

    wait_for((tmp_path / ".c.parquet.parts" / "state.json").exists)
    for name in ("grows", "goes", "again"):
        say(name, 0, b"before")
    wait_for(lambda: count[0] == 3)
    create(testbed, {names["new"]: 1})
    say("new", 0, b"first of new")
    admin.add_partitions({names["grows"]: 4})
    say("grows", 3, b"first of 3")
    admin.delete_topics([names["goes"], names["again"]])
    create(testbed, {names["again"]: 1})
    say("again", 0, b"of another topic")
    wait_for(lambda: len([text for text in notices if not text.startswith("missing")]) == 4)
    say("grows", 2, b"first of 2")
    wait_for(lambda: count[0] == 6)
    recorder.stop()
    thread.join()
    assert sorted(recorded_in(out, prefix)) == [
        "again/0 before",
        "goes/0 before",
        "grows/0 before",
        "grows/2 first of 2",
        "grows/3 first of 3",
        "new/0 first of new",
    ]
    changed = "\n".join(done[0].changed)
    for text in ("grows grew from 2 to 4 partitions", "new appeared with 1 partition", "goes was deleted"):
        assert f"topic {prefix}{text}" in changed
    assert f"topic {prefix}again was deleted and recreated" in changed
    assert sorted(text.split()[1] for text in done[0].missing) == [names["again"], names["goes"]]
    with CaptureReader(out) as reader:
        assert {name: info.partitions for name, info in reader.info.topics.items()} == {
            names["grows"]: 4, names["goes"]: 1, names["again"]: 1, names["new"]: 1
        }  # fmt: skip
        assert set(reader.info.notes) >= {"changed", "missing"}


def test_topics_that_changed_before_a_recording_is_gone_on_with(
    testbed: ProcessTestbed, tmp_path: Path, prefix: str
) -> None:
    create(testbed, {prefix + "grows": 1, prefix + "goes": 1, prefix + "again": 1})
    admin, now, out = Admin(client_of(testbed)), int(time.time() * 1000), tmp_path / "c.parquet"

    def say(name: str, partition: int, value: bytes) -> None:
        produce(testbed, [(prefix + name, partition, (None, value, None, now))])

    for name in ("grows", "goes", "again"):
        say(name, 0, b"before")
    assert not record(testbed, out, prefix + "*").changed
    admin.add_partitions({prefix + "grows": 2})
    admin.delete_topics([prefix + "goes", prefix + "again"])
    create(testbed, {prefix + "again": 1, prefix + "new": 1})
    for name in ("grows", "again", "new"):
        say(name, 0, b"after")
    say("grows", 1, b"after")
    say("again", 0, b"after that")
    recorded = record(testbed, out, prefix + "*", resume=True)
    found = ["again/0 before", "goes/0 before", "grows/0 after", "grows/0 before", "grows/1 after", "new/0 after"]
    assert sorted(recorded_in(out, prefix)) == found, "none of the topic that has the name of another one"
    assert sorted(text.split()[1].removeprefix(prefix) for text in recorded.missing) == ["again", "goes"]
    assert sorted(text.split()[1].removeprefix(prefix) for text in recorded.changed) == [
        "again",
        "goes",
        "grows",
        "new",
    ]
    say("new", 0, b"more")
    again = record(testbed, out, prefix + "*", resume=True)
    assert sorted(recorded_in(out, prefix)) == [*found, "new/0 more"]
    assert again.missing == recorded.missing, "it stays reported"


def recorded_in(out: Path, prefix: str) -> list[str]:
    return [f"{t}/{p} {value.decode()}" for (t, p), rows in logs(out, prefix).items() for _, value, *_ in rows if value]


def test_records_that_retention_removes_first_are_missing(testbed: ProcessTestbed, tmp_path: Path, prefix: str) -> None:
    topic = prefix + "t"
    create(testbed, {topic: 1})
    rows = numbered(topic, 1, 300, int(time.time() * 1000) - 100_000)
    produce(testbed, rows[:200])
    out = tmp_path / "c.parquet"
    assert not record(testbed, out, topic, max_records=100).missing
    produce(testbed, rows[200:])
    Admin(client_of(testbed)).delete_records({(topic, 0): 150})
    recorded = record(testbed, out, topic, resume=True)
    assert recorded.missing == (f"{topic}-0: offsets 100 to 149 were removed before they were recorded",)
    assert values(out) == [b"%d" % n for n in (*range(100), *range(150, 300))]


def test_a_recording_keeps_below_its_rate(
    testbed: ProcessTestbed, tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = prefix + "t"
    create(testbed, {topic: 2})
    now = int(time.time() * 1000)
    produce(testbed, [(topic, n % 2, (None, b"x" * 1000, None, now + n)) for n in range(600)])
    fast = record(testbed, tmp_path / "fast.parquet", topic)
    slow = record(testbed, tmp_path / "slow.parquet", topic, rate_bytes=150_000)
    assert slow.bytes == fast.bytes == 600_000
    assert slow.seconds >= 600_000 / 150_000
    stopped = Recorder(client_of(testbed), tmp_path / "stopped.parquet", RecordOptions((topic,), rate_bytes=1000))
    wait = Pace.wait

    def stop_while_waiting(pace: Pace, size: int, stopping: Callable[[], bool]) -> None:
        threading.Timer(0.2, stopped.stop).start()
        wait(pace, size, stopping)

    monkeypatch.setattr(Pace, "wait", stop_while_waiting)
    found = stopped.record()
    assert found.interrupted, "waiting for the rate does not keep it from being stopped"
    assert 0 < found.records < 600
    with CaptureReader(tmp_path / "stopped.parquet") as reader:
        assert reader.info.notes["interrupted"] == "stopped before its end"
    monkeypatch.undo()
    Recorder(client_of(testbed), tmp_path / "stopped.parquet", RecordOptions((topic,))).record(resume=True)
    with CaptureReader(tmp_path / "stopped.parquet") as reader:
        assert reader.records == 600
        assert "interrupted" not in reader.info.notes


def test_a_live_recording_ends_well_when_interrupted(testbed: ProcessTestbed, tmp_path: Path, prefix: str) -> None:
    topic = prefix + "live"
    create(testbed, {topic: 1})
    old = numbered(topic, 1, 5, int(time.time() * 1000))
    produce(testbed, old)
    out = tmp_path / "live.parquet"
    command = "import sys; from cutover_harness.cli import main; main()"
    arguments = ["record", topic, "--out", str(out), "--duration", "10m", "--bootstrap", testbed.source.bootstrap]
    shown = tmp_path / "progress"
    with shown.open("w", encoding="utf-8") as progress:
        process = subprocess.Popen(
            [sys.executable, "-c", command, *arguments], stderr=progress, stdout=subprocess.PIPE, text=True
        )
    try:
        number, deadline = 0, time.monotonic() + 60
        while time.monotonic() < deadline and not re.search(r"^[1-9]", shown.read_text(encoding="utf-8"), re.MULTILINE):
            produce(testbed, [(topic, 0, (None, b"live %d" % number, None, int(time.time() * 1000)))])
            number += 1
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted: a valid capture" in stdout
    found = values(out)
    assert found
    assert all(value.startswith(b"live") for value in found), "from the end of the log on"
    assert found == sorted(found, key=lambda v: int(v[5:]))


def test_aborted_transactions_are_left_out_on_request(testbed: ProcessTestbed, tmp_path: Path, prefix: str) -> None:
    topic = prefix + "tx"
    create(testbed, {topic: 1})
    producer = Producer({**client_of(testbed), "transactional.id": prefix})
    deadline = time.monotonic() + 30
    while True:
        try:
            producer.init_transactions(10)
            break
        except KafkaException:
            assert time.monotonic() < deadline
    for value, commit in ((b"one", True), (b"two", False), (b"three", True), (b"four", False)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush()
        producer.commit_transaction() if commit else producer.abort_transaction()
    record(testbed, tmp_path / "all.parquet", topic)
    record(testbed, tmp_path / "committed.parquet", topic, read_committed=True)
    assert values(tmp_path / "all.parquet") == [b"one", b"two", b"three", b"four"]
    assert values(tmp_path / "committed.parquet") == [b"one", b"three"]


def test_groups_and_configs_come_along_and_no_group_is_made(
    testbed: ProcessTestbed, tmp_path: Path, prefix: str
) -> None:
    topic = prefix + "g"
    admin = Admin(testbed.source.client_config())
    create(testbed, {topic: 2})
    produce(testbed, numbered(topic, 2, 20, int(time.time() * 1000)))
    admin.set_committed(prefix + "group", {(topic, 0): 4, (topic, 1): 7})
    listing = Recorder(client_of(testbed), tmp_path / "c.parquet", RecordOptions((topic,)))
    before = groups_of(testbed)
    listing.record()
    assert groups_of(testbed) == before
    with CaptureReader(tmp_path / "c.parquet") as reader:
        assert [(g.group, g.committed) for g in reader.info.groups] == [(prefix + "group", {topic: {0: 4, 1: 7}})]
        assert reader.info.topics[topic].partitions == 2
    assert admin.committed(prefix + "group", [topic]) == {(topic, 0): 4, (topic, 1): 7}


def groups_of(testbed: ProcessTestbed) -> set[str]:
    from confluent_kafka.admin import AdminClient

    admin = AdminClient(client_of(testbed))
    return {g.group_id for g in admin.list_consumer_groups(request_timeout=10).result().valid}


def test_a_masked_recording_holds_nothing_of_the_original(testbed: ProcessTestbed, tmp_path: Path, prefix: str) -> None:
    topic = prefix + "m"
    create(testbed, {topic: 1})
    stamp = int(time.time() * 1000)
    secret = [b'{"name":"Erika Mustermann","n":%d}' % (n % 3) for n in range(30)]
    produce(
        testbed, [(topic, 0, (b"customer-%d" % (n % 3), v, [("trace", b"Erika")], stamp)) for n, v in enumerate(secret)]
    )
    out = tmp_path / "m.parquet"
    options = RecordOptions((topic,), mask="all")
    Recorder(client_of(testbed), out, options, mask=Mask("all", b"a secret that is long enough")).record()
    rows = logs(out)[topic, 0]
    assert len({key for key, *_ in rows}) == 3
    assert [key for key, *_ in rows[:3]] * 10 == [key for key, *_ in rows], "equal keys stay equal"
    for key, value, headers, _ in rows:
        assert key is not None
        assert value is not None
        assert set(json.loads(value)) == {"name", "n"}
        assert len(key) == len(b"customer-0")
        assert b"Erika" not in value + headers[0][1]
        assert b"customer" not in key


def test_a_killed_producer_resumes_at_its_record(testbed: ProcessTestbed, tmp_path: Path, prefix: str) -> None:
    topic = prefix + "flights.departed"
    create(testbed, {topic: 6})
    fleet = Fleet(
        FleetShape(producers=2, groups={"g" + prefix: 1}, group_topics={"g" + prefix: [topic]}),
        ReplayOptions(capture=sample_capture(), speed=60_000, topics={"flights.departed": topic}),
        folder=tmp_path,
        run=5,
        topics=[topic],
        follows=None,
        endpoints={"source": client_of(testbed)},
    )
    fleet.start()
    consumer = f"g{prefix}-1"
    try:
        assert fleet.alive() == {"producer-1": True, "producer-2": True, consumer: True}
        with pytest.raises(FleetError, match="no instance 'other'"):
            fleet.kill("other")
        time.sleep(3)
        fleet.kill("producer-1")
        assert not fleet.alive()["producer-1"]
        with pytest.raises(FleetError, match="producer-1 ended with -9"):
            fleet.check()
        fleet.restart("producer-1")
        wait_until(fleet.finished, 60)
        time.sleep(2)
    finally:
        fleet.stop()
    from cutover_harness.ledger import read_ledgers
    from cutover_harness.ledger.format import DELIVERED, SENT

    sent: dict[int, list[int]] = {}
    delivered: dict[int, set[int]] = {}
    for instance in read_ledgers(tmp_path / "ledger").instances:
        rows = instance.rows.everything()
        for event, stream, sequence in zip(rows.event, rows.stream.tolist(), rows.sequence.tolist(), strict=True):
            if event == SENT:
                sent.setdefault(stream, []).append(sequence)
            elif event == DELIVERED:
                delivered.setdefault(stream, set()).add(sequence)
    assert sum(map(len, sent.values())) == 6064, "every record of the topic was sent once"
    assert all(numbers == list(range(len(numbers))) for numbers in map(sorted, sent.values()))
    assert delivered.keys() <= sent.keys()


def test_a_consumer_sees_what_a_recording_saw(testbed: ProcessTestbed, tmp_path: Path, prefix: str) -> None:
    """The negative control of the round trips: one record more or less is noticed."""
    topic = prefix + "t"
    create(testbed, {topic: 1})
    produce(testbed, numbered(topic, 1, 50, int(time.time() * 1000)))
    record(testbed, tmp_path / "a.parquet", topic)
    produce(testbed, numbered(topic, 1, 1, int(time.time() * 1000)))
    record(testbed, tmp_path / "b.parquet", topic)
    with pytest.raises(AssertionError):
        same_but_shifted(logs(tmp_path / "a.parquet"), logs(tmp_path / "b.parquet"))
    consumer = Consumer({**client_of(testbed), "group.id": prefix, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found: list[bytes | None] = []
    deadline = time.monotonic() + 30
    while len(found) < 51 and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            found.append(message.value())
    consumer.close()
    assert found == values(tmp_path / "b.parquet")
