"""`kafka-cutover judge` on folders as they are found."""

import json
import sys
from pathlib import Path

import pytest
from cutover_harness.cli import app
from cutover_harness.errors import UsageError
from cutover_harness.judge.command import judge_command
from cutover_harness.judge.model import DrainProof, Report, RunFacts
from cutover_harness.ledger import LedgerWriter, stream_id

KEY = b"customer-1"
STREAM = stream_id("orders", KEY, 0)


def write(folder: Path, order: list[int], *, sent: int = 10, run: int = 7) -> None:
    """Write the ledgers of a producer that sent 0..sent-1, and of a group that was delivered `order`."""
    producer = LedgerWriter(folder / "shop-1", instance="shop-1", role="producer", group=None, run=run)
    producer.name_stream(STREAM, "orders", KEY, 0)
    for n in range(sent):
        producer.sent("orders", 0, STREAM, n, 0)
        producer.acked("orders", 0, n, STREAM, n, 0)
    producer.close()
    consumer = LedgerWriter(folder / "billing-1", instance="billing-1", role="consumer", group="billing", run=run)
    for n in order:
        consumer.delivered("orders", 0, n, STREAM, n, 0)
    consumer.close()


def drained(folder: Path, *, run: int = 7) -> None:
    proof = DrainProof("billing", True, "committed 10 of 10")
    RunFacts(run, "stop-first", groups={"billing": ["orders"]}, drain=[proof]).save(folder / "run.json")


SPOILT = [0, 1, 6, 2, 1, 6, 9]  # 3, 4, 5, 7, 8 are missing; 2 came after 6; 1 and 6 came twice


def test_every_violation_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, [0, 1, 2, 4, 3, 4, 7, 7, 9])  # lost 5, 6, 8; again 4, 7; late 3
    assert judge_command(tmp_path, as_json=False) == 1
    out = capsys.readouterr().out
    assert "billing: 3 lost, 2 re-read, 1 reordered\n" in out
    assert out.startswith("FAIL")
    lost = [line for line in out.splitlines() if line.startswith("lost")]
    assert len(lost) == 3
    assert all(word in lost[0] for word in ("billing", "orders/0 @ 5", "source", "customer-1", "5", "shop-1"))


def test_clean_is_inconclusive_until_it_is_proven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "ledger", list(range(10)))
    assert judge_command(tmp_path, as_json=False) == 3
    assert "billing drained not proven" in capsys.readouterr().out
    drained(tmp_path)
    assert judge_command(tmp_path, as_json=False) == 0
    assert "nothing lost, repeated or out of order" in capsys.readouterr().out
    assert judge_command(tmp_path / "ledger", as_json=False) == 0


def test_json_is_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "ledger", SPOILT)
    drained(tmp_path)
    assert judge_command(tmp_path, as_json=True) == 1
    report = Report.from_json(json.loads(capsys.readouterr().out))
    assert report.verdict.reasons == ["billing: 5 lost", "billing: 1 reordered"]
    assert report.judgement.group("billing").duplicated.re_read == 2


def test_a_folder_of_runs_is_as_good_as_its_worst(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, order, run in (("good", list(range(10)), 7), ("bad", SPOILT, 8)):
        write(tmp_path / name / "ledger", order, run=run)
        drained(tmp_path / name, run=run)
    assert judge_command(tmp_path, as_json=True) == 1
    assert {n: r["verdict"]["outcome"] for n, r in json.loads(capsys.readouterr().out).items()} == {
        "good": "PASS",
        "bad": "FAIL",
    }


def test_nothing_to_judge_is_one_line(tmp_path: Path) -> None:
    def refused(folder: Path) -> str:
        with pytest.raises(UsageError) as error:
            judge_command(folder, as_json=False)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "no such folder" in refused(tmp_path / "nowhere")
    assert "contains no ledger" in refused(tmp_path)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "ledger.json").write_text("[]")
    assert "not a ledger's" in refused(tmp_path / "foreign")
    write(tmp_path / "cut", [0])
    journal = tmp_path / "cut" / "billing-1" / "journal.bin"
    journal.write_bytes(journal.read_bytes()[:-1])
    assert "truncated" in refused(tmp_path / "cut")
    write(tmp_path / "empty", [], sent=0)
    assert "contain no event" in refused(tmp_path / "empty")
    write(tmp_path / "other" / "ledger", [0])
    drained(tmp_path / "other", run=8)
    assert "is of run 8, but the ledgers are of run 7" in refused(tmp_path / "other")
    write(tmp_path / "mixed" / "a", [0])
    write(tmp_path / "mixed" / "b", [0], run=8)
    assert "judge one run at a time" in refused(tmp_path / "mixed")


def test_unknown_word_in_run_json_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "ledger", list(range(10)))
    drained(tmp_path)
    file = tmp_path / "run.json"
    monkeypatch.setattr(sys, "argv", ["kafka-cutover", "judge", str(tmp_path)])
    for kind, code in (("stage", 0), ("nonsense", 2)):
        content = json.loads(file.read_text(encoding="utf-8"))
        content["marks"] = [{"time_ns": 1, "kind": kind, "name": "x"}]
        file.write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(SystemExit) as ended:
            app.run()
        assert ended.value.code == code
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"kafka-cutover: {file}: RunFacts.marks[0].kind: is 'nonsense'; it is one of 'stage', ")
    assert "\n" not in said
