"""Timestamps of a capture that set the times of a replay, and those that are reported and left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cutover_harness.capture import CaptureInfo, CaptureReader, CaptureWriter, TopicInfo, record_batch
from cutover_harness.capture.clock import NEVER, Clock, clock_of, recorded_ms, to_ms
from cutover_harness.capture.facts import facts_of
from cutover_harness.cli.app import app
from cutover_harness.replay.config import ReplayOptions, Share
from cutover_harness.replay.records import replay, schedule_of
from typer.testing import CliRunner

T0 = 1_790_000_000_000
YEAR_MS = 365 * 86_400_000
START = 1_800_000_000_000_000_000
ODD = [
    pytest.param(2_995, lambda ms: ms * 1000, id="us"),
    pytest.param(2_995, lambda ms: ms * 1_000_000, id="ns"),
    pytest.param(0, lambda ms: ms // 1000, id="s"),
    pytest.param(5, lambda _: -1, id="none"),
    pytest.param(0, lambda _: 0, id="zero"),
    pytest.param(1_500, lambda ms: ms + YEAR_MS, id="a-year-ahead"),
    pytest.param(0, lambda ms: ms - YEAR_MS, id="a-year-behind"),
    pytest.param(0, lambda _: (1 << 63) - 1, id="the-largest"),
]


def write(path: Path, stamps: list[int]) -> Path:
    count = len(stamps)
    with CaptureWriter(path) as writer:
        for first in range(0, count, 1000):
            part = range(first, min(count, first + 1000))
            writer.write(
                record_batch(
                    ["orders"] * len(part),
                    [n % 3 for n in part],
                    [n // 3 for n in part],
                    [stamps[n] for n in part],
                    [1] * len(part),
                    [b"k%d" % (n % 50) for n in part],
                    [b"v%d" % n for n in part],
                    [None] * len(part),
                )
            )
        writer.close(CaptureInfo("now", {"orders": TopicInfo(3)}))
    return path


def steady(count: int = 3000) -> list[int]:
    return [T0 + n * 20_000 // count for n in range(count)]


def replayed(path: Path) -> tuple[list[bytes | None], list[float], list[float]]:
    """Return values, due times and timestamps to produce with, in seconds from the start."""
    values: list[bytes | None] = []
    due: list[float] = []
    stamps: list[float] = []
    with CaptureReader(path) as reader:
        options = ReplayOptions(capture=path)
        for records in replay(reader, options, Share(), schedule_of(reader, options, START)):
            values += records.values
            due += [(each - START) / 1e9 for each in records.due_ns]
            stamps += [each / 1e3 - START / 1e9 for each in records.stamps_ms]
    return values, due, stamps


@pytest.mark.parametrize(("at", "odd"), ODD)
def test_one_odd_timestamp_does_not_determine_the_timing(tmp_path: Path, at: int, odd: object) -> None:
    stamps = steady()
    stamps[at] = odd(stamps[at])  # type: ignore[operator]
    values, due, produced = replayed(write(tmp_path / "c.parquet", stamps))
    plain = replayed(write(tmp_path / "plain.parquet", steady()))
    assert values == plain[0], "every record is sent, in the recorded order"
    assert np.abs(np.array(due) - np.array(plain[1])).max() < 0.1
    assert np.abs(np.array(produced) - np.array(plain[2])).max() < 1.1, "brokers refuse timestamps far ahead"


@pytest.mark.parametrize(("at", "odd"), ODD)
def test_an_odd_timestamp_is_named(tmp_path: Path, at: int, odd: object) -> None:
    stamps = steady()
    stamps[at] = odd(stamps[at])  # type: ignore[operator]
    path = write(tmp_path / "c.parquet", stamps)
    done = CliRunner().invoke(app, ["record", "--info", str(path)])
    assert done.exit_code == 0, done.output
    assert (
        "1 record has an odd timestamp, which does not determine the replay's timing: "
        f"orders-{at % 3} at offset {at // 3}" in done.output
    )
    assert f"has {stamps[at]}" in done.output
    with CaptureReader(path) as reader:
        facts = facts_of(reader)
    assert sum(facts.rate) == 3000
    assert facts.clock.span_s == pytest.approx(20, abs=0.1)


def test_topic_entirely_in_another_unit_keeps_its_timing(tmp_path: Path) -> None:
    stamps = [stamp * 1000 if n % 3 == 0 else stamp for n, stamp in enumerate(steady())]
    path = write(tmp_path / "c.parquet", stamps)
    with CaptureReader(path) as reader:
        clock = clock_of(reader)
    assert (clock.odd, len(clock.examples)) == (1000, 10)
    warning = clock.warning()
    assert warning is not None
    assert warning.endswith("and 997 more")
    assert replayed(path)[1] == replayed(write(tmp_path / "plain.parquet", steady()))[1]


@pytest.mark.parametrize(
    "stamps",
    [
        pytest.param(steady(), id="steady"),
        pytest.param([T0 - 8 * 60_000, *steady(2999)], id="quiet-for-eight-minutes-first"),
        pytest.param([T0, T0 + YEAR_MS, T0 + 3 * YEAR_MS], id="too-few-to-tell"),
        pytest.param([T0 - 86_400_000 + n * 86_400 for n in range(1000)] + steady(2000), id="a-day-before-a-burst"),
        pytest.param([T0 - (100 - n) * YEAR_MS // 1000 for n in range(100)] + steady(100), id="half-of-them-old"),
        pytest.param(list(range(1000, 4000)), id="a-clock-that-began-at-zero"),
    ],
)
def test_timestamps_far_apart_for_a_reason_are_not_odd(tmp_path: Path, stamps: list[int]) -> None:
    with CaptureReader(write(tmp_path / "c.parquet", stamps)) as reader:
        assert clock_of(reader) == Clock(min(stamps), max(stamps))


def test_capture_without_timestamps_is_sent_completely(tmp_path: Path) -> None:
    path = write(tmp_path / "c.parquet", [-1] * 200)
    values, due, _ = replayed(path)
    assert len(values) == 200
    assert set(due) == {0.0}
    with CaptureReader(path) as reader:
        assert clock_of(reader).odd == 200


def test_a_recorder_takes_units_apart_and_mistrusts_the_future() -> None:
    day = 86_400_000
    stamps = np.array([T0, T0 * 1000, T0 * 1_000_000, T0 // 1000, -1, T0 + 2 * day, 1 << 62], np.int64)
    assert recorded_ms(stamps, T0).tolist() == [T0, T0, T0, T0, NEVER, NEVER, NEVER]
    assert to_ms(stamps).tolist() == [T0, T0, T0, T0, NEVER, T0 + 2 * day, NEVER]
