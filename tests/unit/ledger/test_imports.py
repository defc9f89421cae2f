"""Ledgers that an application team wrote with what it had at hand."""

import json
from pathlib import Path

import pytest
from cutover_harness.judge.command import judge_folder
from cutover_harness.ledger import LedgerError, read_ledger, stream_id
from cutover_harness.ledger.columns import ALL_STREAMS

META = {"format": 1, "instance": "billing-1", "role": "consumer", "group": "billing", "run": 7}


def folder(path: Path, name: str, text: str, **meta: object) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "ledger.json").write_text(json.dumps(META | meta))
    (path / name).write_text(text, encoding="utf-8")
    return path


CSV = """event,cluster,topic,partition,offset,key,sequence,time
delivered,target,orders,2,40,customer-1,0,2026-11-24T10:00:00.000001Z
DELIVERED,target,orders,2,41,customer-1,1,2026-11-24T11:00:00+01:00
committed,target,orders,2,42,,,2026-11-24T10:00:01
4,1,orders,0,7,,0,2026-11-24T10:00:02
"""


def test_csv(tmp_path: Path) -> None:
    ledger = read_ledger(folder(tmp_path, "events.csv", CSV))
    rows = ledger.rows.everything()
    assert rows.event.tolist() == [4, 4, 5, 4]
    assert rows.cluster.tolist() == [1, 1, 1, 1]
    assert rows.offset.tolist() == [40, 41, 42, 7]
    assert rows.sequence.tolist() == [0, 1, -1, 0]
    known, nameless = stream_id("orders", b"customer-1", 2), stream_id("orders", None, 0)
    assert rows.stream.tolist() == [known, known, 0, nameless]
    assert (rows.time_ns - rows.time_ns[0]).tolist() == [0, -1000, 999_999_000, 1_999_999_000]
    assert ledger.names([known])[known].text == "customer-1"
    assert len(ledger.rows.control()) == 1


def test_json_lines(tmp_path: Path) -> None:
    lines = [
        {"event": "DELIVERED", "topic": "orders", "partition": 0, "stream": 2**64 - 1, "sequence": 3, "time_ns": 5},
        {"event": "ASSIGNED", "topic": "orders", "partition": 0, "time_ns": 1},
    ]
    rows = read_ledger(folder(tmp_path, "events.jsonl", "\n".join(map(json.dumps, lines)))).rows.records(*ALL_STREAMS)
    assert (rows.stream.tolist(), rows.sequence.tolist(), rows.time_ns.tolist()) == ([2**64 - 1], [3], [5])
    assert (rows.offset.tolist(), rows.cluster.tolist()) == ([-1], [255])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("events.csv", "event,topic,colour\n", "unknown column 'colour'"),
        (
            "events.csv",
            "event,topic,partition,time_ns\nREAD,orders,0,1\n",
            "line 2: unknown event 'READ'; known are SENT",
        ),
        (
            "events.csv",
            "event,topic,partition,time_ns\nSENT,orders,x,1\n",
            "line 2: partition is 'x', not a whole number",
        ),
        ("events.csv", "event,topic,partition,time\nDELIVERED,orders,0,now\n", "line 2: time is 'now', not ISO 8601"),
        ("events.csv", "event,topic,time_ns\nSENT,orders,1\n", "line 1: column 'partition' is missing"),
        ("events.csv", "event,topic,partition,time_ns\nSENT,orders,,1\n", "line 2: field 'partition' is missing"),
        ("events.jsonl", '{"event": "SENT", "top', "line 1 is not JSON"),
        ("events.jsonl", "[1]", "line 1 is not a JSON object"),
        ("events.jsonl", '{"event": "SENT", "when": 1}', "line 1: unknown field 'when'"),
        ("events.jsonl", '{"event": 4, "topic": "t", "partition": 1e99, "time_ns": 1}', "not a whole number"),
        ("events.jsonl", '{"event": 4, "topic": "t", "partition": 99999999999, "time_ns": 1}', "not between 0 and"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(LedgerError) as error:
        read_ledger(folder(tmp_path, name, text))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_imports_are_judged_with_the_rest(tmp_path: Path) -> None:
    head = "event,cluster,topic,partition,offset,key,sequence,time_ns\n"
    sends = "".join(f"{e},source,orders,0,{n},k,{n},{n + 1}\n" for n in range(4) for e in ("sent", "acked"))
    folder(tmp_path / "shop", "events.csv", head + sends, instance="shop", role="producer", group=None)
    reads = "".join(f"delivered,source,orders,0,{n},k,{n},{n + 100}\n" for n in (0, 1, 3))
    folder(tmp_path / "billing", "events.csv", head + reads, drained="stopped at the end of the log")
    report, facts = judge_folder(tmp_path)
    assert facts is None
    assert report.verdict.reasons == ["billing: 1 lost"]
    assert [(o.key, o.sequence) for o in report.judgement.offenders] == [("k", 2)]
