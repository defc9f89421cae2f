"""A verdict about nothing, or with a ledger missing, is no PASS; and the same with evidence is one."""

import json
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.judge import verdict
from cutover_harness.judge.command import judge_command
from cutover_harness.judge.model import DrainProof, Expectation, RunFacts, Verdict

from .histories import History
from .test_definitions import clean

HEAD = "event,cluster,topic,partition,offset,key,sequence,time_ns\n"
T0 = 1_764_000_000_000_000_000


def ledger(folder: Path, text: str, **meta: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ledger.json").write_text(json.dumps({"format": 1, "instance": folder.name, "run": 7} | meta))
    (folder / "events.csv").write_text(text)


def rows(event: str, count: int, after_ns: int = 0) -> str:
    return "".join(f"{event},source,o,0,{n},k,{n},{T0 + n * 1000 + after_ns}\n" for n in range(count))


def producer(folder: Path, count: int = 4) -> None:
    sent = "".join(rows(event, count) for event in ("SENT", "ACKED"))
    ledger(folder / "prod", HEAD + sent, role="producer")


def consumer(folder: Path, text: str, name: str = "cons", group: str = "g", **meta: object) -> None:
    ledger(folder / name, text, role="consumer", group=group, drained="lag 0 seen", **meta)


def judged(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = judge_command(folder, as_json=False)
    return code, capsys.readouterr().out


def test_a_complete_delivery_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    producer(tmp_path)
    consumer(tmp_path, HEAD + rows("DELIVERED", 4, 500))
    assert judged(tmp_path, capsys)[0] == 0


def test_producers_alone_prove_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    producer(tmp_path)
    code, out = judged(tmp_path, capsys)
    assert (code, "there is no consumer group" in out) == (3, True)


@pytest.mark.parametrize("text", ["", HEAD])
def test_a_consumer_without_an_event_proves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    producer(tmp_path)
    consumer(tmp_path, text)
    code, out = judged(tmp_path, capsys)
    assert code == 3
    assert "cons: events.csv has no event: cut off?" in out
    assert "g: its topics are unknown" in out


def test_a_silent_group_next_to_another_proves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    producer(tmp_path)
    consumer(tmp_path, HEAD + rows("DELIVERED", 4, 500))
    consumer(tmp_path, HEAD, "c2", "silent", rows=0)
    code, out = judged(tmp_path, capsys)
    assert (code, "silent: its topics are unknown" in out) == (3, True)


def test_a_member_that_declares_that_it_had_nothing_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    producer(tmp_path)
    consumer(tmp_path, HEAD + rows("DELIVERED", 4, 500))
    consumer(tmp_path, HEAD, "standby", rows=0)
    assert judged(tmp_path, capsys)[0] == 0


def test_a_group_that_read_nothing_of_what_it_subscribed_to_lost_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    producer(tmp_path)
    consumer(tmp_path, HEAD, topics=["o"])
    code, out = judged(tmp_path, capsys)
    assert (code, "g: 4 lost" in out) == (1, True)


def test_a_group_of_topics_without_a_record_proves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    producer(tmp_path)
    consumer(tmp_path, HEAD, topics=["audit"])
    code, out = judged(tmp_path, capsys)
    assert (code, "g: no record was acknowledged in audit" in out) == (3, True)


def test_a_topic_without_a_record_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    producer(tmp_path)
    consumer(tmp_path, HEAD + rows("DELIVERED", 4, 500), topics=["o", "audit"])
    code, out = judged(tmp_path, capsys)
    assert (code, "g: nothing was acknowledged in audit" in out) == (0, True)


def test_deliveries_that_all_came_before_the_first_acknowledgement_prove_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    producer(tmp_path)
    consumer(tmp_path, HEAD + rows("DELIVERED", 4, -10 * 10**9))
    code, out = judged(tmp_path, capsys)
    assert (code, "g: every delivery is earlier than the first acknowledgement" in out) == (3, True)


def test_a_missing_ledger_of_an_earlier_process_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    producer(tmp_path)
    (tmp_path / "prod").rename(tmp_path / "prod~2")
    consumer(tmp_path, HEAD + rows("DELIVERED", 4, 500))
    code, out = judged(tmp_path, capsys)
    assert (code, "prod: its ledger is missing" in out) == (3, True)


def outcome(history: History, **facts: object) -> Verdict:
    judgement = history.judge(**facts)  # type: ignore[arg-type]
    return verdict(judgement, RunFacts(**{"run": 7, "scenario": "x"} | facts))  # type: ignore[arg-type]


def test_records_that_are_in_no_producers_ledger_are_missed() -> None:
    history = History()
    history.produce("k", 0, 2)
    history.produce("k", 5, 6)
    history.read("g-1", "k", 0, 2)
    history.read("g-1", "k", 5, 6)
    found = outcome(history)
    assert found.outcome == "INCONCLUSIVE"
    assert "no ledger of a producer has 2 records" in found.reasons[0]
    assert "sequence 3 of orders, key 'k'" in found.reasons[0]
    assert outcome(clean()).outcome == "PASS"


@pytest.mark.parametrize("name", ["offset_regression", "gap_unexplained", "log_order"])
def test_a_limit_of_what_was_not_measured_is_not_kept(name: str) -> None:
    history = History()
    history.produce("k", 0, 4)
    for sequence in range(5):
        history.deliver("g-1", "k", sequence, -1)
    assert outcome(history).outcome == "PASS"
    found = outcome(history, expectation=Expectation({name: 0}))
    assert found.outcome == "INCONCLUSIVE"
    assert f"g: {name} was not measured" in found.reasons[0]


def test_a_limit_of_what_was_measured_is_kept() -> None:
    history = clean()
    history.add("g-1", "COMMITTED", "source", None, -1, 5)
    limits = Expectation({"offset_regression": 0, "gap_unexplained": 0})
    assert outcome(history, expectation=limits).outcome == "PASS"


def test_a_blackout_that_was_not_measured_is_not_short() -> None:
    found = outcome(clean(), expectation=Expectation(max_blackout_ms=1000))
    assert found.reasons == ["blackout was not measured: the run has no switch"]


def test_of_two_proofs_the_one_that_does_not_hold_counts() -> None:
    proofs = [DrainProof("g", False, "3 behind"), DrainProof("g", True, "read all")]
    for order in (proofs, proofs[::-1]):
        assert not clean().judge(drained=False, drain=order).group("g").drained


def test_a_record_that_was_sent_again_after_its_abort_counts_also_when_the_clock_went_back() -> None:
    history = clean()
    history.sent("k", 5)
    history.add("p1", "ABORTED", "source", "k", 5, 5)
    history.at -= 100
    history.acked("k", 5, 6)
    assert history.judge().group("g").lost == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cluster_left": ["sorce"]}, "cluster_left is 'sorce'"),
        ({"topic_left": {"o": ["x"]}}, "topic_left.o is 'x'"),
        ({"copied": [{"cluster": "x", "topic": "o", "partition": 0, "start": 0, "end": 1}]}, "copied.cluster is 'x'"),
        ({"expectation": {"duplicated": {"re-read": 0}}}, "expectation.limits names 're-read'"),
        ({"expectation": {"must_fail": ["loss"]}}, "expectation.must_fail names 'loss'"),
        ({"started_ns": 2**70}, "started_ns is"),
        ({"marks": [{"time_ns": 1, "kind": "stages", "name": "x"}]}, "RunFacts.marks[0].kind: is 'stages'"),
    ],
)
def test_facts_that_would_be_ignored_are_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    producer(tmp_path / "ledger")
    (tmp_path / "run.json").write_text(json.dumps({"run": 7, "scenario": "x"} | change))
    with pytest.raises(UsageError) as error:
        judge_command(tmp_path, as_json=False)
    assert said in str(error.value)
    assert "run.json" in str(error.value)


def test_facts_that_are_nested_too_deep_are_one_line(tmp_path: Path) -> None:
    producer(tmp_path / "ledger")
    (tmp_path / "run.json").write_text("[" * 200_000)
    with pytest.raises(UsageError, match=r"run\.json"):
        judge_command(tmp_path, as_json=False)


@pytest.mark.parametrize("group", ["Billing_2", "a,b", "[red]x[/red]", "../../etc", ":smile:", "x\\", "<b>&amp;"])
def test_a_groups_name_is_printed_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], group: str) -> None:
    producer(tmp_path)
    consumer(tmp_path, HEAD + rows("DELIVERED", 3, 500), group=group)
    code, out = judged(tmp_path, capsys)
    assert (code, f"{group}: 1 lost" in out) == (1, True)
