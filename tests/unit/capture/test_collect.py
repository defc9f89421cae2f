"""A recording as a whole, without a cluster: in order, each record once, however it was read and however it broke."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import KafkaError, Message
from cutover_harness.capture import CaptureError, CaptureInfo, CaptureReader, TopicInfo
from cutover_harness.capture import alignment as alignment_module
from cutover_harness.capture import collect as collect_module
from cutover_harness.capture import columns as columns_module
from cutover_harness.capture import earlier as earlier_module
from cutover_harness.capture import output as output_module
from cutover_harness.capture.clock import NEVER, recorded_ms
from cutover_harness.capture.collect import Collector
from cutover_harness.capture.output import Output
from cutover_harness.capture.parts import Parts, Progress, State
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Log = list[int]  # timestamps by offset
INFO = CaptureInfo("now", {"t": TopicInfo(4)}).to_json()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything happen with few records that happens with many."""
    for module, name, value in (
        (alignment_module, "HIGH", 1500),
        (alignment_module, "LOW", 700),
        (alignment_module, "STEP", 300),
        (collect_module, "_LOOK_BYTES", 1),
        (collect_module, "GROUP_BYTES", 300),
        (collect_module, "_RUN", 2),
        (columns_module, "_BIG", 20),
        (columns_module, "_JOIN_FROM", 10),
        (earlier_module, "_ROWS", 5),
        (output_module, "GROUP_ROWS", 4),
        (output_module, "_CHECKPOINT_S", 0.001),
    ):
        monkeypatch.setattr(module, name, value)


def value(partition: int, offset: int) -> bytes:
    return b"%d/%d" % (partition, offset) + b"x" * (offset * 7 % 30)


def message(partition: int, offset: int, stamp: int) -> Message:
    return Message(
        topic="t", partition=partition, offset=offset, key=b"k", value=value(partition, offset), timestamp=(1, stamp)
    )


def end_of_log(partition: int, offset: int) -> Message:
    return Message(topic="t", partition=partition, offset=offset, error=KafkaError(KafkaError._PARTITION_EOF))


def new_state(logs: list[Log], *, live: bool = False) -> State:
    partitions = {str(p): Progress(0, None if live else len(log), NEVER) for p, log in enumerate(logs)}
    return State({"topics": ["t"]}, 0.0, INFO, {"t": partitions})


def reopened(parts: Parts) -> State:
    state = parts.read()
    parts.reopen(state)
    return state


def reading(collector: Collector, logs: list[Log], turns: list[tuple[int, int]]) -> Iterator[None]:
    """Read as a consumer does: of `turns` (which partition, how many records), what is not paused."""
    at = {p: each.next for (_, p), each in collector.open.items()}
    paused: set[int] = set()
    while collector.open and not collector.full:
        for which, count in turns:
            ready = [p for (_, p) in collector.open if p not in paused]
            if not ready:
                raise AssertionError("everything waits")
            p = ready[which % len(ready)]
            found = [message(p, o, logs[p][o]) for o in range(at[p], min(at[p] + count, len(logs[p])))]
            at[p] += len(found)
            collector.add([*found, *([end_of_log(p, at[p])] if at[p] == len(logs[p]) else [])])
            wait, go = collector.flow()
            paused = (paused | {each for _, each in wait}) - {each for _, each in go}
            for _, each in wait:  # a client forgets what it had fetched
                at[each] = collector.open["t", each].next if ("t", each) in collector.open else at[each]
            yield
            if not collector.open or collector.full:
                break


def sit(parts: Parts, state: State, logs: list[Log], turns: list[tuple[int, int]], breaks: int | None = None) -> int:
    """A sitting that breaks after so many turns, or at its end; returns how many records the capture has."""
    state.info = INFO
    for p, log in enumerate(logs):
        progress = state.partitions["t"].setdefault(str(p), Progress(0, 0, NEVER))
        progress.end = len(log)
    with Output(parts, state) as output:
        with Collector(parts, state, output, None, None, None) as collector:
            for turn, _ in enumerate(reading(collector, logs, turns)):
                if turn == breaks:
                    break
            if breaks is not None:
                raise ZeroDivisionError
        return output.finish()


def read(path: Path) -> list[tuple[int, int, int]]:
    with CaptureReader(path) as reader:
        rows = [row for batch in reader.batches() for row in batch.to_pylist()]
    assert all(row["value"] == value(row["partition"], row["offset"]) for row in rows)
    return [(row["partition"], row["offset"], row["timestamp"]) for row in rows]


def check(found: list[tuple[int, int, int]], logs: list[Log]) -> None:
    """Each record once, each partition in its order, and all by due time."""
    assert sorted(found) == [(p, o, stamp) for p, log in enumerate(logs) for o, stamp in enumerate(log)]
    largest: dict[int, int] = {}
    due, running, newest = [], [], NEVER
    for p in range(len(logs)):
        assert [o for partition, o, _ in found if partition == p] == list(range(len(logs[p])))
    for p, _, stamp in found:
        time_ms = int(recorded_ms(np.array([stamp]), int(time.time() * 1000))[0])
        largest[p] = max(time_ms, largest.get(p, time_ms))
        newest = max(newest, time_ms)
        due.append(largest[p])
        running.append(newest)
    assert due == sorted(due)
    assert due == running, "the largest timestamp so far is the due time"


logs_of = st.lists(st.lists(st.integers(0, 60), max_size=40), min_size=1, max_size=4).filter(any)
turns_of = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=4, max_size=30).map(
    lambda turns: [*turns, (0, 9), (1, 9), (2, 9), (3, 9)]
)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(logs_of, turns_of)
@quick
def test_a_recording_has_each_record_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, logs: list[Log], turns: list[tuple[int, int]]
) -> None:
    parts = Parts(tmp_path_factory.mktemp("c") / "c.parquet")
    state = new_state(logs)
    parts.create(state)
    assert sit(parts, state, logs, turns) == sum(map(len, logs))
    assert not parts.folder.exists()
    check(read(parts.out), logs)


@given(
    logs_of, turns_of, st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["error", "kill", "end"])), max_size=4)
)
@quick
def test_broken_recording_is_resumed(
    tmp_path_factory: pytest.TempPathFactory,
    logs: list[Log],
    turns: list[tuple[int, int]],
    breaks: list[tuple[int, str]],
) -> None:
    """It breaks with an error (what was read is written), is killed (what counts is on disk), or ends and grows."""
    parts = Parts(tmp_path_factory.mktemp("c") / "c.parquet")
    state = new_state(logs)
    parts.create(state)
    for after, how in breaks:
        recorded = [each.next for _, each in sorted(state.partitions["t"].items())]
        shorter = [log[: max(len(log) * after // 40, n)] for log, n in zip(logs, recorded, strict=True)]
        if how == "end" and not any(shorter):
            with pytest.raises(CaptureError, match="nothing was recorded"):
                sit(parts, state, shorter, turns)
            parts.create(new_state(logs))
            state = reopened(parts)
            continue
        try:
            if how == "end":
                sit(parts, state, shorter, turns)
            elif how == "error":
                sit(parts, state, logs, turns, after)
            else:
                with pytest.MonkeyPatch.context() as patch:
                    # A process that is killed neither writes the rest nor says what counts.
                    patch.setattr(Collector, "__exit__", lambda *_: None)
                    patch.setattr(Output, "_end", killed)
                    sit(parts, state, logs, turns, after)
        except ZeroDivisionError:
            assert parts.exist
        state = reopened(parts)
    sit(parts, state, logs, turns)
    check(read(parts.out), logs)


def killed(output: Any) -> None:
    output._uncounted = False
    output._queue.put(None)
    output._thread.join()


def test_partition_at_its_end_does_not_delay_others_forever(tmp_path: Path) -> None:
    logs = [[1000 * n for n in range(40)], [100], []]
    parts = Parts(tmp_path / "c.parquet")
    state = new_state(logs, live=True)
    parts.create(state)
    with Output(parts, state) as output:
        with Collector(parts, state, output, None, None, None) as collector:
            collector.add([message(1, 0, 100), end_of_log(1, 1), end_of_log(2, 0)])
            for offset, stamp in enumerate(logs[0]):
                collector.add([message(0, offset, stamp)])
                assert collector.flow() == ([], [])
            assert collector._pool.due(34_000) < 300, "all but the last five seconds is written"
            assert collector._pool.due(39_000) > 0
            collector.add([message(1, 1, 200)])
        output.finish()
    found = read(parts.out)
    assert [(p, o) for p, o, _ in found if p == 1] == [(1, 0), (1, 1)]
    assert found.index((1, 1, 200)) > found.index((0, 30, 30_000)), "what comes late is due when it comes"


def test_a_clock_that_is_ahead_does_not_spoil_the_order_of_a_live_recording(tmp_path: Path) -> None:
    now, ahead = int(time.time() * 1000) - 60_000, int(time.time() * 1000) + 10**10
    logs = [[now + 100 * n for n in range(60)], [ahead, ahead + 10_000], []]
    parts = Parts(tmp_path / "c.parquet")
    state = new_state(logs, live=True)
    parts.create(state)
    with Output(parts, state) as output:
        with Collector(parts, state, output, None, None, None) as collector:
            collector.add([message(1, 0, ahead), message(1, 1, ahead + 10_000), end_of_log(1, 2), end_of_log(2, 0)])
            for offset, stamp in enumerate(logs[0]):
                collector.add([message(0, offset, stamp), end_of_log(0, offset + 1)])
                assert collector.flow() == ([], [])
        output.finish()
    check(read(parts.out), logs)


def test_record_without_a_usable_time_is_due_on_arrival_and_delays_no_other(tmp_path: Path) -> None:
    now = int(time.time() * 1000) - 60_000
    logs = [[now + 1000 * n for n in range(40)], [-1] * 20]
    parts = Parts(tmp_path / "c.parquet")
    state = new_state(logs, live=True)
    parts.create(state)
    with Output(parts, state) as output:
        with Collector(parts, state, output, None, None, None) as collector:
            for offset, stamp in enumerate(logs[0]):
                collector.add([message(0, offset, stamp)])
                if offset % 2:
                    collector.add([message(1, offset // 2, -1)])
                assert collector.flow() == ([], [])
            assert collector._pool.due(now + 30_000) < 300, (
                "what is due before the other partition's present is written"
            )
        output.finish()
    found = [(p, o) for p, o, _ in read(parts.out)]
    assert [o for p, o in found if p == 1] == list(range(20))
    assert 8 <= found.index((1, 5)) - 5 <= 14, "it stands with what came when it came"


def test_limits_are_kept_to_the_record(tmp_path: Path) -> None:
    logs = [list(range(50))]
    for limits, expected in (((7, None), 7), ((None, 1), 1), ((None, 60), 5)):
        parts = Parts(tmp_path / f"{limits[0]}-{limits[1]}.parquet")
        state = new_state(logs)
        parts.create(state)
        with Output(parts, state) as output:
            with Collector(parts, state, output, None, *limits) as collector:
                for _ in reading(collector, logs, [(0, 5)]):
                    pass
                assert collector.full
            assert output.finish() == expected
        sizes = [len(b"k") + len(value(0, n)) for n in range(expected)]
        assert limits[1] is None or sum(sizes[:-1]) < limits[1] <= sum(sizes), "the record that reaches it is the last"


def test_permanent_error_is_reported(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "c.parquet")
    state = new_state([[1]])
    parts.create(state)
    refused = Message(topic="t", partition=0, offset=0, error=KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    with (
        pytest.raises(CaptureError, match="the records so far are kept, continue with --resume"),
        Output(parts, state) as output,
        Collector(parts, state, output, None, None, None) as collector,
    ):
        collector.add([refused])


def test_full_disk_is_reported_and_earlier_records_are_kept(tmp_path: Path) -> None:
    logs = [list(range(50))]
    parts = Parts(tmp_path / "c.parquet")
    state = new_state(logs)
    parts.create(state)
    (parts.folder / "000000.parquet").symlink_to("/dev/full")
    with pytest.raises(CaptureError, match="No space left on device"):
        sit(parts, state, logs, [(0, 5)])
    (parts.folder / "000000.parquet").unlink()
    sit(parts, reopened(parts), logs, [(0, 5)])
    check(read(parts.out), logs)


def test_empty_recording_is_reported(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "c.parquet")
    state = new_state([[]])
    parts.create(state)
    with pytest.raises(CaptureError, match="nothing was recorded"):
        sit(parts, state, [[]], [(0, 1)])
    assert list(tmp_path.iterdir()) == []


def test_an_invalid_resume_state_is_reported(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "c.parquet")
    parts.create(new_state([[1]]))
    (parts.folder / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(CaptureError, match=r"state\.json cannot be used"):
        reopened(parts)


def test_the_shorter_capture_stays_until_the_longer_one_takes_its_place(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "c.parquet")
    state = new_state([[10, 30]])
    parts.create(state)
    sit(parts, state, [[10, 30]], [(0, 1)])
    before = parts.out.read_bytes()
    with pytest.raises(ZeroDivisionError):
        sit(parts, reopened(parts), [[10, 30, 40, 50]], [(0, 1)], 1)
    assert parts.out.read_bytes() == before
    sit(parts, reopened(parts), [[10, 30, 40, 50]], [(0, 1)])
    assert [stamp for *_, stamp in read(parts.out)] == [10, 30, 40, 50]


def test_recording_killed_while_ending_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = Parts(tmp_path / "c.parquet")
    state = new_state([[10, 30]])
    parts.create(state)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed_before)
        with pytest.raises(ZeroDivisionError):
            sit(parts, state, [[10, 30]], [(0, 1)])
    assert parts.exist
    sit(parts, reopened(parts), [[10, 30, 40]], [(0, 1)])
    check(read(parts.out), [[10, 30, 40]])
    assert [each.name for each in tmp_path.iterdir()] == ["c.parquet"]


def killed_before(_folder: Path) -> None:
    raise ZeroDivisionError
