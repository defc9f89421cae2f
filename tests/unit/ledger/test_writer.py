"""The writer against the reader, and against SIGKILL in a real process."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from cutover_harness.ledger import LedgerError, LedgerWriter, read_ledger
from cutover_harness.ledger.columns import ALL_STREAMS
from cutover_harness.ledger.format import HEADER_SIZE, JOURNAL, META, NAMES, ROW
from cutover_harness.ledger.names import StreamName

BIG = 2**64 - 3


def writer(folder: Path, **changes: object) -> LedgerWriter:
    settings = {"instance": "shop-1", "role": "consumer", "group": "billing", "run": 2**63} | changes
    return LedgerWriter(folder, **settings)  # type: ignore[arg-type]


def test_every_event_reads_as_it_was_written(tmp_path: Path) -> None:
    ledger = writer(tmp_path / "shop-1")
    ledger.sent("orders", 1, BIG, 0, 255)
    ledger.acked("orders", 1, 40, BIG, 0, 0)
    ledger.failed("orders", 1, BIG, 1, 0)
    ledger.aborted("orders", 1, BIG, 2, 0, 41)
    ledger.delivered("ordérs", 2, 2**62, BIG, 0, 1)
    ledger.assigned("orders", 1, 0)
    ledger.committed("orders", 1, 41, 0)
    ledger.revoked("orders", 1, 0)
    ledger.close()
    ledger.close()

    found = read_ledger(tmp_path / "shop-1")
    rows = found.rows.everything()
    assert rows.event.tolist() == [1, 2, 3, 8, 4, 6, 5, 7]
    assert [found.rows.topics[t] for t in rows.topic] == ["orders"] * 4 + ["ordérs"] + ["orders"] * 3
    assert rows.offset.tolist() == [-1, 40, -1, 41, 2**62, -1, 41, -1]
    assert rows.sequence.tolist() == [0, 0, 1, 2, 0, -1, -1, -1]
    assert rows.stream.tolist() == [BIG] * 5 + [0] * 3
    assert rows.cluster.tolist() == [255, 0, 0, 0, 1, 0, 0, 0]
    assert (np.diff(rows.time_ns) >= 0).all()
    assert found.rows.records(*ALL_STREAMS).event.tolist() == [1, 2, 3, 8, 4]
    assert found.rows.control().event.tolist() == [6, 5, 7]
    assert (found.meta.instance, found.meta.group, found.meta.run, found.meta.closed) == (
        "shop-1", "billing", 2**63, True,
    )  # fmt: skip
    assert found.torn == 0


def test_the_journal_grows_past_its_chunks(tmp_path: Path) -> None:
    ledger = writer(tmp_path)
    for i in range(20_000):
        ledger.delivered("orders", 0, i, 7, i, 0)
    before_close = read_ledger(tmp_path)
    assert before_close.rows.everything().sequence.tolist() == list(range(20_000))
    assert not before_close.meta.closed
    ledger.close()
    assert (tmp_path / JOURNAL).stat().st_size == HEADER_SIZE + 20_000 * ROW.size


def test_streams_keep_their_keys(tmp_path: Path) -> None:
    ledger = writer(tmp_path)
    for _ in range(2):
        ledger.name_stream(5, "orders", b"\xff", 3)
    ledger.name_stream(6, "orders", None, 4)
    found = read_ledger(tmp_path).names([5, 6, 7])
    assert found == {5: StreamName("orders", b"\xff", 3), 6: StreamName("orders", None, 4)}
    assert found[5].text == "\\xff"
    assert len((tmp_path / NAMES).read_text().splitlines()) == 2


def test_threads_share_a_writer(tmp_path: Path) -> None:
    ledger = writer(tmp_path)

    def append(stream: int) -> None:
        for i in range(5_000):
            ledger.delivered(f"topic-{i % 7}", 0, i, stream, i, 0)

    threads = [threading.Thread(target=append, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.close()
    rows = read_ledger(tmp_path).rows.records(*ALL_STREAMS)
    assert [rows.sequence[rows.stream == n].tolist() for n in range(4)] == [list(range(5_000))] * 4


_CHILD = """
import sys
from pathlib import Path
from cutover_harness.ledger import LedgerWriter
ledger = LedgerWriter(Path(sys.argv[1]), instance="a", role="producer", group=None, run=1)
for i in range(10**9):
    ledger.acked(f"topic-{i % 3}", 0, i, 7, i, 0)
    if i % 1000 == 0:
        sys.stdout.write(f"{i}\\n")
        sys.stdout.flush()
"""


_CHILD_OF_ROWS = """
import sys
from pathlib import Path
import numpy as np
from cutover_harness.ledger import LedgerWriter
from cutover_harness.ledger.format import ROW_DTYPE
ledger = LedgerWriter(Path(sys.argv[1]), instance="a", role="producer", group=None, run=1)
rows = np.zeros(100, ROW_DTYPE)
rows["topic"] = ledger.topic_number("t")
for i in range(0, 10**9, 100):
    rows["sequence"] = np.arange(i, i + 100)
    ledger.append_rows(rows, 2)
    sys.stdout.write(f"{i + 99}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize(("code", "at_once"), [(_CHILD, 1), (_CHILD_OF_ROWS, 100)])
def test_a_kill_loses_no_event_that_was_appended(tmp_path: Path, code: str, at_once: int) -> None:
    """The child says which events are appended; after SIGKILL in mid-write all of these are there, in order."""
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 30_000:
                break
        child.send_signal(signal.SIGKILL)
        said = [int(line) for line in (*child.stdout.read().split(),)] or [30_000]
    found = read_ledger(tmp_path)
    sequence = found.rows.everything().sequence
    assert len(sequence) > said[-1]
    assert sequence.tolist() == list(range(len(sequence)))
    assert found.torn <= at_once
    assert not found.meta.closed


def test_a_torn_row_is_cut_and_counted(tmp_path: Path) -> None:
    ledger = writer(tmp_path)
    for i in range(3):
        ledger.delivered("orders", 0, i, 7, i, 0)
    with (tmp_path / JOURNAL).open("r+b") as file:  # as a kill leaves it: fields written, the event not yet
        file.seek(HEADER_SIZE + 3 * ROW.size)
        file.write(ROW.pack(3, 3, 7, 1, 0, 0, 0, 0))
    found = read_ledger(tmp_path)
    assert (found.rows.count, found.torn) == (3, 1)


def test_a_second_process_needs_its_own_folder(tmp_path: Path) -> None:
    writer(tmp_path).close()
    with pytest.raises(LedgerError, match="contains a ledger already"):
        writer(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / JOURNAL).write_bytes(b""), "shorter than its header"),
        (lambda f: (f / JOURNAL).write_bytes(b"PAR1" * 100), "not a ledger's journal"),
        (
            lambda f: (f / JOURNAL).write_bytes((f / JOURNAL).read_bytes()[: HEADER_SIZE + 100]),
            "truncated: 2 of 5 rows",
        ),
        (lambda f: (f / JOURNAL).write_bytes((f / JOURNAL).read_bytes()[:-7]), "truncated: 4 of 5 rows"),
        (lambda f: (f / META).write_text('{"format": 1, "instance"'), "not JSON"),
        (lambda f: (f / META).write_text("{}"), "'format' is missing"),
        (lambda f: (f / META).write_text(json.dumps({"format": 2})), "reads format 1"),
        (lambda f: (f / JOURNAL).unlink(), "no events"),
        (lambda f: (f / NAMES).unlink(), "topic number 0 of 0"),
    ],
)
def test_a_spoilt_ledger_is_refused_in_one_line(tmp_path: Path, spoil: object, said: str) -> None:
    ledger = writer(tmp_path)
    for i in range(5):
        ledger.delivered("orders", 0, i, 7, i, 0)
    ledger.close()
    spoil(tmp_path)  # type: ignore[operator]
    with pytest.raises(LedgerError) as error:
        read_ledger(tmp_path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_open_journal_that_ends_inside_a_row_is_truncated(tmp_path: Path) -> None:
    ledger = writer(tmp_path)
    for i in range(5):
        ledger.delivered("orders", 0, i, 7, i, 0)
    data = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(data[: HEADER_SIZE + 4 * ROW.size + 9])
    with pytest.raises(LedgerError, match="ends inside row 4"):
        read_ledger(tmp_path)
