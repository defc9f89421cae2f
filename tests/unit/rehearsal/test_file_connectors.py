"""File connectors of a rehearsal: their lines become ledgers in which the judge finds what a connector loses."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.judge import judge
from cutover_harness.judge.model import DrainProof, GroupMeasures, RunFacts
from cutover_harness.ledger import decode, read_ledgers, stream_id
from cutover_harness.rehearsal.connectors.account import Account
from cutover_harness.rehearsal.connectors.configs import Place, place_in, sink_config, source_config
from cutover_harness.rehearsal.connectors.files import SinkFile, SourceFile
from cutover_harness.rehearsal.connectors.ledgers import (
    Commit,
    Line,
    Row,
    Seen,
    Written,
    sink_rows,
    source_rows,
    write_ledger,
)

from tests.waiting import wait_until

RUN, TOPIC, KEY = 7, "orders", "source-crm"
STREAM = stream_id(TOPIC, KEY, 0)
S = 1_000_000_000
LINES = [Line(number, 49 * (number + 1), number * S) for number in range(6)]
SOURCE = [Written(number, Place("source", TOPIC, 2, 10 + number), number * 1000 + 5) for number in range(3)]
TARGET = [Written(number, Place("target", TOPIC, 2, 30 + number), number * 1000 + 5) for number in range(3, 6)]
COPIES = {Place("target", TOPIC, 2, 20 + number): (STREAM, number) for number in range(3)}
IDENTITIES = COPIES | {each.place: (STREAM, each.sequence) for each in [*SOURCE, *TARGET]}


def line(place: Place) -> str:
    return f"Struct{{topic={place.topic},partition={place.partition},offset={place.offset},cluster={place.cluster}}}"


def test_a_line_of_a_sink_names_the_place_of_its_record() -> None:
    place = Place("target", "orders.placed-1_x", 3, 12345678901)
    assert place_in(line(place)) == place
    for other in ("", "Struct{}", line(place).replace("target", "${env:CUTOVER_LOCATION}"), line(place) + "x"):
        assert place_in(other) is None


def test_what_a_source_connector_reads_is_the_identity_of_its_record(tmp_path: Path) -> None:
    file = SourceFile(KEY, TOPIC, tmp_path / "in", RUN)
    for _ in range(3):
        file.append()
    texts = (tmp_path / "in").read_bytes().splitlines()
    assert [decode(text) for text in texts] == [(RUN, STREAM, sequence) for sequence in range(3)]
    assert file.size == (tmp_path / "in").stat().st_size


def account_of(source: SourceFile) -> Account:
    """Return the account of a batch with one source connector, and without clusters."""
    worker = SimpleNamespace(place="source", launch=lambda: None)
    batch = SimpleNamespace(sources={source.name: source}, sinks={}, worker=worker, start=lambda: None)
    batch.await_stored = lambda: None
    return Account({"orders": batch}, {}, RUN)  # type: ignore[dict-item]


def test_a_full_disk_ends_the_account_of_connectors_and_with_it_the_run(tmp_path: Path) -> None:
    full = account_of(SourceFile(KEY, TOPIC, Path("/dev/full"), RUN))
    full.start()
    wait_until(lambda: not all(thread.is_alive() for thread in full._threads))
    for ends in (full.stop_lines, lambda: full.write(tmp_path)):
        with pytest.raises(UsageError, match=r"lines are not known completely: .*No space left on device"):
            ends()
    full.close()
    assert list(tmp_path.iterdir()) == []


def test_an_account_that_was_complete_is_no_failure(tmp_path: Path) -> None:
    good = account_of(source := SourceFile(KEY, TOPIC, tmp_path / "in", RUN))
    good.start()
    wait_until(lambda: source.lines)
    good.stop_lines()
    good.close()
    assert not any(thread.is_alive() for thread in good._threads)


def test_a_sinks_line_counts_once_and_only_when_it_is_complete(tmp_path: Path) -> None:
    sink, place = SinkFile(tmp_path / "out"), Place("source", TOPIC, 0, 1)
    sink.look()
    whole = line(place)
    (tmp_path / "out").write_text(f"{whole}\n{whole[:20]}")
    sink.look()
    assert [each.place for each in sink.seen] == [place]
    (tmp_path / "out").write_text(f"{whole}\n{whole}\nx\n")
    sink.look()
    assert [each.place for each in sink.seen] == [place, place, None]


def test_configurations_name_no_cluster_but_by_the_workers_environment() -> None:
    for config in (source_config(KEY, Path("/in"), TOPIC), sink_config("billing", Path("/out"), ["a", "b"])):
        assert "${env:CUTOVER_LOCATION}" in config.values()
        assert not any("bootstrap" in field for field in config)
        named = config["transforms"].split(",")
        assert {f"transforms.{name}.type" for name in named} <= config.keys()


def judged(folder: Path, producer: list[Row], consumer: list[Row]) -> GroupMeasures:
    """Return what the judge measures for the group of a sink connector that has read everything."""
    write_ledger(folder / KEY, producer, {"role": "producer", "run": RUN})
    write_ledger(folder / "sink", consumer, {"role": "consumer", "group": "g", "run": RUN, "topics": [TOPIC]})
    facts = RunFacts(run=RUN, scenario="s", drain=[DrainProof("g", True, "read all")])
    (group,) = judge(read_ledgers(folder), facts).groups
    return group


def read(*places: Place) -> list[Seen]:
    return [Seen(60 * S + number, place) for number, place in enumerate(places)]


EVERYTHING = [*(each.place for each in SOURCE), *(each.place for each in TARGET)]


def test_a_move_without_loss(tmp_path: Path) -> None:
    written = [*SOURCE, *TARGET]
    group = judged(
        tmp_path,
        source_rows(KEY, TOPIC, LINES, written, LINES[-1].end, 70 * S),
        sink_rows(TOPIC, read(*EVERYTHING), IDENTITIES, [Commit(80 * S, Place("target", TOPIC, 2, 36))]),
    )
    assert (group.lost, group.reordered, group.duplicated.total, group.phantom) == (0, 0, 0, 0)
    assert (group.acked, group.delivered, group.offset_regression) == (6, 6, 0)
    assert "offset_regression" not in group.unmeasured


def test_lines_that_connect_has_passed_without_sending_them_are_lost(tmp_path: Path) -> None:
    """As after a re-point that sets a source connector's offsets too far ahead."""
    written = [*SOURCE, *TARGET[1:]]
    group = judged(
        tmp_path,
        source_rows(KEY, TOPIC, LINES, written, LINES[-1].end, 70 * S),
        sink_rows(TOPIC, read(*EVERYTHING[:3], *EVERYTHING[4:]), IDENTITIES, []),
    )
    assert (group.lost, group.acked) == (1, 6)


def test_lines_that_a_connector_has_not_reached_are_not_lost(tmp_path: Path) -> None:
    rows = source_rows(KEY, TOPIC, LINES, SOURCE, LINES[2].end, 70 * S)
    group = judged(tmp_path, rows, sink_rows(TOPIC, read(*EVERYTHING[:3]), IDENTITIES, []))
    assert (group.lost, group.acked) == (0, 3)


def test_lines_that_a_connector_sends_again_are_duplicates(tmp_path: Path) -> None:
    """As after a re-point without a source connector's offsets."""
    again = [Written(number, Place("target", TOPIC, 2, 40 + number), 50_000) for number in range(3)]
    identities = IDENTITIES | {each.place: (STREAM, each.sequence) for each in again}
    group = judged(
        tmp_path,
        source_rows(KEY, TOPIC, LINES, [*SOURCE, *TARGET, *again], LINES[-1].end, 70 * S),
        sink_rows(TOPIC, read(*EVERYTHING, *(each.place for each in again)), identities, []),
    )
    assert (group.lost, group.duplicated.total) == (0, 3)


@pytest.mark.parametrize("skipped", [Place("target", TOPIC, 2, 34), Place("source", TOPIC, 2, 11)])
def test_a_record_that_the_sink_skips_is_lost(tmp_path: Path, skipped: Place) -> None:
    group = judged(
        tmp_path,
        source_rows(KEY, TOPIC, LINES, [*SOURCE, *TARGET], LINES[-1].end, 70 * S),
        sink_rows(TOPIC, read(*(place for place in EVERYTHING if place != skipped)), IDENTITIES, []),
    )
    assert group.lost == 1


def test_what_the_sink_reads_again_and_lines_of_unknown_origin_are_counted(tmp_path: Path) -> None:
    seen = [*read(*EVERYTHING, Place("target", TOPIC, 2, 22)), Seen(90 * S, None), *read(Place("source", TOPIC, 0, 99))]
    group = judged(
        tmp_path,
        source_rows(KEY, TOPIC, LINES, [*SOURCE, *TARGET], LINES[-1].end, 70 * S),
        sink_rows(TOPIC, seen, IDENTITIES, []),
    )
    assert (group.lost, group.duplicated.re_read_across, group.phantom) == (0, 1, 2)
