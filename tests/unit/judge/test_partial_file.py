"""Partials as files: equal to judging on one machine, refused if damaged, and never a PASS without all of them."""

import json
import re
import stat
import struct
import zlib
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.judge.judging import judge
from cutover_harness.judge.merging import merge
from cutover_harness.judge.model import DrainProof, Judgement, RunFacts
from cutover_harness.judge.partial_command import merge_command, partial_command
from cutover_harness.judge.partial_file import HEADER, read_partial, write_partial
from cutover_harness.judge.portable import Part, measure_part
from cutover_harness.judge.verdicts import verdict
from cutover_harness.ledger.reader import Ledgers
from hypothesis import given, settings
from hypothesis import strategies as st

from .histories import Event, History
from .test_against_brute_force import DRAINED, LEFT, any_history, facts, ledgers_of
from .test_command import drained, write


def through_files(
    folder: Path, parts: list[tuple[Ledgers, Part, Part]], asked: RunFacts | None, at_once: int
) -> Judgement:
    """Measure each part, write and read it, merge all."""
    found = {}
    for number, (ledgers, host, shard) in enumerate(parts):
        file = folder / f"{number}.partial"
        write_partial(file, measure_part(ledgers, asked, "x", host=host, shard=shard, at_once=at_once))
        found[str(file)] = read_partial(file)
    return merge(found).judgement()


@settings(max_examples=100, deadline=None)
@given(any_history, LEFT, DRAINED, st.integers(1, 4), st.integers(1, 9), st.booleans())
def test_shards_on_several_machines_are_judged_as_on_one(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[Event],
    left: list[str],
    drained_groups: set[str],
    machines: int,
    at_once: int,
    known: bool,
) -> None:
    asked = facts(left, drained_groups) if known else None
    ledgers = ledgers_of(events)
    whole = judge(ledgers, asked or RunFacts(7, "x"))
    parts = [(ledgers, Part(), Part(number, machines)) for number in range(1, machines + 1)]
    assert through_files(tmp_path_factory.mktemp("p"), parts, asked, at_once) == whole


def moved_to(events: list[Event], host: str) -> list[Event]:
    """Return the events with instances and keys of one host."""
    kept = [e for e in events if e.key is not None]
    return [replace(e, instance=f"{e.instance}-{host}", key=f"{e.key}-{host}") for e in kept]


@settings(max_examples=100, deadline=None)
@given(st.lists(any_history, min_size=1, max_size=3), LEFT, DRAINED, st.integers(1, 9), st.integers(1, 2))
def test_hosts_with_ledgers_of_their_own_are_judged_as_one(
    tmp_path_factory: pytest.TempPathFactory,
    hosts: list[list[Event]],
    left: list[str],
    drained_groups: set[str],
    at_once: int,
    shards: int,
) -> None:
    """Each host has processes and streams of its own; members of a group are on all of them."""
    own = [moved for number, events in enumerate(hosts) if (moved := moved_to(events, f"h{number}"))]
    if not own:
        return
    asked = facts(left, drained_groups)
    whole = judge(ledgers_of([e for events in own for e in events]), asked)
    parts = [
        (ledgers_of(events), Part(number, len(own)), Part(shard, shards))
        for number, events in enumerate(own, 1)
        for shard in range(1, shards + 1)
    ]
    assert through_files(tmp_path_factory.mktemp("p"), parts, asked, at_once) == whole


def two_shards(tmp_path: Path) -> list[Path]:
    write(tmp_path / "ledger", list(range(10)))
    drained(tmp_path)
    files = [tmp_path / "1.partial", tmp_path / "2.partial"]
    for number, file in enumerate(files, 1):
        assert partial_command(tmp_path, file, host=Part(), shard=Part(number, 2)) == 0
    return files


def test_the_commands_give_the_verdict_of_all_and_inconclusive_without_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = two_shards(tmp_path)
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    capsys.readouterr()
    assert merge_command(files, as_json=False) == 0
    assert capsys.readouterr().out.startswith("PASS  stop-first")
    for file, missing in zip(files, ("2/2", "1/2"), strict=True):
        assert merge_command([file], as_json=True) == 3
        reasons = json.loads(capsys.readouterr().out)["verdict"]["reasons"]
        assert any(reason.startswith(f"no partial of shard {missing} was given: ") for reason in reasons)


def test_a_partial_says_what_its_shard_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_shards(tmp_path)
    said = capsys.readouterr().out
    found = [int(count) for count in re.findall(r"of 2 ledgers: (\d+) records?", said)]
    assert len(found) == 2
    assert sum(found) == 10
    assert "30 events" not in said
    assert sum(map(int, re.findall(r" and (\d+) deliver", said))) == 10


def test_a_shard_without_a_stream_is_a_partial_and_all_are_complete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "ledger", list(range(10)))  # one stream
    drained(tmp_path)
    files = [tmp_path / f"{number}.partial" for number in range(1, 6)]
    for number, file in enumerate(files, 1):
        assert partial_command(tmp_path, file, host=Part(), shard=Part(number, 5)) == 0
    assert capsys.readouterr().out.count("no stream (there are more shards than streams)") == 3
    assert merge_command(files, as_json=False) == 0
    for missing, words in ((0, "shard 1/5 was"), (1, "shard 2/5 was")):
        capsys.readouterr()
        assert merge_command(files[:missing] + files[missing + 1 :], as_json=False) == 3
        assert f"no partial of {words} given" in capsys.readouterr().out
    assert merge_command([files[0], files[2]], as_json=False) == 3
    # Ranges go to the shards in turn: behind 3/5, which has none, there is nothing to be missing.
    assert "no partial of shard 2/5 was given" in capsys.readouterr().out


def test_a_missing_shard_of_a_host_is_named_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = []
    for number in (1, 2):
        history = History()
        for n in range(10):
            history.acked(f"k{number}-{n}", 0, n, by=f"p{number}")
            history.deliver(f"g-{number}", f"k{number}-{n}", 0, n)
        asked = RunFacts(7, "x", groups={"g": ["orders"]}, drain=[DrainProof("g", True, "read")])
        for shard in (1, 2, 3):
            files.append(tmp_path / f"{number}-{shard}.partial")
            part = measure_part(history.ledgers(), asked, "x", host=Part(number, 2), shard=Part(shard, 3), at_once=3)
            write_partial(files[-1], part)
    merge_command([*files[:3], files[4]], as_json=False)
    assert "no partial of shard 1/3, 3/3 of host 2/2 was given" in " ".join(capsys.readouterr().out.split())


def test_the_streams_are_named_if_the_shards_have_different_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "ledger", list(range(10)))
    drained(tmp_path)
    files = [tmp_path / "1.partial", tmp_path / "3.partial"]
    partial_command(tmp_path, files[0], host=Part(), shard=Part(1, 2))
    partial_command(tmp_path, files[1], host=Part(), shard=Part(3, 5))
    low = read_partial(files[0]).ranges[0][1] + 1
    assert merge_command(files, as_json=False) == 3
    assert f"no partial of streams {low:016x}-ffffffffffffffff was given" in capsys.readouterr().out
    partial_command(tmp_path, files[1], host=Part(), shard=Part(1, 5))
    assert "they are shards 1/2 and 1/5: measure again with the same N in --shard I/N" in refused(files)


def host_files(tmp_path: Path, *, of: int = 2) -> list[Path]:
    """Write partials of two hosts, each with a group and a producer of its own."""
    found = []
    for number in (1, 2):
        history = History()
        for n in range(10):
            history.acked(f"k{number}", n, n + 100 * number, by=f"p{number}")
            history.deliver(f"g-{number}", f"k{number}", n, n + 100 * number)
        asked = RunFacts(7, "x", groups={"g": ["orders"]}, drain=[DrainProof("g", True, "read")])
        file = tmp_path / f"host-{number}.partial"
        write_partial(file, measure_part(history.ledgers(), asked, "x", host=Part(number, of), shard=Part()))
        found.append(file)
    return found


def test_a_host_that_is_missing_is_no_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = host_files(tmp_path)
    assert merge_command(files, as_json=False) == 0
    capsys.readouterr()
    assert merge_command(files[:1], as_json=False) == 3
    assert "no partial of host 2/2 was given" in capsys.readouterr().out
    files = host_files(tmp_path, of=3)
    assert merge_command(files, as_json=False) == 3
    assert "no partial of host 3/3 was given" in capsys.readouterr().out


def test_producers_without_the_group_prove_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = History()
    history.produce("k", 0, 9)
    file = tmp_path / "producers.partial"
    write_partial(file, measure_part(history.ledgers(), None, "x", host=Part(1, 2), shard=Part()))
    assert merge_command([file], as_json=False) == 3
    out = capsys.readouterr().out
    assert "there is no consumer group" in out
    assert "no partial of host 2" in out


def refused(files: list[Path]) -> str:
    with pytest.raises(UsageError) as error:
        merge_command(files, as_json=False)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_partials_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    one, other = two_shards(tmp_path)
    assert "given twice" in refused([one, other, one])
    copy = tmp_path / "copy.partial"
    copy.write_bytes(one.read_bytes())
    assert "measures of the same streams" in refused([one, copy, other])
    (tmp_path / "x").mkdir()
    write(tmp_path / "x" / "ledger", [0], run=8)
    drained(tmp_path / "x", run=8)
    partial_command(tmp_path / "x", copy, host=Part(), shard=Part())
    assert "have another run: 7 and 8" in refused([one, copy])
    (tmp_path / "run.json").unlink()
    partial_command(tmp_path, copy, host=Part(), shard=Part(2, 2))
    assert "another run.json" in refused([one, copy])


def test_streams_of_two_hosts_are_refused(tmp_path: Path) -> None:
    files = []
    for number, instance in ((1, "p1"), (2, "g-1")):
        history = History()
        history.acked("k", 0, 0, by=instance) if number == 1 else history.deliver(instance, "k", 0)
        files.append(tmp_path / f"{number}.partial")
        asked = RunFacts(7, "x", groups={"g": ["orders"]})
        write_partial(files[-1], measure_part(history.ledgers(), asked, "x", host=Part(number, 2), shard=Part()))
    assert "both have records of stream" in refused(files)


def test_the_same_host_twice_and_the_same_label_on_two_are_refused(tmp_path: Path) -> None:
    files: list[Path] = []
    for number, host in ((1, 1), (2, 1), (1, 2)):
        history = History()
        history.acked(f"k{number}{host}", 0, 0, by=f"p{number}")
        files.append(tmp_path / f"{len(files)}.partial")
        write_partial(files[-1], measure_part(history.ledgers(), None, "x", host=Part(host, 2), shard=Part()))
    assert "are of different ledgers, and both of host 1 of 2" in refused(files[:2])
    assert "both have a ledger 'p1'" in refused([files[0], files[2]])


def test_topics_that_only_another_host_knows_a_group_of_are_refused(tmp_path: Path) -> None:
    history, other = History(), History()
    history.acked("k", 0, 0, by="p1")
    other.acked("j", 0, 0, by="p2")
    other.deliver("g-1", "j", 0)
    files = [tmp_path / "1.partial", tmp_path / "2.partial"]
    for number, (file, each) in enumerate(zip(files, (history, other), strict=True), 1):
        write_partial(file, measure_part(each.ledgers(), None, "x", host=Part(number, 2), shard=Part()))
    assert "has records of 'orders', which group 'g' of another host reads" in refused(files)


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    file = two_shards(tmp_path)[1]
    good = file.read_bytes()
    for at in range(0, len(good), max(1, len(good) // 200)):
        file.write_bytes(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :])
        assert str(file) in refused([file])
        file.write_bytes(good[:at])
        assert str(file) in refused([file])
    for content, word in (
        (b"", "is no partial"),
        (b"PK\3\4 something else", "is no partial"),
        (good + b"x", "damaged"),
        (good[:-1], "truncated"),
        (good[:8] + b"\2" + good[9:], "format 2; this version of kafka-cutover reads format 1"),
    ):
        file.write_bytes(content)
        assert word in refused([file])
    assert "cannot be read" in refused([tmp_path / "nowhere.partial"])


def rewritten(good: bytes, change: object) -> bytes:
    """Return a file with another document and a correct checksum, as only a person can make it."""
    body = zlib.decompress(good[HEADER.size :])
    (length,) = struct.unpack_from("<Q", body)
    document = json.loads(body[8 : 8 + length])
    change(document)  # type: ignore[operator]
    text = json.dumps(document).encode()
    body = struct.pack("<Q", len(text)) + text + body[8 + length :]
    packed = zlib.compress(body)
    return HEADER.pack(good[:8], 1, 0, 0, len(packed), len(body), sha256(packed).digest()) + packed


def test_a_forged_file_is_one_line_and_takes_no_memory(tmp_path: Path) -> None:
    file = two_shards(tmp_path)[1]
    good = file.read_bytes()

    def widened(document: dict[str, object]) -> None:
        document["activity"][0][4]["buckets"] = 1 << 40  # type: ignore[index]

    def lengthened(document: dict[str, object]) -> None:
        document["arrays"][0][1] = 1 << 60  # type: ignore[index]

    for change in (
        lambda d: d.clear(),
        lambda d: d.update(host=[0, 0]),
        lambda d: d.update(shard=[3, 2]),
        lambda d: d.update(ranges=[[5, 3]]),
        lambda d: d["groups"][0].pop(),
        lambda d: d["ledgers"][0].update(label=7),
        lambda d: d.update(ledgers=[]),
        lambda d: d["question"]["left"].append(9),
        widened,
        lengthened,
    ):
        file.write_bytes(rewritten(good, change))
        assert "not what this version writes" in refused([file])
    body = zlib.compress(bytes(1 << 20))
    file.write_bytes(HEADER.pack(good[:8], 1, 0, 0, len(body), 1 << 40, sha256(body).digest()) + body)
    assert "the most is" in refused([file])


def test_offsets_that_take_too_much_memory_are_refused() -> None:
    import numpy as np
    from cutover_harness.judge.portable_json import _Reader

    arrays = [np.array([0]), np.array([1 << 50])]
    with pytest.raises(ValueError, match="more memory"):
        _Reader(arrays, 1 << 30).offsets([0, 1])
    assert len(_Reader([np.array([3, 500]), np.array([2, 9_000])], 1 << 30).offsets([0, 1])) == 3 + 9_001


def test_a_verdict_over_several_machines_is_equal_too(tmp_path: Path) -> None:
    history = History()
    history.produce("k", 0, 40)
    history.read("g-1", "k", 0, 30)
    asked = RunFacts(7, "x", groups={"g": ["orders"]}, drain=[DrainProof("g", True, "read")])
    ledgers = history.ledgers()
    merged = through_files(tmp_path, [(ledgers, Part(), Part(n, 3)) for n in (1, 2, 3)], asked, 5)
    assert verdict(merged, asked) == verdict(judge(ledgers, asked), asked)
    assert verdict(merged, asked).outcome == "FAIL"
